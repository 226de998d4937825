"""The runs of a journal with their counts, for `importer runs`."""

from __future__ import annotations

from pathlib import Path

import msgspec

from importer.errors import ExitCode
from importer.journal import Journal
from importer.model import Status
from importer.settings.options import Settings
from importer.system.clock import stamp


class RunLine(msgspec.Struct, frozen=True):
    """A run in the list. `exit_code` None: it is running, or its process was killed."""

    run_id: str
    source: str
    base_url: str
    started_at: str
    finished_at: str | None
    exit_code: int | None
    resumable: bool
    rows: dict[str, int]


def list_runs(settings: Settings) -> list[RunLine]:
    """Return the runs, newest first."""
    with Journal.open(Path(settings.reports_dir), settings.database or None) as journal:
        lines = []
        for run in journal.runs():
            purged = run.progress.purged
            counts = journal.counts(run.key) if purged is None else {Status(name): n for name, n in purged.rows.items()}
            lines.append(
                RunLine(
                    run.record.run_id,
                    run.record.source,
                    run.record.base_url,
                    stamp(run.record.started_at),
                    stamp(run.finished_at) if run.finished_at is not None else None,
                    run.exit_code,
                    not run.finished,
                    {status.value: counts.get(status, 0) for status in Status},
                )
            )
        return lines


def runs_text(runs: list[RunLine]) -> str:
    """Return the list as a table for a terminal."""
    if not runs:
        return "There are no runs yet.\n"
    width = max(len(run.run_id) for run in runs)
    lines = [f"{'run':<{width}}  {'state':<16} {'succeeded':>9} {'failed':>7} {'rejected':>8} {'other':>7}"]
    for run in runs:
        other = sum(run.rows[s] for s in ("skipped", "unknown", "unprocessed"))
        counts = f"{run.rows['succeeded']:>9,} {run.rows['failed']:>7,} {run.rows['rejected']:>8,} {other:>7,}"
        lines.append(f"{run.run_id:<{width}}  {_state(run):<16} {counts}")
    newest = next((run.run_id for run in runs if run.resumable), "")
    if newest:
        lines.append(f"\nResume the newest open run with `importer resume {newest}`.")
    return "\n".join(lines) + "\n"


def _state(run: RunLine) -> str:
    if run.exit_code is None:
        return "open" if run.resumable else "closed"
    ended = {ExitCode.OK: "OK", ExitCode.ROWS: "with failures"}.get(ExitCode(run.exit_code))
    return ended or f"{'open' if run.resumable else 'closed'} (code {run.exit_code})"
