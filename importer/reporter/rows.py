"""The merge: a source's rows, each with its outcome beside it, in blocks of columns.

Columns, not rows: a million rows are written at the speed of C only when Python touches whole columns at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
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
    def chunks(self, rows: int = ...) -> Iterator[Chunk]: ...


class Block(msgspec.Struct):
    """A stretch of rows: `cells` holds one list for each source column, `outcomes` one entry for each row.

    `overflow`: position → cells that a ragged row has beyond the header.
    """

    row_numbers: list[int]
    cells: list[list[str]]
    outcomes: list[Outcome]
    overflow: dict[int, list[str]]


def blocks(source: Rows, outcomes: Iterable[Outcome], rows: int = 5000) -> Iterator[Block]:
    """Every row of the source exactly once; one without an outcome is `unprocessed`.

    An outcome for a row that the source does not have means that this is not the source of the run.
    """
    coming = iter(outcomes)
    outcome = next(coming, None)
    for chunk in source.chunks(rows):
        row_numbers = [int(number) for number in chunk.frame.index.tolist()]
        found: list[Outcome] = []
        for number in row_numbers:
            if outcome is not None and outcome.row_number == number:
                found.append(outcome)
                outcome = next(coming, None)
            elif outcome is None or outcome.row_number > number:
                found.append(Outcome(number, Status.UNPROCESSED, "not_reached"))
            else:
                raise _not_in(source, outcome)
        yield Block(
            row_numbers,
            [chunk.frame.iloc[:, position].tolist() for position in range(len(chunk.frame.columns))],
            found,
            _overflow(chunk, row_numbers),
        )
    if outcome is not None:
        raise _not_in(source, outcome)


def result_columns(block: Block, sheet: str) -> list[list[str] | list[int]]:
    """The result columns of a block, in the order of `model.RESULT_COLUMNS`."""
    statuses, codes, messages, advices, warnings, attempts, request_ids, stamps = [], [], [], [], [], [], [], []
    at, stamp = -1, ""
    for outcome in block.outcomes:
        status = outcome.status
        statuses.append(status.value)
        codes.append(outcome.code)
        if status is Status.SUCCEEDED and not outcome.warnings:
            messages.append(outcome.message)
            advices.append(outcome.advice)
            warnings.append("")
        else:
            messages.append(message_of(outcome))
            advices.append(advice_of(outcome))
            warnings.append("; ".join(outcome.warnings))
        attempts.append(outcome.attempts)
        request_ids.append(outcome.request_id)
        if outcome.at != at:
            at, stamp = outcome.at, stamp_of(outcome.at)
        stamps.append(stamp)
    return [
        [sheet] * len(statuses),
        block.row_numbers,
        statuses,
        codes,
        messages,
        advices,
        warnings,
        attempts,
        request_ids,
        stamps,
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


def stamp_of(milliseconds: int) -> str:
    """ISO 8601, UTC; nothing for a row that never came to pass."""
    if not milliseconds:
        return ""
    text = datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def _overflow(chunk: Chunk, row_numbers: list[int]) -> dict[int, list[str]]:
    ragged = [problem for problem in chunk.problems if problem.code == "ragged_row" and problem.column is None]
    if not ragged:
        return {}
    positions = {number: position for position, number in enumerate(row_numbers)}
    return {
        positions[problem.row_number]: problem.value.split("\x1f")
        for problem in ragged
        if problem.value and problem.row_number in positions
    }


def _not_in(source: Rows, outcome: Outcome) -> SourceChanged:
    return SourceChanged(
        f"The run has an outcome for row {outcome.row_number}, which {source.path} does not have.",
        "Put back the file that the run began with, then type `importer report` again.",
    )
