"""Messages between the server and its worker processes: one line of JSON each, over the worker's own pipes."""

from __future__ import annotations

from typing import Literal

import msgspec

from importer.checker.findings import Findings
from importer.errors import ImporterError
from importer.model import FieldDefinition
from importer.normaliser.mapping import Mapping
from importer.settings.options import Settings

#: The file in an upload's `own_folder`, or in the task's folder, that holds the result of such a task.
RESULT_FILES = {"inspect": "inspection.json", "check": "check.json", "template": "template.xlsx"}


class WorkerTask(msgspec.Struct, frozen=True):
    """Work for one process. Kinds of `RESULT_FILES` write a file to `folder`; the others carry a run to its end."""

    kind: Literal["inspect", "check", "template", "run", "resume", "retry"]
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
    """Rows since this process took over the run. `codes`: of rows that did not succeed."""

    read: int
    statuses: dict[str, int]
    codes: dict[str, int]


class Paused(msgspec.Struct, frozen=True, tag="paused"):
    seconds: float
    why: str


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


Message = Begun | RowsCounted | Paused | Noted | Reporting | WorkerEnded


class InspectedColumn(msgspec.Struct, frozen=True):
    """A column as the inspection found it. `filled` of its `cells` are not empty."""

    column: str
    samples: tuple[str, ...]
    cells: int
    filled: int
    list_like: int
    separator: str


class Inspection(msgspec.Struct, frozen=True):
    """`inspection.json`: what a file is, and the mapping that its header proposes. `fault`: why it cannot be read."""

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
    mapping: Mapping = Mapping(())
    #: None: the organisation's field list is not available; `fields_fault` says why.
    fields: tuple[FieldDefinition, ...] | None = None
    fields_fault: str = ""
    fault: tuple[str, str] = ("", "")
    #: The sheets to choose from, where the fault is that none was chosen.
    sheets: tuple[str, ...] = ()
    #: The source is protected, and the password is missing or wrong.
    locked: bool = False


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
