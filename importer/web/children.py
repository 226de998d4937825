"""The worker processes of the server: one is always started ahead, and all end with the server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection

from importer.web.child import Child


class Children:
    """Used from the event loop only."""

    def __init__(self, closing: asyncio.Event) -> None:
        """`closing`: no further process is started ahead."""
        self._closing = closing
        self._all: set[Child] = set()
        self._next: asyncio.Task[Child] | None = None
        self._left: frozenset[Child] = frozenset()

    @contextlib.asynccontextmanager
    async def one(self, patience: float = 5.0) -> AsyncIterator[Child]:
        """A process, which ends with the context; one that has work to complete has so many seconds."""
        started, self._next = self._next, None
        child = await started if started is not None else await Child.start()
        if not child.alive:
            child = await Child.start()
        self._all.add(child)
        self.prepare()
        try:
            yield child
        finally:
            await asyncio.shield(asyncio.create_task(self._put_away(child, patience)))

    def prepare(self) -> None:
        """Start the next process ahead."""
        if self._next is None and not self._closing.is_set():
            self._next = asyncio.create_task(Child.start())

    async def close(self, left: Collection[Child]) -> None:
        """End all but those that are `left` to themselves."""
        self._left = frozenset(left)
        if self._next is not None:
            with contextlib.suppress(OSError):
                self._all.add(await self._next)
        for child in self._left:
            child.leave()
        await asyncio.gather(*[child.end(0.5) for child in self._all - self._left if child.alive])

    async def _put_away(self, child: Child, patience: float) -> None:
        if child.alive and child not in self._left:
            await child.end(patience)
        self._all.discard(child)
