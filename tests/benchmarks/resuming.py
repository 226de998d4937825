"""How long a large run that goes on takes until its first request arrives, and how large its journal is.

    python tests/benchmarks/resuming.py [rows]

The run stands at 90 % with batches in flight, as a kill leaves it. Ends with 1 when the first request comes later than
20 seconds, or the journal takes more than 60 bytes a row.
"""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from importer.jobs import begin
from importer.journal import Attempt, Change
from importer.model import Batch, Customer, Outcome, Status
from importer.sandbox import EmbeddedSandbox
from importer.settings import Settings
from importer.world import World

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
            [f"91818{n:07}", f"customer{n}@example.com", f"C{n:08}", f"colour {n % 40}", n % 12, f"brand {n % 99}"]
            for n in range(rows)
        )


def _journal(sheet: Path, settings: Settings, world: World, rows: int) -> int:
    """The journal of a run that was killed: nine tenths of the rows have their outcome. Returns its size."""
    with begin(str(sheet), settings, world, spooled=False) as job:
        journal, key = job.journal, job.run.key
        done = rows * 9 // 10 // BATCH
        changes: list[Change] = []
        for number in range(1, done + IN_FLIGHT + 1):
            numbers = range(2 + (number - 1) * BATCH, 2 + number * BATCH)
            batch = Batch(number, tuple(Customer(row, mobile="1") for row in numbers))
            changes.append(Change(opened=((batch, 0),)))
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
        process = subprocess.Popen([sys.executable, "-m", "importer", "resume", "--quiet"], cwd=folder, env=environ)
        while not sandbox.state.requests and process.poll() is None:
            time.sleep(0.01)
        seconds = time.perf_counter() - began
        process.kill()
        process.wait()
        came = bool(sandbox.state.requests)
    print(f"{rows:,} rows at 90 %: first request after {seconds:.1f} s (at most {MOST_SECONDS:.0f})")
    print(f"journal: {size:.1f} bytes a row that succeeded (at most {MOST_BYTES})")
    return 0 if came and seconds <= MOST_SECONDS and size <= MOST_BYTES else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else ROWS))
