"""The power is cut at any moment: what the journal has acknowledged is there afterwards.

The harness is run with synchronous=NORMAL too, where it must find losses: else it would prove nothing.
"""

from __future__ import annotations

import contextlib
import random
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from importer.errors import JournalError
from importer.journal import Journal
from tests.crash.writer import ROWS

pytestmark = [pytest.mark.process, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
CUTS = 16


class Disk:
    """The forgetful file system, mounted."""

    def __init__(self, mount: Path) -> None:
        self.mount = mount
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.forgetful", str(mount)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        while not mount.is_mount():
            if self._process.poll() is not None:
                printed = self._process.communicate()[1].strip().splitlines()
                pytest.skip(f"there is no FUSE here: {printed[-1][-160:] if printed else 'it cannot be mounted'}")

    def cut(self, folder: Path, seed: int) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(f"cut {folder} {seed}\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "done\n"

    def end(self) -> None:
        tool = shutil.which("fusermount3") or shutil.which("fusermount")
        subprocess.run([tool, "-u", "-z", self.mount] if tool else ["umount", "-l", self.mount], check=False)
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    pytest.importorskip("mfusepy", reason="mfusepy or libfuse is missing", exc_type=(ImportError, OSError))  # type: ignore[arg-type]
    mount = tmp_path / "disk"
    mount.mkdir()
    found = Disk(mount)
    try:
        yield found
    finally:
        found.end()


def lost_in_cuts(disk: Disk, folder: Path, synchronous: str) -> list[tuple[int, int]]:
    """(acknowledged rows that were missing, acknowledged rows) at each cut."""
    writer = subprocess.Popen(
        [sys.executable, "-m", "tests.crash.writer", str(disk.mount), synchronous],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert writer.stdout is not None
    acknowledged = -1
    more = threading.Condition()

    def listen() -> None:
        nonlocal acknowledged
        assert writer.stdout is not None
        for line in writer.stdout:
            with more:
                acknowledged = int(line)
                more.notify()

    listener = threading.Thread(target=listen)
    listener.start()
    chance = random.Random(5)
    lost = []
    try:
        wanted = 0
        for number in range(CUTS):
            with more:
                assert more.wait_for(lambda wanted=wanted: acknowledged >= wanted, 250), "no progress"  # type: ignore[misc]
            # Between two acknowledgements as well: the writer does not wait for the cut.
            place = folder / f"{synchronous}-{number}"
            place.mkdir()
            known = acknowledged
            disk.cut(place, 0 if number % 2 else 1 + number)
            lost.append((known * ROWS - _succeeded(place, known), known * ROWS))
            # Some cuts soon after each other, some with a checkpoint between.
            wanted = acknowledged + chance.choice((1, 2, 5, 60))
    finally:
        writer.kill()
        listener.join()
        writer.stdout.close()
        writer.wait()
    return lost


def _succeeded(place: Path, known: int) -> int:
    with Journal.open(place) as journal:
        runs = journal.runs()
        found = journal.decided(runs[0].key) if runs else bytearray()
    return sum(found[: known * ROWS + ROWS])


def print_losses(synchronous: str, lost: list[tuple[int, int]], capsys: pytest.CaptureFixture[str]) -> None:
    missing, known = (sum(numbers) for numbers in zip(*lost, strict=True))
    with capsys.disabled():
        print(f"\nsynchronous={synchronous}: {missing:,} of {known:,} acknowledged rows lost in {len(lost)} power cuts")


def test_no_acknowledged_outcome_is_lost_when_the_power_is_cut(
    disk: Disk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The journal opens after every cut, and every row that was acknowledged is there."""
    lost = lost_in_cuts(disk, tmp_path, "FULL")
    print_losses("FULL", lost, capsys)
    assert [missing for missing, _ in lost] == [0] * CUTS


def test_the_same_harness_finds_the_losses_of_synchronous_normal(
    disk: Disk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with contextlib.suppress(JournalError):  # to lose the whole journal is a loss, too
        lost = lost_in_cuts(disk, tmp_path, "NORMAL")
        print_losses("NORMAL", lost, capsys)
        assert sum(missing for missing, _ in lost) > 0
