"""`annotated.xlsx`, written in a child process: openpyxl builds what any part of a foreign workbook asks for.

openpyxl keeps sheets, formats, widths, formulas and validations, but needs memory: 20,000 rows of 8 columns with the
results took 250 MiB and 6 s. It writes .xlsx only: of other workbooks (.xls, .xlsb, .ods, encrypted) the cells of the
sheet are copied as text and highlighted.
"""

from __future__ import annotations

import errno
import gc
import re
import signal
import sys
import warnings
import zipfile
from collections.abc import Sequence
from copy import copy
from pathlib import Path
from typing import Any

import msgspec
import openpyxl
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE, Cell, MergedCell
from openpyxl.comments import Comment
from openpyxl.styles import Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

from importer.capillary.codes import lookup
from importer.model import IDENTIFIERS, RESULT_COLUMNS, Outcome, Status
from importer.reporter.annotated_cost import too_much
from importer.reporter.annotated_job import TOO_LARGE, TOO_MANY, AnnotatedAnswer, AnnotatedJob
from importer.reporter.rows import advice_of, message_of, result_cells
from importer.reporter.workbook_table import CELL_CHARACTERS
from importer.system.process import end_with_parent, limit_resources

#: Seconds of one processor, and bytes of the copy.
_SECONDS, _BYTES = 120, 1 << 28
#: What is read of a part to find what openpyxl drops.
_SEARCHED = 16 * 1024 * 1024

_CELLS_ONLY = "annotated.xlsx has the cells of the sheet without formatting: only .xlsx workbooks keep theirs."
_DAMAGED = "There is no annotated.xlsx for this workbook; failed.xlsx has the open rows."

#: A disk that fails ends the run, as with any other report.
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS)

#: These colours are in no palette: in a source they come from an earlier report.
_PROBLEM = PatternFill("solid", start_color="FFF4B6B0")
_WARNING = PatternFill("solid", start_color="FFFFE69A")
_NO_FILL = PatternFill()
#: Begins the part of a comment that a report wrote.
_MARK = "importer: "
_WIDTHS = {"_message": 44, "_advice": 60, "_warnings": 14, "_request_id": 18, "_at": 26}
_COLOURED = {
    Status.FAILED: _PROBLEM,
    Status.REJECTED: _PROBLEM,
    Status.UNKNOWN: _WARNING,
    Status.UNPROCESSED: None,
    Status.SKIPPED: None,
}
#: What openpyxl drops → the parts of a workbook that hold it; below, also the bytes that identify it.
_NOT_CARRIED = {
    "macros": re.compile(r".*vbaproject\.bin$", re.IGNORECASE),
    "pictures": re.compile(r"xl/media/", re.IGNORECASE),
    "buttons and other controls": re.compile(r"xl/(ctrlProps|activeX)/", re.IGNORECASE),
    "slicers": re.compile(r"xl/(slicers|timelines)/", re.IGNORECASE),
}
_NOT_CARRIED_INSIDE = {
    "shapes and text boxes": (re.compile(r"xl/drawings/drawing[^/]*\.xml$", re.IGNORECASE), b"<xdr:nvSpPr"),
    "sparklines": (re.compile(r"xl/worksheets/[^/]+\.xml$", re.IGNORECASE), b":sparklineGroup"),
}


class _Copy:
    """The annotated copy of a workbook."""

    def __init__(self, job: AnnotatedJob) -> None:
        self._job = job
        self._comments = 0

    def write(self) -> AnnotatedAnswer:
        """Write the copy, or say why there is none."""
        job = self._job
        if job.cells is None and (many := too_much(Path(job.path), job.most_memory)):
            return AnnotatedAnswer(False, TOO_MANY.format(many))
        book, sheet = self._loaded() if job.cells is None else self._copied(job.cells)
        self._mark(sheet)
        lost = "" if job.cells is not None else _lost(Path(job.path), book)
        note = ""
        if job.cells is not None:
            note = _CELLS_ONLY
        elif lost:
            note = f"annotated.xlsx does not contain the workbook's {lost}: keep your own copy."
        if self._comments > job.most_comments:
            note = (
                f"annotated.xlsx has comments on its first {job.most_comments:,} highlighted cells; "
                "the columns _message and _advice cover every row."
            )
        book.active = book.sheetnames.index(sheet.title)
        try:
            book.save(job.target)
        except OSError as error:
            return AnnotatedAnswer(False, _DAMAGED, error.errno if error.errno in _DISK else 0)
        return AnnotatedAnswer(True, note)

    def _loaded(self) -> tuple[openpyxl.Workbook, Worksheet]:
        with Path(self._job.path).open("rb") as file:  # openpyxl judges a path by its extension
            book = openpyxl.load_workbook(file, keep_links=False)
        return book, book[self._job.sheet]

    def _copied(self, cells: dict[int, list[str]]) -> tuple[openpyxl.Workbook, Worksheet]:
        """Return a new workbook with the cells as they were read, each in its row."""
        book = openpyxl.Workbook()
        sheet = book.worksheets[0]
        sheet.title = re.sub(r"[\\*?:/\[\]]", " ", self._job.sheet)[:31] or sheet.title
        style = _text_style(sheet)
        for row, values in [(self._job.header_row, self._job.columns), *cells.items()]:
            for column, text in enumerate(values, 1):
                if len(text) > CELL_CHARACTERS:
                    raise ValueError("openpyxl would truncate it")
                if text:
                    _put(sheet.cell(row, column), text, style)
        return book, sheet

    def _mark(self, sheet: Worksheet) -> None:
        header = self._job.header_row
        names = {str(cell.value): cell.column for cell in sheet[header] if cell.value is not None}
        if "_status" in names:
            _clean(sheet)
        result = _result_positions(sheet, header, names)
        columns = [result[name] for name in RESULT_COLUMNS]
        again = "_status" in names
        style = _text_style(sheet)
        for outcome in self._job.outcomes:
            cells = result_cells(outcome, self._job.sheet)
            for column, text in zip(columns, cells, strict=True):
                if text or again:
                    _put(sheet.cell(outcome.row_number, column), text, style)
            if outcome.status is not Status.SUCCEEDED or outcome.warnings:
                self._highlight(sheet, outcome, names, result["_status"])
        for row, words in self._job.beside.items():
            for column, word in enumerate(words, max(columns) + 1):
                _put(sheet.cell(row, column), word, style)
        _make_filterable(sheet, header, max([header, *(outcome.row_number for outcome in self._job.outcomes)]))

    def _highlight(self, sheet: Worksheet, outcome: Outcome, names: dict[str, int], status: int) -> None:
        fill = _WARNING if outcome.status is Status.SUCCEEDED else _COLOURED[outcome.status]
        if fill is None:
            return
        problems = [names[name] for name in self._problem_columns(outcome) if name in names]
        text = _words(outcome)
        for column in problems or [status]:
            cell = sheet.cell(outcome.row_number, column)
            _fill(cell, fill)
            if not isinstance(cell, MergedCell):
                self._comments += 1
                if self._comments <= self._job.most_comments:
                    _comment(cell, text)
        if problems:
            _fill(sheet.cell(outcome.row_number, status), fill)

    def _problem_columns(self, outcome: Outcome) -> Sequence[str]:
        """Return the columns that the outcome names, else the filled columns that its code is about."""
        if outcome.columns:
            return outcome.columns
        code = outcome.warnings[0] if outcome.status is Status.SUCCEEDED else outcome.code
        concerns = lookup(code).concerns
        fields = {"identifier": IDENTIFIERS, "custom_fields": ("preference", "preference_name", "preference_value")}
        wanted = fields.get(concerns, (concerns,))
        empty = self._job.blank.get(outcome.row_number, frozenset())
        return [use.column for use in self._job.uses if use.field in wanted and use.column not in empty]


def _words(outcome: Outcome) -> str:
    """Return the comment on a row: what happened and what to do."""
    if outcome.status is not Status.SUCCEEDED:
        return f"{message_of(outcome)}. {advice_of(outcome)} (code {outcome.code})"
    return " ".join([*map(_warning, outcome.warnings), advice_of(outcome)])


def _warning(warning: str) -> str:
    """Return a warning as a sentence. It is a code of the API, or a text of the server."""
    if warning.isdecimal():
        return f"Warning {warning}: {lookup(warning).meaning}."
    return f"Warning: {warning.removesuffix('.')}."


def _lost(path: Path, book: openpyxl.Workbook) -> str:
    """Return what openpyxl does not carry over, as a list in words. Pictures need Pillow."""
    kept = any(getattr(sheet, "_images", ()) for sheet in book.worksheets)
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        lost = [word for word, part in _NOT_CARRIED.items() if any(part.match(name) for name in names)]
        inside = [
            word
            for word, (part, mark) in _NOT_CARRIED_INSIDE.items()
            if any(part.match(name) and mark in _read(archive, name) for name in names)
        ]
    words = [word for word in [*lost, *inside] if word != "pictures" or not kept]
    return ", ".join(words[:-1]) + (" and " if words[1:] else "") + words[-1] if words else ""


def _read(archive: zipfile.ZipFile, name: str) -> bytes:
    with archive.open(name) as part:
        return part.read(_SEARCHED)


def _result_positions(sheet: Worksheet, header: int, names: dict[str, int]) -> dict[str, int]:
    """Return the positions of the result columns: those of an earlier report, else right of all cells."""
    result = {}
    following = _last_column(sheet) + 1
    neighbour = sheet.cell(header, max(place for place in names.values() if place is not None))
    for name in RESULT_COLUMNS:
        column = names.get(name)
        if column is None:
            column, following = following, following + 1
            _head(sheet.cell(header, column, name), like=neighbour)
            sheet.column_dimensions[get_column_letter(column)].width = _WIDTHS.get(name, 12)
        result[name] = column
    return result


def _head(cell: Any, like: Any) -> None:
    """Copy the style of the sheet's own header, in bold."""
    cell._style = copy(like._style)
    font: Font = copy(like.font)
    font.b = True
    cell.font = font


def _last_column(sheet: Worksheet) -> int:
    """Return the last column with a value. Formats alone can reach the edge of the sheet."""
    return max((column for (_, column), cell in sheet._cells.items() if cell.value is not None), default=1)


def _clean(sheet: Worksheet) -> None:
    """Remove the highlights and comments of an earlier report: fixed cells must not keep them."""
    marks = {_PROBLEM.start_color.rgb, _WARNING.start_color.rgb}
    for cell in sheet._cells.values():  # the public iterators create a cell for every position of the grid
        if isinstance(cell, MergedCell):
            continue
        if cell.comment is not None and _MARK in cell.comment.text:
            _comment(cell, "")
        if cell.has_style and cell.fill.start_color.rgb in marks:
            cell.fill = _NO_FILL


def _put(cell: Any, text: str, style: Any) -> None:
    """Write the cell as text. The style is shared: one per cell doubles the memory."""
    if not isinstance(cell, MergedCell):
        cell.value = ILLEGAL_CHARACTERS_RE.sub("", text) or None
        cell.data_type = "s" if text else "n"
        cell._style = style


def _text_style(sheet: Worksheet) -> Any:
    """Return the style of a text cell, registered with the workbook."""
    cell: Any = Cell(sheet, 1, 1)
    cell.number_format = "@"
    return cell._style


def _fill(cell: Any, fill: PatternFill) -> None:
    cell._style = copy(cell._style)  # it may be shared
    cell.fill = fill


def _comment(cell: Cell, text: str) -> None:
    """Write a comment below the user's own; without a text, keep only the user's."""
    own, author = "", "importer"
    if cell.comment is not None:
        own, author = cell.comment.text.partition(_MARK)[0].strip(), cell.comment.author or author
    parts = [own] if own else []
    if text:
        parts.append(_MARK + ILLEGAL_CHARACTERS_RE.sub("", text))
    cell.comment = Comment("\n\n".join(parts), author, height=140, width=320) if parts else None


def _make_filterable(sheet: Worksheet, header: int, last: int) -> None:
    """Freeze the header and add a filter, for example by `_status`."""
    frozen = re.match(r"[A-Z]+", sheet.freeze_panes or "A")
    sheet.freeze_panes = f"{frozen[0] if frozen else 'A'}{header + 1}"
    if not sheet.tables:  # a table has its own filter; a second one makes the workbook unreadable
        sheet.auto_filter.ref = f"A{header}:{get_column_letter(sheet.max_column)}{last}"


def answer(job: AnnotatedJob) -> AnnotatedAnswer:
    """Write the copy, whatever the workbook contains."""
    try:
        with warnings.catch_warnings():
            # What openpyxl drops is in the note.
            warnings.simplefilter("ignore")
            return _Copy(job).write()
    except MemoryError:
        return AnnotatedAnswer(False, TOO_LARGE)
    except Exception:  # openpyxl raises many types; the other reports must still be written
        return AnnotatedAnswer(False, _DAMAGED)


def main() -> None:
    """Read the job from standard input, answer on standard output. The argument: a lifeline."""
    # Ctrl-C goes to the whole group; the parent decides what it ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Cells are many and live to the end: searching them for garbage only costs time.
    gc.disable()
    end_with_parent(int(sys.argv[1]))
    job = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=AnnotatedJob)
    limit_resources(job.address_space, _SECONDS, _BYTES)
    sys.stdout.buffer.write(msgspec.msgpack.encode(answer(job)))


if __name__ == "__main__":
    main()
