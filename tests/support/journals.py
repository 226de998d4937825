"""A journal of each kind: SQLite always, PostgreSQL where its server is installed."""

from __future__ import annotations

import os
import pwd
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

import msgspec
import pytest

from importer.journal import Journal, RunRecord
from importer.journal.records import stored
from importer.model import Batch, Customer
from importer.settings.options import Settings

Opener = Callable[[], Journal]


def _server_programs() -> Path | None:
    found = shutil.which("postgres")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "initdb").exists()), None)


def _somebody() -> str | None:
    """The server does not run as root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of our own on a socket, with nothing in it."""
    pytest.importorskip("psycopg", reason="psycopg is not installed (extra postgres)")
    programs = _server_programs()
    if programs is None:
        pytest.skip("there is no PostgreSQL server on this machine")
    # The path of a socket is short.
    base = Path(subprocess.run(["mktemp", "-d", "/tmp/pg-XXXXXX"], capture_output=True, text=True).stdout.strip())
    user = _somebody()
    if user is not None:
        shutil.chown(base, user)
    folder = base / "data"
    made = subprocess.run(
        [programs / "initdb", "-D", folder, "-U", "importer", "-A", "trust", "-N", "--locale=C", "-E", "UTF8"],
        user=user,
        cwd=base,
        env={"PATH": os.environ["PATH"], "HOME": str(base)},
        capture_output=True,
        text=True,
    )
    if made.returncode:
        pytest.skip(f"no PostgreSQL server can be made here: {made.stderr.strip()[-200:]}")
    server = subprocess.Popen(
        [programs / "postgres", "-D", folder, "-k", base, "-c", "listen_addresses=", "-c", "shared_buffers=16MB"],
        user=user,
        cwd=base,
        env={"PATH": os.environ["PATH"], "HOME": str(base)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        ready = subprocess.run([programs / "pg_isready", "-h", base, "-t", "0"], capture_output=True)
        until = time.monotonic() + 200
        while ready.returncode and time.monotonic() < until and server.poll() is None:
            time.sleep(0.01)
            ready = subprocess.run([programs / "pg_isready", "-h", base, "-t", "1"], capture_output=True)
        if ready.returncode:
            pytest.skip("the PostgreSQL server does not start here")
        yield f"postgresql://importer@/postgres?host={base}"
    finally:
        server.send_signal(signal.SIGINT)  # the server's word for: do not wait for clients
        server.wait(250)
        shutil.rmtree(base, ignore_errors=True)


@pytest.fixture
def database(postgresql: str) -> Iterator[str]:
    """An empty database of the server."""
    import psycopg

    with psycopg.connect(postgresql, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    yield postgresql


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.process)])
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> Opener:
    """Opens one and the same journal, again and again."""
    if request.param == "sqlite":
        return lambda: Journal.open(tmp_path / "reports")
    database: str = request.getfixturevalue("database")
    return lambda: Journal.open(tmp_path / "reports", database)


def record(run_id: str = "20260101-0200-rows-0001", **more: object) -> RunRecord:
    base = RunRecord(
        run_id, "/rows.csv", "ab" * 32, 100, "", "https://api", "till", 1, stored(Settings()), {}, b"", "0"
    )
    return msgspec.structs.replace(base, **more)


def batch(batch_id: int, *rows: int) -> Batch:
    return Batch(batch_id, tuple(Customer(row, mobile="919999999999") for row in rows))


OTHER = """
import sys
from pathlib import Path
from importer.journal import Journal
from importer.runs.locks import hold
database = sys.argv[2] or None
hold(Journal.open(Path(sys.argv[1]), database), Path(sys.argv[1]), "work").__enter__()
print(flush=True)
sys.stdin.read()
"""


@contextmanager
def another_process(folder: Path, database: str = "") -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock of "work"."""
    words = [sys.executable, "-c", OTHER, str(folder), database]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        other.stdout.readline()
        try:
            yield other
        finally:
            other.kill()


class Relay:
    """A proxy before the database of `database`. It ends connections that are idle for so many seconds, and can
    stall."""

    def __init__(self, database: str, idle: float = 3600.0) -> None:
        (self._server,) = Path(database.partition("host=")[2]).glob(".s.PGSQL.[0-9]*[0-9]")
        self._idle = idle
        self.stalled = False
        self.ended = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"postgresql://importer@127.0.0.1:{self._listener.getsockname()[1]}/postgres"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._copy, args=(client,), daemon=True).start()

    def _copy(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as server, suppress(OSError):
            server.connect(str(self._server))
            while True:
                ready, _, _ = select.select([client, server], [], [], self._idle)
                if not ready:
                    self.ended += 1
                    return
                for one in ready:
                    data = one.recv(65536)
                    if not data:
                        return
                    if not self.stalled:
                        (server if one is client else client).sendall(data)
