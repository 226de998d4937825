"""Runs outlive the server: killed in the middle, it goes on by itself; paused and stopped runs wait for a person."""

from __future__ import annotations

import csv
import os
import re
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from importer.sandbox import EmbeddedSandbox, SandboxOptions
from tests.support.page import Server, Visitor, WarmServer, ended, import_file, until

pytestmark = pytest.mark.process

ROWS = 900


@pytest.fixture
def sandbox() -> Iterator[EmbeddedSandbox]:
    """The API outlives the server, and remembers what it was sent."""
    with EmbeddedSandbox(SandboxOptions(latency=(0.02,))) as running:
        yield running


def slow(sandbox: EmbeddedSandbox, seconds: float) -> None:
    """Every answer takes so long now: nothing comes to its end while a test has something to do first."""
    sandbox.state.options = msgspec.structs.replace(sandbox.state.options, latency=(seconds,))


def target(sandbox: EmbeddedSandbox) -> tuple[tuple[str, ...], dict[str, str]]:
    options = ("--base-url", sandbox.base_url, "--batch-size", "10", "--rate", "200/second", "--concurrency", "2")
    return options, {"IMPORTER_USERNAME": sandbox.username, "IMPORTER_PASSWORD": sandbox.password}


def sheet(rows: int = ROWS) -> bytes:
    lines = [f"9198{number:08},value {number}" for number in range(10_000_000, 10_000_000 + rows)]
    return "\n".join(["Mobile,Favourite brand", *lines]).encode()


def outcomes(reports: Path, run: str) -> Counter[str]:
    with (reports / run.rsplit("/", 1)[1] / "results.csv").open(encoding="utf-8-sig", newline="") as file:
        return Counter(row["_status"] for row in csv.DictReader(file))


def done(server: Server, least: int) -> None:
    """Returns once so many rows have their outcome in the journal."""
    with sqlite3.connect(f"file:{server.reports / 'journal.db'}?mode=ro", uri=True) as journal:
        until(
            lambda: journal.execute("SELECT coalesce(sum(rows), 0) FROM outcomes").fetchone()[0],
            lambda count: count >= least,
        )


def test_a_killed_server_goes_on_by_itself(tmp_path: Path, sandbox: EmbeddedSandbox) -> None:
    """kill -9 in the middle of a run, start again: the run completes, the page shows it, no row twice or lost."""
    options, environ = target(sandbox)
    server = Server(tmp_path, *options, **environ).start()
    slow(sandbox, 0.3)
    run = import_file(Visitor.at(server.url), "customers.csv", sheet())
    done(server, 50)
    server.kill()
    slow(sandbox, 0.02)
    with Server(tmp_path, *options, **environ) as again:
        visitor = Visitor.at(again.url)
        assert "customers.csv" in visitor.get("/").text
        page = ended(visitor, run)
        assert "All 900 rows succeeded." in page.text
        assert outcomes(again.reports, run) == {"succeeded": ROWS}
        assert len(list(again.reports.glob("2*"))) == 1
    with sqlite3.connect(again.reports / "journal.db") as journal:
        assert journal.execute("SELECT sum(rows) FROM outcomes").fetchone() == (ROWS,)


def test_an_orderly_end_a_pause_and_a_resume(tmp_path: Path, sandbox: EmbeddedSandbox) -> None:
    """SIGTERM lets what flies land, and the next server goes on; a paused run waits for a person, then goes on with
    the rest. No customer is sent twice."""
    options, environ = target(sandbox)
    server = WarmServer(tmp_path, *options, **environ).start()
    slow(sandbox, 0.3)
    run = import_file(Visitor.at(server.url), "customers.csv", sheet(600))
    done(server, 50)
    server.stop()
    slow(sandbox, 1.0)
    with WarmServer(tmp_path, *options, **environ) as again:
        visitor = Visitor.at(again.url)
        until(lambda: visitor.get(run).text, lambda text: ">importing<" in text)
        visitor.post(f"{run}/pause")
        page = ended(visitor, run)
        assert ">paused<" in page.text and "Resume" in page.text and "Paused: " in page.text
        before = outcomes(again.reports, run)
        assert before["unprocessed"] and before["succeeded"] and before.total() == 600
        slow(sandbox, 0.02)
        visitor.post(f"{run}/resume")
        assert "All 600 rows succeeded." in ended(visitor, run).text
        assert outcomes(again.reports, run) == {"succeeded": 600}
    assert len(sandbox.state.accepted) == 600


def test_one_journal_for_the_page_and_the_command_line(tmp_path: Path, sandbox: EmbeddedSandbox) -> None:
    """What the command line stopped, the page shows and goes on with; what the page stopped, the command line lists.
    A second server on the same reports folder would go on with the same runs: it ends with 11 and names the first."""
    options, environ = target(sandbox)
    (tmp_path / "typed.csv").write_bytes(sheet(100))

    def importer(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "importer", *words],
            cwd=tmp_path,
            env={**os.environ, **environ, "HOME": str(tmp_path / "home")},
            capture_output=True,
            text=True,
            timeout=250,
            check=False,
        )

    assert importer("run", "typed.csv", *options, "--max-duration", "0.05").returncode == 10
    with WarmServer(tmp_path, *options, **environ) as server:
        second = importer("serve", "--sandbox", "--port", "0")
        assert second.returncode == 11
        assert "already serves the page for this reports folder" in second.stderr
        visitor = Visitor.at(server.url)
        home = visitor.get("/").text
        assert "typed.csv" in home and "command line" in home
        found = re.search(r'href="(/runs/[^"]+)"', home)
        assert found is not None
        assert "Resume" in visitor.get(found[1]).text
        visitor.post(f"{found[1]}/resume")
        assert "All 100 rows succeeded." in ended(visitor, found[1]).text
        slow(sandbox, 0.3)
        run = import_file(visitor, "dropped.csv", sheet(600))
        done(server, 50)
        visitor.get(run)
        visitor.post(f"{run}/stop")
        page = ended(visitor, run)
        slow(sandbox, 0.02)
        assert ">stopped<" in page.text and "unprocessed" in page.text
        assert outcomes(server.reports, run).total() == 600
        listed = importer("runs").stdout
    assert run.rsplit("/", 1)[1] in listed and "open" in listed
    # The command line goes on with it to a good end: the next server deletes what came in by the page.
    uploads = tmp_path / "reports" / ".web" / "uploads"
    assert list(uploads.glob("*/dropped.csv"))
    resumed = importer("resume", run.rsplit("/", 1)[1])
    assert resumed.returncode == 0, resumed.stderr
    with WarmServer(tmp_path, *options, **environ) as again:
        until(lambda: list(uploads.glob("*/dropped.csv")), lambda found: not found)
        assert "All 600 rows succeeded." in Visitor.at(again.url).get(run).text


def test_a_run_of_the_command_line_is_stopped_from_the_page(tmp_path: Path, sandbox: EmbeddedSandbox) -> None:
    """By an operator, as Ctrl-C would stop it: what flies lands, the reports are written, it can go on here. It is
    audited. There is no pause: nobody would wake its process again."""
    options, environ = target(sandbox)
    (tmp_path / "typed.csv").write_bytes(sheet(2000))
    words = [sys.executable, "-m", "importer", "run", "typed.csv", *options, "--quiet"]
    environment = {**os.environ, **environ, "HOME": str(tmp_path / "home")}
    slow(sandbox, 0.5)
    with (
        WarmServer(tmp_path, *options, **environ) as server,
        subprocess.Popen(words, cwd=tmp_path, env=environment, stderr=subprocess.PIPE) as typed,
    ):
        visitor = Visitor.at(server.url)
        home = until(lambda: visitor.get("/").text, lambda text: ">importing<" in text)
        found = re.search(r'href="(/runs/[^"]+)"', home)
        assert found is not None
        page = visitor.get(found[1]).text
        assert "started on the command line" in page and ">Stop<" in page and ">Pause<" not in page
        done(server, 20)
        visitor.post(f"{found[1]}/pause")
        assert typed.poll() is None
        visitor.post(f"{found[1]}/stop")
        assert typed.wait(250) == 130
        page = ended(visitor, found[1]).text
        assert ">stopped<" in page and "Resume" in page
        assert outcomes(server.reports, found[1]).total() == 2000
        assert re.search(r"<td>stopped</td><td>\S+typed", visitor.get("/audit").text)
