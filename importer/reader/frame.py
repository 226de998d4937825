"""A pandas DataFrame as a source, with the same text for a value as a workbook would give."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from itertools import compress
from typing import Any

import numpy as np
import pandas as pd

from importer.errors import SourceError
from importer.normaliser.damage import CONTROLS
from importer.reader.cell_text import LOST, Flagged, cell_text
from importer.reader.header import read_header
from importer.reader.source import Source, own_problem
from importer.row_block import Cells, RowBlock

#: How pandas calls a column of a file without a name.
_UNNAMED = re.compile(r"Unnamed: \d+")


class FrameSource(Source):
    """Row numbers are as a spreadsheet program would show them: the header is row 1."""

    kind = "frame"

    def __init__(self, frame: pd.DataFrame) -> None:
        names = ["" if _UNNAMED.fullmatch(str(name)) else str(name) for name in frame.columns]
        self._frame = frame
        #: Of all columns of the frame, also those that are not read.
        self.names = tuple(names)
        header = read_header("The DataFrame", 1, names, [])
        digest, size = hashlib.sha256(), 0
        for text in (names, *(cells for start in range(0, len(frame), 5000) for cells in self._text(start, 5000))):
            row = "\x1f".join(text).encode("utf-8", "surrogatepass") + b"\x1e"
            digest.update(row)
            size += len(row)
        super().__init__(path="DataFrame", name="DataFrame", sheet="", header=header)
        self.sha256, self.size = digest.hexdigest(), size

    def read(self, rows: int = 5000) -> Iterator[RowBlock]:
        self._blank_rows = 0
        for start in range(0, len(self._frame), rows):
            cells = self._text(start, rows)
            numbers = list(range(start + 2, start + 2 + len(cells[0])))
            full = [any(map(str.strip, row)) for row in zip(*cells, strict=True)]
            if not all(full):
                self.count_blank(len(full) - sum(full))
                numbers = list(compress(numbers, full))
                cells = [list(compress(column, full)) for column in cells]
                if not numbers:
                    continue
            problems = (
                tuple(own_problem(number, code) for number, code in self.header.not_data(cells, numbers))
                + tuple(
                    own_problem(number, "control_character", name)
                    for place, name in zip(self.header.places, self.columns, strict=True)
                    for number, cell in zip(numbers, cells[place], strict=True)
                    if CONTROLS.search(cell)
                )
                + tuple(
                    own_problem(number, "lost_letters", name)
                    for place, name in zip(self.header.places, self.columns, strict=True)
                    for number, cell in zip(numbers, cells[place], strict=True)
                    if LOST in cell
                )
                + tuple(
                    own_problem(number, cell.code, name)
                    for place, name in zip(self.header.places, self.columns, strict=True)
                    for number, cell in zip(numbers, cells[place], strict=True)
                    if isinstance(cell, Flagged)
                )
            )
            cells = [list(map(str, column)) if Flagged in set(map(type, column)) else column for column in cells]
            yield RowBlock(Cells([cells[place] for place in self.header.places], self.columns, numbers), problems)

    def records(self) -> Iterator[tuple[str, ...]]:
        """Yield the cells of each row in all columns. A row with results only is blank."""
        own = [place for place, name in enumerate(self.names) if not name.strip().startswith("_")]
        blank = ("",) * len(self.names)
        for start in range(0, len(self._frame), 5000):
            for row in zip(*self._text(start, 5000), strict=True):
                yield row if any(row[place].strip() for place in own) else blank

    def _text(self, start: int, rows: int) -> list[list[str]]:
        part = self._frame.iloc[start : start + rows]
        return [_texts(part.iloc[:, place]) for place in range(part.shape[1])]


def _texts(cells: pd.Series[Any]) -> list[str]:
    missing = cells.isna().to_numpy(dtype=bool)
    values = cells.astype(object).to_numpy(dtype=object)
    return ["" if absent else _text(value) for value, absent in zip(values, missing, strict=True)]


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, pd.Timestamp):
        value = value.to_pydatetime(warn=False)
    elif isinstance(value, pd.Timedelta):
        value = value.to_pytimedelta()
    elif isinstance(value, (list, dict, set, tuple, bytes)):
        raise SourceError(
            f"The DataFrame contains a {type(value).__name__} in a cell.",
            "Use text, numbers or dates only.",
            code="not_readable",
        )
    return cell_text(value)
