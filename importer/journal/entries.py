"""Outcomes as the journal stores them: one entry for consecutive rows with the same outcome, rare fields packed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any

import msgspec

from importer.journal.schema import STATUS_NUMBER, STATUSES
from importer.model import Customer, Outcome


class _More(msgspec.Struct, omit_defaults=True, array_like=True):
    message: str = ""
    advice: str = ""
    columns: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    at: int = 0


pack, _unpack_more = msgspec.msgpack.encode, msgspec.msgpack.Decoder(_More).decode
unpack_sent = msgspec.msgpack.Decoder(list[bytes]).decode
unpack_rows = msgspec.msgpack.Decoder(tuple[tuple[int, ...], ...]).decode
_ROW_NUMBER = attrgetter("row_number")
_NOTHING_MORE = _More()


def pack_rows(customers: Sequence[Customer]) -> bytes:
    """Return the row numbers of each customer of a batch. Most have one row: the property would take twice as long."""
    return pack([customer.row_numbers if customer.also_rows else (customer.row_number,) for customer in customers])


def entries_of(
    key: int, outcomes: Sequence[Outcome], number: int | None, sent: Mapping[int, bytes]
) -> Iterator[tuple[Any, ...]]:
    """Yield the values of outcomes in the order of the table's columns, one entry for neighbours with the same."""
    for outcome, rows in _stretches(sorted(outcomes, key=_ROW_NUMBER)):
        more = None
        if outcome.message or outcome.advice or outcome.columns or outcome.warnings or number is None:
            at = outcome.at if number is None else 0
            more = pack(_More(outcome.message, outcome.advice, outcome.columns, outcome.warnings, at))
        hashes = [sent[row] for row in range(outcome.row_number, outcome.row_number + rows) if row in sent]
        yield (
            key,
            outcome.row_number,
            STATUS_NUMBER[outcome.status],
            outcome.code or None,
            outcome.attempts,
            number,
            more,
            pack(hashes) if hashes else None,
            rows,
        )


def _stretches(in_order: Sequence[Outcome]) -> Iterator[tuple[Outcome, int]]:
    """Yield the first outcome of each stretch and its number of rows. Written out, because comparing tuples takes three
    times as long, for every row."""
    first, rows = in_order[0], 0
    for one in in_order:
        if (
            one.row_number != first.row_number + rows
            or one.status is not first.status
            or one.code != first.code
            or one.message != first.message
            or one.warnings != first.warnings
            or one.columns != first.columns
            or one.advice != first.advice
            or one.attempts != first.attempts
            or one.at != first.at
        ):
            yield first, rows
            first, rows = one, 0
        rows += 1
    yield first, rows


def joined(stretches: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield first row and length of stretches, adjacent ones joined."""
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


def outcome_of(
    row: int, answer: tuple[str, int], status: int, code: str | None, attempts: int, more: bytes | None
) -> Outcome:
    """Return an outcome from the table's columns and the answer that decided it."""
    extra = _unpack_more(more) if more else _NOTHING_MORE
    request_id, at = answer
    return Outcome(
        row,
        STATUSES[status],
        code or "",
        extra.message,
        extra.advice,
        extra.columns,
        extra.warnings,
        attempts,
        request_id,
        extra.at or at,
    )


def columns_of(more: bytes | None) -> tuple[str, ...]:
    """Return the problem columns of an outcome from the table's column."""
    return _unpack_more(more).columns if more else ()
