"""When a request may be sent: one at a time until the server accepts one, then as breaker, rate and pause allow.

Sending, verifying and the online check all ask the API through `Admission.ask`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

import msgspec

from importer.capillary.codes import Next
from importer.capillary.triage import RequestFailed, Trouble, no_longer, unusable
from importer.chunker.pacer import Pacer
from importer.errors import ExitCode, Stop
from importer.masking import Scrubber
from importer.model import Reply, Work
from importer.observer import Observer
from importer.sender.retry import BackOff, Breaker
from importer.system.text import long
from importer.world import Proof

#: Seconds until a request follows an answer that does not come from the API.
FOREIGN_PAUSE = 1.0
#: So many such answers in a row stop the run, even to one batch while the API answers others.
FOREIGN_IN_A_ROW = 5
#: Seconds of a wait for the rate that a person would notice.
LONG_WAIT = 2.0

_Answer = TypeVar("_Answer")
#: Asks the API; calls its argument when the request is written to the wire.
Question = Callable[[Callable[[], None]], Awaitable[_Answer]]


class Asked(msgspec.Struct, Generic[_Answer], frozen=True):
    """One attempt. `sent_at` on the monotonic clock; `at`: UTC in milliseconds since 1970."""

    sent_at: float
    at: int
    elapsed_ms: int
    reply: _Answer | RequestFailed


class NotHeld(OSError):
    """The request did not leave: like a connection that broke before it. The next one is not sent without a proof."""


class Stopping(Exception):
    """The run stops: a request that waits is not sent."""


class Admission:
    """Lets requests out. `stopping` is set when the run stops."""

    def __init__(
        self,
        pacer: Pacer,
        breaker: Breaker,
        backoff: BackOff,
        *,
        concurrency: int,
        clock: Callable[[], float],
        wall: Callable[[], int],
        observer: Observer,
        sleep: Callable[[float], Awaitable[None]],
        proofs: Sequence[Proof] = (),
    ) -> None:
        """`proofs`: as `World.proofs`."""
        self._pacer = pacer
        self._breaker = breaker
        self._backoff = backoff
        self._clock = clock
        self._wall = wall
        self._observer = observer
        self._sleep = sleep
        self._proofs = proofs
        self.stopping = asyncio.Event()
        #: Requests that were sent and have no reply yet.
        self.in_flight = 0
        self._in_flight = asyncio.Semaphore(concurrency)
        self._one_at_a_time = asyncio.Lock()
        self._first = asyncio.Lock()
        self._answering = asyncio.Event()
        self._accepted = False
        #: The API has answered a request.
        self._answered = False
        #: When a refusal arrived that is not the API's, if the API has not answered since.
        self._foreign_since: float | None = None
        self._foreign_in_a_row = 0
        #: Batches that were refused like that, before any split, and those of them after which the API has answered.
        self._refused_now: set[int] = set()
        self._suspects: set[int] = set()
        self._throttled_since: float | None = None
        #: Why the newest request failed, for the message of an outage that lasts.
        self._last_failure = ""
        self._last_advice = ""
        #: The observer knows that the server does not answer.
        self._is_retrying = False

    @property
    def server_down(self) -> bool:
        """Whether the breaker is open."""
        return self._breaker.open

    def wait(self) -> float:
        """Seconds that a request would wait for the rate now."""
        return self._pacer.wait()

    def back_off(self, attempts: int) -> float:
        """Seconds until a batch is sent again after so many attempts; 0: at once."""
        return self._backoff.delay(attempts) if attempts else 0.0

    async def ask(self, question: Question[_Answer], sending: Callable[[], None] = lambda: None) -> Asked[_Answer]:
        """One attempt, once it may be sent; `sending` is called just before. Raises `Stopping`, and `Stop` when an
        outage has lasted too long.

        Wrong credentials must cost two requests and not one for every connection: until the server has accepted a
        request, one is sent at a time.
        """
        async with self._in_flight:
            if not self._accepted:
                async with self._first:
                    if not self._accepted:
                        return await self._ask(question, sending)
            return await self._ask(question, sending)

    async def _ask(self, question: Question[_Answer], sending: Callable[[], None]) -> Asked[_Answer]:
        await self._wait_for_turn()
        sending()
        sent_at, at = self._clock(), self._wall()
        written = _Once(self._pacer.written)
        reply: _Answer | RequestFailed
        self.in_flight += 1

        def leaves() -> None:
            # A token or a connection may have taken long since the proofs.
            if not all(proof.is_certain() for proof in self._proofs):
                raise NotHeld("the run may belong to another process")
            written()

        try:
            reply = await question(leaves)
        except RequestFailed as error:
            reply = error
        finally:
            self.in_flight -= 1
            written()
        if not isinstance(reply, RequestFailed) or reply.trouble.next in (Next.HALVE, Next.ALONE):
            self._accepted = True
        return Asked(sent_at, at, round((self._clock() - sent_at) * 1000), reply)

    async def _wait_for_turn(self) -> None:
        async with self._one_at_a_time:
            while (wait := self._breaker.wait()) > 0:
                if (stop := self._outage()) is not None:
                    raise stop
                self._answering.clear()
                self._observer.waits(wait)
                await self.pause(wait, self._answering)
            while True:
                leave = self._pacer.slot()
                await self._wait_for_rate(leave - self._clock())
                held = self._pacer.may_leave(leave) - self._clock()
                if held <= 0:
                    break
                await self._wait_for_rate(held)
            for proof in self._proofs:
                await proof.prove()
            self._pacer.departed()

    async def _wait_for_rate(self, seconds: float) -> None:
        if seconds >= LONG_WAIT:
            self._observer.waits(seconds)
        await self.pause(seconds)

    async def pause(self, seconds: float, *sooner: asyncio.Event) -> None:
        """Waits, less if one of the events comes. Raises `Stopping` when the run stops."""
        if not self.stopping.is_set() and seconds > 0:
            if seconds < 0.25:
                await self._sleep(seconds)
            else:
                await first_of(self._sleep(seconds), self.stopping, *sooner)
        if self.stopping.is_set():
            raise Stopping

    # ------------------------------------------------------------------------------------------------ after a reply

    def learn(self, work: Work, asked: Asked[Reply]) -> Stop | None:
        """Takes note of a reply for the requests that follow: rate, pause, breaker, back-off. Returns the stop of a
        server that has been away, or has refused for its rate, for too long."""
        reply = asked.reply
        if isinstance(reply, Reply):
            self.answered()
            self._pause_as_asked(reply.retry_after)
            return None
        trouble = reply.trouble
        if trouble.next is Next.SLOW:
            return self.throttled(asked.sent_at, reply.retry_after)
        self._throttled_since = None
        message = Scrubber(work.batch.customers, only_known=True)(trouble.message)
        trouble = msgspec.structs.replace(trouble, message=message)
        if trouble.next is Next.FOREIGN:
            return self.refused_on_the_way(asked.sent_at, trouble, work.root)
        if trouble.next is Next.SETTINGS and self._answered:
            return no_longer(trouble)
        if trouble.next in (Next.RENEW, Next.REFUSED, Next.SETTINGS):
            return None
        if trouble.next not in (Next.AGAIN, Next.ALONE):
            self._is_answering()
            if not trouble.foreign:
                self._by_the_api()
            return None
        # 500 without its items (ALONE): the server is down when several batches get it, else this batch causes it.
        plain = trouble.next is Next.AGAIN and (not trouble.doubt or reply.http_status >= 500)
        self._breaker.failed(work.root, plain=plain)
        if trouble.next is Next.AGAIN:
            self._pause_as_asked(reply.retry_after)
        self._last_failure = trouble.message
        self._last_advice = trouble.advice
        self._is_retrying = True
        self._observer.retrying(trouble.message, lost=not reply.http_status)
        return self._outage()

    def answered(self) -> None:
        """The server accepted a request."""
        self._throttled_since = None
        self._is_answering()
        self._by_the_api()
        self._backoff.succeeded()
        self._pacer.answered()

    def _by_the_api(self) -> None:
        """An answer in the API's format."""
        self._answered = True
        self._foreign_since = None
        self._suspects |= self._refused_now
        self._refused_now.clear()

    def refused_on_the_way(self, sent_at: float, trouble: Trouble, root: int = 0) -> Stop | None:
        """A 4xx that is not the API's: all requests pause, and then one is sent at a time until the API answers one.
        Returns the stop where a request that was sent after such an answer gets another. A batch that is refused while
        the API answers others may hold a row that a firewall refuses: that row is looked for."""
        self._refused_now.add(root)
        if self._foreign_since is None:
            self._foreign_since = self._clock()
            self._foreign_in_a_row = 0
            self._accepted = False
            self._pacer.asked(FOREIGN_PAUSE)
        if sent_at <= self._foreign_since:
            return None
        self._foreign_in_a_row += 1
        if root in self._suspects and self._foreign_in_a_row < FOREIGN_IN_A_ROW:
            return None
        return no_longer(trouble) if self._answered else unusable(trouble)

    def _is_answering(self) -> None:
        """The server answered: requests that wait for a probe need not wait."""
        self._breaker.answered()
        self._answering.set()
        if self._is_retrying:
            self._is_retrying = False
            self._observer.retrying("", lost=False)

    def _pause_as_asked(self, seconds: float | None) -> None:
        """Retry-After without a 429, or a rate that is used up: one pause for all requests, at most `--max-outage`."""
        if seconds is not None and seconds > 0:
            paused = self._pacer.asked(min(seconds, self._breaker.max_outage))
            self._observer.paused(paused, "the server asked for a pause")

    def throttled(self, sent_at: float, retry_after: float | None) -> Stop | None:
        """429: all requests pause, and the rate shrinks."""
        self._is_answering()
        seconds = self._pacer.throttled(sent_at, retry_after)
        self._observer.paused(seconds, "the server answered 429 (too many requests)")
        if self._throttled_since is None:
            self._throttled_since = sent_at
        if self._clock() - self._throttled_since < self._breaker.max_outage:
            return None
        return Stop(
            ExitCode.TEMPORARY,
            f"The server has answered 429 (too many requests) to every request for {long(self._breaker.max_outage)}.",
            "Set a lower --rate and resume with `importer resume`.",
            on_page="Resume the import later.",
        )

    def _outage(self) -> Stop | None:
        if not self._breaker.outlasted():
            return None
        return Stop(
            ExitCode.TEMPORARY,
            f"The server has not answered for {long(self._breaker.max_outage)}: {self._last_failure}.",
            f"{self._last_advice} When it answers again, resume with `importer resume`.".strip(),
            on_page="When it answers again, resume the import.",
        )


async def first_of(wait: Awaitable[None], *events: asyncio.Event) -> None:
    """Until the wait is over or one of the events has come."""
    waiting = [asyncio.ensure_future(wait), *(asyncio.ensure_future(event.wait()) for event in events)]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()


class _Once:
    """Calls a function, the first time only."""

    def __init__(self, call: Callable[[], None]) -> None:
        self._call: Callable[[], None] | None = call

    def __call__(self) -> None:
        if self._call is not None:
            call, self._call = self._call, None
            call()
