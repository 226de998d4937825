"""Standard streams, which may be closed, full, or without a reader, and waiting for a descriptor."""

from __future__ import annotations

import io
import os
import select
import sys
from typing import Any, TextIO

from importer.system.text import folded

#: Columns of a terminal that does not say how many it has, and of a stream that is not a terminal.
COLUMNS = 80
#: Columns between which text is wrapped: lines that are shorter or longer are hard to read.
_LEAST, _MOST = 60, 100


def open_streams() -> None:
    """Open closed streams (`2>&-`) on the null device. Otherwise the journal could get descriptor 2, and the next
    message would be written into it."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # Takes the lowest free descriptor: this one.
            os.open(os.devnull, os.O_RDWR)
    sys.stdin = sys.stdin or open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stderr is None or (isinstance(sys.stderr, io.TextIOWrapper) and sys.stderr is sys.__stderr__):
        encoding = sys.stderr.encoding if sys.stderr else "utf-8"
        talk = io.BufferedWriter(_Talk(2, "w", closefd=False))
        sys.stderr = io.TextIOWrapper(talk, encoding, "backslashreplace", line_buffering=True)


def has_input(descriptor: int, seconds: float) -> bool:
    """Whether something can be read, or the other end is closed, within so many seconds.

    By `poll`: `select` refuses descriptors above 1,023, which a process with many connections has.
    """
    ready = select.poll()
    ready.register(descriptor, select.POLLIN)
    return bool(ready.poll(max(0.0, seconds) * 1000))


class _Talk(io.FileIO):
    """stderr, for progress and messages: without a reader, writing does nothing."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError:
            return len(data)


def columns_of(stream: TextIO) -> int:
    """Return how many columns the terminal has that the stream writes to."""
    try:
        return (os.get_terminal_size(stream.fileno()).columns if stream.isatty() else 0) or COLUMNS
    except (OSError, ValueError):
        return COLUMNS


def width_of(stream: TextIO) -> int:
    """Return the columns in which text is wrapped that the stream shows."""
    return min(max(columns_of(stream), _LEAST), _MOST)


def for_stream(text: str, stream: TextIO) -> str:
    """Return a message as the stream shows it: wrapped on a terminal. Programs get each message in one line."""
    return folded(text, width_of(stream)) if stream.isatty() else text


def close_streams() -> None:
    """Flush stdout, or drop it: the interpreter must not exit with 120 for it."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        drop_stdout()


def drop_stdout() -> None:
    """Send stdout to the null device from here on."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
