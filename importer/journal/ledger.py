"""What customers were sent, over several runs: the queries of `--only-changed` and of `--overwrite-newer`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import sqlalchemy as sa

from importer.journal.entries import unpack_sent
from importer.journal.journal import Journal
from importer.journal.schema import ATTEMPTS, BATCHES, OUTCOMES, RUNS, STATUS_NUMBER
from importer.model import Status

#: Seconds that a shared database may take to sort what all runs of an organisation have sent.
_SORTING = 120.0


def sent_by(journal: Journal, keys: Sequence[int], *, failed: bool = True, unchanged: bool = False) -> Iterator[bytes]:
    """Yield the fingerprints of sent customers (see sender/unchanged.py) of these runs, one run after the other, in the
    order of the sheet. Rows of one customer are sent in that order. `failed`: also of those that the server refused;
    `unchanged`: also of those that were not sent because the server had the same."""
    query = sa.select(OUTCOMES.c.sent, OUTCOMES.c.rows).where(OUTCOMES.c.sent.is_not(None))
    if not unchanged:
        query = query.where(OUTCOMES.c.attempt.is_not(None))
    if not failed:
        query = query.where(OUTCOMES.c.status != STATUS_NUMBER[Status.FAILED])
    for key in keys:
        yield from _fingerprints(journal, query.where(OUTCOMES.c.run == key).order_by(OUTCOMES.c.row_number))


class SentRows(NamedTuple):
    """A customer whose values the server had after a run, and the rows among which its rows are."""

    fingerprint: bytes
    first: int
    last: int


def rows_sent(journal: Journal, key: int) -> Iterator[SentRows]:
    """Yield the customers of a run that succeeded, and those that were not sent because the server had the same. Where
    each has one row it is known which one; in a long sheet, only the rows that had their outcome together are."""
    query = sa.select(OUTCOMES.c.sent, OUTCOMES.c.row_number, OUTCOMES.c.rows)
    succeeded = OUTCOMES.c.status.in_((STATUS_NUMBER[Status.SUCCEEDED], STATUS_NUMBER[Status.SKIPPED]))
    query = query.where(OUTCOMES.c.run == key, succeeded, OUTCOMES.c.sent.is_not(None))
    with journal.transaction(seconds=_SORTING) as connection:
        for sent, row, rows in connection.execute(query, execution_options={"yield_per": 20000}):
            found = [bytes(sent)] if rows is None else unpack_sent(sent)
            exact = len(found) == (rows or 1)
            for at, fingerprint in enumerate(found):
                first, last = (row + at, row + at) if exact else (row, row + rows - 1)
                yield SentRows(fingerprint, first, last)


def sent_by_time(journal: Journal, keys: Collection[int]) -> Iterator[bytes]:
    """Yield the same by the time of the answer that decided."""
    at = ATTEMPTS.c.at + ATTEMPTS.c.elapsed_ms
    query = (
        sa.select(OUTCOMES.c.sent, OUTCOMES.c.rows)
        .join(ATTEMPTS, (ATTEMPTS.c.run == OUTCOMES.c.run) & (ATTEMPTS.c.number == OUTCOMES.c.attempt))
        .where(OUTCOMES.c.run.in_(keys), OUTCOMES.c.sent.is_not(None))
        .order_by(at, OUTCOMES.c.run, OUTCOMES.c.row_number)
    )
    yield from _fingerprints(journal, query)


def _fingerprints(journal: Journal, query: sa.Select[Any]) -> Iterator[bytes]:
    with journal.transaction(seconds=_SORTING) as connection:
        for sent, rows in connection.execute(query, execution_options={"yield_per": 20000}):
            yield from (bytes(sent),) if rows is None else unpack_sent(sent)


def overlap(journal: Journal, keys: Sequence[int]) -> bool:
    """Whether one of these runs, oldest first, sent something before an older one had its last answer: it was resumed
    later, ran at the same time, or a clock was set back."""
    ends = sa.func.max(ATTEMPTS.c.at + ATTEMPTS.c.elapsed_ms)
    query = sa.select(ATTEMPTS.c.run, sa.func.min(ATTEMPTS.c.at), ends)
    query = query.where(ATTEMPTS.c.run.in_(keys)).group_by(ATTEMPTS.c.run).order_by(ATTEMPTS.c.run)
    with journal.transaction() as connection:
        spans = connection.execute(query).all()
    ended = accumulate((last for _, _, last in spans), max)
    return any(first <= last for (_, first, _), last in zip(spans[1:], ended, strict=False))


def in_doubt(journal: Journal, keys: Collection[int]) -> list[int]:
    """Return those of these runs of which a request was sent and not answered."""
    query = sa.select(BATCHES.c.run).distinct()
    query = query.where(BATCHES.c.run.in_(keys), BATCHES.c.rows.is_not(None), BATCHES.c.doubt)
    with journal.transaction() as connection:
        return list(connection.execute(query).scalars())


def replaced_by(journal: Journal, key: int) -> int | None:
    """Return the run that replaced an abandoned one: the next of its source and target."""
    identity = sa.select(RUNS.c.identity).where(RUNS.c.id == key).scalar_subquery()
    query = sa.select(sa.func.min(RUNS.c.id)).where(RUNS.c.identity == identity, RUNS.c.id > key)
    with journal.transaction() as connection:
        return connection.execute(query).scalar()
