"""Opens logs whose lines are plain or JSON. The only module that loads structlog, for the commands that log."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, MutableMapping
from pathlib import Path
from typing import Any, TextIO

import structlog

from importer.masking import mask
from importer.system.clock import stamp
from importer.system.text import visible
from importer.telemetry.log import CLEAR, Log, LogFile, Sink


def open_log(*, stream: TextIO | None, form: str, file: str, wall: Callable[[], int]) -> Log:
    """Open a log. `form` "": plain on a terminal, JSON elsewhere. Raises `SettingsError` for a file that cannot be
    opened."""
    loggers = []
    if stream is not None:
        plain = form == "plain" or (form != "json" and stream.isatty())
        loggers.append(_logger(stream, plain, wall))
    opened = LogFile(Path(file)) if file else None
    if opened is not None:
        loggers.append(_logger(opened, form == "plain", wall))
    return Log(loggers, opened)


def _logger(sink: Sink, plain: bool, wall: Callable[[], int]) -> Any:
    def stamped(_: Any, __: str, facts: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        return {"at": stamp(wall()), **facts}

    renderer: Any = _plain if plain else structlog.processors.JSONRenderer(ensure_ascii=False)
    return structlog.wrap_logger(
        structlog.WriteLogger(sink),  # type: ignore[arg-type] # it only writes and flushes
        processors=[structlog.processors.add_log_level, stamped, _masked, _harmless, renderer],
        wrapper_class=structlog.BoundLogger,
    ).bind()


def _masked(_: Any, __: str, facts: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {
        name: mask(value) if isinstance(value, str) and name not in CLEAR else value for name, value in facts.items()
    }


def _harmless(_: Any, __: str, facts: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Without control characters: the name of a file or a column may type commands into a terminal that shows it."""
    cleaned: MutableMapping[str, Any] = _clean(facts)
    return cleaned


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, Mapping):
        return {_clean(name): _clean(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return list(map(_clean, value))
    return value


def _plain(_: Any, __: str, facts: MutableMapping[str, Any]) -> str:
    facts = dict(facts)
    head = f"{facts.pop('at')} {facts.pop('level'):<7} {_one_line(facts.pop('event'))}"
    words = (f"{name}={_word(value)}" for name, value in facts.items() if value not in ("", None))
    return " ".join([head, *words])


def _word(value: object) -> str:
    text = _one_line(value)
    return text if re.fullmatch(r"[^\s\"=]+", text) else '"' + text.replace('"', "'") + '"'


def _one_line(value: object) -> str:
    return visible(" ".join(str(value).splitlines()))
