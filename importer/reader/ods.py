"""OpenDocument spreadsheets (.ods), streamed: their rows, with the texts of `ods_cells`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from typing import BinaryIO
from xml.etree.ElementTree import Element

from defusedxml.ElementTree import iterparse

from importer.reader.ods_cells import attribute, count, shown_text, text_of
from importer.reader.parts import Parts
from importer.reader.sheet_xml import MOST_ELEMENTS, UnreadableWorkbook, local_name, xml_refused
from importer.reader.sizes import MOST_COLUMNS, MOST_ROWS
from importer.reader.workbook_messages import SheetRows
from importer.reader.xlsx import BlockStream, Readable

_BATCH = 1000
#: Problems of a batch: a row with many may repeat.
_MOST_PROBLEMS = 10_000


class OdsWorkbook:
    """An open spreadsheet. Its content is one XML stream, read from the start by each method."""

    def __init__(self, stream: BinaryIO) -> None:
        self._open(stream)
        self.notes: tuple[str, ...] = ()
        #: Rows that were read but are not displayed, and the columns.
        self.hidden_rows = 0
        self.hidden_columns: set[int] = set()
        hidden: set[str] = set()
        self._has_data: dict[str, bool] = {}
        styles: dict[str, str] = {}
        for event, element in self._events():
            tag = local_name(element.tag)
            if event == "start" and tag == "table":
                name = attribute(element, "name")
                self._has_data[name] = False
                if styles.get(attribute(element, "style-name")) == "false":
                    hidden.add(name)
            elif event == "end" and tag == "style":
                for child in element:
                    if local_name(child.tag) == "table-properties":
                        styles[attribute(element, "name")] = attribute(child, "display")
            elif event == "end" and tag == "table-cell" and self._has_data and not self._has_data[name]:
                self._has_data[name] = bool(attribute(element, "value-type") or shown_text(element))
        self.sheets = [(name, name not in hidden) for name in self._has_data]

    def has_data(self) -> dict[str, bool]:
        """Whether any cell of a sheet holds anything."""
        return self._has_data

    def _open(self, stream: BinaryIO) -> None:
        self._parts = Parts(stream)

    def _content(self) -> Readable:
        """The XML of the content, from its start."""
        member = self._parts.find("content.xml")
        if member is None:
            raise UnreadableWorkbook("is damaged: it has no content")
        manifest = self._parts.find("META-INF/manifest.xml")
        if manifest and b"encryption-data" in b"".join(self._parts.blocks(manifest)):
            raise UnreadableWorkbook("is password protected; save it without a password", code="password")
        return BlockStream(self._parts.blocks(member, 1 << 16))

    def _events(self) -> Iterator[tuple[str, Element]]:
        """Yield start and end of every element; rows are freed after their end."""
        table: Element | None = None
        waiting = 0
        with xml_refused("its content is not XML"):
            for event, element in iterparse(self._content(), events=("start", "end"), forbid_dtd=True):
                waiting += event == "start"
                if waiting > MOST_ELEMENTS:
                    raise UnreadableWorkbook("has a row larger than any valid one; it was not read")
                yield event, element
                if event == "start" and local_name(element.tag) == "table":
                    table = element
                elif event == "end" and local_name(element.tag) == "table-row":
                    waiting = 0
                    element.clear()
                    if table is not None:
                        table.clear()

    def merged_rows(self, _name: str) -> list[tuple[int, int]]:
        """Empty: merged cells are reported with the rows."""
        return []

    def rows(self, name: str) -> Iterator[SheetRows]:
        """Yield every row with content and its number."""
        numbers: list[int] = []
        kept: list[list[str]] = []
        problems: list[tuple[int, int, str]] = []
        number = 0
        inside = depth = place = 0
        for event, element in self._events():
            tag = local_name(element.tag)
            if tag == "table":
                depth += 1 if event == "start" else -1
                if event == "start" and depth == 1:
                    inside = attribute(element, "name") == name
                elif event == "end" and depth == 0 and inside:
                    break
            if inside and event == "end" and tag == "table-column":
                columns = count(element, "number-columns-repeated")
                if _is_hidden(element):
                    self.hidden_columns |= set(range(place, min(place + columns, MOST_COLUMNS)))
                place += columns
            if not inside or event != "end" or tag != "table-row":
                continue
            repeated = count(element, "number-rows-repeated")
            cells, troubles = _cells_of(element)
            if cells or troubles:
                if number + repeated > MOST_ROWS:
                    raise UnreadableWorkbook(f"has more than {MOST_ROWS:,} rows, the most of a sheet; split it")
                self.hidden_rows += repeated if _is_hidden(element) else 0
                for at in range(repeated):
                    numbers.append(number + at + 1)
                    kept.append(cells)
                    problems += [(number + at + 1, place, code) for place, code in troubles]
                    if len(numbers) >= _BATCH or len(problems) >= _MOST_PROBLEMS:
                        yield _batch(numbers, kept, problems)
                        numbers, kept, problems = [], [], []
            number += repeated
        if numbers:
            yield _batch(numbers, kept, problems)


def _batch(numbers: list[int], kept: list[list[str]], problems: list[tuple[int, int, str]]) -> SheetRows:
    return SheetRows(numbers, [list(column) for column in zip_longest(*kept, fillvalue="")], problems)


def _is_hidden(element: Element) -> bool:
    """Whether a row or column is hidden or filtered."""
    return attribute(element, "visibility") in ("collapse", "filter")


def _cells_of(row: Element) -> tuple[list[str], list[tuple[int, str]]]:
    cells: list[str] = []
    problems: list[tuple[int, str]] = []
    place = 0
    for cell in row:
        tag = local_name(cell.tag)
        if tag not in ("table-cell", "covered-table-cell"):
            continue
        repeated = count(cell, "number-columns-repeated")
        text, trouble = text_of(cell)
        if (
            tag == "covered-table-cell"
            or count(cell, "number-columns-spanned") > 1
            or count(cell, "number-rows-spanned") > 1
        ):
            problems.append((-1, "merged_cells"))
        if text or trouble:
            if place + repeated > MOST_COLUMNS:
                problems.append((-1, "nameless_cell"))
            else:
                cells += [""] * (place - len(cells)) + [text] * repeated
                if trouble:
                    problems += [(at, trouble) for at in range(place, place + repeated)]
        place += repeated
    if not cells and all(code == "merged_cells" for _, code in problems):
        return [], []
    return cells, list(dict.fromkeys(problems))
