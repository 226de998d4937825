"""The records of a text: parsed strictly where it has quotes, split where it has none."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from itertools import islice
from typing import TextIO

from importer.errors import SourceError
from importer.reader.encoding import BLOCK, Opener
from importer.system.garbage import collection_paused

#: The longest cell. The limit also stops an unclosed quote from taking in the rest of the file.
LONGEST_CELL = 1 << 17

csv.field_size_limit(LONGEST_CELL)


class Records:
    """The records of a text. Errors name the line that cannot be parsed."""

    def __init__(self, name: str, opener: Opener, encoding: str, delimiter: str, *, spaced: bool = False) -> None:
        self._name = name
        self._spaced = spaced
        self._reopen: Callable[[], TextIO] = lambda: _lines(opener, encoding)
        self._lines = self._reopen()
        self._delimiter = delimiter
        self._reader = csv.reader(self._lines, delimiter=delimiter, skipinitialspace=spaced, strict=True)

    def __enter__(self) -> Records:
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()

    def __iter__(self) -> Iterator[list[str]]:
        while record := self.take(1):
            yield record[0]

    def take(self, rows: int) -> list[list[str]]:
        # Thousands of lists of text without cycles: garbage collection would take a third of the time.
        with collection_paused():
            try:
                return list(islice(self._reader, rows))
            except csv.Error as error:
                raise self._explained() from error

    def check(self) -> int:
        """Parse the whole text and keep nothing. Returns the number of records."""
        records = 0
        while taken := self.take(1000):
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
            reader = csv.reader(lines, delimiter=self._delimiter, skipinitialspace=self._spaced, strict=True)
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
            )
        return SourceError(
            f"{self._name}: the quote opened in line {start + 1 + line:,} is not closed where its cell ends.",
            'Close it, or double quotes inside a cell (""), and import the file again.',
        )


def _lines(opener: Opener, encoding: str) -> TextIO:
    """The text by line with its line ends, because the parser needs those inside quotes unchanged."""
    text = io.TextIOWrapper(opener(), encoding=encoding, errors="strict", newline="")
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

    def __init__(self, opener: Opener, encoding: str) -> None:
        self._raw = opener()
        self._text = io.TextIOWrapper(self._raw, encoding=encoding, errors="strict", newline=None)
        self._text._CHUNK_SIZE = BLOCK  # type: ignore[attr-defined]
        self._ahead: list[str] = []

    def __enter__(self) -> PlainLines:
        return self

    def __exit__(self, *_: object) -> None:
        self._text.close()

    def take(self, rows: int) -> list[str]:
        while len(self._ahead) < rows:
            text = self._text.read(BLOCK)
            if not text:
                break
            if text[-1] != "\n":
                text += self._text.readline()
            lines = text.split("\n")
            if not lines[-1]:
                lines.pop()
            self._ahead += lines
        taken, self._ahead = self._ahead[:rows], self._ahead[rows:]
        return taken
