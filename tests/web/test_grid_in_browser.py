"""The grid in a browser: keys, focus and what is announced; a phone, dark, in print, and without scripts."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import Watcher, axe, context_of, wide_enough
from tests.support.page import Server, Visitor, prepare

pytestmark = [pytest.mark.process, pytest.mark.browser]
SHEET = b"""Mobile,Email,Colour
12,a@example.com,Blue
13,b@example.com,Blue
+919876543210,c at example.com,Blue
14,d@,Blue
"""


@pytest.fixture
def address(visitor: Visitor) -> str:
    return prepare(visitor, "rows.csv", SHEET)


@pytest.fixture
def page(browser: Browser, server: Server, address: str) -> Iterator[Page]:
    context = context_of(browser, viewport={"width": 1280, "height": 900})
    page = context.new_page()
    watcher = Watcher(page, server.url)
    page.goto(f"{server.url}{address}/fix")
    yield page
    context.close()
    assert [fault for fault in watcher.faults if "ERR_FAILED" not in fault] == []  # what a test aborted


def focused(page: Page) -> str:
    found: str = page.evaluate("document.activeElement.id")
    return found


def test_keys(page: Page) -> None:
    """Arrows, Enter, Esc, undo and redo, a proposed value, and a row that is left out; the focus is never lost."""
    cell = page.get_by_label("Mobile, row 2")
    cell.focus()
    for key, place in (("ArrowDown", "c-3-0"), ("ArrowDown", "c-4-1"), ("ArrowUp", "c-3-0"), ("ArrowUp", "c-2-0")):
        page.keyboard.press(key)
        assert focused(page) == place
    page.keyboard.type("nonsense")
    page.keyboard.press("Escape")
    expect(cell).to_have_value("12")
    page.keyboard.press("Control+a")
    page.keyboard.type("+919876543211")
    page.keyboard.press("Enter")
    expect(page.locator("#said")).to_contain_text("Row 2")
    expect(page.locator("#row-2")).to_have_attribute("data-state", "ready")
    assert focused(page) == "c-3-0"
    # What is typed is the browser's own to undo; then it is the page's.
    page.keyboard.type("7")
    page.keyboard.press("Control+z")
    expect(page.locator("#row-2")).to_have_attribute("data-state", "ready")
    page.keyboard.press("Escape")
    page.keyboard.press("Control+z")
    expect(page.locator("#row-2")).to_have_attribute("data-state", "open")
    page.keyboard.press("Control+Shift+z")
    expect(page.locator("#row-2")).to_have_attribute("data-state", "ready")
    assert focused(page) == "c-3-0"
    page.keyboard.press("F8")
    expect(page.locator("#row-3")).to_have_attribute("data-state", "out")
    expect(page.get_by_label("Email, row 4")).to_be_focused()
    page.keyboard.press("Control+z")
    expect(page.locator("#row-3")).to_have_attribute("data-state", "open")
    page.keyboard.press("Alt+Enter")
    expect(page.get_by_label("Email, row 4")).to_have_value("c@example.com")
    expect(page.locator("#row-4")).to_have_attribute("data-state", "ready")
    # The last change arrives before the next page is asked for.
    page.get_by_label("Mobile, row 5").fill("+919876543214")
    page.get_by_role("link", name="Done: check the file again").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("2 rows are ready")
    page.go_back()
    expect(page.locator("#row-5 [aria-invalid]")).to_have_count(1)


def test_a_change_that_is_not_saved_is_said(page: Page) -> None:
    """And sent again when the person tries again."""
    page.route("**/fix/cells*", lambda route: route.abort())
    cell = page.get_by_label("Mobile, row 2")
    cell.fill("+919876543211")
    cell.press("Enter")
    expect(page.get_by_role("alert")).to_be_visible()
    page.unroute("**/fix/cells*")
    cell.press("Enter")
    expect(page.locator("#row-2")).to_have_attribute("data-state", "ready")
    expect(page.locator("#unsaved")).to_have_count(0)


def test_undo_takes_back_what_was_done_for_all_rows(page: Page) -> None:
    """“Leave out all” and an edit, by keys and from wherever the focus is; the counts are those of a new check."""
    page.get_by_label("Mobile, row 2").fill("+919876543211")
    page.get_by_label("Mobile, row 2").press("Enter")
    expect(page.locator("#row-2")).to_have_attribute("data-state", "ready")
    for column in ("Mobile", "Email"):
        page.get_by_role("button", name=re.compile(f"Leave out all.*{column}")).first.click()
        expect(page.locator("#state-out .count")).to_have_text("2" if column == "Mobile" else "3")
    for out, still_open in (("2", "1"), ("0", "3")):
        page.keyboard.press("Control+z")
        expect(page.locator("#state-out .count")).to_have_text(out)
        expect(page.locator("#state-open .count")).to_have_text(still_open)
    expect(page.get_by_label("Mobile, row 3")).to_be_visible()
    page.keyboard.press("Control+z")
    expect(page.locator("#state-open .count")).to_have_text("4")
    page.keyboard.press("Control+y")
    expect(page.locator("#state-ready .count")).to_have_text("1")


@pytest.mark.parametrize("width", [1280, 390])
def test_the_number_of_a_row_stays_in_view(width: int, browser: Browser, server: Server, visitor: Visitor) -> None:
    """However far a wide sheet is scrolled sideways. On a phone, cells stand below each other."""
    names = [f"Column {at}" for at in range(60)]
    lines = [",".join(["Mobile", *names]), ",".join(["12", *["a long text in a cell" for _ in names]])]
    address = prepare(visitor, "wide.csv", "\n".join(lines).encode())
    context = context_of(browser, viewport={"width": width, "height": 844})
    page = context.new_page()
    page.goto(f"{server.url}{address}/fix")
    page.evaluate("for (const part of document.querySelectorAll('.scroll')) part.scrollLeft = 1500")
    box, around = page.locator("#row-2 th").bounding_box(), page.locator("#grid .scroll").bounding_box()
    assert box is not None and around is not None and 0 <= box["x"] - around["x"] < 30
    covering = "([x, y]) => document.elementFromPoint(x, y).closest('th') !== null"
    page.locator("#row-2 th").scroll_into_view_if_needed()
    box = page.locator("#row-2 th").bounding_box()
    assert box is not None and page.evaluate(covering, [box["x"] + 12, box["y"] + 12])
    assert wide_enough(page) and axe(page) == []
    context.close()


@pytest.mark.parametrize("width", [1280, 390])
def test_every_page_for_fixing_fits(width: int, browser: Browser, server: Server, address: str) -> None:
    """By axe and by the width of the screen, light and dark."""
    scheme = "dark" if width < 1000 else "light"
    context = context_of(browser, viewport={"width": width, "height": 844}, color_scheme=scheme)
    page = context.new_page()
    for name in ("fix", "rules", "check"):
        page.goto(f"{server.url}{address}/{name}")
        assert axe(page) == []
        assert wide_enough(page)
    page.goto(f"{server.url}{address}/fix")
    page.emulate_media(media="print")
    expect(page.locator("#row-2 input")).to_be_visible()
    expect(page.get_by_role("button", name="Undo")).to_be_hidden()
    context.close()


def test_without_scripts(browser: Browser, server: Server, address: str) -> None:
    """The grid is a form: Enter saves all of it."""
    context = context_of(browser, java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{server.url}{address}/fix")
    page.get_by_label("Mobile, row 2").fill("+919876543211")
    page.get_by_label("Mobile, row 3").fill("+919876543212")
    page.get_by_label("Mobile, row 3").press("Enter")
    expect(page.locator("#row-3")).to_have_count(0)
    expect(page.locator("#row-4")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#row-2")).to_be_visible()
    page.get_by_role("button", name="Use c@example.com").click()
    expect(page.locator("#row-4")).to_have_count(0)
    page.get_by_role("link", name="Rules for whole columns").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Rules")
    page.get_by_label("What it does").select_option("find")
    page.get_by_label("Column", exact=True).select_option("Colour")
    page.get_by_label("Find", exact=True).fill("Blue")
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_role("status")).to_contain_text("4 cells")
    context.close()
