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


class CsvTable:
    """Rows given as the source's columns and an outcome each."""

    def __init__(self, path: Path, columns: Sequence[str], sheet: str) -> None:
        self._file = path.open("w", encoding="utf-8-sig", newline="", buffering=1 << 20)
        self._file.write(_line(columns))
        self._ends = _Ends(sheet)

    def add(self, cells: Sequence[list[str]], outcomes: Sequence[Outcome]) -> None:
        begins = map(",".join, zip(*map(_column, cells), strict=True))
        self._file.write("".join(map(str.__add__, begins, self._ends.of(outcomes))))

    def add_row(self, row: Sequence[str]) -> None:
        """A row by itself, which may be longer than the header."""
        self._file.write(_line(row))

    def close(self) -> None:
        self._file.close()


class _Ends:
    """The result columns of each row as the end of its line: a million rows succeed in some thousand answers."""

    def __init__(self, sheet: str) -> None:
        self._sheet = sheet
        self._begin = "," + _field(guard(sheet)) + ","

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
        return "," + _line(result_cells(outcome, self._sheet)[2:])


def _line(row: Iterable[str]) -> str:
    return ",".join([_field(guard(cell)) for cell in row]) + _END


def _field(cell: str) -> str:
    if '"' in cell or "," in cell or "\n" in cell or "\r" in cell:
        return '"' + cell.replace('"', '""') + '"'
    return cell


def _column(column: list[str]) -> list[str]:
    """The fields of a column. A NUL between cells: at worst, something is found once too often."""
    whole = "\0" + "\0".join(column)
    if any("\0" + suspect in whole for suspect in _SUSPECTS):
        column = [
            guard(cell) if cell[:1] in _SUSPECTS and not (cell[:1] == "+" and cell[1:].isdecimal()) else cell
            for cell in column
        ]
    if any(special in whole for special in _SPECIAL):
        column = [_field(cell) for cell in column]
    return column
