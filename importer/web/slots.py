"""Slots for work: a user's slow files wait for each other, and never for long in the way of other users."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator


class Slots:
    """`most` at the same time, `each` of them for one user. A free slot goes to the user who has the fewest."""

    def __init__(self, most: int, each: int) -> None:
        self._most, self._each = most, each
        self._taken: Counter[str] = Counter()
        self._waiting: list[tuple[str, asyncio.Future[None]]] = []

    @contextlib.asynccontextmanager
    async def one(self, user: str) -> AsyncIterator[None]:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((user, turn))
        self._give()
        try:
            await turn
            yield
        finally:
            if (user, turn) in self._waiting:
                self._waiting.remove((user, turn))
            else:
                self._taken[user] -= 1
                self._give()

    def _give(self) -> None:
        while self._taken.total() < self._most:
            entitled = [entry for entry in self._waiting if self._taken[entry[0]] < self._each]
            if not entitled:
                return
            entry = min(entitled, key=lambda entry: self._taken[entry[0]])
            self._waiting.remove(entry)
            self._taken[entry[0]] += 1
            if not entry[1].done():
                entry[1].set_result(None)
