"""What every source is to the rest of the program: named text columns, read in bounded blocks, as often as wanted."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from types import TracebackType
from typing import Literal, Self

import msgspec

from importer.model import Problem
from importer.normaliser.codes import OWN_CODES
from importer.reader.header import Header
from importer.row_block import RowBlock

Kind = Literal["text", "workbook", "frame"]


class SourceOptions(msgspec.Struct, frozen=True):
    """What the user says about a source; None means: find out."""

    sheet: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    header_row: int | None = None
    password: str | None = None
    #: Of a content that was opened before with these options: what that opening proved need not be proven again.
    sha256: str | None = None

    def __repr__(self) -> str:
        """Without the password: options are logged."""
        told = {name: getattr(self, name) for name in ("sheet", "encoding", "delimiter", "header_row")}
        return f"SourceOptions({', '.join(f'{name}={value!r}' for name, value in told.items())})"


class Source(ABC):
    """One file, or one sheet of it, opened: its columns are known, its rows not yet read."""

    kind: Kind

    def __init__(self, *, path: str, name: str, sheet: str, header: Header) -> None:
        self.path = path
        self.name = name
        #: Of the file as it lies there; set by whoever opened it.
        self.sha256 = ""
        self.size = 0
        self.sheet = sheet
        self.header = header
        self.columns = header.columns
        self.header_row = header.row
        self.settings: dict[str, str] = {}
        self._notes: dict[str, None] = dict.fromkeys(header.notes)
        self._blank_rows = 0

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should be told. Grows while the source is read."""
        if self._blank_rows:
            rows = "1 blank row was" if self._blank_rows == 1 else f"{self._blank_rows:,} blank rows were"
            return (*self._notes, f"{rows} left out.")
        return tuple(self._notes)

    def count_blank(self, rows: int) -> None:
        """Blank rows that were left out."""
        self._blank_rows += rows

    def tell(self, note: str) -> None:
        """One more thing the user should know."""
        self._notes[note] = None

    @abstractmethod
    def blocks(self, rows: int = 5000) -> Iterator[RowBlock]:
        """Every row that is not blank, from the start, at most `rows` in a block."""

    def close(self) -> None:  # noqa: B027 - most sources hold nothing open between readings
        """Let go of what is open. A closed source is not read again."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def own_problem(row_number: int, code: str, column: str | None = None, value: str = "") -> Problem:
    """A problem of the reader's own, in the catalogue's words."""
    meaning, advice, _ = OWN_CODES[code]
    message = f"`{column}`: {meaning}" if column is not None else meaning
    return Problem(row_number, column, value, code, message, advice)
