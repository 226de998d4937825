"""Notices that the files of an open SQLite database were deleted or replaced: what is written to them then is lost."""

from __future__ import annotations

from pathlib import Path

from importer.errors import JournalError


class InPlace:
    """The database and its WAL, as they are when it is made: the database is open and was read."""

    def __init__(self, database: str) -> None:
        self._paths = (Path(database), Path(f"{database}-wal"))
        self._known = list(map(_identity, self._paths))

    def check(self) -> None:
        """Raise `JournalError` where one of the files is another one now. Opens nothing, which would end SQLite's own
        locks."""
        if list(map(_identity, self._paths)) == self._known:
            return
        raise JournalError(
            f"The journal {self._paths[0]} was deleted or replaced while it was used.",
            "Put it back and resume with `importer resume`. Without it, rows that were sent are not known.",
            on_page="Ask the administrator of this page to put it back.",
        )


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
