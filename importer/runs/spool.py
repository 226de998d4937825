"""The spool: private copies of piped sources, from which runs can be resumed."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from importer.errors import JournalError
from importer.system.files import sync

STANDARD_INPUT = "-"
#: In the folder of the reports: the files of the web page, and its uploads, each in its own folder.
PAGE, UPLOADS = ".web", ".web/uploads"


@contextmanager
def spooled(source: str, reports_dir: Path, keep: bool = True) -> Iterator[tuple[str, bool]]:
    """Yield (path, whether it is a copy). A kept copy is deleted when its run is finished."""
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
        path = aside
        if keep:
            # Named by content: the same rows piped again are the same source.
            with aside.open("rb") as file:
                path = folder / ("stdin-" + hashlib.file_digest(file, "sha256").hexdigest()[:16])
            aside.replace(path)
            sync(folder)
    except OSError as error:
        raise JournalError(
            f"{folder} cannot be written ({error.strerror}).",
            "Choose another --reports-dir.",
            on_page="Ask the administrator of this page to check the disk and the folder of reports.",
        ) from error
    try:
        yield str(path), True
    finally:
        if not keep:
            path.unlink(missing_ok=True)
