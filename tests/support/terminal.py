"""The whole program as typed on a command line, in this process or another, in its own folder."""

from __future__ import annotations

import csv
import functools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import openpyxl
import pytest

from importer.cli import sending
from importer.cli.main import main
from importer.sandbox import EmbeddedSandbox
from importer.world import World
from tests.support.runs import SkippingClock, clock_by_requests

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "samples"
EXPECTED = ROOT / "tests" / "whole" / "expected"
#: Requests cost no time in these tests: nothing here is about the pace.
FAST = "1000/second"
#: What differs from run to run, as columns of results and as keys of the summary.
STAMPS = ("_request_id", "_at")


class Ended(msgspec.Struct, frozen=True):
    """What a command left behind on its two streams, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """stdout as the one document it is."""
        return json.loads(self.out)


class Terminal:
    """A folder and an environment to type commands in. `type` runs them in this process, `start` in another one.

    In this process a back-off waits the shortest time that jitter can give it: none.
    """

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self._capture = capture
        self._patch = patch
        patch.chdir(folder)
        patch.setenv("HOME", str(folder / "home"))
        patch.delenv("XDG_STATE_HOME", raising=False)
        patch.setenv("IMPORTER_RATE", FAST)
        self._world()

    def setenv(self, **variables: str) -> None:
        for name, value in variables.items():
            self._patch.setenv(name, value)

    def credentials(self, sandbox: EmbeddedSandbox) -> None:
        self.setenv(IMPORTER_USERNAME=sandbox.username, IMPORTER_PASSWORD=sandbox.password)

    def clock_by_requests(self, sandbox: EmbeddedSandbox, seconds: float) -> None:
        """In this process each request takes so many seconds by the clock of a run."""
        clock, sleep = clock_by_requests(sandbox, seconds)
        self._world(clock=clock, sleep=sleep)

    def skip_waits(self) -> None:
        """In this process no run waits: its clock is set forward."""
        clock = SkippingClock()
        self._world(clock=clock, sleep=clock.sleep)

    def clock(self, clock: Callable[[], float]) -> None:
        """In this process runs go by this clock."""
        self._world(clock=clock)

    def _world(self, **given: Any) -> None:
        self._patch.setattr(sending, "World", functools.partial(World, jitter=lambda: 0.0, **given))

    def type(self, *words: str | Path) -> Ended:
        self._capture.readouterr()
        before = os.umask(0o022)
        try:
            with pytest.raises(SystemExit) as ended:
                main([str(word) for word in words])
        finally:
            os.umask(before)
        out, err = self._capture.readouterr()
        code = ended.value.code
        return Ended(code if isinstance(code, int) else 0, out, err)

    def start(self, *words: str | Path, stdin: bytes | None = None, **environ: str) -> Ended:
        done = subprocess.run(
            [sys.executable, "-m", "importer", *map(str, words)],
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            env=os.environ | environ,
            timeout=250,
            check=False,
        )
        return Ended(done.returncode, done.stdout.decode(), done.stderr.decode())

    def runs(self) -> list[Path]:
        """The run folders of `reports`, in the order of their names."""
        return sorted(path for path in (self.folder / "reports").iterdir() if path.is_dir() and path.name[0] != ".")

    def run_folder(self) -> Path:
        """The only one there is."""
        (folder,) = self.runs()
        return folder


def table(path: Path) -> list[dict[str, str]]:
    """A CSV report by column name."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def without_stamps(rows: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    return [{name: cell for name, cell in row.items() if name not in STAMPS} for row in rows]


def workbook_rows(path: Path) -> list[dict[str, str]]:
    """A report that is a workbook: its first sheet by column name, all of it text."""
    book = openpyxl.load_workbook(path)
    header, *rows = book.worksheets[0].iter_rows(values_only=True)
    return [
        {str(name or ""): "" if cell is None else str(cell) for name, cell in zip(header, row, strict=True)}
        for row in rows
    ]


def stable(summary: Any) -> Any:
    """`summary.json` without what differs from run to run: ids, places, times, and how the requests fell out."""
    kept = {name: summary[name] for name in ("exit_code", "rows", "codes", "causes", "repairs", "notes")}
    kept["source"] = {"sha256": summary["source"]["sha256"], "sheets": summary["source"]["sheets"]}
    kept["reports"] = sorted(summary["reports"])
    return kept


def write_csv(path: Path, *rows: Sequence[str]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    return path
