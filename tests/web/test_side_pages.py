"""Pages beside the main path: sign-in, refusals, unreadable files, paused imports; in light and dark."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from importer.web.users import add_user
from tests.support.browser import axe, context_of, wide_enough
from tests.support.page import Server, Visitor, WarmServer, import_file, until

pytestmark = [pytest.mark.process, pytest.mark.browser]

PASSWORD = "a long enough password"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("side")
    for name, role in (("asha", "uploader"), ("vera", "viewer")):
        add_user(folder / "users", name, role, PASSWORD)
    options = ("--sandbox", "--batch-size", "5", "--rate", "10/second")
    with WarmServer(folder, *options, IMPORTER_WEB_USERS_FILE=str(folder / "users")) as running:
        yield running


@pytest.fixture(scope="module")
def paths(server: Server) -> dict[str, str]:
    """A run or upload of asha's in each state that the main path does not reach."""
    asha = Visitor.at(server.url)
    asha.sign_in("asha", PASSWORD)
    rows = "".join(f"9198765{number or 99_999:05},Puma\n" for number in range(3000))
    run = import_file(asha, "long.csv", f"Mobile,Brand\n{rows}".encode())
    asha.get(run)
    asha.post(f"{run}/pause")
    until(lambda: asha.get(run).text, lambda text: ">paused<" in text)
    found = {"paused": run, "nothing": "/nothing", "audit": "/audit"}
    for name, content in (
        ("empty.csv", b""),
        ("header.csv", b"Mobile,Brand\n"),
        ("bad.csv", b"Mobile,Brand\n12,Puma\n"),
    ):
        found[name] = asha.upload(name, content).url.path
        asha.settled(found[name])
    return found


def sign_in(page: Page, server: Server, name: str) -> None:
    page.goto(server.url)
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.exhaustive)])
def test_pages_beside_the_main_path(browser: Browser, server: Server, paths: dict[str, str], scheme: str) -> None:
    """axe finds no fault on any of these pages, none is wider than a phone, and no text is wider than its box."""
    context = context_of(browser, viewport={"width": 360, "height": 740}, is_mobile=True, color_scheme=scheme)
    page = context.new_page()
    page.goto(server.url)
    assert axe(page) == []
    sign_in(page, server, "asha")
    for path in ("/", *paths.values()):
        page.goto(server.url + path)
        assert axe(page) == []
        assert wide_enough(page), path
        boxes = page.locator(".drop")
        for box in boxes.all():
            assert box.evaluate("box => box.scrollWidth <= box.clientWidth"), path
    context.close()


def test_a_refused_sign_in_has_the_focus(browser: Browser, server: Server) -> None:
    """After a refused sign-in, keyboard and screen reader are at the message, and the name is still filled in."""
    context = context_of(browser)
    page = context.new_page()
    page.goto(server.url)
    page.get_by_label("Name").fill("asha")
    page.get_by_label("Password").fill("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("The name or the password is wrong.")
    expect(page.get_by_role("alert")).to_be_focused()
    assert axe(page) == []
    expect(page.get_by_label("Name")).to_have_value("asha")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Name")).to_be_focused()
    context.close()


def test_a_viewer_watches_the_run_of_an_uploader(browser: Browser, server: Server, paths: dict[str, str]) -> None:
    """A viewer sees what the uploader does in another browser; only the uploader has the buttons."""
    mine, theirs = context_of(browser), context_of(browser)
    asha, vera = mine.new_page(), theirs.new_page()
    sign_in(asha, server, "asha")
    sign_in(vera, server, "vera")
    for page in (asha, vera):
        page.goto(server.url + paths["paused"])
        expect(page.get_by_role("heading", level=1)).to_contain_text("Paused: ")
    expect(vera.get_by_role("button", name="Resume")).to_have_count(0)
    asha.get_by_role("button", name="Resume").dblclick()
    expect(asha.get_by_role("button", name="Pause")).to_be_visible()
    vera.reload()
    expect(vera.get_by_role("heading", level=1)).to_have_text("Importing long.csv")
    expect(vera.get_by_role("button", name="Pause")).to_have_count(0)
    assert axe(vera) == []
    asha.get_by_role("button", name="Pause").click()
    expect(vera.get_by_role("heading", level=1)).to_contain_text("Paused: ")
    mine.close()
    theirs.close()


def test_reduced_motion_disables_animations(browser: Browser, server: Server) -> None:
    """With `prefers-reduced-motion`, no style rule has a transition or an animation."""
    context = context_of(browser)
    page = context.new_page()
    page.goto(server.url)
    moving = """() => [...document.styleSheets].flatMap(sheet => [...sheet.cssRules]).filter(rule =>
        rule.style && (rule.style.transition || rule.style.animation)).map(rule => rule.cssText)"""
    assert page.evaluate(moving) == []
    context.close()
