"""The nightly load of one profile. `NightlyLoad._load` lists what happens, in order.

Unfinished runs are resumed first, then complete files of the inbox are imported and delivered. Each step returns a
record (`Step`); `state` folds the records into the report, the state of the profile and its memory.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from importer.errors import SHARED_ENDS, ExitCode, ImporterError, SettingsError, internal_error, worse
from importer.journal import Run
from importer.nightly.claims import Claim, ProfileFolder, folder_name
from importer.nightly.inbox import Inbox, Seen, day_of, in_window, is_expected, missing_file, read_inbox, why_odd
from importer.nightly.intake import Intake
from importer.nightly.load_log import LoadLog
from importer.nightly.locations import Locations
from importer.nightly.lock import exclusive
from importer.nightly.metrics import write_metrics
from importer.nightly.names import shown
from importer.nightly.one_file import FileLoader
from importer.nightly.remote import LocationAccess
from importer.nightly.state import (
    KEPT,
    ODD,
    FileResult,
    LoadReport,
    LoadState,
    Memory,
    Step,
    due_notice,
    held_back,
    in_state,
    is_idle,
    notified,
    remembered,
    report_of,
    state_after,
    with_later,
    with_state,
)
from importer.nightly.text import NoticeFacts, missing_text, notice_body, notice_subject
from importer.runs.purge import purge
from importer.settings.commands import completed
from importer.settings.options import Settings
from importer.system.clock import local_time, seconds_until, time_text, zone_of
from importer.telemetry.log import Log
from importer.telemetry.log_observer import LogObserver
from importer.telemetry.notices import Kind, send
from importer.world import World

#: Seconds between loads of `--watch`, and after a load that ended early.
WATCH_EVERY, WATCH_AFTER_PROBLEM = 60.0, 600.0
#: Level of the state → how a notice is shown.
NOTICE_KINDS: tuple[Kind, ...] = ("success", "warning", "failure")
#: Seconds of a run after which connections to the locations may be lost.
STALE_AFTER = 60.0


class NightlyLoad:
    """The nightly load of one profile. `sleep` waits seconds, or until the process is asked to stop."""

    def __init__(
        self,
        settings: Settings,
        world: World,
        log: Log,
        sleep: Callable[[float], object] | None = None,
        mistakes: Sequence[str] = (),
    ) -> None:
        """`mistakes`: of the settings. With one, the load does nothing but report them: it runs unattended."""
        if not settings.nightly.inbox and not mistakes:
            raise SettingsError("There is no inbox.", "Set inbox in a profile of importer.toml, or add --inbox.")
        self._settings = settings
        self._nightly = settings.nightly
        self._mistakes = mistakes
        log = log.bind(profile=settings.profile)
        self._log = LoadLog(log)
        self._woken = threading.Event()
        self._sleep = sleep or self._woken.wait
        watch = LogObserver(log, world.observer, world.clock)
        self._world = msgspec.structs.replace(world, observer=watch)
        self._reports = Path(settings.reports_dir)
        access = LocationAccess(world.environ, self._nightly.key_file, self._nightly.known_hosts)
        self._locations = Locations(self._nightly, access)
        self._files = FileLoader(settings, self._world, watch, self._locations)
        self._intake = Intake(self._locations, self._nightly.marker, world.wall)

    def once(self) -> LoadReport:
        """Load every complete file. Raises `Busy` when another process runs the nightly load of the profile."""
        self._listen()
        with exclusive(self._settings, self._mistakes) as held:
            self._files.proofs = held.proofs
            return self._load(held.blocked, settles=True)

    def watch(self, show: Callable[[LoadReport], None]) -> int:
        """Load once a minute until the process is asked to stop, and return the worst exit code.

        Raises `Busy` when another process runs the nightly load of the profile, or has taken it over.
        """
        worst: int = ExitCode.OK
        self._listen()
        with exclusive(self._settings, self._mistakes) as held:
            self._files.proofs = held.proofs
            while not self._world.stopper.asked:
                held.check()
                found = self._load(held.blocked, settles=False)
                if self._log.is_worth_showing("shown", found, found.notes):
                    show(found)
                worst = worse(worst, found.exit_code)
                if held.blocked is not None:
                    break
                if not self._world.stopper.asked:
                    self._sleep(_pause_after(found))
        return worst

    def _load(self, blocked: ImporterError | None, *, settles: bool) -> LoadReport:
        """A load, in order: files, state, notice, memory, metrics.

        `blocked`: why the load can only report. `settles`: wait once for new files to settle.
        """
        memory, steps = self._load_files(blocked, settles)
        found = report_of(self._settings.profile, steps)
        state = state_after(memory.state, found, warning=self._nightly.warning, critical=self._nightly.critical)
        own = state_after(LoadState(), found, warning=self._nightly.warning, critical=self._nightly.critical)
        memory, notice = self._notify(in_state(memory, state), found, watches=not settles)
        # A load that found nothing to do is OK, whatever the state of the profile is.
        found = with_state(found, own)
        later = [notice, *self._remember(memory, purges=blocked is None, notes=found.notes)]
        found = with_later(found, later)
        found = with_later(found, [self._write_metrics(found, state.level, [*steps, *later])])
        self._locations.close()
        self._log.load_ends(found, always=settles)
        return found

    # ------------------------------------------------------------------------------------------------ the files

    def _load_files(self, blocked: ImporterError | None, settles: bool) -> tuple[Memory, list[Step]]:
        """(the memory after the steps, the steps)."""
        memory, steps = Memory(), []
        try:
            folder = ProfileFolder(self._reports, self._settings.profile)
            folder.reserve_space()
            memory = folder.memory()
            if blocked is not None:
                raise blocked
            for step in self._steps(folder, memory, settles):
                steps.append(step)  # noqa: PERF402 - an error later must not lose the steps before it
            steps += self._expected(remembered(memory, steps), steps)
            if self._world.stopper.asked:
                steps.append(Step(ExitCode.INTERRUPTED))
        except ImporterError as error:
            steps.append(self._log.problem(error))
        except Exception as error:
            steps.append(self._log.problem(internal_error(error)))
        return remembered(memory, steps), steps

    def _steps(self, folder: ProfileFolder, memory: Memory, settles: bool) -> Iterator[Step]:
        settings, wall = self._settings, self._world.wall
        now = wall()
        closes = now + int(seconds_until(settings.until, now, settings.time_zone) * 1000) if settings.until else None
        is_open = in_window(self._nightly, settings.until, now, settings.time_zone)
        results: list[FileResult] = []

        def held() -> ExitCode | None:
            asked = self._world.stopper.asked
            return held_back(stopping=asked, in_window=is_open, results=results, closes=closes, now=wall())

        for claim in folder.claims():
            # Again: the process that took the file may have died before it could remember the arrival.
            yield self._arrival(claim)
            if (code := held()) is not None:
                yield Step(code)
                continue
            yield (step := self._load_file(folder, claim, closes))
            memory = remembered(memory, [step])
            results += step.files
        inbox = Inbox(seen=memory.seen)
        for inbox in self._listings(folder, memory, settles and is_open):
            yield Step(seen=inbox.seen, kept=inbox.kept)
        yield Step(incomplete=inbox.incomplete)
        yield self._odd(inbox)
        for entry in inbox.complete:
            if (code := held()) is not None:
                yield Step(code, left=(shown(entry.name),))
                continue
            taken = self._intake.take(folder, entry)
            if isinstance(taken, FileResult):
                yield self._not_taken(taken)
                continue
            yield Step(taken=entry.name)
            if taken is None:
                self._log.log.info("file changed during the copy", file=shown(entry.name))
                yield Step(left=(shown(entry.name),))
                continue
            yield self._arrival(taken)
            yield (step := self._load_file(folder, taken, closes))
            results += step.files

    def _listings(self, folder: ProfileFolder, memory: Memory, settles: bool) -> Iterator[Inbox]:
        """One listing of the inbox, or two: new files get the time to settle once."""
        claimed = {claim.entry for claim in folder.claims()}

        def listing(seen: dict[str, Seen]) -> Inbox:
            entries = self._locations.get("inbox").list()
            return read_inbox(entries, seen, claimed, self._nightly, self._world.wall(), memory.kept)

        yield (inbox := listing(memory.seen))
        if inbox.incomplete and settles and self._nightly.settle:
            self._sleep(self._nightly.settle)
            yield (inbox := listing(inbox.seen))
        self._log.incomplete(inbox.incomplete)

    def _odd(self, inbox: Inbox) -> Step:
        """Report entries that are never opened."""
        notes = tuple(map(why_odd, inbox.odd))
        self._log.notes("odd", notes)
        return Step(reasons=(ODD,) if notes else (), notes=notes)

    def _not_taken(self, result: FileResult) -> Step:
        self._log.file_ends(result)
        if not result.moved_to:
            return Step(result.exit_code, files=(result,), left=(result.name,))
        arrived = self._arrived(result.name, self._world.wall())
        return Step(result.exit_code, files=(result,), taken=result.name, arrived=arrived)

    def _arrival(self, claim: Claim) -> Step:
        return Step(arrived=self._arrived(claim.name, claim.taken_at))

    def _arrived(self, name: str, at: int) -> tuple[str, str] | None:
        if not is_expected(name):
            return None
        return day_of(name, at, self._nightly, self._settings.until, self._settings.time_zone), name

    def _load_file(self, folder: ProfileFolder, claim: Claim, closes: int | None) -> Step:
        """Import or resume one file, then deliver it."""
        began = self._world.clock()
        result, run = self._files.load(claim, closes)
        self._listen()  # the run has listened itself
        if self._world.clock() - began >= STALE_AFTER:
            self._locations.close()
        problem = Step()
        try:
            delivery = self._files.deliver(folder, claim, result)
            result = delivery.result
            if delivery.note:
                self._log.log.warning("note", text=delivery.note)
                problem = Step(reasons=(KEPT,), notes=(delivery.note,), stays=delivery.stays)
        except ImporterError as error:
            # The claim is kept: the next load delivers it.
            problem = self._log.problem(error)
        except Exception as error:
            problem = self._log.problem(internal_error(error))
        self._log.file_ends(result)
        return msgspec.structs.replace(
            problem,
            exit_code=worse(problem.exit_code, result.exit_code),
            files=(result,),
            runs=(run,) if run is not None else (),
        )

    def _expected(self, memory: Memory, steps: Sequence[Step]) -> list[Step]:
        """A step for the expected file when it is missing past its time."""
        missing = missing_file(
            self._nightly,
            self._settings.until,
            self._world.wall(),
            self._settings.time_zone,
            arrived=memory.arrived,
            incomplete=[name for step in steps for name in step.incomplete],
            left=[name for step in steps for name in step.left],
        )
        if missing is None:
            return []
        if self._log.is_news("file is missing", missing):
            self._log.log.error("file is missing", file=missing.name, expected_by=self._nightly.expect_by)
        text = missing_text(missing, self._nightly.expect_by)
        return [Step(ExitCode.SOURCE, missing=missing.name, notes=(text,))]

    # ------------------------------------------------------------------------------------------------ after the files

    def _notify(self, memory: Memory, found: LoadReport, *, watches: bool) -> tuple[Memory, Step]:
        """Notify of a change of state; once more at the next load when no address accepted the notice."""
        notice = due_notice(memory.notified, memory.state)
        if notice is None:
            return memory, Step()
        if not self._nightly.notices:
            return notified(memory), Step()
        subject = notice_subject(self._settings.profile, notice)
        body = memory.unsent if memory.unsent and is_idle(found) else ""
        facts = self._notice_facts(found, watches)
        body = body or completed(notice_body(with_state(found, memory.state), facts), self._settings)
        kind, insecure = NOTICE_KINDS[memory.level], self._settings.insecure
        sent = send(self._nightly.notices, subject, body, self._world.environ, kind, insecure=insecure)
        for failure in sent.failures:
            self._log.log.error("notice not sent", text=failure)
        if sent.accepted:
            self._log.log.info("notice sent", text=subject, accepted=sent.accepted)
            memory = notified(memory)
        else:
            memory = msgspec.structs.replace(memory, unsent=body)
        notes = tuple(f"Could not send a notice: {failure}." for failure in sent.failures)
        return memory, Step(notified=sent.accepted, failed_notices=len(sent.failures), notes=notes)

    def _notice_facts(self, found: LoadReport, watches: bool) -> NoticeFacts:
        again = "at the next start"
        if watches:
            at = self._world.wall() + int(_pause_after(found) * 1000)
            again = f"at {time_text(at, self._settings.time_zone)}"
        if self._nightly.not_before:
            now = local_time(self._world.wall(), self._settings.time_zone)
            again += f", not before {self._nightly.not_before} {zone_of(now)}"
        inbox = self._locations.get("inbox").shown if self._locations.is_open("inbox") else self._nightly.inbox
        target = self._settings.base_url or ("the sandbox" if self._settings.sandbox else "")
        return NoticeFacts(self._settings.profile, target, inbox, self._shown_reports(), again)

    def _shown_reports(self) -> str:
        if self._nightly.outbox and self._locations.is_open("outbox"):
            shown = self._locations.get("outbox").shown
        else:
            shown = str(self._reports)
        # Absolute: the recipient does not know the working directory.
        return shown if "://" in shown else str(Path(shown).resolve())

    def _remember(self, memory: Memory, *, purges: bool, notes: Iterable[str]) -> list[Step]:
        """Write the memory, and delete this profile's old runs as `importer purge` does."""
        try:
            ProfileFolder(self._reports, self._settings.profile).remember(memory)
            if purges and self._nightly.retention:
                purge(self._settings, self._nightly.retention, self._world, self._is_own)
        except ImporterError as error:
            return [self._log.problem(error, notes)]
        return []

    def _is_own(self, run: Run) -> bool:
        return run.finished and run.record.settings.profile == self._settings.profile

    def _write_metrics(self, found: LoadReport, level: int, steps: Sequence[Step]) -> Step:
        own = self._reports / ".nightly" / f"{folder_name(self._settings.profile)}.prom"
        path = Path(self._settings.metrics_file or own)
        wrong = write_metrics(path, found, level, steps, self._world.environ, self._world.wall())
        if not wrong:
            return Step()
        self._log.log.error("metrics not written", text=wrong)
        return Step(notes=(f"Metrics: {wrong}",))

    # ------------------------------------------------------------------------------------------------ helpers

    def _listen(self) -> None:
        # A request to stop ends the sleep.
        self._world.stopper.listen(self._woken.set)


def _pause_after(found: LoadReport) -> float:
    """Seconds until `--watch` loads again."""
    ended_early = found.exit_code and ExitCode(found.exit_code) in SHARED_ENDS | {ExitCode.INTERNAL}
    return WATCH_AFTER_PROBLEM if ended_early else WATCH_EVERY
