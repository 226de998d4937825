"""Forms and files as they arrive: slow, too large, cut, abandoned, or more than there is room for."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from starlette.requests import Request
from starlette.testclient import TestClient

from importer.settings.options import Settings
from importer.web import receiving, room
from importer.web.addresses import client_of
from importer.web.app import create_app
from importer.web.options import WebOptions
from importer.web.receiving import form, receive
from importer.web.refusals import RequestRefused
from importer.web.room import STEP, Room
from importer.web.storage import Storage, Upload
from importer.web.users import add_user
from tests.support.page import until

PASSWORD = "a long enough password"
HEAD = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
FREE = 1 << 40


def request(pieces: AsyncIterator[bytes | None], kind: str = "multipart/form-data; boundary=x") -> Request:
    """A request whose body comes in these pieces; None: the browser is gone."""

    async def receive() -> dict[str, Any]:
        piece = await anext(pieces, b"")
        if piece is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": piece, "more_body": bool(piece)}

    headers = [(b"content-type", kind.encode())]
    return Request({"type": "http", "method": "POST", "path": "/", "headers": headers}, receive)


async def given(*pieces: bytes | None, pause: float = 0.0) -> AsyncIterator[bytes | None]:
    for piece in pieces:
        yield piece
        await asyncio.sleep(pause)


def no_limit(size: int, more: int) -> None:
    pass


def refused_upload(folder: Path, pieces: AsyncIterator[bytes | None], grow: room.Grow = no_limit) -> tuple[int, str]:
    """How an upload is refused; it leaves nothing."""
    with pytest.raises(RequestRefused) as refusal:
        asyncio.run(receive(request(pieces), folder, 1 << 30, lambda _: None, grow))
    assert not list(folder.iterdir())
    return refusal.value.status, refusal.value.text


@pytest.mark.parametrize("end", [b"", b"\r\n--x", b"\r\n--x\r\n", b"\r\n--y--\r\n"])
def test_a_body_without_its_final_boundary_is_refused(tmp_path: Path, end: bytes) -> None:
    """Without the final boundary the file may be cut: it is not imported."""
    assert refused_upload(tmp_path, given(HEAD, b"Mobile\n919876543210", end)) == (400, "refused.broken_off")


@pytest.mark.parametrize("end", [b"\r\n--x--", b"\r\n--x--\r\n", b"\r\n--x--\r\nepilogue"])
def test_a_whole_body_is_received_however_it_ends(tmp_path: Path, end: bytes) -> None:
    """A line break or more text after the final boundary is optional."""
    pieces = request(given(*[bytes([byte]) for byte in HEAD + b"Mobile" + end]))
    (received,) = asyncio.run(receive(pieces, tmp_path, 1 << 30, lambda _: None, no_limit))
    assert received.path.read_bytes() == b"Mobile"


def test_a_slow_body_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A form and a file have a time limit for each part, so a large one may take long."""
    monkeypatch.setattr(receiving, "_FORM_SECONDS", 0.2)
    monkeypatch.setattr(receiving, "_PART_SECONDS", 0.2)
    monkeypatch.setattr(receiving, "_PART", 100)
    drips = given(*[b"x"] * 100, pause=0.05)
    with pytest.raises(RequestRefused) as refusal:
        asyncio.run(form(request(drips, "application/x-www-form-urlencoded")))
    assert refusal.value.status == 408
    assert refused_upload(tmp_path, given(HEAD, *[b"x"] * 100, pause=0.05)) == (408, "refused.slow")
    name = given(*[b"name=x" * 20] * 5, pause=0.1)
    assert asyncio.run(form(request(name, "application/x-www-form-urlencoded")))
    steady = request(given(HEAD, *[b"x" * 100] * 10, b"\r\n--x--\r\n", pause=0.05))
    assert asyncio.run(receive(steady, tmp_path, 1 << 30, lambda _: None, no_limit))[0].size == 1000


def test_an_abandoned_request_is_no_internal_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], page: TestClient
) -> None:
    """A browser that goes away during a form or a file is not reported."""
    assert refused_upload(tmp_path / "uploads", given(HEAD, b"Mobile", None)) == (400, "refused.broken_off")

    async def gone() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(_: Any) -> None:
        pass

    scope = {"type": "http", "method": "POST", "path": "/sign-in", "headers": [(b"host", b"localhost")]}
    asyncio.run(page.app({**scope, "query_string": b"", "client": ("127.0.0.1", 1)}, gone, send))  # type: ignore[arg-type]
    assert "internal error" not in capsys.readouterr().err


@pytest.fixture
def users(tmp_path: Path) -> Path:
    path = tmp_path / "users"
    add_user(path, "asha", "uploader", PASSWORD)
    add_user(path, "ravi", "uploader", PASSWORD)
    return path


@pytest.fixture
def options(users: Path, tmp_path: Path) -> WebOptions:
    return WebOptions(settings=Settings(sandbox=True, reports_dir=str(tmp_path / "reports")), users_file=users)


@pytest.fixture
def page(options: WebOptions) -> Iterator[TestClient]:
    with TestClient(create_app(options), base_url="http://localhost") as running:
        yield running


@pytest.mark.parametrize("chunked", [True, False])
def test_the_form_to_sign_in_is_small(page: TestClient, chunked: bool) -> None:
    """Before the sign-in a form may have 16 KiB, declared or counted."""
    body = b"name=asha&password=" + b"x" * 16 * 1024
    content = iter([body]) if chunked else body
    kind = {"content-type": "application/x-www-form-urlencoded"}
    assert page.post("/sign-in", content=content, headers=kind).status_code == 413
    assert page.post("/sign-in", content=body[: 15 * 1024], headers=kind).status_code == 403  # no token


def test_the_disk_is_asked_again_while_a_file_arrives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An upload without a declared length ends before the disk has no space for the journal."""
    folder = tmp_path / "uploads"
    space = room.KEPT_FREE + 4 * STEP

    def left(_: Path) -> SimpleNamespace:
        return SimpleNamespace(free=space - sum(path.stat().st_size for path in folder.rglob("*.csv")))

    monkeypatch.setattr(room.shutil, "disk_usage", left)  # type: ignore[attr-defined]
    with Room(tmp_path, Storage(tmp_path / "web"), FREE).of("asha") as grow:
        pieces = given(HEAD, *[bytes(STEP // 4)] * 100)
        assert refused_upload(folder, pieces, grow) == (507, "refused.disk")


def test_a_user_has_a_quota(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stored uploads and those that arrive count against their user, and no other; a deleted file does not."""
    monkeypatch.setattr(room.shutil, "disk_usage", lambda _: SimpleNamespace(free=FREE))  # type: ignore[attr-defined]
    storage = Storage(tmp_path / "web")
    stored = tmp_path / "stored.csv"
    stored.write_bytes(b"x")
    storage.keep_upload(Upload("1", "asha", "stored.csv", str(stored), 3 * STEP, 0.0))
    limits = Room(tmp_path, storage, 10 * STEP)
    with limits.of("asha") as first, limits.of("asha") as second, limits.of("ravi") as other:
        first(0, 4 * STEP)
        other(0, 10 * STEP)
        with pytest.raises(RequestRefused) as refusal:
            second(0, 4 * STEP)
        assert refusal.value.text == "refused.quota"
    with limits.of("asha") as alone:
        alone(0, 7 * STEP)
        stored.unlink()
        alone(0, 10 * STEP)
        with pytest.raises(RequestRefused):
            alone(10 * STEP, STEP)
    folder = tmp_path / "uploads"
    with limits.of("asha") as grow:
        assert refused_upload(folder, given(HEAD, *[bytes(STEP)] * 20), grow) == (413, "refused.quota")


def test_a_quota_can_be_filled(page: TestClient, options: WebOptions) -> None:
    """An upload whose length is known asks for no more than that, also where the quota is small."""
    small = msgspec.structs.replace(options, users_file=None, user_quota=100 * 1024)
    with TestClient(create_app(small), base_url="http://localhost") as page:
        fields = {"token": token(page)}
        for kilobytes, status in ((60, 303), (60, 413), (30, 303)):
            content = {"file": ("a.csv", b"Mobile,Brand\n" + bytes(kilobytes * 1024))}
            answer = page.post("/uploads", data=fields, files=content, follow_redirects=False)
            assert answer.status_code == status


def test_a_full_disk_cuts_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write may take only a part: the rest follows, or the upload is refused."""
    write = receiving.os.write  # type: ignore[attr-defined]
    monkeypatch.setattr(receiving.os, "write", lambda file, data: write(file, bytes(data)[:3]))  # type: ignore[attr-defined]
    (received,) = asyncio.run(
        receive(request(given(HEAD, b"0123456789\r\n--x--")), tmp_path, 1 << 30, lambda _: None, no_limit)
    )
    assert received.path.read_bytes() == b"0123456789"


def token(page: TestClient) -> str:
    return page.get("/sign-in").text.partition('name="token" value="')[2].partition('"')[0]


def sign_in(page: TestClient, name: str, password: str, client: str = "") -> int:
    fields = {"token": token(page), "name": name, "password": password}
    headers = {"x-forwarded-for": client} if client else {}
    status: int = page.post("/sign-in", data=fields, headers=headers, follow_redirects=False).status_code
    return status


def test_failed_attempts_count_by_name_and_address(options: WebOptions) -> None:
    """Behind a trusted proxy each client has its own attempts: no client locks out a user elsewhere, whatever it
    writes into the header, and a right password does not count."""
    behind = msgspec.structs.replace(options, proxy_addresses=("testclient",), behind_proxy=True)
    with TestClient(create_app(behind), base_url="http://localhost") as page:
        for number in range(5):
            assert sign_in(page, "asha", "wrong", f"192.0.2.{number}, 198.51.100.7") == 401
        assert sign_in(page, "asha", PASSWORD, "198.51.100.7") == 429
        assert sign_in(page, "asha", PASSWORD, "198.51.100.8") == 303
        assert sign_in(page, "ravi", PASSWORD, "198.51.100.7") == 303
        for _ in range(40):
            assert sign_in(page, "ravi", PASSWORD, "198.51.100.9:4711") == 303
        for number in range(5):
            assert sign_in(page, "asha", "wrong", f"2001:db8::{number}") == 401
        assert sign_in(page, "asha", PASSWORD, "2001:db8::ffff") == 429
        addresses = {line.address for line in page.app.state.runs._storage.trail()}  # type: ignore[attr-defined]
        assert {"198.51.100.7", "198.51.100.9", "2001:db8::1"} <= addresses


def test_proxies_are_trusted_only_where_they_are_set(tmp_path: Path) -> None:
    """The addresses of the loopback are no proxy by themselves: whoever shares the machine could name any client."""
    usual = WebOptions(settings=Settings(sandbox=True, reports_dir=str(tmp_path)))
    assert not usual.trusts_forwarded
    for more in ({"behind_proxy": True}, {"https": True}, {"proxy_header": "X-User"}):
        assert msgspec.structs.replace(usual, **more).trusts_forwarded
    assert client_of("127.0.0.1", [], ["127.0.0.1"]) == "127.0.0.1"
    assert client_of("192.0.2.1", ["198.51.100.7"], ["127.0.0.1"]) == "192.0.2.1"
    assert client_of("::ffff:127.0.0.1", ["x, 198.51.100.7, 10.0.0.1"], ["127.0.0.1", "10.0.0.1"]) == "198.51.100.7"


def test_a_broken_users_file_gives_an_error_page_and_a_log_line(
    page: TestClient, users: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The page keeps its security headers and names no path of the server; the log says what is wrong, once. When the
    file is OK again, sessions continue."""
    assert sign_in(page, "asha", PASSWORD) == 303
    form_token = token(page)
    good = users.read_text(encoding="utf-8")
    users.write_text("asha uploader\n", encoding="utf-8")
    fields = {"token": form_token, "name": "asha", "password": PASSWORD}
    for answer in (page.get("/"), page.get("/sign-in"), page.post("/sign-in", data=fields)):
        assert answer.status_code == 503 and "text/html" in answer.headers["content-type"]
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store" and str(users) not in answer.text
    assert page.get("/static/page.css").status_code == 200
    assert capsys.readouterr().err.count(f"{users}, line 1") == 1
    users.unlink()
    assert page.get("/").status_code == 503
    users.write_text(good, encoding="utf-8")
    assert page.get("/").status_code == 200


def test_what_a_killed_server_received_is_deleted_after_seven_days(options: WebOptions, tmp_path: Path) -> None:
    """No table knows the folder of an upload that was never complete, and it holds customers' data."""
    folder = tmp_path / "reports" / ".web" / "uploads"
    for name, days in (("old", 8), ("young", 6)):
        (folder / name).mkdir(parents=True)
        (folder / name / "half.csv").write_text("Mobile\n98765")
        os.utime(folder / name, (time.time() - days * 86_400,) * 2)
    with TestClient(create_app(options), base_url="http://localhost") as running:
        until(lambda: running.get("/sign-in") and (folder / "old").exists(), lambda exists: not exists)
        assert [path.name for path in folder.iterdir()] == ["young"]


def test_a_form_that_is_not_valid_leaves_no_line_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The parser would write one for each."""
    assert refused_upload(tmp_path, given(b"hello\r\n" + HEAD)) == (400, "refused.form_kind")
    assert caplog.records == []
