"""Preference values: as typed but for the space around them; lists become a JSON array; the field's rules are kept."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.model import FieldDefinition
from importer.normaliser.destroyed import destroyed
from importer.normaliser.mapping import PREFERENCE, ColumnUse, Mapping
from importer.normaliser.preferences import InvalidPreference, ValueReader, list_items, list_separator
from importer.normaliser.samples import Sampler
from tests.support.normalising import block_of

PLAIN = ColumnUse("Brand", PREFERENCE, "Brand")
LIST = ColumnUse("Brand", PREFERENCE, "Brand", is_list=True)


@given(st.text(max_size=40).filter(lambda text: not destroyed(text)))
def test_a_value_loses_only_the_space_around_it(text: str) -> None:
    """Curly quotes, NA, formulas, inner spaces: all of it is data."""
    expected = ("Brand", text.strip()) if text.strip() else None
    assert ValueReader("Brand", PLAIN)[text] == expected


@pytest.mark.parametrize(
    ("cell", "separator", "sent", "repaired"),
    [
        ("puma; nike", "", '["puma", "nike"]', False),
        ("puma|nike", "", '["puma", "nike"]', False),
        ("puma, nike", "", '["puma", "nike"]', False),
        ("puma\nnike", "", '["puma", "nike"]', False),
        ("puma, ltd; nike", "", '["puma, ltd", "nike"]', False),
        ("puma, ltd; nike", ",", '["puma", "ltd; nike"]', False),
        ("puma / nike", "/", '["puma", "nike"]', False),
        ("puma", "", '["puma"]', False),
        ("puma;;nike;", "", '["puma", "nike"]', False),
        ("“puma”; “nike”", "", '["puma", "nike"]', True),
        ('"puma", "nike"', "", '["puma", "nike"]', False),
        ('["puma", "nike"]', "", '["puma", "nike"]', False),
        ('["puma","nike"]', ";", '["puma", "nike"]', False),
        ("[“puma”, “nike”]", "", '["puma", "nike"]', True),
        ("[puma, nike]", "", '["puma", "nike"]', False),
        ("नाइकी; प्यूमा", "", '["नाइकी", "प्यूमा"]', False),
    ],
)
def test_a_list(cell: str, separator: str, sent: str, repaired: bool) -> None:
    """The API's form: a JSON array as a string, a space after each comma."""
    reader = ValueReader("Brand", ColumnUse("Brand", PREFERENCE, "Brand", True, separator))
    assert reader[cell] == ("Brand", sent)
    assert (cell in reader.repaired) is repaired


@pytest.mark.parametrize("cell", ["", " ", ";", " ; ; ", "[]", '[""]'])
def test_an_empty_list_is_a_blank_cell(cell: str) -> None:
    """No items, nothing to set."""
    assert ValueReader("Brand", LIST)[cell] is None


@given(st.lists(st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=8), min_size=1, max_size=5))
def test_items_come_back(items: list[str]) -> None:
    """Items separated by a semicolon, or written as JSON, are those items."""
    assert list_items("; ".join(items), ";")[0] == items
    assert list_items(json.dumps(items))[0] == items


@pytest.mark.parametrize("unit", ["“", "“”", '"', "“ ", "’"], ids=repr)
def test_quotes_in_quotes_take_no_time(unit: str) -> None:
    """A cell of a hundred thousand quotes is looked at a few times, not once for each quote."""
    begin = time.process_time()
    list_items(unit * 60_000 + "x" + unit * 60_000)
    list_items(unit * 60_000 + "”" * 60_000)
    assert time.process_time() - begin < 2


@given(st.text(max_size=40))
def test_any_text_can_be_a_list(text: str) -> None:
    """No cell breaks the list reader, and what it gives is a JSON array of texts without space around them."""
    found = ValueReader("Brand", LIST)[text]
    if isinstance(found, InvalidPreference):
        assert found.code in map(destroyed, list_items(text.strip())[0])
    elif found is not None:
        items = json.loads(found[1])
        assert items and all(item == item.strip() and item for item in items)


@pytest.mark.parametrize(
    ("cell", "separator"),
    [
        ("puma; nike", ";"),
        ("puma|nike", "|"),
        ("puma, nike", ","),
        ("red\nblue", "\n"),
        ("puma", ""),
        ("puma;", ""),
        ("1,000", ""),
        ("We met in March, and since then it was fine", ""),
        ("", ""),
    ],
)
def test_what_looks_like_a_list(cell: str, separator: str) -> None:
    """Two short items or more; thousands and sentences are none."""
    assert list_separator(cell) == separator


def _typed(datatype: str) -> FieldDefinition:
    return FieldDefinition("Brand", datatype=datatype)


@pytest.mark.parametrize(
    ("definition", "good", "bad", "code"),
    [
        (_typed("integer"), ["1", "-7", "0012"], ["1.0", "x", "1,000"], "preference_not_an_integer"),
        (_typed("double"), ["1", "1.5", "-.5", "1e3"], ["x", "1,5", "nan"], "preference_not_a_number"),
        (_typed("boolean"), ["true", "FALSE", "1"], ["yes", "2"], "preference_not_a_boolean"),
        (FieldDefinition("Brand", options=("Blue", "Red")), ["Blue"], ["blue", "Green"], "preference_not_an_option"),
        (
            FieldDefinition("Brand", datatype="boolean", options=("Yes", "No")),
            ["Yes", "No"],
            ["true", "yes"],
            "preference_not_an_option",
        ),
        (
            FieldDefinition("Brand", datatype="integer", options=("S", "1")),
            ["S", "1"],
            ["2"],
            "preference_not_an_option",
        ),
        (FieldDefinition("Brand", regex="[A-Z]{2}"), ["IN"], ["INX", "in"], "preference_not_of_the_form"),
        (FieldDefinition("Brand", regex="[unclosed"), ["anything"], [], ""),
        (FieldDefinition("Brand"), ["anything"], [], ""),
        (FieldDefinition("Brand", is_disabled=True), ["", " "], ["x"], "preference_disabled"),
    ],
)
def test_the_fields_rules(definition: FieldDefinition, good: list[str], bad: list[str], code: str) -> None:
    """Data type, options, form and whether it is enabled; each item of a list is held to them."""
    reader, items = ValueReader("Brand", PLAIN, definition), ValueReader("Brand", LIST, definition)
    for cell in good:
        assert not isinstance(reader[cell], InvalidPreference), cell
    for cell in bad:
        found = reader[cell]
        assert isinstance(found, InvalidPreference) and found.code == code
        assert cell not in found.allowed.split(", ")
        mixed = items[f"{good[0]}|{cell}"]
        assert isinstance(mixed, InvalidPreference)


def test_a_pattern_that_takes_years_is_left_to_the_server() -> None:
    """Once it took too long for one value, for all that follow."""
    reader = ValueReader("Brand", PLAIN, FieldDefinition("Brand", regex="(a|aa)+"))
    began = time.monotonic()
    assert [reader["a" * 100 + f"{number}"][0] for number in range(20)] == ["Brand"] * 20  # type: ignore[index]
    assert time.monotonic() - began < 20


def test_the_options_are_named() -> None:
    """A refusal says what is allowed, but not a list without end."""
    few = ValueReader("Brand", PLAIN, FieldDefinition("Brand", options=("Blue", "Red")))["x"]
    many = ValueReader("Brand", PLAIN, FieldDefinition("Brand", options=tuple(map(str, range(30)))))["x"]
    assert isinstance(few, InvalidPreference) and few.allowed == "Blue, Red"
    assert isinstance(many, InvalidPreference) and many.allowed.endswith("and 22 more")


@pytest.mark.parametrize("pattern", ["[[:foo:]]", "[a-z&&[^x]]", "(?a)(?u)x", r"\p{L}+", "(", "a{2,1}"])
def test_a_pattern_that_means_something_else_here_is_left_to_the_server(pattern: str) -> None:
    """Java's patterns differ: no value is refused, and no run ends, because of one."""
    assert ValueReader("Brand", PLAIN, FieldDefinition("Brand", regex=pattern))["Blue"] == ("Brand", "Blue")


@pytest.mark.parametrize(
    ("cells", "found"),
    [
        (["a;b"] * 3 + ["c|d"] * 2 + ["e"], (5, "")),
        (["a;b"] * 40 + ["c, d"], (40, ";")),
        (["a|b", "c|d", "e"], (2, "|")),
        (["a", ""], (0, "")),
    ],
)
def test_lists_with_different_separators(cells: list[str], found: tuple[int, str]) -> None:
    """No one separator reads them: it is found in each cell, and all are counted. Few others are texts."""
    sampler = Sampler(Mapping((ColumnUse("Likes", PREFERENCE, "Likes"),)))
    sampler.add(block_of(["Likes"], [(cell,) for cell in cells]))
    seen = sampler.by_column()["Likes"]
    assert (seen.list_like, seen.separator) == found
