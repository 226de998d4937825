"""annotated.xlsx of workbooks at the limits of their formats and of other programs."""

from __future__ import annotations

import re
import zipfile
import zlib
from pathlib import Path
from unittest.mock import MagicMock

import pytest
import xlsxwriter  # type: ignore[import-untyped]

from importer.model import Outcome, Status
from importer.reader import SourceOptions, open_source
from importer.reader.zip_safety import UnsafeZip, blocks
from importer.reporter.comment_parts import MOST_COMMENTS, MOST_FIRST
from importer.reporter.plain_workbook import PlainWorkbook
from importer.reporter.xml_text import CELL_CHARACTERS
from tests.support.reading import table_of
from tests.support.reporting import Sheet, failed_row, outcomes, report_on, uploaded

#: How names of the usual dialect begin → how those of the strict one do.
STRICT = {
    b"http://schemas.openxmlformats.org/spreadsheetml/2006/main": b"http://purl.oclc.org/ooxml/spreadsheetml/main",
    b"http://schemas.openxmlformats.org/officeDocument/2006/relationships": (
        b"http://purl.oclc.org/ooxml/officeDocument/relationships"
    ),
}


def test_a_large_workbook_has_the_first_comments_and_all_highlights(tmp_path: Path) -> None:
    """LibreOffice needs hours for 200,000 comments: the first cells and the first one of each problem have theirs."""
    rows = MOST_COMMENTS + MOST_FIRST + 50
    with xlsxwriter.Workbook(tmp_path / "u.xlsx") as book:
        sheet = book.add_worksheet("Customers")
        sheet.write_row(0, 0, ["Mobile", "E-mail", "Store Code", "Brand"])
        for n in range(1, rows + 1):
            sheet.write_row(n, 0, ["919844000000", "a@", "S1", "Puma"])
    found = [
        Outcome(n, Status.REJECTED, "email_invalid", "late" if n > rows - 9 else "no e-mail", "Fix it.", ("E-mail",))
        for n in range(2, rows + 2)
    ]
    written = report_on(tmp_path / "run", tmp_path / "u.xlsx", found)
    assert any(note.startswith("annotated.xlsx has comments on ") for note in written.notes)
    with zipfile.ZipFile(written.reports["annotated.xlsx"]) as archive:
        comments = re.findall(rb'<comment ref="B(\d+)"', archive.read("xl/commentsOfReport1.xml"))
        text = archive.read("xl/worksheets/sheet1.xml")
    assert [int(row) for row in comments] == [*range(2, MOST_COMMENTS + 2), rows - 8]
    formats = re.findall(rb'<c r="B\d+" s="(\d+)"', text)
    assert len(formats) == rows
    assert len(set(formats)) == 1


@pytest.mark.usefixtures("many_descriptors")
def test_a_process_with_many_open_connections_writes_it_too(tmp_path: Path) -> None:
    written = report_on(tmp_path / "run", uploaded(tmp_path / "u.xlsx"), outcomes(r5=failed_row(5, "816")))
    assert "annotated.xlsx" in written.reports, written.notes


def test_a_strict_workbook_stays_strict(tmp_path: Path) -> None:
    """Excel refuses a workbook that mixes the two dialects of its format: the new parts are as strict as the others."""
    path = uploaded(tmp_path / "u.xlsx")
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in parts.items():
            for usual, strict in STRICT.items():
                part = part.replace(usual, strict)
            archive.writestr(name, part)
    written = report_on(tmp_path / "run", path, outcomes(r5=failed_row(5, "1004")))
    with zipfile.ZipFile(written.reports["annotated.xlsx"]) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    assert content["xl/commentsOfReport1.xml"].count(b"<comment ") == 1
    assert not [name for name, text in content.items() if any(usual in text for usual in STRICT)]
    with open_source(Path(written.reports["annotated.xlsx"]), SourceOptions(sheet="Customers")) as source:
        assert [row[2] for block in source.blocks() for row in table_of(block)] == ["S1"] * 6


@pytest.mark.parametrize(
    ("columns", "cell", "fits"),
    [(2, "x" * CELL_CHARACTERS, True), (2, "x" * (CELL_CHARACTERS + 1), False), (2_000, "x", True)],
)
def test_what_no_sheet_can_hold_has_no_copy(tmp_path: Path, columns: int, cell: str, fits: bool) -> None:
    """The cells of an .xls, .xlsb or .ods: a copy that programs call damaged would be worse than none."""
    source = Sheet(tuple(f"c{n}" for n in range(columns)), [(cell,) * columns], "workbook", "Customers")
    copy = PlainWorkbook(tmp_path, source)
    copy.add([2], [[cell]] * columns)
    assert copy.finish(tmp_path / "copy.xlsx") is fits
    if fits:
        with open_source(tmp_path / "copy.xlsx") as opened:
            (block,) = opened.blocks()
            assert table_of(block) == [[cell] * columns]


@pytest.mark.parametrize(("message", "error"), [("Error -4 while", MemoryError), ("Error -3 while", UnsafeZip)])
def test_unpacking_without_memory_is_not_damage(message: str, error: type[Exception]) -> None:
    """zlib has the same error for both; a child at its limit would call a good workbook damaged."""
    archive = MagicMock()
    archive.open.return_value.__enter__.return_value.read.side_effect = zlib.error(f"{message} decompressing data")
    with pytest.raises(error):
        list(blocks(archive, zipfile.ZipInfo("xl/workbook.xml")))
