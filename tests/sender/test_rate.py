"""The rate: never more than the limit in any window, nearly all of it used, and no 429 from a server that allows it.

How much of it is used, and what the server says to it, is a matter of timers that wake in time: that is tried in the
tests' own time, where they do. Over real time and real sockets the limit is held, however busy the machine is. What a
machine makes of it, in the minutes that the promise speaks of, is in `tests/benchmarks/sending.py rate`.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from pathlib import Path

import httpx
import pytest

from importer.chunker.pacer import MemoryStore, Pacer
from importer.pipeline import run
from importer.sandbox import EmbeddedSandbox, SandboxOptions
from importer.settings.options import Settings
from importer.settings.values import read_rate
from importer.world import World
from tests.support.runs import sheet
from tests.support.sending import Ran, Rig, customers, most_in_a_window, virtually


async def at_once(rate: str, processes: int, seconds: int) -> list[Ran]:
    """Runs that share a key, and one server that allows the rate to all of them together."""
    store, servers = MemoryStore(), list[httpx.AsyncBaseTransport]()

    def the_one(server: httpx.AsyncBaseTransport) -> httpx.AsyncBaseTransport:
        servers.append(server)
        return servers[0]

    count = round(seconds * read_rate(rate).count / read_rate(rate).unit / processes)
    runs = [
        Rig(
            options={"latency": (0.2,), "rate_limit": rate},
            batch_size=1,
            concurrency=24,
            rate=read_rate(rate),
            store=store,
            inner=the_one,
        )
        for _ in range(processes)
    ]
    found = [customers(count, first_row=2 + 10_000 * number) for number in range(processes)]
    return list(await asyncio.gather(*(one.send(rows) for one, rows in zip(runs, found, strict=True))))


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize(("rate", "seconds"), [("600/minute", 60), ("50/second", 20)])
def test_the_rate_is_used_and_provokes_no_429(rate: str, seconds: int, processes: int) -> None:
    """The server allows the configured rate and answers after 200 ms: 98 % of it is used, and not one 429.

    Two runs that share a key share the rate, too, and are through together.
    """
    runs = virtually(at_once(rate, processes, seconds))
    left = sorted(at for one in runs for at in one.wire.left)
    allowed = read_rate(rate)
    assert [one.state.throttled for one in runs] == [0] * processes
    assert most_in_a_window(left, allowed.unit) <= allowed.count
    assert most_in_a_window(left, 1.0) <= allowed.count / allowed.unit + 1
    steady = [at for at in left if at >= left[0] + 1.0]
    assert len(steady) - 1 >= 0.98 * allowed.count / allowed.unit * (steady[-1] - steady[0])
    assert min(one.wire.left[-1] for one in runs) > left[-1] - 1.0


def settings(base_url: str, folder: Path, rate: str, seconds: float) -> Settings:
    return Settings(
        base_url=base_url,
        rate=read_rate(rate),
        batch_size=1,
        concurrency=24,
        max_duration=seconds,
        reports_dir=str(folder / "reports"),
    )


def environ(folder: Path) -> dict[str, str]:
    return {
        "IMPORTER_USERNAME": "sandbox-till",
        "IMPORTER_PASSWORD": "sandbox",
        "HOME": str(folder),
        "XDG_STATE_HOME": str(folder),
    }


class Wire:
    """When each request was written to the wire, by the very reading of the clock that the pacer went by."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.times: list[float] = []
        self._said = threading.local()
        count = Pacer.written

        def note(pacer: Pacer) -> None:
            count(pacer)
            self.times.append(self._said.at)

        patch.setattr(Pacer, "written", note)

    def clock(self) -> float:
        """This machine's, for a world."""
        self._said.at = time.monotonic()
        return float(self._said.at)


@pytest.mark.slow
def test_seconds_at_50_a_second_never_exceed_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also on a busy machine, where this process and the server wake late: the limit comes before the use of it. What
    we write to the wire holds it to the letter; between there and the server's clock lies its own lateness."""
    wire = Wire(monkeypatch)
    with EmbeddedSandbox(SandboxOptions(latency=(0.2,), rate_limit="50/second")) as sandbox:
        one = settings(sandbox.base_url, tmp_path, "50/second", 3.0)
        run(str(sheet(tmp_path / "sheet.csv", 500)), one, World(environ(tmp_path), clock=wire.clock))
        arrived = [record.at for record in sandbox.state.requests]
    batches = wire.times[1:]  # after the question for the organisation's fields, which counts towards the rate
    assert len(arrived) == len(batches) > 2
    assert most_in_a_window(wire.times, 1.0) <= 50
    late = max(there - here for here, there in zip(batches, arrived, strict=True))
    assert most_in_a_window(arrived, 1.0) <= 51 + math.ceil(50 * late)


@pytest.mark.slow
def test_two_runs_with_one_key_share_its_rate(tmp_path: Path) -> None:
    """Each on its own they would send twice as many; what one of them writes late may come beside one of the other."""
    with EmbeddedSandbox(SandboxOptions(latency=(0.2,))) as sandbox:
        runs = []
        for name in ("one", "two"):
            folder = tmp_path / name
            folder.mkdir()
            one = settings(sandbox.base_url, folder, "50/second", 2.5)
            runs.append(
                threading.Thread(
                    target=run, args=(str(sheet(folder / "sheet.csv", 500)), one, World(environ(tmp_path)))
                )
            )
        for thread in runs:
            thread.start()
        for thread in runs:
            thread.join()
        arrived = [record.at for record in sandbox.state.requests]
    assert 2 < len(arrived) <= 50 * (arrived[-1] - arrived[0] + 1) + 24
