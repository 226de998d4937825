"""annotated.xlsx of workbooks as other programs write them: its parts stay valid, its columns stay readable."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from xml.etree.ElementTree import fromstring

import openpyxl
import pytest
from openpyxl.chart import BarChart, Reference
from openpyxl.comments import Comment
from openpyxl.drawing.spreadsheet_drawing import AnchorMarker, OneCellAnchor, TwoCellAnchor
from openpyxl.drawing.xdr import XDRPositiveSize2D
from openpyxl.utils import coordinate_to_tuple
from openpyxl.utils.units import pixels_to_EMU
from openpyxl.worksheet.worksheet import Worksheet

from importer.model import RESULT_COLUMNS
from importer.reporter import annotated_styles
from importer.reporter.annotated_frame import Head, with_filter
from importer.reporter.annotated_styles import Styles
from importer.reporter.marks import PROBLEM
from tests.support.reporting import failed_row, outcomes, report_on, uploaded

_NAME = '<definedName name="{}"{}>Customers!$A$3</definedName>'
_OURS = '<definedName name="_xlnm._FilterDatabase" localSheetId="0" hidden="1">\'Customers\'!$A$3:$O$9</definedName>'


def workbook(names: str, before: str = "") -> str:
    return f'<workbook><workbookPr/><sheets><sheet name="Customers"/></sheets>{before}{names}<calcPr/></workbook>'


@pytest.mark.parametrize(
    "before", ["", "<externalReferences/>", '<externalReferences><x r:id="1"/></externalReferences>']
)
@pytest.mark.parametrize(
    ("names", "kept"),
    [
        ("", ""),
        ("<definedNames/>", ""),
        ("<definedNames></definedNames>", ""),
        (f"<definedNames>{_NAME.format('Rate', '')}</definedNames>", _NAME.format("Rate", "")),
        (f"<definedNames>{_OURS.replace('$O$9', '$E$9')}</definedNames>", ""),
    ],
)
def test_a_workbook_has_one_list_of_names_in_its_place(names: str, kept: str, before: str) -> None:
    """openpyxl writes an empty list; Excel refuses a workbook with two lists, or with one before its references."""
    made = with_filter(workbook(names, before), "Customers", 0, "A3:O9")
    assert made == workbook(f"<definedNames>{kept}{_OURS}</definedNames>", before)


def picture(cell: str, pixels: tuple[int, int]) -> Callable[[Worksheet], None]:
    """Lets a sheet have a chart of this size at a cell."""

    def drawn(sheet: Worksheet) -> None:
        chart = BarChart()
        chart.add_data(Reference(sheet, min_col=1, min_row=4, max_row=6))
        anchor = AnchorMarker(**dict(zip(("row", "col"), (n - 1 for n in coordinate_to_tuple(cell)), strict=True)))
        size = XDRPositiveSize2D(*map(pixels_to_EMU, pixels))
        chart.anchor = OneCellAnchor(_from=anchor, ext=size)  # type: ignore[assignment]
        sheet.add_chart(chart)

    return drawn


def between(first: str, last: str) -> Callable[[Worksheet], None]:
    """Lets a sheet have a chart from one cell to another."""

    def drawn(sheet: Worksheet) -> None:
        picture("A1", (1, 1))(sheet)
        begin, end = (
            AnchorMarker(row=row - 1, col=column - 1) for row, column in map(coordinate_to_tuple, (first, last))
        )
        sheet._charts[-1].anchor = TwoCellAnchor(_from=begin, to=end)  # type: ignore[attr-defined]

    return drawn


def positions(path: Path) -> dict[str, int]:
    """Result column → its position from 1."""
    sheet = openpyxl.load_workbook(path)["Customers"]
    return {str(cell.value): cell.column for cell in sheet[3] if cell.value in RESULT_COLUMNS}


@pytest.mark.parametrize(
    ("change", "first"),
    [
        (lambda sheet: sheet.merge_cells("E5:H6"), 9),
        (lambda sheet: sheet.merge_cells("A1:M2"), 6),
        (lambda sheet: sheet.merge_cells("A12:XFD12"), 6),
        (lambda sheet: sheet.__setitem__("K30", "checked"), 12),
        (lambda sheet: sheet.__setitem__("XFD1", " "), 6),
        (lambda sheet: (sheet.__setitem__("BYA2", 1), sheet.__setitem__("G2", 1)), 8),
        (picture("G5", (320, 200)), 13),
        (picture("H1", (320, 30)), 6),
        (between("G2", "K9"), 12),
        (between("B12", "C20"), 6),
        (between("G4", "BYA9"), 6),
    ],
)
def test_the_result_columns_are_right_of_all_that_the_reader_sees(
    tmp_path: Path, change: Callable[[Worksheet], None], first: int
) -> None:
    """Merged cells and charts would hide them; behind a stray cell at the edge of the sheet no import finds them."""
    path = uploaded(tmp_path / "u.xlsx", change)
    for folder in ("one", "two"):
        written = report_on(tmp_path / folder, path, outcomes(r5=failed_row(5, "816")))
        assert "annotated.xlsx" in written.reports, written.notes
        path = Path(written.reports["annotated.xlsx"])
        assert positions(path) == {name: first + at for at, name in enumerate(RESULT_COLUMNS)}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('<t>確認</t><phoneticPr fontId="1"/>', "確認"),
        ('<r><t>確認</t></r><rPh sb="0" eb="2"><t>カクニン</t></rPh><phoneticPr fontId="1"/>', "確認"),
        ('<phoneticPr fontId="1"/>', ""),
    ],
)
def test_a_comment_with_its_reading_gets_ours_before_the_reading(tmp_path: Path, text: str, words: str) -> None:
    """Excel for Japan writes how words are read behind all words, and refuses any other order."""
    path = uploaded(tmp_path / "u.xlsx", lambda sheet: setattr(sheet["C5"], "comment", Comment("note", "Asha")))
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name).decode() for name in archive.namelist()}
    part = next(name for name in parts if "comment" in name and name.endswith(".xml"))
    parts[part] = re.sub("<text>.*</text>", f"<text>{text}</text>", parts[part])
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    written = report_on(tmp_path / "run", path, outcomes(r5=failed_row(5, "1004")))
    with zipfile.ZipFile(written.reports["annotated.xlsx"]) as archive:
        made = archive.read(part).decode()
    (found,) = re.findall("<text>(.*)</text>", made, re.DOTALL)
    assert re.sub(r"<(\w+).*?(?:</\1>|/>)", r"\1 ", found, flags=re.DOTALL).split() in (
        ["r", "r", "phoneticPr"],
        ["r", "r", "rPh", "phoneticPr"],
        ["r", "phoneticPr"],
    )
    assert found.index(words) < found.index("importer: ") < found.index("<phoneticPr")


def test_a_workbook_with_very_many_formats_does_not_get_more_than_excel_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its highlighted cells show their value as before, and share one format for each way of showing it."""
    monkeypatch.setattr(annotated_styles, "_MANY_FORMATS", 4)
    own = "".join(f'<xf numFmtId="{14 if n % 2 else 49}" fontId="{n}" xfId="0"/>' for n in range(10))
    styles = Styles(
        "<styleSheet><fonts><font/></fonts><fills><fill/><fill/></fills>"
        f"<cellXfs>{own}</cellXfs><cellStyles/></styleSheet>"
    )
    marked = [styles.filled(style, PROBLEM) for style in range(10)]
    assert len(set(marked)) == 2
    made = re.findall("<xf [^>]*>", styles.made())
    assert [re.findall('numFmtId="(\\d+)"', made[style]) for style in marked] == [["49"], ["14"]] * 5
    assert len(made) == 12


@pytest.mark.parametrize("state", ["frozen", "frozenSplit"])
def test_columns_that_were_frozen_stay_so(state: str) -> None:
    pane = f'<pane xSplit="2" ySplit="1" topLeftCell="C2" activePane="bottomRight" state="{state}"/>'
    head = Head(f"<worksheet><sheetViews><sheetView>{pane}</sheetView></sheetViews>".encode())
    head.freeze(3)
    assert b'<pane xSplit="2" ySplit="3" topLeftCell="C4" activePane="bottomRight" state="frozen"/>' in head.made()


def test_a_text_that_looks_like_an_attribute_of_a_row_stays(tmp_path: Path) -> None:
    """Only rows lose the list of the columns that they use."""
    text = 'a table with spans="1:4"'
    path = uploaded(tmp_path / "u.xlsx", lambda sheet: sheet.__setitem__("D5", text))
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    sheet = "xl/worksheets/sheet1.xml"
    parts[sheet] = parts[sheet].replace(b"<row r=", b'<row spans="1:5" r=')
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    written = report_on(tmp_path / "run", path, outcomes(r5=failed_row(5, "816")))
    assert openpyxl.load_workbook(written.reports["annotated.xlsx"])["Customers"]["D5"].value == text
    with zipfile.ZipFile(written.reports["annotated.xlsx"]) as archive:
        assert b'<row spans="' not in archive.read(sheet)


def test_a_sheet_with_nothing_before_its_rows_gets_its_header_frozen() -> None:
    """Small writers write the rows only."""
    head = Head(b'<?xml version="1.0"?>\n<worksheet xmlns="m">')
    head.freeze(1)
    head.widen({4: 12})
    children = [child.tag for child in fromstring(head.made() + b"<sheetData/></worksheet>")]
    assert children == ["{m}sheetViews", "{m}cols", "{m}sheetData"]
