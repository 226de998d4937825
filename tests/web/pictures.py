"""The README's pictures of the page, made anew: `python -m tests.web.pictures`. Look at each before it is committed.

The way of a user in a real browser, with the page's server on the sandbox and the sample workbook.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

from tests.support.browser import QUIET, chromium
from tests.support.page import ROOT, SAMPLES, Server, until

PICTURES = ROOT / ".images"
#: Slow enough to be caught about the middle.
OPTIONS = ("--sandbox", "--batch-size", "5", "--rate", "5/second")
MIDDLE = 50
#: As wide as the README is read, and as high as shows the part that matters.
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


def main() -> None:
    where = chromium()
    if where is None:
        sys.exit("there is no Chromium on this machine: apt-get install chromium")
    with tempfile.TemporaryDirectory() as folder, Server(Path(folder), *OPTIONS) as server, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=where, args=list(QUIET))
        walk(browser.new_page(viewport=SCREEN, reduced_motion="reduce"), server, PICTURES)  # type: ignore[arg-type]
        browser.close()
    for name in ("mapping", "running", "report"):
        print(PICTURES / f"{name}.png")


if __name__ == "__main__":
    main()
