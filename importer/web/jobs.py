"""Jobs: child processes that look, check and send, one each, and what is known of those that go on.

What a person wants of a run is written down before it is done, so that a server that comes back goes on with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import time
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

import msgspec

from importer.errors import ExitCode, ImporterError
from importer.settings.options import Settings
from importer.system.process import child_command, child_environ
from importer.web.ledger import Counts, Ledger, ended_well
from importer.web.messages import Begun, Ended, Job, Message, Noted, Paused, Reporting, Told
from importer.web.passwords import Passwords
from importer.web.storage import Storage, Upload, Wish

#: How long a child may take to stop well: what flies has 10 s, reports of a large sheet some more.
GRACE = 60.0
#: How often a run whose process died is gone on with before a person must look.
MOST_DEATHS = 3
#: How long the process of a server that died may still be on its run.
PATIENCE = 90.0
_LOOKS_AT_ONCE = 2

State = Literal["waiting", "starting", "running", "reporting", "ended"]


class Child:
    """One process. It is started ahead of its job, since that takes a second."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls) -> Child:
        process = await asyncio.create_subprocess_exec(
            *child_command("importer.web.worker"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            # What a library says about a cell must not end up in a log.
            stderr=asyncio.subprocess.DEVNULL,
            env=child_environ(os.environ),
            start_new_session=True,
            limit=1 << 20,
        )
        return cls(process)

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    def give(self, job: Job) -> None:
        self._say(msgspec.json.encode(job))

    def stop(self) -> None:
        """Asks it to stop well."""
        self._say(b"stop")

    def _say(self, line: bytes) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(ConnectionError, RuntimeError):
            self._process.stdin.write(line + b"\n")

    async def messages(self) -> AsyncIterator[Message]:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            yield msgspec.json.decode(line, type=Message)
        await self._process.wait()

    async def end(self, patience: float = 5.0) -> None:
        """Closes its input and waits; kills it when that is not enough."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), patience)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()


class Live:
    """A run of this server that goes on, as its process tells it."""

    def __init__(self, wish: Wish) -> None:
        self.wish = wish
        self.state: State = "waiting"
        self.before: Counts = {}
        self.told = Told(0, {}, {})
        self.notes: list[str] = []
        self.paused_until = 0.0
        self.paused_why = ""
        self.child: Child | None = None
        self.known = asyncio.Event()
        self.over = asyncio.Event()
        self.version = 0
        self._marks: deque[tuple[float, int]] = deque(maxlen=240)

    @property
    def run_id(self) -> str:
        return self.wish.run_id

    @property
    def counts(self) -> Counts:
        """Outcomes so far, those of earlier processes too."""
        both = {*self.before, *self.told.statuses}
        return {name: self.before.get(name, 0) + self.told.statuses.get(name, 0) for name in both}

    @property
    def pause(self) -> float:
        """Seconds that the run still waits."""
        return max(self.paused_until - time.monotonic(), 0.0)

    def rate(self) -> float:
        """Rows a second, over the last minute."""
        now = time.monotonic()
        while len(self._marks) > 2 and self._marks[0][0] < now - 60:
            self._marks.popleft()
        if len(self._marks) < 2:
            return 0.0
        (first, before), (_, done) = self._marks[0], self._marks[-1]
        return (done - before) / max(now - first, 0.5)

    def hear(self, message: Message) -> None:
        self.version += 1
        if isinstance(message, Told):
            self.told = message
            self._marks.append((time.monotonic(), sum(message.statuses.values())))
        elif isinstance(message, Paused):
            self.paused_until = time.monotonic() + message.seconds
            self.paused_why = message.why
        elif isinstance(message, Noted):
            self.notes = [*self.notes[-19:], message.text]
        elif isinstance(message, Reporting):
            self.state = "reporting"

    def begin_anew(self) -> None:
        """Another process goes on with it."""
        self.state = "starting"
        self.told = Told(0, {}, {})
        self.paused_until = 0.0
        self._marks.clear()
        self.version += 1


class Jobs:
    """Every child of the server. Used from the event loop only."""

    def __init__(self, settings: Settings, storage: Storage, ledger: Ledger, most_runs: int) -> None:
        self._settings = settings
        self._storage = storage
        self._ledger = ledger
        self._places = asyncio.Semaphore(most_runs)
        self._looks_at_once = asyncio.Semaphore(_LOOKS_AT_ONCE)
        self._looks: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._lives: dict[int, Live] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._children: set[Child] = set()
        self._spare: asyncio.Task[Child] | None = None
        self.closing = asyncio.Event()
        self.passwords = Passwords()

    async def start(self) -> None:
        """Goes on with every run that was going when the server went."""
        self._prepare()
        for wish in self._storage.wishes():
            if wish.wanted == "running":
                self._begin(wish)

    async def close(self) -> None:
        """Runs stop well and stay wanted: the next server goes on with them."""
        self.closing.set()
        for task in self._looks.values():
            task.cancel()
        for live in self._lives.values():
            if live.child is not None:
                live.child.stop()
        waiting = [task for task in self._tasks if not task.done()]
        if waiting:
            await asyncio.wait(waiting, timeout=GRACE)
        for task in self._tasks:
            task.cancel()
        if self._spare is not None:
            with contextlib.suppress(OSError):
                self._children.add(await self._spare)
        await asyncio.gather(*[child.end(1.0) for child in self._children if child.alive])

    # ------------------------------------------------------------------------------------------------ looking

    def look(self, upload: Upload, settings: Settings, mapping: str = "") -> None:
        self._look(upload, Job("look", settings, path=upload.path, folder=str(upload.folder), mapping=mapping))

    def check(self, upload: Upload, settings: Settings) -> None:
        self._look(upload, Job("check", settings, path=upload.path, folder=str(upload.folder)))

    def is_looking(self, upload: Upload, kind: str) -> bool:
        task = self._looks.get((kind, upload.id))
        return task is not None and not task.done()

    def stop_looking(self, upload: Upload) -> None:
        for kind in ("look", "check"):
            task = self._looks.pop((kind, upload.id), None)
            if task is not None:
                task.cancel()

    async def looked(self, upload: Upload, kind: str, seconds: float) -> None:
        """Returns when the look is over, or after so long."""
        task = self._looks.get((kind, upload.id))
        if task is not None:
            await asyncio.wait((task,), timeout=seconds)

    def _look(self, upload: Upload, job: Job) -> None:
        key = (job.kind, upload.id)
        if key in self._looks and not self._looks[key].done():
            return
        job = msgspec.structs.replace(job, password=self.passwords.of(upload.path))
        self._looks[key] = asyncio.create_task(self._carry_look(job))

    async def _carry_look(self, job: Job) -> None:
        async with self._looks_at_once, self._child() as child:
            child.give(job)
            ended = Ended(ExitCode.OURS, "The process that reads the file died.")
            async for message in child.messages():
                if isinstance(message, Ended):
                    ended = message
        if ended.message:
            # The shape that both results share.
            content = msgspec.json.encode({"fault": (ended.message, ended.advice)})
            path = Path(job.folder) / f"{job.kind}.json"
            await asyncio.to_thread(_write, path, content)

    # ------------------------------------------------------------------------------------------------ runs

    def begin(self, wish: Wish) -> Live:
        """A new run, or one to go on with."""
        return self._begin(self._storage.wish(wish))

    def live(self, run_id: str) -> Live | None:
        return next((live for live in self._lives.values() if run_id and live.run_id == run_id), None)

    def live_of(self, wish: Wish) -> Live | None:
        return self._lives.get(wish.id)

    def lives(self) -> list[Live]:
        return list(self._lives.values())

    def stop(self, live: Live, wanted: Literal["paused", "stopped"]) -> None:
        live.wish = self._storage.wish(msgspec.structs.replace(live.wish, wanted=wanted))
        live.version += 1
        if live.child is not None:
            live.child.stop()

    def _begin(self, wish: Wish) -> Live:
        live = self._lives[wish.id] = Live(wish)
        task = asyncio.create_task(self._carry(live))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return live

    async def _carry(self, live: Live) -> None:
        try:
            async with self._places:
                ended = await self._to_its_end(live)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            ended = Ended(ExitCode.OURS, f"An error of ours: {type(error).__name__}.")
        if not (self.closing.is_set() and live.wish.wanted == "running" and _goes_on_later(ended)):
            wanted = live.wish.wanted if live.wish.wanted != "running" else "ended"
            trouble, locked = (ended.message, ended.advice), live.wish.locked or ended.locked
            live.wish = self._storage.wish(
                msgspec.structs.replace(live.wish, wanted=wanted, trouble=trouble, locked=locked)
            )
        await self._forget_what_is_done(live, wrong=ended.locked)
        live.state = "ended"
        live.version += 1
        self._lives.pop(live.wish.id, None)
        live.known.set()
        live.over.set()

    async def _forget_what_is_done(self, live: Live, *, wrong: bool) -> None:
        """What came in by the page goes once nobody can resume from it, mend it or try rows of it again; its password
        with the run, or when it opened nothing."""
        with contextlib.suppress(ImporterError):
            run = await self._ledger.run(live.run_id) if live.run_id else None
            if wrong or (run is not None and run.finished):
                self.passwords.forget(live.wish.path)
            if run is not None and ended_well(run) and self._storage.upload_of(run.record.source) is not None:
                folder = Path(run.record.source).parent
                await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def _to_its_end(self, live: Live) -> Ended:
        """Process after process, until one ends by itself."""
        deaths = 0
        began = time.monotonic()
        while True:
            if live.wish.wanted != "running" or self.closing.is_set():
                return Ended(ExitCode.INTERRUPTED)
            job = await self._next(live)
            if job is None:
                return Ended(ExitCode.OK)
            ended = await self._one(live, job)
            if ended is None:
                deaths += 1
                if deaths > MOST_DEATHS:
                    return Ended(ExitCode.OURS, "The process of this run died, again and again.", "Resume it later.")
                await self._nap(float(deaths))
            elif ended.exit_code == ExitCode.BUSY and time.monotonic() - began < PATIENCE:
                # Most likely the process of a server that died, about to stop.
                await self._nap(0.5)
            else:
                return ended

    async def _nap(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.closing.wait(), seconds)

    async def _next(self, live: Live) -> Job | None:
        """What is to be done for the wish, by what the journal says; None when nothing is."""
        wish = live.wish
        settings = msgspec.convert(wish.settings, Settings)
        if wish.run_id:
            run = await self._ledger.run(wish.run_id)
        else:
            run = await self._ledger.run_of(wish.path, wish.since, wish.retry_of)
        if run is None and wish.retry_of:
            return Job("retry", settings, run_id=wish.retry_of)
        if run is None:
            return Job("run", settings, path=wish.path)
        self._know(live, run.record.run_id)
        return None if run.finished else Job("resume", settings, run_id=run.record.run_id)

    async def _one(self, live: Live, job: Job) -> Ended | None:
        """One process on the run; None when it died."""
        live.begin_anew()
        ended = None
        async with self._child() as child:
            live.child = child
            child.give(msgspec.structs.replace(job, password=self.passwords.of(live.wish.path)))
            if live.wish.wanted != "running" or self.closing.is_set():
                child.stop()
            try:
                async for message in child.messages():
                    if isinstance(message, Begun):
                        await self._begun(live)
                    elif isinstance(message, Ended):
                        ended = message
                    live.hear(message)
            finally:
                live.child = None
        return ended

    async def _begun(self, live: Live) -> None:
        if not live.run_id:
            run = await self._ledger.run_of(live.wish.path, live.wish.since, live.wish.retry_of)
        else:
            run = await self._ledger.run(live.run_id)
        if run is not None:
            counts = (await self._ledger.line(run)).counts
            # What the journal holds may be of this process already, if it was asked late: told once, counted once.
            done = live.told.statuses
            live.before = {name: max(count - done.get(name, 0), 0) for name, count in counts.items()}
            self._know(live, run.record.run_id)
        live.state = "running"

    def _know(self, live: Live, run_id: str) -> None:
        if live.wish.run_id != run_id:
            live.wish = self._storage.wish(msgspec.structs.replace(live.wish, run_id=run_id))
        live.known.set()

    # ------------------------------------------------------------------------------------------------ processes

    @contextlib.asynccontextmanager
    async def _child(self) -> AsyncIterator[Child]:
        spare, self._spare = self._spare, None
        child = await spare if spare is not None else await Child.start()
        if not child.alive:
            child = await Child.start()
        self._children.add(child)
        self._prepare()
        try:
            yield child
        finally:
            await asyncio.shield(asyncio.create_task(self._put_away(child)))

    async def _put_away(self, child: Child) -> None:
        if child.alive:
            await child.end()
        self._children.discard(child)

    def _prepare(self) -> None:
        if self._spare is None and not self.closing.is_set():
            self._spare = asyncio.create_task(Child.start())


def _goes_on_later(ended: Ended) -> bool:
    return ended.exit_code == ExitCode.INTERRUPTED


def _write(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
