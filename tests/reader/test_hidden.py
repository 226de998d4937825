"""Hidden rows and columns are imported, and a note says so, in every format of workbooks."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pytest
import xlwt

from importer.errors import SourceError
from importer.reader import SourceOptions, open_source
from tests.support.reading import rows_of
from tests.support.xlsb_writer import write_xlsb


def _xlsx(file: Path) -> None:
    book = openpyxl.Workbook()
    for cells in (["Mobile", "Colour", "Secret"], ["1", "a", "x"], ["2", "b", "y"]):
        book.active.append(cells)
    book.active.column_dimensions["C"].hidden = True
    book.active.row_dimensions[3].hidden = True
    book.save(file)


def _no_width(file: Path) -> None:
    _xlsx(file)
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content.replace(b'hidden="1" width="13"', b'width="0"'))


def _xls(file: Path) -> None:
    book = xlwt.Workbook()
    sheet = book.add_sheet("Sheet")
    for at, cells in enumerate((["Mobile", "Colour", "Secret"], ["1", "a", "x"], ["2", "b", "y"])):
        for place, cell in enumerate(cells):
            sheet.write(at, place, cell)
    sheet.col(2).hidden = True
    sheet.row(2).hidden = True
    book.save(str(file))


def _xlsb(file: Path) -> None:
    write_xlsb(file, {1: ["Mobile", "Colour", "Secret"], 2: ["1", "a", "x"], 3: ["2", "b", "y"]}, hidden=(3, 2))


@pytest.mark.parametrize("make", [_xlsx, _no_width, _xls, _xlsb])
def test_notes_of_what_is_hidden(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """The rows are counted, the columns are named by letter and name."""
    file = tmp_path / "a"
    make(file)
    with open_source(file) as source:
        assert rows_of(source)[0] == [(2, ["1", "a", "x"]), (3, ["2", "b", "y"])]
        assert [note for note in source.notes if "idden" in note] == [
            f"Sheet {source.sheet!r} has 1 hidden or filtered row; it was imported too.",
            "Column C 'Secret' is hidden and was imported too.",
        ]


@pytest.mark.parametrize("name", ["How to fill in", "HOW TO FILL IN ", "Drop-down lists"])
def test_the_tools_own_instructions_are_not_read_beside_data(tmp_path: Path, name: str) -> None:
    """A template or a report has one more sheet with text. Alone it is data like any other."""
    file = tmp_path / "a.xlsx"
    book = openpyxl.Workbook()
    book.active.title = name
    for cells in (["Column", "Mobile"], ["Example", "919774487641"]):
        book.active.append(cells)
    book.save(file)
    with open_source(str(file)) as source:
        assert source.sheet == name
    for cells in (["Mobile", "Colour"], ["919774487642", "Blue"]):
        (book["Data"] if "Data" in book.sheetnames else book.create_sheet("Data")).append(cells)
    book.save(file)
    with open_source(str(file)) as source:
        assert source.sheet == "Data"
    with open_source(str(file), SourceOptions(sheet=name)) as source:
        assert source.sheet == name
    book.create_sheet("Notes").append(["Remember"])
    book.save(file)
    with pytest.raises(SourceError) as refused:
        open_source(str(file))
    assert refused.value.sheets == ("Data", "Notes")
