"""The library: the same functions as the command line, for programs."""

from __future__ import annotations

import asyncio
import datetime
import gc
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import importer
from importer.errors import SourceError
from importer.library import check, run
from importer.model import RunSummary
from importer.sandbox import EmbeddedSandbox, SandboxOptions
from tests.support.terminal import FAST, SAMPLES, Terminal, table, write_csv


@pytest.fixture(autouse=True)
def _here(terminal: Terminal) -> None:
    """Everything happens in its own folder."""


def test_a_file_is_run_and_the_summary_comes_back() -> None:
    """`importer.run(path, …)`: how it ended, the counts, and where the reports are."""
    summary = importer.run(SAMPLES / "messy.xlsx", sandbox=True)
    assert summary.exit_code == 3
    assert (summary.rows.read, summary.rows.succeeded) == (120, 83)
    assert Path(summary.reports["results.csv"]).exists()


def test_a_file_is_checked_and_nothing_is_sent(sandbox: EmbeddedSandbox) -> None:
    """`importer.check(path, …)`: the findings that the command line prints."""
    found = importer.check(str(SAMPLES / "messy.xlsx"), base_url=sandbox.base_url)
    assert (found.rows, found.rejected_rows, found.exit_code) == (120, 22, 3)
    assert sandbox.state.calls.total() == 0


def test_a_program_that_runs_many_files_keeps_nothing_open(sandbox: EmbeddedSandbox, terminal: Terminal) -> None:
    """Neither a run, nor `verify`, nor an online check leaves files or connections to the garbage collector."""
    terminal.credentials(sandbox)
    target = {"base_url": sandbox.base_url, "rate": FAST}
    path = write_csv(terminal.folder / "a.csv", ("Mobile", "Colour"), ("+919774487641", "Blue"))
    importer.run(path, **target)
    gc.collect()
    gc.disable()
    try:
        before = len(os.listdir("/dev/fd"))
        importer.run(path, **target)
        importer.check(path, online=True, **target)
        assert terminal.type("verify").code == 0
        assert len(os.listdir("/dev/fd")) == before
    finally:
        gc.enable()


def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "Mobile": [919774487641, 919774487642, None, 919774487644, 12],
            "Last visit": [*pd.to_datetime(["2026-03-09", "2026-03-10"]), None, pd.Timestamp("2026-03-09 14:30"), None],
            "Points": [0.1 + 0.2, 7, None, 8, 9],
            "Motto": ["=1+1, she said", "two\nlines", "", "'quoted'", "x"],
            "_status": ["failed"] * 5,
        }
    )


def test_a_frame_is_a_sheet_with_its_header_in_row_1(terminal: Terminal, sandbox: EmbeddedSandbox) -> None:
    """Numbers, dates and text as a workbook would show them; blank rows are counted, result columns are left out."""
    terminal.credentials(sandbox)
    summary = run(frame(), base_url=sandbox.base_url)
    rows = table(Path(summary.reports["results.csv"]))
    assert [(row["_row"], row["_status"]) for row in rows] == [
        ("2", "succeeded"),
        ("3", "succeeded"),
        ("5", "succeeded"),
        ("6", "rejected"),
    ]
    stored = sandbox.state.preferences_of(mobile="919774487641")
    assert stored == {"Last visit": "2026-03-09", "Points": "0.3", "Motto": "=1+1, she said"}
    assert sandbox.state.preferences_of(mobile="919774487642")["Motto"] == "two\nlines"
    assert sandbox.state.preferences_of(mobile="919774487644")["Last visit"] == "2026-03-09 14:30:00"


def test_a_frame_is_checked_without_a_trace(terminal: Terminal) -> None:
    """What `check` wrote to read it is gone."""
    found = check(frame())
    assert (found.rows, found.rejected_rows) == (4, 1)
    assert not [path for path in terminal.folder.rglob("*") if path.is_file()]


MAPPING = """
[columns]
Mobile = "mobile"
Email = "email"
Colour = "preference"

[[rules]]
column = "Colour"
find = "1"
replace = "10"
"""


@pytest.mark.parametrize("suffix", ["csv", "xlsx"])
@pytest.mark.parametrize("resubmit", [False, True])
def test_a_frame_of_a_report_is_read_like_the_report(
    terminal: Terminal, sandbox: EmbeddedSandbox, suffix: str, resubmit: bool
) -> None:
    """What was fixed is not fixed twice, done rows stay done, and a cell that is to be filled in is."""
    terminal.credentials(sandbox)
    (terminal.folder / "m.toml").write_text(MAPPING)
    rows = [(919774500000, "", "x1"), (919774487641, "", "1"), (None, "b@", "+12 b")]
    source = terminal.folder / f"a.{suffix}"
    sheet = pd.DataFrame(rows, columns=["Mobile", "Email", "Colour"], dtype=object)
    if suffix == "csv":
        sheet.to_csv(source, index=False)
    else:
        sheet.to_excel(source, index=False)
    target: dict[str, Any] = {"base_url": sandbox.base_url, "rate": FAST, "mapping": "m.toml"}
    first = run(source, **target)
    assert [fields["Colour"] for _, fields in sandbox.state.accepted] == ["10"]
    path = first.reports["results.csv" if resubmit else f"failed.{suffix}"]
    is_book = path.endswith(".xlsx")
    report = pd.read_excel(path, dtype=str, engine="openpyxl") if is_book else pd.read_csv(path, dtype=str)
    done = run(report.replace({"b@": "b@example.com"}), resubmit=resubmit, **target)
    assert [fields["Colour"] for _, fields in sandbox.state.accepted] == ["10", "+102 b"]
    found = [(row["_code"], row["_fixed"]) for row in table(Path(done.reports["results.csv"]))]
    assert found == [
        ("nameless_cell" if is_book else "mobile_rounded", '{"Colour": "x1"}'),
        *([("already_succeeded", '{"Colour": "1"}')] if resubmit else []),
        ("200", '{"Colour": "+12 b"}'),
    ]


def test_a_frame_without_results_of_a_run_is_named_so(terminal: Terminal, sandbox: EmbeddedSandbox) -> None:
    """Not by the name of its copy; and a column that pandas named is one without a name."""
    terminal.credentials(sandbox)
    people = pd.DataFrame({"Unnamed: 0": [0], "Mobile": ["+919774487641"], "Colour": ["Blue"]})
    with pytest.raises(SourceError, match="no column _status in the DataFrame"):
        run(people, base_url=sandbox.base_url, resubmit=True)
    run(people, base_url=sandbox.base_url)
    assert sandbox.state.preferences_of(mobile="919774487641") == {"Colour": "Blue"}


@pytest.mark.slow
def test_a_run_of_a_frame_that_stopped_is_resumed_from_its_spool(terminal: Terminal) -> None:
    """By the command line too: the frame lies beside the reports for its owner alone, and goes when all is well."""
    people = pd.DataFrame({"Mobile": [f"9197744{n or 99_999:05}" for n in range(12)], "Colour": "Blue"})
    with EmbeddedSandbox(SandboxOptions(latency=(0.05,))) as sandbox:
        terminal.credentials(sandbox)
        words: dict[str, Any] = {"base_url": sandbox.base_url, "batch_size": 1, "concurrency": 1}
        stopped = run(people, **words, max_duration=datetime.timedelta(seconds=0.2))
        assert stopped.exit_code == 10
        (spool,) = (terminal.folder / "reports" / ".spool").iterdir()
        assert stat.S_IMODE(spool.stat().st_mode) == 0o600
        assert terminal.type("resume", "--max-duration", "1h").code == 0
        assert len(sandbox.state.accepted) == 12
        assert not spool.exists()


def test_settings_are_taken_as_text_or_as_values() -> None:
    """`batch_size=50` and `batch_size="50"` are one; a Path, a duration and a yes are too."""
    one = run(SAMPLES / "long.csv", sandbox="true", batch_size="50", reports_dir="one", max_duration="1h")
    two = run(
        SAMPLES / "long.csv",
        sandbox=True,
        batch_size=50,
        reports_dir=Path("two"),
        max_duration=datetime.timedelta(hours=1),
    )
    assert (one.rows, one.requests) == (two.rows, two.requests)


def test_an_unknown_setting_is_refused_as_a_keyword() -> None:
    """As with any function; the message suggests the nearest name. A function does not take the settings of another
    command."""
    with pytest.raises(TypeError, match="did you mean 'batch_size'"):
        run("a.csv", batchsize=3)
    with pytest.raises(TypeError, match="online"):
        run("a.csv", online=True)


def test_errors_say_what_to_do() -> None:
    """Where nothing could begin, an `ImporterError` with its exit code; a run that stopped returns its summary."""
    with pytest.raises(importer.ImporterError) as error:
        run("nowhere.xlsx", sandbox=True)
    assert error.value.exit_code == 8
    with pytest.raises(importer.ImporterError, match="rate"):
        run(SAMPLES / "long.csv", sandbox=True, rate="fast")
    with pytest.raises(importer.ImporterError, match="DataFrame"):
        check(pd.DataFrame({"Mobile": [["a", "list"]], "Colour": ["Blue"]}))


def test_it_runs_inside_an_event_loop() -> None:
    """A notebook has one running."""

    async def cell() -> RunSummary:
        return run(SAMPLES / "long.csv", sandbox=True, rate=FAST)

    assert asyncio.run(cell()).exit_code == 0


@pytest.mark.process
def test_importing_the_package_costs_nothing() -> None:
    """`import importer` loads no pandas, no httpx, no SQLAlchemy: they come with the first call."""
    code = "import sys, importer; print([n for n in ('pandas', 'httpx', 'sqlalchemy', 'click') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
