"""Reporting: journal and source → the files of a run, and how it ended is written down."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import merge
from pathlib import Path

import msgspec

from importer.errors import ExitCode, ImporterError
from importer.journal import Attempt, Journal, Run
from importer.model import Outcome, RowCounts, RunSummary, Status, Stretch
from importer.reader import Source
from importer.reporter import read_summary, write_files, write_summary
from importer.reporter.timeline import Timeline
from importer.reporter.timings import Timings
from importer.runs.bundle import write_bundle
from importer.runs.record import forget_spool, mapping_of
from importer.runs.summary import exit_code_of, summarise
from importer.settings.options import Settings, changed
from importer.system.files import Unwritten
from importer.world import World


def end(
    journal: Journal,
    run: Run,
    source: Source,
    stop: ImporterError | None,
    world: World,
    folder: Path,
    *,
    show_identifiers: bool = False,
) -> RunSummary:
    """The reports of a run that has ended, for good or for now; then its end is written down. Raises `JournalError`."""
    at = world.wall()
    stopped = f"{stop.message} {stop.advice}".strip() if stop is not None else ""
    stopped_on_page = f"{stop.message} {stop.on_page}".strip() if stop is not None else None
    progress = msgspec.structs.replace(run.progress, stopped=stopped, stopped_on_page=stopped_on_page)
    run = msgspec.structs.replace(run, progress=progress)
    try:
        summary = _write(journal, run, source, stop, None, at, folder, show_identifiers)
    except Unwritten as error:
        # The run has not ended yet. `importer report` would write the files and leave it open, in its next one's way.
        raise Unwritten(
            f"{error.message} No row is lost: what was sent is in the journal.",
            f"Make space or repair the disk, then type `importer resume {run.record.run_id}`, which writes them.",
            on_page="Make space or repair the disk, then resume the import, which writes them.",
        ) from error
    finished = (stop is None and not summary.rows.unprocessed) or _nothing_came_of_it(stop, summary.rows)
    journal.finish(run.key, at, summary.exit_code, finished, run.progress)
    if finished:
        forget_spool(journal, run)
    return summary


def again(
    journal: Journal, run: Run, source: Source, world: World, folder: Path, *, show_identifiers: bool = False
) -> RunSummary:
    """The reports once more, for somebody who looks, perhaps while another process is on the run."""
    if run.finished_at is not None and run.exit_code is not None:
        code = ExitCode(run.exit_code)
        return _write(journal, run, source, None, code, run.finished_at, folder, show_identifiers)
    return _write(journal, run, source, None, None, world.wall(), folder, show_identifiers)


def with_bundle(journal: Journal, run: Run, source: Source, summary: RunSummary, folder: Path) -> RunSummary:
    """A summary that names, besides its reports, a bundle for a support ticket, which is written now."""
    timings = Timings(journal.attempts(run.key))
    path = write_bundle(journal, run, source, summary, timings, folder / run.record.run_id)
    return msgspec.structs.replace(summary, reports={**summary.reports, path.name: str(path)})


def nothing_left(journal: Journal, run: Run, folder: Path, world: World) -> RunSummary:
    """A finished run that was to be resumed: said so, with the summary of then. All is well."""
    text = f"The run {run.record.run_id} is finished: nothing is left to resume."
    world.observer.noted(text)
    forget_spool(journal, run)
    before = read_summary(folder / run.record.run_id)
    return msgspec.structs.replace(before, exit_code=int(ExitCode.OK), notes=(text, *before.notes))


def _write(
    journal: Journal,
    run: Run,
    source: Source,
    stop: ImporterError | None,
    exit_code: ExitCode | None,
    at: int,
    folder: Path,
    show_identifiers: bool,
) -> RunSummary:
    settings = msgspec.convert(run.record.settings, Settings)
    place = folder / run.record.run_id
    written = write_files(
        place,
        source,
        _outcomes_now(journal, run),
        mapping_of(run),
        country=settings.country or None,
        show_identifiers=show_identifiers,
    )
    code = exit_code if exit_code is not None else exit_code_of(written.counts, stop)
    summary = summarise(run, written, journal.requests(run.key), source, code, at, place)
    write_summary(place, summary, written.timeline, _facts(journal, run, source, written.timeline))
    return summary


def _facts(journal: Journal, run: Run, source: Source, timeline: Timeline | None) -> dict[str, str]:
    """What the page tells besides: how the server answered, and with which settings it was asked."""
    attempts = journal.attempts(run.key)
    facts = (Timings(attempts, timeline.trouble) if timeline is not None else Timings(attempts)).facts()
    facts["Settings"] = changed(msgspec.convert(run.record.settings, Settings))
    words = {"\t": "tab", ",": "comma", ";": "semicolon", "|": "pipe"}
    read = [f"{name.replace('_', ' ')} {words.get(value, value)}" for name, value in source.settings.items() if value]
    facts["The sheet was read with"] = ", ".join(read) or "nothing to be found out"
    uses = [f"{use.column} → {use.preference or use.field}" for use in mapping_of(run).columns]
    facts["Columns"] = ", ".join(uses)
    facts["Importer"] = run.record.version
    return facts


def _nothing_came_of_it(stop: ImporterError | None, rows: RowCounts) -> bool:
    """A run that ended on its settings before any row was answered: there is nothing to resume, only to correct."""
    wrong_settings = stop is not None and stop.exit_code is ExitCode.SETTINGS
    return wrong_settings and not (rows.succeeded or rows.failed or rows.unknown)


def _outcomes_now(journal: Journal, run: Run) -> Iterator[Stretch]:
    """What the journal knows, and `unknown` for rows that were sent and never answered."""
    doubtful = {batch.batch_id: batch for batch in journal.open_batches(run.key) if batch.doubt}
    known = journal.stretches(run.key)
    if not doubtful:
        return known
    # Those that a dead process sent last may not have been written down.
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
