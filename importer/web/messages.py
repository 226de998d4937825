"""What the server and its child processes say to each other: a line of JSON each, over the child's own pipes."""

from __future__ import annotations

from typing import Literal

import msgspec

from importer.checker.findings import Findings
from importer.errors import ImporterError
from importer.model import FieldDefinition
from importer.normaliser.mapping import Mapping
from importer.settings.options import Settings


class Job(msgspec.Struct, frozen=True):
    """Work for a child. `look` and `check` leave a file in `folder`; the others bring a run to its end."""

    kind: Literal["look", "check", "run", "resume", "retry"]
    settings: Settings
    path: str = ""
    folder: str = ""
    run_id: str = ""
    #: A mapping to begin with, as a file: the one of the run whose rows were mended.
    mapping: str = ""
    #: Of the file. It goes by the pipe, never by a command line, an environment or a disk.
    password: str = ""

    def __repr__(self) -> str:
        return f"Job({self.kind})"


class Begun(msgspec.Struct, frozen=True, tag="begun"):
    """The run stands in the journal. `rows`: how many have their outcome from before."""

    rows: int


class Told(msgspec.Struct, frozen=True, tag="told"):
    """Since the run began in this process. `codes`: of rows that did not succeed."""

    read: int
    statuses: dict[str, int]
    codes: dict[str, int]


class Paused(msgspec.Struct, frozen=True, tag="paused"):
    seconds: float
    why: str


class Noted(msgspec.Struct, frozen=True, tag="noted"):
    text: str


class Reporting(msgspec.Struct, frozen=True, tag="reporting"):
    """Nothing is sent any more; the reports are being written."""


class Ended(msgspec.Struct, frozen=True, tag="ended"):
    """`message` is "" where a summary (or the file asked for) was written. `advice`: as the page words it."""

    exit_code: int
    message: str = ""
    advice: str = ""
    #: The file is protected, and no password, or a wrong one, was given.
    locked: bool = False


Message = Begun | Told | Paused | Noted | Reporting | Ended


class Sight(msgspec.Struct, frozen=True):
    """A column as `look` saw it. `filled` of `cells` hold something."""

    column: str
    samples: tuple[str, ...]
    cells: int
    filled: int
    list_like: int
    separator: str


class Look(msgspec.Struct, frozen=True):
    """`look.json`: what a file is, and the mapping that its header names propose. `fault`: why there is nothing."""

    name: str = ""
    kind: str = ""
    sha256: str = ""
    sheet: str = ""
    header_row: int = 0
    notes: tuple[str, ...] = ()
    rows: int = 0
    whole: bool = True
    columns: tuple[Sight, ...] = ()
    mapping: Mapping = Mapping(())
    #: None: they could not be asked for, `fields_fault` says why.
    fields: tuple[FieldDefinition, ...] | None = None
    fields_fault: str = ""
    fault: tuple[str, str] = ("", "")
    #: Those of which one must be named, where that is the fault.
    sheets: tuple[str, ...] = ()
    #: The file is protected, and no password, or a wrong one, was given.
    locked: bool = False


class Example(msgspec.Struct, frozen=True):
    """A cell that a problem is about."""

    row: int
    value: str


class Checked(msgspec.Struct, frozen=True):
    """`check.json`: the findings, with cells to show for each problem, or why there are none."""

    findings: Findings | None = None
    #: By code and column.
    examples: dict[str, tuple[Example, ...]] = {}
    fields_fault: str = ""
    fault: tuple[str, str] = ("", "")
    locked: bool = False


def words_of(error: ImporterError) -> str:
    """An error as the page shows it: what happened and what to do here."""
    return f"{error.message} {error.on_page}".strip()


def example_key(code: str, column: str) -> str:
    return f"{code}\n{column}"
