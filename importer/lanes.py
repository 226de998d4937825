"""Lanes: rows that share any identifier are one customer, and one of its rows is out at a time, in the sheet's order.

A customer is ready when it heads the queue of each of its identifiers, so chains through mobile and e-mail need no
more than that: no groups are merged, and nothing is remembered of a customer once its last row is done. Pure.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from importer.model import Customer

#: Two mobiles with the same last digits may be one number with and without its country code, so they wait for each other.
_MOBILE_TAIL = 10

Key = tuple[str, str]


def keys_of(customer: Customer) -> tuple[Key, ...]:
    """The queues a customer stands in: one for each identifier."""
    return tuple(
        (kind, value[-_MOBILE_TAIL:]) if kind == "mobile" else (kind, value) for kind, value in customer.identifiers
    )


class Lanes:
    """`add` in the sheet's order, `take` what is ready, `done` when a customer has its outcome."""

    def __init__(self) -> None:
        self._queues: dict[Key, deque[Customer]] = {}
        self._ready: deque[Customer] = deque()
        self._waiting = 0

    def __len__(self) -> int:
        """Customers inside that nobody has taken yet."""
        return self._waiting + len(self._ready)

    @property
    def ready(self) -> int:
        return len(self._ready)

    def add(self, customer: Customer) -> None:
        first = True
        for key in keys_of(customer):
            queue = self._queues.get(key)
            if queue is None:
                self._queues[key] = deque((customer,))
            else:
                queue.append(customer)
                first = False
        if first:
            self._ready.append(customer)
        else:
            self._waiting += 1

    def take(self) -> Iterator[Customer]:
        """Ready customers, oldest first; whoever stops iterating leaves the rest."""
        while self._ready:
            yield self._ready.popleft()

    def put_back(self, customer: Customer) -> None:
        """A customer that was taken and did not fit: it is the next again."""
        self._ready.appendleft(customer)

    def done(self, customer: Customer) -> None:
        """The customer has its outcome: whoever waited behind it alone is ready now."""
        followers: list[Customer] = []
        for key in keys_of(customer):
            queue = self._queues[key]
            queue.popleft()
            if queue:
                followers.append(queue[0])
            else:
                del self._queues[key]
        seen: set[int] = set()
        for follower in followers:
            if follower.row_number not in seen and self._heads_every_queue(follower):
                seen.add(follower.row_number)
                self._waiting -= 1
                self._ready.append(follower)

    def _heads_every_queue(self, customer: Customer) -> bool:
        return all(self._queues[key][0] is customer for key in keys_of(customer))
