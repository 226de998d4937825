"""Workbooks, parsed in a child process with bounded memory, so a hostile file can only end that process."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
import weakref
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import msgspec

from importer.errors import ImporterError, SourceError
from importer.model import Problem
from importer.reader.archive import Content
from importer.reader.header import SEARCHED_ROWS, Header, column_letters, find_header_row, header_of
from importer.reader.row_spool import RowSpool
from importer.reader.sizes import MOST_COST
from importer.reader.source import Source, SourceOptions, own_problem
from importer.reader.workbook_messages import (
    WITH_ENCODING,
    ChildMessage,
    SheetDone,
    SheetFailed,
    SheetOpened,
    SheetRequest,
    SheetRows,
)
from importer.row_block import Cells, RowBlock
from importer.system.process import WITHOUT_SECRETS, child_command, child_environ
from importer.system.streams import has_input

_SAVE = "Open it in a spreadsheet program, save it there and import it again."
_MOST_COLUMNS_NAMED = 5
#: Seconds to wait for a child, altogether. Its CPU time has a limit too, but it may also hang.
_MOST_SECONDS = 900.0


class WorkbookSource(Source):
    """One sheet of a workbook. The child that found the header continues with the rows at the first reading."""

    kind = "workbook"

    def __init__(
        self, *, path: str, name: str, header: Header, job: SheetRequest, child: _Child, rows: list[SheetRows]
    ) -> None:
        super().__init__(path=path, name=name, sheet=child.opened.sheet, header=header)
        self._job = msgspec.structs.replace(job, sheet=child.opened.sheet)
        self._ahead: tuple[_Child, list[SheetRows]] | None = (child, rows)
        #: Of the first complete reading, which also adds the notes.
        self._spool = RowSpool()
        self.settings = {"sheet": self.sheet, "header_row": str(header.row)}
        self.takes_encoding = job.kind in WITH_ENCODING
        for note in child.opened.notes:
            self.add_note(note)

    def read(self, rows: int = 5000) -> Iterator[RowBlock]:
        self._blank_rows = 0
        builder = _BlockBuilder(self)
        for message in self._spool.rows() if self._spool.is_whole else self._parsed():
            yield from builder.add(message, rows)
        yield from builder.rest()

    def _parsed(self) -> Iterator[SheetRows]:
        """The rows from the child, which keeps them for the next reading."""
        if self._ahead is None:
            child = _Child(self.name, self._job)
            ahead: list[SheetRows] = []
        else:
            (child, ahead), self._ahead = self._ahead, None
        with child:
            yield from ahead
            yield from child.rows()
            for note in (*child.notes, *_hidden_note(self, child.hidden_columns)):
                self.add_note(note)
        self._spool.close()
        self._spool = child.spool

    def close(self) -> None:
        if self._ahead is not None:
            self._ahead[0].close()
            self._ahead = None
        self._spool.close()
        super().close()


def _hidden_note(source: Source, hidden: Sequence[int]) -> list[str]:
    """A note that names the columns that the spreadsheet program does not display."""
    names = dict(zip(source.header.places, source.columns, strict=True))
    shown = [f"{column_letters(place)} {names[place]!r}" for place in hidden if place in names]
    if not shown:
        return []
    if len(shown) == 1:
        return [f"Column {shown[0]} is hidden and was imported too."]
    more = len(shown) - _MOST_COLUMNS_NAMED
    listed = ", ".join(shown[:_MOST_COLUMNS_NAMED]) + (f" and {more:,} more" if more > 0 else "")
    return [f"Columns {listed} are hidden and were imported too."]


class _BlockBuilder:
    """Collects the rows of the child into blocks of the requested size."""

    def __init__(self, source: WorkbookSource) -> None:
        self._source = source
        self._header = source.header
        self._last = source.header.row
        self._numbers: list[int] = []
        self._columns: list[list[str]] = [[] for _ in source.columns]
        self._problems: list[Problem] = []
        self._closed: set[int] = set()
        self._origins: dict[int, str] = {}
        self._fixed: dict[int, dict[str, str]] = {}
        self._cost = 0

    def add(self, batch: SheetRows, rows: int) -> Iterator[RowBlock]:
        header, source = self._header, self._source
        first = next((at for at, number in enumerate(batch.numbers) if number > header.row), None)
        if first is None:
            return
        numbers = batch.numbers[first:]
        source.count_blank(numbers[-1] - self._last - len(numbers))
        self._last = numbers[-1]
        width = len(batch.columns)
        self._cost += batch.cost
        for column, place in zip(self._columns, header.places, strict=True):
            column += batch.columns[place][first:] if place < width else [""] * len(numbers)
        self._numbers += numbers
        self._closed |= header.closed(batch.columns, batch.numbers)
        self._origins |= header.origins(batch.columns, batch.numbers)
        self._fixed |= header.fixed(batch.columns, batch.numbers)
        cells = [column[first:] for column in batch.columns]
        self._problems += [own_problem(number, code) for number, code in header.not_data(cells, numbers)]
        names = dict(zip(header.places, source.columns, strict=True))
        for number, place, code in batch.problems:
            if number > header.row and (place < 0 or place in names):
                self._problems.append(own_problem(number, code, names.get(place)))
        for place in (*header.nameless, *range(header.width, width)):
            if place < width and any(batch.columns[place][first:]):
                self._problems += [
                    own_problem(number, "nameless_cell", value=cell)
                    for number, cell in zip(numbers, batch.columns[place][first:], strict=True)
                    if cell.strip()
                ]
        while len(self._numbers) >= rows:
            yield self._cut(rows)
            self._cost = batch.cost
        if self._cost > MOST_COST:
            yield from self.rest()
            self._cost = 0

    def rest(self) -> Iterator[RowBlock]:
        if self._numbers:
            yield self._cut(len(self._numbers))

    def _cut(self, rows: int) -> RowBlock:
        numbers, self._numbers = self._numbers[:rows], self._numbers[rows:]
        columns = [column[:rows] for column in self._columns]
        self._columns = [column[rows:] for column in self._columns]
        problems = tuple(problem for problem in self._problems if problem.row_number <= numbers[-1])
        self._problems = [problem for problem in self._problems if problem.row_number > numbers[-1]]
        closed = self._closed.intersection(numbers)
        self._closed -= closed
        origins = {number: self._origins.pop(number) for number in numbers if number in self._origins}
        fixed = {number: self._fixed.pop(number) for number in numbers if number in self._fixed}
        cells = Cells(columns, self._source.columns, numbers)
        # In a report every cell is text, also those that were numbers in the source.
        typed = not self._header.is_report
        return RowBlock(cells, problems, frozenset(closed), origins, typed, fixed)


class _Child:
    """The process that parses, its messages, and its end in every case."""

    def __init__(self, name: str, job: SheetRequest) -> None:
        self._name = name
        self._ended = False
        self.spool = RowSpool()
        #: Notes that the child sent at its end, and the positions of columns that are not displayed.
        self.notes: tuple[str, ...] = ()
        self.hidden_columns: tuple[int, ...] = ()
        #: Bytes of the next messages, and the seconds that are left to wait for them.
        self._received, self._patience = bytearray(), _MOST_SECONDS
        self._decoder: msgspec.msgpack.Decoder[ChildMessage] = msgspec.msgpack.Decoder(ChildMessage)
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the child
        self._process = subprocess.Popen(
            child_command("importer.reader.workbook_child"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=child_environ(os.environ, WITHOUT_SECRETS),
        )
        self._end = weakref.finalize(self, _end, self._process, self._errors)
        try:
            assert self._process.stdin is not None
            try:
                request = msgspec.msgpack.encode(job)
                # It stays open: the child ends when it is closed, also by the end of this process.
                self._process.stdin.write(len(request).to_bytes(4, "little") + request)
                self._process.stdin.flush()
            except BrokenPipeError:
                raise self._died() from None
            first = self._next()
            if not isinstance(first, SheetOpened):
                raise self._died()
            self.opened = first
        except BaseException:
            self.close()
            raise

    def rows(self) -> Iterator[SheetRows]:
        while not self._ended:
            message = self._next()
            if isinstance(message, SheetRows):
                yield message
            else:
                self._ended = True
                if isinstance(message, SheetDone):
                    self.spool.complete = True
                    self.notes, self.hidden_columns = message.notes, message.hidden_columns

    def _next(self) -> ChildMessage:
        """The next message; a stream that ends without `SheetDone` is not complete."""
        length = int.from_bytes(self._read(4), "little")
        block = self._read(length) if length else b""
        if not length or len(block) < length:
            raise self._died()
        message = self._decoder.decode(block)
        if isinstance(message, SheetRows):
            self.spool.add(block)
        if isinstance(message, SheetFailed):
            raise SourceError(
                f"{self._name}{message.message}",
                message.advice,
                message.sheets,
                locked=message.locked,
                on_page=message.on_page,
                code=message.code,
            )
        return message

    def _read(self, size: int) -> bytes:
        """So many bytes of the child's answer; fewer where it ended, or took too long."""
        assert self._process.stdout is not None
        stream = self._process.stdout.fileno()
        while len(self._received) < size:
            began = time.monotonic()
            is_ready = has_input(stream, self._patience)
            self._patience -= time.monotonic() - began
            block = os.read(stream, 1 << 20) if is_ready else b""
            if not block:
                break
            self._received += block
        taken = bytes(self._received[:size])
        del self._received[:size]
        return taken

    def _died(self) -> ImporterError:
        self._process.kill()
        self._process.wait()
        self._errors.seek(0)
        tail = self._errors.read()[-4000:].decode("utf-8", "replace").strip().splitlines()
        if tail and tail[-1].startswith(("ModuleNotFoundError", "ImportError", "SyntaxError")):
            return ImporterError(f"The workbook parser cannot start: {tail[-1]}.", "Install the importer again.")
        return SourceError(
            f"{self._name} cannot be parsed: it is damaged, or needs more memory or time than any valid sheet.",
            "Open it in a spreadsheet program, save it as a new .xlsx or as CSV (UTF-8), and import that.",
            code="damaged",
        )

    def close(self) -> None:
        self._end()

    def __enter__(self) -> _Child:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


def _end(process: subprocess.Popen[bytes], errors: IO[bytes]) -> None:
    """End the child when its source is closed or garbage-collected."""
    if process.poll() is None:
        process.kill()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with suppress(OSError):
                stream.close()
    process.wait()
    errors.close()


def open_workbook(path: str, where: Path, content: Content, options: SourceOptions) -> WorkbookSource:
    """Choose the sheet and find the header. The child waits with the rows until they are read."""
    job = SheetRequest(
        path=str(where.resolve()),
        kind=content.kind,
        sheet=options.sheet,
        password=options.password,
        encoding=options.encoding,
        size=where.stat().st_size,
    )
    child = _Child(where.name, job)
    try:
        rows: list[SheetRows] = []
        seen: list[tuple[int, list[str]]] = []
        unknown: Counter[int] = Counter()
        cost = 0
        for batch in child.rows():
            if options.header_row is not None and batch.numbers[-1] < options.header_row:
                continue
            rows.append(batch)
            first = bisect_left(batch.numbers, options.header_row or 0)
            seen += [
                (number, [column[at] for column in batch.columns])
                for at, number in enumerate(batch.numbers[first:], first)
            ]
            unknown.update(number for number, _, code in batch.problems if code == "formula_without_value")
            cost += batch.cost
            if len(seen) > SEARCHED_ROWS or cost > MOST_COST:
                break
        header = _header(f"{where.name}, sheet {child.opened.sheet!r}", seen, options.header_row, unknown)
    except BaseException:
        child.close()
        raise
    return WorkbookSource(path=path, name=where.name, header=header, job=job, child=child, rows=rows)


def _header(name: str, seen: list[tuple[int, list[str]]], header_row: int | None, unknown: Counter[int]) -> Header:
    """The header in the rows `seen`. `unknown`: row → its formulas without a stored value."""
    if header_row is not None:
        at = next((at for at, (number, _) in enumerate(seen) if number == header_row), None)
        if at is None:
            raise SourceError(
                f"{name}: row {header_row} is empty.",
                "Pass the row with the column names with --header-row.",
                on_page="Set the row with the column names under “How the file is read”.",
                code="no_header",
            )
    else:
        at = find_header_row(seen)
        if at is None and seen:
            raise SourceError(f"{name} contains only formulas whose values are not stored.", _SAVE, code="no_rows")
        if at is None:
            raise SourceError(
                f"{name} contains no rows.", "Import a sheet with a header and at least one row.", code="no_rows"
            )
    seen = seen[: at + 1 + SEARCHED_ROWS]
    row, cells = seen[at]
    # As many formulas as the header has names are not a title.
    above = min((number for number in unknown if unknown[number] >= sum(map(bool, map(str.strip, cells)))), default=row)
    if above < row and header_row is None:
        raise SourceError(f"{name}: row {above} contains formulas whose values are not stored.", _SAVE, code="no_rows")
    used = max((place + 1 for _, record in seen[at:] for place, cell in enumerate(record) if cell.strip()), default=0)
    seen[at] = row, (cells + [""] * used)[:used]
    return header_of(name, seen, at, given=header_row is not None)
