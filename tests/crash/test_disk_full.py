"""A full disk: the run stops with 7, and can be resumed once there is room."""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from importer.errors import ExitCode, JournalError
from importer.observer import Observer
from importer.pipeline import run
from importer.sandbox import EmbeddedSandbox
from tests.support.runs import Program, results, settings, sheet, violations, world
from tests.support.small_disk import make_room, mounted

pytestmark = [pytest.mark.process, pytest.mark.slow]

ROWS = 1500
#: Of the 2 MB. The journal of ROWS needs several times more, however few commits it makes of them: if all of the eight
#: batches that are in flight at a time shared each commit, there would be 94, of 12 kB or more.
ROOM = 300_000


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with mounted(tmp_path / "reports", "2m") as place:
        yield place


def fill(disk: Path, leave: int = 0) -> None:
    """Something else takes the room on the disk."""
    room = os.statvfs(disk)
    with (disk / "something else").open("wb", buffering=0) as file:
        try:
            file.write(bytes(room.f_bavail * room.f_frsize - leave))
            while not leave:
                file.write(bytes(room.f_frsize))
        except OSError as error:
            assert error.errno == errno.ENOSPC


def test_a_full_disk_ends_the_run_with_7_and_it_can_be_resumed_when_there_is_room(
    small_disk: Path, tmp_path: Path
) -> None:
    """No row is lost, and the message says what to do."""
    fill(small_disk, leave=ROOM)
    with EmbeddedSandbox() as sandbox:
        program = Program(tmp_path, sandbox)
        sheet(tmp_path / "rows.csv", ROWS, shared=True)
        words = ("rows.csv", "--base-url", sandbox.base_url, "--batch-size", "2")
        code, _, err = program.run("run", *words)
        assert code == ExitCode.JOURNAL, err
        assert "The journal" in err
        assert "full" in err or "No space" in err
        assert "importer resume" in err
        sent = len(sandbox.state.requests)
        assert 0 < sent < ROWS // 2
        # Still full: nothing is sent that cannot be written down.
        code, _, err = program.run("resume")
        assert code == ExitCode.JOURNAL, err
        assert len(sandbox.state.requests) <= sent + 8 + 4
        make_room(small_disk)
        code, out, err = program.run("resume", "--json")
        assert (code, json.loads(out)["rows"]["succeeded"]) == (0, ROWS), err
        rows = results(small_disk, json.loads(out)["run_id"])
        assert violations(sandbox.state, rows, ROWS, small_disk) == []


class FullAtTheEnd(Observer):
    """When the last row has its outcome, the disk is full."""

    def __init__(self, disk: Path) -> None:
        self._disk = disk

    def end(self) -> None:
        fill(self._disk)


def test_a_disk_that_is_full_when_the_reports_are_written(small_disk: Path, tmp_path: Path) -> None:
    """All was sent and is in the journal: 7, no half report, and the command that the words name writes them."""
    with EmbeddedSandbox() as sandbox:
        program = Program(tmp_path, sandbox)
        path = sheet(tmp_path / "rows.csv", 300, shared=True)
        there = msgspec.structs.replace(world(sandbox, tmp_path / "home"), observer=FullAtTheEnd(small_disk))
        with pytest.raises(JournalError, match=r"The reports cannot be written.*No row is lost") as caught:
            run(str(path), settings(sandbox, small_disk), there)
        named = re.search(r"`importer (resume [^`]+)`", caught.value.advice)
        assert caught.value.exit_code == ExitCode.JOURNAL
        assert named is not None
        sent = len(sandbox.state.requests)
        # Still full: the same again, from the shell.
        code, out, err = program.run(*named[1].split())
        assert (code, out) == (ExitCode.JOURNAL, "")
        assert named[0] in err
        assert [path.name for folder in small_disk.glob("2*") for path in folder.iterdir()] == []
        assert program.run("run", "rows.csv", "--base-url", sandbox.base_url)[0] == ExitCode.JOURNAL
        make_room(small_disk)
        # The run is not at its end: the file is not sent a second time.
        code, _, err = program.run("run", "rows.csv", "--base-url", sandbox.base_url)
        assert code == ExitCode.BUSY
        # In the folder of the reports, the command needs no more than the run.
        assert f"`importer {' '.join(named[1].split()[:2])}`" in err
        code, out, err = program.run(*named[1].split(), "--json")
        assert (code, json.loads(out)["rows"]["succeeded"]) == (0, 300), err
        assert len(sandbox.state.requests) == sent
        run_id = json.loads(out)["run_id"]
        assert violations(sandbox.state, results(small_disk, run_id), 300, small_disk) == []
        files = {path.name: path.read_bytes() for path in (small_disk / run_id).iterdir()}
        assert set(files) == {"results.csv", "summary.html", "summary.json"}
        # And now it is.
        code, out, err = program.run("resume", "--json")
        assert (code, len(sandbox.state.requests)) == (0, sent), err
        assert "is already finished" in err
        code, _, err = program.run("report", run_id)
        assert code == 0, err
        assert (small_disk / run_id / "results.csv").read_bytes() == files["results.csv"]
