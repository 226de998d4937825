"""The edits of an upload with their history: each step can be undone and done again. One SQLite file, owner only.

The upload is never changed. A run takes the edits as they are when it begins.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path

import msgspec

from importer.normaliser.fixing import Edits

FILE = "edits.db"
#: Steps that can be undone.
_MOST_STEPS = 1_000
#: The column that stands for the row as a whole: it is left out.
_ROW = ""
_TABLES = """
CREATE TABLE IF NOT EXISTS edits (row INTEGER, name TEXT, text TEXT NOT NULL, PRIMARY KEY (row, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS steps (id INTEGER PRIMARY KEY, undone INTEGER NOT NULL, changes BLOB NOT NULL);
"""


class Change(msgspec.Struct, frozen=True):
    """A cell, or with the column "" whether the row is left out: what it was and what it is. None: not edited."""

    row: int
    column: str
    before: str | None
    after: str | None


_decode = msgspec.msgpack.Decoder(tuple[Change, ...]).decode


class EditStore:
    """Used by one thread at a time."""

    def __init__(self, folder: Path) -> None:
        path = folder / FILE
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        self._db = sqlite3.connect(path, isolation_level=None, timeout=10, check_same_thread=False)
        self._db.executescript(_TABLES)

    def close(self) -> None:
        self._db.close()

    @property
    def edition(self) -> int:
        """Another number after each change."""
        found: int = self._db.execute("PRAGMA user_version").fetchone()[0]
        return found

    def edits(self) -> Edits:
        return _edits_of(self._db.execute("SELECT row, name, text FROM edits"))

    def of_rows(self, rows: Sequence[int]) -> Edits:
        """The edits of these rows alone."""
        marks = ", ".join("?" * len(rows))
        return _edits_of(self._db.execute(f"SELECT row, name, text FROM edits WHERE row IN ({marks})", rows))  # noqa: S608 - question marks

    def change(self, values: Iterable[tuple[int, str, str | None]]) -> set[int]:
        """One step: (row, column, text; None takes an edit back). The column "" with "" leaves the row out. Returns the
        rows that changed."""
        self._db.execute("BEGIN IMMEDIATE")
        changes = []
        for row, column, after in values:
            found = self._db.execute("SELECT text FROM edits WHERE row = ? AND name = ?", (row, column)).fetchone()
            before = found[0] if found else None
            if before != after:
                changes.append(Change(row, column, before, after))
        if changes:
            self._apply([(change.row, change.column, change.after) for change in changes])
            self._db.execute("DELETE FROM steps WHERE undone")
            self._db.execute("INSERT INTO steps (undone, changes) VALUES (0, ?)", (msgspec.msgpack.encode(changes),))
            self._db.execute("DELETE FROM steps WHERE id <= (SELECT max(id) FROM steps) - ?", (_MOST_STEPS,))
        self._db.execute("COMMIT")
        return {change.row for change in changes}

    def undo(self) -> set[int]:
        """Take the last step back. Returns its rows, none where there is no such step."""
        return self._move("SELECT id, changes FROM steps WHERE NOT undone ORDER BY id DESC LIMIT 1", back=True)

    def redo(self) -> set[int]:
        """Do the last step again that was undone."""
        return self._move("SELECT id, changes FROM steps WHERE undone ORDER BY id LIMIT 1", back=False)

    def can(self) -> tuple[bool, bool]:
        """Whether a step can be undone, and whether one can be done again."""
        undo, redo = self._db.execute("SELECT sum(NOT undone), sum(undone) FROM steps").fetchone()
        return bool(undo), bool(redo)

    def _move(self, query: str, *, back: bool) -> set[int]:
        self._db.execute("BEGIN IMMEDIATE")
        found = self._db.execute(query).fetchone()
        if found is not None:
            changes = _decode(found[1])
            self._apply([(one.row, one.column, one.before if back else one.after) for one in changes])
            self._db.execute("UPDATE steps SET undone = ? WHERE id = ?", (back, found[0]))
        self._db.execute("COMMIT")
        return {change.row for change in changes} if found is not None else set()

    def _apply(self, values: Iterable[tuple[int, str, str | None]]) -> None:
        self._db.execute(f"PRAGMA user_version = {(self.edition + 1) % 2**31}")
        for row, column, text in values:
            if text is None:
                self._db.execute("DELETE FROM edits WHERE row = ? AND name = ?", (row, column))
            else:
                self._db.execute("INSERT OR REPLACE INTO edits VALUES (?, ?, ?)", (row, column, text))


def _edits_of(stored: Iterable[tuple[int, str, str]]) -> Edits:
    cells: dict[int, dict[str, str]] = {}
    left_out = set()
    for row, name, text in stored:
        if name == _ROW:
            left_out.add(row)
        else:
            cells.setdefault(row, {})[name] = text
    return Edits(cells, frozenset(left_out))


def edits_in(folder: Path) -> Edits | None:
    """The edits of an upload, None without any."""
    if not (folder / FILE).is_file():
        return None
    with closing(EditStore(folder)) as store:
        return store.edits() or None


def edition_in(folder: Path) -> int:
    """The edition of an upload's edits, 0 without any."""
    if not (folder / FILE).is_file():
        return 0
    with closing(EditStore(folder)) as store:
        return store.edition
