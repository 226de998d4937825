"""The feed: a source's blocks, normalised, as customers for the lanes and outcomes for rows that are not sent.

A separate thread reads and normalises, one portion ahead of the sending. Of rows that are not sent, like those with an
outcome from an earlier process, only the identifiers are read: they may link other rows.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import msgspec
import numpy as np
import pandas as pd

from importer.chunker.lanes import REMEMBERED, keys_of
from importer.journal import RunProgress
from importer.model import Customer, Outcome, Problem, Repair, Status
from importer.normaliser.normaliser import Normalised, Normaliser
from importer.reader import Source
from importer.row_block import RowBlock
from importer.sender.work import Portion

#: Rows read at once: large enough for the columns to be worth it, small enough not to hold up the sending.
ROWS_AT_ONCE = 2000


class Selection(msgspec.Struct, frozen=True):
    """Which rows are sent. A byte per row number: 1 in `decided` if a row has its outcome, 1 in `left_out` if it is not
    sent although it has none (None: no such row)."""

    skip_rows: int = 0
    limit: int = 0
    decided: bytearray = bytearray()
    left_out: bytearray | None = None
    #: Skip the rows that an uploaded report of an earlier run calls closed.
    resubmit: bool = False


class SheetFeed:
    """Portions of a source, in the sheet's order. Counts rows on the way.

    `so_far`: given if the rows are sent. Repairs are counted from there, and rows that are not sent report what they
    link. `sift`: takes unchanged customers out of a portion.
    """

    def __init__(
        self,
        source: Source,
        normaliser: Normaliser,
        selection: Selection,
        wall: Callable[[], int],
        rows_read: Callable[[int], None] = lambda _: None,
        so_far: RunProgress | None = None,
        sift: Callable[[Portion], Portion] = lambda portion: portion,
    ) -> None:
        self._source = source
        self._normaliser = normaliser
        self._selection = selection
        self._wall = wall
        self._rows_read = rows_read
        self._sift = sift
        self._sends = so_far is not None
        self._repairs = Counter(so_far.repairs if so_far is not None else {})
        self._repaired_to = so_far.repaired_to if so_far is not None else 0
        self.rows = 0

    async def __aiter__(self) -> AsyncIterator[Portion]:
        portions = self.portions()
        loop = asyncio.get_running_loop()
        # One thread: when the run stops, leaving this block waits for the portion that is being read.
        with ThreadPoolExecutor(1, thread_name_prefix="reader") as executor:
            while (portion := await loop.run_in_executor(executor, next, portions, None)) is not None:
                yield portion

    def portions(self) -> Iterator[Portion]:
        """The portions, read in the calling thread."""
        for block in self._source.blocks(ROWS_AT_ONCE):
            row_numbers = block.frame.index.to_numpy()
            order = np.arange(self.rows, self.rows + len(row_numbers))
            self.rows += len(row_numbers)
            self._rows_read(len(row_numbers))
            open_rows = ~_marked(self._selection.decided, row_numbers)
            sent, skipped = self._chosen(row_numbers, order, block.closed)
            outcomes = self._left_out(row_numbers, open_rows, skipped)
            keep = open_rows & sent
            links: list[list[int]] = []
            if self._sends and not keep.all():
                self._count_decided(block, row_numbers, sent & ~open_rows)
                links = self._links(block, row_numbers, order, keep)
            normalised = self._normaliser(_only(block, keep))
            self._count(normalised.repairs, int(row_numbers[-1]) if len(row_numbers) else 0)
            yield self._portion(normalised, outcomes, links)
        yield self._portion(self._normaliser.finish(), [], [])

    def _count(self, repairs: list[Repair], read_to: int) -> None:
        before = self._repaired_to
        self._repairs.update(repair.code for repair in repairs if repair.row_number > before)
        self._repaired_to = max(before, read_to)

    def _count_decided(self, block: RowBlock, row_numbers: np.ndarray, decided: np.ndarray) -> None:
        """The repairs of rows that an earlier process sent without recording their number."""
        uncounted = decided & (row_numbers > self._repaired_to)
        if uncounted.any():
            self._count(self._normaliser.repairs_of(_only(block, uncounted)), 0)

    def _links(self, block: RowBlock, row_numbers: np.ndarray, order: np.ndarray, keep: np.ndarray) -> list[list[int]]:
        """The links between identifiers in rows that are not sent. Only as far back as the lanes remember: in a sheet
        that was mostly sent before, only rows near one that is still to be sent."""
        if not self._near_open(row_numbers):
            return []
        selection = self._selection
        told = ~keep & (order >= selection.skip_rows - REMEMBERED)
        if selection.limit:
            told &= order < selection.skip_rows + selection.limit
        customers = self._normaliser.known_by(RowBlock(block.frame[told]))
        return [keys for keys in map(keys_of, customers) if len(keys) > 1]

    def _near_open(self, row_numbers: np.ndarray) -> bool:
        """Whether one of these rows, or one not far behind them, may be sent."""
        first, last = int(row_numbers[0]), int(row_numbers[-1]) + REMEMBERED
        for marks in (self._selection.decided, self._selection.left_out or b""):
            if last < len(marks) and marks.find(0, first, last) < 0:
                return False
        return True

    def _chosen(
        self, row_numbers: np.ndarray, order: np.ndarray, closed: frozenset[int]
    ) -> tuple[np.ndarray, list[tuple[np.ndarray, str]]]:
        """The rows that are sent, and the others with the reason."""
        selection = self._selection
        reasons: list[tuple[np.ndarray, str]] = []
        sent = np.ones(len(row_numbers), dtype=bool)
        if selection.skip_rows:
            reasons.append((order < selection.skip_rows, "skipped_rows"))
        if selection.limit:
            reasons.append((order >= selection.skip_rows + selection.limit, "over_limit"))
        if selection.left_out is not None:
            reasons.append((_marked(selection.left_out, row_numbers), "not_chosen"))
        if selection.resubmit and closed:
            reasons.append((np.isin(row_numbers, list(closed)), "already_succeeded"))
        told: list[tuple[np.ndarray, str]] = []
        for rows, code in reasons:
            told.append((rows & sent, code))
            sent &= ~rows
        return sent, told

    def _left_out(
        self, row_numbers: np.ndarray, open_rows: np.ndarray, skipped: list[tuple[np.ndarray, str]]
    ) -> list[Outcome]:
        at = self._wall()
        return [
            Outcome(int(row), Status.SKIPPED, code, at=at)
            for rows, code in skipped
            for row in row_numbers[rows & open_rows]
        ]

    def _portion(self, normalised: Normalised, outcomes: list[Outcome], links: list[list[int]]) -> Portion:
        outcomes = outcomes + rejections(normalised.problems, self._wall())
        portion = Portion(normalised.customers, outcomes, links, dict(self._repairs), self._repaired_to)
        return self._sift(portion)

    def customers_of(self, wanted: set[int]) -> dict[int, Customer]:
        """The customers whose first row is wanted, by that row: for batches that are sent again as they were.

        `wanted` holds every row of those customers; no other row is normalised.
        """
        found: dict[int, Customer] = {}
        last = max(wanted, default=0)
        marks = bytearray(last + 1)
        for row in wanted:
            marks[row] = 1
        for block in self._source.blocks(ROWS_AT_ONCE):
            row_numbers = block.frame.index.to_numpy()
            if len(row_numbers) and row_numbers[0] > last:
                break
            keep = _marked(marks, row_numbers)
            if keep.any():
                for customer in self._normaliser(_only(block, keep)).customers:
                    found[customer.row_number] = customer
        for customer in self._normaliser.finish().customers:
            found[customer.row_number] = customer
        return found


def rejections(problems: Iterable[Problem], at: int) -> list[Outcome]:
    """One outcome per row from all of its problems: the code of the first, the messages of all."""
    by_row: dict[int, list[Problem]] = {}
    for problem in problems:
        by_row.setdefault(problem.row_number, []).append(problem)
    return [
        Outcome(
            row_number,
            Status.REJECTED,
            found[0].code,
            "; ".join(dict.fromkeys(problem.message for problem in found)),
            " ".join(dict.fromkeys(problem.advice for problem in found if problem.advice)),
            tuple(dict.fromkeys(problem.column for problem in found if problem.column)),
            at=at,
        )
        for row_number, found in sorted(by_row.items())
    ]


def _marked(marks: bytearray, row_numbers: np.ndarray) -> np.ndarray:
    """Which of these rows have their byte set; rows beyond the end do not."""
    if not len(marks):
        return np.zeros(len(row_numbers), dtype=bool)
    found = np.frombuffer(marks, dtype=np.uint8)
    inside = row_numbers < len(found)
    return np.where(inside, found[np.minimum(row_numbers, len(found) - 1)], 0).astype(bool)


def _only(block: RowBlock, keep: np.ndarray) -> RowBlock:
    if keep.all():
        return block
    frame: pd.DataFrame = block.frame[keep]
    kept = set(frame.index.tolist()) if block.problems else set()
    return RowBlock(frame, tuple(problem for problem in block.problems if problem.row_number in kept), block.closed)
