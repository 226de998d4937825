"""The merge: a source's rows, each with its outcome beside it, in blocks of columns.

Columns, not rows: a million rows are written at the speed of C only when Python touches whole columns at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from itertools import chain, islice
from typing import Literal, Protocol

import msgspec

from importer.codes import lookup
from importer.errors import SourceChanged
from importer.model import Chunk, Outcome, Status


class Rows(Protocol):
    """What a report needs of a source."""

    @property
    def path(self) -> str: ...
    @property
    def kind(self) -> Literal["text", "workbook", "frame"]: ...
    @property
    def sheet(self) -> str: ...
    @property
    def columns(self) -> tuple[str, ...]: ...
    @property
    def header_row(self) -> int: ...
    def chunks(self, rows: int = ...) -> Iterator[Chunk]: ...


class Block(msgspec.Struct):
    """A stretch of rows: `cells` holds one list for each source column, `outcomes` one entry for each row.

    `other`: the positions of the rows that did not succeed, few as a rule. `overflow`: position → the cells of a row
    that belong to no column.
    """

    row_numbers: list[int]
    cells: list[list[str]]
    outcomes: list[Outcome]
    other: list[int]
    overflow: dict[int, list[str]]


def blocks(source: Rows, outcomes: Iterable[Outcome], rows: int = 5000) -> Iterator[Block]:
    """Every row of the source exactly once; one without an outcome is `unprocessed`.

    An outcome for a row that the source does not have means that this is not the source of the run.
    """
    coming: Iterator[Outcome] = iter(outcomes)
    for chunk in source.chunks(rows):
        frame = chunk.frame
        row_numbers: list[int] = frame.index.tolist()
        found = list(islice(coming, len(row_numbers)))
        if [outcome.row_number for outcome in found] != row_numbers:
            found, left = _merged(source, row_numbers, found)
            coming = chain(left, coming)
        succeeded = Status.SUCCEEDED
        yield Block(
            row_numbers,
            [frame.iloc[:, position].tolist() for position in range(len(frame.columns))],
            found,
            [n for n, outcome in enumerate(found) if outcome.status is not succeeded],
            _overflow(chunk, row_numbers, found),
        )
    for outcome in coming:
        raise _not_in(source, outcome)


def _merged(
    source: Rows, row_numbers: Sequence[int], outcomes: Sequence[Outcome]
) -> tuple[list[Outcome], list[Outcome]]:
    """An outcome for each row, and the outcomes that belong to later rows."""
    found: list[Outcome] = []
    position = 0
    for number in row_numbers:
        outcome = outcomes[position] if position < len(outcomes) else None
        if outcome is None or outcome.row_number > number:
            found.append(Outcome(number, Status.UNPROCESSED, "not_reached"))
        elif outcome.row_number == number:
            found.append(outcome)
            position += 1
        else:
            raise _not_in(source, outcome)
    return found, list(outcomes[position:])


def result_cells(outcome: Outcome, sheet: str) -> list[str]:
    """The result columns of a row, in the order of `model.RESULT_COLUMNS`."""
    return [
        sheet,
        str(outcome.row_number),
        outcome.status.value,
        outcome.code,
        message_of(outcome),
        advice_of(outcome),
        "; ".join(outcome.warnings),
        str(outcome.attempts),
        outcome.request_id,
        stamp_of(outcome.at),
    ]


def message_of(outcome: Outcome) -> str:
    """The server's words, or the catalogue's where it sent none."""
    if outcome.message or outcome.status is Status.SUCCEEDED:
        return outcome.message
    return lookup(outcome.code).meaning


def advice_of(outcome: Outcome) -> str:
    """What to do about the row; for a success with a warning, about the warning."""
    if outcome.advice:
        return outcome.advice
    if outcome.status is not Status.SUCCEEDED:
        return lookup(outcome.code).advice
    return " ".join(dict.fromkeys(lookup(warning).advice for warning in outcome.warnings))


@lru_cache(maxsize=1024)
def stamp_of(milliseconds: int) -> str:
    """ISO 8601, UTC; nothing for a row that never came to pass."""
    if not milliseconds:
        return ""
    text = datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def _overflow(chunk: Chunk, row_numbers: list[int], outcomes: Sequence[Outcome]) -> dict[int, list[str]]:
    """What a row has beyond its columns; a word for what a report cannot show (a missing cell, an error)."""
    found: dict[int, list[str]] = {}
    if not chunk.problems:
        return found
    positions = {number: position for position, number in enumerate(row_numbers)}
    for problem in chunk.problems:
        position = positions.get(problem.row_number)
        if position is None:
            continue
        if problem.column is not None:
            if problem.column not in outcomes[position].columns:
                continue
            word = f"fill in “{problem.column}” and empty this cell"
        elif problem.value or problem.code == "ragged_row":
            word = problem.value or "incomplete: mend this row and empty this cell"
        else:
            continue
        found.setdefault(position, []).append(word)
    return found


def _not_in(source: Rows, outcome: Outcome) -> SourceChanged:
    return SourceChanged(
        f"The run has an outcome for row {outcome.row_number}, which {source.path} does not have.",
        "Put back the file that the run began with, then type `importer report` again.",
    )
