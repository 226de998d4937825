"""The journal: the durable record of runs, batches, attempts and outcomes. All reports are made from it.

A batch is committed and synced before it is sent, an outcome before its customer's next row is sent. SQLite (WAL,
synchronous=FULL, because NORMAL loses acknowledged commits in a power cut) or PostgreSQL by URL. The journal contains
no cell of the sheet: rows are known by number, messages name columns.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa

from importer.journal.changes import Change, apply
from importer.journal.connection import JournalConnection
from importer.journal.databases import damaged, postgresql, sqlite
from importer.journal.entries import joined, outcome_of, pack, unpack_rows
from importer.journal.records import Attempt, OpenBatch, PurgedCounts, Run, RunProgress, RunRecord
from importer.journal.schema import (
    ATTEMPTS,
    BATCHES,
    META,
    OUTCOMES,
    ROWS,
    RUNS,
    STATUS_NUMBER,
    STATUSES,
)
from importer.model import Outcome, RequestCounts, Status, Stretch
from importer.normaliser.fixing import Edits
from importer.system.sqlite import erase_log

_ATTEMPT, _ALL_BUT_ROWS = itemgetter(2), itemgetter(2, 3, 4, 5, 6)
_NO_ANSWER = ("", 0)
#: Seconds that deleting the rows of a run may take.
_DELETING = 120.0

_NONE = RunProgress()


class Journal(JournalConnection):
    """Writes and reads runs, batches, attempts and outcomes. Raises `JournalError`."""

    @classmethod
    def open(cls, reports_dir: Path, database: str | None = None) -> Journal:
        """Open the journal in the folder of the reports, or the `database` (`postgresql://…`, `sqlite:///…`)."""
        if database and not database.startswith("sqlite:///"):
            return cls(postgresql(database), sa.make_url(database).render_as_string(hide_password=True))
        path = Path(database.removeprefix("sqlite:///")) if database else reports_dir / "journal.db"
        return cls(sqlite(path), str(path))

    # ------------------------------------------------------------------------------------------------ runs

    def create(
        self, record: RunRecord, identity: str, progress: RunProgress = _NONE, edits: Edits | None = None
    ) -> Run:
        """Add a run. `identity` names its source and target: one process at a time may use them."""
        with self.transaction(writes=True) as connection:
            result = connection.execute(
                RUNS.insert().values(
                    run_id=record.run_id,
                    started_at=record.started_at,
                    identity=identity,
                    source_sha256=record.source_sha256,
                    record=pack(record),
                    progress=pack(progress),
                    finished=False,
                    edits=pack(edits) if edits else None,
                )
            )
            key = result.inserted_primary_key
        assert key is not None
        return Run(int(key[0]), record, progress, None, None, False)

    def runs(self) -> list[Run]:
        """Return all runs, newest first."""
        return self._select(sa.select(RUNS).order_by(RUNS.c.id.desc()))

    def run(self, run_id: str) -> Run | None:
        found = self._select(sa.select(RUNS).where(RUNS.c.run_id == run_id))
        return found[0] if found else None

    def unfinished(self, identity: str) -> Run | None:
        """Return the newest run of this source and target if it can be resumed."""
        found = self._select(sa.select(RUNS).where(RUNS.c.identity == identity).order_by(RUNS.c.id.desc()).limit(1))
        return found[0] if found and not found[0].finished else None

    def identity(self, key: int) -> str:
        """Return the identity that was given to `create`."""
        with self.transaction() as connection:
            return str(connection.execute(sa.select(RUNS.c.identity).where(RUNS.c.id == key)).scalar())

    def in_use(self, source: str) -> bool:
        """Whether an unfinished run reads this file."""
        return any(run.record.source == source for run in self._select(sa.select(RUNS).where(~RUNS.c.finished)))

    def unfinished_of(self, organisation: tuple[str, str], sha256: str) -> list[Run]:
        """Return the runs of this content for this organisation that can be resumed, newest first."""
        query = sa.select(RUNS).where(RUNS.c.source_sha256 == sha256, ~RUNS.c.finished).order_by(RUNS.c.id.desc())
        return [run for run in self._select(query) if run.record.organisation == organisation]

    def imported_whole(self, organisation: tuple[str, str], sha256: str) -> Run | None:
        """Return the newest run of this content for this organisation in which every row succeeded."""
        return next((run for run in self.imported(organisation, sha256) if run.exit_code == 0), None)

    def of_source(self, place: str) -> Run | None:
        """Return the newest run of the file at this path."""
        query = sa.select(RUNS).where(RUNS.c.identity.startswith(place + " · ", autoescape=True))
        found = self._select(query.order_by(RUNS.c.id.desc()).limit(1))
        return found[0] if found else None

    def imported(self, organisation: tuple[str, str], sha256: str) -> list[Run]:
        """Return the runs that read this content to the end for this organisation, newest first. `organisation`: as
        `RunRecord.organisation`."""
        found = self._select(sa.select(RUNS).where(RUNS.c.source_sha256 == sha256).order_by(RUNS.c.id.desc()))
        return [
            run
            for run in found
            if run.finished
            and run.exit_code in (0, 3)
            and run.record.organisation == organisation
            and not _partial(run)
        ]

    def rewrite(self, run: Run, record: RunRecord, identity: str = "") -> None:
        """Store a changed record of a run. `identity`: the new one; "" keeps the old one."""
        values = {"record": pack(record)} | ({"identity": identity} if identity else {})
        with self.transaction(writes=True) as connection:
            connection.execute(RUNS.update().where(RUNS.c.id == run.key).values(values))

    def _select(self, query: sa.Select[Any]) -> list[Run]:
        with self.transaction() as connection:
            rows = connection.execute(query).all()
        return [
            Run(
                row.id,
                msgspec.msgpack.decode(row.record, type=RunRecord),
                msgspec.msgpack.decode(row.progress, type=RunProgress) if row.progress else RunProgress(),
                row.finished_at,
                row.exit_code,
                row.finished,
            )
            for row in rows
        ]

    def finish(self, key: int, at: int, exit_code: int, finished: bool, progress: RunProgress) -> None:
        """Store the end of a run. `finished`: it cannot be resumed."""
        with self.transaction(writes=True) as connection:
            connection.execute(
                RUNS.update()
                .where(RUNS.c.id == key)
                .values(finished_at=at, exit_code=exit_code, finished=finished, progress=pack(progress))
            )

    def abandon(self, key: int) -> None:
        """Mark a run that another one replaces: it is not resumed."""
        with self.transaction(writes=True) as connection:
            connection.execute(RUNS.update().where(RUNS.c.id == key).values(finished=True))

    # ------------------------------------------------------------------------------------------------ reading

    def outcomes(self, key: int) -> Iterator[Outcome]:
        """Yield every outcome of a run, by row number."""
        for stretch in self.stretches(key):
            yield from stretch.outcomes()

    def stretches(self, key: int) -> Generator[Stretch, None, None]:
        """Yield every outcome, neighbours with the same outcome together. That is much faster: most rows of a request
        share theirs."""
        columns = OUTCOMES.c
        query = sa.select(
            columns.row_number,
            ROWS,
            *(columns.attempt, columns.status, columns.code, columns.attempts, columns.more),
        )
        ended = 0
        with self.transaction():
            for entries in self._partitions(query.where(columns.run == key).order_by(columns.row_number)):
                answers = self._answers(key, set(map(_ATTEMPT, entries)) - {None})
                for (attempt, *same), group in groupby(entries, _ALL_BUT_ROWS):
                    answer = answers.get(attempt, _NO_ANSWER)
                    for first, rows in joined((entry[0], entry[1]) for entry in group):
                        if first < ended:
                            raise damaged(self.where)
                        ended = first + rows
                        yield Stretch(outcome_of(first, answer, *same), rows)

    def _partitions(self, query: sa.Select[Any]) -> Iterator[Sequence[Any]]:
        """Yield the rows of a large result in parts. Within a transaction."""
        if self.shared:
            yield from self._connection.execute(query, execution_options={"yield_per": 5000}).partitions()
            return
        # From the driver: SQLAlchemy's records take as long again as the query.
        compiled = query.compile(self._engine, compile_kwargs={"literal_binds": True})
        with closing(self._connection.connection.cursor()) as cursor:
            cursor.execute(str(compiled))
            while rows := cursor.fetchmany(5000):
                yield rows

    def _answers(self, key: int, attempts: Collection[int]) -> dict[int, tuple[str, int]]:
        """Return request id and time of the answer, by attempt. Within a transaction."""
        columns = ATTEMPTS.c
        query = sa.select(columns.number, columns.request_id, columns.at + columns.elapsed_ms)
        query = query.where(columns.run == key, columns.number.in_(attempts))
        return {number: (request_id, at) for number, request_id, at in self._connection.execute(query)}

    def decided(self, key: int, statuses: Iterable[Status] = STATUSES, codes: Collection[str] = ()) -> bytearray:
        """Return a byte per row number: 1 where the row has an outcome of these statuses (and one of these codes)."""
        numbers = [STATUS_NUMBER[status] for status in statuses]
        query = sa.select(OUTCOMES.c.row_number, ROWS).where(OUTCOMES.c.run == key)
        found = bytearray()
        with self.transaction() as connection:
            last = connection.execute(query.order_by(OUTCOMES.c.row_number.desc()).limit(1)).first()
            found.extend(bytes(sum(last) if last is not None else 1))
            query = query.where(OUTCOMES.c.status.in_(numbers), OUTCOMES.c.code.in_(codes) if codes else sa.true())
            for row, rows in connection.execute(query, execution_options={"yield_per": 20000}):
                found[row : row + rows] = b"\1" * rows
        return found

    def deciding(self, key: int, statuses: Iterable[Status]) -> Iterator[tuple[int, str, int]]:
        """Yield (row number, code, deciding attempt) of every sent row with one of these statuses."""
        query = (
            sa.select(OUTCOMES.c.row_number, ROWS, OUTCOMES.c.code, OUTCOMES.c.attempt)
            .where(
                OUTCOMES.c.run == key,
                OUTCOMES.c.status.in_([STATUS_NUMBER[status] for status in statuses]),
                OUTCOMES.c.attempt.is_not(None),
            )
            .order_by(OUTCOMES.c.row_number)
        )
        with self.transaction() as connection:
            for first, rows, code, attempt in connection.execute(query, execution_options={"yield_per": 5000}):
                for row in range(first, first + rows):
                    yield row, code or "", attempt

    def decided_by(self, key: int, attempts: Iterable[int]) -> dict[int, list[int]]:
        """Return the rows that each of these attempts decided."""
        found: dict[int, list[int]] = {attempt: [] for attempt in attempts}
        query = (
            sa.select(OUTCOMES.c.attempt, OUTCOMES.c.row_number, ROWS)
            .where(OUTCOMES.c.run == key, OUTCOMES.c.attempt.in_(list(found)))
            .order_by(OUTCOMES.c.row_number)
        )
        with self.transaction() as connection:
            for attempt, first, rows in connection.execute(query):
                found[attempt].extend(range(first, first + rows))
        return found

    def purge(self, run: Run) -> None:
        """Delete the run's outcomes, attempts and batches, and keep its counts. It cannot be resumed afterwards."""
        kept = PurgedCounts({status.value: n for status, n in self.counts(run.key).items()}, self.requests(run.key))
        progress = pack(msgspec.structs.replace(run.progress, purged=kept))
        if not self.shared:
            # Overwrite freed pages.
            self._connection.connection.cursor().execute("PRAGMA secure_delete=ON")
        with self.transaction(writes=True, seconds=_DELETING) as connection:
            for table in (OUTCOMES, ATTEMPTS, BATCHES):
                connection.execute(table.delete().where(table.c.run == run.key))
            done = {"progress": progress, "finished": True, "edits": None}
            connection.execute(RUNS.update().where(RUNS.c.id == run.key).values(done))

    def erase(self) -> bool:
        """Remove what was purged from SQLite's log too, once no one reads it. Returns whether it is gone."""
        with self.errors():
            return self.shared or erase_log(self._connection.connection.cursor())

    def counts(self, key: int) -> dict[Status, int]:
        with self.transaction() as connection:
            rows = connection.execute(
                sa.select(OUTCOMES.c.status, sa.func.sum(ROWS)).where(OUTCOMES.c.run == key).group_by(OUTCOMES.c.status)
            ).all()
        return {STATUSES[status]: int(count) for status, count in rows}

    def requests(self, key: int) -> RequestCounts:
        """Count requests. Sent: all attempts. Throttled: answered with 429. Retried: a batch sent again, not after
        429. Split: batches that were sent in parts."""
        parts = sa.select(sa.func.count(sa.distinct(BATCHES.c.split_from))).where(BATCHES.c.run == key)
        with self.transaction() as connection:
            sent, retried, throttled = connection.execute(_attempt_totals(key)).one()
            split = connection.execute(parts).scalar()
        return RequestCounts(int(sent or 0), int(retried or 0), int(split or 0), int(throttled or 0))

    def open_batches(self, key: int) -> list[OpenBatch]:
        """Return the batches whose rows have no outcome, in the order of their ids."""
        made = (
            sa.select(ATTEMPTS.c.batch_id, sa.func.count().label("made"))
            .where(ATTEMPTS.c.run == key)
            .group_by(ATTEMPTS.c.batch_id)
            .subquery()
        )
        query = (
            sa.select(BATCHES, sa.func.coalesce(made.c.made, 0).label("made"))
            .select_from(BATCHES.outerjoin(made, made.c.batch_id == BATCHES.c.batch_id))
            .where(BATCHES.c.run == key, BATCHES.c.rows.is_not(None))
            .order_by(BATCHES.c.batch_id)
        )
        with self.transaction() as connection:
            return [
                OpenBatch(
                    row.batch_id,
                    row.split_from,
                    row.alone,
                    row.attempts_before + row.made,
                    unpack_rows(row.rows),
                    row.doubt,
                )
                for row in connection.execute(query).all()
            ]

    def last_batch_id(self, key: int) -> int:
        return self._last(sa.select(sa.func.max(BATCHES.c.batch_id)).where(BATCHES.c.run == key))

    def last_attempt(self, key: int) -> int:
        return self._last(sa.select(sa.func.max(ATTEMPTS.c.number)).where(ATTEMPTS.c.run == key))

    def _last(self, query: sa.Select[Any]) -> int:
        with self.transaction() as connection:
            return connection.execute(query).scalar() or 0

    def attempts(self, key: int) -> Iterator[Attempt]:
        """Yield every attempt of a run, by number."""
        query = sa.select(ATTEMPTS).where(ATTEMPTS.c.run == key).order_by(ATTEMPTS.c.number)
        with self.transaction() as connection:
            for row in connection.execute(query, execution_options={"yield_per": 5000}):
                yield Attempt(*row[1:])

    @property
    def fingerprint_key(self) -> bytes:
        with self.transaction() as connection:
            found = connection.execute(sa.select(META.c.ledger_key)).scalar()
        return bytes(found or b"")

    def write(self, changes: Sequence[Change], key: int) -> None:
        """Apply changes in one transaction; returns when they are on the disk."""
        with self.transaction(writes=True) as connection:
            apply(changes, connection, key)


def _attempt_totals(key: int) -> sa.Select[Any]:
    """The query for the sent, retried and throttled requests of a run."""
    slowed = sa.func.sum(sa.case((ATTEMPTS.c.code == "429", 1), else_=0))
    by_batch = (
        sa.select(sa.func.count().label("made"), slowed.label("slowed"))
        .where(ATTEMPTS.c.run == key)
        .group_by(ATTEMPTS.c.batch_id)
        .subquery()
    )
    again = by_batch.c.made - by_batch.c.slowed - 1
    return sa.select(
        sa.func.sum(by_batch.c.made),
        sa.func.sum(sa.case((again > 0, again), else_=0)),
        sa.func.sum(by_batch.c.slowed),
    )


def _partial(run: Run) -> bool:
    """Whether the run read only part of the file, by --limit or --skip-rows."""
    return bool(run.record.settings.limit or run.record.settings.skip_rows)
