"""Who may come in, see and do what: without a session, a token or a role nothing is given and nothing is done."""

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
from tests.support.page import SAMPLES, Visitor, ended, import_file

#: Requests cost no time here: nothing is about the pace.
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
    """Somebody with cookies of their own, at the same server."""
    fresh = TestClient(client.app, base_url="http://localhost")
    fresh.portal = client.portal  # the loop in which the server lives
    found = Visitor(fresh)
    if name:
        assert found.sign_in(name, PASSWORD).status_code == 200
    return found


@pytest.fixture(scope="module")
def run(client: TestClient) -> tuple[str, str]:
    """A finished run of asha's and an upload of hers: their addresses."""
    asha = visitor(client, "asha")
    run = import_file(asha, "hers.csv", (SAMPLES / "customers.csv").read_bytes())
    ended(asha, run)
    upload = asha.upload("waits.csv", (SAMPLES / "customers.csv").read_bytes()).url.path
    return run, upload


def addresses(client: TestClient, run: tuple[str, str]) -> list[tuple[str, str]]:
    """(method, address) of every route, with things that exist in it."""
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


def test_without_a_session_every_route_is_401(client: TestClient, run: tuple[str, str]) -> None:
    """The route table is walked, so that no route is forgotten. Nothing of a run shows."""
    nobody = visitor(client)
    for method, path in private(client, run):
        answer = nobody.client.request(method, path, follow_redirects=False)
        assert answer.status_code == 401, (method, path)
        assert "hers.csv" not in answer.text


def test_without_a_token_every_form_is_403(client: TestClient, run: tuple[str, str]) -> None:
    """A session is not enough to do something: the form must have come from this page to this browser."""
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


def test_what_is_somebody_elses_is_403(client: TestClient, run: tuple[str, str]) -> None:
    """An uploader sees and does nothing with the runs and files of another one."""
    ravi = visitor(client, "ravi")
    ravi.get("/")
    for method, path in private(client, run):
        if "/runs/" in path or "/uploads/" in path:
            sent = {"data": {"token": ravi.token}} if method == "POST" else {}
            assert ravi.client.request(method, path, follow_redirects=False, **sent).status_code == 403, (method, path)
    assert "hers.csv" not in ravi.get("/").text
    assert ravi.get("/audit").status_code == 403


def test_what_is_somebody_elses_looks_like_what_is_not_there(client: TestClient, run: tuple[str, str]) -> None:
    """The id of a run tells a file's name and can be guessed: the answers to a right and a wrong guess are the same.
    Who may see everything is told the truth."""
    ravi = visitor(client, "ravi")
    for there in run:
        answers = [ravi.get(path) for path in (there, f"{there[:-4]}zzzz")]
        assert [answer.status_code for answer in answers] == [403, 403]
        assert answers[0].text == answers[1].text
    assert visitor(client, "vera").get("/runs/20261124-0600-x-0000").status_code == 404


def test_who_watches_must_ask_anew(options: WebOptions, client: TestClient, tmp_path: Path) -> None:
    """A stream ends after a while, and without a session it does not begin again: a role that was taken away, a
    session that was ended count for those who watch, too."""
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


def test_a_viewer_sees_everything_and_does_nothing(client: TestClient, run: tuple[str, str]) -> None:
    """The role `viewer` is shared sight."""
    vera = visitor(client, "vera")
    assert "hers.csv" in vera.get("/").text
    assert vera.get(run[0]).status_code == 200
    assert vera.get(f"{run[0]}/files/results.csv").status_code == 200
    vera.get("/")
    for method, path in private(client, run):
        if method == "POST" and path != "/sign-out":
            sent = {"files": {"file": ("a.csv", b"Mobile\n1")}} if path.endswith(("/uploads", "/fixed")) else {}
            answer = vera.client.post(path, data={"token": vera.token}, follow_redirects=False, **sent)
            assert answer.status_code == 403, path


def test_an_operator_sees_and_steers_everything(client: TestClient, run: tuple[str, str]) -> None:
    """The role `operator` may also see who did what."""
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
    """The old cookie is worth nothing afterwards, even for who kept it."""
    asha = visitor(client, "asha")
    kept = asha.client.cookies.get("importer")
    asha.post("/sign-out")
    assert asha.client.get("/").status_code == 401
    asha.client.cookies.clear()
    assert asha.client.get("/", headers={"cookie": f"importer={kept}"}).status_code == 401


def test_signing_in_gives_a_new_cookie(client: TestClient) -> None:
    """Who planted a cookie in somebody's browser does not share their session."""
    asha = visitor(client)
    asha.get("/sign-in")
    planted = asha.client.cookies.get("importer")
    asha.post("/sign-in", {"name": "asha", "password": PASSWORD})
    assert asha.client.cookies.get("importer") != planted


def test_the_door_tells_nothing_and_closes_after_some_tries(client: TestClient) -> None:
    """A wrong name and a wrong password are told alike; the sixth try of a name must wait, right or wrong."""
    nobody = visitor(client)
    nobody.get("/sign-in")
    wrong_name = nobody.post("/sign-in", {"name": "nobody", "password": "x"})
    wrong_password = nobody.post("/sign-in", {"name": "vera", "password": "x"})
    assert wrong_name.status_code == wrong_password.status_code == 401
    assert (
        "The name or the password is wrong." in wrong_name.text
        and "The name or the password is wrong." in wrong_password.text
    )
    for _ in range(4):
        nobody.post("/sign-in", {"name": "vera", "password": "x"})
    assert nobody.post("/sign-in", {"name": "vera", "password": PASSWORD}).status_code == 429


def test_an_address_must_wait_after_many_tries(tmp_path: Path) -> None:
    """Whatever names it tries, and whatever it says of itself: a stranger's `X-Forwarded-For` is not believed."""
    users = tmp_path / "users"
    add_user(users, "asha", "uploader", PASSWORD)
    own = WebOptions(settings=Settings(sandbox=True, reports_dir=str(tmp_path / "reports")), users_file=users)
    with TestClient(create_app(own), base_url="http://localhost") as door:
        nobody = visitor(door)
        nobody.get("/sign-in")
        seen = []
        for number in range(31):
            nobody.client.headers["x-forwarded-for"] = f"192.0.2.{number}"
            seen.append(nobody.post("/sign-in", {"name": f"guess{number}", "password": "x"}).status_code)
        assert seen == [401] * 30 + [429]
        trail = door.app.state.runs._storage.trail()  # type: ignore[attr-defined]
        assert {line.address for line in trail} == {"testclient"}
        # A password in the wrong field does not end up in the trail.
        assert {line.user for line in trail} == {""}


@pytest.mark.parametrize(
    "name", ["x-forwarded-host", "forwarded", "x-original-host", "x-forwarded-user", "x-remote-user"]
)
def test_what_a_stranger_says_of_a_proxy_counts_nothing(client: TestClient, name: str) -> None:
    """Neither a host nor a user comes in by a header that nobody named in the settings."""
    assert client.get("/", headers={name: "olga"}, follow_redirects=False).status_code == 401
    assert client.get("/sign-in", headers={"host": "evil.example", name: "localhost"}).status_code == 400


def test_a_new_password_ends_the_sessions(tmp_path: Path) -> None:
    """Who had the old one is out; so is who is no user any more."""
    users = tmp_path / "users"
    add_user(users, "asha", "uploader", PASSWORD)
    own = WebOptions(settings=Settings(sandbox=True, reports_dir=str(tmp_path / "reports")), users_file=users)
    with TestClient(create_app(own), base_url="http://localhost") as page:
        asha = visitor(page, "asha")
        add_user(users, "asha", "uploader", PASSWORD + "!")
        assert asha.client.get("/").status_code == 401


def test_an_error_of_ours_tells_its_place_and_no_value(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither to the visitor nor to the log: what was worked on may be a customer's."""

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
def test_the_door_leads_nowhere_else(client: TestClient, onward: str) -> None:
    """`next` is a path of ours, or it is the first page."""
    olga = visitor(client)
    olga.get("/sign-in")
    fields = {"name": "olga", "password": PASSWORD, "next": onward, "token": olga.token}
    answer = olga.client.post("/sign-in", data=fields, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "", "user@localhost", "localhost/path"])
def test_a_forged_host_is_refused(client: TestClient, host: str) -> None:
    """DNS that points somebody's name at this server opens nothing."""
    for path in ("/", "/sign-in", "/static/page.css"):
        assert client.get(path, headers={"host": host}).status_code == 400


@pytest.mark.parametrize("host", ["localhost", "localhost:8765", "127.0.0.1:80", "[::1]:8765"])
def test_our_own_names_are_taken(client: TestClient, host: str) -> None:
    """Loopback by any of its names, at any port."""
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
    """Even with the right cookie and the right token."""
    asha = visitor(client, "asha")
    asha.get("/")
    answer = asha.client.post("/sign-out", data={"token": asha.token}, headers=headers)
    assert answer.status_code == 403
    assert asha.client.get("/").status_code == 200


def test_every_answer_carries_the_headers_that_protect(client: TestClient, run: tuple[str, str]) -> None:
    """No script, style or frame of anybody else; nothing stays in a cache; refusals too."""
    asha = visitor(client, "asha")
    for path in ("/", run[0], "/nothing", "/sign-in"):
        headers = asha.client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
    cookie = visitor(client).client.get("/sign-in").headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie


def test_a_download_has_a_name_that_does_no_harm(client: TestClient) -> None:
    """Whatever the uploaded file was called: one header, one name, no path."""
    asha = visitor(client, "asha")
    run = import_file(asha, 'x"; filename="evil.exe\r\nSet-Cookie: a=b.csv', b"Mobile,Brand\n919876543210,Puma\n")
    ended(asha, run)
    headers = asha.get(f"{run}/files/results.csv").headers
    told = headers["content-disposition"]
    assert told.startswith("attachment; filename") and told.rstrip('"').endswith("-results.csv")
    assert not re.search(r'[\\/\r\n]|evil\.exe"', told) and "a=b" not in headers.get("set-cookie", "")
    assert headers["content-type"].startswith("text/csv") and headers["x-content-type-options"] == "nosniff"


def test_the_reports_page_runs_nothing(client: TestClient, run: tuple[str, str]) -> None:
    """summary.html is shown, not downloaded: in a sandbox, without scripts."""
    policy = visitor(client, "asha").get(f"{run[0]}/files/summary.html").headers["content-security-policy"]
    assert "sandbox" in policy and "script" not in policy


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "page.example"])
def test_no_public_address_without_sign_in(tmp_path: Path, host: str) -> None:
    """It refuses to start, and says what to do."""
    settings = Settings(sandbox=True, reports_dir=str(tmp_path))
    with pytest.raises(SettingsError, match="--add-user"):
        create_app(WebOptions(settings=settings, host=host))


def test_a_trusted_proxy_names_who_comes(tmp_path: Path) -> None:
    """Its header is believed from its address only; without it nobody is signed in."""
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


def test_the_cookie_is_bound_to_https_where_that_is_spoken(tmp_path: Path) -> None:
    """A Secure cookie under a name that only this host may set."""
    settings = Settings(sandbox=True, reports_dir=str(tmp_path))
    with TestClient(create_app(WebOptions(settings=settings, https=True)), base_url="https://localhost") as client:
        answer = client.get("/")
        assert re.match(r"__Host-importer=\S+; Path=/; HttpOnly; SameSite=Lax; Secure", answer.headers["set-cookie"])
        assert "max-age" in answer.headers["strict-transport-security"]


def test_users_are_kept_as_hashes_for_their_owner_alone(tmp_path: Path) -> None:
    """The file is 0600 and holds no password; a changed line counts at once."""
    path = tmp_path / "users"
    add_user(path, "asha", "uploader", PASSWORD)
    add_user(path, "asha", "operator", PASSWORD + "!")
    assert path.stat().st_mode & 0o777 == 0o600
    assert PASSWORD not in path.read_text() and path.read_text().count("\n") == 1
    users = Users(path)
    assert users.check("asha", PASSWORD) is None
    found = users.check("asha", PASSWORD + "!")
    assert found is not None and found.role is Role.OPERATOR
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
def test_no_user_that_the_file_could_not_hold(tmp_path: Path, name: str, role: str, password: str) -> None:
    """A name with a colon would be another role."""
    with pytest.raises(SettingsError):
        add_user(tmp_path / "users", name, role, password)


def test_tries_come_back_with_time() -> None:
    """Counted by a clock passed in."""
    now = [0.0]
    tries = Tries(2, 60, lambda: now[0])
    tries.count("x")
    tries.count("x")
    assert not tries.allowed("x") and tries.allowed("y")
    now[0] = 61
    assert tries.allowed("x")
