"""A number comes as its program displays it where the display matters, and as stored elsewhere."""

from __future__ import annotations

import re
import zipfile
from decimal import Decimal
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest
import xlwt

from importer.reader.cell_text import Flagged
from importer.reader.number_formats import plain, plain_column, shown_as
from tests.support.reading import read
from tests.support.xlsb_writer import write_xlsb

UNKNOWN, PARTIAL, ROUNDED, ERROR = "number_format_unknown", "preference_is_a_date", "mobile_rounded", "error_cell"


def _code(text: str) -> str:
    return text.code if isinstance(text, Flagged) else ""


@pytest.mark.parametrize(
    ("code", "number", "text"),
    [
        ('"C-"00000', "42", "C-00042"),
        ('"C-"0', "-42", "-C-42"),
        ('"0"0', "7744876415", "07744876415"),
        ('"91"#', "7744876415", "917744876415"),
        ("00000_);(00000)", "42", "00042"),
        ("00000_);(00000)", "-42", "(00042)"),
        ("*-00000", "42", "00042"),
        (r"[<=9999999]###\-####;\(###\)\ ###\-####", "5551234567", "(555) 123-4567"),
        (r"[<=9999999]###\-####;\(###\)\ ###\-####", "1234567", "123-4567"),
        ('0#" "##" "##" "##" "##', "612345678", "06 12 34 56 78"),
        ("[<1E+7]000-0000;000-000-0000", "5551234567", "555-123-4567"),
        ('[=1]"A-"0;[=2]"B-"0;"C-"0', "2", "B-2"),
        ('"C-"General', "42", "C-42"),
        ('0"/2026"', "5", "5/2026"),
        ('0"-A"', "5", "5-A"),
        ("000-00-0000", "123456789", "123-45-6789"),
        ('"Yes";"Yes";"No"', "1", "Yes"),
        ('"Yes";"Yes";"No"', "-1", "Yes"),
        ('"Yes";"Yes";"No"', "0", "No"),
        ('[=1]"Male";[=2]"Female";0', "2", "Female"),
        ('[=1]"Male";[=2]"Female";0', "3", "3"),
        ("0.00%", "0.1255", "12.55%"),
        ("0%", "0.125", "13%"),
        ("0.0#%", "0.5", "50.0%"),
        ("#,##0%", "12.5", "1,250%"),
        ("0.00%", "0.28999999999999998", "29.00%"),
        ('0.0"%"', "12.5", "12.5%"),
        ("0%;(0%)", "-0.5", "(50%)"),
    ],
)
def test_displayed(code: str, number: str, text: str) -> None:
    """Identifiers, words and percentages are what the user sees."""
    found = shown_as(164, code, is_1904=False)(number)
    assert (found, _code(found)) == (text, "")


@pytest.mark.parametrize(
    ("code", "number"),
    [
        ("General", "1234.5"),
        ("0", "42"),
        ("#,##0", "1234"),
        ("#,##0.00", "1234.5"),
        ("0.00E+00", "919812345678"),
        ("# ?/?", "42"),
        ("@", "42"),
        ("0;-0", "-42"),
        ("General;-General", "-4.5"),
        ('_(* #,##0.00_);_(* \\(#,##0.00\\);_(* "-"??_);_(@_)', "0"),
        ('_(* #,##0.00_);_(* \\(#,##0.00\\);_(* "-"??_);_(@_)', "-5.5"),
        (r"[$₹-4009]\ #,##0.00", "5"),
        (r"#,##0.00\ [$kr-41D]", "5"),
        ('#,##0.00" zł"', "5"),
        ('"€"0', "5"),
        (r"[>=10000000]##\,##\,##\,##0;[>=100000]##\,##\,##0;##,##0", "9845012345"),
        (r"#\ ##0", "1234"),
    ],
)
def test_stored(code: str, number: str) -> None:
    """Separators, decimals, currencies and brackets change no number."""
    found = shown_as(164, code, is_1904=False)(number)
    assert (found, _code(found)) == (number, "")


@pytest.mark.parametrize(
    ("code", "number"),
    [
        ('0" kg"', "5"),
        ('"Rs. "0', "5"),
        ("# ?/?", "0.5"),
        ("00/00", "42"),
        ("00000", "42.5"),
        ("0,", "1234567"),
        ('0.0,,"M"', "1234567"),
        ("0,000", "42"),
        (";;;", "42"),
        ("0;-0;;@", "0"),
        ("[DBNum1]General", "42"),
        ("[<=lots]000-0000;0", "42"),
        ('"C-"@', "42"),
        ('"C-"General', "919812345678"),
        ('[>100]"a"0;"b"0', "-5"),
        ("00000", "1E+30"),
    ],
)
def test_not_reproducible(code: str, number: str) -> None:
    """What is not displayed as stored and cannot be built, or is a unit, is flagged for identifiers."""
    found = shown_as(164, code, is_1904=False)(number)
    assert (found, _code(found)) == (number, UNKNOWN)


@pytest.mark.parametrize(
    ("code", "number", "text", "flag"),
    [
        ("d-mmm", "46307", "2026-10-12", PARTIAL),
        ("mmm-yy", "46307", "2026-10-12", PARTIAL),
        ("dd/mm", "46307", "2026-10-12", PARTIAL),
        ("yyyy", "46307", "2026-10-12", PARTIAL),
        ("mmmm", "46307", "2026-10-12", PARTIAL),
        ("dddd", "46307", "2026-10-12", PARTIAL),
        ("d/m h:mm", "46307.5", "2026-10-12 12:00:00", PARTIAL),
        ('yyyy"年"m"月"', "46307", "2026-10-12", PARTIAL),
        ("d/m/yyyy h:mm", "46307.5", "2026-10-12 12:00:00", ""),
        (r"[$-409]d\-mmm\-yy;@", "46307", "2026-10-12", ""),
        ('[$-411]ggge"年"m"月"d"日"', "46307", "2026-10-12", ""),
        ("d/m/bbbb", "46307", "2026-10-12", ""),
        ("[<1]h:mm;d/m/yyyy", "0.5", "12:00:00", ""),
        ("[<1]h:mm;d/m/yyyy", "46307", "2026-10-12", ""),
        ("h:mm", "46307.5", "12:00:00", ""),
        ("mm:ss", "0.01", "00:14:24", ""),
        ("[h]:mm;-[h]:mm", "1.5", "36:00:00", ""),
        ('上午/下午h"时"mm"分"', "0.5", "12:00:00", ""),
    ],
)
def test_dates_and_times(code: str, number: str, text: str, flag: str) -> None:
    """A date that is displayed without its year, month or day is flagged; a full date and a time are not."""
    found = shown_as(164, code, is_1904=False)(number)
    assert (found, _code(found)) == (text, flag)


@pytest.mark.parametrize(
    ("number", "language", "text", "flag"),
    [
        (16, "", "2026-10-12", PARTIAL),
        (17, "", "2026-10-12", PARTIAL),
        (14, "", "2026-10-12", ""),
        (27, "", "2026-10-12", ""),
        (56, "", "2026-10-12", ""),
        (56, "ja", "2026-10-12", PARTIAL),
        (56, "ko", "2026-10-12", ""),
        (56, "zh-cn", "00:00:00", ""),
        (52, "zh-tw", "00:00:00", ""),
        (58, "zh-tw", "2026-10-12", ""),
        (58, "zh-cn", "2026-10-12", PARTIAL),
        (71, "", "2026-10-12", ""),
        (74, "", "2026-10-12", PARTIAL),
        (75, "", "00:00:00", ""),
        (0, "", "46307", ""),
        (4, "", "46307", ""),
    ],
)
def test_built_in_formats(number: int, language: str, text: str, flag: str) -> None:
    """Formats that have only a number: dates by the workbook's language, as full dates where it is unknown."""
    found = shown_as(number, None, is_1904=False, language=language)("46307")
    assert (found, _code(found)) == (text, flag)


@pytest.mark.parametrize(
    ("written", "text", "flag"),
    [
        ("4111111111111234", "4111111111111234", ""),
        ("4.111111111111234E15", "4111111111111234", ""),
        ("4111111111111234.0", "4111111111111234", ""),
        ("12345678901234567891", "12345678901234567891", ""),
        ("1.2345678901234568E17", "123456789012346000", ""),
        ("9.198123456780E+11", "919812345678", ""),
        ("9.19784E+11", "919784000000", ROUNDED),
        ("919784000000", "919784000000", ROUNDED),
        ("600000", "600000", ""),
        ("0.30000000000000004", "0.3", ""),
        ("00042", "42", ""),
        ("0", "0", ""),
        ("NaN", "NaN", ERROR),
        ("-INF", "-INF", ERROR),
        ("1E999", "1E999", ERROR),
    ],
)
def test_digits_as_written(written: str, text: str, flag: str) -> None:
    """All digits that the file has, flagged where a program rounded them, whatever the number format."""
    for found in (plain(written), *plain_column([written]), shown_as(2, None, is_1904=False)(written)):
        assert (found, _code(found)) == (text, flag)
    if flag:
        assert [_code(shown_as(164, code, is_1904=False)(written)) for code in ('"+"0', "0.0%", "0")] == [flag] * 3
    if flag == ERROR:
        for code in ("d/m/yyyy", "h:mm", "[h]:mm", '"Yes";"No"', "00000;-00000"):
            assert _code(shown_as(164, code, is_1904=False)(written)) == ERROR


def _saved(
    path: Path, formats: list[str], values: list[object], changes: tuple[tuple[str, str, str], ...] = ()
) -> Path:
    """A workbook of one row, with changes to its parts: (part, pattern, replacement)."""
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["mobile", *"abcdefgh"[: len(values)]])
    sheet.append(["m1", *values])
    for place, code in enumerate(formats):
        sheet.cell(2, place + 2).number_format = code
    book.save(path.with_suffix(".tmp"))
    with zipfile.ZipFile(path.with_suffix(".tmp")) as before, zipfile.ZipFile(path, "w") as after:
        for name in before.namelist():
            text = before.read(name).decode()
            for part, pattern, replacement in changes:
                text = re.sub(pattern, replacement, text) if name.endswith(part) else text
            after.writestr(name, text)
    return path


def test_formats_of_conditional_formats(tmp_path: Path) -> None:
    """A conditional format does not replace a cell's format of the same number."""
    dxf = '<dxfs count="1"><dxf><numFmt numFmtId="14" formatCode="0.00%"/></dxf></dxfs>'
    file = _saved(tmp_path / "a.xlsx", ["mm-dd-yy"], [46307], (("styles.xml", "</cellStyles>", f"</cellStyles>{dxf}"),))
    assert 'numFmtId="14" formatCode' in zipfile.ZipFile(file).read("xl/styles.xml").decode()
    assert read(file) == ([(2, ["m1", "2026-10-12"])], [])


def test_properties_that_are_not_xml_refuse_nothing(tmp_path: Path) -> None:
    """They matter for the language only."""
    change = ("core.xml", "</cp:coreProperties>", "<broken")
    assert read(_saved(tmp_path / "a.xlsx", ["0"], [7], (change,))) == ([(2, ["m1", "7"])], [])


_DC = 'xmlns:dc="http://purl.org/dc/elements/1.1/"'


@pytest.mark.parametrize("part", ["tag", "charset"])
def test_the_language_of_a_workbook(part: str, tmp_path: Path) -> None:
    """The file's language tag, or the character set of its font, decides what an Asian format displays."""
    change = {
        "tag": ("core.xml", "</cp:coreProperties>", f"<dc:language {_DC}>ja-JP</dc:language></cp:coreProperties>"),
        "charset": ("styles.xml", '<family val="2" ?/>', '<family val="2"/><charset val="128"/>'),
    }[part]
    fifty_six = ("styles.xml", '(<xf numFmtId=)"15"', r'\1"56"')
    file = _saved(tmp_path / "a.xlsx", ["d-mmm-yy"], [46307], (change, fifty_six))
    assert read(file) == ([(2, ["m1", "2026-10-12"])], [(2, "a", PARTIAL)])


@pytest.mark.parametrize(
    ("written", "code", "text", "problems"),
    [
        ("PT0H11M0.000S", "General", "00:11:00", []),
        ("PT36H", "[h]:mm", "36:00:00", []),
        ("10:59:59.9999999999984025", "General", "11:00:00", []),
        ("2014-01-16T15:59:59.99999979045242400", "General", "2014-01-16 16:00:00", []),
        ("2014-01-16T23:59:59.9999999", "d/m/yyyy", "2014-01-17", []),
        ("2014-01-16", "d-mmm", "2014-01-16", [(2, "a", PARTIAL)]),
        ("1899-12-30T09:15:00.000Z", "General", "09:15:00", []),
        ("1899-12-31T09:15:00", "h:mm", "09:15:00", []),
        ("soon", "General", "soon", []),
    ],
)
def test_dates_as_text(
    written: str, code: str, text: str, problems: list[tuple[int, str, str]], tmp_path: Path
) -> None:
    """Dates and times of strict workbooks are read as the same cells of other workbooks are."""
    cell = ("sheet1.xml", r'(<c r="B2"[^>]*?) t="n"><v>1</v>', rf'\1 t="d"><v>{written}</v>')
    file = _saved(tmp_path / "a.xlsx", [code], [1], (cell,))
    assert read(file) == ([(2, ["m1", text])], problems)


def test_a_number_that_is_none(tmp_path: Path) -> None:
    """NaN is an error cell: an empty one would remove the customer's value."""
    file = _saved(tmp_path / "a.xlsx", [], [1, 2], (("sheet1.xml", "<v>1</v>", "<v>NaN</v>"),))
    assert read(file) == ([(2, ["m1", "NaN", "2"])], [(2, "a", ERROR)])


BINARY = [42, 0.1255, 46307, 4111111111111234, 919784000000, 5]
BINARY_FORMATS = ('"C-"00000', "0.00%", "d-mmm", "0", "0", '0" kg"')
BINARY_TEXTS = ["C-00042", "12.55%", "2026-10-12", "4111111111111234", "919784000000", "5"]
BINARY_PROBLEMS = [(2, "c", PARTIAL), (2, "e", ROUNDED), (2, "f", UNKNOWN)]


def test_binary_workbooks(tmp_path: Path) -> None:
    """.xlsb and .xls give the same texts as .xlsx."""
    rows: dict[int, list[object]] = {1: ["mobile", *"abcdef"], 2: ["m1", *BINARY]}
    styled = {(2, place): place for place in range(1, 7)}
    write_xlsb(tmp_path / "a.xlsb", rows, formats=BINARY_FORMATS, styled=styled)
    book = xlwt.Workbook()
    sheet = book.add_sheet("Data")
    for number, cells in rows.items():
        for place, value in enumerate(cells):
            code = BINARY_FORMATS[place - 1] if number == 2 and place else "General"
            sheet.write(number - 1, place, value, xlwt.easyxf(num_format_str=code))
    book.save(str(tmp_path / "a.xls"))
    _saved(tmp_path / "a.xlsx", list(BINARY_FORMATS), list(BINARY))
    for name in ("a.xlsb", "a.xls", "a.xlsx"):
        assert read(tmp_path / name) == ([(2, ["m1", *BINARY_TEXTS])], BINARY_PROBLEMS), name


def test_every_digit_of_a_frame() -> None:
    """Integers of every size and decimals have all digits; an infinite number is an error cell, a missing one empty."""
    frame = pd.DataFrame(
        {
            "int64": [4111111111111234, 2**62 + 1],
            "uint64": np.array([2**64 - 1, 1], dtype="uint64"),
            "nullable": pd.array([4111111111111234, None], dtype="Int64"),
            "object": [12345678901234567891, Decimal("4111111111111234.00")],
            "decimal": [Decimal("5.00"), Decimal("1E+3")],
            "float": [4111111111111234.0, float("inf")],
            "missing": [1.5, float("nan")],
        }
    )
    first = ["4111111111111234", str(2**64 - 1), "4111111111111234", "12345678901234567891", "5.00"]
    second = [str(2**62 + 1), "1", "", "4111111111111234", "1000"]
    assert read(frame) == (
        [(2, [*first, "4111111111111234", "1.5"]), (3, [*second, "inf", ""])],
        [(3, "float", ERROR)],
    )
