"""Writes files whole or not at all, readable by their owner only.

A report is written to a temporary file, synced and renamed. The folder is synced too: a power cut cannot undo the
rename.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from importer.errors import JournalError

#: A later report removes what a crash left, when no process can still be writing it.
_STALE_SECONDS = 24 * 3600


class Unwritten(JournalError):
    """A report could not be written; the journal is OK."""


def private_folder(folder: Path) -> None:
    """Create the folder, accessible to its owner only, and remove old parts of reports that a crash left."""
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        for entry in folder.glob(".*.part"):
            if time.time() - entry.lstat().st_mtime > _STALE_SECONDS:
                if entry.is_dir():
                    shutil.rmtree(entry, ignore_errors=True)
                else:
                    entry.unlink(missing_ok=True)


class Aside:
    """A temporary file for one report. `publish` renames it into place; `discard` removes it, also after an error.

    It is in its own folder, which also holds a writer's scratch files.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.target = folder / name
        self._folder = Path(tempfile.mkdtemp(prefix=f".{name}.", suffix=".part", dir=folder))
        self.path = self._folder / name
        os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))

    @property
    def scratch(self) -> Path:
        return self._folder

    def publish(self) -> None:
        sync(self.path)
        self.path.replace(self.target)
        sync(self.target.parent)
        self.discard()

    def discard(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)


def write_whole(target: Path, content: bytes) -> None:
    """Write a small file, whole or not at all."""
    with disk_errors(target):
        aside = Aside(target.parent, target.name)
        try:
            with aside.path.open("wb") as file:
                file.write(content)
            aside.publish()
        finally:
            aside.discard()


def with_home(path: str) -> Path:
    """The path with its `~` replaced; unchanged for a user without a home, where `Path.expanduser` raises."""
    return Path(os.path.expanduser(path))  # noqa: PTH111


def sync(path: Path) -> None:
    """Put a file, or the names in a folder, on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn an `OSError` while reports are written into `Unwritten`, with advice."""
    try:
        yield
    except OSError as error:
        raise Unwritten(
            f"The reports cannot be written to {path}: {error.strerror or error}.",
            "Free some space or repair the disk, then try again.",
        ) from error


@contextlib.contextmanager
def folder_errors(folder: Path) -> Iterator[None]:
    """Turn an `OSError` in the folder of the reports into `JournalError`, with advice."""
    try:
        yield
    except OSError as error:
        raise JournalError(
            f"{folder} cannot be written ({error.strerror}).",
            "Free space, or choose another --reports-dir.",
            on_page="Ask the administrator of this page to check the disk and the folder of reports.",
        ) from error


@contextlib.contextmanager
def deletion_errors(path: Path) -> Iterator[None]:
    """Turn an `OSError` while files are deleted into `JournalError`, with advice."""
    try:
        yield
    except OSError as error:
        raise JournalError(
            f"{path} cannot be deleted: {error.strerror or error}.",
            "Check the permissions of its folder, then try again.",
        ) from error


def near(path: str) -> str:
    """Return the shorter of the path and the path relative to the current directory."""
    try:
        return min(path, os.path.relpath(path), key=len)
    except ValueError:  # another drive
        return path
