"""A real browser for the page: how to find and start Chromium, axe, and the faults of a page."""

from __future__ import annotations

import shutil
from pathlib import Path
from urllib.parse import urlsplit

import axe_playwright_python
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request

QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
)


def chromium() -> str | None:
    return next(
        (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
    )


AXE = Path(axe_playwright_python.__file__).parent / "axe.min.js"


class Watcher:
    """Collects the faults of a page: errors on the console, and requests to another origin."""

    def __init__(self, page: Page, origin: str) -> None:
        self.faults: list[str] = []
        self._place = urlsplit(origin).netloc
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        page.on("request", self._request)

    def _console(self, message: ConsoleMessage) -> None:
        # The browser itself reports a form refused with 422 on the console.
        if message.type in ("error", "warning") and "422" not in message.text:
            self.faults.append(f"console: {message.text}")

    def _request(self, request: Request) -> None:
        if urlsplit(request.url).netloc != self._place:
            self.faults.append(f"left the origin: {request.url}")


def axe(page: Page) -> list[str]:
    """What axe-core finds by all its rules. The script is evaluated in spite of the page's security policy."""
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
    """Whether the page fits the width of the screen."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))
