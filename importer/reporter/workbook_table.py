"""A report as a workbook: every cell is text, so no program runs it, rounds it or drops its zeros."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import xlsxwriter  # type: ignore[import-untyped]
from xlsxwriter.exceptions import XlsxWriterException  # type: ignore[import-untyped]

#: Rows below the header that a sheet can hold, and characters that a cell can.
SHEET_ROWS = 1_048_575
SHEET_COLUMNS = 16_384
CELL_CHARACTERS = 32_767

_WIDEST, _NARROWEST = 60, 8
#: The first rows decide the widths of the columns.
_MEASURED_ROWS = 200


class WorkbookTable:
    """Writes rows in constant memory. `left_out` counts those that a sheet cannot hold."""

    #: Columns of the widest table.
    most_columns = SHEET_COLUMNS

    def __init__(self, path: Path, header: Sequence[str], sheet: str, scratch: Path) -> None:
        self._book = xlsxwriter.Workbook(
            str(path),
            {
                "constant_memory": True,
                "tmpdir": str(scratch),
                "strings_to_numbers": False,
                "strings_to_formulas": False,
                "strings_to_urls": False,
            },
        )
        self._sheet = self._named(sheet)
        self._header = list(header)
        self._text = self._book.add_format({"num_format": "@"})
        self._head = self._book.add_format({"num_format": "@", "bold": True, "bottom": 1})
        self._waiting: list[Sequence[str]] = []
        self._begun = False
        self._next = 1
        self.left_out = 0

    def add(self, row: Sequence[str]) -> None:
        if self._next + len(self._waiting) > SHEET_ROWS or not all(map(_fits, row)) or len(row) > SHEET_COLUMNS:
            self.left_out += 1
        elif self._begun:
            self._write(row)
        else:
            self._waiting.append(row)
            if len(self._waiting) >= _MEASURED_ROWS:
                self._begin()

    def close(self, at: int) -> None:
        """Finish the file. `at` (milliseconds, UTC) is its creation time, so a run always gives the same bytes."""
        if not self._begun:
            self._begin()
        self._sheet.autofilter(0, 0, self._next - 1, len(self._header) - 1)
        made = datetime.fromtimestamp(at / 1000, UTC).replace(tzinfo=None, microsecond=0)
        self._book.set_properties({"created": max(made, datetime(2000, 1, 1))})
        self._book.close()

    def _named(self, sheet: str) -> xlsxwriter.worksheet.Worksheet:
        try:
            return self._book.add_worksheet(sheet or "failed")
        except XlsxWriterException:  # the name is valid in other programs only
            return self._book.add_worksheet("failed")

    def _begin(self) -> None:
        """Write the header and the waiting rows: the widths must be known before the first row."""
        for position, name in enumerate(self._header):
            longest = max([len(name) + 3, *(len(row[position]) for row in self._waiting)])
            self._sheet.set_column(position, position, min(max(longest + 1, _NARROWEST), _WIDEST), self._text)
        self._sheet.freeze_panes(1, 0)
        self._sheet.set_row(0, None, self._head)
        for position, name in enumerate(self._header):
            self._sheet.write_string(0, position, name, self._head)
        self._begun = True
        for row in self._waiting:
            self._write(row)
        self._waiting = []

    def _write(self, row: Sequence[str]) -> None:
        write, line, text = self._sheet.write_string, self._next, self._text
        for position, cell in enumerate(row):
            if cell:
                write(line, position, cell, text)
        self._next += 1


def _fits(cell: str) -> bool:
    """Whether a sheet can hold the cell. Excel counts UTF-16 units; XlsxWriter writes `<r>…</r>` as raw markup."""
    if len(cell) > CELL_CHARACTERS // 2 and len(cell.encode("utf-16-le")) // 2 > CELL_CHARACTERS:
        return False
    return not (cell.startswith("<r>") and cell.endswith("</r>"))
