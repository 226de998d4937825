"""Back-off and circuit breaker: when to try again, how often, and when to stop sending to a failing server. Pure.

Full jitter spreads the attempts. A quota per run bounds the retries. While a server is down, the breaker lets one probe
through every half minute.
"""

from __future__ import annotations

from collections.abc import Callable

from importer.model import MAX_ATTEMPTS

FIRST_DELAY, LONGEST_DELAY = 0.5, 30.0
#: The retry quota: its size, what a retry costs and what a success gives back.
QUOTA, RETRY_COST, SUCCESS_GIVES = 500, 14, 1
#: So many failures in a row, over all requests, open the breaker. With 5 % of faults, one run in a million does.
FAILURES_TO_OPEN = MAX_ATTEMPTS
PROBE_EVERY = 30.0


class BackOff:
    """Seconds until the next attempt: full jitter, and the longest delay once the quota is used up."""

    def __init__(self, jitter: Callable[[], float]) -> None:
        self._jitter = jitter
        self._quota = QUOTA

    def delay(self, attempts: int) -> float:
        """`attempts`: how many were made. Each call counts as one retry."""
        if self._quota < RETRY_COST:
            return LONGEST_DELAY * (0.5 + 0.5 * self._jitter())
        self._quota -= RETRY_COST
        return min(FIRST_DELAY * 2.0 ** max(attempts - 1, 0), LONGEST_DELAY) * self._jitter()

    def succeeded(self) -> None:
        self._quota = min(self._quota + SUCCESS_GIVES, QUOTA)


class Breaker:
    """Closed: requests are sent. Open: one probe every 30 s, until one is answered or the outage lasts too long."""

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
        # One batch that breaks every connection, with its halves, may hold a row that crashes the server's handler: the
        # server is not down.
        return self._failures >= FAILURES_TO_OPEN and (self._plain or len(self._roots) > 1)

    def answered(self) -> None:
        """Any readable answer: the server is up."""
        self._failures = 0
        self._roots.clear()
        self._plain = False
        self._since = None

    def failed(self, root: int, plain: bool) -> None:
        """A request got no answer, or one that reports a problem of the server. `root`: the batch, before any split;
        `plain`: certainly the server's own problem (no connection, a gateway's answer), not the batch's."""
        now = self._clock()
        self._roots.add(root)
        self._plain = self._plain or plain
        if self._since is None:
            self._since = now
        self._failures += 1
        if self.open:
            self._next_probe = now + PROBE_EVERY

    def outlasted(self) -> bool:
        """Whether the outage has lasted longer than `max_outage`."""
        return self._since is not None and self.open and self._clock() - self._since >= self.max_outage

    def wait(self) -> float:
        """Seconds until the next request may be sent as a probe; 0 if the breaker is closed, or for the probe itself.

        A return value of 0 while open takes the probe: the next one is half a minute later.
        """
        if not self.open:
            return 0.0
        now = self._clock()
        if now >= self._next_probe:
            self._next_probe = now + PROBE_EVERY
            return 0.0
        left = self._next_probe - now
        if self._since is not None:
            # Wake no later than the end of the longest outage.
            left = min(left, max(self._since + self.max_outage - now, 0.001))
        return left
