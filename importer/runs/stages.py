"""The stages of a run as its settings want them. `pipeline.py` puts them in their order."""

from __future__ import annotations

from collections.abc import Mapping as Pairs
from itertools import zip_longest
from typing import TYPE_CHECKING

from importer.chunker.batches import MAX_BYTES, Chunker, batch_of
from importer.journal import Change
from importer.journal.ledger import sent_by
from importer.journal.records import OpenBatch
from importer.model import OVERTAKEN, SENT_LATER, FieldDefinition, Outcome, Status, Work
from importer.normaliser.mapping import Mapping
from importer.normaliser.normaliser import Normaliser
from importer.observer import Extent
from importer.runs.job import Job
from importer.runs.later import later_rows
from importer.runs.newer import newer_runs
from importer.sender.feed import Selection, SheetFeed
from importer.sender.unchanged import Hasher, Overtakes, UnchangedFilter, sent_before
from importer.settings.options import Settings
from importer.system.clock import seconds_until
from importer.system.late import late
from importer.world import Deadline, World

if TYPE_CHECKING:
    from importer.sender.fingerprints import Fingerprints


def normaliser_of(
    mapping: Mapping, settings: Settings, fields: tuple[FieldDefinition, ...] | None = None
) -> Normaliser:
    """`fields`: the preferences that the organisation has defined, where they are known."""
    return Normaliser(
        mapping,
        country=settings.country or None,
        blank=settings.blank,
        fields=fields,
        invalid_identifiers=settings.invalid_identifiers,
    )


def first_rows(settings: Settings) -> int:
    """How many rows of the source matter, 0 for all."""
    return settings.skip_rows + settings.limit if settings.limit else 0


def chunker_of(job: Job) -> Chunker:
    """With the limits that the server has taught an earlier process of the run."""
    taught = job.run.progress
    return Chunker(
        min(job.settings.batch_size, taught.batch_size or job.settings.batch_size),
        taught.max_bytes or MAX_BYTES,
        next_id=job.journal.last_batch_id(job.run.key) + 1,
    )


def extent_of(job: Job) -> Extent:
    """How much there is to do now, for observers."""
    settings, rate = job.settings, job.settings.rate
    decided = job.journal.decided(job.run.key)
    before, rows = job.journal.counts(job.run.key), job.mapping.facts.rows
    left_out = sum(closed and not known for closed, known in zip_longest(job.left_out or b"", decided, fillvalue=0))
    to_send = max(rows - max(sum(before.values()), settings.skip_rows) - left_out, 0)
    if settings.limit:
        to_send = min(to_send, settings.limit)
    return Extent(job.source.name, rows, before, to_send, rate.count / rate.unit * chunker_of(job).batch_size)


def deadline_of(settings: Settings, world: World) -> Deadline | None:
    """When the run stops before its last row: the earliest of its deadlines."""
    if world.deadline is not None:
        # A call with several sources has one: it must not start over for each.
        return world.deadline
    found = []
    if settings.max_duration:
        found.append(Deadline(world.clock() + settings.max_duration, "--max-duration"))
    if settings.until:
        at = world.clock() + seconds_until(settings.until, world.wall(), settings.time_zone)
        found.append(Deadline(at, f"--until {settings.until}"))
    if world.window_closes_at is not None:
        # The window of a nightly load closes once: a run that begins a moment too late must not wait for tomorrow's.
        at = world.clock() + (world.window_closes_at - world.wall()) / 1000
        found.append(Deadline(at, f"--until {settings.until}"))
    return min(found, key=lambda deadline: deadline.at, default=None)


def unchanged_filter_of(job: Job) -> UnchangedFilter:
    """Gives customers their fingerprints for later runs. Leaves out the unchanged ones with `--only-changed`, and those
    for which newer runs or later rows of the sheet have set other values."""
    journal, run, settings = job.journal, job.run, job.settings
    hasher, wall = Hasher(journal.fingerprint_key), job.world.wall
    newer = [] if settings.overwrite_newer else [newer.key for newer in newer_runs(journal, run)]
    later = None
    if job.left_out is not None and not settings.overwrite_newer:
        later = later_rows(job, hasher, SheetFeed(job.source, normaliser_of(job.mapping, settings), Selection(), wall))
    if not settings.only_changed and not newer and later is None:
        return UnchangedFilter(hasher, None, (), wall)
    make: type[Fingerprints] = late("importer.sender.fingerprints", "Fingerprints")
    known = [make(sent) for sent in sent_before(journal, run)] if settings.only_changed else None
    overtakes: dict[str, Overtakes] = {}
    if newer:
        sent_since = make(sent_by(journal, newer, failed=False, unchanged=True))
        overtakes[OVERTAKEN] = lambda _, entries: sent_since.differ(entries)
    if later is not None:
        overtakes[SENT_LATER] = later
    return UnchangedFilter(hasher, known, sent_by(journal, [run.key]), wall, overtakes)


def open_work(job: Job, unchanged: UnchangedFilter) -> list[Work]:
    """The batches that an earlier process left open, made again from the source: same rows, same id, same bytes.
    Without the customers for which newer values were sent since."""
    batches = job.journal.open_batches(job.run.key)
    if not batches:
        return []
    decided = job.journal.decided(job.run.key)
    # Those without an outcome.
    left = [[rows for rows in batch.rows if not any(decided[rows[0] : rows[0] + 1])] for batch in batches]
    wanted = {row for customers in left for rows in customers for row in rows}
    normaliser = normaliser_of(job.mapping, job.settings)
    found = SheetFeed(job.source, normaliser, Selection(), job.world.wall).customers_of(wanted)
    works = []
    for batch, every in zip(batches, left, strict=True):
        gone = {row: "no_answer" for rows in every if rows[0] not in found for row in rows}
        customers = [found[rows[0]] for rows in every if rows[0] in found]
        again = []
        for customer, code in zip(customers, unchanged.overtaken(customers), strict=True):
            if code:
                gone |= dict.fromkeys(customer.row_numbers, code)
            else:
                again.append(customer)
        _give_up(job, batch, gone, whole=not again)
        if again:
            made = batch_of(batch.batch_id, unchanged.sent_again(again), batch.split_from, alone=batch.alone)
            works.append(Work(made, batch.batch_id, attempts=batch.attempts, doubt=batch.doubt, opened=True))
    return works


def _give_up(job: Job, batch: OpenBatch, codes: Pairs[int, str], *, whole: bool) -> None:
    """Rows of a batch that are not sent again: an earlier version sent them and this one rejects them, or a newer run
    has sent other values. The result of a request in doubt stays unknown. Rows that were certainly not applied are read
    again. `codes`: row → why."""
    at = job.world.wall()
    outcomes = [
        Outcome(row, Status.UNKNOWN, code, attempts=batch.attempts, at=at) for row, code in sorted(codes.items())
    ]
    if codes or whole:
        change = Change(outcomes=outcomes if batch.doubt else (), settled=(batch.batch_id,) if whole else ())
        job.journal.write([change], job.run.key)


def selection_of(job: Job, again: list[Work]) -> Selection:
    """The rows to read: those without an outcome that are in no open batch."""
    decided = job.journal.decided(job.run.key)
    rows = [row for work in again for customer in work.batch.customers for row in customer.row_numbers]
    decided.extend(bytes(max(max(rows, default=0) + 1 - len(decided), 0)))
    for row in rows:
        decided[row] = 1
    settings = job.settings
    return Selection(settings.skip_rows, settings.limit, decided, job.left_out, settings.resubmit)
