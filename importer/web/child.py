"""One worker process as the server sees it: started ahead of its task, given a task, read, ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator

import msgspec

from importer.system.process import child_command, child_environ
from importer.web.messages import Message, WorkerTask


class Child:
    """A process of `importer.web.worker`. Start it early: that takes a second."""

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

    def give(self, task: WorkerTask) -> None:
        self._write(msgspec.json.encode(task))

    def stop(self) -> None:
        """Asks the process to stop cleanly."""
        self._write(b"stop")

    def _write(self, line: bytes) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(ConnectionError, RuntimeError):
            self._process.stdin.write(line + b"\n")

    async def messages(self) -> AsyncIterator[Message]:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            yield msgspec.json.decode(line, type=Message)
        await self._process.wait()

    def leave(self) -> None:
        """Closes the input: the process completes what it does, on its own."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    async def end(self, patience: float = 5.0) -> None:
        """Closes the input and waits; after `patience` seconds kills the process and those that it started."""
        self.leave()
        try:
            await asyncio.wait_for(self._process.wait(), patience)
        except TimeoutError:
            if self.alive:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._process.pid, signal.SIGKILL)  # it leads the group of its session
            await self._process.wait()
