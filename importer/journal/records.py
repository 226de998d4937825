"""Runs, batches and attempts as records of the journal."""

from __future__ import annotations

import msgspec

from importer.errors import JournalError
from importer.model import RequestCounts
from importer.settings.options import Settings

#: How the journal names the sandbox of a run.
SANDBOX = "sandbox"


def stored(settings: Settings) -> msgspec.Raw:
    """Settings as a record stores them."""
    return msgspec.Raw(msgspec.msgpack.encode(settings))


def organisation_of(base_url: str, key_name: str) -> tuple[str, str]:
    """Return what tells organisations apart: the server and the name of the credentials, because one server has many.
    The sandbox of a run has only one."""
    return base_url, "" if base_url == SANDBOX else key_name


class RunRecord(msgspec.Struct, frozen=True):
    """What a run began with: all that is needed to resume it. Without secrets and cells.

    Settings are decoded when they are used: one run of a newer version does not block the list of all runs.
    """

    run_id: str
    source: str
    source_sha256: str
    source_size: int
    sheet: str
    base_url: str
    key_name: str
    started_at: int
    stored_settings: msgspec.Raw = msgspec.field(name="settings")
    parser: dict[str, str]
    mapping: bytes
    version: str
    spooled: bool = False
    retry_of: str = ""
    #: Its rows were fixed since: those that the run before it rejected or left out are read again.
    fixed: bool = False

    @property
    def organisation(self) -> tuple[str, str]:
        """Whose customers the run sent."""
        return organisation_of(self.base_url, self.key_name)

    @property
    def settings(self) -> Settings:
        """Raises `JournalError` for those of a version whose settings this one does not know."""
        try:
            return msgspec.msgpack.decode(self.stored_settings, type=Settings)
        except msgspec.DecodeError as error:
            raise JournalError(
                f"The settings of run {self.run_id} are of another version of the importer ({self.version}): {error}.",
                "Use the version that began the run.",
                on_page="Ask the administrator of this page to update the importer.",
            ) from None


class PurgedCounts(msgspec.Struct, frozen=True):
    """What stays of a purged run: rows by outcome, and requests."""

    rows: dict[str, int]
    requests: RequestCounts


class Pacing(msgspec.Struct, frozen=True):
    """The rate since it was changed by a resume. `requests` and `seconds` of sending were before."""

    rate: str
    unit: float
    burst: int
    requests: int
    seconds: float


class RunProgress(msgspec.Struct, frozen=True):
    """What changes during a run and is in no other table, like limits learned from the server."""

    batch_size: int = 0
    max_bytes: int = 0
    sending_seconds: float = 0.0
    notes: tuple[str, ...] = ()
    repairs: dict[str, int] = {}
    #: The last row whose repairs are counted. A resumed run reads some rows again.
    repaired_to: int = 0
    #: Why the run stopped before its last row, as text; "" when it did not.
    stopped: str = ""
    #: The same as the page words it; None in a journal of before.
    stopped_on_page: str | None = None
    purged: PurgedCounts | None = None
    #: None: the rate is that of the record.
    pacing: Pacing | None = None


class Run(msgspec.Struct, frozen=True):
    """A run as the journal stores it. `finished`: it cannot be resumed."""

    key: int
    record: RunRecord
    progress: RunProgress
    finished_at: int | None
    exit_code: int | None
    finished: bool


class Attempt(msgspec.Struct, frozen=True):
    """One sending of a batch. `at` is UTC in milliseconds since 1970."""

    number: int
    batch_id: int
    at: int
    elapsed_ms: int
    customers: int
    http_status: int
    code: str
    request_id: str


class OpenBatch(msgspec.Struct, frozen=True):
    """A batch whose rows have no outcome yet. It is sent again unchanged."""

    batch_id: int
    split_from: int | None
    alone: bool
    attempts: int
    rows: tuple[tuple[int, ...], ...]
    doubt: bool
