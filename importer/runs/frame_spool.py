"""Private copies of DataFrames as CSV, from which runs can be resumed.

A copy has the text that the reader makes of each cell, so a frame and a workbook with the same cells are equal. It has
all columns: those of a report say what was fixed and which rows are done.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pandas as pd

from importer.errors import SourceError
from importer.reader.frame import FrameSource
from importer.runs.spool import FRAME, copied

#: The format of the file, as values of the settings.
ENCODING, DELIMITER, HEADER_ROW = "utf-8", ",", 1


@contextmanager
def spooled_frame(frame: pd.DataFrame, reports_dir: Path, keep: bool = True) -> Iterator[str]:
    """Yield the path of a copy. `keep`: as in `copied`. Raises `SourceError` where the frame is not a valid sheet."""
    with FrameSource(frame) as source:

        def write(file: BinaryIO) -> None:
            _write(source, file)

        with copied(reports_dir, FRAME, ".csv", write, keep) as path:
            yield str(path)


def _write(source: FrameSource, file: BinaryIO) -> None:
    text = io.TextIOWrapper(file, encoding=ENCODING, newline="")
    table = csv.writer(text, delimiter=DELIMITER, lineterminator="\n")
    try:
        table.writerow(source.names)
        table.writerows(source.records())
        text.flush()
    except UnicodeEncodeError:
        raise SourceError(
            "The DataFrame contains text that is not valid Unicode.", "Decode its cells first.", code="not_readable"
        ) from None
    # Open after this: it belongs to the caller.
    text.detach()
