"""A block of a source's rows as text cells: what the reader yields and the normaliser takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import compress

import msgspec

from importer.model import Problem


class Cells(msgspec.Struct, frozen=True):
    """A table of text by column. `names` are unique; every column has one cell for each of `row_numbers`."""

    columns: Sequence[Sequence[str]]
    names: Sequence[str]
    row_numbers: Sequence[int]


class RowBlock(msgspec.Struct, frozen=True):
    """A bounded number of a source's rows.

    `problems` are those that the reader found. With `column` None the whole row is unusable (ragged, NUL …); otherwise
    only that cell is (an error cell, a formula without a value), which matters only where the column is mapped.
    """

    cells: Cells
    problems: tuple[Problem, ...] = ()
    #: Rows that an earlier report, imported again, lists as succeeded or skipped.
    closed: frozenset[int] = frozenset()
    #: Row → its row number and time in such a report, which together identify the original row.
    origins: Mapping[int, str] = {}
    #: Digits were typed as text: the source keeps numbers and text apart, and the reader reports its rounded numbers.
    typed: bool = False
    #: Row → column → what its cell was before a person fixed it: as an earlier report says, or by `Fixing`.
    fixed: Mapping[int, Mapping[str, str]] = {}
    #: The same rows, at least, as they were read.
    raw: RowBlock | None = None

    def __len__(self) -> int:
        return len(self.cells.row_numbers)

    @property
    def row_numbers(self) -> list[int]:
        """A new list of the row numbers."""
        return list(self.cells.row_numbers)

    def column(self, name: str) -> list[str]:
        """A new list of the column's cells."""
        return list(self.cells.columns[self.cells.names.index(name)])

    def only(self, keep: Sequence[bool]) -> RowBlock:
        """The rows for which `keep` is true, by position."""
        cells = self.cells
        numbers = list(compress(cells.row_numbers, keep))
        some = self.problems or self.closed or self.origins or self.fixed
        kept = set(numbers) if some else set()
        return RowBlock(
            Cells([list(compress(column, keep)) for column in cells.columns], cells.names, numbers),
            tuple(problem for problem in self.problems if problem.row_number in kept),
            frozenset(kept & self.closed),
            {row: origin for row, origin in self.origins.items() if row in kept},
            self.typed,
            {row: cells for row, cells in self.fixed.items() if row in kept},
            self.raw,
        )
