"""Runs against the sandbox, in this process or in one that can be killed, and the checks that follow."""

from __future__ import annotations

import asyncio
import csv
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from importer.journal import Journal
from importer.model import Outcome, RunSummary, Status
from importer.observer import Observer
from importer.pipeline import run
from importer.runs.job import Job, begin
from importer.runs.record import choose_mapping
from importer.runs.sources import opened
from importer.runs.target import target_of
from importer.sandbox import EmbeddedSandbox, SandboxState
from importer.settings.options import Settings
from importer.settings.values import read_rate
from importer.world import Stopper, World

#: Requests cost no time here: nothing in these tests is about the pace.
FAST = "5000/second"


def sheet(
    path: Path,
    rows: int = 60,
    *,
    magic: Mapping[int, str] | None = None,
    invalid: Sequence[int] = (),
    shared: bool = False,
) -> Path:
    """Customers with two preferences each and an external id. `shared`: every tenth row is the customer of the row
    before. `magic`: external ids of rows that call up an effect; `invalid`: rows without a
    usable mobile. Row numbers as the importer counts them."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["mobile", "external_id", "Colour", "Size"])
        mobile = 0
        for row in range(2, rows + 2):
            mobile = mobile if shared and row % 10 == 0 else row
            number = "12" if row in invalid else f"91818{mobile:07}"
            # Rows of one mobile are one customer and keep one external id, save where magic gives it another.
            name = (magic or {}).get(row, f"C{mobile}")
            writer.writerow([number, name, f"colour {row}", f"size {row}"])
    return path


def settings(sandbox: EmbeddedSandbox | None, reports: Path, **more: object) -> Settings:
    """Small batches at full speed."""
    base = Settings(
        base_url=sandbox.base_url if sandbox is not None else "",
        reports_dir=str(reports),
        rate=read_rate(FAST),
        batch_size=10,
        concurrency=2,
    )
    return msgspec.structs.replace(base, **more)


class Listener(Observer):
    """Keeps the notes."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def noted(self, text: str) -> None:
        self.said.append(text)


def environment(sandbox: EmbeddedSandbox, home: Path) -> dict[str, str]:
    return {
        "IMPORTER_USERNAME": sandbox.username,
        "IMPORTER_PASSWORD": sandbox.password,
        "HOME": str(home),
        "XDG_STATE_HOME": str(home / "state"),
    }


def world(sandbox: EmbeddedSandbox, home: Path, **more: Any) -> World:
    """`more`: fields of the world."""
    return World(**{"environ": environment(sandbox, home), "observer": Listener(), **more})


class SkippingClock:
    """A clock that a wait sets forward instead of taking time. Not for a run with a deadline, which is a wait too."""

    def __init__(self) -> None:
        self._skipped = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self._skipped

    async def sleep(self, seconds: float) -> None:
        self._skipped += seconds
        await asyncio.sleep(0)


def world_by_requests(sandbox: EmbeddedSandbox, home: Path, seconds: float, **more: Any) -> World:
    """A world in which each request takes so many seconds by its clock, and no time otherwise."""
    clock, sleep = clock_by_requests(sandbox, seconds)
    return world(sandbox, home, clock=clock, sleep=sleep, **more)


def clock_by_requests(
    sandbox: EmbeddedSandbox, seconds: float
) -> tuple[Callable[[], float], Callable[[float], Awaitable[None]]]:
    """A clock that a request sets forward by so many seconds, and the sleep that goes by it.

    For runs that send one request at a time. All runs of a test need it: the slots of the rate, which runs share, are
    moments of this clock.
    """

    def clock() -> float:
        return time.monotonic() + seconds * sandbox.state.calls["POST customer/preferences"]

    async def sleep(wait: float) -> None:
        until = clock() + wait
        while (left := until - clock()) > 0:
            await asyncio.sleep(min(left, 0.001))

    return clock, sleep


class StopsAfter(Listener):
    """Asks the run to stop once so many rows have their outcome."""

    def __init__(self, rows: int, stopper: Stopper) -> None:
        super().__init__()
        self._left = rows
        self._stopper = stopper

    def decided(self, outcomes: list[Outcome]) -> None:
        self._left -= len(outcomes)
        if self._left <= 0:
            self._stopper.ask()


def stopped_after(rows: int, sandbox: EmbeddedSandbox, home: Path, **more: Any) -> World:
    """The world of a run that is stopped in mid-run."""
    stopper = Stopper()
    return world(sandbox, home, observer=StopsAfter(rows, stopper), stopper=stopper, **more)


class Program:
    """The importer in another process."""

    def __init__(self, folder: Path, sandbox: EmbeddedSandbox) -> None:
        self.folder = folder
        self._environ = {name: value for name, value in os.environ.items() if not name.startswith("IMPORTER_")}
        self._environ |= environment(sandbox, folder / "home")
        self._environ["IMPORTER_RATE"] = FAST

    def start(self, *words: str, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "importer", *words],
            cwd=self.folder,
            env=self._environ,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str, stdin: bytes = b"") -> tuple[int, str, str]:
        done = subprocess.run(
            [sys.executable, "-m", "importer", *words],
            cwd=self.folder,
            env=self._environ,
            input=stdin,
            capture_output=True,
            timeout=250,
        )
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def kill_once(
        self, process: subprocess.Popen[str], enough: Callable[[], bool], number: signal.Signals = signal.SIGKILL
    ) -> None:
        """Send the signal as soon as `enough()` holds, and wait for the end."""
        until = time.monotonic() + 200
        while not enough():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < until, "it did not come so far"
            time.sleep(0.002)
        process.send_signal(number)
        process.wait(200)
        process.communicate()


def results(reports: Path, run_id: str) -> list[dict[str, str]]:
    with (reports / run_id / "results.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def rows_written(reports: Path) -> int:
    """How many rows of the newest run have their outcome on the disk."""
    with Journal.open(reports) as journal:
        return journal.decided(journal.runs()[0].key).count(1)


def statuses(summary: RunSummary) -> Counter[str]:
    return Counter({s.value: getattr(summary.rows, s.value) for s in Status if getattr(summary.rows, s.value)})


def accepted_rows(state: SandboxState) -> Counter[str]:
    """How often the sandbox accepted each row, by its own value of `Colour`."""
    return Counter(fields["Colour"] for _, fields in state.accepted if "Colour" in fields)


def violations(
    state: SandboxState, rows: Sequence[Mapping[str, str]], expected_rows: int, reports: Path, faults: bool = False
) -> list[str]:
    """The errors of runs that were interrupted and resumed, according to the server; empty if all is correct.

    In flight at an interruption is what had been sent and whose answer was never written down. `faults`: the server
    spoiled answers, so that rows were rightly asked again in other batches.
    """
    wrong = []
    if [row["_row"] for row in rows] != [str(n) for n in range(2, expected_rows + 2)]:
        wrong.append(f"{len(rows)} rows of {expected_rows} have their outcome beside them")
    accepted = accepted_rows(state)
    for row in rows:
        if (row["_status"] == "succeeded") != (accepted[row["Colour"]] > 0):
            wrong.append(f"row {row['_row']} is {row['_status']}; accepted {accepted[row['Colour']]} times")
        if row["_status"] not in ("succeeded", "failed", "rejected", "skipped"):
            wrong.append(f"row {row['_row']} is {row['_status']}")
    # The last row of a mobile is what the server must hold now.
    last = {row["mobile"]: row for row in rows if row["_status"] == "succeeded"}
    for mobile, row in last.items():
        if state.preferences_of(mobile=mobile).get("Colour") != row["Colour"]:
            wrong.append(f"the server does not hold row {row['_row']}, the last of its customer")
    bodies: dict[str, set[str]] = {}
    for body, fields in _applied(state):
        bodies.setdefault(fields["Colour"], set()).add(body)
    wrong += [
        f"{colour} was applied by different requests"
        for colour, found in bodies.items()
        if len(found) > 1 and not faults
    ]
    again = Counter(request.body_sha256 for request in state.requests if request.body_sha256 and not request.fault)
    twice = sum(1 for count in again.values() if count > 1)
    with Journal.open(reports) as journal:
        in_flight = len(state.requests) - sum(1 for run in journal.runs() for _ in journal.attempts(run.key))
    if twice > in_flight:
        wrong.append(f"{twice} batches were sent twice, with {in_flight} in flight")
    return wrong


def _applied(state: SandboxState) -> list[tuple[str, dict[str, str]]]:
    """(body, preferences) of every customer that a request changed."""
    connection = state.store._connection
    with state.store.lock:
        found = connection.execute("SELECT body_sha256, accepted FROM requests").fetchall()
    return [(body, fields) for body, blob in found for _, fields in msgspec.json.decode(blob) if "Colour" in fields]


#: Rows of a run that is stopped after a few: so many that it cannot end before it hears of that.
HALVED = 200


def half_a_run(sandbox: EmbeddedSandbox, folder: Path, rows: int = HALVED, after: int = 25) -> RunSummary:
    source = sheet(folder / "rows.csv", rows)
    return run(str(source), settings(sandbox, folder / "reports"), stopped_after(after, sandbox, folder))


@contextmanager
def begun(path: str, settings: Settings, world: World) -> Iterator[Job]:
    """A run that begins, up to its first row."""
    with (
        target_of(settings, world) as target,
        opened(path, settings, world) as source,
        begin(source, choose_mapping(source, settings), settings, target, world, spooled=False) as job,
    ):
        yield job
