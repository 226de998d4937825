"""Binary Excel workbooks (.xlsb), streamed: the [MS-XLSB] records of sheets, cells, strings and formats."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

from importer.reader.built_in_formats import language_of
from importer.reader.number_formats import Shown, double_text, plain, shown_as
from importer.reader.parts import Parts
from importer.reader.sheet_xml import UnreadableWorkbook
from importer.reader.sizes import MOST_COLUMNS
from importer.reader.workbook_messages import SheetRows

_BATCH = 1000
#: Bytes of the largest record that is read. Larger ones contain pictures and similar.
_LONGEST_RECORD = 1 << 24

# The records, by the names of the standard without their `Brt`.
_ROW_HEADER, _CELL_BLANK, _CELL_RK, _CELL_ERROR, _CELL_BOOL, _CELL_REAL, _CELL_TEXT, _CELL_SHARED = range(8)
_FORMULA_TEXT, _FORMULA_NUMBER, _FORMULA_BOOL, _FORMULA_ERROR = 8, 9, 10, 11
_SHARED_ITEM, _FONT, _FORMAT, _STYLE = 19, 43, 44, 47
_COLUMN, _BEGIN_DATA, _BOOK_PROPERTIES, _SHEET, _MERGED = 60, 145, 153, 156, 176
_BEGIN_FORMATS, _END_FORMATS, _BEGIN_STYLES, _END_STYLES = 615, 616, 617, 618
#: The bit of a row without height.
_ROW_HIDDEN = 0x10
_CELLS = {
    _CELL_RK, _CELL_ERROR, _CELL_BOOL, _CELL_REAL, _CELL_TEXT, _CELL_SHARED,
    _FORMULA_TEXT, _FORMULA_NUMBER, _FORMULA_BOOL, _FORMULA_ERROR,
}  # fmt: skip
_ERRORS = {0: "#NULL!", 7: "#DIV/0!", 15: "#VALUE!", 23: "#REF!", 29: "#NAME?", 36: "#NUM!", 42: "#N/A"}

_cell = struct.Struct("<II").unpack_from
_word = struct.Struct("<I").unpack_from
_short = struct.Struct("<H").unpack_from
_real = struct.Struct("<d").unpack_from


def _text(data: bytes, at: int) -> tuple[str, int]:
    """A length-prefixed text and the position after it."""
    length = _word(data, at)[0]
    end = at + 4 + 2 * length
    if end > len(data):
        raise UnreadableWorkbook("is damaged: a text in it is cut off")
    return data[at + 4 : end].decode("utf-16-le", "replace"), end


def _packed_number(data: bytes, at: int) -> float:
    """The short form of a number: 30 bits of an integer or of a double, perhaps a hundredth of it."""
    raw = _word(data, at)[0]
    if raw & 2:
        number = float(struct.unpack("<i", struct.pack("<I", raw))[0] >> 2)
    else:
        number = _real(struct.pack("<Q", (raw & 0xFFFFFFFC) << 32))[0]
    return number / 100 if raw & 1 else number


class XlsbWorkbook:
    """An open workbook."""

    def __init__(self, stream: BinaryIO) -> None:
        self._zipped = Parts(stream)
        self.notes: tuple[str, ...] = ()
        #: Rows that were read but are not displayed, and the columns.
        self.hidden_rows = 0
        self.hidden_columns: set[int] = set()
        self._hidden_until = 0
        self._is_1904 = False
        path = self._zipped.main("xl/workbook.bin")
        self._related = self._zipped.related(path)
        if not self._related:
            raise UnreadableWorkbook("is damaged: the list of its parts is missing")
        self._parts: dict[str, str] = {}
        self.sheets: list[tuple[str, bool]] = []
        for kind, data in self._records(path):
            if kind == _BOOK_PROPERTIES:
                self._is_1904 = bool(_word(data, 0)[0] & 1)
            elif kind == _SHEET:
                key, end = _text(data, 8)
                name, _ = _text(data, end)
                kind_of_part, path = self._related.get(key, ("", ""))
                if kind_of_part == "worksheet":
                    self._parts[name] = path
                    self.sheets.append((name, _word(data, 0)[0] == 0))

    def _records(self, path: str) -> Iterator[tuple[int, bytes]]:
        """Kind and content of every record of a part."""
        member = self._zipped.find(path)
        if member is None:
            raise UnreadableWorkbook("is damaged: a part of it is missing")
        source = self._zipped.blocks(member, 1 << 18)
        data, at = b"", 0
        while True:
            header = _header(data, at)
            if header is None or header[2] > len(data):
                if header is not None and header[2] - at > _LONGEST_RECORD:
                    raise UnreadableWorkbook("has a record larger than any valid one; it was not read")
                more = next(source, b"")
                if not more:
                    if at < len(data):
                        raise UnreadableWorkbook("is damaged: it ends in the middle of a record")
                    return
                data, at = data[at:] + more, 0
                continue
            kind, begin, at = header
            yield kind, data[begin:at]

    def has_data(self) -> dict[str, bool]:
        """Whether any cell of a sheet holds anything."""
        return {name: any(kind in _CELLS for kind, _ in self._records(path)) for name, path in self._parts.items()}

    def merged_rows(self, name: str) -> list[tuple[int, int]]:
        """First and last row of every merged range."""
        return sorted(
            (_word(data, 0)[0] + 1, _word(data, 4)[0] + 1)
            for kind, data in self._records(self._parts[name])
            if kind == _MERGED
        )

    def _path_of(self, kind: str) -> str:
        return next((path for found, path in self._related.values() if found == kind and self._zipped.find(path)), "")

    def _shared_texts(self) -> list[str]:
        path = self._path_of("sharedStrings")
        return [_text(data, 1)[0] for kind, data in self._records(path) if kind == _SHARED_ITEM] if path else []

    def _formats(self) -> list[Shown]:
        path = self._path_of("styles")
        codes: dict[int, str] = {}
        styles: list[int] = []
        charsets: list[int] = []
        inside = 0
        for kind, data in self._records(path) if path else ():
            if kind in (_BEGIN_FORMATS, _END_FORMATS, _BEGIN_STYLES, _END_STYLES):
                inside = kind
            elif kind == _FORMAT and inside == _BEGIN_FORMATS:
                codes[_short(data, 0)[0]] = _text(data, 2)[0]
            elif kind == _STYLE and inside == _BEGIN_STYLES:
                styles.append(_short(data, 2)[0])
            elif kind == _FONT and len(data) > 10:
                charsets.append(data[10])
        language = language_of(charsets=charsets)
        return [shown_as(style, codes.get(style), self._is_1904, language) for style in styles]

    def _hide_column(self, data: bytes) -> None:
        if len(data) >= 18 and (data[16] & 1 or not _word(data, 8)[0]):
            first, last = _word(data, 0)[0], _word(data, 4)[0]
            # In order, so that the records together cost no more than the widest sheet.
            self.hidden_columns |= set(range(max(first, self._hidden_until), min(last + 1, MOST_COLUMNS)))
            self._hidden_until = max(self._hidden_until, last + 1)

    def rows(self, name: str) -> Iterator[SheetRows]:
        """Yield every row with its number."""
        texts, formats = self._shared_texts(), self._formats()
        numbers: list[int] = []
        kept: list[dict[int, str]] = []
        problems: list[tuple[int, int, str]] = []
        row: dict[int, str] = {}
        number, inside, is_hidden = 0, False, False
        for kind, data in self._records(self._parts[name]):
            if kind == _ROW_HEADER and inside:
                if row:
                    numbers.append(number)
                    kept.append(row)
                    self.hidden_rows += is_hidden
                    row = {}
                is_hidden = len(data) > 11 and bool(data[11] & _ROW_HIDDEN)
                if len(kept) >= _BATCH:
                    yield _batch(numbers, kept, problems)
                    numbers, kept, problems = [], [], []
                last, number = number, _word(data, 0)[0] + 1
                if number <= last:
                    raise UnreadableWorkbook("is damaged: its rows are not in order")
            elif kind == _BEGIN_DATA:
                inside = True
            elif kind == _COLUMN and not inside:
                self._hide_column(data)
            elif kind in _CELLS and inside:
                place, style = _cell(data, 0)
                style &= 0xFFFFFF
                if place >= MOST_COLUMNS:
                    problems.append((number, -1, "nameless_cell"))
                    row.setdefault(0, "")
                    continue
                if kind in (_CELL_ERROR, _FORMULA_ERROR):
                    row[place] = _ERRORS.get(data[8], "#ERROR")
                    problems.append((number, place, "error_cell"))
                elif kind == _CELL_SHARED:
                    index = _word(data, 8)[0]
                    if index >= len(texts):
                        raise UnreadableWorkbook("is damaged: a cell refers to a missing text")
                    row[place] = texts[index]
                elif kind in (_CELL_TEXT, _FORMULA_TEXT):
                    row[place] = _text(data, 8)[0]
                elif kind in (_CELL_BOOL, _FORMULA_BOOL):
                    row[place] = "true" if data[8] else "false"
                else:
                    value = _packed_number(data, 8) if kind == _CELL_RK else _real(data, 8)[0]
                    show = formats[style] if style < len(formats) else plain
                    row[place] = show(double_text(value))
        if row:
            numbers.append(number)
            kept.append(row)
            self.hidden_rows += is_hidden
        if numbers:
            yield _batch(numbers, kept, problems)


def _header(data: bytes, at: int) -> tuple[int, int, int] | None:
    """Kind, begin and end of the record at a position; None where its header is incomplete."""
    try:
        kind = data[at]
        at += 1
        if kind & 0x80:
            kind = (kind & 0x7F) | (data[at] & 0x7F) << 7
            at += 1
        length = 0
        for shift in (0, 7, 14, 21):
            part = data[at]
            at += 1
            length |= (part & 0x7F) << shift
            if not part & 0x80:
                break
    except IndexError:
        return None
    return kind, at, at + length


def _batch(numbers: list[int], kept: list[dict[int, str]], problems: list[tuple[int, int, str]]) -> SheetRows:
    width = max((max(row) + 1 for row in kept), default=0)
    columns = [[row.get(place, "") for row in kept] for place in range(width)]
    return SheetRows(numbers, columns, problems)
