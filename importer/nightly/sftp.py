"""SFTP by fsspec, with the server's key checked: fsspec alone takes any key it is shown. Needs the extra `sftp`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import paramiko
from fsspec.implementations.sftp import SFTPFileSystem

from importer.errors import SettingsError

#: Seconds for the connection, the server's greeting and the login.
PATIENCE = 20.0
#: Seconds after which a connection says that it is still there.
KEEP_ALIVE = 30


class CheckedSFTP(SFTPFileSystem):  # type: ignore[misc] # fsspec ships no types
    """Connects only to servers whose key stands in the file of known hosts."""

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
        self.client.connect(
            self.host, timeout=PATIENCE, banner_timeout=PATIENCE, auth_timeout=PATIENCE, **self.ssh_kwargs
        )
        self.ftp = self.client.open_sftp()
        transport, channel = self.client.get_transport(), self.ftp.get_channel()
        if transport is not None:
            # Servers and firewalls drop who says nothing while a file's run goes on.
            transport.set_keepalive(KEEP_ALIVE)
        if channel is not None:
            # A server that falls silent must not hold the night.
            channel.settimeout(6 * PATIENCE)


def connect(login: dict[str, Any], *, key_file: str, known_hosts: str) -> CheckedSFTP:
    """A connection of its own. Raises what paramiko raises, and `SettingsError` for files that are not there."""
    for word, path in (("key-file", key_file), ("known-hosts", known_hosts)):
        if path and not Path(path).expanduser().is_file():
            raise SettingsError(f"{word}: there is no file {path}.", "Correct the path.")
    more: dict[str, Any] = {}
    if key_file:
        more["key_filename"] = str(Path(key_file).expanduser())
    if login.get("password") and not key_file:
        more |= {"look_for_keys": False, "allow_agent": False}
    return CheckedSFTP(**login, **more, known_hosts=str(Path(known_hosts).expanduser()) if known_hosts else "")
