"""The pipeline: what the program does, in the order it does it. Read this first."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

from importer.errors import ExitCode, SourceError
from importer.journal import Journal
from importer.model import RunSummary
from importer.reporter import read_summary
from importer.runs.compare import Comparison, by_identifiers, by_row, in_order, same_rows
from importer.runs.job import Job, begin, go_on, source_of, try_again
from importer.runs.record import find
from importer.runs.report import again, end, nothing_left, with_bundle
from importer.runs.send import send
from importer.settings.options import Settings
from importer.world import World


def run(path: str, settings: Settings, world: World, *, spooled: bool = False) -> RunSummary:
    """The main job. Raises `ImporterError` where nothing could begin.

    The source is opened and its columns are mapped to fields; a run is written into the journal; then `_carry_out`.
    """
    with begin(path, settings, world, spooled=spooled) as job:
        return _carry_out(job)


def resume(run_id: str | None, settings: Settings, given: Mapping[str, object], world: World) -> RunSummary:
    """Go on with a run: rows that have an outcome are left out, batches that were in flight go again as they were."""
    reports = Path(settings.reports_dir)
    with Journal.open(reports, settings.database or None) as journal:
        known = find(journal, run_id, unfinished=True)
        if known.finished:
            return nothing_left(journal, known, reports, world)
        with go_on(journal, known, settings, given, world) as job:
            if job.run.finished:
                return nothing_left(journal, job.run, reports, world)
            return _carry_out(job)


def retry(run_id: str, settings: Settings, given: Mapping[str, object], world: World) -> RunSummary:
    """A new run of the same source with only the rows that failed, are unknown or unprocessed."""
    with (
        Journal.open(Path(settings.reports_dir), settings.database or None) as journal,
        try_again(journal, find(journal, run_id), settings, given, world) as job,
    ):
        return _carry_out(job)


def report(run_id: str | None, settings: Settings, world: World, *, bundle: bool = False) -> RunSummary:
    """The reports again, from the journal and the source; with them, if wanted, a bundle for a support ticket."""
    reports = Path(settings.reports_dir)
    with Journal.open(reports, settings.database or None) as journal:
        known = find(journal, run_id)
        if known.finished and known.record.spooled and not bundle and not Path(known.record.source).exists():
            return read_summary(reports / known.record.run_id)
        with source_of(known, world) as source:
            summary = again(journal, known, source, world, reports, show_identifiers=settings.show_identifiers)
            return with_bundle(journal, known, source, summary, reports) if bundle else summary


def compare(one: str | None, other: str, settings: Settings, world: World) -> Comparison:
    """Two runs of a journal: what the later one mended of the earlier, what it did not, and what is new."""
    where = Path(settings.reports_dir), settings.database or None
    with Journal.open(*where) as journal:
        earlier, later = in_order(find(journal, one), find(journal, other))
        if same_rows(earlier, later):
            with Journal.open(*where) as second:  # a connection reads one thing at a time
                return by_row(earlier, journal.outcomes(earlier.key), later, second.outcomes(later.key))
        with source_of(earlier, world) as source, source_of(later, world) as later_source:
            return by_identifiers(journal, earlier, source, later, later_source)


def _carry_out(job: Job) -> RunSummary:
    """The road of a row, the same for a run that begins, one that goes on, and one that is tried again.

    1. The **reader** yields chunks of text cells, the **normaliser** makes each row a customer or tells its problems.
    2. The **lanes** hold back a customer's next row, the **chunker** makes batches, the **pacer** says when one may
       leave, the **client** sends it, the **reconciler** finds each row's outcome in the answer; many at once, and
       every step is in the **journal** before the next.
    3. The **reporter** writes the files from journal and source.
    """
    job.world.observer.of_run(job.run.record.run_id)
    job.world.observer.begin(job.source.name, job.journal.decided(job.run.key).count(1))
    try:
        ended = asyncio.run(send(job))
    finally:
        job.world.observer.end()
    if ended.stop is not None and ended.stop.exit_code is ExitCode.JOURNAL:
        raise ended.stop
    run = job.run_with(ended.progress)
    if not ended.rows_read and ended.stop is None:
        job.journal.finish(run.key, job.world.wall(), ExitCode.SOURCE, True, run.progress)
        raise SourceError(f"{job.source.name} has column names but no rows.", "Export it again, with its rows.")
    show = job.settings.show_identifiers
    return end(job.journal, run, job.source, ended.stop, job.world, job.reports, show_identifiers=show)
