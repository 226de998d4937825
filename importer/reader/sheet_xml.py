"""The rows of a sheet's XML as text cells: every value with its type, style, formula and position.

XML as common programs write it is split by one regular expression over some hundred rows at a time, which is faster
than a parser that must build every cell, and needs little memory. Other rows go through an XML parser one by one. A
sheet in another form (prefixes, comments, CDATA, another encoding) raises `UncommonXml` and is parsed completely. The
tests compare the three ways with openpyxl and calamine.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import zip_longest
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from importer.reader.number_formats import Shown, iso_shown, plain, plain_column
from importer.reader.sizes import MOST_COLUMNS
from importer.reader.workbook_messages import SheetRows

#: Tags in one row: sixteen thousand cells. A parser keeps each tag until the row ends.
MOST_ELEMENTS = 100_000
LONGEST_ROW_XML = 1 << 25
_LONGEST_PARSED = 1 << 22

_CELL = re.compile(
    r'<c r="([A-Z]{1,3})(\d+)"(?: s="(\d+)")?(?: t="(\w+)")?'
    r'(?:><v>([^<]*)</v></c>|/>|><is><t(?: xml:space="preserve")?>([^<]*)</t></is></c>|></c>)'
)
_ROW = re.compile(r"<row(?: ([^<>]*?))?(/?)>")
_ROW_TAG = re.compile(r'<row r="(\d+)"')
_ROW_NUMBER = re.compile(r'(?:^| )r="(\d+)"')
_REFERENCE = re.compile(r"([A-Za-z]{1,3})(\d+)")
_ENTITY = re.compile("&([^;&]{0,40}+)(;?)")
_ENTITIES = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}
_ESCAPE = re.compile("_x([0-9A-Fa-f]{4})_")

#: A row: its cells and their problems (column position, code).
_Row = tuple[list[str], list[tuple[int, str]]]


class UnreadableWorkbook(Exception):
    """The workbook cannot be read. The message follows the file's name. `advice`: where the usual one does not help.
    `code`: of a `SourceError`."""

    def __init__(
        self, message: str, advice: str | None = None, on_page: str | None = None, *, code: str = "damaged"
    ) -> None:
        super().__init__(message)
        self.code = code
        self.advice = advice
        self.on_page = on_page


@contextmanager
def xml_refused(what: str) -> Iterator[None]:
    """Raise `UnreadableWorkbook` for XML that is an attack or damaged."""
    try:
        yield
    except DefusedXmlException:
        raise UnreadableWorkbook("declares XML entities, like an attack; it was not read") from None
    except (ParseError, ValueError, LookupError):
        raise UnreadableWorkbook(f"is damaged: {what}") from None


class UncommonXml(Exception):
    """The XML is not in the common form."""


def column_place(letters: str) -> int:
    """The position of a column: `A` is 0."""
    place = 0
    for letter in letters.upper():
        place = place * 26 + ord(letter) - 64
    return place - 1


class _ColumnNumbers(dict[str, int]):
    """Column letters → position, computed once."""

    def __missing__(self, letters: str) -> int:
        place = self[letters] = column_place(letters)
        return place


_COLUMN_NUMBERS = _ColumnNumbers()


def local_name(tag: object) -> str:
    return str(tag).rpartition("}")[2]


def unescape(text: str) -> str:
    """Replace Excel's `_x000D_` escapes of characters that XML cannot contain."""
    return _ESCAPE.sub(lambda match: chr(int(match[1], 16)), text) if "_x" in text else text


def _entity(match: re.Match[str]) -> str:
    name = match[1]
    if not match[2]:
        raise UncommonXml
    if name.startswith("#"):
        number = int(name[2:], 16) if name[1] in "xX" else int(name[1:])
        if number in (9, 10, 13) or 32 <= number < 0xD800 or 0xE000 <= number < 0x110000:
            return chr(number)
    elif name in _ENTITIES:
        return _ENTITIES[name]
    raise UncommonXml


def clean(text: str) -> str:
    """Text between tags as an XML parser would return it."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "&" in text:
        text = _ENTITY.sub(_entity, text)
    return unescape(text) if "_x" in text else text


def string_of(element: Element) -> str:
    """The text of a shared or inline string: its runs joined, without phonetic guides."""
    parts = []
    for child in element:
        tag = local_name(child.tag)
        if tag == "t":
            parts.append(child.text or "")
        elif tag == "r":
            parts += [grandchild.text or "" for grandchild in child if local_name(grandchild.tag) == "t"]
    return unescape("".join(parts))


def _decoded(block: bytes) -> str:
    try:
        text = block.decode("utf-8")
    except UnicodeDecodeError:
        raise UncommonXml from None
    if "<!" in text:
        raise UncommonXml
    return text


def pieces(source: Iterable[bytes], root: str, end: bytes) -> Iterator[str]:
    """Yield the text in pieces that end with an `end` tag, then the rest."""
    rest = b""
    started = False
    for block in source:
        if not started:
            check_start(block, root)
            started = True
        rest += block
        cut = rest.rfind(end)
        if cut >= 0:
            cut += len(end)
            yield _decoded(rest[:cut])
            rest = rest[cut:]
        if len(rest) > LONGEST_ROW_XML:
            raise UnreadableWorkbook("has a row larger than any valid one; it was not read")
    yield _decoded(rest)


def check_start(block: bytes, root: str) -> None:
    """Check the start for the common form: UTF-8, no prefixes, no declarations. Raises `UncommonXml`."""
    start = re.match(rb"(?:\xef\xbb\xbf)?\s*+(?:<\?xml([^>]*)\?>\s*+)?<(\w+)[ >/]", block)
    encoding = re.search(rb"encoding=[\"']([^\"']+)", start[1] or b"") if start else None
    if (
        start is None
        or start[2] != root.encode()
        or (encoding and encoding[1].lower() not in (b"utf-8", b"us-ascii", b"ascii"))
    ):
        raise UncommonXml


class SheetReader:
    """Reads the XML of rows as rows of text."""

    def __init__(self, strings: list[str], formats: list[Shown]) -> None:
        self._strings = strings
        self._formats = formats
        self._shows: dict[tuple[str, str], Shown] = {}
        #: The number of the last row.
        self.number = 0
        #: Hidden or filtered rows with cells.
        self.hidden = 0
        self._last_hidden = 0

    def common_rows(self, source: Iterable[bytes]) -> Iterator[SheetRows]:
        """Yield the rows of a sheet in the common form. Raises `UncommonXml` where it is not."""
        started = False
        for text in pieces(source, "worksheet", b"</row>"):
            if not started:
                # Tags before the data, like <cols>, could be taken for cells.
                text = text[text.find("<sheetData") :]
                started = True
            if not text.endswith("</row>"):
                text = text.partition("</sheetData>")[0]
            tags = _ROW_TAG.findall(text)
            if len(tags) != text.count("<row"):
                yield self._one_by_one(text)
            elif not tags:
                continue
            elif "<v" not in text and "<is" not in text and "<f" not in text:
                self._advance(list(map(int, tags)))
            else:
                many = None if "<f" in text or ' hidden="' in text else self._many(text, tags)
                yield many or self._one_by_one(text)

    def _advance(self, numbers: list[int]) -> None:
        if numbers[0] < max(self.number, 1) or not all(map(operator.le, numbers, numbers[1:])):
            raise UnreadableWorkbook("is damaged: its rows are not in order")
        self.number = numbers[-1]

    def _many(self, text: str, tags: list[str]) -> SheetRows | None:
        """All rows of a text at once, by column; None where they must be read one by one."""
        found = _CELL.findall(text)
        if not found or len(found) != text.count("<c"):
            return None
        letters, rows, styles, types, values, inlines = zip(*found, strict=True)
        keys = tuple(dict.fromkeys(rows))
        known = set(tags)
        if len(known) < len(tags) or not known.issuperset(keys) or "e" in types:
            return None
        if "inlineStr" in types:
            values = tuple(value or inline for value, inline in zip(values, inlines, strict=True))
        width = len(letters) // len(keys)
        try:
            if (
                width <= MOST_COLUMNS
                and letters == letters[:width] * len(keys)
                and rows[::width] == keys == rows[width - 1 :: width]
                and [_COLUMN_NUMBERS[letter] for letter in letters[:width]] == list(range(width))
            ):
                columns = [self._column(styles[at::width], types[at::width], values[at::width]) for at in range(width)]
            else:
                scattered = self._scattered(letters, rows, keys, self._texts(styles, types, values))
                if scattered is None:
                    return None
                columns = scattered
        except (IndexError, ValueError):
            raise _no_such_text() from None
        self._advance(list(map(int, tags)))
        return SheetRows(list(map(int, keys)), columns)

    def _column(self, styles: tuple[str, ...], types: tuple[str, ...], values: tuple[str, ...]) -> list[str]:
        """One column of cells, converted at once where all have one type and style, as most columns do."""
        kind, style = types[0], styles[0]
        if len(set(types)) > 1 or len(set(styles)) > 1 or "" in values:
            return self._texts(styles, types, values)
        if kind == "s":
            indices = list(map(int, values))
            if min(indices) < 0:
                raise IndexError
            return list(map(self._strings.__getitem__, indices))
        show = self._show(kind, style)
        return plain_column(values) if show is plain else list(map(show, values))

    def _texts(self, styles: tuple[str, ...], types: tuple[str, ...], values: tuple[str, ...]) -> list[str]:
        shows = {key: self._show(*key) for key in set(zip(types, styles, strict=True))}
        return [
            shows[key](value) if value else ""
            for key, value in zip(zip(types, styles, strict=True), values, strict=True)
        ]

    def _scattered(
        self, letters: tuple[str, ...], rows: tuple[str, ...], keys: tuple[str, ...], texts: list[str]
    ) -> list[list[str]] | None:
        """Columns of cells where not every row has all cells; None where the cells are out of order."""
        index = {key: at for at, key in enumerate(keys)}
        at_rows = [index[row] for row in rows]
        places = list(map(_COLUMN_NUMBERS.__getitem__, letters))
        width = max(places) + 1
        if width > MOST_COLUMNS or not all(map(operator.le, at_rows, at_rows[1:])):
            return None
        positions = [row * width + place for row, place in zip(at_rows, places, strict=True)]
        if not all(map(operator.lt, positions, positions[1:])):
            return None
        columns = [[""] * len(keys) for _ in range(width)]
        for row, place, text in zip(at_rows, places, texts, strict=True):
            columns[place][row] = text
        return columns

    def _show(self, kind: str, style: str) -> Shown:
        """The function that formats a cell of this type and style."""
        found = self._shows.get((kind, style))
        if found is None:
            found = self._shows[kind, style] = self._make_show(kind, style)
        return found

    def _make_show(self, kind: str, style: str) -> Shown:
        if kind == "s":
            strings = self._strings

            def shared(value: str) -> str:
                index = int(value)
                if index < 0:
                    raise IndexError
                return strings[index]

            return shared
        if kind in ("", "n", "d"):
            index = int(style) if style.isdigit() else 0
            show = self._formats[index] if index < len(self._formats) else plain
            return iso_shown(show) if kind == "d" else show
        return _boolean if kind == "b" else clean

    def _one_by_one(self, text: str) -> SheetRows:
        """Read the rows of a text with the XML parser."""
        numbers: list[int] = []
        kept: list[list[str]] = []
        problems: list[tuple[int, int, str]] = []
        for row in text.split("</row>"):
            begin = row.rfind("<row")
            if begin < 0:
                continue
            for match in _ROW.finditer(row, 0, begin):
                # Empty rows before it matter only for their numbers.
                self._count(match[1] or "")
            head = _ROW.match(row, begin)
            if head is None:
                raise UncommonXml
            attributes = head[1] or ""
            self._count(attributes)
            if head[2] or ("<v" not in row and "<is" not in row and "<f" not in row):
                continue
            self._hide('hidden="1"' in attributes or 'hidden="true"' in attributes)
            if len(row) > _LONGEST_PARSED:
                raise UncommonXml
            try:
                element = fromstring(f"<row>{row[head.end() :]}</row>", forbid_dtd=True)
            except (ParseError, ValueError):
                raise UncommonXml from None
            cells, troubles = self._cells_of(element)
            numbers.append(self.number)
            kept.append(cells)
            problems += [(self.number, place, code) for place, code in troubles]
        return SheetRows(numbers, [list(column) for column in zip_longest(*kept, fillvalue="")], problems)

    def _hide(self, is_hidden: bool) -> None:
        """Count the current row as hidden, once."""
        if is_hidden and self._last_hidden < self.number:
            self.hidden += 1
            self._last_hidden = self.number

    def _count(self, attributes: str) -> None:
        written = _ROW_NUMBER.search(attributes)
        number = int(written[1]) if written else self.number + 1
        if number < max(self.number, 1):
            raise UnreadableWorkbook("is damaged: its rows are not in order")
        self.number = number

    def parsed_row(self, element: Element) -> SheetRows | None:
        """A row from the XML parser; None where it is empty."""
        number = element.get("r", "")
        self._count(f'r="{number}"' if number.isdigit() else "")
        cells, troubles = self._cells_of(element)
        if not cells and not troubles:
            return None
        self._hide(element.get("hidden", "0") in ("1", "true"))
        return SheetRows(
            [self.number], [[cell] for cell in cells], [(self.number, place, code) for place, code in troubles]
        )

    def _cells_of(self, element: Element) -> _Row:
        found: dict[int, str] = {}
        problems: list[tuple[int, str]] = []
        place = -1
        for cell in element:
            if local_name(cell.tag) != "c":
                continue
            reference = _REFERENCE.fullmatch(cell.get("r", ""))
            place = _COLUMN_NUMBERS[reference[1].upper()] if reference else place + 1
            kind = cell.get("t", "")
            value, inline, has_formula = "", "", False
            for child in cell:
                tag = local_name(child.tag)
                if tag == "v":
                    value = child.text or ""
                elif tag == "is":
                    inline = string_of(child)
                elif tag == "f":
                    has_formula = True
            text = inline if kind == "inlineStr" else ""
            trouble = ""
            if value and kind != "inlineStr":
                show = self._show(kind, cell.get("s", ""))
                try:
                    # The parser has resolved the entities; Excel's own escapes remain.
                    text = unescape(value) if show is clean else show(value)
                except (IndexError, ValueError):
                    raise _no_such_text() from None
                trouble = "error_cell" if kind == "e" else ""
            elif has_formula and kind not in ("str", "inlineStr"):
                trouble = "formula_without_value"
            if place in found and (text or found[place]):
                raise UnreadableWorkbook("is damaged: a cell occurs twice")
            if (text or trouble) and place >= MOST_COLUMNS:
                problems.append((-1, "nameless_cell"))
                continue
            if trouble:
                problems.append((place, trouble))
            if text:
                found[place] = text
        cells = [""] * (max(found, default=-1) + 1)
        for place, text in found.items():
            cells[place] = text
        return cells, problems


def _no_such_text() -> UnreadableWorkbook:
    return UnreadableWorkbook("is damaged: a cell refers to a missing text")


def _boolean(value: str) -> str:
    return ("true" if value.strip() in ("1", "true") else "false") if value else ""
