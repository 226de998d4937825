"""The world: what is not pure, passed in: environment, clocks, chance, network, observer, stop."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from importer.observer import Silent

if TYPE_CHECKING:
    import httpx


class World(msgspec.Struct):
    """What is not pure, passed in: the environment, clocks, chance, the network, who watches, who may stop it."""

    environ: Mapping[str, str]
    observer: Silent = msgspec.field(default_factory=Silent)
    clock: Callable[[], float] = time.monotonic
    wall: Callable[[], int] = lambda: time.time_ns() // 1_000_000
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    jitter: Callable[[], float] = random.random
    transport: httpx.AsyncBaseTransport | None = None
    #: The wall time by which whoever calls wants to be through: one moment for all runs of a night.
    closes: int | None = None
    stopper: Stopper = msgspec.field(default_factory=lambda: Stopper())


class Stopper:
    """How a face asks a run to stop; safe to call from a signal handler or another thread."""

    def __init__(self) -> None:
        self.asked = False
        self._tell: Callable[[], object] | None = None

    def ask(self) -> bool:
        """Returns whether somebody is there to stop well."""
        self.asked = True
        if self._tell is None:
            return False
        # A closed loop: the sending is over, and the reports are being written.
        with suppress(RuntimeError):
            self._tell()
        return True

    def listen(self, tell: Callable[[], object]) -> None:
        self._tell = tell
