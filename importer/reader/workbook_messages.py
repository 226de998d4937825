"""The messages to and from the child that parses workbooks: length-prefixed MessagePack, data only."""

from __future__ import annotations

import msgspec

#: Kinds of content whose reader takes an encoding.
WITH_ENCODING = ("xls", "html")


class SheetRequest(msgspec.Struct, frozen=True):
    """One sheet to read. Sent by standard input, because the password must not be on a command line."""

    path: str
    kind: str
    sheet: str | None = None
    password: str | None = None
    #: Of the texts of a file that does not name it.
    encoding: str | None = None
    #: Bytes of the file.
    size: int = 0


class SheetOpened(msgspec.Struct, frozen=True, tag=True):
    """The sheet chosen, before its first row."""

    sheet: str
    notes: tuple[str, ...] = ()


class SheetRows(msgspec.Struct, frozen=True, tag=True):
    """Rows that are not blank, column by column, all columns of one length."""

    numbers: list[int]
    columns: list[list[str]]
    #: (row number, column position or -1 for the whole row, code)
    problems: list[tuple[int, int, str]] = []
    #: About how many bytes of memory the rows take.
    cost: int = 0


class SheetFailed(msgspec.Struct, frozen=True, tag=True):
    """Why the sheet cannot be read. `message` follows the file's name. `sheets`: one of them must be chosen."""

    message: str
    advice: str
    sheets: tuple[str, ...] = ()
    #: A password, or another one, would open it.
    locked: bool = False
    #: The advice as the page words it, where it differs.
    on_page: str | None = None
    #: Of a `SourceError`.
    code: str = "damaged"


class SheetDone(msgspec.Struct, frozen=True, tag=True):
    """The end of the rows: without it they are incomplete."""

    notes: tuple[str, ...] = ()
    #: Positions of the columns that the spreadsheet program does not display.
    hidden_columns: tuple[int, ...] = ()


ChildMessage = SheetOpened | SheetRows | SheetFailed | SheetDone
