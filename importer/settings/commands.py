"""Commands that work as pasted: in the folder and environment of this process, with the settings of a run or a check.

The one rule: an option is written out where the next command takes it and would not find the same value by itself, in
`importer.toml`, the profile or the environment.
"""

from __future__ import annotations

import functools
import re
import shlex
from collections.abc import Callable, Collection, Mapping
from pathlib import PurePath
from typing import Any, TypeVar, cast

import msgspec

from importer.errors import ImporterError
from importer.settings.options import OPTIONS, Option, Settings
from importer.settings.values import typed_text
from importer.system.text import shell

#: Commands that look at a run keep its settings: they only have to find it.
_OF_A_RUN = frozenset(("resume", "retry", "report", "verify", "runs", "purge"))
_OF_ONE_RUN = frozenset(("resume", "retry", "report", "verify"))
#: The commands that take settings.
_COMPLETED = _OF_A_RUN | {"run", "check", "map", "doctor", "nightly"}
_PLACES = ("reports_dir", "database")
#: What one call was asked for, not how its source is imported.
_ONCE = frozenset(("restart", "resubmit", "overwrite_newer", "output", "online"))
#: Which rows of the file, and how a report is read.
_ROWS = ("limit", "skip_rows")
_REPORT = {"encoding": "utf-8", "delimiter": ",", "header_row": 1}
_USUAL = Settings()
#: A command in a message, as the command line writes it.
_WRITTEN = re.compile(r"`importer ([a-z]+)((?: [^`]+)?)`")


def command(
    settings: Settings, verb: str, *words: str, without: Collection[str] = (), also: Collection[str] = ()
) -> str:
    """`importer VERB WORDS OPTIONS`, quoted for a POSIX shell. `words`: sources or a run; `without`: fields whose
    options are left out; `also`: those of one call that are not."""
    found = settings.found
    taken = {option.field: option for option in OPTIONS if option.taken_by(verb)}
    takes_profile = "profile" in taken
    known = found.texts if takes_profile else found.without_profile
    parts: list[str] = []
    for field in _PLACES if verb in _OF_A_RUN else Settings.__struct_fields__:
        if field in taken and field not in {*_ONCE - {*also}, "profile", *without}:
            parts += _typed(taken[field], _text(taken[field], settings), known)
    if takes_profile and found.profile:
        parts[:0] = _words("profile", found.profile)
    if found.config:
        parts[:0] = _words("config", found.config)
    # What begins with a dash would be an option.
    hidden = any(word.startswith("-") and word != "-" for word in words)
    return shell("importer", verb, *parts, "--", *words) if hidden else shell("importer", verb, *words, *parts)


def of_report(settings: Settings, path: str) -> str:
    """The command that imports a report of a run with the options of the run: `failed.csv` or `failed.xlsx`, which has
    the columns of the source; `annotated.xlsx` is the source itself."""
    if PurePath(path).name == "annotated.xlsx":
        again = msgspec.structs.replace(settings, resubmit=True)
        return command(again, "run", path, without=(*_ROWS, "encoding", "delimiter"), also=("resubmit",))
    # What the next command finds by itself is of the source.
    read = {field: _REPORT[field] for field in _REPORT.keys() & settings.found.texts.keys()}
    without = (*_ROWS, "sheet", *(_REPORT.keys() - read.keys()))
    return command(msgspec.structs.replace(settings, **read), "run", path, without=without)


def completed(text: str, settings: Settings, run_id: str = "") -> str:
    """The text with its commands as they work when pasted: `importer resume` names the run and where it is kept. A
    command with options is complete already."""

    def whole(match: re.Match[str]) -> str:
        try:
            words = shlex.split(match[2])
        except ValueError:
            return match[0]
        if match[1] not in _COMPLETED or any(word.startswith("-") for word in words):
            return match[0]
        if match[1] in _OF_ONE_RUN and not words and run_id:
            words = [run_id]
        return f"`{command(settings, match[1], *words)}`"

    return _WRITTEN.sub(whole, text)


_Work = TypeVar("_Work", bound=Callable[..., Any])


def complete(error: ImporterError, settings: Settings, run_id: str = "") -> ImporterError:
    """The error with complete commands."""
    error.message, error.advice = (completed(text, settings, run_id) for text in (error.message, error.advice))
    error.args = (f"{error.message} {error.advice}".strip(),)
    return error


def commands_completed(work: _Work) -> _Work:
    """Return the same work, whose second argument is its settings, with complete commands in its errors."""

    @functools.wraps(work)
    def checked(first: Any, settings: Settings, *rest: Any, **more: Any) -> Any:
        try:
            return work(first, settings, *rest, **more)
        except ImporterError as error:
            complete(error, settings)
            raise

    return cast(_Work, checked)


def found_texts(settings: Settings) -> dict[str, str]:
    """Field → value as one types it, where it is not the default: what a command finds by itself."""
    every = {option.field: option for option in OPTIONS if option.field in Settings.__struct_fields__}
    return {
        field: _text(option, settings)
        for field, option in every.items()
        if getattr(settings, field) != getattr(_USUAL, field)
    }


def _typed(option: Option, text: str, known: Mapping[str, str]) -> list[str]:
    if text == known.get(option.field, _text(option, _USUAL)):
        return []
    if option.flag:
        return [f"--{option.name}"] if text == "true" else []
    return _words(option.name, text)


def _without_password(url: str) -> str:
    """The URL of a database without its password; all before the last @ may belong to it."""
    access, at, place = url.rpartition("@")
    scheme, slashes, user = access.partition("://")
    return f"{scheme}{slashes}{user.partition(':')[0]}@{place}" if at and slashes else url


def _words(name: str, text: str) -> list[str]:
    if not text:
        return []
    return [f"--{name}={text}"] if text.startswith("-") else [f"--{name}", text]


def _text(option: Option, settings: Settings) -> str:
    value = getattr(settings, option.field)
    if option.field == "database":
        # Other users of the machine see what is typed, and reports hold it.
        return _without_password(value)
    if value is None or (value == 0 and not option.flag and not isinstance(value, float)):
        return ""
    if option.flag:
        return str(value).lower()
    return {"\t": "tab", " ": "space"}.get(value) or typed_text(value, option.read)
