"""Access: without a session, a form token or a sufficient role, every route refuses to show or to do anything."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from starlette.routing import Route
from starlette.testclient import TestClient

from importer.errors import SettingsError
from importer.model import Rate
from importer.settings.options import Settings
from importer.web.app import create_app
from importer.web.guard import PUBLIC
from importer.web.options import WebOptions
from importer.web.users import Role, Tries, Users, add_user
from tests.support.page import SAMPLES, Visitor, ended, import_file, until

#: So fast that no test waits for a slot.
FAST = Rate(1000, 1.0, "1000/second")
PASSWORD = "a long enough password"


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> WebOptions:
    folder = tmp_path_factory.mktemp("access")
    users = folder / "users"
    for name, role in (("asha", "uploader"), ("ravi", "uploader"), ("olga", "operator"), ("vera", "viewer")):
        add_user(users, name, role, PASSWORD)
    return WebOptions(settings=Settings(sandbox=True, rate=FAST, reports_dir=str(folder / "reports")), users_file=users)


@pytest.fixture(scope="module")
def client(options: WebOptions) -> Iterator[TestClient]:
    with TestClient(create_app(options), base_url="http://localhost") as running:
        yield running


def visitor(client: TestClient, name: str = "") -> Visitor:
    """A browser with its own cookies, at the same server."""
    fresh = TestClient(client.app, base_url="http://localhost")
    fresh.portal = client.portal  # the event loop of the server
    found = Visitor(fresh)
    if name:
        assert found.sign_in(name, PASSWORD).status_code == 200
    return found


@pytest.fixture(scope="module")
def run(client: TestClient) -> tuple[str, str]:
    """A finished run and an upload of the user asha: their addresses."""
    asha = visitor(client, "asha")
    run = import_file(asha, "hers.csv", (SAMPLES / "customers.csv").read_bytes())
    ended(asha, run)
    assert asha.get(f"{run}/files/results.csv").status_code == 200
    until(lambda: asha.get("/").text, lambda text: "hers.csv" in text)  # the list is at most a second old
    upload = asha.upload("waits.csv", (SAMPLES / "customers.csv").read_bytes()).url.path
    return run, upload


def addresses(client: TestClient, run: tuple[str, str]) -> list[tuple[str, str]]:
    """(method, address) of every route, with an existing run, upload and report in it."""
    found = []
    for route in client.app.routes:  # type: ignore[attr-defined]
        assert isinstance(route, Route)
        path = route.path.replace("{run}", run[0].rsplit("/", 1)[1]).replace("{upload}", run[1].rsplit("/", 1)[1])
        path = path.replace("{name}", "results.csv")
        found += [(method, path) for method in sorted((route.methods or set()) - {"HEAD"})]
    assert len(found) > 20
    return found


def private(client: TestClient, run: tuple[str, str]) -> list[tuple[str, str]]:
    return [(method, path) for method, path in addresses(client, run) if not path.startswith(PUBLIC)]


@pytest.mark.process
def test_without_a_session_every_route_is_401(client: TestClient, run: tuple[str, str]) -> None:
    """Without a session every private route of the route table answers 401 and shows no file name."""
    stranger = visitor(client)
    for method, path in private(client, run):
        answer = stranger.client.request(method, path, follow_redirects=False)
        assert answer.status_code == 401, (method, path)
        assert "hers.csv" not in answer.text


@pytest.mark.process
def test_without_a_token_every_form_is_403(client: TestClient, run: tuple[str, str]) -> None:
    """A form is refused without the token that this page gave to this browser, in spite of a session."""
    asha, other = visitor(client, "asha"), visitor(client, "asha")
    other.get("/")
    for method, path in addresses(client, run):
        if method != "POST":
            continue
        for token in ("", "0" * 64, other.token):
            if path.endswith(("/uploads", "/fixed")):
                answer = asha.client.post(path, data={"token": token}, files={"file": ("a.csv", b"Mobile\n1")})
            else:
                answer = asha.client.post(path, data={"token": token}, follow_redirects=False)
            assert answer.status_code == 403, (path, token)


@pytest.mark.process
def test_another_users_runs_and_uploads_are_404(client: TestClient, run: tuple[str, str]) -> None:
    """An uploader can neither see nor change the runs and uploads of another user, nor see the audit trail."""
    ravi = visitor(client, "ravi")
    ravi.get("/")
    for method, path in private(client, run):
        if "/runs/" in path or "/uploads/" in path:
            sent = {"data": {"token": ravi.token}} if method == "POST" else {}
            assert ravi.client.request(method, path, follow_redirects=False, **sent).status_code == 404, (method, path)
    assert "hers.csv" not in ravi.get("/").text
    assert ravi.get("/audit").status_code == 403


@pytest.mark.process
def test_another_users_run_looks_like_one_that_does_not_exist(client: TestClient, run: tuple[str, str]) -> None:
    """A run ID contains a file name and can be guessed: right and wrong guesses get the same answer. A user who may see
    every run gets 404 for a wrong ID."""
    ravi = visitor(client, "ravi")
    for there in run:
        answers = [ravi.get(path) for path in (there, f"{there[:-4]}zzzz")]
        assert [answer.status_code for answer in answers] == [404, 404]
        assert answers[0].text == answers[1].text
    assert visitor(client, "vera").get("/runs/20261124-0600-x-0000").status_code == 404


@pytest.mark.process
def test_an_event_stream_ends_and_needs_a_session_to_start_again(
    options: WebOptions, client: TestClient, tmp_path: Path
) -> None:
    """An event stream ends after `watch` seconds and does not start again after sign-out, so a withdrawn role or an
    ended session also stops live progress."""
    slow = msgspec.structs.replace(
        options,
        settings=msgspec.structs.replace(options.settings, batch_size=1, rate=Rate(5, 1.0), reports_dir=str(tmp_path)),
        watch=0.2,
        beat=0.05,
    )
    with TestClient(create_app(slow), base_url="http://localhost") as watched:
        asha = visitor(watched, "asha")
        run = import_file(asha, "long.csv", (SAMPLES / "customers.csv").read_bytes())
        answer = asha.get(f"{run}/events")
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert "event: live" in answer.text and "event: over" not in answer.text
        asha.get(run)
        asha.post(f"{run}/stop")
        asha.get("/")
        asha.post("/sign-out")
        assert asha.client.get(f"{run}/events").status_code == 401


@pytest.mark.process
def test_a_viewer_sees_everything_and_changes_nothing(client: TestClient, run: tuple[str, str]) -> None:
    """A viewer sees all runs and reports; every form except sign-out is refused, and the cells of a file that is being
    fixed are not shown."""
    vera = visitor(client, "vera")
    assert "hers.csv" in vera.get("/").text
    assert vera.get(run[0]).status_code == 200
    assert vera.get(f"{run[0]}/files/results.csv").status_code == 200
    assert all(vera.get(f"{run[1]}/{page}").status_code == 403 for page in ("fix", "rules", "fixed", "mapping.toml"))
    vera.get("/")
    for method, path in private(client, run):
        if method == "POST" and path != "/sign-out":
            sent = {"files": {"file": ("a.csv", b"Mobile\n1")}} if path.endswith(("/uploads", "/fixed")) else {}
            answer = vera.client.post(path, data={"token": vera.token}, follow_redirects=False, **sent)
            assert answer.status_code == 403, path


@pytest.mark.process
def test_an_operator_sees_and_controls_everything(client: TestClient, run: tuple[str, str]) -> None:
    """An operator sees all runs and the audit trail, and can upload and discard files."""
    olga = visitor(client, "olga")
    assert "hers.csv" in olga.get("/").text
    trail = olga.get("/audit").text
    for action in ("signed in", "uploaded", "started", "downloaded"):
        assert action in trail
    upload = olga.upload("olgas.csv", b"Mobile\n1").url.path
    olga.settled(upload)
    assert olga.post(f"{upload}/discard").url.path == "/"
    assert "olgas.csv" not in olga.get("/").text


def test_signing_out_ends_the_session(client: TestClient) -> None:
    """After sign-out the old cookie no longer opens a page."""
    asha = visitor(client, "asha")
    kept = asha.client.cookies.get("importer")
    asha.post("/sign-out")
    assert asha.client.get("/").status_code == 401
    asha.client.cookies.clear()
    assert asha.client.get("/", headers={"cookie": f"importer={kept}"}).status_code == 401


def test_signing_in_gives_a_new_cookie(client: TestClient) -> None:
    """Sign-in replaces the cookie, so a cookie planted in a browser does not give access to the session."""
    asha = visitor(client)
    asha.get("/sign-in")
    planted = asha.client.cookies.get("importer")
    asha.post("/sign-in", {"name": "asha", "password": PASSWORD})
    assert asha.client.cookies.get("importer") != planted


def test_sign_in_hides_which_part_is_wrong_and_limits_attempts_per_name(client: TestClient) -> None:
    """A wrong name and a wrong password get the same message. After five failures of a name, even the right password
    gets 429."""
    stranger = visitor(client)
    stranger.get("/sign-in")
    wrong_name = stranger.post("/sign-in", {"name": "nobody", "password": "x"})
    wrong_password = stranger.post("/sign-in", {"name": "vera", "password": "x"})
    assert wrong_name.status_code == wrong_password.status_code == 401
    assert (
        "The name or the password is wrong." in wrong_name.text
        and "The name or the password is wrong." in wrong_password.text
    )
    for _ in range(4):
        stranger.post("/sign-in", {"name": "vera", "password": "x"})
    assert stranger.post("/sign-in", {"name": "vera", "password": PASSWORD}).status_code == 429


def test_sign_in_limits_attempts_per_address(tmp_path: Path) -> None:
    """After 30 failures an address gets 429, whatever names it tries and whatever `X-Forwarded-For` it sends. The audit
    trail has its real address and no typed name."""
    users = tmp_path / "users"
    add_user(users, "asha", "uploader", PASSWORD)
    own = WebOptions(settings=Settings(sandbox=True, reports_dir=str(tmp_path / "reports")), users_file=users)
    with TestClient(create_app(own), base_url="http://localhost") as page:
        stranger = visitor(page)
        stranger.get("/sign-in")
        seen = []
        for number in range(31):
            stranger.client.headers["x-forwarded-for"] = f"192.0.2.{number}"
            seen.append(stranger.post("/sign-in", {"name": f"guess{number}", "password": "x"}).status_code)
        assert seen == [401] * 30 + [429]
        trail = page.app.state.runs._storage.trail()  # type: ignore[attr-defined]
        assert {line.address for line in trail} == {"testclient"}
        # A password typed into the wrong field is not stored.
        assert {line.user for line in trail} == {""}


@pytest.mark.parametrize(
    "name", ["x-forwarded-host", "forwarded", "x-original-host", "x-forwarded-user", "x-remote-user"]
)
def test_proxy_headers_are_ignored_unless_configured(client: TestClient, name: str) -> None:
    """A header that the settings do not name sets neither the host nor the user."""
    assert client.get("/", headers={name: "olga"}, follow_redirects=False).status_code == 401
    assert client.get("/sign-in", headers={"host": "evil.example", name: "localhost"}).status_code == 400


def test_a_new_password_ends_the_sessions(tmp_path: Path) -> None:
    """Sessions of a user end when the password changes."""
    users = tmp_path / "users"
    add_user(users, "asha", "uploader", PASSWORD)
    own = WebOptions(settings=Settings(sandbox=True, reports_dir=str(tmp_path / "reports")), users_file=users)
    with TestClient(create_app(own), base_url="http://localhost") as page:
        asha = visitor(page, "asha")
        add_user(users, "asha", "uploader", PASSWORD + "!")
        assert asha.client.get("/").status_code == 401


def test_an_internal_error_names_its_location_and_no_value(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the page nor the log shows the value that caused an internal error: it may be a customer's."""

    def fail(*_: object) -> None:
        raise ValueError("919876543210")

    monkeypatch.setattr("importer.web.views.size_words", fail)
    own = WebOptions(settings=Settings(sandbox=True, reports_dir=str(tmp_path)))
    with TestClient(create_app(own), base_url="http://localhost") as page:
        answer = page.get("/")
    assert answer.status_code == 500 and "Internal error" in answer.text
    log = capsys.readouterr().err
    assert "ValueError in test_access.py, line" in log
    assert "919876543210" not in log + answer.text


@pytest.mark.parametrize("onward", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_sign_in_never_redirects_to_another_site(client: TestClient, onward: str) -> None:
    """If `next` is not a path of this page, sign-in redirects to the home page."""
    olga = visitor(client)
    olga.get("/sign-in")
    fields = {"name": "olga", "password": PASSWORD, "next": onward, "token": olga.token}
    answer = olga.client.post("/sign-in", data=fields, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "", "user@localhost", "localhost/path"])
def test_a_forged_host_is_refused(client: TestClient, host: str) -> None:
    """A request with another host name is refused, so DNS rebinding does not reach the page."""
    for path in ("/", "/sign-in", "/static/page.css"):
        assert client.get(path, headers={"host": host}).status_code == 400


@pytest.mark.parametrize("host", ["localhost", "localhost:8765", "127.0.0.1:80", "[::1]:8765"])
def test_loopback_names_are_accepted(client: TestClient, host: str) -> None:
    """The loopback is accepted by each of its names, at any port."""
    assert client.get("/sign-in", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:9999"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_posts_of_other_sites_are_refused(client: TestClient, headers: dict[str, str]) -> None:
    """A form sent from another site is refused, even with the right cookie and form token."""
    asha = visitor(client, "asha")
    asha.get("/")
    answer = asha.client.post("/sign-out", data={"token": asha.token}, headers=headers)
    assert answer.status_code == 403
    assert asha.client.get("/").status_code == 200


@pytest.mark.process
def test_every_answer_has_the_security_headers(client: TestClient, run: tuple[str, str]) -> None:
    """Every answer, including refusals, forbids foreign scripts, styles and frames, and is not cached. The cookie is
    HttpOnly and SameSite."""
    asha = visitor(client, "asha")
    for path in ("/", run[0], "/nothing", "/sign-in"):
        headers = asha.client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
    cookie = visitor(client).client.get("/sign-in").headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie


@pytest.mark.process
def test_a_download_has_a_safe_name(client: TestClient) -> None:
    """Whatever the uploaded file was called, a download has one header with one file name, without a path."""
    asha = visitor(client, "asha")
    run = import_file(asha, 'x"; filename="evil.exe\r\nSet-Cookie: a=b.csv', b"Mobile,Brand\n919876543210,Puma\n")
    ended(asha, run)
    headers = asha.get(f"{run}/files/results.csv").headers
    disposition = headers["content-disposition"]
    assert disposition.startswith("attachment; filename") and disposition.rstrip('"').endswith("-results.csv")
    assert not re.search(r'[\\/\r\n]|evil\.exe"', disposition) and "a=b" not in headers.get("set-cookie", "")
    assert headers["content-type"].startswith("text/csv") and headers["x-content-type-options"] == "nosniff"


@pytest.mark.process
def test_the_summary_page_runs_no_scripts(client: TestClient, run: tuple[str, str]) -> None:
    """summary.html is shown in a browser sandbox, without scripts."""
    policy = visitor(client, "asha").get(f"{run[0]}/files/summary.html").headers["content-security-policy"]
    assert "sandbox" in policy and "script" not in policy


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "page.example"])
def test_no_public_address_without_sign_in(tmp_path: Path, host: str) -> None:
    """An address that other machines can reach is refused without sign-in, with advice."""
    settings = Settings(sandbox=True, reports_dir=str(tmp_path))
    with pytest.raises(SettingsError, match="--add-user"):
        create_app(WebOptions(settings=settings, host=host))


def test_a_trusted_proxy_names_the_user(tmp_path: Path) -> None:
    """The user's header is accepted from the address of the proxy only; without it there is no session."""
    settings = Settings(sandbox=True, reports_dir=str(tmp_path))
    proxied = WebOptions(
        settings=settings, proxy_header="X-Forwarded-User", proxy_addresses=("testclient",), names=("page.example",)
    )
    with TestClient(create_app(proxied), base_url="http://page.example") as behind:
        assert behind.get("/").status_code == 401
        assert behind.get("/", headers={"x-forwarded-user": "asha"}).status_code == 200
    elsewhere = msgspec.structs.replace(proxied, proxy_addresses=("127.0.0.1",))
    with TestClient(create_app(elsewhere), base_url="http://page.example") as direct:
        assert direct.get("/", headers={"x-forwarded-user": "asha"}).status_code == 403


def test_the_cookie_is_bound_to_https_if_browsers_use_it(tmp_path: Path) -> None:
    """With HTTPS the cookie is Secure and has a name that only this host may set."""
    settings = Settings(sandbox=True, reports_dir=str(tmp_path))
    with TestClient(create_app(WebOptions(settings=settings, https=True)), base_url="https://localhost") as client:
        answer = client.get("/")
        assert re.match(r"__Host-importer=\S+; Path=/; HttpOnly; SameSite=Lax; Secure", answer.headers["set-cookie"])
        assert "max-age" in answer.headers["strict-transport-security"]


def test_the_users_file_holds_hashes_and_is_private(tmp_path: Path) -> None:
    """The users file is 0600 and holds no password; a changed line takes effect at once."""
    path = tmp_path / "users"
    add_user(path, "asha", "uploader", PASSWORD)
    add_user(path, "asha", "operator", PASSWORD + "!")
    assert path.stat().st_mode & 0o777 == 0o600
    assert PASSWORD not in path.read_text() and path.read_text().count("\n") == 1
    users = Users(path)
    assert users.check("asha", PASSWORD) is None
    found = users.check("asha", PASSWORD + "!")
    assert found is not None and found.role is Role.OPERATOR
    path.write_text(path.read_text(), encoding="utf-8-sig")  # saved by an editor of Windows
    assert users.check("asha", PASSWORD + "!") is not None
    path.write_text("")
    assert users.find("asha") is None


@pytest.mark.parametrize(
    ("name", "role", "password"),
    [
        ("a:b", "uploader", PASSWORD),
        ("asha", "chief", PASSWORD),
        ("asha", "uploader", "short"),
        ("", "uploader", PASSWORD),
    ],
)
def test_an_invalid_user_is_refused(tmp_path: Path, name: str, role: str, password: str) -> None:
    """A name, role or password that is not valid is refused: a name with a colon would be read as a role."""
    with pytest.raises(SettingsError):
        add_user(tmp_path / "users", name, role, password)


def test_attempts_are_allowed_again_after_the_window() -> None:
    """An attempt counts for the length of the window, by a clock passed in."""
    now = [0.0]
    tries = Tries(2, 60, lambda: now[0])
    tries.count("x")
    tries.count("x")
    assert not tries.allowed("x") and tries.allowed("y")
    now[0] = 61
    assert tries.allowed("x")
