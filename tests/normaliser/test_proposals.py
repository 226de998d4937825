"""Rules that a sheet's cells suggest: what is promised of each is what it does."""

from __future__ import annotations

import random

import pytest

from importer.model import FieldDefinition
from importer.normaliser.fixing import Fixing
from importer.normaliser.mapping import ColumnUse, Mapping, propose
from importer.normaliser.meant import cell_meant, option_meant, values_meant
from importer.normaliser.normaliser import Normaliser
from importer.normaliser.proposals import EXAMPLES, Proposal, Proposer, form_of
from importer.normaliser.rules import mistake_of
from importer.row_block import RowBlock
from tests.support.normalising import block_of

COLUMNS = ("Mobile", "Email", "Colour", "Vegan")
FIELDS = (
    FieldDefinition("Colour", options=("Blue", "Red", "Dark green")),
    FieldDefinition("Vegan", datatype="boolean"),
)
OK = ("+919876543210", "a@example.com", "Blue", "true")


def proposed(
    *rows: tuple[str, ...], countries: tuple[str, ...] = (), **options: object
) -> dict[tuple[str, str], Proposal]:
    """By column and what the rule does."""
    mapping = propose(COLUMNS)
    proposer = Proposer(mapping, fields=FIELDS, **options)  # type: ignore[arg-type]
    block = block_of(COLUMNS, rows)
    proposer.add(block, Normaliser(mapping, fields=FIELDS)(block).problems)
    return {(one.rule.column, one.rule.does): one for one in proposer.proposals(countries)}


def test_a_number_that_lacks_a_digit_suggests_no_other_country() -> None:
    """91987654321 may be Indian without its last digit, as the sheet has Indian numbers. It is valid in Germany."""
    rows = [OK, *[(f"9198765432{digit}", "", "Blue", "") for digit in range(1, 4)]]
    assert ("Mobile", "country") not in proposed(*rows, countries=("IN",))
    assert proposed(*rows)["Mobile", "country"].rule.country == "DE"


def test_each_kind_of_damage_suggests_its_rule() -> None:
    """With the number of cells that it fixes, and what they become."""
    found = proposed(
        OK,
        ("Ph: +919876543210", "a@example.com; b@example.com", "blu", "Y"),
        ("Ph: +919876543211", "x@example.com", "n/a", "no"),
        ("+919876543212 / +919876543213", "", "drk green", "true"),
        ("9876543214", "x@", "Red", ""),
    )
    assert {key: one.cells for key, one in found.items()} == {
        ("Mobile", "strip"): 2,
        ("Mobile", "first"): 1,
        ("Mobile", "country"): 1,
        ("Email", "first"): 1,
        ("Colour", "values"): 2,
        ("Colour", "empty"): 1,
        ("Vegan", "values"): 2,
    }
    assert found["Mobile", "country"].rule.country == "IN"
    assert found["Colour", "values"].rule.values == {"blu": "Blue", "drk green": "Dark green"}
    assert found["Vegan", "values"].rule.values == {"Y": "true", "no": "false"}
    assert [(one.row, one.after) for one in found["Mobile", "strip"].examples] == [
        (3, "+919876543210"),
        (4, "+919876543211"),
    ]


def test_nothing_is_proposed_for_a_clean_sheet() -> None:
    assert proposed(OK, OK) == {}


def test_words_that_stand_for_no_address() -> None:
    """`no email` in several rows is nobody's address; a name that stands once may be one with a typing error."""
    rows = [("+919876543210", word, "Blue", "") for word in ("no email", "No Email", "no email", "asha")]
    assert proposed(*rows)["Email", "empty"].rule.empty == ("no email",)


def test_a_word_that_may_be_a_name_is_said_to_be_one() -> None:
    """Terminals and logs leave such a rule out; the page shows it to the owner of the sheet."""
    rows = [("+919876543210", word, "Blue", "") for word in ("asha", "no email") for _ in range(3)]
    mapping = propose(COLUMNS)
    proposer = Proposer(mapping)
    block = block_of(COLUMNS, rows)
    proposer.add(block, Normaliser(mapping)(block).problems)
    found = {one.rule.empty: one.personal for one in proposer.proposals() if one.rule.empty}
    assert found == {("no email",): False, ("asha",): True}
    assert form_of("Ph: Asha +91 98") == "Ph: xxxx +99 99"


def test_what_the_run_omits_is_not_proposed() -> None:
    assert ("Email", "omit") not in proposed(("+919876543210", "x@", "Blue", ""), omits=True)


@pytest.mark.parametrize(
    ("text", "options", "meant"),
    [
        ("blu", ("Blue", "Red"), "Blue"),
        ("RED ", ("Blue", "Red"), "Red"),
        ("Y", ("Yes", "No"), "Yes"),
        ("0", ("true", "false"), "false"),
        ("veg", ("Vegetarian", "Meat"), "Vegetarian"),
        ("veg", ("Vegetarian", "Vegan"), "Vegan"),
        ("42", ("Blue", "Red"), ""),
        ("", (), ""),
        ("Ja", ("true", "false"), "true"),
        ("NÃO", ("true", "false"), "false"),
        ("nahi", ("Yes", "No"), "No"),
        ("yes", ("S", "M", "L"), ""),
        ("vermelha", ("Azul", "Vermelho"), "Vermelho"),
        ("Hip/Hop", ("Hip-Hop", "Jazz"), "Hip-Hop"),
        ("rock & rol", ("Rock & Roll", "Jazz"), "Rock & Roll"),
        ("Blue;", ("Blue", "Red"), "Blue"),
        ("light  blue", ("Blue", "Light blue"), "Light blue"),
    ],
)
def test_the_nearest_option(text: str, options: tuple[str, ...], meant: str) -> None:
    assert option_meant(text, options) == meant


@pytest.mark.parametrize("between", ["; ", "/", " | ", ",", "\n", " & ", "+", " ", " and ", " und ", "-"])
def test_several_values_are_never_taken_for_one(between: str) -> None:
    """Whatever is between them, and whether or not both are options: the others would be lost."""
    options = ("Film", "Cricket", "Sangeet")
    text = ColumnUse("Likes", "preference", "Likes")
    for cell in (f"Cricket{between}Sangeet", f"film{between}Cricket", f"Cricket{between}Film{between}Sangeet"):
        assert (
            option_meant(cell, options)
            == cell_meant(cell, text, options)
            == ""
            == "".join(values_meant(cell, text, options))
        )
    if between.strip() and not between.strip().isalpha() and between != "-":
        assert option_meant(f"Cricket{between}Golf", options) == ""


def test_lists_are_meant_item_by_item() -> None:
    """In a column of lists: items that are misspelt, and lists with another separator than those of the column."""
    options = ("Film", "Cricket", "Sangeet")
    for separator in ("", ";", "|"):
        use, sign = ColumnUse("Likes", "preference", "Likes", True, separator), separator or ";"
        assert values_meant(f"cricket{sign} Film{sign}Golf", use, options) == {"cricket": "Cricket"}
        assert cell_meant(f"cricket{sign} Film", use, options) == f"Cricket{sign}Film"
        assert values_meant("film/Sangeet", use, options) == {"film/Sangeet": f"Film{sign}Sangeet"}
        assert values_meant("film/Golf", use, options) == {}
        assert cell_meant("sangit", use, options) == "Sangeet"


def test_an_option_is_a_value_whatever_its_word() -> None:
    """An organisation may have the option “Unknown”: its cells are not emptied."""
    fields = (FieldDefinition("Colour", options=("Blue", "Unknown", "n/a")),)
    mapping = propose(("Mobile", "Colour"))
    proposer = Proposer(mapping, fields=fields)
    block = block_of(("Mobile", "Colour"), [("+919876543210", text) for text in ("Unknown", "n/a", "unknown", "-", "")])
    proposer.add(block, Normaliser(mapping, fields=fields)(block).problems)
    found = {one.rule.does: one.rule for one in proposer.proposals()}
    assert found["empty"].empty == ("-",) and found["values"].values == {"unknown": "Unknown"}


def test_a_proposal_does_what_it_says() -> None:
    """Of random sheets, by brute force: the cells that are not valid before the rule and valid after it."""
    chance = random.Random(15)
    for _ in range(25):
        rows = [_random_row(chance) for _ in range(60)]
        block = block_of(COLUMNS, rows)
        plain = propose(COLUMNS)
        for (column, does), one in proposed(*rows).items():
            assert not mistake_of(one.rule) and len(one.examples) <= EXAMPLES
            mapping = Mapping(plain.columns, rules=(one.rule,))
            fixed = Fixing(mapping)(block)
            before = _wrong(plain, block)
            after = _wrong(mapping, fixed)
            changed = {row for row, cells in fixed.fixed.items() if column in cells}
            if does == "omit":
                gone = {row for row, name in before if name == column} - {row for row, _ in after}
                assert len(gone) == one.cells
            elif does == "country":
                assert len({row for row, name in before - after if name == column}) == one.cells
            else:
                assert len({row for row in changed if (row, column) not in after}) == one.cells
            shown = {example.row: example.before for example in one.examples}
            assert all(block.column(column)[row - 2] == text for row, text in shown.items())


def _wrong(mapping: Mapping, block: RowBlock) -> set[tuple[int, str]]:
    return {(one.row_number, one.column or "") for one in Normaliser(mapping, fields=FIELDS)(block).problems}


def _random_row(chance: random.Random) -> tuple[str, ...]:
    number = f"9{chance.randrange(10**8, 10**9 - 10)}1"[:10]
    return (
        chance.choice([f"+91{number}", number, f"Ph: +91{number}", f"+91{number}/+91{number[::-1]}", "12", "", "M+91"]),
        chance.choice(["a@example.com", "x@", "a@b.com, c@d.com", "no email", "", "Email: a@b.com"]),
        chance.choice(["Blue", "blu", "n/a", "-", "Purple", ""]),
        chance.choice(["Y", "n", "true", "maybe", ""]),
    )
