"""Cells written by any writer come back as the same text, by every way the reader has."""

from __future__ import annotations

import csv
import datetime as dt
import io
import math
import re
import tempfile
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest
import python_calamine
import xlsxwriter
import xlwt
from hypothesis import given, settings
from hypothesis import strategies as st

from importer.model import RESULT_COLUMNS, Outcome, Status, Stretch
from importer.reader import SourceOptions, cell_text, ods, open_source, xls
from importer.reader.sheet_xml import SheetReader
from importer.reader.workbook_child import marked
from importer.reader.workbook_messages import SheetRows as Block
from importer.reader.xlsx import XlsxWorkbook
from importer.reporter.csv_table import CsvTable
from tests.support.reading import read, rows_of

CHARACTERS = st.characters(
    blacklist_categories=("Cs", "Cc", "Cn"), blacklist_characters="\ufeff\ufffe\uffff", whitelist_characters="\t\n"
)
TEXT = st.one_of(
    st.text(CHARACTERS, max_size=12), st.sampled_from(["007", "+91 77", "NA", "1e5", "a,b", "a;b", '"', "'=1"])
)
HEADER = ["mobile", "brand", "size"]
MOMENTS = st.datetimes(dt.datetime(1900, 3, 1), dt.datetime(2200, 1, 1)).map(
    lambda moment: moment.replace(microsecond=0)
)
NUMBERS = st.one_of(
    st.integers(-(10**14), 10**15 - 1),
    # The libraries write 16 or 17 digits of a number, which must not decide how the fifteenth is rounded.
    st.floats(min_value=-1e20, max_value=1e20)
    .map(lambda number: float(format(number, ".15g")))
    .filter(lambda number: number == 0 or abs(number) > 1e-12),
)
#: An empty text is an empty cell; white space alone makes no row.
FILLED = TEXT.filter(lambda text: bool(text.strip()))
VALUES = st.one_of(FILLED, NUMBERS, st.booleans(), MOMENTS, MOMENTS.map(dt.datetime.date), st.none())


def _expected(rows: list[list[Any]]) -> list[tuple[int, list[str]]]:
    texts = [[cell_text.cell_text(cell) for cell in row] for row in rows]
    return [(number, row) for number, row in enumerate(texts, 2) if any(map(str.strip, row))]


def _flat(blocks: list[Block]) -> list[tuple[int, list[str]]]:
    rows = []
    for block in blocks:
        for number, cells in zip(block.numbers, zip(*block.columns, strict=True), strict=True):
            rows.append((number, [*cells, *[""] * (3 - len(cells))]))
    return rows


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.lists(TEXT, min_size=3, max_size=3), min_size=1, max_size=12),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_csv(rows: list[list[str]], delimiter: str, end: str, encoding: str, quoting: int) -> None:
    """Every cell, with every delimiter, line end, encoding and quoting; every record is a row or a blank one."""
    stream = io.StringIO(newline="")
    if end == "\r":
        # Python's writer leaves a line feed bare where lines end otherwise.
        quoting = csv.QUOTE_ALL
    writer = csv.writer(stream, delimiter=delimiter, lineterminator=end, quoting=quoting)  # type: ignore[arg-type]
    writer.writerows([HEADER, *rows])
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "a.csv"
        file.write_bytes(stream.getvalue().encode(encoding))
        found, problems = read(file, delimiter=delimiter)
    assert found == _expected(rows)
    assert not problems


#: What guards, quotes and line ends are made of, and what programs do not show.
HOSTILE = "'=+-@\t\r\n\0\x07\x0b\x1b \"09a.,;|!*&()\x85\x9b\u061b\xa0\u200b\u2028\u202e\ufeff\u3000＝＋－＠−"
ANY_TEXT = st.one_of(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), st.text(HOSTILE, max_size=8))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(ANY_TEXT, min_size=3, max_size=3), min_size=1, max_size=8), ANY_TEXT)
def test_our_own_csv_reports(rows: list[list[str]], message: str) -> None:
    """import(report(x)) = x, for every text: guards come off cells and column names, nothing of the user's own does."""
    names = ("mobile", "=brand", "-size;+extra")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "failed.csv"
        table = CsvTable(file, [*names, *RESULT_COLUMNS], "")
        outcomes = [Outcome(number, Status.FAILED, "816", message) for number in range(2, len(rows) + 2)]
        table.add(list(zip(*rows, strict=True)), list(map(Stretch, outcomes)))
        table.close()
        with open_source(file, SourceOptions()) as source:
            assert source.columns == names
            found, _ = rows_of(source)
    assert found == list(enumerate(rows, 2))


def test_no_program_divides_a_report_into_formulas(tmp_path: Path) -> None:
    """With a semicolon as the separator, no quote of a comma-separated file holds a cell together."""
    file = tmp_path / "results.csv"
    cells = ["red;=1+1", 'red;"=1+1"', "red\n=1+1", "red;\u200b＝1+1", "red\r@SUM(1)", "red;\t-2+3+cmd|' /C calc'!A0"]
    table = CsvTable(file, ["name", "brand", *RESULT_COLUMNS], "")
    outcomes = [Outcome(number, Status.FAILED, "816") for number in range(2, len(cells) + 2)]
    table.add([["x"] * len(cells), cells], list(map(Stretch, outcomes)))
    table.close()
    parts = re.split("[;\t\r\n]", file.read_text("utf-8-sig"))
    assert not [part for part in parts if re.match(r'[\s\u200b"]*[=+\-@＝]', part)]


def _write_openpyxl(rows: list[list[Any]], stream: io.BytesIO) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for number, row in enumerate([HEADER, *rows], 1):
        for place, value in enumerate(row, 1):
            if isinstance(value, str):
                cell = sheet.cell(number, place, "x")
                cell.value = value
                cell.data_type = "s"
            elif value is not None:
                sheet.cell(number, place, value)
    book.save(stream)


def _write_xlsxwriter(rows: list[list[Any]], stream: io.BytesIO, constant_memory: bool) -> None:
    book = xlsxwriter.Workbook(stream, {"constant_memory": constant_memory, "in_memory": True})
    sheet = book.add_worksheet()
    day, moment = book.add_format({"num_format": "yyyy-mm-dd"}), book.add_format({"num_format": "dd.mm.yyyy hh:mm:ss"})
    for number, row in enumerate([HEADER, *rows]):
        for place, value in enumerate(row):
            if isinstance(value, str):
                sheet.write_string(number, place, value)
            elif isinstance(value, dt.datetime):
                sheet.write_datetime(number, place, value, moment)
            elif isinstance(value, dt.date):
                sheet.write_datetime(number, place, value, day)
            elif isinstance(value, bool):
                sheet.write_boolean(number, place, value)
            elif value is not None:
                sheet.write_number(number, place, value)
    book.close()


@pytest.mark.slow
@settings(max_examples=120, deadline=None)
@given(
    st.lists(st.lists(VALUES, min_size=3, max_size=3), min_size=1, max_size=12),
    st.sampled_from(["openpyxl", "shared", "inline"]),
)
def test_xlsx(rows: list[list[Any]], writer: str) -> None:
    """Every kind of value, by the writers of two libraries, shared strings and inline ones."""
    stream = io.BytesIO()
    if writer == "openpyxl":
        _write_openpyxl(rows, stream)
    else:
        _write_xlsxwriter(rows, stream, writer == "inline")
    workbook = XlsxWorkbook(stream)
    found = _flat(list(marked(workbook.rows(workbook.sheets[0]), [])))
    assert found == [(1, HEADER), *_expected(rows)]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(VALUES, min_size=3, max_size=3), min_size=1, max_size=12))
def test_the_three_parsers_agree(rows: list[list[Any]]) -> None:
    """The regular expression, the XML parser over the whole sheet, and calamine read the same cells."""
    stream = io.BytesIO()
    _write_xlsxwriter(rows, stream, False)
    workbook = XlsxWorkbook(stream)
    member = workbook.sheets[0].member
    fast = _flat(list(marked(workbook.rows(workbook.sheets[0]), [])))
    reader = SheetReader(workbook._shared_strings(), workbook._formats())
    parsed = [reader.parsed_row(element) for element in workbook._elements(member, "row", "sheetData")]
    assert _flat(list(marked([block for block in parsed if block], []))) == fast
    stream.seek(0)
    other = python_calamine.CalamineWorkbook.from_filelike(stream).get_sheet_by_index(0)
    theirs = [(number, [cell_text.cell_text(cell) for cell in row]) for number, row in enumerate(other.iter_rows(), 1)]
    assert [row for row in theirs if any(map(str.strip, row[1]))] == fast


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(VALUES, min_size=3, max_size=3), min_size=1, max_size=8))
def test_xls(rows: list[list[Any]]) -> None:
    """Old workbooks keep the same values."""
    stream = io.BytesIO()
    book = xlwt.Workbook()
    sheet = book.add_sheet("Data")
    day, moment = xlwt.easyxf(num_format_str="YYYY-MM-DD"), xlwt.easyxf(num_format_str="DD/MM/YYYY HH:MM:SS")
    for number, row in enumerate([HEADER, *rows]):
        for place, value in enumerate(row):
            if isinstance(value, dt.datetime):
                sheet.write(number, place, value, moment)
            elif isinstance(value, dt.date):
                sheet.write(number, place, value, day)
            elif value is not None:
                sheet.write(number, place, value)
    book.save(stream)
    stream.seek(0)
    workbook = xls.XlsWorkbook(stream)
    assert _flat(list(marked(workbook.rows("Data"), []))) == [(1, HEADER), *_expected(rows)]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.lists(st.one_of(FILLED.map(lambda text: " ".join(text.split())), NUMBERS), min_size=3, max_size=3),
        min_size=1,
        max_size=8,
    )
)
def test_ods(rows: list[list[Any]]) -> None:
    """OpenDocument keeps text and numbers."""
    stream = io.BytesIO()
    pd.DataFrame(rows, columns=HEADER, dtype=object).to_excel(stream, index=False, engine="odf")  # type: ignore[arg-type]
    workbook = ods.OdsWorkbook(stream)
    assert _flat(list(marked(workbook.rows(workbook.sheets[0][0]), []))) == [(1, HEADER), *_expected(rows)]


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(VALUES, min_size=3, max_size=3), min_size=1, max_size=12))
def test_frame(rows: list[list[Any]]) -> None:
    """A DataFrame gives the same text as a workbook would."""
    frame = pd.DataFrame(rows, columns=HEADER, dtype=object)
    found, _ = read(frame)
    assert found == _expected(rows)


@given(st.floats(-1e300, 1e300))
def test_numbers_keep_their_first_fifteen_digits(number: float) -> None:
    """A whole number that a double keeps has all its digits, another one is rounded to 15, no more and no less."""
    text = cell_text.number_text(number)
    assert math.isclose(float(text), number, rel_tol=1e-14, abs_tol=0)
    if number.is_integer() and abs(number) <= 2**53:
        assert text == str(int(number))
        return
    assert float(text) == float(format(number, ".15g"))
    assert not text.endswith(".0")
