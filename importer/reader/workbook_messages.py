"""What the parsing child is asked and what it answers: length-prefixed MessagePack, nothing that could run."""

from __future__ import annotations

import msgspec


class Job(msgspec.Struct, frozen=True):
    """One sheet to read. Written to the child's standard input, for the password must not be on a command line."""

    path: str
    kind: str
    sheet: str | None = None
    password: str | None = None


class Opened(msgspec.Struct, frozen=True, tag=True):
    """The sheet chosen, before its first row."""

    sheet: str
    notes: tuple[str, ...] = ()


class Rows(msgspec.Struct, frozen=True, tag=True):
    """Rows that are not blank, column by column, all columns of one length."""

    numbers: list[int]
    columns: list[list[str]]
    #: (row number, place of the column or -1 for the whole row, code)
    problems: list[tuple[int, int, str]] = []


class Failed(msgspec.Struct, frozen=True, tag=True):
    """Why not. `message` follows the file's name. `sheets`: those of which one must be named."""

    message: str
    advice: str
    sheets: tuple[str, ...] = ()
    #: A password would open it, or another one.
    locked: bool = False
    #: The advice as the page words it, where it differs.
    on_page: str | None = None


class Done(msgspec.Struct, frozen=True, tag=True):
    """The proper end: without it the rows are not complete."""

    notes: tuple[str, ...] = ()


Message = Opened | Rows | Failed | Done
