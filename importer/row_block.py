"""A block of a source's rows as text cells: what the reader yields and the normaliser takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import msgspec
import numpy as np
import pandas as pd

from importer.model import Problem


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
        """Made when it is first asked for: who only copies cells has no use for it."""
        table = self.table
        if isinstance(table, pd.DataFrame):
            return table
        # One block of objects, no cell copied or looked at.
        block = np.empty((len(table.names), len(table.row_numbers)), dtype=object)
        for place, cells in enumerate(table.columns):
            block[place] = cells
        index = pd.Index(np.asarray(table.row_numbers, dtype="int64"))
        labels = np.empty(len(table.names), dtype=object)
        labels[:] = table.names
        return pd.DataFrame(block.T, index=index, columns=labels, dtype=object, copy=False)

    @property
    def cells(self) -> Cells:
        """The same by column."""
        table = self.table
        if isinstance(table, Cells):
            return table
        columns = [table.iloc[:, place].tolist() for place in range(len(table.columns))]
        return Cells(columns, list(table.columns), table.index.tolist())
