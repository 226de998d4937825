"""Logs the events of a run and adds up its pauses."""

from __future__ import annotations

import time
from collections.abc import Callable

from importer.errors import ExitCode, ImporterError
from importer.model import Outcome, RowCounts, RunSummary
from importer.observer import LINE_EVERY, Extent, Observer
from importer.telemetry.log import Log
from importer.telemetry.pace import Pace


class LogObserver(Observer):
    """Writes events to the log, adds up pauses, and passes every event to `beside`."""

    def __init__(self, log: Log, beside: Observer | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._whole = log
        self._log = log
        self._beside = beside or Observer()
        self._clock = clock
        self._shown_at = 0.0
        self._pace = Pace(clock)
        self.paused_seconds = 0.0

    def of_target(self, base_url: str, credentials: str, settings_file: str) -> None:
        self._log.info("target", base_url=base_url, credentials=credentials, settings=settings_file)
        self._beside.of_target(base_url, credentials, settings_file)

    def of_run(self, run_id: str) -> None:
        self._log = self._whole.bind(run=run_id)
        self._beside.of_run(run_id)

    def begin(self, extent: Extent) -> None:
        self._shown_at = self._clock()
        self._pace.begin(extent)
        self.paused_seconds = 0.0
        self._log.info("run begins", file=extent.name, rows=extent.rows or None, rows_done_before=extent.done)
        self._beside.begin(extent)

    def rows_read(self, rows: int) -> None:
        self._pace.rows_read(rows)
        self._beside.rows_read(rows)

    def decided(self, outcomes: list[Outcome]) -> None:
        self._pace.decided(outcomes)
        if self._clock() - self._shown_at >= LINE_EVERY:
            self._shown_at = self._clock()
            left = self._pace.left()
            self._log.info(
                "rows done",
                done=self._pace.done,
                rows=self._pace.rows or None,
                rows_per_minute=round(self._pace.speed() * 60),
                seconds_left=round(left) if left is not None else None,
                read=self._pace.read,
                **self._statuses(),
            )
        self._beside.decided(outcomes)

    def verified(self, customers: int) -> None:
        self._pace.verified(customers)
        self._beside.verified(customers)

    def _statuses(self) -> dict[str, int]:
        return {status.value: count for status, count in self._pace.counts.items()}

    def paused(self, seconds: float, why: str) -> None:
        self._pace.paused(seconds)
        self.paused_seconds += seconds
        self._log.warning("pause", seconds=round(seconds, 3), why=why)
        self._beside.paused(seconds, why)

    def waits(self, seconds: float) -> None:
        self._beside.waits(seconds)

    def retrying(self, why: str, *, lost: bool) -> None:
        self._beside.retrying(why, lost=lost)

    def ended(self, summary: RunSummary) -> None:
        """The run ended, finished or stopped."""
        log = self._log.info if summary.exit_code == ExitCode.OK else self._log.warning
        rows = {name: getattr(summary.rows, name) for name in RowCounts.__struct_fields__}
        log(
            "run ends",
            exit_code=summary.exit_code,
            **rows,
            requests=summary.requests.sent,
            seconds=summary.duration_seconds,
        )

    def failed(self, error: ImporterError) -> None:
        """The run could not begin, or its journal failed."""
        self._log.error("run fails", exit_code=int(error.exit_code), text=str(error))

    def noted(self, text: str) -> None:
        self._log.info("note", text=text)
        self._beside.noted(text)

    def end(self) -> None:
        self._log.info("sending ends", **self._statuses())
        self._beside.end()
