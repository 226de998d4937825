"""What is not what its name says is named as what it is, and a name that is nearly right leads to the right one."""

from __future__ import annotations

import random
from pathlib import Path

import openpyxl
import pytest

from importer.errors import SourceError
from importer.reader import SourceOptions, open_source
from tests.support.raw_xlsx import parts_of, text_cell, write_parts

CSV = "mobile,Brand\n919800000001,rot\n"


def _book(path: Path, *sheets: str) -> Path:
    book = openpyxl.Workbook()
    for at, name in enumerate(sheets):
        sheet = book.create_sheet(name, at)
        sheet.append(["mobile"])
        sheet.append([f"9198000000{at:02d}"])
    book.save(path / "a.xlsx")
    return path / "a.xlsx"


def _zip(path: Path) -> bytes:
    rows = f'<row r="1">{text_cell("A1", "mobile")}</row>'
    return write_parts(path / "whole.xlsx", parts_of(rows)).read_bytes()


@pytest.mark.parametrize("suffix", [".xlsx", ".XLSX", ".xlsm", ".xlsb", ".xls", ".ods"])
@pytest.mark.parametrize("damage", ["random", "a few bytes", "zeros", "no beginning", "another beginning", "zeroed"])
def test_a_damaged_workbook_is_not_called_a_text(damage: str, suffix: str, tmp_path: Path) -> None:
    """Advice on encodings would not help."""
    whole = _zip(tmp_path)
    noise = random.Random(damage + suffix)
    content = {
        "random": noise.randbytes(20_000),
        "a few bytes": noise.randbytes(200),
        "zeros": bytes(10_000),
        "no beginning": whole[100:],
        "another beginning": b"XX" + whole[2:],
        "zeroed": bytes(512) + whole[512:],
    }[damage]
    file = tmp_path / f"a{suffix}"
    file.write_bytes(content)
    with pytest.raises(SourceError, match="not a workbook") as caught:
        open_source(file)
    assert "UTF-8" not in str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "cp437"])
@pytest.mark.parametrize("suffix", [".xls", ".xlsx"])
def test_a_text_named_like_a_workbook_is_read(suffix: str, encoding: str, tmp_path: Path) -> None:
    """Many programs export texts by that name."""
    file = tmp_path / f"a{suffix}"
    file.write_bytes((CSV * 3).replace("\n", "\r\n").encode(encoding) + b"\x1a" * (encoding == "cp437"))
    with open_source(file) as source:
        assert source.columns == ("mobile", "Brand")
        assert any("is text" in note for note in source.notes)


@pytest.mark.parametrize("wanted", ["Customers", "customers", "CUSTOMERS", " Customers ", "customers\t"])
def test_a_sheet_is_found_in_any_case(wanted: str, tmp_path: Path) -> None:
    """White space around a name is invisible."""
    with open_source(_book(tmp_path, "Other", "Customers"), SourceOptions(sheet=wanted)) as source:
        assert source.sheet == "Customers"


def test_a_sheet_with_white_space_in_its_name_is_found(tmp_path: Path) -> None:
    """The name in the file may have it too."""
    with open_source(_book(tmp_path, "Other", "Größe "), SourceOptions(sheet="GRÖSSE")) as source:
        assert source.sheet == "Größe "


def test_names_that_differ_in_white_space_are_told_apart(tmp_path: Path) -> None:
    """The exact name is taken; a name that fits two is refused."""
    file = _book(tmp_path, "Data", "Data ")
    with open_source(file, SourceOptions(sheet="Data ")) as source:
        assert source.sheet == "Data "
    with pytest.raises(SourceError) as caught:
        open_source(file, SourceOptions(sheet="data"))
    assert caught.value.sheets[:2] == ("Data", "Data ")


def test_an_unknown_sheet_suggests_the_nearest(tmp_path: Path) -> None:
    """And lists all."""
    file = _book(tmp_path, "Summary", "Customers 2026")
    with pytest.raises(SourceError) as caught:
        open_source(file, SourceOptions(sheet="customer2026"))
    assert "the nearest is 'Customers 2026'" in caught.value.message
    with pytest.raises(SourceError) as caught:
        open_source(file, SourceOptions(sheet="xyz"))
    assert "nearest" not in caught.value.message
    assert "'Summary'" in caught.value.advice


@pytest.mark.parametrize("wanted", ["customer.csv", "Customers.CSV", "customers.xlsx", "customers .csv"])
def test_a_missing_file_suggests_the_nearest_in_its_folder(wanted: str, tmp_path: Path) -> None:
    """By name and case, among files only."""
    (tmp_path / "customers.csv").write_text(CSV)
    (tmp_path / "stores.csv").write_text(CSV)
    (tmp_path / "customer.csv.d").mkdir()
    with pytest.raises(SourceError, match=r"'customers\.csv'"):
        open_source(tmp_path / wanted)


@pytest.mark.parametrize("wanted", ["zzz.csv", "gone/customers.csv", "c*.csv"])
def test_a_missing_file_without_a_like_one_suggests_none(wanted: str, tmp_path: Path) -> None:
    """Nor does a pattern that fits no file."""
    (tmp_path / "customers.csv").write_text(CSV)
    with pytest.raises(SourceError, match="does not exist") as caught:
        open_source(tmp_path / wanted)
    assert "nearest" not in caught.value.message
