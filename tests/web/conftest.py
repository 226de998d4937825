"""A browser for those tests that need one: Debian's Chromium, with everything off that would leave the machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.support.browser import QUIET, chromium

# Only a page that hangs takes longer. (Five seconds are soon over on a busy machine.)
expect.set_options(timeout=60_000)


# For a module, not for the session: while the driver lives its event loop counts as running in this thread, and
# whatever test comes next in the same process could not run one of its own.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    where = chromium()
    if where is None:
        pytest.skip("there is no Chromium on this machine: apt-get install chromium")
    with sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=where, args=list(QUIET), timeout=200_000)
        yield running
        running.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path
