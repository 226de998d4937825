"""What only a whole sheet shows, in runs: refused before the first request, and kept by a run that is resumed."""

from __future__ import annotations

from pathlib import Path

import pytest

from importer.checker.check import check
from importer.chunker.batches import batch_of
from importer.errors import ExitCode, SourceError
from importer.journal import Change, Journal
from importer.model import Customer
from importer.pipeline import report, resume, run
from importer.sandbox import EmbeddedSandbox
from importer.sender.feed import SheetFeed
from tests.support.runs import begun, results, settings, sheet, stopped_after, world

REFUSED = {
    "a second table": "Customer ID,Colour\n" + "C-1,Blue\n" * 300 + "Customer ID,Size\nC-2,M\n",
    "a stray quote": "Customer ID,Colour\n" + "C-1,Blue\n" * 300 + 'C-2,"32\nC-3,43\nC-4,65"\n',
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_refuses_a_file_is_found_before_the_first_request(name: str, tmp_path: Path) -> None:
    """Its last row decides, and nothing of it is sent; no run is left behind."""
    source = tmp_path / "rows.csv"
    source.write_text(REFUSED[name])
    with EmbeddedSandbox() as sandbox:
        own = settings(sandbox, tmp_path / "reports")
        for attempt in (
            lambda: run(str(source), own, world(sandbox, tmp_path)),
            lambda: check(str(source), own, world(sandbox, tmp_path)),
        ):
            with pytest.raises(SourceError):
                attempt()
        assert sandbox.state.accepted == []
    with Journal.open(tmp_path / "reports") as journal:
        assert journal.runs() == []


def mixed(path: Path) -> Path:
    """Quoted cells, a date among ranges, and a total: the last rows show what the first ones are."""
    rows = [f"'C-{n}','10-Dec'" if n % 10 == 3 else f"'C-{n}','blue {n}'" for n in range(60)]
    path.write_text("\n".join(["Customer ID,Colour", *rows, "'C-x','18-25'", "Total,61"]) + "\n")
    return path


def test_a_resumed_run_knows_what_its_beginning_knew(tmp_path: Path) -> None:
    """The facts of the sheet are part of the run."""
    source = tmp_path / "rows.csv"
    rows = [f"C-{n},{'10-Dec' if n % 10 == 3 else f'blue {n}'}" for n in range(60)]
    source.write_text("\n".join(["Customer ID,Colour", *rows, "C-x,18-25", "Total,61"]) + "\n")
    with EmbeddedSandbox() as sandbox:
        own = settings(sandbox, tmp_path / "reports")
        stopped = run(str(source), own, stopped_after(20, sandbox, tmp_path))
        assert stopped.exit_code == ExitCode.INTERRUPTED
        done = resume(stopped.run_id, own, {}, world(sandbox, tmp_path))
        assert done.exit_code == ExitCode.ROWS
        assert {fields["Colour"] for _, fields in sandbox.state.accepted} == {
            *(f"blue {n}" for n in range(60) if n % 10 != 3),
            "18-25",
        }
        codes = {row["_row"]: row["_code"] for row in results(tmp_path / "reports", done.run_id)}
    assert [row for row, code in codes.items() if code == "preference_is_a_date"] == [
        str(n + 2) for n in range(3, 60, 10)
    ]
    assert codes["63"] == "not_a_customer"


@pytest.mark.parametrize("chosen", [{"limit": 2}, {"skip_rows": 1}])
def test_a_check_of_some_rows_knows_what_their_run_knows(chosen: dict[str, int], tmp_path: Path) -> None:
    """The rows that are not chosen show what the chosen ones are."""
    source = tmp_path / "rows.csv"
    rows = ["C-1,18-25", "C-2,10-Dec"] if "skip_rows" in chosen else ["C-1,10-Dec", "C-2,x", "C-3,18-25"]
    source.write_text("\n".join(["Customer ID,Age", *rows]) + "\n")
    with EmbeddedSandbox() as sandbox:
        own = settings(sandbox, tmp_path / "reports", **chosen)
        findings = check(str(source), own, world(sandbox, tmp_path))
        assert run(str(source), own, world(sandbox, tmp_path)).rows.rejected == findings.rejected_rows == 1


def test_a_check_says_what_the_run_does(tmp_path: Path) -> None:
    """It reads a sheet again whose end shows what its beginning is."""
    source = mixed(tmp_path / "rows.csv")
    output = tmp_path / "problems.csv"
    with EmbeddedSandbox() as sandbox:
        own = settings(sandbox, tmp_path / "reports")
        findings = check(
            str(source), settings(sandbox, tmp_path / "reports", output=str(output)), world(sandbox, tmp_path)
        )
        done = run(str(source), own, world(sandbox, tmp_path))
        sent = {fields["Colour"] for _, fields in sandbox.state.accepted}
    assert (findings.rows, findings.rejected_rows) == (done.rows.read, done.rows.rejected)
    assert len(output.read_text().splitlines()) == 1 + findings.rejected_rows
    assert not any("'" in value for value in sent)


def test_a_date_among_ranges_is_refused_again_without_them(tmp_path: Path) -> None:
    """The failed file has no range that shows it; imported as it is, the date would be sent."""
    source = tmp_path / "rows.csv"
    source.write_text("Customer ID,Age\nC-1,18-25\nC-2,10-Dec\nC-3,26-35\n")
    with EmbeddedSandbox() as sandbox:
        own = settings(sandbox, tmp_path / "reports")
        first = run(str(source), own, world(sandbox, tmp_path))
        failed = tmp_path / "reports" / first.run_id / "failed.csv"
        again = run(str(failed), own, world(sandbox, tmp_path))
        assert (again.rows.read, again.rows.rejected) == (1, 1)
        assert {fields["Age"] for _, fields in sandbox.state.accepted} == {"18-25", "26-35"}
        assert report(first.run_id, own, world(sandbox, tmp_path)).rows == first.rows


def test_check_surveys_the_rows_that_a_run_surveys(tmp_path: Path) -> None:
    """With --limit and --skip-rows too: what refuses a run refuses its check."""
    source = tmp_path / "rows.csv"
    source.write_text(REFUSED["a second table"])
    with EmbeddedSandbox() as sandbox:
        for chosen in ({"limit": 10}, {"skip_rows": 301}):
            own = settings(sandbox, tmp_path / "reports", **chosen)
            with pytest.raises(SourceError):
                run(str(source), own, world(sandbox, tmp_path))
            with pytest.raises(SourceError):
                check(str(source), own, world(sandbox, tmp_path))


def test_rows_that_only_an_earlier_version_sent_do_not_block_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A newer version may reject a row of a batch that is in doubt: its result is unknown, the others are sent."""
    source = sheet(tmp_path / "rows.csv", 30)
    with EmbeddedSandbox() as sandbox:
        own = settings(sandbox, tmp_path / "reports")
        with begun(str(source), own, world(sandbox, tmp_path)) as job:
            sent = [Customer(row, f"91818{row:07}", custom_fields=(("Colour", f"colour {row}"),)) for row in (2, 3)]
            job.journal.write([Change(opened=((batch_of(1, sent), 1),))], job.run.key)
        found = SheetFeed.customers_of
        monkeypatch.setattr(
            SheetFeed,
            "customers_of",
            lambda self, wanted: {row: one for row, one in found(self, wanted).items() if row != 3},
        )
        done = resume(None, own, {}, world(sandbox, tmp_path))
        assert (done.exit_code, done.rows.read, done.rows.succeeded, done.rows.unknown) == (ExitCode.ROWS, 30, 29, 1)
    (lost,) = [row for row in results(tmp_path / "reports", done.run_id) if row["_status"] == "unknown"]
    assert (lost["_row"], lost["_code"]) == ("3", "no_answer")


def test_the_end_of_a_part_is_not_the_end_of_the_sheet(tmp_path: Path) -> None:
    """With --limit, the last row that is read may be a customer whose id is a word for a total."""
    source = tmp_path / "rows.csv"
    source.write_text(
        "\n".join(["Customer ID,Colour", "Total,red", *[f"C-{n},blue" for n in range(12_000)], "Sum,3"]) + "\n"
    )
    with EmbeddedSandbox() as sandbox:
        one = settings(sandbox, tmp_path / "reports", limit=1)
        assert check(str(source), one, world(sandbox, tmp_path)).rejected_rows == 0
        assert run(str(source), one, world(sandbox, tmp_path)).rows.succeeded == 1
        whole = settings(sandbox, tmp_path / "reports", limit=12_002)
        assert check(str(source), whole, world(sandbox, tmp_path)).rejected_rows == 1
