"""The connection to a journal: its tables are of the version that this importer reads."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Self

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from importer.errors import JournalError
from importer.journal.databases import damaged, database_errors
from importer.journal.schema import MIGRATIONS, SCHEMA_VERSION, make_or_migrate, version_of


class JournalConnection:
    """One connection, used by one thread at a time. Raises `JournalError`."""

    def __init__(self, engine: Engine, where: str) -> None:
        self._engine = engine
        self.where = where
        with self.errors():
            self._connection = engine.connect()
            try:
                self._prepare()
            except BaseException:
                self.close()
                raise

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

    def another_connection(self) -> Connection:
        """Return a new connection, for a lock that lasts as long as its connection."""
        return self._engine.connect()

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
        with self.errors(), self._connection.begin():
            found = self._connection.execute(sa.text("PRAGMA quick_check(1)")).scalar()
        if found != "ok":
            raise JournalError(
                f"The journal {self.where} is damaged.",
                "Restore it from a backup, or use another --reports-dir.",
                on_page="Ask the administrator of this page to restore it from a backup.",
            )
