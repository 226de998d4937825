"""annotated.xlsx: the source workbook with highlights, which can be imported again."""

from __future__ import annotations

import errno
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import xlsxwriter
import xlwt
from openpyxl.comments import Comment
from openpyxl.styles import Font
from openpyxl.worksheet.table import Table

from importer.capillary.codes import lookup
from importer.errors import JournalError
from importer.model import RESULT_COLUMNS, Outcome, Status
from importer.reader import SourceOptions, open_source
from importer.reporter import annotated
from importer.reporter.annotated_job import AnnotatedAnswer
from tests.support.reading import table_of
from tests.support.reporting import AT, by_row, mapping, outcomes, read_csv, uploaded, write_files
from tests.support.reporting import failed_row as failed
from tests.support.reporting import report_on as report

RED, AMBER, NONE = "FFF4B6B0", "FFFFE69A", "00000000"


def colour(cell: Any) -> str:
    return str(cell.fill.start_color.rgb)


def test_it_keeps_what_people_have_in_their_workbooks(tmp_path: Path) -> None:
    """Sheets and their order, hidden sheets, formats, widths, formulas and validations are in both."""
    path = uploaded(tmp_path / "u.xlsx")
    written = report(tmp_path / "run", path, outcomes(r5=failed(5, "816")))
    assert "annotated.xlsx" in written.reports
    before, after = openpyxl.load_workbook(path), openpyxl.load_workbook(tmp_path / "run" / "annotated.xlsx")
    assert [(page.title, page.sheet_state) for page in after] == [(page.title, page.sheet_state) for page in before]
    for page in before:
        twin = after[page.title]
        for row in page.iter_rows():
            for cell in row:
                same = twin[cell.coordinate]
                assert same.value == cell.value, cell.coordinate
                assert same.number_format == cell.number_format
                assert repr(same.font) == repr(cell.font)
                assert repr(same.alignment) == repr(cell.alignment)
    sheet = after["Customers"]
    assert colour(sheet["D4"]) == "FF00FF00"
    assert sheet.column_dimensions["B"].width == 33
    assert [(str(rule.sqref), rule.formula1) for rule in sheet.data_validations.dataValidation] == [
        ("D4:D9", '"Puma,Nike"')
    ]
    assert after["Rates"]["A3"].value == "=A2*2"


def test_only_the_problem_cell_is_highlighted_and_commented(tmp_path: Path) -> None:
    """The columns that the outcome names, else filled columns of its code, else the status."""
    path = uploaded(tmp_path / "u.xlsx", lambda sheet: sheet.__setitem__("B7", None))
    report(
        tmp_path / "run",
        path,
        outcomes(
            r5=Outcome(5, Status.REJECTED, "email_invalid", "no e-mail", "Correct it.", ("E-mail",)),
            r6=failed(6, "1004"),
            r7=failed(7, "816", message="=not a formula"),
            r8=failed(8, "999999"),
            r9=Outcome(9, Status.SUCCEEDED, "1000", warnings=("1017",), attempts=1, at=AT),
        ),
    )
    sheet = openpyxl.load_workbook(tmp_path / "run" / "annotated.xlsx")["Customers"]
    marked = {
        cell.coordinate: colour(cell)
        for row in sheet.iter_rows(min_row=4)
        for cell in row
        if colour(cell) in (RED, AMBER)
    }
    assert marked == {
        "B5": RED,
        "H5": RED,
        "C6": RED,
        "H6": RED,
        "A7": RED,
        "H7": RED,
        "H8": RED,
        "D9": AMBER,
        "E9": AMBER,
        "H9": AMBER,
    }
    assert sheet["B5"].comment.text == "importer: no e-mail. Correct it. (code email_invalid)"
    assert lookup("1004").advice in sheet["C6"].comment.text
    advice = lookup("1017").advice
    assert sheet["D9"].comment.text == f"importer: Warning 1017: custom field invalid. {advice}"
    assert {cell.coordinate for row in sheet.iter_rows() for cell in row if cell.comment} == {
        *("B5", "C6", "A7", "H8", "D9", "E9")
    }
    assert sheet["J7"].data_type == "s", "a message that looks like a formula is text"


def test_a_warning_in_words_of_the_server_is_a_warning(tmp_path: Path) -> None:
    path = uploaded(tmp_path / "u.xlsx")
    found = outcomes(r5=Outcome(5, Status.SUCCEEDED, "1000", warnings=("91009", "Try later."), attempts=1, at=AT))
    report(tmp_path / "run", path, found)
    sheet = openpyxl.load_workbook(tmp_path / "run" / "annotated.xlsx")["Customers"]
    (text,) = {cell.comment.text for cell in sheet[5] if cell.comment}
    assert text.startswith(f"importer: Warning 91009: {lookup('91009').meaning}. Warning: Try later. ")


def test_result_columns_are_appended_under_a_frozen_and_filterable_header(tmp_path: Path) -> None:
    """The same values as in results.csv, in the same rows."""
    path = uploaded(tmp_path / "u.xlsx")
    report(tmp_path / "run", path, outcomes(r5=failed(5, "816")))
    sheet = openpyxl.load_workbook(tmp_path / "run" / "annotated.xlsx")["Customers"]
    assert [cell.value for cell in sheet[3]][5:] == list(RESULT_COLUMNS)
    expected = by_row(read_csv(tmp_path / "run" / "results.csv"))
    for row, cells in expected.items():
        shown = [cell.value or "" for cell in sheet[row]][5:]
        assert shown == [cells[name] for name in RESULT_COLUMNS]
    assert sheet.freeze_panes == "A4"
    assert sheet.auto_filter.ref == "A3:O9"


def test_an_annotated_workbook_that_was_fixed_is_highlighted_again(tmp_path: Path) -> None:
    """Columns are reused, old highlights are removed, and the user's own comments stay."""
    path = uploaded(tmp_path / "u.xlsx", lambda sheet: setattr(sheet["A5"], "comment", Comment("ask Ravi", "Asha")))
    report(tmp_path / "one", path, outcomes(r5=failed(5, "816"), r6=failed(6, "1004")))
    first = openpyxl.load_workbook(tmp_path / "one" / "annotated.xlsx")["Customers"]
    assert first["A5"].comment.text.startswith("ask Ravi\n\nimporter: customer not found. ")
    report(tmp_path / "two", tmp_path / "one" / "annotated.xlsx", outcomes(r7=failed(7, "1004")))
    sheet = openpyxl.load_workbook(tmp_path / "two" / "annotated.xlsx")["Customers"]
    assert [cell.value for cell in sheet[3]].count("_status") == 1
    assert sheet["H6"].value == "succeeded"
    red = {cell.coordinate for row in sheet.iter_rows() for cell in row if colour(cell) == RED}
    assert red == {"C7", "H7"}
    assert sheet["C6"].comment is None
    assert (sheet["A5"].comment.text, sheet["A5"].comment.author) == ("ask Ravi", "Asha")


def test_a_sheet_with_a_table_keeps_its_own_filter(tmp_path: Path) -> None:
    """Excel reports two filters in one place as damage."""
    path = uploaded(tmp_path / "u.xlsx", lambda sheet: sheet.add_table(Table(displayName="T", ref="A3:E9")))
    report(tmp_path / "run", path, outcomes(r5=failed(5, "816")))
    sheet = openpyxl.load_workbook(tmp_path / "run" / "annotated.xlsx")["Customers"]
    assert sheet.auto_filter.ref is None
    assert sheet.tables["T"].ref == "A3:E9"


def test_formats_that_reach_to_the_edge_of_the_sheet_do_not_push_the_results_there(tmp_path: Path) -> None:
    """The result columns follow the last column with a value."""
    path = uploaded(tmp_path / "u.xlsx", lambda sheet: setattr(sheet["XFD4"], "font", Font(bold=True)))
    report(tmp_path / "run", path, outcomes(r5=failed(5, "816")))
    sheet = openpyxl.load_workbook(tmp_path / "run" / "annotated.xlsx")["Customers"]
    assert sheet["F3"].value == "_sheet"


@pytest.mark.parametrize(("name", "limit"), [("MOST_CELLS", 60), ("MOST_XML", 100)])
def test_a_workbook_too_large_to_keep_its_looks_comes_as_failed_rows_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, limit: int
) -> None:
    """Memory stays bounded, and the summary says so."""
    monkeypatch.setattr(annotated, name, limit)
    written = report(tmp_path / "run", uploaded(tmp_path / "u.xlsx"), outcomes(r5=failed(5, "816")))
    assert list(written.reports) == ["results.csv", "failed.xlsx"]
    assert "failed.xlsx has the open rows" in written.notes[0]


def test_more_comments_than_memory_bears_give_way_to_colours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All problem cells are highlighted, the first are commented, and the notes say so. Fixed cells lose both."""
    monkeypatch.setattr(annotated, "MOST_COMMENTS", 2)
    path = uploaded(tmp_path / "u.xlsx")
    wrong = {f"r{row}": failed(row, "1004") for row in (4, 5, 6, 7)}
    written = report(tmp_path / "run", path, outcomes(**wrong))
    assert "comments on its first 2" in written.notes[0]
    sheet = openpyxl.load_workbook(tmp_path / "run" / "annotated.xlsx")["Customers"]
    assert [colour(sheet[f"C{row}"]) for row in (4, 5, 6, 7)] == [RED] * 4
    assert [sheet[f"C{row}"].comment is not None for row in (4, 5, 6, 7)] == [True, True, False, False]
    report(tmp_path / "two", tmp_path / "run" / "annotated.xlsx", outcomes(r4=failed(4, "1004")))
    sheet = openpyxl.load_workbook(tmp_path / "two" / "annotated.xlsx")["Customers"]
    assert [colour(sheet[f"C{row}"]) == RED for row in (4, 5, 6, 7)] == [True, False, False, False]


def test_what_it_cannot_keep_is_said(tmp_path: Path) -> None:
    """Macros are never carried over, and the notes say so."""
    path = uploaded(tmp_path / "u.xlsx")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("xl/vbaProject.bin", b"macros")
        archive.writestr("xl/media/image1.png", b"picture")
    written = report(tmp_path / "run", path, outcomes(r5=failed(5, "816")))
    assert "annotated.xlsx" in written.reports
    assert "does not contain the workbook's macros and pictures" in written.notes[0]


@pytest.mark.filterwarnings("error")
def test_what_only_excel_can_hold_is_named_without_warnings_of_a_library(tmp_path: Path) -> None:
    """Sparklines, text boxes, buttons and slicers are in one note, without warnings of openpyxl on the terminal."""
    book = xlsxwriter.Workbook(str(tmp_path / "u.xlsx"))
    sheet = book.add_worksheet("Customers")
    sheet.write_row(0, 0, ["Mobile", "Brand"])
    for n in range(1, 7):
        sheet.write_row(n, 0, [str(919844000000 + n), "Puma"])
    sheet.add_sparkline("D2", {"range": "Customers!A2:A7"})
    sheet.insert_textbox("F2", "Mind the gap")
    book.close()
    with zipfile.ZipFile(tmp_path / "u.xlsx", "a") as archive:
        archive.writestr("xl/ctrlProps/ctrlProp1.xml", b"<formControlPr/>")
    written = report(tmp_path / "run", tmp_path / "u.xlsx", [failed(n, "816") for n in range(2, 8)])
    assert written.notes == (
        "annotated.xlsx does not contain the workbook's buttons and other controls, shapes and text boxes and "
        "sparklines: keep your own copy.",
    )


def changed(path: Path, part: str, before: str, more: str) -> Path:
    """The workbook with `more` before the first `before` in a part; a part that is missing is made of `more`."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    text = parts.get(part, b"").decode()
    assert before in text
    parts[part] = (text.replace(before, more + before, 1) if before else more).encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


def test_a_workbook_that_cannot_be_marked_still_gets_its_other_reports(tmp_path: Path) -> None:
    """openpyxl may fail where the reader does not."""
    unknown = '<dataValidations><dataValidation type="colour" sqref="A1"/></dataValidations>'
    path = changed(uploaded(tmp_path / "u.xlsx"), "xl/worksheets/sheet2.xml", "<pageMargins", unknown)
    written = report(tmp_path / "run", path, outcomes(r5=failed(5, "816")))
    assert list(written.reports) == ["results.csv", "failed.xlsx"]
    assert "no annotated.xlsx for this workbook" in written.notes[0]


SHEET = ("xl/worksheets/sheet2.xml", "<pageMargins")
WHOLE = '<mergeCells count="1"><mergeCell {}/></mergeCells>'


@pytest.mark.parametrize(
    ("words", "part", "before", "more"),
    [
        ("merged cells", *SHEET, WHOLE.format('ref="A1:XFD1048576"')),
        ("merged cells", *SHEET, WHOLE.format('ref="A:XFD"')),
        ("merged cells", *SHEET, WHOLE.format("ref = '$a$1:xfd1048576'")),
        ("merged cells", *SHEET, WHOLE.format('ref="A1&#58;XFD1048576"')),
        ("merged cells", *SHEET, WHOLE.format("").replace("/>", 'ref="A1:Z9"/>' + '<mergeCell ref="A9:Z99"/>' * 9)),
        ("data validations", *SHEET, '<dataValidation type="list" sqref="A1"/>' * 900),
        ("conditional formats", *SHEET, '<conditionalFormatting sqref="A1"><cfRule/></conditionalFormatting>' * 900),
        ("links", *SHEET, '<hyperlink ref="A1"/>' * 3000),
        ("rows", "xl/worksheets/sheet2.xml", "</sheetData>", '<row r="9" ht="1"/>' * 8000),
        ("column widths", "xl/worksheets/sheet2.xml", "<sheetData", '<col min="9" max="9"/>' * 4000),
        ("formats", "xl/styles.xml", "</cellXfs>", "<xf/>" * 3000),
        ("defined names", "xl/workbook.xml", "<calcPr", '<definedName name="a">1</definedName>' * 3000),
        ("comments", "xl/comments/comment9.xml", "", '<comment ref="A1"/>' * 500),
        ("drawings", "xl/drawings/drawing9.xml", "", "<xdr:twoCellAnchor/>" * 400),
        ("elements", "xl/pivotCache/pivotCacheRecords1.xml", "", '<x v="1"/>' * 9000),
        ("pictures", "xl/media/image9.png", "", "x" * 3_000_000),
    ],
)
def test_a_workbook_with_too_much_of_anything_comes_as_failed_rows_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, part: str, before: str, more: str
) -> None:
    """1 KiB of one merged range took 4.3 GB. What is counted before anything is loaded is named in the note."""
    monkeypatch.setattr(annotated, "MOST_MEMORY", 5_000_000)
    path = uploaded(tmp_path / "u.xlsx")
    assert "annotated.xlsx" in report(tmp_path / "before", path, outcomes(r5=failed(5, "816"))).reports
    written = report(tmp_path / "run", changed(path, part, before, more), outcomes(r5=failed(5, "816")))
    assert list(written.reports) == ["results.csv", "failed.xlsx"]
    assert f"too many {words};" in written.notes[0]


@pytest.mark.parametrize(("limit", "value"), [("ADDRESS_SPACE", 200 << 20), ("LONGEST", 1.0)])
def test_what_is_not_counted_ends_at_the_limits_of_the_child(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: float
) -> None:
    """It costs the annotated workbook, never the run."""
    monkeypatch.setattr(annotated, "MOST_MEMORY", 1 << 60)
    monkeypatch.setattr(annotated, limit, value)
    path = changed(uploaded(tmp_path / "u.xlsx"), *SHEET, WHOLE.format('ref="A1:XFD1048576"'))
    written = report(tmp_path / "run", path, outcomes(r5=failed(5, "816")))
    assert list(written.reports) == ["results.csv", "failed.xlsx"]
    assert written.notes[0].startswith("There is no annotated.xlsx because the workbook is too large")
    assert not [file for file in (tmp_path / "run").iterdir() if file.name not in ("results.csv", "failed.xlsx")]


def test_a_disk_that_fails_under_the_child_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As under any other report: with 7, not with a note."""
    full = AnnotatedAnswer(False, errno=errno.ENOSPC)
    monkeypatch.setattr(annotated, "_answer", lambda job: full)
    with pytest.raises(JournalError):
        report(tmp_path / "run", uploaded(tmp_path / "u.xlsx"), outcomes(r5=failed(5, "816")))


def test_the_child_sees_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It reads an untrusted file."""
    seen: list[dict[str, str]] = []
    run = subprocess.run

    def watched(*words: Any, **options: Any) -> Any:
        seen.append(options["env"])
        return run(*words, **options)

    monkeypatch.setenv("IMPORTER_PASSWORD", "secret")
    monkeypatch.setattr(subprocess, "run", watched)
    report(tmp_path / "run", uploaded(tmp_path / "u.xlsx"), outcomes(r5=failed(5, "816")))
    assert len(seen) == 1 and not [name for name in seen[0] if name.startswith("IMPORTER")]


BUSY = """
import os, re
from pathlib import Path
from importer.reporter import annotated_child
def answer(job):
    Path(job.target).write_text(f"{os.getpid()}\\n")
    re.fullmatch("(a|aa)+", "a" * 200 + "b")
annotated_child.answer = answer
annotated_child.main()
"""
PARENT = """
import sys
from importer.reporter import annotated
from importer.reporter.annotated_job import AnnotatedJob
annotated.child_command = lambda module: [sys.executable, "-c", sys.argv[1]]
annotated._answer(AnnotatedJob("", sys.argv[2], "", 1, (), (), [], {}, None, {}, 1, 1 << 30))
"""


@pytest.mark.process
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds its process by /proc")
def test_the_child_ends_with_its_parent(tmp_path: Path) -> None:
    """Also of one that was killed, and whatever the child computes."""
    begun = tmp_path / "begun"
    with subprocess.Popen([sys.executable, "-c", PARENT, BUSY, str(begun)]) as parent:
        within(20, lambda: begun.exists() and begun.read_text().endswith("\n"))
        parent.kill()
    stat = Path(f"/proc/{begun.read_text().strip()}/stat")
    within(20, lambda: not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z")


def within(seconds: float, is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_uploaded_again_it_has_the_same_columns_and_rows(tmp_path: Path) -> None:
    """The reader ignores the result columns; the rest equals the source."""
    path = uploaded(tmp_path / "u.xlsx", lambda sheet: sheet.delete_cols(5))
    report(tmp_path / "run", path, outcomes(r5=failed(5, "816")))
    tables = []
    for place in (path, tmp_path / "run" / "annotated.xlsx"):
        with open_source(place, SourceOptions(sheet="Customers")) as source:
            tables.append((source.columns, [row for block in source.blocks() for row in table_of(block)]))
    assert tables[0] == tables[1]


@pytest.mark.parametrize("name", ["u.csv", "u.xls", "upload"])
def test_a_workbook_is_marked_whatever_its_name(tmp_path: Path, name: str) -> None:
    """The format is judged by content, not by name."""
    written = report(tmp_path / "run", uploaded(tmp_path / "u.xlsx").rename(tmp_path / name), outcomes())
    assert "annotated.xlsx" in written.reports


def test_a_workbook_of_another_kind_has_its_cells_marked(tmp_path: Path) -> None:
    """An .xls or .ods gets annotated.xlsx too. In it, a row that was not fixed fails again, and no other row."""
    book = xlwt.Workbook()
    sheet = book.add_sheet("Customers")
    table = [("Mobile", "E-mail", "Brand"), ("919844000001", "", "007"), ("919844000002", "", "x"), ("1", "", "=1+1")]
    for row, cells in enumerate(table, 3):
        for column, text in enumerate(cells):
            sheet.write(row, column, text)
    sheet.merge(5, 5, 2, 3)
    book.save(str(tmp_path / "u.xls"))
    outcomes = [Outcome(5, Status.SUCCEEDED, "1000", at=AT), failed(6, "merged_cells"), failed(7, "816")]
    written = report(tmp_path / "run", tmp_path / "u.xls", outcomes)
    assert any("without formatting" in note for note in written.notes)
    marked = openpyxl.load_workbook(tmp_path / "run" / "annotated.xlsx")
    page = marked["Customers"]
    assert [page.cell(4, n).value for n in range(1, 14)] == [*table[0], *RESULT_COLUMNS]
    assert (page["C5"].value, page["C5"].data_type, page["C7"].value, page["C7"].data_type) == (
        *("007", "s", "=1+1", "s"),
    )
    assert [page.cell(row, 6).value for row in (5, 6, 7)] == ["succeeded", "failed", "failed"]
    assert colour(page["A7"]) == RED
    with open_source(tmp_path / "run" / "annotated.xlsx") as source:
        assert source.columns == table[0]
        (block,) = source.blocks()
        assert [problem.row_number for problem in block.problems] == [6]


def test_merged_cells_leave_a_word_in_the_failed_file(tmp_path: Path) -> None:
    """Imported without a fix, the rows must not be sent with the value in the first row only."""
    path = uploaded(tmp_path / "u.xlsx", lambda sheet: sheet.merge_cells("D5:D6"))
    report(tmp_path / "run", path, outcomes(r5=failed(5, "merged_cells"), r6=failed(6, "merged_cells")))
    with open_source(tmp_path / "run" / "failed.xlsx") as source:
        problems = [problem for block in source.blocks() for problem in block.problems]
    assert {problem.row_number for problem in problems} == {2, 3}


def test_a_csv_has_no_annotated_workbook(tmp_path: Path) -> None:
    """There is no formatting to keep."""
    path = tmp_path / "u.csv"
    path.write_text("Mobile,Brand\n919844000000,Puma\n")
    with open_source(path) as source:
        written = write_files(tmp_path / "run", source, [failed(2, "816")], mapping(Mobile="mobile"))
    assert list(written.reports) == ["results.csv", "failed.csv"]
    assert written.notes == ()
