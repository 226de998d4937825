"""The main path in a browser: upload, columns, check, start, progress, report, fixed file, all succeeded."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path

import openpyxl
import pytest
from playwright.sync_api import Browser, Page, expect

from importer.sandbox import EmbeddedSandbox
from tests.support.browser import Watcher, axe, context_of, wide_enough
from tests.support.page import SAMPLES, WarmServer

pytestmark = [pytest.mark.process, pytest.mark.browser]


class Turnstile:
    """Lets a given number of requests through to the API, so a run stays where it is while a test looks at it."""

    def __init__(self, sandbox: EmbeddedSandbox) -> None:
        self._passes = threading.Semaphore(0)
        self._open = True
        # Called once for each request that is processed.
        sandbox.state.next_latency = self._pass  # type: ignore[method-assign]

    def _pass(self) -> float:
        if not self._open:
            self._passes.acquire()
        return 0.0

    def close(self) -> None:
        self._open = False

    def let(self, requests: int) -> None:
        self._passes.release(requests)

    def open(self) -> None:
        self._open = True
        self._passes.release(1000)
        self._passes = threading.Semaphore(0)


class PageWithTurnstile(WarmServer):
    """A server whose imports go to an API with a turnstile."""

    turnstile: Turnstile


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageWithTurnstile]:
    with EmbeddedSandbox() as sandbox:
        environ = {"IMPORTER_USERNAME": sandbox.username, "IMPORTER_PASSWORD": sandbox.password}
        options = ("--base-url", sandbox.base_url, "--batch-size", "10", "--rate", "100/second")
        running = PageWithTurnstile(tmp_path_factory.mktemp("page"), *options, **environ)
        with running:
            running.turnstile = Turnstile(sandbox)
            try:
                yield running
            finally:
                running.turnstile.open()


def fix(report: Path, fixed: Path) -> None:
    """Fixes the failed rows as a user would: every row identifies an existing customer and sets a field."""
    book = openpyxl.load_workbook(report)
    sheet = book.active
    assert sheet is not None
    header = [cell.value for cell in sheet[1]]
    for number, row in enumerate(sheet.iter_rows(min_row=2), start=1):
        cells = dict(zip(header, row, strict=True))
        cells["Mobile No."].value = f"9198765{number:05}"
        for name in ("E-mail ID", "Customer ID", "Store Code"):
            cells[name].value = None
        cells["Favourite brand"].value = "Puma"
        for cell, title in zip(row, header, strict=True):
            if title is None:  # a remark next to the table
                cell.value = None
    book.save(fixed)


def walk(page: Page, server: PageWithTurnstile, tmp_path: Path, *, scripts: bool) -> None:
    """Walks the main path. With scripts, every page is checked by axe and measured."""

    def look() -> None:
        if scripts:
            assert axe(page) == []
            assert wide_enough(page), page.url

    def arrives(to: str) -> None:
        # Without scripts, waiting pages reload themselves.
        page.wait_for_url(re.compile(to))

    page.goto(server.url)
    look()
    page.get_by_label("Spreadsheet").set_input_files(SAMPLES / "messy.xlsx")
    if not scripts:
        page.get_by_role("button", name="Upload and review").click()
    # -- columns: a wrong mapping is refused with its reasons, and corrected
    expect(page.get_by_role("heading", name="What each column becomes")).to_be_visible()
    columns = page.get_by_role("table", name=re.compile("what each column becomes"))
    expect(columns.get_by_role("row", name=re.compile("Favourite brand"))).to_contain_text("Puma")
    look()
    for column in ("Mobile No.", "E-mail ID", "Customer ID"):
        page.get_by_label(f"What “{column}” becomes").select_option("ignored")
    page.get_by_role("button", name="Check every row").click()
    expect(page.get_by_role("alert")).to_contain_text("No column identifies the customer")
    look()
    expect(page.get_by_label("What “Mobile No.” becomes")).to_have_value("ignored")
    page.get_by_label("What “Mobile No.” becomes").select_option("mobile")
    page.get_by_label("What “E-mail ID” becomes").select_option("email")
    page.get_by_label("What “Customer ID” becomes").select_option("external_id")
    page.get_by_role("button", name="Check every row").click()
    # -- check
    arrives("/check$")
    expect(page.get_by_role("heading", level=1)).to_contain_text("98 rows are ready")
    expect(page.get_by_role("row", name=re.compile("no country code"))).to_contain_text("91995883002")
    look()
    server.turnstile.close()
    server.turnstile.let(3)
    page.get_by_role("button", name="Start the import").click()
    # -- watch
    arrives("/runs/")
    expect(page.locator("#live")).to_be_visible()
    look()
    if scripts:
        said = page.locator("#live .figure")
        before = said.inner_text()
        server.turnstile.let(2)
        expect(said).not_to_have_text(before)  # it updates automatically
    server.turnstile.open()
    # -- report
    expect(page.get_by_role("heading", level=1)).to_contain_text(
        "Finished: 83 of 120 rows succeeded, 37 need attention."
    )
    look()
    first = page.locator(".downloads a").first
    assert first.get_attribute("href") and "annotated.xlsx" in (first.get_attribute("href") or "")
    with page.expect_download() as download:
        page.locator(".downloads a", has_text="failed.xlsx").click()
    report, fixed = tmp_path / "failed.xlsx", tmp_path / "fixed.xlsx"
    download.value.save_as(report)
    fix(report, fixed)
    # -- the fixed file, in one step
    address = page.url
    page.get_by_label("Fixed file").set_input_files(fixed)
    if not scripts:
        page.get_by_role("button", name="Upload the fixed file").click()
    arrives("/check$")
    expect(page.get_by_role("heading", level=1)).to_contain_text("37 rows are ready")
    look()
    page.get_by_role("button", name="Start the import").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("All 37 rows succeeded.")
    look()
    # -- every run has an address, and the list links to it
    page.goto(address)
    expect(page.get_by_role("heading", level=1)).to_contain_text("83 of 120")
    page.get_by_role("link", name="Imports").click()
    expect(page.get_by_role("link", name="fixed.xlsx").first).to_be_visible()
    look()


def test_the_main_path_in_a_browser(browser: Browser, server: PageWithTurnstile, tmp_path: Path) -> None:
    """Upload, a wrong mapping corrected, check, start, live progress, report, download, fixed file, all succeeded; axe
    finds no fault on any page, the console stays empty, and no request leaves the origin."""
    context = context_of(browser, viewport={"width": 1280, "height": 900})
    page = context.new_page()
    watcher = Watcher(page, server.url)
    walk(page, server, tmp_path, scripts=True)
    page.goto(f"{server.url}/audit")
    assert axe(page) == []
    expect(page.get_by_role("row", name=re.compile("downloaded.*failed.xlsx"))).to_be_visible()
    context.close()
    assert watcher.faults == []


@pytest.mark.exhaustive
def test_the_main_path_without_scripts(browser: Browser, server: PageWithTurnstile, tmp_path: Path) -> None:
    """Everything except live progress works without scripts."""
    context = context_of(browser, java_script_enabled=False)
    page = context.new_page()
    walk(page, server, tmp_path, scripts=False)
    context.close()


@pytest.mark.exhaustive
def test_the_main_path_on_a_phone_in_dark_mode(browser: Browser, server: PageWithTurnstile, tmp_path: Path) -> None:
    """No page is wider than a phone, and dark pages have sufficient contrast."""
    context = context_of(
        browser, viewport={"width": 360, "height": 740}, is_mobile=True, has_touch=True, color_scheme="dark"
    )
    page = context.new_page()
    watcher = Watcher(page, server.url)
    walk(page, server, tmp_path, scripts=True)
    context.close()
    assert watcher.faults == []
