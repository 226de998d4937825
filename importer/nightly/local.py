"""A location that is a folder of this machine."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from importer.nightly.location import (
    Entry,
    Location,
    LocationDenied,
    LocationUnreachable,
    copy_in,
    free_names,
    no_free_name,
    transfer,
)
from importer.system.files import sync


class LocalFolder:
    """A folder of this machine."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.shown = str(path)

    def sub(self, name: str) -> LocalFolder:
        return LocalFolder(self.path / name)

    def close(self) -> None:
        return

    def list(self) -> list[Entry]:
        with self._errors():
            names = [entry.name for entry in os.scandir(self.path) if entry.is_file(follow_symlinks=False)]
            # A file may be renamed by its sender while the folder is listed.
            return [entry for entry in map(self.entry, names) if entry is not None]

    def entry(self, name: str) -> Entry | None:
        with self._errors():
            try:
                found = (self.path / name).stat()
            except FileNotFoundError:
                return None
            return Entry(name, found.st_size, str(found.st_mtime_ns))

    def fetch(self, name: str, to: Path) -> None:
        with self._errors(), (self.path / name).open("rb") as source:
            copy_in(source, to)

    def put(self, source: Path, name: str) -> None:
        target = self.path / name
        with self._errors():
            target.parent.mkdir(parents=True, exist_ok=True)
            _copy(source, target)

    def move(self, name: str, to: Location) -> str:
        if not isinstance(to, LocalFolder):
            return transfer(self, name, to, lambda: (self.path / name).unlink())
        with self._errors():
            to.path.mkdir(parents=True, exist_ok=True)
            for free in free_names(name):
                if _move(self.path / name, to.path / free):
                    return free
        raise no_free_name(to, name)

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise (LocationDenied if isinstance(error, PermissionError) else LocationUnreachable)(
                f"Cannot use {self.path} ({error.strerror or type(error).__name__}).",
                "Check that it exists and that this user may read and write it.",
            ) from error


def _move(source: Path, target: Path) -> bool:
    """Move a file. False: the name is in use."""
    try:
        # A link fails when the name is in use; a rename would replace the file.
        os.link(source, target)
    except FileExistsError:
        if not target.samefile(source):
            return False
        # The process died between link and removal: the removal is left.
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.ENOTSUP, errno.EMLINK):
            raise
        if target.exists():
            return False
        _copy(source, target)
        shutil.copystat(source, target)
        # The copy must be on the disk before the source is removed.
        sync(target.parent)
    source.unlink()
    return True


def _copy(source: Path, target: Path) -> None:
    """Copy under a hidden name, then rename: the target is complete or absent."""
    aside = target.with_name(f".{target.name}.part")
    with source.open("rb") as file:
        copy_in(file, aside)
    aside.replace(target)
