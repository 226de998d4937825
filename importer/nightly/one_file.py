"""One file's way: its run, its reports into the outbox, the file into done or failed.

The process may die after any step. The file stays in the inbox until its run has ended, and its claim exists until
everything is delivered; repeating a step does no harm.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

import msgspec

from importer.errors import ExitCode, ImporterError, SettingsError, internal_error
from importer.journal import Journal, Run
from importer.model import RunSummary
from importer.nightly.claims import Claim, ProfileFolder, folder_name
from importer.nightly.intake import put_reason
from importer.nightly.location import Entry, LocationDenied, NotRemoved
from importer.nightly.locations import Locations
from importer.nightly.state import FINISHED, FileResult, RunEnd, result_of
from importer.pipeline import report, resume, run
from importer.reporter import headline, read_summary
from importer.runs.job import is_of_another
from importer.runs.locks import hold
from importer.runs.record import identity_of_record
from importer.runs.target import organisation_in
from importer.settings.commands import completed
from importer.settings.options import PACE, Settings
from importer.telemetry.log_observer import LogObserver
from importer.world import Proof, World

Action = Literal["import", "resume", "deliver", "hold"]


def action_for(known: Run | None) -> Action:
    """What to do with a claimed file, by the newest run of it."""
    if known is None:
        return "import"
    if not known.finished:
        # Resumed automatically, a run that max-errors stopped would send the failing rows again at every load.
        return "hold" if known.exit_code == ExitCode.TOO_MANY_ERRORS else "resume"
    return "deliver" if known.exit_code in FINISHED else "import"


class Delivery(msgspec.Struct, frozen=True):
    """The result of a delivered file. `stays`: what could not be removed from the inbox. `note`: why."""

    result: FileResult
    stays: tuple[Entry, ...] = ()
    note: str = ""


class FileLoader:
    """Loads and delivers the claimed files of a profile."""

    def __init__(self, settings: Settings, world: World, watch: LogObserver, locations: Locations) -> None:
        """`watch`: the observer of `world`, which also logs the end of each run."""
        self._settings = settings
        self._world = world
        #: As `World.proofs`.
        self.proofs: tuple[Proof, ...] = ()
        self._watch = watch
        self._locations = locations
        self._reports = Path(settings.reports_dir)

    # ------------------------------------------------------------------------------------------------ the run

    def load(self, claim: Claim, closes: int | None) -> tuple[FileResult, RunEnd | None]:
        """Run the file, or resume its run. `closes`: when the window closes. Raises nothing: the result has the exit
        code."""
        try:
            world = msgspec.structs.replace(self._world, window_closes_at=closes, proofs=self.proofs)
            return self._load(claim, world)
        except ImporterError as error:
            what = "unreadable" if error.exit_code is ExitCode.SOURCE else "stopped"
            return FileResult(claim.name, what, int(error.exit_code), message=str(error)), None
        except Exception as error:
            message = str(internal_error(error))
            if self._is_of_the_file(claim, error):
                return FileResult(claim.name, "unreadable", int(ExitCode.SOURCE), message=message), None
            return FileResult(claim.name, "stopped", int(ExitCode.INTERNAL), message=message), None

    def _is_of_the_file(self, claim: Claim, error: Exception) -> bool:
        """Whether an unexpected error belongs to the file: it was being opened, and no run of it has begun."""
        if isinstance(error, OSError | ImportError):
            return False  # of this machine, or of the installation
        try:
            with self._journal() as journal:
                known = journal.of_source(str(claim.path))
        except ImporterError:
            return False
        return known is None or known.finished

    def _load(self, claim: Claim, world: World) -> tuple[FileResult, RunEnd | None]:
        path = str(claim.path)
        with self._journal() as journal:
            known = journal.of_source(path)
            if known is not None and not known.finished and is_of_another(journal, known, self._organisation()):
                # The profile has other credentials now. To resume would be refused at every load.
                journal.abandon(known.key)
                known = None
            digest = _digest(claim.path) if known is None else ""
            known = known or self._left_by_another(journal, claim, digest)
            earlier = self._earlier_import(journal, claim, digest) if known is None else None
        if earlier is not None:
            message = f"The same content was imported in run {earlier.record.run_id}. It was not imported again."
            return FileResult(claim.name, "repeated", int(ExitCode.OK), message=message), None
        action = action_for(known)
        if known is None or action == "import":
            return self._ended(claim, "imported", run(path, self._settings, world))
        run_id = known.record.run_id
        if action == "hold":
            return self._held(claim, run_id), None
        if action == "resume":
            pace = {name: getattr(self._settings, name) for name in PACE}
            return self._ended(claim, "resumed", resume(run_id, self._settings, pace, world))
        summary = self._summary_of(run_id)
        return result_of(claim.name, "delivered", summary, headline(summary)), None

    def _ended(self, claim: Claim, what: str, summary: RunSummary) -> tuple[FileResult, RunEnd]:
        self._watch.ended(summary)
        end = RunEnd(summary, self._watch.paused_seconds, self._world.wall())
        return result_of(claim.name, what, summary, headline(summary)), end

    def _held(self, claim: Claim, run_id: str) -> FileResult:
        if not self._is_in_inbox(claim):
            message = f"Too many rows of run {run_id} failed, and the file was removed or replaced. The run is closed."
            return FileResult(claim.name, "given up", int(ExitCode.OK), message=message)
        message = (
            f"Too many rows of run {run_id} failed. Check its reports, then run `importer resume {run_id}`, or remove "
            "or replace the file."
        )
        message = completed(message, self._settings)
        return FileResult(claim.name, "held", int(ExitCode.TOO_MANY_ERRORS), message=message)

    def _is_in_inbox(self, claim: Claim) -> bool:
        """Whether the inbox still has the file that was taken, unchanged."""
        return self._locations.get("inbox").entry(claim.name) == claim.entry

    def _summary_of(self, run_id: str) -> RunSummary:
        try:
            return read_summary(self._reports / run_id)
        except SettingsError:
            return report(run_id, self._settings, self._world)

    def _left_by_another(self, journal: Journal, claim: Claim, digest: str) -> Run | None:
        """The unfinished run of this content that another machine began from its own claim, now with this one's copy.

        The file stays in the inbox until its run has ended. Imported from its first row, it would set back the values
        that the other machine has sent.
        """
        place = (".nightly", folder_name(self._settings.profile))
        for known in journal.unfinished_of(self._organisation(), digest):
            if Path(known.record.source).parts[-4:-2] == place:
                record = msgspec.structs.replace(known.record, source=str(claim.path))
                with hold(journal, self._reports, journal.identity(known.key)):
                    journal.rewrite(known, record, identity_of_record(record))
                return journal.run(record.run_id)
        return None

    def _earlier_import(self, journal: Journal, claim: Claim, digest: str) -> Run | None:
        """The newest run of the profile with the same content. With `repeat = "import"`, only a run of this very file:
        another machine took it too, and has imported it since."""
        settings = self._settings
        # Another profile feeds other fields.
        earlier = journal.imported(self._organisation(), digest)
        own = [run for run in earlier if run.record.settings.profile in ("", settings.profile)]
        if settings.nightly.repeat == "import":
            own = [run for run in own if run.record.started_at > claim.taken_at and _name(run) == claim.name]
        return own[0] if own else None

    def _organisation(self) -> tuple[str, str]:
        return organisation_in(self._settings, self._world.environ)

    def _journal(self) -> Journal:
        return Journal.open(self._reports, self._settings.database or None)

    # ------------------------------------------------------------------------------------------------ the delivery

    def deliver(self, folder: ProfileFolder, claim: Claim, result: FileResult) -> Delivery:
        """Put the reports into the outbox, move the file, and keep its copy with its run.

        A file whose run is to be resumed stays where it is, and so does its claim.
        """
        code = ExitCode(result.exit_code)
        if result.run_id and self._settings.nightly.outbox:
            self._put_reports(result.run_id)
        if code not in FINISHED and code is not ExitCode.SOURCE:
            return Delivery(result)
        where: Literal["done", "failed"] = "done" if code in FINISHED else "failed"
        to, name, stays, note = self._move(claim, where) if result.what != "given up" else ("", "", (), "")
        if code is ExitCode.SOURCE and name:
            put_reason(self._locations.get("failed"), name, result.message)
        self._close_run(claim, keep_copy=code is not ExitCode.SOURCE)
        folder.release(claim)
        return Delivery(msgspec.structs.replace(result, moved_to=f"{to}/{name}" if name else to), stays, note)

    def _put_reports(self, run_id: str) -> None:
        folder = self._reports / run_id
        names = sorted(path.name for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
        # The summary last: where it is, every file that it names is there.
        for name in sorted(names, key=lambda name: name == "summary.json"):
            self._locations.get("outbox").put(folder / name, f"{run_id}/{name}")

    def _move(self, claim: Claim, to: Literal["done", "failed"]) -> tuple[str, str, tuple[Entry, ...], str]:
        """Move the file out of the inbox: (location, new name, what stays in the inbox, why).

        The name is "" when it is not in the inbox, both are "" when the inbox has another file of that name, or when
        the file may not be moved.
        """
        inbox, location = self._locations.get("inbox"), self._locations.get(to)
        if inbox.entry(claim.name) is None:
            return to, "", (), ""
        if not self._is_in_inbox(claim):
            return "", "", (), ""
        try:
            # The marker first: alone, it would mark the next file of that name as complete.
            if claim.marker and inbox.entry(claim.marker) is not None:
                inbox.move(claim.marker, location)
            return to, inbox.move(claim.name, location), (), ""
        except LocationDenied as error:
            stays = tuple(entry for entry in inbox.list() if entry.name in (claim.name, claim.marker))
            note = f"{claim.name} was processed and stays in the inbox. It is not imported again. {error}"
            copied = error.copied if isinstance(error, NotRemoved) and claim.name == error.name else ""
            return (to if copied else ""), copied, stays, note

    def _close_run(self, claim: Claim, *, keep_copy: bool) -> None:
        """Finish the file's run for good, and move the copy of the file into the run's folder."""
        with self._journal() as journal:
            known = journal.of_source(str(claim.path))
            if known is None:
                return
            if not known.finished:
                journal.abandon(known.key)
            if keep_copy:
                source = (self._reports / known.record.run_id / "source").resolve()
                source.mkdir(mode=0o700, parents=True, exist_ok=True)
                # The journal first: a claim without its file is removed, and nothing would correct the journal later.
                moved = msgspec.structs.replace(known.record, source=str(source / claim.name))
                journal.rewrite(known, moved)
                claim.path.replace(source / claim.name)


def _name(run: Run) -> str:
    return Path(run.record.source).name


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
