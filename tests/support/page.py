"""The page as users have it: a server in another process, and a visitor that fills in forms without a browser."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import httpx

from tests.support import warm_workers

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "samples"
#: Fast, yet with enough requests that a run can be watched.
PACE = ("--batch-size", "10", "--rate", "1000/second")


class Server:
    """`importer serve` on a free port, on a reports folder that outlives it."""

    def __init__(self, folder: Path, *options: str, **environ: str) -> None:
        self.folder = folder
        self.reports = folder / "reports"
        self._options = options
        self._environ = environ
        self.url = ""
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> Server:
        environ = {name: value for name, value in os.environ.items() if not name.startswith("IMPORTER_")}
        program, more = self.program()
        self.process = subprocess.Popen(
            [sys.executable, *program, "serve", "--port", "0", *self._options],
            cwd=self.folder,
            env={**environ, **more, "HOME": str(self.folder / "home"), "XDG_STATE_HOME": "", **self._environ},
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if found := re.search(r"The page is at (\S+)", line):
                self.url = found[1]
                return self
        raise AssertionError("the server did not start")

    def program(self) -> tuple[list[str], dict[str, str]]:
        """What Python runs, and the variables that it needs."""
        return ["-m", "importer"], {}

    def kill(self) -> None:
        """Kills the server with SIGKILL, so it cannot clean up."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self._over()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self._over()

    def _over(self) -> None:
        if self.process is not None:
            self.process.wait(250)
            assert self.process.stderr is not None
            self.process.stderr.close()

    def __enter__(self) -> Server:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


class WarmServer(Server):
    """A server whose workers are forked from a template: each costs a tenth of one that starts as in production."""

    def program(self) -> tuple[list[str], dict[str, str]]:
        return ["-c", "from tests.support.warm_workers import serve; serve()"], warm_workers.environ()


class Visitor:
    """A user without a browser: keeps cookies, and sends back what every form of the newest page holds."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.token = ""
        #: How the file of the newest page is read.
        self.reading = ""

    @classmethod
    def at(cls, url: str) -> Visitor:
        return cls(httpx.Client(base_url=url, follow_redirects=True, timeout=250, trust_env=False))

    def get(self, path: str, **more: Any) -> httpx.Response:
        answer: httpx.Response = self.client.get(path, **more)
        self._learn(answer)
        return answer

    def post(self, path: str, fields: dict[str, str] | None = None, **more: Any) -> httpx.Response:
        answer: httpx.Response = self.client.post(
            path, data={"token": self.token, "reading": self.reading, **(fields or {})}, **more
        )
        self._learn(answer)
        return answer

    def upload(self, name: str, content: Any, path: str = "/uploads", **more: Any) -> httpx.Response:
        if not self.token:
            self.get("/")
        return self.post(path, files={"file": (name, content)}, **more)

    def sign_in(self, name: str, password: str) -> httpx.Response:
        self.get("/sign-in")
        answer = self.post("/sign-in", {"name": name, "password": password})
        self.get("/")
        return answer

    def settled(self, path: str) -> httpx.Response:
        """The page, once no worker is busy with it."""
        return until(lambda: self.get(path), lambda answer: "data-wait" not in answer.text)

    def _learn(self, answer: httpx.Response) -> None:
        if found := re.search(r'name="token" value="([^"]+)"', answer.text):
            self.token = unescape(found[1])
        if found := re.search(r'name="reading" value="(\w+)"', answer.text):
            self.reading = found[1]


def until(ask: Callable[[], Any], good: Callable[[Any], bool], seconds: float = 200) -> Any:
    """Asks until the answer is good, with a pause between requests: the server needs the processor, too."""
    end = time.monotonic() + seconds
    breath = threading.Event()
    while time.monotonic() < end:
        answer = ask()
        if good(answer):
            return answer
        breath.wait(0.03)
    raise AssertionError("it did not come to that in time")


def form_of(html: str) -> dict[str, str]:
    """The mapping's form as a browser would send it unchanged."""
    fields = {}
    for name, options in re.findall(r'<select id="[^"]+" name="([^"]+)"[^>]*>(.*?)</select>', html, re.S):
        chosen = re.search(r'<option value="([^"]*)" selected', options)
        first = re.search(r'<option value="([^"]*)"', options)
        fields[name] = (chosen or first)[1] if chosen or first else ""
    for name in re.findall(r'<input id="(preference-\d+|country|store)"', html):
        found = re.search(rf'<input id="{name}"[^>]*? value="([^"]*)"', html)
        fields[name] = unescape(found[1]) if found else ""
    for name in ("blank", "invalid_identifiers", "unknown_columns"):
        if chosen := re.search(rf'name="{name}" value="(\w+)" checked', html):
            fields[name] = chosen[1]
    return fields


def import_file(visitor: Visitor, name: str, content: Any) -> str:
    """From a file to its run's address: upload, columns as proposed, check, start."""
    return start(visitor, prepare(visitor, name, content))


def prepare(visitor: Visitor, name: str, content: Any) -> str:
    """From a file to its own address: upload, columns as proposed, check."""
    page = visitor.upload(name, content)
    address: str = page.url.path
    page = visitor.settled(address)
    visitor.post(f"{address}/mapping", form_of(page.text))
    visitor.settled(f"{address}/check")
    return address


def start(visitor: Visitor, address: str, **fields: str) -> str:
    """From a checked file to its run's address."""
    started = visitor.post(f"{address}/start", fields)
    if started.url.path.startswith("/runs/"):
        return started.url.path
    return until(lambda: visitor.get(f"{address}/run").url.path, lambda path: path.startswith("/runs/"))


def ended(visitor: Visitor, run: str) -> httpx.Response:
    """The report of a run, once it has one."""
    return until(lambda: visitor.get(run), lambda answer: 'id="live"' not in answer.text)


def peak(server: Server) -> int:
    """The most memory that the server's own process has held, in bytes."""
    assert server.process is not None
    status = Path(f"/proc/{server.process.pid}/status").read_text(encoding="ascii")
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) * 1024
