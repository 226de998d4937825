"""The engine: starts a task for each batch that may be sent, until no row is left or the run stops.

`pipeline.py` shows what a task does. A batch that is sent again comes back here and waits for its back-off, while
the lanes hold a customer's next row. A stop waits for in-flight requests.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from importer.chunker.schedule import PREPARED, Schedule
from importer.errors import ExitCode, ImporterError, Stop, internal_error
from importer.model import Customer, Work
from importer.sender.admission import first_of
from importer.sender.stop_rules import StopRules
from importer.world import Deadline

#: Customers that enter the lanes before other tasks run: a request that may be sent must not wait for thousands.
AT_ONCE = 200
#: How long a stop waits for in-flight requests, seconds.
GRACE = 10.0


class Engine:
    """Dispatches batches. `stopping` is set once the run stops; `admission` shares it."""

    def __init__(
        self,
        schedule: Schedule,
        rules: StopRules,
        deadline: Deadline | None,
        stopping: asyncio.Event,
        *,
        concurrency: int,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._schedule = schedule
        self._rules = rules
        self._deadline = deadline
        self._stopping = stopping
        self._most_tasks = concurrency + PREPARED
        self._clock = clock
        self._sleep = sleep
        self._stop: ImporterError | None = None
        self._changed = asyncio.Event()
        self._more_room = asyncio.Event()
        #: Batches that are sent again, by the moment at which they may be sent.
        self._again: list[tuple[float, int, Work]] = []
        self._sequence = itertools.count()
        #: Batches of an earlier process that have not been sent yet: no new one is sent before them.
        self._inherited: set[int] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._feeding = True

    def stop(self, reason: ImporterError | None) -> None:
        """Starts nothing new and waits for in-flight requests. The first reason stands; None is no stop."""
        if reason is None:
            return
        if self._stop is None:
            self._stop = reason
        self._stopping.set()
        self._changed.set()

    @property
    def waiting(self) -> list[Work]:
        """Batches that are not being sent."""
        return [work for _, _, work in self._again]

    def inherit(self, works: Sequence[Work]) -> None:
        """Batches that an earlier process left open: they are sent first, as they were."""
        for work in works:
            self._schedule.hold(work.batch.customers)
            self._rules.inherited(work.root)
            self._rules.fed(work.batch.customers)
            self._inherited.add(work.batch.batch_id)
            self._put(work, 0.0)

    async def run(
        self,
        portions: AsyncIterator[Sequence[Customer]],
        send: Callable[[Work], Awaitable[None]],
    ) -> ImporterError | None:
        """Lets `portions` of customers enter the lanes, forms batches and starts `send` for each. Returns None when
        every row has its outcome, else the stop."""
        feeder = asyncio.create_task(self._feed(portions))
        timer = asyncio.create_task(self._until_deadline())
        try:
            await self._dispatch(send)
            if self._stop is not None and self._tasks:
                await asyncio.wait(self._tasks, timeout=GRACE)
        finally:
            for task in (feeder, timer, *self._tasks):
                task.cancel()
            await asyncio.gather(feeder, timer, *self._tasks, return_exceptions=True)
        return self._stop

    # ------------------------------------------------------------------------------------------------ dispatching

    async def _dispatch(self, send: Callable[[Work], Awaitable[None]]) -> None:
        while not self._stopping.is_set():
            self._changed.clear()
            room = len(self._tasks) < self._most_tasks
            work = self._next() if room else None
            if work is not None:
                task = asyncio.ensure_future(send(work))
                self._tasks.add(task)
                task.add_done_callback(self._ended)
            elif self._finished():
                return
            elif room and self._again:
                await first_of(self._sleep(max(self._again[0][0] - self._clock(), 0.0)), self._changed)
            else:
                await self._changed.wait()

    def _finished(self) -> bool:
        return not self._feeding and not self._again and not self._tasks and not len(self._schedule)

    def _next(self) -> Work | None:
        """The batch that is sent next: one that is sent again, else a new one."""
        if self._again and self._again[0][0] <= self._clock():
            return heapq.heappop(self._again)[2]
        if self._inherited or not self._rules.may_begin():
            return None
        batch = self._schedule.next(self._rules.at_most, more=self._feeding)
        if batch is not None or not self._schedule.filled:
            self._more_room.set()
        if batch is None:
            return None
        self._rules.begun(batch)
        return Work(batch, batch.batch_id)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._changed.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            self.stop(error if isinstance(error, ImporterError) else _unexpected(error))

    async def _until_deadline(self) -> None:
        if self._deadline is not None:
            await self._sleep(max(self._deadline.at - self._clock(), 0.0))
            self.stop(
                Stop(
                    ExitCode.TIME,
                    "The run reached the time at which it stops.",
                    f"{self._deadline.option} set it. Resume with `importer resume`.",
                    on_page="Resume the import when it may run again.",
                )
            )

    # ------------------------------------------------------------------------------------------------ feeding

    async def _feed(self, portions: AsyncIterator[Sequence[Customer]]) -> None:
        try:
            async for customers in portions:
                for first in range(0, len(customers), AT_ONCE):
                    self._schedule.add(customers[first : first + AT_ONCE])
                    self._changed.set()
                    await asyncio.sleep(0)
                await self._room()
            self._feeding = False
            self.stop(self._rules.all_fed())
            self._changed.set()
        except asyncio.CancelledError:
            raise
        except ImporterError as error:
            self.stop(error)
        except Exception as error:
            self.stop(_unexpected(error))

    async def _room(self) -> None:
        """Until there is room in the lanes for the next portion."""
        while self._schedule.filled:
            self._changed.set()
            # Until a batch is taken or released.
            self._more_room.clear()
            await self._more_room.wait()

    # ------------------------------------------------------------------------------------------------ after an attempt

    def sent(self, work: Work) -> None:
        """A batch is sent, or continues in parts. Once all inherited ones are, new ones may be."""
        if work.batch.batch_id in self._inherited:
            self._inherited.discard(work.batch.batch_id)
            self._changed.set()

    def settled(self, work: Work, done: Sequence[Customer], again: Sequence[tuple[Work, float]]) -> None:
        """An attempt is in the journal: customers with an outcome release their next row, and `again` is queued with
        its delay in seconds."""
        self.sent(work)
        self._schedule.settled(work.batch.batch_id, done, again=bool(again))
        for next_work, delay in again:
            self._put(next_work, delay)
        self._more_room.set()
        self._changed.set()

    def _put(self, work: Work, delay: float) -> None:
        heapq.heappush(self._again, (self._clock() + delay, next(self._sequence), work))
        self._changed.set()


def _unexpected(error: BaseException) -> ImporterError:
    return internal_error(
        error,
        "Please report it, then resume with `importer resume`.",
        on_page="Please report it to the administrator of this page, then resume the import.",
    )
