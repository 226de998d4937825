"""Views: what the pages show of a run, a file or a column, in words and figures. Makes no decisions."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from collections.abc import Mapping as Dict
from pathlib import Path

import msgspec

from importer.capillary.codes import lookup
from importer.checker.findings import Findings
from importer.errors import ExitCode
from importer.journal import Run
from importer.journal.records import RunProgress
from importer.model import Cause, CodeCount, RunSummary, Status
from importer.normaliser.mapping import PREFERENCE, VALUE
from importer.reporter.console import FILE_WORDS, headline, took
from importer.system.clock import local_time, milliseconds_of, moment_text, time_text
from importer.system.text import percent, sentence
from importer.web.column_views import field_words
from importer.web.examples import Cell, ExampleRow
from importer.web.journal_view import Counts, total
from importer.web.messages import Checked, Example, example_key
from importer.web.texts import Texts

#: The files of a run, most useful first.
_FIRST = ("annotated.xlsx", "failed.xlsx", "failed.csv", "results.csv", "summary.html", "summary.json")
FILES = (*_FIRST, *(name for name in FILE_WORDS if name not in _FIRST))
_MOST_CAUSES = 6


class Part(msgspec.Struct, frozen=True):
    """One outcome: a segment of the bar (of 1000) and a figure."""

    name: str
    count: int
    shown: str
    share: str
    words: str
    x: float
    width: float


def parts(t: Texts, counts: Counts, *, of: int = 0, always: tuple[str, ...] = ()) -> list[Part]:
    """Outcomes with rows, in the order of the words. `of`: the length of the bar, where rows are still open."""
    whole = max(of, total(counts), 1)
    found: list[Part] = []
    x = 0.0
    for status in Status:
        count = counts.get(status.value, 0)
        if not count and status.value not in always:
            continue
        width = round(1000 * count / whole, 2)
        share = percent(count, whole) if count else ""
        words = f"{count:,} {t(f'outcome.{status.value}')}"
        found.append(Part(status.value, count, f"{count:,}", share, words, round(x, 2), width))
        x += width
    return found


# ---------------------------------------------------------------------------------------------------- runs


class CauseView(msgspec.Struct, frozen=True):
    text: str
    advice: str
    rows: int
    examples: str = ""
    #: The example rows, where their cells are known.
    cells: tuple[ExampleRow, ...] = ()


class FileView(msgspec.Struct, frozen=True):
    name: str
    kind: str
    words: str
    size: str


def file_views(t: Texts, folder: Path) -> list[FileView]:
    found = []
    for name in FILES:
        path = folder / name
        if path.is_file():
            words = t(f"file.{name}") if t.has(f"file.{name}") else sentence(FILE_WORDS[name])
            found.append(FileView(name, name.rpartition(".")[2].upper(), words, size_words(path.stat().st_size)))
    return found


def cause_views(t: Texts, causes: Iterable[Cause], cells: Dict[int, tuple[Cell, ...]]) -> list[CauseView]:
    """`cells`: of the example rows, by row number."""
    found = []
    for cause in causes:
        key = "report.examples" if cause.rows <= len(cause.example_rows) else "report.examples_such"
        examples = t.n(key, cause.rows, rows=", ".join(map(str, cause.example_rows))) if cause.example_rows else ""
        known = any(cells.get(row) for row in cause.example_rows)
        rows = tuple(ExampleRow(row, cells.get(row, ())) for row in cause.example_rows) if known else ()
        found.append(CauseView(sentence(cause.text), cause.on_page or cause.advice, cause.rows, examples, rows))
    return found


def details(t: Texts, run: Run, summary: RunSummary | None, by: str) -> list[tuple[str, str]]:
    record = run.record
    found = [
        (t("run.target"), record.base_url),
        (t("run.by"), by or t("runs.command_line")),
        (t("report.started"), moment(record.started_at / 1000)),
    ]
    if run.finished_at is not None:
        found.append((t("report.finished"), moment(run.finished_at / 1000)))
    if summary is not None:
        found.append((t("report.took"), took(summary)))
        if summary.rate.achieved:
            words = t("report.rate_words", achieved=f"{summary.rate.achieved:g}", configured=summary.rate.configured)
            found.append((t("report.rate"), words))
        if summary.repairs:
            found.append((t("report.repairs"), f"{sum(summary.repairs.values()):,}"))
    return [*found, (t("run.id"), record.run_id)]


def headline_of(t: Texts, run: Run, summary: RunSummary | None, state: str) -> str:
    if run.progress.purged is not None:
        return t("report.purged")
    if summary is None:
        return t("report.open")
    if state in ("paused", "stopped") and summary.exit_code == ExitCode.INTERRUPTED:
        # A user asked for it: "interrupted" would sound like a failure.
        return t.n("report.paused" if state == "paused" else "report.stopped", summary.rows.unprocessed)
    if summary.exit_code in (ExitCode.OK, ExitCode.ROWS):
        return headline(summary)
    key = f"stopped.{summary.exit_code}"
    return f"{t(key if t.has(key) else 'stopped.other')} {t.n('stopped.open', summary.rows.unprocessed)}"


def report_notes(progress: RunProgress, notes: Sequence[str]) -> list[str]:
    """A report's notes. The first says why the run stopped, where it did: the journal has it in the page's words."""
    on_page = progress.stopped_on_page
    return list(notes) if on_page is None else [on_page, *notes[1:]]


class CodeView(msgspec.Struct, frozen=True):
    code: str
    meaning: str
    advice: str
    rows: int


def code_views(codes: Iterable[CodeCount]) -> list[CodeView]:
    """The codes of a report, worded for the page: the summary has the words for the command line."""
    return [CodeView(code.code, lookup(code.code).meaning, lookup(code.code).on_page, code.rows) for code in codes]


# ---------------------------------------------------------------------------------------------------- check


class ProblemView(msgspec.Struct, frozen=True):
    meaning: str
    advice: str
    column: str
    rows: str
    examples: tuple[Example, ...]


def problem_views(checked: Checked, found: Findings) -> list[ProblemView]:
    return [
        ProblemView(
            sentence(problem.meaning),
            lookup(problem.code).on_page,
            problem.column,
            f"{problem.rows:,}",
            checked.examples.get(example_key(problem.code, problem.column), ()),
        )
        for problem in found.problems
    ]


def refused_words(t: Texts, found: Findings) -> list[str]:
    """Why an import would be refused, and what to choose; [] if it would not."""
    if not found.refused:
        return []
    return [*[field_words(t, field) for field in found.fields if field.fault == "unknown"], t("field.choose")]


def check_notes(t: Texts, checked: Checked, found: Findings) -> list[str]:
    notes = [field_words(t, field) for field in found.fields if not (found.refused and field.fault == "unknown")]
    if checked.fields_fault:
        notes.append(t("columns.fields_unknown", why=checked.fields_fault))
    repeats = found.repeats
    if repeats.customers:
        rows = "; ".join(", ".join(map(str, rows)) for rows in repeats.example_rows)
        notes.append(t.n("check.repeats", repeats.customers, records=f"{repeats.records:,}", rows=rows))
    for column in found.columns:
        if column.becomes in (PREFERENCE, VALUE):
            if column.blank:
                notes.append(t.n(f"check.blank_{found.blank}", column.blank, column=column.column))
            if column.list_like and not column.is_list:
                notes.append(t("check.list_like", column=column.column, n=f"{column.list_like:,}"))
        if column.looks_like:
            notes.append(t("check.looks_like", column=column.column, field=t(f"use.{column.looks_like}")))
    if found.preferences:
        names = ", ".join(f"{name.preference} ({name.rows:,})" for name in found.preferences[:20])
        notes.append(t("check.preferences", names=names))
    if len(found.mobiles_by_country) > 1:
        countries = ", ".join(f"{name} {count:,}" for name, count in list(found.mobiles_by_country.items())[:8])
        notes.append(t("check.countries", countries=countries))
    return [*notes, *found.notes]


# ---------------------------------------------------------------------------------------------------- words


def name_of(run: Run) -> str:
    return Path(run.record.source).name


def moment(seconds: float) -> str:
    """The server's local time, to the minute, with its zone."""
    return moment_text(round(seconds * 1000))


def clock(iso: str) -> str:
    """A UTC stamp as the server's local time of day, with its zone, and with the day where it is not today."""
    at = milliseconds_of(iso)
    today = local_time(at).date() == local_time(round(time.time() * 1000)).date()
    return time_text(at) if today else moment_text(at)


def size_words(size: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 10 else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB" if size < 10 and size != int(size) else f"{size:.0f} GiB"
