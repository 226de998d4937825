"""How long a large resumed run takes until its first requests arrive, and how large its journal is.

    python tests/benchmarks/resuming.py [rows]

The run stands at 90 % with batches in flight, as a kill leaves it. They go first; then the sheet is read up to the rows
that are open, and what stands before them is read for links. Ends with 1 when the first new rows come later than 20
seconds, or the journal takes more than 60 bytes a row.
"""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from importer.journal import Attempt, Change, RunProgress
from importer.model import Batch, Customer, Outcome, Status
from importer.sandbox import EmbeddedSandbox
from importer.settings.options import Settings
from importer.world import World
from tests.support.runs import begun

ROWS = 1_000_000
MOST_SECONDS = 20.0
MOST_BYTES = 60
BATCH = 100
IN_FLIGHT = 8


def _sheet(path: Path, rows: int) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["mobile", "email", "external_id", "Colour", "Size", "Brand"])
        writer.writerows(
            [f"+91818{n:07}", f"customer{n}@example.com", f"C{n:08}", f"colour {n % 40}", n % 12, f"brand {n % 99}"]
            for n in range(rows)
        )


def _journal(sheet: Path, settings: Settings, world: World, rows: int) -> int:
    """The journal of a run that was killed: nine tenths of the rows have their outcome. Returns its size."""
    with begun(str(sheet), settings, world) as job:
        journal, key = job.journal, job.run.key
        done = rows * 9 // 10 // BATCH
        changes: list[Change] = []
        for number in range(1, done + IN_FLIGHT + 1):
            numbers = range(2 + (number - 1) * BATCH, 2 + number * BATCH)
            batch = Batch(number, tuple(Customer(row, mobile="1") for row in numbers))
            # The reader was ahead of what was sent, and its count of repairs is written down now and then.
            progress = RunProgress(repaired_to=rows) if number == done else None
            changes.append(Change(opened=((batch, 0),), progress=progress))
            if number <= done:
                attempt = Attempt(number, number, 1_700_000_000_000, 250, BATCH, 200, "200", f"{number:036}")
                outcomes = [Outcome(row, Status.SUCCEEDED, "200", attempts=1) for row in numbers]
                sent = {row: row.to_bytes(6, "big") * 4 for row in numbers}
                changes.append(Change(attempt=attempt, outcomes=outcomes, settled=(number,), sent=sent))
            if len(changes) >= 200:
                journal.write(changes, key)
                changes.clear()
        journal.write(changes, key)
    return (Path(settings.reports_dir) / "journal.db").stat().st_size


def main(rows: int) -> int:
    with tempfile.TemporaryDirectory() as place, EmbeddedSandbox() as sandbox:
        folder = Path(place)
        sheet = folder / "rows.csv"
        _sheet(sheet, rows)
        environ = os.environ | {"IMPORTER_USERNAME": sandbox.username, "IMPORTER_PASSWORD": sandbox.password}
        settings = Settings(base_url=sandbox.base_url, reports_dir=str(folder / "reports"))
        size = _journal(sheet, settings, World(environ), rows) / (rows * 0.9)
        began = time.perf_counter()
        words = (sys.executable, "-m", "importer", "resume", "--quiet", "--rate", "5000/second")
        process = subprocess.Popen(words, cwd=folder, env=environ)
        after = []
        for least in (1, IN_FLIGHT + 1):
            while len(sandbox.state.requests) < least and process.poll() is None:
                time.sleep(0.01)
            after.append(time.perf_counter() - began)
        process.kill()
        process.wait()
        came = len(sandbox.state.requests) > IN_FLIGHT
    first, seconds = after
    print(f"{rows:,} rows at 90 %: first request after {first:.1f} s, new rows after {seconds:.1f} s (at most 20)")
    print(f"journal: {size:.1f} bytes a row that succeeded (at most {MOST_BYTES})")
    return 0 if came and seconds <= MOST_SECONDS and size <= MOST_BYTES else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else ROWS))
