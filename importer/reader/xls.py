"""Old Excel workbooks (.xls), with their number formats, error cells and merged cells."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import BinaryIO

import xlrd

from importer.reader.cell_text import cell_text
from importer.reader.number_formats import Shown, shown_as
from importer.reader.workbook_messages import SheetRows

_BATCH = 1000


class XlsWorkbook:
    """An open workbook. Its sheets have at most 65,536 rows."""

    def __init__(self, stream: BinaryIO) -> None:
        with open(os.devnull, "w") as nowhere:  # noqa: PTH123 - xlrd writes warnings to a stream
            self._book = xlrd.open_workbook(
                file_contents=stream.read(), formatting_info=True, ragged_rows=True, logfile=nowhere
            )
        self.sheets = [
            (sheet.name, sheet.visibility == 0) for sheet in (self._book.sheet_by_index(at) for at in self._places())
        ]
        self.notes: tuple[str, ...] = ()
        self._shown: dict[int, Shown] = {}

    def _places(self) -> range:
        return range(self._book.nsheets)

    def has_data(self) -> dict[str, bool]:
        """Whether any cell of a sheet holds anything."""
        return {
            name: any(
                kind not in (xlrd.XL_CELL_EMPTY, xlrd.XL_CELL_BLANK)
                for row in range(self._book.sheet_by_name(name).nrows)
                for kind in self._book.sheet_by_name(name).row_types(row)
            )
            for name, _ in self.sheets
        }

    def merged_rows(self, name: str) -> list[tuple[int, int]]:
        """First and last row of every merged range."""
        return sorted((top + 1, bottom) for top, bottom, _, _ in self._book.sheet_by_name(name).merged_cells)

    def rows(self, name: str) -> Iterator[SheetRows]:
        """Yield every row with its number."""
        sheet = self._book.sheet_by_name(name)
        for first in range(0, sheet.nrows, _BATCH):
            numbers = list(range(first, min(first + _BATCH, sheet.nrows)))
            width = max((sheet.row_len(row) for row in numbers), default=0)
            columns = [[""] * len(numbers) for _ in range(width)]
            problems: list[tuple[int, int, str]] = []
            for at, row in enumerate(numbers):
                for place, cell in enumerate(sheet.row(row)):
                    if cell.ctype == xlrd.XL_CELL_ERROR:
                        problems.append((row + 1, place, "error_cell"))
                        columns[place][at] = xlrd.error_text_from_code.get(int(cell.value), "#ERROR")
                    else:
                        columns[place][at] = self._text(cell)
            yield SheetRows([row + 1 for row in numbers], columns, problems)

    def _text(self, cell: xlrd.sheet.Cell) -> str:
        if cell.ctype in (xlrd.XL_CELL_NUMBER, xlrd.XL_CELL_DATE):
            if cell.xf_index is None:
                return cell_text(cell.value)
            return self._show(cell.xf_index)(repr(cell.value).removesuffix(".0"))
        if cell.ctype == xlrd.XL_CELL_BOOLEAN:
            return cell_text(bool(cell.value))
        return str(cell.value)

    def _show(self, style: int) -> Shown:
        if style not in self._shown:
            key = self._book.xf_list[style].format_key
            found = self._book.format_map.get(key)
            self._shown[style] = shown_as(key, found.format_str if found else None, bool(self._book.datemode))
        return self._shown[style]
