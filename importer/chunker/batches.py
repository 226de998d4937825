"""The chunker: ready customers become batches, bounded by count and by bytes. A batch splits in halves. Pure.

A limit that the server teaches (1060, 413) holds for the rest of the run.
"""

from __future__ import annotations

from collections.abc import Sequence

from importer.capillary.wire import HEAD, TAIL, encode_body, encode_customer
from importer.chunker.lanes import Lanes
from importer.model import Batch, Customer

#: No limit is published. A megabyte is far above 100 ordinary customers and below what common gateways refuse.
MAX_BYTES = 1_000_000


def batch_of(
    batch_id: int, customers: Sequence[Customer], split_from: int | None = None, *, alone: bool = False
) -> Batch:
    """A batch with its encoded body: the same customers give the same bytes."""
    body = encode_body([encode_customer(customer) for customer in customers])
    return Batch(batch_id, tuple(customers), split_from, alone, body)


class Chunker:
    """Makes batches with ids that never repeat within a run."""

    def __init__(self, batch_size: int, max_bytes: int = MAX_BYTES, next_id: int = 1) -> None:
        self.batch_size = batch_size
        self.max_bytes = max_bytes
        self._next_id = next_id

    def full(self, lanes: Lanes) -> bool:
        """Whether enough customers are ready for a whole batch. (`make` counts the bytes.)"""
        return lanes.ready >= self.batch_size

    def make(self, lanes: Lanes, at_most: int | None = None) -> Batch | None:
        """The next batch, None when no customer is ready. One customer alone may exceed the bytes: it is sent too."""
        chosen: list[Customer] = []
        entries: list[bytes] = []
        # One comma fewer than customers.
        size = len(HEAD) + len(TAIL) - 1
        limit = self.batch_size if at_most is None else min(at_most, self.batch_size)
        for customer in lanes.take():
            entry = encode_customer(customer)
            size += len(entry) + 1
            if chosen and size > self.max_bytes:
                lanes.put_back(customer)
                break
            chosen.append(customer)
            entries.append(entry)
            if len(chosen) >= limit:
                break
        return Batch(self._new_id(), tuple(chosen), body=encode_body(entries)) if chosen else None

    def form(self, customers: Sequence[Customer], split_from: int | None = None, *, alone: bool = False) -> Batch:
        """A new batch of customers that another batch left without an outcome."""
        return batch_of(self._new_id(), customers, split_from, alone=alone)

    def halves(self, customers: Sequence[Customer], split_from: int) -> tuple[Batch, ...]:
        """Two batches of these customers in the same order; one batch of a single customer."""
        if len(customers) == 1:
            return (self.form(customers, split_from),)
        middle = (len(customers) + 1) // 2
        return self.form(customers[:middle], split_from), self.form(customers[middle:], split_from)

    def too_large(self, batch: Batch) -> bool:
        """Whether the server has taught a limit, since this batch was formed, for which it must be halved."""
        return len(batch.customers) > 1 and (len(batch.customers) > self.batch_size or len(batch.body) > self.max_bytes)

    def shrink(self, refused: Batch, *, by_bytes: bool = False) -> bool:
        """The server refused a batch as too large: remember half of it. Returns whether the limit became smaller.

        `by_bytes`: its body was too large (413). That bounds the bytes and not the count, since a batch of few large
        customers says nothing about many small ones.
        """
        if by_bytes:
            # A tenth more than half: halves are rarely even, and the larger one would be halved again.
            smaller = max(len(refused.body) * 11 // 20, 1)
            if smaller < self.max_bytes:
                self.max_bytes = smaller
                return True
            return False
        half = max(len(refused.customers) // 2, 1)
        if half < self.batch_size:
            self.batch_size = half
            return True
        return False

    def _new_id(self) -> int:
        self._next_id += 1
        return self._next_id - 1
