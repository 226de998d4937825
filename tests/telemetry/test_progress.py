"""How far a run is, and how long it still takes: rows of the whole sheet, and a time that holds."""

from __future__ import annotations

import io
import random
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from importer.model import Outcome, Status
from importer.observer import Extent
from importer.pipeline import resume, run
from importer.sandbox import EmbeddedSandbox
from importer.telemetry.pace import Pace
from importer.telemetry.progress import Progress
from tests.support.runs import Listener, settings, world

BATCH, AT_ONCE = 100, 2000


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def outcomes(count: int, status: Status, code: str = "") -> list[Outcome]:
    return [Outcome(0, status, code)] * count


def simulated(pace: Pace, clock: Clock, sheet: list[str], interval: float) -> Iterator[float]:
    """Carry a run out: blocks are judged when they are read, and a batch is answered every `interval` seconds. Yields
    after each batch the time that is truly left."""
    batches = -(-sheet.count("") // BATCH)
    waiting = at = 0
    while at < len(sheet) or waiting:
        while at < len(sheet) and waiting < 4 * BATCH:
            block = sheet[at : at + AT_ONCE]
            at += len(block)
            pace.rows_read(len(block))
            for code in {*block} - {""}:
                status = Status.REJECTED if code == "invalid" else Status.SKIPPED
                pace.decided(outcomes(block.count(code), status, code))
            waiting += block.count("")
        clock.now += interval
        sent = min(waiting, BATCH)
        waiting -= sent
        pace.decided(outcomes(sent, Status.SUCCEEDED))
        batches -= 1
        yield batches * interval


def begun(sheet: list[str], rows_a_second: float, **more: object) -> tuple[Pace, Clock]:
    clock = Clock()
    pace = Pace(clock)
    to_send = len(sheet) - sheet.count("skipped_rows")
    pace.begin(msgspec.structs.replace(Extent("a.csv", len(sheet), {}, to_send, rows_a_second), **more))
    return pace, clock


BAD = random.Random(1).choices(["", "invalid"], [6, 4], k=40_000)


@pytest.mark.parametrize(
    ("sheet", "interval", "rows_a_second"),
    [
        (BAD, 0.6, BATCH / 0.6),
        (BAD, 3.0, BATCH / 0.6),
        (BAD, 0.6, 0.0),
        (BAD, 360.0, BATCH / 360),
        (["skipped_rows"] * 30_000 + BAD[:10_000], 0.6, BATCH / 0.6),
        ([""] * 5_000, 0.6, BATCH / 0.6),
    ],
    ids=["at the rate", "a slow server", "no rate", "ten an hour", "rows left out", "every row sent"],
)
def test_the_time_left_holds(sheet: list[str], interval: float, rows_a_second: float) -> None:
    """From the third reply on it is within a tenth, however many rows are rejected and whatever limits the run. Every
    row of the sheet counts from the beginning."""
    pace, clock = begun(sheet, rows_a_second)
    assert pace.rows == len(sheet)
    for reply, true in enumerate(simulated(pace, clock, sheet, interval)):
        assert pace.rows == len(sheet)
        left = pace.left()
        if reply > 2:
            assert left is not None
            assert abs(left - true) <= 0.1 * true + 2 * interval
            # The last batch is smaller.
            assert not true or pace.speed() == pytest.approx(BATCH / interval, rel=0.25 if reply < 6 else 0.1)
    assert pace.done == len(sheet)
    assert pace.left() == 0


def test_the_time_left_is_known_before_the_first_reply() -> None:
    """By the rate, which is what limits the run."""
    pace, _ = begun([""] * 6_000, 10.0)
    assert pace.left() == pytest.approx(600)


def test_rows_of_an_earlier_process_are_done_but_cost_no_time() -> None:
    """They do not count for the speed; their share of rejected rows is what is expected of the others."""
    before = {Status.SUCCEEDED: 12_000, Status.REJECTED: 8_000}
    pace, clock = begun(BAD, BATCH / 0.6, before=before, to_send=20_000)
    assert (pace.done, pace.succeeded, pace.wrong, pace.speed()) == (20_000, 12_000, 8_000, 0)
    assert pace.left() == pytest.approx(12_000 / BATCH * 0.6)
    pace.rows_read(22_000)
    for _ in range(3):
        clock.now += 0.6
        pace.decided(outcomes(BATCH, Status.SUCCEEDED))
    assert pace.speed() == pytest.approx(BATCH / 0.6)


def test_a_wait_makes_the_time_left_longer() -> None:
    """A pause adds what is left of it, and a server that does not answer makes the speed fall."""
    pace, clock = begun([""] * 6_000, 10.0)
    pace.paused(90)
    assert pace.left() == pytest.approx(690)
    clock.now += 60
    assert pace.left() == pytest.approx(630)
    for _ in range(3):
        clock.now += 10
        pace.decided(outcomes(BATCH, Status.SUCCEEDED))
    assert pace.speed() == pytest.approx(10)
    clock.now += 100
    assert pace.speed() < 2


def test_no_run_ends_before_its_next_request() -> None:
    """A resumed run may wait for the end of a pause, or for a slow rate, with a few rows left."""
    pace, clock = begun([""] * 40, 20.0)
    assert pace.left() == 2.0
    pace.waits(25.0)
    assert pace.left() == 25.0
    clock.now += 24.0
    assert pace.left() == 2.0


def test_unknown_stays_unknown() -> None:
    """A sheet that was not read to its end has no share and no time left."""
    pace = Pace(Clock())
    pace.begin(Extent("a.csv", rows_a_second=10.0))
    pace.rows_read(2_000)
    pace.decided(outcomes(100, Status.SUCCEEDED))
    assert (pace.done, pace.rows, pace.left()) == (100, 0, None)


class Extents(Listener):
    def __init__(self) -> None:
        super().__init__()
        self.extents: list[Extent] = []

    def begin(self, extent: Extent) -> None:
        self.extents.append(extent)


def test_a_run_says_how_much_there_is_to_do(sandbox: EmbeddedSandbox, tmp_path: Path) -> None:
    """The survey has counted the rows; what an earlier process has done or an option leaves out is not sent."""
    sheet = tmp_path / "a.csv"
    sheet.write_text("mobile,Colour\n" + "".join(f"+9198765{n:05},red\n" for n in range(30)) + "12,red\n" * 10)
    seen = Extents()
    outside = world(sandbox, tmp_path, observer=seen)
    own = settings(sandbox, tmp_path / "reports")

    def last() -> tuple[int, int, int]:
        extent = seen.extents[-1]
        assert extent.rows_a_second == own.rate.count / own.rate.unit * own.batch_size
        return extent.rows, extent.done, extent.to_send

    summary = run(str(sheet), own, outside)
    assert (summary.rows.read, last()) == (40, (40, 0, 40))
    run(str(sheet), msgspec.structs.replace(own, skip_rows=15), outside)
    assert last() == (40, 0, 25)
    run(str(sheet), msgspec.structs.replace(own, limit=15), outside)
    assert last() == (40, 0, 15)

    stopped = msgspec.structs.replace(outside, deadline=None)
    stopped.stopper.ask()
    begun = run(str(sheet), own, stopped)
    outside = world(sandbox, tmp_path, observer=seen)
    assert begun.rows.unprocessed
    resume(begun.run_id, own, {}, outside)
    done = 40 - begun.rows.unprocessed
    assert last() == (40, done, 40 - done)


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("columns", [30, 60, 80, 100, 200])
def test_the_bar_fits_and_counts_the_whole_sheet(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """At every width: rows done of all, the percentage of these, and the time left."""
    monkeypatch.setattr("importer.telemetry.progress.columns_of", lambda _: columns)
    screen, clock = Screen(), Clock()
    progress = Progress(screen, clock)
    progress.begin(Extent("a{b}.csv", 40_000, {Status.SUCCEEDED: 1_000}, 39_000, 100.0))
    progress.rows_read(20_000)
    progress.decided(outcomes(17_000, Status.REJECTED, "invalid"))
    drawn = screen.getvalue().split("\r")[-1]
    assert len(drawn) < columns
    assert "45 %" in drawn
    if columns >= 60:
        assert "18,000" in drawn
        assert "40,000" in drawn
        assert re.search(r"about \d+ (s|min) left", drawn)
    progress.end()


def test_a_line_a_minute_counts_the_whole_sheet() -> None:
    """Where there is no terminal."""
    stream, clock = io.StringIO(), Clock()
    progress = Progress(stream, clock)
    progress.begin(Extent("a.csv", 40_000, {}, 40_000, 100.0))
    progress.rows_read(20_000)
    progress.decided(outcomes(7_000, Status.REJECTED, "invalid"))
    assert not stream.getvalue()
    clock.now += 60
    progress.decided(outcomes(1_000, Status.SUCCEEDED))
    (line,) = stream.getvalue().splitlines()
    assert {"8,000", "40,000", "1,000", "7,000"} <= {*re.findall(r"[\d,]*\d", line)}
