"""Changes that a run writes while it sends, each in one transaction, and the SQL statements for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.sqlite.base import SQLiteDialect
from sqlalchemy.engine import Connection

from importer.errors import JournalError
from importer.journal.entries import entries_of, pack, pack_rows
from importer.journal.records import Attempt, RunProgress
from importer.journal.schema import ATTEMPTS, BATCHES, OUTCOMES, ROWS, RUNS
from importer.model import Batch, Outcome


class _Statement:
    """A frequent statement. SQLite's driver executes it directly, at a tenth of SQLAlchemy's cost."""

    def __init__(self, statement: sa.Insert | sa.Update | sa.Select[Any]) -> None:
        compiled = statement.compile(dialect=SQLiteDialect(paramstyle="qmark"))
        self._statement, self._text = statement, str(compiled)
        #: The names of the values, in their order.
        self._names = tuple(compiled.positiontup or ())

    def execute(self, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        if connection.dialect.paramstyle == "qmark":
            _driver(connection).executemany(self._text, rows)
        else:
            connection.execute(self._statement, [dict(zip(self._names, row, strict=True)) for row in rows])

    def first(self, connection: Connection, values: tuple[Any, ...]) -> Sequence[Any] | None:
        """Return the first row that a query finds for these values."""
        if connection.dialect.paramstyle == "qmark":
            found: tuple[Any, ...] | None = _driver(connection).execute(self._text, values).fetchone()
            return found
        return connection.execute(self._statement, dict(zip(self._names, values, strict=True))).first()


def _driver(connection: Connection) -> Any:
    """Return the driver's own connection."""
    return connection.connection.driver_connection


_OPEN, _TRY, _DECIDE = (_Statement(table.insert()) for table in (BATCHES, ATTEMPTS, OUTCOMES))
_SETTLE = _Statement(
    BATCHES.update()
    .where(BATCHES.c.run == sa.bindparam("of_run"), BATCHES.c.batch_id == sa.bindparam("of_batch"))
    .values(rows=sa.null())
)
#: The last entry that begins before a row or at it.
_BEFORE = _Statement(
    sa.select(OUTCOMES.c.row_number, ROWS)
    .where(OUTCOMES.c.run == sa.bindparam("of_run"), OUTCOMES.c.row_number <= sa.bindparam("row"))
    .order_by(OUTCOMES.c.row_number.desc())
    .limit(sa.literal_column("1"))
    .offset(sa.literal_column("0"))
)


class Change(msgspec.Struct, frozen=True):
    """A change that is written in one transaction.

    `opened`: batches that are about to be sent, with their customers' earlier attempts. `attempt`: one sending.
    `settled`: batches whose rows have their outcome now or are in an opened batch. `harmless`: batches that the server
    has certainly not applied. `doubtful`: harmless batches that are about to be sent again.
    """

    opened: tuple[tuple[Batch, int], ...] = ()
    attempt: Attempt | None = None
    outcomes: Sequence[Outcome] = ()
    settled: tuple[int, ...] = ()
    harmless: tuple[int, ...] = ()
    doubtful: tuple[int, ...] = ()
    progress: RunProgress | None = None
    #: Row number → fingerprint of what its customer was sent.
    sent: Mapping[int, bytes] = {}


def apply(changes: Sequence[Change], connection: Connection, key: int) -> None:
    """Write changes of a run, with one statement for each kind. Within a transaction."""
    if opened := [_batch_row(key, batch, attempts) for change in changes for batch, attempts in change.opened]:
        _OPEN.execute(connection, opened)
    if tried := [(key, *msgspec.structs.astuple(change.attempt)) for change in changes if change.attempt is not None]:
        _TRY.execute(connection, tried)
    if decided := [entry for change in changes if change.outcomes for entry in _entries(change, key)]:
        _refuse_second_outcomes(connection, decided)
        _DECIDE.execute(connection, decided)
    if settled := [(key, batch_id) for change in changes for batch_id in change.settled]:
        _SETTLE.execute(connection, settled)
    for change in changes:
        for batches, doubt in ((change.harmless, False), (change.doubtful, True)):
            if batches:
                connection.execute(
                    BATCHES.update().where(BATCHES.c.run == key, BATCHES.c.batch_id.in_(batches)).values(doubt=doubt)
                )
        if change.progress is not None:
            connection.execute(RUNS.update().where(RUNS.c.id == key).values(progress=pack(change.progress)))


def _batch_row(key: int, batch: Batch, attempts: int) -> tuple[Any, ...]:
    """Return the values of an opened batch, in the order of the table's columns."""
    return (key, batch.batch_id, batch.split_from, batch.alone, attempts, pack_rows(batch.customers), True)


def _entries(change: Change, key: int) -> Iterator[tuple[Any, ...]]:
    return entries_of(key, change.outcomes, change.attempt.number if change.attempt is not None else None, change.sent)


def _refuse_second_outcomes(connection: Connection, entries: Sequence[tuple[Any, ...]]) -> None:
    """Raise where a row already has an outcome. The primary key covers the first row of an entry only."""
    for key, first, *_, rows in entries:
        before = _BEFORE.first(connection, (key, first + rows - 1))
        if before is not None and sum(before) > first:
            raise JournalError(
                f"Row {first} would get a second outcome, which is not recorded.",
                "Please report it, then resume with `importer resume`.",
                on_page="Please report it, then resume the import.",
            )
