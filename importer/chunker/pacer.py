"""The pacer: when the next request may be sent. One slot per request (GCRA), one pause for all on 429. Pure logic.

The state is one small record behind `SlotStore`, so that several processes that share a key can share it; the clock
is passed in and must be monotonic.

The arithmetic, for N requests a unit and a burst of b: slots are T = unit · (1 + GUARD) / (N − b + 1) apart, and a
request may be sent up to (b − 1) · T + slack before its slot, where the slack makes up for a timer that woke late. Any
window of W then holds at most floor((W + slack) / T) + b requests, and for W = unit at most N as long as the slack is
smaller than GUARD · unit; the difference is the room for jitter on the way to the server. A request that is sent too
late for that room moves the slots that follow.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from importer.model import Rate

#: Shares of the unit: how much wider than even the slots are, and how much lateness may be made up.
GUARD, SLACK = 0.016, 0.005
#: Share of the unit by which a request may be later than its slot without moving the slots that follow.
TOLERATED = 0.003
#: Never make up more than this many seconds, or a minute's slack becomes a burst within a second.
MOST_SLACK = 0.05
#: A 429 without Retry-After: seconds, doubling up to.
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
#: The longest pause that a server may ask for, seconds.
MOST_ASKED = 15 * 60.0
#: On a 429 the rate shrinks to this share of itself, never below the floor, and grows back by a step every few seconds.
SHRINK, FLOOR, GROW, GROW_EVERY = 0.7, 0.05, 0.05, 10.0
#: The first 429 at the full rate is more likely a request that was late on its way than a limit below ours: a small
#: step, which is back within 20 s. Where the limit is lower, the next 429 comes before that and takes the large step.
FIRST_SHRINK = 0.9


class PaceState(msgspec.Struct, frozen=True):
    """All that the pacer remembers. `slot`: GCRA's theoretical arrival time. Times are of the monotonic clock."""

    slot: float = 0.0
    not_before: float = 0.0
    share: float = 1.0
    changed: float = 0.0


class SlotStore(Protocol):
    """Where the state is kept: read, changed and written back as one step, also between processes."""

    def update(self, change: Callable[[PaceState], PaceState]) -> PaceState: ...

    def close(self) -> None:
        """Release the connection. `update` is not called afterwards."""


class MemoryStore:
    """The state of one process."""

    def __init__(self) -> None:
        self.state = PaceState()

    def update(self, change: Callable[[PaceState], PaceState]) -> PaceState:
        self.state = change(self.state)
        return self.state

    def close(self) -> None:
        """There is nothing to release."""


def grant(state: PaceState, now: float, rate: Rate, burst: int) -> tuple[PaceState, float]:
    """The new state, and the moment at which a request that asks now may be sent."""
    per_unit = max(rate.count - burst + 1, 1e-9) * state.share
    interval = rate.unit * (1 + GUARD) / per_unit
    early = (burst - 1) * interval + min(SLACK * rate.unit, MOST_SLACK, interval)
    leave = max(now, state.slot - early, state.not_before)
    # A request later than its slot moves the slots that follow: unused capacity is not saved up.
    return msgspec.structs.replace(state, slot=max(state.slot, leave) + interval), leave


def grown(state: PaceState, now: float) -> PaceState:
    """The rate grows back, one step for each interval without a 429."""
    if state.share >= 1.0:
        return state
    steps = int((now - state.changed) / GROW_EVERY)
    if steps <= 0:
        return state
    return msgspec.structs.replace(
        state, share=min(1.0, state.share + steps * GROW), changed=state.changed + steps * GROW_EVERY
    )


class Pacer:
    """Grants slots and pauses all requests. `rate` None: as fast as the server answers; a 429 still pauses."""

    def __init__(
        self,
        rate: Rate | None,
        burst: int,
        clock: Callable[[], float],
        jitter: Callable[[], float],
        store: SlotStore | None = None,
    ) -> None:
        self.rate = rate
        self.burst = burst
        self._clock = clock
        self._jitter = jitter
        self._store = store or MemoryStore()
        self._pauses_in_a_row = 0
        self._pause_began = float("-inf")
        self._slot_after = 0.0
        self._interval = 0.0
        #: Requests that were sent but are not on the wire yet, and whether one waits for its slot.
        self._on_the_way = 0
        self._waiting = False

    def slot(self) -> float:
        """Reserve the next slot: the moment, on the clock, at which the request may be sent."""
        now = self._clock()
        leave = now

        def take(state: PaceState) -> PaceState:
            nonlocal leave
            if self.rate is None:
                leave = max(now, state.not_before)
                return state
            after, leave = grant(grown(state, now), now, self.rate, self.burst)
            self._slot_after = after.slot
            self._interval = after.slot - max(state.slot, leave)
            return after

        self._store.update(take)
        self._waiting = True
        return leave

    def wait(self) -> float:
        """Seconds that a request would wait now. Takes no slot."""
        now = self._clock()
        state = grown(self._store.update(lambda state: state), now)
        leave = grant(state, now, self.rate, self.burst)[1] if self.rate is not None else state.not_before
        return max(leave - now, 0.0)

    def may_leave(self, leave: float) -> float:
        """The moment at which the request may be sent: a pause may have begun since it got its slot."""
        state = self._store.update(lambda state: state)
        return max(leave, state.not_before)

    def departed(self) -> None:
        """The request with the last slot is sent now. If it is late (its timer woke late, the machine was busy), the
        slots that follow move, or the next request would come too soon after it."""
        self._on_the_way += 1
        self._waiting = False
        if self.rate is None:
            return
        late = self._clock() - TOLERATED * self.rate.unit + self._interval - self._slot_after
        if late > 0:
            # Added: other processes may already have slots that were counted from this one.
            self._store.update(lambda state: msgspec.structs.replace(state, slot=state.slot + late))

    def written(self) -> None:
        """A request that was sent is on the wire now, or never will be. If it needed a new connection, that is long
        after its slot (300 ms with TLS and a distant server): requests that follow on open connections keep their
        distance from it and from those that are not on the wire yet."""
        self._on_the_way -= 1
        if self.rate is None:
            return
        before = self._on_the_way + self._waiting
        soonest = self._clock() - TOLERATED * self.rate.unit + self._interval * (before + 1)
        self._store.update(
            lambda state: state if state.slot >= soonest else msgspec.structs.replace(state, slot=soonest)
        )

    def answered(self) -> None:
        """The server took a request: the next 429 without Retry-After begins at the shortest pause again."""
        self._pauses_in_a_row = 0

    def throttled(self, sent_at: float, retry_after: float | None) -> float:
        """The server answered 429 to a request sent at `sent_at`: pause all requests and send slower. Returns seconds.

        Requests in flight when the pause began get the same answer: it counts once.
        """
        now = self._clock()
        fresh = sent_at >= self._pause_began
        if fresh:
            self._pause_began = now
            self._pauses_in_a_row += 1
        if retry_after is None:
            seconds = min(FIRST_PAUSE * 2.0 ** min(self._pauses_in_a_row - 1, 10), LONGEST_PAUSE)
            # Jitter upwards only: a shorter wait would get the next 429.
            seconds = min(seconds * (1 + 0.25 * self._jitter()), LONGEST_PAUSE)
        else:
            seconds = min(max(retry_after, 0.0), MOST_ASKED)

        def slow_down(state: PaceState) -> PaceState:
            state = grown(state, now)
            shrink = FIRST_SHRINK if state.share >= 1.0 else SHRINK
            return PaceState(
                slot=state.slot,
                not_before=max(state.not_before, now + seconds) if fresh or retry_after else state.not_before,
                share=max(state.share * shrink, FLOOR) if fresh else state.share,
                changed=now,
            )

        self._store.update(slow_down)
        return seconds

    def asked(self, seconds: float) -> float:
        """The server asks for a pause (the rate is used up, or it is unavailable for a while): pause without slowing
        down. Returns the seconds."""
        seconds = min(max(seconds, 0.0), MOST_ASKED)
        until = self._clock() + seconds
        self._store.update(lambda state: msgspec.structs.replace(state, not_before=max(state.not_before, until)))
        return seconds

    @property
    def share(self) -> float:
        """The share of the configured rate that is used after a 429; 1.0 is all of it."""
        return self._store.update(lambda state: state).share
