"""The files of a run: their content by row, and that they are complete, private and harmless."""

from __future__ import annotations

import csv
import os
import stat
from pathlib import Path

import msgspec
import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl.utils import get_column_letter

from importer.capillary import codes
from importer.errors import JournalError, SourceChanged
from importer.model import RESULT_COLUMNS, Outcome, Problem, RunSummary, Status
from importer.reporter import WrittenReports, workbook_table, write_summary
from importer.system import files as files_module
from importer.system.formula_guard import unguard
from tests.support.reporting import Sheet, by_row, mapping, read_csv, read_xlsx, summary, write_files

COLUMNS = ("Mobile", "Favourite brand")
MAPPING = mapping(Mobile="mobile", Favourite_brand="preference")
AT = 1_795_399_200_123
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)


def sheet(count: int, kind: str = "text", **more: object) -> Sheet:
    rows = [(f"+91 77448 {n:05}", f"brand {n}") for n in range(2, count + 2)]
    return Sheet(COLUMNS, rows, kind, **more)  # type: ignore[arg-type]


def ok(row: int) -> Outcome:
    return Outcome(row, Status.SUCCEEDED, "1000", "saved", attempts=1, request_id="r-1", at=AT)


def bad(row: int, code: str = "816", **more: object) -> Outcome:
    return Outcome(row, Status.FAILED, code, attempts=1, request_id="r-1", at=AT, **more)  # type: ignore[arg-type]


def test_every_row_stands_in_the_order_of_the_source_with_its_own_outcome_beside_it(tmp_path: Path) -> None:
    """results.csv: the source's columns as they came, then the result columns in the order of the contract."""
    outcomes = [ok(2), bad(3), Outcome(5, Status.SKIPPED, "unchanged"), Outcome(6, Status.UNKNOWN, "no_answer")]
    written = write_files(tmp_path, sheet(6), outcomes, MAPPING)
    table = read_csv(tmp_path / "results.csv")
    assert table[0] == [*COLUMNS, *RESULT_COLUMNS]
    assert [row[3] for row in table[1:]] == ["2", "3", "4", "5", "6", "7"]
    words = [row[4] for row in table[1:]]
    assert words == ["succeeded", "failed", "unprocessed", "skipped", "unknown", "unprocessed"]
    assert table[2] == [
        "+91 77448 00003",
        "brand 3",
        "",
        "3",
        "failed",
        "816",
        codes.lookup("816").meaning,
        codes.lookup("816").advice,
        "",
        "1",
        "r-1",
        "2026-11-23T02:00:00.123Z",
    ]
    counts = written.counts
    assert counts.read == 6
    assert counts.read == sum(getattr(counts, status) for status in Status)


def test_the_servers_own_words_stand_before_the_catalogues(tmp_path: Path) -> None:
    """A message or advice that an outcome brings is shown as it came."""
    outcome = bad(2, message="Customer not registered", advice="Ask Asha.", warnings=("1017", "odd"))
    write_files(tmp_path, sheet(1), [outcome], MAPPING)
    row = by_row(read_csv(tmp_path / "results.csv"))[2]
    assert (row["_message"], row["_advice"], row["_warnings"]) == ("Customer not registered", "Ask Asha.", "1017; odd")


def test_a_warning_on_a_success_comes_with_what_to_do_about_it(tmp_path: Path) -> None:
    """1017 beside a success means that a preference may not have been stored."""
    outcome = Outcome(2, Status.SUCCEEDED, "1000", warnings=("1017",), at=AT)
    write_files(tmp_path, sheet(1), [outcome], MAPPING)
    row = by_row(read_csv(tmp_path / "results.csv"))[2]
    assert (row["_status"], row["_warnings"]) == ("succeeded", "1017")
    assert row["_advice"] == codes.lookup("1017").advice


def test_the_failed_file_holds_the_open_rows_only_and_the_codes_are_counted(tmp_path: Path) -> None:
    """Failed, rejected, unknown and unprocessed rows can be imported again; the rest must not be."""
    outcomes = [
        ok(2),
        bad(3),
        bad(4),
        Outcome(5, Status.REJECTED, "no_identifier", "no identifier", columns=("Mobile",)),
        Outcome(6, Status.UNKNOWN, "no_answer"),
        Outcome(7, Status.SKIPPED, "unchanged"),
    ]
    written = write_files(tmp_path, sheet(7), outcomes, MAPPING)
    assert [row[3] for row in read_csv(tmp_path / "failed.csv")[1:]] == ["3", "4", "5", "6", "8"]
    assert [(code.code, code.rows) for code in written.codes] == [("816", 2), ("no_answer", 1), ("no_identifier", 1)]
    assert written.reports == {
        "results.csv": str(tmp_path / "results.csv"),
        "failed.csv": str(tmp_path / "failed.csv"),
    }


def test_no_failed_file_when_nothing_is_open_and_one_of_before_goes(tmp_path: Path) -> None:
    """After a successful resume, a stale failed file could be imported by mistake."""
    write_files(tmp_path, sheet(2, "workbook"), [bad(2), ok(3)], MAPPING)
    assert (tmp_path / "failed.xlsx").exists()
    written = write_files(tmp_path, sheet(2, "workbook"), [ok(2), ok(3)], MAPPING)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["annotated.xlsx", "results.csv"]
    assert list(written.reports) == ["results.csv", "annotated.xlsx"]


def test_a_source_without_rows_gives_a_results_file_with_a_header(tmp_path: Path) -> None:
    """A header without rows is a valid report."""
    written = write_files(tmp_path, sheet(0), [], MAPPING)
    assert read_csv(tmp_path / "results.csv") == [[*COLUMNS, *RESULT_COLUMNS]]
    assert written.counts.read == 0


@pytest.mark.parametrize("stray", [1, 3, 99])
def test_an_outcome_for_a_row_the_source_does_not_have_is_refused(tmp_path: Path, stray: int) -> None:
    """No report is written: an outcome must not be dropped or assigned to another row."""
    source = Sheet(COLUMNS, [("91", "a"), ("92", "b")], row_numbers=(2, 4))
    with pytest.raises(SourceChanged, match=f"row {stray}"):
        write_files(tmp_path, source, [bad(stray)], MAPPING)
    assert list(tmp_path.iterdir()) == []


def test_csvs_begin_with_a_bom_and_hold_no_cell_that_a_spreadsheet_program_would_run(tmp_path: Path) -> None:
    """A cell of the customer's or a message of the server's is data, never a formula; numbers stay as they are."""
    source = Sheet((*COLUMNS, "=odd"), [("+917744876415", "=cmd|' /C calc'!A0", "-5")])
    write_files(tmp_path, source, [bad(2, message="=HYPERLINK(1)")], MAPPING)
    for name in ("results.csv", "failed.csv"):
        content = (tmp_path / name).read_bytes()
        assert content.startswith(b"\xef\xbb\xbf")
        header, row = read_csv(tmp_path / name)
        assert header[2] == "'=odd"
        assert row[:3] == ["+917744876415", "'=cmd|' /C calc'!A0", "-5"]
        assert row[header.index("_message")] == "'=HYPERLINK(1)"


def test_failed_xlsx_types_every_cell_as_text(tmp_path: Path) -> None:
    """Leading zeros, long numbers, formulas, links and empty cells come back as they were typed."""
    cells = ("007", "12345678901234567890", "=1+1", "https://example.com/x", "1e5", "TRUE", "  blank ", "a\nb", "")
    names = tuple(f"c{n}" for n in range(len(cells)))
    source = Sheet(names, [cells], "workbook", "Customers")
    write_files(tmp_path, source, [bad(2)], mapping(c0="mobile"))
    book = openpyxl.load_workbook(tmp_path / "failed.xlsx")
    page = book["Customers"]
    row = next(page.iter_rows(min_row=2, max_col=len(cells)))
    assert [cell.value or "" for cell in row] == list(cells)
    assert {cell.data_type for cell in row if cell.value is not None} <= {"s", "inlineStr"}
    assert {cell.number_format for cell in row if cell.value is not None} == {"@"}
    assert {dimension.number_format for dimension in page.column_dimensions.values()} == {"@"}, "empty cells too"
    assert all(cell.hyperlink is None for cell in row)
    assert page.freeze_panes == "A2"
    assert page.auto_filter.ref == f"A1:{get_column_letter(len(cells) + 10)}2"
    assert all(8 <= page.column_dimensions[letter].width <= 61 for letter in "ABCD")


def test_rows_that_a_workbook_cannot_hold_are_also_written_as_csv(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No row is lost or truncated: failed.csv has every row, and the notes say so."""
    monkeypatch.setattr(workbook_table, "SHEET_ROWS", 3)
    written = write_files(tmp_path, sheet(5, "workbook"), [bad(row) for row in range(2, 7)], MAPPING)
    assert len(read_xlsx(tmp_path / "failed.xlsx")) == 4
    assert len(read_csv(tmp_path / "failed.csv")) == 6
    assert list(written.reports) == ["results.csv", "failed.xlsx", "failed.csv", "annotated.xlsx"]
    assert "failed.csv has every row" in written.notes[0]


@pytest.mark.parametrize("cell", ["x" * 32_768, "😀" * 16_384])
def test_a_cell_that_a_sheet_cannot_hold_sends_its_row_to_the_csv(tmp_path: Path, cell: str) -> None:
    """Too long: never cut."""
    source = Sheet(COLUMNS, [("91", cell), ("92", "b")], "workbook")
    write_files(tmp_path, source, [bad(2), bad(3)], MAPPING)
    assert [row[0] for row in read_xlsx(tmp_path / "failed.xlsx")[1:]] == ["92"]
    assert [unguard(row[1]) for row in read_csv(tmp_path / "failed.csv")[1:]] == [cell, "b"]


@pytest.mark.parametrize(
    ("value", "extra"), [("blue,green", "blue,green"), ("", "incomplete: fix this row and clear this cell")]
)
def test_a_ragged_row_is_ragged_again_in_the_failed_file(tmp_path: Path, value: str, extra: str) -> None:
    """Truncated or padded to the header's length, the next import would accept it with wrong cells."""
    problem = Problem(2, None, value, "ragged_row", "more cells than the header")
    for kind in ("text", "workbook"):
        source = Sheet(COLUMNS, [("91", "a"), ("92", "b")], kind, problems=[problem])  # type: ignore[arg-type]
        write_files(tmp_path / kind, source, [Outcome(2, Status.REJECTED, "ragged_row"), bad(3)], MAPPING)
    width = len(COLUMNS) + len(RESULT_COLUMNS)
    _, ragged, other = read_csv(tmp_path / "text" / "failed.csv")
    assert ragged[width:] == [extra]
    assert len(other) == width
    assert read_xlsx(tmp_path / "workbook" / "failed.xlsx")[1][width:] == [extra]
    assert {len(row) for row in read_csv(tmp_path / "text" / "results.csv")} == {width}


def test_an_error_in_a_cell_is_refused_again_too(tmp_path: Path) -> None:
    """A report cannot hold an error; an empty cell in its place would be accepted and the error forgotten."""
    problems = [Problem(2, "Favourite brand", "", "error_cell", ""), Problem(3, "Mobile", "", "error_cell", "")]
    source = Sheet(COLUMNS, [("91", ""), ("", "b")], "workbook", problems=problems)
    rejected = Outcome(2, Status.REJECTED, "error_cell", columns=("Favourite brand",))
    write_files(tmp_path, source, [rejected, bad(3)], MAPPING)
    width = len(COLUMNS) + len(RESULT_COLUMNS)
    _, first, second = read_xlsx(tmp_path / "failed.xlsx")
    assert first[width:] == ["fill in “Favourite brand” and clear this cell"]
    assert second[width:] == [""], "not at fault: the column is not read"


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12),
        min_size=4,
        max_size=4,
    )
)
def test_reading_a_report_back_gives_the_cells_of_the_source(
    tmp_path_factory: pytest.TempPathFactory, cells: list[str]
) -> None:
    """import(report(x)) = x for any text, in both CSVs."""
    folder = tmp_path_factory.mktemp("run")
    source = Sheet(("a", "b", "c", "d"), [cells, ["=x", "'=x", "+1", "''"]])
    write_files(folder, source, [bad(2), bad(3)], mapping(a="mobile"))
    for name in ("results.csv", "failed.csv"):
        _, row, second = read_csv(folder / name)
        assert [unguard(cell) for cell in row[:4]] == cells
        assert [unguard(cell) for cell in second[:4]] == ["=x", "'=x", "+1", "''"]


def test_files_and_folder_are_private_under_any_umask(tmp_path: Path) -> None:
    """Customers' data: 0600 and 0700, also where the umask would give all users access."""
    before = os.umask(0)
    try:
        folder = tmp_path / "reports" / "run"
        write_files(folder, sheet(2, "workbook"), [bad(2)], MAPPING)
        write_summary(folder, summary())
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert set(modes.values()) == {0o600}, modes


def test_a_report_that_fails_half_way_keeps_the_earlier_one(tmp_path: Path) -> None:
    """A report is complete or absent."""
    write_files(tmp_path, sheet(2), [ok(2), ok(3)], MAPPING)
    before = (tmp_path / "results.csv").read_bytes()
    with pytest.raises(SourceChanged):
        write_files(tmp_path, sheet(2), [bad(2), bad(77)], MAPPING)
    assert (tmp_path / "results.csv").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["results.csv"]


def test_a_full_disk_is_reported_with_advice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ENOSPC at the sync is a failure of journal or disk, not a traceback."""

    def full(path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files_module, "sync", full)
    with pytest.raises(JournalError, match=r"No space left.*Free some space"):
        write_files(tmp_path, sheet(2), [bad(2)], MAPPING)
    assert list(tmp_path.iterdir()) == []


def test_a_report_is_synced_before_it_is_renamed_and_its_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut must not leave an empty file under the report's name."""
    seen: list[str] = []
    real_sync, real_replace = files_module.sync, Path.replace

    def sync(path: Path) -> None:
        seen.append(f"sync {'folder' if path.is_dir() else path.name}")
        real_sync(path)

    def replace(self: Path, target: Path) -> Path:
        seen.append(f"rename {target.name}")
        return real_replace(self, target)

    monkeypatch.setattr(files_module, "sync", sync)
    monkeypatch.setattr(Path, "replace", replace)
    write_summary(tmp_path, summary())
    assert seen[-3:] == ["sync summary.json", "rename summary.json", "sync folder"]


def test_the_same_run_gives_the_same_bytes(tmp_path: Path) -> None:
    """`report` writes again what the run wrote."""
    for name in ("one", "two"):
        write_files(tmp_path / name, sheet(3, "workbook"), [bad(2), bad(3)], MAPPING)
    for name in ("results.csv", "failed.xlsx"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_summary_json_holds_the_documented_names(tmp_path: Path) -> None:
    """Programs read summary.json by the names of the contract."""
    write_summary(tmp_path, summary())
    document = msgspec.json.decode((tmp_path / "summary.json").read_bytes())
    assert set(document) >= {
        *("run_id", "source", "target", "started_at", "finished_at", "exit_code", "rows", "requests", "codes"),
        *("causes", "rate", "duration_seconds", "reports"),
    }
    assert msgspec.json.decode((tmp_path / "summary.json").read_bytes(), type=RunSummary) == summary()


def test_the_csv_reads_with_the_plain_csv_module(tmp_path: Path) -> None:
    """Quotes, commas and line ends inside cells survive."""
    nasty = 'a "quoted", b\r\nc\rd\ne'
    written: WrittenReports = write_files(tmp_path, Sheet(COLUMNS, [("91", nasty)]), [ok(2)], MAPPING)
    with Path(written.reports["results.csv"]).open(encoding="utf-8-sig", newline="") as file:
        assert next(csv.DictReader(file))["Favourite brand"] == nasty
