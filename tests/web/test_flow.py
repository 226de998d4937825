"""The whole way in a browser: drop, columns, check, start, watch, report, mend, all succeeded."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import axe_playwright_python
import openpyxl
import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, expect

from importer.sandbox import EmbeddedSandbox
from tests.support.page import SAMPLES, Server

AXE = Path(axe_playwright_python.__file__).parent / "axe.min.js"


class Turnstile:
    """Lets as many requests pass the API as it is told to: a run is where it is, for as long as somebody looks."""

    def __init__(self, sandbox: EmbeddedSandbox) -> None:
        self._passes = threading.Semaphore(0)
        self._open = True
        # Asked once for each request that is being worked on.
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


class Place(Server):
    """A server whose imports go to an API with a turnstile."""

    turnstile: Turnstile


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with EmbeddedSandbox() as sandbox:
        environ = {"IMPORTER_USERNAME": sandbox.username, "IMPORTER_PASSWORD": sandbox.password}
        options = ("--base-url", sandbox.base_url, "--batch-size", "10", "--rate", "100/second")
        with Place(tmp_path_factory.mktemp("page"), *options, **environ) as running:
            running.turnstile = Turnstile(sandbox)
            try:
                yield running
            finally:
                running.turnstile.open()


class Watcher:
    """Keeps what must not happen on any page: errors on the console, requests to anywhere else."""

    def __init__(self, page: Page, origin: str) -> None:
        self.faults: list[str] = []
        self._place = urlsplit(origin).netloc
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        page.on("request", self._request)

    def _console(self, message: ConsoleMessage) -> None:
        # A form that is refused with 422 is told so on the console by the browser itself.
        if message.type in ("error", "warning") and "422" not in message.text:
            self.faults.append(f"console: {message.text}")

    def _request(self, request: Request) -> None:
        if urlsplit(request.url).netloc != self._place:
            self.faults.append(f"left the origin: {request.url}")


def axe(page: Page) -> list[str]:
    """What axe-core finds, of all its rules. It is put into the page past the page's own policy."""
    page.evaluate(AXE.read_text(encoding="utf-8") + "; null")
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']}).then(result => result.violations)")
    return [
        f"{page.url}: {v['id']}: {v['nodes'][0]['html'][:200]} {v['nodes'][0].get('failureSummary', '')}" for v in found
    ]


def context_of(browser: Browser, **settings: object) -> BrowserContext:
    made = browser.new_context(reduced_motion="reduce", accept_downloads=True, **settings)  # type: ignore[arg-type]
    made.set_default_timeout(60_000)
    return made


def wide_enough(page: Page) -> bool:
    """Nothing is wider than the screen: nobody scrolls sideways."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


def mend(report: Path, mended: Path) -> None:
    """The failed rows as their owner would mend them: every row names a customer that exists and sets something."""
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
        for cell, name in zip(row, header, strict=True):
            if name is None:  # a remark beside the table
                cell.value = None
    book.save(mended)


def walk(page: Page, server: Place, tmp_path: Path, *, scripts: bool) -> None:
    """The way. With scripts, every page is looked at by axe and measured; without them a page cannot be asked."""

    def look() -> None:
        if scripts:
            assert axe(page) == []
            assert wide_enough(page), page.url

    def goes_on(to: str) -> None:
        # Without scripts, waiting pages look again by themselves.
        page.wait_for_url(re.compile(to))

    page.goto(server.url)
    look()
    page.get_by_label("Spreadsheet").set_input_files(SAMPLES / "messy.xlsx")
    if not scripts:
        page.get_by_role("button", name="Upload and look at it").click()
    # -- columns: a wrong mapping is refused with its reasons, and corrected
    expect(page.get_by_role("heading", name="What each column becomes")).to_be_visible()
    expect(page.get_by_role("row", name=re.compile("Favourite brand"))).to_contain_text("Puma")
    look()
    for column in ("Mobile No.", "E-mail ID", "Customer ID"):
        page.get_by_label(f"What “{column}” becomes").select_option("ignored")
    page.get_by_role("button", name="Check every row").click()
    expect(page.get_by_role("alert")).to_contain_text("No column names the customer")
    look()
    expect(page.get_by_label("What “Mobile No.” becomes")).to_have_value("ignored")
    page.get_by_label("What “Mobile No.” becomes").select_option("mobile")
    page.get_by_label("What “E-mail ID” becomes").select_option("email")
    page.get_by_label("What “Customer ID” becomes").select_option("external_id")
    page.get_by_role("button", name="Check every row").click()
    # -- check
    goes_on("/check$")
    expect(page.get_by_role("heading", level=1)).to_contain_text("98 rows are ready")
    expect(page.get_by_role("row", name=re.compile("no country code"))).to_contain_text("91995883002")
    look()
    server.turnstile.close()
    server.turnstile.let(3)
    page.get_by_role("button", name="Start the import").click()
    # -- watch
    goes_on("/runs/")
    expect(page.locator("#live")).to_be_visible()
    look()
    if scripts:
        said = page.locator("#live .figure")
        before = said.inner_text()
        server.turnstile.let(2)
        expect(said).not_to_have_text(before)  # it moves by itself
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
    report, mended = tmp_path / "failed.xlsx", tmp_path / "mended.xlsx"
    download.value.save_as(report)
    mend(report, mended)
    # -- the mended file, in one step
    address = page.url
    page.get_by_label("Mended file").set_input_files(mended)
    if not scripts:
        page.get_by_role("button", name="Upload the mended file").click()
    goes_on("/check$")
    expect(page.get_by_role("heading", level=1)).to_contain_text("37 rows are ready")
    look()
    page.get_by_role("button", name="Start the import").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("All 37 rows are done.")
    look()
    # -- every run has an address; back and the list lead to it
    page.goto(address)
    expect(page.get_by_role("heading", level=1)).to_contain_text("83 of 120")
    page.get_by_role("link", name="Imports").click()
    expect(page.get_by_role("link", name="mended.xlsx").first).to_be_visible()
    look()


def test_the_whole_way_with_a_browser(browser: Browser, server: Place, tmp_path: Path) -> None:
    """Upload, a wrong mapping corrected, check, start, live progress, report, download, mended file, all succeeded;
    axe finds nothing on any page, the console stays empty, and no request leaves the origin."""
    context = context_of(browser, viewport={"width": 1280, "height": 900})
    page = context.new_page()
    watcher = Watcher(page, server.url)
    walk(page, server, tmp_path, scripts=True)
    page.goto(f"{server.url}/audit")
    assert axe(page) == []
    expect(page.get_by_role("row", name=re.compile("downloaded.*failed.xlsx"))).to_be_visible()
    context.close()
    assert watcher.faults == []


def test_the_whole_way_without_scripts(browser: Browser, server: Place, tmp_path: Path) -> None:
    """Only live progress needs a script."""
    context = context_of(browser, java_script_enabled=False)
    page = context.new_page()
    walk(page, server, tmp_path, scripts=False)
    context.close()


def test_the_whole_way_on_a_phone_in_the_dark(browser: Browser, server: Place, tmp_path: Path) -> None:
    """Nothing is cut off or wider than a phone, and dark pages have the same contrast."""
    context = context_of(
        browser, viewport={"width": 360, "height": 740}, is_mobile=True, has_touch=True, color_scheme="dark"
    )
    page = context.new_page()
    watcher = Watcher(page, server.url)
    walk(page, server, tmp_path, scripts=True)
    context.close()
    assert watcher.faults == []
