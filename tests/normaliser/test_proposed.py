"""What is proposed for one cell: only what is valid as its column is read, and nothing that a guess would be."""

from __future__ import annotations

import pytest

from importer.model import FieldDefinition, Problem
from importer.normaliser.mapping import PREFERENCE, ColumnUse, Mapping
from importer.normaliser.normaliser import Normaliser
from importer.normaliser.proposed import CellProposals
from importer.row_block import Cells, RowBlock

USES = (
    ColumnUse("Mobile", "mobile"),
    ColumnUse("Email", "email"),
    ColumnUse("ID", "external_id"),
    ColumnUse("Colour", PREFERENCE, "Colour"),
    ColumnUse("News", PREFERENCE, "News"),
    ColumnUse("Size", PREFERENCE, "Size"),
)
FIELDS = (
    FieldDefinition("Colour", options=("Blue", "Green")),
    FieldDefinition("News", datatype="boolean"),
    FieldDefinition("Size", datatype="integer"),
)


def problem_of(column: str, cell: str) -> Problem:
    """The problem that the normaliser finds in a cell."""
    cells = {**dict.fromkeys([use.column for use in USES], ""), "ID": "A1", "Colour": "Blue", column: cell}
    names = tuple([use.column for use in USES])
    block = RowBlock(Cells([[cells[name]] for name in names], names, [7]))
    found = Normaliser(Mapping(USES), fields=FIELDS)(block)
    (problem,) = [one for one in found.problems if one.column == column]
    return problem


@pytest.mark.parametrize(
    ("column", "cell", "proposed"),
    [
        ("Mobile", "+919876543210 / +919876543211", "+919876543210"),
        ("Mobile", "Ph: +91 98765 43210", "+91 98765 43210"),
        ("Mobile", "+91987654321O", "+919876543210"),
        ("Mobile", "9876543210", "+919876543210"),
        ("Mobile", "91987654321", None),
        ("Mobile", "9.19E+11", None),
        ("Email", "a@example.com; b@example.com", "a@example.com"),
        ("Email", "a at example.com", "a@example.com"),
        ("Email", "a@@example.com", "a@example.com"),
        ("Email", "a @ example.com", "a@example.com"),
        ("Email", "a@examplecom", "a@example.com"),
        ("Email", "nobody", None),
        ("Email", "no email", ""),
        ("Colour", "blu", "Blue"),
        ("Colour", "xyzzy", None),
        ("News", "Y", "true"),
        ("Size", "about 42", "42"),
        ("Size", "unknowable", None),
        ("Size", "1,234", "1234"),
        ("Size", "42.0", "42"),
        # What is lost is not made up.
        ("Size", "3/4", None),
        ("Size", "1.2E+05", None),
        ("Size", "1.234,50", None),
        ("Mobile", "9.198765432E+11", None),
        ("Mobile", "6.5912345E+09", None),
        ("Mobile", "5.00512E+10", None),
    ],
)
def test_what_is_proposed_is_valid(column: str, cell: str, proposed: str | None) -> None:
    """A proposal is what a person may have meant. A number that lacks a digit is not made one of another country."""
    found = CellProposals(Mapping(USES), FIELDS, None, ("IN", "DE")).of(problem_of(column, cell))
    assert found == proposed
