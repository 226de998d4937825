"""Several sources in one call: one budget of time and of failures for all of them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from importer.model import RunSummary
from importer.pipeline import run
from importer.sandbox import EmbeddedSandbox, SandboxOptions
from tests.support.terminal import Terminal, write_csv

HEADER = ("Mobile", "Favourite colour")


@pytest.fixture
def sandbox() -> Iterator[EmbeddedSandbox]:
    with EmbeddedSandbox() as found:
        yield found


def files(terminal: Terminal, count: int, rows: int = 10) -> list[str]:
    """Files with other customers in each."""
    names = [f"f{number}.csv" for number in range(count)]
    for number, name in enumerate(names):
        write_csv(
            terminal.folder / name, HEADER, *((f"9197744{number:02}{row:03}", "Blue") for row in range(101, 101 + rows))
        )
    return names


def requests(sandbox: EmbeddedSandbox) -> int:
    return sandbox.state.calls["POST customer/preferences"]


def test_wrong_credentials_cost_two_requests_for_all_files(terminal: Terminal, sandbox: EmbeddedSandbox) -> None:
    """Twelve files with a wrong password must not lock the user out."""
    names = files(terminal, 12)
    terminal.setenv(IMPORTER_USERNAME=sandbox.username, IMPORTER_PASSWORD="wrong")
    ended = terminal.type("run", *names, "--base-url", sandbox.base_url)
    assert ended.code == 4
    assert sum(sandbox.state.calls.values()) <= 2
    assert len(terminal.runs()) == 1
    assert "11 files" in ended.err and "f1.csv" in ended.err


def test_an_outage_ends_the_call(terminal: Terminal) -> None:
    """--max-outage does not begin again with the next file."""
    names = files(terminal, 3)
    terminal.skip_waits()
    with EmbeddedSandbox(SandboxOptions(faults=("1-:503",))) as sandbox:
        terminal.credentials(sandbox)
        ended = terminal.type("run", *names, "--base-url", sandbox.base_url, "--max-outage", "60s", "--json")
    assert (ended.code, len(ended.json)) == (5, 1)
    assert "2 files" in ended.err


def test_a_server_that_cannot_be_used_ends_the_call(terminal: Terminal) -> None:
    names = files(terminal, 3)
    with EmbeddedSandbox(SandboxOptions(faults=("1-:302",))) as sandbox:
        terminal.credentials(sandbox)
        ended = terminal.type("run", *names, "--base-url", sandbox.base_url, "--json")
    assert (ended.code, len(ended.json)) == (2, 1)


WORDS = ("--batch-size", "1", "--concurrency", "1", "--json")


def test_the_time_is_one_for_the_whole_call(terminal: Terminal, sandbox: EmbeddedSandbox) -> None:
    """Ten seconds a request: --max-duration is over in the second file."""
    names = files(terminal, 3)
    terminal.credentials(sandbox)
    terminal.clock_by_requests(sandbox, 10.0)
    ended = terminal.type("run", *names, "--base-url", sandbox.base_url, *WORDS, "--max-duration", "155s")
    assert ended.code == 10
    assert [summary["exit_code"] for summary in ended.json] == [0, 10]
    assert 10 < requests(sandbox) <= 17
    assert "1 file" in ended.err and "f2.csv" in ended.err


def test_no_file_is_begun_after_the_time_is_over(
    terminal: Terminal, sandbox: EmbeddedSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was over just after the first file: that run is whole, and the call ends with 10."""
    names = files(terminal, 3)
    terminal.credentials(sandbox)
    later: list[float] = []

    def then_an_hour(*args: Any, **options: Any) -> RunSummary:
        summary = run(*args, **options)
        later.append(3600.0)
        return summary

    monkeypatch.setattr("importer.cli.run.run", then_an_hour)
    terminal.clock(lambda: time.monotonic() + sum(later))
    ended = terminal.type("run", *names, "--base-url", sandbox.base_url, "--json", "--max-duration", "30m")
    assert ended.code == 10
    assert [summary["exit_code"] for summary in ended.json] == [0]
    assert len(terminal.runs()) == 1
    assert "2 files" in ended.err


def test_a_problem_of_one_file_does_not_end_the_call(terminal: Terminal, sandbox: EmbeddedSandbox) -> None:
    """Rows that fail, and a file that cannot be read."""
    names = files(terminal, 3)
    write_csv(terminal.folder / "f0.csv", ("External id", "Favourite colour"), ("code-1012+1", "Blue"))
    (terminal.folder / "f1.csv").write_bytes(b"")
    terminal.credentials(sandbox)
    ended = terminal.type("run", *names, "--base-url", sandbox.base_url, "--json")
    assert ended.code == 8
    assert [summary["exit_code"] for summary in ended.json] == [3, 0]


def test_a_file_that_is_named_several_times_is_imported_once(terminal: Terminal, sandbox: EmbeddedSandbox) -> None:
    """By its name, by its path and by a pattern; another file with the same rows is another source."""
    (name,) = files(terminal, 1)
    (terminal.folder / "link.csv").symlink_to(name)
    (terminal.folder / "other.csv").write_bytes((terminal.folder / name).read_bytes())
    terminal.credentials(sandbox)
    every = (name, f"./{name}", terminal.folder / name, "f*.csv", "link.csv", "other.csv")
    ended = terminal.type("run", *every, "--base-url", sandbox.base_url, "--json")
    assert ended.code == 0
    assert len(ended.json) == 2
    assert requests(sandbox) == 2
