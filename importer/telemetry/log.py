"""Logs: one line an event, plain or JSON, with identifiers masked. The only door to structlog.

A log file is opened anew when the platform's tools have moved it away; it is its owner's alone.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, MutableMapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TextIO

import structlog

from importer.errors import SettingsError
from importer.system.clock import stamp

#: Facts that are ours and hold no identifier: a name of a file, an id with a date in it.
_CLEAR = frozenset({"run", "file", "profile", "at", "level", "moved_to"})
_EMAIL = re.compile(r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)+")
_DIGITS = re.compile(r"(?<![\w.-])\+?\d(?:[ -]?\d){8,14}(?![\w-])")


def mask(text: str) -> str:
    """A text without whole identifiers: `91******6415`, `a***@example.com`."""
    text = _EMAIL.sub(lambda found: f"{found[0][0]}***@{found[0].partition('@')[2]}", text)
    return _DIGITS.sub(_masked_number, text)


def _masked_number(found: re.Match[str]) -> str:
    digits = re.sub(r"\D", "", found[0])
    return f"{digits[:2]}******{digits[-4:]}"


class Log:
    """Where events go: any number of streams and files. Facts that were bound stand in every line."""

    def __init__(self, loggers: Sequence[Any] = ()) -> None:
        self._loggers = tuple(loggers)

    def bind(self, **facts: object) -> Log:
        return Log([logger.bind(**facts) for logger in self._loggers])

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
    """What lines are written to."""

    def write(self, text: str, /) -> object: ...
    def flush(self) -> object: ...


def open_log(*, stream: TextIO | None, form: str, file: str, wall: Callable[[], int]) -> Log:
    """`form` "": plain where the stream is a terminal, JSON elsewhere. Raises `SettingsError` for a file that cannot
    be opened."""
    loggers = []
    if stream is not None:
        plain = form == "plain" or (form != "json" and stream.isatty())
        loggers.append(_logger(stream, plain, wall))
    if file:
        loggers.append(_logger(LogFile(Path(file)), form == "plain", wall))
    return Log(loggers)


def _logger(sink: Sink, plain: bool, wall: Callable[[], int]) -> Any:
    def stamped(_: Any, __: str, facts: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        return {"at": stamp(wall()), **facts}

    renderer: Any = _plain if plain else structlog.processors.JSONRenderer(ensure_ascii=False)
    return structlog.wrap_logger(
        structlog.WriteLogger(sink),  # type: ignore[arg-type] # it only writes and flushes
        processors=[structlog.processors.add_log_level, stamped, _masked, renderer],
        wrapper_class=structlog.BoundLogger,
    ).bind()


def _masked(_: Any, __: str, facts: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {
        name: mask(value) if isinstance(value, str) and name not in _CLEAR else value for name, value in facts.items()
    }


def _plain(_: Any, __: str, facts: MutableMapping[str, Any]) -> str:
    facts = dict(facts)
    head = f"{facts.pop('at')} {facts.pop('level'):<7} {facts.pop('event')}"
    words = (f"{name}={_word(value)}" for name, value in facts.items() if value not in ("", None))
    return " ".join([head, *words])


def _word(value: object) -> str:
    text = str(value).replace("\n", " ")
    return text if re.fullmatch(r"[^\s\"=]+", text) else '"' + text.replace('"', "'") + '"'


class LogFile:
    """Appends lines. After a rotation the next line begins the new file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = self._open()

    def _open(self) -> int:
        try:
            return os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as error:
            raise SettingsError(
                f"--log-file {self._path} cannot be written ({error.strerror}).", "Choose another."
            ) from None

    def _moved(self) -> bool:
        try:
            there, ours = self._path.stat(), os.fstat(self._file)
        except FileNotFoundError:
            return True
        return (there.st_dev, there.st_ino) != (ours.st_dev, ours.st_ino)

    def write(self, text: str, /) -> None:
        try:
            if self._moved():
                os.close(self._file)
                self._file = self._open()
            os.write(self._file, text.encode("utf-8", "backslashreplace"))
        except (OSError, SettingsError):
            # A log that cannot be written must not end the work that it tells of.
            return

    def flush(self) -> None:
        return
