"""All report files of a large run beside the csv module copying the source, in one run.

    python tests/benchmarks/reports.py [rows]

One row in twenty failed. Each side runs in a process of its own; wall time and peak memory are theirs. Ends with 1 when
the reports take more than 3 times the copy, or when memory passes 300 MiB.
"""

from __future__ import annotations

import csv
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROWS = 1_000_000
HEADER = ("Mobile", "Email", "Customer ID", "Store Code", "Favourite Brand", "Favourite Color", "Shoe Size", "City")
MOST_TIMES, MOST_MIB = 3.0, 300


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


def copy(path: Path, folder: Path) -> dict[str, float]:
    """What the csv module takes to read the source and to write it again."""
    began = time.perf_counter()
    with path.open(newline="", encoding="utf-8") as source, (folder / "copy.csv").open("w", newline="") as target:
        csv.writer(target).writerows(csv.reader(source))
    return {"seconds": time.perf_counter() - began}


def ours(path: Path, folder: Path) -> dict[str, float]:
    """The whole of the reports, from the file and the outcomes to the page."""
    from importer.mapping import propose
    from importer.model import Outcome, Status
    from importer.reader import open_source
    from importer.reporter import write_files

    def outcomes() -> Iterator[Outcome]:
        with path.open("rb") as file:
            rows = sum(1 for _ in file) - 1
        for row in range(2, rows + 2):
            at, request_id = 1_795_399_200_000 + row // 100 * 600, f"req-{row // 100}"
            if row % 20:
                yield Outcome(row, Status.SUCCEEDED, "1000", attempts=1, request_id=request_id, at=at)
            else:
                yield Outcome(row, Status.FAILED, "816", attempts=1, request_id=request_id, at=at)

    began = time.perf_counter()
    with open_source(path) as source:
        written = write_files(folder / "run", source, outcomes(), propose(source.columns))
    assert written.counts.read == written.counts.succeeded + written.counts.failed
    return {"seconds": time.perf_counter() - began}


def measured(side: str, path: Path, folder: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--side", side, str(path), str(folder)]
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found


def main() -> int:
    if sys.argv[1:2] == ["--side"]:
        side, path, folder = sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4])
        found = {"copy": copy, "ours": ours}[side](path, folder)
        found["mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps(found))
        return 0
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder / "source.csv", rows)
        plain, reports = (measured(side, folder / "source.csv", folder) for side in ("copy", "ours"))
    times = reports["seconds"] / plain["seconds"]
    for side, found in (("csv copy", plain), ("reports", reports)):
        print(f"{side:10} {found['seconds']:6.2f} s {rows / found['seconds']:12,.0f} rows/s {found['mib']:6.0f} MiB")
    print(f"{times:.2f} times the copy (at most {MOST_TIMES:g}), {MOST_MIB} MiB at most")
    return 0 if times <= MOST_TIMES and reports["mib"] < MOST_MIB else 1


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    sys.exit(main())
