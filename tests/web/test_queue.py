"""Several files in one drop: each is stored, and all are taken through the steps one after the other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from starlette.testclient import TestClient

from importer.settings.options import Settings
from importer.web.app import create_app
from importer.web.options import MEBIBYTE, WebOptions
from importer.web.pages import uploads
from tests.support.browser import Watcher, axe, context_of, wide_enough
from tests.support.page import Server, Visitor, ended, form_of, start, until

pytestmark = pytest.mark.process

JANUARY = b"Mobile,Shade\n919876543210,Blue\n"
FEBRUARY = b"Shade,Mobile\nRed,919876543211\n"
OTHER = b"Email,Size\na@b.example,L\n"


def dropped(visitor: Visitor, *files: tuple[str, bytes], **fields: str) -> str:
    """Sends files in one form, as a browser without scripts does: the address that follows."""
    visitor.get("/")
    answer = visitor.post("/uploads", fields, files=[("file", file) for file in files])
    assert answer.status_code == 200, answer.text
    return str(answer.url.path)


def states(visitor: Visitor, queue: str) -> list[tuple[str, str]]:
    """(name, state) of each file, once none is being read."""
    html = until(lambda: visitor.get(queue).text, lambda text: "data-wait" not in text)
    rows = re.findall(r'<tr><th scope="row">(.*?)</th>.*?</td><td>(.*?)</td></tr>', html)
    return [(re.sub("<[^>]+>", "", name), state) for name, state in rows]


def addresses(visitor: Visitor, queue: str) -> list[str]:
    return re.findall(r'<tr><th scope="row"><a href="([^"]+)"', visitor.get(queue).text)


def test_files_are_taken_one_after_the_other(visitor: Visitor) -> None:
    """They are listed with their states in their order, each page leads to the next file, and a file with the same
    column names is mapped as the one before."""
    queue = dropped(visitor, ("january.csv", JANUARY), ("february.csv", FEBRUARY), ("other.csv", OTHER))
    assert queue.endswith("/queue")
    names = ["january.csv", "february.csv", "other.csv"]
    assert states(visitor, queue) == [(name, "choose its columns") for name in names]
    first, second, _ = addresses(visitor, queue)
    page = visitor.get(first).text
    assert "File 1 of 3" in page and f'href="{second}"' in page
    visitor.post(f"{first}/mapping", {**form_of(page), "preference-1": "Colour"})
    visitor.settled(f"{first}/check")
    assert states(visitor, queue)[0][1] == "look at the check and start"
    run = start(visitor, first)
    assert f'href="{second}"' in visitor.get(run).text
    page = visitor.settled(second).text
    assert "for january.csv" in page and form_of(page)["preference-0"] == "Colour"
    ended(visitor, run)
    found = states(visitor, queue)
    assert found[0][1] == "import started" and found[1][1] == "choose its columns"
    assert visitor.get(f"{first}/queue").status_code == 200, "its file may be deleted by now"


def test_one_file_is_no_queue(visitor: Visitor) -> None:
    """Its own page follows, without a list."""
    address = dropped(visitor, ("one.csv", JANUARY))
    assert not address.endswith("/queue")
    assert "File 1 of" not in visitor.settled(address).text


def test_files_of_several_forms_are_one_queue(visitor: Visitor) -> None:
    """The script sends each file by itself, and asks for no page in between."""
    queue = re.findall(r'name="queue" value="([0-9a-f]+)"', visitor.get("/").text)[0]
    answer = visitor.post("/uploads", {"queue": queue, "more": "1"}, files={"file": ("a.csv", JANUARY)})
    assert (answer.status_code, answer.url.path) == (204, "/uploads")
    address = dropped(visitor, ("b.csv", FEBRUARY), queue=queue)
    assert [name for name, _ in states(visitor, address)] == ["a.csv", "b.csv"]


def test_a_queue_shows_what_each_file_needs(visitor: Visitor) -> None:
    """A file that cannot be read keeps no other from its next step, and is not the next one of any page."""
    photo = b"\x89PNG\r\n\x1a\n" + bytes(1000)
    queue = dropped(visitor, ("photo.csv", photo), ("good.csv", JANUARY), ("empty.csv", b""))
    assert [state for _, state in states(visitor, queue)] == ["cannot be read", "choose its columns", "cannot be read"]
    first, good, _ = addresses(visitor, queue)
    assert f'class="button" href="{good}"' in visitor.get(queue).text
    assert f'href="{good}"' in visitor.get(first).text
    page = visitor.get(good).text
    assert "Continue with" not in page
    visitor.post(f"{good}/mapping", form_of(page))
    visitor.settled(f"{good}/check")
    ended(visitor, start(visitor, good))
    page = visitor.get(queue).text
    assert 'class="button"' not in page and "Every readable file is imported" in page
    visitor.post(f"{addresses(visitor, queue)[0]}/discard")
    assert visitor.get(queue).status_code == 404


# ---------------------------------------------------------------------------------------------------- limits


@pytest.fixture
def small(tmp_path: Path) -> Iterator[TestClient]:
    """A page that takes files of 1 MiB, and 3 MiB of each user."""
    options = WebOptions(
        settings=Settings(sandbox=True, reports_dir=str(tmp_path)), max_upload=MEBIBYTE, user_quota=3 * MEBIBYTE
    )
    with TestClient(create_app(options), base_url="http://localhost") as page:
        yield page


def stored(folder: Path) -> int:
    return len([path for path in (folder / ".web" / "uploads").rglob("*") if path.is_file()])


@pytest.mark.parametrize(
    ("sizes", "status"), [((900, 900, 900), 200), ((10, 1100), 413), ((900, 900, 900, 900), 413), ((0, 10), 200)]
)
def test_limits_hold_for_each_file_and_for_all(
    small: TestClient, tmp_path: Path, sizes: tuple[int, ...], status: int
) -> None:
    """Each may be as large as one alone, all together as the user's room. A refused form leaves none of its files."""
    visitor = Visitor(small)
    visitor.get("/")
    files = [("file", (f"{at}.csv", b"Mobile,Brand\n" + b"x" * (1024 * size))) for at, size in enumerate(sizes)]
    assert visitor.post("/uploads", files=files).status_code == status
    if status != 200:
        assert stored(tmp_path) == 0


def test_the_number_of_files_is_limited(small: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one form, and in some minutes."""
    monkeypatch.setattr(uploads, "MOST_FILES", 2)
    visitor = Visitor(small)
    visitor.get("/")
    three = [("file", (f"{at}.csv", JANUARY)) for at in range(3)]
    assert visitor.post("/uploads", files=three).status_code == 400
    assert stored(tmp_path) == 0
    monkeypatch.setattr(uploads, "MOST_FILES", 100)
    many = [("file", (f"{at}.csv", JANUARY)) for at in range(70)]
    assert visitor.post("/uploads", files=many).status_code == 429
    assert stored(tmp_path) == 0


def test_no_file_in_a_form_of_several(small: TestClient) -> None:
    """A browser sends an empty part where nothing was chosen."""
    visitor = Visitor(small)
    visitor.get("/")
    body = f'--x\r\nContent-Disposition: form-data; name="token"\r\n\r\n{visitor.token}\r\n--x\r\n'
    body += 'Content-Disposition: form-data; name="file"; filename=""\r\n\r\n\r\n--x--\r\n'
    kind = {"content-type": "multipart/form-data; boundary=x"}
    assert visitor.client.post("/uploads", headers=kind, content=body.encode()).status_code == 400


@pytest.mark.browser
def test_several_files_in_a_browser(browser: Browser, server: Server, tmp_path: Path) -> None:
    """Chosen together on a phone in the dark: the list, the first file, and the next one from there."""
    for name, content in (("january.csv", JANUARY), ("february.csv", FEBRUARY)):
        (tmp_path / name).write_bytes(content)
    context = context_of(browser, viewport={"width": 390, "height": 800}, color_scheme="dark")
    page = context.new_page()
    watcher = Watcher(page, server.url)
    page.goto(server.url)
    page.get_by_label("Spreadsheet").set_input_files([tmp_path / "january.csv", tmp_path / "february.csv"])
    page.wait_for_url("**/queue")
    expect(page.get_by_text("choose its columns")).to_have_count(2)
    assert axe(page) == [] and wide_enough(page)
    page.get_by_role("link", name="Continue with january.csv").press("Enter")
    page.get_by_role("button", name="Check every row").press("Enter")
    page.get_by_role("button", name="Start the import").press("Enter")
    page.get_by_role("link", name="Continue with february.csv").press("Enter")
    expect(page.get_by_text("for january.csv")).to_be_visible()
    assert axe(page) == [] and wide_enough(page)
    context.close()
    assert watcher.faults == []
