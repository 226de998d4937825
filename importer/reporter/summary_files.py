"""`summary.html` for people and `summary.json` for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from importer.errors import SettingsError
from importer.model import RunSummary, to_json
from importer.reporter.page import page
from importer.reporter.timeline import Timeline
from importer.system.files import private_folder, write_whole
from importer.system.text import escaped, visible

#: The files that `write_summary` writes; they belong in the summary's `reports`.
SUMMARY_FILES = ("summary.html", "summary.json")


def write_summary(
    folder: Path,
    summary: RunSummary,
    timeline: Timeline | None = None,
    facts: Mapping[str, str] | None = None,
    steps: Sequence[tuple[Sequence[str], str]] | None = None,
) -> None:
    """Write both files, the JSON last: once it exists, every report that it names is complete.

    `timeline`: for the chart. `facts`: name → value, further rows about the sending. `steps`: as of `next_steps`.
    """
    private_folder(folder)
    # Names and example cells may hold control characters, and people also read these files in a terminal.
    write_whole(folder / "summary.html", visible(page(summary, timeline, facts, steps)).encode())
    write_whole(folder / "summary.json", escaped(to_json(summary).decode()).encode())


def read_summary(folder: Path) -> RunSummary:
    """Read `summary.json`. Raises `SettingsError` where the reports were deleted."""
    try:
        return msgspec.json.decode((folder / "summary.json").read_bytes(), type=RunSummary)
    except (OSError, msgspec.DecodeError):
        raise SettingsError(
            f"The reports of run {folder.name} were deleted.",
            "`importer runs` still shows its counts.",
            on_page="",
        ) from None
