"""How fast and in how much memory sheets are read, beside the plain ways, in one run.

    python tests/benchmarks/reading.py [rows]

Each way runs in its own process; the best of three counts. Ends with 1 when a plain CSV takes more than 1.25 times
pandas' time, a workbook more than 0.35 times openpyxl's, or memory passes 300 MiB (the parsing child's 800 MiB).
"""

from __future__ import annotations

import csv
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import xlsxwriter

ROWS = 1_000_000
#: Most time as a multiple of the plain way's; quoted text is read twice, to prove it before the first row is sent.
LIMITS = {"csv": 1.25, "quoted": 3.0, "xlsx": 0.35}
MOST_MIB, MOST_CHILD_MIB = 300, 800
HEADER = ["mobile", "email", "external_id", "store", "Favourite brand", "Colour", "Size", "Last visit"]

OURS = """
from importer.reader import open_source
with open_source({file!r}) as source:
    rows = sum(len(block) for block in source.blocks())
"""
PANDAS = """
import pandas
rows = len(pandas.read_csv({file!r}, dtype=str))
"""
OPENPYXL = """
import openpyxl
rows = sum(1 for _ in openpyxl.load_workbook({file!r}, read_only=True).active.iter_rows(values_only=True)) - 1
"""
CALAMINE = """
import python_calamine
sheet = python_calamine.CalamineWorkbook.from_path({file!r}).get_sheet_by_index(0)
rows = sum(1 for _ in sheet.iter_rows()) - 1
"""
TIMED = """
import resource, time
begin = time.perf_counter()
{body}
seconds = time.perf_counter() - begin
child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
# Not getrusage: it begins with what the process had that started this one.
own = next(int(line.split()[1]) // 1024 for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(rows, seconds, own, child)
"""


def _row(number: int) -> list[str]:
    return [
        f"+9177{number:08d}",
        f"user{number}@example.com",
        f"C{number:07d}",
        f"S{number % 50}",
        ("nike", "puma", "adidas")[number % 3],
        ("red", "blue", "grün")[number * 7 % 3],
        "SML"[number % 3],
        f"2026-0{number % 9 + 1}-1{number % 9}",
    ]


def _make(folder: Path, rows: int) -> dict[str, Path]:
    files = {"csv": folder / "plain.csv", "quoted": folder / "quoted.csv", "xlsx": folder / "sheet.xlsx"}
    styles: tuple[tuple[str, Any], ...] = (("csv", csv.QUOTE_MINIMAL), ("quoted", csv.QUOTE_ALL))
    for name, quoting in styles:
        with files[name].open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream, quoting=quoting)
            writer.writerow(HEADER)
            writer.writerows(map(_row, range(rows)))
    book = xlsxwriter.Workbook(files["xlsx"])
    sheet = book.add_worksheet("Customers")
    sheet.write_row(0, 0, HEADER)
    for number in range(rows):
        sheet.write_row(number + 1, 0, [917700000000 + number, *_row(number)[1:]])
    book.close()
    return files


def _measure(body: str, file: Path, rows: int) -> tuple[float, int, int]:
    """The best of three: seconds, MiB of the process, MiB of its child."""
    best = (float("inf"), 0, 0)
    for _ in range(3):
        script = TIMED.format(body=body.format(file=str(file)))
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        found, seconds, own, child = done.stdout.split()
        assert int(found) == rows, found
        best = min(best, (float(seconds), int(own), int(child)))
    return best


def main() -> int:
    """Print one line for each way, and its time as a multiple of the plain one."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    with tempfile.TemporaryDirectory() as folder:
        kept = True
        files = _make(Path(folder), rows)
        print(f"{rows:,} rows x {len(HEADER)} columns")
        for name, plain, others in (
            ("csv", ("pandas.read_csv(dtype=str)", PANDAS), []),
            ("quoted", ("pandas.read_csv(dtype=str)", PANDAS), []),
            ("xlsx", ("openpyxl read-only", OPENPYXL), [("calamine", CALAMINE)]),
        ):
            base = _measure(plain[1], files[name], rows)
            print(f"{name:7} {plain[0]:28} {base[0]:7.2f} s  1.00  {base[1]:5} MiB")
            for label, body in [*others, ("importer.reader", OURS)]:
                seconds, own, child = _measure(body, files[name], rows)
                ratio = seconds / base[0]
                print(f"{name:7} {label:28} {seconds:7.2f} s  {ratio:.2f}  {own:5} MiB, child {child} MiB")
            kept = kept and ratio <= LIMITS[name] and own < MOST_MIB and child < MOST_CHILD_MIB
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
