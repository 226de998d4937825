"""A clean stop: nothing new starts, in-flight requests complete, the journal holds them, the exit code says why."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from importer.cli.sending import Sending
from importer.errors import ExitCode, Stop
from importer.model import MaxErrors, Rate, Status
from importer.pipeline import Stages
from importer.sandbox import EmbeddedSandbox, SandboxOptions
from importer.sender.engine import GRACE
from importer.settings.options import Settings
from importer.settings.values import read_rate
from importer.system.overdue import LATEST
from importer.world import Deadline
from tests.support.sending import Limits, customers, magic, ran

SLOW: dict[str, Any] = {"rate": read_rate("60/minute"), "options": {"latency": (0.3,)}}


def interrupted() -> Stop:
    return Stop(ExitCode.INTERRUPTED, "interrupted")


def test_max_errors_by_number_stops_with_6() -> None:
    found = [*customers(100), *[magic(row, "code-1012") for row in range(1000, 1100)], *customers(5000, first_row=2000)]
    result = ran(found, limits=Limits(max_errors=MaxErrors(rows=50)), concurrency=1)
    assert result.exit_code is ExitCode.TOO_MANY_ERRORS
    assert result.requests == 2, "the second request brings the fiftieth, and no third leaves while it is written down"
    assert result.count(Status.FAILED) == 100
    assert result.stop is not None and "--max-errors" in result.stop.advice


@pytest.mark.slow
def test_max_errors_by_share_stops_with_6_and_counts_unknown_too() -> None:
    found = [*[magic(row, "omit") for row in range(2, 30)], *customers(5000, first_row=2000)]
    result = ran(found, limits=Limits(max_errors=MaxErrors(share=0.005)))
    assert result.exit_code is ExitCode.TOO_MANY_ERRORS
    assert ran(found, limits=Limits(max_errors=MaxErrors(share=0.5))).stop is None


@pytest.mark.parametrize("limit", [MaxErrors(rows=2), MaxErrors(share=0.05)], ids=["number", "share"])
def test_max_errors_holds_for_a_sheet_of_forty_rows(limit: MaxErrors) -> None:
    """The share is taken of the whole sheet, which is known by then: two of forty are 5 %."""
    found = [magic(row, "code-1012") for row in range(2, 42)]
    result = ran(found, limits=Limits(max_errors=limit), batch_size=10, rate=read_rate("100/minute"))
    assert result.exit_code is ExitCode.TOO_MANY_ERRORS
    assert (result.requests, result.count(Status.FAILED)) == (1, 10)


@pytest.mark.parametrize("batch_size", [10, 40, 100])
@pytest.mark.parametrize("limit", [MaxErrors(rows=2), MaxErrors(share=0.05)], ids=["number", "share"])
def test_max_errors_reached_by_the_last_answers_is_6_all_the_same(limit: MaxErrors, batch_size: int) -> None:
    """All in one request, or all in flight when the first answer comes."""
    found = [*customers(10), *[magic(row, "code-1012") for row in range(12, 42)]]
    result = ran(found, limits=Limits(max_errors=limit), batch_size=batch_size, options={"latency": (1.0,)})
    assert result.exit_code is ExitCode.TOO_MANY_ERRORS
    assert (result.count(Status.SUCCEEDED), result.count(Status.FAILED)) == (10, 30)


def test_a_canary_that_fails_whole_stops_with_6_and_nothing_else_is_sent() -> None:
    found = [*[magic(row, "code-1012") for row in range(2, 12)], *customers(5000, first_row=2000)]
    result = ran(found, limits=Limits(canary=10))
    assert result.exit_code is ExitCode.TOO_MANY_ERRORS
    assert set(result.scribe.outcomes) == set(range(2, 12))
    assert result.requests == 1


def test_a_canary_of_which_one_succeeds_lets_the_rest_go() -> None:
    found = [*[magic(row, "code-1012") for row in range(2, 11)], *customers(500, first_row=2000)]
    result = ran(found, limits=Limits(canary=10))
    assert result.stop is None
    assert len(result.scribe.outcomes) == 509
    assert result.wire.bodies[0].count(b"custom_fields") == 10, "the canary is its own batch"


def test_the_rest_waits_until_the_canary_is_back() -> None:
    result = ran(customers(500), limits=Limits(canary=3), options={"latency": (2.0,)})
    assert result.stop is None
    assert result.wire.left[1] - result.wire.left[0] >= 2.0


def test_the_rest_waits_also_while_the_canary_is_sent_again() -> None:
    """The server answers, but its only item is busy: that is not yet a success."""
    result = ran([magic(2, "code-521"), *customers(500, first_row=2000)], limits=Limits(canary=1))
    assert result.exit_code is ExitCode.TOO_MANY_ERRORS
    assert (result.requests, set(result.scribe.outcomes)) == (5, {2})


def test_a_canary_larger_than_a_batch_or_than_the_sheet() -> None:
    assert ran(customers(500), limits=Limits(canary=250)).stop is None
    assert ran(customers(5), limits=Limits(canary=250)).stop is None
    result = ran([magic(row, "code-1012") for row in range(2, 302)], limits=Limits(canary=250))
    assert result.exit_code is ExitCode.TOO_MANY_ERRORS


def test_max_duration_stops_with_10_in_time_and_in_flight_requests_complete() -> None:
    result = ran(
        customers(100_000),
        limits_of=lambda now: Limits(deadline=Deadline(now + 60.0, "its end")),
        at_once=2000,
        **SLOW,
    )
    assert result.exit_code is ExitCode.TIME
    assert result.stop is not None and "its end" in result.stop.advice
    assert 60.0 <= result.seconds <= 61.0
    assert result.wire.left[-1] <= result.wire.left[0] + 60.0
    assert len(result.scribe.outcomes) == 100 * result.requests
    assert result.scribe.doubtful_rows() == set()


def test_a_stop_lets_in_flight_requests_complete_and_starts_nothing_new() -> None:
    """Requests in flight are reconciled and journalled; rows of batches that were not sent are not unknown."""

    async def during(stages: Stages) -> None:
        await asyncio.sleep(5.1)
        stages.engine.stop(interrupted())

    result = ran(customers(5000), during=during, options={"latency": (1.0,)}, at_once=2000)
    assert result.exit_code is ExitCode.INTERRUPTED
    assert len(result.scribe.outcomes) == 100 * result.requests
    assert result.scribe.doubtful_rows() == set()
    assert result.scribe.open, "some were prepared"
    assert max(result.wire.left) < result.wire.left[0] + 5.2


def test_a_request_that_hangs_holds_a_stop_up_for_ten_seconds_at_most_and_its_rows_are_in_doubt() -> None:
    """Every connection has a request that never ends: the run stops anyway."""

    async def during(stages: Stages) -> None:
        await asyncio.sleep(20.0)
        stages.engine.stop(interrupted())

    result = ran(customers(5000), during=during, options={"faults": ("5-:hang",)}, concurrency=4, at_once=2000)
    assert result.exit_code is ExitCode.INTERRUPTED
    assert result.seconds <= 20.0 + GRACE + 0.5
    assert len(result.scribe.outcomes) == 400
    assert len(result.scribe.doubtful_rows()) == 400


def test_queued_batches_are_not_in_doubt_while_the_stop_waits_for_a_request() -> None:
    """A second Ctrl-C or a kill within those ten seconds leaves in doubt only what was sent."""
    seen: list[set[int]] = []

    async def during(stages: Stages) -> None:
        scribe: Any = stages.settlement._scribe
        await asyncio.sleep(10.2)
        stages.engine.stop(interrupted())
        await asyncio.sleep(1.0)
        seen.append(scribe.doubtful_rows())

    options = {"faults": ("5:hang",)}
    result = ran(customers(5000), during=during, options=options, rate=read_rate("60/minute"), at_once=2000)
    assert result.exit_code is ExitCode.INTERRUPTED
    assert len(result.scribe.open) > 1
    assert [len(rows) for rows in seen] == [100]
    assert result.scribe.doubtful_rows() == seen[0]


def test_a_stop_after_a_queued_batch_was_halved_calls_no_settled_batch_harmless() -> None:
    """Queued batches become too large together, are settled without a request, and their parts are not sent."""

    async def during(stages: Stages) -> None:
        scribe: Any = stages.settlement._scribe
        while len(scribe.attempts) < 2:
            await asyncio.sleep(0.01)
        stages.engine.stop(interrupted())

    options = {"batch_limit": 30, "latency": (0.2,)}
    result = ran(customers(5000), during=during, options=options, concurrency=1, rate=read_rate("60/minute"))
    assert result.exit_code is ExitCode.INTERRUPTED
    assert any(batch.split_from for batch in result.scribe.open.values())
    assert result.scribe.doubtful_rows() == set()


def test_a_stop_during_a_pause_of_a_quarter_hour_is_immediate() -> None:
    async def during(stages: Stages) -> None:
        await asyncio.sleep(30.0)
        stages.engine.stop(interrupted())

    result = ran(customers(500), during=during, options={"faults": ("1-:429:retry-after=900",)})
    assert result.exit_code is ExitCode.INTERRUPTED
    assert result.seconds < 31.0
    assert result.scribe.doubtful_rows() == set()


def test_a_stop_before_the_first_request_sends_nothing() -> None:
    async def during(stages: Stages) -> None:
        stages.engine.stop(interrupted())

    result = ran(customers(500), during=during, rate=Rate(1, 60.0))
    assert result.exit_code is ExitCode.INTERRUPTED
    assert result.requests <= 1
    assert result.scribe.doubtful_rows() == set()


def test_the_first_reason_stands() -> None:
    async def during(stages: Stages) -> None:
        await asyncio.sleep(1.0)
        stages.engine.stop(interrupted())
        stages.engine.stop(Stop(ExitCode.TIME, "later"))

    assert ran(customers(50_000), during=during, **SLOW).exit_code is ExitCode.INTERRUPTED


def test_a_feed_that_breaks_stops_the_run_with_its_reason() -> None:
    class Breaking(list):  # type: ignore[type-arg]
        def __getitem__(self, part: Any) -> Any:
            if part.start >= 1000:
                raise Stop(ExitCode.SOURCE, "the sheet broke off")
            return super().__getitem__(part)

    result = ran(Breaking(customers(5000)))
    assert result.exit_code is ExitCode.SOURCE
    assert len(result.scribe.outcomes) <= 1000


# ---------------------------------------------------------------------------------------------------- whole programs


def sheet(folder: Path, rows: int) -> Path:
    lines = [f"91700{row or 9_999_999:07},Blue" for row in range(rows)]
    (folder / "sheet.csv").write_text("mobile,Favorite Color\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return folder / "sheet.csv"


def importer(
    folder: Path, *words: str, hangup: signal.Handlers = signal.SIG_DFL, stdout: int = subprocess.PIPE, **more: str
) -> subprocess.Popen[bytes]:
    """`hangup`: what becomes of a SIGHUP; the tests themselves may run under `nohup`."""
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith("IMPORTER_")},
        "IMPORTER_USERNAME": "sandbox-till",
        "IMPORTER_PASSWORD": "sandbox",
        "XDG_STATE_HOME": str(folder / "state"),
        "PYTHONPATH": str(Path(__file__).parents[2]),
        **more,
    }
    before = signal.signal(signal.SIGHUP, hangup)
    try:
        return subprocess.Popen(
            [sys.executable, "-m", "importer", *words],
            cwd=folder,
            env=environ,
            stdout=stdout,
            stderr=subprocess.PIPE,
        )
    finally:
        signal.signal(signal.SIGHUP, before)


def wait_for_requests(sandbox: EmbeddedSandbox, count: int) -> None:
    end = time.monotonic() + 200
    while len(sandbox.state.requests) < count and time.monotonic() < end:
        time.sleep(0.02)
    assert len(sandbox.state.requests) >= count


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.parametrize(
    "number",
    [signal.SIGTERM, *(pytest.param(one, marks=pytest.mark.exhaustive) for one in (signal.SIGINT, signal.SIGHUP))],
)
def test_a_signal_ends_the_program_with_130_with_reports_and_the_command_to_resume(
    tmp_path: Path, number: signal.Signals
) -> None:
    """And that command finishes the run: every row once, none lost."""
    with EmbeddedSandbox(SandboxOptions(latency=(0.3,))) as sandbox:
        words = ("--base-url", sandbox.base_url, "--rate", "20/second", "--batch-size", "10")
        process = importer(tmp_path, "run", str(sheet(tmp_path, 400)), *words, "--json")
        wait_for_requests(sandbox, 5)
        process.send_signal(number)
        out, err = process.communicate(timeout=250)
        assert process.returncode == 130, err.decode()
        summary = json.loads(out)
        assert summary["exit_code"] == 130
        rows = summary["rows"]
        assert rows["succeeded"] == 10 * len(sandbox.state.requests)
        assert rows["unknown"] == rows["failed"] == 0
        assert rows["succeeded"] + rows["unprocessed"] == 400
        assert all(Path(tmp_path / path).exists() for path in summary["reports"].values())
        assert "resume" in " ".join(summary["notes"])
        sandbox.state.next_latency = lambda: 0.0  # type: ignore[method-assign]
        again = importer(tmp_path, "resume", "--rate", "1000/second", "--json")
        out, err = again.communicate(timeout=250)
        assert again.returncode == 0, err.decode()
        assert json.loads(out)["rows"]["succeeded"] == 400
        assert len(sandbox.state.accepted) == 400


@pytest.mark.process
@pytest.mark.slow
def test_sigterm_ends_the_program_within_15_seconds_whatever_hangs(tmp_path: Path) -> None:
    """Here it cannot print its summary: the reader of its output has stalled."""
    stalled, output = os.pipe()
    os.set_blocking(output, False)
    with suppress(BlockingIOError):
        while True:
            os.write(output, bytes(1 << 12))
    os.set_blocking(output, True)
    with EmbeddedSandbox(SandboxOptions(latency=(0.3,))) as sandbox:
        words = ("--base-url", sandbox.base_url, "--rate", "20/second", "--batch-size", "10")
        process = importer(tmp_path, "run", str(sheet(tmp_path, 400)), *words, "--json", stdout=output)
        wait_for_requests(sandbox, 5)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=250)
        assert process.returncode == 130, err.decode()
        # A program that waits for the reader of its output waits forever.
        assert LATEST - 0.1 <= time.monotonic() - began < 100 and LATEST < 15
        assert b"importer resume" in err
    os.close(stalled)
    os.close(output)


@pytest.mark.process
@pytest.mark.slow
def test_a_closed_terminal_stops_the_run_cleanly(tmp_path: Path) -> None:
    """The kernel and the shell both send a signal, and the output is closed."""
    with EmbeddedSandbox(SandboxOptions(latency=(0.3,))) as sandbox:
        words = ("--base-url", sandbox.base_url, "--rate", "20/second", "--batch-size", "10")
        process = importer(tmp_path, "run", str(sheet(tmp_path, 400)), *words)
        wait_for_requests(sandbox, 1)
        assert process.stderr is not None
        process.stderr.close()
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGHUP)
        assert process.wait(250) == 130
        summary = json.loads(next((tmp_path / "reports").glob("2*/summary.json")).read_text())
        rows = summary["rows"]
        assert rows["unknown"] == 0 and rows["succeeded"] == 10 * len(sandbox.state.requests)
        assert rows["succeeded"] + rows["unprocessed"] == 400


@pytest.mark.process
@pytest.mark.slow
def test_an_ignored_hangup_does_not_stop_the_run(tmp_path: Path) -> None:
    """`nohup importer run …` continues when the terminal is closed."""
    with EmbeddedSandbox(SandboxOptions(latency=(0.1,))) as sandbox:
        words = ("--base-url", sandbox.base_url, "--rate", "1000/second", "--batch-size", "10")
        process = importer(tmp_path, "run", str(sheet(tmp_path, 400)), *words, hangup=signal.SIG_IGN)
        wait_for_requests(sandbox, 1)
        process.send_signal(signal.SIGHUP)
        _, err = process.communicate(timeout=250)
        assert process.returncode == 0, err.decode()


@pytest.mark.parametrize("json_lines", [False, True])
def test_an_interrupt_before_the_first_request_says_so(capfd: pytest.CaptureFixture[str], json_lines: bool) -> None:
    """A large sheet is read for seconds before its run begins: Ctrl-C then ends the program with a line."""
    with Sending(quiet=True, settings=Settings(), json_lines=json_lines), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    line = capfd.readouterr().err.strip()
    assert (json.loads(line)["event"] if json_lines else line[:11].lower()) == "interrupted"


@pytest.mark.process
@pytest.mark.slow
def test_an_interrupt_stops_a_run_in_the_background_of_a_script(tmp_path: Path) -> None:
    """A shell's `&` ignores SIGINT: `kill -INT` stops the run cleanly anyway."""
    with EmbeddedSandbox(SandboxOptions(latency=(0.3,))) as sandbox:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            words = ("--base-url", sandbox.base_url, "--rate", "20/second", "--batch-size", "10")
            process = importer(tmp_path, "run", str(sheet(tmp_path, 400)), *words)
        finally:
            signal.signal(signal.SIGINT, before)
        wait_for_requests(sandbox, 1)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=250)
        assert process.returncode == 130, err.decode()


@pytest.mark.process
@pytest.mark.slow
def test_a_log_of_json_lines_stays_one_when_a_signal_comes(tmp_path: Path) -> None:
    """Every line is JSON: no message for people is among them."""
    with EmbeddedSandbox(SandboxOptions(latency=(0.3,))) as sandbox:
        words = ("--base-url", sandbox.base_url, "--batch-size", "10", "--log-format", "json", "--quiet")
        process = importer(tmp_path, "run", str(sheet(tmp_path, 400)), *words)
        wait_for_requests(sandbox, 1)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=250)
        events = [json.loads(line)["event"] for line in err.splitlines()]
        assert process.returncode == 130 and "stopping" in events, events


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.parametrize(
    ("first", "second"),
    [
        (signal.SIGINT, signal.SIGINT),
        pytest.param(signal.SIGTERM, signal.SIGTERM, marks=pytest.mark.exhaustive),
        pytest.param(signal.SIGTERM, signal.SIGINT, marks=pytest.mark.exhaustive),
    ],
)
def test_a_second_signal_ends_the_program_at_once_and_the_run_can_be_resumed(
    tmp_path: Path, first: signal.Signals, second: signal.Signals
) -> None:
    """Ctrl-C twice: the ten seconds for in-flight requests are skipped, and nothing is lost."""
    with EmbeddedSandbox(SandboxOptions(faults=("1:hang",))) as sandbox:
        process = importer(tmp_path, "run", str(sheet(tmp_path, 400)), "--base-url", sandbox.base_url)
        assert process.stderr is not None
        wait_for_requests(sandbox, 1)
        process.send_signal(first)
        said = iter(process.stderr.readline, b"")
        assert any(b"Ctrl-C again to stop at once" in line for line in said), "in-flight requests have ten seconds"
        process.send_signal(second)
        process.communicate(timeout=250)
        assert process.returncode == 130
        assert not list((tmp_path / "reports").glob("2*")), "reports are written only after that wait"
        again = importer(tmp_path, "resume", "--rate", "1000/second", "--json")
        out, err = again.communicate(timeout=250)
        assert again.returncode == 0, err.decode()
        assert json.loads(out)["rows"]["succeeded"] == 400
