"""Runs the importer, makes one of its system calls kill it or fail, resumes it, and checks the result.

strace injects the faults. It counts calls per thread, so it traces one thread only: the main thread, or the one that
writes the journal.
"""

from __future__ import annotations

import csv
import json
import os
import queue
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import msgspec
import pytest

from importer.chunker.schedule import PREPARED
from importer.model import RunSummary
from importer.sandbox import EmbeddedSandbox, SandboxOptions
from importer.system.streams import has_input
from tests.support.runs import FAST, environment, violations

Thread = Literal["main", "journal"]
#: What must not be the last thing a process does: everything that leaves it, or changes a file.
CALLS = (
    "write",
    "pwrite64",
    "fsync",
    "fdatasync",
    "sendto",
    "recvfrom",
    "rename",
    "link",
    "unlink",
    "unlinkat",
    "ftruncate",
    "connect",
)
ROWS = 12
BATCH = 4
CONCURRENCY = 2
#: The rows as the sheet has them, and the result of each in the end.
EXPECTED = Counter(succeeded=10, failed=1, rejected=1)

STRACE = shutil.which("strace")


def cannot_trace() -> str:
    """Why there can be no such test on this machine, "" where there can."""
    if STRACE is None:
        return "strace is not installed"
    done = subprocess.run([STRACE, "-o", "/dev/null", "true"], capture_output=True, text=True)
    return f"strace may not trace here: {done.stderr.strip()[-100:]}" if done.returncode else ""


class Point(msgspec.Struct, frozen=True):
    """A place in the run: the n-th call of this name by this thread. `action` is what strace does there."""

    thread: Thread
    call: str
    number: int
    action: str = "signal=SIGKILL"

    def __str__(self) -> str:
        return f"{self.action} at {self.call} {self.number} of the {self.thread} thread"


class Zygote:
    """See `zygote.py`. One command at a time."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.zygote"],
            cwd=Path(__file__).parents[2],
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(100)

    def run(
        self, case: Case, words: list[str], thread: Thread | None = None, strace: list[str] | None = None
    ) -> tuple[int, str]:
        """(exit code or minus the signal, what it printed)."""
        pid = self.start(case, words, thread)
        tracer = self._attach(case.folder / "gate", pid, strace) if strace is not None else None
        ended = self.end(case)
        if tracer is not None:
            tracer.wait(100)
        return ended

    def start(self, case: Case, words: list[str], thread: Thread | None = None) -> int:
        assert self._process.stdin is not None and self._process.stdout is not None
        fifo = case.folder / "gate"
        if thread is not None:
            Path(f"{fifo}.tid").unlink(missing_ok=True)
            fifo.unlink(missing_ok=True)
            os.mkfifo(fifo)
        order: dict[str, Any] = {
            "words": words,
            "cwd": str(case.folder),
            "environ": case.environ,
            "output": str(case.folder / "output"),
            "gate": thread or "",
            "fifo": str(fifo),
        }
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        self.pid = int(self._process.stdout.readline())
        return self.pid

    def end(self, case: Case) -> tuple[int, str]:
        """When it has ended."""
        assert self._process.stdout is not None
        code = int(self._process.stdout.readline())
        return code, (case.folder / "output").read_text()

    def has_ended(self) -> bool:
        return has_input(self._process.stdout.fileno(), 0)

    def _attach(self, fifo: Path, pid: int, strace: list[str]) -> subprocess.Popen[bytes] | None:
        ready = Path(f"{fifo}.tid")
        until = time.monotonic() + 100
        while not ready.exists():
            if not Path(f"/proc/{pid}/exe").exists():
                return None  # it ended before it came to its gate
            assert time.monotonic() < until, "the importer did not come to its gate"
            time.sleep(0.001)
        tid = ready.read_text()
        assert STRACE is not None
        tracer = subprocess.Popen(
            [STRACE, "-q", "-p", tid, *strace], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        status = Path(f"/proc/{pid}/task/{tid}/status")
        while "TracerPid:\t0\n" in status.read_text():
            assert tracer.poll() is None and time.monotonic() < until, "strace could not attach"
            time.sleep(0.001)
        with fifo.open("wb"):
            return tracer


class Case:
    """A folder with a small sheet, and its own sandbox in this process, which no kill reaches."""

    def __init__(self, folder: Path, zygote: Zygote, options: SandboxOptions | None = None) -> None:
        self.folder = folder
        self._zygote = zygote
        self._options = options

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True)
        _sheet(self.folder / "rows.csv")
        self.sandbox = EmbeddedSandbox(self._options).__enter__()
        self.environ = {
            **environment(self.sandbox, self.folder / "home"),
            "PATH": os.environ["PATH"],
            "IMPORTER_RATE": FAST,
        }
        self.run_words = ["run", "rows.csv", "--base-url", self.sandbox.base_url, "--quiet"]
        self.run_words += ["--batch-size", str(BATCH), "--concurrency", str(CONCURRENCY)]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.sandbox.__exit__(None, None, None)
        if error is None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def count(self, thread: Thread) -> Counter[str]:
        """How often a whole run makes each call in this thread."""
        log = self.folder / "log"
        code, out = self._zygote.run(self, self.run_words, thread, ["-o", str(log), "-e", "trace=" + ",".join(CALLS)])
        assert code == 3, out
        return Counter(re.findall(r"^(\w+)\(", log.read_text(errors="replace"), re.MULTILINE))

    def strike(self, point: Point) -> tuple[int, str]:
        """Runs until the point and through it."""
        inject = ["-o", "/dev/null", "-e", f"trace={point.call}"]
        inject += ["-e", f"inject={point.call}:{point.action}:when={point.number}"]
        return self._zygote.run(self, self.run_words, point.thread, inject)

    def resume(self) -> tuple[int, str]:
        """What a user does next: resume, or run again if no run had begun."""
        code, out = self._zygote.run(self, ["resume", "--quiet"])
        if code == 2 and "There is no run yet" in out:
            code, out = self._zygote.run(self, self.run_words)
        return code, out

    def broken_reports(self, rows: int = ROWS) -> list[str]:
        """Reports are whole or absent at every moment."""
        wrong = []
        for path in (self.folder / "reports").glob("2*/*"):
            if path.name in ("results.csv", "failed.csv"):
                found = _rows(path)
                want = rows if path.name == "results.csv" else None
                if (want is not None and len(found) != want) or any(None in row.values() for row in found):
                    wrong.append(f"{path.name} has {len(found)} rows")
            elif path.name == "summary.json":
                msgspec.json.decode(path.read_bytes(), type=RunSummary)
            elif path.name == "summary.html" and not path.read_text().rstrip().endswith("</html>"):
                wrong.append("summary.html is cut")
        return wrong

    def violations(self) -> list[str]:
        """What is wrong after the run went on to its end: nothing should be."""
        wrong = self.broken_reports()
        folders = list((self.folder / "reports").glob("2*"))
        if len(folders) != 1:
            return [*wrong, f"there are {len(folders)} runs"]
        (folder,) = folders
        rows = _rows(folder / "results.csv")
        if Counter(row["_status"] for row in rows) != EXPECTED:
            wrong.append(f"outcomes: {Counter(row['_status'] for row in rows)}")
        summary = msgspec.json.decode((folder / "summary.json").read_bytes(), type=RunSummary)
        if (summary.rows.read, summary.rows.succeeded, summary.exit_code) != (ROWS, EXPECTED["succeeded"], 3):
            wrong.append(f"the summary says {summary.rows}, {summary.exit_code}")
        if {row["_row"] for row in _rows(folder / "failed.csv")} != {
            row["_row"] for row in rows if row["_status"] != "succeeded"
        }:
            wrong.append("failed.csv does not hold the rows that are open")
        if list(folder.glob(".*.part")) and summary.exit_code == 0:
            wrong.append("parts of reports were left behind by a run that ended well")
        # Whatever is prepared may be in flight, and no more.
        lost = len(self.sandbox.state.requests) - summary.requests.sent
        if lost > CONCURRENCY + PREPARED:
            wrong.append(f"the answers of {lost} requests were lost")
        wrong += violations(self.sandbox.state, rows, ROWS, self.folder / "reports")
        return wrong


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def _sheet(path: Path) -> None:
    """Twelve rows: one that the server refuses, one that we reject, one asked again alone, two of one customer."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["mobile", "external_id", "Colour"])
        for row in range(2, ROWS + 2):
            name = {3: "code-1012", 5: "code-999999-x1"}.get(row, f"C{row}")
            mobile = {7: "12", 9: "918181000008"}.get(row, f"91818100{row:04}")
            if row == 9:
                name = "C8"
            writer.writerow([mobile, name, f"colour {row}"])


Zygotes = queue.SimpleQueue[Zygote]


AT_ONCE = 2
#: Step 1, for tests that try every n-th point of a run: only the full check has time for all of them.
EXHAUSTIVE = pytest.param(1, id="every point", marks=[pytest.mark.exhaustive, pytest.mark.timeout(1800)])
