"""The spool: private copies of piped sources and of DataFrames, from which runs can be resumed."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from importer.errors import JournalError, SettingsError, SourceError
from importer.system.files import sync

STANDARD_INPUT = "-"
#: What the names of the copies begin with.
PIPED, FRAME = "stdin", "frame"
#: In the folder of the reports.
SPOOL = ".spool"
#: In the folder of the reports: the files of the web page, and its uploads, each in its own folder.
PAGE, UPLOADS = ".web", ".web/uploads"


def copied_word(path: str, reports_dir: Path) -> str:
    """Return the `word` that `copied` put into the name of this copy; "" for a file that is no copy."""
    is_copy = Path(path).absolute().parent == (reports_dir / SPOOL).absolute()
    return Path(path).name.lstrip(".").partition("-")[0] if is_copy else ""


@contextmanager
def spooled(source: str, reports_dir: Path, keep: bool = True) -> Iterator[tuple[str, bool]]:
    """Yield (path, whether it is a copy); only standard input is copied. `keep`: as in `copied`."""
    if source != STANDARD_INPUT:
        yield source, False
        return

    def write(file: BinaryIO) -> None:
        shutil.copyfileobj(sys.stdin.buffer, file, 1 << 20)

    with copied(reports_dir, PIPED, "", write, keep) as path:
        yield str(path), True


@contextmanager
def copied(
    reports_dir: Path, word: str, end: str, write: Callable[[BinaryIO], None], keep: bool = True
) -> Iterator[Path]:
    """Yield a private copy of what `write` writes. With `keep` it stays until its run is finished."""
    folder = reports_dir / SPOOL
    try:
        for each in (reports_dir, folder):
            each.mkdir(mode=0o700, parents=True, exist_ok=True)
        path, is_new = _written(folder, word, end, write, keep)
    except OSError as error:
        raise JournalError(
            f"{folder} cannot be written ({error.strerror}).",
            "Free space, or choose another folder for the reports.",
            on_page="Ask the administrator of this page to check the disk and the folder of reports.",
        ) from error
    try:
        yield path
    except (SettingsError, SourceError):
        # No run could begin.
        if is_new:
            path.unlink(missing_ok=True)
        raise
    finally:
        if not keep:
            path.unlink(missing_ok=True)


def _written(folder: Path, word: str, end: str, write: Callable[[BinaryIO], None], keep: bool) -> tuple[Path, bool]:
    """Write the copy, or nothing. Returns (path, whether there was no such copy before)."""
    handle, name = tempfile.mkstemp(prefix=f".{word}-", suffix=end, dir=folder)
    aside = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        if not keep:
            return aside, True
        # Named by content: the same rows again are the same source, whose copy an earlier run may need.
        with aside.open("rb") as file:
            path = folder / f"{word}-{hashlib.file_digest(file, 'sha256').hexdigest()[:16]}{end}"
        is_new = not path.exists()
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    sync(folder)
    return path, is_new
