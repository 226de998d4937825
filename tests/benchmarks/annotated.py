"""annotated.xlsx of a workbook, beside the csv module copying the same rows, in one run.

    python -m tests.benchmarks.annotated [rows]

Eight columns, once with a problem cell in every twentieth row and once in every row. Measured is what writes it: the
collecting in this process, and the child; processor time, and peak memory of the child. Ends with 1 when it takes more
than 8 times the copy, or 200 MiB.
"""

from __future__ import annotations

import csv
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import xlsxwriter  # type: ignore[import-untyped]

from importer.model import Outcome, Status, Stretch
from importer.normaliser.mapping import propose
from importer.reader import open_source
from importer.reporter.annotated import Annotations
from importer.reporter.rows import blocks
from tests.benchmarks.reports import copy, peak_mib, spent, with_children, write

ROWS = 200_000
MOST_TIMES, MOST_MIB = 8.0, 200
_AT, _BATCH = 1_795_399_200_000, 100


def workbook(sheet: Path) -> Path:
    """The rows of a CSV file as an ordinary workbook."""
    path = sheet.with_suffix(".xlsx")
    with xlsxwriter.Workbook(str(path)) as book, sheet.open(newline="", encoding="utf-8") as file:
        page = book.add_worksheet("Customers")
        for number, row in enumerate(csv.reader(file)):
            for column, cell in enumerate(row):
                page.write_string(number, column, cell)
    return path


def results(rows: int, every: int) -> Iterator[Stretch]:
    """The results of a run of a hundred customers a request; one row in `every` was rejected for its e-mail."""
    for first in range(2, rows + 2, _BATCH):
        start, end = first, min(first + _BATCH, rows + 2)
        sent = Outcome(0, Status.SUCCEEDED, "1000", attempts=1, request_id=f"{first:036}", at=_AT + first * 6)
        for row in range(first, end):
            if row % every == 0:
                if start < row:
                    yield _stretch(sent, start, row)
                text = ("“Email”: not a valid e-mail address", "Correct the address, or clear the cell.")
                yield Stretch(Outcome(row, Status.REJECTED, "email_invalid", *text, ("Email",)))
                start = row + 1
        if start < end:
            yield _stretch(sent, start, end)


def _stretch(sent: Outcome, start: int, end: int) -> Stretch:
    outcome = Outcome(start, sent.status, sent.code, attempts=1, request_id=sent.request_id, at=sent.at)
    return Stretch(outcome, end - start)


def annotate(path: Path, folder: Path, rows: int, every: int) -> tuple[float, float]:
    """Seconds of processor, and MiB of the child."""
    folder.mkdir(exist_ok=True)
    with open_source(path) as source:
        annotations, own = Annotations(folder, source, propose(source.columns)), 0.0
        for block in blocks(source, results(rows, every)):
            begun = time.process_time()
            annotations.see(block)
            own += time.process_time() - begun
        source.close()
        begun, before = time.process_time(), spent()
        with ThreadPoolExecutor() as pool:
            done = pool.submit(annotations.publish)
            peaks = dict[int, float]()
            while not done.done():
                peaks |= {pid: peak_mib(pid) or peaks.get(pid, 0.0) for pid in with_children(os.getpid())[1:]}
                time.sleep(0.1)
        if not done.result():
            raise SystemExit(annotations.note)
        annotations.discard()
        return own + time.process_time() - begun + spent() - before, max(peaks.values())


def main(rows: int) -> int:
    fits = True
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sheet = folder / "source.csv"
        write(sheet, rows)
        path = workbook(sheet)
        for every in (20, 1):
            plain, (seconds, mib) = (
                min(copy(sheet, folder) for _ in range(3)),
                annotate(path, folder / "run", rows, every),
            )
            size = (folder / "run" / "annotated.xlsx").stat().st_size >> 20
            print(
                f"a problem in 1 row of {every}: copy {plain:.2f} s, annotated.xlsx {seconds:.2f} s, {size} MiB: "
                f"{seconds / plain:.1f} times (at most {MOST_TIMES:g}), {mib:.0f} MiB of memory (at most {MOST_MIB})"
            )
            fits = fits and seconds <= MOST_TIMES * plain and mib < MOST_MIB
    return 0 if fits else 1


if __name__ == "__main__":
    sys.exit(main(int((sys.argv[1:] or [str(ROWS)])[0])))
