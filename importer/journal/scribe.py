"""The scribe: writes the journal for the event loop, in its own thread."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from importer.errors import ImporterError, JournalError
from importer.journal.changes import Change
from importer.journal.journal import Journal

#: How long a commit waits for further changes, in seconds. A commit costs as much CPU as all changes of a batch, and no
#: request waits for it, because the next batches are written before their turn.
GAP = 0.003
#: After so many commits of a single change, commits stop waiting: the run sends one request at a time.
LONELY = 8


class Scribe:
    """Writes changes from the event loop in its own thread, with one commit for all that are waiting."""

    def __init__(self, journal: Journal, key: int, pause: Callable[[float], None] = time.sleep) -> None:
        """`pause` is called by the thread."""
        self._journal = journal
        self._key = key
        self._pause = pause
        self._queue: queue.SimpleQueue[tuple[Change, asyncio.Future[None]] | None] = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._error: ImporterError | None = None
        self._thread = threading.Thread(target=self._work, name="journal", daemon=True)
        self._thread.start()

    async def write(self, change: Change) -> None:
        """Return when the change is on the disk. After an error every call raises it: a failed sync is not repeated,
        because the kernel may have dropped the data."""
        future = self._loop.create_future()
        self._queue.put((change, future))
        await future

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def _work(self) -> None:
        going, alone = True, LONELY
        while going:
            waiting = [self._queue.get()]
            if waiting[0] is not None and alone < LONELY:
                self._pause(GAP)
            while not self._queue.empty():
                waiting.append(self._queue.get())
            going = None not in waiting
            batch = [entry for entry in waiting if entry is not None]
            if not batch:
                continue
            alone = alone + 1 if len(batch) == 1 else 0
            try:
                if self._error is None:
                    self._journal.write([change for change, _ in batch], self._key)
            except ImporterError as error:
                self._error = error
            except Exception as error:
                # Waiting callers must get an answer in any case.
                self._error = JournalError(f"The journal failed: {type(error).__name__}.", "Please report it.")
                self._error.__cause__ = error
            self._loop.call_soon_threadsafe(_resolve, [future for _, future in batch], self._error)


def _resolve(futures: list[asyncio.Future[None]], error: Exception | None) -> None:
    for future in futures:
        if not future.done():
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)
