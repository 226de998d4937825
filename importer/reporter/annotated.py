"""The uploaded workbook itself, marked: guilty cells coloured and commented, the result columns at its right.

openpyxl keeps what people would miss (sheets, formats, widths, formulas, validations) at the price of memory: 20,000
rows of 8 columns with the results took 250 MiB and 6 s. Beyond the limits below, `failed.xlsx` has to do. It writes
.xlsx only, so of other workbooks (.xls, .xlsb, .ods, encrypted ones) the sheet's cells are marked, as text.
"""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Sequence
from copy import copy
from pathlib import Path
from typing import Any

import openpyxl
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE, Cell, MergedCell
from openpyxl.comments import Comment
from openpyxl.styles import Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

from importer.capillary.codes import lookup
from importer.model import IDENTIFIERS, RESULT_COLUMNS, Outcome, Status
from importer.normaliser.mapping import Mapping
from importer.reporter.rows import ReportBlock, ReportSource, advice_of, message_of, result_cells
from importer.reporter.workbook_table import CELL_CHARACTERS

#: ReportSource times columns, the result columns among them: keeps the whole process under 300 MiB.
MOST_CELLS = 350_000
#: A comment costs 19 KiB while the workbook is saved. Beyond these, the columns at the right tell the same.
MOST_COMMENTS = 2_000
#: Of XML in all sheets together, for what the other sheets hold.
MOST_XML = 16 * 1024 * 1024

_CELLS_ONLY = "annotated.xlsx holds the cells of the sheet, without its looks: only .xlsx workbooks keep theirs."
_TOO_LARGE = "The workbook is too large to be marked and keep its looks; failed.xlsx holds the open rows."

#: Colours that no palette offers: where an earlier report left them, they are ours.
_GUILTY = PatternFill("solid", start_color="FFF4B6B0")
_WARNED = PatternFill("solid", start_color="FFFFE69A")
_NO_FILL = PatternFill()
#: Begins our part of a comment.
_MARK = "importer: "
_WIDTHS = {"_message": 44, "_advice": 60, "_warnings": 14, "_request_id": 18, "_at": 26}
_COLOURED = {
    Status.FAILED: _GUILTY,
    Status.REJECTED: _GUILTY,
    Status.UNKNOWN: _WARNED,
    Status.UNPROCESSED: None,
    Status.SKIPPED: None,
}
#: What is lost → the parts of a workbook that tell of it, and what must stand in them.
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
_PARTS = re.compile(r"xl/(worksheets/[^/]+|sharedStrings)\.xml", re.IGNORECASE)


class Annotations:
    """Collects the outcomes of a workbook small enough to be marked; `write` then marks a copy of it."""

    def __init__(self, source: ReportSource, mapping: Mapping) -> None:
        self._source, self._mapping = source, mapping
        self._outcomes: list[Outcome] = []
        self._blank: dict[int, frozenset[str]] = {}
        self._comments = 0
        self.note = ""
        #: Row number → its cells, of a workbook that cannot be marked itself.
        self._cells: dict[int, list[str]] | None = None
        #: Row number → what stands beside it then, so that it fails again unless it is mended.
        self._beside: dict[int, list[str]] = {}
        self._wanted = True
        size = _size(Path(source.path))
        if size is None:
            self._cells = {}
        elif size > MOST_XML:
            self._wanted, self.note = False, _TOO_LARGE

    def see(self, block: ReportBlock) -> None:
        if not self._wanted:
            return
        width = len(self._source.columns) + len(RESULT_COLUMNS)
        if (len(self._outcomes) + len(block.row_numbers)) * width > MOST_CELLS:
            self._wanted, self._outcomes, self._cells = False, [], None
            self.note = _TOO_LARGE
            return
        if self._cells is not None:
            self._cells.update(zip(block.row_numbers, map(list, zip(*block.cells, strict=True)), strict=True))
            for position, words in block.overflow.items():
                self._beside[block.row_numbers[position]] = words
        for stretch in block.stretches:
            self._outcomes += stretch.outcomes()
        for position in block.other:
            empty = [name for name, cells in zip(self._source.columns, block.cells, strict=True) if not cells[position]]
            self._blank[block.row_numbers[position]] = frozenset(empty)

    def write(self, path: Path) -> bool:
        """Whether there is an annotated workbook; if not, `note` may say why."""
        if not self._wanted:
            return False
        try:
            with warnings.catch_warnings():
                # What openpyxl leaves out is told below, in words for people.
                warnings.simplefilter("ignore")
                book, sheet = self._loaded() if self._cells is None else self._copied(self._cells)
        except Exception:  # openpyxl raises whatever it stumbles upon; the other reports must not suffer for it
            self.note = "annotated.xlsx could not be made of this workbook; failed.xlsx holds the open rows."
            return False
        self._mark(sheet)
        lost = "" if self._cells is not None else _lost(Path(self._source.path), book)
        if self._cells is not None:
            self.note = _CELLS_ONLY
        elif lost:
            self.note = f"annotated.xlsx is without the workbook's {lost}: keep your own copy."
        if self._comments > MOST_COMMENTS:
            self.note = (
                f"annotated.xlsx has comments on the first {MOST_COMMENTS:,} of its coloured cells; "
                "its columns _message and _advice tell all."
            )
        book.active = book.sheetnames.index(sheet.title)
        book.save(path)
        return True

    def _loaded(self) -> tuple[openpyxl.Workbook, Worksheet]:
        with Path(self._source.path).open("rb") as file:  # a path would be judged by its name
            book = openpyxl.load_workbook(file, keep_links=False)
        return book, book[self._source.sheet]

    def _copied(self, cells: dict[int, list[str]]) -> tuple[openpyxl.Workbook, Worksheet]:
        """A workbook of the cells as they were read, each in its row."""
        book = openpyxl.Workbook()
        sheet = book.worksheets[0]
        sheet.title = re.sub(r"[\\*?:/\[\]]", " ", self._source.sheet)[:31] or sheet.title
        style = _text_style(sheet)
        for row, values in [(self._source.header_row, self._source.columns), *cells.items()]:
            for column, text in enumerate(values, 1):
                if len(text) > CELL_CHARACTERS:
                    raise ValueError("openpyxl would cut it")
                if text:
                    _put(sheet.cell(row, column), text, style)
        return book, sheet

    def _mark(self, sheet: Worksheet) -> None:
        header = self._source.header_row
        names = {str(cell.value): cell.column for cell in sheet[header] if cell.value is not None}
        if "_status" in names:
            _clean(sheet)
        result = _result_positions(sheet, header, names)
        columns = [result[name] for name in RESULT_COLUMNS]
        again = "_status" in names
        style = _text_style(sheet)
        for outcome in self._outcomes:
            cells = result_cells(outcome, self._source.sheet)
            for column, text in zip(columns, cells, strict=True):
                if text or again:
                    _put(sheet.cell(outcome.row_number, column), text, style)
            if outcome.status is not Status.SUCCEEDED or outcome.warnings:
                self._blame(sheet, outcome, names, result["_status"])
        for row, words in self._beside.items():
            for column, word in enumerate(words, max(columns) + 1):
                _put(sheet.cell(row, column), word, style)
        _make_filterable(sheet, header, max([header, *(outcome.row_number for outcome in self._outcomes)]))

    def _blame(self, sheet: Worksheet, outcome: Outcome, names: dict[str, int], status: int) -> None:
        fill = _WARNED if outcome.status is Status.SUCCEEDED else _COLOURED[outcome.status]
        if fill is None:
            return
        guilty = [names[name] for name in self._guilty(outcome) if name in names]
        text = f"{message_of(outcome) or '; '.join(outcome.warnings)}. {advice_of(outcome)} (code {outcome.code})"
        for column in guilty or [status]:
            cell = sheet.cell(outcome.row_number, column)
            _fill(cell, fill)
            if not isinstance(cell, MergedCell):
                self._comments += 1
                if self._comments <= MOST_COMMENTS:
                    _comment(cell, text)
        if guilty:
            _fill(sheet.cell(outcome.row_number, status), fill)

    def _guilty(self, outcome: Outcome) -> Sequence[str]:
        """The columns that the outcome names, else those that its code is about, as far as the row fills them."""
        if outcome.columns:
            return outcome.columns
        code = outcome.warnings[0] if outcome.status is Status.SUCCEEDED else outcome.code
        concerns = lookup(code).concerns
        fields = {"identifier": IDENTIFIERS, "custom_fields": ("preference", "preference_name", "preference_value")}
        wanted = fields.get(concerns, (concerns,))
        empty = self._blank.get(outcome.row_number, frozenset())
        return [use.column for use in self._mapping.columns if use.field in wanted and use.column not in empty]


def _size(path: Path) -> int | None:
    """Of the XML in an .xlsx workbook; None for any other kind. By what it is, never by its name."""
    try:
        with zipfile.ZipFile(path) as archive:
            if "xl/workbook.xml" not in archive.namelist():
                return None
            return sum(part.file_size for part in archive.infolist() if _PARTS.fullmatch(part.filename))
    except (OSError, zipfile.BadZipFile):
        return None


def _lost(path: Path, book: openpyxl.Workbook) -> str:
    """What openpyxl does not carry over, and pictures unless Pillow is there: by the parts of the file."""
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
        return part.read(MOST_XML)


def _result_positions(sheet: Worksheet, header: int, names: dict[str, int]) -> dict[str, int]:
    """Where the result columns stand: where an earlier report put them, else right of everything."""
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
    """The looks of the sheet's own header, and bold in any case."""
    cell._style = copy(like._style)
    font: Font = copy(like.font)
    font.b = True
    cell.font = font


def _last_column(sheet: Worksheet) -> int:
    """The last column that says something; formats alone can reach to the edge of the sheet."""
    return max((column for (_, column), cell in sheet._cells.items() if cell.value is not None), default=1)


def _clean(sheet: Worksheet) -> None:
    """Takes off the marks of an earlier report: what has been mended must not stay red."""
    ours = {_GUILTY.start_color.rgb, _WARNED.start_color.rgb}
    for cell in sheet._cells.values():  # the public iterators would make a cell for every place of the grid
        if isinstance(cell, MergedCell):
            continue
        if cell.comment is not None and _MARK in cell.comment.text:
            _comment(cell, "")
        if cell.has_style and cell.fill.start_color.rgb in ours:
            cell.fill = _NO_FILL


def _put(cell: Any, text: str, style: Any) -> None:
    """As text, whatever it looks like. The style is shared: one of its own for each cell doubles the memory."""
    if not isinstance(cell, MergedCell):
        cell.value = ILLEGAL_CHARACTERS_RE.sub("", text) or None
        cell.data_type = "s" if text else "n"
        cell._style = style


def _text_style(sheet: Worksheet) -> Any:
    """The style of a text cell, registered with the workbook."""
    cell: Any = Cell(sheet, 1, 1)
    cell.number_format = "@"
    return cell._style


def _fill(cell: Any, fill: PatternFill) -> None:
    cell._style = copy(cell._style)  # it may be shared
    cell.fill = fill


def _comment(cell: Cell, text: str) -> None:
    """Ours below what somebody may have written there; without a text, theirs alone."""
    theirs, author = "", "importer"
    if cell.comment is not None:
        theirs, author = cell.comment.text.partition(_MARK)[0].strip(), cell.comment.author or author
    parts = [theirs] if theirs else []
    if text:
        parts.append(_MARK + ILLEGAL_CHARACTERS_RE.sub("", text))
    cell.comment = Comment("\n\n".join(parts), author, height=140, width=320) if parts else None


def _make_filterable(sheet: Worksheet, header: int, last: int) -> None:
    """The header stays in sight, and rows can be filtered by what became of them."""
    frozen = re.match(r"[A-Z]+", sheet.freeze_panes or "A")
    sheet.freeze_panes = f"{frozen[0] if frozen else 'A'}{header + 1}"
    if not sheet.tables:  # a table has a filter of its own, and two in one place make the workbook unreadable
        sheet.auto_filter.ref = f"A{header}:{get_column_letter(sheet.max_column)}{last}"
