"""The rows of a sheet's XML, changed while they stream: cells get another format, and result cells follow them.

A row without a result is copied as it is, so a million rows take little more than unpacking and packing.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache

import msgspec

from importer.reader.header import column_letters
from importer.reader.sheet_xml import LONGEST_ROW_XML, UncommonXml, UnreadableWorkbook, check_start, column_place
from importer.reporter.annotated_styles import Styles
from importer.reporter.xml_text import CELL_CHARACTERS, cell_xml

#: Forms of cells that are kept.
_CACHED = 1000
_LONGEST_FRAME = 1 << 26
_ROWS, _END = b"<sheetData", b"</sheetData>"
_NUMBER = re.compile(rb'<row r="(\d+)"')
_LETTERS = re.compile(rb'<c r="([A-Z]{1,3})\d+"')
_FILLED = re.compile(rb'<c r="([A-Z]{1,3})\d+"[^<>]*(?<!/)>(?!</c>)')
_CELL, _DIGITS = b'<c r="', b'0123456789"'
_SPANS = re.compile(rb'(<row [^<>]*?) spans="[^"]*"')
_STYLE = re.compile(rb' s="(\d+)"')
_STYLED = re.compile(rb'(<c r="[A-Z]+\d+"[^<>]*? s=")(\d+)"')
#: What a row's own format is called.
_ROW_STYLE = re.compile(rb'<row (?=[^<>]*customFormat="1")[^<>]*? s="(\d+)"')
#: Stands for the number of the row in cells that many rows have.
ROW = b"\0"


class Cells(msgspec.Struct, frozen=True, gc=False):
    """Cells by column, with `ROW` in place of their row's number; `joined`: all of them, in order."""

    by_column: dict[int, bytes]
    joined: bytes

    @classmethod
    def of(cls, by_column: dict[int, bytes]) -> Cells:
        return cls(by_column, b"".join(by_column[column] for column in sorted(by_column)))


NO_CELLS = Cells.of({})


class Added(msgspec.Struct, frozen=True, gc=False):
    """What a row gets: cells that many rows share, in their order, and its highlighted columns with their colour."""

    first: Cells
    second: Cells = NO_CELLS
    beside: Cells = NO_CELLS
    marks: tuple[int, ...] = ()
    colour: str = ""


class Pieces:
    """The XML of a sheet: `head`, then `rows` in pieces of whole rows, then `tail`."""

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._blocks = iter(blocks)
        start = next(self._blocks, b"")
        check_start(start, "worksheet")
        while _ROWS not in start or b">" not in start.partition(_ROWS)[2]:
            start = self._more(start)
        self.head, _, rest = start.partition(_ROWS)
        tag, _, self._rest = rest.partition(b">")
        if tag:
            raise UncommonXml
        self.tail = b""

    def rows(self) -> Iterator[bytes]:
        rest = self._rest
        while (end := rest.find(_END)) < 0:
            cut = rest.rfind(b"</row>") + 6
            if cut > 5:
                yield rest[:cut]
                rest = rest[cut:]
            if len(rest) > LONGEST_ROW_XML:
                raise UnreadableWorkbook("has a row larger than any valid one; it was not read")
            block = next(self._blocks, b"")
            if not block:
                raise UnreadableWorkbook("is damaged: its sheet ends early")
            rest += block
        yield rest[:end]
        rest = rest[end:]
        parts = [rest]
        for block in self._blocks:
            parts.append(block)
            if sum(map(len, parts)) > _LONGEST_FRAME:
                raise UnreadableWorkbook("has more around its rows than any valid sheet")
        self.tail = b"".join(parts)

    def _more(self, start: bytes) -> bytes:
        block = next(self._blocks, b"")
        if not block or len(start) > _LONGEST_FRAME:
            raise UncommonXml
        return start + block


class Extent(msgspec.Struct, frozen=True):
    """What a sheet uses: `filled` has the columns with a value from the one that was asked for, `written` is the last
    one with a format, `style` the format of a cell that was asked for, `tail` the XML after the rows."""

    filled: frozenset[int]
    written: int
    style: int
    tail: bytes


def extent(blocks: Iterable[bytes], filled: int, cell: bytes) -> Extent:
    """Look through the rows. `filled`: the last column that surely is. `cell`: the reference of a cell. Raises
    `UncommonXml` for rows that `Rows` cannot change: without positions, out of order, or with more than cells in them.
    """
    pieces = Pieces(blocks)
    letters: set[bytes] = set()
    known = {letters_of(filled)}
    last = style = 0
    start = b'<c r="%b"' % cell
    for piece in pieces.rows():
        tags = _NUMBER.findall(piece)
        if (
            piece.count(_CELL) != piece.count(b"<c")
            or len(tags) != piece.count(b"<row")
            or b"<!" in piece
            or b"<extLst" in piece
        ):
            raise UncommonXml
        if tags:
            numbers = [last, *map(int, tags)]
            if not all(map(operator.lt, numbers, numbers[1:])):
                raise UncommonXml
            last = numbers[-1]
        here = {cell.rstrip(_DIGITS) for cell in _last_cells(piece)}
        if not all(letter.isupper() and letter.isalpha() for letter in here):
            raise UncommonXml
        letters |= here
        if any(_place(letter) > filled for letter in here):
            known.update(_FILLED.findall(piece))
        if start and (at := piece.find(start)) >= 0:
            tag = _STYLE.search(piece[at : piece.index(b">", at)])
            style, start = int(tag[1]) if tag else 0, b""
    columns = frozenset(place for place in map(_place, known) if place >= filled)
    return Extent(columns, max(map(_place, letters), default=0), style, pieces.tail)


def _last_cells(piece: bytes) -> set[bytes]:
    """The beginnings of the references of the last cells of all rows."""
    return {row[at + 6 : at + 9] for row in piece.split(b"</row>") if (at := row.rfind(_CELL)) >= 0}


def _place(letters: bytes) -> int:
    return column_place(letters.decode())


class Rows:
    """Changes the rows. `added`: what a row gets; None for one that stays as it is. `is_free`: there are no cells in
    or right of the columns that are added. `style_of`: the format of a new cell in a column."""

    def __init__(
        self, styles: Styles, added: Callable[[int], Added | None], *, is_free: bool, style_of: Callable[[int], int]
    ) -> None:
        self._styles, self._added, self._is_free, self._style_of = styles, added, is_free, style_of
        self._known: dict[tuple[bytes, str], bytes] = {}

    def changed(self, piece: bytes) -> bytes:
        """The piece with the changes."""
        if b' spans="' in piece:
            # They name the columns that a row uses.
            piece = _SPANS.sub(rb"\1", piece)
        *rows, rest = piece.split(b"</row>")
        out: list[bytes] = []
        last, cells = None, b""
        for row in rows:
            begin = row.rfind(b'<row r="') + 8
            number = row[begin : row.index(b'"', begin)]
            added = self._added(int(number))
            if added is None:
                out += (row, b"</row>")
                continue
            if self._is_free:
                marked = self._marked(row, number, added) if added.marks else row
                if marked is not None:
                    if added is not last:
                        last = added
                        cells = b"".join((added.first.joined, added.second.joined, added.beside.joined, b"</row>"))
                    out += (marked, cells.replace(ROW, number))
                    continue
            out += (self._rebuilt(row, begin, number, added), b"</row>")
        out.append(rest)
        return b"".join(out)

    def _marked(self, row: bytes, number: bytes, added: Added) -> bytes | None:
        """The row with its highlighted cells; None where one is missing."""
        for column in added.marks:
            start = b'<c r="%b%b"' % (letters_of(column), number)
            at = row.find(start)
            if at < 0:
                return None
            at += len(start)
            end = row.index(b">", at)
            row = b"".join((row[:at], self._restyled(row[at:end], added.colour), row[end:]))
        return row

    def _restyled(self, attributes: bytes, colour: str) -> bytes:
        """The attributes of a cell behind its reference, with the highlighted format."""
        key = attributes, colour
        known = self._known.get(key)
        if known is None:
            found = _STYLE.search(attributes)
            style = self._styles.filled(int(found[1]) if found else 0, colour)
            rest = attributes[: found.start()] + attributes[found.end() :] if found else attributes
            if len(self._known) > _CACHED:
                self._known.clear()
            known = self._known[key] = b' s="%d"%b' % (style, rest)
        return known

    def _rebuilt(self, row: bytes, begin: int, number: bytes, added: Added) -> bytes:
        """The row cell by cell, in order, without the highlights of an earlier report."""
        if self._styles.has_earlier:
            row = row[:begin] + _STYLED.sub(self._cleaned, row[begin:])
        found = [*_LETTERS.finditer(row, begin)]
        ends = [*(cell.start() for cell in found[1:]), len(row)]
        cells = {_place(cell[1]): row[cell.start() : end] for cell, end in zip(found, ends, strict=True)}
        for column in added.marks:
            cell = cells.get(column)
            if cell is None:
                cell = b'<c r="%b%b" s="%d"/>' % (letters_of(column), number, self._own_style(row, begin, column))
            tag, end, rest = cell.partition(b">")
            start, quote, attributes = tag.partition(b'"')[2].partition(b'"')
            cells[column] = b'<c r="' + start + quote + self._restyled(attributes, added.colour) + end + rest
        for part in (added.first, added.second, added.beside):
            cells |= {column: cell.replace(ROW, number) for column, cell in part.by_column.items()}
        start = row[: found[0].start()] if found else row
        return start + b"".join(cells[column] for column in sorted(cells))

    def _own_style(self, row: bytes, begin: int, column: int) -> int:
        found = _ROW_STYLE.match(row, begin - 8)
        return int(found[1]) if found else self._style_of(column)

    def _cleaned(self, match: re.Match[bytes]) -> bytes:
        return match[1] + b'%d"' % self._styles.cleaned(int(match[2]))


def text_cell(column: int, text: str, style: int) -> bytes:
    """The XML of a cell with a text, for any row."""
    return cell_xml(f"{column_letters(column)}{ROW.decode()}", str(style), text[:CELL_CHARACTERS]).encode()


def number_cell(column: int, style: int) -> bytes:
    """The XML of a cell with the number of its row, as text."""
    return b'<c r="%b%b" s="%d" t="inlineStr"><is><t>%b</t></is></c>' % (letters_of(column), ROW, style, ROW)


@cache
def letters_of(column: int) -> bytes:
    """The letters of a column; 0 is `A`."""
    return column_letters(column).encode()
