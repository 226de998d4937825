"""Resume, retry, restart and locks: nothing acknowledged is lost, and nothing is sent again needlessly."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from importer.errors import Busy, ExitCode, SettingsError, SourceChanged
from importer.journal import Journal
from importer.pipeline import report, resume, retry, run
from importer.reader import open_source
from importer.runs.locks import Lock
from importer.runs.record import identity_of
from importer.sandbox import EmbeddedSandbox, SandboxOptions, SandboxState
from importer.world import Stopper
from tests.support.runs import (
    HALVED,
    Listener,
    Program,
    accepted_rows,
    half_a_run,
    results,
    rows_written,
    settings,
    sheet,
    statuses,
    stopped_after,
    violations,
    world,
)


def settled(state: SandboxState) -> None:
    """Return once the server has applied the requests of a killed process."""
    waits_until(lambda: not state.in_flight)


def waits_until(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 100
    while not true():
        assert time.monotonic() < until
        time.sleep(0.002)


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.parametrize("moment", ["at the first request", "in the middle", "near the end"])
def test_a_killed_run_is_resumed_and_every_row_has_one_outcome(tmp_path: Path, moment: str) -> None:
    """kill -9 with requests in flight: `importer resume` sends these again first, byte for byte."""
    enough = {"at the first request": 1, "in the middle": 8, "near the end": 17}[moment]
    # From then on the server applies what it is sent and says nothing: the run cannot come to its end meanwhile.
    with EmbeddedSandbox(SandboxOptions(latency=(0.03,), faults=(f"{enough}-:hang-after",))) as sandbox:
        program = Program(tmp_path, sandbox)
        sheet(tmp_path / "rows.csv", 200, shared=True)
        state = sandbox.state
        words = ("--base-url", sandbox.base_url, "--batch-size", "10", "--concurrency", "3")
        process = program.start("run", "rows.csv", *words)
        program.kill_once(process, lambda: len(state.requests) >= enough)
        settled(state)
        state.faults = ()
        with Journal.open(tmp_path / "reports") as journal:
            (killed,) = journal.runs()
            waiting = journal.open_batches(killed.key)
        before = len(state.requests)
        bodies = {request.body_sha256 for request in state.requests}
        # One at a time, so that they arrive in the order in which they leave.
        code, out, err = program.run("resume", "--json", "--concurrency", "1")
        assert (code, json.loads(out)["rows"]["succeeded"]) == (0, 200), err
        first = state.requests[before : before + len(waiting)]
        # What was open goes first; of it, all that had left are known bodies.
        assert {request.body_sha256 for request in state.requests[before:]} & bodies <= {r.body_sha256 for r in first}
        assert not violations(state, results(tmp_path / "reports", killed.record.run_id), 200, tmp_path / "reports")
        assert sum(request.size for request in first) == sum(len(b.rows) for b in waiting)


@pytest.mark.process
def test_in_flight_batches_are_sent_again_first_with_the_same_bytes_and_id(tmp_path: Path) -> None:
    """The server applied the batches but the answers were lost: the same requests are sent again, then the rest."""
    with EmbeddedSandbox(SandboxOptions(latency=(0.05,), faults=("3-4:hang-after",))) as sandbox:
        program = Program(tmp_path, sandbox)
        sheet(tmp_path / "rows.csv", 80)
        state = sandbox.state
        words = ("--base-url", sandbox.base_url, "--batch-size", "10", "--concurrency", "2")
        process = program.start("run", "rows.csv", *words)
        program.kill_once(
            process,
            lambda: (
                len(state.requests) == 4
                and len(accepted_rows(state)) == 40
                and rows_written(tmp_path / "reports") == 20
            ),
        )
        lost = [request.body_sha256 for request in state.requests[2:]]
        with Journal.open(tmp_path / "reports") as journal:
            (killed,) = journal.runs()
            open_ids = [batch.batch_id for batch in journal.open_batches(killed.key)]
        assert program.run("resume", "--concurrency", "1")[0] == 0
        assert sorted(request.body_sha256 for request in state.requests[4:6]) == sorted(lost)
        assert Counter(request.body_sha256 for request in state.requests).most_common(3)[2][1] == 1
        with Journal.open(tmp_path / "reports") as journal:
            made = [attempt.batch_id for attempt in journal.attempts(killed.key)]
        assert sorted(made[2:4]) == sorted(open_ids[:2])
        assert len(set(made)) == 8


def test_a_stopped_run_is_resumed_and_ends_like_an_uninterrupted_one(tmp_path: Path) -> None:
    """After a clean stop nothing is sent twice. The exit code is that of the whole run."""
    with EmbeddedSandbox() as sandbox:
        half = half_a_run(sandbox, tmp_path)
        assert half.exit_code == ExitCode.INTERRUPTED
        assert half.rows.unprocessed > 0
        whole = resume(None, settings(sandbox, tmp_path / "reports"), {}, world(sandbox, tmp_path))
        assert (whole.run_id, whole.exit_code, statuses(whole)) == (half.run_id, 0, Counter(succeeded=HALVED))
        assert whole.requests.sent == HALVED // 10
        assert not violations(sandbox.state, results(tmp_path / "reports", whole.run_id), HALVED, tmp_path / "reports")


def test_resume_of_a_finished_run_says_so_and_repeats_its_exit_code(tmp_path: Path) -> None:
    """Named or not, with any outcomes; nothing is sent."""
    with EmbeddedSandbox() as sandbox:
        source = sheet(tmp_path / "rows.csv", 20, magic={5: "code-1012"})
        done = run(str(source), settings(sandbox, tmp_path / "reports"), world(sandbox, tmp_path))
        assert done.exit_code == ExitCode.ROWS
        sent = len(sandbox.state.requests)
        source.unlink()
        for name in (None, done.run_id):
            watched = world(sandbox, tmp_path)
            again = resume(name, settings(sandbox, tmp_path / "reports"), {}, watched)
            assert again.exit_code == ExitCode.ROWS
            assert again.rows == done.rows
            assert isinstance(watched.observer, Listener)
            assert watched.observer.said == [f"Run {done.run_id} is already finished."]
        assert len(sandbox.state.requests) == sent


def test_a_run_is_not_resumed_with_the_credentials_of_another_organisation(tmp_path: Path) -> None:
    """Its open rows would reach customers of that organisation."""
    with EmbeddedSandbox() as sandbox:
        half_a_run(sandbox, tmp_path)
        sent = len(sandbox.state.requests)
        other = world(sandbox, tmp_path)
        other = msgspec.structs.replace(other, environ={**other.environ, "IMPORTER_USERNAME": "other-brand"})
        with pytest.raises(SettingsError):
            resume(None, settings(sandbox, tmp_path / "reports"), {}, other)
        assert len(sandbox.state.requests) == sent


def test_a_run_whose_credentials_were_refused_is_resumed_with_others(tmp_path: Path) -> None:
    """A mistyped name sent nothing: the run gets the right one, and its later runs know what it was sent."""
    with EmbeddedSandbox() as sandbox:
        source = sheet(tmp_path / "rows.csv", 20)
        own, right = settings(sandbox, tmp_path / "reports"), world(sandbox, tmp_path)
        mistyped = msgspec.structs.replace(right, environ={**right.environ, "IMPORTER_USERNAME": "mistyped"})
        refused = run(str(source), own, mistyped)
        assert refused.exit_code == ExitCode.REFUSED
        resumed = resume(None, own, {}, right)
        assert (resumed.run_id, resumed.exit_code, statuses(resumed)) == (refused.run_id, 0, Counter(succeeded=20))
        changed = msgspec.structs.replace(own, only_changed=True)
        assert statuses(run(str(source), changed, world(sandbox, tmp_path))) == Counter(skipped=20)


def test_an_unfinished_run_of_an_older_journal_is_in_the_way_of_a_new_one(tmp_path: Path) -> None:
    """Its identity did not name the credentials. A second run would send the same rows again."""
    with EmbeddedSandbox() as sandbox:
        half_a_run(sandbox, tmp_path)
        with sqlite3.connect(tmp_path / "reports" / "journal.db") as old:
            name = f" · {sandbox.username}"
            old.execute("UPDATE runs SET identity = replace(identity, ?, '')", (name,))
            old.execute("ALTER TABLE runs DROP COLUMN edits")
            old.execute("UPDATE meta SET schema_version = 3")
        old.close()
        with pytest.raises(Busy):
            run(str(tmp_path / "rows.csv"), settings(sandbox, tmp_path / "reports"), world(sandbox, tmp_path))


def test_resume_without_any_run_is_a_usage_error(tmp_path: Path) -> None:
    with EmbeddedSandbox() as sandbox, pytest.raises(SettingsError, match="no run"):
        resume(None, settings(sandbox, tmp_path / "reports"), {}, world(sandbox, tmp_path))


def test_a_byte_that_changed_in_the_source_ends_with_9_and_nothing_is_sent(tmp_path: Path) -> None:
    with EmbeddedSandbox() as sandbox:
        half_a_run(sandbox, tmp_path)
        sent = len(sandbox.state.requests)
        source = tmp_path / "rows.csv"
        content = source.read_bytes()
        source.write_bytes(content.replace(b"colour 40", b"colour 41", 1))
        with pytest.raises(SourceChanged) as caught:
            resume(None, settings(sandbox, tmp_path / "reports"), {}, world(sandbox, tmp_path))
        assert caught.value.exit_code == ExitCode.CHANGED
        assert len(sandbox.state.requests) == sent
        # Only the content counts: the same bytes under a new date are the same source.
        source.write_bytes(content)
        os.utime(source, (1, 1))
        assert resume(None, settings(sandbox, tmp_path / "reports"), {}, world(sandbox, tmp_path)).exit_code == 0


def test_run_on_an_unfinished_run_says_to_resume_and_restart_starts_a_new_one(tmp_path: Path) -> None:
    with EmbeddedSandbox() as sandbox:
        half = half_a_run(sandbox, tmp_path)
        source = str(tmp_path / "rows.csv")
        with pytest.raises(Busy, match=half.run_id) as caught:
            run(source, settings(sandbox, tmp_path / "reports"), world(sandbox, tmp_path))
        assert f"importer resume {half.run_id} --reports-dir {tmp_path / 'reports'}`" in caught.value.advice
        newer = run(source, settings(sandbox, tmp_path / "reports", restart=True), world(sandbox, tmp_path))
        assert newer.run_id != half.run_id
        assert statuses(newer) == Counter(succeeded=HALVED)
        # The run given up is not the one that `resume` means any more.
        again = resume(None, settings(sandbox, tmp_path / "reports"), {}, world(sandbox, tmp_path))
        assert again.run_id == newer.run_id


def test_retry_sends_only_what_is_open_even_when_it_is_killed_itself(tmp_path: Path) -> None:
    """Rows that succeeded are `skipped` in the new run, also after the new run was interrupted and resumed."""
    names = {row: f"code-1012-x1+{row}" for row in range(11, 58)}
    with EmbeddedSandbox() as sandbox:
        source = sheet(tmp_path / "rows.csv", 60, magic=names)
        reports = tmp_path / "reports"
        first = run(str(source), settings(sandbox, reports), world(sandbox, tmp_path))
        assert statuses(first)["failed"] == len(names)
        accepted = accepted_rows(sandbox.state)
        half = retry(first.run_id, settings(sandbox, reports), {}, stopped_after(15, sandbox, tmp_path))
        assert half.exit_code == ExitCode.INTERRUPTED
        whole = resume(None, settings(sandbox, reports), {}, world(sandbox, tmp_path))
        assert (whole.run_id, whole.rows.skipped) == (half.run_id, 60 - len(names))
        assert whole.rows.succeeded == len(names)
        again = accepted_rows(sandbox.state) - accepted
        assert set(again) == {f"colour {row}" for row in names}


def test_a_resumed_run_accepts_another_rate_and_reports_folder(tmp_path: Path) -> None:
    """The run keeps its settings except pace and stop, and writes its reports where it was found."""
    with EmbeddedSandbox() as sandbox:
        half = half_a_run(sandbox, tmp_path)
        (tmp_path / "reports").rename(tmp_path / "moved")
        given = {"concurrency": 1, "batch_size": 60}
        whole = resume(half.run_id, settings(sandbox, tmp_path / "moved"), given, world(sandbox, tmp_path))
        assert whole.exit_code == 0
        assert max(request.size for request in sandbox.state.requests) == 10
        assert (tmp_path / "moved" / half.run_id / "results.csv").exists()
        assert not (tmp_path / "reports").exists()


def test_listing_a_run_does_not_change_it(tmp_path: Path) -> None:
    """`report` of an unfinished run does not change it, and shows its end as it was."""
    with EmbeddedSandbox() as sandbox:
        half = half_a_run(sandbox, tmp_path)
        with Journal.open(tmp_path / "reports") as journal:
            before = journal.runs()
        looked = report(None, settings(sandbox, tmp_path / "reports"), world(sandbox, tmp_path))
        assert (looked.rows, looked.exit_code) == (half.rows, half.exit_code)
        with Journal.open(tmp_path / "reports") as journal:
            assert journal.runs() == before


def test_a_file_that_is_already_imported_is_reported_at_the_start(tmp_path: Path) -> None:
    """Recognised by content, with any name. It is sent again."""
    with EmbeddedSandbox() as sandbox:
        source = sheet(tmp_path / "rows.csv", 20)
        first = run(str(source), settings(sandbox, tmp_path / "reports"), world(sandbox, tmp_path))
        source.rename(tmp_path / "other.csv")
        watched = world(sandbox, tmp_path)
        second = run(str(tmp_path / "other.csv"), settings(sandbox, tmp_path / "reports"), watched)
        assert isinstance(watched.observer, Listener)
        assert first.run_id in watched.observer.said[0]
        assert any(first.run_id in note for note in second.notes)
        assert second.rows.succeeded == 20


# ---------------------------------------------------------------------------------------------------- locks


@pytest.mark.process
def test_of_two_processes_on_one_file_the_second_ends_with_11(tmp_path: Path) -> None:
    """The other reports the first one's process, host and start time; no row is sent twice."""
    lost = threading.Event()
    with EmbeddedSandbox() as sandbox:
        # No request is answered before one of the processes has given up.
        sandbox.state.next_latency = lambda: 0.0 * lost.wait(100)  # type: ignore[method-assign]
        program = Program(tmp_path, sandbox)
        sheet(tmp_path / "rows.csv", 60)
        words = ("rows.csv", "--base-url", sandbox.base_url, "--batch-size", "10", "--concurrency", "1")
        both = [program.start("run", *words) for _ in range(2)]
        waits_until(lambda: any(process.poll() is not None for process in both))
        lost.set()
        printed = [process.communicate(timeout=250) for process in both]
        codes = [process.returncode for process in both]
        assert sorted(codes) == [0, 11], printed
        winner, loser = both[codes.index(0)], printed[codes.index(11)][1]
        found = re.search(r"Process (\d+) on (\S+) \(since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC[\d:+-]*\)", loser)
        assert found is not None, loser
        assert (int(found[1]), found[2]) == (winner.pid, socket.gethostname())
        assert len(sandbox.state.requests) == 6


def test_a_run_that_another_process_uses_is_not_resumed(tmp_path: Path) -> None:
    with EmbeddedSandbox() as sandbox:
        half_a_run(sandbox, tmp_path)
        with open_source(tmp_path / "rows.csv") as source:
            identity = identity_of(source, (sandbox.base_url, sandbox.username), False)
        sent = len(sandbox.state.requests)
        with Lock(tmp_path / "reports" / ".locks", identity), pytest.raises(Busy) as caught:
            resume(None, settings(sandbox, tmp_path / "reports"), {}, world(sandbox, tmp_path))
        assert caught.value.exit_code == ExitCode.BUSY
        assert f"Process {os.getpid()} on {socket.gethostname()}" in caught.value.message
        assert len(sandbox.state.requests) == sent


@pytest.mark.process
def test_the_lock_of_a_dead_process_is_free(tmp_path: Path) -> None:
    """The kernel frees it: after kill -9 nothing has to be removed."""
    text = "import os, sys\nfrom pathlib import Path\nfrom importer.runs.locks import Lock\n"
    text += "Lock(Path(sys.argv[1]), 'work').__enter__()\nprint(flush=True)\nos.kill(os.getpid(), 9)"
    process = subprocess.run([sys.executable, "-c", text, str(tmp_path)], capture_output=True)
    assert (process.returncode, process.stdout) == (-9, b"\n")
    with Lock(tmp_path, "work"):
        pass


# ---------------------------------------------------------------------------------------------------- standard input


@pytest.mark.process
def test_standard_input_is_private_and_kept_until_its_run_is_complete(tmp_path: Path) -> None:
    """A killed run can be resumed; a finished one leaves no copy behind."""
    with EmbeddedSandbox(SandboxOptions(latency=(0.2,))) as sandbox:
        program = Program(tmp_path, sandbox)
        content = sheet(tmp_path / "rows.csv", 100).read_bytes()
        (tmp_path / "rows.csv").unlink()
        words = ("--base-url", sandbox.base_url, "--batch-size", "10")
        code, _, err = program.run("run", "-", *words, "--max-duration", "0.12s", stdin=content)
        assert code == ExitCode.TIME, err
        (kept,) = (tmp_path / "reports" / ".spool").iterdir()
        assert kept.stat().st_mode & 0o777 == 0o600
        assert kept.parent.stat().st_mode & 0o777 == 0o700
        assert hashlib.sha256(kept.read_bytes()).digest() == hashlib.sha256(content).digest()
        code, _, err = program.run("run", "-", *words, stdin=content)
        assert code == ExitCode.BUSY, err
        # A run of the same rows that cannot begin leaves the copy of the first.
        code, _, err = program.run("run", "-", *words, "--mapping", "missing.toml", stdin=content)
        assert code in (ExitCode.SETTINGS, ExitCode.SOURCE), err
        code, out, err = program.run("resume", "--json", "--max-duration", "1h")
        assert (code, json.loads(out)["rows"]["succeeded"]) == (0, 100), err
        assert not list(kept.parent.iterdir())
        code, out, err = program.run("report", "--json")
        assert (code, json.loads(out)["rows"]["succeeded"]) == (0, 100), err


@pytest.mark.process
def test_standard_input_without_a_run_is_not_kept(tmp_path: Path) -> None:
    with EmbeddedSandbox() as sandbox:
        program = Program(tmp_path, sandbox)
        content = b"shoe size\n43\n"
        assert program.run("run", "-", "--base-url", sandbox.base_url, stdin=content)[0] == ExitCode.SOURCE
        assert program.run("check", "-", stdin=content)[0] == ExitCode.SOURCE
        assert not list((tmp_path / "reports" / ".spool").iterdir())


@pytest.mark.process
def test_an_interrupted_copy_of_standard_input_is_removed(tmp_path: Path) -> None:
    """Nothing was sent yet, and the copy holds customers."""
    with EmbeddedSandbox() as sandbox:
        program = Program(tmp_path, sandbox)
        process = program.start("run", "-", "--base-url", sandbox.base_url, stdin=subprocess.PIPE)
        spool = tmp_path / "reports" / ".spool"
        program.kill_once(process, lambda: spool.is_dir() and any(spool.iterdir()), signal.SIGINT)
        assert process.returncode == ExitCode.INTERRUPTED
        assert not list(spool.iterdir())
        assert not sandbox.state.requests


class AsksAtTheEnd(Listener):
    """Ask the run to stop after its sending, like Ctrl-C while the reports are written."""

    def __init__(self, stopper: Stopper) -> None:
        super().__init__()
        self._stopper = stopper

    def end(self) -> None:
        assert self._stopper.ask()


def test_a_stop_while_reports_are_written_does_not_lose_them(tmp_path: Path) -> None:
    """The event loop is closed by then, and the run does not end with an internal error."""
    with EmbeddedSandbox() as sandbox:
        stopper = Stopper()
        asked = world(sandbox, tmp_path, observer=AsksAtTheEnd(stopper), stopper=stopper)
        done = run(str(sheet(tmp_path / "rows.csv", 20)), settings(sandbox, tmp_path / "reports"), asked)
        assert (done.exit_code, done.rows.succeeded) == (0, 20)
