"""Slots: one user's slow files never block everyone, and no file holds its slot for ever."""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from importer.settings.options import Settings
from importer.web import child, supervisor
from importer.web.app import create_app
from importer.web.child import Child
from importer.web.options import WebOptions
from importer.web.slots import Slots
from importer.web.supervisor import Supervisor
from tests.support.page import Visitor, until


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_slots_are_fair() -> None:
    """A user has at most their share. A free slot goes to the user who has the fewest, then to who came first; whoever
    gave up is passed over."""

    async def scenario() -> None:
        slots, taken, ends = Slots(3, 2), [], {}

        async def work(name: str) -> None:
            async with slots.one(name[0]):
                taken.append(name)
                ends[name] = asyncio.Event()
                await ends[name].wait()

        tasks = {name: asyncio.create_task(work(name)) for name in ("a1", "a2", "a3", "a4", "b1", "b2", "c1")}
        await settle()
        assert taken == ["a1", "a2", "b1"]
        ends["a1"].set()
        await settle()
        assert taken[3:] == ["c1"]
        tasks["a3"].cancel()
        tasks["a2"].cancel()
        await settle()
        assert taken[4:] == ["a4"]
        for name in ("c1", "b1", "a4"):
            ends[name].set()
        await settle()
        assert taken[5:] == ["b2"]
        ends["b2"].set()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
        assert slots._taken.total() == 0 and not slots._waiting

    asyncio.run(scenario())


def test_inspections_and_runs_take_fair_slots() -> None:
    """One user cannot take all slots for reading, nor all for runs."""
    runs = Supervisor(None, None, 8)  # type: ignore[arg-type]
    for slots in (runs._inspection_turns, runs._turns):
        assert 0 < 2 * slots._each <= slots._most


@pytest.mark.process
def test_a_file_that_takes_too_long_ends_its_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading has a limit of wall-clock time; the page says so, and the file can be discarded."""
    monkeypatch.setitem(supervisor.LONGEST, "inspect", 0.0)
    options = WebOptions(settings=Settings(sandbox=True, reports_dir=str(tmp_path)))
    with TestClient(create_app(options), base_url="http://localhost") as page:
        visitor = Visitor(page)
        address = visitor.upload("slow.csv", b"Mobile,Brand\n919876543210,Puma\n").url.path
        assert "was not read within" in visitor.settled(address).text
        runs = page.app.state.runs  # type: ignore[attr-defined]
        until(lambda: runs._inspection_turns._taken.total(), lambda taken: not taken)
        assert visitor.post(f"{address}/discard").url.path == "/"


def test_a_process_ends_with_those_that_it_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """A parser does not outlive the process of its file, whatever that ignores."""
    script = "trap '' TERM; sleep 1000 & echo $!; while :; do sleep 1; done"
    monkeypatch.setattr(child, "child_command", lambda _: ["sh", "-c", script])

    async def scenario() -> int:
        process = await Child.start()
        assert process._process.stdout is not None
        grandchild = int(await process._process.stdout.readline())
        await process.end(0.0)
        return grandchild

    grandchild = asyncio.run(scenario())

    def is_gone() -> bool:
        with contextlib.suppress(OSError):
            return "State:\tZ" in Path(f"/proc/{grandchild}/status").read_text(encoding="ascii")
        with contextlib.suppress(ProcessLookupError):
            os.kill(grandchild, 0)
            return False
        return True

    until(is_gone, bool)
