"""The standard streams, which may be closed, full, or have nobody at the other end."""

from __future__ import annotations

import io
import os
import sys
from typing import Any


def open_streams() -> None:
    """What is closed (`2>&-`) leads nowhere from here on. Otherwise the journal could be given number 2, and the next
    word to people would be written into it."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # The lowest number that is free: this one.
            os.open(os.devnull, os.O_RDWR)
    sys.stdin = sys.stdin or open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stderr is None or (isinstance(sys.stderr, io.TextIOWrapper) and sys.stderr is sys.__stderr__):
        encoding = sys.stderr.encoding if sys.stderr else "utf-8"
        talk = io.BufferedWriter(_Talk(2, "w", closefd=False))
        sys.stderr = io.TextIOWrapper(talk, encoding, "backslashreplace", line_buffering=True)


class _Talk(io.FileIO):
    """Progress and talk: where nobody listens any more, the work that they tell of goes on all the same."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError:
            return len(data)


def close_streams() -> None:
    """What could not be written until now never will be: the interpreter must not exit with 120 over it."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        drop_stdout()


def drop_stdout() -> None:
    """What goes to stdout from here on goes nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
