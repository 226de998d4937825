"""The chunker: ready customers become batches, bounded by count and by bytes; a batch splits in halves. Pure.

A limit that the server teaches (1060, 413) holds for the rest of the run.
"""

from __future__ import annotations

from importer.capillary.wire import HEAD, TAIL, encode_body, encode_customer
from importer.chunker.lanes import Lanes
from importer.model import Batch, Customer

#: No limit is published; a megabyte is far above 100 ordinary customers and below what common gateways refuse.
MAX_BYTES = 1_000_000


class Chunker:
    """Makes batches with ids that never repeat within a run."""

    def __init__(self, batch_size: int, max_bytes: int = MAX_BYTES, next_id: int = 1) -> None:
        self.batch_size = batch_size
        self.max_bytes = max_bytes
        self._next_id = next_id
        #: The body of the batch that was made last.
        self.body = b""

    def full(self, lanes: Lanes) -> bool:
        """Whether a whole batch could be made now. (Bytes are looked at when it is made.)"""
        return lanes.ready >= self.batch_size

    def make(self, lanes: Lanes, at_most: int | None = None) -> Batch | None:
        """The next batch, None when nobody is ready. One customer alone may exceed the bytes: it must go somehow."""
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
        self.body = encode_body(entries)
        return self.form(tuple(chosen)) if chosen else None

    def form(self, customers: tuple[Customer, ...], split_from: int | None = None, alone: bool = False) -> Batch:
        batch = Batch(self._next_id, customers, split_from, alone)
        self._next_id += 1
        return batch

    def halves(self, batch: Batch) -> tuple[Batch, Batch]:
        """Two batches of the same customers in the same order. The batch must hold two at least."""
        middle = (len(batch.customers) + 1) // 2
        return (
            self.form(batch.customers[:middle], split_from=batch.batch_id),
            self.form(batch.customers[middle:], split_from=batch.batch_id),
        )

    def too_large(self, batch: Batch, size: int) -> bool:
        """Whether the server has taught a limit, since this batch was formed, that it must be halved for."""
        return len(batch.customers) > 1 and (len(batch.customers) > self.batch_size or size > self.max_bytes)

    def shrink(self, refused: Batch, by_bytes: int | None = None) -> bool:
        """The server refused a batch as too large: remember half of it. Tells whether the limit became smaller.

        `by_bytes`: the size of the body refused (413). It bounds the bytes and not the count, since a batch of few
        large customers says nothing about many small ones.
        """
        if by_bytes is not None:
            # A tenth more than half, for halves are rarely even, and the larger would be halved unasked.
            smaller = max(by_bytes * 11 // 20, 1)
            if smaller < self.max_bytes:
                self.max_bytes = smaller
                return True
            return False
        half = max(len(refused.customers) // 2, 1)
        if half < self.batch_size:
            self.batch_size = half
            return True
        return False
