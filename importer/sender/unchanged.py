"""What each customer was last successfully sent, across the runs of an organisation, as keyed hashes.

`--only-changed` leaves out what would be the same, and an older run leaves out what would overwrite newer values.

A fingerprint is a hash of all that is sent and one of each identifier; the journal keeps it beside the outcome. A row
is unchanged only if every one of its identifiers was last sent exactly this. A reply other than a plain success makes
the customer unknown, and it is sent again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import msgspec

from importer.capillary.wire import encode_customer
from importer.chunker.lanes import keys_of
from importer.journal import Journal, Run
from importer.journal.ledger import in_doubt, overlap, replaced_by, sent_by, sent_by_time
from importer.model import Customer, Outcome, Status
from importer.reconciler.decide import Decided
from importer.sender.siphash import HASH_BYTES, siphash
from importer.sender.work import Portion
from importer.system.late import late

if TYPE_CHECKING:
    from importer.sender.fingerprints import Fingerprints

#: For each customer and its fingerprint: whether newer values were sent.
Overtakes = Callable[[Sequence[Customer], Sequence[bytes]], Sequence[bool]]
#: Texts from which pandas is faster, its loading included.
_BY_COLUMN = 2_000
#: The code of rows that need not be sent.
UNCHANGED = "unchanged"
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
        return self.fingerprints(texts, ends)

    def fingerprints(self, texts: Sequence[bytes | str], ends: Iterable[int]) -> list[bytes]:
        """Return the hashes of texts, cut into fingerprints. `ends`: the bytes up to the end of each."""
        hashes = self._hashes(texts)
        return [hashes[begin:end] for begin, end in pairwise((0, *ends))]

    def _hashes(self, texts: Sequence[bytes | str]) -> bytes:
        """The hashes of texts, one after the other."""
        if len(texts) < _BY_COLUMN:
            return b"".join(
                siphash(self._key, text if isinstance(text, bytes) else text.encode())[:HASH_BYTES] for text in texts
            )
        found: bytes = late("importer.sender.fingerprints", "hash_texts")(self._key, texts)
        return found


def sent_before(journal: Journal, run: Run) -> list[Iterator[bytes]]:
    """What other runs have sent to the organisation of this one, oldest first: by runs, and also by time where the two
    may differ. Only what both say last is certain.

    Nothing counts that is older than a request without an answer, which may have changed customers, or than rows that
    were purged.
    """
    every = [other for other in journal.runs() if other.record.organisation == run.record.organisation]
    others = {other.key: other for other in every if other.key != run.key}
    floor = max((key + 1 for key, other in others.items() if sent_purged(other)), default=0)
    for key in in_doubt(journal, others):
        if not others[key].finished:
            # When its process ended is not known.
            return []
        floor = max(floor, replaced_by(journal, key) or key + 1)
    counted = sorted(key for key in others if key >= floor)
    by_time = [sent_by_time(journal, counted)] if overlap(journal, counted) else []
    return [sent_by(journal, counted), *by_time]


def sent_purged(run: Run) -> bool:
    """Whether rows that the run sent were purged."""
    purged = run.progress.purged
    return purged is not None and any(purged.rows.get(status) for status in ("succeeded", "failed", "unknown"))


class UnchangedFilter:
    """Gives each customer its fingerprint, and leaves out those that need not or must not be sent."""

    def __init__(
        self,
        hasher: Hasher,
        known: Sequence[Fingerprints] | None,
        before: Iterable[bytes],
        wall: Callable[[], int],
        overtakes: Mapping[str, Overtakes] | None = None,
    ) -> None:
        """`known`: what was sent before this run, see `sent_before`; None: unchanged customers are sent too. `before`:
        the fingerprints of what this run has sent already, when it is resumed. `overtakes`: code → which customers
        were sent newer values since."""
        self._hasher = hasher
        self._known = known
        self._overtakes = overtakes or {}
        self._wall = wall
        #: Identifiers of customers that this run sends: their later rows in the sheet are sent too, in its order.
        self._touched: set[bytes] = {name for entry in before for name in _parts(entry)} if known is not None else set()

    def sent_again(self, customers: Sequence[Customer]) -> tuple[Customer, ...]:
        """Customers of a batch that an earlier process left open, with their fingerprints."""
        entries = self._hasher(customers)
        self._touch(entries)
        return tuple(map(_with_fingerprint, customers, entries))

    def overtaken(self, customers: Sequence[Customer]) -> list[str]:
        """For each customer: the code of a row that must not be sent because newer values were, "" for the others."""
        return self._overtaken(customers, self._hasher(customers)) if self._overtakes else [""] * len(customers)

    def __call__(self, portion: Portion) -> Portion:
        """A portion of the feed without what is not sent. Called by the thread that reads."""
        entries = self._hasher(portion.customers)
        codes = self._codes(portion.customers, entries)
        sent: list[Customer] = []
        links = list(portion.links)
        outcomes = list(portion.outcomes)
        unchanged: dict[int, bytes] = {}
        at = self._wall()
        for customer, entry, code in zip(portion.customers, entries, codes, strict=True):
            if code in self._overtakes or (code and self._touched.isdisjoint(_parts(entry))):
                outcomes += [Outcome(row, Status.SKIPPED, code, at=at) for row in customer.row_numbers]
                links.append(keys_of(customer))
                if code == UNCHANGED:
                    unchanged[customer.row_number] = entry
            else:
                self._touch((entry,))
                sent.append(_with_fingerprint(customer, entry))
        return msgspec.structs.replace(portion, customers=sent, outcomes=outcomes, links=links, unchanged=unchanged)

    def _codes(self, customers: Sequence[Customer], entries: Sequence[bytes]) -> list[str]:
        """For each fingerprint: why its customer is not sent, "" where it is."""
        codes = [""] * len(entries)
        if self._known:
            every = zip(*(known.knows(entries) for known in self._known), strict=True)
            codes = [UNCHANGED if all(known) else "" for known in every]
        if self._overtakes:
            found = self._overtaken(customers, entries)
            codes = [overtaken or code for overtaken, code in zip(found, codes, strict=True)]
        return codes

    def _overtaken(self, customers: Sequence[Customer], entries: Sequence[bytes]) -> list[str]:
        codes = [""] * len(entries)
        for code, overtakes in self._overtakes.items():
            found = overtakes(customers, entries)
            codes = [known or (code if overtaken else "") for known, overtaken in zip(codes, found, strict=True)]
        return codes

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
