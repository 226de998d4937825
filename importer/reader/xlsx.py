"""Office Open XML workbooks (.xlsx, .xlsm): their parts, sheets, strings and styles; their rows by `sheet_xml`."""

from __future__ import annotations

import posixpath
import re
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import BinaryIO, NamedTuple, Protocol
from xml.etree.ElementTree import Element, ParseError

from defusedxml.ElementTree import fromstring, iterparse

from importer.reader.built_in_formats import language_of
from importer.reader.number_formats import Shown, shown_as
from importer.reader.parts import Parts
from importer.reader.sheet_xml import (
    MOST_ELEMENTS,
    SheetReader,
    UncommonXml,
    UnreadableWorkbook,
    clean,
    local_name,
    pieces,
    string_of,
    xml_refused,
)
from importer.reader.sizes import MOST_COLUMNS
from importer.reader.split_rows import joined_rows
from importer.reader.workbook_messages import SheetRows

_STRING = re.compile(r'<si><t(?: xml:space="preserve")?>([^<]*)</t></si>')
_ANY_STRING = re.compile(r"<si>[^<]*+(?:<(?!/?si[ />])[^<]*+)*+</si>|<si/>")
_HAS_DATA = re.compile(rb"<(?:\w+:)?(?:v|is|f)[ >/]")
_COLUMN = re.compile(rb"<(?:\w+:)?col\s([^<>]*)>")
_ATTRIBUTE = re.compile(rb"(?<!\w)(\w++)\s*+=\s*+[\"']([\w.]{1,20})[\"']")
_NO_WIDTH = re.compile(rb"0(?:\.0*)?")
_LONGEST_START = 1 << 22
#: Number formats of a workbook. Excel allows some hundred.
_MOST_FORMATS = 10_000
_MERGED = re.compile(rb"<(?:\w+:)?mergeCell [^<>]*?ref=[\"'][A-Z]{1,3}(\d{1,9}):[A-Z]{1,3}(\d{1,9})[\"']")


class SheetPart(NamedTuple):
    """A worksheet: its name, whether it is visible, and its part of the archive."""

    name: str
    is_visible: bool
    member: zipfile.ZipInfo


def _find(element: Element, name: str) -> Iterator[Element]:
    return (child for child in element.iter() if local_name(child.tag) == name)


def _listed(root: Element, group: str, name: str) -> Iterator[Element]:
    """The elements of a list that is a child of the root."""
    for child in root:
        if local_name(child.tag) == group:
            yield from (element for element in child if local_name(element.tag) == name)


class XlsxWorkbook:
    """An open workbook: its sheets, its strings and its number formats."""

    def __init__(self, stream: BinaryIO) -> None:
        self.parts = Parts(stream)
        self.path = self.parts.main("xl/workbook.xml")
        root = self.parts.xml(self.path)
        self.is_1904 = any(
            element.get("date1904", "0").lower() in ("1", "true") for element in _find(root, "workbookPr")
        )
        self.related = self.parts.related(self.path)
        self.sheets = list(self._sheets(root))
        self._reader: SheetReader | None = None

    def _sheets(self, root: Element) -> Iterator[SheetPart]:
        for sheet in _find(root, "sheet"):
            key = next((value for name, value in sheet.attrib.items() if local_name(name) == "id" and "}" in name), "")
            kind, path = self.related.get(key, ("", ""))
            member = self.parts.find(path) if kind == "worksheet" else None
            if member is not None:
                yield SheetPart(sheet.get("name", ""), sheet.get("state", "visible") == "visible", member)

    def has_data(self, sheet: SheetPart) -> bool:
        """Whether any cell has content. Formatted empty cells do not count."""
        before = b""
        for block in self.parts.blocks(sheet.member):
            if _HAS_DATA.search(before + block):
                return True
            before = block[-32:]
        return False

    def merged_rows(self, sheet: SheetPart) -> list[tuple[int, int]]:
        """First and last row of every merged range. Unpacks the whole sheet once, which also proves its size."""
        found = []
        before = b""
        for block in self.parts.blocks(sheet.member):
            text = before + block
            # A tag cut at the end is searched again with the next block; finding a range twice is harmless.
            if b"mergeCell " in text:
                found += [(int(top), int(bottom)) for top, bottom in _MERGED.findall(text)]
            before = block[-128:]
        return sorted(set(found))

    def path_of(self, kind: str) -> str:
        """The path of a part that the workbook refers to, or has beside it; empty where there is none."""
        paths = [path for found, path in self.related.values() if found == kind]
        beside = posixpath.join(posixpath.dirname(self.path), f"{kind}.xml")
        return next((path for path in (*paths, beside) if self.parts.find(path)), "")

    def hidden_columns(self, sheet: SheetPart) -> set[int]:
        """The positions of the columns that are hidden or without width. They are listed before the rows."""
        start = b""
        for block in self.parts.blocks(sheet.member, 1 << 16):
            start += block
            if b"sheetData" in start or len(start) > _LONGEST_START:
                break
        found: set[int] = set()
        for text in _COLUMN.findall(start.partition(b"sheetData")[0])[:MOST_COLUMNS]:
            values = dict(_ATTRIBUTE.findall(text))
            first, last = values.get(b"min", b"1"), values.get(b"max", values.get(b"min", b"1"))
            if values.get(b"hidden") in (b"1", b"true") or _NO_WIDTH.fullmatch(values.get(b"width", b"1")):
                found |= set(range(int(first) - 1, min(int(last), MOST_COLUMNS)))
        return found

    def _formats(self) -> list[Shown]:
        """How each style shows a number, by the style's index."""
        path = self.path_of("styles")
        if not path:
            return []
        root = self.parts.xml(path)
        codes = {
            # Conditional formats have formats of the same numbers.
            int(element.get("numFmtId", "0")): element.get("formatCode", "")
            for element in _listed(root, "numFmts", "numFmt")
        }
        if len(codes) > _MOST_FORMATS:
            raise UnreadableWorkbook("declares more number formats than any valid workbook; it was not read")
        ids = [int(style.get("numFmtId", "0")) for style in _listed(root, "cellXfs", "xf")]
        language = self._language(root)
        made = {number: shown_as(number, codes.get(number), self.is_1904, language) for number in set(ids)}
        return [made[number] for number in ids]

    def _language(self, styles: Element) -> str:
        """The language that the file names, or that its first font with a character set is for."""
        path = next((path for kind, path in self.parts.related("").values() if kind == "core-properties"), "")
        tag = ""
        # The properties of a workbook say nothing about its rows: damaged ones refuse nothing.
        with suppress(UnreadableWorkbook):
            tag = next((found.text or "" for found in _find(self.parts.xml(path), "language")), "")
        charsets = [
            found.get("val", "") for font in _listed(styles, "fonts", "font") for found in _find(font, "charset")
        ]
        return language_of(tag, charsets=[int(charset) for charset in charsets if charset.isdecimal()])

    def _shared_strings(self) -> list[str]:
        member = self.parts.find(self.path_of("sharedStrings"))
        if member is None:
            return []
        try:
            return list(_common_strings(self.parts.blocks(member)))
        except UncommonXml:
            return list(self._parsed_strings(member))

    def _parsed_strings(self, member: zipfile.ZipInfo) -> Iterator[str]:
        for element in self._elements(member, "si", "sst"):
            yield string_of(element)

    def _elements(self, member: zipfile.ZipInfo, name: str, parent: str) -> Iterator[Element]:
        """Yield the elements of a large part; each is freed after use."""
        holder: Element | None = None
        waiting = 0
        with xml_refused("a part of it is not XML"):
            for event, element in iterparse(
                BlockStream(self.parts.blocks(member, 1 << 16)), events=("start", "end"), forbid_dtd=True
            ):
                tag = local_name(element.tag)
                if event == "start":
                    waiting += 1
                    if waiting > MOST_ELEMENTS:
                        raise UnreadableWorkbook("has a row larger than any valid one; it was not read")
                    if tag == parent:
                        holder = element
                elif tag == name:
                    yield element
                    waiting = 0
                    element.clear()
                    if holder is not None:
                        holder.clear()

    @property
    def hidden_rows(self) -> int:
        """Hidden rows read so far."""
        return self._reader.hidden if self._reader else 0

    def rows(self, sheet: SheetPart) -> Iterator[SheetRows]:
        """Yield every row with content, in order."""
        strings, formats = self._shared_strings(), self._formats()
        reader = self._reader = SheetReader(strings, formats)
        done = 0
        try:
            for batch in joined_rows(reader.common_rows(self.parts.blocks(sheet.member, 1 << 18))):
                yield batch
                done = batch.numbers[-1]
        except UncommonXml:
            reader = self._reader = SheetReader(strings, formats)
            parsed = map(reader.parsed_row, self._elements(sheet.member, "row", "sheetData"))
            for row in joined_rows(filter(None, parsed)):
                if row.numbers[0] > done:
                    yield row


class Readable(Protocol):
    """What a parser reads from."""

    def read(self, size: int = -1) -> bytes: ...


class BlockStream:
    """Blocks as a readable file."""

    def __init__(self, source: Iterator[bytes]) -> None:
        self._source = source

    def read(self, size: int = -1) -> bytes:
        return next(self._source, b"") if size else b""


def _common_strings(source: Iterable[bytes]) -> Iterator[str]:
    for text in pieces(source, "sst", b"</si>"):
        found = _STRING.findall(text)
        if len(found) != text.count("<si"):
            items = _ANY_STRING.findall(text)
            if len(items) != text.count("<si"):
                raise UncommonXml
            try:
                found = [string_of(fromstring(item, forbid_dtd=True)) for item in items]
            except (ParseError, ValueError):
                raise UncommonXml from None
        elif "&" in text or "_x" in text or "\r" in text:
            found = [clean(item) for item in found]
        yield from found
