"""Binary workbooks (.xlsb), by calamine: number formats are not told, so its numbers come without leading zeros."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO

import python_calamine

from importer.reader.cell_text import cell_text
from importer.reader.workbook_messages import Rows

_BATCH = 1000


class Workbook:
    """An open workbook, built whole in memory."""

    def __init__(self, stream: BinaryIO) -> None:
        self._workbook = python_calamine.CalamineWorkbook.from_filelike(stream)
        self.notes: tuple[str, ...] = ()
        self.sheets = [
            (meta.name, meta.visible == python_calamine.SheetVisibleEnum.Visible)
            for meta in self._workbook.sheets_metadata
            if meta.typ == python_calamine.SheetTypeEnum.WorkSheet
        ]

    def has_data(self) -> dict[str, bool]:
        """Whether any cell of a sheet holds anything."""
        return {name: self._workbook.get_sheet_by_name(name).start is not None for name, _ in self.sheets}

    def merged_rows(self, name: str) -> list[tuple[int, int]]:
        """First and last row of every merged range."""
        ranges = self._workbook.get_sheet_by_name(name).merged_cell_ranges or []
        return sorted((top + 1, bottom + 1) for (top, _), (bottom, _) in ranges)

    def rows(self, name: str) -> Iterator[Rows]:
        """Every row, in its place: calamine leaves out empty columns on the left."""
        sheet = self._workbook.get_sheet_by_name(name)
        left = [""] * (sheet.start[1] if sheet.start else 0)
        numbered = enumerate(sheet.iter_rows(), 1)
        while batch := list(islice(numbered, _BATCH)):
            rows = [left + [cell if type(cell) is str else cell_text(cell) for cell in row] for _, row in batch]
            yield Rows([number for number, _ in batch], [list(column) for column in zip(*rows, strict=True)])
