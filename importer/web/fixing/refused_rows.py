"""The rows of an upload that the API refused in its newest run: they need a decision like those of the check."""

from __future__ import annotations

from collections.abc import Mapping as Map
from collections.abc import Sequence
from pathlib import Path

import msgspec

from importer.errors import JournalError
from importer.journal import Journal
from importer.journal.edits import edits_of
from importer.model import Outcome, Problem, Status
from importer.normaliser.fixing import Fixing
from importer.reporter.rows import advice_of, message_of
from importer.row_block import RowBlock
from importer.runs.record import mapping_of
from importer.settings.options import Settings


class RefusedRow(msgspec.Struct, frozen=True):
    """What the API said of a row, and the row's cells as they were sent."""

    problem: Problem
    sent: tuple[str, ...]


class RefusedRows:
    """`outcomes`: of the rows that were refused. `fixing`: the rules and edits of their run."""

    def __init__(self, outcomes: Map[int, Outcome], fixing: Fixing) -> None:
        self._outcomes = outcomes
        self._fixing = fixing

    def of(self, block: RowBlock) -> dict[int, RefusedRow]:
        """Those of a block, by row number."""
        raw = block.raw or block
        numbers = raw.cells.row_numbers
        keep = [number in self._outcomes for number in numbers]
        if not any(keep):
            return {}
        was = self._fixing(raw.only(keep)).cells
        rows = zip(was.row_numbers, zip(*was.columns, strict=True), strict=True)
        return {number: _refused(self._outcomes[number], was.names, cells) for number, cells in rows}


def _refused(outcome: Outcome, names: Sequence[str], cells: tuple[str, ...]) -> RefusedRow:
    column = next((name for name in outcome.columns if name in names), None)
    value = cells[names.index(column)] if column is not None else ""
    problem = Problem(outcome.row_number, column, value, outcome.code, message_of(outcome), advice_of(outcome))
    return RefusedRow(problem, cells)


def refused_in(path: str, settings: Settings) -> RefusedRows | None:
    """The rows of this upload that its newest run ended with as failed; None without any."""
    try:
        with Journal.open(Path(settings.reports_dir), settings.database or None) as journal:
            run = next((run for run in journal.runs() if run.record.source == path), None)
            if run is None or not run.finished or run.progress.purged is not None:
                return None
            found = {one.row_number: one for one in journal.outcomes(run.key) if one.status is Status.FAILED}
            country = run.record.settings.country or None
            fixing = Fixing(mapping_of(run), edits_of(journal, run), country=country)
            return RefusedRows(found, fixing) if found else None
    except JournalError:
        return None  # the check does without
