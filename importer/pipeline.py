"""The pipeline: what the program does, in the order it does it. Read this first.

A source is opened and mapped; its rows are read, normalised, put into lanes, sent in batches at the pace allowed, and
reconciled (all of that by the sender, many at once); every outcome is in the journal before the next step; and from the
journal and the source come the reports.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterator
from collections.abc import Mapping as Map
from contextlib import contextmanager
from heapq import merge
from pathlib import Path

import httpx
import msgspec

from importer.chunker import MAX_BYTES, Chunker
from importer.client import Client, ClientOptions
from importer.credentials import Basic, Credentials, from_environment
from importer.errors import ExitCode, ImporterError, SettingsError, SourceError, Stop
from importer.feed import Selection, SheetFeed
from importer.journal import Journal, Progress, Run, Scribe
from importer.lanes import Lanes
from importer.locks import hold
from importer.mapping import Mapping
from importer.model import Batch, Outcome, RowCounts, RunSummary, Status
from importer.normaliser import Normaliser
from importer.pacer import Pacer, SlotStore
from importer.patience import BackOff, Breaker
from importer.progress import Silent
from importer.reader import Source, SourceOptions, open_source
from importer.reporter import read_summary, write_files, write_summary
from importer.runs import (
    check_unchanged,
    choose_mapping,
    find,
    identity_of,
    mapping_of,
    new_record,
    refuse_unfinished,
    settings_of,
    source_options,
)
from importer.sandbox import EmbeddedSandbox
from importer.sender import Limits, Sender, Work
from importer.settings import Settings
from importer.slots import shared_slots
from importer.summary import exit_code_of, seconds_until, stamp, summarise


class World(msgspec.Struct):
    """What is not pure, passed in: the environment, clocks, chance, the network, who watches, who may stop it."""

    environ: Map[str, str]
    observer: Silent = msgspec.field(default_factory=Silent)
    clock: Callable[[], float] = time.monotonic
    wall: Callable[[], int] = lambda: time.time_ns() // 1_000_000
    jitter: Callable[[], float] = random.random
    transport: httpx.AsyncBaseTransport | None = None
    stopper: Stopper = msgspec.field(default_factory=lambda: Stopper())


class Stopper:
    """How a face asks a run to stop; safe to call from a signal handler or another thread."""

    def __init__(self) -> None:
        self.asked = False
        self._tell: Callable[[], object] | None = None

    def ask(self) -> bool:
        """Returns whether somebody is there to stop well."""
        self.asked = True
        if self._tell is None:
            return False
        self._tell()
        return True

    def listen(self, tell: Callable[[], object]) -> None:
        self._tell = tell


class Target(msgspec.Struct, frozen=True):
    """Where the customers go and as whom. `name` stands for it in the journal: the sandbox's port changes."""

    base_url: str
    name: str
    credentials: Credentials


# ---------------------------------------------------------------------------------------------------- the main job


def run(path: str, settings: Settings, world: World, *, spooled: bool = False) -> RunSummary:
    """Read, send, reconcile, report. Raises `ImporterError` where nothing could begin."""
    with (
        _spool_of(path, spooled),
        target_of(settings, world) as target,
        open_source(path, _options(settings, world)) as source,
    ):
        mapping = choose_mapping(source, settings)
        reports = Path(settings.reports_dir)
        identity = identity_of(source, target.name, spooled)
        with Journal.open(reports, settings.database or None) as journal, hold(journal, reports, identity):
            refuse_unfinished(journal, identity, source.sha256, settings.restart)
            record = new_record(
                source,
                mapping,
                settings,
                base_url=target.name,
                key_name=target.credentials.name,
                at=world.wall(),
                spooled=spooled,
            )
            told = _told_if_known(journal, source, target.name, world)
            begun = journal.create(record, identity, Progress(notes=told))
            return _carry_out(journal, begun, source, mapping, settings, target, world)


def resume(run_id: str | None, settings: Settings, given: Map[str, object], world: World) -> RunSummary:
    """Go on with a run: rows that have an outcome are left out, batches that were in flight go again as they were."""
    reports = Path(settings.reports_dir)
    with Journal.open(reports, settings.database or None) as journal:
        begun = find(journal, run_id, unfinished=True)
        if begun.finished:
            return _nothing_left(journal, begun, reports, world)
        own = _at_home(settings_of(begun, dict(given)), settings)
        with open_source(begun.record.source, _options(own, world)) as source:
            check_unchanged(begun, source)
            identity = identity_of(source, begun.record.base_url, begun.record.spooled)
            with hold(journal, reports, identity), target_of(own, world) as target:
                # Another process may have gone on with it before the lock was ours.
                begun = find(journal, begun.record.run_id)
                if begun.finished:
                    return _nothing_left(journal, begun, reports, world)
                left_out = _closed_before(journal, begun)
                return _carry_out(journal, begun, source, mapping_of(begun), own, target, world, left_out)


def retry(run_id: str, settings: Settings, given: Map[str, object], world: World) -> RunSummary:
    """A new run of the same source with only the rows that failed, are unknown or unprocessed."""
    reports = Path(settings.reports_dir)
    with Journal.open(reports, settings.database or None) as journal:
        before = find(journal, run_id)
        own = _at_home(settings_of(before, dict(given)), settings)
        with open_source(before.record.source, _options(own, world)) as source, target_of(own, world) as target:
            check_unchanged(before, source)
            identity = identity_of(source, before.record.base_url, before.record.spooled)
            with hold(journal, reports, identity):
                if not before.finished:
                    refuse_unfinished(journal, identity, source.sha256, restart=False)
                mapping = mapping_of(before)
                record = new_record(
                    source,
                    mapping,
                    own,
                    base_url=target.name,
                    key_name=target.credentials.name,
                    at=world.wall(),
                    spooled=before.record.spooled,
                    retry_of=before.record.run_id,
                )
                begun = journal.create(record, identity)
                closed = _closed_before(journal, begun)
                return _carry_out(journal, begun, source, mapping, own, target, world, left_out=closed)


def report(run_id: str | None, settings: Settings, world: World) -> RunSummary:
    """The reports again, from the journal and the source."""
    with Journal.open(Path(settings.reports_dir), settings.database or None) as journal:
        begun = find(journal, run_id)
        own = msgspec.convert(begun.record.settings, Settings)
        if begun.finished and begun.record.spooled and not Path(begun.record.source).exists():
            return read_summary(Path(settings.reports_dir) / begun.record.run_id)
        with open_source(begun.record.source, _options(own, world)) as source:
            check_unchanged(begun, source)
            return write_reports(journal, begun, source, None, world, Path(settings.reports_dir), ends=False)


# ---------------------------------------------------------------------------------------------------- its stages


def _carry_out(
    journal: Journal,
    begun: Run,
    source: Source,
    mapping: Mapping,
    settings: Settings,
    target: Target,
    world: World,
    left_out: bytearray | None = None,
) -> RunSummary:
    """Send what is left, then report: the same for a run that begins, one that goes on, and one that tries again."""
    decided = journal.decided(begun.key)
    world.observer.of_run(begun.record.run_id)
    world.observer.begin(source.name, sum(decided))
    try:
        ended = asyncio.run(_send(journal, begun, source, mapping, settings, target, world, decided, left_out))
    finally:
        world.observer.end()
    if isinstance(ended.stop, ImporterError) and ended.stop.exit_code is ExitCode.JOURNAL:
        raise ended.stop
    return write_reports(journal, ended.run, source, ended.stop, world, Path(settings.reports_dir), ends=True)


class Ended(msgspec.Struct, frozen=True):
    """A run after its sending: `stop` None when every row has its outcome."""

    run: Run
    stop: ImporterError | None


async def _send(
    journal: Journal,
    begun: Run,
    source: Source,
    mapping: Mapping,
    settings: Settings,
    target: Target,
    world: World,
    decided: bytearray,
    left_out: bytearray | None,
) -> Ended:
    """Reader → normaliser → lanes → chunker → pacer → client → reconciler → journal."""
    chunker = Chunker(
        min(settings.batch_size, begun.progress.batch_size or settings.batch_size),
        begun.progress.max_bytes or MAX_BYTES,
        next_id=journal.last_batch_id(begun.key) + 1,
    )
    again = _open_work(journal, begun, source, _normaliser(mapping, settings))
    for work in again:
        for customer in work.batch.customers:
            for row in customer.row_numbers:
                decided.extend(bytes(max(row + 1 - len(decided), 0)))
                decided[row] = 1
    selection = Selection(settings.skip_rows, settings.limit, decided, _chosen(left_out))
    feed = SheetFeed(source, _normaliser(mapping, settings), selection, world.wall, world.observer.rows_read)
    options = ClientOptions(
        target.base_url,
        connections=settings.concurrency,
        gzip=settings.gzip,
        attribution_type=settings.attribution_type,
        attribution_code=settings.attribution_code,
    )
    scribe = Scribe(journal, begun.key)
    try:
        async with Client(options, target.credentials, world.clock, world.transport) as client:
            sender = Sender(
                client=client,
                scribe=scribe,
                lanes=Lanes(),
                chunker=chunker,
                pacer=Pacer(settings.rate, settings.burst, world.clock, world.jitter, _slots(settings, target, world)),
                backoff=BackOff(world.jitter),
                breaker=Breaker(world.clock, settings.max_outage),
                limits=_limits(settings, world),
                observer=world.observer,
                concurrency=settings.concurrency,
                clock=world.clock,
                wall=world.wall,
                progress=begun.progress,
                next_attempt=journal.last_attempt(begun.key) + 1,
            )
            _listen(world, sender)
            stop = await sender.run(feed, again)
    finally:
        await scribe.close()
    repairs = dict(begun.progress.repairs)
    for code, count in feed.repairs.items():
        repairs[code] = repairs.get(code, 0) + count
    progress = msgspec.structs.replace(sender.progress, repairs=repairs)
    return Ended(msgspec.structs.replace(begun, progress=progress), stop)


def write_reports(
    journal: Journal,
    run: Run,
    source: Source,
    stop: ImporterError | None,
    world: World,
    folder: Path,
    *,
    ends: bool,
) -> RunSummary:
    """Journal and source → the files of the run, and the summary that stands above them. `ends`: what ended is written
    down; else somebody only looks, perhaps while another process is on the run."""
    settings = msgspec.convert(run.record.settings, Settings)
    place = folder / run.record.run_id
    written = write_files(place, source, _outcomes_now(journal, run), mapping_of(run), country=settings.country or None)
    if not ends and run.finished_at is not None and run.exit_code is not None:
        code, at = ExitCode(run.exit_code), run.finished_at
    else:
        code, at = exit_code_of(written.counts, stop), world.wall()
    summary = summarise(run, written, journal.requests(run.key), source, stop, code, at, place)
    write_summary(place, summary, written.timeline)
    if ends:
        finished = (stop is None and not written.counts.unprocessed) or _nothing_came_of_it(stop, written.counts)
        journal.finish(run.key, at, code, finished, run.progress)
        if finished:
            _forget_spool(journal, run)
    return summary


# ---------------------------------------------------------------------------------------------------- their parts


def _nothing_came_of_it(stop: ImporterError | None, rows: RowCounts) -> bool:
    """A run that ended on its settings before any row was answered: there is nothing to resume, only to correct."""
    wrong_settings = stop is not None and stop.exit_code is ExitCode.SETTINGS
    return wrong_settings and not (rows.succeeded or rows.failed or rows.unknown)


def _outcomes_now(journal: Journal, run: Run) -> Iterator[Outcome]:
    """What the journal knows, and `unknown` for rows that were sent and never answered."""
    doubtful = sorted(
        (row, batch.attempts)
        for batch in journal.open_batches(run.key)
        if batch.doubt
        for rows in batch.rows
        for row in rows
    )
    unanswered = (Outcome(row, Status.UNKNOWN, "no_answer", attempts=max(n, 1)) for row, n in doubtful)
    return merge(journal.outcomes(run.key), unanswered, key=lambda outcome: outcome.row_number)


def _open_work(journal: Journal, begun: Run, source: Source, normaliser: Normaliser) -> list[Work]:
    """The batches that an earlier process left open, made again from the source: same rows, same id."""
    batches = journal.open_batches(begun.key)
    if not batches:
        return []
    wanted = {row for batch in batches for rows in batch.rows for row in rows}
    feed = SheetFeed(source, normaliser, Selection(), lambda: 0)
    customers = feed.customers_of(wanted)
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


def _nothing_left(journal: Journal, run: Run, reports: Path, world: World) -> RunSummary:
    """A finished run that was to be resumed: said so, with the summary of then. All is well."""
    text = f"The run {run.record.run_id} is finished: nothing is left to resume."
    world.observer.noted(text)
    _forget_spool(journal, run)
    before = read_summary(reports / run.record.run_id)
    return msgspec.structs.replace(before, exit_code=int(ExitCode.OK), notes=(text, *before.notes))


def _forget_spool(journal: Journal, run: Run) -> None:
    """What came by a pipe goes once nobody can resume from it."""
    if run.record.spooled and not journal.in_use(run.record.source):
        Path(run.record.source).unlink(missing_ok=True)


def _closed_before(journal: Journal, run: Run) -> bytearray | None:
    """For a run that tries another one again: the rows which that one closed, and so are not to be sent."""
    if not run.record.retry_of:
        return None
    before = find(journal, run.record.retry_of)
    return journal.decided(before.key, (Status.SUCCEEDED, Status.REJECTED, Status.SKIPPED))


def _told_if_known(journal: Journal, source: Source, target: str, world: World) -> tuple[str, ...]:
    """A file that was imported whole before is sent again when so asked, but not without a word."""
    known = journal.imported_whole(target, source.sha256)
    if known is None:
        return ()
    when = stamp(known.finished_at or known.record.started_at)
    text = f"{source.name} was imported whole before, by the run {known.record.run_id} that ended at {when}."
    world.observer.noted(text)
    return (text,)


@contextmanager
def _spool_of(path: str, spooled: bool) -> Iterator[None]:
    """What came by a pipe is kept for a run that can be resumed; where none could begin, it goes."""
    try:
        yield
    except (SettingsError, SourceError):
        if spooled:
            Path(path).unlink(missing_ok=True)
        raise


def _chosen(left_out: bytearray | None) -> bytearray | None:
    """The rows of a retry: all but those that are closed. Rows beyond what was closed are chosen."""
    if left_out is None:
        return None
    return bytearray(1 - mark for mark in left_out) + bytearray(b"\x01") * 2_000_000


def _normaliser(mapping: Mapping, settings: Settings) -> Normaliser:
    return Normaliser(mapping, country=settings.country or None, blank=settings.blank)


def _limits(settings: Settings, world: World) -> Limits:
    deadline, word = None, ""
    if settings.max_duration:
        deadline, word = world.clock() + settings.max_duration, "--max-duration"
    if settings.until:
        moment = world.clock() + seconds_until(settings.until, world.wall(), settings.time_zone)
        if deadline is None or moment < deadline:
            deadline, word = moment, f"--until {settings.until}"
    return Limits(settings.max_errors, settings.canary, deadline, word)


def _slots(settings: Settings, target: Target, world: World) -> SlotStore | None:
    """Runs on this machine that share a key share its rate; the sandbox belongs to one run alone."""
    if settings.sandbox or world.transport is not None:
        return None
    return shared_slots(world.environ, f"{target.base_url} {target.credentials.name}")


def _listen(world: World, sender: Sender) -> None:
    loop = asyncio.get_running_loop()
    reason = Stop(ExitCode.INTERRUPTED, "The run was interrupted.", "Go on with `importer resume`.")
    world.stopper.listen(lambda: loop.call_soon_threadsafe(sender.stop, reason))
    if world.stopper.asked:
        sender.stop(reason)


def _options(settings: Settings, world: World) -> SourceOptions:
    return source_options(settings, world.environ.get("IMPORTER_SOURCE_PASSWORD") or None)


def _at_home(own: Settings, asked: Settings) -> Settings:
    """A run's settings, in the folder and journal in which it was found."""
    return msgspec.structs.replace(own, reports_dir=asked.reports_dir, database=asked.database)


@contextmanager
def target_of(settings: Settings, world: World) -> Iterator[Target]:
    """The API that the settings name, or a stand-in that lives as long as the run. Raises `SettingsError`."""
    if settings.sandbox:
        with EmbeddedSandbox() as sandbox:
            yield Target(sandbox.base_url, "sandbox", Basic(sandbox.username, sandbox.password))
    elif settings.base_url:
        yield Target(settings.base_url, settings.base_url, from_environment(world.environ, settings.credentials))
    else:
        raise SettingsError(
            "No target is given.",
            "Add --base-url https://… (or --cluster NAME) to send to the API, or --sandbox to try it without.",
        )
