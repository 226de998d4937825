"""Old Excel workbooks (.xls), with their number formats, error cells and merged cells."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import BinaryIO

import xlrd

from importer.reader.built_in_formats import language_of
from importer.reader.number_formats import Shown, double_text, plain, shown_as
from importer.reader.ole import workbook_stream
from importer.reader.sheet_xml import UnreadableWorkbook
from importer.reader.workbook_messages import SheetRows

_BATCH = 1000
#: The first version with Unicode texts (Excel 97).
_UNICODE = 80
#: The character sets of fonts and their code pages.
_CHARSETS = {
    0: "cp1252", 77: "mac_roman", 128: "cp932", 129: "cp949", 130: "johab", 134: "gb18030", 136: "big5", 161: "cp1253",
    162: "cp1254", 163: "cp1258", 177: "cp1255", 178: "cp1256", 186: "cp1257", 204: "cp1251", 222: "cp874",
    238: "cp1250", 255: "cp850",
}  # fmt: skip
#: Programs write the Western character set where they know none.
_WESTERN = "cp1252"
_WESTERN_LETTERS = frozenset("ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜßàáâãäåæçèéêëìíîïñòóôõöøùúûüÿŒœ€£§°ªº«»¿¡´·–—‘’“”…™®©\u00a0")


def _decoded(data: bytes, encoding: str) -> str:
    return data.decode(encoding, "replace")


# xlrd decodes strictly: one byte that does not fit would refuse the workbook instead of its row.
for _module in (xlrd.biffh, xlrd.book, xlrd.sheet):
    setattr(_module, "unicode", _decoded)  # noqa: B010 - its stubs do not list it


class XlsWorkbook:
    """An open workbook. Its sheets have at most 65,536 rows."""

    def __init__(self, stream: BinaryIO, encoding: str | None = None) -> None:
        contents = workbook_stream(stream)
        self._book = _opened(contents, encoding)
        self.notes: tuple[str, ...] = ()
        if self._book.biff_version < _UNICODE and self._book.codepage is None and encoding is None:
            found = _encoding_of_fonts(self._book)
            if found is not None:
                self._book = _opened(contents, found)
                self.notes = (f"The workbook does not name its encoding; its fonts are for {found}.",)
        self.sheets = [
            (sheet.name, sheet.visibility == 0) for sheet in (self._book.sheet_by_index(at) for at in self._places())
        ]
        #: Rows that were read but are not displayed, and the columns.
        self.hidden_rows = 0
        self.hidden_columns: set[int] = set()
        self._shown: dict[int, Shown] = {}

    def _places(self) -> range:
        return range(self._book.nsheets)

    def has_data(self) -> dict[str, bool]:
        """Whether any cell of a sheet holds anything."""
        return {
            name: any(
                kind not in (xlrd.XL_CELL_EMPTY, xlrd.XL_CELL_BLANK)
                for row in range(self._book.sheet_by_name(name).nrows)
                for kind in self._book.sheet_by_name(name).row_types(row)
            )
            for name, _ in self.sheets
        }

    def merged_rows(self, name: str) -> list[tuple[int, int]]:
        """First and last row of every merged range."""
        return sorted((top + 1, bottom) for top, bottom, _, _ in self._book.sheet_by_name(name).merged_cells)

    def rows(self, name: str) -> Iterator[SheetRows]:
        """Yield every row with its number."""
        sheet = self._book.sheet_by_name(name)
        self.hidden_columns = {at for at, column in sheet.colinfo_map.items() if column.hidden or not column.width}
        self.hidden_rows = sum(
            row in range(sheet.nrows) and bool(info.hidden) and any(map(_has_content, sheet.row(row)))
            for row, info in sheet.rowinfo_map.items()
        )
        for first in range(0, sheet.nrows, _BATCH):
            numbers = list(range(first, min(first + _BATCH, sheet.nrows)))
            width = max((sheet.row_len(row) for row in numbers), default=0)
            columns = [[""] * len(numbers) for _ in range(width)]
            problems: list[tuple[int, int, str]] = []
            for at, row in enumerate(numbers):
                for place, cell in enumerate(sheet.row(row)):
                    if cell.ctype == xlrd.XL_CELL_ERROR:
                        problems.append((row + 1, place, "error_cell"))
                        columns[place][at] = xlrd.error_text_from_code.get(int(cell.value), "#ERROR")
                    else:
                        columns[place][at] = self._text(cell)
            yield SheetRows([row + 1 for row in numbers], columns, problems)

    def _text(self, cell: xlrd.sheet.Cell) -> str:
        if cell.ctype in (xlrd.XL_CELL_NUMBER, xlrd.XL_CELL_DATE):
            style = cell.xf_index
            show = self._show(style) if style is not None and style < len(self._book.xf_list) else plain
            return show(double_text(float(cell.value)))
        if cell.ctype == xlrd.XL_CELL_BOOLEAN:
            return "true" if cell.value else "false"
        return str(cell.value)

    def _show(self, style: int) -> Shown:
        if style not in self._shown:
            key = self._book.xf_list[style].format_key
            found = self._book.format_map.get(key)
            code = found.format_str if found else None
            self._shown[style] = shown_as(key, code, bool(self._book.datemode), self._language())
        return self._shown[style]

    def _language(self) -> str:
        """The language of the program's country, or of the first font with a character set."""
        charsets = [font.character_set for font in self._book.font_list]
        return language_of(charsets=charsets, country=self._book.countries[0])


def _opened(contents: bytes, encoding: str | None) -> xlrd.book.Book:
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123 - xlrd writes warnings to a stream
        try:
            return xlrd.open_workbook(
                file_contents=contents,
                formatting_info=True,
                ragged_rows=True,
                logfile=nowhere,
                encoding_override=encoding,
            )
        except xlrd.biffh.XLRDError as error:
            if "encrypted" in str(error):
                raise UnreadableWorkbook(
                    "is protected with a password of Excel 95 or older, which cannot be opened", code="password"
                ) from None
            raise
        except LookupError as error:
            if "unknown encoding" in str(error):
                raise _without_encoding("names an unknown encoding") from None
            raise


def _encoding_of_fonts(book: xlrd.book.Book) -> str | None:
    """The encoding of texts beyond ASCII by their fonts; None where all are ASCII. Raises `UnreadableWorkbook`."""
    texts: list[tuple[str, int]] = []
    for sheet in book.sheets():
        for row in range(sheet.nrows):
            texts += [
                (cell.value, _charset(book, cell.xf_index))
                for cell in sheet.row(row)
                if isinstance(cell.value, str) and not cell.value.isascii()
            ]
    if not texts:
        return None
    data = b"\n".join(text.encode("latin-1", "replace") for text, _ in texts)
    used = {_CHARSETS.get(charset, "") for _, charset in texts}
    named = used - {_WESTERN, ""}
    if not named and _WESTERN in used and _is_western(data):
        return _WESTERN
    named = named or {_CHARSETS.get(font.character_set, "") for font in book.font_list} - {_WESTERN, ""}
    if len(named) == 1:
        return named.pop()
    first = data.partition(b"\n")[0][:20]
    readings = ", ".join(f"{_decoded(first, name)!r} in {name}" for name in ("cp1252", "cp1250", "cp1251"))
    raise _without_encoding(f"does not name its encoding: a cell reads {readings}")


def _without_encoding(message: str) -> UnreadableWorkbook:
    return UnreadableWorkbook(
        message,
        "Pass it with --encoding, for example --encoding cp1251.",
        "Set its encoding under “How the file is read”.",
        code="encoding",
    )


def _charset(book: xlrd.book.Book, style: int | None) -> int:
    """The character set of a style's font; 1, the system's, where it has none."""
    try:
        return int(book.font_list[book.xf_list[style or 0].font_index].character_set)
    except (IndexError, AttributeError):
        return 1


def _is_western(data: bytes) -> bool:
    """Most letters of Western texts are ASCII, and the others are letters of the common languages."""
    text = _decoded(data, _WESTERN)
    beyond = [letter for letter in text if not letter.isascii()]
    return set(beyond) <= _WESTERN_LETTERS and len(beyond) < sum(
        letter.isascii() and letter.isalpha() for letter in text
    )


def _has_content(cell: xlrd.sheet.Cell) -> bool:
    return cell.ctype not in (xlrd.XL_CELL_EMPTY, xlrd.XL_CELL_BLANK) and cell.value != ""
