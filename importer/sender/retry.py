"""Patience: when to try again, how often, and when to leave a server in trouble alone. Pure logic.

Full jitter spreads the attempts; a quota for the run bounds what retries may add; a breaker turns a dead server into
one probe every half minute.
"""

from __future__ import annotations

from collections.abc import Callable

from importer.model import MAX_ATTEMPTS

FIRST_DELAY, LONGEST_DELAY = 0.5, 30.0
#: The retry quota: its size, what a retry costs and what a success gives back.
QUOTA, RETRY_COST, SUCCESS_GIVES = 500, 14, 1
#: So many failures in a row, over all requests, open the breaker. With 5 % of faults that is one run in a million.
FAILURES_TO_OPEN = MAX_ATTEMPTS
PROBE_EVERY = 30.0


class BackOff:
    """Seconds until an attempt is made again: full jitter, and the longest delay once the quota is spent."""

    def __init__(self, jitter: Callable[[], float]) -> None:
        self._jitter = jitter
        self._quota = QUOTA

    def delay(self, attempts: int) -> float:
        """`attempts`: how many were made. Each call is one retry."""
        if self._quota < RETRY_COST:
            return LONGEST_DELAY * (0.5 + 0.5 * self._jitter())
        self._quota -= RETRY_COST
        return min(FIRST_DELAY * 2.0 ** max(attempts - 1, 0), LONGEST_DELAY) * self._jitter()

    def succeeded(self) -> None:
        self._quota = min(self._quota + SUCCESS_GIVES, QUOTA)


class Breaker:
    """Closed: requests flow. Open: one probe every 30 s, until one is answered or the outage has lasted too long."""

    def __init__(self, clock: Callable[[], float], max_outage: float) -> None:
        self._clock = clock
        self.max_outage = max_outage
        self._failures = 0
        self._roots: set[int] = set()
        self._plain = False
        self._since: float | None = None
        self._next_probe = 0.0

    @property
    def open(self) -> bool:
        # One batch that breaks every connection, and its halves, may hold a row that kills its handler: that is no dead
        # server.
        return self._failures >= FAILURES_TO_OPEN and (self._plain or len(self._roots) > 1)

    def answered(self) -> None:
        """Any readable answer: the server lives."""
        self._failures = 0
        self._roots.clear()
        self._plain = False
        self._since = None

    def failed(self, root: int, plain: bool) -> None:
        """A request got no answer, or one that says the server is in trouble. `root`: the batch, before any split;
        `plain`: surely the server's own trouble (no connection, a gateway's word), whatever the batch holds."""
        now = self._clock()
        self._roots.add(root)
        self._plain = self._plain or plain
        if self._since is None:
            self._since = now
        self._failures += 1
        if self.open:
            self._next_probe = now + PROBE_EVERY

    def outlasted(self) -> bool:
        """Whether the outage has lasted longer than the run will wait."""
        return self._since is not None and self.open and self._clock() - self._since >= self.max_outage

    def wait(self) -> float:
        """Seconds until the next request may probe; 0 when requests flow, or when it is this request's turn to probe.

        Asking with an answer of 0 while open takes the probe: the next one is half a minute later.
        """
        if not self.open:
            return 0.0
        now = self._clock()
        if now >= self._next_probe:
            self._next_probe = now + PROBE_EVERY
            return 0.0
        left = self._next_probe - now
        if self._since is not None:
            # Wake no later than the end of our patience.
            left = min(left, max(self._since + self.max_outage - now, 0.001))
        return left
