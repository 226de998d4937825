"""The summary of a run as files: `summary.json` for programs."""

from __future__ import annotations

from pathlib import Path

from importer.model import RunSummary, to_json
from importer.reporter.files import private_folder, write_whole


def write_summary(folder: Path, summary: RunSummary) -> None:
    """Written last: where it stands, the reports it names are whole."""
    private_folder(folder)
    write_whole(folder / "summary.json", to_json(summary))
