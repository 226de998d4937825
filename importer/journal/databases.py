"""The databases of a journal: SQLite in a local file, or PostgreSQL. Their errors become `JournalError`."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from importer.errors import JournalError, SettingsError
from importer.system.late import late
from importer.system.sqlite import make_private, to_wal


@contextmanager
def database_errors(where: str) -> Iterator[None]:
    """Raise the database's errors as `JournalError`, in words. `where`: the journal, as messages name it."""
    try:
        yield
    except (sa.exc.DBAPIError, sqlite3.Error) as error:
        driver = error.orig if isinstance(error, sa.exc.DBAPIError) else error
        word = str(driver).strip().splitlines()[0] if str(driver).strip() else type(driver).__name__
        # The primary code of SQLite's extended one.
        code = (getattr(driver, "sqlite_errorcode", None) or 0) & 0xFF
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise damaged(where) from error
        if not isinstance(driver, sqlite3.Error):
            advice = "Check that the database runs, is reachable and accepts the credentials, then repeat the command."
            on_page = "Ask the administrator of this page to check the database."
        elif code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
            advice = "Free space or repair the disk, then resume with `importer resume`."
            on_page = "Free space or repair the disk, then resume the import."
        else:
            advice = "Check the disk and the permissions of the file, then resume with `importer resume`."
            on_page = "Check the disk and the permissions of the file, then resume the import."
        raise JournalError(f"The journal {where} failed: {word}.", advice, on_page=on_page) from error
    except (msgspec.DecodeError, OSError) as error:
        raise damaged(where) from error


def damaged(where: str) -> JournalError:
    return JournalError(
        f"The journal {where} is damaged or not a journal.",
        "Restore it from a backup, or use another --reports-dir. Existing reports are not affected.",
        on_page="Ask the administrator of this page to restore it from a backup.",
    )


_MOUNTS = Path("/proc/self/mounts")
_NETWORK_FILE_SYSTEMS = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "afs", "ceph", "glusterfs"}


def sqlite(path: Path) -> Engine:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        make_private(path)
        if not os.access(path, os.R_OK | os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise JournalError(
            f"The journal {path} cannot be written ({error.strerror}).",
            "Choose another --reports-dir.",
            on_page="Ask the administrator of this page to check the disk and the folder of reports.",
        ) from error
    kind = file_system_of(path)
    if kind in _NETWORK_FILE_SYSTEMS:
        raise JournalError(
            f"The journal {path} is on a network file system ({kind}), where SQLite can lose data.",
            "Choose a --reports-dir on a local disk, or use --database postgresql://….",
            on_page="Ask the administrator of this page to move the folder of reports to a local disk.",
        )
    engine = sa.create_engine(f"sqlite:///{path}", connect_args={"check_same_thread": False, "timeout": 30})

    @sa.event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # The driver's own transactions exclude CREATE TABLE: a kill would leave a part of the tables.
        immediate = connection.get_execution_options().get("writes_first")
        with closing(connection.connection.cursor()) as cursor:
            cursor.execute("BEGIN IMMEDIATE" if immediate else "BEGIN")

    @sa.event.listens_for(engine, "connect")
    def set_up(connection: Any, _: object) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        to_wal(cursor)
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA fullfsync=ON")
        cursor.execute("PRAGMA cache_size=-8000")
        cursor.close()

    return engine


def postgresql(url: str) -> Engine:
    """Every wait for the server is bounded. Works behind a pooler: nothing depends on the state of a session."""
    try:
        parsed = sa.make_url(url)
        if parsed.drivername in ("postgresql", "postgres"):
            parsed = parsed.set(drivername="postgresql+psycopg")
        engine = sa.create_engine(parsed, pool_pre_ping=True, connect_args={"prepare_threshold": None})
        connect: Callable[..., Any] = late("importer.journal.postgresql", "connect")
        sa.event.listen(engine, "do_connect", lambda _, __, words, options: connect(*words, **options))
        return engine
    except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError, ModuleNotFoundError) as error:
        raise SettingsError(
            "The database of the journal cannot be used.",
            "Pass --database postgresql://… and install the extra 'capillary-importer[postgres]'.",
            on_page="Ask the administrator of this page to check the address of the database.",
        ) from error


def file_system_of(path: Path) -> str:
    """Return the type of the file system of a path, "" where the platform does not provide it."""
    if not _MOUNTS.exists():
        return ""
    where, best, kind = str(path.resolve()), "", ""
    for line in _MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines():
        fields = line.split(" ")
        point = fields[1].replace("\\040", " ")
        if (where == point or where.startswith(point.rstrip("/") + "/")) and len(point) >= len(best):
            best, kind = point, fields[2]
    return kind
