"""The records of a text: parsed strictly where it has quotes, split where it has none."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO, TextIO, cast

from importer.errors import SourceError
from importer.reader.encoding import BLOCK, Opener
from importer.reader.sizes import LONGEST_CELL, LONGEST_ROW
from importer.system.garbage import collection_paused

if TYPE_CHECKING:
    from _csv import Reader

#: Records parsed at once. Together they may be about as long as the longest row, so each may have the longest cell.
_AT_ONCE = 20

#: A CR that does not end a line, and what stands for it while a text is parsed: no decoded text has it.
_STRAY, _STAND_IN = re.compile(r"\r(?!\n)"), "\udc0d"

csv.field_size_limit(LONGEST_CELL)


class Records:
    """The records of a text. Errors name the line that cannot be parsed."""

    def __init__(
        self, name: str, opener: Opener, encoding: str, delimiter: str, *, spaced: bool = False, stray: bool = False
    ) -> None:
        self._name = name
        self._spaced = spaced
        self._stray = stray
        self._reopen: Callable[[], TextIO] = lambda: _lines(opener(), encoding, stray=stray)
        self._read = _Counted(name, opener(), LONGEST_ROW * (4 if "32" in encoding else 2 if "16" in encoding else 1))
        self._lines = _lines(self._read, encoding, stray=stray)
        self._delimiter = delimiter
        self._reader = self._parse(self._lines)

    def __enter__(self) -> Records:
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()

    def __iter__(self) -> Iterator[list[str]]:
        while record := self.take(1):
            yield record[0]

    def take(self, rows: int) -> list[list[str]]:
        """At most so many records, and fewer where they are long: none is left where the list is empty."""
        taken: list[list[str]] = []
        size = 0
        # Thousands of lists of text without cycles: garbage collection would take a third of the time.
        with collection_paused():
            try:
                while len(taken) < rows and size < LONGEST_ROW:
                    self._read.count = 0
                    before = len(taken)
                    taken.extend(islice(self._reader, min(rows - before, _AT_ONCE)))
                    if len(taken) == before:
                        break
                    size += self._read.count
            except csv.Error as error:
                raise self._explained() from error
            return with_stray_returns(taken) if self._stray else taken

    def _parse(self, lines: Iterable[str]) -> Reader:
        if self._stray:
            lines = map(without_stray_returns, lines)
        return csv.reader(lines, delimiter=self._delimiter, skipinitialspace=self._spaced, strict=True)

    def skip(self, rows: int | None = None) -> int:
        """Parse so many records, or all, and keep none. Returns how many there were."""
        records = 0
        while taken := self.take(1000 if rows is None else min(rows - records, 1000)):
            records += len(taken)
        return records

    @property
    def lines(self) -> int:
        """The lines read so far."""
        return self._reader.line_num

    def _explained(self) -> SourceError:
        """Read again up to the record that failed, to find the line where its quote was opened."""
        start = 0
        with self._reopen() as lines:
            reader = self._parse(lines)
            try:
                for _ in reader:
                    start = reader.line_num
            except csv.Error:
                pass
        with self._reopen() as lines:
            line = _quote_line(islice(lines, start, reader.line_num), self._delimiter)
        if line is None:
            return SourceError(
                f"{self._name}: line {start + 1:,} has a cell longer than {LONGEST_CELL:,} characters.",
                "Shorten the cell, or export the sheet as a workbook.",
                code="damaged",
            )
        return SourceError(
            f"{self._name}: the quote opened in line {start + 1 + line:,} is not closed where its cell ends.",
            'Close it, or double quotes inside a cell (""), and import the file again.',
            code="quote_not_closed",
        )


def without_stray_returns(line: str) -> str:
    """A line for the parser, for which each CR ends a line: those that do not are replaced."""
    return _STRAY.sub(_STAND_IN, line) if "\r" in line else line


def with_stray_returns(records: list[list[str]]) -> list[list[str]]:
    """The records as they are written."""
    return [[cell.replace(_STAND_IN, "\r") for cell in record] for record in records]


class _Counted(io.BufferedIOBase):
    """A stream that counts its bytes since the last records. Quotes can make one record of all of a text."""

    def __init__(self, name: str, stream: BinaryIO, most: int) -> None:
        self._name = name
        self._stream = stream
        self._most = most
        self.count = 0

    def readable(self) -> bool:
        return True

    def read1(self, size: int = -1, /) -> bytes:
        if self.count > self._most:
            raise SourceError(
                f"{self._name} has a row longer than {self._most:,} bytes, so this is not a table.",
                "Check its quotes, or export the sheet again as CSV (UTF-8) or as a workbook.",
                code="other_kind",
            )
        block = self._stream.read(size)
        self.count += len(block)
        return block

    def close(self) -> None:
        self._stream.close()
        super().close()


def _lines(stream: io.BufferedIOBase | BinaryIO, encoding: str, *, stray: bool) -> TextIO:
    """The text by line with its line ends, because the parser needs those inside quotes unchanged."""
    text = io.TextIOWrapper(cast(BinaryIO, stream), encoding=encoding, errors="strict", newline="\n" if stray else "")
    text._CHUNK_SIZE = BLOCK  # type: ignore[attr-defined]
    return text


def _quote_line(lines: Iterator[str], delimiter: str) -> int | None:
    """The position of the line that opened the last quoted cell of a broken record, None if none did."""
    opened: int | None = None
    inside = False
    for number, line in enumerate(lines):
        at_start = not inside
        place = 0
        while place < len(line):
            character = line[place]
            if inside:
                if character == '"':
                    if line[place + 1 : place + 2] == '"':
                        place += 1
                    else:
                        inside = False
            elif character == '"' and at_start:
                inside, opened = True, number
            at_start = character == delimiter and not inside
            place += 1
    return opened


class PlainLines:
    """The lines of a text without quotes: each line is a record."""

    def __init__(self, opener: Opener, encoding: str, *, stray: bool = False) -> None:
        self._stray = stray
        self._raw = opener()
        self._text = io.TextIOWrapper(self._raw, encoding=encoding, errors="strict", newline="\n" if stray else None)
        self._text._CHUNK_SIZE = BLOCK  # type: ignore[attr-defined]
        self._ahead: list[str] = []
        #: About how many characters those are.
        self._size = 0

    def __enter__(self) -> PlainLines:
        return self

    def __exit__(self, *_: object) -> None:
        self._text.close()

    def skip(self, rows: int) -> None:
        while rows and (taken := self.take(min(rows, 1000))):
            rows -= len(taken)

    def take(self, rows: int) -> list[str]:
        """At most so many lines, and fewer where they are long."""
        while len(self._ahead) < rows and self._size < LONGEST_ROW:
            text = self._text.read(BLOCK)
            if not text:
                break
            if text[-1] != "\n":
                text += self._text.readline()
            if self._stray:
                text = text.replace("\r\n", "\n")
            lines = text.split("\n")
            if not lines[-1]:
                lines.pop()
            self._ahead += lines
            self._size += len(text)
        taken, self._ahead = self._ahead[:rows], self._ahead[rows:]
        self._size = sum(map(len, self._ahead)) if self._ahead else 0
        return taken
