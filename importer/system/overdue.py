"""Ends a process that does not end by itself in time after a signal."""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections.abc import Callable


class Overdue:
    """A context that calls `end` so many seconds after a signal arrived, unless it was left before.

    A handler written in Python runs only when the main thread does, and that may wait for a database or a disk. The
    handler below it writes a byte, which a thread of this class reads. For the main thread.
    """

    def __init__(self, number: int, seconds: float, end: Callable[[], None]) -> None:
        self._number = number
        self._seconds = seconds
        self._end = end

    def __enter__(self) -> None:
        self._read, self._write = os.pipe()
        os.set_blocking(self._write, False)
        self._before = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        threading.Thread(target=self._watch, name="overdue", daemon=True).start()

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(self._before)
        os.close(self._write)

    def _watch(self) -> None:
        try:
            while signals := os.read(self._read, 64):
                if self._number in signals:
                    if not self._left_within(time.monotonic() + self._seconds):
                        self._end()
                    return
        finally:
            os.close(self._read)

    def _left_within(self, at: float) -> bool:
        """Whether the context was left before that moment; further signals change nothing."""
        while (left := at - time.monotonic()) > 0:
            ready, _, _ = select.select([self._read], [], [], left)
            if ready and not os.read(self._read, 64):
                return True
        return False
