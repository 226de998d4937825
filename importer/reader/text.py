"""CSV and similar texts: parsed strictly, with every record's cells counted."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from itertools import compress

from importer.errors import SourceError
from importer.model import Problem
from importer.normaliser.damage import CONTROLS
from importer.reader.cell_text import LOST
from importer.reader.delimiter import find_delimiter, records_of
from importer.reader.encoding import Opener, TextFindings, before_end, find_encoding
from importer.reader.header import Header, find_header_row, header_of
from importer.reader.records import (
    PlainLines,
    Records,
    with_stray_returns,
    without_stray_returns,
)
from importer.reader.sizes import LONGEST_CELL
from importer.reader.source import Source, SourceOptions, own_problem
from importer.row_block import Cells, RowBlock
from importer.system.formula_guard import unguard

#: Characters read to find the delimiter and the header.
_SAMPLE = 1 << 17
_FULL_SHEET = 1_048_576
#: Ways to type a tab.
_TAB = {"\\t": "\t", "tab": "\t"}


class TextSource(Source):
    """A text file, opened each time it is read."""

    kind = "text"

    def __init__(
        self,
        *,
        path: str,
        name: str,
        opener: Opener,
        findings: TextFindings,
        delimiter: str,
        header: Header,
        rejects_short: bool = True,
        spaced: bool = False,
    ) -> None:
        super().__init__(path=path, name=name, sheet="", header=header)
        self._opener = opener
        self._findings = findings
        self._delimiter = delimiter
        self.may_be_short = not rejects_short
        self._spaced = spaced
        self._blank_waiting = 0
        self.settings = {"encoding": findings.encoding, "delimiter": delimiter, "header_row": str(header.row)}
        if findings.note:
            self._notes[findings.note] = None

    def read(self, rows: int = 5000) -> Iterator[RowBlock]:
        self._blank_rows = 0
        self._blank_waiting = 0
        number = self.header.row + 1
        if self._findings.has_quotes:
            with self._records() as records:
                records.skip(self.header.row)
                while batch := records.take(rows):
                    yield from self._from_records(batch, range(number, number + len(batch)))
                    number += len(batch)
            self._note_if_full(number - 1)
            return
        findings = self._findings
        with PlainLines(self._opener, findings.encoding, stray=findings.has_stray_returns) as plain:
            plain.skip(self.header.row)
            while lines := plain.take(rows):
                yield from self._from_lines(lines, range(number, number + len(lines)))
                number += len(lines)
        self._note_if_full(number - 1)

    def _records(self) -> Records:
        findings, stray = self._findings, self._findings.has_stray_returns
        return Records(self.name, self._opener, findings.encoding, self._delimiter, spaced=self._spaced, stray=stray)

    def lines_of(self, row_number: int) -> tuple[int, int]:
        with self._records() as records:
            records.skip(row_number - 1)
            before = records.lines
            records.take(1)
            return before + 1, records.lines

    def _note_if_full(self, rows: int) -> None:
        if rows == _FULL_SHEET:
            self.add_note(f"The text has {rows:,} rows, the limit of a sheet: the export was probably cut off.")

    def _from_lines(self, lines: list[str], numbers: range) -> Iterator[RowBlock]:
        """Split all lines at once where every line has as many cells as the header and none is blank."""
        delimiter, width = self._delimiter, self.header.width
        if {line.count(delimiter) for line in lines} == {width - 1} and max(map(len, lines)) <= LONGEST_CELL:
            cells = delimiter.join(lines).split(delimiter)
            columns = [cells[at::width] for at in range(width)]
            if all(map(str.strip, columns[self.header.places[0]])):
                self._count_waiting()
                yield self._block(columns, numbers, [])
                return
        yield from self._from_records([line.split(delimiter) if line else [] for line in lines], numbers)

    def _from_records(self, batch: list[list[str]], numbers: Sequence[int]) -> Iterator[RowBlock]:
        if set(map(len, batch)) == {self.header.width}:
            columns = list(zip(*batch, strict=True))
            if all(map(str.strip, columns[self.header.places[0]])):  # no row is blank: no need to check each row
                self._count_waiting()
                yield self._block(columns, numbers, [])
                return
        full = [any(map(str.strip, record)) for record in batch]
        if not any(full):
            self._blank_waiting += len(full)
            return
        self._count_waiting()
        if not all(full):
            # Blank lines at the end are not rows. Those between rows are counted.
            self._blank_waiting = full[::-1].index(True)
            self.count_blank(len(full) - sum(full) - self._blank_waiting)
            numbers = list(compress(numbers, full))
            batch = list(compress(batch, full))
        problems = self._make_even(batch, numbers) if set(map(len, batch)) != {self.header.width} else []
        yield self._block(list(zip(*batch, strict=True)), numbers, problems)

    def _count_waiting(self) -> None:
        self.count_blank(self._blank_waiting)
        self._blank_waiting = 0

    def _block(self, columns: Sequence[Sequence[str]], numbers: Sequence[int], problems: list[Problem]) -> RowBlock:
        header = self.header
        if self._findings.has_controls:
            problems += [
                own_problem(number, "control_character", name)
                for place, name in zip(header.places, self.columns, strict=True)
                for number, cell in zip(numbers, columns[place], strict=True)
                if CONTROLS.search(cell)
            ]
        if self._findings.has_lost_letters:
            problems += [
                own_problem(number, "lost_letters", name)
                for place, name in zip(header.places, self.columns, strict=True)
                for number, cell in zip(numbers, columns[place], strict=True)
                if LOST in cell
            ]
        problems += [own_problem(number, code) for number, code in header.not_data(columns, numbers)]
        for place in header.nameless:
            problems += [
                own_problem(number, "nameless_cell", value=cell)
                for number, cell in zip(numbers, columns[place], strict=True)
                if cell and cell.strip()
            ]
        kept = [columns[place] for place in header.places]
        if header.is_report:
            kept = [tuple(map(unguard, cells)) for cells in kept]
        closed, origins = header.closed(columns, numbers), header.origins(columns, numbers)
        fixed = header.fixed(columns, numbers)
        return RowBlock(Cells(kept, self.columns, numbers), tuple(problems), closed, origins, fixed=fixed)

    def _make_even(self, batch: list[list[str]], numbers: Sequence[int]) -> list[Problem]:
        """Cut or fill records to the header's width. Returns the problems of rows with a wrong number of cells."""
        header = self.header
        problems = []
        for at, record in enumerate(batch):
            count = len(record)
            if count == header.width:
                continue
            if count > header.width:
                overflow = self._delimiter.join(record[header.width :])
                problems.append(own_problem(numbers[at], "ragged_row", value=overflow))
            elif count < header.least and not self.may_be_short:
                problems.append(own_problem(numbers[at], "short_row"))
            batch[at] = record[: header.width] + [""] * (header.width - count)
        return problems


def open_text(*, path: str, name: str, opener: Opener, options: SourceOptions, proven: bool) -> TextSource:
    """Find encoding, delimiter and header, and check that the whole text can be parsed before any row is used.

    `proven`: an earlier opening checked it."""
    findings = find_encoding(name, opener, options.encoding)
    stray = findings.has_stray_returns
    if findings.after_end:
        opener = before_end(opener, findings.size)
    sample = io.TextIOWrapper(opener(), encoding=findings.encoding, newline="")
    with sample:
        text = sample.read(_SAMPLE)
    lines = list(io.StringIO(text, newline="\n" if stray else ""))
    if len(text) == _SAMPLE and len(lines) > 1:
        lines.pop()
    if stray:
        lines = list(map(without_stray_returns, lines))
    declared = _declared_delimiter(lines)
    delimiter = _TAB.get(options.delimiter or "", options.delimiter) or declared or find_delimiter(lines)
    if len(delimiter) != 1 or delimiter in '"\r\n':
        raise SourceError(
            f"Delimiter {delimiter!r} is not one character.",
            "Use one character like ';' or ',', or tab.",
            code="no_header",
        )
    records = records_of(lines, delimiter)
    spaced = findings.has_quotes and _has_spaced_quotes(lines, delimiter, records)
    if spaced:
        records = records_of(lines, delimiter, spaced=True)
    if stray:
        records = with_stray_returns(records)
    if declared and records:
        records[0] = []
    has_line_breaks = False
    if not proven and (findings.has_quotes or findings.longest_line > LONGEST_CELL):
        with Records(name, opener, findings.encoding, delimiter, spaced=spaced, stray=stray) as all_records:
            has_line_breaks = all_records.skip() < all_records.lines
    header = _header(name, records, options.header_row)
    source = TextSource(
        path=path,
        name=name,
        opener=opener,
        findings=findings,
        delimiter=delimiter,
        header=header,
        rejects_short=options.short_rows == "reject",
        spaced=spaced,
    )
    source.has_line_breaks = has_line_breaks
    return source


def _has_spaced_quotes(lines: list[str], delimiter: str, records: list[list[str]]) -> bool:
    """Whether quotes after a delimiter and a space enclose cells: only then every record has as many cells."""
    if not any(f'{delimiter} "' in line for line in lines):
        return False
    spaced = records_of(lines, delimiter, spaced=True)
    return len({len(record) for record in spaced if record}) == 1 < len({len(record) for record in records if record})


def _declared_delimiter(lines: list[str]) -> str | None:
    """The delimiter of Excel's first line `sep=;`, None without one."""
    first = lines[0].strip().strip('"').lower() if lines else ""
    return first[4] if len(first) == 5 and first.startswith("sep=") else None


def _header(name: str, records: list[list[str]], header_row: int | None) -> Header:
    if header_row is not None:
        if not 1 <= header_row <= len(records):
            raise SourceError(
                f"{name}: the header row {header_row} is not among the first {len(records)} rows.",
                "Give the row with the column names, counted from 1.",
                code="no_header",
            )
        at = header_row - 1
    else:
        found = find_header_row(list(enumerate(records, 1)))
        if found is None:
            raise SourceError(
                f"{name} contains no rows.", "Import a sheet with a header and at least one row.", code="no_rows"
            )
        at = found
    if "_status" in records[at]:
        records[at] = list(map(unguard, records[at]))
    below = [record for record in records[at + 1 :] if any(cell.strip() for cell in record)]
    wider = _always_wider(len(records[at]), below)
    return header_of(name, list(enumerate(records, 1)), at, given=header_row is not None, wider=wider)


def _always_wider(width: int, below: list[list[str]]) -> int:
    """How many empty cells every row has beyond the header: some tills write such columns without a name."""
    extra = min((len(record) for record in below), default=width) - width
    return extra if extra > 0 and not any(cell.strip() for record in below for cell in record[width:]) else 0
