"""A block of a source's rows as text cells: what the reader yields and the normaliser takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from importlib import import_module
from itertools import compress
from typing import TYPE_CHECKING, Any

import msgspec

from importer.model import Problem

if TYPE_CHECKING:
    import pandas as pd


class Cells(msgspec.Struct, frozen=True):
    """A table of text by column, as a reader has it."""

    columns: Sequence[Sequence[str]]
    names: Sequence[str]
    row_numbers: Sequence[int]


class RowBlock(msgspec.Struct, frozen=True, dict=True):
    """A bounded number of a source's rows: `frame` has one text column per named column, index = row number.

    `problems` are what the reader itself found: with `column` None the row is unusable (ragged, NUL …); else only that
    cell is (an error cell, a formula without a value), which matters only where the column is mapped.
    """

    table: pd.DataFrame | Cells
    problems: tuple[Problem, ...] = ()
    #: Rows that an earlier report of ours, uploaded again, calls succeeded or skipped.
    closed: frozenset[int] = frozenset()
    #: Row → the row and the time that such a report gives it: together, where it came from.
    origins: Mapping[int, str] = {}

    @cached_property
    def frame(self) -> pd.DataFrame:
        """Made, and pandas loaded, when it is first asked for: most work needs the cells only."""
        table = self.table
        if not isinstance(table, Cells):
            return table
        numpy: Any = import_module("numpy")
        pandas: Any = import_module("pandas")
        # One block of objects, no cell copied or looked at.
        block = numpy.empty((len(table.names), len(table.row_numbers)), dtype=object)
        for place, cells in enumerate(table.columns):
            block[place] = cells
        index = pandas.Index(numpy.asarray(table.row_numbers, dtype="int64"))
        labels = numpy.empty(len(table.names), dtype=object)
        labels[:] = table.names
        made: pd.DataFrame = pandas.DataFrame(block.T, index=index, columns=labels, dtype=object, copy=False)
        return made

    @property
    def row_numbers(self) -> list[int]:
        table = self.table
        return list(table.row_numbers) if isinstance(table, Cells) else table.index.tolist()

    def column(self, name: str) -> list[str]:
        """The cells of a column, in the order of `row_numbers`."""
        table = self.table
        if isinstance(table, Cells):
            return list(table.columns[table.names.index(name)])
        found: list[str] = table[name].tolist()
        return found

    @property
    def cells(self) -> Cells:
        """The same by column."""
        table = self.table
        if isinstance(table, Cells):
            return table
        columns = [table.iloc[:, place].tolist() for place in range(len(table.columns))]
        return Cells(columns, list(table.columns), table.index.tolist())

    def only(self, keep: Sequence[bool]) -> RowBlock:
        """The same without the rows that are not to be kept, and without their problems."""
        cells = self.cells
        rows = list(compress(cells.row_numbers, keep))
        kept = frozenset(rows) if self.problems else frozenset()
        columns = [list(compress(column, keep)) for column in cells.columns]
        problems = tuple(problem for problem in self.problems if problem.row_number in kept)
        return RowBlock(Cells(columns, cells.names, rows), problems, self.closed)
