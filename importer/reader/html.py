"""Web pages with tables, as ERP systems, banks and Excel itself save them under names like `export.xls`."""

from __future__ import annotations

import codecs
import io
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import BinaryIO, cast

from lxml import etree

from importer.errors import SourceError
from importer.reader.encoding import find_encoding
from importer.reader.html_tables import HtmlRow, TableEvents, named
from importer.reader.sheet_xml import UnreadableWorkbook
from importer.reader.workbook_messages import SheetRows
from importer.system.encodings import text_encoding

_BATCH = 1000
_BLOCK = 1 << 16
#: CPU seconds: some for the start, and for each mebibyte ten times of what a page with many small cells takes.
_SECONDS, _SECONDS_PER_MIB = 10, 8
#: A page with fewer rows and a field for a password is a form.
_FORM_ROWS = 5
_SAMPLE, _SEARCHED = 1 << 16, 1 << 14
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_DECLARED = re.compile(rb"<(?:meta|\?xml)[^<>]*?(?:charset|encoding)\s*+=\s*+[\"']?\s*+([\w.:-]+)", re.IGNORECASE)
#: What browsers read these names as.
_BROWSERS = {"iso8859-1": "cp1252", "ascii": "cp1252", "iso8859-9": "cp1254", "gb2312": "gb18030", "gbk": "gb18030",
             "iso8859-11": "cp874", "tis-620": "cp874", "euc_kr": "cp949", "shift_jis": "cp932"}  # fmt: skip
_ALIASES = {"windows-874": "cp874", "x-sjis": "cp932", "windows-31j": "cp932", "ks_c_5601-1987": "cp949"}
_TAGS = re.compile(rb"[<>]")
_SIGN_IN = "Sign in to the system, export the sheet again, and import the new file."


class HtmlWorkbook:
    """An open page. Each of its tables is a sheet. Its text is parsed from the start by each method."""

    def __init__(self, stream: BinaryIO, encoding: str | None = None) -> None:
        self._stream = stream
        self._notes: list[str] = []
        self._encoding = self._find_encoding(encoding)
        found = TableEvents()
        for _ in self._parsed(found):
            pass
        if found.has_frames and not any(table.filled for table in found.tables):
            raise UnreadableWorkbook(
                "is the frame of a workbook that was saved as a web page; its sheets are in a folder beside it",
                "Open it in a spreadsheet program and save it as .xlsx.",
                code="other_kind",
            )
        most = max((table.filled for table in found.tables), default=0)
        if found.asks_password and most <= _FORM_ROWS:
            raise UnreadableWorkbook("is a sign-in page, not the exported sheet", _SIGN_IN, code="other_kind")
        if not most:
            raise UnreadableWorkbook(
                "is a web page without a table: the export probably needs you to sign in", _SIGN_IN, code="other_kind"
            )
        self._names = list(named(found.tables))
        self.sheets = [(name, table.is_visible) for name, table in zip(self._names, found.tables, strict=True)]
        # A table of one row is a title or a frame for the layout, where others have more.
        least = min(most, 2)
        self._has_data = {name: table.filled >= least for name, table in zip(self._names, found.tables, strict=True)}
        #: Rows that were read but are not displayed, and the columns.
        self.hidden_rows = 0
        self.hidden_columns: set[int] = set()

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes so far; the rows may add some."""
        return tuple(self._notes)

    def has_data(self) -> dict[str, bool]:
        """Whether a table has a header and a row."""
        return self._has_data

    def merged_rows(self, _name: str) -> list[tuple[int, int]]:
        """Empty: merged cells are reported with the rows."""
        return []

    def rows(self, name: str) -> Iterator[SheetRows]:
        """Yield every row of a table that has content, and its number in the table."""
        events = TableEvents(self._names.index(name))
        for rows in self._parsed(events):
            self.hidden_rows += sum(row.is_hidden for row in rows)
            yield _batch(rows)
        self.hidden_columns = events.hidden_columns
        if events.left_out_hidden:
            self._notes.append("Cells contain text that the page does not display; it was left out.")
        if events.left_out_stray:
            self._notes.append("The table contains text outside of its cells; it was left out.")

    def _parsed(self, events: TableEvents) -> Iterator[list[HtmlRow]]:
        """Parse the page and yield the wanted rows that have content."""
        # A target builds no tree; the parser opens nothing and expands no entities of the page.
        parser = etree.HTMLParser(target=events, encoding="utf-8", no_network=True, huge_tree=True)
        begin = time.process_time()
        for size, text in self._texts():
            parser.feed(text.encode("utf-8", "replace"))
            if time.process_time() - begin > _SECONDS + _SECONDS_PER_MIB * size / (1 << 20):
                raise UnreadableWorkbook("takes more time to parse than any valid page; it was not read")
            yield from _taken(events, _BATCH)
        with suppress(etree.XMLSyntaxError):  # a page without any element
            parser.close()
        events.close()
        yield from _taken(events, 1)

    def _texts(self) -> Iterator[tuple[int, str]]:
        """Yield the text in blocks, with the bytes so far. Raises `UnreadableWorkbook`."""
        self._stream.seek(0)
        decoder = codecs.getincrementaldecoder(self._encoding)("strict")
        size = 0
        while block := self._stream.read(_BLOCK):
            try:
                yield size + len(block), decoder.decode(block)
            except UnicodeError:
                raise self._undecodable(self._encoding, size) from None
            size += len(block)
        try:
            yield size, decoder.decode(b"", final=True)
        except UnicodeError:
            raise self._undecodable(self._encoding, size) from None

    def _undecodable(self, encoding: str, near: int) -> UnreadableWorkbook:
        return UnreadableWorkbook(
            f"cannot be read as {encoding} (near byte {near + 1:,})",
            "Pass its encoding, like --encoding cp1252.",
            "Set its encoding under “How the file is read”.",
            code="encoding",
        )

    def _find_encoding(self, given: str | None) -> str:
        """The encoding: given, marked, UTF-8 where all of it is, else declared, else found by the letters."""
        start = self._stream.read(_SAMPLE)
        for mark, encoding in _BOMS:
            if start.startswith(mark):
                return encoding
        if given is not None:
            found = text_encoding(given)
            if found is None:
                raise UnreadableWorkbook(
                    f"was given the unknown encoding {given!r}", "Use a name like utf-8 or cp1252.", code="encoding"
                )
            return found
        if start[:1] == b"\0" or start[1:2] == b"\0":
            return "utf-16-be" if start[:1] == b"\0" else "utf-16-le"
        self._encoding = "utf-8"
        try:
            for _ in self._texts():
                pass
            return "utf-8"
        except UnreadableWorkbook:
            match = _DECLARED.search(start[:_SEARCHED])
            declared = _browser_encoding(match[1].decode("ascii", "ignore")) if match else None
            if declared == "utf-8":
                raise
        return declared or self._guessed()

    def _guessed(self) -> str:
        """The encoding of the texts that are not ASCII, as of a CSV file."""
        self._stream.seek(0)
        sample = b""
        while len(sample) < _SAMPLE and (block := self._stream.read(_BLOCK)):
            sample += b"".join(text + b"\n" for text in _TAGS.split(block) if not text.isascii())
        try:
            findings = find_encoding("", lambda: cast("BinaryIO", io.BytesIO(sample)), None)
        except SourceError as error:
            raise UnreadableWorkbook(
                f"cannot be read: {error.message.lstrip(': ').rstrip('.')}",
                error.advice,
                error.on_page,
                code=error.code,
            ) from None
        if findings.note:
            self._notes.append(findings.note)
        return findings.encoding


def _browser_encoding(name: str) -> str | None:
    """What a browser reads a declared encoding as; None for an unknown one, and for one that would need a mark."""
    try:
        found = codecs.lookup(_ALIASES.get(name.lower(), name)).name
    except LookupError:
        return None
    if found.startswith(("utf-16", "utf-32")):
        return None
    return _BROWSERS.get(found, found)


def _taken(events: TableEvents, least: int) -> Iterator[list[HtmlRow]]:
    if len(events.rows) >= least:
        rows, events.rows = events.rows, []
        kept = [row for row in rows if row.cells or row.problems]
        if kept:
            yield kept


def _batch(rows: list[HtmlRow]) -> SheetRows:
    width = max((max(row.cells, default=-1) + 1 for row in rows), default=0)
    return SheetRows(
        [row.number for row in rows],
        [[row.cells.get(place, "") for row in rows] for place in range(width)],
        [(row.number, place, code) for row in rows for place, code in row.problems],
    )
