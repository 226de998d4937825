"""Answers over time, counted in slices that grow wider with the run. Bounded memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec

from importer.model import Status, Stretch

_MOST_SLICES = 2000
#: Slices at either end with less than this share of a group do not widen its window.
_TAIL = 0.05


class AnswerWindow(msgspec.Struct, frozen=True):
    """From `first` to `last` (milliseconds, UTC), `answered` rows were answered, `count` of `all` rows of a group."""

    first: int
    last: int
    count: int
    all: int
    answered: int


class Slice(msgspec.Struct, frozen=True):
    """A time slice: how many rows succeeded or not."""

    at: int
    succeeded: int
    wrong: int
    #: Requests without a result for any row: rate limit, outage, refusal.
    troubles: int = 0


class Timeline:
    """Counts rows that were sent, by the time of their answer."""

    def __init__(self) -> None:
        self.width = 1000
        self.answered = 0
        self.latest = 0
        self._slices: dict[int, Counter[str]] = {}
        self._troubles: Counter[int] = Counter()

    def trouble(self, at: int) -> None:
        """Count a request without a result for any row."""
        self._troubles[at // self.width] += 1
        while len(self._troubles) > _MOST_SLICES:
            self._widen()

    def see(self, stretches: Iterable[Stretch]) -> None:
        """Count rows: succeeded ones as "", others by their code."""
        for stretch in stretches:
            outcome = stretch.outcome
            if outcome.status is Status.SUCCEEDED:
                if outcome.at:
                    self._add(outcome.at, "", stretch.rows)
            elif outcome.at and outcome.attempts:
                self._add(outcome.at, outcome.code, stretch.rows)
        while len(self._slices) > _MOST_SLICES:
            self._widen()

    def _add(self, at: int, code: str, rows: int) -> None:
        counts = self._slices.get(at // self.width)
        if counts is None:
            counts = self._slices[at // self.width] = Counter()
        counts[code] += rows
        self.answered += rows
        self.latest = max(self.latest, at)

    def window(self, code: str) -> AnswerWindow | None:
        """Return the time that holds nearly all rows with this code."""
        mine = sorted((at, counts[code]) for at, counts in self._slices.items() if counts[code])
        if not mine:
            return None
        everything = sum(count for _, count in mine)
        spare = int(everything * _TAIL)
        for end in (0, -1):
            left = spare
            while len(mine) > 1 and mine[end][1] <= left:
                left -= mine.pop(end)[1]
        first, last = mine[0][0], mine[-1][0]
        answered = sum(counts.total() for at, counts in self._slices.items() if first <= at <= last)
        count = sum(count for _, count in mine)
        return AnswerWindow(first * self.width, (last + 1) * self.width, count, everything, answered)

    def slices(self, most: int) -> list[Slice]:
        """Return at most so many slices of equal width, from the first answer to the last."""
        if not self._slices:
            return []
        first, last = min([*self._slices, *self._troubles]), max([*self._slices, *self._troubles])
        step = -(-(last - first + 1) // most)
        counts: dict[int, tuple[int, int]] = {}
        for at, found in self._slices.items():
            number = (at - first) // step
            succeeded, wrong = counts.get(number, (0, 0))
            counts[number] = (succeeded + found[""], wrong + found.total() - found[""])
        troubles: Counter[int] = Counter()
        for at, requests in self._troubles.items():
            troubles[(at - first) // step] += requests
        return [
            Slice((first + number * step) * self.width, *counts.get(number, (0, 0)), troubles[number])
            for number in range((last - first) // step + 1)
        ]

    def _widen(self) -> None:
        self.width *= 2
        slices: dict[int, Counter[str]] = {}
        for at, counts in self._slices.items():
            slices.setdefault(at // 2, Counter()).update(counts)
        self._slices = slices
        troubles: Counter[int] = Counter()
        for at, requests in self._troubles.items():
            troubles[at // 2] += requests
        self._troubles = troubles
