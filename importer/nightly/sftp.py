"""SFTP with a check of the server's key, which fsspec alone does not make. Needs the extra `sftp`.

fsspec follows links, reads names as UTF-8 only and expects every attribute: one odd name would fail the whole listing.
The methods here do not.
"""

from __future__ import annotations

import contextlib
import errno
import getpass
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import paramiko
from fsspec.implementations.sftp import SFTPFileSystem
from paramiko.sftp import CMD_READDIR

from importer.errors import SettingsError
from importer.nightly.location import Entry, copy_in, hidden_name, kind_in
from importer.system.files import with_home

#: Seconds for the connection, for the server's greeting and for the login.
CONNECT_TIMEOUT = 20.0
#: Seconds without an answer after which a request fails.
ANSWER_TIMEOUT = 120.0
#: Seconds between keep-alive messages.
KEEP_ALIVE = 30


class _AnyName(paramiko.Message):  # type: ignore[misc] # paramiko ships no types
    """A message whose texts may be any bytes, as names of files are."""

    def get_text(self) -> str:
        return str(self.get_string(), "utf-8", "surrogateescape")


class _Client(paramiko.SFTPClient):  # type: ignore[misc] # paramiko ships no types
    """A client that lists names that are not UTF-8."""

    def _request(self, kind: Any, *given: Any) -> Any:
        answer, message = super()._request(kind, *given)
        return answer, _AnyName(message.get_remainder()) if kind == CMD_READDIR else message


class CheckedSFTP(SFTPFileSystem):  # type: ignore[misc] # fsspec ships no types
    """Connect only to servers whose key is in the file of known hosts."""

    cachable = False

    def __init__(self, host: str, *, known_hosts: str = "", **login: Any) -> None:
        self._known_hosts = known_hosts
        super().__init__(host, **login)

    def _connect(self) -> None:
        self.client = paramiko.SSHClient()
        try:
            self._log_in()
        except BaseException:
            # Also a refused login leaves a thread and a socket, and `--watch` connects once a minute.
            self.client.close()
            raise

    def _log_in(self) -> None:
        self.client.set_missing_host_key_policy(paramiko.RejectPolicy())
        if self._known_hosts:
            self.client.load_host_keys(self._known_hosts)
        else:
            self.client.load_system_host_keys()
        timeouts = {f"{what}timeout": CONNECT_TIMEOUT for what in ("", "banner_", "auth_")}
        self.client.connect(self.host, **timeouts, **self.ssh_kwargs)
        transport = self.client.get_transport()
        assert transport is not None  # connected
        self.ftp = _Client.from_transport(transport)
        # Servers and firewalls drop a connection that is idle during a run.
        transport.set_keepalive(KEEP_ALIVE)
        channel = self.ftp.get_channel() if self.ftp else None
        if channel is not None:
            # A server that stops answering must not block the nightly load.
            channel.settimeout(ANSWER_TIMEOUT)

    def entries(self, folder: str) -> Iterator[Entry]:
        """Everything in the folder but folders and links to folders."""
        for found in self.ftp.listdir_attr(_raw(folder)):
            name: str = found.filename
            if "/" in name or name in ("", ".", ".."):
                continue  # not a name of this folder, whatever the server says
            entry = _entry(name, found)
            leads_to = self._target(f"{folder.rstrip('/')}/{name}") if entry.kind == "link" else found.st_mode
            if not stat.S_ISDIR(leads_to or 0):
                yield entry

    def _target(self, path: str) -> int:
        try:
            return self.ftp.stat(_raw(path)).st_mode or 0
        except OSError:
            return 0

    def entry(self, path: str) -> Entry:
        """Raises `FileNotFoundError`."""
        return _entry(PurePosixPath(path).name, self.ftp.lstat(_raw(path)))

    def fetch(self, path: str, to: Path) -> None:
        expected = self.entry(path)
        if expected.kind != "file":
            raise OSError(errno.EINVAL, "not a regular file")
        with self.ftp.open(_raw(path), "rb") as source:
            # SFTP cannot refuse a link: what was opened must be what was looked at.
            if _entry(expected.name, source.stat()) != expected:
                raise OSError(errno.EINVAL, "the file has changed")
            copy_in(source, to)

    def put_whole(self, source: Path, target: str) -> None:
        folder = PurePosixPath(target).parent
        self.makedirs(str(folder), exist_ok=True)
        aside = str(folder / hidden_name())
        try:
            with source.open("rb") as file, self.ftp.open(_raw(aside), "wx") as copy:
                copy.set_pipelined(True)
                shutil.copyfileobj(file, copy, 1 << 15)
            if self.entry(aside).size != source.stat().st_size:
                raise OSError(errno.EIO, "the copy is incomplete")
            self._replace(aside, target)
        except BaseException:
            self._discard(aside)
            raise

    def _replace(self, aside: str, target: str) -> None:
        try:
            self.ftp.posix_rename(_raw(aside), _raw(target))
        except OSError:
            # The server lacks OpenSSH's extension; the plain rename fails when the name is in use.
            self._discard(target)
            self.rename(aside, target)

    def _discard(self, path: str) -> None:
        with contextlib.suppress(Exception):  # it does not exist, or the connection is lost
            self.ftp.remove(_raw(path))

    def rename(self, path: str, to: str) -> None:
        """The plain rename of SFTP: it fails when the name is in use."""
        self.ftp.rename(_raw(path), _raw(to))

    def remove(self, path: str) -> None:
        self.ftp.remove(_raw(path))


def _raw(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")


def _entry(name: str, found: paramiko.SFTPAttributes) -> Entry:
    return Entry(name, found.st_size or 0, str(found.st_mtime or ""), kind_in(found.st_mode or 0))


def connect(login: dict[str, Any], *, key_file: str, known_hosts: str) -> CheckedSFTP:
    """A new connection. Raises paramiko's exceptions, and `SettingsError` for a file that does not exist."""
    for word, path in (("key-file", key_file), ("known-hosts", known_hosts)):
        if path and not with_home(path).is_file():
            raise SettingsError(f"{word}: {path} does not exist or is not a file.", "Correct the path.")
    if not login.get("username") and not _user():
        raise SettingsError("The address of the SFTP server names no user.", "Write it as sftp://USER@host/folder.")
    more: dict[str, Any] = {}
    if key_file:
        more["key_filename"] = str(with_home(key_file))
    if login.get("password") and not key_file:
        more |= {"look_for_keys": False, "allow_agent": False}
    return CheckedSFTP(**login, **more, known_hosts=str(with_home(known_hosts)) if known_hosts else "")


def _user() -> str:
    """Who starts this program; "" where neither the environment nor the system has the name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
