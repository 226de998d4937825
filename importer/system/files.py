"""Files that appear whole or not at all, and that only their owner can read.

A report is written beside its place, synced, and renamed over what was there; the folder is synced so that a power cut
cannot undo the rename.
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

#: What a crash left behind is removed by a later report, once nobody can still be writing it.
_STALE_SECONDS = 24 * 3600


class Unwritten(JournalError):
    """The disk took no report; the journal is well."""


def private_folder(folder: Path) -> None:
    """The folder exists and is its owner's alone, whatever the umask says; parts of reports that a crash left go."""
    with told(folder):
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        for entry in folder.glob(".*.part"):
            if time.time() - entry.lstat().st_mtime > _STALE_SECONDS:
                if entry.is_dir():
                    shutil.rmtree(entry, ignore_errors=True)
                else:
                    entry.unlink(missing_ok=True)


class Aside:
    """One file being written aside. `publish` puts it in its place; `discard` (also after an error) leaves no trace.

    It lies in a folder of its own, so that a writer's scratch files go the same way.
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
    """A small file, whole or not at all."""
    with told(target):
        aside = Aside(target.parent, target.name)
        try:
            with aside.path.open("wb") as file:
                file.write(content)
            aside.publish()
        finally:
            aside.discard()


def sync(path: Path) -> None:
    """Put a file, or the names in a folder, on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def told(path: Path) -> Iterator[None]:
    """A disk that fails is told as such, and what to do once it works again."""
    try:
        yield
    except OSError as error:
        raise Unwritten(
            f"The reports cannot be written to {path}: {error.strerror or error}.",
            "Make space or repair the disk, then do the same again.",
        ) from error
