"""Carrying a run out: its open rows go through the stages of sending, many at once, until each has its outcome."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from importer.capillary.client import Client, ClientOptions
from importer.chunker.batches import MAX_BYTES, Chunker
from importer.chunker.lanes import Lanes
from importer.chunker.pacer import Pacer, SlotStore
from importer.chunker.shared_rate import shared_slots
from importer.errors import ExitCode, ImporterError, Stop
from importer.journal import Progress, Scribe
from importer.model import Batch
from importer.normaliser.normaliser import Normaliser
from importer.runs.job import Job
from importer.sender.feed import Selection, SheetFeed
from importer.sender.retry import BackOff, Breaker
from importer.sender.sender import Sender
from importer.sender.unchanged import Hasher, Ledger, Watch, sent_before
from importer.sender.work import Limits, Work
from importer.system.clock import seconds_until

#: New objects before the young are looked through for garbage, and how often the older. A look at everything stops the
#: loop for 30 ms, which is a slot and a half at 50 requests a second.
_COLLECT_AT = (5_000, 50, 100)


class Ended(msgspec.Struct, frozen=True):
    """A run after its sending: `stop` None when every row has its outcome."""

    progress: Progress
    stop: ImporterError | None
    rows_read: int


async def send(job: Job) -> Ended:
    """Reader → normaliser → lanes → chunker → pacer → client → reconciler → journal."""
    with _fewer_collections():
        return await _send(job)


async def _send(job: Job) -> Ended:
    journal, run, settings, target, world = job.journal, job.run, job.settings, job.target, job.world
    again = _open_work(job)
    watch = _watch(job)
    for work in again:
        watch.goes_again(work.batch.customers)
    feed = SheetFeed(
        job.source,
        _normaliser(job),
        _selection(job, again),
        world.wall,
        world.observer.rows_read,
        run.progress,
        watch.sift,
    )
    options = ClientOptions(
        target.base_url,
        connections=settings.concurrency,
        gzip=settings.gzip,
        attribution_type=settings.attribution_type,
        attribution_code=settings.attribution_code,
    )
    scribe = Scribe(journal, run.key, watch.written)
    try:
        async with Client(options, target.credentials, world.clock, world.transport) as client:
            sender = Sender(
                client=client,
                scribe=scribe,
                lanes=Lanes(),
                chunker=Chunker(
                    min(settings.batch_size, run.progress.batch_size or settings.batch_size),
                    run.progress.max_bytes or MAX_BYTES,
                    next_id=journal.last_batch_id(run.key) + 1,
                ),
                pacer=Pacer(settings.rate, settings.burst, world.clock, world.jitter, _slots(job)),
                backoff=BackOff(world.jitter),
                breaker=Breaker(world.clock, settings.max_outage),
                limits=_limits(job),
                observer=world.observer,
                concurrency=settings.concurrency,
                clock=world.clock,
                wall=world.wall,
                progress=run.progress,
                next_attempt=journal.last_attempt(run.key) + 1,
            )
            _listen(job, sender)
            stop = await sender.run(feed, again)
    finally:
        await scribe.close()
    return Ended(sender.progress, stop, feed.rows)


@contextmanager
def _fewer_collections() -> Iterator[None]:
    before = gc.get_threshold()
    if before == _COLLECT_AT:
        # Another run of this process is at it.
        yield
        return
    gc.set_threshold(*_COLLECT_AT)
    # What was there before, mostly modules, is not looked through at all.
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)


def _watch(job: Job) -> Watch:
    """Notes for later runs what customers are sent, and leaves out what is unchanged where that is asked for."""
    hasher = Hasher(job.journal.ledger_key)
    if not job.settings.only_changed:
        return Watch(hasher, None, (), job.world.wall)
    ledger = Ledger(sent_before(job.journal, job.run))
    return Watch(hasher, ledger, job.journal.sent(job.run.key), job.world.wall)


def _open_work(job: Job) -> list[Work]:
    """The batches that an earlier process left open, made again from the source: same rows, same id."""
    batches = job.journal.open_batches(job.run.key)
    if not batches:
        return []
    wanted = {row for batch in batches for rows in batch.rows for row in rows}
    customers = SheetFeed(job.source, _normaliser(job), Selection(), job.world.wall).customers_of(wanted)
    return [
        Work(
            Batch(batch.batch_id, tuple(customers[rows[0]] for rows in batch.rows), batch.split_from, batch.alone),
            root=batch.batch_id,
            attempts=batch.attempts,
            doubt=batch.doubt,
            opened=True,
        )
        for batch in batches
    ]


def _selection(job: Job, again: list[Work]) -> Selection:
    """The rows to read: those without an outcome that stand in no open batch."""
    decided = job.journal.decided(job.run.key)
    rows = [row for work in again for customer in work.batch.customers for row in customer.row_numbers]
    decided.extend(bytes(max(max(rows, default=0) + 1 - len(decided), 0)))
    for row in rows:
        decided[row] = 1
    settings = job.settings
    return Selection(settings.skip_rows, settings.limit, decided, job.left_out, settings.resubmit)


def _normaliser(job: Job) -> Normaliser:
    return Normaliser(job.mapping, country=job.settings.country or None, blank=job.settings.blank)


def _limits(job: Job) -> Limits:
    settings, world = job.settings, job.world
    deadline, word = None, ""
    if settings.max_duration:
        deadline, word = world.clock() + settings.max_duration, "--max-duration"
    if settings.until:
        moment = world.clock() + seconds_until(settings.until, world.wall(), settings.time_zone)
        if deadline is None or moment < deadline:
            deadline, word = moment, f"--until {settings.until}"
    if world.closes is not None:
        # A night's window closes once: a run that begins a moment too late must not take tomorrow's for its own.
        moment = world.clock() + (world.closes - world.wall()) / 1000
        if deadline is None or moment < deadline:
            deadline, word = moment, f"--until {settings.until}"
    return Limits(settings.max_errors, settings.canary, deadline, word)


def _slots(job: Job) -> SlotStore | None:
    """Runs on this machine that share a key share its rate; the sandbox belongs to one run alone."""
    if job.settings.sandbox or job.world.transport is not None:
        return None
    return shared_slots(job.world.environ, job.target.rate_key)


def _listen(job: Job, sender: Sender) -> None:
    """Whoever asks the run to stop, from a signal handler or another thread, is heard by the loop."""
    loop = asyncio.get_running_loop()
    reason = Stop(ExitCode.INTERRUPTED, "The run was interrupted.", "Go on with `importer resume`.")
    job.world.stopper.listen(lambda: loop.call_soon_threadsafe(sender.stop, reason))
    if job.world.stopper.asked:
        sender.stop(reason)
