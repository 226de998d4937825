"""Writes the reports of a run from journal and source, and stores how it ended."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from heapq import merge
from pathlib import Path

import msgspec

from importer.errors import ExitCode, ImporterError, SettingsError, SourceChanged, SourceError, Stop
from importer.journal import Attempt, Journal, Run
from importer.journal.edits import edits_of
from importer.model import BY_NEWER, Outcome, RowCounts, RunSummary, Status, Stretch
from importer.reader import Source
from importer.reporter import read_summary, write_files, write_summary
from importer.reporter.console import next_steps
from importer.reporter.timeline import Timeline
from importer.reporter.timings import Timings
from importer.runs.record import forget_spool, mapping_of, typed_for
from importer.runs.sources import forget_copies, has_copy, source_of
from importer.runs.summary import exit_code_of, summarise
from importer.settings.commands import completed
from importer.settings.loading import changed
from importer.settings.options import Settings
from importer.system.files import Unwritten
from importer.system.late import late
from importer.world import World

_WITHOUT_EDITS = "annotated.xlsx has the cells of the upload: what was edited on the page is in failed.xlsx only."


def write_reports(
    journal: Journal,
    run: Run,
    source: Source,
    stop: ImporterError | None,
    world: World,
    settings: Settings,
) -> RunSummary:
    """Write the reports of a run that ended or stopped, then store its end. Raises `JournalError`. `settings`: those of
    the run, where it was found."""
    at, folder = world.wall(), Path(settings.reports_dir)
    text = f"{stop.message} {stop.advice}".strip() if stop is not None else ""
    stopped = completed(text, settings, run.record.run_id)
    stopped_on_page = f"{stop.message} {stop.on_page}".strip() if stop is not None else None
    progress = msgspec.structs.replace(run.progress, stopped=stopped, stopped_on_page=stopped_on_page)
    run = msgspec.structs.replace(run, progress=progress)
    try:
        summary = _write(journal, run, source, stop, None, at, settings)
    except Unwritten as error:
        # The run stays open: `importer report` would write the files, but only `resume` also ends the run.
        raise Unwritten(
            f"{error.message} No row is lost: the journal has all results.",
            f"Free space or repair the disk, then write them with `importer resume {run.record.run_id}`.",
            on_page="Free space or repair the disk, then resume the import to write them.",
        ) from error
    finished = (stop is None and not summary.rows.unprocessed) or _nothing_came_of_it(stop, summary.rows)
    journal.finish(run.key, at, summary.exit_code, finished, run.progress)
    forget_copies(journal, run, folder)
    if finished:
        forget_spool(journal, run)
    return summary


def again(journal: Journal, run: Run, source: Source, world: World, settings: Settings) -> RunSummary:
    """Write the reports again, possibly while another process is using the run."""
    if run.finished_at is not None and run.exit_code is not None:
        code = ExitCode(run.exit_code)
        return _write(journal, run, source, None, code, run.finished_at, settings)
    return _write(journal, run, source, None, None, world.wall(), settings)


@contextmanager
def reports_of_copy(journal: Journal, run: Run, world: World, settings: Settings) -> Iterator[None]:
    """Where a run cannot be resumed because its file has changed or is gone, write the reports of what was sent, from
    the copy that a killed process left."""
    folder = Path(settings.reports_dir)
    try:
        yield
    except (SourceChanged, SourceError):
        if has_copy(run, folder):
            with suppress(ImporterError), source_of(journal, run, world, folder) as source:
                show = run.record.settings.show_identifiers
                again(journal, run, source, world, msgspec.structs.replace(settings, show_identifiers=show))
                world.observer.noted(f"The reports of what was sent are in {folder / run.record.run_id}.")
        raise


def with_bundle(journal: Journal, run: Run, source: Source, summary: RunSummary, folder: Path) -> RunSummary:
    """Write a bundle for a support ticket; return the summary with it among the reports."""
    timings = Timings(journal.attempts(run.key))
    path = late("importer.runs.bundle", "write_bundle")(
        journal, run, source, summary, timings, folder / run.record.run_id
    )
    return msgspec.structs.replace(summary, reports={**summary.reports, path.name: str(path)})


def nothing_to_retry(journal: Journal, run: Run, *, overwrite_newer: bool) -> bool:
    """Return whether the run ended with an outcome for each row, and none that `retry` sends: failed or unknown; with
    `overwrite_newer` also those that were left out because a newer run or a later row sent others."""
    if not run.finished or run.exit_code not in (ExitCode.OK, ExitCode.ROWS):
        return False
    if overwrite_newer and any(journal.decided(run.key, codes=BY_NEWER)):
        return False
    counts = journal.counts(run.key)
    return not any(counts.get(status) for status in (Status.FAILED, Status.UNKNOWN, Status.UNPROCESSED))


def nothing_left(journal: Journal, run: Run, settings: Settings, world: World, text: str) -> RunSummary:
    """Return the summary of a finished run that was to be resumed or retried, with `text` as a note. Deleted reports
    are written again; raises a `Stop` with the run's exit code where the source is gone too."""
    folder = Path(settings.reports_dir)
    forget_spool(journal, run)
    try:
        before = read_summary(folder / run.record.run_id)
    except SettingsError:
        if run.exit_code is None:
            raise
        try:
            with source_of(journal, run, world, folder) as source:
                before = again(journal, run, source, world, settings)
        except (SourceError, SourceChanged) as error:
            raise Stop(
                ExitCode(run.exit_code), f"{text} Its reports were deleted.", error.message, on_page=""
            ) from error
    return msgspec.structs.replace(before, notes=(text, *before.notes))


def _write(
    journal: Journal,
    run: Run,
    source: Source,
    stop: ImporterError | None,
    exit_code: ExitCode | None,
    at: int,
    asked: Settings,
) -> RunSummary:
    settings = run.record.settings
    place = Path(asked.reports_dir) / run.record.run_id
    # Closed here also when the disk is full: no query stays open.
    with closing(journal.stretches(run.key)) as known:
        written = write_files(
            place,
            source,
            _outcomes_now(journal, run, known),
            mapping_of(run),
            show_identifiers=asked.show_identifiers,
        )
    edits = edits_of(journal, run)
    if edits is not None and edits.cells and "annotated.xlsx" in written.reports:
        written = msgspec.structs.replace(written, notes=(*written.notes, _WITHOUT_EDITS))
    code = exit_code if exit_code is not None else exit_code_of(written.counts, stop)
    summary = summarise(run, written, journal.requests(run.key), source, code, at, place)
    steps = next_steps(summary, typed_for(settings, asked))
    write_summary(place, summary, written.timeline, _facts(journal, run, source, written.timeline), steps)
    return summary


def _facts(journal: Journal, run: Run, source: Source, timeline: Timeline | None) -> dict[str, str]:
    """Return further rows for summary.html: response times, settings, parser and columns."""
    attempts = journal.attempts(run.key)
    facts = (Timings(attempts, timeline.trouble) if timeline is not None else Timings(attempts)).facts()
    facts["Settings"] = changed(run.record.settings)
    words = {"\t": "tab", ",": "comma", ";": "semicolon", "|": "pipe"}
    read = [f"{name.replace('_', ' ')} {words.get(value, value)}" for name, value in source.settings.items() if value]
    facts["Read with"] = ", ".join(read) or "no settings"
    uses = [f"{use.column} → {use.preference or use.field}" for use in mapping_of(run).columns]
    facts["Columns"] = ", ".join(uses)
    facts["Importer"] = run.record.version
    return facts


def _nothing_came_of_it(stop: ImporterError | None, rows: RowCounts) -> bool:
    """Whether wrong settings stopped the run before any row was answered: there is nothing to resume."""
    wrong_settings = stop is not None and stop.exit_code is ExitCode.SETTINGS
    return wrong_settings and not (rows.succeeded or rows.failed or rows.unknown)


def _outcomes_now(journal: Journal, run: Run, known: Iterator[Stretch]) -> Iterator[Stretch]:
    """Return the outcomes of the journal, and `unknown` for rows that were sent but not answered."""
    doubtful = {batch.batch_id: batch for batch in journal.open_batches(run.key) if batch.doubt}
    if not doubtful:
        return known
    # The last attempts of a killed process may be missing.
    last = {attempt.batch_id: attempt for attempt in journal.attempts(run.key) if attempt.batch_id in doubtful}
    unanswered = sorted(
        (
            Stretch(_unanswered(row, batch.attempts, last.get(number)))
            for number, batch in doubtful.items()
            for rows in batch.rows
            for row in rows
        ),
        key=lambda stretch: stretch.outcome.row_number,
    )
    return merge(known, unanswered, key=lambda stretch: stretch.outcome.row_number)


def _unanswered(row_number: int, attempts: int, last: Attempt | None) -> Outcome:
    found = Outcome(row_number, Status.UNKNOWN, "no_answer", attempts=max(attempts, 1))
    if last is None:
        return found
    return msgspec.structs.replace(found, request_id=last.request_id, at=last.at + last.elapsed_ms)
