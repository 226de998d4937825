"""Slots shared by all processes of this machine that use a key: one row in SQLite, updated once a grant.

(A bucket behind a file lock starves whoever is unlucky; a row updated per grant was measured to be fair.) The clock is
the machine's monotonic clock, which all processes share until a restart, so the rows carry the boot they belong to.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from importer.chunker.pacer import MemoryStore, PaceState, SlotStore
from importer.system.sqlite import to_wal


def shared_slots(environ: Mapping[str, str], key: str) -> SlotStore:
    """The shared store of a key; where the machine gives no place for one, this process's own."""
    try:
        return SharedStore(state_folder(environ) / "rates.db", hashlib.sha256(key.encode()).hexdigest())
    except (OSError, sqlite3.Error):
        return MemoryStore()


def glance(environ: Mapping[str, str], key: str) -> PaceState | None:
    """The state of a key as processes of this machine share it, None where nobody has used it."""
    path = state_folder(environ) / "rates.db"
    if not path.is_file():
        return None
    return shared_slots(environ, key).update(lambda state: state)


def state_folder(environ: Mapping[str, str]) -> Path:
    """Where programs of a user keep state: XDG_STATE_HOME, else ~/.local/state."""
    base = environ.get("XDG_STATE_HOME") or str(Path(environ.get("HOME") or Path.home()) / ".local" / "state")
    return Path(base) / "capillary-importer"


class SharedStore:
    """A `SlotStore` in SQLite. Not synced to the disk: after a power cut the machine's clock starts anew anyway."""

    def __init__(self, path: Path, key: str) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
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
            # The place where the rate is shared fails (a full disk, say): this process keeps to it alone.
            return self._alone.update(change)
        return self._alone.state

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
