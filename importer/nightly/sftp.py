"""SFTP with a check of the server's key, which fsspec alone does not make. Needs the extra `sftp`."""

from __future__ import annotations

import getpass
from typing import Any

import paramiko
from fsspec.implementations.sftp import SFTPFileSystem

from importer.errors import SettingsError
from importer.system.files import with_home

#: Seconds for the connection, for the server's greeting and for the login.
CONNECT_TIMEOUT = 20.0
#: Seconds without an answer after which a request fails.
ANSWER_TIMEOUT = 120.0
#: Seconds between keep-alive messages.
KEEP_ALIVE = 30


class CheckedSFTP(SFTPFileSystem):  # type: ignore[misc] # fsspec ships no types
    """Connect only to servers whose key is in the file of known hosts."""

    cachable = False

    def __init__(self, host: str, *, known_hosts: str = "", **login: Any) -> None:
        self._known_hosts = known_hosts
        super().__init__(host, **login)

    def _connect(self) -> None:
        self.client = paramiko.SSHClient()
        self.client.set_missing_host_key_policy(paramiko.RejectPolicy())
        if self._known_hosts:
            self.client.load_host_keys(self._known_hosts)
        else:
            self.client.load_system_host_keys()
        timeouts = {f"{what}timeout": CONNECT_TIMEOUT for what in ("", "banner_", "auth_")}
        self.client.connect(self.host, **timeouts, **self.ssh_kwargs)
        self.ftp = self.client.open_sftp()
        transport, channel = self.client.get_transport(), self.ftp.get_channel()
        if transport is not None:
            # Servers and firewalls drop a connection that is idle during a run.
            transport.set_keepalive(KEEP_ALIVE)
        if channel is not None:
            # A server that stops answering must not block the nightly load.
            channel.settimeout(ANSWER_TIMEOUT)


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
    """Who starts this program; "" for a user whom neither the environment nor the system knows."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
