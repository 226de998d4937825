"""XML spreadsheets of Excel 2003 (SpreadsheetML), streamed: typed values with their number formats."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from typing import BinaryIO
from xml.etree.ElementTree import Element

from defusedxml.ElementTree import iterparse

from importer.reader.named_formats import shown_by
from importer.reader.number_formats import Shown, iso_shown
from importer.reader.sheet_xml import MOST_ELEMENTS, UnreadableWorkbook, local_name, xml_refused
from importer.reader.sizes import MOST_COLUMNS, MOST_ROWS
from importer.reader.workbook_messages import SheetRows

_BATCH = 1000
_TOO_MANY = f"has more than {MOST_ROWS:,} rows, the most of a sheet; split it"


class _Styles:
    """The number formats of the styles by their id, inherited from parents."""

    def __init__(self) -> None:
        self.is_1904 = False
        self._formats: dict[str, str] = {}
        self._parents: dict[str, str] = {}
        self._shown: dict[str, Shown] = {}

    def add(self, style: Element) -> None:
        name = _attribute(style, "ID")
        self._parents[name] = _attribute(style, "Parent")
        for child in style:
            if local_name(child.tag) == "NumberFormat":
                self._formats[name] = _attribute(child, "Format")

    def format_of(self, name: str) -> str:
        for _ in range(20):
            if name in self._formats or name not in self._parents:
                break
            name = self._parents[name]
        return self._formats.get(name, self._formats.get("Default", ""))

    def number(self, name: str, text: str) -> str:
        return self._show(self.format_of(name))(text)

    def moment(self, name: str, text: str) -> str:
        """A date or time as its number format shows it."""
        return iso_shown(self._show(self.format_of(name)))(text)

    def _show(self, code: str) -> Shown:
        if code not in self._shown:
            self._shown[code] = shown_by(code, self.is_1904)
        return self._shown[code]


class SpreadsheetmlWorkbook:
    """An open workbook: one XML stream, read from the start by each method."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.notes: tuple[str, ...] = ()
        #: Rows that were read but are not displayed, and the columns.
        self.hidden_rows = 0
        self.hidden_columns: set[int] = set()
        self._styles = _Styles()
        self._has_data: dict[str, bool] = {}
        visible: dict[str, bool] = {}
        name = ""
        for event, element in self._events():
            tag = local_name(element.tag)
            if event == "start" and tag == "Worksheet":
                name = _attribute(element, "Name")
                self._has_data.setdefault(name, False)
                visible.setdefault(name, True)
            elif event == "end" and tag == "Style":
                self._styles.add(element)
            elif event == "end" and tag == "Date1904":
                self._styles.is_1904 = (element.text or "1").strip().lower() not in ("0", "false")
            elif event == "end" and tag == "Visible" and name:
                visible[name] = (element.text or "").strip() not in ("SheetHidden", "SheetVeryHidden")
            elif event == "end" and tag == "Cell" and name and not self._has_data[name]:
                self._has_data[name] = any(local_name(child.tag) == "Data" for child in element)
        if not self._has_data:
            raise UnreadableWorkbook("is an XML spreadsheet without a sheet", code="no_rows")
        self.sheets = list(visible.items())

    def has_data(self) -> dict[str, bool]:
        """Whether any cell of a sheet holds anything."""
        return self._has_data

    def merged_rows(self, _name: str) -> list[tuple[int, int]]:
        """Empty: merged cells are reported with the rows."""
        return []

    def _events(self) -> Iterator[tuple[str, Element]]:
        """Yield start and end of every element; rows are freed after their end."""
        table: Element | None = None
        waiting = rows = 0
        with xml_refused("its content is not XML"):
            for event, element in iterparse(WithoutSpace(self._stream), events=("start", "end"), forbid_dtd=True):
                waiting += event == "start"
                if waiting > MOST_ELEMENTS:
                    raise UnreadableWorkbook("has a row larger than any valid one; it was not read")
                yield event, element
                tag = local_name(element.tag)
                if event == "start" and tag == "Table":
                    table = element
                elif event == "end" and tag in ("Row", "Style"):
                    waiting = 0
                    if tag == "Row":
                        rows += 1
                        if rows > MOST_ROWS * len(self._has_data):
                            raise UnreadableWorkbook(_TOO_MANY)
                        element.clear()
                        if table is not None:
                            table.clear()

    def rows(self, name: str) -> Iterator[SheetRows]:
        """Yield every row with content and its number."""
        sheet = _Sheet(self._styles)
        numbers: list[int] = []
        kept: list[list[str]] = []
        problems: list[tuple[int, int, str]] = []
        inside = False
        for event, element in self._events():
            tag = local_name(element.tag)
            if tag == "Worksheet":
                if event == "end" and inside:
                    break
                inside = event == "start" and _attribute(element, "Name") == name
            if not inside or event != "end":
                continue
            if tag == "Column":
                sheet.add_column(element)
            elif tag == "Row":
                cells, troubles = sheet.read(element)
                if cells or troubles:
                    numbers.append(sheet.number)
                    kept.append(cells)
                    problems += [(sheet.number, place, code) for place, code in troubles]
                    self.hidden_rows += bool(cells) and _is_true(_attribute(element, "Hidden"))
                if len(numbers) >= _BATCH:
                    yield _batch(numbers, kept, problems)
                    numbers, kept, problems = [], [], []
                sheet.end_row(element)
        self.hidden_columns = sheet.hidden_columns
        if numbers:
            yield _batch(numbers, kept, problems)


class _Sheet:
    """The place in a worksheet while its rows are read."""

    def __init__(self, styles: _Styles) -> None:
        self._styles = styles
        self.number = 0
        self._next = 1
        self._merged_until = 0
        self._column = 0
        self._column_styles: dict[int, str] = {}
        self.hidden_columns: set[int] = set()

    def add_column(self, column: Element) -> None:
        # In order, so that the columns together cost no more than the widest sheet.
        first = max(_count(column, "Index", 0), self._column + 1)
        last = min(first + _count(column, "Span", 0), MOST_COLUMNS)
        places = range(first - 1, last)
        if _is_true(_attribute(column, "Hidden")):
            self.hidden_columns |= set(places)
        if style := _attribute(column, "StyleID"):
            self._column_styles |= dict.fromkeys(places, style)
        self._column = max(last, self._column)

    def read(self, row: Element) -> tuple[list[str], list[tuple[int, str]]]:
        """The cells of a row and their problems."""
        self.number = _count(row, "Index", self._next)
        if self.number < self._next:
            raise UnreadableWorkbook("is damaged: its rows are not in order")
        if self.number > MOST_ROWS:
            raise UnreadableWorkbook(_TOO_MANY)
        cells: dict[int, str] = {}
        problems: list[tuple[int, str]] = []
        is_merged = self.number <= self._merged_until
        place = 0
        for cell in row:
            if local_name(cell.tag) != "Cell":
                continue
            place = max(_count(cell, "Index", place + 1) - 1, place)
            across, down = _count(cell, "MergeAcross", 0), _count(cell, "MergeDown", 0)
            if across or down:
                is_merged = True
                self._merged_until = max(self._merged_until, self.number + down)
            text, trouble = self._value(cell, row, place)
            if (text or trouble) and place >= MOST_COLUMNS:
                problems.append((-1, "nameless_cell"))
            elif text or trouble:
                cells[place] = text
                if trouble:
                    problems.append((place, trouble))
            place += 1 + across
        if is_merged and (cells or problems):
            problems.append((-1, "merged_cells"))
        return [cells.get(at, "") for at in range(max(cells, default=-1) + 1)], problems

    def end_row(self, row: Element) -> None:
        """Continue below the row and those that its format also holds for."""
        self._next = self.number + 1 + _count(row, "Span", 0)

    def _value(self, cell: Element, row: Element, place: int) -> tuple[str, str]:
        """The text of a cell, and the code of its problem."""
        data = next((child for child in cell if local_name(child.tag) == "Data"), None)
        text = "" if data is None else "".join(data.itertext())
        kind = "String" if data is None else _attribute(data, "Type")
        if kind == "Error":
            return text or "#ERROR", "error_cell"
        if not text:
            has_value = data is not None and kind == "String"
            return "", "formula_without_value" if _attribute(cell, "Formula") and not has_value else ""
        style = _attribute(cell, "StyleID") or _attribute(row, "StyleID") or self._column_styles.get(place, "")
        if kind == "Number":
            return self._styles.number(style, text.strip()), ""
        if kind == "DateTime":
            return self._styles.moment(style, text), ""
        if kind == "Boolean":
            return ("true" if _is_true(text) else "false"), ""
        return text.replace("\r\n", "\n").replace("\r", "\n"), ""


class WithoutSpace:
    """A stream without blank lines at its start: web servers send some before the XML declaration."""

    def __init__(self, stream: BinaryIO) -> None:
        stream.seek(0)
        self._stream = stream
        self._start: bytes | None = stream.read(1 << 12)
        if self._start is not None and self._start[:1] in (b" ", b"\t", b"\r", b"\n"):
            self._start = self._start.lstrip(b" \t\r\n")

    def read(self, size: int = -1) -> bytes:
        start, self._start = self._start, None
        return start or self._stream.read(size)


def _batch(numbers: list[int], kept: list[list[str]], problems: list[tuple[int, int, str]]) -> SheetRows:
    return SheetRows(numbers, [list(column) for column in zip_longest(*kept, fillvalue="")], problems)


def _attribute(element: Element, name: str) -> str:
    return next((value for key, value in element.attrib.items() if local_name(key) == name), "")


def _count(element: Element, name: str, default: int) -> int:
    text = _attribute(element, name).strip()
    return int(text[:9]) if text.isascii() and text.isdigit() else default


def _is_true(text: str) -> bool:
    return text.strip().lower() in ("1", "true")
