"""Messages between the server and its worker processes: one line of JSON each, over the worker's own pipes."""

from __future__ import annotations

from typing import Literal

import msgspec

from importer.checker.findings import Findings
from importer.errors import ImporterError
from importer.model import FieldDefinition, Problem
from importer.normaliser.facts import SheetFacts
from importer.normaliser.mapping import Mapping
from importer.settings.options import Settings

#: The file in an upload's `own_folder`, or in the task's folder, that holds the result of such a task.
RESULT_FILES = {
    "inspect": "inspection.json",
    "check": "check.json",
    "fixed": "fixed.json",
    "template": "template.xlsx",
}


class WorkerTask(msgspec.Struct, frozen=True):
    """Work for one process. Kinds of `RESULT_FILES` write a file to `folder`; the others carry a run to its end."""

    kind: Literal["inspect", "check", "fixed", "template", "run", "resume", "retry"]
    settings: Settings
    path: str = ""
    folder: str = ""
    run_id: str = ""
    #: A mapping file to start from: the one of the run whose rows were fixed.
    mapping: str = ""
    #: Of the source. It travels by the pipe, never by a command line, an environment or a disk.
    password: str = ""

    def __repr__(self) -> str:
        return f"WorkerTask({self.kind})"


class Begun(msgspec.Struct, frozen=True, tag="begun"):
    """The run is in the journal. `rows`: how many already had an outcome."""

    rows: int


class RowsCounted(msgspec.Struct, frozen=True, tag="counted"):
    """Rows since this process took over the run. `codes`: of rows that did not succeed. `rows`: of the whole sheet, 0
    while that is not known. `speed`: rows sent in a second. `left`: seconds, None while that is not known."""

    read: int
    statuses: dict[str, int]
    codes: dict[str, int]
    rows: int = 0
    speed: float = 0.0
    left: float | None = None


class Paused(msgspec.Struct, frozen=True, tag="paused"):
    seconds: float
    why: str


class Waits(msgspec.Struct, frozen=True, tag="waits"):
    """The next request leaves in so many seconds."""

    seconds: float


class Retrying(msgspec.Struct, frozen=True, tag="retrying"):
    """No usable answer has come since a request failed. `lost`: there was no connection. `why` "": one has come."""

    why: str
    lost: bool


class Noted(msgspec.Struct, frozen=True, tag="noted"):
    text: str


class Reporting(msgspec.Struct, frozen=True, tag="reporting"):
    """All requests are done; the reports are being written."""


class WorkerEnded(msgspec.Struct, frozen=True, tag="ended"):
    """`message` is "" where a summary (or the requested file) was written. `advice`: worded for the page."""

    exit_code: int
    message: str = ""
    advice: str = ""
    #: The source is protected, and the password is missing or wrong.
    locked: bool = False


Message = Begun | RowsCounted | Paused | Waits | Retrying | Noted | Reporting | WorkerEnded


class InspectedColumn(msgspec.Struct, frozen=True):
    """A column as the inspection found it. `filled` of its `cells` are not empty."""

    column: str
    samples: tuple[str, ...]
    cells: int
    filled: int
    list_like: int
    separator: str


class FirstRows(msgspec.Struct, frozen=True):
    """The first rows as the reader gives them, and what the inspected rows show of the whole sheet.

    `columns`: the cells of each column. `facts`: its `ranges` are names of columns, except for a long sheet."""

    rows: tuple[int, ...] = ()
    columns: tuple[tuple[str, ...], ...] = ()
    problems: tuple[Problem, ...] = ()
    typed: bool = False
    facts: SheetFacts = SheetFacts()


class SheetSeen(msgspec.Struct, frozen=True):
    """A sheet to choose. `rows`: counted, up to a limit unless `whole`. `fault`: why it cannot be read."""

    name: str
    rows: int = 0
    whole: bool = False
    columns: tuple[str, ...] = ()
    fault: str = ""


class Readability(msgspec.Struct, frozen=True):
    """The part of `inspection.json` that says whether a file can be read. `fault`: why it cannot."""

    fault: tuple[str, str] = ("", "")
    #: The sheets to choose from, where the fault is that none was chosen.
    sheets: tuple[str, ...] = ()
    #: The source is protected, and the password is missing or wrong.
    locked: bool = False

    @property
    def is_unreadable(self) -> bool:
        """Whether neither a sheet nor a password would help."""
        return bool(self.fault[0]) and not self.sheets and not self.locked


class Inspection(Readability, frozen=True):
    """`inspection.json`: what a file is, and the mapping that its header proposes."""

    name: str = ""
    kind: str = ""
    sha256: str = ""
    sheet: str = ""
    header_row: int = 0
    #: The row below that seems to be the header, where no name in `header_row` identifies the customer; otherwise 0.
    better_row: int = 0
    takes_encoding: bool = True
    notes: tuple[str, ...] = ()
    rows: int = 0
    whole: bool = True
    columns: tuple[InspectedColumn, ...] = ()
    first: FirstRows = FirstRows()
    mapping: Mapping = Mapping(())
    #: None: the organisation's field list is not available; `fields_fault` says why.
    fields: tuple[FieldDefinition, ...] | None = None
    fields_fault: str = ""
    seen: tuple[SheetSeen, ...] = ()

    @property
    def column_names(self) -> list[str]:
        return [column.column for column in self.columns]


class Example(msgspec.Struct, frozen=True):
    """A cell that shows a problem."""

    row: int
    value: str


class Checked(msgspec.Struct, frozen=True):
    """`check.json`: the findings, with example cells for each problem, or why there are none."""

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
