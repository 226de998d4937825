"""A location: a folder, here or on a server, that files come from and go to.

No file is deleted or overwritten: a file is moved to a free name. Error messages of servers may hold names and keys, so
messages give only the kind of error.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
import tempfile
from pathlib import Path
from typing import IO, Literal, Protocol

import msgspec

from importer.errors import ExitCode, ImporterError, JournalError
from importer.nightly.names import free_names, shown


class LocationUnreachable(ImporterError):
    """The location cannot be reached now: a temporary problem."""

    exit_code = ExitCode.TEMPORARY


class LocationDenied(LocationUnreachable):
    """The location refuses the credentials or the access: a retry does not help."""

    exit_code = ExitCode.REFUSED


class NotRemoved(LocationDenied):
    """The file `name` was copied, but cannot be removed where it was. `copied`: the name of the copy."""

    def __init__(self, location: Location, name: str, copied: str, error: BaseException) -> None:
        super().__init__(
            f"{shown(name)} cannot be removed from {location.shown} ({kind_of(error)}).",
            "Remove it, or allow this user to remove files there.",
        )
        self.name = name
        self.copied = copied


class HostKeyRejected(LocationUnreachable):
    """The server's key is not the one in the file of known hosts."""

    exit_code = ExitCode.SETTINGS


#: Only a "file" is ever opened. A link may lead anywhere; a pipe, a socket and a device are "special".
Kind = Literal["file", "link", "special"]


class Entry(msgspec.Struct, frozen=True):
    """A file of a location. `mark` changes with the content: a modification time or an ETag."""

    name: str
    size: int
    mark: str
    kind: Kind = "file"


class Location(Protocol):
    """Every call raises `LocationUnreachable` when it fails."""

    shown: str

    def list(self) -> list[Entry]:
        """Everything but folders and links to folders."""

    def entry(self, name: str) -> Entry | None:
        """None: there is no such file. Links are not followed."""

    def fetch(self, name: str, to: Path) -> None:
        """Copy a file. Links are not followed, and only a regular file is read."""

    def put(self, source: Path, name: str) -> None:
        """Write a file, or replace it as a whole. `name` may begin with folders."""

    def move(self, name: str, to: Location, as_name: str = "") -> str:
        """Move a file and return its new name: a free one. Raises `NotRemoved` when only its copy succeeded."""

    def remove(self, name: str) -> None: ...

    def sub(self, name: str) -> Location: ...
    def close(self) -> None: ...


def no_free_name(location: Location, name: str) -> LocationUnreachable:
    return LocationUnreachable(f"{location.shown} has no free name for {shown(name)}.", "Remove old files there.")


def kind_in(mode: int) -> Kind:
    """The kind of an entry by its mode. 0: the server gives none, and has regular files only."""
    if stat.S_ISLNK(mode):
        return "link"
    return "file" if stat.S_ISREG(mode) or not mode else "special"


def kind_of(error: BaseException) -> str:
    """What failed, without the message: it may hold names and keys."""
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__


def hidden_name() -> str:
    """A name that no other process knows, for a file that is still being written."""
    return f".{secrets.token_hex(8)}.part"


def copy_in(source: IO[bytes], to: Path) -> None:
    """Write a copy, readable by its owner only, and sync it. Raises `JournalError` when the disk is full."""
    try:
        to.unlink(missing_ok=True)
        # Exclusive: what another process puts in its place is neither followed nor overwritten.
        with os.fdopen(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            shutil.copyfileobj(source, file, 1 << 20)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
            raise JournalError(f"Cannot write to {to.parent} ({error.strerror}).", "Make room on the disk.") from error
        raise


def transfer(here: Location, name: str, to: Location, as_name: str = "") -> str:
    """Move a file between two kinds of location: copy it, compare the sizes, then remove it here."""
    with tempfile.TemporaryDirectory(prefix="importer-") as scratch:
        copy = Path(scratch) / "file"
        here.fetch(name, copy)
        size = copy.stat().st_size
        free = next(free for free in free_names(as_name or name) if to.entry(free) is None)
        to.put(copy, free)
    arrived = to.entry(free)
    if arrived is None or arrived.size != size:
        raise LocationUnreachable(
            f"The copy of {shown(name)} in {to.shown} is incomplete.",
            f"Remove it. The original is still in {here.shown}.",
        )
    try:
        here.remove(name)
    except LocationUnreachable as error:
        raise NotRemoved(here, name, free, error.__cause__ or error) from error
    return free
