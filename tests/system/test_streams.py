"""The standard streams: closed, full, or without anybody at the other end. A run does not end over them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.terminal import Terminal, table, write_csv

pytestmark = pytest.mark.process

HEADER = ("Mobile", "Favourite colour")
GOOD = ("919774487641", "Blue")


def shell(terminal: Terminal, line: str) -> tuple[int, str]:
    """Exit code and stderr of a line of sh in which `$0` is the program."""
    program = f"{sys.executable} -m importer"
    done = subprocess.run(
        ["sh", "-c", line.replace("$0", program)], cwd=terminal.folder, capture_output=True, timeout=250, check=False
    )
    return done.returncode, done.stderr.decode()


@pytest.mark.parametrize("closed", ["2>&-", "<&-", ">&- 2>&- <&-"])
def test_closed_streams_lead_nowhere(terminal: Terminal, closed: str) -> None:
    """With stderr closed a run ended with 1 and left itself unfinished; number 2 could have become the journal."""
    write_csv(terminal.folder / "a.csv", HEADER, GOOD)
    assert shell(terminal, f"$0 run a.csv --sandbox {closed}")[0] == 0
    assert [row["_status"] for row in table(terminal.run_folder() / "results.csv")] == ["succeeded"]


@pytest.mark.parametrize("words", [("codes",), ("run", "none.csv", "--sandbox"), ("run", "a.csv", "--sandbox")])
def test_a_closed_pipe_does_not_change_the_exit_code(terminal: Terminal, words: tuple[str, ...]) -> None:
    """`| head`: output that is not read is dropped."""
    write_csv(terminal.folder / "a.csv", HEADER, GOOD)
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "importer", *words], stdout=writer, stderr=writer, timeout=250, check=False
        )
    finally:
        os.close(writer)
    assert done.returncode == (8 if "none.csv" in words else 0)


def test_a_closed_stderr_does_not_end_a_run_that_logs(terminal: Terminal) -> None:
    """Its first line ended the run with 1, an internal error."""
    write_csv(terminal.folder / "a.csv", HEADER, GOOD)
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "importer", "run", "a.csv", "--sandbox", "--log-format", "json"]
    try:
        done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=writer, timeout=250, check=False)
    finally:
        os.close(writer)
    assert done.returncode == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
def test_a_full_stdout_is_reported_once(terminal: Terminal) -> None:
    """The interpreter reported it a second time, and ended with 120."""
    code, err = shell(terminal, "$0 codes >/dev/full")
    assert code == 7
    assert err.count("\n") == 1
    assert err.startswith("importer: The disk failed: ")


def test_requests_to_the_sandbox_bypass_a_proxy(terminal: Terminal) -> None:
    """The first command of the README ended with 5 where a proxy is set, or sent the sheet to the proxy."""
    write_csv(terminal.folder / "a.csv", HEADER, GOOD)
    proxies: dict[str, Any] = dict.fromkeys(
        ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"), "http://127.0.0.1:9"
    )
    ended = terminal.start("run", "a.csv", "--sandbox", "--max-outage", "1s", no_proxy="", NO_PROXY="", **proxies)
    assert ended.code == 0, ended
