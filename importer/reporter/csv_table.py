"""A report as CSV: UTF-8 with a BOM, and no cell that a spreadsheet program would run."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from importer.formula_guard import guard

#: A cell that begins so *may* need the guard; every other column is passed on untouched, which is what makes it fast.
_SUSPECT = re.compile("(?:^|\x00)['=+\\-@\t\r]")


class CsvTable:
    """Rows given as columns, written in one go."""

    def __init__(self, path: Path, header: Sequence[str]) -> None:
        self._file = path.open("w", encoding="utf-8-sig", newline="", buffering=1 << 20)
        self._writer = csv.writer(self._file)
        self._writer.writerow([guard(name) for name in header])

    def add(self, columns: Sequence[Sequence[str] | Sequence[int]]) -> None:
        self._writer.writerows(zip(*(_guarded(column) for column in columns), strict=True))

    def add_ragged(self, rows: Iterable[Sequence[str | int]]) -> None:
        """Rows that may be longer than the header."""
        self._writer.writerows([guard(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)

    def close(self) -> None:
        self._file.close()


def _guarded(column: Sequence[str] | Sequence[int]) -> Sequence[str] | Sequence[int]:
    if not column or isinstance(column[0], int):
        return column
    if not _SUSPECT.search("\x00".join(column)):  # type: ignore[arg-type]
        return column
    return [guard(cell) for cell in column]  # type: ignore[arg-type]
