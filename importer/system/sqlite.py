"""What SQLite leaves to its users: waiting for a new file to change to WAL, and emptying the log."""

from __future__ import annotations

import sqlite3
import time
from typing import Any

LONGEST_WAIT = 30.0


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
