"""Opens logs whose lines are plain or JSON. The only module that loads structlog, for the commands that log."""

from __future__ import annotations

import re
from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import Any, TextIO

import structlog

from importer.masking import mask
from importer.system.clock import stamp
from importer.telemetry.log import CLEAR, Log, LogFile, Sink


def open_log(*, stream: TextIO | None, form: str, file: str, wall: Callable[[], int]) -> Log:
    """Open a log. `form` "": plain on a terminal, JSON elsewhere. Raises `SettingsError` for a file that cannot be
    opened."""
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
        name: mask(value) if isinstance(value, str) and name not in CLEAR else value for name, value in facts.items()
    }


def _plain(_: Any, __: str, facts: MutableMapping[str, Any]) -> str:
    facts = dict(facts)
    head = f"{facts.pop('at')} {facts.pop('level'):<7} {facts.pop('event')}"
    words = (f"{name}={_word(value)}" for name, value in facts.items() if value not in ("", None))
    return " ".join([head, *words])


def _word(value: object) -> str:
    text = str(value).replace("\n", " ")
    return text if re.fullmatch(r"[^\s\"=]+", text) else '"' + text.replace('"', "'") + '"'
