"""The reports as real programs show them: a browser and a spreadsheet program. Skipped where these are missing."""

from __future__ import annotations

import shutil
import subprocess
import zlib
from pathlib import Path
from typing import Literal

import msgspec
import openpyxl
import pytest
from openpyxl.worksheet.worksheet import Worksheet
from playwright.sync_api import sync_playwright

from importer.model import Cause
from importer.reporter.page import page
from importer.system.formula_guard import unguard
from tests.support.browser import QUIET
from tests.support.reporting import Sheet, failed_row, mapping, outcomes, timeline, uploaded, write_files
from tests.support.reporting import failed_summary as failed
from tests.support.reporting import report_on as report

pytestmark = [pytest.mark.process, pytest.mark.slow]

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
OFFICE = shutil.which("soffice") or shutil.which("libreoffice")

needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
needs_office = pytest.mark.skipif(OFFICE is None, reason="LibreOffice is not installed")


def browse(tmp_path: Path, html: str, *options: str) -> str:
    (tmp_path / "summary.html").write_text(html, encoding="utf-8")
    command = [
        *(str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--enable-logging=stderr"),
        *("--disable-dev-shm-usage", "--disable-background-networking", f"--user-data-dir={tmp_path / 'profile'}"),
        *("--window-size=1000,1600", *options, (tmp_path / "summary.html").as_uri()),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=250, check=True)
    assert "CONSOLE" not in done.stderr, done.stderr
    return done.stdout


def pixels(path: Path) -> list[bytes]:
    """The lines of a PNG of eight bits a colour, unfiltered."""
    content, position, packed = path.read_bytes(), 8, b""
    width = height = channels = 0
    while position < len(content):
        length, kind = int.from_bytes(content[position : position + 4]), content[position + 4 : position + 8]
        data = content[position + 8 : position + 8 + length]
        if kind == b"IHDR":
            width, height = int.from_bytes(data[:4]), int.from_bytes(data[4:8])
            channels = {2: 3, 6: 4}[data[9]]
        elif kind == b"IDAT":
            packed += data
        position += 12 + length
    raw, stride, before, lines = zlib.decompress(packed), width * channels, bytes(width * channels), []
    for number in range(height):
        line = bytearray(raw[number * (stride + 1) + 1 : (number + 1) * (stride + 1)])
        kind_of_filter = raw[number * (stride + 1)]
        for n in range(stride):
            left = line[n - channels] if n >= channels else 0
            up, corner = before[n], before[n - channels] if n >= channels else 0
            if kind_of_filter == 1:
                line[n] = (line[n] + left) & 255
            elif kind_of_filter == 2:
                line[n] = (line[n] + up) & 255
            elif kind_of_filter == 3:
                line[n] = (line[n] + (left + up) // 2) & 255
            elif kind_of_filter == 4:
                guess = left + up - corner
                nearest = min((left, up, corner), key=lambda value: abs(guess - value))
                line[n] = (line[n] + nearest) & 255
        before = bytes(line)
        lines.append(b"".join(before[n : n + 3] for n in range(0, stride, channels)))
    return lines


@pytest.mark.browser
@needs_browser
def test_a_browser_shows_the_page_with_its_bar_in_the_colours_of_the_outcomes(tmp_path: Path) -> None:
    """Drawn, not just parsed: the bar of the outcomes stands there in its proportions, and nothing is complained of."""
    html = page(failed(), timeline())
    dom = browse(tmp_path, html, "--dump-dom")
    assert "Finished: 80 of 120 rows succeeded" in dom
    picture = tmp_path / "page.png"
    browse(tmp_path, html, "--window-size=700,300", f"--screenshot={picture}")
    green, red = bytes.fromhex("2e7d4f"), bytes.fromhex("c0392b")
    widest = {"green": 0, "red": 0}
    for line in pixels(picture):
        colours = [line[n : n + 3] for n in range(0, len(line), 3)]
        widest = {
            "green": max(widest["green"], colours.count(green)),
            "red": max(widest["red"], colours.count(red)),
        }
    assert widest["green"] > 300
    assert widest["red"] / widest["green"] == pytest.approx(21 / 80, rel=0.05)


@needs_office
def test_a_spreadsheet_program_finds_no_formula_that_the_source_did_not_have(tmp_path: Path) -> None:
    """results.csv, failed.xlsx: opened and saved by LibreOffice, every dangerous cell is still text."""
    nasty = ["=1+1", "=cmd|' /C calc'!A0", "@SUM(1)", "\t=1+1", "+A1", "-A1"]
    source = Sheet(("Mobile", "Brand"), [("+919844000000", cell) for cell in nasty], "workbook")
    rows = [failed_row(n + 2, "816", message="=2+2") for n in range(len(nasty))]
    write_files(tmp_path, source, rows, mapping(Mobile="mobile"))
    for name in ("results.csv", "failed.xlsx"):
        sheet = openpyxl.load_workbook(saved_by_office(tmp_path / name, tmp_path / "out")).worksheets[0]
        cells = [cell for row in sheet.iter_rows() for cell in row if cell.value is not None]
        assert len(cells) > 8 * len(nasty)
        assert not [cell.coordinate for cell in cells if cell.data_type == "f"], name
        shown = [unguard(str(row[1].value)).strip() for row in sheet.iter_rows(min_row=2)]
        assert shown == [cell.strip() for cell in nasty], name


@needs_office
def test_a_spreadsheet_program_opens_the_annotated_workbook_with_its_marks(tmp_path: Path) -> None:
    """Opened and saved by LibreOffice: the colours, comments, formulas, validations and sheets are all there."""
    path = uploaded(tmp_path / "u.xlsx", type_dangerous_text)
    report(tmp_path / "run", path, outcomes(r5=failed_row(5, "1004", message="=1+1")))
    book = openpyxl.load_workbook(saved_by_office(tmp_path / "run" / "annotated.xlsx", tmp_path / "out"))
    sheet = book["Customers"]
    assert sheet["C5"].fill.start_color.rgb == "FFF4B6B0"
    assert sheet["C5"].comment.text.startswith("importer: =1+1.\nCorrect the store code")
    assert sheet["E4"].value == "=A4*2"
    formulas = [cell.coordinate for row in sheet.iter_rows() for cell in row if cell.data_type == "f"]
    assert formulas == [f"E{row}" for row in range(4, 10)], "no cell is a formula that was none in the source"
    assert (sheet["D6"].value, sheet["D7"].value) == ("=1+1", "@SUM(1)")
    assert len(sheet.data_validations.dataValidation) == 1
    assert [(page.title, page.sheet_state) for page in book] == [
        ("Customers", "visible"),
        ("Rates", "visible"),
        ("Notes", "hidden"),
    ]


def type_dangerous_text(sheet: Worksheet) -> None:
    for place, text in (("D6", "=1+1"), ("D7", "@SUM(1)")):
        sheet[place].value, sheet[place].data_type = text, "s"


def saved_by_office(path: Path, folder: Path, form: str = "xlsx") -> Path:
    command = [
        *(str(OFFICE), "--headless", f"-env:UserInstallation={(folder / 'profile').as_uri()}"),
        *("--infilter=CSV:44,34,76,1" if path.suffix == ".csv" else "--norestore",),
        *("--convert-to", form, "--outdir", str(folder), str(path)),
    ]
    subprocess.run(command, capture_output=True, timeout=250, check=True)
    return folder / f"{path.stem}.{form}"


@pytest.mark.browser
@needs_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_summary_fits_a_phone(tmp_path: Path, scheme: Literal["light", "dark"]) -> None:
    """At 390 and 320 pixels the page does not scroll sideways, whatever names and paths are in it; nor in print."""
    long = "Customer_Mobile_Number_With_Country_Code_" * 4
    run = msgspec.structs.replace(
        failed(),
        causes=(Cause(f"4 rows were rejected because of “{long}”.", "Fix it.", 4, (2, 3)),),
        reports={name: f"/srv/{long}/{name}" for name in ("results.csv", "failed.xlsx", "summary.html")},
        notes=(f"Not sent: “{long}”.",),
    )
    file = tmp_path / "summary.html"
    file.write_text(page(run, timeline(), {"Settings": f"reports_dir={long}", "Slowest answer": long}))
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        shown = browser.new_page(color_scheme=scheme)
        shown.goto(file.as_uri())
        for width, media in ((390, "screen"), (320, "screen"), (700, "print")):
            shown.emulate_media(media=media)  # type: ignore[arg-type]
            shown.set_viewport_size({"width": width, "height": 844})
            assert shown.evaluate("document.documentElement.scrollWidth") <= width, (width, media)
        browser.close()
