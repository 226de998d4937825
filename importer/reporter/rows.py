"""The merge of a source's rows with their outcomes, in blocks of columns.

Columns, not rows: a million rows are written quickly only when Python handles whole columns at a time.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Mapping as Map
from datetime import UTC, datetime
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Literal, Protocol

import msgspec

from importer.capillary.codes import lookup
from importer.errors import SourceChanged
from importer.model import FIXED, RESULT_COLUMNS, Outcome, Status, Stretch
from importer.system.text import harmless

if TYPE_CHECKING:
    from pathlib import Path

    from importer.reader.header import Header
    from importer.row_block import RowBlock


class ReportSource(Protocol):
    """What the reports need of a source."""

    @property
    def path(self) -> str: ...
    @property
    def file(self) -> Path: ...
    @property
    def kind(self) -> Literal["text", "workbook", "frame"]: ...
    @property
    def sheet(self) -> str: ...
    @property
    def columns(self) -> tuple[str, ...]: ...
    @property
    def header_row(self) -> int: ...
    @property
    def may_be_fixed(self) -> bool: ...
    @property
    def header(self) -> Header: ...
    def blocks(self, rows: int = ...) -> Iterator[RowBlock]: ...


class ReportBlock(msgspec.Struct):
    """Consecutive rows. `cells`: one list per source column. `stretches`: their outcomes.

    `other`: position → outcome of each row that did not succeed. `overflow`: position → the cells of a row beyond its
    columns. `fixed`: position → the `_fixed` cell of a row that has one.
    """

    row_numbers: Sequence[int]
    cells: Sequence[Sequence[str]]
    stretches: list[Stretch]
    other: dict[int, Outcome]
    overflow: dict[int, list[str]]
    fixed: dict[int, str]
    #: Cells that rules or edits have changed.
    changed: int = 0


def blocks(source: ReportSource, stretches: Iterable[Stretch], rows: int = 2000) -> Iterator[ReportBlock]:
    """Yield every row of the source exactly once; a row without an outcome is `unprocessed`.

    Raises `SourceChanged` for an outcome of a row that the source does not have: it is not the source of the run.
    """
    coming = _OutcomeQueue(stretches)
    for block in source.blocks(rows):
        row_numbers = block.cells.row_numbers
        found = coming.up_to(row_numbers[-1])
        if not _cover(found, row_numbers):
            found = _with_open_rows(source, row_numbers, found)
        other = _other(found)
        yield ReportBlock(
            row_numbers,
            block.cells.columns,
            found,
            other,
            _overflow(block, row_numbers, other),
            fixed_cells(block, row_numbers),
            sum(map(len, block.fixed.values())),
        )
    left = coming.up_to(sys.maxsize)
    if left:
        raise _not_in(source, left[0].outcome)


def _cover(stretches: Sequence[Stretch], row_numbers: Sequence[int]) -> bool:
    """Whether these are the outcomes of exactly these rows. Both ascend; without gaps, comparing the ends suffices."""
    if not stretches:
        return False
    first, last = stretches[0].outcome.row_number, stretches[-1].numbers[-1]
    if sum(stretch.rows for stretch in stretches) != len(row_numbers) or first != row_numbers[0]:
        return False
    if last - first + 1 == len(row_numbers) and last == row_numbers[-1]:
        return True
    return list(chain.from_iterable(stretch.numbers for stretch in stretches)) == list(row_numbers)


class _OutcomeQueue:
    """The outcomes in the order of the sheet, taken up to a row number."""

    def __init__(self, stretches: Iterable[Stretch]) -> None:
        self._stretches = iter(stretches)
        self._next = next(self._stretches, None)

    def up_to(self, last: int) -> list[Stretch]:
        found = []
        while (stretch := self._next) is not None and stretch.outcome.row_number <= last:
            beyond = stretch.numbers.stop - 1 - last
            if beyond > 0:
                rest = msgspec.structs.replace(stretch.outcome, row_number=last + 1)
                found.append(Stretch(stretch.outcome, stretch.rows - beyond))
                self._next = Stretch(rest, beyond)
                break
            found.append(stretch)
            self._next = next(self._stretches, None)
        return found


def _with_open_rows(source: ReportSource, row_numbers: Sequence[int], stretches: Sequence[Stretch]) -> list[Stretch]:
    """Return the outcomes, with `unprocessed` for rows that have none."""
    known = {outcome.row_number: outcome for stretch in stretches for outcome in stretch.outcomes()}
    strange = known.keys() - set(row_numbers)
    if strange:
        raise _not_in(source, known[min(strange)])
    open_row = Outcome(0, Status.UNPROCESSED, "not_reached")
    return [
        Stretch(known.get(number) or msgspec.structs.replace(open_row, row_number=number)) for number in row_numbers
    ]


def _other(stretches: Sequence[Stretch]) -> dict[int, Outcome]:
    """Return the outcomes of the rows that did not succeed, by position."""
    found: dict[int, Outcome] = {}
    position = 0
    for stretch in stretches:
        if stretch.outcome.status is not Status.SUCCEEDED:
            found.update(enumerate(stretch.outcomes(), position))
        position += stretch.rows
    return found


def result_cells(outcome: Outcome, sheet: str) -> list[str]:
    """Return the result columns of a row, in the order of `model.RESULT_COLUMNS`."""
    return [
        sheet,
        str(outcome.row_number),
        outcome.status.value,
        outcome.code,
        # The journal of an earlier version has the texts of the server as they came.
        harmless(message_of(outcome)),
        harmless(advice_of(outcome)),
        harmless("; ".join(outcome.warnings)),
        str(outcome.attempts),
        harmless(outcome.request_id),
        stamp_of(outcome.at),
    ]


def header_of(source: ReportSource) -> list[str]:
    """Return the names of a report's columns: the source's, then the result columns."""
    return [*source.columns, *RESULT_COLUMNS, *([FIXED] if source.may_be_fixed else [])]


def fixed_cells(block: RowBlock, row_numbers: Sequence[int]) -> dict[int, str]:
    """Return position → the `_fixed` cell of each row that has one."""
    if not block.fixed:
        return {}
    before = block.fixed
    return {
        at: harmless(json.dumps(before[number], ensure_ascii=False))
        for at, number in enumerate(row_numbers)
        if number in before
    }


def message_of(outcome: Outcome) -> str:
    """Return the server's message, or the catalogue's meaning where it sent none."""
    if outcome.message or outcome.status is Status.SUCCEEDED:
        return outcome.message
    return lookup(outcome.code).meaning


def advice_of(outcome: Outcome) -> str:
    """Return what to do about the row; for a success with warnings, about the warnings."""
    if outcome.advice:
        return outcome.advice
    if outcome.status is not Status.SUCCEEDED:
        return lookup(outcome.code).advice
    return " ".join(dict.fromkeys(lookup(warning).advice for warning in outcome.warnings))


@lru_cache(maxsize=1024)
def stamp_of(milliseconds: int) -> str:
    """Return ISO 8601 in UTC; "" for 0."""
    if not milliseconds:
        return ""
    text = datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def _overflow(block: RowBlock, row_numbers: Sequence[int], other: Map[int, Outcome]) -> dict[int, list[str]]:
    """Return the cells of rows beyond their columns, and an instruction where a report cannot show the problem."""
    found: dict[int, list[str]] = {}
    for at, outcome in other.items():
        if outcome.code == "preference_is_a_date":
            # Among fewer rows, no range may be left that shows what the date was.
            found[at] = [to_fill_in(column) for column in outcome.columns]
    if not block.problems:
        return found
    positions = {number: position for position, number in enumerate(row_numbers)}
    for problem in block.problems:
        position = positions.get(problem.row_number)
        if position is None:
            continue
        if problem.column is not None:
            if position not in other or problem.column not in other[position].columns:
                continue
            word = to_fill_in(problem.column)
        elif problem.value or problem.code in ("ragged_row", "short_row", "merged_cells"):
            word = problem.value or "incomplete: fix this row and clear this cell"
        else:
            continue
        if word not in found.setdefault(position, []):
            found[position].append(word)
    return found


def to_fill_in(column: str) -> str:
    """What a cell without a column name says, so that its row is rejected until it is fixed."""
    return f"fill in “{column}” and clear this cell"


def _not_in(source: ReportSource, outcome: Outcome) -> SourceChanged:
    return SourceChanged(
        f"The run has a result for row {outcome.row_number}, which {source.path} does not contain.",
        "Put the original file back, then run `importer report` again.",
        on_page="Upload the file again to import it.",
    )
