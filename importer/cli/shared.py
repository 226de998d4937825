"""What several commands share: options of the table, settings, and JSON documents."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from importer.cli.printing import DISK_ERRORS, print_data
from importer.errors import SettingsError
from importer.model import to_json
from importer.settings.loading import load, with_reports
from importer.settings.options import OPTIONS, PACE, Settings

Command = Callable[..., Any]

#: The beginnings of names of lock files, which programs write beside an open workbook.
_LOCK_FILES = ("~$", ".~lock.")


def table_options(command: str, without: Sequence[str] = ()) -> Callable[[Command], Command]:
    """Add every option of the table that this command takes."""

    def decorate(function: Command) -> Command:
        for option in reversed(OPTIONS):
            if not option.taken_by(command) or option.name in without:
                continue
            # A run that exists keeps its own settings.
            kept = command in ("resume", "retry") and option.field in PACE
            default = "as in the run" if kept else option.shown.replace("`", "")
            text = f"{option.help} [default: {default}]"
            if option.flag:
                add = click.option(f"--{option.name}", option.field, is_flag=True, default=None, help=text)
            else:
                add = click.option(f"--{option.name}", option.field, metavar=option.metavar, help=text)
            function = add(function)
        return function

    return decorate


#: The file of settings.
config_option = click.option(
    "--config", metavar="FILE", help="settings file [default: importer.toml in the current folder]"
)
json_option = click.option("--json", "as_json", is_flag=True, help="print one JSON document on stdout")
quiet_option = click.option("--quiet", is_flag=True, help="print no progress and no summary")


def settings_of(given: dict[str, Any], config: str | None) -> Settings:
    """The settings of a command. Raises `SettingsError`."""
    return with_reports(load(typed(given), os.environ, config_file(config)))


def config_file(config: str | None) -> Path | None:
    return Path(config) if config else None


def typed(given: dict[str, Any]) -> dict[str, str | None]:
    """The options that were typed, as text."""
    return {name: ("true" if value is True else value) for name, value in given.items() if value is not None}


def expanded(sources: Sequence[str]) -> list[str]:
    """The files that patterns match, by name, without lock files (`~$a.xlsx`, `.~lock.a.ods#`) of open workbooks.

    A pattern that matches nothing stays, to be reported as missing. A file that is named several times comes once,
    where it is named first.
    """
    found: list[str] = []
    for source in sources:
        has_pattern = any(c in source for c in "*?[") and not Path(source).exists()
        if has_pattern:
            matches = sorted(glob.glob(source))  # noqa: PTH207 - `**` and absolute patterns
            found += [match for match in matches if not Path(match).name.startswith(_LOCK_FILES)] or [source]
        else:
            found.append(source)
    once: dict[object, str] = {}
    for source in found:
        once.setdefault(_same(source), source)
    return list(once.values())


def _same(source: str) -> object:
    """What two names of one file share."""
    try:
        status = os.stat(source)  # noqa: PTH116 - standard input is `-`
    except (OSError, ValueError):
        return source
    return (status.st_dev, status.st_ino) if stat.S_ISREG(status.st_mode) else source


def write_new(output: str, content: bytes) -> None:
    """Write the file of --output, which must not exist, readable by its owner only. Raises `SettingsError`."""
    try:
        file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise SettingsError(f"{output} exists already.", "Choose another --output, or remove it first.") from None
    except OSError as error:
        if error.errno in DISK_ERRORS:
            raise
        raise SettingsError(
            f"Cannot write --output {output!r} ({error.strerror}).", "Choose another --output."
        ) from None
    with os.fdopen(file, "wb") as stream:
        stream.write(content)


@contextmanager
def documents(as_json: bool, several: bool) -> Iterator[Callable[[object], None] | None]:
    """Collect what --json prints: one document, for several sources a list without those that failed to open."""
    found: list[object] = []
    try:
        yield found.append if as_json else None
    finally:
        if as_json and several:
            print_data(to_json(found))
        elif found:
            print_data(to_json(found[0]))
