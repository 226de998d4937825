"""The preferences of a sheet against those of the organisation: spelling, unknown names, nearest names."""

from __future__ import annotations

import msgspec
import pytest

from importer.model import FieldDefinition
from importer.normaliser.facts import SheetFacts
from importer.normaliser.mapping import IGNORED, ColumnUse, Mapping, propose
from importer.normaliser.normaliser import Normaliser
from importer.normaliser.organisation import compare_fields, names_of, spelled, unknown_in, without
from tests.support.normalising import block_of

FIELDS = (
    FieldDefinition("Favourite Colour", label="Lieblingsfarbe"),
    FieldDefinition("City"),
    FieldDefinition("tier"),
    FieldDefinition("TIER"),
    FieldDefinition("Old Segment", is_disabled=True),
)


@pytest.mark.parametrize(
    ("name", "spelling"),
    [
        ("City", "City"),
        ("city", "City"),
        ("ＣＩＴＹ", "City"),
        ("FAVOURITE COLOUR", "Favourite Colour"),
        ("tier", "tier"),
        ("Tier", None),  # which of the two?
        ("Town", None),
        ("old segment", "Old Segment"),
    ],
)
def test_a_name_has_the_organisations_spelling(name: str, spelling: str | None) -> None:
    """Whether the API compares case is not documented: the organisation's own spelling is right in any case."""
    assert names_of(FIELDS).spelling_of(name) == spelling


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("Favorite Color", "Favourite Colour"),
        ("lieblingsfarbe", "Favourite Colour"),
        ("Old Segmnt", ""),  # disabled
        ("Customer Name", ""),
    ],
)
def test_the_nearest_name_is_suggested(name: str, nearest: str) -> None:
    """By name or label, of a preference that can be set."""
    assert names_of(FIELDS).nearest(name) == nearest
    assert compare_fields([name], FIELDS)[0].nearest == nearest


def test_unknown_columns_and_constants_are_left_out() -> None:
    """Columns become ignored and keep their place; the store is not a preference."""
    columns = ("Mobile", "city", "Spend")
    constants = (("store.code", "S1"), ("TOWN", "Pune"), ("favourite colour", "Blue"))
    mapping = msgspec.structs.replace(propose(columns), constants=constants, facts=SheetFacts(ranges=("city",)))
    fitted = spelled(mapping, FIELDS)
    assert fitted.preference_names == ("City", "Spend", "TOWN", "Favourite Colour")
    assert fitted.facts.ranges == ("City",)
    unknown = [finding.preference for finding in unknown_in(fitted, FIELDS)]
    assert unknown == ["Spend", "TOWN"]
    left = without(fitted, unknown)
    assert left.columns[2] == ColumnUse("Spend", IGNORED)
    assert left.preference_names == ("City", "Favourite Colour")
    assert left.constants[0] == ("store.code", "S1")


def test_a_row_of_a_long_sheet_that_names_no_known_preference_is_rejected() -> None:
    """It costs only itself: the other rows of its customer are sent, under the organisation's spelling."""
    columns = ("Mobile", "Preference name", "Preference value")
    a = "917744876415"
    rows = [(a, "city", "Pune"), (a, "Favorite Color", "Blue"), (a, "Zodiac", "Leo"), (a, "Favourite Colour", "Red")]
    mapping = propose(columns)
    restricted = Mapping(mapping.columns, names=tuple(field.name for field in FIELDS))
    normaliser = Normaliser(restricted)
    found = normaliser(block_of(columns, rows))
    (customer,) = [*found.customers, *normaliser.finish().customers]
    assert customer.custom_fields == (("City", "Pune"), ("Favourite Colour", "Red"))
    assert [(problem.row_number, problem.code) for problem in found.problems] == [
        (3, "preference_unknown"),
        (4, "preference_unknown"),
    ]
    assert "“Favourite Colour”" in found.problems[0].message
