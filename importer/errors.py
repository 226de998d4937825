"""Errors grouped by what happens next, and the exit codes they end with.

Each says what is wrong, where, and what to do next. A failed row is not an error: it is an `Outcome`.
"""

from __future__ import annotations

from enum import IntEnum
from pathlib import PurePath


class ExitCode(IntEnum):
    """The contract with schedulers: how a run ended."""

    OK = 0
    INTERNAL = 1
    SETTINGS = 2
    ROWS = 3
    REFUSED = 4
    TEMPORARY = 5
    TOO_MANY_ERRORS = 6
    JOURNAL = 7
    SOURCE = 8
    CHANGED = 9
    TIME = 10
    BUSY = 11
    INTERRUPTED = 130


EXIT_MEANINGS: dict[ExitCode, str] = {
    ExitCode.OK: "every row succeeded or was skipped on request",
    ExitCode.INTERNAL: "internal error",
    ExitCode.SETTINGS: "usage or configuration (also: unknown host, bad certificate, a redirect); nothing was sent",
    ExitCode.ROWS: "finished; some rows failed, were rejected or are unknown",
    ExitCode.REFUSED: "credentials or permission refused; stopped, resumable",
    ExitCode.TEMPORARY: "stopped by a temporary problem (outage, rate limit, network); resumable",
    ExitCode.TOO_MANY_ERRORS: "stopped by `--max-errors` or the canary; resumable",
    ExitCode.JOURNAL: "journal or disk failed; stopped before the next request",
    ExitCode.SOURCE: "the source cannot be read or mapped; nothing was sent",
    ExitCode.CHANGED: "the source has changed since the run began",
    ExitCode.TIME: "stopped at the time set by `--until` or `--max-duration`; resumable",
    ExitCode.BUSY: "another process is using this run, or this source and target",
    ExitCode.INTERRUPTED: "interrupted; resumable",
}


#: Ends that the next file would share: settings, credentials, server, disk, window, a signal.
SHARED_ENDS = frozenset(
    {
        ExitCode.SETTINGS,
        ExitCode.REFUSED,
        ExitCode.TEMPORARY,
        ExitCode.JOURNAL,
        ExitCode.TIME,
        ExitCode.INTERRUPTED,
    }
)


#: From best to worst: what stops a scheduler comes last.
_BADNESS = (0, 3, 10, 6, 5, 130, 9, 8, 11, 4, 2, 7, 1)


def badness(code: int) -> int:
    """The rank of an exit code; higher is worse."""
    return _BADNESS.index(int(code))


def worse(one: int, other: int) -> int:
    """The exit code of several runs together: the worse of two."""
    return max(int(one), int(other), key=badness)


class ImporterError(Exception):
    """`message`: what happened and where, one sentence that holds for every face: it names no option or command.
    `advice`: what to do or type next, for the command line and the files. `on_page`: the same for the page, where it
    differs; "" where the page offers it as a button."""

    exit_code = ExitCode.INTERNAL

    def __init__(self, message: str, advice: str = "", *, on_page: str | None = None) -> None:
        super().__init__(f"{message} {advice}".strip())
        self.message = message
        self.advice = advice
        self.on_page = advice if on_page is None else on_page


_PACKAGE = PurePath(__file__).parent


def internal_error(
    error: BaseException, advice: str = "Please report it.", *, on_page: str | None = None
) -> ImporterError:
    """An unexpected exception as an error. Its kind and where this package raised or met it, not its text, which may
    hold a cell."""
    trace, where = error.__traceback__, ""
    while trace is not None:
        path = PurePath(trace.tb_frame.f_code.co_filename)
        if not where or _PACKAGE in path.parents:
            where = f" in {path.name}, line {trace.tb_lineno}"
        trace = trace.tb_next
    failure = ImporterError(f"Internal error: {type(error).__name__}{where}.", advice, on_page=on_page)
    failure.__cause__ = error
    return failure


#: Why a source is refused: code of a `SourceError` → its meaning, for the manual.
REFUSALS: dict[str, str] = {
    "not_readable": "the file does not exist, is empty, is a directory, or cannot be read",
    "other_kind": "the file is of another kind: PDF, Word, DBF, SYLK, JSON, a sign-in page, the lock file of a program",
    "archive": "an archive does not contain exactly one sheet",
    "damaged": "the file is damaged or cut off, or unpacks to more than any sheet holds",
    "password": "the file needs a password, or the given one does not open it",
    "sheet": "several sheets have data, or none has the given name",
    "encoding": "the encoding is not certain, or a byte does not fit it",
    "quote_not_closed": "a quote is not closed where its cell ends",
    "hidden_rows": "two stray quotes make one cell of the rows between them",
    "no_rows": "the sheet has no rows, or only formulas whose values are not stored",
    "no_header": "there are no column names in the given row, or the delimiter is not one character",
    "header_is_data": "the header looks like data: there is none, or cells contain the delimiter without quotes",
    "customer_above_header": "a row above the header names an identifier or contains a customer",
    "second_header": "the header names no identifier, but a row below it does",
    "second_table": "a row below the header contains other column names: a second table begins there",
    "columns": "no column identifies the customer or holds a preference; a column of the mapping is missing or occurs "
    "twice; a preference's name is too long or has destroyed letters",
    "unknown_columns": "columns name no preference of the organisation",
    "no_results": "`--resubmit` of a sheet without the results of an earlier run",
}


class SourceError(ImporterError):
    """Fix the sheet: it cannot be read or mapped, and nothing was sent. `code`: of `REFUSALS`."""

    exit_code = ExitCode.SOURCE

    def __init__(
        self,
        message: str,
        advice: str = "",
        sheets: tuple[str, ...] = (),
        *,
        code: str,
        locked: bool = False,
        on_page: str | None = None,
    ) -> None:
        super().__init__(message, advice, on_page=on_page)
        self.code = code
        #: A password, or another password, would open it.
        self.locked = locked
        #: The sheets of which one must be named.
        self.sheets = sheets


class SettingsError(ImporterError):
    """Fix the settings: usage, configuration, host, certificate."""

    exit_code = ExitCode.SETTINGS


class SourceChanged(ImporterError):
    """The source has changed since the run began."""

    exit_code = ExitCode.CHANGED


class Busy(ImporterError):
    """Another process is using this run, or this source and target. `holder`: which process, where that is known."""

    exit_code = ExitCode.BUSY

    def __init__(self, message: str, advice: str = "", *, holder: str = "", on_page: str | None = None) -> None:
        super().__init__(message, advice, on_page=on_page)
        self.holder = holder


class JournalError(ImporterError):
    """The journal or its disk failed. Nothing is sent that cannot be recorded."""

    exit_code = ExitCode.JOURNAL


class Stop(ImporterError):
    """The run stops before its last row and can be resumed. Raised where requests are sent."""

    def __init__(self, exit_code: ExitCode, message: str, advice: str = "", *, on_page: str | None = None) -> None:
        super().__init__(message, advice, on_page=on_page)
        self.exit_code = exit_code
