"""A sheet's rows come as text under its own column names, with the numbers a spreadsheet program shows."""

from __future__ import annotations

from pathlib import Path

import openpyxl
import pytest

from importer.errors import SourceError
from importer.reader import SourceOptions, open_source
from tests.support.reading import rows_of, table_of


def test_a_csv_comes_as_it_is(tmp_path: Path) -> None:
    """Leading zeros, NA and the order of the columns survive; row 2 is the first row below the header."""
    file = tmp_path / "a.csv"
    file.write_text("mobile,Brand\n007,NA\n\n+91,null\n")
    with open_source(file) as source:
        block = next(source.blocks())
        assert source.columns == ("mobile", "Brand")
        assert block.row_numbers == [2, 4]
        assert table_of(block) == [["007", "NA"], ["+91", "null"]]
        assert any("1 blank row" in note for note in source.notes)


def test_a_workbook_can_be_read_again(tmp_path: Path) -> None:
    """The second reading gives what the first gave."""
    book = openpyxl.Workbook()
    assert book.active is not None
    book.active.append(["mobile", "Brand"])
    book.active.append([7744876415, "nike"])
    file = tmp_path / "a.xlsx"
    book.save(file)
    with open_source(file) as source:
        assert rows_of(source) == rows_of(source, 1) == ([(2, ["7744876415", "nike"])], [])


def test_a_missing_sheet_is_named(tmp_path: Path) -> None:
    """The error says which sheets there are."""
    book = openpyxl.Workbook()
    assert book.active is not None
    book.active.append(["mobile"])
    file = tmp_path / "a.xlsx"
    book.save(file)
    with pytest.raises(SourceError, match="'Nope'"):
        open_source(file, SourceOptions(sheet="Nope"))
