"""Slots shared by all processes of this machine that use a key: one row in SQLite, updated once a grant.

A row updated once per grant is fair; a bucket behind a file lock starved some processes when measured. The clock is the
machine's monotonic clock, which all processes share until a restart, so each row names its boot.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import sqlite3
import stat
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from importer.chunker.pacer import MemoryStore, PaceState, SlotStore
from importer.system.sqlite import make_private, to_wal


def shared_slots(environ: Mapping[str, str], key: str) -> SlotStore:
    """The shared store of a key; this process's own where the machine offers no folder for one."""
    try:
        return SharedStore(_make(state_folder(environ)) / "rates.db", hashlib.sha256(key.encode()).hexdigest())
    except (OSError, sqlite3.Error, UnicodeError):
        # UnicodeError: SQLite takes no path that is not UTF-8.
        return MemoryStore()


def current_pace(environ: Mapping[str, str], key: str) -> PaceState | None:
    """The state of a key as the processes of this machine share it; None if it was never used."""
    try:
        if not (state_folder(environ) / "rates.db").is_file():
            return None
    except OSError:
        # A home that this user may not enter.
        return None
    with contextlib.closing(shared_slots(environ, key)) as slots:
        return slots.update(lambda state: state)


def state_folder(environ: Mapping[str, str]) -> Path:
    """The folder for the state of a user's programs: XDG_STATE_HOME, else ~/.local/state.

    Without HOME and without an entry in the system's table of users, it is in the folder of temporary files.
    """
    if environ.get("XDG_STATE_HOME"):
        return Path(environ["XDG_STATE_HOME"]) / "capillary-importer"
    home = environ.get("HOME") or os.path.expanduser("~")  # noqa: PTH111 - Path.home() raises for such a user
    if home == "~":
        return Path(tempfile.gettempdir()) / f"capillary-importer-{os.getuid()}"
    return Path(home) / ".local" / "state" / "capillary-importer"


def _make(folder: Path) -> Path:
    """Create the folder and return it. Raises `PermissionError` if another user made it, where everyone can."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    shared = hasattr(os, "getuid") and folder.parent.stat().st_mode & stat.S_IWOTH
    if shared and folder.lstat().st_uid != os.getuid():
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
    return folder


class SharedStore:
    """A `SlotStore` in SQLite. It is not synced to the disk: the machine's clock restarts after a power cut."""

    def __init__(self, path: Path, key: str) -> None:
        make_private(path)
        self._key = key
        self._boot = _boot()
        self._connection = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
        to_wal(self._connection)
        self._connection.execute("PRAGMA synchronous=OFF")
        self._alone = MemoryStore()
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS slots (key TEXT PRIMARY KEY, boot TEXT, state BLOB) WITHOUT ROWID"
        )

    def update(self, change: Callable[[PaceState], PaceState]) -> PaceState:
        try:
            self._alone.state = self._shared(change)
        except sqlite3.Error:
            # The shared file fails, for example on a full disk: this process keeps the rate by itself.
            return self._alone.update(change)
        return self._alone.state

    def close(self) -> None:
        self._connection.close()

    def _shared(self, change: Callable[[PaceState], PaceState]) -> PaceState:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            row = self._connection.execute("SELECT boot, state FROM slots WHERE key = ?", (self._key,)).fetchone()
            known = row is not None and row[0] == self._boot
            before = msgspec.msgpack.decode(row[1], type=PaceState) if known else PaceState()
            after = change(before)
            if after is not before:
                self._connection.execute(
                    "INSERT OR REPLACE INTO slots VALUES (?, ?, ?)",
                    (self._key, self._boot, msgspec.msgpack.encode(after)),
                )
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        return after


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return "unknown"
