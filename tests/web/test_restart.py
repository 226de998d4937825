"""Runs outlive the server: a killed server resumes them; paused and stopped runs wait for a user."""

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
from importer.web.storage import OWN, Storage
from tests.support.page import Server, Visitor, WarmServer, ended, import_file, prepare, start, until

pytestmark = pytest.mark.process

ROWS = 900


@pytest.fixture
def sandbox() -> Iterator[EmbeddedSandbox]:
    """An API that outlives the server and remembers its requests."""
    with EmbeddedSandbox(SandboxOptions(latency=(0.02,))) as running:
        yield running


def slow(sandbox: EmbeddedSandbox, seconds: float) -> None:
    """Makes every answer take so many seconds, so a run does not end before the test has acted."""
    sandbox.state.options = msgspec.structs.replace(sandbox.state.options, latency=(seconds,))


def target(sandbox: EmbeddedSandbox) -> tuple[tuple[str, ...], dict[str, str]]:
    options = ("--base-url", sandbox.base_url, "--batch-size", "10", "--rate", "200/second", "--concurrency", "2")
    return options, {"IMPORTER_USERNAME": sandbox.username, "IMPORTER_PASSWORD": sandbox.password}


def sheet(rows: int = ROWS) -> bytes:
    lines = [f"9198{number:08},value {number}" for number in range(10_000_001, 10_000_001 + rows)]
    return "\n".join(["Mobile,Favourite brand", *lines]).encode()


def outcomes(reports: Path, run: str) -> Counter[str]:
    with (reports / run.rsplit("/", 1)[1] / "results.csv").open(encoding="utf-8-sig", newline="") as file:
        return Counter(row["_status"] for row in csv.DictReader(file))


def done(server: Server, least: int) -> None:
    """Returns when so many rows have an outcome in the journal."""
    with sqlite3.connect(f"file:{server.reports / 'journal.db'}?mode=ro", uri=True) as journal:
        until(
            lambda: journal.execute("SELECT coalesce(sum(rows), 0) FROM outcomes").fetchone()[0],
            lambda count: count >= least,
        )


def test_a_killed_server_resumes_its_run_at_the_next_start(tmp_path: Path, sandbox: EmbeddedSandbox) -> None:
    """After kill -9 during a run, the next server completes it: the page shows it, and no row is lost or sent twice.
    The workers start as in production."""
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


def test_a_stopped_server_resumes_its_run_and_a_paused_run_waits(tmp_path: Path, sandbox: EmbeddedSandbox) -> None:
    """SIGTERM waits for in-flight requests, and the next server resumes the run; a paused run waits until a user
    resumes it. No customer is sent twice."""
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


def test_an_upload_of_an_earlier_version_is_imported(tmp_path: Path, sandbox: EmbeddedSandbox) -> None:
    """Earlier versions kept mapping and check beside the file, and did not store where: they are found there."""
    options, environ = target(sandbox)
    with WarmServer(tmp_path, *options, **environ) as server:
        address = prepare(Visitor.at(server.url), "waits.csv", sheet(20))
    folder = server.reports / ".web" / address.lstrip("/")
    own = folder / OWN
    for path in own.iterdir():
        path.rename(folder / path.name)
    own.rmdir()
    storage = Storage(server.reports / ".web")
    upload = storage.upload(folder.name)
    assert upload is not None and upload.own == OWN
    storage.keep_upload(msgspec.structs.replace(upload, own=""))
    storage.close()
    checked = (folder / "check.json").stat().st_mtime_ns
    with WarmServer(tmp_path, *options, **environ) as again:
        visitor = Visitor.at(again.url)
        assert "20 rows are ready" in visitor.get(f"{address}/check").text
        assert (folder / "check.json").stat().st_mtime_ns == checked
        assert "All 20 rows succeeded." in ended(visitor, start(visitor, address)).text


def test_the_page_and_the_command_line_share_one_journal(tmp_path: Path, sandbox: EmbeddedSandbox) -> None:
    """The page shows and resumes a run that the command line stopped, and the command line lists and resumes one that
    the page stopped. A second server on the same reports folder ends with 11."""
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
    # The command line completes it: the next server deletes the upload.
    uploads = tmp_path / "reports" / ".web" / "uploads"
    assert list(uploads.glob("*/dropped.csv"))
    resumed = importer("resume", run.rsplit("/", 1)[1])
    assert resumed.returncode == 0, resumed.stderr
    with WarmServer(tmp_path, *options, **environ) as again:
        until(lambda: list(uploads.glob("*/dropped.csv")), lambda found: not found)
        assert "All 600 rows succeeded." in Visitor.at(again.url).get(run).text


def test_a_run_of_the_command_line_is_stopped_from_the_page(tmp_path: Path, sandbox: EmbeddedSandbox) -> None:
    """An operator can stop a run of the command line like Ctrl-C: in-flight requests complete, reports are written, the
    run can be resumed, and the stop is audited. There is no pause, because its process would not be started again."""
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
