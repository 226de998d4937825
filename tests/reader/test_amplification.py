"""A small file that stands for very much text costs little: its rows come in bounded blocks, or it is refused."""

from __future__ import annotations

import gzip
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import xlsxwriter

from importer.errors import SourceError
from importer.reader import SourceOptions, open_source
from importer.reader.portions import portions
from importer.reader.sheet_xml import UnreadableWorkbook
from importer.reader.sizes import LONGEST_CELL, LONGEST_ROW, MOST_CELLS, MOST_COST, MOST_ROWS, cost_of
from importer.reader.workbook_messages import SheetRows
from tests.support.reading import read

pytestmark = pytest.mark.process

ODS = (
    '<?xml version="1.0"?><office:document-content xmlns:office="urn:o" xmlns:text="urn:t" xmlns:table="urn:a">'
    '<office:body><office:spreadsheet><table:table table:name="Data"><table:table-row><table:table-cell><text:p>mobile'
    "</text:p></table:table-cell></table:table-row>{}</table:table></office:spreadsheet></office:body>"
    "</office:document-content>"
)
CELL = '<table:table-cell office:value-type="string"{}><text:p>{}</text:p></table:table-cell>'


def _workbook(columns: int, text: str, number_format: str = "") -> Callable[[Path], None]:
    """A sheet of 2,000 rows whose cells all hold this text, stored once."""

    def make(path: Path) -> None:
        book = xlsxwriter.Workbook(path)
        sheet = book.add_worksheet()
        shown = book.add_format({"num_format": number_format}) if number_format else None
        sheet.write_row(0, 0, ["mobile", *map(str, range(columns))])
        for row in range(1, 2_001):
            sheet.write_number(row, 0, 919_800_000_000 + row)
            for place in range(columns):
                if shown:
                    sheet.write_number(row, place + 1, 7, shown)
                else:
                    sheet.write_string(row, place + 1, text)
        book.close()

    return make


def _many_formats(path: Path) -> None:
    book = xlsxwriter.Workbook(path)
    sheet = book.add_worksheet()
    sheet.write_column(0, 0, ["mobile", *map(str, range(10_001))])
    for number in range(10_001):
        sheet.write_number(number + 1, 1, 1, book.add_format({"num_format": f'0"{number}"'}))
    book.close()


def _ods(rows: str) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
            archive.writestr("content.xml", ODS.format(rows))

    return make


def _ods_row(cells: str, repeated: int) -> str:
    return f'<table:table-row table:number-rows-repeated="{repeated}">{cells}</table:table-row>'


def _gzipped(start: str, part: str, count: int) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        with gzip.open(path, "wt", newline="") as stream:
            stream.write(start)
            for _ in range(count // 1000):
                stream.write(part * 1000)

    return make


def _two_directories(path: Path) -> None:
    """The plain record names a small directory, the one of ZIP64 a large one."""
    entry = b"PK\x01\x02" + struct.pack("<4B4HL2L5H2L", 20, 0, 20, *[0] * 8, 4, *[0] * 6) + b"name"
    start, count = b"PK\x03\x04" + bytes(26), 60_000
    size, at = len(entry) * count, len(start) + len(entry) * count
    records = [
        b"PK\x06\x06" + struct.pack("<Q2H2L4Q", 44, 45, 45, 0, 0, count, count, size, len(start)),
        b"PK\x06\x07" + struct.pack("<LQL", 0, at, 1),
        b"PK\x05\x06" + struct.pack("<4H2LH", 0, 0, 1, 1, len(entry), 0, 0),
    ]
    path.write_bytes(start + entry * count + b"".join(records))


def _members(count: int, size: int) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for number in range(count):
                archive.writestr(str(number), bytes(size))

    return make


SPACES = '<text:s text:c="100000"/>'
REFUSED: dict[str, tuple[str, Callable[[Path], None]]] = {
    "one long text in every cell": ("a.xlsx", _workbook(8, "x" * 32_767)),
    "very many number formats": ("a.xlsx", _many_formats),
    "rows that repeat beyond the sheet": ("a.ods", _ods(_ods_row(CELL.format("", "12"), 600_000) * 2)),
    "a row of long cells that repeats": (
        "a.ods",
        _ods(_ods_row(CELL.format(' table:number-columns-repeated="500"', "x" * 500), 1_000_000)),
    ),
    "spaces that repeat": ("a.ods", _ods(_ods_row(CELL.format("", SPACES * 1000), 1))),
    "paragraphs of spaces": ("a.ods", _ods(_ods_row(CELL.format("", f"{SPACES}</text:p><text:p>" * 1000), 1))),
    "quotes that make one row of all lines": ("a.csv.gz", _gzipped("mobile,brand\n", '"\n",', 3_000_000)),
    "a header of very many names": ("a.csv", _gzipped("mobile", ",a", MOST_CELLS + 1000)),
    "two directories": ("a.xlsx", _two_directories),
    "very many members": ("a.zip", _members(10_001, 0)),
    "many members without a ratio": ("a.zip", _members(20, 1 << 24)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused(name: str, tmp_path: Path) -> None:
    """One message, before gigabytes were made of kilobytes."""
    file, make = REFUSED[name]
    make(tmp_path / file)
    with pytest.raises(SourceError) as refused, open_source(tmp_path / file) as source:
        for _ in source.blocks():
            pass
    assert refused.value.code in ("damaged", "other_kind")


LONG: dict[str, tuple[str, Callable[[Path], None]]] = {
    "cells of some length": ("a.xlsx", _workbook(3, "x" * 8_000)),
    "a row that repeats": ("a.ods", _ods(_ods_row(CELL.format("", "x" * 50_000), 1_000))),
    "lines": ("a.csv.gz", _gzipped("mobile,brand\n", f"1,{'x' * 30_000}\n", 1_000)),
    "lines in quotes": ("a.csv.gz", _gzipped("mobile,brand\n", f'"1","{"x" * 30_000}"\n', 1_000)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LONG)
def test_long_rows_come_in_smaller_blocks(name: str, tmp_path: Path) -> None:
    """All of them, and each block is of bounded size however many rows are asked for."""
    file, make = LONG[name]
    make(tmp_path / file)
    rows = 0
    with open_source(tmp_path / file) as source:
        for block in source.blocks(100_000):
            rows += len(block)
            characters = sum(len(cell) for column in block.cells.columns for cell in column)
            assert cost_of(characters, len(block)) <= 2 * MOST_COST
    assert rows >= 1_000


def test_a_number_format_of_very_many_digits_is_not_built(tmp_path: Path) -> None:
    """The number stays as stored. The row is not refused for it."""
    _workbook(1, "", "0" * 2_000)(tmp_path / "a.xlsx")
    rows, _ = read(tmp_path / "a.xlsx")
    assert {cells[1] for _, cells in rows} == {"7"}


def test_the_header_row_may_be_far_down(tmp_path: Path) -> None:
    """The rows above it are not kept while it is looked for."""
    book = xlsxwriter.Workbook(tmp_path / "a.xlsx")
    sheet = book.add_worksheet()
    sheet.write_column(0, 0, [f"note {number}" for number in range(5_000)])
    sheet.write_row(5_000, 0, ["mobile", "brand"])
    sheet.write_row(5_001, 0, ["919812345678", "nike"])
    book.close()
    with open_source(tmp_path / "a.xlsx", SourceOptions(header_row=5_001)) as source:
        assert source.columns == ("mobile", "brand")
        assert [block.row_numbers for block in source.blocks()] == [[5_002]]


ROWS = SheetRows([1, 2, 3], [["a", "b", "c"]])
TOO_MUCH = {
    "more than 1,048,576 rows": SheetRows([MOST_ROWS + 1], [["a"]]),
    "a cell with more text": SheetRows([1], [["x" * (LONGEST_CELL + 1)]]),
    "a row larger": SheetRows([1], [["x" * LONGEST_CELL]] * (LONGEST_ROW // LONGEST_CELL + 1)),
    "far more text than its size": SheetRows(list(range(1, 1_001)), [[""] * 1_000] * 100),
}


@pytest.mark.parametrize("name", TOO_MUCH)
def test_no_format_gives_more_than_a_sheet_holds(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its reader makes of it."""
    if name.startswith("far"):
        monkeypatch.setattr("importer.reader.portions._FREE", 1000)
    with pytest.raises(UnreadableWorkbook, match=name):
        list(portions([ROWS, TOO_MUCH[name]], 400))


def test_a_portion_has_its_rows_problems_once() -> None:
    """Also where one row has the same problem for each of its cells."""
    problems = [(2, -1, "merged_cells")] * 100 + [(1, 0, "error_cell")]
    long = ["x" * 100_000] * 3
    found = list(portions([SheetRows([1, 2, 3], [long] * 10, problems)], 1 << 30))
    assert [batch.numbers for batch in found] == [[1, 2], [3]]
    assert [batch.problems for batch in found] == [[(1, 0, "error_cell"), (2, -1, "merged_cells")], []]
