"""`failed.xlsx` but for its rows: styles, columns, filter, the sheet "How to fix". Made by XlsxWriter.

XlsxWriter would keep every comment in memory and takes seconds for rows that are alike, so it makes a workbook without
rows. The rows and comments are written as streams and added.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from io import BytesIO
from zipfile import ZipFile

import msgspec
import xlsxwriter  # type: ignore[import-untyped]
from xlsxwriter.exceptions import XlsxWriterException  # type: ignore[import-untyped]

from importer.model import Cause
from importer.reporter.comment_parts import MOST_COMMENTS, Comments
from importer.reporter.marks import PROBLEM, WARNING
from importer.reporter.xml_text import whole_text

#: The parts that are written as streams.
SHEET, COMMENTS, BOXES = "xl/worksheets/sheet1.xml", "xl/comments1.xml", "xl/drawings/vmlDrawing1.vml"

#: The result columns that are shown. The others are folded: a person opens them with a click.
_SHOWN = frozenset({"_message", "_advice"})
#: The reader ignores a sheet that has only such columns, as it ignores such columns.
_CAUSE_COLUMNS = {"_problem": 70, "_what_to_do": 70, "_rows": 10, "_example_rows": 46}
_HOW_TO_FIX = "How to fix"
_EACH = "each has a comment."
_SOME = (
    f"{MOST_COMMENTS:,} of them have a comment, among them the first of each problem; "
    "the columns _message and _advice cover every row."
)
#: Characters of the column right of the result columns. Its cells name the cell to fill in.
BESIDE = 30
#: Points of a line, and the lines that a row shows at the most.
_LINE, _MOST_LINES = 15, 10
_TEXT = {"num_format": "@", "valign": "top"}
_WRAPPED = {**_TEXT, "text_wrap": True}
_RESULT = {"font_color": "#595959", "bg_color": "#F2F2F2"}
_HEAD = {**_WRAPPED, "bold": True, "bottom": 1}
#: Name → properties, in the order of `Styles`.
_STYLES: tuple[dict[str, object], ...] = (
    _WRAPPED,
    {**_WRAPPED, "bg_color": f"#{PROBLEM}"},
    {**_WRAPPED, "bg_color": f"#{WARNING}"},
    {**_TEXT, **_RESULT},
    {**_WRAPPED, **_RESULT},
    _HEAD,
    {**_HEAD, **_RESULT},
)


def lines_of(text: str, width: int) -> int:
    """The lines that a wrapped cell needs in a column of so many characters. Programs do not find them on opening."""
    if len(text) <= width and "\n" not in text:
        return 1
    return sum(1 + (len(line) - 1) // width if line else 1 for line in text.split("\n"))


def row_height(lines: int) -> int:
    """Points of a row of so many lines."""
    return _LINE * min(lines, _MOST_LINES)


class Styles(msgspec.Struct, frozen=True):
    """The numbers of the styles of cells."""

    text: str
    problem: str
    warning: str
    folded: str
    shown: str
    head: str
    result_head: str

    def of_result(self, name: str) -> str:
        """The style of the cells of a result column."""
        return self.shown if name in _SHOWN else self.folded


class Frame(msgspec.Struct):
    """A workbook without its rows. `results`: the result columns; `widths`: of all columns, in characters."""

    sheet: str
    columns: Sequence[str]
    results: Sequence[str]
    widths: Sequence[int]

    def start(self) -> tuple[str, Styles]:
        """The sheet's XML before its rows, and the styles."""
        xml, *_ = self._made(2, (), (), 0, None)
        start, _, rows = xml.partition("<sheetData>")
        styles = Styles(*re.findall(r'<c r="\w+" s="(\d+)"/>', rows)[: len(_STYLES)])
        # The range of the cells is known only at the end, and may be left out.
        return re.sub(r"<dimension [^<>]*+>", "", start) + "<sheetData>", styles

    def end(
        self,
        last: int,
        strings: Iterable[str],
        causes: Sequence[tuple[Cause, str, int]],
        at: int,
        comments: Comments,
    ) -> tuple[str, dict[str, bytes]]:
        """The sheet's XML after its `last` row, and the other parts. `strings`: those that rows refer to by number.
        `causes`: each with its examples in words and a row to go to, 0 for none."""
        xml, parts = self._made(last, strings, causes, at, comments)
        return "</sheetData>" + xml.partition("</sheetData>")[2], parts

    def _made(
        self,
        last: int,
        strings: Iterable[str],
        causes: Sequence[tuple[Cause, str, int]],
        at: int,
        comments: Comments | None,
    ) -> tuple[str, dict[str, bytes]]:
        file = BytesIO()
        book = xlsxwriter.Workbook(file, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False})
        formats = [book.add_format(properties) for properties in _STYLES]
        sheet = _named(book, self.sheet)
        for place, style in enumerate(formats):
            sheet.write_blank(0, place, None, style)
        for number, text in enumerate(strings, 1):
            sheet.write_string(number, 0, text)
        self._set_columns(sheet, formats)
        _make_printable(sheet)
        sheet.freeze_panes(1, 0)
        sheet.autofilter(0, 0, last - 1, len(self.widths) - 1)
        # All cells are text by intention: without this, every number has a green corner beside those of the comments.
        sheet.ignore_errors({"number_stored_as_text": f"A1:XFD{last}"})
        if comments is not None and comments.count:
            sheet.write_comment(0, 0, "-")
        if causes:
            left_out = comments.left_out if comments is not None else 0
            _explain(book, sheet.get_name(), causes, formats[0], formats[5], all_commented=not left_out)
        made = datetime.fromtimestamp(at / 1000, UTC).replace(tzinfo=None, microsecond=0)
        book.set_properties({"created": max(made, datetime(2000, 1, 1))})
        book.close()
        with ZipFile(file) as archive:
            parts = {name: archive.read(name) for name in archive.namelist() if name not in (COMMENTS, BOXES)}
        return parts.pop(SHEET).decode(), parts

    def _set_columns(self, sheet: xlsxwriter.worksheet.Worksheet, formats: Sequence[object]) -> None:
        for place in range(len(self.columns)):
            sheet.set_column(place, place, self.widths[place], formats[0])
        for place, name in enumerate(self.results, len(self.columns)):
            before = self.results[place - len(self.columns) - 1] if place > len(self.columns) else "_message"
            options = (
                {"collapsed": before not in _SHOWN} if name in _SHOWN else {"level": 1, "hidden": True}
            )  # the column after a folded group has its button
            sheet.set_column(place, place, self.widths[place], formats[4 if name in _SHOWN else 3], options)
        if self.results and self.results[-1] not in _SHOWN:
            end = len(self.columns) + len(self.results)
            sheet.set_column(end, end, BESIDE, formats[0], {"collapsed": True})


def _named(book: xlsxwriter.Workbook, sheet: str) -> xlsxwriter.worksheet.Worksheet:
    try:
        return book.add_worksheet(whole_text(sheet) or "failed")
    except XlsxWriterException:  # the name is valid in other programs only
        return book.add_worksheet("failed")


def _make_printable(sheet: xlsxwriter.worksheet.Worksheet) -> None:
    sheet.set_landscape()
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(0)


def _explain(
    book: xlsxwriter.Workbook,
    sheet: str,
    causes: Sequence[tuple[Cause, str, int]],
    text: object,
    head: object,
    *,
    all_commented: bool,
) -> None:
    """The sheet that lists the causes, behind the rows."""
    page = book.add_worksheet(f"{_HOW_TO_FIX} 2" if sheet.casefold() == _HOW_TO_FIX.casefold() else _HOW_TO_FIX)
    link = book.add_format({**_WRAPPED, "font_color": "#0563C1", "underline": 1})
    for place, (name, width) in enumerate(_CAUSE_COLUMNS.items()):
        page.set_column(place, place, width, text)
        page.write_string(0, place, name, head)
    page.freeze_panes(1, 0)
    _make_printable(page)
    for row, (cause, examples, target) in enumerate(causes, 1):
        words = (whole_text(cause.text), whole_text(cause.advice), f"{cause.rows:,}", examples)
        page.set_row(row, row_height(max(map(lines_of, words, _CAUSE_COLUMNS.values()))))
        for place, word in enumerate(words):
            page.write_string(row, place, word, text)
        if target:
            quoted = sheet.replace("'", "''")
            page.write_url(row, 3, f"internal:'{quoted}'!A{target}", link, examples)
    page.set_row(len(causes) + 2, row_height(4))
    page.write_string(
        len(causes) + 2,
        0,
        f"Fix the highlighted cells of the sheet “{sheet}”: {_EACH if all_commented else _SOME} Save the workbook and "
        "import it again as it is. The import ignores this sheet and the columns whose names begin with _.",
        text,
    )
    page.ignore_errors({"number_stored_as_text": f"A1:D{len(causes) + 1}"})
