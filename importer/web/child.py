"""One worker process as the server sees it: started ahead of its task, given a task, read, ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
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

    async def end(self, patience: float = 5.0) -> None:
        """Closes the input and waits; kills the process after `patience` seconds."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), patience)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
