"""The world: everything that is not pure, passed in. Environment, clocks, randomness, network, observer, stop."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

import msgspec

from importer.observer import Observer

if TYPE_CHECKING:
    import httpx


class Deadline(msgspec.Struct, frozen=True):
    """When a run stops by itself. `at` on the monotonic clock; `option`: what set it."""

    at: float
    option: str


class Proof(Protocol):
    """A lock that a request needs."""

    async def prove(self) -> None:
        """Return where this process certainly holds it. Raises `Busy` and `JournalError`."""

    def is_certain(self) -> bool:
        """Whether the last proof still holds. Asks nobody."""


class World(msgspec.Struct, frozen=True):
    """The environment, clocks, randomness, network, observer and stopper of a run."""

    environ: Mapping[str, str]
    observer: Observer = msgspec.field(default_factory=Observer)
    clock: Callable[[], float] = time.monotonic
    wall: Callable[[], int] = lambda: time.time_ns() // 1_000_000
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    jitter: Callable[[], float] = random.random
    transport: httpx.AsyncBaseTransport | None = None
    #: The wall time at which the window of a nightly load closes: the same for all of its runs.
    window_closes_at: int | None = None
    #: Asked before each request, and once more when it goes over the wire.
    proofs: tuple[Proof, ...] = ()
    #: When a call stops that imports several sources: the same for all of its runs.
    deadline: Deadline | None = None
    stopper: Stopper = msgspec.field(default_factory=lambda: Stopper())


class Stopper:
    """Lets a face stop a run; safe to call from a signal handler or another thread."""

    def __init__(self) -> None:
        self.asked = False
        #: The run that would be resumed; "" for none.
        self.run_id = ""
        #: Its sending is over, and its reports are being written.
        self.reporting = False
        self._call: Callable[[], object] | None = None
        self._in_flight: Callable[[], int] | None = None

    def ask(self) -> bool:
        """Ask the run to stop. Returns whether one is listening."""
        self.asked = True
        if self._call is None:
            return False
        # RuntimeError: the loop is closed, because sending is over and the reports are being written.
        with suppress(RuntimeError):
            self._call()
        return True

    def listen(self, call: Callable[[], object], run_id: str = "", in_flight: Callable[[], int] | None = None) -> None:
        """`in_flight`: how many requests a stop waits for."""
        self._call = call
        self.run_id = run_id
        self.reporting = False
        self._in_flight = in_flight

    def sent(self) -> None:
        """The sending is over."""
        self.reporting = True
        self._in_flight = None

    @property
    def in_flight(self) -> int:
        """How many requests a stop waits for."""
        return self._in_flight() if self._in_flight is not None else 0
