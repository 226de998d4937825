"""`--only-changed`: what each customer was last successfully sent, across the runs of a target, as keyed hashes.

A fingerprint is a hash of all that is sent and one of each identifier; the journal keeps it beside the outcome. A row
is unchanged only if every one of its identifiers was last sent exactly this. A reply other than a plain success makes
the customer unknown, and it is sent again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import msgspec

from importer.capillary.wire import encode_customer
from importer.chunker.lanes import keys_of
from importer.journal import Journal, Run
from importer.model import Customer, Outcome, Status
from importer.reconciler.decide import Decided
from importer.sender.siphash import HASH_BYTES, siphash
from importer.sender.work import Portion
from importer.system.late import late

if TYPE_CHECKING:
    from importer.sender.fingerprints import Fingerprints

#: Texts from which pandas is faster, its loading included.
_BY_COLUMN = 2_000
#: Instead of the hash of what was sent: the outcome was not a plain success.
_NOTHING = bytes(HASH_BYTES)


class Hasher:
    """Makes fingerprints. The key makes those of different journals differ."""

    def __init__(self, key: bytes) -> None:
        # SipHash takes 16 characters.
        self._key = key.hex()[:16].encode()

    def __call__(self, customers: Sequence[Customer]) -> list[bytes]:
        texts: list[bytes | str] = []
        ends: list[int] = []
        for customer in customers:
            texts.append(encode_customer(customer))
            texts += [f"{kind} {value}" for kind, value in customer.identifiers]
            ends.append(HASH_BYTES * len(texts))
        if len(texts) < _BY_COLUMN:
            hashes = b"".join(
                siphash(self._key, text if isinstance(text, bytes) else text.encode())[:HASH_BYTES] for text in texts
            )
        else:
            hashes = late("importer.sender.fingerprints", "hash_texts")(self._key, texts)
        return [hashes[begin:end] for begin, end in pairwise((0, *ends))]


def sent_before(journal: Journal, run: Run) -> Iterator[bytes]:
    """What other runs have sent to the target of this one, oldest first.

    A run that was abandoned while the answer to a batch was missing may have changed unknown customers: its answers and
    those of the runs before it no longer count.
    """
    others = [other for other in journal.runs() if other.record.organisation == run.record.organisation]
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
    """Gives each customer its fingerprint, and leaves out the unchanged ones if earlier fingerprints are known."""

    def __init__(
        self, hasher: Hasher, known: Fingerprints | None, before: Iterable[bytes], wall: Callable[[], int]
    ) -> None:
        """`before`: the fingerprints of what this run has sent already, when it is resumed."""
        self._hasher = hasher
        self._known = known
        self._wall = wall
        #: Identifiers of customers that this run sends: their later rows in the sheet are sent too, in its order.
        self._touched: set[bytes] = {name for entry in before for name in _parts(entry)} if known is not None else set()

    def sent_again(self, customers: Sequence[Customer]) -> tuple[Customer, ...]:
        """Customers of a batch that an earlier process left open, with their fingerprints."""
        entries = self._hasher(customers)
        self._touch(entries)
        return tuple(map(_with_fingerprint, customers, entries))

    def __call__(self, portion: Portion) -> Portion:
        """A portion of the feed without what is unchanged. Called by the thread that reads."""
        entries = self._hasher(portion.customers)
        if self._known is None:
            return msgspec.structs.replace(portion, customers=list(map(_with_fingerprint, portion.customers, entries)))
        sent: list[Customer] = []
        links = list(portion.links)
        outcomes = list(portion.outcomes)
        at = self._wall()
        for customer, entry, known in zip(portion.customers, entries, self._known.knows(entries), strict=True):
            if known and self._touched.isdisjoint(_parts(entry)):
                outcomes += [Outcome(row, Status.SKIPPED, "unchanged", at=at) for row in customer.row_numbers]
                links.append(keys_of(customer))
            else:
                self._touch((entry,))
                sent.append(_with_fingerprint(customer, entry))
        return msgspec.structs.replace(portion, customers=sent, outcomes=outcomes, links=links)

    def _touch(self, entries: Iterable[bytes]) -> None:
        if self._known is not None:
            for entry in entries:
                self._touched.update(_parts(entry))


def _with_fingerprint(customer: Customer, entry: bytes) -> Customer:
    return msgspec.structs.replace(customer, fingerprint=entry)


def remembered(decided: Decided) -> bytes:
    """What the journal keeps beside a customer's outcome: after a plain success the fingerprint, else one that equals
    no content, so that the customer is sent again."""
    plain = decided.status is Status.SUCCEEDED and not decided.warnings
    fingerprint = decided.customer.fingerprint
    return fingerprint if plain else _NOTHING + fingerprint[HASH_BYTES:]


def _parts(entry: bytes) -> list[bytes]:
    """The hashes of the identifiers."""
    return [entry[at : at + HASH_BYTES] for at in range(HASH_BYTES, len(entry), HASH_BYTES)]
