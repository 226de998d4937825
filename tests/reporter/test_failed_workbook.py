"""failed.xlsx is made for fixing, and is imported again as it is, whichever program saved it."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Sequence
from pathlib import Path

import openpyxl
import pytest
import xlsxwriter  # type: ignore[import-untyped]
from openpyxl.worksheet.worksheet import Worksheet

from importer.errors import SourceError
from importer.model import RESULT_COLUMNS, Cause, Outcome, Problem, Status
from importer.reader import SourceOptions, open_source
from importer.reporter import WrittenReports, comment_parts, workbook_table
from importer.reporter.workbook_table import WorkbookTable
from importer.reporter.xml_text import CELL_CHARACTERS
from tests.reporter.test_programs import needs_office, saved_by_office
from tests.support.reading import table_of
from tests.support.reporting import Sheet, mapping, write_files

COLUMNS = ("Mobile", "Email", "Brand")
MAPPING = mapping(Mobile="mobile", Email="email", Brand="preference")
PINK, YELLOW = "FFF4B6B0", "FFFFE69A"
TOO_SHORT, NO_MAIL = "the mobile is too short", "not a valid e-mail address"


def rejected(row: int, *columns: str, code: str = "email_invalid", message: str = NO_MAIL) -> Outcome:
    return Outcome(row, Status.REJECTED, code, message, "Correct it.", columns, at=1_795_399_200_000)


def failed(
    folder: Path, rows: Sequence[tuple[str, ...]], outcomes: list[Outcome], sheet: str = "Customers"
) -> Worksheet:
    written = written_of(folder, rows, outcomes, sheet)
    return openpyxl.load_workbook(written.reports["failed.xlsx"]).worksheets[0]


def written_of(
    folder: Path, rows: Sequence[tuple[str, ...]], outcomes: list[Outcome], sheet: str = "Customers"
) -> WrittenReports:
    return write_files(folder, Sheet(COLUMNS, rows, "workbook", sheet), outcomes, MAPPING)


def cells_of(path: Path) -> list[list[str]]:
    with open_source(path) as source:
        return [row for block in source.blocks() for row in table_of(block)]


def marks(sheet: Worksheet) -> dict[str, str]:
    """Cell → its colour, of those that are highlighted or have a comment."""
    found = {}
    for row in sheet.iter_rows(min_row=2):
        for cell in row:
            colour = str(cell.fill.start_color.rgb)
            if cell.comment is not None or colour in (PINK, YELLOW):
                assert cell.comment is not None or cell.column > len(COLUMNS) + len(RESULT_COLUMNS)
                found[cell.coordinate] = colour
    return found


def test_each_problem_cell_is_highlighted_and_says_what_to_do(tmp_path: Path) -> None:
    """Also an empty one, several of a row, and `_message` where no cell is at fault; a row that was only not reached
    has no mark."""
    rows = [("91", "a@", "x"), ("92", "", "x"), ("1", "b@", "y"), ("", "", "z"), ("95", "c@d.ef", "w"), ("96", "", "v")]
    outcomes = [
        rejected(2, "Email"),
        rejected(3, "Email"),
        rejected(4, "Mobile", "Email", message=f"{TOO_SHORT}; {NO_MAIL}"),
        rejected(5, code="no_identifier", message="the row has no customer identifier"),
        Outcome(6, Status.UNKNOWN, "connection", "no answer", attempts=1),
        Outcome(7, Status.UNPROCESSED, "not_reached"),
    ]
    sheet = failed(tmp_path, rows, outcomes)
    assert marks(sheet) == {"B2": PINK, "B3": PINK, "A4": PINK, "B4": PINK, "H5": PINK, "H6": YELLOW}
    assert sheet["H5"].value == "the row has no customer identifier"
    comment = sheet["B2"].comment
    assert comment is not None
    assert comment.text == "Not a valid e-mail address.\nCorrect it.\n(code email_invalid)"
    assert sheet["B3"].value is None


def test_an_unknown_code_of_the_server_marks_the_columns_that_it_is_about(tmp_path: Path) -> None:
    """A refusal names no column: its code says which field, and only filled cells are marked."""
    outcomes = [Outcome(2, Status.FAILED, "816", "no such customer"), Outcome(3, Status.FAILED, "816", "no such one")]
    sheet = failed(tmp_path, [("91", "a@b.cd", "x"), ("", "a@b.cd", "x")], outcomes)
    assert marks(sheet) == {"A2": PINK, "B2": PINK, "B3": PINK}


def test_our_columns_are_folded_at_the_right_but_for_what_to_do(tmp_path: Path) -> None:
    """Grey and grouped: `_message` and `_advice` are shown; header frozen, cells wrapped, a filter over all columns."""
    sheet = failed(tmp_path, [("91", "a@", "x" * 90)], [rejected(2, "Email")])
    header = [cell.value for cell in sheet[1]]
    assert header == [*COLUMNS, *RESULT_COLUMNS]
    folded = {}
    for dimension in sheet.column_dimensions.values():
        for place in range(dimension.min, dimension.max + 1):
            folded[place] = (dimension.hidden, dimension.outlineLevel)
    shown = [name for place, name in enumerate(header, 1) if not folded[place][0]]
    assert shown == [*COLUMNS, "_message", "_advice"]
    assert all(folded[header.index(name) + 1][1] == 1 for name in RESULT_COLUMNS if name not in shown)
    assert sheet.freeze_panes == "A2"
    assert sheet.auto_filter.ref == "A1:M2"
    assert sheet["C2"].alignment.wrap_text
    assert (sheet.row_dimensions[2].height or 0) >= 30, "no program finds the height of a wrapped cell on opening"
    assert sheet["H2"].fill.start_color.rgb != "00000000"
    assert sheet["A2"].fill.start_color.rgb == "00000000"


def test_the_causes_are_listed_beside_with_their_rows(tmp_path: Path) -> None:
    """The sheet "How to fix": causes, advice, counts, and examples that lead to the row of this workbook."""
    rows = [(str(n), "a@", "x") for n in range(4)]
    outcomes = [Outcome(2, Status.SUCCEEDED, "1000"), *(rejected(n, "Email") for n in (3, 4, 5))]
    written = written_of(tmp_path, rows, outcomes)
    page = openpyxl.load_workbook(written.reports["failed.xlsx"])["How to fix"]
    (cause,) = written.causes
    assert [cell.value for cell in page[2]][:3] == [cause.text, cause.advice, "3"]
    assert page["D2"].value == "2, 3, 4 of this workbook (3, 4, 5 of the source)"
    assert page["D2"].hyperlink is not None
    assert page["D2"].hyperlink.location == "'Customers'!A2"
    assert all(str(cell.value).startswith("_") for cell in page[1])


@pytest.mark.parametrize("name", ["Customers", "How to fix", "it's [bad]: name", "a" * 40])
def test_the_workbook_is_imported_again_as_it_is(tmp_path: Path, name: str) -> None:
    """The reader takes the sheet with the rows, whatever the sheet of the source was called."""
    written = written_of(tmp_path, [("91", "a@", "x")], [rejected(2, "Email")], name)
    assert cells_of(Path(written.reports["failed.xlsx"])) == [["91", "a@", "x"]]


@pytest.mark.parametrize("title", ["How to fix", "Comment corriger"])
def test_only_a_sheet_without_columns_to_read_is_left_out(tmp_path: Path, title: str) -> None:
    """A person's own sheet is never left out, also under that name: the person chooses. Ours is, also renamed."""
    written = written_of(tmp_path, [("91", "a@", "x")], [rejected(2, "Email")])
    path = Path(written.reports["failed.xlsx"])
    book = openpyxl.load_workbook(path)
    book["How to fix"].title = title
    book.create_sheet("Notes", 0)
    book.save(path)
    assert cells_of(path) == [["91", "a@", "x"]], "an empty sheet is none"
    book["Notes"].append(["what", "why"])
    book["Notes"].append(["a", "b"])
    book.save(path)
    with pytest.raises(SourceError) as refused:
        open_source(path)
    assert refused.value.sheets == ("Notes", "Customers")
    with open_source(path, SourceOptions(sheet="Customers")) as source:
        assert source.columns == COLUMNS
    book[title]["B1"] = "Mobile"
    del book["Notes"]
    book.save(path)
    with pytest.raises(SourceError):
        open_source(path)


HOSTILE = (
    *("=1+1", "@SUM(1)", "007", "12345678901234567890", "TRUE", "  leading", "trailing ", "a\nb\n", "two  spaces"),
    *(
        "_x0041_",
        "_x000D_",
        "_x_",
        "x_x0041",
        "<r><t>x</t></r>",
        "a & b < c > d",
        '"',
        "'",
        "\ttab",
        "😀",
        "ا",
        "\u00a0",
    ),
    *("]]>", "&amp;", "<c r=", "x" * CELL_CHARACTERS, "\ufeff", "#N/A", "1e5", "-", "\u200b", "é", "\u2028", "\r"),
)
UNSHOWN = ("\x00", "\x01\x02", "\x1b[31m", "\ufffe", "\uffff", "\x0b", "\x0c")


def test_hostile_cells_come_back_as_they_were(tmp_path: Path) -> None:
    """Through our reader: as a source gives them to us, character by character."""
    rows = [("91", cell, cell) for cell in (*HOSTILE, *UNSHOWN)]
    written = written_of(tmp_path, rows, [rejected(n, "Brand") for n in range(2, len(rows) + 2)])
    assert "failed.csv" not in written.reports
    assert [row[1] for row in cells_of(Path(written.reports["failed.xlsx"]))] == [*HOSTILE, *UNSHOWN]


def test_half_a_letter_does_not_stop_the_report(tmp_path: Path) -> None:
    """In a cell, a name, a message or a cause. Our reader gives none; a program that calls us may."""
    half = "a\ud83d"
    uses = MAPPING.columns
    table = WorkbookTable(tmp_path / "failed.xlsx", ("Mobile", half), RESULT_COLUMNS, uses, half, tmp_path)
    table.add([["91"], [half]], [rejected(2, half, message=half)], {0: [half]})
    table.close(0, [Cause(half, half, 1, (2,))])
    assert [row[0] for row in cells_of(tmp_path / "failed.xlsx")] == ["91"]


def test_other_programs_read_the_same_cells(tmp_path: Path) -> None:
    """openpyxl, which knows nothing of us: typed text, no formula."""
    cells = [cell for cell in HOSTILE if not re.search("_x[0-9A-F]{4}_|\r", cell)]
    sheet = failed(
        tmp_path, [("91", cell, "") for cell in cells], [rejected(n, "Email") for n in range(2, 2 + len(cells))]
    )
    assert [row[0].value for row in sheet.iter_rows(min_row=2, min_col=2, max_col=2)] == cells
    assert {row[0].data_type for row in sheet.iter_rows(min_row=2, min_col=2, max_col=2)} <= {"s", "inlineStr"}


def test_there_are_as_many_comments_as_problem_cells(tmp_path: Path) -> None:
    """Each cell has its comment and its box, without which programs show none; the parts are whole, and the numbers of
    the boxes are in the blocks that are declared."""
    count = 4_500
    rows = [("91", f"a{n}@", "x") for n in range(count)]
    written = written_of(tmp_path, rows, [rejected(n, "Email") for n in range(2, count + 2)])
    assert not [note for note in written.notes if "comments" in note]
    comments, boxes = commented(Path(written.reports["failed.xlsx"]))
    assert len(comments) == count
    assert boxes.keys() == {n + 1 for n in range(count)}
    blocks = re.findall(rb'idmap v:ext="edit" data="([\d,]+)"', box_part(Path(written.reports["failed.xlsx"])))
    assert {number // 1024 for number in boxes.values()} <= set(map(int, blocks[0].split(b",")))
    assert len(set(boxes.values())) == count


def test_more_cells_than_can_be_commented_stay_highlighted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first cells and the first one of each problem have a comment; the workbook and a note say so."""
    monkeypatch.setattr(comment_parts, "MOST_COMMENTS", 3)
    monkeypatch.setattr(comment_parts, "MOST_FIRST", 1)
    rows = [("91", f"a{n}@", "x") for n in range(7)]
    outcomes = [rejected(n, "Email", message=TOO_SHORT if n == 7 else NO_MAIL) for n in range(2, 9)]
    written = written_of(tmp_path, rows, [*outcomes[:-1], rejected(8, "Email", message="a third problem")])
    path = Path(written.reports["failed.xlsx"])
    assert commented(path)[0] == {"B2", "B3", "B4", "B7"}
    sheet = openpyxl.load_workbook(path).worksheets[0]
    assert {sheet[f"B{row}"].fill.start_color.rgb for row in range(2, 9)} == {PINK}
    assert any(note.startswith("failed.xlsx has comments on ") for note in written.notes)
    page = openpyxl.load_workbook(path)["How to fix"]
    assert "each has a comment" not in str([cell.value for row in page.iter_rows() for cell in row])


def box_part(path: Path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        return archive.read("xl/drawings/vmlDrawing1.vml")


def commented(path: Path) -> tuple[set[str], dict[int, int]]:
    """The cells with a comment, and the number of each box by its row, from 0."""
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        cells = re.findall(rb'<comment ref="(\w+)"', archive.read("xl/comments1.xml"))
    boxes = re.findall(rb'<v:shape id="_x0000_s(\d+)".*?<x:Row>(\d+)</x:Row><x:Column>1<', box_part(path))
    return {cell.decode() for cell in cells}, {int(row): int(number) for number, row in boxes}


def test_the_same_run_gives_the_same_bytes(tmp_path: Path) -> None:
    """Whenever the report is written again."""
    made = [
        Path(
            written_of(tmp_path / name, [("91", "a@", "x")], [rejected(2, "Email")]).reports["failed.xlsx"]
        ).read_bytes()
        for name in ("one", "two")
    ]
    assert made[0] == made[1]


def test_rows_beyond_a_sheet_are_in_the_csv_and_causes_know_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second sheet would need a choice at the import: failed.csv has every row instead."""
    monkeypatch.setattr(workbook_table, "SHEET_ROWS", 2)
    written = written_of(tmp_path, [("91", "a@", "x")] * 5, [rejected(n, "Email") for n in range(2, 7)])
    assert len(cells_of(Path(written.reports["failed.xlsx"]))) == 2
    assert len(cells_of(Path(written.reports["failed.csv"]))) == 5
    page = openpyxl.load_workbook(written.reports["failed.xlsx"])["How to fix"]
    assert page["D2"].value == "2, 3 of this workbook (2, 3, 4 of the source)"


@needs_office
@pytest.mark.parametrize("form", ["xlsx", "ods", "xls"])
def test_another_program_opens_it_with_its_marks_and_saves_what_we_read(tmp_path: Path, form: str) -> None:
    """LibreOffice: comments, colours, folded columns and the sheet of causes; then the right sheet is imported."""
    problem = Problem(3, None, "blue,green", "ragged_row", "more cells than the header")
    rows = [("91", "a@", "x"), ("92", "a@b.cd", "y\nz")]
    source = Sheet(COLUMNS, rows, "workbook", "Customers", problems=[problem])
    outcomes = [rejected(2, "Email"), rejected(3, code="ragged_row", message="more cells than the header")]
    written = write_files(tmp_path, source, outcomes, MAPPING)
    saved = saved_by_office(Path(written.reports["failed.xlsx"]), tmp_path / "out", form)
    assert cells_of(saved) == [list(row) for row in rows]
    if form == "xlsx":
        book = openpyxl.load_workbook(saved)
        assert book.sheetnames == ["Customers", "How to fix"]
        assert marks(book.worksheets[0]) == {"B2": PINK, "H3": PINK, "N3": PINK}
        assert book.worksheets[0]["N3"].value == "blue,green"
        hidden = [d for d in book.worksheets[0].column_dimensions.values() if d.hidden]
        assert sum(d.max - d.min + 1 for d in hidden) == 8


def test_a_sheet_of_a_person_beside_ours_is_read_by_xlsxwriter_too(tmp_path: Path) -> None:
    """Shared strings, several sheets of explanations and one of rows, in any order."""
    path = tmp_path / "b.xlsx"
    with xlsxwriter.Workbook(path) as book:
        for name, header in (("One", ("_a", "_b")), ("Rows", ("Mobile", "_x")), ("Two", ("", " _note"))):
            page = book.add_worksheet(name)
            page.write_row(1, 0, header)
            page.write_row(2, 0, ("919844000001", "x"))
    with open_source(path) as opened:
        assert (opened.sheet, opened.columns) == ("Rows", ("Mobile",))


def test_what_a_rule_has_fixed_is_beside_the_results(tmp_path: Path) -> None:
    """`_fixed` is the last of our columns, folded like them, and cells beside it stay beside it."""
    uses, results = MAPPING.columns, (*RESULT_COLUMNS, "_fixed")
    table = WorkbookTable(tmp_path / "failed.xlsx", COLUMNS, results, uses, "Customers", tmp_path)
    table.add([["91", "92"], ["a", "b"], ["", ""]], [rejected(2), rejected(3)], {0: ["beside"]}, ['{"Email": "x"}', ""])
    table.close(0, [])
    sheet = openpyxl.load_workbook(tmp_path / "failed.xlsx").worksheets[0]
    assert [sheet[cell].value for cell in ("N1", "N2", "N3", "O2")] == ["_fixed", '{"Email": "x"}', None, "beside"]
