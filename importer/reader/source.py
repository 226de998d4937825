"""The interface of every source: named text columns, read in bounded blocks, as often as needed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import msgspec

from importer.model import FIXED, Problem
from importer.normaliser.codes import OWN_CODES
from importer.reader.header import Header
from importer.reader.private_copy import PrivateCopy
from importer.row_block import RowBlock

Kind = Literal["text", "workbook", "frame"]


class SourceOptions(msgspec.Struct, frozen=True):
    """What the user specifies about a source; None means detect it."""

    sheet: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    header_row: int | None = None
    password: str | None = None
    #: Whether a row with fewer cells than the header is rejected, or its missing cells are empty.
    short_rows: Literal["reject", "empty"] = "reject"
    #: Hash of a file that was opened before with these options: it was checked then and need not be checked again.
    sha256: str | None = None
    #: The folder for a private copy, which is read instead of the file; "" reads the file itself.
    copies: str = ""

    def __repr__(self) -> str:
        """Without the password, because options are logged."""
        shown = {name: getattr(self, name) for name in ("sheet", "encoding", "delimiter", "header_row")}
        return f"SourceOptions({', '.join(f'{name}={value!r}' for name, value in shown.items())})"


class Source(ABC):
    """One opened file, or one sheet of it. The columns are known; the rows are read by `blocks`."""

    kind: Kind

    def __init__(self, *, path: str, name: str, sheet: str, header: Header) -> None:
        self.path = path
        self.name = name
        #: What is read: the file, or its private copy. Set by `open_source`, like the hash and the size.
        self.file = Path(path)
        self.copy: PrivateCopy | None = None
        self.sha256 = ""
        self.size = 0
        self.sheet = sheet
        self.header = header
        self.columns = header.columns
        self.header_row = header.row
        self.settings: dict[str, str] = {}
        #: Its texts are bytes of some encoding, which `SourceOptions` can name.
        self.takes_encoding = True
        #: Cells may have line breaks in quotes, among which a missing quote can hide rows.
        self.has_line_breaks = False
        #: Rows with fewer cells than the header are read too.
        self.may_be_short = False
        #: What people decided about its cells and rows, applied to each block.
        self.fixing: Callable[[RowBlock], RowBlock] | None = None
        #: A cell can be another one than in the file: results have a column that says what it was.
        self.may_be_fixed = FIXED in header.results
        self._notes: dict[str, None] = dict.fromkeys(header.notes)
        self._blank_rows = 0

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes for the user. More may follow while the source is read."""
        if self._blank_rows:
            rows = "1 blank row was" if self._blank_rows == 1 else f"{self._blank_rows:,} blank rows were"
            return (*self._notes, f"{rows} skipped.")
        return tuple(self._notes)

    def count_blank(self, rows: int) -> None:
        """Count skipped blank rows."""
        self._blank_rows += rows

    def add_note(self, note: str) -> None:
        """Add a note for the user."""
        self._notes[note] = None

    def blocks(self, rows: int = 5000) -> Iterator[RowBlock]:
        """Yield every row that is not blank, from the start, at most `rows` in a block, as people fixed it."""
        return self.read(rows) if self.fixing is None else map(self.fixing, self.read(rows))

    @abstractmethod
    def read(self, rows: int) -> Iterator[RowBlock]:
        """Yield the same as the file has it."""

    def lines_of(self, row_number: int) -> tuple[int, int]:
        """The first and the last line of a text's row, of which a quoted cell can have several."""
        return row_number, row_number

    def keep(self, needed: bool) -> None:
        """Whether the private copy stays where the process breaks off: reports are still to be written from it."""
        if self.copy is not None:
            self.copy.needed = needed

    def close(self) -> None:
        """Close open files and processes. A closed source cannot be read again."""
        if self.copy is not None:
            self.copy.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def own_problem(row_number: int, code: str, column: str | None = None, value: str = "") -> Problem:
    """A problem that the reader found, with the catalogue's message and advice."""
    meaning, advice, _ = OWN_CODES[code]
    message = f"“{column}”: {meaning}" if column is not None else meaning
    return Problem(row_number, column, value, code, message, advice)
