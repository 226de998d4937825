"""A disk that is really full: the run stops with 7, and goes on once there is room."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from importer.errors import ExitCode
from importer.sandbox import EmbeddedSandbox
from tests.journal.kit import Program, results, sheet, violations

ROWS = 3000


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    place = tmp_path / "reports"
    place.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", place], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()[-100:]}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def test_a_full_disk_ends_the_run_with_7_and_it_goes_on_when_there_is_room(small_disk: Path, tmp_path: Path) -> None:
    """No row is lost, and the words say what to do."""
    with EmbeddedSandbox() as sandbox:
        program = Program(tmp_path, sandbox)
        sheet(tmp_path / "rows.csv", ROWS, shared=True)
        words = ("rows.csv", "--base-url", sandbox.base_url, "--batch-size", "10")
        code, _, err = program.run("run", *words)
        assert code == ExitCode.JOURNAL, err
        assert "full" in err or "No space" in err
        assert "importer resume" in err
        sent = len(sandbox.state.requests)
        assert 0 < sent < ROWS // 10
        # Still full: nothing is sent that cannot be written down.
        code, _, err = program.run("resume")
        assert code == ExitCode.JOURNAL, err
        assert len(sandbox.state.requests) <= sent + 8 + 4
        subprocess.run(["mount", "-o", "remount,size=64m", small_disk], check=True)
        code, out, err = program.run("resume", "--json")
        assert (code, json.loads(out)["rows"]["succeeded"]) == (0, ROWS), err
        rows = results(small_disk, json.loads(out)["run_id"])
        assert violations(sandbox.state, rows, ROWS, small_disk) == []
