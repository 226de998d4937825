"""Credentials: read from the environment, a file or a command, never from an option, and never shown.

Basic sends the till's name and the MD5 of its password in lower-case hex, as the API documents. OAuth exchanges a key
and a secret for a token that lives for minutes.
"""

from __future__ import annotations

import base64
import hashlib
import re
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path

import msgspec

from importer.errors import SettingsError
from importer.system.text import is_utf8


class Basic(msgspec.Struct, frozen=True):
    """`prefix`: how the variables begin that hold them."""

    username: str
    password: str
    prefix: str = "IMPORTER"

    def __repr__(self) -> str:
        return f"Basic(username={self.username!r}, password=…)"

    @property
    def name(self) -> str:
        return self.username

    @property
    def variables(self) -> tuple[str, str]:
        return f"{self.prefix}_USERNAME", f"{self.prefix}_PASSWORD"

    @property
    def header(self) -> str:
        digest = hashlib.md5(self.password.encode(), usedforsecurity=False).hexdigest()
        return "Basic " + base64.b64encode(f"{self.username}:{digest}".encode()).decode()


class OAuth(msgspec.Struct, frozen=True):
    """`prefix`: as in `Basic`."""

    key: str
    secret: str
    prefix: str = "IMPORTER"

    def __repr__(self) -> str:
        return f"OAuth(key={self.key!r}, secret=…)"

    @property
    def name(self) -> str:
        return self.key

    @property
    def variables(self) -> tuple[str, str]:
        return f"{self.prefix}_CLIENT_KEY", f"{self.prefix}_CLIENT_SECRET"


Credentials = Basic | OAuth

_RUN_IT = "Run it in a terminal to see its error."
_ON_PAGE = "Ask the administrator of this page to set the credentials."


def from_environment(environ: Mapping[str, str], prefix: str = "IMPORTER") -> Credentials:
    """The credentials in the environment variables that begin with `prefix`. Raises `SettingsError` with what to
    set."""
    pairs = f"{prefix}_USERNAME and {prefix}_PASSWORD, or {prefix}_CLIENT_KEY and {prefix}_CLIENT_SECRET"
    how = f"Set {pairs} (OAuth)."
    username, password = secret_of(environ, f"{prefix}_USERNAME"), secret_of(environ, f"{prefix}_PASSWORD")
    key, secret = secret_of(environ, f"{prefix}_CLIENT_KEY"), secret_of(environ, f"{prefix}_CLIENT_SECRET")
    if key and secret and not (username and password):
        return OAuth(key, secret, prefix)
    if username and password and not (key and secret):
        return Basic(username, password, prefix)
    if key and secret:
        raise SettingsError("Both a user and a client key are set.", f"Unset one pair: {pairs}.", on_page=_ON_PAGE)
    if username or password:
        missing = f"{prefix}_PASSWORD" if username else f"{prefix}_USERNAME"
        raise SettingsError(f"{missing} is not set.", how, on_page=_ON_PAGE)
    if key or secret:
        missing = f"{prefix}_CLIENT_SECRET" if key else f"{prefix}_CLIENT_KEY"
        raise SettingsError(f"{missing} is not set.", how, on_page=_ON_PAGE)
    raise SettingsError("No credentials are set.", how, on_page=_ON_PAGE)


def secret_of(environ: Mapping[str, str], name: str) -> str:
    """The variable's value, else the content of its `…_FILE` or the output of its `…_COMMAND`; "" where none is set."""
    if environ.get(name):
        if not is_utf8(environ[name]):
            raise SettingsError(f"{name} is not UTF-8 text.", "Correct it.")
        return environ[name]
    if path := environ.get(name + "_FILE"):
        try:
            # Editors add a line break, some a byte order mark. Spaces may be part of a password.
            return Path(path).read_text(encoding="utf-8-sig").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            raise SettingsError(f"{name}_FILE: {path} cannot be read ({why}).", "Check the path.") from None
    if command := environ.get(name + "_COMMAND"):
        return _from_command(name, command)
    return ""


#: Shell syntax: operators, and a word that is a variable.
_OF_A_SHELL = re.compile(r"[();<>|&]+|\$(\w+|\{\w+\})")


def _wants_a_shell(command: str) -> bool:
    tokens = shlex.shlex(command, posix=True, punctuation_chars=True)
    tokens.whitespace_split = True
    tokens.commenters = ""
    return any(_OF_A_SHELL.fullmatch(token) for token in tokens)


def _from_command(name: str, command: str) -> str:
    try:
        if _wants_a_shell(command):
            # Without a shell, `pass show till | head -1` does not return the password, and the API locks the till.
            raise SettingsError(
                f"{name}_COMMAND uses shell syntax, but is run without a shell.",
                "Write it as sh -c '…'.",
            )
        done = subprocess.run(shlex.split(command), capture_output=True, text=True, timeout=60, check=False)
    except (OSError, ValueError, IndexError, subprocess.TimeoutExpired) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
        raise SettingsError(f"{name}_COMMAND could not be run ({why}).", _RUN_IT) from None
    found = done.stdout.rstrip("\r\n")
    if done.returncode != 0 or not found:
        # The output may contain the secret, so it is not repeated.
        raise SettingsError(
            f"{name}_COMMAND failed (exit code {done.returncode}) or printed nothing.",
            _RUN_IT,
        )
    return found
