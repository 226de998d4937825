"""The journal as the page reads it: from a thread of its own, with counts remembered so that nobody waits for them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import msgspec

from importer.errors import ExitCode, SettingsError
from importer.journal import Journal, Run
from importer.model import RunSummary, Status
from importer.reporter import read_summary
from importer.runs.locks import Holder, holder_here, is_held
from importer.runs.record import identity_of_record
from importer.settings.options import Settings

T = TypeVar("T")
#: Seconds for which the journal's word on a run that goes on is not asked again.
FRESH = 1.0

Counts = dict[str, int]


class Line(msgspec.Struct, frozen=True):
    """A run in the list. `held`: some process is on it now."""

    run: Run
    counts: Counts
    held: bool


class Ledger:
    """Every answer is the journal's; what cannot change any more is asked once."""

    def __init__(self, settings: Settings) -> None:
        self.reports = Path(settings.reports_dir)
        self._settings = settings
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        self._journal: Journal | None = None
        self._closed: dict[tuple[int, int | None, bool], Counts] = {}
        self._open: dict[int, tuple[float, Counts, bool]] = {}
        self._runs: tuple[float, list[Run]] = (0.0, [])

    async def _ask(self, question: Callable[[Journal], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: question(self._opened()))

    def _opened(self) -> Journal:
        if self._journal is None:
            self._journal = Journal.open(self.reports, self._settings.database or None)
        return self._journal

    async def close(self) -> None:
        def end() -> None:
            if self._journal is not None:
                self._journal.close()

        await asyncio.get_running_loop().run_in_executor(self._thread, end)
        self._thread.shutdown()

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

    async def retry_of(self, run_id: str) -> Run | None:
        """The newest run that tries the rows of this one again."""
        runs = await self._ask(lambda journal: journal.runs())
        return next((run for run in runs if run.record.retry_of == run_id), None)

    async def runs(self) -> list[Run]:
        """All of them, newest first; at most a second old."""

        def find(journal: Journal) -> list[Run]:
            if time.monotonic() - self._runs[0] > FRESH:
                self._runs = (time.monotonic(), journal.runs())
            return self._runs[1]

        return await self._ask(find)

    async def line(self, run: Run) -> Line:
        return await self._ask(lambda journal: self._line(journal, run))

    async def lines(self, runs: list[Run]) -> list[Line]:
        return await self._ask(lambda journal: [self._line(journal, run) for run in runs])

    def _line(self, journal: Journal, run: Run) -> Line:
        known = self._closed.get((run.key, run.finished_at, run.finished)) if run.finished else None
        if known is not None:
            return Line(run, known, False)
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
        return Line(run, counts, held)

    async def holder_here(self, run: Run) -> Holder | None:
        """The process of this machine that is on the run."""
        return await self._ask(lambda journal: holder_here(journal, self.reports, identity_of_record(run.record)))

    async def imported_whole(self, base_url: str, sha256: str) -> Run | None:
        return await self._ask(lambda journal: journal.imported_whole(base_url, sha256))

    async def summary(self, run_id: str) -> RunSummary | None:
        """What the reports say, None where there are none (yet)."""

        def read(_: Journal) -> RunSummary | None:
            try:
                return read_summary(self.reports / run_id)
            except SettingsError:
                return None

        return await self._ask(read)


def ended_well(run: Run) -> bool:
    """Every row succeeded or was left out as asked: there is nothing to mend, to try again or to go on with."""
    return run.finished and run.exit_code == ExitCode.OK


def total(counts: Counts) -> int:
    return sum(counts.get(status.value, 0) for status in Status)
