"""The private copy of a source: what a run surveys, sends and reports, whatever happens to the file meanwhile.

A copy is a file of the same name in its own folder, which is named by the content. It is locked as long as its process
needs it, so others can tell a copy in use from one that a killed process left.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import secrets
import shutil
import stat
import tempfile
import time
import weakref
from collections.abc import Iterable, Iterator
from pathlib import Path

from importer.errors import SourceError
from importer.system.files import folder_errors

#: What the folder of a copy is named before its content is known.
_UNFINISHED = ".copy-"
#: How often a file is copied that changes meanwhile, and the seconds between: a program may just be saving it.
_TRIES, _PAUSE = 3, 0.3
_BLOCK = 1 << 20


class PrivateCopy:
    """A copy for its owner only, in `folder`. Raises `SourceError` where the file cannot be read or changes meanwhile,
    `JournalError` where the copy cannot be written."""

    def __init__(self, source: Path, folder: Path) -> None:
        #: Reports are still to be written from it: it stays behind when the run breaks off.
        self.needed = False
        with folder_errors(folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            place = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=folder))
        self._forget = weakref.finalize(self, shutil.rmtree, place, ignore_errors=True)
        try:
            with folder_errors(folder):
                self._lock = os.open(place / source.name, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            self._unlock = weakref.finalize(self, os.close, self._lock)
            with contextlib.suppress(OSError):  # a file system without locks: its copies are deleted by age only
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _copy(source, self._lock, folder)
            with folder_errors(folder), open(self._lock, "rb", closefd=False) as file:
                file.seek(0)
                self.sha256, self.size = hashlib.file_digest(file, "sha256").hexdigest(), file.tell()
                named = folder / f"{_word(self.sha256)}-{secrets.token_hex(4)}"
                place.rename(named)
        except BaseException:
            self._forget()
            raise
        self._forget.detach()
        self._forget = weakref.finalize(self, shutil.rmtree, named, ignore_errors=True)
        self.path = named / source.name

    def close(self) -> None:
        """Delete the copy, unless it is still needed."""
        if self.needed:
            self._forget.detach()
        self._forget()
        self._unlock()


def copies_of(folder: Path, sha256: str) -> Iterator[Path]:
    """Yield the copies of a content."""
    for place in sorted(folder.glob(f"{_word(sha256)}-*/")):
        yield from (path for path in _files_of(place) if path.is_file())


def is_copy_of(place: Path, contents: Iterable[str]) -> bool:
    """Whether the copy in this folder is of one of these contents."""
    return place.name.partition("-")[0] in map(_word, contents)


def is_in_use(place: Path) -> bool:
    """Whether a process still uses the copy in this folder."""
    for path in _files_of(place):
        try:
            file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            continue
        finally:
            os.close(file)
    return False


def _files_of(place: Path) -> list[Path]:
    """None where another process deletes the copy at the moment."""
    with contextlib.suppress(FileNotFoundError):
        return list(place.iterdir())
    return []


def _word(sha256: str) -> str:
    return sha256[:32]


def _copy(source: Path, target: int, folder: Path) -> None:
    for attempt in range(_TRIES):
        if attempt:
            time.sleep(_PAUSE)
        with _opened(source) as file:
            before = _state(file)
            _copy_bytes(source, file, target, folder)
            if _state(file) == before and os.fstat(target).st_size == before[0]:
                return
    raise SourceError(
        f"{source.name} was changed while it was read.",
        "Wait until it is complete, then start again.",
        code="not_readable",
    )


def _state(file: int) -> tuple[int, int, int]:
    found = os.fstat(file)
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns


@contextlib.contextmanager
def _opened(source: Path) -> Iterator[int]:
    with _source_errors(source):
        # A pipe that took the place of the file meanwhile must not be waited for.
        file = os.open(source, os.O_RDONLY | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise SourceError(f"{source.name} is not a regular file.", "Save it to a file first.", code="not_readable")
        yield file
    finally:
        os.close(file)


def _copy_bytes(source: Path, file: int, target: int, folder: Path) -> None:
    """Copy in the kernel, which shares the blocks where the file system can; else block by block."""
    os.lseek(target, 0, os.SEEK_SET)
    os.ftruncate(target, 0)
    if hasattr(os, "copy_file_range"):
        # Some file systems refuse it, others copy less. Then the next way says why.
        with contextlib.suppress(OSError):
            while os.copy_file_range(file, target, 1 << 30):
                pass
            if os.fstat(target).st_size == os.fstat(file).st_size:
                return
        os.lseek(file, 0, os.SEEK_SET)
        os.lseek(target, 0, os.SEEK_SET)
        os.ftruncate(target, 0)
    while True:
        with _source_errors(source):
            block = os.read(file, _BLOCK)
        if not block:
            return
        with folder_errors(folder):
            while block:
                block = block[os.write(target, block) :]


@contextlib.contextmanager
def _source_errors(source: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SourceError(
            f"{source.name} cannot be read: {error.strerror}.",
            "Check its permissions and the disk.",
            code="not_readable",
        ) from None
