"""Text for people: the notice of a load, and what the command line prints."""

from __future__ import annotations

from importer.errors import badness
from importer.masking import mask
from importer.nightly.inbox import MissingFile
from importer.nightly.state import LoadReport, Notice

_SUBJECTS: dict[Notice, str] = {
    "OK again": "nightly load is OK again",
    "failed": "nightly load failed",
    "some rows": "some rows were not imported",
    "attention": "the inbox needs attention",
    "only some rows": "nightly load works again, but some rows were not imported",
}

#: Reason → what the notice says of it.
_SENTENCES = {
    "error": "The importer failed with an internal error.",
    "settings": "The settings are not valid. Nothing was sent.",
    "credentials": "The server or a file location refused the credentials.",
    "trouble": "The server or a file location did not answer.",
    "errors": "Too many rows failed. The run was stopped.",
    "disk": "The disk or the journal failed.",
    "unreadable": "A file could not be read.",
    "changed": "A file changed during its run.",
    "time": "The time window closed before all rows were imported.",
    "busy": "Another process is using a file.",
    "rows": "Some rows were not imported.",
    "odd": "The inbox has entries that are not files.",
    "kept": "Files were processed and could not be removed from the inbox.",
    "missing": "The expected file is missing.",
}

#: Most files that a notice lists.
_MOST_FILES = 10


def notice_subject(profile: str, notice: Notice) -> str:
    return f"importer {profile}: {_SUBJECTS[notice]}" if profile else f"importer: {_SUBJECTS[notice]}"


def notice_body(found: LoadReport, reports: str) -> str:
    """The reasons, then each file with its main causes, worst first. Identifiers are masked."""
    lines = [_SENTENCES[reason] for reason in found.reasons] or ["All rows were imported."]
    for result in sorted(found.files, key=lambda result: -badness(result.exit_code))[:_MOST_FILES]:
        lines += ["", f"{result.name}: {result.message}", *(f"  - {cause}" for cause in result.causes)]
    if found.notes:
        lines += ["", *found.notes]
    if found.waiting:
        lines += ["", "Still in the inbox: " + ", ".join(found.waiting)]
    return "\n".join([*(mask(line) for line in lines), "", f"Reports: {reports}", ""])


def load_text(found: LoadReport) -> str:
    """The load as the command line prints it."""
    lines = [f"{result.name}: {result.message}" for result in found.files]
    lines += [f"Still in the inbox: {name}" for name in found.waiting] + list(found.notes)
    return "\n".join(lines or ["Nothing to do."]) + "\n"


def missing_text(missing: MissingFile, expected_by: str) -> str:
    what = "is in the inbox but not complete" if missing.is_incomplete else "has not arrived"
    return f"{missing.name} {what}. It was expected by {expected_by}."
