"""`failed.xlsx` of many rows, each with one problem cell, beside the csv module copying the same rows, in one run.

    python -m tests.benchmarks.failed_rows [rows] [times]

The rows are in memory, in the blocks in which a report reads them, and only the workbook's file is measured: processor
time, and the peak memory of its process less that of the rows. Ends with 1 when it takes more than 8 times the copy or
200 MiB.
"""

from __future__ import annotations

import csv
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from importer.model import RESULT_COLUMNS, Cause, Outcome, Status
from importer.normaliser.mapping import propose
from importer.reporter.workbook_table import WorkbookTable
from tests.benchmarks.reports import HEADER, write

ROWS = 200_000
MOST_TIMES, MOST_MIB = 8.0, 200
BLOCK = 2000


def copy(sheet: Path, target: Path) -> float:
    """Seconds of processor in which the csv module reads the rows and writes them again."""
    began = time.process_time()
    with sheet.open(newline="", encoding="utf-8") as source, target.open("w", newline="", encoding="utf-8") as out:
        csv.writer(out).writerows(csv.reader(source))
    return time.process_time() - began


def blocks(sheet: Path) -> Iterator[tuple[list[list[str]], list[Outcome]]]:
    """The rows by column, with their outcomes: each names one of three columns."""
    with sheet.open(newline="", encoding="utf-8") as source:
        rows = csv.reader(source)
        next(rows)
        number = 2
        while block := list(islice(rows, BLOCK)):
            outcomes = [_outcome(number + at) for at in range(len(block))]
            yield list(map(list, zip(*block, strict=True))), outcomes
            number += len(block)


def _outcome(row: int) -> Outcome:
    column, code, message, advice = (
        ("Mobile", "mobile_without_country", "the mobile has no country code", "Add it, or pass --country IN."),
        ("Email", "invalid_email", "not a valid e-mail address", "Correct it, or clear the cell."),
        ("Shoe Size", "8001", "the value is not one of the options of Shoe Size", "Use one of its options."),
    )[row % 3]
    at = 1_795_399_200_000 + row // 100
    return Outcome(row, Status.REJECTED, code, message, advice, (column,), at=at)


def book(sheet: Path, folder: Path) -> float:
    """Seconds of processor in which the workbook is written; the rows are made outside of them."""
    seconds = 0.0
    uses = propose(HEADER).columns
    table = WorkbookTable(folder / "failed.xlsx", HEADER, RESULT_COLUMNS, uses, "Customers", folder)
    causes = [Cause("200,000 rows were rejected", "Correct them.", 200_000, (2, 5, 8))]
    for columns, outcomes in blocks(sheet):
        began = time.process_time()
        table.add(columns, outcomes, {})
        seconds += time.process_time() - began
    began = time.process_time()
    table.close(1_795_399_200_000, causes)
    return seconds + time.process_time() - began


def main(rows: int, times: int) -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sheet = folder / "source.csv"
        write(sheet, rows)
        ratios, peaks = [], []
        for _ in range(times):
            plain = copy(sheet, folder / "copy.csv")
            command = [sys.executable, "-m", __spec__.name, "--book", str(sheet), str(folder)]
            seconds, peak = map(float, subprocess.run(command, check=True, capture_output=True).stdout.split())
            ratios.append(seconds / plain)
            peaks.append(peak)
            size = (folder / "failed.xlsx").stat().st_size / 2**20
            print(f"copy {plain:.2f} s, failed.xlsx {seconds:.2f} s, {peak:.0f} MiB, {size:.0f} MiB on disk")
    middle = statistics.median(ratios)
    print(f"{middle:.2f} times the copy (at most {MOST_TIMES:g}), {max(peaks):.0f} MiB (at most {MOST_MIB})")
    return 0 if middle <= MOST_TIMES and max(peaks) < MOST_MIB else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["--book"]:
        print(book(Path(sys.argv[2]), Path(sys.argv[3])), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        sys.exit()
    sys.exit(main(*(int(word) for word in [*sys.argv[1:3], *[str(ROWS), "3"][len(sys.argv) - 1 :]])))
