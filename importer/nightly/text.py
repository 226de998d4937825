"""Text for people: the notice of a load, and what the command line prints."""

from __future__ import annotations

import msgspec

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

_DOCTOR = "Test the correction with `importer doctor`."
#: Reason → what happened, whether the load retries by itself, what a person does.
_REASONS: dict[str, tuple[str, bool, str]] = {
    "error": ("The importer failed with an internal error.", True, "Report it with the log."),
    "settings": ("The settings are not valid. Nothing was sent.", False, f"Correct the settings. {_DOCTOR}"),
    "credentials": (
        "The server or a file location refused the credentials.",
        True,
        f"Correct the credentials or their permissions. {_DOCTOR}",
    ),
    "trouble": (
        "The server or a file location did not answer.",
        True,
        "Wait for the retry. If it fails too, run `importer doctor`.",
    ),
    "errors": (
        "Too many rows failed. The run was stopped.",
        False,
        "Read its summary.html, which has the command to resume the run, or replace the file in the inbox.",
    ),
    "disk": ("The disk or the journal failed.", True, f"Make room on the disk. {_DOCTOR}"),
    "unreadable": ("A file could not be read.", False, "Correct the file, then put it into the inbox."),
    "changed": ("A file changed during its run.", False, "Put the complete file into the inbox under a new name."),
    "time": ("The time window closed before all rows were imported.", True, "Nothing: the retry imports the rest."),
    "busy": ("Another process is using a file.", True, "Nothing, unless it lasts: then end the other process."),
    "rows": (
        "Some rows were not imported.",
        False,
        "Correct failed.csv or failed.xlsx of the run, then put it into the inbox. Its name is taken as it is.",
    ),
    "odd": (
        "The inbox has links or other entries that are not files.",
        False,
        "Put the files themselves into the inbox, or remove the entries.",
    ),
    "kept": (
        "Files were processed and could not be removed from the inbox.",
        False,
        "Remove them, or allow the importer's user to remove files there. They are not imported again.",
    ),
    "missing": ("The expected file is missing.", True, "Ask the sender. The file is imported when it arrives."),
}

#: Most files that a notice lists.
_MOST_FILES = 10


def notice_subject(profile: str, notice: Notice) -> str:
    return f"importer {profile}: {_SUBJECTS[notice]}" if profile else f"importer: {_SUBJECTS[notice]}"


class NoticeFacts(msgspec.Struct, frozen=True):
    """What a notice says of the profile. `again`: when the next load starts."""

    profile: str = ""
    target: str = ""
    inbox: str = ""
    reports: str = ""
    again: str = "at the next start"


def notice_body(found: LoadReport, facts: NoticeFacts) -> str:
    """The reasons with what to do, then each file with its main causes, worst first. Identifiers are masked."""
    lines = []
    for reason in found.reasons:
        happened, retries, advice = _REASONS[reason]
        retry = f"automatic, {facts.again}" if retries else "none"
        lines += [happened, f"  What to do: {advice}", f"  Retry: {retry}."]
    if not lines:
        lines = ["All rows were imported." if found.files else "The problem is solved."]
    for result in sorted(found.files, key=lambda result: -badness(result.exit_code))[:_MOST_FILES]:
        lines += ["", f"{result.name}: {result.message}"]
        lines += [f"  Run: {result.run_id}"] if result.run_id else []
        lines += [f"  Moved to: {result.moved_to}"] if result.moved_to else []
        lines += [f"  - {cause}" for cause in result.causes]
    if found.notes:
        lines += ["", *found.notes]
    if found.waiting:
        lines += ["", "Still in the inbox: " + ", ".join(found.waiting)]
    where = {"Profile": facts.profile, "Target": facts.target, "Inbox": facts.inbox, "Reports": facts.reports}
    places = [f"{word}: {value}" for word, value in where.items() if value]
    return "\n".join([*(mask(line) for line in lines), "", *places, ""])


def load_text(found: LoadReport) -> str:
    """The load as the command line prints it."""
    lines = [f"{result.name}: {result.message}" for result in found.files]
    lines += [f"Still in the inbox: {name}" for name in found.waiting] + list(found.notes)
    return "\n".join(lines or ["Nothing to do."]) + "\n"


def missing_text(missing: MissingFile, expected_by: str) -> str:
    what = "is in the inbox but not complete" if missing.is_incomplete else "has not arrived"
    return f"{missing.name} {what}. It was expected by {expected_by}."
