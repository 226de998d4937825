"""Credentials: from the environment, a file or a command, never from an option, and never shown.

Basic takes the till's name and the MD5 of its password in lower-case hex, as the API's documentation says; OAuth a key
and a secret for a token that lives minutes.
"""

from __future__ import annotations

import base64
import hashlib
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path

import msgspec

from importer.errors import SettingsError


class Basic(msgspec.Struct, frozen=True):
    username: str
    password: str

    def __repr__(self) -> str:
        return f"Basic(username={self.username!r}, password=…)"

    @property
    def name(self) -> str:
        return self.username

    @property
    def header(self) -> str:
        digest = hashlib.md5(self.password.encode(), usedforsecurity=False).hexdigest()
        return "Basic " + base64.b64encode(f"{self.username}:{digest}".encode()).decode()


class OAuth(msgspec.Struct, frozen=True):
    key: str
    secret: str

    def __repr__(self) -> str:
        return f"OAuth(key={self.key!r}, secret=…)"

    @property
    def name(self) -> str:
        return self.key


Credentials = Basic | OAuth

_HOW = (
    "Set IMPORTER_USERNAME and IMPORTER_PASSWORD (Basic), or IMPORTER_CLIENT_KEY and IMPORTER_CLIENT_SECRET (OAuth); "
    "each also as …_FILE or …_COMMAND."
)


def from_environment(environ: Mapping[str, str]) -> Credentials:
    """The credentials that the environment names. Raises `SettingsError` with what to set."""
    username, password = _value(environ, "IMPORTER_USERNAME"), _value(environ, "IMPORTER_PASSWORD")
    key, secret = _value(environ, "IMPORTER_CLIENT_KEY"), _value(environ, "IMPORTER_CLIENT_SECRET")
    if key and secret and not (username and password):
        return OAuth(key, secret)
    if username and password and not (key and secret):
        return Basic(username, password)
    if key and secret:
        raise SettingsError("Both a user and a client key are set.", "Unset one of the two pairs. " + _HOW)
    if username or password:
        missing = "IMPORTER_PASSWORD" if username else "IMPORTER_USERNAME"
        raise SettingsError(f"{missing} is not set.", _HOW)
    if key or secret:
        missing = "IMPORTER_CLIENT_SECRET" if key else "IMPORTER_CLIENT_KEY"
        raise SettingsError(f"{missing} is not set.", _HOW)
    raise SettingsError("No credentials are set.", _HOW)


def _value(environ: Mapping[str, str], name: str) -> str:
    if environ.get(name):
        return environ[name]
    if path := environ.get(name + "_FILE"):
        try:
            # Editors end a file with a line break, some begin it with a mark; spaces may be part of a password.
            return Path(path).read_text(encoding="utf-8-sig").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(
                f"{name}_FILE: {path} cannot be read ({type(error).__name__}).", "Check the path."
            ) from None
    if command := environ.get(name + "_COMMAND"):
        return _from_command(name, command)
    return ""


def _from_command(name: str, command: str) -> str:
    try:
        done = subprocess.run(shlex.split(command), capture_output=True, text=True, timeout=60, check=False)
    except (OSError, ValueError, IndexError, subprocess.TimeoutExpired) as error:
        raise SettingsError(f"{name}_COMMAND could not be run ({type(error).__name__}).", "Run it by hand.") from None
    found = done.stdout.rstrip("\r\n")
    if done.returncode != 0 or not found:
        # What it printed may hold the secret, so it is not repeated.
        raise SettingsError(f"{name}_COMMAND ended with {done.returncode} or printed nothing.", "Run it by hand.")
    return found
