"""`importer report` of a large run, from its journal, beside the csv module copying the source, in one run.

    python -m tests.benchmarks.reports [rows] [times]

One row in twenty failed. The journal is written by the journal's own code, with what a run of a hundred customers a
request leaves in it; then the command itself is measured, from its start to its end: processor time, and the peak
memory of all its processes together. Ends with 1 when it takes more than 3 times the copy or 300 MiB, or when a report
differs from the one before by a byte.
"""

from __future__ import annotations

import csv
import hashlib
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from importer.journal import Attempt, Change, RunProgress
from importer.model import Batch, Customer, Outcome, Status
from importer.settings.options import Settings
from importer.world import World
from tests.support.runs import begun

ROWS = 1_000_000
HEADER = ("Mobile", "Email", "Customer ID", "Store Code", "Favourite Brand", "Favourite Color", "Shoe Size", "City")
MOST_TIMES, MOST_MIB = 3.0, 300
BATCH = 100
BEGAN = 1_795_399_200_000


def write(path: Path, rows: int) -> None:
    """An ordinary sheet of eight columns."""
    rnd = random.Random(20261124)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        for number in range(rows):
            mobile, brand = f"+9198{rnd.randrange(10**8):08}", rnd.choice(("Puma", "Nike", "Bata, Delhi", ""))
            store, size, city = f"S{number % 300:03}", str(36 + number % 11), f"City {number % 2000}"
            writer.writerow((mobile, f"c{number}@example.com", f"C{number:08}", store, brand, "Blue", size, city))


def keep(sheet: Path, settings: Settings, rows: int) -> None:
    """The journal of a run that has ended: every row with its outcome, every twentieth refused."""
    world = World({"IMPORTER_USERNAME": "till", "IMPORTER_PASSWORD": "till"})
    with begun(str(sheet), settings, world) as job:
        journal, key = job.journal, job.run.key
        changes: list[Change] = []
        for number in range(1, rows // BATCH + 1):
            numbers = range(2 + (number - 1) * BATCH, 2 + number * BATCH)
            batch = Batch(number, tuple(Customer(row, mobile="1") for row in numbers))
            attempt = Attempt(
                number, number, BEGAN + number * 600, 250 + number % 90, BATCH, 200, "200", f"{number:036}"
            )
            sent = {row: row.to_bytes(6, "big") * 4 for row in numbers}
            changes.append(Change(opened=((batch, 0),)))
            changes.append(
                Change(attempt=attempt, outcomes=[_outcome(row) for row in numbers], settled=(number,), sent=sent)
            )
            if len(changes) >= 200:
                journal.write(changes, key)
                changes.clear()
        journal.write(changes, key)
        journal.finish(key, BEGAN + rows * 6, 3, True, RunProgress(sending_seconds=rows * 0.006))


def _outcome(row: int) -> Outcome:
    if row % 20:
        return Outcome(row, Status.SUCCEEDED, "1000", attempts=1)
    return Outcome(row, Status.FAILED, "816", "Customer not found in the organization", attempts=1)


def report(folder: Path) -> tuple[float, float, float]:
    """Seconds of processor and of the clock, and MiB, of the command; its processes are looked at now and then."""
    began, before, peaks = time.perf_counter(), spent(), dict[int, float]()
    process = subprocess.Popen([sys.executable, "-m", "importer", "report", "--quiet"], cwd=folder)
    while process.poll() is None:
        peaks |= {pid: peak_mib(pid) or peaks.get(pid, 0.0) for pid in with_children(process.pid)}
        time.sleep(0.1)
    if process.returncode:
        raise SystemExit(f"importer report ended with {process.returncode}")
    return spent() - before, time.perf_counter() - began, sum(peaks.values())


#: What the csv module takes to read the source and to write it again.
_COPY = """
import csv, sys
with open(sys.argv[1], newline="", encoding="utf-8") as source, open(sys.argv[2], "w", newline="") as target:
    csv.writer(target).writerows(csv.reader(source))
"""


def copy(sheet: Path, folder: Path) -> float:
    """Seconds of processor that the csv module takes to copy the source."""
    before = spent()
    subprocess.run([sys.executable, "-c", _COPY, str(sheet), str(folder / "copy.csv")], check=True)
    return spent() - before


def spent() -> float:
    """By processes that have ended, in seconds: what a busy machine does not change."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def with_children(pid: int) -> list[int]:
    """A process and all that it began."""
    found = [pid]
    for parent in found:
        for tasks in Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                found += map(int, tasks.read_text().split())
            except OSError:
                continue
    return found


def peak_mib(pid: int) -> float:
    """The most that a process ever held, by the kernel's own note."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)


def digests(folder: Path) -> dict[str, str]:
    files = sorted((folder / "reports").glob("*/*"))
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def main(rows: int, times: int) -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sheet = folder / "source.csv"
        write(sheet, rows)
        keep(sheet, Settings(base_url="http://127.0.0.1:9", reports_dir=str(folder / "reports")), rows)
        seen, ratios, peaks = [], [], []
        for _ in range(times):
            plain, (seconds, clock, mib) = copy(sheet, folder), report(folder)
            seen.append(digests(folder))
            ratios.append(seconds / plain)
            peaks.append(mib)
            print(f"copy {plain:.2f} s, report {seconds:.2f} s ({clock:.2f} s by the clock), {mib:.0f} MiB")
    middle, same = statistics.median(ratios), all(found == seen[0] for found in seen)
    print(f"{middle:.2f} times the copy (at most {MOST_TIMES:g}), {max(peaks):.0f} MiB (at most {MOST_MIB})")
    print(f"{len(seen[0])} files, the same bytes each time: {'yes' if same else 'NO'}")
    return 0 if middle <= MOST_TIMES and max(peaks) < MOST_MIB and same else 1


if __name__ == "__main__":
    os.environ.pop("IMPORTER_REPORTS_DIR", None)
    sys.exit(main(*(int(word) for word in [*sys.argv[1:3], *[str(ROWS), "3"][len(sys.argv) - 1 :]])))
