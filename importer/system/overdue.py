"""Ends a process that does not end by itself in time after a signal."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Collection

from importer.system.streams import has_input

#: Seconds after SIGTERM or Ctrl-C at which the process ends, whatever hangs. In-flight requests get 10 s of them.
LATEST = 14.0
#: Seconds after a second signal at which it ends, where its handler did not.
_AGAIN = 0.5


class Overdue:
    """A context that calls `end` with a signal's number so many seconds after it arrived, unless it was left before.

    A handler written in Python runs only when the main thread does, and that may wait for a database or a disk. The
    handler below it writes a byte, which a thread of this class reads. A second signal ends the process at once. Does
    nothing outside of the main thread.
    """

    def __init__(self, numbers: Collection[int], seconds: float, end: Callable[[int], object]) -> None:
        self._numbers = frozenset(numbers)
        self._watches = threading.current_thread() is threading.main_thread()
        self._seconds = seconds
        self._end = end

    def __enter__(self) -> None:
        if not self._watches:
            return
        self._read, self._write = os.pipe()
        os.set_blocking(self._write, False)
        self._before = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        threading.Thread(target=self._watch, name="overdue", daemon=True).start()

    def __exit__(self, *_: object) -> None:
        if not self._watches:
            return
        signal.set_wakeup_fd(self._before)
        os.close(self._write)

    def _watch(self) -> None:
        try:
            while signals := os.read(self._read, 1):
                for number in self._numbers.intersection(signals):
                    if not self._left_within(time.monotonic() + self._seconds):
                        self._end(number)
                    return
        finally:
            os.close(self._read)

    def _left_within(self, at: float) -> bool:
        """Whether the context was left before that moment. A further signal makes it sooner."""
        while (left := at - time.monotonic()) > 0:
            if not has_input(self._read, left):
                break
            signals = os.read(self._read, 1)
            if not signals:
                return True
            if self._numbers.intersection(signals):
                at = min(at, time.monotonic() + _AGAIN)
        return False
