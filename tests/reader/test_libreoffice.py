"""Workbooks as LibreOffice itself writes them, in every format it shares with us."""

from __future__ import annotations

import datetime as dt
import shutil
import subprocess
from pathlib import Path

import openpyxl
import pytest

from tests.support.reading import read

PROGRAM = shutil.which("soffice") or shutil.which(
    "soffice", path="/usr/lib/libreoffice/program:/opt/libreoffice/program"
)

pytestmark = [
    pytest.mark.skipif(PROGRAM is None, reason="LibreOffice is not installed"),
    pytest.mark.process,
    pytest.mark.slow,
]

ROWS = [
    (2, ["917744876415", "1.5", "2026-03-09", "14:30:00", "true", "917744876416", "0774487641", "007  x", "#N/A"]),
    (3, ["", "a\nb", "2026-03-09 14:30:00", "30:00:00", "false", "", "0000000012", "+91", "0.3"]),
    (4, ["m1", "x", "", "", "", "", "", "", ""]),
    (5, ["m2", "", "", "", "", "", "", "", ""]),
]
PROBLEMS = [(2, "err", "error_cell"), (4, None, "merged_cells"), (5, None, "merged_cells")]


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workbook with everything in it; LibreOffice works its formulas out."""
    made = openpyxl.Workbook()
    sheet = made.active
    assert sheet is not None
    sheet.title = "Data"
    sheet.append(["mobile", "brand", "day", "time", "ok", "sum", "zeros", "text", "err"])
    day, moment = dt.date(2026, 3, 9), dt.datetime(2026, 3, 9, 14, 30)
    sheet.append([917744876415, 1.5, day, dt.time(14, 30), True, "=A2+1", 774487641, "007  x", "=NA()"])
    sheet.append([None, "a\nb", moment, dt.timedelta(hours=30), False, '=""', 12, "+91", 0.1 + 0.2])
    sheet.append(["m1", "x"])
    sheet.append(["m2"])
    sheet["G2"].number_format = sheet["G3"].number_format = "0000000000"
    sheet.merge_cells("B4:B5")
    made.create_sheet("Hidden").append(["x"])
    made["Hidden"].sheet_state = "hidden"
    file = tmp_path_factory.mktemp("libreoffice") / "source.xlsx"
    made.save(file)
    return file


def converted(book: Path, ending: str) -> Path:
    folder = book.parent / ending
    profile = f"-env:UserInstallation={(book.parent / 'profile').as_uri()}"
    command = [str(PROGRAM), "--headless", profile, "--convert-to", ending, "--outdir", str(folder), str(book)]
    subprocess.run(command, check=True, capture_output=True, timeout=250)
    return folder / f"source.{ending}"


@pytest.mark.parametrize("ending", ["ods", "xls", "xlsx", "fods"])
def test_what_libreoffice_saves(ending: str, book: Path) -> None:
    """The same cells and the same problems in every format."""
    assert read(converted(book, ending)) == (ROWS, PROBLEMS)


def test_what_libreoffice_saves_as_a_web_page(book: Path) -> None:
    """The same cells, by the exact values beside the text; only booleans are the numbers that LibreOffice displays."""
    words = {"true": "1", "false": "0"}
    rows = [(number, [words.get(cell, cell) for cell in cells]) for number, cells in ROWS]
    page = converted(book, "html")
    assert read(page) == (rows, PROBLEMS)
    page = page.rename(page.with_suffix(".xls"))
    assert read(page) == (rows, PROBLEMS)
