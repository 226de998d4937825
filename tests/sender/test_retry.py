"""Retries: full jitter, a quota for the run, and a breaker that stops requests to a dead server."""

from __future__ import annotations

import random

import pytest

from importer.sender.retry import (
    FAILURES_TO_OPEN,
    LONGEST_DELAY,
    PROBE_EVERY,
    QUOTA,
    RETRY_COST,
    BackOff,
    Breaker,
)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_delays_double_and_are_jittered_from_nothing_to_all_of_them() -> None:
    longest = BackOff(lambda: 1.0)
    assert [longest.delay(n) for n in (1, 2, 3, 4, 5, 9, 90)] == [0.5, 1, 2, 4, 8, LONGEST_DELAY, LONGEST_DELAY]
    assert BackOff(lambda: 0.0).delay(4) == 0.0
    assert BackOff(lambda: 0.5).delay(1) == 0.25


def test_the_quota_bounds_what_retries_add() -> None:
    """500, a retry costs 14, a success gives 1 back: then at most one retry in 14 requests goes quickly."""
    backoff = BackOff(lambda: 0.0)
    quick = 0
    while backoff.delay(1) < LONGEST_DELAY / 2:
        quick += 1
    assert quick == QUOTA // RETRY_COST
    left_over = QUOTA % RETRY_COST
    again = 0
    for _ in range(RETRY_COST * 10):
        backoff.succeeded()
        again += backoff.delay(1) < LONGEST_DELAY / 2
    assert again == (left_over + RETRY_COST * 10) // RETRY_COST


def test_a_quota_that_just_suffices_pays_for_a_retry() -> None:
    backoff = BackOff(lambda: 0.0)
    while backoff.delay(1) < LONGEST_DELAY / 2:
        pass
    for _ in range(RETRY_COST - QUOTA % RETRY_COST):
        backoff.succeeded()
    assert [backoff.delay(1), backoff.delay(1)] == [0.0, LONGEST_DELAY / 2]


@pytest.mark.parametrize(("chance", "delay"), [(0.0, LONGEST_DELAY / 2), (0.5, 22.5), (1.0, LONGEST_DELAY)])
def test_without_quota_a_retry_waits_between_half_and_all_of_the_longest_delay(chance: float, delay: float) -> None:
    backoff = BackOff(lambda: chance)
    for _ in range(QUOTA // RETRY_COST):
        backoff.delay(1)
    assert backoff.delay(1) == delay


def test_the_quota_never_grows_beyond_its_size() -> None:
    backoff = BackOff(lambda: 0.0)
    for _ in range(1000):
        backoff.succeeded()
    quick = 0
    while backoff.delay(1) < LONGEST_DELAY / 2:
        quick += 1
    assert quick == QUOTA // RETRY_COST


def opened(clock: Clock, max_outage: float = 1800.0) -> Breaker:
    breaker = Breaker(clock, max_outage)
    for number in range(FAILURES_TO_OPEN):
        assert not breaker.open
        assert breaker.wait() == 0.0
        breaker.failed(number, plain=True)
    assert breaker.open
    return breaker


def test_an_open_breaker_lets_one_probe_through_every_half_minute() -> None:
    clock = Clock()
    breaker = opened(clock)
    assert breaker.wait() == PROBE_EVERY
    clock.now += PROBE_EVERY - 1
    assert breaker.wait() == pytest.approx(1.0)
    clock.now += 1
    assert breaker.wait() == 0.0
    assert breaker.wait() == PROBE_EVERY


def test_any_answer_closes_it() -> None:
    clock = Clock()
    breaker = opened(clock)
    breaker.answered()
    assert not breaker.open
    assert breaker.wait() == 0.0
    breaker.failed(1, plain=True)
    assert not breaker.open


def test_an_outage_ends_after_as_long_as_the_run_will_wait_counted_from_its_first_failure() -> None:
    clock = Clock()
    breaker = opened(clock, max_outage=100.0)
    clock.now += 99.0
    assert not breaker.outlasted()
    assert breaker.wait() == 0.0
    assert breaker.wait() == pytest.approx(1.0), "no wait lasts longer than the longest outage"
    clock.now += 1.0
    assert breaker.outlasted()
    breaker.answered()
    assert not breaker.outlasted()


def test_an_outage_is_counted_from_its_first_failure_since_the_last_answer() -> None:
    clock = Clock()
    breaker = Breaker(clock, 100.0)
    breaker.failed(1, plain=True)
    breaker.answered()
    clock.now += 50.0
    for number in range(FAILURES_TO_OPEN):
        breaker.failed(number, plain=True)
        clock.now += 10.0
    assert breaker.open
    clock.now += 49.0
    assert not breaker.outlasted()
    clock.now += 1.0
    assert breaker.outlasted()


def test_a_single_failure_long_ago_is_not_an_outage() -> None:
    """It is the latest result while nothing is sent, for example in a pause of hours."""
    clock = Clock()
    breaker = Breaker(clock, 100.0)
    breaker.failed(1, plain=True)
    clock.now += 10_000.0
    assert not breaker.outlasted()
    assert breaker.wait() == 0.0


def test_a_problem_of_the_server_opens_the_breaker_even_if_one_batch_has_it() -> None:
    """No connection, or a gateway's answer, is certainly not caused by the batch."""
    breaker = Breaker(Clock(), 100.0)
    breaker.failed(1, plain=True)
    for _ in range(FAILURES_TO_OPEN - 1):
        assert not breaker.open
        breaker.failed(1, plain=False)
    assert breaker.open


def test_after_an_answer_the_failures_before_it_say_nothing() -> None:
    """Neither the server's own problem nor a failure of other batches is remembered."""
    breaker = opened(Clock())
    breaker.answered()
    for _ in range(50):
        breaker.failed(7, plain=False)
    assert not breaker.open


def test_one_batch_that_breaks_every_connection_does_not_open_the_breaker() -> None:
    breaker = Breaker(Clock(), 100.0)
    for _ in range(50):
        breaker.failed(1, plain=False)
    assert not breaker.open
    breaker.failed(2, plain=False)
    assert breaker.open


def test_chance_faults_of_five_percent_rarely_open_it() -> None:
    """With one fault in twenty the breaker stays closed over 100,000 requests, or nearly so."""
    chance, breaker = random.Random(1), Breaker(Clock(), 100.0)
    openings = 0
    for number in range(100_000):
        if chance.random() < 0.05:
            breaker.failed(number, plain=True)
            openings += breaker.open
        else:
            breaker.answered()
    assert openings <= 2
