"""The nightly load: what lies in an inbox is run, moved, reported and told, and what a night left open is gone on with.

Every step may be the last before the process dies: a file is in the inbox until its run has ended, its copy is claimed
until everything is delivered, and each step that is done again does no harm.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from importer.capillary.credentials import from_environment
from importer.errors import Busy, ExitCode, ImporterError, SettingsError, badness, worse
from importer.journal import Journal, Run
from importer.model import RunSummary
from importer.nightly.claims import Claim, Desk, Memory, Seen, day_in, expected_day, in_window, past, word_of
from importer.nightly.locations import Access, Entry, Place, open_place, seen
from importer.nightly.notices import send
from importer.pipeline import report, resume, run
from importer.reporter import headline, read_summary
from importer.runs.locks import Lock, hold
from importer.runs.purge import purge
from importer.runs.record import PACE
from importer.settings.options import Settings
from importer.system.clock import seconds_until
from importer.system.files import write_whole
from importer.system.text import counted
from importer.telemetry.log import Log, mask
from importer.telemetry.log_observer import Watch
from importer.telemetry.metrics import Figures, export, load_figures, write_figures
from importer.world import World

WELL, WARNING, CRITICAL = 0, 1, 2
LEVELS = ("well", "warning", "critical")
#: How often `--watch` looks, seconds; and after a look that ended on what would happen at once again.
LOOK_EVERY, LOOK_AFTER_TROUBLE = 60.0, 600.0
#: A run that took so many seconds may have cost the connections to the places.
STALE_AFTER = 60.0
#: Beside a file in `failed`: why it is there.
_WHY = "why"
#: Most causes of a file in a notice.
_MOST_CAUSES = 3

#: Why a night is not well, by the exit code of a file or of the night.
REASONS: dict[int, str] = {
    ExitCode.OURS: "error",
    ExitCode.SETTINGS: "settings",
    ExitCode.REFUSED: "credentials",
    ExitCode.TROUBLE: "trouble",
    ExitCode.TOO_MANY_ERRORS: "errors",
    ExitCode.JOURNAL: "disk",
    ExitCode.SOURCE: "unreadable",
    ExitCode.CHANGED: "changed",
    ExitCode.TIME: "time",
    ExitCode.BUSY: "busy",
}
#: What would happen to the next file too: the others wait for the next night.
_ENDS_THE_NIGHT = frozenset(
    {
        ExitCode.OURS,
        ExitCode.SETTINGS,
        ExitCode.REFUSED,
        ExitCode.TROUBLE,
        ExitCode.JOURNAL,
        ExitCode.TIME,
        ExitCode.INTERRUPTED,
    }
)
_THROUGH = frozenset({ExitCode.OK, ExitCode.ROWS})


class FileResult(msgspec.Struct, frozen=True):
    """What became of one file. `what`: imported, resumed, delivered (its run had ended before), repeated, unreadable,
    stopped, held (max-errors stopped its run: a person must look first), given up (so was it, and the file is gone or
    another). `moved_to` "": it was not moved."""

    name: str
    what: str
    exit_code: int
    run_id: str = ""
    moved_to: str = ""
    message: str = ""
    not_imported_share: float = 0.0
    causes: tuple[str, ...] = ()


class NightReport(msgspec.Struct):
    """What a look at the inbox came to; also what `nightly --json` prints."""

    profile: str
    exit_code: int = 0
    state: str = "well"
    reasons: tuple[str, ...] = ()
    files: tuple[FileResult, ...] = ()
    #: Files left where they are: not complete, or not reached in time.
    waiting: tuple[str, ...] = ()
    #: The name of the expected file that is not there past its time.
    missing: str = ""
    told: int = 0
    #: What else a person should know: a notice that could not be sent, an outbox that could not be reached.
    notes: tuple[str, ...] = ()


# ---------------------------------------------------------------------------------------------------- looking


class Night:
    """One profile's nightly load. `sleep` waits seconds and is woken when somebody asks to stop."""

    def __init__(
        self,
        settings: Settings,
        world: World,
        log: Log,
        sleep: Callable[[float], None] | None = None,
        mistakes: Sequence[str] = (),
    ) -> None:
        """`mistakes`: of the settings. With one, nothing is done but to tell them: nobody watches."""
        if not settings.nightly.inbox and not mistakes:
            raise SettingsError("There is no inbox.", "Set inbox in a profile of importer.toml, or add --inbox PLACE.")
        self._settings = settings
        #: Why nothing can be done but to tell it.
        self._hindrance: ImporterError | None = (
            SettingsError("\n".join(mistakes), "Nothing is done until they are corrected.") if mistakes else None
        )
        self._nightly = settings.nightly
        self._log = log.bind(profile=settings.profile)
        self._woken = threading.Event()
        self._sleep = sleep or (lambda seconds: void(self._woken.wait(seconds)))
        self._watch = Watch(self._log, world.observer, world.clock)
        self._world = msgspec.structs.replace(world, observer=self._watch)
        self._reports = Path(settings.reports_dir)
        self._access = Access(world.environ, self._nightly.key_file, self._nightly.known_hosts)
        self._places: dict[str, Place] = {}
        #: What the last look said of what has not changed since, by event: a watch looks 1,440 times a day.
        self._said: dict[str, object] = {}

    def once(self) -> NightReport:
        """Takes everything that is complete, once. Raises `Busy` when another nightly of the profile is at work."""
        self._listen()
        with self._alone():
            return self._look(patient=True)

    def watch(self, shown: Callable[[NightReport], None]) -> int:
        """Stays and looks every minute until asked to stop. Returns the worst exit code."""
        worst = 0
        self._listen()
        with self._alone():
            while not self._world.stopper.asked:
                found = self._look(patient=False)
                if found.files or self._is_news("look", (found.exit_code, found.notes, found.missing)):
                    shown(found)
                worst = worse(worst, found.exit_code)
                if self._hindrance is not None:
                    break
                if not self._world.stopper.asked:
                    ended_early = found.exit_code and ExitCode(found.exit_code) in _ENDS_THE_NIGHT
                    self._sleep(LOOK_AFTER_TROUBLE if ended_early else LOOK_EVERY)
        return worst

    def _listen(self) -> None:
        """A wish to stop wakes whoever sleeps; while a run goes on it listens itself."""
        self._world.stopper.listen(self._woken.set)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """One nightly at a time for a profile, on all machines that share a database. Raises `Busy`.

        That this cannot be made sure is a hindrance like any other: nobody would read it if it were raised.
        """
        name = f"nightly {self._settings.profile}"
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(Lock(self._reports / ".locks", name))
                if self._settings.database:
                    journal = stack.enter_context(self._journal())
                    if journal.shared:
                        stack.enter_context(hold(journal, self._reports, name))
            except Busy as error:
                holder = error.holder or "Another process"
                whose = self._settings.profile or "this folder"
                raise Busy(f"{holder} is already the nightly of {whose}.", "It goes on by itself.") from None
            except ImporterError as error:
                self._hindrance = self._hindrance or error
            yield

    def _place(self, word: str) -> Place:
        """The inbox, or where something goes: opened once a look."""
        if word not in self._places:
            address = getattr(self._nightly, word)
            if address:
                beside = self._places.get("inbox")
                self._places[word] = open_place(address, self._access, beside)
            else:
                self._places[word] = self._place("inbox").sub(word)
        return self._places[word]

    def _leave(self) -> None:
        """Closes the places: whoever needs one opens it anew."""
        for place in self._places.values():
            place.close()
        self._places.clear()

    def _is_news(self, event: str, fact: object) -> bool:
        """Whether this is not what was said of it last."""
        was, self._said[event] = self._said.get(event), fact
        return was != fact

    def _look(self, *, patient: bool) -> NightReport:
        found = NightReport(self._settings.profile)
        figures = load_figures(self._figures_path(), self._settings.profile)
        memory = Memory()
        try:
            desk = Desk(self._reports, self._settings.profile)
            desk.keep_room()
            memory = desk.memory()
            if self._hindrance is not None:
                raise self._hindrance
            self._work(desk, memory, found, figures, patient)
        except ImporterError as error:
            self._trouble(found, error)
        except Exception as error:
            # Nobody watches: an error of ours must be told like any other. Its text may hold a cell.
            self._trouble(found, ImporterError(f"An error of ours: {type(error).__name__}.", "Please report it."))
        self._judge(memory, found)
        self._tell(memory, found, figures)
        try:
            Desk(self._reports, self._settings.profile).remember(memory)
            if self._hindrance is None:
                self._retire()
        except ImporterError as error:
            self._trouble(found, error)
        self._write_figures(found, figures)
        self._leave()
        if patient or found.files or self._is_news("night ends", (found.exit_code, found.missing, found.waiting)):
            self._log.info(
                "night ends",
                exit_code=found.exit_code,
                state=found.state,
                files=len(found.files),
                waiting=len(found.waiting),
                missing=found.missing,
            )
        return found

    def _trouble(self, found: NightReport, error: ImporterError) -> None:
        found.exit_code = worse(found.exit_code, error.exit_code)
        found.reasons = tuple(dict.fromkeys([*found.reasons, REASONS.get(error.exit_code, "error")]))
        if str(error) in found.notes:
            return
        found.notes = (*found.notes, str(error))
        self._log.error("trouble", exit_code=int(error.exit_code), text=str(error))

    # ------------------------------------------------------------------------------------------------ working

    def _work(self, desk: Desk, memory: Memory, found: NightReport, figures: Figures, patient: bool) -> None:
        settings, wall = self._settings, self._world.wall
        began = wall()
        closes = began + seconds_until(settings.until, began, settings.time_zone) * 1000 if settings.until else None
        self._world.closes = int(closes) if closes is not None else None
        open_now = in_window(self._nightly, settings.until, began, settings.time_zone)

        def may_go_on() -> bool:
            if self._world.stopper.asked or not open_now:
                return False
            if any(ExitCode(result.exit_code) in _ENDS_THE_NIGHT for result in found.files):
                return False
            if closes is not None and wall() >= closes:
                found.exit_code = worse(found.exit_code, ExitCode.TIME)
                return False
            return True

        for claim in desk.claims():
            # Said again: whoever took it may have died before it was remembered.
            memory.arrive(self._day_of(claim.name, claim.taken_at), claim.name)
            if may_go_on():
                self._carry(desk, claim, found, figures)
        entries = self._complete(memory, found, desk.claims(), patient and open_now)
        incomplete = found.waiting
        for entry in entries:
            if not may_go_on():
                found.waiting = (*found.waiting, entry.name)
                continue
            marker = entry.name + self._nightly.marker if self._nightly.marker else ""
            taken = desk.take(self._place("inbox"), entry, marker, wall())
            memory.seen.pop(entry.name, None)
            if taken is None:
                self._log.info("file changed while it was taken", file=entry.name)
                found.waiting = (*found.waiting, entry.name)
                continue
            memory.arrive(self._day_of(taken.name, taken.taken_at), taken.name)
            self._carry(desk, taken, found, figures)
        self._expect(memory, found, incomplete)
        if self._world.stopper.asked:
            found.exit_code = worse(found.exit_code, ExitCode.INTERRUPTED)

    def _day_of(self, name: str, at: int) -> str:
        """The day a file is of; where its name does not tell, the day on which it was there."""
        day = day_in(name, self._nightly.pattern)
        return day or expected_day(self._nightly, at, self._settings.time_zone)[0]

    def _complete(self, memory: Memory, found: NightReport, claims: list[Claim], patient: bool) -> list[Entry]:
        """The files to take, in name order: settled or marked. With patience, what is new is waited for once."""
        claimed = {(claim.name, claim.size, claim.mark) for claim in claims}
        settled, waiting = self._settled(memory, claimed)
        if waiting and patient and not self._nightly.marker and self._nightly.settle:
            self._sleep(self._nightly.settle)
            settled, waiting = self._settled(memory, claimed)
        found.waiting = tuple(waiting)
        if self._is_news("waiting", waiting):
            for name in waiting:
                self._log.info("file is not complete", file=name)
        return settled

    def _settled(self, memory: Memory, claimed: set[tuple[str, int, str]]) -> tuple[list[Entry], list[str]]:
        listed = {entry.name: entry for entry in self._place("inbox").list()}
        now = self._world.wall()
        settled: list[Entry] = []
        waiting: list[Entry] = []
        before, memory.seen = memory.seen, {}
        for name, entry in sorted(listed.items()):
            if not self._wanted(name) or (name, entry.size, entry.mark) in claimed:
                continue
            known = before.get(name)
            if known is None or (known.size, known.mark) != (entry.size, entry.mark):
                known = Seen(entry.size, entry.mark, now)
            elif known.since > now:  # the clock was set back
                known = msgspec.structs.replace(known, since=now)
            memory.seen[name] = known
            if self._nightly.marker:
                well = name + self._nightly.marker in listed
            else:
                # Seen by our own clock: the server's may be wrong, and the sender may set the file's time.
                well = now - known.since >= self._nightly.settle * 1000
            (settled if well else waiting).append(entry)
        return settled, [entry.name for entry in waiting]

    def _wanted(self, name: str) -> bool:
        marker = self._nightly.marker
        return seen(name) and not (marker and name.endswith(marker)) and day_in(name, self._nightly.pattern) is not None

    def _expect(self, memory: Memory, found: NightReport, incomplete: Sequence[str]) -> None:
        """The expected file, missing past its time, is an alarm of its own."""
        nightly, now, zone = self._nightly, self._world.wall(), self._settings.time_zone
        if not nightly.expect_by or not past(nightly.expect_by, now, zone):
            return
        day, name = expected_day(nightly, now, zone)
        there = [waiting for waiting in found.waiting if self._day_of(waiting, now) == day]
        if day in memory.arrived or any(waiting not in incomplete for waiting in there):
            return
        found.missing = name
        found.exit_code = worse(found.exit_code, ExitCode.SOURCE)
        word = "is there but not complete" if there else "is not there"
        found.notes = (*found.notes, f"{name} {word}, expected by {nightly.expect_by}.")
        if self._is_news("missing", (day, name, word)):
            self._log.error("file is missing", file=name, expected_by=nightly.expect_by)

    # ------------------------------------------------------------------------------------------------ one file

    def _carry(self, desk: Desk, claim: Claim, found: NightReport, figures: Figures) -> None:
        """One claimed file through its run and to its place."""
        began = self._world.clock()
        result = self._run(claim, figures)
        if self._world.clock() - began >= STALE_AFTER:
            self._leave()
        try:
            result = self._deliver(desk, claim, result)
        except ImporterError as error:
            # The claim stays: the next look goes on with delivering.
            self._trouble(found, error)
        found.files = (*found.files, result)
        found.exit_code = worse(found.exit_code, result.exit_code)
        tell = self._log.info if result.exit_code == ExitCode.OK else self._log.warning
        tell(
            "file ends",
            file=claim.name,
            run=result.run_id,
            what=result.what,
            exit_code=result.exit_code,
            moved_to=result.moved_to,
            text=result.message,
        )

    def _run(self, claim: Claim, figures: Figures) -> FileResult:
        try:
            what, summary = self._outcome(claim)
        except ImporterError as error:
            what = "unreadable" if error.exit_code is ExitCode.SOURCE else "stopped"
            return FileResult(claim.name, what, int(error.exit_code), message=str(error))
        except Exception as error:
            # Its text may hold a cell: the kind is told, and the night ends.
            return FileResult(
                claim.name, "stopped", int(ExitCode.OURS), message=f"An error of ours: {type(error).__name__}."
            )
        finally:
            self._listen()
        if isinstance(summary, str):
            code = ExitCode.TOO_MANY_ERRORS if what == "held" else ExitCode.OK
            return FileResult(claim.name, what, int(code), message=summary)
        if what != "delivered":
            figures.run_ended(summary, self._watch.paused_seconds, self._world.wall())
            self._watch.ended(summary)
        rows = summary.rows
        wrong = rows.failed + rows.rejected + rows.unknown
        code = ExitCode(summary.exit_code)
        return FileResult(
            claim.name,
            what if code in _THROUGH else "unreadable" if code is ExitCode.SOURCE else "stopped",
            summary.exit_code,
            summary.run_id,
            message=headline(summary),
            not_imported_share=wrong / rows.read if rows.read else 0.0,
            causes=tuple(f"{cause.text} {cause.advice}".strip() for cause in summary.causes[:_MOST_CAUSES])
            or tuple(f"{counted(code.rows, 'row')}: {code.meaning}" for code in summary.codes[:_MOST_CAUSES]),
        )

    def _outcome(self, claim: Claim) -> tuple[str, RunSummary | str]:
        """What was done, and the run's summary, or why there is none."""
        settings, path = self._settings, str(claim.path)
        with self._journal() as journal:
            known = journal.of_source(path)
            before = None if known else self._imported_before(journal, claim)
        if known is not None and not known.finished:
            if known.exit_code == ExitCode.TOO_MANY_ERRORS:
                return self._held(claim, known.record.run_id)
            pace = {name: getattr(settings, name) for name in PACE}
            return "resumed", resume(known.record.run_id, settings, pace, self._world)
        if known is not None and known.exit_code is not None and ExitCode(known.exit_code) in _THROUGH:
            return "delivered", self._summary_of(known)
        if before is not None:
            return "repeated", f"The same content was imported by {before.record.run_id}; it was not imported again."
        return "imported", run(path, settings, self._world)

    def _held(self, claim: Claim, run_id: str) -> tuple[str, str]:
        """To go on by itself would send so many failing rows again each time."""
        if not self._is_there(claim):
            return "given up", f"The run {run_id} had been stopped by max-errors, and its file was taken away."
        return "held", (
            f"The run {run_id} was stopped by max-errors. Look at its reports, then type `importer resume {run_id}`, "
            "or take the file away or put another in its place."
        )

    def _is_there(self, claim: Claim) -> bool:
        """Whether the inbox still has the file that was taken."""
        now = self._place("inbox").look(claim.name)
        return now is not None and (now.size, now.mark) == (claim.size, claim.mark)

    def _summary_of(self, known: Run) -> RunSummary:
        try:
            return read_summary(self._reports / known.record.run_id)
        except SettingsError:
            return report(known.record.run_id, self._settings, self._world)

    def _imported_before(self, journal: Journal, claim: Claim) -> Run | None:
        if self._nightly.repeat == "import":
            return None
        with claim.path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        found = journal.imported("sandbox" if self._settings.sandbox else self._settings.base_url, digest)
        return next((run for run in found if self._is_ours(run)), None)

    def _is_ours(self, run: Run) -> bool:
        """Another profile's run of the same content fed other fields, or another organisation behind the address."""
        settings = self._settings
        if run.record.settings.get("profile", "") not in ("", settings.profile):
            return False
        return (
            settings.sandbox or run.record.key_name == from_environment(self._world.environ, settings.credentials).name
        )

    def _journal(self) -> Journal:
        return Journal.open(self._reports, self._settings.database or None)

    def _deliver(self, desk: Desk, claim: Claim, result: FileResult) -> FileResult:
        """Reports to the outbox, the file to its folder, its copy to its run; nothing of it where it must go on."""
        code = ExitCode(result.exit_code)
        if result.run_id and self._nightly.outbox:
            self._put_reports(result.run_id)
        if code not in _THROUGH and code is not ExitCode.SOURCE:
            return result
        moved = "" if result.what == "given up" else self._move(claim, "done" if code in _THROUGH else "failed")
        if code is ExitCode.SOURCE and "/" in moved:
            why = claim.path.with_name(f".{_WHY}.txt")
            write_whole(why, f"{result.message}\n".encode())
            self._place("failed").put(why, f"{moved.partition('/')[2]}.{_WHY}.txt")
        with self._journal() as journal:
            known = journal.of_source(str(claim.path))
            if known is not None and not known.finished:
                journal.abandon(known.key)
            if known is not None and code is not ExitCode.SOURCE:
                keep = (self._reports / known.record.run_id / "source").resolve()
                keep.mkdir(mode=0o700, parents=True, exist_ok=True)
                # First where it will be: a claim without its file is swept away, and nobody would say it later.
                journal.relocate(known, str(keep / claim.name))
                claim.path.replace(keep / claim.name)
        desk.release(claim)
        return msgspec.structs.replace(result, moved_to=moved)

    def _put_reports(self, run_id: str) -> None:
        folder = self._reports / run_id
        names = sorted(path.name for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
        # The summary last: where it stands, all that it names is there.
        for name in sorted(names, key=lambda name: name == "summary.json"):
            self._place("outbox").put(folder / name, f"{run_id}/{name}")

    def _move(self, claim: Claim, word: str) -> str:
        """Moves the file out of the inbox, if it is still the one that was taken; where it is now."""
        inbox, there = self._place("inbox"), self._place(word)
        if inbox.look(claim.name) is None:
            return word
        if not self._is_there(claim):
            return ""
        # The marker first: one that stayed alone would say of the next file of that name that it is complete.
        if claim.marker and inbox.look(claim.marker) is not None:
            inbox.move(claim.marker, there)
        moved = inbox.move(claim.name, there)
        return f"{word}/{moved}"

    # ------------------------------------------------------------------------------------------------ telling

    def _judge(self, memory: Memory, found: NightReport) -> None:
        """The state of the profile after this look. A look at which nothing happened leaves it as it was."""
        reasons = list(found.reasons)
        level = CRITICAL if reasons else WELL
        for result in found.files:
            if result.exit_code in REASONS:
                level = CRITICAL
                reasons.append(REASONS[result.exit_code])
            elif result.exit_code == ExitCode.ROWS and result.not_imported_share >= self._nightly.warning:
                critical = result.not_imported_share >= self._nightly.critical
                level = max(level, CRITICAL if critical else WARNING)
                reasons.append("rows")
        if found.missing:
            level = CRITICAL
            reasons.append("missing")
        if found.exit_code == ExitCode.TIME and "time" not in reasons:
            level = CRITICAL
            reasons.append("time")
        ended = any(result.exit_code != ExitCode.INTERRUPTED for result in found.files)
        if reasons or ended:
            memory.level, memory.reasons = level, tuple(sorted(set(reasons)))
        found.state, found.reasons = LEVELS[memory.level], memory.reasons

    def _tell(self, memory: Memory, found: NightReport, figures: Figures) -> None:
        """On a change of state only; told again while nobody took it."""
        state = (memory.level, memory.reasons)
        if state == (memory.told_level, memory.told_reasons):
            return
        if self._nightly.notices:
            was = memory.told_level
            title = f"importer {self._settings.profile or 'nightly'}: {_change(was, memory.level)}"
            sent = send(self._nightly.notices, title, notice_text(found, self._where()), self._world.environ)
            found.told = sent.taken
            for failure in sent.failures:
                found.notes = (*found.notes, f"A notice could not be sent: {failure}.")
                self._log.error("notice was not sent", text=failure)
                figures.add("importer_notices_failed_total", 1)
            if not sent.taken:
                return
            self._log.info("notice was sent", text=title, taken=sent.taken)
        memory.told_level, memory.told_reasons = state

    def _where(self) -> str:
        where = self._place("outbox").shown if self._nightly.outbox and "outbox" in self._places else str(self._reports)
        # Who reads it at night stands in no folder of this machine.
        return where if "://" in where else str(Path(where).resolve())

    def _figures_path(self) -> Path:
        if self._settings.metrics_file:
            return Path(self._settings.metrics_file)
        return self._reports / ".nightly" / f"{word_of(self._settings.profile)}.prom"

    def _write_figures(self, found: NightReport, figures: Figures) -> None:
        figures.set("importer_nightly_state", LEVELS.index(found.state))
        figures.set("importer_nightly_exit_code", found.exit_code)
        figures.set("importer_nightly_missing_file", 1 if found.missing else 0)
        figures.set("importer_nightly_waiting_files", len(found.waiting))
        figures.set("importer_nightly_timestamp_seconds", self._world.wall() / 1000)
        wrong = export(figures, self._world.environ)
        try:
            write_figures(self._figures_path(), figures)
        except SettingsError as error:
            wrong = f"{wrong} {error}".strip()
        if wrong:
            found.notes = (*found.notes, f"Metrics: {wrong}")
            self._log.error("metrics were not written", text=wrong)

    def _retire(self) -> None:
        """Purges this profile's runs that ended long ago, as `importer purge` does."""
        if self._nightly.retention:
            purge(self._settings, self._nightly.retention, self._world, self._mine)

    def _mine(self, run: Run) -> bool:
        return run.finished and run.record.settings.get("profile", "") == self._settings.profile


def void(_: object) -> None:
    """For a value that nobody wants."""


def _change(was: int, now: int) -> str:
    if now == WELL:
        return "is well again"
    return "went wrong" if now == CRITICAL else "went wrong for some rows" if was == WELL else "is better, not well"


_SENTENCES = {
    "error": "The importer itself failed.",
    "settings": "The settings are wrong; nothing was sent.",
    "credentials": "The server, or a place of files, refuses the credentials.",
    "trouble": "The server or a place of files did not answer.",
    "errors": "Too many rows failed; the run was stopped.",
    "disk": "The disk or the journal failed.",
    "unreadable": "A file cannot be read.",
    "changed": "A file changed while its run was open.",
    "time": "The night's time was over before everything was done.",
    "busy": "Another process is on a file.",
    "rows": "Rows were not imported.",
    "missing": "The expected file is missing.",
}


def notice_text(found: NightReport, reports: str) -> str:
    """What a notice says: why, then each file with its first causes, masked."""
    lines = [_SENTENCES[reason] for reason in found.reasons] or ["Everything was imported."]
    for result in _worst_first(found.files):
        lines += ["", f"{result.name}: {result.message}", *(f"  - {cause}" for cause in result.causes)]
    if found.notes:
        lines += ["", *found.notes]
    if found.waiting:
        lines += ["", "Still in the inbox: " + ", ".join(found.waiting)]
    return "\n".join([*(mask(line) for line in lines), "", f"Reports: {reports}", ""])


def _worst_first(files: Iterable[FileResult]) -> list[FileResult]:
    return sorted(files, key=lambda result: -badness(result.exit_code))[:10]


def night_text(found: NightReport) -> str:
    """The look in words, for a person."""
    lines = [f"{result.name}: {result.message}" for result in found.files]
    lines += [f"Still in the inbox: {name}" for name in found.waiting] + list(found.notes)
    if not lines:
        lines = ["Nothing to do."]
    return "\n".join(lines) + "\n"
