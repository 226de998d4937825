"""Uploads: hostile names, sizes and archives are refused with a reason, and no file of theirs stays."""

from __future__ import annotations

import http.client
import io
import os
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msoffcrypto.format.ooxml import OOXMLFile

from importer.web.options import MEBIBYTE
from importer.web.receiving import safe_name
from tests.support.page import SAMPLES, Server, Visitor, WarmServer, form_of, peak, prepare

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("uploads")
    with WarmServer(folder, "--sandbox", "--max-upload", "80M", "--rate", "1000/second") as running:
        yield running


def kept(server: Server) -> list[Path]:
    """The uploaded files, without those derived from them."""
    return sorted(path for path in (server.reports / ".web" / "uploads").rglob("*.csv") if path.name != "problems.csv")


@pytest.mark.parametrize(
    "name",
    [
        "../../../../etc/cron.d/x.csv",
        "..\\..\\boot.ini.csv",
        "/etc/passwd",
        "C:\\users\\x.csv",
        ".bashrc",
        "a\x00b.csv",
        "….csv",
        "x" * 5000 + ".csv",
        "<script>alert(1)</script>.csv",
    ],
)
def test_a_name_never_becomes_a_path(server: Server, visitor: Visitor, name: str) -> None:
    """Whatever its name, a file is stored in its own folder, and only its owner can read it."""
    page = visitor.upload(name, b"Mobile,Brand\n919876543210,Puma")
    assert page.status_code in (200, 400)
    assert "<script>alert" not in page.text
    for path in kept(server):
        assert path.parent.parent == server.reports / ".web" / "uploads"
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("name", ["शीट – नवंबर.xlsx", "ลูกค้า.csv", "عملاءٌ.csv", "Müller & Söhne (2).csv"])
def test_a_name_is_kept_in_its_own_script(name: str) -> None:
    """Names keep letters and vowel signs of every script."""
    assert safe_name(name) == name.replace("–", "_")


@pytest.mark.parametrize("name", ["problems.csv", "mapping.toml", "look.json", "inspection.json", "check.json"])
def test_a_file_named_like_one_of_the_page_is_a_source_like_any_other(
    server: Server, visitor: Visitor, name: str
) -> None:
    """The page's own files are in another folder: an uploaded file is neither overwritten nor taken for one of them,
    also when it has the content of one."""
    content = b"Mobile,Brand\n919876543210,Puma\n12,Nike\n"
    address = prepare(visitor, name, content)
    assert "1 row is ready" in visitor.get(f"{address}/check").text
    (stored,) = (path for path in (server.reports / ".web" / address.lstrip("/")).iterdir() if path.is_file())
    assert (stored.name, stored.read_bytes()) == (name, content)
    assert b"not_mobile" not in content and b"12" in visitor.client.get(f"{address}/problems.csv").content
    believed = visitor.settled(visitor.upload(name, b'{"fault": ["Believed", ""], "findings": null}').url.path)
    assert "Believed" not in believed.text.partition('role="alert"')[2].partition("</p>")[0]


@pytest.mark.process
def test_a_lock_file_is_named_as_what_it_is(visitor: Visitor) -> None:
    """Excel's lock file lies beside the workbook while that is open. Its name is kept, by which it is known."""
    content = b"\x04Asha" + b" " * 50 + b"\x04\0" + "Asha".encode("utf-16-le") + b" \0" * 51
    page = visitor.upload("~$customers.xlsx", content)
    assert "is a lock file" in visitor.settled(page.url.path).text


@given(st.text(max_size=300))
def test_every_name_is_made_safe(name: str) -> None:
    """Any Unicode name becomes one path component, not hidden, and short enough for every file system."""
    safe = safe_name(name)
    assert safe and safe == os.path.basename(safe) and not safe.startswith(".")
    assert "\0" not in safe and "\n" not in safe and len(safe.encode()) <= 200


@pytest.mark.parametrize(
    "name", ["../journal.db", "%2e%2e%2fjournal.db", "..%2f..%2fusers", ".web", "journal.db", "results.csv%00"]
)
def test_only_reports_can_be_downloaded(visitor: Visitor, name: str) -> None:
    """Only the names of reports can be downloaded; every other name is 404."""
    assert visitor.client.get(f"/runs/20261124-0600-x-0000/files/{name}").status_code == 404
    assert visitor.client.get(f"/static/{name}").status_code == 404
    assert visitor.client.get(f"/uploads/{name}").status_code == 404


def test_a_file_too_large_is_refused_by_its_declared_or_counted_size(server: Server, visitor: Visitor) -> None:
    """A file above the limit is refused by its declared length, or as soon as the received bytes exceed it; no part of
    it stays on the disk."""
    before = kept(server)
    visitor.get("/")
    place = urlsplit(server.url)
    declared = http.client.HTTPConnection(place.hostname or "", place.port or 0, timeout=250)
    declared.putrequest("POST", "/uploads")
    declared.putheader("Content-Type", "multipart/form-data; boundary=x")
    declared.putheader("Content-Length", str(1 << 34))
    declared.endheaders()
    assert declared.getresponse().status == 413
    declared.close()
    head = f'--x\r\nContent-Disposition: form-data; name="token"\r\n\r\n{visitor.token}\r\n--x\r\n'.encode()
    head += b'Content-Disposition: form-data; name="file"; filename="big.csv"\r\n\r\n'

    def endless() -> Iterator[bytes]:
        yield head
        for _ in range(100):
            yield b"9198765,Puma\n" * 80_000

    try:
        answer = visitor.client.post(
            "/uploads", headers={"content-type": "multipart/form-data; boundary=x"}, content=endless()
        )
        assert answer.status_code == 413
    except httpx.TransportError:
        pass  # the server may close the connection during the upload
    assert kept(server) == before


def test_a_file_without_a_token_is_not_written(server: Server, visitor: Visitor) -> None:
    """The form token is checked before the first byte of the file is stored, so another site cannot fill the disk."""
    before = kept(server)
    visitor.get("/")
    answer = visitor.client.post("/uploads", files={"file": ("a.csv", b"Mobile\n1")}, data={})
    assert answer.status_code == 403
    assert kept(server) == before


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data; boundary=x", b"no parts at all"),
        ("multipart/form-data; boundary=x", b"--x\r\nbroken"),
        ("multipart/form-data", b"--x--"),
        ("application/json", b"{}"),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="' + b"n" * 20_000),
    ],
)
def test_an_invalid_form_is_refused(server: Server, visitor: Visitor, kind: str, body: bytes) -> None:
    """An invalid form gets a 4xx, and the server keeps running."""
    answer = visitor.client.post("/uploads", headers={"content-type": kind}, content=body)
    assert 400 <= answer.status_code < 500
    assert visitor.client.get("/").status_code == 200


def bomb() -> bytes:
    """A workbook of about 100 KiB that unpacks to 100 MiB."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/workbook.xml", "<workbook/>")
        archive.writestr("xl/worksheets/sheet1.xml", b"0" * (100 * MEBIBYTE))
    return buffer.getvalue()


def test_a_zip_bomb_is_refused(server: Server, visitor: Visitor) -> None:
    """The reader refuses a zip bomb in its own process; the page shows the reason and keeps running."""
    page = visitor.settled(visitor.upload("bomb.xlsx", bomb()).url.path)
    assert "This file cannot be read" in page.text
    assert visitor.get("/").status_code == 200


def test_a_file_that_is_not_a_table_is_reported(visitor: Visitor) -> None:
    """The page shows the reader's reason and the settings to read the file differently."""
    page = visitor.settled(visitor.upload("photo.csv", b"\x89PNG\r\n\x1a\n" + bytes(1000)).url.path)
    assert "This file cannot be read" in page.text and "How the file is read" in page.text


def test_the_sheet_of_a_workbook_is_chosen_on_the_page(visitor: Visitor) -> None:
    """A separate step: the sheets with their rows and column names, no option; then the chosen one is read."""
    book = openpyxl.Workbook()
    first = book.active
    assert first is not None
    first.title = "One"
    for sheet in (first, book.create_sheet("Two")):
        sheet.append(["Mobile", f"Brand of {sheet.title}"])
        sheet.append([919876543210, "Puma"])
    book.create_sheet("Notes").append(["one line"])
    buffer = io.BytesIO()
    book.save(buffer)
    address = visitor.upload("two.xlsx", buffer.getvalue()).url.path
    page = visitor.settled(address)
    assert "several sheets" in page.text and "--sheet" not in page.text
    assert "<h1>Choose a sheet</h1>" in page.text and 'role="alert"' not in page.text
    assert re.findall(r'type="radio" name="sheet" value="(\w+)"', page.text) == ["One", "Two", "Notes"]
    assert "1 row: Mobile, Brand of Two" in page.text
    visitor.post(f"{address}/reading", {"sheet": "Two"})
    page = visitor.settled(address)
    assert "Brand of Two" in page.text and "<option>One</option><option selected>Two</option>" in page.text
    visitor.post(f"{address}/reading", {"sheet": "Three"})
    page = visitor.settled(address)
    assert "Three" in page.text.partition('role="alert"')[2].partition("</div>")[0] and 'value="Two"' in page.text


def test_a_protected_workbook_is_reported_in_the_pages_words(visitor: Visitor) -> None:
    """The page asks for the password instead of naming an environment variable."""
    plain, locked = io.BytesIO((SAMPLES / "messy.xlsx").read_bytes()), io.BytesIO()
    OOXMLFile(plain).encrypt("secret", locked)
    page = visitor.settled(visitor.upload("locked.xlsx", locked.getvalue()).url.path)
    assert "<h1>This file is protected</h1>" in page.text and 'role="alert"' not in page.text
    assert (
        "locked.xlsx is password protected. Type its password here, or save it without one and upload that."
        in page.text
    )


def test_an_invalid_setting_is_reported(visitor: Visitor) -> None:
    """An invalid setting gets 422 with the reason."""
    address = visitor.upload("c.csv", (SAMPLES / "customers.csv").read_bytes()).url.path
    fields = form_of(visitor.settled(address).text)
    answer = visitor.post(f"{address}/mapping", {**fields, "country": "India"})
    assert answer.status_code == 422 and "two letters" in answer.text


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is measured by /proc")
def test_an_upload_is_streamed(server: Server, visitor: Visitor) -> None:
    """64 MiB come in while the server's memory hardly grows (200 MiB: tests/benchmarks/page.py)."""
    visitor.get("/")
    before = peak(server)
    with io.BytesIO(b"Mobile,Brand\n" + b"919876543210,Puma\n" * (64 * MEBIBYTE // 18)) as file:
        answer = visitor.upload("large.csv", file)
    assert answer.status_code == 200
    assert peak(server) - before < 24 * MEBIBYTE
    address = answer.url.path
    visitor.get("/")
    assert visitor.post(f"{address}/discard").url.path == "/"
