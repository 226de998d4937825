"""The process that parses workbooks: it is bounded, gets no secret, and ends with its source."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import openpyxl
import pytest

from importer.errors import SourceError
from importer.reader import SourceOptions, open_source
from importer.reader.workbook import WorkbookSource


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """More rows than the pipe between the processes holds."""
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("Data")
    sheet.append(["mobile", "brand"])
    for number in range(20_000):
        sheet.append([str(917700000000 + number), "nike" * 10])
    file = tmp_path / "a.xlsx"
    book.save(file)
    return file


def _child(source: object) -> int:
    assert isinstance(source, WorkbookSource)
    assert source._ahead is not None
    return source._ahead[0]._process.pid


def _is_gone(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.slow
def test_it_ends_with_its_source(large: Path) -> None:
    """Closed, or only forgotten: no process is left behind."""
    with open_source(large) as source:
        closed = _child(source)
    assert _is_gone(closed)
    forgotten = open_source(large)
    process = _child(forgotten)
    del forgotten, source
    gc.collect()
    assert _is_gone(process)


@pytest.mark.process
def test_a_killed_child_is_an_error_and_not_the_end_of_the_sheet(large: Path) -> None:
    """Half of the rows is not all of them: an early end of the child is reported."""
    with open_source(large) as source:
        os.kill(_child(source), signal.SIGKILL)
        with pytest.raises(SourceError, match=r"a\.xlsx cannot be parsed"):
            for _ in source.blocks():
                pass


READER = """
import sys, time
from importer.reader import open_source
source = open_source(sys.argv[1])
print(source._ahead[0]._process.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.process
def test_it_ends_with_its_parent(large: Path) -> None:
    """Also when that is killed, and while it waits with its rows."""
    with subprocess.Popen([sys.executable, "-c", READER, str(large)], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert not _is_gone(child)
        parent.kill()
    for _ in range(20_000):
        if _is_gone(child) or _is_zombie(child):
            return
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    pytest.fail("the child lives on")


BUSY = """
from importer.system.process import end_with_parent
end_with_parent(0)
print("begun", flush=True)
while True:
    pass
"""


@pytest.mark.process
def test_it_ends_with_its_parent_while_it_computes(large: Path) -> None:
    """Whoever held the other end of its pipe is gone. The real child does so too."""
    command = [sys.executable, "-c", BUSY]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None and child.stdout is not None and child.stdout.readline()
        child.stdin.close()
        try:
            assert child.wait(250) < 0
        finally:
            child.kill()
    with open_source(large) as source:
        flags = Path(f"/proc/{_child(source)}/fdinfo/0").read_text().split("flags:")[1].split()[0]
    assert int(flags, 8) & os.O_ASYNC


def _is_zombie(process: int) -> bool:
    """Whether it ended, but its new parent has not asked for its status yet."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.process
def test_a_child_that_hangs_is_given_up(large: Path) -> None:
    """By the clock: one that waits takes no CPU time."""
    with open_source(large) as source:
        assert isinstance(source, WorkbookSource) and source._ahead is not None
        os.kill(_child(source), signal.SIGSTOP)
        source._ahead[0]._patience = 0.2
        with pytest.raises(SourceError, match=r"a\.xlsx cannot be parsed"):
            for _ in source.blocks():
                pass


@pytest.mark.slow
def test_rows_can_be_left_unread(large: Path) -> None:
    """Looking at the first block only, and then at all of them."""
    with open_source(large) as source:
        first = next(source.blocks(10))
        assert first.row_numbers == list(range(2, 12))
        assert sum(len(block) for block in source.blocks()) == 20_000


@pytest.mark.process
def test_it_gets_no_secret(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither in its environment nor on its command line."""
    monkeypatch.setenv("IMPORTER_PASSWORD", "canary-4711")
    with open_source(large, SourceOptions(password="canary-4712")) as source:
        seen = b"".join(Path(f"/proc/{_child(source)}/{name}").read_bytes() for name in ("environ", "cmdline"))
    assert b"workbook_child" in seen
    assert b"canary" not in seen


@pytest.mark.process
def test_its_memory_is_bounded(large: Path) -> None:
    """By the system, whatever its parser does."""
    with open_source(large) as source:
        limits = Path(f"/proc/{_child(source)}/limits").read_text()
    bound = next(line for line in limits.splitlines() if line.startswith("Max address space"))
    assert int(bound.split()[3]) <= 1 << 30
