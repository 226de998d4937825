"""A run that is answered, lied to, throttled, logged out, killed and resumed in any order keeps its promises.

The server is the sandbox, in this process. A transport between the two causes the failures. A wait sets the clock
forward instead of taking time.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from importer.errors import Busy, ImporterError, JournalError
from importer.journal import Change, Journal
from importer.model import RunSummary, Status
from importer.pipeline import resume, run
from importer.sandbox import SandboxOptions, create_app
from importer.settings.options import Settings
from importer.settings.values import read_rate
from importer.world import World
from tests.support.runs import results, sheet

pytestmark = pytest.mark.slow

ROWS = 24
BASE = Settings(base_url="http://sandbox.test", batch_size=3, concurrency=3, rate=read_rate("5000/second"))
#: What may happen to a request. `applied-…`: the server does its work before anything goes wrong.
TROUBLES = (
    "well",
    "refused",
    "lost",
    "applied-lost",
    "applied-timeout",
    "503",
    "applied-502",
    "429",
    "401",
    "applied-missing",
    "applied-blank",
    "applied-cut",
    "applied-reversed",
    "applied-foreign",
    "applied-no-success",
    "empty",
)
#: The least number of steps of all examples together; it is printed.
STEPS = 2_000


class Time:
    def __init__(self) -> None:
        self.skipped = 0.0

    def now(self) -> float:
        return 1000.0 + self.skipped

    async def sleep(self, seconds: float) -> None:
        self.skipped += seconds
        await asyncio.sleep(0)


class Wire(httpx.AsyncBaseTransport):
    """To the sandbox. The failures in `orders` happen to one request after the other."""

    def __init__(self, app: Any, clock: Time) -> None:
        self._inner = httpx.ASGITransport(app)
        self.state = app.state.sandbox
        self._clock = clock
        self.orders: list[str] = []
        self.kill_in: int | None = None
        self.dead = False
        self.not_before = 0.0
        self.flying: Counter[str] = Counter()
        self.sent_now: list[int] = []
        self.last_sent: dict[str, int] = {}
        self.wrong: list[str] = []
        self.happened = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self.dead:
            raise httpx.ConnectError("no process, no connection")
        if request.url.path.endswith("/token/generate"):
            return await self._inner.handle_async_request(request)
        if self._clock.now() < self.not_before:
            self.wrong.append("a request left in the pause that the server asked for")
        self._look(request.content)
        customers = [entry["mobile"] for entry in msgspec.json.decode(request.content)["root"]["customer"]]
        self.flying.update(customers)
        try:
            if any(count > 1 for count in self.flying.values()):
                self.wrong.append("two rows of one customer were in flight together")
            await asyncio.sleep(0)
            return await self._happens(request, self.orders.pop(0) if self.orders else "well")
        finally:
            self.flying.subtract(customers)

    def _look(self, body: bytes) -> None:
        for entry in msgspec.json.decode(body)["root"]["customer"]:
            row = int(entry["custom_fields"]["field"][0]["value"].split()[1])
            self.sent_now.append(row)
            if row < self.last_sent.get(entry["mobile"], 0):
                self.wrong.append(f"row {row} was sent after a later row of its customer")
            self.last_sent[entry["mobile"]] = max(row, self.last_sent.get(entry["mobile"], 0))

    async def _happens(self, request: httpx.Request, what: str) -> httpx.Response:
        self.happened += 1
        if self.kill_in is not None:
            self.kill_in -= 1
            if self.kill_in < 0:
                self.dead = True
                raise httpx.ReadError("killed")
        if what == "refused":
            raise httpx.ConnectError("refused")
        if what == "lost":
            raise httpx.ReadError("reset")
        if what in ("503", "empty"):
            return _response(503 if what == "503" else 200)
        if what == "429":
            self.not_before = self._clock.now() + 5
            return _response(429, retry_after="5")
        if what == "401":
            self.state.expire_tokens()
        response = await self._inner.handle_async_request(request)
        content = await response.aread()
        if what == "applied-lost":
            raise httpx.ReadError("reset")
        if what == "applied-timeout":
            raise httpx.ReadTimeout("too slow")
        if what == "applied-502":
            return _response(502, b"<html>bad gateway</html>")
        if what.startswith("applied-") and response.status_code == 200:
            content = _damaged(content, what)
        return _response(response.status_code, content)


def _response(status: int, content: bytes = b"", retry_after: str = "") -> httpx.Response:
    """Not read yet, as one from a socket."""
    headers = {"Retry-After": retry_after} if retry_after else {}
    return httpx.Response(status, headers=headers, stream=httpx.ByteStream(content))


def _damaged(content: bytes, what: str) -> bytes:
    answer = msgspec.json.decode(content)
    holder = answer["response"].get("customers") or answer["response"]
    items = holder["customer"]
    match what:
        case "applied-missing":
            del items[0]
        case "applied-blank":
            holder["customer"] = [{} for _ in items]
        case "applied-reversed":
            items.reverse()
        case "applied-foreign":
            items[0] = items[-1] | {"mobile": "919999999999", "email": "", "external_id": "", "user_id": ""}
        case "applied-no-success":
            for item in items:
                item["item_status"]["success"] = "1"
        case _:
            return content[: len(content) // 2]
    return msgspec.json.encode(answer)


class Importing(RuleBasedStateMachine):
    """`order` says what is to happen to coming requests, `live` lets a process run until it ends or is killed."""

    steps = 0

    def __init__(self) -> None:
        super().__init__()
        # In memory where that can be had: nothing here is about the disk, and syncs take their time.
        memory = Path("/dev/shm")
        self.folder = Path(tempfile.mkdtemp(dir=memory if os.access(memory, os.W_OK) else None))
        sheet(self.folder / "rows.csv", ROWS, magic={4: "code-1012", 6: "code-999999-x1"}, invalid=[8], shared=True)
        self.time = Time()
        options = SandboxOptions()
        self.wire = Wire(create_app(options), self.time)
        self.environ = {
            "IMPORTER_CLIENT_KEY": options.client_key,
            "IMPORTER_CLIENT_SECRET": options.client_secret,
            "HOME": str(self.folder),
        }
        self.settings = msgspec.structs.replace(BASE, reports_dir=str(self.folder / "reports"))
        self.kill_at_write: int | None = None
        self.known: dict[int, Status] = {}
        self.summary: RunSummary | None = None
        self._write = Journal.write
        machine = self

        def write(journal: Journal, changes: Sequence[Change], key: int) -> None:
            """The process may die before a commit, and writes nothing once it is dead."""
            if machine.kill_at_write is not None:
                machine.kill_at_write -= 1
                if machine.kill_at_write < 0:
                    machine.wire.dead = True
            if machine.wire.dead:
                raise JournalError("killed")
            machine._write(journal, changes, key)

        Journal.write = write  # type: ignore[assignment]

    def teardown(self) -> None:
        try:
            # Whatever happened, once the server is well the run comes to its end.
            self.wire.orders.clear()
            for _ in range(3):
                if self.summary is None:
                    self._process(None, None)
            self._check_end()
        finally:
            Journal.write = self._write  # type: ignore[method-assign]
            self.wire.state.close()
            shutil.rmtree(self.folder)
            Importing.steps += self.wire.happened

    # ------------------------------------------------------------------------------------------------ what happens

    @rule(orders=st.lists(st.sampled_from(TROUBLES), min_size=1, max_size=8))
    def order(self, orders: list[str]) -> None:
        Importing.steps += 1
        self.wire.orders += orders

    @rule(
        at_request=st.none() | st.integers(0, 8),
        at_write=st.none() | st.integers(0, 15),
    )
    def live(self, at_request: int | None, at_write: int | None) -> None:
        Importing.steps += 1
        if self.summary is None:
            self._process(at_request, at_write)

    def _process(self, at_request: int | None, at_write: int | None) -> None:
        self.wire.dead = False
        self.wire.kill_in, self.kill_at_write = at_request, at_write
        self.wire.sent_now.clear()
        self.wire.flying.clear()
        self.wire.not_before = 0.0
        world = World(self.environ, clock=self.time.now, sleep=self.time.sleep, jitter=lambda: 0.5, transport=self.wire)
        known = set(self.known)
        try:
            summary = self._begin_or_go_on(world)
        except ImporterError as error:
            assert isinstance(error, JournalError), error
            assert self.wire.dead
        else:
            assert summary.rows.read == ROWS == sum(getattr(summary.rows, status.value) for status in Status)
            if summary.exit_code in (0, 3):
                self.summary = summary
        again = known & set(self.wire.sent_now)
        assert not again, f"rows {again} had their outcome and were sent again"

    def _begin_or_go_on(self, world: World) -> RunSummary:
        source = str(self.folder / "rows.csv")
        try:
            return run(source, self.settings, world)
        except Busy:
            return resume(None, self.settings, {}, world)

    # ------------------------------------------------------------------------------------------------ what must hold

    @invariant()
    def nothing_forbidden_happened(self) -> None:
        assert self.wire.wrong == []

    @invariant()
    def an_outcome_stays_and_is_never_a_guess(self) -> None:
        """What the journal said once it says for ever, and `succeeded` only where the server accepted."""
        if not (self.folder / "reports" / "journal.db").exists():
            return
        with Journal.open(self.folder / "reports") as journal:
            runs = journal.runs()
            now = {o.row_number: o.status for o in journal.outcomes(runs[0].key)} if runs else {}
        assert {row: now.get(row) for row in self.known} == self.known
        self.known = now
        accepted = {fields["Colour"] for _, fields in self.wire.state.accepted}
        for row, status in now.items():
            assert status is not Status.SUCCEEDED or f"colour {row}" in accepted, f"row {row} was not accepted"

    def _check_end(self) -> None:
        assert self.summary is not None, "the run does not come to its end"
        rows = results(self.folder / "reports", self.summary.run_id)
        accepted = {fields["Colour"] for _, fields in self.wire.state.accepted}
        assert [row["_row"] for row in rows] == [str(number) for number in range(2, ROWS + 2)]
        for row in rows:
            assert row["_status"] in ("succeeded", "failed", "rejected", "unknown"), row["_row"]
            if row["_status"] == "failed":
                assert row["Colour"] not in accepted or row["_code"] != "1012"
            if row["_status"] == "succeeded":
                assert row["Colour"] in accepted
        self.an_outcome_stays_and_is_never_a_guess()
        self.nothing_forbidden_happened()


def test_failures_in_any_order_break_no_promise(capsys: pytest.CaptureFixture[str]) -> None:
    """At least 2,000 steps of orders, processes, kills and requests; see the invariants above."""
    Importing.steps = 0
    run_state_machine_as_test(
        Importing,
        settings=settings(
            max_examples=100,
            stateful_step_count=12,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    with capsys.disabled():
        print(f"\n{Importing.steps:,} steps")
    assert Importing.steps >= STEPS
