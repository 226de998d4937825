"""Connections to PostgreSQL that never wait for long: a stalled server must not keep a run from its end."""

from __future__ import annotations

import time
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen

T = TypeVar("T")
#: Seconds that a statement may take, and that a connection may take to be made. Together less than the time in which a
#: run ends after SIGTERM.
LONGEST, CONNECTING = 7.0, 5


class BoundedConnection(psycopg.Connection[Any]):
    """A connection that is closed when the server says nothing for too long. The statement may have been executed."""

    longest = LONGEST

    def wait(self, gen: PQGen[T], *args: Any, **options: Any) -> T:
        return super().wait(self._bounded(gen), *args, **options)

    def _bounded(self, gen: PQGen[T]) -> PQGen[T]:
        """The driver's generator. It is resumed with 0 every moment in which the server has said nothing."""
        ends = time.monotonic() + self.longest
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if not ready and time.monotonic() > ends:
                    self.pgconn.finish()
                    raise psycopg.OperationalError(f"the server did not answer for {self.longest:.0f} seconds")
                wanted = gen.send(ready)
        except StopIteration as end:
            found: T = end.value
            return found


def connect(*words: Any, **options: Any) -> BoundedConnection:
    """Return a connection. Keep-alives notice a peer that is gone without a word."""
    usual: dict[str, Any] = {
        "connect_timeout": CONNECTING,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "application_name": "importer",
    }
    return BoundedConnection.connect(*words, **(usual | options))
