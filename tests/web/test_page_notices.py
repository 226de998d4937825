"""Notices that an import is done: by mail to the user, and by the browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from starlette.testclient import TestClient

from importer.errors import SettingsError
from importer.settings.options import Settings
from importer.telemetry.notices import mail, mail_service
from importer.web.app import create_app
from importer.web.notices import own_address, recipient
from importer.web.options import WebOptions, refuse_unsafe
from importer.web.storage import Storage, Wish
from importer.web.users import Role, User, add_user
from tests.support.browser import axe, context_of
from tests.support.fault_server import closed_port
from tests.support.nightly import Mailbox
from tests.support.page import PACE, Server, Visitor, WarmServer, ended, import_file, prepare, start, until

PASSWORD = "a long enough password"
MOBILES = b"Mobile,Brand\n" + b"".join(b"919876501%03d,Puma\n" % n for n in range(30)) + b"12,Puma\n"
ASHA = User("asha@example.com", Role.UPLOADER)


@pytest.fixture(scope="module")
def mailbox() -> Iterator[Mailbox]:
    with Mailbox() as running:
        yield running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, mailbox: Mailbox) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("mailing")
    for name in ("asha@example.com", "ravi"):
        add_user(folder / "users", name, "uploader", PASSWORD)
    server = mailbox.address.replace("&to=oncall@example.com", "")
    environ = {"IMPORTER_WEB_USERS_FILE": str(folder / "users"), "IMPORTER_WEB_MAIL": server}
    with WarmServer(folder, "--sandbox", *PACE, **environ) as running:
        yield running


def signed_in(server: Server, name: str) -> Visitor:
    visitor = Visitor.at(server.url)
    visitor.sign_in(name, PASSWORD)
    return visitor


@pytest.mark.process
def test_the_result_is_mailed_with_a_link(server: Server, mailbox: Mailbox) -> None:
    """To the user's own address, when the run is done; the report says so. Nothing is sent that was not asked for."""
    asha = signed_in(server, "asha@example.com")
    ended(asha, import_file(asha, "quiet.csv", MOBILES))
    address = prepare(asha, "customers.csv", MOBILES)
    run = start(asha, address, mail="1")
    ended(asha, run)
    until(lambda: asha.get(run).text, lambda text: "mailed to asha@example.com" in text)
    (sent,) = mailbox.mails
    assert sent["To"] == "asha@example.com"
    assert "customers.csv" in sent["Subject"] and "30 of 31" in sent["Subject"]
    body = sent.get_body(("plain",)) or sent.get_body()
    assert body is not None
    text = body.get_content()
    assert server.url + run in text.replace("\n", "") and "9198765" not in text
    mailbox.mails.clear()


@pytest.mark.process
def test_no_mail_goes_to_an_address_of_others(server: Server, mailbox: Mailbox) -> None:
    """A user without an address is not offered a mail, and a user with one cannot name another."""
    ravi = signed_in(server, "ravi")
    address = prepare(ravi, "ravi.csv", MOBILES)
    assert 'name="mail"' not in ravi.get(f"{address}/check").text
    for visitor, where in (
        (ravi, address),
        (asha := signed_in(server, "asha@example.com"), prepare(asha, "a.csv", MOBILES)),
    ):
        refused = visitor.post(f"{where}/start", {"mail": "1", "address": "someone@example.org"})
        assert refused.status_code == 422
        assert "/runs/" not in visitor.get(f"{where}/run").url.path  # nothing began
    ended(ravi, start(ravi, address))
    assert mailbox.mails == []


@pytest.mark.parametrize(
    ("domains", "typed", "to"),
    [
        ((), "", "asha@example.com"),
        ((), "asha@example.com", "asha@example.com"),
        ((), "ravi@example.com", ""),
        (("example.com",), "ravi@example.com", "ravi@example.com"),
        (("example.com",), " o'brien+x@EXAMPLE.com ", "o'brien+x@EXAMPLE.com"),
        (("example.com",), "ravi@sub.example.com", ""),
        (("example.com",), "ravi@example.com.evil.org", ""),
        (("example.com",), "evil@evil.org,ravi@example.com", ""),
        (("example.com",), "evil@evil.org ravi@example.com", ""),
        (("example.com",), "evil@evil.org\nravi@example.com", ""),
        (("example.com",), "ravi@example.com?cc=evil@evil.org", ""),
        (("example.com",), '"a@evil.org"@example.com', ""),
    ],
)
def test_the_recipients_that_the_page_allows(domains: tuple[str, ...], typed: str, to: str) -> None:
    """The user's own address, and one in a domain that the operator allowed; never a list."""
    options = WebOptions(settings=Settings(), mail="mailto://127.0.0.1", mail_domains=domains)
    assert recipient(options, ASHA, typed) == to
    assert recipient(options, User("asha", Role.UPLOADER), "") == ""
    assert (
        own_address(WebOptions(settings=Settings()), ASHA) == "" == recipient(WebOptions(settings=Settings()), ASHA, "")
    )


def test_a_mail_has_one_recipient(mailbox: Mailbox) -> None:
    """An address that a mail server's address would read as two."""
    assert mail(mailbox.address, "o'brien@example.com", "Done", "All rows.", {}) == ""
    assert [sent["To"] for sent in mailbox.mails] == ["o'brien@example.com"]
    mailbox.mails.clear()


def test_the_mail_server_is_checked_at_the_start() -> None:
    """Only a mail server will do, and its secret may come from the environment."""
    for wrong in ("smtp.example.com", "json://example.com", "mailto://a.example.com mailto://b.example.com", ""):
        with pytest.raises(SettingsError):
            mail_service(wrong, {})
    for domains, server in ((("example.com",), ""), (("@example.com",), "mailto://127.0.0.1")):
        with pytest.raises(SettingsError):
            refuse_unsafe(WebOptions(settings=Settings(), mail=server, mail_domains=domains))
    assert len(mail_service("mailtos://me:${IMPORTER_SMTP}@smtp.example.com", {"IMPORTER_SMTP": "hush"})) == 1


def options_at(folder: Path, server: str) -> WebOptions:
    return WebOptions(settings=Settings(reports_dir=str(folder), sandbox=True), mail=server)


def done(folder: Path, **more: str) -> WebOptions:
    options = options_at(folder, more.pop("server"))
    storage = Storage(options.folder)
    storage.wish(Wish(0, "asha", "/x/abc/a.csv", {}, 0, wanted="ended", mail="a@example.com", page="http://here"))
    storage.close()
    return options


def test_a_mail_that_a_killed_server_did_not_send_is_sent_by_the_next(tmp_path: Path, mailbox: Mailbox) -> None:
    """And only once."""
    options = done(tmp_path, server=mailbox.address)
    for _ in range(2):
        with TestClient(create_app(options)):
            until(lambda: len(mailbox.mails), lambda count: count == 1)
            until(lambda: Storage(options.folder).wishes()[0].mailed, bool)
    assert "http://here/uploads/abc/check" in str(mailbox.mails[0])
    mailbox.mails.clear()


def test_a_mail_that_cannot_be_sent_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is tried again, then the page and the log say so, without the server's address."""
    monkeypatch.setattr("importer.web.notices._AGAIN", (0.0,))
    with closed_port() as port:
        options = done(tmp_path, server=f"mailto://me:hush@127.0.0.1:{port}?from=a@example.com&mode=insecure")
        with TestClient(create_app(options)):
            wish = until(lambda: Storage(options.folder).wishes()[0], lambda wish: wish.mail_fault)
    assert wish.mailed == "a@example.com" and wish.mail == ""
    said = capsys.readouterr().err
    assert "could not be sent" in said and "hush" not in said + wish.mail_fault


#: Records notifications instead of showing them; a test's window has the focus or not.
RECORDER = """
window.Notification = class extends EventTarget {
  static permission = "granted";
  static async requestPermission() { return "granted"; }
  constructor(title, options) {
    super();
    const all = JSON.parse(localStorage.getItem("shown") || "[]");
    localStorage.setItem("shown", JSON.stringify([...all, [title, options.body]]));
  }
  close() {}
};
document.hasFocus = () => false;
"""


@pytest.mark.process
@pytest.mark.browser
def test_the_browser_notifies(browser: Browser, tmp_path: Path) -> None:
    """A tab in the background that was asked to notifies with file and result when the import is done, and only then;
    the security policy stays."""
    with WarmServer(tmp_path, "--sandbox", "--batch-size", "1", "--rate", "2/second") as server:
        visitor = Visitor.at(server.url)
        run = import_file(
            visitor, "a.csv", b"Mobile,Brand\n" + b"".join(b"919876501%03d,Puma\n" % n for n in range(300))
        )
        context = context_of(browser)
        context.add_init_script(RECORDER)
        page = context.new_page()
        page.goto(server.url + run)
        button = page.get_by_role("button", name="Notify me in this browser")
        button.focus()
        page.keyboard.press("Enter")
        expect(button).to_be_hidden()
        expect(page.get_by_text("This browser notifies you")).to_be_visible()
        assert axe(page) == []
        visitor.get(run)
        visitor.post(f"{run}/stop")
        expect(page.get_by_role("heading", name="Downloads")).to_be_visible()
        shown = page.evaluate("JSON.parse(localStorage.getItem('shown'))")
        (name, result) = shown[1]  # the first one tried whether it can
        assert name == "a.csv" and result.startswith("Stopped: ") and len(shown) == 2
        page.reload()
        assert len(page.evaluate("JSON.parse(localStorage.getItem('shown'))")) == 2
        context.close()
