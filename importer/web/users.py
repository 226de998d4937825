"""Users: a file of names, roles and argon2 hashes, one per line; and a limit on attempts."""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from enum import StrEnum
from pathlib import Path

import msgspec
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from importer.errors import SettingsError
from importer.system.files import Aside


class Role(StrEnum):
    """`uploader`: their own runs. `operator`: all runs. `viewer`: sees all runs, starts none."""

    UPLOADER = "uploader"
    OPERATOR = "operator"
    VIEWER = "viewer"


class User(msgspec.Struct, frozen=True):
    name: str
    role: Role

    @property
    def sees_all(self) -> bool:
        return self.role in (Role.OPERATOR, Role.VIEWER)

    @property
    def begins(self) -> bool:
        return self.role in (Role.UPLOADER, Role.OPERATOR)

    def may_see(self, owner: str) -> bool:
        return self.sees_all or owner == self.name

    def may_control(self, owner: str) -> bool:
        return self.role is Role.OPERATOR or (self.begins and owner == self.name)


#: The user where the page has no sign-in: the person at this machine.
LOCAL = User("local", Role.OPERATOR)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_hasher = PasswordHasher()


class UsersUnreadable(SettingsError):
    """The users file cannot be read. The page does not show this: it names a path of the server."""


class Users:
    """The users file, read again when it changes. A line is `name:role:hash`; `#` begins a comment."""

    def __init__(self, path: Path, changed: Callable[[Collection[str]], None] = lambda _: None) -> None:
        """`changed`: called with the names, whenever the file was read."""
        self._path = path
        self._changed = changed
        self._stamp: tuple[int, int] | None = None
        self._entries: dict[str, tuple[Role, str]] = {}
        # Checked for unknown names, so the answer takes as long.
        self._dummy = _hasher.hash(secrets.token_hex(16))
        self._read()

    def find(self, name: str) -> User | None:
        self._read()
        entry = self._entries.get(name)
        return User(name, entry[0]) if entry else None

    def signed(self, name: str) -> str:
        """A user as stored in a session, which ends when the password changes."""
        self._read()
        digest = self._entries[name][1] if name in self._entries else ""
        return f"{name}:{hashlib.sha256(digest.encode()).hexdigest()[:16]}"

    def check(self, name: str, password: str) -> User | None:
        """The user, if the password is right. Slow and memory-hungry: argon2 is meant to be."""
        self._read()
        role, digest = self._entries.get(name, (Role.VIEWER, self._dummy))
        try:
            _hasher.verify(digest, password)
        except (VerifyMismatchError, VerificationError, InvalidHashError):
            return None
        return User(name, role) if name in self._entries else None

    def _read(self) -> None:
        try:
            status = self._path.stat()
            stamp = (status.st_mtime_ns, status.st_size)
            if stamp == self._stamp:
                return
            text = self._path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            raise UsersUnreadable(
                f"The users file {self._path} cannot be read ({why}).",
                "Create it with `importer serve --add-user NAME --users-file FILE`.",
            ) from None
        self._entries = _parse(self._path, text)
        self._stamp = stamp
        self._changed(self._entries.keys())


def _parse(path: Path, text: str) -> dict[str, tuple[Role, str]]:
    entries: dict[str, tuple[Role, str]] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, _, rest = line.strip().partition(":")
        role, _, digest = rest.partition(":")
        if not _NAME.fullmatch(name) or role not in set(Role) or not digest.startswith("$argon2"):
            raise UsersUnreadable(f"{path}, line {number} is not `name:role:hash`.", "Add the user with --add-user.")
        entries[name] = (Role(role), digest)
    return entries


def add_user(path: Path, name: str, role: str, password: str) -> None:
    """Adds or replaces a user's line. Only the owner can read the file. Raises `SettingsError`."""
    if not _NAME.fullmatch(name):
        raise SettingsError(f"{name!r} is not a valid user name.", "Use at most 64 letters, digits, dots, dashes or @.")
    if role not in set(Role):
        raise SettingsError(f"{role!r} is not a role.", "Use one of " + ", ".join(Role) + ".")
    if len(password) < 10:
        raise SettingsError("The password has fewer than 10 characters.", "Choose a longer one.")
    try:
        _put(path, name, f"{name}:{role}:{_hasher.hash(password)}")
    except OSError as error:
        raise SettingsError(
            f"The users file {path} cannot be written: {error.strerror}.",
            "Create its folder, or name another file with --users-file.",
        ) from None


def _put(path: Path, name: str, line: str) -> None:
    lines = path.read_text(encoding="utf-8-sig").splitlines() if path.exists() else []
    kept = [other for other in lines if other.partition(":")[0].strip() != name]
    content = "\n".join([*kept, line]) + "\n"
    aside = Aside(path.parent, path.name)
    try:
        aside.path.write_text(content, encoding="utf-8")
        aside.publish()
    finally:
        aside.discard()


class Tries:
    """A limit of attempts per key in a time window; in memory, bounded."""

    def __init__(self, most: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._seconds, self._clock = most, seconds, clock
        self._times: OrderedDict[str, list[float]] = OrderedDict()

    def allowed(self, key: str) -> bool:
        """Whether one more attempt is allowed. It does not count the attempt."""
        now = self._clock()
        times = [at for at in self._times.get(key, ()) if at > now - self._seconds]
        if key in self._times:
            self._times[key] = times
        return len(times) < self._most

    def count(self, key: str) -> None:
        self._times.setdefault(key, []).append(self._clock())
        self._times.move_to_end(key)
        if len(self._times) > 10_000:
            self._times.popitem(last=False)

    def take_back(self, key: str) -> None:
        """Takes back one attempt that was counted: it succeeded."""
        if times := self._times.get(key):
            times.pop()

    def forget(self, key: str) -> None:
        self._times.pop(key, None)
