"""`--only-changed`: what each customer was last successfully sent, across the runs of a target, as keyed hashes.

A fingerprint is a hash of all that is sent and one of each identifier; the journal keeps it beside the outcome. A row
is unchanged only if every one of its identifiers was last sent exactly this. A reply other than a plain success makes
the customer unknown, and it is sent again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise

import msgspec
import numpy as np
from pandas.util import hash_array

from importer.capillary.wire import encode_customer
from importer.chunker.lanes import keys_of
from importer.journal import Journal, Run
from importer.model import Customer, Outcome, Status
from importer.reconciler.decide import Decided
from importer.sender.work import Portion

#: Bytes of a hash, which the journal stores per row. A changed row is taken for unchanged once in 2**48 cases; if two
#: identifiers share a hash, a customer is only sent again.
SIZE = 6
#: Instead of the hash of what was sent: the outcome was not a plain success.
_NOTHING = bytes(SIZE)


class Hasher:
    """Makes fingerprints. The key makes those of different journals differ."""

    def __init__(self, key: bytes) -> None:
        # SipHash, which pandas has for whole columns, takes 16 characters.
        self._key = key.hex()[:16]

    def __call__(self, customers: Sequence[Customer]) -> list[bytes]:
        texts: list[bytes | str] = []
        ends: list[int] = []
        for customer in customers:
            texts.append(encode_customer(customer))
            texts += [f"{kind} {value}" for kind, value in customer.identifiers]
            ends.append(SIZE * len(texts))
        if not texts:
            return []
        numbers = hash_array(np.array(texts, dtype=object), hash_key=self._key, categorize=False).astype("<u8")
        hashes = numbers.view(np.uint8).reshape(-1, 8)[:, :SIZE].tobytes()
        return [hashes[begin:end] for begin, end in pairwise((0, *ends))]


class Ledger:
    """Knows what customers were last sent. `sent`: the fingerprints of all outcomes, oldest first."""

    def __init__(self, sent: Iterable[bytes]) -> None:
        numbers, starts, lengths = _apart(list(sent))
        is_name = np.ones(len(numbers), dtype=bool)
        is_name[starts] = False
        contents = np.repeat(numbers[starts], lengths)[is_name]
        # Of entries with one name the last one counts: it is found first in reverse order.
        self._names, at = np.unique(numbers[is_name][::-1], return_index=True)
        self._contents = contents[::-1][at]

    def __len__(self) -> int:
        return len(self._names)

    def knows(self, entries: Sequence[bytes]) -> list[bool]:
        """For each fingerprint: whether all its identifiers were last sent exactly this."""
        if not len(self._names) or not entries:
            return [False] * len(entries)
        numbers, starts, lengths = _apart(entries)
        places = np.minimum(np.searchsorted(self._names, numbers), len(self._names) - 1)
        same = self._names[places] == numbers
        same &= self._contents[places] == np.repeat(numbers[starts], lengths)
        # The first number of each is the content.
        same[starts] = True
        return [bool(known) for known in np.logical_and.reduceat(same, starts)]


def _apart(entries: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All hashes as numbers, where each entry begins among them, and how many it has."""
    hashes = np.frombuffer(b"".join(entries), dtype=np.uint8).reshape(-1, SIZE)
    numbers = np.zeros((len(hashes), 8), dtype=np.uint8)
    numbers[:, :SIZE] = hashes
    lengths = np.array([len(entry) // SIZE for entry in entries], dtype=np.int64)
    return numbers.view(np.uint64).ravel(), np.cumsum(lengths) - lengths, lengths


def sent_before(journal: Journal, run: Run) -> Iterator[bytes]:
    """What other runs have sent to the target of this one, oldest first.

    A run that was abandoned while the answer to a batch was missing may have changed unknown customers: its answers and
    those of the runs before it no longer count.
    """
    others = [other for other in journal.runs() if other.record.base_url == run.record.base_url]
    counted = []
    for other in others:
        if other.key == run.key:
            continue
        if any(batch.doubt for batch in journal.open_batches(other.key)):
            break
        counted.append(other.key)
    for key in reversed(counted):
        yield from journal.sent(key)


class UnchangedFilter:
    """Gives each customer its fingerprint, and leaves out the unchanged ones if there is a ledger."""

    def __init__(self, hasher: Hasher, ledger: Ledger | None, before: Iterable[bytes], wall: Callable[[], int]) -> None:
        """`before`: the fingerprints of what this run has sent already, when it is resumed."""
        self._hasher = hasher
        self._ledger = ledger
        self._wall = wall
        #: Identifiers of customers that this run sends: their later rows in the sheet are sent too, in its order.
        self._touched: set[bytes] = (
            {name for entry in before for name in _parts(entry)} if ledger is not None else set()
        )

    def sent_again(self, customers: Sequence[Customer]) -> tuple[Customer, ...]:
        """Customers of a batch that an earlier process left open, with their fingerprints."""
        entries = self._hasher(customers)
        self._touch(entries)
        return tuple(map(_with_fingerprint, customers, entries))

    def __call__(self, portion: Portion) -> Portion:
        """A portion of the feed without what is unchanged. Called by the thread that reads."""
        entries = self._hasher(portion.customers)
        if self._ledger is None:
            return msgspec.structs.replace(portion, customers=list(map(_with_fingerprint, portion.customers, entries)))
        sent: list[Customer] = []
        links = list(portion.links)
        outcomes = list(portion.outcomes)
        at = self._wall()
        for customer, entry, known in zip(portion.customers, entries, self._ledger.knows(entries), strict=True):
            if known and self._touched.isdisjoint(_parts(entry)):
                outcomes += [Outcome(row, Status.SKIPPED, "unchanged", at=at) for row in customer.row_numbers]
                links.append(keys_of(customer))
            else:
                self._touch((entry,))
                sent.append(_with_fingerprint(customer, entry))
        return msgspec.structs.replace(portion, customers=sent, outcomes=outcomes, links=links)

    def _touch(self, entries: Iterable[bytes]) -> None:
        if self._ledger is not None:
            for entry in entries:
                self._touched.update(_parts(entry))


def _with_fingerprint(customer: Customer, entry: bytes) -> Customer:
    return msgspec.structs.replace(customer, fingerprint=entry)


def remembered(decided: Decided) -> bytes:
    """What the journal keeps beside a customer's outcome: after a plain success the fingerprint, else one that equals
    no content, so that the customer is sent again."""
    plain = decided.status is Status.SUCCEEDED and not decided.warnings
    fingerprint = decided.customer.fingerprint
    return fingerprint if plain else _NOTHING + fingerprint[SIZE:]


def _parts(entry: bytes) -> list[bytes]:
    """The hashes of the identifiers."""
    return [entry[at : at + SIZE] for at in range(SIZE, len(entry), SIZE)]
