"""Headers to fields: by known names in the markets' languages, all problems reported at once, nothing guessed."""

from __future__ import annotations

import tempfile
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.errors import SettingsError, SourceError
from importer.normaliser.mapping import (
    IGNORED,
    NAME,
    PREFERENCE,
    VALUE,
    ColumnSamples,
    ColumnUse,
    Mapping,
    fit,
    misspelt,
    preference_name,
    propose,
    sketch,
)
from importer.normaliser.mapping_file import load, to_toml
from importer.normaliser.synonyms import FIELD_BY_NAME, SYNONYMS, distance, field_of, fold


def _load(tmp_path: Path, text: str) -> Mapping:
    path = tmp_path / "mapping.toml"
    path.write_text(text, encoding="utf-8")
    return load(path)


# -- names ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "field"),
    [
        ("Mobile No.", "mobile"),
        ("MOBILE_NUMBER", "mobile"),
        (" mobile ", "mobile"),
        ("Mobile #", "mobile"),
        ("Mobile*", "mobile"),
        ("Mobile (with country code)", "mobile"),
        ("Mobile No (10 digits)", "mobile"),
        ("Phone", "mobile"),
        ("Ｍｏｂｉｌｅ", "mobile"),
        ("E-mail ID", "email"),
        ("Email\nAddress", "email"),
        ("Customer ID", "external_id"),
        ("external_id", "external_id"),
        ("User ID", "user_id"),
        ("Store Code", "store.code"),
        ("store.code", "store.code"),
        ("Store ID", "store.id"),
        ("store.id", "store.id"),
        ("मोबाइल नंबर", "mobile"),
        ("ई-मेल", "email"),
        ("رقم الجوال", "mobile"),
        ("البريد الإلكتروني", "email"),
        ("เบอร์โทรศัพท์", "mobile"),
        ("อีเมล", "email"),
        ("รหัสลูกค้า", "external_id"),
        ("No. HP", "mobile"),
        ("Nomor Telepon", "mobile"),
        ("Kode Toko", "store.code"),
        ("Teléfono móvil", "mobile"),
        ("TELEFONO MOVIL", "mobile"),
        ("Correo electrónico", "email"),
        ("Código de tienda", "store.code"),
        ("Favourite Brand", ""),
        ("Moblie No", ""),
        ("Mobile 2", ""),
        ("Store", ""),
        ("ID", ""),
        ("", ""),
    ],
)
def test_header_names(column: str, field: str) -> None:
    """A header is taken for a field by its name, however it is written, and by nothing less."""
    assert field_of(column) == field


def test_each_name_stands_for_one_field() -> None:
    """The table of names is unambiguous, and no name folds to nothing."""
    by_name: dict[str, str] = {}
    for field, languages in SYNONYMS.items():
        assert set(languages) == {"en", "hi", "ar", "th", "id", "es"}
        for names in languages.values():
            for name in names.split(","):
                folded = fold(name)
                assert folded and by_name.setdefault(folded, field) == field
    assert by_name == FIELD_BY_NAME


@pytest.mark.slow
@given(st.text(max_size=30))
def test_folding_is_stable(text: str) -> None:
    """A folded name folds to itself."""
    assert fold(fold(text)) == fold(text)


@pytest.mark.parametrize(
    ("one", "other", "apart"),
    [
        ("mobile", "mobile", 0),
        ("moblie", "mobile", 1),
        ("mobil", "mobile", 1),
        ("xmobile", "mobile", 1),
        ("mabila", "mobile", 2),
        ("brand", "mobile", 3),
    ],
)
def test_distance(one: str, other: str, apart: int) -> None:
    """A swap of neighbours counts as one mistake; more than the limit is only that."""
    assert distance(one, other, 2) == apart == distance(other, one, 2)


# -- proposing ------------------------------------------------------------------------------------------------------


def test_a_wide_sheet() -> None:
    """Known names feed their fields; every other column is a preference of its name."""
    mapping = propose(
        ["Mobile No.", "E-mail ID", "Customer ID", "User ID", "Store Code", "Store ID", " Favourite\n Brand"]
    )
    assert [use.field for use in mapping.columns] == [
        "mobile", "email", "external_id", "user_id", "store.code", "store.id", PREFERENCE,
    ]  # fmt: skip
    assert mapping.preferences == (ColumnUse(" Favourite\n Brand", PREFERENCE, "Favourite Brand"),)
    assert not mapping.is_long and mapping.column_of("email") == "E-mail ID" and mapping.column_of(NAME) is None


def test_a_long_sheet() -> None:
    """A name column and a value column make it long; what else it holds is not sent."""
    mapping = propose(["Mobile", "Field name", "Value", "Remark"])
    assert mapping.is_long
    assert [use.field for use in mapping.columns] == ["mobile", NAME, VALUE, IGNORED]
    assert mapping.ignored == ("Remark",)


@pytest.mark.parametrize("column", ["Preference", "Value", "Field"])
def test_one_half_of_a_long_sheet_is_a_preference(column: str) -> None:
    """A name column without a value column is a preference like any other."""
    assert propose(["Mobile", column]).preferences == (ColumnUse(column, PREFERENCE, column),)


def test_all_problems_of_a_header_are_reported_at_once() -> None:
    """Two columns for one field and all names that are too long, in one message."""
    with pytest.raises(SourceError) as caught:
        propose(["Mobile", "Phone", "Size", "size", "Favourite brand of shoes", "Favourite colour of socks"])
    text = str(caught.value)
    for part in (
        "“Mobile” and “Phone”",
        "“mobile”",
        "“Size” and “size”",
        "“Favourite brand of shoes” (24)",
        "“Favourite colour of socks” (25)",
        "20 characters",
    ):
        assert part in text


def test_no_identifier() -> None:
    """Says which columns there are, which of them looks like a slip, and what to do."""
    with pytest.raises(SourceError) as caught:
        propose(["Moblie No", "Brand"])
    text = str(caught.value)
    assert "“Moblie No” and “Brand”" in text and "may be a misspelt “mobile”" in text and "Rename" in text


def test_no_preference() -> None:
    """A sheet of identifiers alone has nothing to set."""
    with pytest.raises(SourceError, match="No column contains a preference"):
        propose(["Mobile", "Email", "Store Code"])


def test_a_name_of_twenty_characters_is_taken() -> None:
    """The limit itself is allowed."""
    assert propose(["Mobile", "x" * 20]).preferences[0].preference == "x" * 20


def test_a_misspelt_column_is_reported_and_not_used() -> None:
    """Similar names are used for suggestions only."""
    mapping = propose(["Email", "Moblie No", "Mobile 2", "Brand"])
    assert misspelt(mapping) == (("Moblie No", "mobile"),)
    assert mapping.column_of("mobile") is None


@given(st.lists(st.text(min_size=1, max_size=12), max_size=6))
def test_any_headers_give_a_mapping_or_a_reason(columns: list[str]) -> None:
    """No header breaks the proposal; where it succeeds every column has its use."""
    try:
        mapping = propose(["Mobile", *columns])
    except SourceError as error:
        assert error.advice
    else:
        assert [use.column for use in mapping.columns] == ["Mobile", *columns]


# -- the file -------------------------------------------------------------------------------------------------------

_COLUMNS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20), unique=True, max_size=5)


@given(_COLUMNS, st.booleans(), st.sampled_from(["", ";", "|", '"', "\n"]))
def test_a_written_mapping_reads_as_it_was(columns: list[str], is_list: bool, separator: str) -> None:
    """What `map` writes loads to the same mapping, for any column names and samples."""
    uses = [ColumnUse("Mobile", "mobile")]
    for place, column in enumerate(columns):
        if column != "Mobile":
            uses.append(ColumnUse(column, PREFERENCE, f"Name {place}", is_list, separator if is_list else ""))
    mapping = Mapping((*uses, ColumnUse("  left out ", IGNORED)), (("store.code", 'S"1'), ("Source", "till")))
    looks = {column: ColumnSamples((column, "a\nb"), 9, 3, ";") for column in columns}
    text = to_toml(mapping, looks, source="some\nfile")
    with tempfile.TemporaryDirectory() as folder:
        assert _load(Path(folder), text) == mapping


def test_the_written_file_explains_itself(tmp_path: Path) -> None:
    """Samples, list-like cells with a ready line, and slips stand beside their columns."""
    mapping = propose(["Email", "Moblie No", "Brand"])
    text = to_toml(mapping, {"Brand": ColumnSamples(("puma; nike", "puma"), 300, 212, ";")}, source="customers.xlsx")
    assert "misspelt `mobile`" in text
    assert "# samples: puma; nike | puma" in text
    assert "# 212 of 300 cells look like lists" in text
    marked = text.replace('# "Brand" = {', '"Brand" = {').replace('\n"Brand" = { preference = "Brand" }', "")
    assert _load(tmp_path, marked).columns[2] == ColumnUse("Brand", PREFERENCE, "Brand", True, ";")
    assert all(len(line) <= 120 for line in text.splitlines())


def test_a_sheet_that_cannot_be_mapped_yet_gets_its_file(tmp_path: Path) -> None:
    """`map` writes the names that a person must fix into the file. Unchanged, the file is refused because of them."""
    text = to_toml(sketch(["Phone", "Mobile", "Favourite brand of shoes", "City"]))
    assert "# Fix this before you use the mapping: “Phone” and “Mobile” are all mapped to “mobile”" in text
    assert "# The next name has 24 characters; at most 20 are allowed." in text
    with pytest.raises(SettingsError, match="“Phone” and “Mobile”"):
        _load(tmp_path, text)
    fixed = text.replace('"Phone" = "mobile"', '"Phone" = "ignored"').replace(
        '= "Favourite brand of shoes"', '= "Brand"'
    )
    assert [use.preference for use in _load(tmp_path, fixed).preferences] == ["Brand", "City"]


def test_short_forms_of_the_file(tmp_path: Path) -> None:
    """A field's name alone, a preference of the column's own name, an unquoted store.code."""
    text = """
    [columns]
    Mobile = "mobile"
    "Fav  Brand" = "preference"
    X = { preference = "Y" }
    [constants]
    store.code = "S1"
    """
    assert _load(tmp_path, text) == Mapping(
        (
            ColumnUse("Mobile", "mobile"),
            ColumnUse("Fav  Brand", PREFERENCE, "Fav Brand"),
            ColumnUse("X", PREFERENCE, "Y"),
        ),
        (("store.code", "S1"),),
    )


def test_all_mistakes_of_a_mapping_file_are_reported_at_once(tmp_path: Path) -> None:
    """One message for everything that is wrong in it."""
    text = """
    [colums]
    [columns]
    A = "mobil"
    B = { preference = 3 }
    C = { prefernce = "x" }
    D = 7
    E = { field = "email", is_list = true }
    F = { preference = "F", separator = ";" }
    G = { field = "mobile", preference = "G" }
    [constants]
    H = ""
    """
    with pytest.raises(SettingsError) as caught:
        _load(tmp_path, text)
    message = str(caught.value)
    for part in (
        "`colums`",
        "did you mean `mobile`",
        "`preference` of “B”",
        "“prefernce”",
        "“D”",
        "“E” is not a preference",
        "“F” has a separator",
        "“G” cannot be",
        "“H”",
    ):
        assert part in message


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "[columns]"),
        ("[columns", "not valid TOML"),
        ('[columns]\nA = "mobile"\nB = "mobile"\nC = "preference"', "“A” and “B”"),
        ('[columns]\nA = "preference"', "No column identifies the customer"),
        ('[columns]\nA = "mobile"', "No column contains a preference"),
        ('[columns]\nA = "mobile"\nB = "preference_name"', "none to “preference_value”"),
        (
            '[columns]\nA = "mobile"\nB = "preference_name"\nC = "preference_value"\nD = "preference"',
            "cannot be mapped together",
        ),
        ('[columns]\nA = "mobile"\nB = "preference"\n[constants]\nmobile = "9"', "same for every row"),
        (
            '[columns]\nA = "mobile"\nB = "store.code"\nC = "preference"\n[constants]\n"store.code" = "S"',
            "and a constant are mapped",
        ),
        ('[columns]\nA = "mobile"\nB = "preference"\n[constants]\nb = "S"', "one preference"),
        ('[columns]\nA = "mobile"\n[constants]\nbbbbbbbbbbbbbbbbbbbbb = "S"', "20 characters"),
        ('constants = 3\n[columns]\nA = "mobile"', "must be a table"),
    ],
)
def test_a_file_that_cannot_be_used(tmp_path: Path, text: str, part: str) -> None:
    """Says why."""
    with pytest.raises(SettingsError) as caught:
        _load(tmp_path, text)
    assert part in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """A wrong path and a file of bytes are settings mistakes, not crashes."""
    with pytest.raises(SettingsError, match="cannot be read"):
        load(tmp_path / "none.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="UTF-8"):
        load(tmp_path / "bytes.toml")


# -- fitting --------------------------------------------------------------------------------------------------------

_SAVED = Mapping((ColumnUse("Mobile", "mobile"), ColumnUse("Brand", PREFERENCE, "Favourite Brand")))


def test_moved_and_new_columns_still_fit() -> None:
    """Names count, not places; what the mapping does not name is not sent."""
    assert fit(_SAVED, ["Remark", "Brand", "MOBILE "]).columns == (
        ColumnUse("Remark", IGNORED),
        ColumnUse("Brand", PREFERENCE, "Favourite Brand"),
        ColumnUse("MOBILE ", "mobile"),
    )


def test_missing_and_ambiguous_columns_are_named_together() -> None:
    """With what the sheet has, and the nearest name."""
    saved = Mapping((*_SAVED.columns, ColumnUse("Color", PREFERENCE, "Color"), ColumnUse("Gone", IGNORED)))
    with pytest.raises(SourceError) as caught:
        fit(saved, ["mo bile", "MOBILE", "Brnd", "Colour"])
    text = str(caught.value)
    assert "“Brand” (there is “Brnd”)" in text and "“Color” (there is “Colour”)" in text
    assert "“Mobile” (“mo bile”, “MOBILE”)" in text and "Gone" not in text


def test_an_exact_name_wins_over_a_like_one() -> None:
    """`Mobile` is `Mobile`, even beside `MOBILE`."""
    assert fit(_SAVED, ["MOBILE", "Mobile", "Brand"]).column_of("mobile") == "Mobile"


@given(st.permutations(["Mobile", "Email", "Brand", "Size"]))
def test_order_does_not_matter(columns: list[str]) -> None:
    """Any order of the same columns gives the same uses."""
    saved = propose(["Mobile", "Email", "Brand", "Size"])
    assert set(fit(saved, columns).columns) == set(saved.columns)


@given(st.text(max_size=30))
def test_a_preference_name_is_one_line(text: str) -> None:
    """White space inside a header is made plain, the rest stays."""
    name = preference_name(text)
    assert name == name.strip() and "".join(name.split()) == "".join(text.split())


def test_a_mapping_file_holds_no_control_characters(tmp_path: Path) -> None:
    """`importer map` shows it on a terminal. Names are written as escapes, and read back exactly."""
    unsafe = "\x1b[31m\x07\x7f\x9b1m\x85\u202e\u2066"
    names = ["Mobile", f"Colour{unsafe}"]
    samples = {names[1]: ColumnSamples((f"red{unsafe}",), 3, 3, "\x9b")}
    mapping = Mapping((ColumnUse(names[0], "mobile"), ColumnUse(names[1], "preference", "Colour")))
    text = to_toml(mapping, samples, source=f"a{unsafe}.csv")
    assert not [c for c in text if c != "\n" and unicodedata.category(c) in ("Cc", "Cf")]
    file = tmp_path / "mapping.toml"
    file.write_text(text, encoding="utf-8")
    assert [use.column for use in load(file).columns] == names
