"""Locks: one process on a run, and on a source and target. The kernel frees them when the process dies."""

from __future__ import annotations

import fcntl
import hashlib
import os
import socket
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from importer.errors import Busy, JournalError


class Lock:
    """An exclusive lock on a name, told to others with who holds it. Raises `Busy` when somebody does."""

    def __init__(self, folder: Path, name: str) -> None:
        self._path = folder / (hashlib.sha256(name.encode()).hexdigest()[:24] + ".lock")
        self._what = name
        self._file: int | None = None

    def __enter__(self) -> Self:
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise JournalError(
                f"{self._path.parent} cannot be written ({error.strerror}).", "Choose another --reports-dir."
            ) from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(file, 400).decode("utf-8", "replace").strip() or "another process"
            os.close(file)
            raise Busy(f"{holder} is already on this source and target.", "Wait for it, or stop it first.") from None
        os.ftruncate(file, 0)
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime())
        os.write(file, f"Process {os.getpid()} on {socket.gethostname()} (since {since})".encode())
        self._file = file
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            # The file stays: to remove it would let two processes lock two files of one name.
            os.close(self._file)
            self._file = None
