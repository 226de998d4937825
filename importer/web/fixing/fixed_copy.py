"""The sheet of an upload with rules and edits applied, for people to keep: a workbook, or a CSV of a text.

It is a report for the reader: guards come off again, every cell is text, and what was fixed is not fixed twice.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from contextlib import closing
from itertools import compress
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from importer.model import FIXED, Status
from importer.reader import open_source
from importer.reporter.plain_workbook import PlainWorkbook
from importer.reporter.rows import ReportSource, fixed_cells, to_fill_in
from importer.row_block import RowBlock
from importer.runs.record import choose_mapping, source_options
from importer.runs.sources import fix
from importer.settings.options import Settings
from importer.system.formula_guard import guard
from importer.web.fixing.edits import edition_in, edits_in
from importer.web.fixing.problem_rows import OPEN, OUT, ProblemRows
from importer.world import World

_ROWS_AT_ONCE = 2_000
#: The columns after those of the sheet. The last has no name: what is in it keeps the row from being sent.
_OWN = ("_sheet", "_row", "_status", FIXED, "")


class FixedCopy(msgspec.Struct, frozen=True):
    """`fixed.json`: the file with the copy, and of which fixes it is; or why there is none."""

    name: str = ""
    stamp: str = ""
    fault: tuple[str, str] = ("", "")


def stamp_of(folder: Path) -> str:
    """What the copy of an upload depends on: its edits and its mapping."""
    mapping = (folder / "mapping.toml").read_bytes()
    return f"{edition_in(folder)}-{hashlib.sha256(mapping).hexdigest()[:16]}"


def make_copy(path: str, folder: Path, settings: Settings, world: World) -> FixedCopy:
    """Write the copy into the folder, without the rows that are left out. Raises `ImporterError`."""
    stamp = stamp_of(folder)
    with closing(ProblemRows(folder)) as rows:
        marked = rows.in_state(OUT), rows.in_state(OPEN)
    with (
        TemporaryDirectory(dir=folder, prefix="fixed-") as scratch,
        open_source(path, source_options(settings, world.environ)) as source,
    ):
        fix(source, choose_mapping(source, settings), settings, edits_in(folder))
        made = Path(scratch) / "copy"
        is_workbook = source.kind == "workbook" and _write_workbook(source, marked, made)
        if not is_workbook:
            _write_csv(source, marked, made)
        name = "fixed.xlsx" if is_workbook else "fixed.csv"
        made.replace(folder / name)
    return FixedCopy(name, stamp)


#: The rows that are left out, and those that still have a problem.
_Marked = tuple[frozenset[int], frozenset[int]]


def _write_workbook(source: ReportSource, marked: _Marked, path: Path) -> bool:
    """Each row stays where it is. False where a workbook cannot hold the sheet."""
    book = PlainWorkbook(path.parent, source, _OWN)
    for numbers, columns in _blocks(source, marked):
        book.add(numbers, columns)
    return book.finish(path)


def _write_csv(source: ReportSource, marked: _Marked, path: Path) -> None:
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*map(guard, source.columns), *_OWN])
        for _, columns in _blocks(source, marked):
            writer.writerows(zip(*[map(guard, cells) for cells in columns], strict=True))


def _blocks(source: ReportSource, marked: _Marked) -> Iterator[tuple[list[int], list[list[str]]]]:
    """The rows that are not left out: their numbers, and their cells by column, those of `_OWN` last."""
    out, still_open = marked
    for block in source.blocks(_ROWS_AT_ONCE):
        numbers = block.cells.row_numbers
        keep = [number not in out for number in numbers]
        if any(keep):
            columns = [*block.cells.columns, *_own_columns(source.sheet, block, still_open)]
            yield list(compress(numbers, keep)), [list(compress(cells, keep)) for cells in columns]


def _own_columns(sheet: str, block: RowBlock, still_open: frozenset[int]) -> list[list[str]]:
    """The cells of `_OWN`. What an earlier report says was done stays done. What only the reader could see, like a
    rounded number, is text in the copy: such a row says that it must be fixed."""
    lost: dict[int, list[str]] = {}
    for problem in block.problems:
        if problem.row_number in still_open:
            word = to_fill_in(problem.column) if problem.column is not None else problem.message
            lost.setdefault(problem.row_number, []).append(word)
    numbers = block.cells.row_numbers
    fixed = fixed_cells(block, numbers)
    states = [Status.SKIPPED if number in block.closed else Status.UNPROCESSED for number in numbers]
    return [
        [sheet] * len(numbers),
        list(map(str, numbers)),
        [state.value for state in states],
        [fixed.get(at, "") for at in range(len(numbers))],
        ["; ".join(lost.get(number, ())) for number in numbers],
    ]
