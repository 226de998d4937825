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

from importer.chunker.lanes import REMEMBERED, keys_of
from importer.journal import RunProgress
from importer.model import LEFT_OUT, Customer, Outcome, Problem, Repair, Status
from importer.normaliser.normaliser import Normalised, Normaliser
from importer.reader import Source
from importer.row_block import RowBlock
from importer.sender.work import Portion

#: Rows read at once: large enough for the columns to be worth it, small enough not to hold up the sending.
ROWS_AT_ONCE = 2000
#: Codes of rows that are skipped whatever they contain.
CHOSEN_CODES = frozenset(("skipped_rows", "over_limit", "not_chosen"))


class Selection(msgspec.Struct, frozen=True):
    """Which rows are sent. A byte per row number: 1 in `decided` if a row has its outcome, 1 in `left_out` if it is not
    sent although it has none (None: no such row)."""

    skip_rows: int = 0
    limit: int = 0
    decided: bytearray = bytearray()
    left_out: bytearray | None = None
    #: Skip the rows that an uploaded report of an earlier run calls closed.
    resubmit: bool = False


def skip_codes(selection: Selection, row_numbers: list[int], first: int, closed: frozenset[int]) -> list[str]:
    """The code of each row that is skipped, "" for the others. `first`: the number of rows before these."""
    codes = [""] * len(row_numbers)

    def skip(rows: Iterable[object], code: str) -> None:
        for at, skipped in enumerate(rows):
            if skipped and not codes[at]:
                codes[at] = code

    orders = range(first, first + len(row_numbers))
    if selection.skip_rows > first:
        skip((order < selection.skip_rows for order in orders), "skipped_rows")
    if selection.limit:
        skip((order >= selection.skip_rows + selection.limit for order in orders), "over_limit")
    if selection.left_out is not None:
        skip(_marked(selection.left_out, row_numbers), "not_chosen")
    if selection.resubmit and closed:
        skip((row in closed for row in row_numbers), "already_succeeded")
    return codes


def linking_rows(selection: Selection, first: int, keep: list[bool]) -> list[bool]:
    """Which rows are not sent but may link rows that are: not those long before, and none behind the last."""
    least = selection.skip_rows - REMEMBERED
    limit = selection.skip_rows + selection.limit if selection.limit else first + len(keep)
    return [not sent and least <= order < limit for order, sent in enumerate(keep, start=first)]


def links_of(block: RowBlock, normaliser: Normaliser) -> list[list[int]]:
    """The links between identifiers in these rows, which are not sent."""
    return [keys for keys in map(keys_of, normaliser.known_by(block)) if len(keys) > 1]


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
            row_numbers, first = block.row_numbers, self.rows
            self.rows += len(row_numbers)
            self._rows_read(len(row_numbers))
            decided = _marked(self._selection.decided, row_numbers)
            codes = skip_codes(self._selection, row_numbers, first, block.closed)
            keep = [not done and not code for done, code in zip(decided, codes, strict=True)]
            outcomes: list[Outcome] = []
            links: list[list[int]] = []
            if not all(keep):
                outcomes = self._skipped(row_numbers, decided, codes)
                if self._sends:
                    self._count_decided(block, [done and not code for done, code in zip(decided, codes, strict=True)])
                    links = self._links(block, row_numbers, first, keep)
                block = block.only(keep)
            normalised = self._normaliser(block)
            self._count(normalised.repairs, row_numbers[-1] if row_numbers else 0)
            yield self._portion(normalised, outcomes, links)
        yield self._portion(self._normaliser.finish(), [], [])

    def _count(self, repairs: list[Repair], read_to: int) -> None:
        before = self._repaired_to
        self._repairs.update(repair.code for repair in repairs if repair.row_number > before)
        self._repaired_to = max(before, read_to)

    def _count_decided(self, block: RowBlock, decided: list[bool]) -> None:
        """Count the repairs of rows that an earlier process sent without recording their number."""
        uncounted = [done and row > self._repaired_to for done, row in zip(decided, block.row_numbers, strict=True)]
        if any(uncounted):
            self._count(self._normaliser.repairs_of(block.only(uncounted)), 0)

    def _links(self, block: RowBlock, row_numbers: list[int], first: int, keep: list[bool]) -> list[list[int]]:
        """The links between identifiers in rows that are not sent. Only as far back as the lanes remember: in a sheet
        that was mostly sent before, only rows near one that is still to be sent."""
        if not self._near_open(row_numbers):
            return []
        selection = self._selection
        return links_of(block.only(linking_rows(selection, first, keep)), self._normaliser)

    def _near_open(self, row_numbers: list[int]) -> bool:
        """Whether one of these rows, or one not far behind them, may be sent."""
        first, last = row_numbers[0], row_numbers[-1] + REMEMBERED
        for marks in (self._selection.decided, self._selection.left_out or b""):
            if last < len(marks) and marks.find(0, first, last) < 0:
                return False
        return True

    def _skipped(self, row_numbers: list[int], decided: list[bool], codes: list[str]) -> list[Outcome]:
        at = self._wall()
        return [
            Outcome(row, Status.SKIPPED, code, at=at)
            for row, done, code in zip(row_numbers, decided, codes, strict=True)
            if code and not done
        ]

    def _portion(self, normalised: Normalised, outcomes: list[Outcome], links: list[list[int]]) -> Portion:
        at = self._wall()
        outcomes = outcomes + rejections(normalised.problems, at) + _left_out(normalised.left_out, at)
        portion = Portion(normalised.customers, outcomes, links, dict(self._repairs), self._repaired_to)
        return self._sift(portion)

    def customers_of(self, wanted: set[int]) -> dict[int, Customer]:
        """The customers whose first row is wanted, by that row: for batches that are sent again as they were.

        `wanted` holds every row of those customers; no other row is normalised.
        """
        marks = bytearray(max(wanted, default=0) + 1)
        for row in wanted:
            marks[row] = 1
        return {customer.row_number: customer for customers in self.marked(marks) for customer in customers}

    def marked(self, marks: bytearray) -> Iterator[list[Customer]]:
        """The customers of the rows whose byte is set. No other row is normalised, and none behind the last is read."""
        last = marks.rfind(1)
        for block in self._source.blocks(ROWS_AT_ONCE):
            row_numbers = block.row_numbers
            if row_numbers and row_numbers[0] > last:
                break
            keep = _marked(marks, row_numbers)
            if any(keep):
                yield self._normaliser(block.only(keep)).customers
        yield self._normaliser.finish().customers


def _left_out(problems: Iterable[Problem], at: int) -> list[Outcome]:
    """One outcome per row that is left out because of its problems, which its message has."""
    replace = msgspec.structs.replace
    return [replace(outcome, status=Status.SKIPPED, code=LEFT_OUT, advice="") for outcome in rejections(problems, at)]


def rejections(problems: Iterable[Problem], at: int) -> list[Outcome]:
    """One outcome per row from all of its problems: the code of the first, the messages of all."""
    by_row: dict[int, list[Problem]] = {}
    for problem in problems:
        found = by_row.setdefault(problem.row_number, [])
        # The code of a row is that of its first problem; a date among ranges shows only there that it is one.
        found.insert(0 if problem.code == "preference_is_a_date" else len(found), problem)
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


def _marked(marks: bytearray, row_numbers: list[int]) -> list[bool]:
    """Which of these rows have their byte set; rows beyond the end do not."""
    if not row_numbers or row_numbers[0] >= len(marks):
        return [False] * len(row_numbers)
    return [row < len(marks) and marks[row] != 0 for row in row_numbers]
