"""Private copies of DataFrames as CSV, from which runs can be resumed.

A copy has the text that the reader makes of each cell, so a frame and a workbook with the same cells are equal.
"""

from __future__ import annotations

import csv
import hashlib
import os
from pathlib import Path

import pandas as pd

from importer.errors import JournalError, SourceError
from importer.reader.frame import FrameSource
from importer.system.files import sync

#: The format of the file, as values of the settings.
ENCODING, DELIMITER, HEADER_ROW = "utf-8", ",", 1


def spool_frame(frame: pd.DataFrame, reports_dir: Path) -> Path:
    """Write the copy and return its path, named by its content: the same frame again is the same source.

    Raises `SourceError` where the frame is not a valid sheet.
    """
    folder = reports_dir / ".spool"
    aside = folder / f".frame-{os.getpid()}"
    with FrameSource(frame) as source:
        try:
            reports_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.mkdir(mode=0o700, exist_ok=True)
            handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(handle, "w", encoding=ENCODING, newline="") as file:
                table = csv.writer(file, delimiter=DELIMITER, lineterminator="\n")
                table.writerow(source.columns)
                blank, row = [""] * len(source.columns), HEADER_ROW
                for block in source.blocks():
                    for number, *cells in zip(block.row_numbers, *block.cells.columns, strict=True):
                        # Blank rows are skipped, but keep their numbers.
                        table.writerows([blank] * (number - row - 1))
                        table.writerow(cells)
                        row = number
                file.flush()
                os.fsync(file.fileno())
            with aside.open("rb") as written:
                path = folder / f"frame-{hashlib.file_digest(written, 'sha256').hexdigest()[:16]}.csv"
            aside.replace(path)
            sync(folder)
        except UnicodeEncodeError:
            aside.unlink(missing_ok=True)
            raise SourceError(
                "The DataFrame contains text that is not valid Unicode.", "Decode its cells first."
            ) from None
        except OSError as error:
            raise JournalError(
                f"{folder} cannot be written ({error.strerror}).", "Choose another reports_dir."
            ) from error
    return path
