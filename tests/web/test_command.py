"""`importer serve` on the command line: what it refuses before it starts, and how users are added."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from importer.errors import SettingsError
from importer.settings.options import Settings
from importer.web.command import serve_page
from importer.web.options import MEBIBYTE, is_loopback, read_size

#: The characters of two lines in a terminal of 80 columns.
TWO_LINES = 160

GIVEN = {
    "host": "127.0.0.1",
    "port": 0,
    "users_file": None,
    "add_user": None,
    "role": "uploader",
    "proxy_header": None,
    "proxy_addresses": (),
    "names": (),
    "https": False,
    "tls_certificate": None,
    "tls_key": None,
    "max_upload": "512M",
}


def typed(folder: Path, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "importer", "serve", *words],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if not name.startswith("IMPORTER_")},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )


@pytest.mark.process
def test_no_public_address_without_sign_in(tmp_path: Path) -> None:
    """The command ends with 2, gives reason and advice, and does not listen."""
    ended = typed(tmp_path, "--sandbox", "--host", "0.0.0.0")
    assert ended.returncode == 2
    assert "has no sign-in" in ended.stderr and "IMPORTER_WEB_USERS_FILE" in ended.stderr
    assert len(ended.stderr) <= TWO_LINES
    assert not (tmp_path / "reports" / ".web" / "web.db").exists()


@pytest.mark.process
def test_a_user_is_added_with_a_password_from_standard_input(tmp_path: Path) -> None:
    """The password is read from standard input and not from an option, which other processes could read."""
    ended = typed(tmp_path, "--add-user", "asha", "--role", "operator", "--users-file", "users", stdin="long enough!\n")
    assert ended.returncode == 0, ended.stderr
    name, role, digest = (tmp_path / "users").read_text().strip().split(":", 2)
    assert (name, role) == ("asha", "operator") and digest.startswith("$argon2id$")


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({}, "No target is given"),
        ({"add_user": "asha"}, "--users-file"),
        ({"add_user": "asha", "users_file": "/no/such/folder/users"}, "Create its folder"),
        ({"base_url": "http://127.0.0.1:9"}, "No credentials are set"),
        ({"host": "192.0.2.1", "sandbox": True}, "has no sign-in"),
        ({"tls_key": "key.pem", "sandbox": True}, "a certificate and its key"),
        ({"max_upload": "much", "sandbox": True}, "not a valid size"),
        ({"proxy_header": "X Y", "sandbox": True}, "not a valid header name"),
        ({"proxy_addresses": ("proxy.example",), "sandbox": True}, "not a valid IP address"),
        ({"tls_certificate": __file__, "tls_key": __file__, "sandbox": True}, "not a certificate and its key"),
        ({"tls_certificate": "/no/such.pem", "tls_key": "/no/such.key", "sandbox": True}, "No such file"),
    ],
)
def test_invalid_settings_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, object], word: str
) -> None:
    """Each invalid setting is reported before the page is served."""
    monkeypatch.setattr("sys.stdin", io.StringIO("long enough!\n"))
    settings = Settings(
        sandbox=bool(given.pop("sandbox", False)), base_url=str(given.pop("base_url", "")), reports_dir=str(tmp_path)
    )
    with pytest.raises(SettingsError, match=word):
        serve_page(lambda: settings, {**GIVEN, **given}, {}, lambda _: None)


def test_sizes_and_addresses() -> None:
    """Sizes take the usual units; only loopback addresses count as private."""
    assert [read_size(text) for text in ("10", "1K", "512M", "2GiB")] == [10, 1024, 512 * MEBIBYTE, 2048 * MEBIBYTE]
    assert all(is_loopback(host) for host in ("127.0.0.1", "127.1.2.3", "::1", "localhost"))
    assert not any(is_loopback(host) for host in ("0.0.0.0", "::", "10.0.0.1", "example.com"))
