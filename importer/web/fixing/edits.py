"""The edits of an upload, and the history of edits and rules: each step can be undone and done again.

One SQLite file, owner only. The upload is never changed. A run takes the edits as they are when it begins. The rules
themselves are in the mapping.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path

import msgspec

from importer.normaliser.fixing import Edits
from importer.system.sqlite import make_private
from importer.web.fixing.ruling import Ruling

FILE = "edits.db"
#: Steps that can be undone.
_MOST_STEPS = 1_000
#: The column that stands for the row as a whole: it is left out.
_ROW = ""
_TABLES = """
CREATE TABLE IF NOT EXISTS edits (row INTEGER, name TEXT, text TEXT NOT NULL, PRIMARY KEY (row, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS steps (id INTEGER PRIMARY KEY, undone INTEGER NOT NULL, content BLOB NOT NULL);
"""


class Change(msgspec.Struct, frozen=True):
    """A cell, or with the column "" whether the row is left out: what it was and what it is. None: not edited."""

    row: int
    column: str
    before: str | None
    after: str | None


class Step(msgspec.Struct, frozen=True):
    """What a person did at once: changes of cells and rows; or, with `before` and `after`, of the rules."""

    changes: tuple[Change, ...] = ()
    before: Ruling | None = None
    after: Ruling | None = None

    @property
    def back(self) -> Step:
        """The step that takes this one back."""
        changes = [msgspec.structs.replace(one, before=one.after, after=one.before) for one in self.changes]
        return Step(tuple(changes), self.after, self.before)

    @property
    def rows(self) -> set[int]:
        return {change.row for change in self.changes}


_decode = msgspec.msgpack.Decoder(Step).decode


class EditStore:
    """Used by one thread at a time."""

    def __init__(self, folder: Path) -> None:
        path = folder / FILE
        make_private(path)
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
        step = Step(tuple(changes))
        if changes:
            self._apply(step)
            self._keep(step)
        self._db.execute("COMMIT")
        return step.rows

    def ruled(self, before: Ruling, after: Ruling) -> None:
        """One step: the rules were changed."""
        self._db.execute("BEGIN IMMEDIATE")
        self._keep(Step((), before, after))
        self._db.execute("COMMIT")

    def undo(self) -> Step | None:
        """Take the last step back: its cells and rows are changed here, its rules by the caller. Returns the step as it
        was taken, None where there is no such step."""
        return self._move("SELECT id, content FROM steps WHERE NOT undone ORDER BY id DESC LIMIT 1", back=True)

    def redo(self) -> Step | None:
        """Do the last step again that was undone; otherwise as `undo`."""
        return self._move("SELECT id, content FROM steps WHERE undone ORDER BY id LIMIT 1", back=False)

    def can(self) -> tuple[bool, bool]:
        """Whether a step can be undone, and whether one can be done again."""
        undo, redo = self._db.execute("SELECT sum(NOT undone), sum(undone) FROM steps").fetchone()
        return bool(undo), bool(redo)

    def _keep(self, step: Step) -> None:
        """Add a step to the history, in place of what was undone."""
        self._db.execute("DELETE FROM steps WHERE undone")
        self._db.execute("INSERT INTO steps (undone, content) VALUES (0, ?)", (msgspec.msgpack.encode(step),))
        self._db.execute("DELETE FROM steps WHERE id <= (SELECT max(id) FROM steps) - ?", (_MOST_STEPS,))

    def _move(self, query: str, *, back: bool) -> Step | None:
        step: Step | None = None
        self._db.execute("BEGIN IMMEDIATE")
        found = self._db.execute(query).fetchone()
        if found is not None:
            step = _decode(found[1])
            step = step.back if back else step
            self._apply(step)
            self._db.execute("UPDATE steps SET undone = ? WHERE id = ?", (back, found[0]))
        self._db.execute("COMMIT")
        return step

    def _apply(self, step: Step) -> None:
        if step.changes:
            self._db.execute(f"PRAGMA user_version = {(self.edition + 1) % 2**31}")
        for one in step.changes:
            if one.after is None:
                self._db.execute("DELETE FROM edits WHERE row = ? AND name = ?", (one.row, one.column))
            else:
                self._db.execute("INSERT OR REPLACE INTO edits VALUES (?, ?, ?)", (one.row, one.column, one.after))


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
