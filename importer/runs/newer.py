"""Newer runs that sent the same preferences: an older one that is resumed must not overwrite their values."""

from __future__ import annotations

from importer.journal import Journal, Run
from importer.journal.records import SANDBOX
from importer.runs.record import mapping_of


def newer_runs(journal: Journal, run: Run) -> list[int]:
    """Return the runs of the same organisation that began after this one, oldest first, if they sent one of its
    preferences. A retry began with the run whose rows it sends."""
    if run.record.base_url == SANDBOX:
        return []  # each has its own, which ended with it
    every = {other.record.run_id: other for other in journal.runs()}
    if next(iter(every.values())).key == run.key and not run.record.retry_of:
        return []
    began = _first_of(run, every)
    names = _preferences(run)
    return sorted(
        other.key
        for other in every.values()
        if other.record.organisation == run.record.organisation
        and _first_of(other, every).key > began.key
        and not names.isdisjoint(_preferences(other))
    )


def _first_of(run: Run, every: dict[str, Run]) -> Run:
    """The run whose rows a retry sends, or the run itself."""
    while run.record.retry_of in every:
        run = every[run.record.retry_of]
    return run


def _preferences(run: Run) -> set[str]:
    # The server ignores the case of their names.
    return {use.preference.casefold() for use in mapping_of(run).columns if use.preference}
