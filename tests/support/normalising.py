"""Small sheets for the tests of the normaliser."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from importer.model import Problem
from importer.normaliser.normaliser import Normalised, Normaliser
from importer.row_block import Cells, RowBlock


def block_of(
    columns: Sequence[str], rows: Sequence[Sequence[str]], first: int = 2, problems: Iterable[Problem] = ()
) -> RowBlock:
    """A block whose rows are numbered from `first` on."""
    by_column = [[row[place] for row in rows] for place in range(len(columns))]
    return RowBlock(Cells(by_column, list(columns), range(first, first + len(rows))), tuple(problems))


def normalise(normaliser: Normaliser, blocks: Iterable[RowBlock]) -> Normalised:
    """Everything that the normaliser makes of a source."""
    customers, problems, repairs = [], [], []
    blanks: dict[str, int] = {}
    for made in [*[normaliser(block) for block in blocks], normaliser.finish()]:
        customers += made.customers
        problems += made.problems
        repairs += made.repairs
        for column, cells in made.blanks.items():
            blanks[column] = blanks.get(column, 0) + cells
    return Normalised(customers, problems, repairs, blanks)
