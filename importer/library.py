"""The library: `importer.run` and `importer.check`, with the options of the command line as keyword arguments."""

from __future__ import annotations

import asyncio
import datetime
import difflib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import msgspec
import pandas as pd

from importer.checker.check import check as check_source
from importer.checker.findings import Findings
from importer.model import Rate, RunSummary
from importer.pipeline import run as run_source
from importer.runs.frame_spool import DELIMITER, ENCODING, HEADER_ROW, spooled_frame
from importer.settings.loading import load, with_reports
from importer.settings.options import OPTIONS, Settings
from importer.world import World

Source = str | Path | pd.DataFrame
#: The types of a setting: the text one would type, or a value.
Value = str | int | float | bool | Path | datetime.timedelta | Rate | None

#: Settings of commands only: a program has its own log.
_COMMAND_LINE = frozenset({"log_format", "log_file", "metrics_file"})

_Result = TypeVar("_Result")


def run(source: Source, *, config: str | Path | None = None, **settings: Value) -> RunSummary:
    """Import a source and write reports. Raises `ImporterError` if the run cannot begin.

    `source`: a file, or a DataFrame (its header counts as row 1). `settings` are those of `importer run`, by name:
    `run("customers.xlsx", cluster="eu", country="IN", rate="300/minute")`. What is not given comes from the
    environment, then from `config` or the folder's importer.toml. `exit_code` shows how the run ended.
    """
    found = _settings(settings, config, "run")
    world = World(os.environ)
    if isinstance(source, pd.DataFrame):
        with spooled_frame(source, Path(found.reports_dir)) as path:
            return _outside_loops(lambda: run_source(path, _as_spooled(found), world, spooled=True))
    return _outside_loops(lambda: run_source(str(source), found, world))


def check(source: Source, *, config: str | Path | None = None, **settings: Value) -> Findings:
    """Check a source without sending: what would be sent, problems by row and column, time at the rate."""
    found = _settings(settings, config, "check")
    world = World(os.environ)
    if isinstance(source, pd.DataFrame):
        with spooled_frame(source, Path(found.reports_dir), keep=False) as path:
            return _outside_loops(lambda: check_source(path, _as_spooled(found), world))
    return _outside_loops(lambda: check_source(str(source), found, world))


def _settings(given: dict[str, Value], config: str | Path | None, command: str) -> Settings:
    known = [option.field for option in OPTIONS if command in option.commands and option.field not in _COMMAND_LINE]
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            raise TypeError(f"{command}() has no setting {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
    texts = {name: _text(value) for name, value in given.items() if value is not None}
    return with_reports(load(texts, os.environ, Path(config) if config is not None else None))


def _text(value: Value) -> str:
    """A value as one types it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime.timedelta):
        return f"{value.total_seconds():f}"
    if isinstance(value, Rate):
        return value.word
    return str(value)


def _as_spooled(settings: Settings) -> Settings:
    """The settings that read a spooled frame; nothing is left to detect."""
    return msgspec.structs.replace(settings, sheet="", encoding=ENCODING, delimiter=DELIMITER, header_row=HEADER_ROW)


def _outside_loops(work: Callable[[], _Result]) -> _Result:
    """Carry out the work, in another thread if this one runs an event loop, like in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return work()
    with ThreadPoolExecutor(1, thread_name_prefix="importer") as executor:
        return executor.submit(work).result()
