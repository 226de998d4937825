"""One nightly load of a profile at a time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from importer.errors import Busy, ImporterError, JournalError, SettingsError
from importer.journal import Journal
from importer.runs.locks import Lock, hold
from importer.settings.options import Settings
from importer.world import Proof


class Exclusive(msgspec.Struct, frozen=True):
    """The profile is locked. `blocked`: why the load can only report; `proofs`: as `World.proofs`."""

    blocked: ImporterError | None = None
    proofs: tuple[Proof, ...] = ()

    def check(self) -> None:
        """Raise `Busy` where another machine has taken over, because this one did not reach the database in time."""

        async def prove_all() -> None:
            for proof in self.proofs:
                await proof.prove()

        try:
            asyncio.run(prove_all())
        except Busy:
            raise Busy(
                "Another machine has taken over the nightly load, because this one was silent for too long.",
                "No action is needed: that machine loads the files.",
            ) from None
        except JournalError:
            return  # not known yet; the load reports that it cannot use the database


@contextlib.contextmanager
def exclusive(settings: Settings, mistakes: Sequence[str]) -> Iterator[Exclusive]:
    """Hold the lock of the profile, on all machines that share its database. Raises `Busy`.

    The load can only report `mistakes` of the settings, and a lock that cannot be taken. These are not raised, because
    an unattended load reports by notice.
    """
    blocked: ImporterError | None = None
    proofs: tuple[Proof, ...] = ()
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


def _take(stack: contextlib.ExitStack, settings: Settings) -> tuple[Proof, ...]:
    reports, name = Path(settings.reports_dir), f"nightly {settings.profile}"
    held: list[Proof] = [stack.enter_context(Lock(reports / ".locks", name))]
    if settings.database:
        journal = stack.enter_context(Journal.open(reports, settings.database))
        if journal.shared:
            held.append(stack.enter_context(hold(journal, reports, name)))
    return tuple(held)
