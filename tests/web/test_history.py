"""The history of imports: search, filters and pages, without scripts too; and files that were not imported."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import Browser, expect
from starlette.testclient import TestClient

from importer.journal import Journal
from importer.journal.records import RunProgress
from importer.settings.options import Settings
from importer.web.app import create_app
from importer.web.history import PER_PAGE, Entry, Wanted, cut, matches, wanted_from
from importer.web.options import WebOptions
from importer.web.storage import Storage, Wish
from importer.web.users import add_user
from tests.support.browser import axe, context_of, wide_enough
from tests.support.journals import record
from tests.support.page import Server, Visitor, WarmServer

DAY = 86_400
NOON = datetime.datetime(2026, 11, 20, 12).astimezone().timestamp()
ENTRY = Entry("Customers May.xlsx", "20261120-1200-customers-may-a1b2", "asha", "done", NOON)
PASSWORD = "a long enough password"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, True),
        ({"q": "customers"}, True),
        ({"q": "a1b2"}, True),
        ({"q": "ASHA may"}, True),
        ({"q": "ravi"}, False),
        ({"q": "asha ravi"}, False),
        ({"result": "done"}, True),
        ({"result": "attention"}, False),
        ({"result": "nonsense"}, True),
        ({"from": "2026-11-20", "to": "2026-11-20"}, True),
        ({"from": "2026-11-21"}, False),
        ({"to": "2026-11-19"}, False),
        ({"from": "nonsense", "page": "²"}, True),
    ],
)
def test_what_a_search_finds(query: dict[str, str], found: bool) -> None:
    """By file, run, user, result and day, the days included. What is not valid is left out."""
    assert matches(ENTRY, wanted_from(query)) is found


@pytest.mark.parametrize(
    ("state", "result"),
    [
        ("limited", "active"),
        ("elsewhere", "active"),
        ("paused", "open"),
        ("broken", "open"),
        ("attention", "attention"),
    ],
)
def test_each_state_belongs_to_one_result(state: str, result: str) -> None:
    entry = msgspec.structs.replace(ENTRY, state=state)
    assert [name for name in ("active", "done", "attention", "open") if matches(entry, Wanted(result=name))] == [result]


def test_pages_and_their_addresses() -> None:
    """The last page has the rest; a page beyond it is the last. An address keeps the search."""
    runs = list(range(2 * PER_PAGE + 1))
    assert cut(runs, Wanted(page=3)) == cut(runs, Wanted(page=99))
    assert (cut(runs, Wanted(page=3)).first, cut(runs, Wanted(page=3)).last) == (2 * PER_PAGE + 1, 2 * PER_PAGE + 1)
    assert (cut([], Wanted()).pages, cut([], Wanted()).last) == (1, 0)
    wanted = Wanted("a & b", "done", datetime.date(2026, 11, 1), None)
    assert wanted.address(2) == "/?q=a+%26+b&result=done&from=2026-11-01&page=2#runs"


def make_runs(reports: Path, storage: Storage) -> None:
    """Sixty finished runs, one of another user, one that waits to be resumed."""
    with Journal.open(reports) as journal:
        for number in range(60):
            name = f"month{number:02}.csv" if number else "ravi's.csv"
            run_id = f"20261120-1200-month-{number:04x}"
            at = int((NOON + number * DAY / 6) * 1000)
            made = journal.create(record(run_id=run_id, source=f"/data/{name}", started_at=at), f"s{number}")
            if number != 59:
                journal.finish(made.key, at, 0 if number % 3 else 3, True, RunProgress())
            owner = "asha" if number else "ravi"
            storage.wish(Wish(0, owner, f"/data/{name}", {}, at, run_id, wanted="paused" if number == 59 else "ended"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("history")
    (folder / "reports").mkdir()
    for name, role in (("asha", "uploader"), ("ravi", "uploader"), ("olga", "operator")):
        add_user(folder / "users", name, role, PASSWORD)
    options = WebOptions(settings=Settings(reports_dir=str(folder / "reports")))
    storage = Storage(options.folder)
    make_runs(folder / "reports", storage)
    storage.close()
    return folder


@pytest.fixture
def page(folder: Path) -> Iterator[TestClient]:
    settings = Settings(sandbox=True, reports_dir=str(folder / "reports"))
    options = WebOptions(settings=settings, users_file=folder / "users")
    with TestClient(create_app(options), base_url="http://localhost") as client:
        yield client


def shown(visitor: Visitor, path: str) -> list[str]:
    return re.findall(r'<th scope="row"><a href="/runs/[^"]+">([^<]+)</a>', unescape(visitor.get(path).text))


def test_the_history_is_paged_by_the_server(page: TestClient) -> None:
    """Each run stands on one page, newest first; a link leads to the next one and keeps the search."""
    olga = Visitor(page)
    olga.sign_in("olga", PASSWORD)
    seen, path = [], "/"
    while path:
        seen.append(shown(olga, path))
        text = unescape(olga.get(path).text)
        found = re.search(r'rel="next" href="([^"#]+)', text)
        path = found[1] if found else ""
    assert [len(names) for names in seen] == [25, 25, 10]
    newest_first = [*(f"month{number:02}.csv" for number in range(59, 0, -1)), "ravi's.csv"]
    assert [name for names in seen for name in names] == newest_first
    assert shown(olga, "/?q=ravi") == ["ravi's.csv"]
    assert shown(olga, "/?q=month-000a") == ["month10.csv"]
    assert shown(olga, "/?result=open") == ["month59.csv"]
    assert len(shown(olga, "/?result=attention")) == 20
    assert len(shown(olga, "/?from=2026-11-21&to=2026-11-21")) == 6
    assert shown(olga, "/?q=nothing") == []


def test_a_user_finds_only_their_own_runs(page: TestClient) -> None:
    """Whatever is looked for: not by name, id, user or page."""
    ravi = Visitor(page)
    ravi.sign_in("ravi", PASSWORD)
    for path in ("/", "/?q=month", "/?q=asha", "/?page=2", "/?result=done", "/?from=2020-01-01"):
        assert set(shown(ravi, path)) <= {"ravi's.csv"}
        assert "month10" not in ravi.get(path).text


def test_a_search_is_shown_and_never_run(page: TestClient) -> None:
    """Its words are in the field again, escaped."""
    olga = Visitor(page)
    olga.sign_in("olga", PASSWORD)
    text = olga.get("/", params={"q": '"><script>x</script>'}).text
    assert "<script>x" not in text and "&lt;script&gt;" in text


@pytest.mark.process
def test_files_not_imported_fold_away(tmp_path: Path) -> None:
    """With what is in them, and a button that discards each."""
    with WarmServer(tmp_path, "--sandbox") as server:
        visitor = Visitor.at(server.url)
        address = visitor.upload("forgotten.csv", b"Mobile,Brand\n919876501001,Puma\n").url.path
        visitor.settled(address)
        text = visitor.get("/").text
        folded = text.partition("<details")[2].partition("</details>")[0]
        assert "forgotten.csv" in folded and "1 row" in folded and "Mobile, Brand" in folded
        assert "919876501001" not in text
        visitor.post(f"{address}/discard")
        assert "<details" not in visitor.get("/").text


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    with WarmServer(folder, "--sandbox", IMPORTER_WEB_USERS_FILE=str(folder / "users")) as running:
        yield running


@pytest.mark.process
@pytest.mark.browser
@pytest.mark.parametrize("scripts", [True, False])
def test_the_history_in_a_browser(browser: Browser, server: Server, scripts: bool) -> None:
    """By keyboard, on a phone, in the dark, with and without scripts."""
    context = context_of(
        browser, viewport={"width": 390, "height": 800}, color_scheme="dark", java_script_enabled=scripts
    )
    page = context.new_page()
    page.goto(server.url)
    page.get_by_label("Name").fill("olga")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.get_by_label("File, run or user").fill("month")
    page.get_by_label("Result").select_option("attention")
    page.get_by_label("Result").press("Tab")
    page.get_by_role("button", name="Search").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Imports 1 to 20 of 20")).to_be_visible()
    expect(page.get_by_label("File, run or user")).to_have_value("month")
    page.get_by_role("link", name="Show all imports").click()
    page.get_by_role("link", name="Older").click()
    expect(page.get_by_text("Imports 26 to 50 of 60")).to_be_visible()
    if scripts:
        assert axe(page) == []
        assert wide_enough(page)
    context.close()
