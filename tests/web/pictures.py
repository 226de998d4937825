"""Takes the README's pictures again: `python -m tests.web.pictures`. Look at each before you commit it.

The page is used in a real browser, with its server on the sandbox and the sample workbook. The annotated workbook is
shown as LibreOffice exports it.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

from importer import run
from tests.support.browser import QUIET, chromium
from tests.support.page import ROOT, SAMPLES, Server, until

PICTURES = ROOT / ".images"
#: Slow enough for a picture at about half of the rows.
OPTIONS = ("--sandbox", "--batch-size", "5", "--rate", "5/second")
MIDDLE = 50
#: As wide as the README is shown, and high enough for the relevant part.
SCREEN = {"width": 1180, "height": 900}


def walk(page: Page, server: Server, into: Path) -> None:
    page.goto(server.url)
    page.get_by_label("Spreadsheet").set_input_files(SAMPLES / "messy.xlsx")
    expect(page.get_by_role("heading", name="What each column becomes")).to_be_visible(timeout=60_000)
    page.screenshot(path=into / "mapping.png")
    page.get_by_role("button", name="Check every row").click()
    page.get_by_role("button", name="Start the import").click(timeout=60_000)
    share = page.locator("#live .figure strong")
    until(lambda: int(share.inner_text(timeout=60_000).split()[0]), lambda percent: percent >= MIDDLE)
    page.screenshot(path=into / "running.png")
    expect(page.get_by_role("heading", name="Downloads")).to_be_visible(timeout=60_000)
    page.screenshot(path=into / "report.png")


def annotated_workbook(page: Page, folder: Path, into: Path) -> None:
    summary = run(SAMPLES / "messy.xlsx", sandbox=True, reports_dir=folder / "reports")
    workbook = Path(summary.reports["annotated.xlsx"])
    profile = f"-env:UserInstallation=file://{folder}/profile"
    words = ("soffice", "--headless", profile, "--convert-to", "html", "--outdir", folder, workbook)
    subprocess.run(words, check=True, capture_output=True)
    page.goto((folder / "annotated.html").as_uri())
    # One line per row, up to the column of the messages.
    style = "td { white-space: nowrap; padding-right: 8px; } tr:first-child td { max-width: 0; }"
    page.add_style_tag(content=f"{style} td:nth-child(n + 14), col:nth-child(n + 14) {{ display: none; }}")
    page.set_viewport_size({"width": 1520, "height": 500})
    page.screenshot(path=into / "annotated.png")


def main() -> None:
    where = chromium()
    if where is None or shutil.which("soffice") is None:
        sys.exit("Chromium or LibreOffice is missing: apt-get install chromium libreoffice-calc")
    with tempfile.TemporaryDirectory() as folder, Server(Path(folder), *OPTIONS) as server, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=where, args=list(QUIET))
        page = browser.new_page(viewport=SCREEN, reduced_motion="reduce")  # type: ignore[arg-type]
        walk(page, server, PICTURES)
        annotated_workbook(page, Path(folder), PICTURES)
        browser.close()
    for name in ("mapping", "running", "report", "annotated"):
        print(PICTURES / f"{name}.png")


if __name__ == "__main__":
    main()
