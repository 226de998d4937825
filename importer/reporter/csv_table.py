"""A report as CSV: UTF-8 with a BOM, and no cell that a spreadsheet program would run.

The csv module quotes cell by cell. Here a whole column is searched at once, and only columns with special characters
are processed by cell. Rows of one answer share the end of their lines. Together this halves the time of a report.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Mapping as Map
from itertools import chain, repeat
from pathlib import Path

import msgspec

from importer.model import Outcome, Stretch
from importer.reporter.rows import result_cells
from importer.system.formula_guard import guard, may_need_guard

_SPECIAL = ('"', ",", "\n", "\r")
_END = "\r\n"
_CACHED = 500
_NONE: Map[int, str] = {}


class CsvTable:
    """Writes rows, given as the source's columns and their outcomes. `add` returns the lines, for another file."""

    def __init__(self, path: Path, header: Sequence[str], sheet: str, *, may_be_fixed: bool = False) -> None:
        """`may_be_fixed`: the last column says what cells were before they were fixed."""
        self._may_be_fixed = may_be_fixed
        self._file = path.open("w", encoding="utf-8-sig", newline="", buffering=1 << 20)
        self._file.write(_line(header))
        self._sheet = _field(guard(sheet))
        self._ends = _Ends(sheet)

    def add(
        self, cells: Sequence[Sequence[str]], stretches: Sequence[Stretch], fixed: Map[int, str] = _NONE
    ) -> list[str]:
        numbers = map(str, chain.from_iterable(stretch.numbers for stretch in stretches))
        sheets = repeat(self._sheet, sum(stretch.rows for stretch in stretches))
        ends = self._ends.of(stretches)
        if self._may_be_fixed:
            ends = (f"{end[: -len(_END)]},{_field(guard(fixed.get(at, '')))}{_END}" for at, end in enumerate(ends))
        lines = list(map(",".join, zip(*map(_column, cells), sheets, numbers, ends, strict=True)))
        self._file.write("".join(lines))
        return lines

    def add_line(self, line: str, extra: Sequence[str] = ()) -> None:
        """Write a line of another table, followed by the cells `extra`."""
        self._file.write(f"{line[: -len(_END)]},{_line(extra)}" if extra else line)

    def close(self) -> None:
        self._file.close()


class _Ends:
    """The end of a line after the row number, shared by the rows of one answer."""

    def __init__(self, sheet: str) -> None:
        self._sheet = sheet
        self._cache: dict[tuple[object, ...], str] = {}

    def of(self, stretches: Iterable[Stretch]) -> Iterator[str]:
        return chain.from_iterable(repeat(self._end(stretch.outcome), stretch.rows) for stretch in stretches)

    def _end(self, outcome: Outcome) -> str:
        key = msgspec.structs.astuple(outcome)[1:]
        end = self._cache.get(key)
        if end is None:
            if len(self._cache) >= _CACHED:
                self._cache.clear()
            end = self._cache[key] = _line(result_cells(outcome, self._sheet)[2:])
        return end


def _line(row: Iterable[str]) -> str:
    return ",".join([_field(guard(cell)) for cell in row]) + _END


def _field(cell: str) -> str:
    if '"' in cell or "," in cell or "\n" in cell or "\r" in cell:
        return '"' + cell.replace('"', '""') + '"'
    return cell


def _column(column: Sequence[str]) -> Sequence[str]:
    """Return the fields of a column. NUL separates the cells in the search; a NUL in a cell only costs time."""
    whole = "\0" + "\0".join(column) + "\0"
    if may_need_guard(whole) and not _are_numbers(whole, len(column)):
        column = [cell if cell[:1] == "+" and cell[1:].isdecimal() else guard(cell) for cell in column]
    special = [special for special in _SPECIAL if special in whole]
    if len(special) == 1:
        column = [_field(cell) if special[0] in cell else cell for cell in column]
    elif special:
        column = [_field(cell) for cell in column]
    return column


def _are_numbers(whole: str, cells: int) -> bool:
    """Whether all cells, separated by NUL, are empty, digits, or a plus and digits (usually mobiles)."""
    if whole.count("\0") != cells + 1 or "\0+\0" in whole:
        return False
    return whole.replace("\0+", "").replace("\0", "").isdecimal()
