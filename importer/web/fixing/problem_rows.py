"""The rows of an upload that need a decision, as its check found them and as edits change them.

One SQLite file that each check writes again: pages of it are read quickly, whatever the number of rows. It holds each
row as the file has it, so that a row can be judged again alone.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import msgspec

from importer.model import FieldDefinition, Problem
from importer.normaliser.fixing import Edits
from importer.normaliser.mapping import Mapping
from importer.normaliser.normaliser import Normalised
from importer.row_block import Cells, RowBlock
from importer.web.fixing.different_cells import DifferentCells
from importer.web.fixing.refused_rows import RefusedRow, RefusedRows

FILE = "problem-rows.db"
OPEN, READY, OUT = 0, 1, 2
_TABLES = """
CREATE TABLE judged (content BLOB NOT NULL);
CREATE TABLE rows (row INTEGER PRIMARY KEY, state INTEGER NOT NULL, content BLOB NOT NULL);
CREATE TABLE problems (row INTEGER, name TEXT, code TEXT, content BLOB NOT NULL, PRIMARY KEY (row, name, code))
    WITHOUT ROWID;
CREATE TABLE cells (name TEXT, text TEXT, cells INTEGER NOT NULL, row INTEGER NOT NULL, PRIMARY KEY (name, text))
    WITHOUT ROWID;
"""
#: Made once all rows are in.
_INDEXES = """
CREATE INDEX by_state ON rows (state, row);
CREATE INDEX by_group ON problems (name, code, row);
CREATE INDEX by_column ON problems (name, row);
CREATE INDEX by_code ON problems (code, row);
CREATE TABLE groups (name TEXT, code TEXT, rows INTEGER NOT NULL, PRIMARY KEY (name, code)) WITHOUT ROWID;
INSERT INTO groups SELECT name, code, count(*) FROM problems GROUP BY name, code;
CREATE TABLE states (state INTEGER PRIMARY KEY, rows INTEGER NOT NULL);
INSERT INTO states VALUES (0, 0), (1, 0), (2, 0);
UPDATE states SET rows = (SELECT count(*) FROM rows WHERE rows.state = states.state);
CREATE TRIGGER problem_added AFTER INSERT ON problems BEGIN
    INSERT INTO groups VALUES (new.name, new.code, 1) ON CONFLICT DO UPDATE SET rows = rows + 1;
END;
CREATE TRIGGER problem_gone AFTER DELETE ON problems BEGIN
    UPDATE groups SET rows = rows - 1 WHERE name = old.name AND code = old.code;
END;
CREATE TRIGGER state_changed AFTER UPDATE OF state ON rows WHEN old.state != new.state BEGIN
    UPDATE states SET rows = rows - 1 WHERE state = old.state;
    UPDATE states SET rows = rows + 1 WHERE state = new.state;
END;
"""


class JudgedAs(msgspec.Struct, frozen=True):
    """By what the rows were judged: the mapping with the sheet's facts, the organisation's fields, the settings."""

    mapping: Mapping
    fields: tuple[FieldDefinition, ...] | None
    country: str
    blank: str
    invalid_identifiers: str
    columns: tuple[str, ...] = ()
    typed: bool = False
    #: Of the whole sheet.
    rows: int = 0
    #: Of the sheet's mobile numbers, most frequent first.
    countries: tuple[str, ...] = ()
    #: The columns with more different cells than are kept.
    partial: tuple[str, ...] = ()
    #: Of the edits that the check saw.
    edition: int = 0


class StoredRow(msgspec.Struct, frozen=True):
    """A row as the file has it, with what the reader found wrong and what an earlier report says was fixed."""

    cells: tuple[str, ...]
    problems: tuple[Problem, ...] = ()
    fixed: dict[str, str] = {}
    #: What the API said of it, where it refused it.
    refused: RefusedRow | None = None


class Group(msgspec.Struct, frozen=True):
    """The rows with one problem in one column ("": the row as a whole)."""

    column: str
    code: str
    rows: int


_row = msgspec.msgpack.Decoder(StoredRow).decode
_problem = msgspec.msgpack.Decoder(Problem).decode
_pack = msgspec.msgpack.encode


class ProblemWriter:
    """Takes the blocks of a check. `close` puts the file in its place."""

    def __init__(self, folder: Path, edits: Edits, refused: RefusedRows | None = None) -> None:
        self._folder = folder
        self._edits = edits
        self._refused = refused
        self._new = folder / f"{FILE}.new"
        self._new.unlink(missing_ok=True)
        os.close(os.open(self._new, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        self._db = sqlite3.connect(self._new, isolation_level=None)
        self._db.executescript(f"PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; {_TABLES} BEGIN;")
        self._columns: tuple[str, ...] = ()
        self._typed = False
        #: The rows of all blocks.
        self.rows = 0
        self._cells = DifferentCells()

    def add(self, block: RowBlock, normalised: Normalised) -> None:
        self._columns, self._typed = tuple(block.cells.names), block.typed
        self.rows += len(block)
        self._cells.add(block)
        by_row: dict[int, list[Problem]] = {}
        for problem in normalised.problems:
            by_row.setdefault(problem.row_number, []).append(problem)
        out = {problem.row_number for problem in normalised.left_out}
        # What an edit made valid: it must be there to be edited again.
        edited = {row for row in self._edits.cells.keys() & set(block.cells.row_numbers) if row not in by_row}
        refused = self._refused.of(block) if self._refused is not None else {}
        for row, cells in _cells_of(block, refused.keys() - by_row.keys() - out).items():
            if cells == refused[row].sent:
                by_row[row] = [refused[row].problem]
        wanted = sorted({*by_row, *out, *edited, *refused})
        if not wanted:
            return
        raw = block.raw or block
        places = {number: at for at, number in enumerate(raw.cells.row_numbers)}
        found: dict[int, list[Problem]] = {}
        for problem in raw.problems:
            found.setdefault(problem.row_number, []).append(problem)
        for row in wanted:
            at = places.get(row)
            if at is None:
                continue
            cells = tuple([column[at] for column in raw.cells.columns])
            stored = StoredRow(cells, tuple(found.get(row, ())), dict(raw.fixed.get(row, {})), refused.get(row))
            state = OPEN if row in by_row else OUT if row in out else READY
            self._db.execute("INSERT OR REPLACE INTO rows VALUES (?, ?, ?)", (row, state, _pack(stored)))
            self._db.executemany(
                "INSERT OR REPLACE INTO problems VALUES (?, ?, ?, ?)",
                [(row, one.column or "", one.code, _pack(one)) for one in by_row.get(row, ())],
            )

    def close(self, judged: JudgedAs) -> None:
        made = {"columns": self._columns, "typed": self._typed, "rows": self.rows, "partial": self._cells.partial}
        judged = msgspec.structs.replace(judged, **made)
        self._db.executemany("INSERT INTO cells VALUES (?, ?, ?, ?)", self._cells.found())
        self._db.execute("INSERT INTO judged VALUES (?)", (_pack(judged),))
        self._db.execute("COMMIT")
        self._db.executescript(_INDEXES)
        self._db.close()
        self._new.replace(self._folder / FILE)

    def discard(self) -> None:
        self._db.close()
        self._new.unlink(missing_ok=True)


def _cells_of(block: RowBlock, rows: Collection[int]) -> dict[int, tuple[str, ...]]:
    """The cells of these rows as they are fixed."""
    if not rows:
        return {}
    cells = block.only([number in rows for number in block.cells.row_numbers]).cells
    return dict(zip(cells.row_numbers, zip(*cells.columns, strict=True), strict=True))


class ProblemRows:
    """Reads and changes the file. Used by one thread at a time."""

    def __init__(self, folder: Path) -> None:
        self._db = sqlite3.connect(
            f"file:{folder / FILE}?mode=rw", uri=True, isolation_level=None, timeout=10, check_same_thread=False
        )
        self._db.execute("PRAGMA synchronous=OFF")  # a check writes it again

    def close(self) -> None:
        self._db.close()

    def judged_as(self) -> JudgedAs:
        return msgspec.msgpack.decode(self.judged_content(), type=JudgedAs)

    def judged_content(self) -> bytes:
        """By what the rows were judged, as it is stored: the same bytes for the same judge."""
        content: bytes = self._db.execute("SELECT content FROM judged").fetchone()[0]
        return content

    def groups(self) -> list[Group]:
        """Most rows first."""
        return [
            Group(*found)
            for found in self._db.execute(
                "SELECT name, code, rows FROM groups WHERE rows > 0 ORDER BY rows DESC, name, code"
            )
        ]

    def states(self) -> tuple[int, int, int]:
        """How many rows are open, ready and left out."""
        found = dict(self._db.execute("SELECT state, rows FROM states"))
        return found[OPEN], found[READY], found[OUT]

    def page(
        self, rows: int, after: int = 0, *, column: str | None = None, code: str | None = None, state: int = OPEN
    ) -> list[int]:
        """The next row numbers: those with a problem in this column, with this code, or in this state."""
        values: list[object]
        if column is None and code is None:
            query, values = (
                "SELECT row FROM rows WHERE state = ? AND row > ? ORDER BY row LIMIT ?",
                [state, after, rows],
            )
        elif column is None or code is None:
            name, value = ("name", column) if code is None else ("code", code)
            query = f"SELECT DISTINCT row FROM problems WHERE {name} = ? AND row > ? ORDER BY row LIMIT ?"  # noqa: S608
            values = [value, after, rows]
        else:
            query = "SELECT row FROM problems WHERE name = ? AND code = ? AND row > ? ORDER BY row LIMIT ?"
            values = [column, code, after, rows]
        return [row for (row,) in self._db.execute(query, values)]

    def in_state(self, state: int) -> frozenset[int]:
        return frozenset([row for (row,) in self._db.execute("SELECT row FROM rows WHERE state = ?", (state,))])

    def stored(self, rows: Sequence[int]) -> dict[int, StoredRow]:
        marks = ", ".join("?" * len(rows))
        found = self._db.execute(f"SELECT row, content FROM rows WHERE row IN ({marks}) ORDER BY row", rows)  # noqa: S608
        return {row: _row(content) for row, content in found}

    def cells(self, column: str) -> Iterator[tuple[str, int, int]]:
        """The different cells of a column after the rules: (text, how many, the first row)."""
        yield from self._db.execute("SELECT text, cells, row FROM cells WHERE name = ? ORDER BY row", (column,))

    def with_code(self, column: str, codes: Sequence[str]) -> Iterator[int]:
        """The rows with one of these problems in this column."""
        marks = ", ".join("?" * len(codes))
        query = f"SELECT DISTINCT row FROM problems WHERE name = ? AND code IN ({marks}) ORDER BY row"  # noqa: S608
        return (row for (row,) in self._db.execute(query, (column, *codes)))

    def with_only(self, column: str, most: int) -> list[int]:
        """The first rows that have a problem in this column and no other one."""
        query = (
            "SELECT row FROM problems AS own WHERE name = ? AND NOT EXISTS"
            " (SELECT 1 FROM problems AS other WHERE other.row = own.row AND other.name != own.name)"
            " GROUP BY row ORDER BY row LIMIT ?"
        )
        return [row for (row,) in self._db.execute(query, (column, most))]

    def problems(self, rows: Sequence[int]) -> dict[int, list[Problem]]:
        marks = ", ".join("?" * len(rows))
        found: dict[int, list[Problem]] = {}
        query = f"SELECT row, content FROM problems WHERE row IN ({marks})"  # noqa: S608
        for row, content in self._db.execute(query, rows):
            found.setdefault(row, []).append(_problem(content))
        return found

    def settle(self, row: int, state: int, problems: Sequence[Problem]) -> None:
        """Store what an edit made of a row."""
        self._db.execute("BEGIN IMMEDIATE")
        self._db.execute("UPDATE rows SET state = ? WHERE row = ?", (state, row))
        self._db.execute("DELETE FROM problems WHERE row = ?", (row,))
        self._db.executemany(
            "INSERT OR REPLACE INTO problems VALUES (?, ?, ?, ?)",
            [(row, problem.column or "", problem.code, _pack(problem)) for problem in problems],
        )
        self._db.execute("COMMIT")


def block_of(judged: JudgedAs, rows: dict[int, StoredRow]) -> RowBlock:
    """The rows as the reader gives them."""
    numbers = list(rows)
    columns = [[row.cells[place] for row in rows.values()] for place in range(len(judged.columns))]
    problems = tuple([problem for row in rows.values() for problem in row.problems])
    fixed = {number: row.fixed for number, row in rows.items() if row.fixed}
    return RowBlock(Cells(columns, judged.columns, numbers), problems, typed=judged.typed, fixed=fixed)
