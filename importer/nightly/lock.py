"""One nightly load of a profile at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from importer.errors import Busy, ImporterError, SettingsError
from importer.journal import Journal
from importer.runs.locks import Lock, hold
from importer.settings.options import Settings


@contextlib.contextmanager
def exclusive(settings: Settings, mistakes: Sequence[str]) -> Iterator[ImporterError | None]:
    """Hold the lock of the profile, on all machines that share its database. Raises `Busy`.

    Yields why the load can only report: `mistakes` of the settings, or a lock that cannot be taken. These are not
    raised, because an unattended load reports by notice.
    """
    blocked: ImporterError | None = None
    if mistakes:
        blocked = SettingsError("\n".join(mistakes), "Correct the settings. Until then, nothing is loaded.")
    with contextlib.ExitStack() as stack:
        try:
            _take(stack, settings)
        except Busy as error:
            holder = error.holder or "Another process"
            whose = f"profile {settings.profile}" if settings.profile else "this folder"
            raise Busy(
                f"{holder} is already running the nightly load of {whose}.",
                "No action is needed: that process loads the files.",
                holder=error.holder,
            ) from None
        except ImporterError as error:
            blocked = blocked or error
        yield blocked


def _take(stack: contextlib.ExitStack, settings: Settings) -> None:
    reports, name = Path(settings.reports_dir), f"nightly {settings.profile}"
    stack.enter_context(Lock(reports / ".locks", name))
    if settings.database:
        journal = stack.enter_context(Journal.open(reports, settings.database))
        if journal.shared:
            stack.enter_context(hold(journal, reports, name))
