"""Workbooks of Excel 2 to 2003 as they are found in archives."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import pytest
import xlwt

from importer.errors import SourceError
from importer.reader import SourceOptions, open_source
from tests.support.biff_writer import excel_95, in_container, old_sheet, record
from tests.support.reading import Rows, read, rows_of

HEADER = (b"Mobile", b"Name")


def _written(path: Path, content: bytes) -> Path:
    file = path / "a.xls"
    file.write_bytes(content)
    return file


def _rows(name: str, encoding: str) -> list[tuple[bytes | float, ...]]:
    return [HEADER, (919800000001.0, name.encode(encoding))]


@pytest.mark.parametrize(
    ("charset", "encoding", "name"),
    [
        (204, "cp1251", "Иванов"),
        (161, "cp1253", "Γιώργος"),
        (178, "cp1256", "الرياض"),
        (238, "cp1250", "Łukasz Wąs"),
        (128, "cp932", "田中"),
        (222, "cp874", "สมชาย"),
        (0, "cp1252", "Jürgen Groß"),
    ],
)
def test_texts_without_a_code_page_are_read_by_their_fonts(
    charset: int, encoding: str, name: str, tmp_path: Path
) -> None:
    """The character set of the font is the encoding of the text."""
    file = _written(tmp_path, in_container(excel_95(_rows(name, encoding), charset)))
    with open_source(file) as source:
        assert rows_of(source) == ([(2, ["919800000001", name])], [])
        assert any(encoding in note for note in source.notes)


@pytest.mark.parametrize("charset", [0, 1, 2])
def test_texts_that_no_font_explains_need_an_encoding(charset: int, tmp_path: Path) -> None:
    """It is asked for, and used."""
    file = _written(tmp_path, in_container(excel_95(_rows("Иванов", "cp1251"), charset)))
    with pytest.raises(SourceError, match="--encoding") as caught:
        open_source(file)
    assert "Иванов" in caught.value.message
    assert "--" not in caught.value.on_page
    assert read(file, encoding="cp1251") == ([(2, ["919800000001", "Иванов"])], [])


def test_a_byte_that_does_not_fit_is_a_damaged_cell(tmp_path: Path) -> None:
    """It costs its row, not the workbook."""
    rows: list[tuple[bytes | float, ...]] = [HEADER, (1.0, b"\x81\x20"), (2.0, b"red")]
    read_rows, problems = read(_written(tmp_path, in_container(excel_95(rows, 128))), encoding="cp932")
    assert read_rows[1] == (3, ["2", "red"])
    assert problems == [(2, "Name", "lost_letters")]


def test_an_unknown_code_page_needs_an_encoding(tmp_path: Path) -> None:
    """Its texts cannot be read without one."""
    file = _written(tmp_path, in_container(excel_95(_rows("Иванов", "cp1251"), 0, 29999)))
    with pytest.raises(SourceError, match="--encoding"):
        open_source(file)
    assert read(file, encoding="cp1251") == ([(2, ["919800000001", "Иванов"])], [])


def test_the_code_page_decides_where_there_is_one(tmp_path: Path) -> None:
    """Fonts are asked only without it."""
    file = _written(tmp_path, in_container(excel_95(_rows("Иванов", "cp1251"), 0, 1251)))
    assert read(file) == ([(2, ["919800000001", "Иванов"])], [])


@pytest.mark.parametrize("version", [2, 3, 4])
@pytest.mark.parametrize("codepage", [None, 1252])
def test_sheets_of_excel_2_to_4_are_read(version: int, codepage: int | None, tmp_path: Path) -> None:
    """They have no container: their first bytes tell them from texts."""
    rows: list[tuple[bytes | float, ...]] = [HEADER, (919800000001.0, b"red"), (919800000002.0, b"12.5")]
    expected = [(2, ["919800000001", "red"]), (3, ["919800000002", "12.5"])]
    assert read(_written(tmp_path, old_sheet(rows, version, codepage))) == (expected, [])


@pytest.mark.parametrize("version", [2, 3, 4])
def test_their_texts_beyond_ascii_need_a_code_page_or_an_encoding(version: int, tmp_path: Path) -> None:
    """Their fonts have no character set."""
    rows = _rows("Иванов", "cp1251")
    expected: tuple[Rows, list[object]] = ([(2, ["919800000001", "Иванов"])], [])
    assert read(_written(tmp_path, old_sheet(rows, version, 1251))) == expected
    file = _written(tmp_path, old_sheet(rows, version))
    with pytest.raises(SourceError, match="--encoding"):
        open_source(file)
    assert read(file, encoding="cp1251") == expected


@pytest.mark.parametrize("name", ["WORKBOOK", "workbook", "BOOK", "book", "Book"])
def test_the_workbook_is_found_in_any_case(name: str, tmp_path: Path) -> None:
    """Some programs name its stream in capitals."""
    file = _written(tmp_path, in_container(excel_95([HEADER, (1.0, b"red")]), name))
    assert read(file) == ([(2, ["1", "red"])], [])


def test_another_document_is_not_a_workbook(tmp_path: Path) -> None:
    """The word in its text does not count."""
    file = _written(tmp_path, in_container("Workbook, Book and book ".encode("utf-16-le") * 99, "WordDocument"))
    with pytest.raises(SourceError, match="a Word document"):
        open_source(file)


def _excel_2003() -> bytes:
    book = xlwt.Workbook()
    sheet = book.add_sheet("Customers")
    for at, row in enumerate([["Mobile", "Name"], *([str(number), f"red {number}"] for number in range(500))]):
        for place, cell in enumerate(row):
            sheet.write(at, place, cell)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def test_a_sector_that_two_streams_claim_refuses_no_workbook(tmp_path: Path) -> None:
    """Excel reads it; xlrd calls it a corruption ("seen[2] == 4")."""
    whole = bytearray(_excel_2003())
    root = whole.find("Root Entry".encode("utf-16-le"))
    entry = whole.find("Workbook".encode("utf-16-le"))
    # The stream of small streams is said to begin where the workbook does.
    whole[root + 116 : root + 124] = whole[entry + 116 : entry + 120] + struct.pack("<I", 512)
    rows, problems = read(_written(tmp_path, bytes(whole)))
    assert (len(rows), rows[-1], problems) == (500, (501, ["499", "red 499"]), [])


def test_a_truncated_workbook_is_refused(tmp_path: Path) -> None:
    """Half of the rows are not all of them."""
    whole = _excel_2003()
    with pytest.raises(SourceError):
        read(_written(tmp_path, whole[: len(whole) // 2]))


@pytest.mark.parametrize("password", [None, "sesame"])
def test_a_password_of_excel_95_is_named(password: str | None, tmp_path: Path) -> None:
    """No password opens it, so none is asked for."""
    stream = excel_95([HEADER, (1.0, b"red")], more=record(0x2F, b"\x12\x34\x56\x78"))
    with pytest.raises(SourceError, match="password of Excel 95") as caught:
        open_source(_written(tmp_path, in_container(stream)), SourceOptions(password=password))
    assert not caught.value.locked


def test_half_a_letter_is_a_damaged_cell(tmp_path: Path) -> None:
    """An emoji that was cut in the middle costs its row, not the workbook."""
    book = xlwt.Workbook()
    sheet = book.add_sheet("Customers")
    for at, row in enumerate([["Mobile", "Name"], ["1", "Änna😀"], ["2", "red"]]):
        for place, cell in enumerate(row):
            sheet.write(at, place, cell)
    out = io.BytesIO()
    book.save(out)
    whole = out.getvalue()
    half = "😀".encode("utf-16-le")
    assert whole.count(half) == 1
    rows, problems = read(_written(tmp_path, whole.replace(half, half[:2] + b"x\0")))
    assert rows[1] == (3, ["2", "red"])
    assert problems == [(2, "Name", "lost_letters")]
