"""Locks: one process at a time uses a source and target. The kernel frees the lock of a process that dies."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import socket
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
import sqlalchemy as sa

from importer.errors import Busy, JournalError
from importer.journal import Journal
from importer.model import to_json
from importer.system.process import birth_of

#: How often, and after how many seconds, to try again to take a held lock.
_LOOKS, _A_LOOK = 5, 0.01
#: The most bytes of a lock file.
_MOST_BYTES = 4096


def hold(journal: Journal, reports: Path, name: str) -> contextlib.AbstractContextManager[object]:
    """Return the lock of a run's work: in the database where machines share one, else in the folder of the reports."""
    if journal.shared:
        return DatabaseLock(journal, name)
    return Lock(reports / ".locks", name)


def is_held(journal: Journal, reports: Path, name: str) -> bool:
    """Whether a process holds the lock. Looking never makes another process fail."""
    if journal.shared:
        return DatabaseLock(journal, name).is_held()
    return Lock(reports / ".locks", name).is_held()


def holder_here(journal: Journal, reports: Path, name: str) -> Holder | None:
    """Return the process of this machine that holds the lock; None where there is none here."""
    if journal.shared:
        return None
    lock = Lock(reports / ".locks", name)
    if not lock.is_held():
        return None
    try:
        holder = _read_holder(lock.path.read_bytes())
    except OSError:
        return None
    if holder is None or holder.host != socket.gethostname() or birth_of(holder.pid) != holder.birth:
        return None
    return holder


class Holder(msgspec.Struct, frozen=True):
    """The process that holds a lock, as the lock file keeps it (JSON). `birth`: as `system.process.stop` checks it."""

    pid: int
    host: str
    since: str
    birth: str

    @property
    def text(self) -> str:
        return f"Process {self.pid} on {self.host} (since {self.since})"


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

    def __enter__(self) -> Self:
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise _unwritable(self.path.parent, error) from error
        try:
            _take(file)
        except OSError:
            holder = _read_holder(os.read(file, _MOST_BYTES))
            os.close(file)
            raise _busy(holder.text if holder else "") from None
        try:
            os.ftruncate(file, 0)
            since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime())
            os.write(file, to_json(Holder(os.getpid(), socket.gethostname(), since, birth_of(os.getpid()))))
        except OSError as error:
            os.close(file)
            raise _unwritable(self.path.parent, error) from error
        self._file = file
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            # The file stays: without it two processes could lock two files of one name.
            os.close(self._file)
            self._file = None


class DatabaseLock:
    """The same in PostgreSQL. The server frees the lock when the connection of a dead process ends."""

    def __init__(self, journal: Journal, name: str) -> None:
        self._journal = journal
        # The server expects a signed number.
        self._key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
        self._connection: sa.Connection | None = None

    def is_held(self) -> bool:
        with self._journal.errors(), self._journal.another_connection() as connection:
            found = connection.execute(sa.text(_HOLDER), {"key": self._key & 0xFFFFFFFFFFFFFFFF}).one_or_none()
        return found is not None

    def __enter__(self) -> Self:
        with self._journal.errors():
            connection = self._journal.another_connection().execution_options(isolation_level="AUTOCOMMIT")
            taken = connection.execute(sa.select(sa.func.pg_try_advisory_lock(self._key))).scalar()
            if taken:
                # The name of the connection names the holder. The server truncates it to 63 bytes.
                text = f"importer {os.getpid()} on {socket.gethostname()}"[:63]
                connection.execute(sa.select(sa.func.set_config("application_name", text, False)))
                self._connection = connection
                return self
            holder = connection.execute(sa.text(_HOLDER), {"key": self._key & 0xFFFFFFFFFFFFFFFF}).one_or_none()
            connection.close()
        if holder is None:
            raise _busy("")
        raise _busy(f"Process {holder.name.removeprefix('importer ')} (since {holder.since})")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._connection is not None:
            # Not returned to a pool: the lock and the name must end with the connection.
            self._connection.invalidate()
            self._connection.close()
            self._connection = None


_HOLDER = """
SELECT a.application_name AS name, to_char(a.backend_start, 'YYYY-MM-DD HH24:MI:SS') AS since
FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (l.classid::bigint::numeric * 4294967296 + l.objid::bigint) = :key
"""


def _take(file: int) -> None:
    """Take the lock. A process that looks holds it for a moment, so try some times. Raises `OSError`."""
    for _ in range(_LOOKS):
        with contextlib.suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        time.sleep(_A_LOOK)
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _unwritable(folder: Path, error: OSError) -> JournalError:
    return JournalError(
        f"{folder} cannot be written ({error.strerror}).",
        "Free space, or choose another --reports-dir.",
        on_page="Ask the administrator of this page to check the disk and the folder of reports.",
    )


def _read_holder(content: bytes) -> Holder | None:
    """Return None for a lock file of an older version, which named its holder in prose."""
    try:
        return msgspec.json.decode(content, type=Holder)
    except msgspec.DecodeError:
        return None


def _busy(holder: str) -> Busy:
    """`holder`: "" where it is not known."""
    who = holder or "Another process"
    return Busy(f"{who} is using this source and target.", "Wait until it ends, or stop it.", holder=holder)
