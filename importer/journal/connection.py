"""The connection to a journal: its tables are of the version that this importer reads."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from importer.errors import JournalError
from importer.journal.databases import damaged, database_errors
from importer.journal.in_place import InPlace
from importer.journal.schema import MIGRATIONS, SCHEMA_VERSION, make_or_migrate, version_of

#: Seconds of silence after which a connection is tried before it is used: a proxy may have ended it.
_SILENCE = 0.5


class JournalConnection:
    """One connection, used by one thread at a time. Raises `JournalError`."""

    def __init__(self, engine: Engine, where: str) -> None:
        self._engine = engine
        self.where = where
        self._used_at = time.monotonic()
        #: Called within every transaction that writes: each raises where this process may not write any more.
        self.guards: list[Callable[[Connection], None]] = []
        self._in_place: InPlace | None = None
        with self.errors():
            self._connection = engine.connect()
            try:
                self._prepare()
            except BaseException:
                self.close()
                raise
        if not self.shared and (database := engine.url.database):
            self._in_place = InPlace(database)

    def close(self) -> None:
        self._connection.close()
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def errors(self) -> AbstractContextManager[None]:
        """Context in which errors of the database become `JournalError`."""
        return database_errors(self.where)

    @property
    def shared(self) -> bool:
        """Whether several machines can use it."""
        return self._engine.dialect.name != "sqlite"

    @contextmanager
    def transaction(self, *, writes: bool = False, seconds: float | None = None) -> Iterator[Connection]:
        """One transaction. `writes`: only where each guard permits it. `seconds`: how long one of its statements may
        take in a shared database; None: the usual limit."""
        with self.errors():
            self._reconnect()
            with self._connection.begin(), self._limit(seconds):
                if writes:
                    for guard in self.guards:
                        guard(self._connection)
                yield self._connection
            self._used_at = time.monotonic()
        if self._in_place is not None:
            self._in_place.check()

    @contextmanager
    def separate_transaction(self) -> Iterator[Connection]:
        """One transaction of another connection, for any thread."""
        with self.errors(), self._engine.begin() as connection:
            yield connection

    def _reconnect(self) -> None:
        """Make a new connection where the server or a proxy has ended an idle one."""
        if not self.shared or time.monotonic() - self._used_at < _SILENCE:
            return
        try:
            with self._connection.begin():
                self._connection.exec_driver_sql("SELECT 1")
        except sa.exc.DBAPIError as error:
            if not error.connection_invalidated:
                raise

    @contextmanager
    def _limit(self, seconds: float | None) -> Iterator[None]:
        if seconds is None or not self.shared:
            yield
            return
        driver: Any = self._connection.connection.driver_connection
        driver.longest = seconds
        try:
            yield
        finally:
            del driver.longest

    def _prepare(self) -> None:
        if self._engine.dialect.name == "sqlite":
            with self._connection.begin():
                if self._connection.exec_driver_sql("PRAGMA quick_check(1)").scalar() != "ok":
                    raise damaged(self.where)
        found = self._version()
        if found is None or found in MIGRATIONS:
            # One transaction for tables and version, and one process at a time.
            self._connection.execution_options(writes_first=True)
            with self._connection.begin():
                make_or_migrate(self._connection)
            self._connection.execution_options(writes_first=False)
            found = self._version()
        if found != SCHEMA_VERSION:
            raise JournalError(
                f"The journal {self.where} has version {found}; this importer reads version {SCHEMA_VERSION}.",
                "Use the version of importer that created it, or another --reports-dir.",
                on_page="Ask the administrator of this page to use the version that created it.",
            )

    def _version(self) -> int | None:
        with self._connection.begin():
            return version_of(self._connection)

    def check(self) -> None:
        """Raise `JournalError` where the database is damaged."""
        if self._engine.dialect.name != "sqlite":
            return
        with self.transaction() as connection:
            found = connection.execute(sa.text("PRAGMA quick_check(1)")).scalar()
        if found != "ok":
            raise JournalError(
                f"The journal {self.where} is damaged.",
                "Restore it from a backup, or use another --reports-dir.",
                on_page="Ask the administrator of this page to restore it from a backup.",
            )
