"""Leases: one process at a time uses a source and target, on all machines that share a database.

A lease ends by itself when its holder is silent for `TTL`. Its number, the fence, grows with each holder: a commit with
an old one is refused, and before each request the holder proves that it still holds the lease. Nothing depends on the
session of the database, which a proxy may end and a pooler may share.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from importer.errors import Busy, ImporterError
from importer.journal import Journal
from importer.runs.holders import Holder, busy, holder_in, this_process

#: Seconds after which the lease of a silent holder is free.
TTL = 30.0
#: How often the holder renews it, and tries again where that failed.
BEAT, AGAIN = 10.0, 1.0
#: A holder does without proof for so long after it was renewed: shorter than `TTL`, because clocks differ in speed.
PROVEN = 25.0

_TERM = f"clock_timestamp() + interval '{TTL} seconds'"
_LOOK = sa.text(
    "SELECT holder, fence, expires_at, expires_at > clock_timestamp() AS valid FROM leases WHERE name = :name"
)
_TAKE = sa.text(f"""
INSERT INTO leases (name, holder, fence, expires_at) VALUES (:name, :holder, 1, {_TERM})
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, fence = leases.fence + 1, expires_at = excluded.expires_at
WHERE leases.fence = :fence AND leases.expires_at = :until RETURNING fence
""")  # noqa: S608 - a constant
_RENEW = sa.text(f"UPDATE leases SET expires_at = {_TERM} WHERE name = :name AND fence = :fence")  # noqa: S608 - a constant
_RELEASE = sa.text(
    "UPDATE leases SET holder = NULL, expires_at = clock_timestamp() WHERE name = :name AND fence = :fence"
)
_NONE_SEEN = {"fence": 0, "until": None}


def machine_clock() -> tuple[float, float]:
    """Seconds that also pass while the machine sleeps. Of a virtual machine that was paused, only the wall clock may
    notice."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)), time.time()


class Lease:
    """The lease of a name. Raises `Busy` where another process holds it, or has taken it."""

    def __init__(self, journal: Journal, name: str, clock: Callable[[], tuple[float, float]] = machine_clock) -> None:
        self._journal = journal
        self._name = hashlib.sha256(name.encode()).hexdigest()
        self._clock = clock
        self._fence = 0
        self._renewed_at = (0.0, 0.0)
        self._lost = False
        self._silent = False
        self._ended = threading.Event()

    def holder(self) -> Holder | None:
        """Return the process that holds it, None where it is free."""
        with self._journal.separate_transaction() as connection:
            found = connection.execute(_LOOK, {"name": self._name}).one_or_none()
        return _holding(found)

    def __enter__(self) -> Self:
        asked_at = self._clock()
        with self._journal.separate_transaction() as connection:
            found = connection.execute(_LOOK, {"name": self._name}).one_or_none()
            if (holder := _holding(found)) is not None:
                raise busy(holder)
            # Taken as it was seen: a holder may renew it in this moment.
            seen = {"fence": found.fence, "until": found.expires_at} if found is not None else _NONE_SEEN
            values = {"name": self._name, "holder": this_process().decode(), **seen}
            fence = connection.execute(_TAKE, values).scalar()
        if fence is None:
            # Another process was faster.
            raise busy(self.holder())
        self._fence, self._renewed_at = int(fence), asked_at
        self._journal.guards.append(self._guard)
        self._beating = threading.Thread(target=self._beat, name="lease", daemon=True)
        self._beating.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        # It may be renewing the lease in this moment.
        self._beating.join(AGAIN)
        self._journal.guards.remove(self._guard)
        if self._silent or self._lost:
            # Not asked again: the run must end soon, and the lease ends by itself.
            return
        with suppress(ImporterError), self._journal.separate_transaction() as connection:
            connection.execute(_RELEASE, {"name": self._name, "fence": self._fence})

    async def prove(self) -> None:
        """Return where this process certainly holds the lease. Raises `Busy` and `JournalError`."""
        if not self.is_certain():
            await asyncio.to_thread(self.renew)

    def is_certain(self) -> bool:
        return not self._lost and self._is_fresh()

    def renew(self) -> None:
        """Raises `Busy` where another process has taken it, `JournalError` where the database does not answer."""
        asked_at = self._clock()
        self._silent = True
        with self._journal.separate_transaction() as connection:
            self._guard(connection)
        self._silent = False
        self._renewed_at = asked_at

    def _is_fresh(self) -> bool:
        return all(0 <= now - then < PROVEN for now, then in zip(self._clock(), self._renewed_at, strict=True))

    def _guard(self, connection: Connection) -> None:
        """Renew the lease as part of a transaction: no other process can take it before the commit."""
        renewed = connection.execute(_RENEW, {"name": self._name, "fence": self._fence})
        if not renewed.rowcount:
            self._lost = True
        if self._lost:
            raise Busy(
                "Another process has taken over this run, because this one was silent for too long.",
                "See its end with `importer runs`.",
                on_page="See the newest import of this file.",
            )

    def _beat(self) -> None:
        pause = BEAT
        while not self._ended.wait(pause):
            try:
                self.renew()
                pause = BEAT
            except Busy:
                return
            except ImporterError:
                pause = AGAIN


def _holding(found: sa.Row[Any] | None) -> Holder | None:
    """Return the holder in an entry of the table, None where it is free. Another process of this machine keeps its
    lease until it ends, whatever the clock of the database says."""
    holder = holder_in(found.holder) if found is not None and found.holder else None
    if holder is None or found is None or holder.died_here:
        return None
    return holder if found.valid or (holder.lives_here and holder.pid != os.getpid()) else None
