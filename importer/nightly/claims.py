"""Staging: files taken from an inbox, kept for their run until everything about them is done, and a profile's memory.

A claim is a folder with the file's own copy and a note of what it was in the inbox. It is there as long as the file is
not delivered, so that whatever dies in between, the next night knows what to go on with.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import os
import re
import shutil
from pathlib import Path

import msgspec

from importer.errors import JournalError
from importer.model import to_json
from importer.nightly.locations import Entry, Place
from importer.settings.options import DATE, Nightly
from importer.system.clock import local_time
from importer.system.files import private_folder, write_whole

#: Begins with a dot, as no file that is taken does.
_NOTE = ".claim.json"
#: Bytes kept free on the disk, so that what was told can be remembered when it is full: a notice would be sent again
#: by every start.
_ROOM = 65_536
#: Days of files that are remembered as arrived.
_REMEMBERED = 60


class Claim(msgspec.Struct, frozen=True):
    """A file that was taken: what it is called and was in the inbox, and where its copy lies."""

    name: str
    size: int
    mark: str
    marker: str
    taken_at: int
    folder: str = ""

    @property
    def path(self) -> Path:
        return Path(self.folder) / self.name


class Seen(msgspec.Struct, frozen=True):
    """How a file in the inbox looked, and since when it has looked so (milliseconds)."""

    size: int
    mark: str
    since: int


class Memory(msgspec.Struct):
    """What a profile remembers from one look to the next. `told`: the state that people were told of last."""

    seen: dict[str, Seen] = {}
    arrived: dict[str, str] = {}
    level: int = 0
    reasons: tuple[str, ...] = ()
    told_level: int = 0
    told_reasons: tuple[str, ...] = ()

    def arrive(self, day: str, name: str) -> None:
        self.arrived[day] = name
        for old in sorted(self.arrived)[:-_REMEMBERED]:
            del self.arrived[old]


def word_of(profile: str) -> str:
    """What a profile's folder is called."""
    return re.sub(r"[^\w.-]", "_", profile) or "default"


class Desk:
    """The folder of a profile under the reports: its claims and its memory."""

    def __init__(self, reports_dir: Path, profile: str) -> None:
        self.folder = reports_dir.resolve() / ".nightly" / word_of(profile)
        private_folder(self.folder)

    def memory(self) -> Memory:
        try:
            return msgspec.json.decode((self.folder / "memory.json").read_bytes(), type=Memory)
        except FileNotFoundError:
            return Memory()
        except (OSError, msgspec.DecodeError) as error:
            raise JournalError(
                f"{self.folder / 'memory.json'} is damaged or cannot be read.", "Remove it: files are looked at anew."
            ) from error

    def remember(self, memory: Memory) -> None:
        """Raises `JournalError` where even the kept room does not suffice."""
        path = self.folder / "memory.json"
        try:
            write_whole(path, to_json(memory))
        except JournalError:
            with contextlib.suppress(OSError):
                (self.folder / "room").unlink(missing_ok=True)
            try:
                write_whole(path, to_json(memory))
            except JournalError as error:
                raise JournalError(f"{path} cannot be written.", "Make room on the disk.") from error

    def keep_room(self) -> None:
        """Takes it, if it is there to be taken."""
        path = self.folder / "room"
        if path.exists():
            return
        try:
            with path.open("xb") as file:
                os.posix_fallocate(file.fileno(), 0, _ROOM)
            path.chmod(0o600)
        except OSError:
            path.unlink(missing_ok=True)

    def claims(self) -> list[Claim]:
        """In name order. What was not taken whole goes."""
        found = []
        for folder in sorted(self.folder.iterdir()):
            if not folder.is_dir() or folder.name.startswith("."):
                continue
            try:
                note = msgspec.json.decode((folder / _NOTE).read_bytes(), type=Claim)
            except (OSError, msgspec.DecodeError):
                shutil.rmtree(folder, ignore_errors=True)
                continue
            claim = msgspec.structs.replace(note, folder=str(folder))
            if claim.path.is_file():
                found.append(claim)
            else:
                self.release(claim)
        return sorted(found, key=lambda claim: (claim.taken_at, claim.name))

    def take(self, place: Place, entry: Entry, marker: str, at: int) -> Claim | None:
        """Copies a file of the inbox here; None when it changed meanwhile. Raises `Unreachable`, and `JournalError`
        when the disk is full."""
        word = hashlib.sha256(f"{entry.name}\0{entry.size}\0{entry.mark}\0{at}".encode()).hexdigest()[:16]
        folder = self.folder / word
        private_folder(folder)
        claim = Claim(entry.name, entry.size, entry.mark, marker, at, str(folder))
        try:
            place.fetch(entry.name, claim.path)
            if place.look(entry.name) != entry or claim.path.stat().st_size != entry.size:
                shutil.rmtree(folder, ignore_errors=True)
                return None
            write_whole(folder / _NOTE, to_json(claim))
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return claim

    def release(self, claim: Claim) -> None:
        # The note goes first: a folder without one is swept away, a note without its file likewise.
        (Path(claim.folder) / _NOTE).unlink(missing_ok=True)
        shutil.rmtree(claim.folder, ignore_errors=True)


# ---------------------------------------------------------------------------------------------------- names and days


def day_in(name: str, pattern: str) -> str | None:
    """The day that a name speaks of (ISO), "" where the pattern has no date; None: the name does not fit."""
    form = DATE.search(pattern)
    before, after = (pattern[: form.start()], pattern[form.end() :]) if form else (pattern, "")
    middle = "(.+?)" if form else ""
    match = re.fullmatch(_as_regex(before) + middle + _as_regex(after), name)
    if match is None:
        return None
    if form is None:
        return ""
    written = form[1] or "%Y-%m-%d"
    try:
        day = datetime.datetime.strptime(match[1], written)
    except ValueError:
        return None
    return day.date().isoformat() if day.strftime(written) == match[1] else None


def _as_regex(pattern: str) -> str:
    return "".join({"*": ".*", "?": "."}.get(letter, re.escape(letter)) for letter in pattern)


def expected_day(nightly: Nightly, wall: int, time_zone: str) -> tuple[str, str]:
    """(the day by which arrivals are remembered, the name of the file that is expected)."""
    today = local_time(wall, time_zone).date()
    form = DATE.search(nightly.pattern)
    if form is None:
        return today.isoformat(), nightly.pattern
    day = today - datetime.timedelta(days=1) if nightly.expect_date == "yesterday" else today
    return day.isoformat(), nightly.pattern[: form.start()] + day.strftime(form[1] or "%Y-%m-%d") + (
        nightly.pattern[form.end() :]
    )


def past(clock_time: str, wall: int, time_zone: str) -> bool:
    """Whether the clocks of the zone show that time of today, or later."""
    return local_time(wall, time_zone).strftime("%H:%M") >= clock_time


def in_window(nightly: Nightly, until: str, wall: int, time_zone: str) -> bool:
    """Whether a run may begin now: from `not-before` on, to `until`."""
    if not nightly.not_before:
        return True
    now = local_time(wall, time_zone).strftime("%H:%M")
    end = until or "24:00"
    if nightly.not_before < end:
        return nightly.not_before <= now < end
    return now >= nightly.not_before or now < end
