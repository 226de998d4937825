"""Rules and edits in runs: the same values from every command, said in the results, and purged with the run."""

from __future__ import annotations

import csv
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from importer.checker.check import check
from importer.errors import ExitCode, SettingsError
from importer.journal import Journal
from importer.journal.edits import edits_of
from importer.normaliser.fixing import Edits
from importer.pipeline import report, resume, retry, run
from importer.runs.purge import purge
from importer.runs.record import find, mapping_of
from importer.runs.verify import verify
from importer.sandbox import EmbeddedSandbox
from tests.support.runs import results, settings, statuses, stopped_after, world

MAPPING = """
[columns]
Mobile = "mobile"
Email = "email"
Colour = "preference"

[[rules]]
column = "Mobile"
strip = ["Ph:"]

[[rules]]
column = "Colour"
values = { blu = "Blue", Blue = "Navy" }

[[rules]]
column = "Email"
empty = ["n/a"]

[[rules]]
column = "Mobile"
leave_out = ["mobile_too_short"]
"""
ROWS = [
    ["Ph: +919876543210", "n/a", "blu"],
    ["+919876543211", "a@example.com", "Blue"],
    ["12", "b@example.com", "Red"],
    ["+919876543212", "x@", "Red"],
    ["+919876543213", "", "Red"],
]
EDITS = Edits({5: {"Email": "d@example.com"}}, frozenset({6}))


def written(folder: Path, *, suffix: str = "csv", rows: list[list[str]] = ROWS) -> tuple[Path, dict[str, Any]]:
    """The sheet, and the settings that name its mapping."""
    (folder / "m.toml").write_text(MAPPING)
    path = folder / f"rows.{suffix}"
    table = [["Mobile", "Email", "Colour"], *rows]
    if suffix == "csv":
        with path.open("w", newline="") as file:
            csv.writer(file).writerows(table)
    else:
        book = openpyxl.Workbook()
        for row in table:
            book.active.append(row)
        book.save(path)
    return path, {"mapping": str(folder / "m.toml")}


def colours(sandbox: EmbeddedSandbox) -> list[tuple[str, str]]:
    return [(customer["mobile"], fields["Colour"]) for customer, fields in sandbox.state.accepted]


@pytest.mark.parametrize("suffix", ["csv", "xlsx"])
def test_what_is_sent_and_what_the_results_say(suffix: str, tmp_path: Path) -> None:
    """The results show the cells that were sent and what they were; a left-out row is skipped, the file unchanged."""
    source, own = written(tmp_path, suffix=suffix)
    before = source.read_bytes()
    with EmbeddedSandbox() as sandbox:
        used = settings(sandbox, tmp_path / "reports", **own)
        done = run(str(source), used, world(sandbox, tmp_path), edits=EDITS)
        assert (done.exit_code, statuses(done)) == (ExitCode.OK, Counter(succeeded=3, skipped=2))
        assert colours(sandbox) == [("919876543210", "Blue"), ("919876543211", "Navy"), ("919876543212", "Red")]
    assert source.read_bytes() == before
    assert any("annotated.xlsx" in note for note in done.notes) == ("annotated.xlsx" in done.reports)
    rows = results(tmp_path / "reports", done.run_id)
    assert [(row["Mobile"], row["Colour"], row["_code"]) for row in rows] == [
        ("+919876543210", "Blue", "200"),
        ("+919876543211", "Navy", "200"),
        ("12", "Red", "left_out"),
        ("+919876543212", "Red", "200"),
        ("+919876543213", "Red", "left_out"),
    ]
    assert [row["_fixed"] for row in rows] == [
        '{"Mobile": "Ph: +919876543210", "Colour": "blu", "Email": "n/a"}',
        '{"Colour": "Blue"}',
        "",
        '{"Email": "x@"}',
        "",
    ]


def test_a_run_without_rules_has_no_such_column(tmp_path: Path) -> None:
    """`_fixed` follows where there is any."""
    source, _ = written(tmp_path)
    with EmbeddedSandbox() as sandbox:
        done = run(str(source), settings(sandbox, tmp_path / "reports"), world(sandbox, tmp_path))
    assert "_fixed" not in results(tmp_path / "reports", done.run_id)[0]


def test_a_check_finds_what_the_run_does(tmp_path: Path) -> None:
    """Same rows rejected, left out and sent."""
    source, own = written(tmp_path)
    with EmbeddedSandbox() as sandbox:
        used = settings(sandbox, tmp_path / "reports", **own)
        found = check(str(source), used, world(sandbox, tmp_path), EDITS)
        assert (found.rows, found.sendable_rows, found.left_out_rows, found.rejected_rows) == (5, 3, 2, 0)
        without = check(str(source), used, world(sandbox, tmp_path))
    assert (without.left_out_rows, without.rejected_rows, without.exit_code) == (1, 1, ExitCode.ROWS)


def test_the_failed_file_imported_again_is_not_fixed_twice(tmp_path: Path) -> None:
    """A person corrects the other cells of a row; what a rule made of one stays, and its origin is said again."""
    source, own = written(tmp_path, rows=[["+919876543210", "x@", "blu"]])
    with EmbeddedSandbox() as sandbox:
        used = settings(sandbox, tmp_path / "reports", **own)
        first = run(str(source), used, world(sandbox, tmp_path))
        failed = Path(first.reports["failed.csv"])
        failed.write_text(failed.read_text(encoding="utf-8-sig").replace("x@", "x@example.com"), encoding="utf-8")
        second = run(str(failed), used, world(sandbox, tmp_path))
        assert colours(sandbox) == [("919876543210", "Blue")]
    assert [row["_fixed"] for row in results(tmp_path / "reports", second.run_id)] == ['{"Colour": "blu"}']


@pytest.mark.parametrize("suffix", ["csv", "xlsx"])
def test_what_a_program_did_to_a_value_is_found_behind_a_rule(suffix: str, tmp_path: Path) -> None:
    """By a check, a run, and an import of each of its reports with the same mapping: nothing of it is sent."""
    rules = {"Mobile": ("9198", "+9198"), "Email": ("(at)", "@"), "Colour": ("Mar", "3")}
    text = MAPPING.partition("[[rules]]")[0]
    for column, (old, new) in rules.items():
        text += "\n".join(["[[rules]]", f'column = "{column}"', f'find = "{old}"', f'replace = "{new}"\n'])
    rows = [["9.19876E+11", "", "1-2"], ["", "a(at)example.com", "10-Mar"], ["", "b(at)example.com", "3-4"]]
    source, own = written(tmp_path, suffix=suffix, rows=rows)
    (tmp_path / "m.toml").write_text(text)
    with EmbeddedSandbox() as sandbox:
        used = settings(sandbox, tmp_path / "reports", **own)
        assert check(str(source), used, world(sandbox, tmp_path)).rejected_rows == 2
        first = run(str(source), used, world(sandbox, tmp_path))
        assert [row["_code"] for row in results(tmp_path / "reports", first.run_id)][-1] == "200"
        assert len(sandbox.state.accepted) == 1
        failed = next(path for name, path in first.reports.items() if name.startswith("failed"))
        again = settings(sandbox, tmp_path / "reports", resubmit=True, **own)
        for path, with_settings in ((failed, used), (first.reports["results.csv"], again)):
            assert run(path, with_settings, world(sandbox, tmp_path)).rows.rejected == 2
        assert len(sandbox.state.accepted) == 1


def test_a_resumed_run_keeps_the_edits(tmp_path: Path) -> None:
    """They are part of the run, also for another process."""
    rows = [[f"Ph: +91818{n:07}", "x@", "blu"] for n in range(120)]
    edits = Edits({row: {"Email": f"c{row}@example.com", "Colour": f"c{row}"} for row in range(2, 121)})
    source, own = written(tmp_path, rows=rows)
    with EmbeddedSandbox() as sandbox:
        used = settings(sandbox, tmp_path / "reports", **own)
        stopped = run(str(source), used, stopped_after(20, sandbox, tmp_path), edits=edits)
        assert stopped.exit_code == ExitCode.INTERRUPTED and stopped.rows.unprocessed > 50
        done = resume(stopped.run_id, used, {}, world(sandbox, tmp_path))
        assert statuses(done) == Counter(succeeded=119, rejected=1)
        assert sorted(colour for _, colour in colours(sandbox)) == sorted(f"c{row}" for row in range(2, 121))
        assert verify(done.run_id, used, {}, world(sandbox, tmp_path)).differences == ()
        written_again = report(done.run_id, used, world(sandbox, tmp_path))
    assert written_again.rows == done.rows
    assert results(tmp_path / "reports", done.run_id)[0]["_fixed"].startswith('{"Mobile": "Ph: ')


def test_a_retry_sends_what_was_fixed(tmp_path: Path) -> None:
    """A row that the server refused is sent as it was edited."""
    source = tmp_path / "rows.csv"
    source.write_text("Mobile,Customer ID,Colour\n919876543210,code-1012-x1,blu\n919876543211,C-2,blu\n")
    with EmbeddedSandbox() as sandbox:
        used = settings(sandbox, tmp_path / "reports")
        edits = Edits({2: {"Colour": "Blue"}, 3: {"Colour": "Red"}})
        first = run(str(source), used, world(sandbox, tmp_path), edits=edits)
        assert statuses(first) == Counter(succeeded=1, failed=1)
        done = retry(first.run_id, used, {}, world(sandbox, tmp_path))
        assert statuses(done) == Counter(succeeded=1, skipped=1)
        assert colours(sandbox) == [("919876543211", "Red"), ("919876543210", "Blue")]


def test_the_rest_of_a_run_is_sent_as_it_was_fixed(tmp_path: Path) -> None:
    """Rows that were rejected or left out are read again, by the mapping and the edits as they are now. Rows that
    succeeded are not sent again, whether the second run is stopped and resumed, or is followed by a third."""
    source, own = written(tmp_path)
    with EmbeddedSandbox() as sandbox:
        used = settings(sandbox, tmp_path / "reports", **own)
        first = run(str(source), used, world(sandbox, tmp_path), edits=Edits(left_out=frozenset({6})))
        assert statuses(first) == Counter(succeeded=2, rejected=1, skipped=2)
        edits = Edits({4: {"Mobile": "+919876543214"}, 5: {"Email": "e@"}})
        second = run(str(source), used, world(sandbox, tmp_path), edits=edits, rest_of=first.run_id)
        assert statuses(second) == Counter(succeeded=2, rejected=1, skipped=2)
        edits = Edits({5: {"Email": "e@example.com"}})
        third = run(str(source), used, world(sandbox, tmp_path), edits=edits, rest_of=second.run_id)
        assert statuses(third) == Counter(succeeded=1, skipped=4)
        sent = [mobile for mobile, _ in colours(sandbox)]
        assert sorted(sent) == [f"91987654321{digit}" for digit in "01234"]
    with Journal.open(tmp_path / "reports") as journal:
        assert find(journal, third.run_id).record.retry_of == second.run_id


def test_the_rest_of_a_run_is_resumed_as_such(tmp_path: Path) -> None:
    """A second process reads the same rows again: each is sent once."""
    rows = [[f"+91818{n:07}", "" if n % 2 else "x@", "blu"] for n in range(80)]
    source, own = written(tmp_path, rows=rows)
    with EmbeddedSandbox() as sandbox:
        used = settings(sandbox, tmp_path / "reports", **own)
        first = run(str(source), used, world(sandbox, tmp_path))
        assert statuses(first) == Counter(succeeded=40, rejected=40)
        edits = Edits({row: {"Email": ""} for row in range(2, 82, 2)})
        stopped = run(str(source), used, stopped_after(60, sandbox, tmp_path), edits=edits, rest_of=first.run_id)
        assert stopped.exit_code == ExitCode.INTERRUPTED
        done = resume(stopped.run_id, used, {}, world(sandbox, tmp_path))
        assert statuses(done) == Counter(succeeded=40, skipped=40)
        assert len({mobile for mobile, _ in colours(sandbox)}) == len(colours(sandbox)) == 80


def test_edits_and_the_texts_of_rules_are_purged_with_the_run(tmp_path: Path) -> None:
    """Both can be personal data."""
    source, own = written(tmp_path)
    with EmbeddedSandbox() as sandbox:
        used = settings(sandbox, tmp_path / "reports", **own)
        done = run(str(source), used, world(sandbox, tmp_path), edits=EDITS)
        with Journal.open(tmp_path / "reports") as journal:
            kept = find(journal, done.run_id)
            assert edits_of(journal, kept) == EDITS and len(mapping_of(kept).rules) == 4
        purge(used, -1, world(sandbox, tmp_path))
    with Journal.open(tmp_path / "reports") as journal:
        run_left = journal.run(done.run_id)
        assert run_left is not None
        assert edits_of(journal, run_left) is None and mapping_of(run_left).rules == ()
    with sqlite3.connect(tmp_path / "reports" / "journal.db") as database:
        assert not [line for line in database.iterdump() if "d@example.com" in line]
    assert b"d@example.com" not in b"".join(path.read_bytes() for path in (tmp_path / "reports").glob("journal.db*"))


def test_the_rest_of_a_run_is_of_its_sheet(tmp_path: Path) -> None:
    """Rows of another sheet have the same numbers: they must not count as done."""
    book = openpyxl.Workbook()
    for name in ("A", "B"):
        sheet = book.active if name == "A" else book.create_sheet()
        sheet.title = name
        for row in [["Mobile", "Colour"], ["+919876543210", name], ["12", name]]:
            sheet.append(row)
    book.save(tmp_path / "two.xlsx")
    with EmbeddedSandbox() as sandbox:
        used = settings(sandbox, tmp_path / "reports", sheet="A")
        first = run(str(tmp_path / "two.xlsx"), used, world(sandbox, tmp_path))
        other = settings(sandbox, tmp_path / "reports", sheet="B")
        with pytest.raises(SettingsError, match="sheet"):
            run(str(tmp_path / "two.xlsx"), other, world(sandbox, tmp_path), rest_of=first.run_id)
        assert [colour for _, colour in colours(sandbox)] == ["A"]


def test_an_edit_after_the_run_is_sent_also_where_the_row_had_succeeded(tmp_path: Path) -> None:
    """What a person typed reaches the server, and nothing else is sent again."""
    source = tmp_path / "rows.csv"
    source.write_text("Mobile,Colour\n+919876543210,Blue\n+919876543211,Blue\n12,Blue\n")
    with EmbeddedSandbox() as sandbox:
        used = settings(sandbox, tmp_path / "reports")
        first = run(str(source), used, world(sandbox, tmp_path))
        edits = Edits({3: {"Colour": "Red"}, 4: {"Mobile": "+919876543212"}})
        done = run(str(source), used, world(sandbox, tmp_path), edits=edits, rest_of=first.run_id)
        assert statuses(done) == Counter(succeeded=2, skipped=1)
        assert colours(sandbox)[2:] == [("919876543211", "Red"), ("919876543212", "Blue")]
