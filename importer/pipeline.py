"""The pipeline: what the program does, in order. Read this first.

`run` opens the source, maps its columns and surveys its rows. `_send` makes the stages of sending, in their order.
`send_rows` is the road of a row through them, from the reader to the journal.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import msgspec

from importer.capillary.client import Client
from importer.chunker.batches import Chunker
from importer.chunker.lanes import Lanes
from importer.chunker.schedule import Schedule
from importer.errors import ExitCode, ImporterError, SourceError, Stop
from importer.journal import Journal, RunProgress, Scribe
from importer.model import Customer, Reply, RunSummary, Work
from importer.normaliser.fixing import Edits
from importer.reader.survey import survey
from importer.reconciler.decide import Decision, decide, halved
from importer.reconciler.reconcile import reconcile
from importer.reporter import read_summary
from importer.runs.asking import Session
from importer.runs.fields import columns_of_a_run
from importer.runs.job import Job, begin, resume_of, retry_of
from importer.runs.record import choose_mapping, find
from importer.runs.report import (
    again,
    nothing_left,
    nothing_to_retry,
    reports_of_copy,
    with_bundle,
    write_reports,
)
from importer.runs.sources import fix, opened, source_of, with_sheet
from importer.runs.stages import (
    chunker_of,
    deadline_of,
    extent_of,
    first_rows,
    normaliser_of,
    open_work,
    selection_of,
    unchanged_filter_of,
)
from importer.runs.target import target_of
from importer.sender.admission import Admission, Asked, Stopping
from importer.sender.engine import Engine
from importer.sender.feed import SheetFeed
from importer.sender.settlement import Settlement
from importer.sender.stop_rules import StopRules
from importer.sender.work import Feed
from importer.settings.commands import commands_completed, complete
from importer.settings.options import Settings
from importer.system.garbage import fewer_collections
from importer.world import World


@commands_completed
def run(
    path: str,
    settings: Settings,
    world: World,
    *,
    spooled: bool = False,
    edits: Edits | None = None,
    rest_of: str = "",
) -> RunSummary:
    """Imports a source: reads, sends, reconciles and reports. Raises `ImporterError` where nothing could begin.
    `edits`: what people fixed in its cells. `rest_of`: a run of the source that has ended; only the rows that it did
    not do are sent, by the mapping and the edits as they are now."""
    settings = with_sheet(path, settings, world)
    with target_of(settings, world) as target, opened(path, settings, world) as source:
        mapped = choose_mapping(source, settings)
        fix(source, mapped, settings, edits)
        mapping = survey(source, mapped, first_rows(settings))
        # Only the whole sheet shows in which columns a date was a range before a program changed it.
        fix(source, mapping, settings, edits)
        with Session(target, settings, world) as session:
            columns = partial(columns_of_a_run, source=source, settings=settings, session=session)
            begun = begin(
                source,
                mapping,
                settings,
                target,
                world,
                spooled=spooled,
                columns=columns,
                edits=edits,
                rest_of=rest_of,
            )
            with begun as job:
                return _carry_out(job, session)


@commands_completed
def resume(run_id: str | None, settings: Settings, given: Mapping[str, object], world: World) -> RunSummary:
    """Resumes a run: rows with an outcome are not sent again, batches that were in flight are sent as they were."""
    reports = Path(settings.reports_dir)
    with Journal.open(reports, settings.database or None) as journal:
        known = find(journal, run_id, unfinished=True)
        finished = f"Run {known.record.run_id} is already finished."
        if known.finished:
            world.observer.noted(finished)
            return nothing_left(journal, known, settings, world, finished)
        with reports_of_copy(journal, known, world, settings), resume_of(journal, known, settings, given, world) as job:
            if job.run.finished:
                world.observer.noted(finished)
                return nothing_left(journal, job.run, settings, world, finished)
            with Session(job.target, job.settings, job.world) as session:
                return _carry_out(job, session)


@commands_completed
def retry(run_id: str, settings: Settings, given: Mapping[str, object], world: World) -> RunSummary:
    """Begins a new run of the same source with only the rows that failed, are unknown or unprocessed. Without such rows
    there is no new run, and the summary of the old one is returned."""
    reports = Path(settings.reports_dir)
    with Journal.open(reports, settings.database or None) as journal:
        before = find(journal, run_id)
        if nothing_to_retry(journal, before, overwrite_newer=bool(given.get("overwrite_newer"))):
            return nothing_left(journal, before, settings, world, f"Run {run_id} has no rows to retry.")
        with (
            retry_of(journal, before, settings, given, world) as job,
            Session(job.target, job.settings, job.world) as session,
        ):
            return _carry_out(job, session)


@commands_completed
def report(run_id: str | None, settings: Settings, world: World, *, bundle: bool = False) -> RunSummary:
    """Writes the reports again, from the journal and the source; with `bundle` also one for a support ticket."""
    reports = Path(settings.reports_dir)
    with Journal.open(reports, settings.database or None) as journal:
        known = find(journal, run_id)
        if known.finished and known.record.spooled and not bundle and not Path(known.record.source).exists():
            return read_summary(reports / known.record.run_id)
        with source_of(journal, known, world, reports) as source:
            summary = again(journal, known, source, world, settings)
            return with_bundle(journal, known, source, summary, reports) if bundle else summary


# ---------------------------------------------------------------------------------------------------- one run


def _carry_out(job: Job, session: Session) -> RunSummary:
    """Sends the rows that have no outcome yet, then writes the reports."""
    observer = job.world.observer
    job.source.keep(True)
    observer.of_run(job.run.record.run_id)
    observer.begin(extent_of(job))
    try:
        with fewer_collections():
            sent = session.run(_send(job, session))
            session.close()
    finally:
        job.world.stopper.sent()
        observer.end()
    if sent.stop is not None and sent.stop.exit_code in (ExitCode.JOURNAL, ExitCode.BUSY):
        # What happened since can be in the journal of another process only.
        raise complete(sent.stop, job.settings, job.run.record.run_id)
    run = job.run_with(sent.progress)
    if not sent.rows_read and sent.stop is None:
        job.journal.finish(run.key, job.world.wall(), ExitCode.SOURCE, True, run.progress)
        job.source.keep(False)
        raise SourceError(
            f"{job.source.name} has column names but no rows.", "Export it again, with its rows.", code="no_rows"
        )
    summary = write_reports(job.journal, run, job.source, sent.stop, job.world, job.settings)
    job.source.keep(False)
    return summary


class Sent(msgspec.Struct, frozen=True):
    """A run after its sending. `stop`: None when every row has its outcome."""

    progress: RunProgress
    stop: ImporterError | None
    rows_read: int


async def _send(job: Job, session: Session) -> Sent:
    """The stages of sending, from the source to the journal."""
    journal, run, settings, world = job.journal, job.run, job.settings, job.world
    normaliser = normaliser_of(job.mapping, settings)
    unchanged = unchanged_filter_of(job)
    inherited = open_work(job, unchanged)
    selection = selection_of(job, inherited)
    rows = SheetFeed(job.source, normaliser, selection, world.wall, world.observer.rows_read, run.progress, unchanged)
    lanes = Lanes()
    chunker = chunker_of(job)
    admission = session.admission(world)
    rules = StopRules(settings.max_errors, settings.canary)
    engine = Engine(
        Schedule(lanes, chunker, settings.concurrency),
        rules,
        deadline_of(settings, world),
        admission.stopping,
        concurrency=settings.concurrency,
        clock=world.clock,
        sleep=world.sleep,
    )
    _stop_when_asked(job, engine, admission)
    async with Scribe(journal, run.key) as scribe:
        next_attempt = journal.last_attempt(run.key) + 1
        settlement = Settlement(scribe, chunker, world.observer, world.clock, run.progress, next_attempt)
        stages = Stages(lanes, chunker, session.client, admission, rules, settlement, engine)
        stop = await send_rows(rows, inherited, stages)
    return Sent(settlement.progress, stop, rows.rows)


def _stop_when_asked(job: Job, engine: Engine, admission: Admission) -> None:
    """A request to stop, from a signal handler or another thread, reaches the event loop."""
    world, run_id = job.world, job.run.record.run_id
    loop = asyncio.get_running_loop()
    reason = Stop(ExitCode.INTERRUPTED, "The run was interrupted.", "Resume with `importer resume`.", on_page="")
    world.stopper.listen(lambda: loop.call_soon_threadsafe(engine.stop, reason), run_id, lambda: admission.in_flight)
    if world.stopper.asked:
        engine.stop(reason)


# ---------------------------------------------------------------------------------------------------- the road of a row


class Stages(msgspec.Struct, frozen=True):
    """What a row passes between the reader and the journal."""

    lanes: Lanes
    chunker: Chunker
    client: Client
    admission: Admission
    rules: StopRules
    settlement: Settlement
    engine: Engine


async def send_rows(rows: Feed, inherited: Sequence[Work], stages: Stages) -> ImporterError | None:
    """Sends each row once and writes its outcome down. `inherited`: batches of an earlier process, sent first as they
    were. Returns None when every row has its outcome, else the stop."""
    lanes, chunker, settlement, engine = stages.lanes, stages.chunker, stages.settlement, stages.engine

    async def portions() -> AsyncIterator[Sequence[Customer]]:
        async for portion in rows:  # read, mapped and normalised, by the feed's thread
            await settlement.take(portion)  # rejected and skipped rows have their outcome
            for keys in portion.links:
                lanes.link(keys)
            stages.rules.fed(portion.customers)
            yield portion.customers

    async def send(work: Work) -> None:
        work = await settlement.open(work)  # in the journal before it is sent
        if chunker.too_large(work.batch) and not work.doubt:
            await _record(work, None, halved(work), stages)
            return
        try:
            asked = await _ask(work, stages)
        except Stopping:
            await settlement.withdraw(work)
            return
        await _record(work, asked, _decide(work, asked, stages), stages)

    engine.inherit(inherited)
    await settlement.inherit(inherited)
    stop = await engine.run(portions(), send)
    await settlement.end(stop, engine.waiting)
    return stop


async def _ask(work: Work, stages: Stages) -> Asked[Reply]:
    """Sends a batch once, when rate, breaker and pause allow. Raises `Stopping`."""

    async def question(written: Callable[[], None]) -> Reply:
        def leaves() -> None:
            written()
            stages.settlement.sent(work)

        one_row = len(work.batch.customers) == 1
        return await stages.client.set_preferences(work.batch.body, leaves, one_row=one_row)

    return await stages.admission.ask(question, partial(stages.engine.sent, work))


def _decide(work: Work, asked: Asked[Reply], stages: Stages) -> Decision:
    """What the reply teaches for later requests, and what it means for the rows of this one."""
    reply = asked.reply
    learnt = stages.admission.learn(work, asked)
    stages.engine.stop(learnt)
    stop = stages.rules.learn(work, reply) or learnt
    rulings = reconcile(work.batch.customers, reply.items or ()) if isinstance(reply, Reply) else ()
    down, variables = stages.admission.server_down, stages.client.variables
    decision = decide(work, reply, rulings, server_down=down, stop=stop, variables=variables)
    # Before anything is written down: the next requests must not be sent.
    stages.engine.stop(decision.stop)
    return decision


async def _record(work: Work, asked: Asked[Reply] | None, decision: Decision, stages: Stages) -> None:
    """Writes a decision to the journal; only then a customer's next row and the batches that follow may be sent."""
    settled = stages.settlement.settle(work, asked, decision)
    delayed = [(part, stages.admission.back_off(follow_up.back_off)) for part, follow_up in settled.works]
    stages.engine.stop(stages.rules.settled(work.root, settled.more, settled.outcomes, decision.refused_alone))
    await stages.settlement.write(work, decision, settled)
    stages.engine.settled(work, [one.customer for one in decision.decided], delayed)
