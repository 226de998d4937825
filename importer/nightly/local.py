"""A location that is a folder of this machine.

Others may write to it: between a look and the copy, a link or a pipe can take the place of a file. No link is followed
and only regular files are read.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from importer.nightly.location import (
    Entry,
    Location,
    LocationDenied,
    LocationUnreachable,
    NotRemoved,
    copy_in,
    hidden_name,
    kind_in,
    kind_of,
    no_free_name,
    transfer,
)
from importer.nightly.names import free_names
from importer.system.files import sync

#: A file system, or its rules for other people's files, that allows no hard link.
_NO_LINK = (errno.EXDEV, errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS)


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
            names = [entry.name for entry in os.scandir(self.path) if not _leads_to_folder(entry)]
            # A file may be renamed by its sender while the folder is listed.
            return [entry for entry in map(self.entry, names) if entry is not None]

    def entry(self, name: str) -> Entry | None:
        with self._errors():
            try:
                found = (self.path / name).lstat()
            except FileNotFoundError:
                return None
            return Entry(name, found.st_size, str(found.st_mtime_ns), kind_in(found.st_mode))

    def fetch(self, name: str, to: Path) -> None:
        with self._errors(), _opened(self.path / name) as source:
            copy_in(source, to)

    def put(self, source: Path, name: str) -> None:
        with self._errors():
            self.path.mkdir(parents=True, exist_ok=True)
            target = self.path
            *folders, last = name.split("/")
            for folder in folders:
                target /= folder
                target.mkdir(exist_ok=True)
                if target.is_symlink():
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
            with source.open("rb") as file:
                _write(file, target / last)

    def move(self, name: str, to: Location, as_name: str = "") -> str:
        if not isinstance(to, LocalFolder):
            return transfer(self, name, to, as_name)
        with to._errors():
            to.path.mkdir(parents=True, exist_ok=True)
        for free in free_names(as_name or name):
            with self._errors():
                is_copied = _copy_or_rename(self.path / name, to.path / free)
                if is_copied is None:
                    continue
                if is_copied:
                    self._remove_copied(name, free)
                return free
        raise no_free_name(to, name)

    def remove(self, name: str) -> None:
        with self._errors():
            (self.path / name).unlink()

    def _remove_copied(self, name: str, copied: str) -> None:
        try:
            (self.path / name).unlink()
        except OSError as error:
            raise NotRemoved(self, name, copied, error) from error

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            is_denied = isinstance(error, PermissionError) or error.errno == errno.EROFS
            raise (LocationDenied if is_denied else LocationUnreachable)(
                f"Cannot use {self.path} ({kind_of(error)}).",
                "Check that it exists and that this user may read and write it.",
            ) from error


def _leads_to_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # a link that leads nowhere, or in a circle


def _opened(path: Path) -> IO[bytes]:
    """Open a regular file; no link, and no pipe, which would wait for its writer."""
    file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "not a regular file")
    return file


def _copy_or_rename(source: Path, target: Path) -> bool | None:
    """Give the file its new name. True: the old name is left to remove. None: the new name is in use."""
    try:
        # A link fails when the name is in use; a rename would replace the file.
        os.link(source, target, follow_symlinks=False)
    except FileExistsError:
        # The same file: the process died between link and removal, and the removal is left.
        return True if os.path.samestat(source.lstat(), target.lstat()) else None
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        if os.path.lexists(target):
            return None
        if error.errno != errno.EXDEV and _rename(source, target):
            return False
        with _opened(source) as file:
            _write(file, target)
        shutil.copystat(source, target, follow_symlinks=False)
        # The copy must be on the disk before the source is removed.
        sync(target.parent)
    return True


def _rename(source: Path, target: Path) -> bool:
    """Rename a file that cannot be linked: another user's, which may not be readable either."""
    try:
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))  # reserves the name
        try:
            source.rename(target)
        except OSError:
            target.unlink()
            raise
    except PermissionError:
        return False
    except OSError as error:
        if error.errno == errno.EXDEV:
            return False
        raise
    return True


def _write(source: IO[bytes], target: Path) -> None:
    """Copy under a hidden name, then rename: the target is complete or absent."""
    aside = target.with_name(hidden_name())
    try:
        copy_in(source, aside)
        aside.replace(target)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
