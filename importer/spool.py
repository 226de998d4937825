"""The spool: standard input kept as a file, for its owner alone, so that a run of it can be resumed."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from importer.errors import JournalError

STANDARD_INPUT = "-"


@contextmanager
def spooled(source: str, reports_dir: Path) -> Iterator[tuple[str, bool]]:
    """(path, whether it was spooled). The file stays: the pipeline deletes it when its run has ended well."""
    if source != STANDARD_INPUT:
        yield source, False
        return
    folder = reports_dir / ".spool"
    try:
        reports_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        aside = folder / f".stdin-{os.getpid()}"
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file, 1 << 20)
            file.flush()
            os.fsync(file.fileno())
        with aside.open("rb") as file:
            name = "stdin-" + hashlib.file_digest(file, "sha256").hexdigest()[:16]
        path = folder / name
        aside.replace(path)
    except OSError as error:
        raise JournalError(
            f"{folder} cannot be written ({error.strerror}).", "Choose another --reports-dir."
        ) from error
    yield str(path), True
