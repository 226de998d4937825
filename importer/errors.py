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


class SourceError(ImporterError):
    """Fix the sheet: it cannot be read or mapped, and nothing was sent."""

    exit_code = ExitCode.SOURCE

    def __init__(
        self,
        message: str,
        advice: str = "",
        sheets: tuple[str, ...] = (),
        *,
        locked: bool = False,
        on_page: str | None = None,
    ) -> None:
        super().__init__(message, advice, on_page=on_page)
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
