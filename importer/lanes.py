"""Lanes: rows that share any identifier are one customer, and one of its rows is out at a time, in the sheet's order.

Identifiers that stood together in a row belong to one customer from then on: after (mobile 1, e-mail x), a row with
mobile 1 and a row with e-mail x are the same customer, though they share nothing. So each identifier has a queue, and a
row that names several joins their queues to one: it waits in each, and what follows waits in the joined one behind it.
Pure.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from importer.model import Customer

#: Two mobiles with the same last digits may be one number with and without its country code: they wait for each other.
_MOBILE_TAIL = 10
#: How many identifiers are remembered, at least, once nobody waits in their queue. Bounds the memory; rows of one
#: customer that are linked only by a row further back than that may be out together.
REMEMBERED = 100_000


def keys_of(customer: Customer) -> list[int]:
    """A number for each identifier. (A collision makes two customers wait for each other, and nothing else.)"""
    keys = []
    if customer.mobile:
        keys.append(hash((0, customer.mobile[-_MOBILE_TAIL:])))
    if customer.email:
        keys.append(hash((1, customer.email.lower())))
    if customer.external_id:
        keys.append(hash((2, customer.external_id)))
    if customer.user_id:
        keys.append(hash((3, customer.user_id)))
    return keys


class Lanes:
    """`add` in the sheet's order, `take` what is ready, `done` when a customer has its outcome."""

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._remembered = remembered
        #: Which queue an identifier belongs to; the older half is forgotten when the younger one is full.
        self._young: dict[int, int] = {}
        self._old: dict[int, int] = {}
        #: A queue that was joined to another.
        self._joined: dict[int, int] = {}
        self._next_queue = 0
        #: Row numbers in each queue, and the queues of each row inside.
        self._queues: dict[int, deque[int]] = {}
        self._inside: dict[int, tuple[Customer, tuple[int, ...]]] = {}
        self._held: set[int] = set()
        self._ready: deque[Customer] = deque()
        self._waiting = 0

    def __len__(self) -> int:
        """Customers inside that nobody has taken yet."""
        return self._waiting + len(self._ready)

    @property
    def ready(self) -> int:
        return len(self._ready)

    def add(self, customer: Customer) -> None:
        if self._enter(customer):
            self._ready.append(customer)
        else:
            self._waiting += 1

    def hold(self, customer: Customer) -> None:
        """A customer that an earlier process took: it is out already, and nobody can take it again."""
        self._enter(customer)
        self._held.add(customer.row_number)

    def take(self) -> Iterator[Customer]:
        """Ready customers, oldest first; whoever stops iterating leaves the rest."""
        while self._ready:
            yield self._ready.popleft()

    def put_back(self, customer: Customer) -> None:
        """A customer that was taken and did not fit: it is the next again."""
        self._ready.appendleft(customer)

    def done(self, customer: Customer) -> None:
        """The customer has its outcome: whoever waited behind it alone is ready now."""
        _, queues = self._inside.pop(customer.row_number)
        self._held.discard(customer.row_number)
        followers: set[int] = set()
        for number in queues:
            queue = self._queues[number]
            queue.popleft()
            if queue:
                followers.add(queue[0])
            else:
                del self._queues[number]
        for row_number in sorted(followers):
            follower, waits_in = self._inside[row_number]
            if row_number not in self._held and all(self._queues[number][0] == row_number for number in waits_in):
                self._waiting -= 1
                self._ready.append(follower)

    def _enter(self, customer: Customer) -> bool:
        """Puts the customer at the end of its queues; tells whether it heads all of them."""
        row_number = customer.row_number
        queues = self._queues_of(keys_of(customer))
        self._inside[row_number] = (customer, queues)
        first = True
        for number in queues:
            queue = self._queues.get(number)
            if queue is None:
                self._queues[number] = deque((row_number,))
            else:
                queue.append(row_number)
                first = False
        return first

    def _queues_of(self, keys: list[int]) -> tuple[int, ...]:
        """The queues of these identifiers, which are one from now on. The first of the result is the one that stays."""
        if len(self._young) >= self._remembered:
            self._forget()
        found: list[int] = []
        for key in keys:
            number = self._young.get(key)
            if number is None:
                number = self._old.get(key)
            if number is not None:
                number = self._stays(number)
                if number not in found:
                    found.append(number)
        if not found:
            found.append(self._next_queue)
            self._next_queue += 1
        stays = found[0]
        for number in found[1:]:
            self._joined[number] = stays
        for key in keys:
            self._young[key] = stays
        return tuple(found)

    def _stays(self, number: int) -> int:
        while number in self._joined:
            number = self._joined[number]
        return number

    def _forget(self) -> None:
        """The older half goes, but for queues in which somebody waits."""
        kept = {key: self._stays(number) for key, number in self._old.items()}
        young = {key: self._stays(number) for key, number in self._young.items()}
        self._old = {key: number for key, number in kept.items() if number in self._queues} | young
        self._young = {}
        self._joined.clear()
