"""Journal and source → files for people and programs.

The exports are fetched on first use: a command that prints a summary does not load the libraries that write reports.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importer.reporter.console import console_text, headline, log_line
    from importer.reporter.row_reports import WrittenReports, write_files
    from importer.reporter.summary_files import SUMMARY_FILES, read_summary, write_summary

__all__ = [
    "SUMMARY_FILES",
    "WrittenReports",
    "console_text",
    "headline",
    "log_line",
    "read_summary",
    "write_files",
    "write_summary",
]

_HOMES = {
    "SUMMARY_FILES": "importer.reporter.summary_files",
    "WrittenReports": "importer.reporter.row_reports",
    "console_text": "importer.reporter.console",
    "headline": "importer.reporter.console",
    "log_line": "importer.reporter.console",
    "read_summary": "importer.reporter.summary_files",
    "write_files": "importer.reporter.row_reports",
    "write_summary": "importer.reporter.summary_files",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
