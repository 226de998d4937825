"""What a load logs. `--watch` loads 1,440 times a day: what stays the same is logged once."""

from __future__ import annotations

from collections.abc import Iterable

from importer.errors import ExitCode, ImporterError
from importer.nightly.state import REASONS, STANDING, FileResult, LoadReport, Step
from importer.telemetry.log import Log


class LoadLog:
    """The log of a profile's loads, which knows what was logged last."""

    def __init__(self, log: Log) -> None:
        self.log = log
        #: Event → the fact that was logged last.
        self._last: dict[str, object] = {}

    def is_news(self, event: str, fact: object) -> bool:
        """Whether the fact differs from the one given last for the event."""
        before, self._last[event] = self._last.get(event), fact
        return before != fact

    def is_worth_showing(self, event: str, found: LoadReport, more: object) -> bool:
        """Whether a file was processed, or something else differs from the last load."""
        standing = tuple(file for file in found.files if file.what in STANDING)
        is_news = self.is_news(event, (found.exit_code, found.missing, standing, more))
        return is_news or len(standing) < len(found.files)

    def incomplete(self, names: tuple[str, ...]) -> None:
        if self.is_news("file is not complete", names):
            for name in names:
                self.log.info("file is not complete", file=name)

    def notes(self, event: str, notes: tuple[str, ...]) -> None:
        if self.is_news(event, notes):
            for note in notes:
                self.log.warning("note", text=note)

    def file_ends(self, result: FileResult) -> None:
        if not self.is_news(f"file {result.name}", result) and result.what in STANDING:
            return
        log = self.log.info if result.exit_code == ExitCode.OK else self.log.warning
        log(
            "file ends",
            file=result.name,
            run=result.run_id,
            what=result.what,
            exit_code=result.exit_code,
            moved_to=result.moved_to,
            text=result.message,
        )

    def load_ends(self, found: LoadReport, *, always: bool) -> None:
        if self.is_worth_showing("load ends", found, found.waiting) or always:
            self.log.info(
                "load ends",
                exit_code=found.exit_code,
                state=found.state,
                files=len(found.files),
                waiting=len(found.waiting),
                missing=found.missing,
            )

    def problem(self, error: ImporterError, notes: Iterable[str] = ()) -> Step:
        """The error as a step. It is logged, unless it is among these notes."""
        if str(error) not in notes:
            self.log.error("problem", exit_code=int(error.exit_code), text=str(error))
        return Step(error.exit_code, reasons=(REASONS.get(error.exit_code, "error"),), notes=(str(error),))
