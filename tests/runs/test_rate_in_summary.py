"""The rate of a summary: what was configured and achieved, also after a resume with another rate."""

from __future__ import annotations

from pathlib import Path

import msgspec

from importer.model import RunSummary
from importer.pipeline import report, resume, run
from importer.sandbox import EmbeddedSandbox
from importer.settings.values import read_rate
from importer.world import World
from tests.support.runs import SkippingClock, settings, stopped_after, world


class ClockOfWaits(SkippingClock):
    """Only waits take time, whatever the speed of the machine."""

    def __call__(self) -> float:
        return self._skipped


def timed(sandbox: EmbeddedSandbox, folder: Path, clock: SkippingClock, rows: int) -> World:
    """No wait takes time; the clock has it, which runs that share a rate share. It stops after so many rows."""
    return stopped_after(rows, sandbox, folder, clock=clock, sleep=clock.sleep)


def test_the_rate_of_a_resume_is_that_of_the_summary(sandbox: EmbeddedSandbox, tmp_path: Path) -> None:
    """Requests and seconds at another rate before do not count, and the achieved rate never exceeds the configured."""
    sheet = tmp_path / "a.csv"
    sheet.write_text("mobile,Colour\n" + "".join(f"+9198765{n:05},red\n" for n in range(900)))
    clock = ClockOfWaits()
    slow = settings(sandbox, tmp_path / "reports", rate=read_rate("60/minute"), concurrency=1)

    def is_true(summary: RunSummary, word: str, most: float) -> None:
        assert summary.rate.configured == word
        # How much less depends on when the stop comes.
        assert most / 10 < summary.rate.achieved <= most

    begun = run(str(sheet), slow, timed(sandbox, tmp_path, clock, 300))
    is_true(begun, "60/minute", 60)
    fast = {"rate": read_rate("600/minute")}
    stopped = resume(begun.run_id, msgspec.structs.replace(slow, **fast), fast, timed(sandbox, tmp_path, clock, 300))
    assert stopped.rows.unprocessed
    is_true(stopped, "600/minute", 600)
    assert stopped.rate.achieved > begun.rate.achieved
    is_true(report(begun.run_id, slow, world(sandbox, tmp_path)), "600/minute", 600)
    ended = resume(begun.run_id, slow, {}, timed(sandbox, tmp_path, clock, 10_000))
    assert ended.rows.succeeded == 900
    is_true(ended, "60/minute", 60)
