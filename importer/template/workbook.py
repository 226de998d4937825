"""The template as a workbook: a sheet to fill in, instructions, and the options behind the drop-down lists."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from datetime import UTC, datetime

import xlsxwriter  # type: ignore[import-untyped]

from importer.reader.header import column_letters
from importer.template import checks, words
from importer.template.columns import LeftOut, TemplateColumn, writable

CUSTOMERS, HELP, LISTS = "Customers", "How to fill in", "Drop-down lists"
#: The last row of a sheet, counted from 0.
_LAST_ROW = 1_048_575
_NARROWEST, _WIDEST = 14, 40
_WIDTHS = {"email": 28, "mobile": 18, "id": 18, "moment": 20}
#: The height of a row that spreadsheet programs take, in points.
_HIGHEST = 409.5
_HELP_WIDTHS = (26, 30, 13, 62, 24)
_FONT = {"font_name": "Calibri", "font_size": 11}
_HEAD = _FONT | {"bold": True, "font_color": "#FFFFFF", "valign": "vcenter", "border": 1, "border_color": "#FFFFFF"}
_COLOURS = {"identifier": "#1F4E79", "preference": "#2E75B6", "mandatory": "#B45309"}
#: Formats of the cells that are not text.
_FORMATS = {"date": "yyyy-mm-dd", "moment": "yyyy-mm-dd hh:mm:ss"}


def workbook_bytes(columns: Sequence[TemplateColumn], left_out: Sequence[LeftOut], about: words.About) -> bytes:
    """The file. `about`: what the texts say in addition to the columns."""
    stream = io.BytesIO()
    book = xlsxwriter.Workbook(
        stream, {"in_memory": True, "strings_to_numbers": False, "strings_to_formulas": False, "strings_to_urls": False}
    )
    book.set_properties(
        {
            "title": "Customer preferences",
            "created": datetime.fromtimestamp(about.at / 1000, UTC).replace(tzinfo=None, microsecond=0),
        }
    )
    maker = _Maker(book, about)
    maker.customers(columns)
    maker.help(columns, left_out)
    maker.lists(columns)
    book.close()
    return stream.getvalue()


class _Maker:
    """Writes the sheets of one workbook, in the order in which a person sees them."""

    def __init__(self, book: xlsxwriter.Workbook, about: words.About) -> None:
        self._book = book
        self._about = about
        self._sheet = book.add_worksheet(CUSTOMERS)
        self._help = book.add_worksheet(HELP)
        self._lists = book.add_worksheet(LISTS)
        self._wrong = book.add_format({"bg_color": "#FECACA", "font_color": "#7F1D1D"})

    def customers(self, columns: Sequence[TemplateColumn]) -> None:
        sheet = self._sheet
        heads = {name: self._book.add_format(_HEAD | {"bg_color": colour}) for name, colour in _COLOURS.items()}
        text = self._book.add_format(_FONT | {"num_format": "@"})
        listed = 0
        for at, column in enumerate(columns):
            form = text
            if column.is_typed:
                form = self._book.add_format(_FONT | {"num_format": _FORMATS.get(column.kind, "General")})
            width = min(max(len(column.column) + 4, _WIDTHS.get(column.kind, _NARROWEST)), _WIDEST)
            # Equal neighbours become one element, of which openpyxl formats only the first column.
            sheet.set_column(at, at, width + at % 2, form)
            head = "preference" if column.preference else "identifier"
            sheet.write_string(0, at, column.column, heads["mandatory" if column.is_mandatory else head])
            note = words.note_of(column, self._about)
            size = {"width": 300, "height": 34 + 17 * sum(1 + len(line) // 42 for line in note.splitlines())}
            sheet.write_comment(0, at, note, {"author": "importer", "font_size": 9, **size})
            options = _range_of(listed, len(column.options)) if column.options else ""
            listed += bool(options)
            self._validate(at, column, options)
        sheet.set_row(0, 24)
        sheet.freeze_panes(1, 0)
        sheet.ignore_errors({"number_stored_as_text": f"A1:XFD{_LAST_ROW + 1}"})
        sheet.set_landscape()
        sheet.repeat_rows(0)
        sheet.fit_to_pages(1, 0)
        sheet.activate()

    def _validate(self, at: int, column: TemplateColumn, options: str) -> None:
        """The check of a column's cells; what is pasted over it and does not fit becomes red."""
        cell = f"{column_letters(at)}2"
        title, error = words.error_of(column, self._about)
        rule = {"error_title": title, "error_message": error, "ignore_blank": True, "show_input": False}
        formula = ""
        if options:
            rule |= {"validate": "list", "source": f"={options}"}
            formula = checks.spelled_formula(cell, options)
        elif column.kind == "integer":
            most = 999_999_999_999_999
            rule |= {"validate": "integer", "criteria": "between", "minimum": -most, "maximum": most}
        elif column.kind == "number":
            rule |= {"validate": "decimal", "criteria": "between", "minimum": -1e15, "maximum": 1e15}
        elif column.kind in ("date", "moment"):
            rule |= {"validate": "date", "criteria": ">=", "value": datetime(1900, 3, 1)}
        elif column.kind in ("mobile", "email"):
            mobile = column.kind == "mobile"
            formula = checks.mobile_formula(cell, self._about.country) if mobile else checks.email_formula(cell)
            rule |= {"validate": "custom", "value": formula}
        else:
            return
        self._sheet.data_validation(1, at, _LAST_ROW, at, rule)
        if formula:
            mark = {"type": "formula", "criteria": checks.wrong(formula, cell), "format": self._wrong}
            self._sheet.conditional_format(1, at, _LAST_ROW, at, mark)

    def help(self, columns: Sequence[TemplateColumn], left_out: Sequence[LeftOut]) -> None:
        sheet = self._help
        wrap = self._book.add_format(_FONT | {"text_wrap": True, "valign": "top", "num_format": "@"})
        cell = self._book.add_format(
            _FONT | {"text_wrap": True, "valign": "top", "num_format": "@", "bottom": 1, "bottom_color": "#D0D7DE"}
        )
        head = self._book.add_format(_HEAD | {"bg_color": _COLOURS["identifier"]})
        title = self._book.add_format(_FONT | {"bold": True, "font_size": 16, "font_color": _COLOURS["identifier"]})
        for at, width in enumerate(_HELP_WIDTHS):
            sheet.set_column(at, at, width)
        sheet.hide_gridlines(2)
        sheet.write_string(0, 0, words.TITLE, title)
        row = 2
        for line in words.instructions(columns, self._about):
            self._row(row, (line,), wrap)
            row += 1
        row = self._table(row + 1, words.COLUMN_HEADS, [words.row_of(c, self._about) for c in columns], head, cell)
        if left_out:
            self._table(row + 1, words.LEFT_OUT_HEADS, [(gone.preference, gone.why) for gone in left_out], head, cell)
        sheet.set_landscape()
        sheet.fit_to_pages(1, 0)

    def _table(
        self,
        row: int,
        heads: Sequence[str],
        rows: Sequence[Sequence[str]],
        head: xlsxwriter.format.Format,
        cell: xlsxwriter.format.Format,
    ) -> int:
        """Write a table of the instructions; return the row below it."""
        for at, name in enumerate((*heads, *[""] * (len(_HELP_WIDTHS) - len(heads)))):
            self._help.write(row, at, name, head)
        for texts in rows:
            row += 1
            self._row(row, texts, cell)
        return row + 1

    def _row(self, row: int, texts: Sequence[str], form: xlsxwriter.format.Format) -> None:
        """Write a row of the instructions, its last text across the rest of the width, in the height that it needs."""
        height = 1
        for at, text in enumerate(map(writable, texts)):
            width = _HELP_WIDTHS[at]
            if at == len(texts) - 1 < len(_HELP_WIDTHS) - 1:
                width = sum(_HELP_WIDTHS[at:])
                self._help.merge_range(row, at, row, len(_HELP_WIDTHS) - 1, "", form)
            self._help.write_string(row, at, text, form)
            height = max(height, len(textwrap.wrap(text, width)))
        self._help.set_row(row, min(15.75 * height, _HIGHEST))

    def lists(self, columns: Sequence[TemplateColumn]) -> None:
        text = self._book.add_format(_FONT | {"num_format": "@"})
        for at, column in enumerate(column for column in columns if column.options):
            self._lists.set_column(at, at, 20, text)
            self._lists.write_string(0, at, column.column, text)
            for row, option in enumerate(column.options, 1):
                self._lists.write_string(row, at, option, text)
        self._lists.hide()


def _range_of(list_number: int, options: int) -> str:
    letters = column_letters(list_number)
    return f"'{LISTS}'!${letters}$2:${letters}${options + 1}"
