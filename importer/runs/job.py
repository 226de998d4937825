"""A run with all that it needs, locked: a new one, one that is resumed, one that is retried."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from importer.errors import JournalError, SettingsError
from importer.journal import Journal, Run, RunProgress
from importer.journal.edits import edits_of
from importer.journal.records import Pacing
from importer.model import BY_NEWER, LEFT_OUT, Status
from importer.normaliser.countries import known_country
from importer.normaliser.fixing import Edits
from importer.normaliser.mapping import Mapping as ColumnMapping
from importer.reader import Source
from importer.runs.fields import Columns
from importer.runs.locks import hold
from importer.runs.newer import check_newer, check_same_sheet
from importer.runs.record import (
    at_home,
    check_resubmit,
    check_unchanged,
    find,
    identity_of,
    mapping_of,
    new_record,
    refuse_unfinished,
    settings_of,
)
from importer.runs.sources import fix_as, opened
from importer.runs.target import Target, target_of
from importer.settings.commands import command
from importer.settings.options import Settings
from importer.system.clock import stamp
from importer.system.files import near
from importer.world import Proof, World


class Job(msgspec.Struct, frozen=True):
    """`left_out`: a byte per row number, 1 where a row is not sent although it has no outcome; None: no such row."""

    journal: Journal
    run: Run
    source: Source
    mapping: ColumnMapping
    settings: Settings
    target: Target
    world: World
    left_out: bytearray | None = None

    def run_with(self, progress: RunProgress) -> Run:
        """The run as it stands after its sending."""
        return msgspec.structs.replace(self.run, progress=progress)

    @property
    def reports(self) -> Path:
        return Path(self.settings.reports_dir)


@contextmanager
def begin(
    source: Source,
    mapping: ColumnMapping,
    settings: Settings,
    target: Target,
    world: World,
    *,
    spooled: bool,
    columns: Callable[[ColumnMapping], Columns] = Columns,
    edits: Edits | None = None,
    rest_of: str = "",
) -> Iterator[Job]:
    """A new run, written to the journal and locked. Raises `ImporterError` where none can begin. `columns`: the
    mapping for the organisation's fields, asked once nothing else prevents the run. `rest_of`: as in `run`."""
    check_resubmit(source, settings)
    # Refused before there is a run, which would be in the way of the next one with the right country.
    if settings.country:
        known_country(settings.country)
    reports = Path(settings.reports_dir)
    identity = identity_of(source, target.organisation, spooled)
    with Journal.open(reports, settings.database or None) as journal, hold(journal, reports, identity) as held:
        replaced = refuse_unfinished(journal, identity, source.sha256, settings, settings.restart)
        if rest_of:
            _check_rest(journal, find(journal, rest_of), source, settings, target)
        fitted = columns(mapping)
        if replaced is not None:
            journal.abandon(replaced.key)
        record = new_record(
            source,
            fitted.mapping,
            settings,
            base_url=target.name,
            key_name=target.credentials.name,
            at=world.wall(),
            spooled=spooled,
            retry_of=rest_of,
            fixed=bool(rest_of),
        )
        known = () if rest_of else _note_if_known(journal, source, target.organisation, world)
        for note in fitted.notes:
            world.observer.noted(note)
        notes = (*known, *mapping.facts.notes, *fitted.notes)
        run = journal.create(record, identity, RunProgress(notes=notes), edits)
        closed = _closed_before(journal, run, settings)
        yield Job(journal, run, source, fitted.mapping, settings, target, holding(world, held), closed)


def _check_rest(journal: Journal, before: Run, source: Source, own: Settings, target: Target) -> None:
    """Raise `ImporterError` where rows of an earlier run cannot be sent by a new one."""
    _refuse_other_organisation(journal, before, target, own)
    check_unchanged(before, source, own)
    if source.sheet != before.record.sheet:
        raise SettingsError(
            f"Run {before.record.run_id} imported the sheet “{before.record.sheet}”, not “{source.sheet}”.",
            "Import this sheet as a whole.",
        )
    if not own.overwrite_newer:
        check_newer(journal, before)
        check_same_sheet(journal, before)


@contextmanager
def resume_of(
    journal: Journal, known: Run, asked: Settings, given: Mapping[str, object], world: World
) -> Iterator[Job]:
    """A run that another process began. It may be finished by the time the lock is free."""
    reports = Path(asked.reports_dir)
    own = at_home(settings_of(known, dict(given)), asked)
    with _opened_again(known, own, world) as source:
        check_unchanged(known, source, own)
        fix_as(journal, known, source)
        before = identity_of(source, known.record.organisation, known.record.spooled)
        with hold(journal, reports, before) as held, target_of(own, world) as target, ExitStack() as stack:
            run = find(journal, known.record.run_id)
            if not run.finished and target.organisation != run.record.organisation:
                _refuse_other_organisation(journal, run, target, own)
                record = msgspec.structs.replace(run.record, key_name=target.credentials.name)
                identity = identity_of(source, record.organisation, record.spooled)
                world = holding(world, stack.enter_context(hold(journal, reports, identity)))
                journal.rewrite(run, record, identity)
                run = find(journal, record.run_id)
            if not run.finished and not own.overwrite_newer:
                check_newer(journal, run)
                if run.record.retry_of:
                    check_same_sheet(journal, run)
            left_out = _closed_before(journal, run, own)
            run = _paced(journal, run, own)
            yield Job(journal, run, source, mapping_of(run), own, target, holding(world, held), left_out)


@contextmanager
def retry_of(
    journal: Journal, before: Run, asked: Settings, given: Mapping[str, object], world: World
) -> Iterator[Job]:
    """A new run of the rows that another run left open. `given` must ask again to overwrite newer values: a newer run
    may have begun since the last one."""
    reports = Path(asked.reports_dir)
    own = at_home(settings_of(before, {"overwrite_newer": False, **given}), asked)
    with opened(before.record.source, own, world) as source, target_of(own, world) as target:
        _refuse_other_organisation(journal, before, target, own)
        check_unchanged(before, source, own)
        fix_as(journal, before, source)
        identity = identity_of(source, before.record.organisation, before.record.spooled)
        with hold(journal, reports, identity) as held:
            if not before.finished:
                refuse_unfinished(journal, identity, source.sha256, own, restart=False)
            if not own.overwrite_newer:
                check_newer(journal, before)
                check_same_sheet(journal, before)
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
            run = journal.create(record, identity, edits=edits_of(journal, before))
            yield Job(
                journal, run, source, mapping, own, target, holding(world, held), _closed_before(journal, run, own)
            )


def _paced(journal: Journal, run: Run, own: Settings) -> Run:
    """The run with the rate that its resume has: what was sent before says nothing about it."""
    before = run.progress.pacing
    known = run.record.settings
    rate, burst = (before.rate, before.burst) if before else (known.rate.word, known.burst)
    if (own.rate.word, own.burst) == (rate, burst):
        return run
    sent, seconds = journal.requests(run.key).sent, run.progress.sending_seconds
    pacing = Pacing(own.rate.word, own.rate.unit, own.burst, sent, seconds)
    return msgspec.structs.replace(run, progress=msgspec.structs.replace(run.progress, pacing=pacing))


def holding(world: World, held: Proof) -> World:
    """The world of a process that holds a lock: no request is sent without it."""
    return msgspec.structs.replace(world, proofs=(*world.proofs, held))


def _opened_again(known: Run, own: Settings, world: World) -> Source:
    """The source of a run that is to be resumed. Raises as `opened`; on a full disk it names the command to repeat."""
    try:
        return opened(known.record.source, own, world)
    except JournalError as error:
        advice = f"Free space, then resume with `{command(own, 'resume', known.record.run_id)}`."
        raise JournalError(error.message, advice, on_page=error.on_page) from error


def is_of_another(journal: Journal, run: Run, organisation: tuple[str, str]) -> bool:
    """Whether rows of the run may have been applied for another organisation, so that the others must not be sent for
    this one. Where the first credentials were refused, others may take their place."""
    if run.record.organisation == organisation:
        return False
    counts = journal.counts(run.key)
    answered = any(counts.get(status) for status in (Status.SUCCEEDED, Status.FAILED, Status.UNKNOWN))
    return answered or any(batch.doubt for batch in journal.open_batches(run.key))


def _refuse_other_organisation(journal: Journal, run: Run, target: Target, own: Settings) -> None:
    """Raise `SettingsError` where the credentials are not those of the run."""
    if is_of_another(journal, run, target.organisation):
        began = f"Run {run.record.run_id} began with the credentials of {run.record.key_name}"
        raise SettingsError(
            f"{began}; these are of {target.credentials.name}, which may be of another organisation.",
            f"Set the credentials of {run.record.key_name}, or import the file with "
            f"`{command(own, 'run', near(run.record.source))}`.",
            on_page="Ask the administrator of this page to set the credentials of that import, or upload the file.",
        )


def _closed_before(journal: Journal, run: Run, settings: Settings) -> bytearray | None:
    """For a retry: the rows that the run before it closed, which are not sent."""
    if not run.record.retry_of:
        return None
    before = find(journal, run.record.retry_of)
    closed = journal.decided(before.key, (Status.SUCCEEDED, Status.REJECTED, Status.SKIPPED))
    if run.record.fixed:
        decided = (journal.decided(before.key, (Status.REJECTED,)), journal.decided(before.key, codes=(LEFT_OUT,)))
        for marks in decided:
            for row, again in enumerate(marks):
                closed[row] &= not again
        for row in _edited_since(edits_of(journal, before) or Edits(), edits_of(journal, run) or Edits()):
            if row < len(closed):
                closed[row] = 0
    if settings.overwrite_newer:
        for row, left_out in enumerate(journal.decided(before.key, codes=BY_NEWER)):
            closed[row] &= not left_out
    return closed


def _edited_since(before: Edits, now: Edits) -> set[int]:
    """The rows with other edits, also those that succeeded."""
    cells = {row for row in before.cells.keys() | now.cells.keys() if before.cells.get(row) != now.cells.get(row)}
    return cells | (before.left_out ^ now.left_out)


def _note_if_known(journal: Journal, source: Source, organisation: tuple[str, str], world: World) -> tuple[str, ...]:
    """A file that was imported whole before is sent again, with a note."""
    known = journal.imported_whole(organisation, source.sha256)
    if known is None:
        return ()
    when = stamp(known.finished_at or known.record.started_at)
    text = f"{source.name} was already imported in run {known.record.run_id}, which ended at {when}; sending it again."
    world.observer.noted(text)
    return (text,)
