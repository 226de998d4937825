"""The vocabulary: the frozen records that flow between the stages. No behaviour but conversion.

Names are the API's (`mobile`, `external_id`, `custom_fields`, `item_status`) and the field's (batch, attempt,
outcome). Dictionaries live only at the wire.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec


class Status(StrEnum):
    """The outcome of a row. The words are a contract: people filter reports by them."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REJECTED = "rejected"
    SKIPPED = "skipped"
    UNPROCESSED = "unprocessed"
    UNKNOWN = "unknown"

    #: str's C-level hash: this is a hot path.
    __hash__ = str.__hash__


#: The identifiers of a customer, in the API's order.
IDENTIFIERS = ("mobile", "email", "external_id", "user_id")
#: Every field of the API that a column can feed, apart from preferences.
FIELDS = (*IDENTIFIERS, "store.code", "store.id")

#: What ends the warning about an identifier that is not valid: the row was sent without it.
OMITTED = "; omitted"

#: The columns that every report appends to the source's, in this order. The reader ignores names that begin with `_`.
RESULT_COLUMNS = (
    "_sheet",
    "_row",
    "_status",
    "_code",
    "_message",
    "_advice",
    "_warnings",
    "_attempts",
    "_request_id",
    "_at",
)
#: The column after them where there is any: what cells were before a person or a rule fixed them, as JSON.
FIXED = "_fixed"
#: Sheets that the tool itself adds to workbooks for people, in lower case. The reader reads another one.
HELP_SHEETS = ("how to fill in", "drop-down lists")


class Problem(msgspec.Struct, frozen=True, gc=False):
    """Why a row (or one cell of it) cannot be sent.

    `column` is None when the row as a whole is at fault. `message` and `advice` never contain the cell's text, so
    that they can be written to the journal and to logs; `value` can, and goes to reports only.
    """

    row_number: int
    column: str | None
    value: str
    code: str
    message: str
    advice: str = ""


class Repair(msgspec.Struct, frozen=True, gc=False):
    """A cell that was fixed because its original value is unambiguous: the cell and what is sent instead."""

    row_number: int
    column: str
    code: str
    before: str
    after: str


class Store(msgspec.Struct, frozen=True, gc=False):
    code: str = ""
    id: str = ""


class Customer(msgspec.Struct, frozen=True, gc=False):
    """One customer as the API takes it. `also_rows`: further rows of a long sheet that this record carries."""

    row_number: int
    mobile: str = ""
    email: str = ""
    external_id: str = ""
    user_id: str = ""
    store: Store | None = None
    custom_fields: tuple[tuple[str, str], ...] = ()
    also_rows: tuple[int, ...] = ()
    #: Problems of identifiers that are not valid: the customer is sent without them.
    omitted: tuple[Problem, ...] = ()
    #: Hashes of what is sent and of each identifier, which the journal keeps beside the outcome for `--only-changed`.
    fingerprint: bytes = b""

    @property
    def row_numbers(self) -> tuple[int, ...]:
        return (self.row_number, *self.also_rows)

    @property
    def identifiers(self) -> tuple[tuple[str, str], ...]:
        """(kind, value) of every identifier that is set. Two rows that share one are the same customer."""
        found = []
        if self.mobile:
            found.append(("mobile", self.mobile))
        if self.email:
            found.append(("email", self.email.lower()))
        if self.external_id:
            found.append(("external_id", self.external_id))
        if self.user_id:
            found.append(("user_id", self.user_id))
        return tuple(found)


#: How often a batch is sent at most if no answer arrives.
MAX_ATTEMPTS = 5


class Batch(msgspec.Struct, frozen=True):
    """The customers of one request, and its body. The id stays the same however often it is sent."""

    batch_id: int
    customers: tuple[Customer, ...]
    split_from: int | None = None
    #: One customer that is asked again alone.
    alone: bool = False
    body: bytes = b""


class Work(msgspec.Struct, frozen=True):
    """A batch on its way. `root`: the batch before any split. `attempts`: how often its customers were sent; `tries`:
    how often this batch was. `doubt`: the server may have applied it. `opened`: it is in the journal."""

    batch: Batch
    root: int
    attempts: int = 0
    tries: int = 0
    doubt: bool = False
    opened: bool = False
    most_tries: int = MAX_ATTEMPTS


class ItemStatus(msgspec.Struct, frozen=True, gc=False):
    """The server's answer for one customer. `success` is None if it is neither a known yes nor a known no."""

    mobile: str = ""
    email: str = ""
    external_id: str = ""
    user_id: str = ""
    success: bool | None = None
    code: str = ""
    message: str = ""
    warnings: tuple[str, ...] = ()


class RequestStatus(msgspec.Struct, frozen=True):
    success: bool | None = None
    code: str = ""
    message: str = ""


class Reply(msgspec.Struct, frozen=True):
    """An answer that could be read. `items` is None when it holds no list of customers."""

    http_status: int
    status: RequestStatus
    items: tuple[ItemStatus, ...] | None
    request_id: str = ""
    retry_after: float | None = None
    elapsed: float = 0.0


class FieldDefinition(msgspec.Struct, frozen=True):
    """A preference the organisation has defined (`GET organization/customfields`). `datatype` in lower case."""

    name: str
    label: str = ""
    datatype: str = "string"
    regex: str = ""
    options: tuple[str, ...] = ()
    is_mandatory: bool = False
    is_disabled: bool = False


#: The code of a row that a person decided to leave out.
LEFT_OUT = "left_out"
#: The code of a row that an older run leaves out.
OVERTAKEN = "sent_by_newer_run"
#: The code of a row that a retry leaves out: a later row of the sheet succeeded.
SENT_LATER = "sent_by_later_row"
#: The codes of rows that `--overwrite-newer` sends.
BY_NEWER = (OVERTAKEN, SENT_LATER)


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """The outcome of one row. `at` is UTC, milliseconds since 1970. An empty `advice` means the catalogue's."""

    row_number: int
    status: Status
    code: str = ""
    message: str = ""
    advice: str = ""
    columns: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    attempts: int = 0
    request_id: str = ""
    at: int = 0


class Stretch(msgspec.Struct, frozen=True):
    """Consecutive rows with the same outcome; `outcome` is that of the first row.

    A million rows are a few thousand answers: what is the same for all rows of one is looked at once.
    """

    outcome: Outcome
    rows: int = 1

    @property
    def numbers(self) -> range:
        first = self.outcome.row_number
        return range(first, first + self.rows)

    def outcomes(self) -> list[Outcome]:
        """The outcome of each row."""
        if self.rows == 1:
            return [self.outcome]
        _, *same = msgspec.structs.astuple(self.outcome)
        return [Outcome(number, *same) for number in self.numbers]


class Rate(msgspec.Struct, frozen=True):
    """Requests per unit. `unit` in seconds, `word` as the user wrote it."""

    count: float
    unit: float
    word: str = ""


class MaxErrors(msgspec.Struct, frozen=True):
    """`--max-errors`: a number of rows, or a share of those that are sent."""

    rows: int = 0
    share: float = 0.0

    def reached(self, failed: int, decided: int, total: int | None = None) -> bool:
        """`total`: how many rows are to be decided, once the whole sheet is known."""
        if self.rows:
            return failed >= self.rows
        # A share of the rows so far means little before there are a hundred; that of all rows is sure at once.
        so_far = decided >= 100 and failed >= self.share * decided
        return so_far or bool(total and failed >= self.share * total)


class SourceSummary(msgspec.Struct, frozen=True):
    path: str
    sha256: str
    sheets: tuple[str, ...] = ()


class TargetSummary(msgspec.Struct, frozen=True):
    base_url: str


class RowCounts(msgspec.Struct, frozen=True):
    read: int = 0
    succeeded: int = 0
    failed: int = 0
    rejected: int = 0
    skipped: int = 0
    unprocessed: int = 0
    unknown: int = 0


class RequestCounts(msgspec.Struct, frozen=True):
    sent: int = 0
    retried: int = 0
    split: int = 0
    throttled: int = 0


class CodeCount(msgspec.Struct, frozen=True):
    code: str
    meaning: str
    advice: str
    rows: int


class Cause(msgspec.Struct, frozen=True):
    text: str
    advice: str
    rows: int
    example_rows: tuple[int, ...] = ()
    #: The advice as the page words it, only where it differs.
    on_page: str | msgspec.UnsetType = msgspec.UNSET


class RateSummary(msgspec.Struct, frozen=True):
    """`configured` as it was given (`100/minute`); `achieved` in requests per the same unit."""

    configured: str
    achieved: float


class RunSummary(msgspec.Struct, frozen=True):
    """The document `summary.json`, also what `run --json` prints. Stamps are UTC, ISO 8601."""

    run_id: str
    source: SourceSummary
    target: TargetSummary
    started_at: str
    finished_at: str
    exit_code: int
    rows: RowCounts
    requests: RequestCounts
    codes: tuple[CodeCount, ...]
    causes: tuple[Cause, ...]
    rate: RateSummary
    duration_seconds: float
    reports: Mapping[str, str]
    #: Cells that were fixed, by code of the fix.
    repairs: Mapping[str, int] = {}
    #: Further facts: encoding found, blank rows ignored, columns ignored, a limit learned.
    notes: tuple[str, ...] = ()


def to_json(record: Any) -> bytes:
    """A record as an indented JSON document, one trailing newline."""
    return msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n"
