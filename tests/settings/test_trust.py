"""A settings file that is found in the current folder: whose it must be, and what is said before it is followed."""

from __future__ import annotations

import os
import pwd
import struct
from pathlib import Path

import pytest

from importer.errors import SettingsError
from importer.sandbox import EmbeddedSandbox
from importer.settings.loading import load
from tests.support.terminal import Terminal, write_csv

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
#: A user and a group of others.
OTHER = 54_321


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "importer.toml"
    file.write_text('cluster = "eu"\n')
    file.chmod(0o644)
    return file


def is_followed(environ: dict[str, str] | None = None) -> bool:
    try:
        return load({}, environ or {}).base_url != ""
    except SettingsError:
        return False


@pytest.mark.parametrize("mode", [0o646, 0o666, 0o602, 0o777])
def test_a_file_that_every_user_can_write_is_refused_unless_it_is_named(found: Path, mode: int) -> None:
    found.chmod(mode)
    assert not is_followed()
    assert load({}, {}, found).base_url


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o640, 0o644, 0o444, 0o755])
def test_a_file_that_only_its_owner_can_write_is_followed(found: Path, mode: int) -> None:
    """Also in a folder where others can write: they cannot give their file this owner."""
    found.chmod(mode)
    found.parent.chmod(0o777)
    assert is_followed()


@ROOT_ONLY
def test_a_file_of_another_user_is_refused(found: Path) -> None:
    """Also behind a symbolic link. Whoever typed sudo is not another user."""
    os.chown(found, OTHER, 0)
    assert not is_followed()
    assert is_followed({"SUDO_UID": str(OTHER)})
    found.rename(found.with_name("theirs.toml"))
    found.symlink_to("theirs.toml")
    assert not is_followed()


@ROOT_ONLY
@pytest.mark.parametrize("group", [0, OTHER])
def test_a_file_of_root_is_followed_by_a_service_user(found: Path, monkeypatch: pytest.MonkeyPatch, group: int) -> None:
    """As from a package, an image or a mounted ConfigMap; also where the system does not know the user."""
    os.chown(found, 0, group)
    monkeypatch.setattr(os, "geteuid", lambda: OTHER)
    assert is_followed()


@ROOT_ONLY
def test_a_group_can_write_only_if_it_is_the_owner_s_own(found: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many systems give each user a group and let it write; a team's group is others."""
    found.chmod(0o664)
    assert is_followed()
    os.chown(found, 0, OTHER)
    assert not is_followed()
    os.chown(found, OTHER, OTHER)
    monkeypatch.setattr(os, "geteuid", lambda: OTHER)
    assert is_followed()
    daemon = pwd.getpwnam("daemon")
    os.chown(found, daemon.pw_uid, daemon.pw_gid)
    monkeypatch.setattr(os, "geteuid", lambda: daemon.pw_uid)
    assert is_followed()
    os.chown(found, daemon.pw_uid, pwd.getpwnam("bin").pw_gid)
    assert not is_followed()


def test_an_access_list_that_lets_another_user_write(found: Path) -> None:
    """Linux shows it as the permissions of the group."""
    # Owner rw, this user rw, group r, mask rw, others r: as in acl(5) and linux/posix_acl_xattr.h.
    entries = ((1, 6, -1), (2, 6, OTHER), (4, 4, -1), (16, 6, -1), (32, 4, -1))
    content = struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *entry) for entry in entries)
    try:
        os.setxattr(found, "system.posix_acl_access", content)
    except (AttributeError, OSError):
        pytest.skip("no access lists here")
    assert not is_followed()


def test_every_command_refuses_such_a_file_before_it_does_anything(terminal: Terminal) -> None:
    """The message names the file and the option that trusts it; the command as advised works."""
    write_csv(terminal.folder / "a.csv", ("Mobile", "Colour"), ("919774487641", "Blue"))
    file = terminal.folder / "importer.toml"
    file.write_text('sandbox = true\nreports-dir = "theirs"\n')
    file.chmod(0o666)
    for words in (("run", "a.csv"), ("check", "a.csv"), ("map", "a.csv"), ("runs",), ("resume",), ("doctor",)):
        ended = terminal.type(*words)
        assert ended.code == 2, words
        assert str(file) in ended.err and "--config importer.toml" in ended.err
    assert not (terminal.folder / "theirs").exists()
    assert terminal.type("run", "a.csv", "--config", "importer.toml").code == 0


def test_server_credentials_and_file_are_named_before_the_first_request(terminal: Terminal) -> None:
    """By every command that asks the server; without a file, server and credentials."""
    write_csv(terminal.folder / "a.csv", ("Mobile", "Favourite colour"), ("919774487641", "Blue"))
    file = terminal.folder / "importer.toml"
    with EmbeddedSandbox() as sandbox:
        terminal.credentials(sandbox)
        url = sandbox.base_url
        bare = terminal.type("run", "a.csv", "--base-url", url).err
        assert (url in bare, sandbox.username in bare, str(file) in bare) == (True, True, False)
        file.write_text(f'base-url = "{url}"\n')
        for words in (("check", "a.csv", "--online"), ("run", "a.csv"), ("verify",), ("doctor",)):
            ended = terminal.type(*words)
            named = (ended.out if words == ("doctor",) else ended.err).splitlines()[0]
            assert all(word in named for word in (url, sandbox.username, str(file))), (words, named)
        assert "target" in terminal.type("run", "a.csv", "--log-format", "json").err
