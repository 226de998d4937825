"""Databases in files: what each store that opens one owes to the others of its process."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from importer.chunker.shared_rate import SharedStore
from importer.journal.journal import Journal
from importer.system.sqlite import make_private
from importer.web.fixing.edits import EditStore
from importer.web.storage import Storage


def shared_rate(folder: Path) -> SharedStore:
    return SharedStore(folder / "rates.db", "key")


@pytest.mark.process
@pytest.mark.parametrize("open_store", [shared_rate, Journal.open, EditStore, Storage])
def test_a_store_that_is_opened_again_keeps_the_locks_of_this_process(
    tmp_path: Path, open_store: Callable[[Path], Any]
) -> None:
    """The kernel ends all locks that a process holds on a file when the process closes any descriptor of it. Another
    process could then write in the middle of a transaction, or remove the log of a database in use."""
    with closing(open_store(tmp_path)):
        (path,) = (one for one in tmp_path.iterdir() if one.suffix in (".db", ".sqlite"))
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            assert is_locked(path)
            with closing(open_store(tmp_path)):
                assert is_locked(path)


def is_locked(path: Path) -> bool:
    """Whether another process finds a lock of SQLite on the file itself: its bytes are a part of the file format."""
    ask = "import fcntl, sys; fcntl.lockf(open(sys.argv[1], 'r+b'), fcntl.LOCK_EX | fcntl.LOCK_NB, 512, 0x40000000)"
    done = subprocess.run([sys.executable, "-c", ask, str(path)], capture_output=True, text=True, timeout=250)
    assert done.returncode == 0 or "BlockingIOError" in done.stderr, done.stderr
    return done.returncode != 0


def test_the_file_of_a_database_is_private_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    before = os.umask(0)
    try:
        make_private(path)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text("kept")
    make_private(path)
    assert path.read_text() == "kept"
