"""Locks: one process at a time uses a source and target. The kernel frees the lock of a process that dies."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from importer.errors import JournalError
from importer.journal import Journal
from importer.runs.holders import Holder, busy, holder_in, this_process
from importer.system.files import folder_errors
from importer.system.late import late
from importer.world import Proof

if TYPE_CHECKING:
    from importer.runs.leases import Lease

#: How often, and after how many seconds, to try again to take a held lock.
_LOOKS, _A_LOOK = 5, 0.01
#: The most bytes of a lock file.
_MOST_BYTES = 4096


def hold(journal: Journal, reports: Path, name: str) -> contextlib.AbstractContextManager[Proof]:
    """Return what protects a run's work: a lease in the database where machines share one, else a lock in the folder
    of the reports."""
    if journal.shared:
        return _lease_of(journal, name)
    return Lock(reports / ".locks", name)


def is_held(journal: Journal, reports: Path, name: str) -> bool:
    """Whether a process holds the lock. Looking never makes another process fail."""
    if journal.shared:
        return _lease_of(journal, name).holder() is not None
    return Lock(reports / ".locks", name).is_held()


def holder_here(journal: Journal, reports: Path, name: str) -> Holder | None:
    """Return the process of this machine that holds the lock; None where there is none here."""
    holder = _lease_of(journal, name).holder() if journal.shared else Lock(reports / ".locks", name).holder()
    return holder if holder is not None and holder.lives_here else None


def _lease_of(journal: Journal, name: str) -> Lease:
    lease: type[Lease] = late("importer.runs.leases", "Lease")
    return lease(journal, name)


class Lock:
    """An exclusive lock on a name, whose file names its holder. Raises `Busy` where it is held."""

    def __init__(self, folder: Path, name: str) -> None:
        self.path = folder / (hashlib.sha256(name.encode()).hexdigest()[:24] + ".lock")
        self._file: int | None = None

    def is_held(self) -> bool:
        """Whether a process holds the lock, found by trying it. The kernel's list of locks exists on Linux only, and
        misses holders in other containers and on some file systems."""
        try:
            file = os.open(self.path, os.O_RDONLY)
        except OSError:
            return False
        try:
            # Shared, so two processes that look do not block each other.
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(file)
        return False

    def holder(self) -> Holder | None:
        """Return the process that holds it, None where it is free or not known."""
        if not self.is_held():
            return None
        try:
            return holder_in(self.path.read_bytes())
        except OSError:
            return None

    async def prove(self) -> None:
        """The kernel keeps the lock for as long as this process lives and its file is there."""
        if not self.is_certain():
            raise JournalError(
                f"The lock {self.path} was deleted while it was used.",
                "Resume with `importer resume`. Do not delete files in .locks.",
                on_page="Resume the import.",
            )

    def is_certain(self) -> bool:
        return self._file is not None and os.fstat(self._file).st_nlink > 0

    def __enter__(self) -> Self:
        with folder_errors(self.path.parent):
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _take(file)
        except OSError:
            holder = holder_in(os.read(file, _MOST_BYTES))
            os.close(file)
            raise busy(holder) from None
        try:
            with folder_errors(self.path.parent):
                os.ftruncate(file, 0)
                os.write(file, this_process())
        except JournalError:
            os.close(file)
            raise
        self._file = file
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            # The file stays: without it two processes could lock two files of one name.
            os.close(self._file)
            self._file = None


def _take(file: int) -> None:
    """Take the lock. A process that looks holds it for a moment, so try some times. Raises `OSError`."""
    for _ in range(_LOOKS):
        with contextlib.suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        time.sleep(_A_LOOK)
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
