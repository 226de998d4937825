"""Canaries in every cell: only the files of rows carry them, however rows and run end."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from importer.errors import ExitCode
from importer.sandbox import EmbeddedSandbox
from tests.support.canaries import CANARY, HEADER, ROWS, Parrot, check_files, parroting
from tests.support.canaries import silent as quiet
from tests.support.nightly import receiver
from tests.support.terminal import Ended, Terminal, write_csv


@pytest.fixture
def parrot() -> Iterator[str]:
    with parroting() as address:
        yield address


@pytest.fixture
def terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Terminal:
    found = Terminal(tmp_path, capsys, monkeypatch)
    found.setenv(IMPORTER_USERNAME="till", IMPORTER_PASSWORD="till")
    found.skip_waits()
    return found


def silent(*shown: Ended) -> None:
    """What a command printed contains no cell."""
    quiet(*(text for ended in shown for text in (ended.out, ended.err)))


def words(path: Path, address: str, *more: str) -> Sequence[str | Path]:
    return ("run", path, "--base-url", address, "--log-file", "run.log", "--log-format", "plain", *more)


@pytest.mark.slow
def test_rows_that_end_in_every_way(terminal: Terminal, parrot: str) -> None:
    """Succeeded with a warning, failed, rejected, skipped, unknown; then retried, verified, compared, bundled."""
    path = write_csv(terminal.folder / "sheet.csv", HEADER, *ROWS)
    first = terminal.type(*words(path, parrot, "--limit", "85", "--json"))
    rows = first.json["rows"]
    assert min(rows[word] for word in ("succeeded", "failed", "rejected", "skipped", "unknown")) > 0, rows
    run_id = first.json["run_id"]
    shown = [
        first,
        *(terminal.type(*line) for line in (("report", run_id), ("report", "--bundle", "--json"), ("runs",))),
    ]
    shown += [terminal.type("retry", run_id), terminal.type("retry", run_id, "--json"), terminal.type("runs")]
    shown += [terminal.type("report", "--against", run_id), terminal.type("report", "--against", run_id, "--json")]
    shown += [terminal.type("verify", run_id), terminal.type("verify", run_id, "--json")]
    assert (shown[-1].code, len(shown[-1].json["differences"]) > 0) == (ExitCode.ROWS, True)
    shown.append(terminal.type("purge", "--older-than", "90d"))
    silent(*shown)
    folder = next(folder for folder in terminal.runs() if folder.name == run_id)
    assert CANARY.search((folder / "results.csv").read_text(encoding="utf-8"))
    assert {f"pairs/{code}-1.json" for code in ("816", "1004", "1006", "31337")} <= {
        name for bundle in terminal.folder.rglob("bundle.zip") for name in zipfile.ZipFile(bundle).namelist()
    }
    check_files(terminal.folder)


@pytest.mark.parametrize(
    ("mode", "options", "code"),
    [
        ("items", ("--max-errors", "8"), 6),
        ("all fail", ("--canary", "5"), 6),
        ("interrupt", (), 130),
        ("refused", (), 4),
        ("401", (), 4),
        ("400", (), 6),
        ("204", (), 2),
        ("page", (), 2),
        ("500", ("--max-outage", "1s"), 5),
    ],
)
def test_runs_that_stop_and_are_resumed(
    terminal: Terminal, parrot: str, mode: str, options: Sequence[str], code: int
) -> None:
    """The reason of a stop contains no cell, and neither does the resumed run."""
    path = write_csv(terminal.folder / "sheet.csv", HEADER, *ROWS)
    Parrot.mode = mode
    small = ("--batch-size", "10", "--concurrency", "1")
    stopped = terminal.type(*words(path, parrot, *small, *options))
    assert stopped.code == code, stopped.err
    shown = [stopped, terminal.type("report", "--json"), terminal.type("report", "--bundle"), terminal.type("runs")]
    if code != 2:
        assert shown[1].json["rows"]["unprocessed"] > 0
    shown.append(terminal.type(*words(path, parrot)))
    Parrot.mode = "items"
    if code != 2:
        shown.append(terminal.type("resume", "--max-errors", "1000"))
        assert shown[-1].code == 3
    silent(*shown)
    check_files(terminal.folder)


@pytest.mark.parametrize("mode", ["500", "401"])
def test_a_verify_that_stops(terminal: Terminal, parrot: str, mode: str) -> None:
    """The address of a question holds an identifier, and the server repeats it."""
    path = write_csv(terminal.folder / "sheet.csv", HEADER, *ROWS[:10])
    first = terminal.type(*words(path, parrot))
    Parrot.mode = mode
    silent(first, terminal.type("verify"))
    check_files(terminal.folder)


def test_a_check_shows_no_identifier(terminal: Terminal) -> None:
    """It shows samples of preferences, which make a mapping understood, and nothing of who the customers are."""
    rows = [
        [*row[:3], row[3].replace("kanari", "S"), *(cell.replace("kanari", "Blue") for cell in row[4:])] for row in ROWS
    ]
    path = write_csv(terminal.folder / "sheet.csv", HEADER, *rows)
    shown = [terminal.type("check", path), terminal.type("check", path, "--json")]
    assert "Blue" in shown[0].out
    silent(*shown)


def nightly(address: str, *more: str) -> Sequence[str]:
    """The words of a nightly load whose file, `inbox/sheet.csv`, is complete at once, with log and metrics."""
    words = ("nightly", "--inbox", "inbox", "--outbox", "outbox", "--settle", "0", "--base-url", address)
    return (*words, "--log-format", "json", "--log-file", "nightly.log", "--metrics-file", "nightly.prom", *more)


@pytest.mark.parametrize(
    ("mode", "options", "code"),
    [
        ("items", (), 3),
        ("items", ("--max-errors", "8"), 6),
        ("all fail", ("--canary", "5"), 6),
        ("401", (), 4),
        ("page", (), 2),
        ("500", ("--max-outage", "1s"), 5),
    ],
)
def test_a_nightly_load(terminal: Terminal, parrot: str, mode: str, options: Sequence[str], code: int) -> None:
    """Its log, metrics, notices and outbox contain no cell, however it ends, and neither does the next start."""
    (terminal.folder / "inbox").mkdir()
    write_csv(terminal.folder / "inbox" / "sheet.csv", HEADER, *ROWS)
    Parrot.mode = mode
    with receiver() as (place, notices):
        small = ("--batch-size", "10", "--concurrency", "1")
        words = nightly(parrot, *small, *options, "--notices", f"json://{place}")
        shown = [terminal.type(*words), terminal.type(*words, "--json")]
        assert shown[0].code == code, shown[0].err
        assert notices
        quiet(*map(str, notices))
    silent(*shown)
    check_files(terminal.folder)
    assert "sheet.csv" in (terminal.folder / "nightly.log").read_text(encoding="utf-8")
    if code == 3:
        delivered = list((terminal.folder / "outbox").rglob("results.csv"))
        assert delivered and CANARY.search(delivered[0].read_text(encoding="utf-8"))


@pytest.mark.parametrize("asked", [True, False])
def test_a_nightly_load_shows_a_cell_in_its_summary_only_on_request(terminal: Terminal, asked: bool) -> None:
    """All failed rows have the same cell. `--show-identifiers` shows it in the summary and the notice, never in the
    log."""
    (terminal.folder / "inbox").mkdir()
    wrong = [(f"code-816+{n}", "kanari yellow") for n in range(12)]
    rows = [*wrong, *[(f"A{n}", f"Blue {n}") for n in range(40)]]
    write_csv(terminal.folder / "inbox" / "sheet.csv", ("External id", "Colour"), *rows)
    with EmbeddedSandbox() as sandbox, receiver() as (place, notices):
        terminal.credentials(sandbox)
        more = ("--show-identifiers",) if asked else ()
        shown = terminal.type(*nightly(sandbox.base_url, "--notices", f"json://{place}", *more))
        assert shown.code == 3, shown.err
        quiet(shown.err, (terminal.folder / "nightly.log").read_text(encoding="utf-8"))
    assert ("kanari yellow" in str(notices)) == asked
    for name in ("summary.json", "summary.html"):
        (found,) = (terminal.folder / "outbox").rglob(name)
        assert ("kanari yellow" in found.read_text(encoding="utf-8")) == asked
    if not asked:
        silent(shown)
        check_files(terminal.folder)
