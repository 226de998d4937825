"""The journal in PostgreSQL, where several machines can use it: the same runs, the same locks."""

from __future__ import annotations

import datetime
import json
import os
import re
import socket
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from importer.errors import Busy, ExitCode, JournalError
from importer.journal import Journal
from importer.pipeline import resume, run
from importer.runs.locks import hold
from importer.sandbox import EmbeddedSandbox, SandboxOptions
from importer.sandbox.faults import parse_script
from tests.support.nightly import House
from tests.support.nightly import sheet as nightly_sheet
from tests.support.runs import Program, results, settings, sheet, statuses, world

pytestmark = pytest.mark.process  # its server


@pytest.mark.slow
def test_a_run_killed_on_one_machine_is_resumed_from_the_database(database: str, tmp_path: Path) -> None:
    """Only the database and the source are needed; there is no journal in the folder of the reports."""
    # From the sixth on it says nothing: the run cannot come to its end before it is killed.
    with EmbeddedSandbox(SandboxOptions(latency=(0.03,), faults=("6-:hang-after",))) as sandbox:
        program = Program(tmp_path, sandbox)
        sheet(tmp_path / "rows.csv", 150, shared=True)
        words = ("--base-url", sandbox.base_url, "--batch-size", "10", "--database", database)
        process = program.start("run", "rows.csv", *words)
        program.kill_once(process, lambda: len(sandbox.state.requests) >= 6)
        sandbox.state.faults = ()
        code, out, err = program.run("resume", "--json", "--database", database, "--reports-dir", "elsewhere")
        assert (code, json.loads(out)["rows"]["succeeded"]) == (0, 150), err
        assert not list(tmp_path.glob("*/journal.db*"))
        with Journal.open(tmp_path, database) as journal:
            (run,) = journal.runs()
            answered = len(list(journal.attempts(run.key)))
        again = Counter(request.body_sha256 for request in sandbox.state.requests)
        assert sum(count > 1 for count in again.values()) <= len(sandbox.state.requests) - answered
        rows = results(tmp_path / "elsewhere", run.record.run_id)
        assert [row["_status"] for row in rows] == ["succeeded"] * 150


def test_nightly_loads_of_one_profile_on_two_machines(database: str, tmp_path: Path) -> None:
    """One at a time on any machine; a file that one imported is not imported again by another."""
    with EmbeddedSandbox() as sandbox:
        houses = []
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            houses.append(House(tmp_path / name, sandbox.base_url, database=database, settle="1s"))
        one, two = houses
        (one.inbox / "a.csv").write_text(nightly_sheet(0))
        (two.inbox / "b.csv").write_text(nightly_sheet(0))
        refused: list[Busy] = []

        def meanwhile() -> None:
            with pytest.raises(Busy) as error:
                two.look()
            refused.append(error.value)

        one.clock.meanwhile = meanwhile
        assert [file.what for file in one.look().files] == ["imported"]
        assert f"Process {os.getpid()}" in refused[0].message
        assert [file.what for file in two.look().files] == ["repeated"]
        assert len(sandbox.state.accepted) == 30


def test_several_machines_make_the_tables_of_an_empty_database(database: str, tmp_path: Path) -> None:
    """At the same moment: one makes them, and the others wait."""

    def opened(_: int) -> None:
        Journal.open(tmp_path, database).close()

    with ThreadPoolExecutor(8) as machines:
        list(machines.map(opened, range(8)))


def test_a_file_that_another_machine_has_begun_is_continued(database: str, tmp_path: Path) -> None:
    """The file stays in the inbox until its run has ended. A machine that finds it there continues the run with its own
    copy; the first one then has nothing to do."""
    with EmbeddedSandbox() as sandbox:
        houses = []
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            houses.append(House(tmp_path / name, sandbox.base_url, database=database, settle="0s", until="06:00"))
        one, two = houses
        two.settings["inbox"] = str(one.inbox)
        (one.inbox / "a.csv").write_text(nightly_sheet(0))
        sandbox.state.faults = parse_script(["2-:503"])
        day = datetime.date(2026, 11, 28)
        assert one.look(day, "05:58:59.7").exit_code == ExitCode.TIME
        sandbox.state.faults = ()
        sent = len(sandbox.state.accepted)
        assert 0 < sent < 30
        found = two.look(day, "23:30")
        assert [(file.what, file.moved_to) for file in found.files] == [("resumed", "done/a.csv")]
        assert [file.what for file in one.look(day, "23:40").files] == ["repeated"]
        assert len(sandbox.state.accepted) == 30
        with Journal.open(tmp_path, database) as journal:
            assert len(journal.runs()) == 1


def test_the_lock_in_the_database_names_who_holds_it_and_ends_with_its_process(database: str, tmp_path: Path) -> None:
    """Two processes, possibly on two machines: the second one reports the first."""
    text = "import sys\nfrom pathlib import Path\nfrom importer.journal import Journal\n"
    text += "from importer.runs.locks import hold\n"
    text += "hold(Journal.open(Path(), sys.argv[1]), Path(), 'work').__enter__()\nprint(flush=True)\nsys.stdin.read()"
    other = subprocess.Popen(
        [sys.executable, "-c", text, database], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    other.stdout.readline()
    with Journal.open(tmp_path, database) as journal:
        with pytest.raises(Busy) as caught, hold(journal, tmp_path, "work"):
            pass
        assert caught.value.exit_code == ExitCode.BUSY
        found = re.search(
            r"Process (\d+) on (\S+) \(since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC[\d:+-]*\)", caught.value.message
        )
        assert found is not None, caught.value.message
        assert (int(found[1]), found[2]) == (other.pid, socket.gethostname())
        with hold(journal, tmp_path, "other work"):
            pass
        other.kill()
        other.communicate()
        for _ in range(2):
            with hold(journal, tmp_path, "work"):
                pass


def test_a_whole_run_and_resume_of_a_finished_one(database: str, tmp_path: Path) -> None:
    with EmbeddedSandbox() as sandbox:
        source = sheet(tmp_path / "rows.csv", 40, magic={5: "code-1012", 9: "omit"}, invalid=[8])
        own = settings(sandbox, tmp_path / "reports", database=database)
        done = run(str(source), own, world(sandbox, tmp_path))
        assert statuses(done) == Counter(succeeded=37, failed=1, rejected=1, unknown=1)
        again = resume(None, own, {}, world(sandbox, tmp_path))
        assert (again.exit_code, again.rows) == (ExitCode.ROWS, done.rows)


def test_an_unreachable_database_is_a_failed_journal(tmp_path: Path) -> None:
    with pytest.raises(JournalError) as caught:
        Journal.open(tmp_path, f"postgresql:///postgres?host={tmp_path}")
    assert caught.value.exit_code == ExitCode.JOURNAL
