"""What the reports give to the child that writes `annotated.xlsx`, and its answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import msgspec

from importer.model import Stretch
from importer.normaliser.mapping import ColumnUse

IN_FAILED = "failed.xlsx has the open rows."
DAMAGED = f"There is no annotated.xlsx for this workbook; {IN_FAILED}"
TOO_LARGE = f"There is no annotated.xlsx because the workbook is too large; {IN_FAILED}"


class AnnotatedJob(msgspec.Struct):
    """The workbook at `path` and the results of its rows; the copy is written to `target`."""

    path: str
    target: str
    #: A folder for unfinished parts.
    scratch: str
    sheet: str
    header_row: int
    #: Column → its position in the sheet; also of the columns of an earlier report.
    places: dict[str, int]
    earlier: dict[str, int]
    uses: tuple[ColumnUse, ...]
    #: The cells were copied: the workbook is of another kind.
    is_copied: bool = False


class AnnotatedRows(msgspec.Struct):
    """The results of consecutive rows."""

    stretches: list[Stretch]
    #: Row number → its empty columns, of rows that did not succeed.
    blank: dict[int, list[str]]
    #: Row number → cells beyond its columns: they make the row fail again until it is fixed.
    beside: dict[int, list[str]]


class AnnotatedAnswer(msgspec.Struct):
    """`note`: for people. `errno`: of a disk that failed while the copy was written."""

    written: bool
    note: str = ""
    errno: int = 0


def keep_rows(file: BinaryIO, rows: AnnotatedRows) -> None:
    """Add results to a file."""
    block = msgspec.msgpack.encode(rows)
    file.write(len(block).to_bytes(4, "little") + block)


def kept_rows(file: BinaryIO) -> Iterator[AnnotatedRows]:
    """Yield the results in a file."""
    decoder = msgspec.msgpack.Decoder(AnnotatedRows)
    while size := int.from_bytes(file.read(4), "little"):
        yield decoder.decode(file.read(size))
