"""The journal's tables and their migrations."""

from __future__ import annotations

import secrets
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from importer.journal.records import RunRecord
from importer.model import Status

SCHEMA_VERSION = 6
#: The number of the lock under which one process at a time makes tables in a shared database.
_MAKING = 0x696D706F
#: Statuses by the number that the journal stores. The order must never change.
STATUSES = tuple(Status)
STATUS_NUMBER = {status: number for number, status in enumerate(STATUSES)}

METADATA = sa.MetaData()

META = sa.Table(
    "meta",
    METADATA,
    sa.Column("schema_version", sa.Integer, nullable=False),
    # For the fingerprints of what customers were sent (see sender/unchanged.py).
    sa.Column("ledger_key", sa.LargeBinary),
)

RUNS = sa.Table(
    "runs",
    METADATA,
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
    # What people fixed in single cells (msgpack), NULL where they fixed none.
    sa.Column("edits", sa.LargeBinary),
)

BATCHES = sa.Table(
    "batches",
    METADATA,
    sa.Column("run", sa.Integer, primary_key=True),
    sa.Column("batch_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("split_from", sa.Integer),
    sa.Column("alone", sa.Boolean, nullable=False),
    sa.Column("attempts_before", sa.Integer, nullable=False),
    # Row numbers of each customer (msgpack). Cleared once every row has its outcome, to save space.
    sa.Column("rows", sa.LargeBinary),
    # Whether the server may have applied it: true from before it is sent until an answer rules it out.
    sa.Column("doubt", sa.Boolean, nullable=False),
    sqlite_with_rowid=False,
)

ATTEMPTS = sa.Table(
    "attempts",
    METADATA,
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

OUTCOMES = sa.Table(
    "outcomes",
    METADATA,
    sa.Column("run", sa.Integer, primary_key=True),
    sa.Column("row_number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("status", sa.SmallInteger, nullable=False),
    sa.Column("code", sa.Text),
    sa.Column("attempts", sa.Integer, nullable=False),
    # The attempt that decided. Its request id and time are stored once for all rows of the request.
    sa.Column("attempt", sa.Integer),
    # Rare fields: message, advice, columns, warnings, time (msgpack).
    sa.Column("more", sa.LargeBinary),
    # Fingerprints of what the customers were sent, in the order of their first rows (msgpack).
    sa.Column("sent", sa.LargeBinary),
    # The number of consecutive rows with this outcome: rows of a request are mostly neighbours, and one entry for all
    # costs a tenth of one for each. NULL in an entry of version 2: one row, with one unpacked fingerprint in `sent`.
    sa.Column("rows", sa.Integer),
    sqlite_with_rowid=False,
)

#: Who is using a source and target, where machines share a database (see runs/leases.py).
LEASES = sa.Table(
    "leases",
    METADATA,
    # A hash of the name of the work.
    sa.Column("name", sa.Text, primary_key=True),
    # JSON; NULL: free.
    sa.Column("holder", sa.Text),
    # Grows by one with each holder.
    sa.Column("fence", sa.BigInteger, nullable=False),
    # By the clock of the database: when it is free, whether or not its holder has ended.
    sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
)

#: The number of rows of an entry of `outcomes`.
ROWS = sa.func.coalesce(OUTCOMES.c.rows, sa.literal_column("1"))

#: Version → the columns that its tables lack for the next version.
MIGRATIONS: dict[int, tuple[sa.Column[Any], ...]] = {
    1: (META.c.ledger_key, OUTCOMES.c.sent),
    2: (OUTCOMES.c.rows,),
    # The identities of the runs lack the organisation.
    3: (),
    # There are no leases.
    4: (),
    5: (RUNS.c.edits,),
}


def version_of(connection: Connection) -> int | None:
    """Return the version of the tables, None where there are none yet. Within a transaction."""
    if not sa.inspect(connection).has_table("meta"):
        return None
    return int(connection.execute(sa.select(META.c.schema_version)).scalar() or 0)


def make_or_migrate(connection: Connection) -> None:
    """Create or migrate the tables. Checks the version again, because another process may have done it meanwhile.
    Within one writing transaction."""
    if connection.dialect.name != "sqlite":
        # Until the end of the transaction: two machines that make the same tables at once fail.
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MAKING)))
    version = version_of(connection)
    if version is None:
        METADATA.create_all(connection)
        connection.execute(META.insert().values(schema_version=SCHEMA_VERSION, ledger_key=secrets.token_bytes(16)))
        return
    while version in MIGRATIONS:
        for column in MIGRATIONS[version]:
            kind = column.type.compile(connection.dialect)
            connection.execute(sa.text(f"ALTER TABLE {column.table.name} ADD COLUMN {column.name} {kind}"))
        if version == 3:
            _add_organisations(connection)
        if version == 4:
            LEASES.create(connection, checkfirst=True)
        version += 1
        connection.execute(META.update().values(schema_version=version))
    connection.execute(META.update().where(META.c.ledger_key.is_(None)).values(ledger_key=secrets.token_bytes(16)))


def _add_organisations(connection: Connection) -> None:
    """Add the name of the credentials to each identity, which ended with the server."""
    for row in connection.execute(sa.select(RUNS.c.id, RUNS.c.identity, RUNS.c.record)).all():
        _, key_name = msgspec.msgpack.decode(row.record, type=RunRecord).organisation
        identity = f"{row.identity} · {key_name}"
        connection.execute(RUNS.update().where(RUNS.c.id == row.id).values(identity=identity))
