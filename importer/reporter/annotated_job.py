"""What the reports give to the child that writes `annotated.xlsx`, and its answer."""

from __future__ import annotations

import msgspec

from importer.model import Outcome
from importer.normaliser.mapping import ColumnUse

#: A comment needs 19 KiB while the workbook is saved. The result columns say the same as the comments.
MOST_COMMENTS = 2_000

TOO_LARGE = "There is no annotated.xlsx because the workbook is too large; failed.xlsx has the open rows."
TOO_MANY = "There is no annotated.xlsx because the workbook has too many {}; failed.xlsx has the open rows."


class AnnotatedJob(msgspec.Struct):
    """The workbook at `path` and its outcomes; the copy is written to `target`."""

    path: str
    target: str
    sheet: str
    header_row: int
    columns: tuple[str, ...]
    uses: tuple[ColumnUse, ...]
    outcomes: list[Outcome]
    #: Row number → its empty columns, of rows that did not succeed.
    blank: dict[int, frozenset[str]]
    #: Row number → its cells, of a workbook that openpyxl cannot load.
    cells: dict[int, list[str]] | None
    #: Row number → cells beyond its columns: they make the row fail again until it is fixed.
    beside: dict[int, list[str]]
    #: Bytes that the workbook may need in memory.
    most_memory: int
    #: Bytes that the child may take: address space, not resident memory.
    address_space: int
    most_comments: int = MOST_COMMENTS


class AnnotatedAnswer(msgspec.Struct):
    """`note`: for people. `errno`: of a disk that failed while the copy was written."""

    written: bool
    note: str = ""
    errno: int = 0
