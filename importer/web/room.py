"""Room for uploads: what the disk must keep free, and how much each user may store."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from importer.web.options import MEBIBYTE
from importer.web.refusals import RequestRefused
from importer.web.storage import Storage

#: Bytes that stay free on the disk for the journal.
KEPT_FREE = 256 * MEBIBYTE
#: An upload asks again after so many bytes.
STEP = 4 * MEBIBYTE


class Grow(Protocol):
    """Asks whether an upload of `size` bytes so far may take `more`. Raises `RequestRefused`."""

    def __call__(self, size: int, more: int) -> None: ...


class Room:
    """Concurrent uploads count too: a disk fills, and a user stores, by what all of them have received."""

    def __init__(self, folder: Path, storage: Storage, quota: int) -> None:
        self._folder, self._storage, self._quota = folder, storage, quota
        self._arriving: dict[str, dict[object, int]] = {}

    @contextlib.contextmanager
    def of(self, user: str) -> Iterator[Grow]:
        """For one upload of a user, until it is stored or refused."""
        upload = object()
        arriving = self._arriving.setdefault(user, {})

        def grow(size: int, more: int) -> None:
            if shutil.disk_usage(self._folder).free < more + KEPT_FREE:
                raise RequestRefused(507, "refused.disk")
            arriving[upload] = max(arriving.get(upload, 0), size + more)
            stored = sum(file.size for file in self._storage.uploads(user) if file.kept)
            if stored + sum(arriving.values()) > self._quota:
                raise RequestRefused(413, "refused.quota")

        try:
            yield grow
        finally:
            arriving.pop(upload, None)
            if not arriving:
                self._arriving.pop(user, None)
