"""The end of a server: in time, whatever hangs."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator

#: Seconds after which the process ends, although a disk, a journal or a thread hangs.
END_SECONDS = 14.0
_ENDING = (signal.SIGTERM, signal.SIGINT)


@contextlib.contextmanager
def in_time(seconds: float = END_SECONDS) -> Iterator[None]:
    """Ends this process `seconds` after SIGTERM or SIGINT.

    The signal reaches a thread of its own: a handler of Python does not run while the main thread waits for a disk.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    threading.Thread(target=_end_after, args=(reader, seconds), name="end", daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)


def _end_after(reader: int, seconds: float) -> None:
    number = 0
    while number not in _ENDING:
        number = os.read(reader, 1)[0]
    time.sleep(seconds)
    os._exit(128 + number)
