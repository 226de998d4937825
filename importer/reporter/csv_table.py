"""A report as CSV: UTF-8 with a BOM, and no cell that a spreadsheet program would run.

The csv module quotes cell by cell; here a whole column is looked at in one go, and only one that holds a character that
matters is gone through. That, and the rows of one answer sharing the end of their lines, halves the time of a report.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from importer.formula_guard import guard
from importer.model import Outcome, Status
from importer.reporter.rows import result_cells

#: A cell that begins with one of these *may* need the guard.
_SUSPECTS = "=+-@\t\r'"
_SPECIAL = ('"', ",", "\n", "\r")
_END = "\r\n"
_CACHED = 500


class CsvTable:
    """Rows given as the source's columns and an outcome each. `add` tells the lines, for a file of some of them."""

    def __init__(self, path: Path, header: Sequence[str], sheet: str) -> None:
        self._file = path.open("w", encoding="utf-8-sig", newline="", buffering=1 << 20)
        self._file.write(_line(header))
        self._ends = _Ends(sheet)

    def add(self, cells: Sequence[list[str]], outcomes: Sequence[Outcome]) -> list[str]:
        begins = map(",".join, zip(*map(_column, cells), strict=True))
        lines = list(map(str.__add__, begins, self._ends.of(outcomes)))
        self._file.write("".join(lines))
        return lines

    def add_line(self, line: str, extra: Sequence[str] = ()) -> None:
        """A line of another table, made longer than the header by `extra`."""
        self._file.write(f"{line[: -len(_END)]},{_line(extra)}" if extra else line)

    def close(self) -> None:
        self._file.close()


class _Ends:
    """The result columns of each row as the end of its line: the rows of one answer share all but their number."""

    def __init__(self, sheet: str) -> None:
        self._sheet = sheet
        self._begin = "," + _field(guard(sheet)) + ","
        self._cache: dict[tuple[object, ...], str] = {}

    def of(self, outcomes: Iterable[Outcome]) -> list[str]:
        succeeded, begin, ends = Status.SUCCEEDED, self._begin, []
        at, request_id, code, message, attempts, end = -1, "", "", "", 0, ""
        for outcome in outcomes:
            if outcome.status is not succeeded or outcome.warnings or outcome.advice:
                ends.append(f"{begin}{outcome.row_number}{self._end(outcome)}")
                continue
            if (
                outcome.at != at
                or outcome.request_id != request_id
                or outcome.code != code
                or outcome.message != message
                or outcome.attempts != attempts
            ):
                at, request_id, code = outcome.at, outcome.request_id, outcome.code
                message, attempts, end = outcome.message, outcome.attempts, self._end(outcome)
            ends.append(f"{begin}{outcome.row_number}{end}")
        return ends

    def _end(self, outcome: Outcome) -> str:
        key = (
            *(outcome.status, outcome.code, outcome.message, outcome.advice, outcome.warnings),
            *(outcome.attempts, outcome.request_id, outcome.at),
        )
        end = self._cache.get(key)
        if end is None:
            if len(self._cache) >= _CACHED:
                self._cache.clear()
            end = self._cache[key] = "," + _line(result_cells(outcome, self._sheet)[2:])
        return end


def _line(row: Iterable[str]) -> str:
    return ",".join([_field(guard(cell)) for cell in row]) + _END


def _field(cell: str) -> str:
    if '"' in cell or "," in cell or "\n" in cell or "\r" in cell:
        return '"' + cell.replace('"', '""') + '"'
    return cell


def _column(column: list[str]) -> list[str]:
    """The fields of a column. A NUL between cells: at worst, something is found once too often."""
    whole = "\0" + "\0".join(column)
    # One character is found many times faster than two, and most columns have none of them.
    if any(suspect in whole and "\0" + suspect in whole for suspect in _SUSPECTS):
        column = [
            guard(cell) if cell[:1] in _SUSPECTS and not (cell[:1] == "+" and cell[1:].isdecimal()) else cell
            for cell in column
        ]
    if any(special in whole for special in _SPECIAL):
        column = [_field(cell) for cell in column]
    return column
