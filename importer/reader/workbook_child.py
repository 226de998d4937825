"""The parsing child: reads one sheet and streams its rows as text. Run as `python -m`, never imported by the rest.

It has bounded memory and time and nothing to lose: an abort in a parser, a bomb or a hang ends this process only.
"""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec
import python_calamine

from importer.reader.cell_text import cell_text
from importer.reader.workbook_messages import Done, Failed, Job, Message, Opened, Rows

#: Address space, not resident memory: the parser reserves more than it touches.
_MEMORY = 3 << 29
_SECONDS = 900
_BATCH = 1000
#: More columns than any list of customers has.
_COLUMNS = 2000
_FULL = 1_048_576

_encode = msgspec.msgpack.Encoder().encode


class RefusedError(Exception):
    """A sheet that cannot be read: what is wrong, to follow the file's name, and what to do."""

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(message)
        self.failed = Failed(message, advice)


def limit_resources() -> None:
    """Bound this process where the system can."""
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def send(stream: BinaryIO, message: Message) -> None:
    """One message with its length before it."""
    block = _encode(message)
    stream.write(len(block).to_bytes(4, "little"))
    stream.write(block)


def choose_sheet(names: list[tuple[str, bool, bool]], wanted: str | None) -> str:
    """The sheet to read, of (name, is visible, holds data): the wanted one, or the only visible one with data."""
    listed = ", ".join(repr(name) for name, _, _ in names)
    if wanted is not None:
        for name, _, _ in names:
            if name == wanted:
                return name
        raise RefusedError(f" has no sheet {wanted!r}.", f"It has: {listed}.")
    visible = [name for name, is_visible, has_data in names if is_visible and has_data]
    if len(visible) == 1:
        return visible[0]
    if visible:
        raise RefusedError(
            f" has several sheets with data: {', '.join(map(repr, visible))}.",
            "Name the one to read with --sheet NAME.",
        )
    hidden = [name for name, is_visible, has_data in names if has_data]
    if hidden:
        raise RefusedError(
            f" has data only in hidden sheets: {', '.join(map(repr, hidden))}.",
            "Name the one to read with --sheet NAME if that is meant.",
        )
    raise RefusedError(" holds no data in any sheet.", "Upload a workbook with a header and at least one row.")


def batches(rows: Iterable[tuple[int, list[str]]]) -> Iterator[Rows]:
    """Rows that are not blank, in batches, column by column."""
    numbers: list[int] = []
    kept: list[list[str]] = []
    blank = 0
    for number, row in rows:
        if not any(map(str.strip, row)):
            blank += 1
            continue
        numbers.append(number)
        kept.append(row)
        if len(kept) == _BATCH:
            yield Rows(numbers, [list(column) for column in zip(*kept, strict=True)], blank=blank)
            numbers, kept, blank = [], [], 0
    if kept:
        yield Rows(numbers, [list(column) for column in zip(*kept, strict=True)], blank=blank)


def calamine_rows(sheet: python_calamine.CalamineSheet) -> Iterator[tuple[int, list[str]]]:
    """The rows as calamine gives them, in place: it leaves out empty columns on the left."""
    left = [""] * (sheet.start[1] if sheet.start else 0)
    for number, row in enumerate(sheet.iter_rows(), 1):
        yield number, left + [cell if type(cell) is str else cell_text(cell) for cell in row]


def read(job: Job, out: BinaryIO) -> None:
    """The whole work."""
    try:
        workbook = python_calamine.CalamineWorkbook.from_path(job.path)
    except python_calamine.PasswordError:
        raise RefusedError(
            " is password protected.", "Set IMPORTER_SOURCE_PASSWORD, or save it without a password."
        ) from None
    visible = python_calamine.SheetVisibleEnum.Visible
    worksheet = python_calamine.SheetTypeEnum.WorkSheet
    found = [
        (meta.name, meta.visible == visible, workbook.get_sheet_by_name(meta.name).total_height > 0)
        for meta in workbook.sheets_metadata
        if meta.typ == worksheet
    ]
    name = choose_sheet(found, job.sheet)
    sheet = workbook.get_sheet_by_name(name)
    notes = []
    if sheet.total_height >= _FULL:
        notes.append(f"Sheet {name!r} is full (1,048,576 rows): the export was probably cut, and rows are missing.")
    send(out, Opened(name, tuple(notes)))
    for batch in batches(calamine_rows(sheet)):
        send(out, batch)
    send(out, Done())


def main() -> None:
    """Read the job from standard input, answer on standard output."""
    job = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Job)
    limit_resources()
    out = sys.stdout.buffer
    try:
        read(job, out)
    except RefusedError as refused:
        send(out, refused.failed)
    except (python_calamine.CalamineError, zipfile.BadZipFile, OSError, ValueError, MemoryError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        send(
            out,
            Failed(
                f" cannot be parsed ({Path(job.path).suffix or 'no ending'}): it is damaged.",
                "Open it in a spreadsheet program, save it as a new .xlsx or as CSV (UTF-8), and upload that.",
            ),
        )
    out.flush()


if __name__ == "__main__":
    main()
