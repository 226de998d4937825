"""annotated.xlsx: the source workbook with highlights, which can be imported again."""

from __future__ import annotations

import copy
import errno
import os
import re
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
    assert sheet["B5"].comment.text == "importer: No e-mail.\nCorrect it.\n(code email_invalid)"
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
    assert first["A5"].comment.text.startswith("ask Ravi\n\nimporter: Customer not found.\n")
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


def test_what_an_xlsx_file_cannot_hold_is_left_out_and_said(tmp_path: Path) -> None:
    """Macros need a file named .xlsm, and a signature is not valid for another file."""
    path = uploaded(tmp_path / "u.xlsm")
    macros = (
        '<Relationship Id="m" Type="http://schemas.microsoft.com/office/2006/relationships/vbaProject" Target="{}"/>'
    )
    changed(path, "xl/_rels/workbook.xml.rels", "</Relationships>", macros.format("vbaProject.bin"))
    changed(path, "_rels/.rels", "</Relationships>", macros.format("_xmlsignatures/origin.sigs"))
    changed(path, "[Content_Types].xml", "</Types>", '<Override PartName="/xl/vbaProject.bin" ContentType="macros"/>')
    macro_enabled = "vnd.ms-excel.sheet.macroEnabled.main"
    replaced(path, "[Content_Types].xml", "vnd.openxmlformats-officedocument.spreadsheetml.sheet.main", macro_enabled)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("xl/vbaProject.bin", b"macros")
        archive.writestr("_xmlsignatures/origin.sigs", b"")
        archive.writestr("xl/media/image1.png", b"picture")
    written = report(tmp_path / "run", path, outcomes(r5=failed(5, "816")))
    assert "does not contain the workbook's macros and digital signature" in written.notes[0]
    with zipfile.ZipFile(tmp_path / "run" / "annotated.xlsx") as archive:
        assert archive.read("xl/media/image1.png") == b"picture"
        text = b"".join(name.encode() + archive.read(name) for name in archive.namelist())
    for word in (b"vbaProject", b"_xmlsignatures", b"macroEnabled"):
        assert word not in text


def test_what_only_excel_can_hold_is_kept(tmp_path: Path) -> None:
    """Sparklines, text boxes and controls are copied as they are: every part that is not changed has the same bytes."""
    book = xlsxwriter.Workbook(str(tmp_path / "u.xlsx"))
    sheet = book.add_worksheet("Customers")
    sheet.write_row(0, 0, ["Mobile", "Brand"])
    for n in range(1, 7):
        sheet.write_row(n, 0, [str(919844000000 + n), "Puma"])
    sheet.add_sparkline("D2", {"range": "Customers!A2:A7"})
    sheet.insert_textbox("F2", "Mind the gap")
    sheet.insert_button("F9", {"caption": "Go"})
    sheet.conditional_format("A2:A7", {"type": "duplicate"})
    book.close()
    written = report(tmp_path / "run", tmp_path / "u.xlsx", [failed(n, "816") for n in range(2, 8)])
    assert written.notes == ()
    before, after = zipfile.ZipFile(tmp_path / "u.xlsx"), zipfile.ZipFile(tmp_path / "run" / "annotated.xlsx")
    assert set(before.namelist()) <= set(after.namelist())
    assert {name for name in before.namelist() if before.read(name) != after.read(name)} == {
        *("[Content_Types].xml", "xl/styles.xml", "xl/worksheets/sheet1.xml", "xl/drawings/vmlDrawing1.vml"),
        *("xl/worksheets/_rels/sheet1.xml.rels", "xl/workbook.xml"),
    }
    assert "$A$1:$S$7" in after.read("xl/workbook.xml").decode(), "LibreOffice shows a filter only by its name"
    xml = after.read("xl/worksheets/sheet1.xml").decode()
    tags = ("</sheetData>", "<autoFilter", "<conditionalF", "<drawing", "<legacyD", "sparklineGroup")
    places = [xml.index(word) for word in tags]
    assert places == sorted(places)
    boxes = after.read("xl/drawings/vmlDrawing1.vml").decode()
    assert 'ObjectType="Button"' in boxes and boxes.count('ObjectType="Note"') == 6


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


def replaced(path: Path, part: str, before: str, after: str) -> Path:
    """The workbook with other text in a part."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    assert before.encode() in parts[part]
    parts[part] = parts[part].replace(before.encode(), after.encode())
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


def in_utf16(xml: str) -> bytes:
    return ('<?xml version="1.0" encoding="UTF-16"?>' + re.sub(r"<\?xml.*?\?>", "", xml)).encode("utf-16")


FORMS: dict[str, Callable[[str], str | bytes]] = {
    "prefixes": lambda xml: re.sub(r"<(/?)(\w)", r"<\1x:\2", xml).replace("xmlns=", "xmlns:x="),
    "utf-16": in_utf16,
    "no positions": lambda xml: re.sub(r'(<(?:row|c)(?= )[^>]*?) r="[A-Z]*\d+"', r"\1", xml),
    "no positions of cells": lambda xml: re.sub(r'(<c(?= )[^>]*?) r="[A-Z]*\d+"', r"\1", xml),
    "other quotes": lambda xml: xml.replace('"', "'").replace("<c r=", "<c  r ="),
    "comments": lambda xml: xml.replace("<row", "<!-- a </row> in a comment --><row"),
    "a row for each cell": lambda xml: re.sub(r'(<row r="(\d+)"[^>]*>)(.*?)</row>', _one_each, xml),
}


def _one_each(row: re.Match[str]) -> str:
    return "".join(f"{row[1]}{cell}</row>" for cell in re.findall(r"<c .*?(?:/>|</c>)", row[3]))


@pytest.mark.parametrize("form", FORMS)
def test_a_sheet_in_any_form_of_xml_is_marked(tmp_path: Path, form: str) -> None:
    """Prefixes, encodings, cells without a position: the same cells are highlighted as in the common form."""
    path = uploaded(tmp_path / "u.xlsx", full)
    part = "xl/worksheets/sheet1.xml"
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    xml = FORMS[form](parts[part].decode())
    assert xml != parts[part].decode()
    parts[part] = xml if isinstance(xml, bytes) else xml.encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    report(tmp_path / "run", path, outcomes(r5=failed(5, "1004")))
    sheet = openpyxl.load_workbook(tmp_path / "run" / "annotated.xlsx")["Customers"]
    assert [cell.value for cell in sheet[5]][:9] == [
        919844000001,
        "a1@example.com",
        "S1",
        "Puma",
        1,
        "Customers",
        "5",
        "failed",
        "1004",
    ]
    red = {cell.coordinate for row in sheet.iter_rows() for cell in row if colour(cell) == RED}
    assert red == {"C5", "H5"}
    assert {cell.coordinate for row in sheet.iter_rows() for cell in row if cell.comment} == {"C5"}


def full(sheet: Any) -> None:
    """Rows without gaps, so that positions can be counted."""
    sheet["A2"] = "May"
    for row in range(4, 10):
        sheet.cell(row, 5).value = 1


def test_a_cell_that_is_missing_is_made(tmp_path: Path) -> None:
    """It gets the format of its column: what is typed there must stay a text."""
    path = uploaded(tmp_path / "u.xlsx")
    changed(path, "xl/worksheets/sheet1.xml", "</cols>", '<col min="3" max="3" width="9" style="1"/>')
    replaced(path, "xl/worksheets/sheet1.xml", '<c r="C5" t="inlineStr"><is><t>S1</t></is></c>', "")
    report(tmp_path / "run", path, outcomes(r5=Outcome(5, Status.REJECTED, "x", "none", "Add it.", ("Store Code",))))
    sheet = openpyxl.load_workbook(tmp_path / "run" / "annotated.xlsx")["Customers"]
    assert (colour(sheet["C5"]), sheet["C5"].font.size) == (RED, 18)


def test_a_threaded_comment_stays_alone(tmp_path: Path) -> None:
    """Programs show the thread, not what is added to the comment that stands for it."""
    thread = Comment("[Threaded comment]", "tc={1}")
    path = uploaded(tmp_path / "u.xlsx", lambda sheet: setattr(sheet["C5"], "comment", thread))
    written = report(tmp_path / "run", path, outcomes(r5=failed(5, "1004")))
    sheet = openpyxl.load_workbook(tmp_path / "run" / "annotated.xlsx")["Customers"]
    assert (sheet["C5"].comment.text, colour(sheet["C5"])) == ("[Threaded comment]", RED)
    assert "threaded comment" in written.notes[0]


def test_a_workbook_that_cannot_be_marked_still_gets_its_other_reports(tmp_path: Path) -> None:
    """Parts that share their bytes, as in an attack, are not copied."""
    path = uploaded(tmp_path / "u.xlsx")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("xl/media/a.png", os.urandom(50_000))
        first = archive.NameToInfo["xl/media/a.png"]
        for name in ("xl/media/b.png", "xl/media/c.png"):
            twin = copy.copy(first)
            twin.filename = name
            archive.filelist.append(twin)
    written = report(tmp_path / "run", path, outcomes(r5=failed(5, "816")))
    assert list(written.reports) == ["results.csv", "failed.xlsx"]
    assert "There is no annotated.xlsx" in written.notes[0]


@pytest.mark.parametrize(("limit", "value"), [("ADDRESS_SPACE", 1 << 20), ("LONGEST", 0.0)])
def test_a_child_that_needs_too_much_costs_the_annotated_workbook_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: float
) -> None:
    """Never the run."""
    monkeypatch.setattr(annotated, limit, value)
    written = report(tmp_path / "run", uploaded(tmp_path / "u.xlsx"), outcomes(r5=failed(5, "816")))
    assert list(written.reports) == ["results.csv", "failed.xlsx"]
    assert written.notes[0].startswith("There is no annotated.xlsx because the workbook is too large")
    assert not [file for file in (tmp_path / "run").iterdir() if file.name not in ("results.csv", "failed.xlsx")]


@pytest.mark.parametrize(
    ("part", "before", "more"),
    [
        (
            "xl/worksheets/sheet2.xml",
            "<pageMargins",
            '<mergeCells count="1"><mergeCell ref="A1:XFD1048576"/></mergeCells>',
        ),
        (
            "xl/worksheets/sheet1.xml",
            "<pageMargins",
            '<mergeCells count="1"><mergeCell ref="A1:XFD1048576"/></mergeCells>',
        ),
        ("xl/worksheets/sheet1.xml", "</sheetData>", '<row r="1048576" ht="1"/>'),
        ("xl/styles.xml", "</cellXfs>", "<xf/>" * 30_000),
        ("xl/comments/comment9.xml", "", '<comment ref="A1"/>' * 30_000),
    ],
)
def test_what_would_fill_the_memory_of_a_program_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str, before: str, more: str
) -> None:
    """1 KiB of one merged range took 4.3 GB where every cell became an object."""
    monkeypatch.setattr(annotated, "ADDRESS_SPACE", 200 << 20)
    path = changed(uploaded(tmp_path / "u.xlsx"), part, before, more)
    assert "annotated.xlsx" in report(tmp_path / "run", path, outcomes(r5=failed(5, "816"))).reports


def test_a_disk_that_fails_under_the_child_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As under any other report: with 7, not with a note."""
    full = AnnotatedAnswer(False, errno=errno.ENOSPC)
    monkeypatch.setattr(annotated, "_answer", lambda job, rows: full)
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
def answer(job, rows):
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
annotated._answer(AnnotatedJob("", sys.argv[2], "", "", 1, {}, {}, ()), 0)
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
