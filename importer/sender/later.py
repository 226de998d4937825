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
    """Call it with customers and their fingerprints: which of them would overwrite values of later rows?

    `single`: the settings of later rows, see `settings_of`. `whole`: the fingerprints of later rows of which it is not
    known which preferences they set; they overtake every row that is sent anything else.
    """

    def __init__(self, hasher: Hasher, single: Fingerprints, whole: Fingerprints) -> None:
        self._hasher = hasher
        self._single = single
        self._whole = whole

    def __call__(self, customers: Sequence[Customer], entries: Sequence[bytes]) -> list[bool]:
        found = self._whole.differ(entries, [customer.row_number for customer in customers])
        if len(self._single):
            settings, owners = settings_of(customers, self._hasher)
            rows = [customers[owner].row_number for owner in owners]
            for owner, differs in zip(owners, self._single.differ(settings, rows), strict=True):
                found[owner] |= differs
        return found


def settings_of(customers: Sequence[Customer], hasher: Hasher) -> tuple[list[bytes], list[int]]:
    """A fingerprint for each preference that each customer is sent, with the customer's place. Instead of all that is
    sent it has the value, and instead of the identifiers each of them with the name of the preference."""
    texts: list[bytes | str] = []
    lengths: list[int] = []
    owners: list[int] = []
    for owner, customer in enumerate(customers):
        for name, value in _pairs(customer):
            texts += [value, *(f"{kind} {identifier}\n{name}" for kind, identifier in customer.identifiers)]
            lengths.append(HASH_BYTES * (1 + len(customer.identifiers)))
            owners.append(owner)
    return list(_cut(hasher.hashes(texts), lengths)), owners


def _pairs(customer: Customer) -> Iterator[tuple[str, str]]:
    """The preferences, the store being one. The server ignores the case of names."""
    for name, value in customer.custom_fields:
        yield name.casefold(), value
    if customer.store is not None:
        yield "\n", f"{customer.store.code}\n{customer.store.id}"


def _cut(hashes: bytes, lengths: Sequence[int]) -> Iterator[bytes]:
    begin = 0
    for length in lengths:
        yield hashes[begin : begin + length]
        begin += length
