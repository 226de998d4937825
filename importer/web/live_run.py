"""A run that this server is carrying out: its state, counts and rate, from the messages of its process."""

from __future__ import annotations

import asyncio
import time
from typing import Literal

from importer.web.child import Child
from importer.web.journal_view import Counts
from importer.web.messages import Message, Noted, Paused, Reporting, Retrying, RowsCounted, Waits
from importer.web.storage import Wish

LiveState = Literal["waiting", "starting", "running", "reporting", "ended"]


class LiveRun:
    """Everything a page shows of a run in progress."""

    def __init__(self, wish: Wish) -> None:
        self.wish = wish
        self.state: LiveState = "waiting"
        self.before: Counts = {}
        self.counted = RowsCounted(0, {}, {})
        self.notes: list[str] = []
        self.paused_until = 0.0
        self.paused_why = ""
        self.waits_until = 0.0
        #: When rows were last read or had a result.
        self.moved_at = time.monotonic()
        self.retrying = Retrying("", False)
        #: The user who asked it to pause or stop.
        self.halted_by = ""
        #: Set where it is asked to pause or stop before its turn.
        self.halted = asyncio.Event()
        self.child: Child | None = None
        #: The run is in the journal, or never will be.
        self.known = asyncio.Event()
        self.over = asyncio.Event()

    @property
    def run_id(self) -> str:
        return self.wish.run_id

    @property
    def counts(self) -> Counts:
        """Outcomes so far, including those of earlier processes."""
        both = {*self.before, *self.counted.statuses}
        return {name: self.before.get(name, 0) + self.counted.statuses.get(name, 0) for name in both}

    @property
    def pause(self) -> float:
        """Seconds of the pause that the API asked for."""
        return max(self.paused_until - time.monotonic(), 0.0)

    @property
    def wait(self) -> float:
        """Seconds until the next request leaves, where that is long."""
        return max(self.waits_until - time.monotonic(), 0.0)

    @property
    def silence(self) -> float:
        """Seconds without a row that was read or had a result, while no request is put off."""
        return max(time.monotonic() - max(self.moved_at, self.paused_until, self.waits_until), 0.0)

    def receive(self, message: Message) -> None:
        if isinstance(message, RowsCounted):
            if (message.read, message.statuses) != (self.counted.read, self.counted.statuses):
                self.moved_at = time.monotonic()
            self.counted = message
        elif isinstance(message, Paused):
            self.paused_until = time.monotonic() + message.seconds
            self.paused_why = message.why
        elif isinstance(message, Waits):
            self.waits_until = time.monotonic() + message.seconds
        elif isinstance(message, Retrying):
            self.retrying = message
        elif isinstance(message, Noted):
            self.notes = [*self.notes[-19:], message.text]
        elif isinstance(message, Reporting):
            self.state = "reporting"

    def new_process(self, before: Counts) -> None:
        """Another process takes over the run: its counts start at zero, after those that the journal holds."""
        self.state = "starting"
        self.before = before
        self.counted = RowsCounted(0, {}, {})
        self.moved_at = time.monotonic()
        self.paused_until = self.waits_until = 0.0
        self.retrying = Retrying("", False)
