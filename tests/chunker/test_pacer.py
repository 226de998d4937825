"""The pacer: never more than the rate in any window, nearly all of it used, and one pause for all after a 429."""

from __future__ import annotations

import heapq
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from importer.capillary.retry_after import asked_to_wait
from importer.chunker.pacer import (
    FIRST_PAUSE,
    FIRST_SHRINK,
    FLOOR,
    GROW_EVERY,
    LONGEST_PAUSE,
    MOST_ASKED,
    SHRINK,
    MemoryStore,
    Pacer,
    PaceState,
    grown,
)
from importer.model import Rate
from importer.settings.values import read_rate
from tests.support.sending import most_in_a_window


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self, now: float = 5000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def pacer(rate: Rate | None, burst: int = 1, clock: Clock | None = None, jitter: float = 0.0) -> tuple[Pacer, Clock]:
    clock = clock or Clock()
    return Pacer(rate, burst, clock, lambda: jitter), clock


def departures(
    pace: Pacer, clock: Clock, seconds: float, lateness: random.Random | None, most_late: float
) -> list[float]:
    """When requests leave that are asked for without end; timers wake up to `most_late` too late."""
    left, end = [], clock.now + seconds
    while clock.now < end:
        leave = pace.slot()
        clock.now = max(leave, clock.now) + (lateness.uniform(0, most_late) if lateness else 0.0)
        pace.departed()
        left.append(clock.now)
    return left


@pytest.mark.parametrize("handshake", [0.0, 0.03, 0.3, 0.9])
@pytest.mark.parametrize("connections", [1, 16])
def test_connections_that_are_made_first_are_paced_by_what_goes_over_the_wire(
    handshake: float, connections: int
) -> None:
    """The first requests wait for TLS with a far server, the later ones find a connection: what is written is what the
    server counts, and all of the rate is used afterwards."""
    pace, clock = pacer(read_rate("50/second"), 1)
    begin = clock.now
    written: list[float] = []
    underway: list[float] = []

    def until(moment: float) -> None:
        while underway and underway[0] <= moment:
            clock.now = max(clock.now, heapq.heappop(underway))
            written.append(clock.now)
            pace.written()
        clock.now = max(clock.now, moment)

    for number in range(400):
        if number >= connections:
            # A connection is free once the first answer is there.
            until(begin + handshake + 0.2)
        until(pace.slot())
        pace.departed()
        heapq.heappush(underway, clock.now + (handshake if number < connections else 0.0))
        if number >= connections:
            until(clock.now)
    until(clock.now + handshake)
    assert most_in_a_window(written, 1.0) <= 50
    steady = [at for at in written if at >= begin + handshake + 1.0]
    assert len(steady) - 1 >= 0.98 * 50 * (steady[-1] - steady[0])


RATES = ["50/second", "600/minute", "100/minute", "1000/minute", "7/second", "1/second", "5000/hour", "3/minute"]


@pytest.mark.parametrize("burst", [1, 3])
@pytest.mark.parametrize("text", RATES)
def test_no_window_holds_more_than_the_rate(text: str, burst: int) -> None:
    """Any window of the unit, wherever it begins, holds at most N; any second at most its share and the burst."""
    rate = read_rate(text)
    if burst > rate.count / 2:
        burst = 1
    pace, clock = pacer(rate, burst)
    left = departures(pace, clock, rate.unit * 4, None, 0.0)
    assert most_in_a_window(left, rate.unit) <= rate.count
    assert most_in_a_window(left, 1.0) <= rate.count / rate.unit + burst + 1


@pytest.mark.parametrize("text", RATES)
def test_the_rate_is_used(text: str) -> None:
    """At least 98 % of what is allowed."""
    rate = read_rate(text)
    pace, clock = pacer(rate)
    left = departures(pace, clock, rate.unit * 40, None, 0.0)
    assert len(left) >= 0.98 * rate.count * 40


@given(st.integers(0, 2**32), st.sampled_from(RATES), st.floats(0, 0.5))
@settings(max_examples=60, deadline=None)
def test_late_timers_do_not_make_a_window_overflow(seed: int, text: str, most_late: float) -> None:
    """A request that left late counts where it left: the windows that begin with it hold no more than others."""
    rate = read_rate(text)
    pace, clock = pacer(rate)
    left = departures(pace, clock, rate.unit * 3, random.Random(seed), most_late)
    assert most_in_a_window(left, rate.unit) <= rate.count


def test_ordinary_lateness_costs_nothing() -> None:
    """Timers wake a few milliseconds late: the slack makes up for it."""
    rate = read_rate("50/second")
    pace, clock = pacer(rate)
    left = departures(pace, clock, 60.0, random.Random(1), 0.004)
    assert len(left) >= 0.98 * 50 * 60
    assert most_in_a_window(left, 1.0) <= 50


def test_idle_time_is_not_saved_up() -> None:
    """After an hour without requests no burst follows."""
    pace, clock = pacer(read_rate("60/minute"))
    departures(pace, clock, 10.0, None, 0.0)
    clock.now += 3600
    left = departures(pace, clock, 60.0, None, 0.0)
    assert most_in_a_window(left, 1.0) <= 2


def test_without_a_rate_requests_are_sent_at_once_but_a_pause_holds() -> None:
    pace, clock = pacer(None)
    assert [pace.slot() for _ in range(3)] == [clock.now] * 3
    pace.departed()
    pace.throttled(clock.now, 7.0)
    assert pace.slot() == clock.now + 7.0


# ---------------------------------------------------------------------------------------------------- 429

DATE = "Tue, 24 Nov 2026 06:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "3"}, 3.0),
        ({"Retry-After": " 3.5 "}, 3.5),
        ({"Retry-After": "0"}, 0.0),
        ({"Retry-After": "-5"}, 0.0),
        ({"Retry-After": "99999999"}, MOST_ASKED),
        ({"Retry-After": "inf"}, MOST_ASKED),
        ({"Retry-After": "1e400"}, MOST_ASKED),
        ({"Retry-After": "nan"}, FIRST_PAUSE),
        ({"Retry-After": "soon"}, FIRST_PAUSE),
        ({"Retry-After": ""}, FIRST_PAUSE),
        ({}, FIRST_PAUSE),
        ({"Retry-After": "Tue, 24 Nov 2026 06:00:30 GMT", "Date": DATE}, 30.0),
        ({"Retry-After": "Tue, 24 Nov 2026 05:00:00 GMT", "Date": DATE}, 0.0),
        ({"Retry-After": "Fri, 24 Nov 2056 06:00:30 GMT", "Date": DATE}, MOST_ASKED),
        ({"Retry-After": "Tue, 24 Nov 2026 06:00:30 GMT"}, FIRST_PAUSE),
        ({"Retry-After": "Tue, 24 Nov 2026 06:00:30 GMT", "Date": "today"}, FIRST_PAUSE),
        ({"RateLimit-Remaining": "0", "RateLimit-Reset": "12"}, 12.0),
        ({"X-RateLimit-Reset": "12"}, 12.0),
        ({"X-RateLimit-Reset": "1795500030", "Date": "Tue, 24 Nov 2026 06:00:00 GMT"}, 30.0),
        ({"X-RateLimit-Reset": "nan"}, FIRST_PAUSE),
        ({"X-RateLimit-Reset": "later"}, FIRST_PAUSE),
    ],
)
def test_a_429_pauses_for_as_long_as_retry_after_says(headers: dict[str, str], seconds: float) -> None:
    """Seconds, or a date read against the answer's own Date, from 0 to 15 minutes; without it, one second."""
    pace, clock = pacer(read_rate("600/minute"))
    pace.slot()
    assert pace.throttled(clock.now, asked_to_wait(headers, 429)) == pytest.approx(seconds)
    assert pace.slot() >= clock.now + seconds


@pytest.mark.parametrize("prefix", ["X-RateLimit", "X-Rate-Limit"])
@pytest.mark.parametrize(
    ("reset", "date", "good", "throttled"),
    [
        ("12", "", 12.0, 12.0),
        ("900", "", 0.9, None),
        ("45000", "", 45.0, None),
        ("1795500030", DATE, 30.0, 30.0),
        ("1795500030000", DATE, 30.0, 30.0),
        ("1795500030000000", DATE, 30.0, 30.0),
        ("Tue, 24 Nov 2026 06:00:30 GMT", DATE, 30.0, 30.0),
        ("1795499990", DATE, 0.0, 0.0),
        ("1795500030", "", None, None),
        ("1795500030", "Mon, 23 Nov 2026 06:00:00 GMT", None, None),
        ("inf", "", None, None),
        ("-5", "", -5.0, -5.0),
    ],
)
def test_the_end_of_a_window_in_seconds_milliseconds_or_as_a_moment(
    prefix: str, reset: str, date: str, good: float | None, throttled: float | None
) -> None:
    """`X-RateLimit-Reset` has no standard. What may be seconds or milliseconds is taken for milliseconds by a good
    answer; by a 429, whose own pauses grow, it says nothing."""
    headers = {f"{prefix}-Remaining": "0", f"{prefix}-Reset": reset, "Date": date}
    assert asked_to_wait(headers, 200) == (None if good is None else pytest.approx(good))
    assert asked_to_wait(headers, 429) == (None if throttled is None else pytest.approx(throttled))


@given(st.text(max_size=40), st.text(max_size=40), st.integers(200, 599))
@settings(max_examples=300, deadline=None)
def test_an_invalid_header_does_not_break_the_pause(retry_after: str, other: str, status: int) -> None:
    headers = {"Retry-After": retry_after, "Date": other, "RateLimit-Reset": other, "RateLimit-Remaining": "0"}
    pace, clock = pacer(read_rate("600/minute"))
    asked = asked_to_wait(headers, status)
    assert asked is None or asked == asked
    assert 0.0 <= pace.throttled(clock.now, asked) <= MOST_ASKED
    pace.asked(asked or 0.0)
    assert clock.now <= pace.slot() <= clock.now + MOST_ASKED + 1


@pytest.mark.parametrize("date", ["Mon, 01 Jan 0001 00:00:00 +2359", "Mon, 01 Jan 99999 00:00:00 GMT", "1 1 1 1 1"])
def test_impossible_dates_are_ignored(date: str) -> None:
    assert asked_to_wait({"Retry-After": date, "Date": date}, 429) in (None, 0.0)


def test_without_retry_after_the_pause_doubles_up_to_a_minute_with_jitter_upwards() -> None:
    pace, clock = pacer(read_rate("600/minute"), jitter=0.0)
    pauses = []
    for _ in range(9):
        pauses.append(pace.throttled(clock.now, None))
        clock.now += pauses[-1]
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    jittered, clock = pacer(read_rate("600/minute"), jitter=1.0)
    assert jittered.throttled(clock.now, None) == FIRST_PAUSE * 1.25
    assert LONGEST_PAUSE == 60


def test_an_answer_in_between_lets_the_pause_begin_small_again() -> None:
    pace, clock = pacer(read_rate("600/minute"))
    for _ in range(3):
        clock.now += pace.throttled(clock.now, None)
    pace.answered()
    assert pace.throttled(clock.now, None) == FIRST_PAUSE


def test_what_was_in_flight_when_the_pause_began_counts_once() -> None:
    """Eight requests in flight bring eight 429s: one pause, one reduction."""
    pace, clock = pacer(read_rate("600/minute"))
    sent_at = clock.now
    clock.now += 0.2
    for _ in range(8):
        pace.throttled(sent_at, None)
        clock.now += 0.01
    assert pace.share == pytest.approx(FIRST_SHRINK)
    assert pace.slot() == pytest.approx(5000.2 + FIRST_PAUSE)


def test_what_was_in_flight_does_not_double_the_next_pause() -> None:
    """Eight 429s to one burst are one refusal: the next pause is twice the first, and no more."""
    pace, clock = pacer(read_rate("600/minute"))
    sent_at = clock.now
    clock.now += 0.2
    assert [pace.throttled(sent_at, None) for _ in range(8)] == [FIRST_PAUSE] * 8
    clock.now += FIRST_PAUSE
    assert pace.throttled(clock.now, None) == 2 * FIRST_PAUSE


def test_growing_counts_from_where_it_last_grew() -> None:
    """A step for each quiet stretch, asked in whatever rhythm: what is left of a stretch is not lost."""
    state = PaceState(share=0.5, changed=100.0)
    state = grown(state, 100.0 + 2.5 * GROW_EVERY)
    assert (state.share, state.changed) == (pytest.approx(0.6), 100.0 + 2 * GROW_EVERY)
    assert grown(state, 100.0 + 2.9 * GROW_EVERY) is state
    assert grown(state, 100.0 + 3 * GROW_EVERY).share == pytest.approx(0.65)


def test_the_rate_shrinks_on_429_and_grows_back() -> None:
    rate = read_rate("600/minute")
    pace, clock = pacer(rate)
    for _ in range(2):
        pace.throttled(clock.now, 1.0)
        clock.now += 1.0
    assert pace.share == pytest.approx(FIRST_SHRINK * SHRINK)
    slower = departures(pace, clock, 5.0, None, 0.0)
    assert len(slower) <= 0.68 * 50
    clock.now += 20 * GROW_EVERY
    pace.slot()
    assert pace.share == 1.0
    for _ in range(50):
        pace.throttled(clock.now, 0.0)
        clock.now += 0.001
    assert pace.share == FLOOR


def test_a_single_429_at_the_full_rate_costs_a_twentieth_of_the_next_minute() -> None:
    """One request that arrived too early does not slow down a whole minute."""
    pace, clock = pacer(read_rate("50/second"))
    pace.throttled(clock.now, 1.0)
    assert len(departures(pace, clock, 60.0, None, 0.0)) >= 0.94 * 50 * 60


@given(st.floats(0.1, 0.95))
@settings(max_examples=40, deadline=None)
def test_a_lower_limit_of_the_server_is_found_within_few_429s(allowed: float) -> None:
    """Only the first 429 lowers the rate by the small step; the large ones follow."""
    pace, clock = pacer(read_rate("50/second"))
    refusals, passed = 0, 0
    end = clock.now + 120.0
    window: list[float] = []
    while clock.now < end:
        clock.now = max(pace.slot(), clock.now)
        pace.departed()
        window = [at for at in window if at > clock.now - 1.0]
        if len(window) < int(50 * allowed):
            window.append(clock.now)
            passed += 1
            pace.answered()
        else:
            refusals += 1
            pace.throttled(clock.now, None)
    assert refusals <= 20
    assert passed >= 0.55 * int(50 * allowed) * 120


def test_growing_needs_quiet() -> None:
    state = PaceState(share=0.5, changed=100.0)
    assert grown(state, 100.0 + GROW_EVERY * 0.99) is state
    assert grown(state, 100.0 + GROW_EVERY).share == pytest.approx(0.55)
    assert grown(PaceState(), 1e9).share == 1.0


def test_a_pause_that_begins_after_the_slot_was_given_still_holds() -> None:
    pace, clock = pacer(read_rate("600/minute"))
    leave = pace.slot()
    pace.throttled(clock.now, 5.0)
    assert pace.may_leave(leave) == clock.now + 5.0


def test_rate_limit_headers_pause_without_slowing_down() -> None:
    pace, clock = pacer(read_rate("600/minute"))
    assert pace.asked(4.0) == 4.0
    assert pace.slot() == clock.now + 4.0
    assert pace.share == 1.0


def test_one_store_one_rate() -> None:
    """Two pacers on one store share what is allowed."""
    rate, clock, store = read_rate("50/second"), Clock(), MemoryStore()
    one, two = (Pacer(rate, 1, clock, lambda: 0.0, store) for _ in range(2))
    left = []
    while clock.now < 5010.0:
        for pace in (one, two):
            clock.now = max(pace.slot(), clock.now)
            left.append(clock.now)
    assert most_in_a_window(left, 1.0) <= 50
    assert len(left) >= 0.98 * 500
