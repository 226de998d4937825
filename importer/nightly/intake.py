"""Takes a file out of the inbox. An entry that cannot be taken costs only itself.

It is set aside in `failed` with the reason; where it cannot be moved, it is reported and stays.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from importer.errors import ExitCode, JournalError, internal_error
from importer.nightly.claims import Claim, ProfileFolder
from importer.nightly.location import Entry, Location, LocationDenied, LocationUnreachable
from importer.nightly.locations import Locations
from importer.nightly.names import fault_of, joined, shown, storable
from importer.nightly.state import FileResult

#: Beside a file in `failed`: NAME.why.txt says why it is there.
_WHY = ".why.txt"


#: A file is blamed when it fails over a new connection, too.
_TRIES = 2


class Intake:
    """Takes the complete files of a profile's inbox."""

    def __init__(self, locations: Locations, marker: str, wall: Callable[[], int]) -> None:
        """`marker`: the end of the markers' names."""
        self._locations = locations
        self._marker = marker
        self._wall = wall

    def take(self, folder: ProfileFolder, entry: Entry) -> Claim | FileResult | None:
        """The claim; the result of an entry that cannot be taken; None: it changed during the copy.

        Raises `LocationUnreachable` when the inbox itself cannot be used.
        """
        if fault := fault_of(entry.name):
            return self._set_aside(entry, f"{fault} Rename the file, then put it into the inbox again.")
        if shutil.disk_usage(folder.folder).free < entry.size:
            error: Exception = JournalError(f"The disk has no room for a copy of {entry.name}.", "Make room on it.")
            return _left(entry, str(error), ExitCode.JOURNAL)
        failure: LocationUnreachable | None = None
        for _ in range(_TRIES):
            try:
                return folder.take(self._locations.get("inbox"), entry, self._marker, self._wall())
            except LocationUnreachable as error:
                failure = error
            except JournalError as full:
                return _left(entry, str(full), ExitCode.JOURNAL)
            except Exception as unexpected:
                return _left(entry, str(internal_error(unexpected)), ExitCode.INTERNAL)
            # The connection may be lost, by the file or before it. If the inbox fails too, it is the problem.
            self._locations.close()
            if entry not in self._locations.get("inbox").list():
                return None
        reason = f"The file cannot be read. {failure}"
        return self._set_aside(entry, reason) if isinstance(failure, LocationDenied) else _left(entry, reason)

    def _set_aside(self, entry: Entry, reason: str) -> FileResult:
        try:
            failed = self._locations.get("failed")
            name = self._locations.get("inbox").move(entry.name, failed, storable(entry.name))
            put_reason(failed, name, f"{shown(entry.name)}: {reason}")
        except LocationUnreachable as error:
            return _left(entry, f"{reason} It cannot be moved to failed: {error}")
        return FileResult(
            shown(entry.name), "unreadable", int(ExitCode.SOURCE), moved_to=f"failed/{name}", message=reason
        )


def _left(entry: Entry, reason: str, code: ExitCode = ExitCode.SOURCE) -> FileResult:
    return FileResult(shown(entry.name), "left", int(code), message=f"{reason} It stays in the inbox.")


def put_reason(failed: Location, name: str, reason: str) -> None:
    """Write why a file is in `failed`, beside it."""
    with tempfile.TemporaryDirectory(prefix="importer-") as scratch:
        path = Path(scratch) / "why"
        path.write_text(f"{reason}\n", encoding="utf-8")
        failed.put(path, joined(name, _WHY))
