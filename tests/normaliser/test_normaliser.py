"""Chunks to customers and problems: each row is one of both, with all its problems, and nothing else changes."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from typing import Literal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from importer.model import Customer, FieldDefinition, Problem, Repair, Store
from importer.normaliser.codes import OWN_CODES
from importer.normaliser.mapping import NAME, PREFERENCE, VALUE, ColumnUse, Mapping, propose
from importer.normaliser.normaliser import Normalised, Normaliser
from importer.row_block import RowBlock
from tests.support.normalising import block_of, normalise

WIDE = ("Mobile", "Email", "Customer ID", "Store Code", "Brand", "Color")
LONG = ("Mobile", "Email", "Preference", "Value")
A, B = "917744876415", "919876543210"


def _wide(*rows: tuple[str, ...], problems: tuple[Problem, ...] = (), **options: object) -> Normalised:
    return normalise(Normaliser(propose(WIDE), **options), [block_of(WIDE, rows, problems=problems)])  # type: ignore[arg-type]


def _long(*rows: tuple[str, ...], **options: object) -> Normalised:
    return normalise(Normaliser(propose(LONG), **options), [block_of(LONG, rows)])  # type: ignore[arg-type]


def _codes(made: Normalised) -> list[tuple[int, str | None, str]]:
    return [(problem.row_number, problem.column, problem.code) for problem in made.problems]


# -- wide -----------------------------------------------------------------------------------------------------------


def test_a_whole_row() -> None:
    """Every field in its place, preferences in the sheet's order."""
    made = _wide((A, "Asha@Example.com", "A-17", "S1", " Puma ", "Blue"))
    assert made.customers == [
        Customer(2, A, "Asha@example.com", "A-17", "", Store("S1"), (("Brand", "Puma"), ("Color", "Blue")))
    ]
    assert not made.problems and not made.repairs and not made.blanks


def test_a_problem_of_the_reader_shows_its_cell() -> None:
    """Whoever looks for the cell finds what it contains, as with any other problem."""
    found = (Problem(2, "Brand", "", "error_cell", "m", "a"), Problem(2, "Color", "known", "error_cell", "m", "a"))
    made = _wide((A, "", "", "", "#N/A", "Blue"), problems=found)
    assert [problem.value for problem in made.problems] == ["#N/A", "known"]


def test_blanks_are_left_out_and_counted() -> None:
    """An empty cell sets nothing; what is counted is what would be sent that way."""
    made = _wide((A, "", "", "", "", "Blue"), (B, "", "", "", "Puma", " "), ("x", "", "", "", "", "Red"))
    assert [customer.custom_fields for customer in made.customers] == [(("Color", "Blue"),), (("Brand", "Puma"),)]
    assert made.blanks == {"Brand": 1, "Color": 1}
    assert made.customers[0].store is None


def test_blanks_can_clear() -> None:
    """With `--blank clear` an empty cell is sent as an empty value, and no row has nothing to set."""
    made = _wide((A, "", "", "", "", ""), blank="clear")
    assert made.customers[0].custom_fields == (("Brand", ""), ("Color", ""))
    assert made.blanks == {"Brand": 1, "Color": 1} and not made.problems


def test_all_problems_of_a_row_are_reported() -> None:
    """Not only the first one, and no part of the row is sent."""
    made = _wide(("12", "a b@c.de", "1234567890123450", "1.23457E+15", "", ""))
    assert _codes(made) == [
        (2, "Mobile", "mobile_too_short"),
        (2, "Email", "email_unsupported_character"),
        (2, "Customer ID", "external_id_rounded"),
        (2, "Store Code", "store_code_in_scientific_notation"),
        (2, None, "nothing_to_set"),
    ]
    assert made.customers == []


def test_a_row_without_identifier_or_value() -> None:
    """Both are reported. A faulty cell is not reported as empty as well."""
    made = _wide(("", " ", "", "S1", "", ""), ("12", "", "", "", "Puma", ""))
    assert _codes(made) == [(2, None, "no_identifier"), (2, None, "nothing_to_set"), (3, "Mobile", "mobile_too_short")]


def test_messages_never_hold_the_cell() -> None:
    """Message and advice go to logs and the journal; the value goes to reports only."""
    secret = "canary-7744"
    fields = [FieldDefinition("Brand", options=("Puma",)), FieldDefinition("Color", datatype="integer")]
    made = _wide((secret, f"{secret} @x", "", "", secret, secret), fields=fields)
    assert len(made.problems) == 4
    for problem in made.problems:
        assert secret in problem.value
        assert secret not in problem.message + problem.advice + (problem.column or "")
        assert problem.advice.endswith(".") and problem.code in OWN_CODES


def test_repairs_are_reported_for_rows_that_are_sent() -> None:
    """The value of the cell and the value that is sent. A rejected row sends nothing."""
    made = _wide(
        (f"{A}.0", "", "17.0", "S\u00a01", "Puma", ""),
        (f"{A}.0", "bad", "", "", "Puma", ""),
    )
    assert made.repairs == [
        Repair(2, "Mobile", "point_zero_removed", f"{A}.0", A),
        Repair(2, "Customer ID", "point_zero_removed", "17.0", "17"),
        Repair(2, "Store Code", "unusual_spaces_removed", "S\u00a01", "S 1"),
    ]
    assert [customer.row_number for customer in made.customers] == [2]


def test_what_the_reader_found() -> None:
    """A row it gave up on is rejected for that alone; a bad cell matters only where the column is sent."""
    ragged = Problem(2, None, "extra", "ragged_row", "too many cells")
    error = Problem(3, "Mobile", "#N/A", "error_cell", "an error")
    value = Problem(4, "Brand", "#N/A", "error_cell", "an error")
    store = Problem(5, "Store Code", "#N/A", "error_cell", "an error")
    elsewhere = Problem(6, "Remark", "#N/A", "error_cell", "an error")
    lost = Problem(99, None, "", "ragged_row", "no place in the frame")
    good = (A, "", "", "", "Puma", "")
    made = _wide(
        ("1", "x", "", "", "", ""), ("", "", "", "", "Puma", ""), (A, "", "", "", "", ""), good, good,
        problems=(ragged, error, value, store, elsewhere, lost),
    )  # fmt: skip
    assert made.problems == [ragged, error, value, store, lost]
    assert [customer.row_number for customer in made.customers] == [6]


@pytest.mark.parametrize(
    "word",
    [
        *(
            "NULL",
            "null",
            "\\N",
            "N/A",
            "n/a",
            "n.a.",
            "#N/A",
            "-",
            "--",
            "—",
            "none",
            "NIL",
            "NaN",
            "<NA>",
            "Undefined",
        ),
        *("(blank)", "(Empty)", "[null]", "(Blanks)", "(vacío)", "'NULL'", ".", "N / A", "(Leer)", "k. A.", "-\u00a0"),
    ],
)
def test_placeholders_are_empty_identifiers(word: str) -> None:
    """They count as a repair. A row with another identifier is sent by that; as a preference they are text, but for
    `#N/A`, which is an error there."""
    brand = "x" if word == "#N/A" else word
    made = _wide(
        (A, word, word, word, brand, ""), (word, "a@b.com", word, word, brand, ""), (word, word, word, word, "x", "")
    )
    assert [customer.identifiers for customer in made.customers] == [(("mobile", A),), (("email", "a@b.com"),)]
    assert [customer.store for customer in made.customers] == [None, None]
    assert [customer.custom_fields[0][0] for customer in made.customers] == ["Brand", "Brand"]
    assert made.customers[0].custom_fields[0][1] == brand.strip()
    assert _codes(made) == [(4, None, "no_identifier")]
    assert Counter((repair.row_number, repair.code) for repair in made.repairs) == {
        (2, "placeholder_emptied"): 3,
        (3, "placeholder_emptied"): 3,
    }


@pytest.mark.parametrize(
    "word", ["NA", "NONE1", "NULL-1", "nilsson", "NAN1", "N1", "0", "n/a/1", "Blank", "U", "x", "K.A.1"]
)
def test_an_id_like_a_placeholder_stays(word: str) -> None:
    """Only what is certainly no id is emptied."""
    made = _wide((A, "", word, word, "Puma", ""))
    assert made.customers[0].external_id == word and made.customers[0].store == Store(word)
    assert not made.repairs


def test_na_is_no_mobile_and_no_email() -> None:
    """There it cannot be a value."""
    made = _wide(("NA", "na", "NA", "", "Puma", ""))
    assert made.customers[0].identifiers == (("external_id", "NA"),)
    assert [repair.column for repair in made.repairs] == ["Mobile", "Email"]


def test_invalid_identifiers_can_be_omitted() -> None:
    """A row is sent by what is valid, with the problems that were left out; a row with none is rejected for them."""
    lost = Problem(5, "Email", "", "lost_letters", "a letter is lost", "Retype it.")
    rows = [
        (A, "a@x; b@y", "", "", "Puma", ""),
        ("12", "b@example.com", "1E+15", "", "Puma", ""),
        ("12", "x", "", "", "Puma", ""),
        (B, "", "", "", "Puma", ""),
        (B, "", "", "1E+15", "Puma", ""),
    ]
    made = _wide(*rows, problems=(lost,), invalid_identifiers="omit")
    assert [customer.identifiers for customer in made.customers] == [
        *[(("mobile", A),), (("email", "b@example.com"),), (("mobile", B),)]
    ]
    assert [[problem.code for problem in customer.omitted] for customer in made.customers] == [
        ["email_several"],
        ["mobile_too_short", "external_id_in_scientific_notation"],
        ["lost_letters"],
    ]
    assert _codes(made) == [
        (4, "Mobile", "mobile_too_short"),
        (4, "Email", "email_invalid"),
        (6, "Store Code", "store_code_in_scientific_notation"),
    ]
    kept = _wide(*rows, problems=(lost,))
    assert not kept.customers and {problem.row_number for problem in kept.problems} == {2, 3, 4, 5, 6}


def test_an_omitted_identifier_of_a_row_with_another_problem() -> None:
    """The row is rejected for that problem, and not for the identifier."""
    ragged = Problem(3, None, "extra", "ragged_row", "too many cells")
    made = _wide((A, "x", "", "", "", ""), (A, "x", "", "", "", ""), problems=(ragged,), invalid_identifiers="omit")
    assert _codes(made) == [(2, None, "nothing_to_set"), (3, None, "ragged_row")]


def test_rows_of_a_long_sheet_keep_their_own_warnings() -> None:
    """Rows of one customer are one record only where the same identifiers were left out."""
    made = _long(
        *[(A, "x", "Brand", "Puma"), (A, "y", "Color", "Red"), (A, "", "Size", "9"), ("", "x", "Size", "8")],
        invalid_identifiers="omit",
    )
    assert [(customer.row_numbers, len(customer.omitted)) for customer in made.customers] == [((2, 3), 1), ((4,), 0)]
    assert _codes(made) == [(5, "Email", "email_invalid")]


@pytest.mark.parametrize("omits", ["reject", "omit"])
@pytest.mark.parametrize("typed", [True, False])
def test_rows_that_are_not_sent_are_known_by_what_they_would_be_sent_by(
    typed: bool, omits: Literal["reject", "omit"]
) -> None:
    """Digits that were typed as text link rows; a cell that the reader flags does not."""
    zeros = "919784000000"
    flagged = Problem(3, "Mobile", zeros, "mobile_rounded", "rounded")
    rows = [(zeros, "a@example.com", "", "", "Puma", ""), (zeros, "b@example.com", "NULL", "", "Puma", "")]
    block = msgspec.structs.replace(block_of(WIDE, rows, problems=(flagged,)), typed=typed)
    normaliser = Normaliser(propose(WIDE), invalid_identifiers=omits)
    assert [customer.mobile for customer in normaliser.known_by(block)] == [zeros if typed else "", ""]
    assert [customer.external_id for customer in normaliser.known_by(block)] == ["", ""]
    sent = normaliser(block).customers
    assert [customer.mobile for customer in sent if customer.row_number == 2] == (
        [zeros] if typed else [""] * (omits == "omit")
    )


def test_an_unusable_row_is_reported_once() -> None:
    """Its cells may be in wrong columns, so no problem of a single cell is reported."""
    cell = Problem(2, "Mobile", "#N/A", "error_cell", "an error")
    ragged = Problem(2, None, "extra", "ragged_row", "too many cells")
    for problems in ((cell, ragged), (ragged, cell)):
        assert _wide((A, "bad", "", "", "", ""), problems=problems).problems == [ragged]


def test_constants() -> None:
    """The same store and the same preference for every row; a constant preference is something to set."""
    mapping = Mapping(
        (ColumnUse("Mobile", "mobile"), ColumnUse("Brand", PREFERENCE, "Brand")),
        (("store.code", "S1"), ("store.id", "9"), ("Source", "till")),
    )
    made = normalise(Normaliser(mapping), [block_of(("Mobile", "Brand"), [(A, "Puma"), (B, "")])])
    assert [customer.store for customer in made.customers] == [Store("S1", "9")] * 2
    assert [customer.custom_fields for customer in made.customers] == [
        (("Brand", "Puma"), ("Source", "till")),
        (("Source", "till"),),
    ]


def test_a_constant_completes_a_store_column() -> None:
    """A store's id from the sheet, its code from the mapping."""
    uses = (ColumnUse("Mobile", "mobile"), ColumnUse("Store", "store.id"), ColumnUse("Brand", PREFERENCE, "Brand"))
    mapping = Mapping(uses, (("store.code", "S1"),))
    made = normalise(Normaliser(mapping), [block_of(("Mobile", "Store", "Brand"), [(A, "7.0", "x"), (B, "", "y")])])
    assert [customer.store for customer in made.customers] == [Store("S1", "7"), Store("S1", "")]


def test_a_list_column() -> None:
    """Only where the mapping says so; curly quotes around items are damage there, and data elsewhere."""
    uses = (
        ColumnUse("Mobile", "mobile"),
        ColumnUse("Brand", PREFERENCE, "Brand", True, ";"),
        ColumnUse("Color", PREFERENCE, "Color"),
    )
    made = normalise(
        Normaliser(Mapping(uses)), [block_of(("Mobile", "Brand", "Color"), [(A, "“puma”; nike", "“a”; b")])]
    )
    assert made.customers[0].custom_fields == (("Brand", '["puma", "nike"]'), ("Color", "“a”; b"))
    assert made.repairs == [Repair(2, "Brand", "list_quotes_removed", "“puma”; nike", '["puma", "nike"]')]


def test_a_list_column_of_another_separator_keeps_its_quotes() -> None:
    """`“puma”; “nike”` separated by commas is one item, and was sent without its first and its last quote."""
    uses = (ColumnUse("Mobile", "mobile"), ColumnUse("Brand", PREFERENCE, "Brand", True, ","))
    cells = [(A, "“puma”; “nike”"), (B, '“men’s”, « "kids" »')]
    made = normalise(Normaliser(Mapping(uses)), [block_of(("Mobile", "Brand"), cells)])
    sent = [customer.custom_fields for customer in made.customers]
    assert sent == [(("Brand", '["“puma”; “nike”"]'),), (("Brand", '["men’s", "kids"]'),)]


def test_the_organisations_fields() -> None:
    """Values are held to the field's rules once they are known, by the field's name in any case."""
    fields = [FieldDefinition("Brand", options=("Puma",)), FieldDefinition("COLOR", is_disabled=True)]
    made = _wide((A, "", "", "", "Puma", ""), (B, "", "", "", "Nike", "x"), fields=fields)
    assert [customer.row_number for customer in made.customers] == [2]
    assert _codes(made) == [(3, "Brand", "preference_not_an_option"), (3, "Color", "preference_disabled")]
    assert "(Puma)" in made.problems[0].message


def test_an_empty_chunk() -> None:
    """Nothing in, nothing out."""
    assert _wide() == Normalised([], [], [], {})
    assert _long() == Normalised([], [], [], {})


# -- long -----------------------------------------------------------------------------------------------------------


def test_rows_of_one_customer_become_one_record() -> None:
    """Each row keeps its number; another customer begins another record."""
    made = _long((A, "", "Brand", "Puma"), (A, "", "Color", "Blue"), (B, "", "Brand", "Nike"), (A, "", "Size", "M"))
    assert made.customers == [
        Customer(2, A, custom_fields=(("Brand", "Puma"), ("Color", "Blue")), also_rows=(3,)),
        Customer(4, B, custom_fields=(("Brand", "Nike"),)),
        Customer(5, A, custom_fields=(("Size", "M"),)),
    ]


def test_a_repeated_preference_keeps_its_order() -> None:
    """The later row wins at the server, as if the rows had been sent one by one."""
    made = _long((A, "", "Brand", "Puma"), (A, "", "Brand", "Nike"))
    assert [customer.custom_fields for customer in made.customers] == [(("Brand", "Puma"),), (("Brand", "Nike"),)]


def test_other_identifiers_are_another_record() -> None:
    """A row that adds an e-mail says something else of the customer, so it stays by itself."""
    made = _long((A, "", "Brand", "Puma"), (A, "a@b.com", "Color", "Blue"))
    assert [customer.row_numbers for customer in made.customers] == [(2,), (3,)]


def test_bad_rows_of_a_long_sheet_cost_themselves_only() -> None:
    """The rows around them still are one record."""
    made = _long(
        (A, "", "Brand", "Puma"),
        (A, "", "", "Blue"),
        (A, "", "x" * 21, "Blue"),
        (A, "", "Size", ""),
        (A, "", "", ""),
        ("12", "", "Size", "M"),
        ("", "", "Size", "M"),
        (A, "", " Fav\n Color ", " Blue "),
    )
    assert made.customers == [Customer(2, A, custom_fields=(("Brand", "Puma"), ("Fav Color", "Blue")), also_rows=(9,))]
    assert _codes(made) == [
        (3, "Preference", "preference_name_missing"),
        (4, "Preference", "preference_name_too_long"),
        (5, "Value", "nothing_to_set"),
        (6, None, "nothing_to_set"),
        (7, "Mobile", "mobile_too_short"),
        (8, None, "no_identifier"),
    ]


def test_a_long_sheet_can_clear() -> None:
    """An empty value clears the preference that the row names."""
    made = _long((A, "", "Brand", ""), (A, "", "", ""), blank="clear")
    assert made.customers == [Customer(2, A, custom_fields=(("Brand", ""),))]
    assert made.blanks == {"Value": 1} and _codes(made) == [(3, None, "nothing_to_set")]


def test_constants_of_a_long_sheet() -> None:
    """Every record carries them, unless a row says otherwise."""
    uses = (ColumnUse("Mobile", "mobile"), ColumnUse("Name", NAME), ColumnUse("Value", VALUE))
    mapping = Mapping(uses, (("Source", "till"), ("store.id", "7")))
    rows = [(A, "Brand", "Puma"), (B, "Source", "web")]
    made = normalise(Normaliser(mapping), [block_of(("Mobile", "Name", "Value"), rows)])
    assert [customer.custom_fields for customer in made.customers] == [
        (("Brand", "Puma"), ("Source", "till")),
        (("Source", "web"),),
    ]
    assert made.customers[0].store == Store("", "7")


def test_a_long_sheets_fields() -> None:
    """Each named preference is held to its own rules; lists are made where the mapping says so."""
    uses = (ColumnUse("Mobile", "mobile"), ColumnUse("Name", NAME), ColumnUse("Value", VALUE, is_list=True))
    normaliser = Normaliser(Mapping(uses), fields=[FieldDefinition("Brand", options=("Puma", "Nike"))])
    rows = [(A, "Brand", "Puma; “Nike”"), (A, "Brand", "Puma; Lotto"), (A, "Color", "x")]
    made = normalise(normaliser, [block_of(("Mobile", "Name", "Value"), rows)])
    assert made.customers[0].custom_fields == (("Brand", '["Puma", "Nike"]'), ("Color", '["x"]'))
    assert _codes(made) == [(3, "Value", "preference_not_an_option")]
    assert [repair.row_number for repair in made.repairs] == [2]


def test_many_rows_of_one_customer_are_bounded() -> None:
    """A record does not grow without end."""
    made = _long(*[(A, "", f"P{number}", "x") for number in range(250)])
    assert [len(customer.custom_fields) for customer in made.customers] == [100, 100, 50]


# -- for any sheet --------------------------------------------------------------------------------------------------

_MOBILES = st.sampled_from([A, B, f"{A}.0", "+91 98765 43210", "12", "9.2E+11", "", " ", "x"])
_EMAILS = st.sampled_from(["", "a@b.com", "A@B.COM", "bad", "a@b.com\u00a0"])
_IDS = st.sampled_from(["", "A1", "17.0", "1234567890123450", "Mar-26"])
_STORES = st.sampled_from(["", "S1", "S2", "1.5E+9"])
_VALUES = st.one_of(st.sampled_from(["", " ", "Puma", "puma; nike", "“a”; b"]), st.text(max_size=6))
_WIDE_ROWS = st.lists(st.tuples(_MOBILES, _EMAILS, _IDS, _STORES, _VALUES, _VALUES), max_size=25)
_NAMES = st.sampled_from(["Brand", "Color", "", "x" * 21, " Brand "])
_LONG_ROWS = st.lists(st.tuples(_MOBILES, _EMAILS, _NAMES, _VALUES), max_size=25)
_FIELDS = [FieldDefinition("Brand", options=("Puma", "puma", "nike"))]


def _chunks(columns: tuple[str, ...], rows: list[tuple[str, ...]], size: int) -> list[RowBlock]:
    return [block_of(columns, rows[at : at + size], first=2 + at) for at in range(0, len(rows), size)]


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(
    st.one_of(st.tuples(st.just(WIDE), _WIDE_ROWS), st.tuples(st.just(LONG), _LONG_ROWS)),
    st.sampled_from(["skip", "clear"]),
    st.sampled_from([None, "IN"]),
    st.booleans(),
    st.integers(min_value=1, max_value=9),
)
def test_every_row_ends_in_one_place_however_the_sheet_is_cut(
    sheet: tuple[tuple[str, ...], list[tuple[str, ...]]],
    blank: Literal["skip", "clear"],
    country: str | None,
    with_fields: bool,
    size: int,
) -> None:
    """A customer or a problem for every row, never both, in order; blocks of any size give the same."""
    columns, rows = sheet
    mapping = propose(columns)

    def run(chunk_size: int) -> Normalised:
        normaliser = Normaliser(mapping, country=country, blank=blank, fields=_FIELDS if with_fields else None)
        return normalise(normaliser, _chunks(columns, rows, chunk_size))

    whole = run(1_000)
    sent = [row for customer in whole.customers for row in customer.row_numbers]
    rejected = {problem.row_number for problem in whole.problems}
    assert max(Counter(sent).values(), default=1) == 1
    assert not rejected & set(sent)
    assert sorted([*sent, *rejected]) == list(range(2, 2 + len(rows)))
    assert sent == sorted(sent)
    assert {repair.row_number for repair in whole.repairs} <= set(sent)
    for customer in whole.customers:
        assert customer.identifiers and customer.custom_fields
        assert all(len(name) <= 20 for name, _ in customer.custom_fields)
        assert len(dict(customer.custom_fields)) == len(customer.custom_fields)
        assert blank == "clear" or all(value for _, value in customer.custom_fields)
    assert run(size) == whole


@pytest.mark.parametrize("kind", ["mobile", "email", "external_id", "user_id"])
def test_any_one_identifier_is_enough(kind: str) -> None:
    """Each of the four names a customer by itself."""
    value = {"mobile": A, "email": "a@b.com"}.get(kind, "17")
    made = normalise(
        Normaliser(Mapping((ColumnUse("Who", kind), ColumnUse("Brand", PREFERENCE, "Brand")))),
        [block_of(("Who", "Brand"), [(value, "x")])],
    )
    assert made.customers[0].identifiers == ((kind, value),)


# -- caches ---------------------------------------------------------------------------------------------------------


def test_a_block_of_many_distinct_values_keeps_its_repairs() -> None:
    """However many values are cached, each repaired cell of a block is reported."""
    values = [f'="{number}"' for number in range(25_000)]
    made = _wide(*[(A, "", "", "", value, value) for value in values])
    assert len(made.repairs) == 2 * len(values)


def test_free_text_does_not_fill_the_memory() -> None:
    """What the cells of a sheet mean is cached for few characters, in every column."""
    mapping = propose(("Mobile", "Email", "Customer ID", "Store Code", "Brand"))
    normaliser = Normaliser(mapping)
    tracemalloc.start()
    try:
        for block in range(40):
            rows = [tuple(f"{kind} {block}-{row} ".ljust(2_000, "x") for kind in range(5)) for row in range(500)]
            normaliser(block_of(("Mobile", "Email", "Customer ID", "Store Code", "Brand"), rows))
            del rows
        assert tracemalloc.get_traced_memory()[0] < 40 << 20
    finally:
        tracemalloc.stop()


def test_short_free_text_does_not_fill_the_memory_either() -> None:
    """Distinct values are cached for some thousands of rows only."""
    normaliser = Normaliser(propose(WIDE))
    for block in range(10):
        normaliser(block_of(WIDE, [(A, "", "", "", f"{block}-{row}", "") for row in range(9_000)]))
    assert all(len(reader) < 30_000 for reader in normaliser._readers)
