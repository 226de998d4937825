"""Protected files: the page asks for the password, keeps it in memory only, and asks again if it is missing."""

from __future__ import annotations

import io
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import openpyxl
import pytest
from msoffcrypto.format.ooxml import OOXMLFile
from playwright.sync_api import Browser, expect

from importer.sandbox import EmbeddedSandbox
from importer.settings.options import Settings
from importer.web.messages import WorkerTask
from importer.web.passwords import Passwords
from tests.support.browser import Watcher, axe, context_of, wide_enough
from tests.support.page import Server, Visitor, WarmServer, ended, form_of, prepare, start, until
from tests.support.runs import rows_written

pytestmark = pytest.mark.process

SECRET = "kanari-Ünlock-me"
WRONG = "kanari-wrong"
FIELD = 'name="password" type="password" autocomplete="off" required'
START = "<button>Start the import</button>"


def locked(rows: int = 40, bad: int = 0, password: str = SECRET) -> bytes:
    """A workbook protected by a password; the sandbox refuses the customers of the last `bad` rows."""
    book = openpyxl.Workbook()
    assert book.active is not None
    book.active.append(["External id", "Favourite brand"])
    for number in range(rows):
        book.active.append([f"code-816+{number}" if number >= rows - bad else f"A{number}", f"brand {number}"])
    plain = io.BytesIO()
    book.save(plain)
    return protected(plain.getvalue(), password)


def protected(workbook: bytes, password: str = SECRET) -> bytes:
    found = io.BytesIO()
    OOXMLFile(io.BytesIO(workbook)).encrypt(password, found)
    return found.getvalue()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with WarmServer(tmp_path_factory.mktemp("locked"), "--sandbox", "--rate", "1000/second") as running:
        yield running


def unlocked(visitor: Visitor, name: str, content: bytes) -> str:
    """Uploads a file and types its password: the file's address, once its columns are known."""
    address: str = visitor.settled(visitor.upload(name, content).url.path).url.path
    visitor.post(f"{address}/password", {"password": SECRET})
    visitor.settled(address)
    return address


def checked(visitor: Visitor, address: str) -> str:
    """The text of the check page."""
    visitor.post(f"{address}/mapping", form_of(visitor.get(address).text))
    return str(visitor.settled(f"{address}/check").text)


def written_nowhere(folder: Path) -> None:
    """Asserts that no file or file name below contains a password, in any common encoding."""
    for path in folder.rglob("*"):
        assert "kanari" not in str(path)
        if path.is_file():
            content = path.read_bytes()
            for word in ("kanari", "Ünlock", "nlock-me"):
                for encoding in ("utf-8", "utf-16-le", "latin-1"):
                    assert word.encode(encoding) not in content, path


def test_the_page_asks_for_the_password_until_it_opens_the_file(server: Server, visitor: Visitor) -> None:
    """A wrong password is reported and asked for again; with the right one, every row is imported. No page or file
    shows either."""
    page = visitor.settled(visitor.upload("locked.xlsx", locked()).url.path)
    address = page.url.path
    assert "locked.xlsx is password protected." in page.text and FIELD in page.text
    visitor.post(f"{address}/password", {"password": WRONG})
    page = visitor.settled(address)
    assert "the given password does not open it" in page.text and FIELD in page.text
    visitor.post(f"{address}/password", {"password": SECRET})
    page = visitor.settled(address)
    assert "Favourite brand" in page.text and FIELD not in page.text
    assert "40 rows are ready" in checked(visitor, address)
    page = ended(visitor, start(visitor, address))
    assert "All 40 rows succeeded." in page.text
    assert WRONG not in page.text and SECRET not in page.text
    written_nowhere(server.folder)


def test_an_empty_password_is_not_tried(visitor: Visitor) -> None:
    """An empty password, sent without the browser's own validation, is not tried: the page asks again."""
    address = visitor.settled(visitor.upload("locked.xlsx", locked()).url.path).url.path
    visitor.post(f"{address}/password", {"password": ""})
    page = visitor.settled(address)
    assert "password given" not in page.text and FIELD in page.text


def test_a_fixed_file_and_a_retry_need_the_password_again(server: Server, visitor: Visitor) -> None:
    """The password is forgotten when the run ends. A retry needs it again, and starts no run with a wrong one. A fixed
    file may be protected, too."""
    address = unlocked(visitor, "some.xlsx", locked(bad=3))
    checked(visitor, address)
    run = start(visitor, address)
    page = ended(visitor, run)
    assert "37 of 40" in page.text and FIELD in page.text
    fixed = protected(visitor.get(f"{run}/files/failed.xlsx").content)
    upload = visitor.upload("fixed.xlsx", fixed, path=f"{run}/fixed").url.path.removesuffix("/check")
    assert FIELD in visitor.settled(f"{upload}/check").text
    visitor.post(f"{upload}/password", {"password": SECRET})
    assert "3 rows are ready" in visitor.settled(f"{upload}/check").text
    assert visitor.post(f"{run}/retry").url.path == run, "without a password nothing begins"
    page = visitor.post(f"{run}/retry", {"password": WRONG})
    assert page.status_code == 422
    assert "the given password does not open it" in page.text and FIELD in page.text
    again = visitor.post(f"{run}/retry", {"password": SECRET}).url.path
    assert again != run
    assert "3 need attention" in ended(visitor, again).text
    written_nowhere(server.folder)


def test_a_restarted_server_asks_for_the_password_again(tmp_path: Path) -> None:
    """After a kill during a run, the server asks for the password and resumes with the right one only. A file that was
    only checked cannot start without it either."""
    passes = threading.Semaphore(0)
    with EmbeddedSandbox() as sandbox:

        def third_waits() -> float:
            """The answer to the third request, and to each after it, needs a pass."""
            if len(sandbox.state.requests) >= 3:
                passes.acquire(timeout=200)
            return 0.0

        sandbox.state.next_latency = third_waits  # type: ignore[method-assign]
        options = ("--base-url", sandbox.base_url, "--batch-size", "10", "--rate", "1000/second", "--concurrency", "1")
        environ = {"IMPORTER_USERNAME": sandbox.username, "IMPORTER_PASSWORD": sandbox.password}
        server = WarmServer(tmp_path, *options, **environ).start()
        visitor = Visitor.at(server.url)
        waiting, address = unlocked(visitor, "later.xlsx", locked(10)), unlocked(visitor, "now.xlsx", locked(100))
        checked(visitor, waiting)
        checked(visitor, address)
        run = start(visitor, address)
        until(lambda: len(sandbox.state.requests), lambda count: count == 3)
        until(lambda: rows_written(server.reports), lambda rows: rows == 20)
        server.kill()
        passes.release()
        with WarmServer(tmp_path, *options, **environ) as again:
            visitor = Visitor.at(again.url)
            page = until(lambda: visitor.get(run), lambda answer: FIELD in answer.text)
            assert "now.xlsx is password protected." in page.text and "Resume" in page.text
            assert len(sandbox.state.accepted) < 100
            passes.release(100)
            visitor.post(f"{run}/resume", {"password": WRONG})
            page = ended(visitor, run)
            assert "the given password does not open it" in page.text and FIELD in page.text
            assert visitor.post(f"{run}/resume").url.path == run
            assert ended(visitor, run).text.count(FIELD) == 1, "without a password nothing begins"
            visitor.post(f"{run}/resume", {"password": SECRET})
            page = ended(visitor, run)
            assert "All 100 rows succeeded." in page.text
            sent = Counter(str(identifiers) for identifiers, _ in sandbox.state.accepted)
            # The batch that was in flight is sent again if its answer came too late for the process that sent it.
            assert len(sent) == 100 and sent.total() in (100, 110)

            page = visitor.settled(f"{waiting}/check")
            assert "10 rows are ready" in page.text and FIELD in page.text and START not in page.text
            assert visitor.post(f"{waiting}/start").url.path == f"{waiting}/check"
            visitor.post(f"{waiting}/password", {"password": SECRET})
            page = visitor.settled(f"{waiting}/check")
            assert START in page.text and FIELD not in page.text
        written_nowhere(tmp_path)


def test_an_unprotected_file_has_no_password_field(visitor: Visitor) -> None:
    """No page of an unprotected file has a password field."""
    address = prepare(visitor, "a.csv", b"External id,Colour\nA,Blue\ncode-816+1,Red\n")
    for page in (address, f"{address}/check"):
        assert 'type="password"' not in visitor.get(page).text
    assert 'type="password"' not in ended(visitor, start(visitor, address)).text


def test_a_password_is_not_printed_and_is_forgotten_with_its_file(tmp_path: Path) -> None:
    """The `repr` of a task and of the stored passwords hides them; the password of a deleted file is forgotten."""
    kept, path = Passwords(), tmp_path / "a.xlsx"
    path.touch()
    kept.keep(str(path), SECRET)
    kept.keep(str(tmp_path / "b.xlsx"), SECRET)
    kept.forget_gone()
    assert (kept.of(str(path)), kept.of(str(tmp_path / "b.xlsx"))) == (SECRET, "")
    assert SECRET not in repr(kept)
    assert SECRET not in repr(WorkerTask("inspect", Settings(), password=SECRET))


@pytest.mark.browser
def test_a_protected_file_in_a_browser(browser: Browser, server: Server, tmp_path: Path) -> None:
    """The password field has a label and the type password, and its content never becomes part of an address. axe finds
    no fault, and no request leaves the origin."""
    (tmp_path / "locked.xlsx").write_bytes(locked())
    context = context_of(browser, viewport={"width": 390, "height": 800})
    page = context.new_page()
    watcher = Watcher(page, server.url)
    page.goto(server.url)
    page.get_by_label("Spreadsheet").set_input_files(tmp_path / "locked.xlsx")
    for word, next_heading in ((WRONG, "This file is protected"), (SECRET, "What each column becomes")):
        field = page.get_by_label("Password of the file")
        expect(field).to_be_visible(timeout=20_000)
        assert field.get_attribute("type") == "password" and field.get_attribute("autocomplete") == "off"
        assert axe(page) == [] and wide_enough(page)
        field.fill(word)
        page.get_by_role("button", name="Open the file").click()
        expect(page.get_by_role("heading", name=next_heading)).to_be_visible(timeout=20_000)
        assert "kanari" not in page.url
    expect(page.get_by_label("What “Favourite brand” becomes")).to_be_visible(timeout=20_000)
    context.close()
    assert watcher.faults == []
