"""The child process: reads one sheet and streams its rows as text. Run as `python -m`.

Its memory and time are bounded: an abort in a parser, a decompression bomb or a hang ends this process only.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from importlib import import_module
from itertools import compress
from pathlib import Path
from typing import BinaryIO

import msgspec

from importer.model import HELP_SHEETS
from importer.normaliser.damage import CONTROLS
from importer.reader.cell_text import LOST, Flagged, whole_letters
from importer.reader.portions import portions
from importer.reader.sheet_xml import UnreadableWorkbook
from importer.reader.workbook_messages import (
    WITH_ENCODING,
    ChildMessage,
    SheetDone,
    SheetFailed,
    SheetOpened,
    SheetRequest,
    SheetRows,
)
from importer.reader.xlsx import XlsxWorkbook
from importer.reader.zip_kind import workbook_kind
from importer.reader.zip_safety import UnsafeZip, checked_members
from importer.system.process import end_with_parent, limit_resources

#: Address space, not resident memory. Streamed formats need a tenth; parsers of other formats load the whole file.
_MEMORY_STREAMED = 1 << 30
_MEMORY_BUILT = 3 << 29
_CPU_SECONDS = 600
_FULL = {"xls": 65_536}
_FULL_USUALLY = 1_048_576
_OTHERS = {
    "xls": "XlsWorkbook",
    "xlsb": "XlsbWorkbook",
    "ods": "OdsWorkbook",
    "fods": "FodsWorkbook",
    "html": "HtmlWorkbook",
    "spreadsheetml": "SpreadsheetmlWorkbook",
}
#: Formats whose parser needs little memory.
_STREAMED = ("xlsx", "ods", "fods", "html", "spreadsheetml")
_MOST_LISTED = 8
_AGAIN = "Open it in a spreadsheet program, save it as a new .xlsx or as CSV (UTF-8), and import that."
_PASSWORD = "Set IMPORTER_SOURCE_PASSWORD, or save it without a password."  # noqa: S105 - advice, no secret
_PASSWORD_ON_PAGE = "Type its password here, or save it without one and upload that."  # noqa: S105 - advice, no secret
_SHEET_ON_PAGE = "Choose one under “How the file is read”."

_encode = msgspec.msgpack.Encoder().encode


class SheetRefused(Exception):
    """The sheet cannot be read. `message` follows the file's name."""

    def __init__(
        self,
        message: str,
        advice: str = _AGAIN,
        sheets: tuple[str, ...] = (),
        *,
        code: str,
        locked: bool = False,
        on_page: str | None = None,
    ) -> None:
        super().__init__(message)
        self.failed = SheetFailed(message, advice, sheets, locked, on_page, code)


def send(stream: BinaryIO, message: ChildMessage) -> None:
    """Write one message, preceded by its length."""
    block = _encode(message)
    stream.write(len(block).to_bytes(4, "little"))
    stream.write(block)
    stream.flush()


def listed(names: Iterable[str]) -> str:
    """The names of sheets, at most eight: a web page may have hundreds of tables."""
    shown = list(map(repr, names))
    more = len(shown) - _MOST_LISTED
    return ", ".join(shown[:_MOST_LISTED]) + (f" and {more:,} more" if more > 0 else "")


def choose_sheet(
    sheets: Iterable[tuple[str, bool]],
    has_data: dict[str, bool],
    wanted: str | None,
    rows: Callable[[str], Iterable[SheetRows]],
) -> str:
    """The sheet to read, of (name, is visible): the wanted one, or the only visible one with data. `rows`: of a sheet,
    which it reads to leave out those that explain others."""
    names = dict(sheets)
    if wanted is not None:
        return named_sheet(tuple(names), wanted)
    visible = [name for name, is_visible in names.items() if is_visible and has_data[name]]
    visible = [name for name in visible if name.strip().lower() not in HELP_SHEETS] or visible
    if len(visible) > 1:
        visible = without_explanations(visible, rows)
    if len(visible) == 1:
        return visible[0]
    if visible:
        raise SheetRefused(
            f" has several sheets with data: {listed(visible)}.",
            "Choose one with --sheet NAME.",
            tuple(visible),
            code="sheet",
            on_page=_SHEET_ON_PAGE,
        )
    hidden = [name for name in names if has_data[name]]
    if hidden:
        raise SheetRefused(
            f" has data only in hidden sheets: {listed(hidden)}.",
            "To import one of them, pass --sheet NAME.",
            tuple(hidden),
            code="sheet",
            on_page=_SHEET_ON_PAGE,
        )
    raise SheetRefused(" contains no data.", "Import a workbook with a header and at least one row.", code="no_rows")


def without_explanations(names: list[str], rows: Callable[[str], Iterable[SheetRows]]) -> list[str]:
    """The sheets without those whose columns all have names that begin with `_`, as in "How to fix" of failed.xlsx.

    Such columns are never read. They are known by their names alone, as any program saves them, under any sheet name.
    Searched from the last sheet, and no further than to the second other one, which is enough to refuse the workbook.
    """
    left, others = list(names), 0
    for name in reversed(names):
        if others == 2:
            break
        first = [cell.strip() for cell in first_row(rows(name)) if cell.strip()]
        if first and all(cell.startswith("_") for cell in first):
            left.remove(name)
        else:
            others += 1
    return left or names


def first_row(blocks: Iterable[SheetRows]) -> Sequence[str]:
    """The first row with text; empty where the sheet cannot be read: it is refused when it is chosen."""
    with suppress(UnreadableWorkbook):
        for block in blocks:
            for row in zip(*block.columns, strict=True):
                if any(map(str.strip, row)):
                    return row
    return ()


def named_sheet(names: tuple[str, ...], wanted: str) -> str:
    """The sheet of this name. Case and the white space around it count only where names differ in nothing else."""
    alike = [name for name in names if name.strip().casefold() == wanted.strip().casefold()]
    if wanted in names or len(alike) == 1:
        return wanted if wanted in names else alike[0]
    from difflib import get_close_matches

    folded = {name.strip().casefold(): name for name in names}
    near = [folded[like] for like in get_close_matches(wanted.strip().casefold(), folded, 1)]
    hint = f"; the nearest is {near[0]!r}" if near and not alike else ""
    raise SheetRefused(f" has no sheet {wanted!r}{hint}.", f"It has: {listed(names)}.", names, code="sheet")


def marked(blocks: Iterable[SheetRows], merged: list[tuple[int, int]]) -> Iterator[SheetRows]:
    """The rows without blank ones, with problems for merged cells, lost letters and control characters."""
    ranges = iter(merged)
    top, bottom = next(ranges, (1 << 40, 0))
    covered = 0
    for block in blocks:
        block, text = encodable(without_blank_rows(unflagged(block)))
        problems = list(block.problems)
        if block.numbers and (covered >= block.numbers[0] or top <= block.numbers[-1]):
            for number in block.numbers:
                while number >= top:
                    covered = max(covered, bottom)
                    top, bottom = next(ranges, (1 << 40, 0))
                if number <= covered:
                    problems.append((number, -1, "merged_cells"))
        if LOST in text:
            problems += [
                (number, place, "lost_letters")
                for place, cells in enumerate(block.columns)
                for number, cell in zip(block.numbers, cells, strict=True)
                if LOST in cell
            ]
        if CONTROLS.search(text):
            problems += [
                (number, place, "control_character")
                for place, cells in enumerate(block.columns)
                for number, cell in zip(block.numbers, cells, strict=True)
                if CONTROLS.search(cell)
            ]
        if block.numbers:
            problems.sort(key=lambda problem: problem[0])
            yield SheetRows(block.numbers, block.columns, problems, block.cost)


def without_blank_rows(block: SheetRows) -> SheetRows:
    """The rows that have a cell with text or a problem."""
    if not block.columns:
        full = [False] * len(block.numbers)
    elif all(map(str.strip, block.columns[0])):
        return block
    else:
        full = [any(map(str.strip, row)) for row in zip(*block.columns, strict=True)]
    if all(full):
        return block
    troubled = {number for number, _, _ in block.problems}
    full = [is_full or number in troubled for number, is_full in zip(block.numbers, full, strict=True)]
    numbers = list(compress(block.numbers, full))
    return SheetRows(numbers, [list(compress(cells, full)) for cells in block.columns], block.problems, block.cost)


def encodable(block: SheetRows) -> tuple[SheetRows, str]:
    """The same rows and all their text, where the halves of letters, as programs escape or cut emojis, are joined or
    lost letters."""
    text = "".join(map("".join, block.columns))
    try:
        text.encode()
    except UnicodeEncodeError:
        columns = [list(map(whole_letters, column)) for column in block.columns]
        return SheetRows(block.numbers, columns, block.problems, block.cost), "".join(map("".join, columns))
    return block, text


def unflagged(block: SheetRows) -> SheetRows:
    """The same rows as plain text; the flags of cells are problems."""
    flagged = [place for place, column in enumerate(block.columns) if Flagged in set(map(type, column))]
    if not flagged:
        return block
    columns, problems = list(block.columns), list(block.problems)
    for place in flagged:
        cells = zip(block.numbers, columns[place], strict=True)
        problems += [(number, place, cell.code) for number, cell in cells if isinstance(cell, Flagged)]
        columns[place] = list(map(str, columns[place]))
    return SheetRows(block.numbers, columns, problems, block.cost)


def watched(blocks: Iterable[SheetRows], sheet: str, kind: str, notes: list[str]) -> Iterator[SheetRows]:
    """The same rows; adds a note for a sheet that is full to its last row."""
    number = 0
    for block in blocks:
        number = block.numbers[-1]
        yield block
    if number >= _FULL.get(kind, _FULL_USUALLY):
        notes.append(
            f"Sheet {sheet!r} is full ({number:,} rows): the export was probably cut off and rows are missing."
        )


def read_xlsx(job: SheetRequest, stream: BinaryIO, out: BinaryIO) -> None:
    """Read Office Open XML, streamed by `xlsx`."""
    workbook = XlsxWorkbook(stream)
    has_data = {} if job.sheet is not None else {sheet.name: workbook.has_data(sheet) for sheet in workbook.sheets}
    parts = {sheet.name: sheet for sheet in reversed(workbook.sheets)}
    visible = [(sheet.name, sheet.is_visible) for sheet in workbook.sheets]
    name = choose_sheet(visible, has_data, job.sheet, lambda name: workbook.rows(parts[name]))
    sheet = parts[name]
    merged = workbook.merged_rows(sheet)
    send(out, SheetOpened(name))
    notes: list[str] = []
    for batch in watched(marked(portions(workbook.rows(sheet), job.size), merged), name, "xlsx", notes):
        send(out, batch)
    notes += hidden_note(name, workbook.hidden_rows)
    send(out, SheetDone(tuple(notes), tuple(sorted(workbook.hidden_columns(sheet)))))


def read_other(job: SheetRequest, stream: BinaryIO, out: BinaryIO) -> None:
    """Read any other format by its module, which is imported only here: most files need none of them."""
    made = getattr(import_module(f"importer.reader.{job.kind}"), _OTHERS[job.kind])
    given = (job.encoding,) if job.kind in WITH_ENCODING else ()
    workbook = made(stream, *given)
    searched: list[str] = []

    def rows_of(name: str) -> Iterable[SheetRows]:
        searched.append(name)
        found: Iterable[SheetRows] = workbook.rows(name)
        return found

    name = choose_sheet(workbook.sheets, workbook.has_data() if job.sheet is None else {}, job.sheet, rows_of)
    if searched:  # what it has counted of other sheets is not of this one
        stream.seek(0)
        workbook = made(stream, *given)
    notes: list[str] = []
    send(out, SheetOpened(name))
    rows = portions(workbook.rows(name), job.size)
    for batch in watched(marked(rows, workbook.merged_rows(name)), name, job.kind, notes):
        send(out, batch)
    notes = [*workbook.notes, *notes, *hidden_note(name, workbook.hidden_rows)]
    send(out, SheetDone(tuple(notes), tuple(sorted(workbook.hidden_columns))))


def hidden_note(name: str, count: int) -> list[str]:
    """A note that counts the rows that the spreadsheet program does not display."""
    rest = "rows; they were" if count > 1 else "row; it was"
    return [f"Sheet {name!r} has {count:,} hidden or filtered {rest} imported too."] if count else []


def read(job: SheetRequest, out: BinaryIO) -> None:
    """Read the sheet and send its rows."""
    with Path(job.path).open("rb") as stream:
        job, opened = unlocked(job, stream)
        if job.kind == "xlsx":
            read_xlsx(job, opened, out)
        else:
            read_other(job, opened, out)


def unlocked(job: SheetRequest, stream: BinaryIO) -> tuple[SheetRequest, BinaryIO]:
    """The request and the stream of the decrypted workbook, where it has a password."""
    if job.kind not in ("encrypted", "xls"):
        return job, stream
    from importer.reader import encrypted

    if job.kind == "xls" and not encrypted.is_encrypted(stream):
        return job, stream
    try:
        opened = encrypted.decrypted(stream, job.password)
    except encrypted.WrongPassword:
        message = " is password protected, and the given password does not open it." if job.password else None
        raise SheetRefused(
            message or " is password protected.", _PASSWORD, code="password", locked=True, on_page=_PASSWORD_ON_PAGE
        ) from None
    kind = job.kind
    if kind == "encrypted":
        kind = workbook_kind(opened, checked_members(opened)) or "xlsx"
        opened.seek(0)
    return msgspec.structs.replace(job, kind=kind), opened


def answer(job: SheetRequest, out: BinaryIO) -> None:
    """Read the sheet. The answer ends with `SheetDone` or `SheetFailed`, whatever the file contains."""
    try:
        read(job, out)
    except SheetRefused as refused:
        send(out, refused.failed)
    except UnreadableWorkbook as error:
        send(out, SheetFailed(f" {error}.", error.advice or _AGAIN, on_page=error.on_page, code=error.code))
    except UnsafeZip as error:
        send(out, SheetFailed(f" {error}.", _AGAIN))
    except BrokenPipeError:
        # The parent stopped reading or ended.
        sys.stderr.close()
    except MemoryError:
        send(out, SheetFailed(" needs more memory than any valid sheet; it was not read.", _AGAIN))
    except Exception as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        send(out, SheetFailed(" is damaged and cannot be parsed.", _AGAIN))


def main() -> None:
    """Read the request from standard input, answer on standard output."""
    # Millions of cells without cycles: garbage collection would take a fifth of the time.
    gc.disable()
    length = int.from_bytes(sys.stdin.buffer.read(4), "little")
    job = msgspec.msgpack.decode(sys.stdin.buffer.read(length), type=SheetRequest)
    end_with_parent(sys.stdin.fileno())
    limit_resources(_MEMORY_STREAMED if job.kind in _STREAMED else _MEMORY_BUILT, _CPU_SECONDS)
    answer(job, sys.stdout.buffer)


if __name__ == "__main__":
    main()
