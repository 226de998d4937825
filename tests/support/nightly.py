"""A folder with an inbox and settings, a clock that tests set, and receivers of mail and webhooks."""

from __future__ import annotations

import datetime
import email
import email.message
import email.policy
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from aiosmtpd.controller import Controller

from importer.nightly.load import NightlyLoad
from importer.nightly.profile import check_profile
from importer.nightly.state import LoadReport
from importer.sandbox import EmbeddedSandbox
from importer.telemetry.log import Log
from importer.telemetry.log_lines import open_log
from importer.world import Stopper, World

ZONE = ZoneInfo("Asia/Kolkata")


class Clock:
    """A wall clock that tests set. Sleeping sets it forward."""

    def __init__(self) -> None:
        self._at = 0
        #: Called while the load sleeps.
        self.meanwhile: Callable[[], object] | None = None

    def set(self, day: datetime.date, clock_time: str) -> None:
        moment = datetime.datetime.combine(day, datetime.time.fromisoformat(clock_time), ZONE)
        self._at = int(moment.timestamp() * 1000)

    def wall(self) -> int:
        return self._at

    def sleep(self, seconds: float) -> None:
        self._at += int(seconds * 1000)
        if self.meanwhile is not None:
            self.meanwhile()


class _Controller(Controller):
    """Listens on a port that the kernel chooses: a port looked up first may be in use by then."""

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
        with socket.create_connection((self.hostname, self.port), 60) as trial:
            trial.recv(1024)


class Mailbox:
    """A real SMTP server that keeps the mails it gets."""

    def __init__(self) -> None:
        self.mails: list[email.message.EmailMessage] = []
        self._controller = _Controller(self, hostname="127.0.0.1", port=0, ready_timeout=250)

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        self.mails.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
        return "250 OK"

    @property
    def address(self) -> str:
        port = self._controller.port
        return f"mailto://127.0.0.1:{port}?from=importer@example.com&to=oncall@example.com&mode=insecure"

    def __enter__(self) -> Mailbox:
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()


@contextmanager
def receiver(status: int = 200) -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """(host:port, [(path, body)]) of a server that keeps what is posted."""
    found: list[tuple[str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            found.append((self.path, self.rfile.read(int(self.headers.get("Content-Length", 0)))))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}", found
    finally:
        server.shutdown()
        server.server_close()


class House:
    """A folder with `importer.toml`, an inbox, and the files of the nightly load."""

    def __init__(self, folder: Path, base_url: str, **more: object) -> None:
        self.folder = folder
        self.clock = Clock()
        self.inbox = folder / "inbox"
        self.inbox.mkdir()
        self.environ = {
            "IMPORTER_USERNAME": "sandbox-till",
            "IMPORTER_PASSWORD": "sandbox",
            "XDG_STATE_HOME": str(folder / "state"),
            "HOME": str(folder),
        }
        self.settings: dict[str, object] = {
            "base-url": base_url,
            "country": "IN",
            "rate": "1000/second",
            "batch-size": 10,
            "reports-dir": str(folder / "reports"),
            "inbox": str(self.inbox),
            "time-zone": "Asia/Kolkata",
            **more,
        }
        #: Other clocks of the world, for example.
        self.world: dict[str, Any] = {}

    @property
    def toml(self) -> Path:
        path = self.folder / "importer.toml"
        lines = [f"{name} = {json.dumps(value)}" for name, value in self.settings.items()]
        path.write_text("\n".join(["[profiles.brand-a]", *lines, ""]))
        return path

    def nightly(
        self, log: Log | None = None, stopper: Stopper | None = None, wall: Callable[[], int] | None = None
    ) -> NightlyLoad:
        settings, mistakes = check_profile({"profile": "brand-a"}, self.environ, self.toml)
        assert settings is not None and not mistakes, mistakes
        world = World(
            self.environ, wall=wall or self.clock.wall, stopper=stopper or Stopper(), jitter=lambda: 0.0, **self.world
        )
        return NightlyLoad(settings, world, log or Log(), self.clock.sleep)

    def look(
        self,
        day: datetime.date | None = None,
        clock_time: str = "02:00",
        breaks: Callable[[], object] | None = None,
    ) -> LoadReport:
        """One `nightly --once` at that time. `breaks` is called once the settings are read and valid."""
        if day is not None:
            self.clock.set(day, clock_time)
        log = open_log(stream=None, form="json", file=str(self.folder / "nightly.log"), wall=self.clock.wall)
        with closing(log):
            load = self.nightly(log)
            if breaks is not None:
                breaks()
            return load.once()

    def start(self, day: datetime.date, clock_time: str) -> subprocess.Popen[bytes]:
        """The same in another process, to be killed."""
        self.clock.set(day, clock_time)
        script = (
            "import sys; from pathlib import Path; from tests.support.nightly import House; "
            "House.in_process(Path(sys.argv[1]), int(sys.argv[2]))"
        )
        root = Path(__file__).parents[2]
        return subprocess.Popen(
            [sys.executable, "-c", script, str(self.toml), str(self.clock.wall())],
            cwd=root,
            env={**os.environ, **self.environ},
        )

    @staticmethod
    def in_process(toml: Path, at: int) -> None:
        settings, mistakes = check_profile({"profile": "brand-a"}, os.environ, toml)
        assert settings is not None and not mistakes
        clock = Clock()
        clock._at = at
        NightlyLoad(settings, World(os.environ, wall=clock.wall), Log(), clock.sleep).once()

    def files(self, name: str) -> list[str]:
        folder = self.folder / name
        return sorted(path.name for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []


def sheet(first: int, rows: int = 30, bad: int = 0) -> str:
    """A CSV of customers numbered from `first`. The last `bad` rows have no valid mobile."""
    lines = ["Mobile,Favourite brand"]
    lines += [f"{9_000_000_000 + (first + n or 99_999)},brand {(first + n) % 7}" for n in range(rows - bad)]
    lines += [f"12,brand {n}" for n in range(bad)]
    return "\n".join([*lines, ""])


def mobiles(sandbox: EmbeddedSandbox) -> list[str]:
    """The mobile of each accepted row, in order."""
    return [identifiers["mobile"] for identifiers, _ in sandbox.state.accepted]


def until(true: Callable[[], bool]) -> None:
    """Wait for another process or thread. Only one that hangs takes longer than two minutes."""
    limit = time.monotonic() + 120
    while not true():
        assert time.monotonic() < limit
        time.sleep(0.01)
