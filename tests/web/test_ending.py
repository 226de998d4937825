"""The end of the page: in time, whatever hangs, and its tabs say so."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec
import pytest
from playwright.sync_api import Browser, expect

from importer.sandbox import EmbeddedSandbox, SandboxOptions
from importer.settings.options import Settings
from importer.web.messages import WorkerTask
from tests.support.page import Server, Visitor, import_file

pytestmark = pytest.mark.process


@pytest.fixture
def sandbox() -> Iterator[EmbeddedSandbox]:
    with EmbeddedSandbox(SandboxOptions(latency=(60.0,))) as running:
        yield running


def workers_of(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return [int(child) for child in children.split()]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="finds its processes by /proc")
@pytest.mark.parametrize("frozen", [False, True])
def test_the_page_ends_within_15_seconds(tmp_path: Path, sandbox: EmbeddedSandbox, frozen: bool) -> None:
    """An API that does not answer, a worker that hangs and a slow visitor do not delay it, and no worker is left."""
    environ = {"IMPORTER_USERNAME": sandbox.username, "IMPORTER_PASSWORD": sandbox.password}
    server = Server(tmp_path, "--base-url", sandbox.base_url, **environ).start()
    assert server.process is not None
    visitor = Visitor.at(server.url)
    import_file(visitor, "customers.csv", b"Mobile,Brand\n919876543210,Puma\n")
    workers = workers_of(server.process.pid)
    for worker in workers if frozen else ():
        os.kill(worker, signal.SIGSTOP)

    def endless() -> Iterator[bytes]:
        yield b"token=" + visitor.token.encode()
        while server.process is not None and server.process.poll() is None:
            time.sleep(0.2)
            yield b"x"

    began = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    with contextlib.suppress(Exception):
        visitor.client.post("/sign-out", content=endless())
    server.process.wait(250)
    # It takes 12 s. Everything that does not end in time hangs for a minute or longer.
    assert time.monotonic() - began < 50
    for worker in workers:
        with contextlib.suppress(OSError):
            assert "State:\tZ" in Path(f"/proc/{worker}/status").read_text(encoding="ascii")


READING = """
import re, sys
from importer.web import worker
def carry_out(task, world):
    sys.stderr.write("begun\\n")
    re.fullmatch("(a|aa)+", "a" * 200 + "b")
worker.carry_out = carry_out
worker.main()
"""


@pytest.mark.parametrize("kind", ["inspect", "check"])
def test_a_worker_that_reads_a_file_ends_with_its_server(kind: Literal["inspect", "check"]) -> None:
    """Also of a server that was killed, and whatever the worker computes."""
    command = [sys.executable, "-c", READING]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as worker:
        assert worker.stdin is not None and worker.stderr is not None
        worker.stdin.write(msgspec.json.encode(WorkerTask(kind, Settings())) + b"\n")
        worker.stdin.flush()
        assert worker.stderr.readline() == b"begun\n"
        worker.stdin.close()
        try:
            assert worker.wait(250) < 0
        finally:
            worker.kill()


@pytest.mark.browser
def test_a_tab_says_that_the_connection_is_lost(tmp_path: Path, browser: Browser) -> None:
    """Every tab says when the server does not answer."""
    with Server(tmp_path, "--sandbox") as server:
        page = browser.new_page()
        page.goto(server.url)
        expect(page.get_by_role("alert")).to_have_count(0)
        server.stop()
        expect(page.get_by_role("alert")).to_contain_text("connection to the server is lost")
        page.close()
