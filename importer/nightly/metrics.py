"""The metrics of a nightly load: its runs, its state, its notices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from importer.errors import SettingsError
from importer.nightly.state import LoadReport, Step
from importer.telemetry.metrics import Figures, export, load_figures, write_figures


def write_metrics(
    path: Path, found: LoadReport, level: int, steps: Iterable[Step], environ: Mapping[str, str], now: int
) -> str:
    """Add the load to the metrics file, and export it. Returns what failed, "" for nothing.

    `level`: of the profile, which a load without anything to do leaves as it was.
    """
    figures = load_figures(path, found.profile)
    _add(figures, found, level, steps, now)
    wrong = export(figures, environ)
    try:
        write_figures(path, figures)
    except SettingsError as error:
        wrong = f"{wrong} {error}".strip()
    return wrong


def _add(figures: Figures, found: LoadReport, level: int, steps: Iterable[Step], now: int) -> None:
    for step in steps:
        for run in step.runs:
            figures.run_ended(run.summary, run.paused_seconds, run.at)
        if step.failed_notices:
            figures.add("importer_notices_failed_total", step.failed_notices)
    figures.set("importer_nightly_state", level)
    figures.set("importer_nightly_exit_code", found.exit_code)
    figures.set("importer_nightly_missing_file", 1 if found.missing else 0)
    figures.set("importer_nightly_waiting_files", len(found.waiting))
    figures.set("importer_nightly_timestamp_seconds", now / 1000)
