"""How far a run is, how fast it sends and how long it still takes. Pure: the clock is passed in.

Rows that are rejected or skipped are done when that is decided. They take no time, so speed and time left are those of
the rows that are sent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from importer.model import Outcome, Status
from importer.observer import Extent
from importer.sender.feed import CHOSEN_CODES

#: Seconds over which the speed is measured, and the time between two of its marks.
_WINDOW, _APART = 300.0, 1.0
#: Outcomes of rows that no request carried.
_NOT_SENT = (Status.REJECTED, Status.SKIPPED)


class Pace:
    """Counts the events that an observer of a run gets."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.begin(Extent(""))

    def begin(self, extent: Extent) -> None:
        self._extent = extent
        self.counts: Counter[Status] = Counter()
        self.read = 0
        #: Rows of the counts that were known from the beginning not to be sent.
        self._chosen = 0
        #: (moment, rows that requests carried until then)
        self._marks: tuple[tuple[float, int], ...] = ()
        self._paused_until = self._next_at = 0.0
        self._verified = 0

    def rows_read(self, rows: int) -> None:
        self.read += rows

    def decided(self, outcomes: Iterable[Outcome]) -> None:
        sent = self._sent
        for outcome in outcomes:
            self.counts[outcome.status] += 1
            self._chosen += outcome.status is Status.SKIPPED and outcome.code in CHOSEN_CODES
        if self._sent > sent:
            self._mark()

    def verified(self, customers: int) -> None:
        self._verified += customers
        self._mark()

    def paused(self, seconds: float) -> None:
        self._paused_until = max(self._paused_until, self._clock() + seconds)

    def waits(self, seconds: float) -> None:
        self._next_at = self._clock() + seconds

    def _mark(self) -> None:
        now = self._clock()
        kept = self._marks[:-1] if len(self._marks) > 1 and now - self._marks[-2][0] < _APART else self._marks
        first = next((at for at, (moment, _) in enumerate(kept[1:]) if moment > now - _WINDOW), len(kept) - 1)
        # Another thread may read them.
        self._marks = (*kept[max(first, 0) :], (now, self._sent))

    @property
    def done(self) -> int:
        """Rows with an outcome, also those of earlier processes."""
        return self._extent.done + self.counts.total() + self._verified

    @property
    def rows(self) -> int:
        """Rows of the whole sheet; 0 while that is not known."""
        return max(self._extent.rows, self.done) if self._extent.rows else 0

    @property
    def wrong(self) -> int:
        """Rows with an outcome that neither succeeded nor were skipped."""
        return self.done - self._verified - self.succeeded - self.counts[Status.SKIPPED] - self._before(Status.SKIPPED)

    @property
    def succeeded(self) -> int:
        return self.counts[Status.SUCCEEDED] + self._before(Status.SUCCEEDED)

    def _before(self, status: Status) -> int:
        return self._extent.before.get(status, 0)

    @property
    def _sent(self) -> int:
        """Rows, or customers, that requests carried."""
        return self.counts.total() + self._verified - sum(self.counts[status] for status in _NOT_SENT)

    def speed(self) -> float:
        """Rows that are sent in a second, as measured in the last minutes; 0 while that is not known."""
        marks = self._marks
        if len(marks) < 2:
            return 0.0
        (first, before), (last, sent) = marks[0], marks[-1]
        # A wait for the next reply is part of the time once it is longer than those before.
        gap = (last - first) / (len(marks) - 1)
        return (sent - before) / max(last - first, self._clock() - first - gap, 1e-9)

    def left(self) -> float | None:
        """Seconds until the last row has its outcome; None while that is not known."""
        if not self._extent.rows:
            return None
        rows = self._rows_to_send()
        if rows <= 0:
            return 0.0
        # The rate limits a run from its beginning on, the server only as far as it has shown.
        speeds = [speed for speed in (self._extent.rows_a_second, self.speed()) if speed > 0]
        if not speeds:
            return None
        now = self._clock()
        return max(rows / min(speeds) + max(self._paused_until - now, 0.0), self._next_at - now)

    def _rows_to_send(self) -> float:
        """Rows that wait, and of the rows that are not read yet as large a share as before."""
        decided = self.counts.total() + self._verified
        waiting = max(self.read - self._extent.done - decided, 0)
        to_come = max(self._extent.to_send - (decided - self._chosen) - waiting, 0)
        judged = waiting + decided - self._chosen + self._extent.done - self._before(Status.SKIPPED)
        unsent = sum(self.counts[status] for status in _NOT_SENT) - self._chosen + self._before(Status.REJECTED)
        return waiting + to_come * ((judged - unsent) / judged if judged else 1.0)
