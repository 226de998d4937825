"""Canaries in every cell: only the files of rows carry them, whatever becomes of the rows and of the run."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

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


def silent(*told: Ended) -> None:
    """Nothing of a cell in what a command said."""
    quiet(*(text for ended in told for text in (ended.out, ended.err)))


def words(path: Path, address: str, *more: str) -> Sequence[str | Path]:
    return ("run", path, "--base-url", address, "--log-file", "run.log", "--log-format", "plain", *more)


def test_rows_that_end_in_every_way(terminal: Terminal, parrot: str) -> None:
    """Succeeded with a warning, failed, rejected, skipped, unknown; then retried, verified, compared, bundled."""
    path = write_csv(terminal.folder / "sheet.csv", HEADER, *ROWS)
    first = terminal.type(*words(path, parrot, "--limit", "85", "--json"))
    rows = first.json["rows"]
    assert min(rows[word] for word in ("succeeded", "failed", "rejected", "skipped", "unknown")) > 0, rows
    run_id = first.json["run_id"]
    told = [
        first,
        *(terminal.type(*line) for line in (("report", run_id), ("report", "--bundle", "--json"), ("runs",))),
    ]
    told += [terminal.type("retry", run_id), terminal.type("retry", run_id, "--json"), terminal.type("runs")]
    told += [terminal.type("report", "--against", run_id), terminal.type("report", "--against", run_id, "--json")]
    told += [terminal.type("verify", run_id), terminal.type("verify", run_id, "--json")]
    assert (told[-1].code, told[-1].json["different"]["rows"] if "different" in told[-1].json else 1) != (0, 0)
    told.append(terminal.type("purge", "--older-than", "90d"))
    silent(*told)
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
def test_runs_that_stop_and_go_on(
    terminal: Terminal, parrot: str, mode: str, options: Sequence[str], code: int
) -> None:
    """The reason of a stop repeats no cell, and neither does the resumed run."""
    path = write_csv(terminal.folder / "sheet.csv", HEADER, *ROWS)
    Parrot.mode = mode
    small = ("--batch-size", "10", "--concurrency", "1")
    stopped = terminal.type(*words(path, parrot, *small, *options))
    assert stopped.code == code, stopped.err
    told = [stopped, terminal.type("report", "--json"), terminal.type("report", "--bundle"), terminal.type("runs")]
    if code != 2:
        assert told[1].json["rows"]["unprocessed"] > 0
    told.append(terminal.type(*words(path, parrot)))
    Parrot.mode = "items"
    if code != 2:
        told.append(terminal.type("resume", "--max-errors", "1000"))
        assert told[-1].code == 3
    silent(*told)
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
    told = [terminal.type("check", path), terminal.type("check", path, "--json")]
    assert "Blue" in told[0].out
    silent(*told)


def night(address: str, *more: str) -> Sequence[str]:
    """A night whose file, `inbox/sheet.csv`, is complete at once, and that writes down all that it can."""
    words = ("nightly", "--inbox", "inbox", "--outbox", "outbox", "--settle", "0", "--base-url", address)
    return (*words, "--log-format", "json", "--log-file", "night.log", "--metrics-file", "night.prom", *more)


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
def test_a_night(terminal: Terminal, parrot: str, mode: str, options: Sequence[str], code: int) -> None:
    """Its log, its figures, its notices and what it puts into the outbox, however it ends, and the start after it."""
    (terminal.folder / "inbox").mkdir()
    write_csv(terminal.folder / "inbox" / "sheet.csv", HEADER, *ROWS)
    Parrot.mode = mode
    with receiver() as (place, notices):
        small = ("--batch-size", "10", "--concurrency", "1")
        words = night(parrot, *small, *options, "--notices", f"json://{place}")
        told = [terminal.type(*words), terminal.type(*words, "--json")]
        assert told[0].code == code, told[0].err
        assert notices
        quiet(*map(str, notices))
    silent(*told)
    check_files(terminal.folder)
    assert "sheet.csv" in (terminal.folder / "night.log").read_text(encoding="utf-8")
    if code == 3:
        delivered = list((terminal.folder / "outbox").rglob("results.csv"))
        assert delivered and CANARY.search(delivered[0].read_text(encoding="utf-8"))


@pytest.mark.parametrize("asked", [True, False])
def test_a_night_shows_a_cell_in_its_summary_only_where_that_is_asked_for(terminal: Terminal, asked: bool) -> None:
    """Where every row that failed has the same: `--show-identifiers` is for the summary and the notice that tells it,
    never for the log."""
    (terminal.folder / "inbox").mkdir()
    wrong = [(f"code-816+{n}", "kanari yellow") for n in range(12)]
    rows = [*wrong, *[(f"A{n}", f"Blue {n}") for n in range(40)]]
    write_csv(terminal.folder / "inbox" / "sheet.csv", ("External id", "Colour"), *rows)
    with EmbeddedSandbox() as sandbox, receiver() as (place, notices):
        terminal.credentials(sandbox)
        more = ("--show-identifiers",) if asked else ()
        told = terminal.type(*night(sandbox.base_url, "--notices", f"json://{place}", *more))
        assert told.code == 3, told.err
        quiet(told.err, (terminal.folder / "night.log").read_text(encoding="utf-8"))
    assert ("kanari yellow" in str(notices)) == asked
    for name in ("summary.json", "summary.html"):
        (found,) = (terminal.folder / "outbox").rglob(name)
        assert ("kanari yellow" in found.read_text(encoding="utf-8")) == asked
    if not asked:
        silent(told)
        check_files(terminal.folder)
