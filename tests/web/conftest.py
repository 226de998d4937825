"""For all tests of the page: workers and hashes that cost little, and a browser that reaches only this machine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from argon2 import PasswordHasher
from playwright.sync_api import Browser, expect, sync_playwright

from tests.support.browser import QUIET, chromium
from tests.support.page import PACE, Server, Visitor, WarmServer
from tests.support.warm_workers import command_by, template

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


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The page on the sandbox; modules that need other options have their own."""
    with WarmServer(tmp_path_factory.mktemp("page"), "--sandbox", *PACE) as running:
        yield running


@pytest.fixture
def visitor(server: Server) -> Visitor:
    return Visitor.at(server.url)


@pytest.fixture(autouse=True, scope="module")
def _warm_workers() -> Iterator[None]:
    """Pages served in this process fork their workers, too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("importer.web.child.child_command", lambda module: command_by(template())(module))
        yield


@pytest.fixture(autouse=True, scope="module")
def _cheap_hashes() -> Iterator[None]:
    """Users of tests have hashes that cost nothing: the full cost is 0.2 s for each sign-in."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("importer.web.users._hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        yield
