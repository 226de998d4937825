"""Order: whatever fails, the server ends as if rows were sent one by one; no customer is in flight twice."""

from __future__ import annotations

import asyncio
import itertools
import random
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from importer.errors import ExitCode, Stop
from importer.model import Customer, Rate, Status
from importer.pipeline import Stages
from tests.support.sending import Rig, accounts, chained, customers, one_by_one, ran, virtually

FAULTS = (
    "503", "502-after", "reset", "reset-after", "close", "close-after", "html-after", "empty-after", "truncated",
    "429:retry-after=1", "code-1060", "code-400", "no-items", "missing", "extra", "repeated", "reordered", "blank",
    "nan", "duplicate-keys", "code-500-after", "413", "408",
)  # fmt: skip


@pytest.mark.slow
@given(st.integers(0, 2**32), st.integers(1, 40), st.sampled_from([1, 3, 12]), st.sampled_from([1, 2, 7, 40]))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_final_state_is_that_of_rows_sent_one_by_one(
    seed: int, people: int, concurrency: int, batch_size: int
) -> None:
    """Random repeats and chains, latency, faults and splits: state as one by one, no customer twice in flight."""
    chance = random.Random(seed)
    found = chained(chance, rows=chance.randint(1, 120), people=people)
    faults = [f"{number}:{chance.choice(FAULTS)}" for number in range(2, 40) if chance.random() < 0.25]
    latency = tuple(round(chance.uniform(0, 3), 2) for _ in range(7))
    result = ran(
        found,
        options={"latency": latency, "faults": tuple(faults)},
        batch_size=batch_size,
        concurrency=concurrency,
        seed=chance.randrange(1000),
        at_once=chance.choice([1, 10, 500]),
    )
    assert result.stop is None
    assert (result.state.overlaps, result.state.account_overlaps, result.state.repeats) == (0, 0, 0)
    assert set(result.scribe.outcomes) == {customer.row_number for customer in found}
    assert not result.scribe.open
    # A row that is refused alone has failed, and one without a valid reply is unknown. Whether the server has applied
    # these in their order is not known; it has applied all others.
    open_rows = result.scribe.rows(Status.FAILED) | result.scribe.rows(Status.UNKNOWN)
    assert all(result.scribe.outcomes[row].code in ("400", "413", "1060", "no_answer") for row in open_rows)
    assert result.count(Status.SUCCEEDED) == len(found) - len(open_rows)
    final = accounts(result.state)
    assert any(
        final == one_by_one([customer for customer in found if customer.row_number not in left_out])
        for size in range(len(open_rows), -1, -1)
        for left_out in map(set, itertools.combinations(sorted(open_rows), size))
    )


class Late(httpx.AsyncBaseTransport):
    """A server that continues with a request after its client has given up."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner
        self.going: set[asyncio.Task[httpx.Response]] = set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        task = asyncio.ensure_future(self._inner.handle_async_request(request))
        self.going.add(task)
        return await asyncio.shield(task)


def test_a_newer_row_waits_until_the_older_has_its_outcome_though_its_request_timed_out() -> None:
    """The server applies the older row after the client gave up; the newer one must not be applied before it."""
    older, newer = (Customer(row, mobile="919876500001", custom_fields=(("Color", f"row {row}"),)) for row in (2, 3))
    result = ran(
        [older, *customers(10, first_row=10), newer],
        options={"latency": (4.0, *[0.1] * 200)},
        batch_size=1,
        deadline=2.0,
        inner=Late,
    )
    assert result.stop is None
    assert result.scribe.rows(Status.SUCCEEDED) == {2, 3, *range(10, 20)}
    assert result.state.preferences_of(mobile="919876500001") == {"Color": "row 3"}
    first_of_newer = next(index for index, body in enumerate(result.wire.bodies) if b"row 3" in body)
    last_of_older = max(index for index, body in enumerate(result.wire.bodies) if b"row 2" in body)
    assert first_of_newer > last_of_older
    assert result.wire.left[first_of_newer] > result.wire.left[0] + 2.0


def test_a_newer_row_is_sent_only_after_the_outcome_of_the_older_is_in_the_journal() -> None:
    """The disk takes a second for outcomes: a crash in that second must not find the newer row sent."""
    scribes: list[Any] = []
    early: list[int] = []

    async def during(stages: Stages) -> None:
        scribe: Any = stages.settlement._scribe
        scribes.append(scribe)
        write = scribe.write

        async def slowly(change: Any) -> None:
            await asyncio.sleep(1.0 if change.outcomes else 0.0)
            await write(change)

        scribe.write = slowly

    async def answer(request: httpx.Request, number: int) -> httpx.Response | None:
        early.extend(row for row in range(2, 1 + number) if row not in scribes[0].outcomes)
        return None

    found = [Customer(row, mobile="919876500001", custom_fields=(("Color", str(row)),)) for row in range(2, 6)]
    result = ran(found, during=during, answer=answer)
    assert (result.stop, result.count(Status.SUCCEEDED), early) == (None, 4, [])


def test_a_row_whose_timed_out_request_keeps_the_server_busy_is_unknown_and_not_failed() -> None:
    """The server is busy (521) with the attempt that timed out, and applies it in the end."""
    result = ran(
        customers(2),
        options={"latency": (600.0, *[0.1] * 200)},
        batch_size=1,
        concurrency=1,
        deadline=2.0,
        inner=Late,
    )
    assert result.scribe.rows(Status.UNKNOWN) == {2}
    assert result.scribe.rows(Status.SUCCEEDED) == {3}


def test_a_hot_customer_does_not_stall_the_rest() -> None:
    """10,000 rows of one customer come first: the other customers are all done long before this one."""
    hot = [Customer(row, mobile="919876500001", custom_fields=(("Color", str(row)),)) for row in range(2, 10_002)]
    rest = customers(500, first_row=20_000)
    done: list[float] = []

    async def main() -> None:
        rig = Rig(options={"latency": (0.1,)}, concurrency=8)

        async def watch(stages: Stages) -> None:
            scribe: Any = stages.settlement._scribe
            while True:
                await asyncio.sleep(0.5)
                if not done and all(row in scribe.outcomes for row in range(20_000, 20_500)):
                    done.append(len(scribe.outcomes) - 500)
                    stages.engine.stop(Stop(ExitCode.INTERRUPTED, "enough"))

        rig.during = watch
        await rig.send([*hot, *rest])

    virtually(main())
    assert done and done[0] < 60


@pytest.mark.parametrize("rate", [None, Rate(600, 60.0, "600/minute")])
def test_rows_of_one_customer_never_share_a_batch(rate: Rate | None) -> None:
    """The API does not promise an order within one request."""
    found = chained(random.Random(5), rows=200, people=20)
    result = ran(found, rate=rate)
    assert result.state.repeats == 0
    assert accounts(result.state) == one_by_one(found)
