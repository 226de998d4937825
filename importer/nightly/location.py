"""A location: a folder, here or on a server, that files come from and go to.

No file is deleted or overwritten: a file is moved to a free name. Error messages of servers may hold names and keys, so
messages give only the kind of error.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Protocol

import msgspec

from importer.capillary.credentials import secret_of
from importer.errors import ExitCode, ImporterError, JournalError, SettingsError

#: Names of hidden files, and of files that are still being written.
_IGNORED = re.compile(r"^[.~]|\.(tmp|part|partial|filepart|crdownload)$|~$", re.IGNORECASE)


class LocationUnreachable(ImporterError):
    """The location cannot be reached now: a temporary problem."""

    exit_code = ExitCode.TEMPORARY


class LocationDenied(LocationUnreachable):
    """The location refuses the credentials or the access: a retry does not help."""

    exit_code = ExitCode.REFUSED


class HostKeyRejected(LocationUnreachable):
    """The server's key is not the one in the file of known hosts."""

    exit_code = ExitCode.SETTINGS


class Entry(msgspec.Struct, frozen=True):
    """A file of a location. `mark` changes with the content: a modification time or an ETag."""

    name: str
    size: int
    mark: str


class Location(Protocol):
    """Every call raises `LocationUnreachable` when it fails."""

    shown: str

    def list(self) -> list[Entry]: ...
    def entry(self, name: str) -> Entry | None:
        """None: there is no such file."""

    def fetch(self, name: str, to: Path) -> None: ...
    def put(self, source: Path, name: str) -> None:
        """Write a file, or replace it as a whole. `name` may begin with folders."""

    def move(self, name: str, to: Location) -> str:
        """Move a file and return its new name: a free one."""

    def sub(self, name: str) -> Location: ...
    def close(self) -> None: ...


#: The variables that settings may use: those of this program, and those that the person who starts it allows.
_OWN, _ALLOWED = "IMPORTER_", "IMPORTER_ALLOWED_VARIABLES"
#: The secrets of the API and of sources. Nobody else gets them.
_KEPT = frozenset({"IMPORTER_PASSWORD", "IMPORTER_CLIENT_SECRET", "IMPORTER_SOURCE_PASSWORD", "IMPORTER_DATABASE"})


def refuse_foreign_variable(name: str, environ: Mapping[str, str]) -> None:
    """Raise `SettingsError` for a variable that a settings file could send elsewhere without the user's consent."""
    if name in re.split(r"[\s,]+", environ.get(_ALLOWED, "")) or (name.startswith(_OWN) and name not in _KEPT):
        return
    if name in _KEPT:
        raise SettingsError(
            f"${{{name}}} is not used: the settings must not pass it on.", "Use a secret of its own for each service."
        )
    raise SettingsError(
        f"${{{name}}} is not used: the environment does not allow settings to read it.",
        f"Name the variable {_OWN}…, or set {_ALLOWED}={name} in the environment.",
    )


def expanded(text: str, environ: Mapping[str, str]) -> str:
    """The text with each `${NAME}` replaced by the environment variable, or the content of its file or command.

    Raises `SettingsError` for a variable that is not set, or that the settings may not use.
    """

    def value(found: re.Match[str]) -> str:
        refuse_foreign_variable(found[1], environ)
        if secret := secret_of(environ, found[1]):
            return secret
        raise SettingsError(f"{found[1]} is not set.", "The settings use it: set it in the environment.")

    return re.sub(r"\$\{(\w+)\}", value, text)


def is_visible(name: str) -> bool:
    """Whether the nightly load takes files of this name: not hidden, not being written."""
    return _IGNORED.search(name) is None


def free_names(name: str) -> Iterator[str]:
    """Yield `x.csv`, then `x.2.csv`, `x.3.csv` …"""
    yield name
    stem, dot, end = name.partition(".")
    for number in range(2, 100_000):
        yield f"{stem}.{number}{dot}{end}"


def no_free_name(location: Location, name: str) -> LocationUnreachable:
    return LocationUnreachable(f"{location.shown} has no free name for {name}.", "Remove old files there.")


def copy_in(source: IO[bytes], to: Path) -> None:
    """Write a copy, readable by its owner only, and sync it. Raises `JournalError` when the disk is full."""
    try:
        with os.fdopen(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            shutil.copyfileobj(source, file, 1 << 20)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
            raise JournalError(f"Cannot write to {to.parent} ({error.strerror}).", "Make room on the disk.") from error
        raise


def transfer(here: Location, name: str, to: Location, remove: Callable[[], object]) -> str:
    """Move a file between two kinds of location: copy it, compare the sizes, then remove it here."""
    with tempfile.TemporaryDirectory(prefix="importer-") as scratch:
        copy = Path(scratch) / "file"
        here.fetch(name, copy)
        size = copy.stat().st_size
        free = next(free for free in free_names(name) if to.entry(free) is None)
        to.put(copy, free)
    arrived = to.entry(free)
    if arrived is None or arrived.size != size:
        raise LocationUnreachable(
            f"The copy of {name} in {to.shown} is incomplete.", f"Remove it. The original is still in {here.shown}."
        )
    remove()
    return free
