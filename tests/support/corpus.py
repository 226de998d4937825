"""The golden corpus: small difficult files, from real writers or made byte by byte, with the expected rows of each."""

from __future__ import annotations

import datetime as dt
import gzip
import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import msoffcrypto.format.ooxml
import openpyxl
import pandas as pd
import xlsxwriter
import xlwt
from openpyxl.styles import Font

from tests.support.biff_writer import old_sheet
from tests.support.xlsb_writer import write_xlsb

Rows = list[tuple[int, list[str]]]


@dataclass(frozen=True)
class Case:
    """One file: how it is made, and what must come of it."""

    name: str
    file: str
    make: Callable[[Path], object]
    columns: tuple[str, ...] = ()
    rows: Rows = field(default_factory=list)
    #: (row number, column or None, code)
    problems: tuple[tuple[int, str | None, str], ...] = ()
    #: Words that must stand in one of the notes.
    notes: tuple[str, ...] = ()
    #: Words that must stand in the error; then nothing else is expected.
    error: tuple[str, ...] = ()
    options: dict[str, object] = field(default_factory=dict)


CASES: list[Case] = []


def _text(content: str | bytes, encoding: str = "utf-8") -> Callable[[Path], object]:
    data = content if isinstance(content, bytes) else content.encode(encoding)
    return lambda path: path.write_bytes(data)


def _add(name: str, file: str, make: Callable[[Path], object], **expected: object) -> None:
    CASES.append(Case(name, file, make, **expected))  # type: ignore[arg-type]


AB = ("mobile", "brand")
ROWS: Rows = [(2, ["917744876415", "nike"]), (3, ["917744876416", "puma"])]
PLAIN = "mobile,brand\n917744876415,nike\n917744876416,puma\n"

# --- text: line ends, quotes, delimiters, encodings -------------------------------------------------------------------
_add("plain", "a.csv", _text(PLAIN), columns=AB, rows=ROWS)
_add("no newline at the end", "a.csv", _text(PLAIN.rstrip()), columns=AB, rows=ROWS)
_add("crlf", "a.csv", _text(PLAIN.replace("\n", "\r\n")), columns=AB, rows=ROWS)
_add("cr only", "a.csv", _text(PLAIN.replace("\n", "\r")), columns=AB, rows=ROWS)
_add(
    "mixed line ends",
    "a.csv",
    _text("mobile,brand\r\n1,a\n2,b\r3,c"),
    columns=AB,
    rows=[(2, ["1", "a"]), (3, ["2", "b\r3"])],
    problems=((3, None, "ragged_row"),),
)
_add("semicolons", "a.csv", _text(PLAIN.replace(",", ";")), columns=AB, rows=ROWS)
_add(
    "decimal commas between semicolons",
    "a.csv",
    _text("mobile;brand;size\n1;nike;1,5\n2;puma;2,5\n"),
    columns=("mobile", "brand", "size"),
    rows=[(2, ["1", "nike", "1,5"]), (3, ["2", "puma", "2,5"])],
)
_add("tabs", "a.tsv", _text(PLAIN.replace(",", "\t")), columns=AB, rows=ROWS)
_add("pipes in a txt", "a.txt", _text(PLAIN.replace(",", "|")), columns=AB, rows=ROWS)
_add("commas in a tsv", "a.tsv", _text(PLAIN), columns=AB, rows=ROWS)
_add(
    "a given delimiter",
    "a.csv",
    _text("mobile~brand\n1~a\n"),
    columns=AB,
    rows=[(2, ["1", "a"])],
    options={"delimiter": "~"},
)
_add("sep line of Excel", "a.csv", _text("sep=;\nmobile;brand\n1;a\n"), columns=AB, rows=[(3, ["1", "a"])])
_add("one column", "a.csv", _text("mobile\n917744876415\n"), columns=("mobile",), rows=[(2, ["917744876415"])])
_add(
    "quoted newline",
    "a.csv",
    _text('mobile,brand\n1,"ni\nke"\n2,puma\n'),
    columns=AB,
    rows=[(2, ["1", "ni\nke"]), (3, ["2", "puma"])],
)
_add(
    "quoted delimiter and doubled quote",
    "a.csv",
    _text('mobile,brand\n1,"a, ""b"""\n'),
    columns=AB,
    rows=[(2, ["1", 'a, "b"'])],
)
_add("quote inside a bare cell", "a.csv", _text('mobile,brand\n1,5" disk\n'), columns=AB, rows=[(2, ["1", '5" disk'])])
_add("everything quoted", "a.csv", _text('"mobile","brand"\r\n"1","a"\r\n'), columns=AB, rows=[(2, ["1", "a"])])
_add(
    "NA, null, None and #N/A are text",
    "a.csv",
    _text("mobile,brand\nNA,null\nNone,#N/A\n"),
    columns=AB,
    rows=[(2, ["NA", "null"]), (3, ["None", "#N/A"])],
)
_add(
    "zeros, plus and white space stay",
    "a.csv",
    _text("mobile,brand\n007, a \n+91 77,1.0\n"),
    columns=AB,
    rows=[(2, ["007", " a "]), (3, ["+91 77", "1.0"])],
)
_add(
    "utf-8 with mark",
    "a.csv",
    _text(PLAIN.replace("nike", "né"), "utf-8-sig"),
    columns=AB,
    rows=[(2, ["917744876415", "né"]), ROWS[1]],
)
_add(
    "mark before a quote",
    "a.csv",
    _text('"mobile","brand"\n"1","a"\n', "utf-8-sig"),
    columns=AB,
    rows=[(2, ["1", "a"])],
)
_add(
    "utf-16 of Excel's Unicode text",
    "a.txt",
    _text(PLAIN.replace(",", "\t").replace("nike", "नाइके"), "utf-16"),
    columns=AB,
    rows=[(2, ["917744876415", "नाइके"]), ROWS[1]],
)
_add("utf-16 big endian", "a.csv", _text(b"\xfe\xff" + PLAIN.encode("utf-16-be")), columns=AB, rows=ROWS)
_add("utf-16 without mark", "a.csv", _text(PLAIN, "utf-16-le"), columns=AB, rows=ROWS, notes=("utf-16-le",))
_add("utf-32", "a.csv", _text(PLAIN, "utf-32"), columns=AB, rows=ROWS)
_add(
    "cp1252 is reported",
    "a.csv",
    _text("mobile;brand\n1;Müller & Söhne\n2;Café\n", "cp1252"),
    columns=AB,
    rows=[(2, ["1", "Müller & Söhne"]), (3, ["2", "Café"])],
    notes=("cp1252",),
)
_add(
    "a named encoding",
    "a.csv",
    _text("mobile,brand\n1,Žižka\n", "cp1250"),
    columns=AB,
    rows=[(2, ["1", "Žižka"])],
    options={"encoding": "cp1250"},
)
_add(
    "emoji and combining marks",
    "a.csv",
    _text("mobile,brand\n1,👩‍👩‍👧 n\u0303\n"),
    columns=AB,
    rows=[(2, ["1", "👩‍👩‍👧 n\u0303"])],
)
_add(
    "a wrong named encoding",
    "a.csv",
    _text("mobile,brand\n1,Café\n", "cp1252"),
    options={"encoding": "utf-8"},
    error=("byte 19", "line 2", "utf-8"),
)
_add(
    "one broken byte in UTF-8",
    "a.csv",
    _text("mobile,brand\n1,नाइके\n2,".encode() + b"\xff\n"),
    error=("byte 34", "line 3", "UTF-8"),
)
_add("an unknown encoding", "a.csv", _text(PLAIN), options={"encoding": "klingon"}, error=("klingon",))

# --- text: shape ------------------------------------------------------------------------------------------------------
_add(
    "too many cells",
    "a.csv",
    _text("mobile,brand\n1,a,b\n2,c\n"),
    columns=AB,
    rows=[(2, ["1", "a"]), (3, ["2", "c"])],
    problems=((2, None, "ragged_row"),),
)
_add(
    "too few cells",
    "a.csv",
    _text("mobile,brand,size\n1,a\n2,c,S\n"),
    columns=(*AB, "size"),
    rows=[(2, ["1", "a", ""]), (3, ["2", "c", "S"])],
    problems=((2, None, "short_row"),),
)
_add(
    "an empty cell too many is not trusted",
    "a.csv",
    _text("mobile,brand\n1,a,\n2,c\n"),
    columns=AB,
    rows=[(2, ["1", "a"]), (3, ["2", "c"])],
    problems=((2, None, "ragged_row"),),
)
_add(
    "a delimiter at the end of every row",
    "a.csv",
    _text("mobile;brand;\n1;a;\n2;b;\n"),
    columns=AB,
    rows=[(2, ["1", "a"]), (3, ["2", "b"])],
)
_add(
    "a delimiter at the end of every row but the header",
    "a.csv",
    _text("mobile;brand\n1;a;\n2;b;\n"),
    columns=AB,
    rows=[(2, ["1", "a"]), (3, ["2", "b"])],
)
_add(
    "blank lines",
    "a.csv",
    _text("mobile,brand\n\n1,a\n,\n  ,\n2,b\n\n\n"),
    columns=AB,
    rows=[(3, ["1", "a"]), (6, ["2", "b"])],
    notes=("3 blank rows",),
)
_add(
    "titles above the header",
    "a.csv",
    _text("Customers of May\nExported 2026-05-02,,\n\nmobile,brand,size\n1,a,S\n2,b,M\n"),
    columns=(*AB, "size"),
    rows=[(5, ["1", "a", "S"]), (6, ["2", "b", "M"])],
    notes=("row 4",),
)
_add(
    "a given header row",
    "a.csv",
    _text("x,y\nmobile,brand\n1,a\n"),
    columns=AB,
    rows=[(3, ["1", "a"])],
    options={"header_row": 2},
)
_add("a given header row beyond the end", "a.csv", _text(PLAIN), options={"header_row": 9}, error=("header row 9",))
_add("a header and no rows", "a.csv", _text("mobile,brand\n"), columns=AB)
_add(
    "a NUL",
    "a.csv",
    _text("mobile,brand\n1,a\x00b\n2,c\n"),
    columns=AB,
    rows=[(2, ["1", "a\x00b"]), (3, ["2", "c"])],
    problems=((2, "brand", "control_character"),),
)
_add(
    "an escape character",
    "a.csv",
    _text("mobile,brand\n1,a\n2,\x1b[31m\n"),
    columns=AB,
    rows=[(2, ["1", "a"]), (3, ["2", "\x1b[31m"])],
    problems=((3, "brand", "control_character"),),
)
_add(
    "letters that another program lost",
    "a.csv",
    _text("mobile,brand\n1,M\ufffdller\n2,b\n"),
    columns=AB,
    rows=[(2, ["1", "M\ufffdller"]), (3, ["2", "b"])],
    problems=((2, "brand", "lost_letters"),),
)
_add("an unclosed quote", "a.csv", _text('mobile,brand\n1,a\n2,"b\n3,c\n'), error=("line 3", "quote"))
_add(
    "an unclosed quote closed by a later one",
    "a.csv",
    _text('mobile,brand\n1,"a\n2,b\n3,"c"\n'),
    error=("line 2", "quote"),
)
_add("an unclosed quote after a quoted newline", "a.csv", _text('mobile,brand\n"1\n1","a\n2,b\n'), error=("line 3",))
_add(
    "an unclosed quote that swallows much",
    "a.csv",
    _text('mobile,brand\n1,"a\n' + "2,b\n" * 50_000),
    error=("line 2", "quote"),
)
_add("a cell as long as a book", "a.csv", _text("mobile,brand\n1," + "x" * 200_000 + "\n"), error=("line 2", "longer"))
_add("only blank lines", "a.csv", _text("\n\n , \n"), error=("no rows",))
_add(
    "repeated header",
    "a.csv",
    _text("mobile,brand,mobile\n1,a,2\n"),
    columns=(*AB, "mobile"),
    rows=[(2, ["1", "a", "2"])],
)
_add(
    "look-alike headers",
    "a.csv",
    _text("Mobile,brand,mobile\u200b \n1,a,2\n"),
    columns=("Mobile", "brand", "mobile "),
    rows=[(2, ["1", "a", "2"])],
    notes=("invisible characters", "mobile"),
)
_add(
    "a nameless column without data",
    "a.csv",
    _text("mobile,,brand\n1,,a\n"),
    columns=AB,
    rows=[(2, ["1", "a"])],
    notes=("column", "B"),
)
_add(
    "a nameless column with data",
    "a.csv",
    _text("mobile,,brand\n1,x,a\n"),
    columns=("mobile", "", "brand"),
    rows=[(2, ["1", "x", "a"])],
    notes=("without a name", "B"),
)
_add(
    "a nameless cell far down",
    "a.csv",
    _text("mobile,,brand\n" + "1,,a\n" * 150 + "2,x,b\n"),
    columns=AB,
    rows=[*((n, ["1", "a"]) for n in range(2, 152)), (152, ["2", "b"])],
    problems=((152, None, "nameless_cell"),),
    notes=("column",),
)
_add(
    "our own report",
    "failed.csv",
    _text(
        "mobile,brand,_sheet,_row,_status,_code\n+91 1,'=1+1,,2,failed,1\n2,''@x,,3,failed,\n3,'007,,4,failed,\n",
        "utf-8-sig",
    ),
    columns=AB,
    rows=[(2, ["+91 1", "=1+1"]), (3, ["2", "'@x"]), (4, ["3", "'007"])],
)
_add("a user's own apostrophe", "a.csv", _text("mobile,brand\n'+91x,'=1\n"), columns=AB, rows=[(2, ["'+91x", "'=1"])])
_add("only result columns", "a.csv", _text("_row,_status\n1,failed\n"), error=("result columns",))

# --- files that are something else ------------------------------------------------------------------------------------
_add("zero bytes", "a.csv", _text(b""), error=("empty",))
_add("a folder", "a.csv", lambda path: path.mkdir(), error=("folder",))
_add("nothing there", "a.csv", lambda path: None, error=("does not exist",))
_add(
    "HTML named xls",
    "a.xls",
    _text("<html><table><tr><td>mobile</td></tr><tr><td>1</td></tr></table></html>"),
    columns=("mobile",),
    rows=[(2, ["1"])],
    notes=("HTML",),
)
_add(
    "HTML with a mark, named csv",
    "a.csv",
    _text("\ufeff\n<!DOCTYPE html>\n<html></html>"),
    error=(".csv", "web page without a table"),
)
_add(
    "XML of Excel 2003",
    "a.xls",
    _text(
        '<?xml version="1.0"?>\n<?mso-application progid="Excel.Sheet"?>'
        '<Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet"/>'
    ),
    error=(".xls", "without a sheet"),
)
_add(
    "a flat OpenDocument file",
    "a.fods",
    _text(
        '<?xml version="1.0"?>\n<office:document xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
        'office:mimetype="application/vnd.oasis.opendocument.spreadsheet"/>'
    ),
    error=(".fods", "no data"),
)
_add("a PDF named xlsx", "a.xlsx", _text(b"%PDF-1.7\n"), error=(".xlsx", "PDF"))
_add("a CSV named xlsx", "a.xlsx", _text(PLAIN), columns=AB, rows=ROWS, notes=(".xlsx",))
_add("a cut workbook", "a.xlsx", lambda path: path.write_bytes(_xlsx([list(AB), [1, "a"]])[:-200]), error=("damaged",))
_add(
    "an old document of Word",
    "a.xls",
    _text(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600 + "WordDocument".encode("utf-16-le")),
    error=("Word",),
)
_add(
    "a sheet of Excel 2",
    "a.xls",
    lambda path: path.write_bytes(old_sheet([[b"mobile", b"brand"], [7744876415.0, b"nike"]], 2)),
    columns=AB,
    rows=[(2, ["7744876415", "nike"])],
)
_add("a cut sheet of Excel 2", "a.xls", _text(b"\x09\x00\x04\x00\x02\x00\x10\x00"), error=("damaged",))
_add(
    "utf-16 that begins with a tab",
    "a.txt",
    _text("\tmobile\tbrand\n\t1\ta\n", "utf-16-le"),
    columns=AB,
    rows=[(2, ["1", "a"])],
    notes=("utf-16-le",),
)
_add("a zip of nothing", "a.zip", lambda path: zipfile.ZipFile(path, "w").close(), error=("0 files",))


def _zip(path: Path, *members: tuple[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)


_add(
    "a zipped csv",
    "a.zip",
    lambda path: _zip(path, ("x/a.csv", PLAIN.encode()), ("__MACOSX/x/._a.csv", b"\x00")),
    columns=AB,
    rows=ROWS,
)
_add(
    "two sheets in a zip",
    "a.zip",
    lambda path: _zip(path, ("a.csv", b"m\n1\n"), ("b.csv", b"m\n1\n")),
    error=("2 files", "a.csv", "b.csv"),
)
_add("a workbook in a zip", "a.zip", lambda path: _zip(path, ("a.xlsx", _xlsx([["mobile"], [1]]))), error=("workbook",))
_add("a gzipped csv", "a.csv.gz", lambda path: path.write_bytes(gzip.compress(PLAIN.encode())), columns=AB, rows=ROWS)
_add(
    "a gzip that was cut",
    "a.csv.gz",
    lambda path: path.write_bytes(gzip.compress(PLAIN.encode() * 99)[:-20]),
    error=("cut off",),
)
_add("a gzip of nothing", "a.csv.gz", lambda path: path.write_bytes(gzip.compress(b"")), error=("empty",))


# --- workbooks --------------------------------------------------------------------------------------------------------
def _book(
    rows: list[list[object]], more: Callable[[openpyxl.Workbook], object] = lambda book: None
) -> openpyxl.Workbook:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "Data"
    for row in rows:
        sheet.append(row)
    more(book)
    return book


def _xlsx(rows: list[list[object]], more: Callable[[openpyxl.Workbook], object] = lambda book: None) -> bytes:
    stream = io.BytesIO()
    _book(rows, more).save(stream)
    return stream.getvalue()


def _saved(
    rows: list[list[object]], more: Callable[[openpyxl.Workbook], object] = lambda book: None
) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(_xlsx(rows, more))


HEAD: list[object] = ["mobile", "brand"]
MOMENT = dt.datetime(2026, 3, 9, 14, 30)


def _zeros(book: openpyxl.Workbook) -> None:
    sheet = book["Data"]
    sheet["A2"].number_format = "0000000000"
    sheet["A3"].number_format = "+00 0000 000000"
    sheet["A4"].number_format = '"+"0'
    sheet["B2"].number_format = "0.00"
    sheet["B3"].number_format = "#,##0"


_add(
    "numbers without .0",
    "a.xlsx",
    _saved([HEAD, [917744876415, 1.5], [7744876415.0, 0.1 + 0.2]]),
    columns=AB,
    rows=[(2, ["917744876415", "1.5"]), (3, ["7744876415", "0.3"])],
)
_add(
    "more digits than a number keeps",
    "a.xlsx",
    _saved([HEAD, [12345678901234567890, 1e-5]]),
    columns=AB,
    rows=[(2, ["12345678901234600000", "0.00001"])],
    problems=((2, "mobile", "mobile_rounded"),),
)
_add(
    "formats of zeros",
    "a.xlsx",
    _saved([HEAD, [774487641, 2], [917744876415, 1234], [917744876415, "x"]], _zeros),
    columns=AB,
    rows=[(2, ["0774487641", "2"]), (3, ["+91 7744 876415", "1234"]), (4, ["+917744876415", "x"])],
)
_add(
    "dates, times, booleans",
    "a.xlsx",
    _saved([["mobile", "a", "b", "c", "d"], ["1", dt.date(2026, 3, 9), MOMENT, dt.time(14, 30), True]]),
    columns=("mobile", "a", "b", "c", "d"),
    rows=[(2, ["1", "2026-03-09", "2026-03-09 14:30:00", "14:30:00", "true"])],
)
_add("durations", "a.xlsx", _saved([HEAD, ["1", dt.timedelta(hours=30)]]), columns=AB, rows=[(2, ["1", "30:00:00"])])


def _epoch(path: Path) -> None:
    book = xlsxwriter.Workbook(path, {"date_1904": True})
    sheet = book.add_worksheet("Data")
    sheet.write_row(0, 0, HEAD)
    sheet.write(1, 0, "1")
    sheet.write_datetime(1, 1, MOMENT, book.add_format({"num_format": "dd/mm/yyyy hh:mm"}))
    book.close()


_add("the date system of 1904", "a.xlsx", _epoch, columns=AB, rows=[(2, ["1", "2026-03-09 14:30:00"])])
_add(
    "text stays as typed",
    "a.xlsx",
    _saved([HEAD, ["007", "+91"], ["NA", " None "], ["a\nb", "<&>\"'"]]),
    columns=AB,
    rows=[(2, ["007", "+91"]), (3, ["NA", " None "]), (4, ["a\nb", "<&>\"'"])],
)


def _formulas(path: Path) -> None:
    book = xlsxwriter.Workbook(path)
    sheet = book.add_worksheet("Data")
    sheet.write_row(0, 0, ["mobile", "brand", "size"])
    sheet.write_row(1, 0, ["1", "nike", "S"])
    sheet.write_formula(1, 1, '="ni"&"ke"', None, "nike")
    sheet.write_formula(2, 0, "=1+1", None, 2)
    sheet.write_formula(2, 1, '=""', None, "")
    sheet.write_formula(2, 2, "=NA()", None, "#N/A")
    sheet.write_formula(3, 0, "=1=1", None, True)
    book.close()


_add(
    "formulas by their cached value",
    "a.xlsx",
    _formulas,
    columns=(*AB, "size"),
    rows=[(2, ["1", "nike", "S"]), (3, ["2", "", "#N/A"]), (4, ["true", "", ""])],
    problems=((3, "brand", "formula_without_value"), (3, "size", "error_cell")),
)
_add(
    "formulas that were never worked out",
    "a.xlsx",
    _saved([HEAD, ["1", "=A1"], ["=A1", "=B1"]]),
    columns=AB,
    rows=[(2, ["1", ""]), (3, ["", ""])],
    problems=(
        (2, "brand", "formula_without_value"),
        (3, "mobile", "formula_without_value"),
        (3, "brand", "formula_without_value"),
    ),
)
_add(
    "error cells",
    "a.xlsx",
    _saved([HEAD, ["1", "#N/A"], ["2", "x"]]),
    columns=AB,
    rows=[(2, ["1", "#N/A"]), (3, ["2", "x"])],
    problems=((2, "brand", "error_cell"),),
)
_add(
    "merged cells in the data",
    "a.xlsx",
    _saved([HEAD, ["1", "a"], ["2", None], ["3", "c"]], lambda book: book["Data"].merge_cells("B2:B3")),
    columns=AB,
    rows=[(2, ["1", "a"]), (3, ["2", ""]), (4, ["3", "c"])],
    problems=((2, None, "merged_cells"), (3, None, "merged_cells")),
)
_add(
    "a merged title",
    "a.xlsx",
    _saved([["Customers of May"], [None], HEAD, ["1", "a"]], lambda book: book["Data"].merge_cells("A1:B1")),
    columns=AB,
    rows=[(4, ["1", "a"])],
    notes=("row 3",),
)
_add(
    "a table that begins at C5",
    "a.xlsx",
    _saved([[], [], [], [], [None, None, *HEAD], [None, None, "1", "a"]]),
    columns=AB,
    rows=[(6, ["1", "a"])],
)
_add(
    "holes",
    "a.xlsx",
    _saved([["mobile", "brand", "size"], [None, None, "S"], [None, "b", None], [], ["4"]]),
    columns=(*AB, "size"),
    rows=[(2, ["", "", "S"]), (3, ["", "b", ""]), (5, ["4", "", ""])],
    notes=("1 blank row",),
)


def _may(book: openpyxl.Workbook) -> None:
    sheet = book.create_sheet("May")
    sheet.append(HEAD)
    sheet.append(["1", "a"])


def _styled_below(book: openpyxl.Workbook) -> None:
    for row in range(3, 500):
        book["Data"].cell(row, 2).font = Font(bold=True)


_add("formatted empty rows", "a.xlsx", _saved([HEAD, ["1", "a"]], _styled_below), columns=AB, rows=[(2, ["1", "a"])])
_add(
    "lost letters in a workbook",
    "a.xlsx",
    _saved([HEAD, ["1", "M\ufffdller"]]),
    columns=AB,
    rows=[(2, ["1", "M\ufffdller"])],
    problems=((2, "brand", "lost_letters"),),
)
_add(
    "several sheets",
    "a.xlsx",
    _saved([HEAD, ["1", "a"]], lambda book: book.create_sheet("May").append(["x"])),
    error=("'Data'", "'May'", "--sheet"),
)
_add(
    "a named sheet",
    "a.xlsx",
    _saved([["x"]], _may),
    columns=AB,
    rows=[(2, ["1", "a"])],
    options={"sheet": "May"},
)
_add(
    "an empty second sheet",
    "a.xlsx",
    _saved([HEAD, ["1", "a"]], lambda book: book.create_sheet("May")),
    columns=AB,
    rows=[(2, ["1", "a"])],
)


def _hide(book: openpyxl.Workbook) -> None:
    book.create_sheet("Secret").append(["x"])
    book["Secret"].sheet_state = "veryHidden"


def _hide_data(book: openpyxl.Workbook) -> None:
    book.create_sheet("Empty")
    book["Data"].sheet_state = "hidden"


_add("a hidden second sheet", "a.xlsx", _saved([HEAD, ["1", "a"]], _hide), columns=AB, rows=[(2, ["1", "a"])])
_add("data only in a hidden sheet", "a.xlsx", _saved([HEAD, ["1", "a"]], _hide_data), error=("hidden", "'Data'"))
_add("no data in any sheet", "a.xlsx", _saved([]), error=("no data",))
_add("no such sheet", "a.xlsx", _saved([HEAD]), options={"sheet": "June"}, error=("'June'", "'Data'"))
_add("a sheet named for a text", "a.csv", _text(PLAIN), options={"sheet": "June"}, error=("no sheets",))


def _hidden_rows(book: openpyxl.Workbook) -> None:
    book["Data"].row_dimensions[2].hidden = True


_add(
    "filtered rows are read and reported",
    "a.xlsx",
    _saved([HEAD, ["1", "a"], ["2", "b"]], _hidden_rows),
    columns=AB,
    rows=[(2, ["1", "a"]), (3, ["2", "b"])],
    notes=("1 hidden or filtered row; it was imported",),
)
_add(
    "repeated header in a workbook",
    "a.xlsx",
    _saved([["mobile", "x", "mobile"], ["1", "a", "2"]]),
    columns=("mobile", "x", "mobile"),
    rows=[(2, ["1", "a", "2"])],
)
_add(
    "nameless column with data in a workbook",
    "a.xlsx",
    _saved([["mobile", None, "brand"], ["1", "x", "a"]]),
    columns=("mobile", "", "brand"),
    rows=[(2, ["1", "x", "a"])],
    notes=("without a name", "B"),
)
_add(
    "numbers as headers",
    "a.xlsx",
    _saved([["mobile", 2026], ["917744876415", "a"]]),
    columns=("mobile", "2026"),
    rows=[(2, ["917744876415", "a"])],
)


def _rich(path: Path) -> None:
    book = xlsxwriter.Workbook(path)
    sheet = book.add_worksheet("Data")
    sheet.write_row(0, 0, HEAD)
    sheet.write_string(1, 0, "a\x0bb")
    sheet.write_rich_string(1, 1, "ni", book.add_format({"bold": True}), "ke & Co")
    sheet.write_string(2, 0, "_x0041_")
    sheet.write_string(2, 1, " x ")
    book.close()


_add(
    "rich text, escapes, a control character",
    "a.xlsx",
    _rich,
    columns=AB,
    rows=[(2, ["a\x0bb", "nike & Co"]), (3, ["_x0041_", " x "])],
    problems=((2, "mobile", "control_character"),),
)


def _inline(path: Path) -> None:
    book = xlsxwriter.Workbook(path, {"constant_memory": True})
    sheet = book.add_worksheet("Data")
    for at, row in enumerate([HEAD, ["007", "a&b"], ["", " x"]]):
        sheet.write_row(at, 0, row)
    book.close()


_add("inline strings", "a.xlsx", _inline, columns=AB, rows=[(2, ["007", "a&b"]), (3, ["", " x"])])
_add("a macro workbook", "a.xlsm", _saved([HEAD, ["1", "a"]]), columns=AB, rows=[(2, ["1", "a"])])
_add(
    "a workbook named csv",
    "a.csv",
    _saved([HEAD, ["1", "a"]]),
    columns=AB,
    rows=[(2, ["1", "a"])],
    notes=(".csv", ".xlsx"),
)


def _encrypted(path: Path) -> None:
    with path.open("wb") as stream:
        msoffcrypto.format.ooxml.OOXMLFile(io.BytesIO(_xlsx([HEAD, ["1", "a"]]))).encrypt("open sesame", stream)


_add("a password", "a.xlsx", _encrypted, error=("password protected", "IMPORTER_SOURCE_PASSWORD"))
_add("a wrong password", "a.xlsx", _encrypted, options={"password": "sesame"}, error=("password protected",))
_add(
    "the right password", "a.xlsx", _encrypted, options={"password": "open sesame"}, columns=AB, rows=[(2, ["1", "a"])]
)


def _prefixed(path: Path) -> None:
    """As some Java and .NET libraries write it: every tag with a prefix."""
    with (
        zipfile.ZipFile(io.BytesIO(_xlsx([HEAD, ["007", 1.5], ["x & y", "#N/A"]]))) as old,
        zipfile.ZipFile(path, "w") as new,
    ):
        for name in old.namelist():
            data = old.read(name)
            if name.startswith(("xl/worksheets/sheet", "xl/sharedStrings")):
                text = data.decode().replace("</", "\0").replace("<", "<x:").replace("\0", "</x:").replace("<x:?", "<?")
                data = text.replace(" xmlns=", " xmlns:x=").encode()
            new.writestr(name, data)


_add(
    "tags with prefixes",
    "a.xlsx",
    _prefixed,
    columns=AB,
    rows=[(2, ["007", "1.5"]), (3, ["x & y", "#N/A"])],
    problems=((3, "brand", "error_cell"),),
)


def _xls(path: Path) -> None:
    book = xlwt.Workbook()
    sheet = book.add_sheet("Data")
    zeros = xlwt.easyxf(num_format_str="0000000000")
    date = xlwt.easyxf(num_format_str="DD/MM/YYYY")
    for at, name in enumerate(["mobile", "brand", "day", "ok"]):
        sheet.write(0, at, name)
    sheet.write(1, 0, 774487641, zeros)
    sheet.write(1, 1, 1.5)
    sheet.write(1, 2, dt.datetime(2026, 3, 9), date)
    sheet.write(1, 3, True)
    sheet.write(2, 0, "007")
    sheet.write_merge(2, 3, 1, 1, "nike")
    sheet.write(3, 0, 917744876415)
    book.save(str(path))


_add(
    "an old workbook",
    "a.xls",
    _xls,
    columns=(*AB, "day", "ok"),
    rows=[
        (2, ["0774487641", "1.5", "2026-03-09", "true"]),
        (3, ["007", "nike", "", ""]),
        (4, ["917744876415", "", "", ""]),
    ],
    problems=((3, None, "merged_cells"), (4, None, "merged_cells")),
)


def _ods(path: Path) -> None:
    frame = pd.DataFrame(
        {"mobile": ["007", 917744876415], "brand": [1.5, "x"], "day": [dt.date(2026, 3, 9), MOMENT], "ok": [True, "NA"]}
    )
    frame.to_excel(path, index=False, engine="odf")  # type: ignore[arg-type]


_add(
    "an OpenDocument sheet",
    "a.ods",
    _ods,
    columns=(*AB, "day", "ok"),
    rows=[(2, ["007", "1.5", "2026-03-09", "true"]), (3, ["917744876415", "x", "2026-03-09 14:30:00", "NA"])],
)


def _xlsb(path: Path) -> None:
    rows: dict[int, list[object]] = {1: list(HEAD), 2: [774487641, "nike"], 3: ["007", "#N/A"], 4: [1.5, True]}
    write_xlsb(path, rows, formats=("0000000000",), styled={(2, 0): 1}, merged=((4, 4, 0, 1),))


_add(
    "a binary workbook",
    "a.xlsb",
    _xlsb,
    columns=AB,
    rows=[(2, ["0774487641", "nike"]), (3, ["007", "#N/A"]), (4, ["1.5", "true"])],
    problems=((3, "brand", "error_cell"), (4, None, "merged_cells")),
)

ODS_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?><office:document-content xmlns:office="urn:o" xmlns:text="urn:t" '
    'xmlns:table="urn:a" xmlns:calcext="urn:c"><office:body><office:spreadsheet><table:table table:name="Data">'
)
ODS_TAIL = "</table:table></office:spreadsheet></office:body></office:document-content>"


def _ods_of(rows: str) -> Callable[[Path], object]:
    return lambda path: _zip(
        path,
        ("mimetype", b"application/vnd.oasis.opendocument.spreadsheet"),
        ("content.xml", (ODS_HEAD + rows + ODS_TAIL).encode()),
    )


_ODS_ROWS = """<table:table-column table:number-columns-repeated="1024"/>
<table:table-row><table:table-cell office:value-type="string"><text:p>mobile</text:p></table:table-cell>
<table:table-cell office:value-type="string"><text:p>brand</text:p></table:table-cell></table:table-row>
<table:table-row><table:table-cell office:value-type="float" office:value="77"><text:p>0077</text:p></table:table-cell>
<table:table-cell office:value-type="string" calcext:value-type="error"><text:p>#N/A</text:p></table:table-cell>
</table:table-row>
<table:table-row table:number-rows-repeated="3"><table:table-cell table:number-columns-repeated="1024"/>
</table:table-row>
<table:table-row table:number-rows-repeated="2">
<table:table-cell office:value-type="string"><text:p>a<text:s text:c="2"/>b</text:p>
<text:p>c</text:p></table:table-cell>
<table:table-cell office:value-type="time" office:time-value="PT14H30M00S"/>
</table:table-row>
<table:table-row><table:table-cell office:value-type="string" table:number-rows-spanned="2"><text:p>x</text:p>
</table:table-cell></table:table-row>
<table:table-row table:number-rows-repeated="1048000"><table:table-cell table:number-columns-repeated="1024"/>
</table:table-row>""".replace(">\n<", "><")
_add(
    "repeated, merged and shown cells of OpenDocument",
    "a.ods",
    _ods_of(_ODS_ROWS),
    columns=AB,
    rows=[(2, ["0077", "#N/A"]), (6, ["a  b\nc", "14:30:00"]), (7, ["a  b\nc", "14:30:00"]), (8, ["x", ""])],
    problems=((2, "brand", "error_cell"), (8, None, "merged_cells")),
    notes=("3 blank rows",),
)


# --- sheets written by hand: what the standard allows and common programs never write ---------------------------------
def _raw(*rows: str, head: str = "", tail: str = "") -> Callable[[Path], object]:
    """A workbook whose sheet holds these rows of XML below a header in row 1."""
    header = (
        '<row r="1"><c r="A1" t="inlineStr"><is><t>mobile</t></is></c>'
        '<c r="B1" t="inlineStr"><is><t>brand</t></is></c></row>'
    )
    sheet = (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f'{head}<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><dimension ref="A1"/>'
        f"<sheetData>{header}{''.join(rows)}</sheetData>{tail}</worksheet>"
    )

    def make(path: Path) -> None:
        with zipfile.ZipFile(io.BytesIO(_xlsx([HEAD]))) as old, zipfile.ZipFile(path, "w") as new:
            for name in old.namelist():
                new.writestr(name, sheet if name == "xl/worksheets/sheet1.xml" else old.read(name))

    return make


def _cells(number: int, *cells: str) -> str:
    return f'<row r="{number}">{"".join(cells)}</row>'


_A2 = '<c r="A2"><v>1</v></c>'
_HOUR = '<c r="A2"><v>1</v></c><c r="B2" t="str"><v>a</v></c>'
ONE: Rows = [(2, ["1", "a"])]
_add(
    "an empty cached text is a value",
    "a.xlsx",
    _raw(_cells(2, _A2, '<c r="B2" t="str"><f>""</f><v></v></c>')),
    columns=AB,
    rows=[(2, ["1", ""])],
)
_add(
    "a formula without any value",
    "a.xlsx",
    _raw(_cells(2, _A2, '<c r="B2"><f>A2</f></c>')),
    columns=AB,
    rows=[(2, ["1", ""])],
    problems=((2, "brand", "formula_without_value"),),
)
_add(
    "a shared formula with a value",
    "a.xlsx",
    _raw(_cells(2, _A2, '<c r="B2"><f t="shared" si="0"/><v>5</v></c>')),
    columns=AB,
    rows=[(2, ["1", "5"])],
)
_add("no references", "a.xlsx", _raw('<row><c><v>1</v></c><c t="str"><v>a</v></c></row>'), columns=AB, rows=ONE)
_add("single quotes", "a.xlsx", _raw(_HOUR.join(("<row r='2'>", "</row>")).replace('"', "'")), columns=AB, rows=ONE)
_add(
    "comments and CDATA",
    "a.xlsx",
    _raw("<!-- <row r='9'> -->", _cells(2, _A2, '<c r="B2" t="str"><v><![CDATA[a</v></c></row>]]></v></c>')),
    columns=AB,
    rows=[(2, ["1", "a</v></c></row>"])],
)
_add(
    "entities and line ends",
    "a.xlsx",
    _raw(_cells(2, _A2, '<c r="B2" t="str"><v>&#38;amp;\r\n&#x41;&#13;&lt;</v></c>')),
    columns=AB,
    rows=[(2, ["1", "&amp;\nA\r<"])],
)
_add(
    "a date as ISO text",
    "a.xlsx",
    _raw(_cells(2, _A2, '<c r="B2" t="d"><v>2026-03-09T00:00:00</v></c>')),
    columns=AB,
    rows=[(2, ["1", "2026-03-09"])],
)
_add(
    "a cell far to the right",
    "a.xlsx",
    _raw(_cells(2, _A2, '<c r="XFD2"><v>1</v></c>'), _cells(3, '<c r="A3"><v>2</v></c>')),
    columns=AB,
    rows=[(2, ["1", ""]), (3, ["2", ""])],
    problems=((2, None, "nameless_cell"),),
)
_add(
    "a cell far below",
    "a.xlsx",
    _raw(_cells(2, _A2), '<row r="1048570"><c r="B1048570"><v>2</v></c></row>'),
    columns=AB,
    rows=[(2, ["1", ""]), (1048570, ["", "2"])],
    notes=("1,048,567 blank rows",),
)
_add(
    "the last row of a full sheet",
    "a.xlsx",
    _raw(_cells(2, _A2), '<row r="1048576"><c r="B1048576"><v>2</v></c></row>'),
    columns=AB,
    rows=[(2, ["1", ""]), (1048576, ["", "2"])],
    notes=("full", "blank rows"),
)
_add(
    "page breaks after the data",
    "a.xlsx",
    _raw(_cells(2, _HOUR), tail='<rowBreaks count="1"><brk id="1"/></rowBreaks><colBreaks/>'),
    columns=AB,
    rows=ONE,
)
_add(
    "rows out of order", "a.xlsx", _raw(_cells(3, '<c r="A3"><v>1</v></c>'), _cells(2, _A2)), error=("damaged", "order")
)
_add("a cell twice", "a.xlsx", _raw(_cells(2, _A2, '<c r="A2"><v>2</v></c>')), error=("damaged", "twice"))
_add("a text that is not there", "a.xlsx", _raw(_cells(2, '<c r="A2" t="s"><v>999</v></c>')), error=("damaged",))
_add("a text before the first", "a.xlsx", _raw(_cells(2, '<c r="A2" t="s"><v>-1</v></c>')), error=("damaged",))
_add("XML that ends in the middle", "a.xlsx", _raw(_cells(2, _A2, "<c"), tail="<"), error=("damaged",))
_add(
    "entities declared",
    "a.xlsx",
    _raw(_cells(2, '<c r="A2" t="str"><v>&a;</v></c>'), head='<!DOCTYPE x [<!ENTITY a "b">]>'),
    error=("entities",),
)
_add(
    "a file outside",
    "a.xlsx",
    _raw(_cells(2, '<c r="A2" t="str"><v>&a;</v></c>'), head='<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'),
    error=("entities",),
)
