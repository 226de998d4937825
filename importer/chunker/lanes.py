"""Lanes: rows that share any identifier are one customer, and one of its rows is out at a time, in the sheet's order.

Identifiers that stood together in a row belong to one customer from then on: after (mobile 1, e-mail x), a row with
mobile 1 and a row with e-mail x are the same customer, though they share nothing. So each identifier has a queue, and a
row that names several joins their queues to one: it waits in each, and what follows waits in the joined one behind it.
A row that is not sent (it has its outcome, or is skipped) joins them in the same way and is not sent itself. Pure.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator, Sequence

from importer.model import Customer

#: Mobiles with the same last digits may be one number with and without its country code: they wait for each other.
_MOBILE_TAIL = 10
#: How many identifiers are remembered at least after their queues are empty. Bounds the memory: rows of one customer
#: that only a row further back links may be in flight together.
REMEMBERED = 100_000
#: Identifiers that are forgotten with each row: forgetting all at once would stop the event loop for 40 ms.
_SWEPT = 16


def keys_of(customer: Customer) -> list[int]:
    """A number for each identifier. A collision only makes two customers wait for each other."""
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
        #: Which queue an identifier belongs to, in three ages; the oldest are being forgotten.
        self._young: dict[int, int] = {}
        self._old: dict[int, int] = {}
        self._oldest: dict[int, int] = {}
        #: Queues that were joined to others, by the same ages: no identifier names a queue that was joined before it.
        self._joined: list[dict[int, int]] = [{}, {}, {}]
        self._next_queue = 0
        #: Row numbers in each queue, and the queues of each row inside.
        self._queues: dict[int, deque[int]] = {}
        self._inside: dict[int, tuple[Customer | None, tuple[int, ...]]] = {}
        #: The place in the sheet of each customer inside: not that of its row, where a customer has several.
        self._places: dict[int, int] = {}
        self._next_place = 0
        #: Rows that only link have numbers that no sheet has.
        self._next_link = -1
        self._held: set[int] = set()
        #: By place: what is ready does not depend on when it became so.
        self._ready: list[tuple[int, Customer]] = []
        self._waiting = 0

    def __len__(self) -> int:
        """Customers that have not been taken yet."""
        return self._waiting + len(self._ready)

    @property
    def ready(self) -> int:
        return len(self._ready)

    @property
    def waiting(self) -> int:
        """Customers that wait for others."""
        return self._waiting

    def add(self, customer: Customer) -> None:
        self._places[customer.row_number] = self._next_place
        self._next_place += 1
        if self._enter(customer.row_number, customer, self._queues_of(keys_of(customer))):
            self.put_back(customer)
        else:
            self._waiting += 1

    def hold(self, customer: Customer) -> None:
        """A customer that an earlier process took: it is in flight and cannot be taken again."""
        self._enter(customer.row_number, customer, self._queues_of(keys_of(customer)))
        self._held.add(customer.row_number)

    def link(self, keys: Sequence[int]) -> None:
        """A row that is not sent: its identifiers belong to one customer from here on."""
        queues = self._queues_of(keys)
        if len(queues) == 1:
            return
        # Later rows wait in one of the queues: they must not be sent before rows that wait in the others.
        number = self._next_link
        self._next_link -= 1
        if self._enter(number, None, queues):
            self._heads_behind(number)

    def take(self) -> Iterator[Customer]:
        """Ready customers, first in the sheet first; a caller that stops iterating leaves the rest."""
        while self._ready:
            yield heapq.heappop(self._ready)[1]

    def put_back(self, customer: Customer) -> None:
        """A customer that was taken and did not fit: it is the next again."""
        heapq.heappush(self._ready, (self._places[customer.row_number], customer))

    def done(self, customer: Customer) -> None:
        """The customer has its outcome: rows that waited only for it are ready now."""
        self._held.discard(customer.row_number)
        self._places.pop(customer.row_number, None)
        if heads := self._heads_behind(customer.row_number):
            self._free(heads)

    def _free(self, heads: set[int]) -> None:
        """Rows that are first in all of their queues are ready; a row that only links is removed."""
        links: list[int] = []
        self._look_at(heads, links)
        for link in links:
            self._look_at(self._heads_behind(link), links)

    def _look_at(self, heads: set[int], links: list[int]) -> None:
        for row_number in sorted(heads):
            customer, waits_in = self._inside[row_number]
            if row_number in self._held or any(self._queues[number][0] != row_number for number in waits_in):
                continue
            if customer is None:
                links.append(row_number)
            else:
                self._waiting -= 1
                self.put_back(customer)

    def _heads_behind(self, row_number: int) -> set[int]:
        """Remove a row from its queues; return the rows that are first in them now."""
        _, queues = self._inside.pop(row_number)
        followers: set[int] = set()
        for number in queues:
            queue = self._queues[number]
            queue.popleft()
            if queue:
                followers.add(queue[0])
            else:
                del self._queues[number]
        return followers

    def _enter(self, row_number: int, customer: Customer | None, queues: tuple[int, ...]) -> bool:
        """Put a row at the end of its queues; return whether it is first in all of them."""
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

    def _queues_of(self, keys: Sequence[int]) -> tuple[int, ...]:
        """The queues of these identifiers, which are one from now on. The first of the result is the one that stays."""
        if len(self._young) >= self._remembered:
            self._grow_older()
        if self._oldest:
            self._forget(_SWEPT)
        found: list[int] = []
        for key in keys:
            number = self._young.get(key)
            if number is None:
                number = self._old.get(key)
            if number is None:
                number = self._oldest.get(key)
            if number is not None:
                number = self._stays(number)
                if number not in found:
                    found.append(number)
        if not found:
            found.append(self._next_queue)
            self._next_queue += 1
        stays = found[0]
        for number in found[1:]:
            self._joined[0][number] = stays
        for key in keys:
            self._young[key] = stays
        return tuple(found)

    def _stays(self, number: int) -> int:
        while True:
            for joined in self._joined:
                if number in joined:
                    number = joined[number]
                    break
            else:
                return number

    def _grow_older(self) -> None:
        self._forget(len(self._oldest))
        self._oldest, self._old, self._young = self._old, self._young, {}
        self._joined = [{}, *self._joined[:2]]

    def _forget(self, most: int) -> None:
        """Forget so many of the oldest identifiers, except those of queues in which a row waits."""
        for _ in range(min(most, len(self._oldest))):
            key, number = self._oldest.popitem()
            known_since = key in self._young or key in self._old
            if not known_since and (number := self._stays(number)) in self._queues:
                self._old[key] = number
