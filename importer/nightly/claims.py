"""The folder of a profile below the reports: files taken from the inbox, and what is remembered between loads.

A claim is a folder with the copy of a file and a note of its name and mark in the inbox. It exists until the file is
delivered: whenever the process dies, the next load continues from the claims.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
from pathlib import Path

import msgspec

from importer.errors import JournalError
from importer.model import to_json
from importer.nightly.location import Entry, Location
from importer.nightly.state import Memory
from importer.system.files import private_folder, write_whole

#: Hidden: no file that is taken has such a name.
_NOTE = ".claim.json"
#: Bytes reserved on the disk for the memory: on a full disk, a load that cannot remember its notice would send it again
#: at every start.
_RESERVED = 65_536


class Claim(msgspec.Struct, frozen=True):
    """A file that was taken: its name, size and mark in the inbox, and the folder of its copy. `taken_at` in ms."""

    name: str
    size: int
    mark: str
    marker: str
    taken_at: int
    folder: str = ""

    @property
    def path(self) -> Path:
        return Path(self.folder) / self.name

    @property
    def entry(self) -> Entry:
        return Entry(self.name, self.size, self.mark)


def folder_name(profile: str) -> str:
    return re.sub(r"[^\w.-]", "_", profile) or "default"


class ProfileFolder:
    """The claims and the memory of a profile."""

    def __init__(self, reports_dir: Path, profile: str) -> None:
        self.folder = reports_dir.resolve() / ".nightly" / folder_name(profile)
        self._memory = self.folder / "memory.json"
        self._reserve = self.folder / "room"
        private_folder(self.folder)

    # ------------------------------------------------------------------------------------------------ the memory

    def memory(self) -> Memory:
        try:
            return msgspec.json.decode(self._memory.read_bytes(), type=Memory)
        except FileNotFoundError:
            return Memory()
        except (OSError, msgspec.DecodeError) as error:
            raise JournalError(
                f"{self._memory} is damaged or unreadable.",
                "Remove it. The next load then checks again whether files are complete.",
            ) from error

    def remember(self, memory: Memory) -> None:
        """Raises `JournalError` when the disk is full and the reserved space does not suffice."""
        try:
            write_whole(self._memory, to_json(memory))
        except JournalError:
            with contextlib.suppress(OSError):
                self._reserve.unlink(missing_ok=True)
            try:
                write_whole(self._memory, to_json(memory))
            except JournalError as error:
                raise JournalError(f"Cannot write {self._memory}.", "Make room on the disk.") from error

    def reserve_space(self) -> None:
        """Reserve space for the memory, if the disk has it."""
        if self._reserve.exists():
            return
        try:
            with self._reserve.open("xb") as file:
                os.posix_fallocate(file.fileno(), 0, _RESERVED)
            self._reserve.chmod(0o600)
        except OSError:
            self._reserve.unlink(missing_ok=True)

    # ------------------------------------------------------------------------------------------------ the claims

    def claims(self) -> list[Claim]:
        """The claims, oldest first. Incomplete ones are removed."""
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

    def take(self, inbox: Location, entry: Entry, marker: str, at: int) -> Claim | None:
        """Copy a file of the inbox; None when it changed during the copy. `marker`: the end of its marker's name.

        Raises `LocationUnreachable`, and `JournalError` when the disk is full.
        """
        word = hashlib.sha256(f"{entry.name}\0{entry.size}\0{entry.mark}\0{at}".encode()).hexdigest()[:16]
        folder = self.folder / word
        private_folder(folder)
        marker = entry.name + marker if marker else ""
        claim = Claim(entry.name, entry.size, entry.mark, marker, at, str(folder))
        try:
            inbox.fetch(entry.name, claim.path)
            if inbox.entry(entry.name) != entry or claim.path.stat().st_size != entry.size:
                shutil.rmtree(folder, ignore_errors=True)
                return None
            write_whole(folder / _NOTE, to_json(claim))
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return claim

    def release(self, claim: Claim) -> None:
        # The note first: `claims` removes a folder without a note, or with a note and no file.
        (Path(claim.folder) / _NOTE).unlink(missing_ok=True)
        shutil.rmtree(claim.folder, ignore_errors=True)
