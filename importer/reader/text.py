"""CSV and its relatives: strictly parsed, every record's cells counted, nothing shifted and nothing dropped."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from itertools import compress, islice

from importer.errors import SourceError
from importer.formula_guard import unguard
from importer.model import Chunk, Problem
from importer.reader.cell_text import CONTROLS
from importer.reader.delimiter import find_delimiter, records_of
from importer.reader.encoding import BLOCK, Findings, Opener, find_encoding
from importer.reader.header import Header, find_header_row, read_header
from importer.reader.source import Source, SourceOptions, own_problem, text_frame

#: Characters looked at to find the delimiter and the header.
_SAMPLE = 1 << 17
#: The longest cell. Also what stops a quote that is never closed from swallowing the file.
_LONGEST_CELL = 1 << 17

csv.field_size_limit(_LONGEST_CELL)


class TextSource(Source):
    """One text, opened as often as it is read."""

    kind = "text"

    def __init__(
        self,
        *,
        path: str,
        name: str,
        opener: Opener,
        findings: Findings,
        delimiter: str,
        header: Header,
    ) -> None:
        super().__init__(path=path, name=name, sheet="", header=header)
        self._opener = opener
        self._findings = findings
        self._delimiter = delimiter
        self.settings = {"encoding": findings.encoding, "delimiter": delimiter, "header_row": str(header.row)}
        if findings.note:
            self._notes[findings.note] = None

    def chunks(self, rows: int = 5000) -> Iterator[Chunk]:
        header, names = self.header, self.columns
        self._blank_rows = 0
        with _Records(self.name, self._opener, self._findings.encoding, self._delimiter) as records:
            for _ in islice(records, header.row):
                pass
            row_number = header.row + 1
            blank = 0
            while batch := records.take(rows):
                numbers: list[int] | range = range(row_number, row_number + len(batch))
                row_number += len(batch)
                full = [any(map(str.strip, record)) for record in batch]
                if not all(full):
                    # Blank lines at the end are nobody's rows; those between rows are counted.
                    at_end = full[::-1].index(True) if any(full) else len(full)
                    before, blank = blank + len(full) - sum(full) - at_end, at_end
                    numbers = list(compress(numbers, full))
                    batch = list(compress(batch, full))
                    if not batch:
                        blank += before
                        continue
                    self.count_blank(before)
                elif blank:
                    self.count_blank(blank)
                    blank = 0
                problems: list[Problem] = []
                if set(map(len, batch)) != {header.width}:
                    problems += self._make_even(batch, numbers)
                if self._findings.has_controls:
                    problems += [
                        own_problem(number, "control_character")
                        for number, record in zip(numbers, batch, strict=True)
                        if CONTROLS.search("".join(record))
                    ]
                columns = list(zip(*batch, strict=True))
                for place in header.nameless:
                    if any(columns[place]):
                        problems += [
                            own_problem(number, "nameless_cell", value=cell)
                            for number, cell in zip(numbers, columns[place], strict=True)
                            if cell.strip()
                        ]
                kept = [columns[place] for place in header.places]
                if header.is_report:
                    kept = [tuple(map(unguard, cells)) for cells in kept]
                yield Chunk(text_frame(kept, names, numbers), tuple(problems))

    def _make_even(self, batch: list[list[str]], numbers: list[int] | range) -> list[Problem]:
        """Cut and fill every record to the header's width; the rows that are not to be trusted are told."""
        header = self.header
        problems = []
        for at, record in enumerate(batch):
            count = len(record)
            if count == header.width:
                continue
            if not header.least <= count < header.width:
                overflow = self._delimiter.join(record[header.width :])
                problems.append(own_problem(numbers[at], "ragged_row", value=overflow))
            batch[at] = record[: header.width] + [""] * (header.width - count)
        return problems


class _Records:
    """The records of a text, with the place of whatever cannot be parsed."""

    def __init__(self, name: str, opener: Opener, encoding: str, delimiter: str) -> None:
        self._name = name
        self._reopen: Callable[[], Iterator[str]] = lambda: _lines(opener, encoding)
        self._lines = self._reopen()
        self._delimiter = delimiter
        self._reader = csv.reader(self._lines, delimiter=delimiter, strict=True)

    def __enter__(self) -> _Records:
        return self

    def __exit__(self, *_: object) -> None:
        close = getattr(self._lines, "close", None)
        if close:
            close()

    def __iter__(self) -> Iterator[list[str]]:
        while record := self.take(1):
            yield record[0]

    def take(self, rows: int) -> list[list[str]]:
        try:
            return list(islice(self._reader, rows))
        except csv.Error as error:
            raise self._explained() from error

    def check(self) -> None:
        """Parse all there is and keep nothing."""
        while self.take(1000):
            pass

    def _explained(self) -> SourceError:
        """Read once more up to the record that failed, to say where its quote was opened."""
        start = 0
        reader = csv.reader(self._reopen(), delimiter=self._delimiter, strict=True)
        try:
            for _ in reader:
                start = reader.line_num
        except csv.Error:
            pass
        line = _quote_line(islice(self._reopen(), start, reader.line_num), self._delimiter)
        if line is None:
            return SourceError(
                f"{self._name}: line {start + 1:,} has a cell longer than {_LONGEST_CELL:,} characters.",
                "Shorten the cell, or export the sheet as a workbook.",
            )
        return SourceError(
            f"{self._name}: the quote opened in line {start + 1 + line:,} is not closed where its cell ends.",
            'Close it, or write a quote inside a cell twice (""), and upload the file again.',
        )


def _lines(opener: Opener, encoding: str) -> Iterator[str]:
    """The text line by line, line ends kept, so that the parser sees those inside quotes as they are."""
    with opener() as raw, io.TextIOWrapper(raw, encoding=encoding, errors="strict", newline="") as text:
        text._CHUNK_SIZE = BLOCK  # type: ignore[attr-defined]
        yield from text


def _quote_line(lines: Iterator[str], delimiter: str) -> int | None:
    """Which of the lines of one broken record opened the last quoted cell."""
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


def open_text(*, path: str, name: str, opener: Opener, options: SourceOptions) -> TextSource:
    """Find encoding, delimiter and header, and prove before the first row is used that all of it can be parsed."""
    findings = find_encoding(name, opener, options.encoding)
    sample = io.TextIOWrapper(opener(), encoding=findings.encoding, newline="")
    with sample:
        text = sample.read(_SAMPLE)
    lines = list(io.StringIO(text, newline=""))
    if len(text) == _SAMPLE and len(lines) > 1:
        lines.pop()
    told = _told_delimiter(lines)
    delimiter = options.delimiter or told or find_delimiter(lines)
    if len(delimiter) != 1 or delimiter in '"\r\n':
        raise SourceError(f"--delimiter {delimiter!r} is not one character.", "Name one, such as ';' or ',' or a tab.")
    records = records_of(lines, delimiter)
    if told and records:
        records[0] = []
    if findings.has_quotes:
        with _Records(name, opener, findings.encoding, delimiter) as all_records:
            all_records.check()
    header = _header(name, records, options.header_row)
    return TextSource(
        path=path,
        name=name,
        opener=opener,
        findings=findings,
        delimiter=delimiter,
        header=header,
    )


def _told_delimiter(lines: list[str]) -> str | None:
    """Excel's own first line `sep=;`."""
    first = lines[0].strip().strip('"').lower() if lines else ""
    return first[4] if len(first) == 5 and first.startswith("sep=") else None


def _header(name: str, records: list[list[str]], header_row: int | None) -> Header:
    if header_row is not None:
        if not 1 <= header_row <= len(records):
            raise SourceError(
                f"{name}: --header-row {header_row} is not among the first {len(records)} rows.",
                "Name the row that holds the column names, counted from 1.",
            )
        at = header_row - 1
    else:
        found = find_header_row(list(enumerate(records, 1)))
        if found is None:
            raise SourceError(f"{name} holds no rows.", "Upload a sheet with a header and at least one row.")
        at = found
    above = sum(any(cell.strip() for cell in record) for record in records[:at])
    below = [record for record in records[at + 1 :] if any(cell.strip() for cell in record)]
    cells = records[at] + [""] * _always_wider(len(records[at]), below)
    return read_header(name, at + 1, cells, below, skipped=above, told=header_row is not None)


def _always_wider(width: int, below: list[list[str]]) -> int:
    """Empty cells at the end of every row, as some tills write them: columns without a name."""
    extra = min((len(record) for record in below), default=width) - width
    return extra if extra > 0 and not any(cell.strip() for record in below for cell in record[width:]) else 0
