"""One nightly load of a profile at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from importer.errors import Busy, ImporterError, SettingsError
from importer.journal import Journal
from importer.runs.locks import Lock, hold
from importer.settings.options import Settings


class Exclusive(msgspec.Struct, frozen=True):
    """The profile is locked. `blocked`: why the load can only report; `proofs`: as `World.proofs`."""

    blocked: ImporterError | None = None
    proofs: tuple[Callable[[], Awaitable[None]], ...] = ()


@contextlib.contextmanager
def exclusive(settings: Settings, mistakes: Sequence[str]) -> Iterator[Exclusive]:
    """Hold the lock of the profile, on all machines that share its database. Raises `Busy`.

    The load can only report `mistakes` of the settings, and a lock that cannot be taken. These are not raised, because
    an unattended load reports by notice.
    """
    blocked: ImporterError | None = None
    proofs: tuple[Callable[[], Awaitable[None]], ...] = ()
    if mistakes:
        blocked = SettingsError("\n".join(mistakes), "Correct the settings. Until then, nothing is loaded.")
    with contextlib.ExitStack() as stack:
        try:
            proofs = _take(stack, settings)
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
        yield Exclusive(blocked, proofs)


def _take(stack: contextlib.ExitStack, settings: Settings) -> tuple[Callable[[], Awaitable[None]], ...]:
    reports, name = Path(settings.reports_dir), f"nightly {settings.profile}"
    held = [stack.enter_context(Lock(reports / ".locks", name)).prove]
    if settings.database:
        journal = stack.enter_context(Journal.open(reports, settings.database))
        if journal.shared:
            held.append(stack.enter_context(hold(journal, reports, name)).prove)
    return tuple(held)
