"""The supervisor: worker processes that inspect, check and send, one per task, and the runs in progress.

What a person wants of a run is stored before it is done, so a restarted server resumes it.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Literal

import msgspec

from importer.errors import ExitCode, ImporterError, Stop, internal_error
from importer.settings.options import Settings
from importer.system.files import write_whole
from importer.system.text import counted
from importer.web.child import Child
from importer.web.children import Children
from importer.web.journal_view import JournalView, ended_well
from importer.web.live_run import LiveRun
from importer.web.messages import RESULT_FILES, Begun, WorkerEnded, WorkerTask
from importer.web.passwords import Passwords
from importer.web.slots import Slots
from importer.web.storage import Storage, Upload, Wish

#: Seconds after the signal for runs to complete their in-flight requests and write their reports. Two seconds later the
#: command line ends the server.
STOP_SECONDS = 12.0
#: How often a run whose process died is restarted before a person must look at it.
MOST_DEATHS = 3
#: Seconds for which the process of a killed server may still hold its run.
LONGEST_BUSY = 90.0
#: Inspections and checks at the same time: of all users, and of one.
_INSPECTIONS, _INSPECTIONS_EACH = 6, 2
#: Seconds for each. A check reads, and looks up, every row of the largest file.
LONGEST = {"inspect": 600.0, "check": 3600.0, "fixed": 3600.0}
#: Seconds for a template, which waits for the API, and for a free process before that.
_LONGEST_TEMPLATE = 60.0


class Supervisor:
    """Every worker process of the server. Used from the event loop only."""

    def __init__(
        self,
        storage: Storage,
        journal: JournalView,
        most_runs: int,
        ended: Callable[[Wish], None] = lambda _: None,
    ) -> None:
        """`ended`: called with the wish of a run that ended, and at the start with those of all that are not wanted."""
        self._storage = storage
        self._journal = journal
        self._ended = ended
        self._turns = Slots(most_runs, (most_runs + 1) // 2)
        self._inspection_turns = Slots(_INSPECTIONS, _INSPECTIONS_EACH)
        self._inspections: dict[tuple[str, str], asyncio.Task[Any]] = {}
        self._lives: dict[int, LiveRun] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.closing = asyncio.Event()
        self._closed_at = 0.0
        self._children = Children(self.closing)
        self._stopping: asyncio.Task[None] | None = None
        self.passwords = Passwords()

    async def start(self) -> None:
        """Resumes every run that was in progress when the server ended."""
        self._children.prepare()
        self._stopping = asyncio.create_task(self._stop_when_closing())
        for wish in self._storage.wishes():
            if wish.wanted == "running":
                self._begin(wish)
            else:
                self._ended(wish)

    async def close(self) -> None:
        """Stops all runs cleanly. They stay wanted: the next server resumes them."""
        self.closing.set()
        if self._stopping is not None:
            await self._stopping
        waiting = [task for task in self._tasks if not task.done()]
        if waiting:
            left = self._closed_at + STOP_SECONDS - time.monotonic()
            await asyncio.wait(waiting, timeout=max(left, 0.0))
        for task in self._tasks:
            task.cancel()
        # The process of such a run writes its reports, although this one ends.
        await self._children.close(
            {live.child for live in self._lives.values() if live.child and live.state == "reporting"}
        )

    async def _stop_when_closing(self) -> None:
        """Asks the processes to stop at the signal: the server may then wait for slow visitors first."""
        await self.closing.wait()
        self._closed_at = time.monotonic()
        for task in self._inspections.values():
            task.cancel()
        for live in self._lives.values():
            if live.child is not None:
                live.child.stop()

    # ------------------------------------------------------------------------------------------------ inspections

    def inspect(self, upload: Upload, settings: Settings, mapping: str = "") -> None:
        task = WorkerTask("inspect", settings, path=upload.path, folder=str(upload.own_folder), mapping=mapping)
        self._start_inspection(upload, task)

    def check(self, upload: Upload, settings: Settings) -> None:
        self._start_inspection(upload, WorkerTask("check", settings, path=upload.path, folder=str(upload.own_folder)))

    def make_copy(self, upload: Upload, settings: Settings) -> None:
        """Writes the sheet as it was fixed."""
        self._start_inspection(upload, WorkerTask("fixed", settings, path=upload.path, folder=str(upload.own_folder)))

    def is_inspecting(self, upload: Upload, kind: str) -> bool:
        task = self._inspections.get((kind, upload.id))
        return task is not None and not task.done()

    def cancel_inspections(self, upload: Upload) -> None:
        for kind in ("inspect", "check", "fixed"):
            task = self._inspections.pop((kind, upload.id), None)
            if task is not None:
                task.cancel()

    async def wait_for_inspection(self, upload: Upload, kind: str, seconds: float) -> None:
        """Returns when the inspection is over, or after so many seconds."""
        task = self._inspections.get((kind, upload.id))
        if task is not None:
            await asyncio.wait((task,), timeout=seconds)

    def _start_inspection(self, upload: Upload, task: WorkerTask) -> None:
        key = (task.kind, upload.id)
        if key in self._inspections and not self._inspections[key].done():
            return
        task = msgspec.structs.replace(task, password=self.passwords.of(upload.path))
        self._inspections[key] = asyncio.create_task(self._carry_inspection(task, upload.owner))

    async def _carry_inspection(self, task: WorkerTask, owner: str) -> None:
        # Its process has nothing to complete: it is killed with the task.
        async with self._inspection_turns.one(owner), self._children.one(patience=0.0) as child:
            child.give(task)
            try:
                async with asyncio.timeout(LONGEST[task.kind]):
                    ended = await _end_of(child)
            except TimeoutError:
                minutes = counted(round(LONGEST[task.kind] / 60), "minute")
                ended = WorkerEnded(
                    ExitCode.SOURCE,
                    f"This file was not read within {minutes}.",
                    "Save it as CSV (UTF-8) in a spreadsheet program, or split it, and upload that.",
                )
        if ended.message:
            # Each of the results has this field.
            content = msgspec.json.encode({"fault": (ended.message, ended.advice)})
            await asyncio.to_thread(write_whole, Path(task.folder) / RESULT_FILES[task.kind], content)

    async def make_template(self, settings: Settings, owner: str) -> bytes:
        """A workbook to fill in, for the organisation of the settings. Raises `Stop` where there is none in time."""
        with tempfile.TemporaryDirectory(prefix="importer-") as folder:
            key = ("template", folder)
            task = self._inspections[key] = asyncio.create_task(self._carry_template(settings, owner, folder))
            try:
                await asyncio.wait((task,), timeout=_LONGEST_TEMPLATE)
            finally:
                task.cancel()
                del self._inspections[key]
            ended = WorkerEnded(ExitCode.TEMPORARY, "The template was not ready in time.", "Try again later.")
            if task.done() and not task.cancelled():
                ended = task.result()
            if ended.message:
                raise Stop(ExitCode(ended.exit_code), ended.message, ended.advice)
            return await asyncio.to_thread((Path(folder) / RESULT_FILES["template"]).read_bytes)

    async def _carry_template(self, settings: Settings, owner: str, folder: str) -> WorkerEnded:
        async with self._inspection_turns.one(owner), self._children.one(patience=0.0) as child:
            child.give(WorkerTask("template", settings, folder=folder))
            return await _end_of(child)

    # ------------------------------------------------------------------------------------------------ runs

    def begin(self, wish: Wish) -> LiveRun:
        """Starts a new run, or resumes one."""
        return self._begin(self._storage.wish(wish))

    def live(self, run_id: str) -> LiveRun | None:
        return next((live for live in self._lives.values() if run_id and live.run_id == run_id), None)

    def lives(self) -> list[LiveRun]:
        return list(self._lives.values())

    def stop(self, live: LiveRun, wanted: Literal["paused", "stopped"], by: str = "") -> None:
        """`by`: the user who asked for it."""
        live.wish = self._storage.wish(msgspec.structs.replace(live.wish, wanted=wanted))
        live.halted_by = by
        live.halted.set()
        if live.child is not None:
            live.child.stop()

    def _begin(self, wish: Wish) -> LiveRun:
        live = self._lives[wish.id] = LiveRun(wish)
        task = asyncio.create_task(self._carry(live))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return live

    async def _carry(self, live: LiveRun) -> None:
        try:
            async with self._turn(live) as has_turn:
                ended = await self._to_its_end(live) if has_turn else WorkerEnded(ExitCode.INTERRUPTED)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            ended = WorkerEnded(ExitCode.INTERNAL, internal_error(error).message)
        interrupted = ended.exit_code == ExitCode.INTERRUPTED
        if not (self.closing.is_set() and live.wish.wanted == "running" and interrupted):
            wanted = live.wish.wanted if live.wish.wanted != "running" else "ended"
            trouble, locked = (ended.message, ended.advice), live.wish.locked or ended.locked
            live.wish = self._storage.wish(
                msgspec.structs.replace(live.wish, wanted=wanted, trouble=trouble, locked=locked)
            )
        await self._delete_what_is_done(live, wrong_password=ended.locked)
        live.state = "ended"
        self._lives.pop(live.wish.id, None)
        live.known.set()
        live.over.set()
        self._ended(live.wish)

    @contextlib.asynccontextmanager
    async def _turn(self, live: LiveRun) -> AsyncIterator[bool]:
        """Waits for a turn. False where the run is asked to pause or stop before."""
        async with contextlib.AsyncExitStack() as stack:
            turn = asyncio.create_task(stack.enter_async_context(self._turns.one(live.wish.owner)))
            halted = asyncio.create_task(live.halted.wait())
            try:
                await asyncio.wait((turn, halted), return_when=asyncio.FIRST_COMPLETED)
            finally:
                halted.cancel()
                if not turn.done():
                    turn.cancel()
                    await asyncio.gather(turn, return_exceptions=True)
            yield not turn.cancelled()

    async def _delete_what_is_done(self, live: LiveRun, *, wrong_password: bool) -> None:
        """Deletes an uploaded file once it cannot be resumed, fixed or retried; its password with the run, or when it
        is wrong."""
        with contextlib.suppress(ImporterError):
            run = await self._journal.run(live.run_id) if live.run_id else None
            if wrong_password or (run is not None and run.finished):
                self.passwords.forget(live.wish.path)
            upload = self._storage.upload_of(run.record.source) if run is not None and run.finished else None
            if run is None or upload is None:
                return
            if ended_well(run):
                await asyncio.to_thread(shutil.rmtree, upload.folder, ignore_errors=True)
            else:
                # Checked again where it is fixed: rows that the API refused need a decision too.
                (upload.own_folder / RESULT_FILES["check"]).unlink(missing_ok=True)

    async def _to_its_end(self, live: LiveRun) -> WorkerEnded:
        """Process after process, until one ends by itself."""
        deaths = 0
        began = time.monotonic()
        while True:
            if live.wish.wanted != "running" or self.closing.is_set():
                return WorkerEnded(ExitCode.INTERRUPTED)
            task = await self._next_task(live)
            if task is None:
                return WorkerEnded(ExitCode.OK)
            ended = await self._one_process(live, task)
            if ended is None:
                deaths += 1
                if deaths > MOST_DEATHS:
                    return WorkerEnded(
                        ExitCode.INTERNAL, f"The process of this run died {deaths} times.", "Resume it later."
                    )
                await self._nap(float(deaths))
            elif ended.exit_code == ExitCode.BUSY and time.monotonic() - began < LONGEST_BUSY:
                # Most likely the process of a killed server, which is about to stop.
                await self._nap(0.5)
            else:
                return ended

    async def _nap(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.closing.wait(), seconds)

    async def _next_task(self, live: LiveRun) -> WorkerTask | None:
        """The next step for the wish, by what the journal says; None when nothing is left to do."""
        wish = live.wish
        settings = msgspec.convert(wish.settings, Settings)
        if wish.run_id:
            run = await self._journal.run(wish.run_id)
        else:
            run = await self._journal.run_of(wish.path, wish.since, wish.retry_of)
        if run is None and wish.retry_of and not wish.fixed:
            return WorkerTask("retry", settings, run_id=wish.retry_of)
        if run is None:
            upload = self._storage.upload_of(wish.path)
            folder = str(upload.own_folder) if upload is not None else ""
            return WorkerTask("run", settings, path=wish.path, folder=folder, run_id=wish.retry_of)
        self._know(live, run.record.run_id)
        return None if run.finished else WorkerTask("resume", settings, run_id=run.record.run_id)

    async def _one_process(self, live: LiveRun, task: WorkerTask) -> WorkerEnded | None:
        """Gives the run to one process; None when that died."""
        # Before the process has the run: what the journal holds later may already be its own.
        counts = await self._journal.counts(task.run_id) if task.kind == "resume" else {}
        live.new_process(counts)
        ended = None
        async with self._children.one() as child:
            live.child = child
            child.give(msgspec.structs.replace(task, password=self.passwords.of(live.wish.path)))
            if live.wish.wanted != "running" or self.closing.is_set():
                child.stop()
            try:
                async for message in child.messages():
                    if isinstance(message, Begun):
                        await self._begun(live)
                    elif isinstance(message, WorkerEnded):
                        ended = message
                    live.receive(message)
            finally:
                live.child = None
        return ended

    async def _begun(self, live: LiveRun) -> None:
        if not live.run_id:
            run = await self._journal.run_of(live.wish.path, live.wish.since, live.wish.retry_of)
        else:
            run = await self._journal.run(live.run_id)
        if run is not None:
            self._know(live, run.record.run_id)
        live.state = "running"

    def _know(self, live: LiveRun, run_id: str) -> None:
        if live.wish.run_id != run_id:
            live.wish = self._storage.wish(msgspec.structs.replace(live.wish, run_id=run_id))
        live.known.set()


async def _end_of(child: Child) -> WorkerEnded:
    ended = WorkerEnded(ExitCode.INTERNAL, "The process of this task died.")
    async for message in child.messages():
        if isinstance(message, WorkerEnded):
            ended = message
    return ended
