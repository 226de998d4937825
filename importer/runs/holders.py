"""The process that holds a lock or lease, as both write it down."""

from __future__ import annotations

import datetime
import os
import socket
from pathlib import Path

import msgspec

from importer.errors import Busy
from importer.model import to_json
from importer.system.clock import zone_of
from importer.system.process import birth_of

_SPACE = Path("/proc/self/ns/pid")


class Holder(msgspec.Struct, frozen=True):
    """A process. `birth`: as `system.process.stop` checks it. `space`: within which its number is valid."""

    pid: int
    host: str
    since: str
    birth: str
    space: str = ""

    @property
    def text(self) -> str:
        return f"Process {self.pid} on {self.host} (since {self.since})"

    @property
    def is_here(self) -> bool:
        """Whether its number is one of this machine and container."""
        return (self.host, self.space) == (socket.gethostname(), _space()) and _boot(self.birth) == _boot(_own_birth())

    @property
    def lives_here(self) -> bool:
        return self.is_here and birth_of(self.pid) == self.birth

    @property
    def died_here(self) -> bool:
        return self.is_here and birth_of(self.pid) != self.birth


def this_process() -> bytes:
    """Return this process as a lock stores it (JSON)."""
    now = datetime.datetime.now().astimezone()
    since = f"{now:%Y-%m-%d %H:%M:%S} {zone_of(now)}"
    return to_json(Holder(os.getpid(), socket.gethostname(), since, _own_birth(), _space()))


def holder_in(content: bytes | str) -> Holder | None:
    """Return None for the lock of an older version, which named its holder in prose."""
    try:
        return msgspec.json.decode(content, type=Holder)
    except msgspec.DecodeError:
        return None


def busy(holder: Holder | None) -> Busy:
    who = holder.text if holder else "Another process"
    return Busy(
        f"{who} is using this source and target.",
        "Wait until it ends, or stop it.",
        holder=holder.text if holder else "",
    )


def _own_birth() -> str:
    return birth_of(os.getpid())


def _boot(birth: str) -> str:
    """What the births of one start of a machine share; "" where they do not contain it."""
    return birth.partition(" ")[2] if _SPACE.parent.exists() else ""


def _space() -> str:
    try:
        return str(_SPACE.readlink())
    except OSError:
        return ""
