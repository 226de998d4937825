"""The summary of a run as text: wrapped for a terminal, and as one line for a log."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from importer.capillary.codes import Next, lookup
from importer.errors import ExitCode
from importer.model import Cause, CodeCount, RowCounts, RunSummary
from importer.reporter.cause_words import retry_words
from importer.system.files import near
from importer.system.text import counted, shell, wrapped

Typed = Callable[[str, str], str]

#: Further codes, causes and notes are in summary.html only.
_MOST_CODES, _MOST_CAUSES, _MOST_NOTES = 6, 5, 8

_RESUMABLE = frozenset(
    {
        ExitCode.REFUSED,
        ExitCode.TEMPORARY,
        ExitCode.TOO_MANY_ERRORS,
        ExitCode.JOURNAL,
        ExitCode.TIME,
        ExitCode.INTERRUPTED,
    }
)

#: How a run stopped, by exit code.
_STOPPED: dict[int, str] = {
    ExitCode.INTERNAL: "Stopped by an internal error",
    ExitCode.SETTINGS: "Stopped: a setting is not valid",
    ExitCode.REFUSED: "Stopped: credentials or permission refused",
    ExitCode.TEMPORARY: "Stopped by a temporary problem (outage, rate limit, network)",
    ExitCode.TOO_MANY_ERRORS: "Stopped: too many rows failed",
    ExitCode.JOURNAL: "Stopped: the journal or the disk failed",
    ExitCode.SOURCE: "Stopped: the source cannot be read or mapped",
    ExitCode.CHANGED: "Stopped: the source has changed since the run began",
    ExitCode.TIME: "Stopped at the set time",
    ExitCode.BUSY: "Stopped: another process is using this run",
    ExitCode.INTERRUPTED: "Interrupted",
}

#: The meaning of each outcome word.
STATUS_WORDS: dict[str, str] = {
    "succeeded": "set and confirmed by the server",
    "failed": "refused by the server",
    "rejected": "not sent: the row has a problem",
    "skipped": "not sent, as requested or for newer values",
    "unprocessed": "not reached before the run stopped",
    "unknown": "sent, but the result could not be confirmed",
}

#: The files of a run, in the order in which they are listed.
FILE_WORDS: dict[str, str] = {
    "results.csv": "every row with its result",
    "failed.csv": "rows to fix and import again",
    "failed.xlsx": "rows to fix and import again",
    "annotated.xlsx": "your workbook with results, problem cells highlighted",
    "summary.html": "this summary as a web page",
    "summary.json": "this summary for programs",
    "bundle.zip": "masked data for a support ticket with the vendor",
}


def headline(summary: RunSummary) -> str:
    """Return what happened, in one sentence."""
    rows = summary.rows
    if rows.read == 0:
        return "The sheet has no rows."
    open_rows = rows.failed + rows.rejected + rows.unknown + rows.unprocessed
    if summary.exit_code == ExitCode.OK and not open_rows:
        if rows.skipped == rows.read:
            return f"Nothing to send: {_all(rows.read)} skipped."
        if rows.skipped:
            return f"Done: {_rows(rows.succeeded)} succeeded, {rows.skipped:,} skipped."
        return "The only row succeeded." if rows.read == 1 else f"All {_rows(rows.read)} succeeded."
    # 0 with open rows: there was nothing to resume, and the summary of the finished run is shown.
    if summary.exit_code in (ExitCode.OK, ExitCode.ROWS):
        needs = "needs" if open_rows == 1 else "need"
        return f"Finished: {rows.succeeded:,} of {_rows(rows.read)} succeeded, {open_rows:,} {needs} attention."
    stopped = _STOPPED.get(summary.exit_code, f"Stopped with exit code {summary.exit_code}")
    return f"{stopped}. {counted(rows.unprocessed, 'row remains', 'rows remain')}."


def _all(rows: int) -> str:
    return "the only row was" if rows == 1 else f"all {_rows(rows)} were"


def _plain(verb: str, word: str) -> str:
    return shell("importer", verb, word)


def next_steps(summary: RunSummary, typed: Typed = _plain) -> list[tuple[Sequence[str], str]]:
    """Return (what to do, the command that does it), most important first. What to do: text, a file's name, text and so
    on. `typed`: makes the command from a verb and a run or report."""
    steps: list[tuple[Sequence[str], str]] = []
    if summary.exit_code in _RESUMABLE:
        steps.append((("Resume where it stopped:",), typed("resume", summary.run_id)))
    failed = summary.reports.get("failed.xlsx") or summary.reports.get("failed.csv")
    if failed and summary.rows.failed + summary.rows.rejected:
        steps.append((("Fix the rows in ", Path(failed).name, " and import it again:"), typed("run", near(failed))))
        if annotated := summary.reports.get("annotated.xlsx"):
            words = ("Or fix the highlighted cells in ", Path(annotated).name, " and import its open rows:")
            steps.append((words, typed("run", near(annotated))))
    if summary.rows.unprocessed and summary.exit_code not in _RESUMABLE:
        steps.append((("Fix the cause, then send the open rows:",), typed("retry", summary.run_id)))
    elif summary.rows.unknown or any(_again(code) for code in summary.codes):
        steps.append((("Retry the open rows unchanged:",), typed("retry", summary.run_id)))
    return steps


class Paragraph(NamedTuple):
    """Text that is wrapped, with the indents of its first line and of the others."""

    text: str
    indent: str
    following: str

    def lines(self, width: int) -> list[str]:
        return wrapped(self.text, width, self.indent, self.following)


Lines = list[str | Paragraph]


def console_text(summary: RunSummary, typed: Typed = _plain, width: int = 80) -> str:
    """Return the summary for a terminal. Lines have at most `width` columns, except for long paths and commands.

    `typed`: as in `next_steps`.
    """
    sections = [_head(summary), _rows_section(summary)]
    sections += [_why(summary), _notes(summary), _files(summary), _next(summary, typed)]
    return "\n\n".join("\n".join(_at_width(lines, width)) for lines in sections if lines) + "\n"


def _at_width(lines: Lines, width: int) -> list[str]:
    return [line for part in lines for line in (part.lines(width) if isinstance(part, Paragraph) else [part])]


def log_line(summary: RunSummary) -> str:
    """Return one line of key=value for logs."""
    counts = " ".join(f"{name}={getattr(summary.rows, name)}" for name in RowCounts.__struct_fields__)
    return (
        f"run={summary.run_id} exit={summary.exit_code} {counts} requests={summary.requests.sent} "
        f"retried={summary.requests.retried} seconds={summary.duration_seconds:.1f}"
    )


def _head(summary: RunSummary) -> Lines:
    where = f"{Path(summary.source.path).name} → {summary.target.base_url}"
    return [*_wrap(headline(summary)), "", *_wrap(where, "  "), *_wrap(f"run {summary.run_id}, {took(summary)}", "  ")]


def _rows_section(summary: RunSummary) -> Lines:
    rows = summary.rows
    width = len(f"{rows.read:,}")
    lines: Lines = ["Rows", f"  {rows.read:>{width},}  read"]
    for name, words in STATUS_WORDS.items():
        count = getattr(rows, name)
        if count or name == "succeeded":
            lines += _wrap(words, f"  {count:>{width},}  {name:<12} ", " " * (width + 17))
    repaired = sum(summary.repairs.values())
    if repaired:
        lines += _wrap(f"{counted(repaired, 'cell')} fixed automatically: {repairs_words(summary)}", "  ")
    return lines


def _why(summary: RunSummary) -> Lines:
    """The causes; in a summary without causes, the codes."""
    if summary.causes:
        entries = [(f"{cause.text} {examples(cause)}".strip(), cause.advice) for cause in summary.causes]
        most = _MOST_CAUSES
    else:
        entries = [(f"{_rows(code.rows)}: {code.meaning} (code {code.code})", code.advice) for code in summary.codes]
        most = _MOST_CODES
    retry = retry_words(summary)
    lines: Lines = ["Causes and fixes"] if entries else []
    for text, advice in entries[:most]:
        lines += _wrap(f"• {text}", "  ", "    ")
        lines += _wrap(f"→ {advice}", "    ", "      ") if advice else []
    return [*lines, *_more(len(entries) - most), *(_wrap(retry, "  ") if entries and retry else [])]


def _more(count: int) -> Lines:
    return [f"  … and {count:,} more in summary.html"] if count > 0 else []


def examples(cause: Cause) -> str:
    """Return the rows of a cause as a sentence: all where they are few, else some."""
    if not cause.example_rows:
        return ""
    numbers = ", ".join(map(str, cause.example_rows))
    if cause.rows > len(cause.example_rows):
        return f"Example rows: {numbers}."
    return f"Row{'s' if cause.rows > 1 else ''} {numbers}."


def _notes(summary: RunSummary) -> Lines:
    if not summary.notes:
        return []
    lines: Lines = ["Notes"]
    for note in summary.notes[:_MOST_NOTES]:
        lines += _wrap(f"• {note}", "  ", "    ")
    return [*lines, *_more(len(summary.notes) - _MOST_NOTES)]


def _files(summary: RunSummary) -> Lines:
    if not summary.reports:
        return []
    folder = Path(next(iter(summary.reports.values()))).parent
    names = sorted(summary.reports, key=lambda name: (*FILE_WORDS, name).index(name))
    lines: Lines = [f"Reports in {near(str(folder))}"]
    for name in names:
        words = FILE_WORDS.get(name, "")
        lines += _wrap(words, f"  {name:<15} ", " " * 18) if words else [f"  {name}"]
    return lines


def _next(summary: RunSummary, typed: Typed) -> Lines:
    lines: Lines = []
    for words, command in next_steps(summary, typed):
        lines += [*_wrap("".join(words), "  "), f"    {command}"]
    return ["Next steps", *lines] if lines else []


def repairs_words(summary: RunSummary) -> str:
    """Return the automatic fixes by kind, with counts. A kind reads as English once its underscores are spaces."""
    return ", ".join(f"{code.replace('_', ' ')} ({count:,})" for code, count in summary.repairs.items())


def _again(count: CodeCount) -> bool:
    return lookup(count.code).klass in (Next.AGAIN, Next.ALONE)


def _rows(count: int) -> str:
    return counted(count, "row")


def took(summary: RunSummary) -> str:
    """Return the duration and the number of requests."""
    seconds = summary.duration_seconds
    if seconds < 60:
        took = f"{seconds:.1f} s"
    elif seconds < 3600:
        took = f"{int(seconds // 60)} min {int(seconds % 60)} s"
    else:
        took = f"{int(seconds // 3600)} h {int(seconds % 3600 // 60)} min"
    requests = counted(summary.requests.sent, "request")
    retried = summary.requests.retried
    retries = f" ({counted(retried, 'retry', 'retries')})" if retried else ""
    return f"{took}, {requests}{retries}"


def _wrap(text: str, indent: str = "", following: str | None = None) -> Lines:
    return [Paragraph(text, indent, indent if following is None else following)]
