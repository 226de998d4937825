"""Counts of a run in progress: each row once, whichever process handled it."""

from __future__ import annotations

import asyncio
import io
from typing import Any

import msgspec

from importer.model import Outcome, Status
from importer.observer import Extent
from importer.settings.options import Settings
from importer.web.live_run import LiveRun
from importer.web.messages import Begun, Message, RowsCounted, WorkerEnded, WorkerTask
from importer.web.storage import Wish
from importer.web.supervisor import Supervisor
from importer.web.worker import Pipe, PipeObserver


class Journal:
    """A journal that already contains the outcomes of the process when it is read."""

    def __init__(self, before: dict[str, int]) -> None:
        self.now = before

    async def counts(self, _: str) -> dict[str, int]:
        return dict(self.now)

    async def run(self, _: str) -> None:
        self.now["rejected"] = self.now.get("rejected", 0) + 22

    async def run_of(self, *_: object) -> None:
        await self.run("")


class Child:
    alive = True

    def give(self, _: WorkerTask) -> None: ...

    def stop(self) -> None: ...

    async def end(self, patience: float = 0.0) -> None: ...

    async def messages(self) -> Any:
        for message in (Begun(0), RowsCounted(22, {"rejected": 22}, {}), WorkerEnded(0)):
            yield message


def counts_after(kind: Any, before: dict[str, int]) -> dict[str, int]:
    async def one_process() -> dict[str, int]:
        supervisor = Supervisor(None, Journal(before), 1)  # type: ignore[arg-type]
        supervisor.closing.set()  # no process is prepared
        spare: Any = asyncio.get_running_loop().create_future()
        spare.set_result(Child())
        supervisor._children._next = spare
        run_id = "20261128-0200-a-0000" if kind == "resume" else ""
        live = LiveRun(Wish(1, "", "a.csv", {}, 0, run_id))
        await supervisor._one_process(live, WorkerTask(kind, Settings(), run_id=run_id))
        return live.counts

    return asyncio.run(one_process())


def test_rows_of_this_process_count_once() -> None:
    """A row counts once, even if its outcome is in the journal before the process reports it."""
    assert counts_after("run", {}) == {"rejected": 22}
    assert counts_after("resume", {"rejected": 1, "succeeded": 7}) == {"rejected": 23, "succeeded": 7}


def test_the_page_counts_the_whole_sheet_and_not_the_rejected_rows_as_speed() -> None:
    """What a process reports: the rows of the sheet, and a time left that goes by the rate, not by rejected rows."""
    written = io.BytesIO()
    observer = PipeObserver(Pipe(written))
    observer.begin(Extent("a.csv", 40_000, {Status.SUCCEEDED: 10_000}, 30_000, 100.0))
    observer.rows_read(20_000)
    observer.decided([Outcome(0, Status.REJECTED, "invalid")] * 5_000)
    observer.flush()
    messages = [msgspec.json.decode(line, type=Message) for line in written.getvalue().splitlines()]
    assert messages[0] == Begun(10_000)
    counted = messages[-1]
    assert isinstance(counted, RowsCounted)
    assert (counted.rows, counted.statuses, counted.speed) == (40_000, {"rejected": 5_000}, 0)
    assert counted.left is not None
    assert 150 < counted.left < 250
