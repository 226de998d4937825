"""What SQLite leaves to its users: a private file, waiting for a new one to change to WAL, and emptying the log."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

LONGEST_WAIT = 30.0


def make_private(path: Path) -> None:
    """Create the file of a database, readable by its owner only. An existing one is not opened: closing it would end
    the locks that this process holds on it by another connection."""
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def to_wal(connection: Any) -> None:
    """Change a database to WAL. `connection`: a connection or cursor of sqlite3.

    SQLite reports a lock at once here, whatever its timeout. Waiting lets two processes create a file together.
    """
    until = time.monotonic() + LONGEST_WAIT
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            # The extended code holds the primary one in its lowest byte.
            locked = error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
            if not locked or time.monotonic() > until:
                raise
            time.sleep(0.01)


def erase_log(connection: Any) -> bool:
    """Write the log back and truncate it: other connections keep it, with what was deleted since. Waits for readers as
    long as the connection does. Returns whether it is empty."""
    busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not busy
