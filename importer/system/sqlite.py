"""The one thing that SQLite does not wait for by itself: a new file's change to WAL while others open it."""

from __future__ import annotations

import sqlite3
import time
from typing import Any

LONGEST_WAIT = 30.0


def to_wal(connection: Any) -> None:
    """`connection`: a connection or cursor of sqlite3. SQLite answers "locked" at once here, whatever its timeout: we
    wait, so that two processes that make one file at the same moment both have it."""
    until = time.monotonic() + LONGEST_WAIT
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.01)
