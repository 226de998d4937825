"""The reporter: journal + source → files for people and programs. The only door to XlsxWriter."""

from importer.reporter.console import console_text, headline, log_line
from importer.reporter.reports import Written, write_files
from importer.reporter.summary import SUMMARY_FILES, read_summary, write_summary

__all__ = [
    "SUMMARY_FILES",
    "Written",
    "console_text",
    "headline",
    "log_line",
    "read_summary",
    "write_files",
    "write_summary",
]
