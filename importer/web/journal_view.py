"""The journal as the page reads it: from its own thread, with counts cached."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import msgspec

from importer.errors import ExitCode, JournalError, SettingsError
from importer.journal import Journal, Run
from importer.journal.problem_columns import problem_columns
from importer.model import RunSummary, Status
from importer.reporter import read_summary
from importer.runs.holders import Holder
from importer.runs.locks import holder_here, is_held
from importer.runs.record import identity_of_record
from importer.settings.options import Settings

T = TypeVar("T")
#: Seconds for which an answer about an unfinished run is cached.
FRESH = 1.0

Counts = dict[str, int]


class RunSnapshot(msgspec.Struct, frozen=True):
    """A run and its counts now. `held`: a process is using the run."""

    run: Run
    counts: Counts
    held: bool


class JournalView:
    """Asks the journal. Answers about finished runs are cached for good."""

    def __init__(self, settings: Settings) -> None:
        self.reports = Path(settings.reports_dir)
        self._settings = settings
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._journal: Journal | None = None
        self._closed: dict[tuple[int, int | None, bool], Counts] = {}
        self._open: dict[int, tuple[float, Counts, bool]] = {}
        self._runs: tuple[float, list[Run]] = (0.0, [])

    async def _ask(self, question: Callable[[Journal], T]) -> T:
        def ask() -> T:
            try:
                return question(self._opened())
            except JournalError:
                # It may have been replaced: opened again for the next question.
                if self._journal is not None:
                    self._journal.close()
                    self._journal = None
                raise

        return await asyncio.get_running_loop().run_in_executor(self._thread, ask)

    def _opened(self) -> Journal:
        if self._journal is None:
            self._journal = Journal.open(self.reports, self._settings.database or None)
        return self._journal

    async def close(self) -> None:
        def end() -> None:
            if self._journal is not None:
                self._journal.close()

        ended = asyncio.get_running_loop().run_in_executor(self._thread, end)
        # A journal that hangs must not delay the end: every answer of it is already there.
        await asyncio.wait((ended,), timeout=0.5)
        self._thread.shutdown(wait=False, cancel_futures=True)

    # ------------------------------------------------------------------------------------------------ questions

    async def run(self, run_id: str) -> Run | None:
        return await self._ask(lambda journal: journal.run(run_id))

    async def run_of(self, path: str, since: int, retry_of: str) -> Run | None:
        """The newest run of a file that began since then."""

        def find(journal: Journal) -> Run | None:
            for run in journal.runs():
                record = run.record
                if record.source == path and record.retry_of == retry_of and record.started_at >= since:
                    return run
            return None

        return await self._ask(find)

    async def newest_of(self, path: str) -> Run | None:
        """The newest run of a file, also one that retries rows."""
        runs = await self._ask(lambda journal: journal.runs())
        return next((run for run in runs if run.record.source == path), None)

    async def counts(self, run_id: str) -> Counts:
        """A run's counts at this moment, not from the cache."""

        def find(journal: Journal) -> Counts:
            run = journal.run(run_id)
            return {} if run is None else {status.value: count for status, count in journal.counts(run.key).items()}

        return await self._ask(find)

    async def retry_of(self, run_id: str) -> Run | None:
        """The newest run that retries rows of this one."""
        runs = await self._ask(lambda journal: journal.runs())
        return next((run for run in runs if run.record.retry_of == run_id), None)

    async def runs(self) -> list[Run]:
        """All runs, newest first; at most a second old."""

        def find(journal: Journal) -> list[Run]:
            if time.monotonic() - self._runs[0] > FRESH:
                self._runs = (time.monotonic(), journal.runs())
            return self._runs[1]

        return await self._ask(find)

    async def snapshot(self, run: Run) -> RunSnapshot:
        return await self._ask(lambda journal: self._snapshot(journal, run))

    async def snapshots(self, runs: list[Run]) -> list[RunSnapshot]:
        return await self._ask(lambda journal: [self._snapshot(journal, run) for run in runs])

    def _snapshot(self, journal: Journal, run: Run) -> RunSnapshot:
        known = self._closed.get((run.key, run.finished_at, run.finished)) if run.finished else None
        if known is not None:
            return RunSnapshot(run, known, False)
        asked, counts, held = self._open.get(run.key, (0.0, {}, False))
        if run.finished or time.monotonic() - asked > FRESH:
            purged = run.progress.purged
            known = {status.value: count for status, count in journal.counts(run.key).items()}
            counts = purged.rows if purged is not None else known
            held = not run.finished and is_held(journal, self.reports, identity_of_record(run.record))
            self._open[run.key] = (time.monotonic(), counts, held)
        if run.finished:
            self._closed[(run.key, run.finished_at, run.finished)] = counts
            self._open.pop(run.key, None)
        return RunSnapshot(run, counts, held)

    async def problem_columns(self, run: Run, rows: list[int]) -> dict[int, tuple[str, ...]]:
        return await self._ask(lambda journal: problem_columns(journal, run.key, rows))

    async def holder_here(self, run: Run) -> Holder | None:
        """The process of this machine that is using the run."""
        return await self._ask(lambda journal: holder_here(journal, self.reports, identity_of_record(run.record)))

    async def imported_whole(self, organisation: tuple[str, str], sha256: str) -> Run | None:
        return await self._ask(lambda journal: journal.imported_whole(organisation, sha256))

    async def summary(self, run_id: str) -> RunSummary | None:
        """The summary in the reports, None where there are none (yet)."""

        def read(_: Journal) -> RunSummary | None:
            try:
                return read_summary(self.reports / run_id)
            except SettingsError:
                return None

        return await self._ask(read)


def ended_well(run: Run) -> bool:
    """Whether every row succeeded or was skipped on request: nothing to fix, retry or resume."""
    return run.finished and run.exit_code == ExitCode.OK


def total(counts: Counts) -> int:
    return sum(counts.get(status.value, 0) for status in Status)
