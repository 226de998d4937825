"""Judges edited rows by the normaliser of the run, alone: what a row would send, or every problem of it."""

from __future__ import annotations

from collections.abc import Mapping as Map
from typing import Literal, cast

import msgspec

from importer.model import Customer, Problem
from importer.normaliser.fixing import Edits, Fixing
from importer.normaliser.normaliser import Normaliser
from importer.web.fixing.problem_rows import OPEN, OUT, READY, JudgedAs, StoredRow, block_of


class JudgedRow(msgspec.Struct, frozen=True):
    """`cells`: after rules and edits. `fixed`: column → what the file has. `customer`: what would be sent."""

    row: int
    state: int
    cells: tuple[str, ...]
    fixed: dict[str, str]
    problems: tuple[Problem, ...]
    customer: Customer | None = None


class Judge:
    """For the rows of one check. Used by one thread at a time."""

    def __init__(self, judged: JudgedAs) -> None:
        self.judged = judged
        self._normaliser = Normaliser(
            judged.mapping,
            country=judged.country or None,
            blank=cast(Literal["skip", "clear"], judged.blank),
            fields=judged.fields or None,
            invalid_identifiers=cast(Literal["reject", "omit"], judged.invalid_identifiers),
        )

    def rows(self, stored: Map[int, StoredRow], edits: Edits) -> list[JudgedRow]:
        """Each row by itself: rows of a long sheet are judged without those around them."""
        fixing = Fixing(self.judged.mapping, edits, country=self.judged.country or None)
        return [self._row(number, row, fixing) for number, row in stored.items()]

    def _row(self, number: int, row: StoredRow, fixing: Fixing) -> JudgedRow:
        block = fixing(block_of(self.judged, {number: row}))
        found, last = self._normaliser(block), self._normaliser.finish()
        customers = [*found.customers, *last.customers]
        cells = tuple([column[0] for column in block.cells.columns])
        fixed = dict(block.fixed.get(number, {}))
        if found.left_out:
            return JudgedRow(number, OUT, cells, fixed, tuple(found.left_out))
        if found.problems:
            return JudgedRow(number, OPEN, cells, fixed, tuple(found.problems))
        if row.refused is not None and cells == row.refused.sent:
            return JudgedRow(number, OPEN, cells, fixed, (row.refused.problem,))
        return JudgedRow(number, READY, cells, fixed, (), customers[0] if customers else None)
