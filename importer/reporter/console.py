"""The summary of a run in words: for a person at a terminal of 80 columns, and as one line for a log."""

from __future__ import annotations

import os
import shlex
import textwrap
from pathlib import Path

from importer.capillary.codes import Next, lookup
from importer.errors import EXIT_MEANINGS, ExitCode
from importer.model import Cause, CodeCount, RowCounts, RunSummary
from importer.system.text import counted, typed_place

WIDTH = 80
#: More codes than these stand in the summary page only.
_MOST_CODES, _MOST_CAUSES, _MOST_NOTES = 6, 5, 8

_RESUMABLE = frozenset(
    {
        ExitCode.REFUSED,
        ExitCode.TROUBLE,
        ExitCode.TOO_MANY_ERRORS,
        ExitCode.JOURNAL,
        ExitCode.TIME,
        ExitCode.INTERRUPTED,
    }
)

#: What each outcome word means to somebody who reads it for the first time.
STATUS_WORDS: dict[str, str] = {
    "succeeded": "set, and confirmed by the server",
    "failed": "refused by the server",
    "rejected": "not sent: something in the row is wrong",
    "skipped": "left out on request",
    "unprocessed": "not reached before the run stopped",
    "unknown": "sent, but without an answer that can be trusted",
}

#: The files of a run, in the order in which they are named.
FILE_WORDS: dict[str, str] = {
    "results.csv": "every row, with what became of it",
    "failed.csv": "the rows to mend and upload again",
    "failed.xlsx": "the rows to mend and upload again",
    "annotated.xlsx": "your workbook with the outcomes, guilty cells marked",
    "summary.html": "this summary as a page",
    "summary.json": "this summary for programs",
    "bundle.zip": "for a ticket with the vendor: all masked",
}


def headline(summary: RunSummary) -> str:
    """What happened, in one sentence."""
    rows = summary.rows
    if rows.read == 0:
        return "The sheet has no rows."
    open_rows = rows.failed + rows.rejected + rows.unknown + rows.unprocessed
    if summary.exit_code == ExitCode.OK and not open_rows:
        if rows.skipped == rows.read:
            return f"{_all(rows.read, past=True)} left out on request; nothing was sent."
        return f"{_all(rows.read)} done." if not rows.skipped else _done_and_left_out(rows)
    # 0 with open rows: resume had nothing to do, and tells what became of them.
    if summary.exit_code in (ExitCode.OK, ExitCode.ROWS):
        needs = "needs" if open_rows == 1 else "need"
        return f"Finished: {rows.succeeded:,} of {_rows(rows.read)} succeeded, {open_rows:,} {needs} attention."
    known = summary.exit_code in set(ExitCode)
    why = EXIT_MEANINGS[ExitCode(summary.exit_code)].split(";")[0] if known else f"exit code {summary.exit_code}"
    stopped = f"S{why[1:]}" if why.startswith("stopped ") else f"Stopped: {why}"
    return f"{stopped}. {_rows(rows.unprocessed)} still to do."


def _all(rows: int, past: bool = False) -> str:
    if rows == 1:
        return "The only row was" if past else "The only row is"
    return f"All {_rows(rows)} {'were' if past else 'are'}"


def _done_and_left_out(rows: RowCounts) -> str:
    return f"All is done: {_rows(rows.succeeded)} succeeded, {rows.skipped:,} left out on request."


def next_steps(summary: RunSummary, place: str | None = None) -> list[tuple[str, str]]:
    """(what to do, the command that does it), most important first. `place`: the options that lead to the run; what
    can be told of them without is the folder, by where the reports are."""
    steps = []
    if place is None:
        place = typed_place(_near(str(Path(next(iter(summary.reports.values()), "reports/run/file")).parent.parent)))
    base_url = summary.target.base_url
    target = " --sandbox" if base_url == "sandbox" else f" --base-url {shlex.quote(base_url)}" if base_url else ""
    if summary.exit_code in _RESUMABLE:
        steps.append(("Go on where it stopped:", f"importer resume {summary.run_id}{place}"))
    failed = summary.reports.get("failed.xlsx") or summary.reports.get("failed.csv")
    if failed and summary.rows.failed + summary.rows.rejected:
        name = Path(failed).name
        marked = " (or those marked in annotated.xlsx, with --resubmit)" if "annotated.xlsx" in summary.reports else ""
        steps.append(
            (
                f"Mend the cells in {name}, save it and upload it, with the same options{marked}:",
                f"importer run {shlex.quote(_near(failed))}{target}{place}",
            )
        )
    if summary.rows.unprocessed and summary.exit_code not in _RESUMABLE:
        steps.append(("Send the open rows, once the reason is mended:", f"importer retry {summary.run_id}{place}"))
    elif summary.rows.unknown or any(_again(code) for code in summary.codes):
        steps.append(("Try the open rows again as they are:", f"importer retry {summary.run_id}{place}"))
    return steps


def console_text(summary: RunSummary, place: str | None = None) -> str:
    """For a person, as `next_steps`; every line fits 80 columns, except a path or command that is longer by itself."""
    sections = [_head(summary), _rows_section(summary)]
    sections += [_why(summary), _notes(summary), _files(summary), _next(summary, place)]
    return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"


def log_line(summary: RunSummary) -> str:
    """One line of key=value for logs."""
    counts = " ".join(f"{name}={getattr(summary.rows, name)}" for name in RowCounts.__struct_fields__)
    return (
        f"run={summary.run_id} exit={summary.exit_code} {counts} requests={summary.requests.sent} "
        f"retried={summary.requests.retried} seconds={summary.duration_seconds:.1f}"
    )


def _head(summary: RunSummary) -> list[str]:
    where = f"{Path(summary.source.path).name} → {summary.target.base_url}"
    return [*_wrap(headline(summary)), "", *_wrap(where, "  "), *_wrap(f"run {summary.run_id}, {took(summary)}", "  ")]


def _rows_section(summary: RunSummary) -> list[str]:
    rows = summary.rows
    width = len(f"{rows.read:,}")
    lines = ["Rows", f"  {rows.read:>{width},}  read"]
    for name, words in STATUS_WORDS.items():
        count = getattr(rows, name)
        if count or name == "succeeded":
            lines.append(f"  {count:>{width},}  {name:<12} {words}")
    repaired = sum(summary.repairs.values())
    if repaired:
        lines += _wrap(f"{counted(repaired, 'cell')} repaired on the way: {repairs_words(summary)}", "  ")
    return lines


def _why(summary: RunSummary) -> list[str]:
    if summary.causes:
        lines = ["Why, and what to do"]
        for cause in summary.causes[:_MOST_CAUSES]:
            lines += _wrap(f"• {cause.text}{examples(cause)}", "  ", "    ")
            lines += _wrap(f"→ {cause.advice}", "    ", "      ") if cause.advice else []
        left = len(summary.causes) - _MOST_CAUSES
    elif summary.codes:
        lines = ["Why, and what to do"]
        for code in summary.codes[:_MOST_CODES]:
            lines += _wrap(f"• {_rows(code.rows)}: {code.meaning} (code {code.code})", "  ", "    ")
            lines += _wrap(f"→ {code.advice}", "    ", "      ") if code.advice else []
        left = len(summary.codes) - _MOST_CODES
    else:
        return []
    if left > 0:
        lines.append(f"  … and {left:,} more in the summary page.")
    return lines


def examples(cause: Cause) -> str:
    """Every row where there are few, else some."""
    if not cause.example_rows:
        return ""
    numbers = ", ".join(map(str, cause.example_rows))
    if cause.rows > len(cause.example_rows):
        return f" E.g. rows {numbers}."
    return f" Row{'s' if cause.rows > 1 else ''} {numbers}."


def _notes(summary: RunSummary) -> list[str]:
    if not summary.notes:
        return []
    lines = ["Good to know"]
    for note in summary.notes[:_MOST_NOTES]:
        lines += _wrap(f"• {note}", "  ", "    ")
    if len(summary.notes) > _MOST_NOTES:
        lines.append(f"  … and {len(summary.notes) - _MOST_NOTES:,} more in the summary page.")
    return lines


def _files(summary: RunSummary) -> list[str]:
    if not summary.reports:
        return []
    folder = Path(next(iter(summary.reports.values()))).parent
    names = sorted(summary.reports, key=lambda name: (*FILE_WORDS, name).index(name))
    return [
        f"Reports in {_near(str(folder))}",
        *(f"  {name:<15} {FILE_WORDS.get(name, '')}".rstrip() for name in names),
    ]


def _next(summary: RunSummary, place: str | None) -> list[str]:
    lines: list[str] = []
    for words, command in next_steps(summary, place):
        lines += [*_wrap(words, "  "), f"    {command}"]
    return ["Next", *lines] if lines else []


def repairs_words(summary: RunSummary) -> str:
    """What was repaired, by kind. The underscores of a code are the only thing between it and English."""
    return ", ".join(f"{code.replace('_', ' ')} ({count:,})" for code, count in summary.repairs.items())


def _again(count: CodeCount) -> bool:
    return lookup(count.code).klass in (Next.AGAIN, Next.ALONE)


def _rows(count: int) -> str:
    return counted(count, "row")


def took(summary: RunSummary) -> str:
    """How long it was, and how many requests."""
    seconds = summary.duration_seconds
    if seconds < 60:
        took = f"{seconds:.1f} s"
    elif seconds < 3600:
        took = f"{int(seconds // 60)} min {int(seconds % 60)} s"
    else:
        took = f"{int(seconds // 3600)} h {int(seconds % 3600 // 60)} min"
    requests = counted(summary.requests.sent, "request")
    again = f", {summary.requests.retried:,} of them again" if summary.requests.retried else ""
    return f"{took}, {requests}{again}"


def _near(path: str) -> str:
    """The shorter of the path as it is and the path from here."""
    try:
        return min(path, os.path.relpath(path), key=len)
    except ValueError:  # another drive
        return path


def _wrap(text: str, indent: str = "", following: str | None = None) -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent if following is None else following,
        break_long_words=False,
        break_on_hyphens=False,
    )
