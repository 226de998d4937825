"""What later rows of the same sheet have set, which an older row that is sent again must not overwrite."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from importer.model import Customer
from importer.sender.siphash import HASH_BYTES
from importer.sender.unchanged import Hasher

if TYPE_CHECKING:
    from importer.sender.fingerprints import Fingerprints


class LaterRows:
    """Call it with customers and their fingerprints: True for each that would overwrite values of later rows.

    `single`: the preferences of later rows, see `by_preference`. `whole`: the fingerprints of later rows of which it is
    not known which preferences they set; they overtake every row that is sent anything else.
    """

    def __init__(self, hasher: Hasher, single: Fingerprints, whole: Fingerprints) -> None:
        self._hasher = hasher
        self._single = single
        self._whole = whole

    def __call__(self, customers: Sequence[Customer], entries: Sequence[bytes]) -> list[bool]:
        found = self._whole.differ(entries, [customer.row_number for customer in customers])
        if len(self._single):
            preferences, owners = by_preference(customers, self._hasher)
            rows = [customers[owner].row_number for owner in owners]
            for owner, differs in zip(owners, self._single.differ(preferences, rows), strict=True):
                found[owner] |= differs
        return found


def by_preference(customers: Sequence[Customer], hasher: Hasher) -> tuple[list[bytes], list[int]]:
    """A fingerprint for each preference that each customer is sent, with the customer's place. Instead of all that is
    sent it has the value, and instead of the identifiers each of them with the name of the preference."""
    texts: list[bytes | str] = []
    ends: list[int] = []
    owners: list[int] = []
    for owner, customer in enumerate(customers):
        for name, value in _pairs(customer):
            texts += [value, *(f"{kind} {identifier}\n{name}" for kind, identifier in customer.identifiers)]
            ends.append(HASH_BYTES * len(texts))
            owners.append(owner)
    return hasher.fingerprints(texts, ends), owners


def _pairs(customer: Customer) -> Iterator[tuple[str, str]]:
    """The preferences, the store being one. The server ignores the case of names."""
    for name, value in customer.custom_fields:
        yield name.casefold(), value
    if customer.store is not None:
        yield "\n", f"{customer.store.code}\n{customer.store.id}"
