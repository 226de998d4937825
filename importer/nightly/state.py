"""What a load finds, step by step, and what follows: its report, its state, what is remembered. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from importer.errors import SHARED_ENDS, ExitCode, worse
from importer.model import RunSummary
from importer.nightly.inbox import Seen
from importer.nightly.location import Entry
from importer.system.text import counted

OK, WARNING, CRITICAL = 0, 1, 2
#: The words of the levels, as `nightly --json` prints them.
LEVELS = ("ok", "warning", "critical")

#: Exit code of a file or of the load → the reason why the state is critical.
REASONS: dict[int, str] = {
    ExitCode.INTERNAL: "error",
    ExitCode.SETTINGS: "settings",
    ExitCode.REFUSED: "credentials",
    ExitCode.TEMPORARY: "trouble",
    ExitCode.TOO_MANY_ERRORS: "errors",
    ExitCode.JOURNAL: "disk",
    ExitCode.SOURCE: "unreadable",
    ExitCode.CHANGED: "changed",
    ExitCode.TIME: "time",
    ExitCode.BUSY: "busy",
}
#: The inbox has links or other entries that are never opened; files could not be removed from it.
ODD, KEPT = "odd", "kept"
#: Reasons for a warning. Every other reason is critical, but for the share of rows.
WARNINGS = frozenset({ODD, KEPT})
#: Every row was processed.
FINISHED = frozenset({ExitCode.OK, ExitCode.ROWS})
#: Days whose files are remembered.
_REMEMBERED = 60
#: Most causes of a file in a notice.
_MOST_CAUSES = 3


class FileResult(msgspec.Struct, frozen=True):
    """How one file ended.

    `what`: imported; resumed; delivered (its run had ended before); repeated (the same content was imported before);
    unreadable; left (it cannot be read or moved, and stays in the inbox); stopped; held (max-errors or the canary
    stopped its run, which waits for a person); given up (the same, and the file was removed or replaced). `moved_to`
    "": not moved.
    """

    name: str
    what: str
    exit_code: int
    run_id: str = ""
    moved_to: str = ""
    message: str = ""
    not_imported_share: float = 0.0
    causes: tuple[str, ...] = ()


#: Results of files that the next load finds again, with the same result.
STANDING = frozenset({"left", "held"})


def result_of(name: str, what: str, summary: RunSummary, headline: str) -> FileResult:
    """The result of a file whose run has a summary."""
    rows = summary.rows
    code = ExitCode(summary.exit_code)
    return FileResult(
        name,
        what if code in FINISHED else "unreadable" if code is ExitCode.SOURCE else "stopped",
        summary.exit_code,
        summary.run_id,
        message=headline,
        not_imported_share=(rows.failed + rows.rejected + rows.unknown) / rows.read if rows.read else 0.0,
        causes=tuple(f"{cause.text} {cause.advice}".strip() for cause in summary.causes[:_MOST_CAUSES])
        or tuple(f"{counted(code.rows, 'row')}: {code.meaning}" for code in summary.codes[:_MOST_CAUSES]),
    )


class RunEnd(msgspec.Struct, frozen=True):
    """A run that ended during the load, for the metrics. `at` in milliseconds."""

    summary: RunSummary
    paused_seconds: float
    at: int


class Step(msgspec.Struct, frozen=True):
    """What one step of the load found."""

    exit_code: int = ExitCode.OK
    reasons: tuple[str, ...] = ()
    files: tuple[FileResult, ...] = ()
    runs: tuple[RunEnd, ...] = ()
    #: Files in the inbox that are not complete, and complete ones left for the next load.
    incomplete: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    missing: str = ""
    notes: tuple[str, ...] = ()
    notified: int = 0
    failed_notices: int = 0
    #: To remember: (day, name) of a file that arrived, the inbox's listing, and a file taken out of it.
    arrived: tuple[str, str] | None = None
    seen: dict[str, Seen] | None = None
    kept: dict[str, Seen] | None = None
    taken: str = ""
    #: Files that were processed and could not be removed from the inbox.
    stays: tuple[Entry, ...] = ()


class LoadReport(msgspec.Struct, frozen=True):
    """The result of a load, as `nightly --json` prints it."""

    profile: str
    exit_code: int = ExitCode.OK
    state: str = LEVELS[OK]
    reasons: tuple[str, ...] = ()
    files: tuple[FileResult, ...] = ()
    #: Files left in the inbox: not complete, or not started in time.
    waiting: tuple[str, ...] = ()
    #: Name of the expected file that has not arrived in time.
    missing: str = ""
    #: How many addresses accepted a notice.
    notified: int = msgspec.field(name="told", default=0)
    #: What else a person should know: a notice that could not be sent, an outbox that could not be reached.
    notes: tuple[str, ...] = ()


def report_of(profile: str, steps: Iterable[Step]) -> LoadReport:
    """The steps as one report. Its state is added by `with_state`."""
    steps = list(steps)
    code: int = ExitCode.OK
    for step in steps:
        code = worse(code, step.exit_code)
    incomplete = [name for step in steps for name in step.incomplete]
    return LoadReport(
        profile,
        code,
        reasons=_unique(reason for step in steps for reason in step.reasons),
        files=tuple(file for step in steps for file in step.files),
        waiting=(*incomplete, *(name for step in steps for name in step.left)),
        missing=next((step.missing for step in steps if step.missing), ""),
        notified=sum(step.notified for step in steps),
        notes=_unique(note for step in steps for note in step.notes),
    )


def _unique(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(words))


def held_back(
    *, stopping: bool, in_window: bool, results: Iterable[FileResult], closes: int | None, now: int
) -> ExitCode | None:
    """Why the next file is left for the next load: the exit code that this means. None: it is loaded now."""
    if stopping or not in_window or any(ExitCode(result.exit_code) in SHARED_ENDS for result in results):
        return ExitCode.OK
    return ExitCode.TIME if closes is not None and now >= closes else None


# ---------------------------------------------------------------------------------------------------- the state


class LoadState(msgspec.Struct, frozen=True):
    """A level, and the reasons for it in alphabetical order."""

    level: int = OK
    reasons: tuple[str, ...] = ()


def state_after(before: LoadState, found: LoadReport, *, warning: float, critical: float) -> LoadState:
    """The state of the profile after a load. A load that found nothing to do leaves the state as it was.

    `warning`, `critical`: shares of rows of a file that were not imported.
    """
    levels = {reason: WARNING if reason in WARNINGS else CRITICAL for reason in found.reasons}
    for result in found.files:
        if result.exit_code in REASONS:
            levels[REASONS[result.exit_code]] = CRITICAL
        elif result.exit_code == ExitCode.ROWS and result.not_imported_share >= warning:
            level = CRITICAL if result.not_imported_share >= critical else WARNING
            levels["rows"] = max(level, levels.get("rows", OK))
    if found.missing:
        levels["missing"] = CRITICAL
    if found.exit_code == ExitCode.TIME:
        levels["time"] = CRITICAL
    if is_idle(found):
        levels |= {reason: before.level for reason in before.reasons if reason != ODD}
    return LoadState(max(levels.values(), default=OK), tuple(sorted(levels)))


def is_idle(found: LoadReport) -> bool:
    """Whether a load found nothing to do, and nothing wrong."""
    was_stopped = all(result.exit_code == ExitCode.INTERRUPTED for result in found.files)
    return was_stopped and not found.missing and found.exit_code != ExitCode.TIME and not {*found.reasons} - {ODD}


def with_state(found: LoadReport, state: LoadState) -> LoadReport:
    return msgspec.structs.replace(found, state=LEVELS[state.level], reasons=state.reasons)


def with_later(report: LoadReport, steps: Iterable[Step]) -> LoadReport:
    """The report with what was found after its state was known: notices, memory, metrics."""
    later = report_of(report.profile, steps)
    return msgspec.structs.replace(
        report,
        exit_code=worse(report.exit_code, later.exit_code),
        reasons=_unique((*report.reasons, *later.reasons)),
        notified=report.notified + later.notified,
        notes=_unique((*report.notes, *later.notes)),
    )


# ---------------------------------------------------------------------------------------------------- the memory


class Memory(msgspec.Struct, frozen=True):
    """What a profile remembers between loads. The notified state is the one that recipients were notified of."""

    seen: dict[str, Seen] = {}
    #: Files in the inbox that were processed and could not be removed.
    kept: dict[str, Seen] = {}
    #: Day → name of the file that arrived.
    arrived: dict[str, str] = {}
    level: int = OK
    reasons: tuple[str, ...] = ()
    notified_level: int = msgspec.field(name="told_level", default=OK)
    #: The notice that no address accepted: a later load may find nothing to say.
    unsent: str = ""
    notified_reasons: tuple[str, ...] = msgspec.field(name="told_reasons", default=())

    @property
    def state(self) -> LoadState:
        return LoadState(self.level, self.reasons)

    @property
    def notified(self) -> LoadState:
        return LoadState(self.notified_level, self.notified_reasons)


def remembered(memory: Memory, steps: Iterable[Step]) -> Memory:
    """The memory after these steps."""
    seen, kept, arrived = dict(memory.seen), dict(memory.kept), dict(memory.arrived)
    for step in steps:
        if step.seen is not None:
            seen = dict(step.seen)
        if step.kept is not None:
            kept = dict(step.kept)
        seen.pop(step.taken, None)
        kept |= {entry.name: Seen(entry.size, entry.mark, 0) for entry in step.stays}
        if step.arrived is not None:
            arrived[step.arrived[0]] = step.arrived[1]
    days = sorted(arrived)[-_REMEMBERED:]
    return msgspec.structs.replace(memory, seen=seen, kept=kept, arrived={day: arrived[day] for day in days})


def in_state(memory: Memory, state: LoadState) -> Memory:
    return msgspec.structs.replace(memory, level=state.level, reasons=state.reasons)


def notified(memory: Memory) -> Memory:
    """The memory once its state needs no notice any more."""
    return msgspec.structs.replace(memory, notified_level=memory.level, notified_reasons=memory.reasons, unsent="")


Notice = Literal["OK again", "failed", "some rows", "only some rows", "attention"]


def due_notice(was: LoadState, now: LoadState) -> Notice | None:
    """The notice of a change since the last one. None: nothing has changed."""
    if was == now:
        return None
    if now.level == OK:
        return "OK again"
    if now.level == CRITICAL:
        return "failed"
    if "rows" not in now.reasons:
        return "attention"
    return "some rows" if was.level == OK else "only some rows"
