"""Logs: one line per event, with identifiers masked.

A log file is reopened after a rotation. Only its owner can read it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from importer.errors import SettingsError

#: Facts that hold no identifier, but may look like one: a file name, an id with a date.
CLEAR = frozenset({"run", "file", "profile", "at", "level", "moved_to"})


class Log:
    """Writes events to any number of streams and files. Bound facts are part of every line."""

    def __init__(self, loggers: Sequence[Any] = (), file: LogFile | None = None) -> None:
        self._loggers = tuple(loggers)
        self._file = file

    def bind(self, **facts: object) -> Log:
        return Log([logger.bind(**facts) for logger in self._loggers], self._file)

    def close(self) -> None:
        """Close the file. What is logged afterwards goes to the streams only."""
        if self._file is not None:
            self._file.close()

    def info(self, event: str, **facts: object) -> None:
        for logger in self._loggers:
            logger.info(event, **facts)

    def warning(self, event: str, **facts: object) -> None:
        for logger in self._loggers:
            logger.warning(event, **facts)

    def error(self, event: str, **facts: object) -> None:
        for logger in self._loggers:
            logger.error(event, **facts)


class Sink(Protocol):
    """A writer of lines."""

    def write(self, text: str, /) -> object: ...
    def flush(self) -> object: ...


class LogFile:
    """Appends lines. After a rotation, the next line goes to a new file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = self._open()

    def _open(self) -> int:
        try:
            return os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as error:
            raise SettingsError(
                f"Cannot write --log-file {self._path} ({error.strerror}).", "Choose another file."
            ) from None

    def _moved(self) -> bool:
        try:
            there, ours = self._path.stat(), os.fstat(self._file)
        except FileNotFoundError:
            return True
        return (there.st_dev, there.st_ino) != (ours.st_dev, ours.st_ino)

    def write(self, text: str, /) -> None:
        try:
            if self._file < 0:
                return
            if self._moved():
                # Opened first: if that fails, the old descriptor is still open, and its number is not another file's.
                new = self._open()
                os.close(self._file)
                self._file = new
            os.write(self._file, text.encode("utf-8", "backslashreplace"))
        except (OSError, SettingsError):
            # A log that cannot be written must not end the work.
            return

    def flush(self) -> None:
        return

    def close(self) -> None:
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)
