"""The schedule: which customers go into the next batch. The same rows make the same batches, so `check` counts them.

How fast answers come decides when a batch is sent, not what it holds. A customer releases the next row of its lane when
the batches before its own have done so, and only where the next batch needs it: at the end of the sheet, where too few
others are ready, or once `WINDOW` batches wait. A batch that is sent again or in parts leaves this order. Pure.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from importer.chunker.batches import Chunker
from importer.chunker.lanes import Lanes
from importer.model import Batch, Customer

#: Customers in the lanes or taken before the reader must wait: room for a customer that fills ten thousand rows.
MOST_INSIDE = 30_000
#: Batches that are in the journal and queued, beside those in flight.
PREPARED = 4
#: Batches whose customers hold their lanes at most. At the usual rate they last longer than a request that hangs, so
#: that the others need not wait for it.
WINDOW = 200


class Schedule:
    """Forms batches from the lanes, and releases the lanes of those that are settled."""

    def __init__(self, lanes: Lanes, chunker: Chunker, concurrency: int = 1) -> None:
        self._lanes = lanes
        self._chunker = chunker
        self._window = max(WINDOW, concurrency + PREPARED)
        #: The batches that hold their lanes, in their order, and the customers of those that are settled.
        self._order: deque[int] = deque()
        self._settled: dict[int, Sequence[Customer]] = {}
        #: Customers that hold their lanes, and those for which the lanes have no room yet.
        self._taken = 0
        self._queued: deque[Customer] = deque()

    def __len__(self) -> int:
        """Customers that are in no batch yet."""
        return len(self._lanes) + len(self._queued)

    @property
    def filled(self) -> bool:
        """Whether the reader may wait: there is no room, or enough is ready."""
        return bool(self._queued) or self._lanes.ready > 4 * self._chunker.batch_size

    def add(self, customers: Sequence[Customer]) -> None:
        """In the sheet's order."""
        self._queued.extend(customers)
        self._enter()

    def hold(self, customers: Sequence[Customer]) -> None:
        """Customers of a batch that an earlier process formed."""
        for customer in customers:
            self._lanes.hold(customer)
        self._taken += len(customers)

    def next(self, at_most: int | None, *, more: bool) -> Batch | None:
        """The next batch; None until rows are added or a batch is settled. `more`: the sheet has further rows."""
        order = self._order
        while True:
            if len(order) < self._window:
                if self._chunker.full(self._lanes):
                    break
                if more and not self._queued:
                    return None
                if not order or not (self._queued or self._lanes.waiting):
                    break
            if order[0] not in self._settled:
                return None
            self._release(self._settled.pop(order.popleft()))
        batch = self._chunker.make(self._lanes, at_most)
        if batch is not None:
            order.append(batch.batch_id)
            self._taken += len(batch.customers)
        return batch

    def settled(self, batch_id: int, done: Sequence[Customer], *, again: bool) -> None:
        """Customers of a batch have their outcome. `again`: it is sent again, or others of it in new batches."""
        if batch_id in self._order and batch_id not in self._settled:
            if not again:
                self._settled[batch_id] = done
                return
            self._order.remove(batch_id)
        self._release(done)

    def _release(self, done: Sequence[Customer]) -> None:
        for customer in done:
            self._lanes.done(customer)
        self._taken -= len(done)
        self._enter()

    def _enter(self) -> None:
        """Let as many customers enter the lanes as have room."""
        room = MOST_INSIDE - len(self._lanes) - self._taken
        for _ in range(min(room, len(self._queued))):
            self._lanes.add(self._queued.popleft())
