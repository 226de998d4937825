"""The summary of a run, from its journal and reports. Pure."""

from __future__ import annotations

from pathlib import Path

from importer.errors import ExitCode, ImporterError
from importer.journal import Run
from importer.journal.records import Pacing
from importer.model import RateSummary, RequestCounts, RowCounts, RunSummary, SourceSummary, TargetSummary
from importer.normaliser.mapping import misspelt
from importer.reader import Source
from importer.reporter import SUMMARY_FILES, WrittenReports
from importer.runs.record import mapping_of
from importer.system.clock import stamp


def exit_code_of(rows: RowCounts, stop: ImporterError | None) -> ExitCode:
    """Return the exit code of a run."""
    if stop is not None:
        return stop.exit_code
    if rows.unprocessed:
        return ExitCode.INTERRUPTED
    return ExitCode.ROWS if rows.failed or rows.rejected or rows.unknown else ExitCode.OK


def summarise(
    run: Run,
    written: WrittenReports,
    requests: RequestCounts,
    source: Source,
    exit_code: ExitCode,
    at: int,
    folder: Path,
) -> RunSummary:
    """Return the document `summary.json`."""
    record, progress = run.record, run.progress
    notes = [*source.notes, *_mapping_notes(run), *progress.notes, *written.notes]
    if progress.stopped:
        notes.insert(0, progress.stopped)
    return RunSummary(
        run_id=record.run_id,
        source=SourceSummary(record.source, record.source_sha256, (record.sheet,) if record.sheet else ()),
        target=TargetSummary(record.base_url),
        started_at=stamp(record.started_at),
        finished_at=stamp(at),
        exit_code=int(exit_code),
        rows=written.counts,
        requests=requests,
        codes=written.codes,
        causes=written.causes,
        rate=_rate(run, requests),
        duration_seconds=round((at - record.started_at) / 1000, 3),
        reports={**written.reports, **{name: str(folder / name) for name in SUMMARY_FILES}},
        repairs=progress.repairs,
        notes=tuple(dict.fromkeys(notes)),
    )


def _rate(run: Run, requests: RequestCounts) -> RateSummary:
    """The rate as it was configured last, and what was achieved since then."""
    rate, burst = run.record.settings.rate, run.record.settings.burst
    pacing = run.progress.pacing or Pacing(rate.word, rate.unit, burst, 0, 0.0)
    spent = run.progress.sending_seconds - pacing.seconds
    # The burst is sent at once and needs no time.
    timed = max(requests.sent - pacing.requests - pacing.burst, 0)
    return RateSummary(pacing.rate, round(timed * pacing.unit / spent, 1) if spent > 0 else 0.0)


def _mapping_notes(run: Run) -> list[str]:
    mapping = mapping_of(run)
    notes = [
        f"Column “{column}” looks like a misspelt “{field}”, but was sent as a preference."
        for column, field in misspelt(mapping)
    ]
    # A source's own note names the columns without a name.
    ignored = dict.fromkeys(column for column in mapping.ignored if column)
    if ignored:
        notes.append("Not sent: " + ", ".join(f"“{column}”" for column in ignored) + ".")
    return notes
