"""Helpers for the tests of sending: an event loop in virtual time, a journal in memory, runs against the sandbox.

Nothing waits: the loop jumps to the next scheduled moment, so half an hour of outage takes a millisecond, and a
deadlock is an error instead of a hang.
"""

from __future__ import annotations

import asyncio
import bisect
import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx

from importer.capillary.client import Client, ClientOptions
from importer.capillary.credentials import Basic, Credentials
from importer.capillary.proxies import proxies_of
from importer.capillary.wire import encode_body, encode_customer
from importer.chunker.batches import MAX_BYTES, Chunker
from importer.chunker.lanes import Lanes
from importer.chunker.pacer import Pacer, SlotStore
from importer.chunker.schedule import Schedule
from importer.errors import ImporterError
from importer.journal import Attempt, Change, RunProgress
from importer.model import Batch, Customer, MaxErrors, Outcome, Rate, Status, Work
from importer.observer import Observer
from importer.pipeline import Stages, send_rows
from importer.sandbox import SandboxOptions, SandboxState, create_app
from importer.sender.admission import Admission
from importer.sender.engine import Engine
from importer.sender.retry import BackOff, Breaker
from importer.sender.settlement import Settlement
from importer.sender.stop_rules import StopRules
from importer.sender.work import Portion
from importer.world import Deadline

TILL = Basic("sandbox-till", "sandbox")


class Stuck(AssertionError):
    """Every task waits, and nothing is scheduled."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop that jumps over the time in which nothing happens. For code without threads and sockets."""

    def __init__(self) -> None:
        super().__init__()
        self._virtual = 1000.0

    def time(self) -> float:
        return self._virtual

    def _run_once(self) -> None:
        if not self._ready:  # type: ignore[attr-defined]
            scheduled = [handle for handle in self._scheduled if not handle.cancelled()]  # type: ignore[attr-defined]
            if scheduled:
                self._virtual = max(self._virtual, min(handle.when() for handle in scheduled))
            elif not self._stopping:  # type: ignore[attr-defined]
                raise Stuck
        super()._run_once()  # type: ignore[misc]


T = TypeVar("T")


def virtually(main: Awaitable[T]) -> T:
    """Runs a coroutine in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)  # type: ignore[arg-type]


# ---------------------------------------------------------------------------------------------------- its parts


def customers(count: int, first_row: int = 2, color: str = "Blue") -> list[Customer]:
    """Customers who share nothing, one a row."""
    return [
        Customer(row, mobile=f"9198{row:08d}", custom_fields=(("Favorite Color", color),))
        for row in range(first_row, first_row + count)
    ]


def magic(row: int, word: str) -> Customer:
    """A customer whose external id makes the sandbox do something, such as `code-1012` or `request-400`."""
    return Customer(row, external_id=f"{word}+r{row}", custom_fields=(("Favorite Color", "Red"),))


class ListFeed:
    """A sheet that is already there, in portions."""

    def __init__(self, found: Sequence[Customer], at_once: int = 500) -> None:
        self._found = found
        self._at_once = at_once
        self.given = 0

    async def __aiter__(self) -> AsyncIterator[Portion]:
        for start in range(0, len(self._found), self._at_once):
            portion = list(self._found[start : start + self._at_once])
            self.given += len(portion)
            yield Portion(portion, [])


class MemoryScribe:
    """A journal in memory that refuses what a database would: two outcomes for a row, a batch opened twice."""

    def __init__(self) -> None:
        self.outcomes: dict[int, Outcome] = {}
        self.open: dict[int, Batch] = {}
        self.seen: dict[int, Batch] = {}
        self.doubt: dict[int, bool] = {}
        self.attempts: list[Attempt] = []
        self.progress = RunProgress()

    async def write(self, change: Change) -> None:
        await asyncio.sleep(0.001)
        for batch, _ in change.opened:
            assert batch.batch_id not in self.seen, "a batch is opened once"
            self.open[batch.batch_id] = self.seen[batch.batch_id] = batch
            self.doubt[batch.batch_id] = True
        if change.attempt is not None:
            self.attempts.append(change.attempt)
        for outcome in change.outcomes:
            assert outcome.row_number not in self.outcomes, "a row has one outcome"
            self.outcomes[outcome.row_number] = outcome
        for batch_id in change.settled:
            del self.open[batch_id]
        for batch_id in change.harmless:
            assert batch_id in self.open, "a settled batch is neither harmless nor in doubt"
            self.doubt[batch_id] = False
        for batch_id in change.doubtful:
            self.doubt[batch_id] = True
        if change.progress is not None:
            self.progress = change.progress

    def rows(self, status: Status) -> set[int]:
        return {row for row, outcome in self.outcomes.items() if outcome.status is status}

    def doubtful_rows(self) -> set[int]:
        """Rows that were sent and have no outcome: what a report calls unknown."""
        return {
            row
            for batch_id, batch in self.open.items()
            if self.doubt[batch_id]
            for customer in batch.customers
            for row in customer.row_numbers
        }


class Watcher(Observer):
    """What a face would show."""

    def __init__(self) -> None:
        self.pauses: list[tuple[float, str]] = []
        self.notes: list[str] = []

    def decided(self, outcomes: list[Outcome]) -> None: ...

    def paused(self, seconds: float, why: str) -> None:
        self.pauses.append((seconds, why))

    def noted(self, text: str) -> None:
        self.notes.append(text)


Answerer = Callable[[httpx.Request, int], Awaitable["httpx.Response | None"]]


def fresh(response: httpx.Response) -> httpx.Response:
    """The same answer as it comes off the wire: not read yet."""
    return httpx.Response(response.status_code, headers=response.headers, stream=httpx.ByteStream(response.content))


class Wire(httpx.AsyncBaseTransport):
    """The way to the sandbox: notes when each request of preferences left and what it held, and can answer itself.

    `answer(request, number)` returns a response, raises, or returns None to let the sandbox answer.
    """

    def __init__(self, inner: httpx.AsyncBaseTransport, answer: Answerer | None = None) -> None:
        self._inner = inner
        self._answer = answer
        self.left: list[float] = []
        self.bodies: list[bytes] = []
        self.in_flight = self.in_flight_most = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if not request.url.path.endswith("customer/preferences"):
            return await self._inner.handle_async_request(request)
        self.left.append(asyncio.get_running_loop().time())
        number = len(self.left)
        self.bodies.append(request.content)
        self.in_flight += 1
        self.in_flight_most = max(self.in_flight, self.in_flight_most)
        try:
            if self._answer is not None and (response := await self._answer(request, number)) is not None:
                return response
            return await self._inner.handle_async_request(request)
        finally:
            self.in_flight -= 1


@dataclass
class Ran:
    """A run that has ended, with all that can be asked of it."""

    stop: ImporterError | None
    scribe: MemoryScribe
    state: SandboxState
    wire: Wire
    watcher: Watcher
    progress: RunProgress
    chunker: Chunker
    seconds: float

    @property
    def exit_code(self) -> int | None:
        return getattr(self.stop, "exit_code", None)

    @property
    def requests(self) -> int:
        return len(self.wire.left)

    def count(self, status: Status) -> int:
        return len(self.scribe.rows(status))


@dataclass(frozen=True)
class Limits:
    """When a run stops by itself."""

    max_errors: MaxErrors | None = None
    canary: int = 0
    deadline: Deadline | None = None


@dataclass
class Rig:
    """A sender, its parts and a sandbox, with everything set that a test does not care about."""

    options: dict[str, Any] = field(default_factory=dict)
    batch_size: int = 100
    concurrency: int = 8
    rate: Rate | None = None
    burst: int = 1
    limits: Limits = field(default_factory=Limits)
    max_outage: float = 1800.0
    deadline: float = 120.0
    max_bytes: int = MAX_BYTES
    credentials: Credentials = TILL
    answer: Answerer | None = None
    again: Sequence[Work] = ()
    seed: int = 1
    at_once: int = 500
    inner: Callable[[httpx.AsyncBaseTransport], httpx.AsyncBaseTransport] = lambda transport: transport
    during: Callable[[Stages], Coroutine[Any, Any, None]] | None = None
    limits_of: Callable[[float], Limits] | None = None
    #: Another server than the sandbox, over real sockets and in real time.
    base_url: str = ""
    jitter: Callable[[], float] | None = None
    #: For runs that share a rate.
    store: SlotStore | None = None

    async def send(self, found: Sequence[Customer]) -> Ran:
        loop = asyncio.get_running_loop()
        chance = random.Random(self.seed)
        app = create_app(SandboxOptions(**self.options), loop.time)
        wire = Wire(self.inner(httpx.ASGITransport(app)), self.answer)
        scribe, watcher = MemoryScribe(), Watcher()
        chunker = Chunker(
            self.batch_size, self.max_bytes, next_id=1 + max([w.batch.batch_id for w in self.again] or [0])
        )
        for work in self.again:
            scribe.open[work.batch.batch_id] = scribe.seen[work.batch.batch_id] = work.batch
            scribe.doubt[work.batch.batch_id] = work.doubt
        began = loop.time()
        limits = self.limits_of(began) if self.limits_of else self.limits
        options = ClientOptions(
            self.base_url or "http://sandbox.test",
            connections=self.concurrency,
            deadline=self.deadline,
            certificates=os.environ.get("SSL_CERT_FILE", ""),
            proxies=proxies_of(os.environ),
        )
        async with Client(options, self.credentials, loop.time, None if self.base_url else wire) as client:
            lanes, rules = Lanes(), StopRules(limits.max_errors, limits.canary)
            admission = Admission(
                Pacer(self.rate, self.burst, loop.time, chance.random, self.store),
                Breaker(loop.time, self.max_outage),
                BackOff(self.jitter or chance.random),
                concurrency=self.concurrency,
                clock=loop.time,
                wall=lambda: round(loop.time() * 1000),
                observer=watcher,
                sleep=asyncio.sleep,
            )
            engine = Engine(
                Schedule(lanes, chunker, self.concurrency),
                rules,
                limits.deadline,
                admission.stopping,
                concurrency=self.concurrency,
                clock=loop.time,
                sleep=asyncio.sleep,
            )
            settlement = Settlement(scribe, chunker, watcher, loop.time, RunProgress())  # type: ignore[arg-type]
            stages = Stages(lanes, chunker, client, admission, rules, settlement, engine)
            other = asyncio.create_task(self.during(stages)) if self.during else None
            stop = await send_rows(ListFeed(found, self.at_once), list(self.again), stages)
            if other is not None:
                other.cancel()
        return Ran(stop, scribe, app.state.sandbox, wire, watcher, settlement.progress, chunker, loop.time() - began)


def ran(found: Sequence[Customer], **settings: Any) -> Ran:
    """Sends customers to a sandbox in virtual time. Settings: those of `Rig`; the sandbox's stand in `options`."""
    return virtually(Rig(**settings).send(found))


def most_in_a_window(left: list[float], window: float) -> int:
    return max(bisect.bisect_left(left, at + window) - index for index, at in enumerate(left))


Accounts = list[tuple[tuple[str, ...], tuple[tuple[str, str], ...]]]


def accounts(state: Any) -> Accounts:
    """Every account of a sandbox: what it is known by, and its preferences."""
    return sorted((tuple(sorted(a.keys)), tuple(sorted(a.fields.items()))) for a in state.accounts)


def one_by_one(found: Sequence[Customer]) -> Accounts:
    """The state after the rows were sent one by one, without the importer."""

    async def send() -> Accounts:
        app = create_app(SandboxOptions())
        transport = httpx.ASGITransport(app)
        headers = {"Authorization": TILL.header, "Content-Type": "application/json"}
        async with httpx.AsyncClient(transport=transport, base_url="http://sandbox.test", headers=headers) as http:
            for customer in found:
                body = encode_body([encode_customer(customer)])
                response = await http.post("/v1.1/customer/preferences?format=json", content=body)
                assert b'"true"' in response.content
        return accounts(app.state.sandbox)

    return asyncio.run(send())


def chained(chance: random.Random, rows: int, people: int) -> list[Customer]:
    """A sheet in which few customers return often, by one identifier or several; some rows link two of them."""
    found = []
    for row in range(2, 2 + rows):
        person = chance.randrange(people)
        other = chance.randrange(people) if chance.random() < 0.1 else person
        kinds = chance.sample(["mobile", "email", "external_id", "user_id"], chance.choice([1, 1, 2, 3]))
        values: dict[str, Any] = {
            "mobile": f"9198765{person + 1:05d}",
            "email": f"{chance.choice(['p', 'P'])}{other}@example.com",
            "external_id": f"X{person}",
            "user_id": f"{other}",
        }
        fields = (("Color", f"row {row}"), (f"Field {chance.randrange(3)}", f"row {row}"))
        found.append(Customer(row, **{kind: values[kind] for kind in kinds}, custom_fields=fields))
    return found
