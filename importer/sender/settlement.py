"""Writes to the journal what is decided together with what is sent next, and counts it.

A customer's next row is released only after the outcome of the row before it is on the disk.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence

import msgspec

from importer.capillary.codes import lookup
from importer.capillary.triage import RequestFailed
from importer.chunker.batches import Chunker
from importer.errors import ExitCode, ImporterError
from importer.journal import Attempt, Change, RunProgress, Scribe
from importer.model import OMITTED, Batch, Outcome, Reply, Status, Work
from importer.observer import Observer
from importer.reconciler.decide import Decided, Decision, FollowUp
from importer.sender.admission import Asked
from importer.sender.unchanged import remembered
from importer.sender.work import Portion
from importer.system.text import counted

#: Attempts after which the time spent on sending is written down again.
_PROGRESS_EVERY = 64


class Settled(msgspec.Struct, frozen=True):
    """`outcomes` of the decided rows; `works`: what is sent next; `more`: how many more batches of the root that are
    (-1: one fewer)."""

    attempt: Attempt | None
    outcomes: list[Outcome]
    works: Sequence[tuple[Work, FollowUp]]
    more: int


class Settlement:
    """The run's side of the journal. `progress` is what the run has learnt so far."""

    def __init__(
        self,
        scribe: Scribe,
        chunker: Chunker,
        observer: Observer,
        clock: Callable[[], float],
        progress: RunProgress,
        next_attempt: int = 1,
    ) -> None:
        self._scribe = scribe
        self._chunker = chunker
        self._observer = observer
        self._clock = clock
        self._began = clock()
        self._spent_before = progress.sending_seconds
        self._progress = progress
        self._attempt_numbers = itertools.count(next_attempt)
        #: Batches that are in the journal and that no request has carried yet.
        self._unsent: set[int] = set()
        #: The server taught a limit that is not in the journal yet.
        self._learnt = False

    @property
    def progress(self) -> RunProgress:
        self._progress = msgspec.structs.replace(
            self._progress,
            batch_size=self._chunker.batch_size,
            max_bytes=self._chunker.max_bytes,
            sending_seconds=self._spent_before + self._clock() - self._began,
        )
        return self._progress

    # ------------------------------------------------------------------------------------------------ before sending

    async def take(self, portion: Portion) -> None:
        """The outcomes of rows that are not sent: rejected or skipped."""
        if portion.repaired_to:
            self._progress = msgspec.structs.replace(
                self._progress, repairs=portion.repairs, repaired_to=portion.repaired_to
            )
        if portion.outcomes:
            await self._scribe.write(Change(outcomes=portion.outcomes, sent=portion.unchanged))
            self._observer.decided(portion.outcomes)

    async def inherit(self, works: Iterable[Work]) -> None:
        """Batches of an earlier process that are about to be sent."""
        if batches := tuple(work.batch.batch_id for work in works if not work.doubt):
            await self._scribe.write(Change(doubtful=batches))

    async def open(self, work: Work) -> Work:
        """The batch is in the journal before its request is sent."""
        if not work.opened:
            await self._scribe.write(Change(opened=((work.batch, work.attempts),)))
            work = msgspec.structs.replace(work, opened=True)
        if not work.doubt:
            self._unsent.add(work.batch.batch_id)
        return work

    def sent(self, work: Work) -> None:
        """The request is sent now: from here on the server may have applied the batch."""
        self._unsent.discard(work.batch.batch_id)

    async def withdraw(self, work: Work) -> None:
        """The run stops before the batch is sent: even if the process is killed now, its rows are not in doubt."""
        if not work.doubt:
            await self._scribe.write(Change(harmless=(work.batch.batch_id,)))
            self._unsent.discard(work.batch.batch_id)

    # ------------------------------------------------------------------------------------------------ after a reply

    def settle(self, work: Work, asked: Asked[Reply] | None, decision: Decision) -> Settled:
        """The attempt, outcomes and batches with ids that follow from a decision. `asked` None: it was not sent."""
        if decision.too_large:
            self._shrink(work.batch, decision.by_bytes)
        attempt = self._attempt(work, asked) if asked is not None else None
        request_id = attempt.request_id if attempt is not None else ""
        at = attempt.at + attempt.elapsed_ms if attempt is not None else 0
        outcomes = [
            Outcome(row, one.status, one.code, one.message, *_remarks(one), decision.attempts, request_id, at)
            for one in decision.decided
            for row in one.customer.row_numbers
        ]
        works = [
            (msgspec.structs.replace(again, opened=True), follow_up)
            for follow_up in decision.follow_ups
            for again in self._works(work.batch, follow_up)
        ]
        more = sum(not follow_up.same for _, follow_up in works) - (not decision.goes_on)
        return Settled(attempt, outcomes, works, more)

    async def write(self, work: Work, decision: Decision, settled: Settled) -> None:
        """Returns when all of it is on the disk."""
        attempt = settled.attempt
        report = attempt is None or attempt.number % _PROGRESS_EVERY == 0 or self._learnt
        self._learnt = False
        if not decision.goes_on:
            self._unsent.discard(work.batch.batch_id)
        await self._scribe.write(
            Change(
                opened=tuple((again.batch, again.attempts) for again, follow_up in settled.works if not follow_up.same),
                attempt=attempt,
                outcomes=settled.outcomes,
                settled=() if decision.goes_on else (work.batch.batch_id,),
                harmless=(work.batch.batch_id,) if decision.untouched else (),
                progress=self.progress if report else None,
                sent={one.customer.row_number: remembered(one) for one in decision.decided if one.customer.fingerprint},
            )
        )
        if settled.outcomes:
            self._observer.decided(settled.outcomes)

    async def end(self, stop: ImporterError | None, waiting: Iterable[Work]) -> None:
        """Batches that are in the journal and were never sent: a report must not call their rows unknown."""
        if stop is not None and stop.exit_code is not ExitCode.JOURNAL:
            unsent = (*self._unsent, *(work.batch.batch_id for work in waiting if not work.doubt))
            await self._scribe.write(Change(harmless=unsent))

    def _works(self, batch: Batch, follow_up: FollowUp) -> list[Work]:
        if follow_up.same:
            return [follow_up.work]
        if follow_up.halves:
            batches = self._chunker.halves(follow_up.customers, batch.batch_id)
        else:
            batches = (self._chunker.form(follow_up.customers, batch.batch_id, alone=follow_up.alone),)
        return [msgspec.structs.replace(follow_up.work, batch=part) for part in batches]

    def _attempt(self, work: Work, asked: Asked[Reply]) -> Attempt:
        reply = asked.reply
        return Attempt(
            next(self._attempt_numbers),
            work.batch.batch_id,
            asked.at,
            asked.elapsed_ms,
            len(work.batch.customers),
            reply.http_status,
            reply.trouble.code if isinstance(reply, RequestFailed) else reply.status.code,
            reply.request_id,
        )

    def _shrink(self, batch: Batch, by_bytes: bool) -> None:
        if not self._chunker.shrink(batch, by_bytes=by_bytes):
            return
        self._learnt = True
        size = f"{self._chunker.max_bytes:,} bytes" if by_bytes else counted(self._chunker.batch_size, "customer")
        refused = f"The server refused a batch of {len(batch.customers)} as too large"
        text = f"{refused}; batches hold at most {size} from now on."
        self._progress = msgspec.structs.replace(self._progress, notes=(*self._progress.notes, text))
        self._observer.noted(text)


def _remarks(one: Decided) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """Advice, columns and warnings of a customer, which may have been sent without identifiers that are not valid."""
    omitted = one.customer.omitted
    if not omitted:
        return "", (), one.warnings
    warnings = (*one.warnings, *(f"{problem.message}{OMITTED}" for problem in omitted))
    if one.status is not Status.SUCCEEDED:
        return "", (), warnings
    advice = [*(lookup(warning).advice for warning in one.warnings), *(problem.advice for problem in omitted)]
    columns = tuple([problem.column for problem in omitted if problem.column])
    return " ".join(dict.fromkeys(advice)), columns, warnings
