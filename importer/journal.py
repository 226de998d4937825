"""The journal: the durable record of runs, batches, attempts and outcomes. The only truth; reports are made from it.

Every change that promises something is committed and synced before the run moves on: a batch before it is sent, an
outcome before its customer's next row may go. SQLite (WAL, synchronous=FULL: NORMAL loses acknowledged commits in a
power cut) or PostgreSQL by URL. It holds no cell of the sheet: rows are known by number, messages name columns.
"""

from __future__ import annotations

import asyncio
import os
import queue
import secrets
import sqlite3
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import groupby
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.sqlite.base import SQLiteDialect
from sqlalchemy.engine import Connection, Engine

from importer.errors import JournalError, SettingsError
from importer.model import Batch, Outcome, RequestCounts, Status, Stretch
from importer.wal import to_wal

SCHEMA_VERSION = 3
#: Statuses as the journal stores them: a byte a row. The order is for ever.
_STATUSES = tuple(Status)
_STATUS_NUMBER = {status: number for number, status in enumerate(_STATUSES)}

_metadata = sa.MetaData()

_meta = sa.Table(
    "meta",
    _metadata,
    sa.Column("schema_version", sa.Integer, nullable=False),
    # For the hashes of the ledger.
    sa.Column("ledger_key", sa.LargeBinary),
)

_runs = sa.Table(
    "runs",
    _metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("run_id", sa.Text, nullable=False, unique=True),
    sa.Column("started_at", sa.BigInteger, nullable=False),
    sa.Column("finished_at", sa.BigInteger),
    sa.Column("exit_code", sa.Integer),
    sa.Column("finished", sa.Boolean, nullable=False, default=False),
    sa.Column("identity", sa.Text, nullable=False, index=True),
    sa.Column("source_sha256", sa.Text, nullable=False),
    sa.Column("record", sa.LargeBinary, nullable=False),
    sa.Column("progress", sa.LargeBinary),
)

_batches = sa.Table(
    "batches",
    _metadata,
    sa.Column("run", sa.Integer, primary_key=True),
    sa.Column("batch_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("split_from", sa.Integer),
    sa.Column("alone", sa.Boolean, nullable=False),
    sa.Column("attempts_before", sa.Integer, nullable=False),
    # Row numbers of each customer (msgpack); emptied once every row has its outcome, to stay small.
    sa.Column("rows", sa.LargeBinary),
    # Whether the server may have applied it: true from before it is sent until an answer says otherwise.
    sa.Column("doubt", sa.Boolean, nullable=False),
    sqlite_with_rowid=False,
)

_attempts = sa.Table(
    "attempts",
    _metadata,
    sa.Column("run", sa.Integer, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("batch_id", sa.Integer, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("elapsed_ms", sa.Integer, nullable=False),
    sa.Column("customers", sa.Integer, nullable=False),
    sa.Column("http_status", sa.Integer, nullable=False),
    sa.Column("code", sa.Text, nullable=False),
    sa.Column("request_id", sa.Text, nullable=False),
    sqlite_with_rowid=False,
)

_outcomes = sa.Table(
    "outcomes",
    _metadata,
    sa.Column("run", sa.Integer, primary_key=True),
    sa.Column("row_number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("status", sa.SmallInteger, nullable=False),
    sa.Column("code", sa.Text),
    sa.Column("attempts", sa.Integer, nullable=False),
    # The attempt that decided; its request id and time stand there once for all rows of the request.
    sa.Column("attempt", sa.Integer),
    # What only few rows have: message, advice, columns, warnings, time (msgpack).
    sa.Column("more", sa.LargeBinary),
    # What the customers were sent, as hashes (see ledger.py), in the order of their first rows (msgpack).
    sa.Column("sent", sa.LargeBinary),
    # How many rows, this one and those that follow, have this same outcome: a request's rows mostly stand together, and
    # one entry for them all costs a tenth of one for each. Empty in an entry of version 2: one row, `sent` as it is.
    sa.Column("rows", sa.Integer),
    sqlite_with_rowid=False,
)


_ROWS = sa.func.coalesce(_outcomes.c.rows, sa.literal_column("1"))
_ROW_NUMBER = attrgetter("row_number")

#: What makes the tables of a version into those of the next.
_MIGRATIONS: dict[int, tuple[sa.Column[Any], ...]] = {
    1: (_meta.c.ledger_key, _outcomes.c.sent),
    2: (_outcomes.c.rows,),
}


class RunRecord(msgspec.Struct, frozen=True):
    """What a run began with, all that resume needs to read the source again the same way. No secret, no cell."""

    run_id: str
    source: str
    source_sha256: str
    source_size: int
    sheet: str
    base_url: str
    key_name: str
    started_at: int
    settings: dict[str, Any]
    parser: dict[str, str]
    mapping: bytes
    version: str
    spooled: bool = False
    retry_of: str = ""


class Kept(msgspec.Struct, frozen=True):
    """What is left of a run whose rows were purged: how many had which outcome, and what that took."""

    rows: dict[str, int]
    requests: RequestCounts


class Progress(msgspec.Struct, frozen=True):
    """What changes while a run goes on and no other table tells: limits that the server taught, seconds spent."""

    batch_size: int = 0
    max_bytes: int = 0
    sending_seconds: float = 0.0
    notes: tuple[str, ...] = ()
    repairs: dict[str, int] = {}
    #: The last row whose repairs are in there: who goes on reads some rows again.
    repaired_to: int = 0
    #: Why the run ended before its last row, in words; empty when it did not.
    stopped: str = ""
    purged: Kept | None = None


class Run(msgspec.Struct, frozen=True):
    """A run as the journal knows it. `finished`: nothing is left to resume."""

    key: int
    record: RunRecord
    progress: Progress
    finished_at: int | None
    exit_code: int | None
    finished: bool


class Attempt(msgspec.Struct, frozen=True):
    """One sending of a batch. `at` is UTC in milliseconds since 1970."""

    number: int
    batch_id: int
    at: int
    elapsed_ms: int
    customers: int
    http_status: int
    code: str
    request_id: str


class OpenBatch(msgspec.Struct, frozen=True):
    """A batch whose rows have no outcome yet: it is sent again as it was."""

    batch_id: int
    split_from: int | None
    alone: bool
    attempts: int
    rows: tuple[tuple[int, ...], ...]
    doubt: bool


class _More(msgspec.Struct, omit_defaults=True, array_like=True):
    message: str = ""
    advice: str = ""
    columns: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    at: int = 0


_pack, _unpack_more = msgspec.msgpack.encode, msgspec.msgpack.Decoder(_More).decode
_ATTEMPT, _ALL_BUT_ROWS = itemgetter(2), itemgetter(2, 3, 4, 5, 6)
#: What rows must have in common to be one entry.
_SAME = attrgetter("status", "code", "message", "advice", "columns", "warnings", "attempts", "at")
_NOTHING_MORE, _NO_ANSWER = _More(), ("", 0)
_unpack_sent = msgspec.msgpack.Decoder(list[bytes]).decode
_unpack_rows = msgspec.msgpack.Decoder(tuple[tuple[int, ...], ...]).decode


class Journal:
    """One connection that writes, used by one thread at a time. Raises `JournalError`."""

    def __init__(self, engine: Engine, where: str) -> None:
        self._engine = engine
        self.where = where
        with self.errors():
            self._connection = engine.connect()
            try:
                self._prepare()
            except BaseException:
                self.close()
                raise

    @classmethod
    def open(cls, reports_dir: Path, database: str | None = None) -> Journal:
        """The journal beside the reports, or the one that `database` names (`postgresql://…`, `sqlite:///…`)."""
        if database and not database.startswith("sqlite:///"):
            return cls(_postgresql(database), sa.make_url(database).render_as_string(hide_password=True))
        path = Path(database.removeprefix("sqlite:///")) if database else reports_dir / "journal.db"
        return cls(_sqlite(path), str(path))

    def close(self) -> None:
        self._connection.close()
        self._engine.dispose()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def errors(self) -> _Errors:
        """Around whatever uses the database: its errors become `JournalError`."""
        return _Errors(self.where)

    @property
    def shared(self) -> bool:
        """Whether several machines may use it."""
        return self._engine.dialect.name != "sqlite"

    def another_connection(self) -> Connection:
        """For a lock that lives as long as a connection."""
        return self._engine.connect()

    def _prepare(self) -> None:
        if self._engine.dialect.name == "sqlite":
            with self._connection.begin():
                if self._connection.exec_driver_sql("PRAGMA quick_check(1)").scalar() != "ok":
                    raise _damaged(self.where)
        found = self._version()
        if found is None or found in _MIGRATIONS:
            # Whole or not at all, and one process at a time: the version stands in the same transaction as the tables.
            self._connection.execution_options(writes_first=True)
            with self._connection.begin():
                self._make_or_migrate()
            self._connection.execution_options(writes_first=False)
            found = self._version()
        if found != SCHEMA_VERSION:
            raise JournalError(
                f"The journal {self.where} has version {found}; this importer reads version {SCHEMA_VERSION}.",
                "Use the importer that made it, or another --reports-dir.",
            )

    def _make_or_migrate(self) -> None:
        """Another process may have done it meanwhile: it looks again first."""
        connection = self._connection
        if not sa.inspect(connection).has_table("meta"):
            _metadata.create_all(connection)
            connection.execute(_meta.insert().values(schema_version=SCHEMA_VERSION, ledger_key=secrets.token_bytes(16)))
            return
        version = int(connection.execute(sa.select(_meta.c.schema_version)).scalar() or 0)
        while version in _MIGRATIONS:
            for column in _MIGRATIONS[version]:
                kind = column.type.compile(connection.dialect)
                connection.execute(sa.text(f"ALTER TABLE {column.table.name} ADD COLUMN {column.name} {kind}"))
            version += 1
            connection.execute(_meta.update().values(schema_version=version))
        connection.execute(
            _meta.update().where(_meta.c.ledger_key.is_(None)).values(ledger_key=secrets.token_bytes(16))
        )

    def _version(self) -> int | None:
        """The version of the tables, None where there are none yet."""
        with self._connection.begin():
            if not sa.inspect(self._connection).has_table("meta"):
                return None
            found = self._connection.execute(sa.select(_meta.c.schema_version)).scalar()
        return int(found or 0)

    # ------------------------------------------------------------------------------------------------ runs

    def create(self, record: RunRecord, identity: str, progress: Progress | None = None) -> Run:
        """A new run. `identity` names its source and target: two runs with the same one must not go on at once."""
        progress = progress or Progress()
        with self.errors(), self._connection.begin():
            result = self._connection.execute(
                _runs.insert().values(
                    run_id=record.run_id,
                    started_at=record.started_at,
                    identity=identity,
                    source_sha256=record.source_sha256,
                    record=_pack(record),
                    progress=_pack(progress),
                    finished=False,
                )
            )
            key = result.inserted_primary_key
        assert key is not None
        return Run(int(key[0]), record, progress, None, None, False)

    def runs(self) -> list[Run]:
        """All runs, newest first."""
        return self._select(sa.select(_runs).order_by(_runs.c.id.desc()))

    def run(self, run_id: str) -> Run | None:
        found = self._select(sa.select(_runs).where(_runs.c.run_id == run_id))
        return found[0] if found else None

    def unfinished(self, identity: str) -> Run | None:
        """The newest run of this source and target, if something of it is left to do."""
        found = self._select(sa.select(_runs).where(_runs.c.identity == identity).order_by(_runs.c.id.desc()).limit(1))
        return found[0] if found and not found[0].finished else None

    def identity(self, key: int) -> str:
        """The name of a run's work, as it was given to `create`."""
        with self.errors(), self._connection.begin():
            return str(self._connection.execute(sa.select(_runs.c.identity).where(_runs.c.id == key)).scalar())

    def in_use(self, source: str) -> bool:
        """Whether a run that is not finished reads this file."""
        return any(run.record.source == source for run in self._select(sa.select(_runs).where(~_runs.c.finished)))

    def imported_whole(self, base_url: str, sha256: str) -> Run | None:
        """The newest run of the same content to the same target in which every row succeeded."""
        found = self._select(sa.select(_runs).where(_runs.c.source_sha256 == sha256).order_by(_runs.c.id.desc()))
        for run in found:
            if run.finished and run.exit_code == 0 and run.record.base_url == base_url and not _partial(run):
                return run
        return None

    def of_source(self, place: str) -> Run | None:
        """The newest run that began with the file at this place."""
        query = sa.select(_runs).where(_runs.c.identity.startswith(place + " · ", autoescape=True))
        found = self._select(query.order_by(_runs.c.id.desc()).limit(1))
        return found[0] if found else None

    def imported(self, base_url: str, sha256: str) -> list[Run]:
        """The runs that went through the same content for the same target, whatever became of its rows, from the newest
        on."""
        found = self._select(sa.select(_runs).where(_runs.c.source_sha256 == sha256).order_by(_runs.c.id.desc()))
        return [
            run
            for run in found
            if run.finished and run.exit_code in (0, 3) and run.record.base_url == base_url and not _partial(run)
        ]

    def check(self) -> None:
        """Raises `JournalError` where the database says that it is damaged."""
        if self._engine.dialect.name != "sqlite":
            return
        with self.errors(), self._connection.begin():
            found = self._connection.execute(sa.text("PRAGMA quick_check(1)")).scalar()
        if found != "ok":
            raise JournalError(f"The journal {self.where} is damaged.", "Restore it, or use another --reports-dir.")

    def relocate(self, run: Run, source: str) -> None:
        """The file of a run that ended has been moved; its identity, the place where it began, stays."""
        record = msgspec.structs.replace(run.record, source=source)
        with self.errors(), self._connection.begin():
            self._connection.execute(_runs.update().where(_runs.c.id == run.key).values(record=_pack(record)))

    def _select(self, query: sa.Select[Any]) -> list[Run]:
        with self.errors(), self._connection.begin():
            rows = self._connection.execute(query).all()
        return [
            Run(
                row.id,
                msgspec.msgpack.decode(row.record, type=RunRecord),
                msgspec.msgpack.decode(row.progress, type=Progress) if row.progress else Progress(),
                row.finished_at,
                row.exit_code,
                row.finished,
            )
            for row in rows
        ]

    def finish(self, key: int, at: int, exit_code: int, finished: bool, progress: Progress) -> None:
        """The run ended, for good or for now."""
        with self.errors(), self._connection.begin():
            self._connection.execute(
                _runs.update()
                .where(_runs.c.id == key)
                .values(finished_at=at, exit_code=exit_code, finished=finished, progress=_pack(progress))
            )

    def abandon(self, key: int) -> None:
        """A run that is not to be resumed: another began anew in its place."""
        with self.errors(), self._connection.begin():
            self._connection.execute(_runs.update().where(_runs.c.id == key).values(finished=True))

    # ------------------------------------------------------------------------------------------------ reading

    def outcomes(self, key: int) -> Iterator[Outcome]:
        """Every outcome of a run, by row number."""
        for stretch in self.stretches(key):
            yield from stretch.outcomes()

    def stretches(self, key: int) -> Iterator[Stretch]:
        """The same, neighbours that share their outcome together: much faster, as the rows of a request do."""
        columns = _outcomes.c
        query = sa.select(
            columns.row_number,
            _ROWS,
            *(columns.attempt, columns.status, columns.code, columns.attempts, columns.more),
        )
        ended = 0
        with self.errors(), self._connection.begin():
            for entries in self._partitions(query.where(columns.run == key).order_by(columns.row_number)):
                answers = self._answers(key, set(map(_ATTEMPT, entries)) - {None})
                for (attempt, *same), group in groupby(entries, _ALL_BUT_ROWS):
                    answer = answers.get(attempt, _NO_ANSWER)
                    for first, rows in _joined((entry[0], entry[1]) for entry in group):
                        if first < ended:
                            raise _damaged(self.where)
                        ended = first + rows
                        yield Stretch(_outcome(first, answer, *same), rows)

    def _partitions(self, query: sa.Select[Any]) -> Iterator[Sequence[Any]]:
        """The rows of a large answer, some thousand at a time. Within a transaction."""
        if self.shared:
            yield from self._connection.execute(query, execution_options={"yield_per": 5000}).partitions()
            return
        # Straight from the driver: to make records of its rows takes as long as to fetch them.
        compiled = query.compile(self._engine, compile_kwargs={"literal_binds": True})
        with closing(self._connection.connection.cursor()) as cursor:
            cursor.execute(str(compiled))
            while rows := cursor.fetchmany(5000):
                yield rows

    def _answers(self, key: int, attempts: Collection[int]) -> dict[int, tuple[str, int]]:
        """Request id and time of the answer of each of these attempts. Within a transaction."""
        columns = _attempts.c
        query = sa.select(columns.number, columns.request_id, columns.at + columns.elapsed_ms)
        query = query.where(columns.run == key, columns.number.in_(attempts))
        return {number: (request_id, at) for number, request_id, at in self._connection.execute(query)}

    def decided(self, key: int, statuses: Iterable[Status] = _STATUSES) -> bytearray:
        """A byte per row number: 1 where the row has an outcome of these statuses."""
        numbers = [_STATUS_NUMBER[status] for status in statuses]
        query = sa.select(_outcomes.c.row_number, _ROWS).where(_outcomes.c.run == key)
        found = bytearray()
        with self.errors(), self._connection.begin():
            last = self._connection.execute(query.order_by(_outcomes.c.row_number.desc()).limit(1)).first()
            found.extend(bytes(sum(last) if last is not None else 1))
            query = query.where(_outcomes.c.status.in_(numbers))
            for row, rows in self._connection.execute(query, execution_options={"yield_per": 20000}):
                found[row : row + rows] = b"\1" * rows
        return found

    def deciding(self, key: int, statuses: Iterable[Status]) -> Iterator[tuple[int, str, int]]:
        """(row number, code, number of the attempt that decided) of every row of these statuses that was sent."""
        query = (
            sa.select(_outcomes.c.row_number, _ROWS, _outcomes.c.code, _outcomes.c.attempt)
            .where(
                _outcomes.c.run == key,
                _outcomes.c.status.in_([_STATUS_NUMBER[status] for status in statuses]),
                _outcomes.c.attempt.is_not(None),
            )
            .order_by(_outcomes.c.row_number)
        )
        with self.errors(), self._connection.begin():
            for first, rows, code, attempt in self._connection.execute(query, execution_options={"yield_per": 5000}):
                for row in range(first, first + rows):
                    yield row, code or "", attempt

    def decided_by(self, key: int, attempts: Iterable[int]) -> dict[int, list[int]]:
        """The rows that each of these attempts decided."""
        found: dict[int, list[int]] = {attempt: [] for attempt in attempts}
        query = (
            sa.select(_outcomes.c.attempt, _outcomes.c.row_number, _ROWS)
            .where(_outcomes.c.run == key, _outcomes.c.attempt.in_(list(found)))
            .order_by(_outcomes.c.row_number)
        )
        with self.errors(), self._connection.begin():
            for attempt, first, rows in self._connection.execute(query):
                found[attempt].extend(range(first, first + rows))
        return found

    def purge(self, run: Run) -> None:
        """Deletes what is known of the run's rows, and keeps the counts. The run cannot go on after that."""
        kept = Kept({status.value: n for status, n in self.counts(run.key).items()}, self.requests(run.key))
        progress = _pack(msgspec.structs.replace(run.progress, purged=kept))
        if not self.shared:
            # Freed pages are overwritten, not only given back.
            self._connection.connection.cursor().execute("PRAGMA secure_delete=ON")
        with self.errors(), self._connection.begin():
            for table in (_outcomes, _attempts, _batches):
                self._connection.execute(table.delete().where(table.c.run == run.key))
            self._connection.execute(
                _runs.update().where(_runs.c.id == run.key).values(progress=progress, finished=True)
            )

    def counts(self, key: int) -> dict[Status, int]:
        with self.errors(), self._connection.begin():
            rows = self._connection.execute(
                sa.select(_outcomes.c.status, sa.func.sum(_ROWS))
                .where(_outcomes.c.run == key)
                .group_by(_outcomes.c.status)
            ).all()
        return {_STATUSES[status]: int(count) for status, count in rows}

    def requests(self, key: int) -> RequestCounts:
        """Sent: every attempt. Throttled: those answered 429. Retried: the same batch once more, not for a 429. Split:
        batches that went on in parts."""
        slowed = sa.func.sum(sa.case((_attempts.c.code == "429", 1), else_=0))
        by_batch = (
            sa.select(sa.func.count().label("made"), slowed.label("slowed"))
            .where(_attempts.c.run == key)
            .group_by(_attempts.c.batch_id)
            .subquery()
        )
        again = by_batch.c.made - by_batch.c.slowed - 1
        totals = sa.select(
            sa.func.sum(by_batch.c.made),
            sa.func.sum(sa.case((again > 0, again), else_=0)),
            sa.func.sum(by_batch.c.slowed),
        )
        parts = sa.select(sa.func.count(sa.distinct(_batches.c.split_from))).where(_batches.c.run == key)
        with self.errors(), self._connection.begin():
            sent, retried, throttled = self._connection.execute(totals).one()
            split = self._connection.execute(parts).scalar()
        return RequestCounts(int(sent or 0), int(retried or 0), int(split or 0), int(throttled or 0))

    def open_batches(self, key: int) -> list[OpenBatch]:
        """Batches whose rows have no outcome, in the order they were formed."""
        made = (
            sa.select(_attempts.c.batch_id, sa.func.count().label("made"))
            .where(_attempts.c.run == key)
            .group_by(_attempts.c.batch_id)
            .subquery()
        )
        query = (
            sa.select(_batches, sa.func.coalesce(made.c.made, 0).label("made"))
            .select_from(_batches.outerjoin(made, made.c.batch_id == _batches.c.batch_id))
            .where(_batches.c.run == key, _batches.c.rows.is_not(None))
            .order_by(_batches.c.batch_id)
        )
        with self.errors(), self._connection.begin():
            return [
                OpenBatch(
                    row.batch_id,
                    row.split_from,
                    row.alone,
                    row.attempts_before + row.made,
                    _unpack_rows(row.rows),
                    row.doubt,
                )
                for row in self._connection.execute(query).all()
            ]

    def last_batch_id(self, key: int) -> int:
        with self.errors(), self._connection.begin():
            found = self._connection.execute(
                sa.select(sa.func.max(_batches.c.batch_id)).where(_batches.c.run == key)
            ).scalar()
        return found or 0

    def last_attempt(self, key: int) -> int:
        with self.errors(), self._connection.begin():
            found = self._connection.execute(
                sa.select(sa.func.max(_attempts.c.number)).where(_attempts.c.run == key)
            ).scalar()
        return found or 0

    def attempts(self, key: int) -> Iterator[Attempt]:
        """Every attempt of a run, in the order of time."""
        query = sa.select(_attempts).where(_attempts.c.run == key).order_by(_attempts.c.number)
        with self.errors(), self._connection.begin():
            for row in self._connection.execute(query, execution_options={"yield_per": 5000}):
                yield Attempt(*row[1:])

    @property
    def ledger_key(self) -> bytes:
        with self.errors(), self._connection.begin():
            found = self._connection.execute(sa.select(_meta.c.ledger_key)).scalar()
        return bytes(found or b"")

    def sent(self, key: int) -> Iterator[bytes]:
        """What the customers of a run were sent (see ledger.py), in the order of the sheet: that of sending, too, for
        rows of one customer."""
        query = sa.select(_outcomes.c.sent, _outcomes.c.rows).where(
            _outcomes.c.run == key, _outcomes.c.sent.is_not(None)
        )
        with self.errors(), self._connection.begin():
            result = self._connection.execute(
                query.order_by(_outcomes.c.row_number), execution_options={"yield_per": 20000}
            )
            for sent, rows in result:
                if rows is None:
                    yield bytes(sent)
                else:
                    yield from _unpack_sent(sent)

    def write(self, changes: Sequence[Change], key: int) -> None:
        """Applies changes in one transaction, and returns when they are on the disk."""
        with self.errors(), self._connection.begin():
            for change in changes:
                change.apply(self._connection, key)


# ---------------------------------------------------------------------------------------------------- changes


class _Statement:
    """A statement of every batch: SQLite's driver takes it straight, at a tenth of what the layer above costs."""

    def __init__(self, statement: sa.Insert | sa.Update | sa.Select[Any]) -> None:
        compiled = statement.compile(dialect=SQLiteDialect(paramstyle="qmark"))
        self._statement, self._text = statement, str(compiled)
        #: The names of the values, in the order in which they are given.
        self._names = tuple(compiled.positiontup or ())

    def execute(self, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        if connection.dialect.paramstyle == "qmark":
            with closing(connection.connection.cursor()) as cursor:
                cursor.executemany(self._text, rows)
        else:
            connection.execute(self._statement, [dict(zip(self._names, row, strict=True)) for row in rows])

    def first(self, connection: Connection, values: tuple[Any, ...]) -> Sequence[Any] | None:
        """The first row that a query finds for these values."""
        if connection.dialect.paramstyle == "qmark":
            with closing(connection.connection.cursor()) as cursor:
                cursor.execute(self._text, values)
                found: tuple[Any, ...] | None = cursor.fetchone()
                return found
        return connection.execute(self._statement, dict(zip(self._names, values, strict=True))).first()


_OPEN, _TRY, _DECIDE = (_Statement(table.insert()) for table in (_batches, _attempts, _outcomes))
_SETTLE = _Statement(
    _batches.update()
    .where(_batches.c.run == sa.bindparam("of_run"), _batches.c.batch_id == sa.bindparam("of_batch"))
    .values(rows=sa.null())
)
#: The entry nearest before a row, or at it.
_BEFORE = _Statement(
    sa.select(_outcomes.c.row_number, _ROWS)
    .where(_outcomes.c.run == sa.bindparam("of_run"), _outcomes.c.row_number <= sa.bindparam("row"))
    .order_by(_outcomes.c.row_number.desc())
    .limit(sa.literal_column("1"))
    .offset(sa.literal_column("0"))
)


class Change(msgspec.Struct, frozen=True):
    """Something to write down: what belongs together stands or falls together.

    `opened`: batches that are about to be sent, with the attempts that their customers had before. `attempt`: one
    sending. `outcomes` with `settled`: the batches whose rows have their outcome now, or stand in an opened batch.
    `harmless`: batches that the server certainly has not applied. `doubtful`: such batches that are about to be sent.
    """

    opened: tuple[tuple[Batch, int], ...] = ()
    attempt: Attempt | None = None
    outcomes: Sequence[Outcome] = ()
    settled: tuple[int, ...] = ()
    harmless: tuple[int, ...] = ()
    doubtful: tuple[int, ...] = ()
    progress: Progress | None = None
    #: By row number, what the ledger keeps beside its outcome.
    sent: Mapping[int, bytes] = {}

    def apply(self, connection: Connection, key: int) -> None:
        if self.opened:
            _OPEN.execute(connection, [_batch_row(key, batch, attempts) for batch, attempts in self.opened])
        attempt = self.attempt
        if attempt is not None:
            _TRY.execute(connection, [(key, *msgspec.structs.astuple(attempt))])
        if self.outcomes:
            entries = list(_entries(key, self.outcomes, attempt.number if attempt is not None else None, self.sent))
            _refuse_second_outcomes(connection, entries)
            _DECIDE.execute(connection, entries)
        if self.settled:
            _SETTLE.execute(connection, [(key, batch_id) for batch_id in self.settled])
        for batches, doubt in ((self.harmless, False), (self.doubtful, True)):
            if batches:
                connection.execute(
                    _batches.update().where(_batches.c.run == key, _batches.c.batch_id.in_(batches)).values(doubt=doubt)
                )
        if self.progress is not None:
            connection.execute(_runs.update().where(_runs.c.id == key).values(progress=_pack(self.progress)))


def _batch_row(key: int, batch: Batch, attempts: int) -> tuple[Any, ...]:
    """The values of a batch that is about to be sent, in the order of the table's columns."""
    rows = _pack([customer.row_numbers for customer in batch.customers])
    return (key, batch.batch_id, batch.split_from, batch.alone, attempts, rows, True)


def _entries(
    key: int, outcomes: Sequence[Outcome], number: int | None, sent: Mapping[int, bytes]
) -> Iterator[tuple[Any, ...]]:
    """The values of outcomes in the order of the table's columns: one entry for neighbours that share theirs."""
    in_order = sorted(outcomes, key=_ROW_NUMBER)
    for _, group in groupby(enumerate(in_order), lambda pair: (pair[1].row_number - pair[0], _SAME(pair[1]))):
        same = [outcome for _, outcome in group]
        outcome = same[0]
        more = None
        if outcome.message or outcome.advice or outcome.columns or outcome.warnings or number is None:
            at = outcome.at if number is None else 0
            more = _pack(_More(outcome.message, outcome.advice, outcome.columns, outcome.warnings, at))
        hashes = [sent[one.row_number] for one in same if one.row_number in sent] if sent else []
        yield (
            key,
            outcome.row_number,
            _STATUS_NUMBER[outcome.status],
            outcome.code or None,
            outcome.attempts,
            number,
            more,
            _pack(hashes) if hashes else None,
            len(same),
        )


def _refuse_second_outcomes(connection: Connection, entries: Sequence[tuple[Any, ...]]) -> None:
    """A row has one outcome for ever. The primary key sees to the first row of an entry only."""
    for key, first, *_, rows in entries:
        before = _BEFORE.first(connection, (key, first + rows - 1))
        if before is not None and sum(before) > first:
            raise JournalError(
                f"Row {first} would get a second outcome.", "Please report it; `importer resume` goes on."
            )


def _joined(stretches: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """First row and length of stretches in order, those that follow each other without a gap as one."""
    first = rows = 0
    for begins, more in stretches:
        if rows and begins == first + rows:
            rows += more
            continue
        if rows:
            yield first, rows
        first, rows = begins, more
    if rows:
        yield first, rows


def _outcome(
    row: int, answer: tuple[str, int], status: int, code: str | None, attempts: int, more: bytes | None
) -> Outcome:
    """An outcome of the table's columns and of the answer that decided it."""
    extra = _unpack_more(more) if more else _NOTHING_MORE
    request_id, at = answer
    return Outcome(
        row,
        _STATUSES[status],
        code or "",
        extra.message,
        extra.advice,
        extra.columns,
        extra.warnings,
        attempts,
        request_id,
        extra.at or at,
    )


class Scribe:
    """Writes changes from the event loop: a thread of its own, and one commit for all that wait at the time."""

    def __init__(
        self, journal: Journal, key: int, sent: Callable[[Sequence[Outcome]], Mapping[int, bytes]] | None = None
    ) -> None:
        """`sent` knows what the ledger keeps beside outcomes that came of sending."""
        self._journal = journal
        self._key = key
        self._sent = sent
        self._queue: queue.SimpleQueue[tuple[Change, asyncio.Future[None]] | None] = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._error: JournalError | None = None
        self._thread = threading.Thread(target=self._work, name="journal", daemon=True)
        self._thread.start()

    async def write(self, change: Change) -> None:
        """Returns when the change is on the disk. Raises `JournalError`, and then for ever: a failed sync is never
        repeated, for the kernel may have dropped what it could not write."""
        if self._sent is not None and change.attempt is not None and change.outcomes:
            change = msgspec.structs.replace(change, sent=self._sent(change.outcomes))
        future = self._loop.create_future()
        self._queue.put((change, future))
        await future

    async def close(self) -> None:
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def _work(self) -> None:
        going = True
        while going:
            waiting = [self._queue.get()]
            while not self._queue.empty():
                waiting.append(self._queue.get())
            going = None not in waiting
            batch = [entry for entry in waiting if entry is not None]
            if not batch:
                continue
            try:
                if self._error is None:
                    self._journal.write([change for change, _ in batch], self._key)
            except JournalError as error:
                self._error = error
            except Exception as error:
                # Whatever it was, those who wait must not wait for ever.
                self._error = JournalError(f"The journal failed: {type(error).__name__}.", "Please report it.")
                self._error.__cause__ = error
            self._loop.call_soon_threadsafe(_resolve, [future for _, future in batch], self._error)


def _resolve(futures: list[asyncio.Future[None]], error: Exception | None) -> None:
    for future in futures:
        if not future.done():
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)


# ---------------------------------------------------------------------------------------------------- databases


class _Errors:
    """Turns the database's errors into ours, in words."""

    def __init__(self, where: str) -> None:
        self._where = where

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, sa.exc.DBAPIError | sqlite3.Error):
            driver = error.orig if isinstance(error, sa.exc.DBAPIError) else error
            word = str(driver).strip().splitlines()[0] if str(driver).strip() else type(driver).__name__
            if "malformed" in word or "not a database" in word:
                raise _damaged(self._where) from error
            raise JournalError(
                f"The journal {self._where} failed: {word}.",
                "Make room or repair the disk, then type `importer resume`."
                if "full" in word or "I/O" in word
                else "Check the disk and the file's permissions, then type `importer resume`.",
            ) from error
        if isinstance(error, msgspec.DecodeError | OSError):
            raise _damaged(self._where) from error


def _partial(run: Run) -> bool:
    """Rows were left out as asked, so that the file still has some that no run has seen."""
    return bool(run.record.settings.get("limit") or run.record.settings.get("skip_rows"))


def _damaged(where: str) -> JournalError:
    return JournalError(
        f"The journal {where} is damaged or is no journal.",
        "Restore it from a backup, or use another --reports-dir; the reports of earlier runs stay as they are.",
    )


_MOUNTS = Path("/proc/self/mounts")
_NETWORK_FILE_SYSTEMS = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "afs", "ceph", "glusterfs"}


def _sqlite(path: Path) -> Engine:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise JournalError(
            f"The journal {path} cannot be written ({error.strerror}).", "Choose another --reports-dir."
        ) from error
    kind = file_system_of(path)
    if kind in _NETWORK_FILE_SYSTEMS:
        raise JournalError(
            f"The journal {path} lies on a network file system ({kind}), where SQLite is not safe.",
            "Choose a local --reports-dir, or a --database postgresql://….",
        )
    engine = sa.create_engine(f"sqlite:///{path}", connect_args={"check_same_thread": False, "timeout": 30})

    @sa.event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # The driver's own transactions leave out CREATE TABLE: a kill between two of them would leave half a journal.
        immediate = connection.get_execution_options().get("writes_first")
        with closing(connection.connection.cursor()) as cursor:
            cursor.execute("BEGIN IMMEDIATE" if immediate else "BEGIN")

    @sa.event.listens_for(engine, "connect")
    def set_up(connection: Any, _: object) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        to_wal(cursor)
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA fullfsync=ON")
        cursor.execute("PRAGMA cache_size=-8000")
        cursor.close()

    return engine


def _postgresql(url: str) -> Engine:
    try:
        parsed = sa.make_url(url)
        if parsed.drivername in ("postgresql", "postgres"):
            parsed = parsed.set(drivername="postgresql+psycopg")
        return sa.create_engine(parsed, pool_pre_ping=True)
    except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError, ModuleNotFoundError) as error:
        raise SettingsError(
            "The --database cannot be used.",
            "Give a postgresql:// address and install the extra: pip install 'capillary-importer[postgres]'.",
        ) from error


def file_system_of(path: Path) -> str:
    """The type of file system a path lies on, "" where the platform does not tell."""
    if not _MOUNTS.exists():
        return ""
    where, best, kind = str(path.resolve()), "", ""
    for line in _MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines():
        fields = line.split(" ")
        point = fields[1].replace("\\040", " ")
        if (where == point or where.startswith(point.rstrip("/") + "/")) and len(point) >= len(best):
            best, kind = point, fields[2]
    return kind
