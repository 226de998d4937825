"""Runs whose values an older one that is resumed or retried must not overwrite.

Newer runs that sent the same preferences, and for a retry the runs that sent rows of its sheet.
"""

from __future__ import annotations

from importer.errors import SettingsError
from importer.journal import Journal, Run
from importer.journal.records import SANDBOX
from importer.normaliser.mapping import Mapping
from importer.runs.record import mapping_of
from importer.sender.unchanged import sent_purged


def check_newer(journal: Journal, run: Run) -> None:
    """Raise `SettingsError` where a newer run was purged: what it sent is not known any more."""
    for newer in newer_runs(journal, run):
        if sent_purged(newer) or _unchanged_purged(newer):
            raise SettingsError(
                f"Run {newer.record.run_id} is newer and was purged: what it sent is not known any more.",
                "Add --overwrite-newer if the values of the older file are the right ones.",
                on_page="Upload the file if its values are the right ones.",
            )


def check_same_sheet(journal: Journal, run: Run) -> None:
    """Raise `SettingsError` where a run of the same rows was purged: whether later rows succeeded is not known."""
    for other in same_sheet(journal, run):
        if sent_purged(other) or _unchanged_purged(other):
            raise SettingsError(
                f"Run {other.record.run_id} sent rows of this sheet and was purged: "
                "what it sent is not known any more.",
                "Add --overwrite-newer if no later row of a customer has other values.",
                on_page="Upload the file as a new one.",
            )


def _unchanged_purged(run: Run) -> bool:
    """Whether rows were purged that the run did not send because the server had the same."""
    purged = run.progress.purged
    return purged is not None and run.record.settings.only_changed and bool(purged.rows.get("skipped"))


def newer_runs(journal: Journal, run: Run) -> list[Run]:
    """Return the runs of the same organisation that began after this one, oldest first, if they sent one of its
    preferences. A retry began with the run whose rows it sends."""
    if run.record.base_url == SANDBOX:
        return []  # each has its own, which ended with it
    every = {other.record.run_id: other for other in journal.runs()}
    if next(iter(every.values())).key == run.key and not run.record.retry_of:
        return []
    began, mapping = _first_of(run, every), mapping_of(run)
    return [
        other
        for other in reversed(every.values())
        if other.record.organisation == run.record.organisation
        and _first_of(other, every).key > began.key
        and _share_preferences(mapping, mapping_of(other))
    ]


def same_sheet(journal: Journal, run: Run) -> list[Run]:
    """Return the run whose rows this one sends again, or itself, and all its retries, oldest first: row numbers mean
    the same in all of them."""
    every = {other.record.run_id: other for other in journal.runs()}
    began = _first_of(run, every)
    return [other for other in reversed(every.values()) if _first_of(other, every).key == began.key]


def _first_of(run: Run, every: dict[str, Run]) -> Run:
    """The run whose rows a retry sends, or the run itself."""
    while run.record.retry_of in every:
        run = every[run.record.retry_of]
    return run


def _share_preferences(one: Mapping, other: Mapping) -> bool:
    if one.is_long or other.is_long:
        return True  # its rows name the preferences
    # The server ignores the case of their names.
    return not set(map(str.casefold, one.preference_names)).isdisjoint(map(str.casefold, other.preference_names))
