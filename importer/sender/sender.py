"""The sender: takes customers from the lanes and brings each row to its outcome, many requests at once.

One task carries one batch: written down, paced, sent, reconciled, written down again. What must be tried again goes
back as a batch of its own; the lanes hold a customer's next row until then. Whatever stops the run, what flies lands.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Awaitable, Callable

import msgspec

from importer.capillary.client import Client, RequestFailed
from importer.capillary.codes import Next, lookup
from importer.capillary.wire import encode_body, encode_customer
from importer.chunker.batches import Chunker
from importer.chunker.lanes import Lanes
from importer.chunker.pacer import Pacer
from importer.errors import ExitCode, ImporterError, Stop
from importer.journal import Attempt, Change, Progress, Scribe
from importer.masking import Scrubber
from importer.model import Batch, Customer, Outcome, Reply, Status
from importer.observer import Silent
from importer.reconciler.reconcile import Ruling, Verdict, reconcile
from importer.sender.retry import MAX_ATTEMPTS, BackOff, Breaker
from importer.sender.stop_rules import Guards
from importer.sender.work import Feed, Limits, Work
from importer.system.text import counted, long

#: Customers in the lanes or taken, before the reader must wait: room for a customer that fills ten thousand rows.
MOST_IN_LANES = 30_000
#: Customers that enter the lanes before others are heard: a request whose slot has come must not wait for thousands.
AT_ONCE = 200
#: Batches that are written down and wait at the door, beside those in flight.
PREPARED = 4
#: How long a stop waits for what flies, seconds.
GRACE = 10.0
#: How often a customer is asked again alone after 999999 or an answer that was not surely its own.
TRIES_ALONE = 2
#: A split batch has proven that its trouble stays: fewer attempts for its parts.
ATTEMPTS_OF_A_PART = 2


class Sender:
    """Sends a feed of customers. `run` returns None when every row has its outcome, else the stop."""

    def __init__(
        self,
        *,
        client: Client,
        scribe: Scribe,
        lanes: Lanes,
        chunker: Chunker,
        pacer: Pacer,
        backoff: BackOff,
        breaker: Breaker,
        limits: Limits,
        observer: Silent,
        concurrency: int,
        clock: Callable[[], float],
        wall: Callable[[], int],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        progress: Progress | None = None,
        next_attempt: int = 1,
    ) -> None:
        self._client = client
        self._scribe = scribe
        self._lanes = lanes
        self._chunker = chunker
        self._pacer = pacer
        self._backoff = backoff
        self._breaker = breaker
        self._limits = limits
        self._observer = observer
        self._clock = clock
        self._wall = wall
        self._sleep = sleep
        self.progress = progress or Progress()
        self._spent_before = self.progress.sending_seconds
        self._began = clock()
        self._attempt_numbers = itertools.count(next_attempt)
        self._stop: ImporterError | None = None
        self._stopping = asyncio.Event()
        self._changed = asyncio.Event()
        self._more_room = asyncio.Event()
        self._most_tasks = concurrency + PREPARED
        self._in_flight = asyncio.Semaphore(concurrency)
        self._door = asyncio.Lock()
        self._first = asyncio.Lock()
        self._alive = asyncio.Event()
        self._proven = False
        self._unsent: set[int] = set()
        #: Batches of an earlier process that have not left yet.
        self._inherited: set[int] = set()
        self._again: list[tuple[float, int, Work]] = []
        self._sequence = itertools.count()
        self._tasks: set[asyncio.Task[None]] = set()
        self._taken = 0
        self._feeding = True
        self._feed_waits = False
        self._guards = Guards(limits.max_errors, limits.canary)
        self._throttled_since: float | None = None
        #: Why the newest request brought nothing, for when it stays so.
        self._last_trouble = ""
        #: A limit that is not written down yet.
        self._learnt = False

    # ------------------------------------------------------------------------------------------------ the whole

    def stop(self, reason: ImporterError) -> None:
        """Start nothing new; let what flies land. The first reason stands."""
        if self._stop is None:
            self._stop = reason
        self._stopping.set()
        self._changed.set()

    def _heed(self, found: Stop | None) -> None:
        if found is not None:
            self.stop(found)

    async def run(self, feed: Feed, again: list[Work]) -> ImporterError | None:
        """`again`: batches that an earlier process left open; they go first, as they were."""
        for work in again:
            for customer in work.batch.customers:
                self._lanes.hold(customer)
            self._taken += len(work.batch.customers)
            self._guards.inherited(work.root)
            self._guards.fed(work.batch.customers)
            self._inherited.add(work.batch.batch_id)
            self._put(work, 0.0)
        if unsent := tuple(work.batch.batch_id for work in again if not work.doubt):
            await self._scribe.write(Change(doubtful=unsent))
        feeder = asyncio.create_task(self._feed(feed))
        timer = asyncio.create_task(self._until_deadline())
        try:
            await self._dispatch()
            if self._stop is not None:
                await self._land()
            if self._stop is not None and self._stop.exit_code is not ExitCode.JOURNAL:
                # Written down as about to be sent, and never sent: the report must not call them unknown.
                waiting = [work.batch.batch_id for _, _, work in self._again if not work.doubt]
                await self._scribe.write(Change(harmless=(*self._unsent, *waiting)))
        finally:
            for task in (feeder, timer, *self._tasks):
                task.cancel()
            await asyncio.gather(feeder, timer, *self._tasks, return_exceptions=True)
            self._progress_now()
        return self._stop

    async def _dispatch(self) -> None:
        """Starts a task for each batch that may go, until nothing is left or the run stops."""
        while not self._stopping.is_set():
            self._changed.clear()
            room = len(self._tasks) < self._most_tasks
            work = self._next() if room else None
            if work is None:
                if self._finished():
                    return
                await self._wait_for_change(self._again[0][0] if room and self._again else None)
                continue
            task = asyncio.create_task(self._carry(work))
            self._tasks.add(task)
            task.add_done_callback(self._landed)

    def _finished(self) -> bool:
        return not self._feeding and not self._again and not self._tasks and not len(self._lanes)

    async def _wait_for_change(self, due: float | None) -> None:
        """Until something happens, or until `due`, when the next batch that waits may go again."""
        if due is None:
            await self._changed.wait()
        else:
            await self._first_of(max(due - self._clock(), 0.0), self._changed)

    async def _first_of(self, seconds: float, *events: asyncio.Event) -> None:
        """Until so many seconds are over or one of the events has come."""
        waiting = [asyncio.ensure_future(event.wait()) for event in events]
        waiting_too = asyncio.ensure_future(self._sleep(seconds))
        try:
            await asyncio.wait((*waiting, waiting_too), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (*waiting, waiting_too):
                task.cancel()

    def _landed(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._changed.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            self.stop(error if isinstance(error, ImporterError) else _unexpected(error))

    async def _land(self) -> None:
        """What flies may land; who still waits at the door goes home."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=GRACE)

    async def _until_deadline(self) -> None:
        if self._limits.deadline is not None:
            await self._sleep(max(self._limits.deadline - self._clock(), 0.0))
            word = self._limits.deadline_word
            self.stop(Stop(ExitCode.TIME, f"The time set by {word} came.", "Go on with `importer resume`."))

    # ------------------------------------------------------------------------------------------------ feeding

    async def _feed(self, feed: Feed) -> None:
        try:
            async for portion in feed:
                if portion.repaired_to:
                    self.progress = msgspec.structs.replace(
                        self.progress, repairs=portion.repairs, repaired_to=portion.repaired_to
                    )
                if portion.outcomes:
                    await self._scribe.write(Change(outcomes=portion.outcomes))
                    self._count(portion.outcomes)
                for keys in portion.links:
                    self._lanes.link(keys)
                self._guards.fed(portion.customers)
                for first in range(0, len(portion.customers), AT_ONCE):
                    for customer in portion.customers[first : first + AT_ONCE]:
                        self._lanes.add(customer)
                    self._changed.set()
                    await asyncio.sleep(0)
                while self._full():
                    self._feed_waits = True
                    self._changed.set()
                    await self._room()
                self._feed_waits = False
            self._feeding = False
            self._heed(self._guards.all_fed())
            self._changed.set()
        except asyncio.CancelledError:
            raise
        except ImporterError as error:
            self.stop(error)
        except Exception as error:
            self.stop(_unexpected(error))

    def _full(self) -> bool:
        return len(self._lanes) + self._taken > MOST_IN_LANES or self._lanes.ready > 4 * self._chunker.batch_size

    async def _room(self) -> None:
        """Until a batch was taken or came back."""
        self._more_room.clear()
        await self._more_room.wait()

    # ------------------------------------------------------------------------------------------------ choosing

    def _next(self) -> Work | None:
        """The batch that goes next: one that waits to be tried again, else a new one."""
        if self._again and self._again[0][0] <= self._clock():
            return heapq.heappop(self._again)[2]
        if self._inherited or not self._guards.may_begin():
            # What an earlier process left must have gone before.
            return None
        if self._feeding and not self._feed_waits and not self._chunker.full(self._lanes):
            return None
        batch = self._chunker.make(self._lanes, self._guards.at_most)
        if batch is None:
            return None
        self._guards.begun(batch)
        self._taken += len(batch.customers)
        self._more_room.set()
        return Work(batch, batch.batch_id, body=self._chunker.body)

    def _gone(self, batch_id: int) -> None:
        """An inherited batch has left, or goes on in parts: when it was the last, new ones may begin."""
        if batch_id in self._inherited:
            self._inherited.discard(batch_id)
            self._changed.set()

    def _put(self, work: Work, delay: float) -> None:
        heapq.heappush(self._again, (self._clock() + delay, next(self._sequence), work))
        self._changed.set()

    # ------------------------------------------------------------------------------------------------ one batch

    async def _carry(self, work: Work) -> None:
        """One attempt of one batch, from the journal to the journal."""
        if not work.opened:
            await self._scribe.write(Change(opened=((work.batch, work.attempts),)))
            work.opened = True
        body = work.body = work.body or encode_body([encode_customer(customer) for customer in work.batch.customers])
        if self._chunker.too_large(work.batch, len(body)) and not work.doubt:
            await self._halve(work, None, work.most_tries)
            return
        if not work.doubt:
            self._unsent.add(work.batch.batch_id)
        try:
            sent_at, at, reply = await self._send_first_alone(work.batch.batch_id, body)
        except _Stopped:
            if not work.doubt:
                await self._scribe.write(Change(harmless=(work.batch.batch_id,)))
            return
        attempt = self._attempt(work, reply, sent_at, at)
        if isinstance(reply, Reply):
            await self._answered(work, reply, attempt)
        else:
            await self._failed(work, reply, attempt, sent_at, len(body))

    async def _send_first_alone(self, batch_id: int, body: bytes) -> tuple[float, int, Reply | RequestFailed]:
        """Wrong credentials must cost two requests, not one per connection: until one is taken, one goes at a time."""
        if not self._proven:
            async with self._first:
                if not self._proven:
                    return await self._send(batch_id, body)
        return await self._send(batch_id, body)

    async def _send(self, batch_id: int, body: bytes) -> tuple[float, int, Reply | RequestFailed]:
        async with self._in_flight:
            await self._leave()
            self._unsent.discard(batch_id)
            self._gone(batch_id)
            sent_at, at = self._clock(), self._wall()
            written = _Once(self._pacer.written)
            try:
                reply: Reply | RequestFailed = await self._client.set_preferences(body, written)
            except RequestFailed as error:
                reply = error
            finally:
                written()
            if isinstance(reply, Reply) or reply.trouble.next in (Next.HALVE, Next.ALONE):
                self._proven = True
            return sent_at, at, reply

    async def _leave(self) -> None:
        """Waits at the door, one at a time, for the breaker and for a slot. Raises `_Stopped`."""
        async with self._door:
            while (wait := self._breaker.wait()) > 0:
                self._check_outage()
                self._alive.clear()
                await self._pause(wait, self._alive)
            while True:
                leave = self._pacer.slot()
                await self._pause(leave - self._clock())
                held = self._pacer.may_leave(leave) - self._clock()
                if held <= 0:
                    break
                await self._pause(held)
            self._pacer.departed()

    async def _pause(self, seconds: float, *sooner: asyncio.Event) -> None:
        if not self._stopping.is_set() and seconds > 0:
            if seconds < 0.25:
                await self._sleep(seconds)
            else:
                await self._first_of(seconds, self._stopping, *sooner)
        if self._stopping.is_set():
            raise _Stopped

    def _attempt(self, work: Work, reply: Reply | RequestFailed, sent_at: float, at: int) -> Attempt:
        elapsed = round((self._clock() - sent_at) * 1000)
        return Attempt(
            next(self._attempt_numbers),
            work.batch.batch_id,
            at,
            elapsed,
            len(work.batch.customers),
            reply.http_status,
            reply.trouble.code if isinstance(reply, RequestFailed) else reply.status.code,
            reply.request_id,
        )

    # ------------------------------------------------------------------------------------------------ it was answered

    async def _answered(self, work: Work, reply: Reply, attempt: Attempt) -> None:
        self._guards.answered()
        self._throttled_since = None
        self._lives()
        self._backoff.succeeded()
        self._pacer.answered()
        self._asked_to_wait(reply.retry_after)
        work.attempts += 1
        work.tries += 1
        rulings = reconcile(work.batch.customers, reply.items or ())
        outcomes: list[Outcome] = []
        done: list[Customer] = []
        later: dict[Verdict, list[tuple[Customer, Ruling]]] = {}
        at = attempt.at + attempt.elapsed_ms
        for customer, ruling in zip(work.batch.customers, rulings, strict=True):
            status = self._decide(work, ruling)
            if status is None:
                later.setdefault(ruling.verdict, []).append((customer, ruling))
                continue
            done.append(customer)
            code, message, warnings = _words(status, ruling, customer)
            outcomes.extend(
                Outcome(row_number, status, code, message, "", (), warnings, work.attempts, reply.request_id, at)
                for row_number in customer.row_numbers
            )
        if Verdict.REFUSED in later:
            ruling = later[Verdict.REFUSED][0][1]
            self.stop(_refused(ruling.code, Scrubber(work.batch.customers, only_known=True)(ruling.message)))
        await self._settle(work, attempt, outcomes, done, self._follow_up(work, later))

    def _decide(self, work: Work, ruling: Ruling) -> Status | None:
        """The outcome that a ruling means now; None when the row is asked again."""
        match ruling.verdict:
            case Verdict.SUCCEEDED:
                return Status.SUCCEEDED
            case Verdict.FAILED:
                return Status.FAILED
            case Verdict.AGAIN:
                # Busy, and an attempt of ours had no answer: it may be that very attempt the server is busy with.
                last = Status.UNKNOWN if work.doubt else Status.FAILED
                return last if work.attempts >= MAX_ATTEMPTS else None
            case Verdict.ALONE:
                return Status.FAILED if work.batch.alone and work.tries >= TRIES_ALONE else None
            case Verdict.CONTRADICTION | Verdict.UNATTRIBUTED:
                return Status.UNKNOWN if work.batch.alone and work.tries >= TRIES_ALONE else None
            case Verdict.TOO_MANY:
                return Status.FAILED if len(work.batch.customers) == 1 else None
            case Verdict.REFUSED:
                return None

    def _follow_up(self, work: Work, later: dict[Verdict, list[tuple[Customer, Ruling]]]) -> list[tuple[Work, float]]:
        """New batches for the customers that are asked again: the busy ones together, the doubtful ones alone."""
        if not later:
            return []
        follow: list[tuple[Work, float]] = []
        if busy := later.get(Verdict.AGAIN):
            if len(busy) == len(work.batch.customers):
                follow.append((work, self._backoff.delay(work.tries)))
            else:
                part = self._part(work, self._chunker.form(tuple(c for c, _ in busy), work.batch.batch_id))
                part.doubt = work.doubt
                follow.append((part, self._backoff.delay(work.attempts)))
        for verdict in (Verdict.ALONE, Verdict.CONTRADICTION, Verdict.UNATTRIBUTED):
            for customer, _ in later.get(verdict, ()):
                if work.batch.alone:
                    again = work
                else:
                    again = self._part(work, self._chunker.form((customer,), work.batch.batch_id, alone=True))
                again.doubt = True
                delay = 0.0 if verdict is not Verdict.ALONE or not work.batch.alone else self._backoff.delay(work.tries)
                follow.append((again, delay))
        if many := later.get(Verdict.TOO_MANY):
            self._shrink(work.batch, None)
            batch = msgspec.structs.replace(work.batch, customers=tuple(c for c, _ in many))
            follow += [(part, 0.0) for part in self._parts(work, batch)]
        if refused := later.get(Verdict.REFUSED):
            # Neither sent again nor decided: the run stops, and they are open when it goes on.
            batch = self._chunker.form(tuple(c for c, _ in refused), work.batch.batch_id)
            follow.append((self._part(work, batch), 0.0))
        return follow

    def _part(self, work: Work, batch: Batch) -> Work:
        return Work(batch, work.root, attempts=work.attempts)

    def _parts(self, work: Work, batch: Batch) -> list[Work]:
        if len(batch.customers) == 1:
            return [self._part(work, self._chunker.form(batch.customers, batch.batch_id))]
        return [self._part(work, half) for half in self._chunker.halves(batch)]

    async def _settle(
        self,
        work: Work,
        attempt: Attempt | None,
        outcomes: list[Outcome],
        done: list[Customer],
        follow: list[tuple[Work, float]],
        refused: bool = False,
    ) -> None:
        """Writes down what is decided together with what goes on, and only then lets a customer's next row go."""
        goes_on = any(again is work for again, _ in follow)
        new = [again for again, _ in follow if again is not work]
        # First of all: while this is written down, the next requests must not leave.
        self._heed(self._guards.settled(work.root, len(new) - (not goes_on), outcomes, refused))
        await self._scribe.write(
            Change(
                opened=tuple((again.batch, again.attempts) for again in new),
                attempt=attempt,
                outcomes=outcomes,
                settled=() if goes_on else (work.batch.batch_id,),
                progress=self._progress_now() if attempt is None or attempt.number % 64 == 0 or self._learnt else None,
            )
        )
        self._learnt = False
        if goes_on and outcomes:
            raise AssertionError("a batch goes on whole or not at all")
        for again in new:
            again.opened = True
        self._gone(work.batch.batch_id)
        for customer in done:
            self._lanes.done(customer)
        self._taken -= len(done)
        self._count(outcomes)
        for again, delay in follow:
            self._put(again, delay)
        self._more_room.set()
        self._changed.set()

    # ------------------------------------------------------------------------------------------------ it was not

    async def _failed(self, work: Work, error: RequestFailed, attempt: Attempt, sent_at: float, size: int) -> None:
        """What happens next with a batch whose request brought no item_status."""
        # The server's words go into the journal, and as the reason of a stop to consoles and logs.
        scrub = Scrubber(work.batch.customers, only_known=True)
        trouble = msgspec.structs.replace(error.trouble, message=scrub(error.trouble.message))
        if trouble.doubt:
            work.doubt = True
        if trouble.next is not Next.SLOW:
            self._throttled_since = None
        match trouble.next:
            case Next.SLOW:
                await self._throttled(work, error, attempt, sent_at)
            case Next.RENEW:
                await self._same_again(work, attempt, 0.0)
            case Next.REFUSED:
                # First of all: while this is written down, the others must not try the same credentials.
                self.stop(_refused(trouble.code, trouble.message))
                await self._stay(work, attempt)
            case Next.SETTINGS:
                self.stop(Stop(ExitCode.SETTINGS, f"The server cannot be used: {trouble.message}.", _RESUME))
                await self._stay(work, attempt)
            case Next.HALVE:
                await self._refused_whole(work, trouble.code, trouble.message, attempt, size)
            case Next.AGAIN:
                self._breaker.failed(work.root, plain=not trouble.doubt or error.http_status >= 500)
                self._asked_to_wait(error.retry_after)
                await self._trouble(work, attempt, trouble.message)
            case Next.ALONE:
                # 500 without its items: the server's trouble when it is said to several batches, else this one's.
                self._breaker.failed(work.root, plain=False)
                await self._trouble(work, attempt, trouble.message)
            case _:
                # 200 that cannot be read, or says nothing of any customer.
                self._lives()
                if (stop := self._guards.unreadable(work.root, trouble.foreign, trouble.message)) is not None:
                    self.stop(stop)
                    await self._stay(work, attempt)
                else:
                    if work.batch.alone and not trouble.foreign:
                        work.most_tries = TRIES_ALONE
                    await self._trouble(work, attempt, trouble.message)

    def _lives(self) -> None:
        """The server answered: whoever waits for a dead one need not."""
        self._breaker.answered()
        self._alive.set()

    def _asked_to_wait(self, seconds: float | None) -> None:
        """Retry-After without a 429, or a rate that is used up: one pause for everybody, within our patience."""
        if seconds is not None and seconds > 0:
            paused = self._pacer.asked(min(seconds, self._breaker.max_outage))
            self._observer.paused(paused, "the server asked us to wait")

    async def _throttled(self, work: Work, error: RequestFailed, attempt: Attempt, sent_at: float) -> None:
        self._lives()
        seconds = self._pacer.throttled(sent_at, error.retry_after)
        self._observer.paused(seconds, "the server says 429, too many requests")
        if self._throttled_since is None:
            self._throttled_since = sent_at
        if self._clock() - self._throttled_since >= self._breaker.max_outage:
            self.stop(
                Stop(
                    ExitCode.TROUBLE,
                    "The server has answered 429 (too many requests) to everything for too long.",
                    "Set a lower --rate and go on with `importer resume`.",
                )
            )
        await self._same_again(work, attempt, 0.0)

    async def _same_again(self, work: Work, attempt: Attempt, delay: float) -> None:
        """The same bytes, the same id."""
        await self._scribe.write(Change(attempt=attempt))
        self._put(work, delay)

    async def _stay(self, work: Work, attempt: Attempt) -> None:
        """The batch stays open: the run stops."""
        await self._scribe.write(Change(attempt=attempt, harmless=() if work.doubt else (work.batch.batch_id,)))

    async def _trouble(self, work: Work, attempt: Attempt, message: str) -> None:
        """Again with back-off; once the attempts are spent on a living server, in halves, down to a row that stands
        alone and whose outcome nobody knows. What the server surely has not seen is never given up: it is the breaker
        that ends the run."""
        work.tries += 1
        work.attempts += 1
        self._last_trouble = message
        if self._breaker.open or not work.doubt or work.tries < work.most_tries:
            self._check_outage()
            await self._same_again(work, attempt, self._backoff.delay(work.tries))
        elif len(work.batch.customers) > 1:
            await self._halve(work, attempt, ATTEMPTS_OF_A_PART)
        else:
            text = f"{lookup('no_answer').meaning}; the last: {message}"
            await self._decide_alone(work, attempt, Status.UNKNOWN, "no_answer", text)

    def _check_outage(self) -> None:
        if self._breaker.outlasted():
            self.stop(
                Stop(
                    ExitCode.TROUBLE,
                    f"The server has not answered for {long(self._breaker.max_outage)}: {self._last_trouble}.",
                    "When it is well again, go on with `importer resume`.",
                )
            )

    async def _refused_whole(self, work: Work, code: str, message: str, attempt: Attempt, size: int) -> None:
        """1060 and 413 teach a limit; any other refusal of the whole hides a row that poisons it."""
        self._lives()
        work.attempts += 1
        if code in ("1060", "413", "HTTP 413"):
            self._shrink(work.batch, size if "413" in code else None)
        if len(work.batch.customers) > 1:
            await self._halve(work, attempt, work.most_tries)
        else:
            await self._decide_alone(work, attempt, Status.FAILED, code.removeprefix("HTTP "), message, refused=True)

    def _shrink(self, batch: Batch, size: int | None) -> None:
        if self._chunker.shrink(batch, size):
            self._learnt = True
            now = (
                counted(self._chunker.batch_size, "customer") if size is None else f"{self._chunker.max_bytes:,} bytes"
            )
            self._note(
                f"The server refused a batch of {len(batch.customers)} as too large; at most {now} from here on."
            )

    async def _halve(self, work: Work, attempt: Attempt | None, tries: int) -> None:
        parts = self._parts(work, work.batch)
        for part in parts:
            part.doubt = work.doubt
            part.most_tries = tries
        await self._settle(work, attempt, [], [], [(part, 0.0) for part in parts])

    async def _decide_alone(
        self, work: Work, attempt: Attempt, status: Status, code: str, message: str, refused: bool = False
    ) -> None:
        customer = work.batch.customers[0]
        outcomes = [
            Outcome(row, status, code, message, "", (), (), work.attempts, attempt.request_id, attempt.at)
            for row in customer.row_numbers
        ]
        await self._settle(work, attempt, outcomes, [customer], [], refused=refused)

    # ------------------------------------------------------------------------------------------------ keeping count

    def _count(self, outcomes: list[Outcome]) -> None:
        if outcomes:
            self._observer.decided(outcomes)

    def _progress_now(self) -> Progress:
        self.progress = msgspec.structs.replace(
            self.progress,
            batch_size=self._chunker.batch_size,
            max_bytes=self._chunker.max_bytes,
            sending_seconds=self._spent_before + self._clock() - self._began,
        )
        return self.progress

    def _note(self, text: str) -> None:
        self.progress = msgspec.structs.replace(self.progress, notes=(*self.progress.notes, text))
        self._observer.noted(text)


_RESUME = "Correct it and try again."


class _Once:
    """Calls what it is given, the first time only."""

    def __init__(self, call: Callable[[], None]) -> None:
        self._call: Callable[[], None] | None = call

    def __call__(self) -> None:
        if self._call is not None:
            call, self._call = self._call, None
            call()


class _Stopped(Exception):
    """The run stops: a batch that waits at the door is not sent."""


def _words(status: Status, ruling: Ruling, customer: Customer) -> tuple[str, str, tuple[str, ...]]:
    """Code, message and warnings of an outcome: the server's, save where it has none or contradicts itself.

    A plain success says the same in every row: that text is not kept, or it would be most of the journal. What the
    server repeats of the row stands beside it in the report; the journal holds no cell.
    """
    plain = status is Status.SUCCEEDED and lookup(ruling.code).klass is Next.SUCCESS
    if plain and not ruling.warnings:
        return ruling.code, "", ()
    scrub = Scrubber((customer,), only_known=True)
    warnings = tuple(map(scrub, ruling.warnings))
    if plain:
        return ruling.code, "", warnings
    if status is not Status.UNKNOWN:
        return ruling.code, scrub(ruling.message), warnings
    if ruling.verdict is Verdict.CONTRADICTION:
        return "contradiction", lookup("contradiction").meaning, warnings
    return "no_answer", lookup("no_answer").meaning, warnings


def _refused(code: str, message: str) -> Stop:
    return Stop(
        ExitCode.REFUSED,
        f"The server refuses the credentials or the permission ({code}: {message or lookup(code).meaning}).",
        "Check IMPORTER_USERNAME and IMPORTER_PASSWORD (or the client key), then go on with `importer resume`.",
    )


def _unexpected(error: BaseException) -> ImporterError:
    failure = ImporterError(
        f"An error of ours: {type(error).__name__}.", "Please report it; `importer resume` goes on."
    )
    failure.__cause__ = error
    return failure
