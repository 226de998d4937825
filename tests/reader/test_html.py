"""Web pages with tables, as other programs save them under names like `export.xls`."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from importer.errors import SourceError
from importer.reader import SourceOptions, open_source
from tests.support.reading import Rows, read, rows_of

TABLE = (
    "<table border=1><thead><tr><th>Mobile</th><th>Colour</th></tr></thead><tbody>"
    "<tr><td>919845000001</td><td>Bl&uuml;e&nbsp;sky<br>x</td></tr>\n"
    "<tr>\n  <td>\n919845000002 </td><td>Kumar, Asha</td></tr></tbody></table>"
)
ROWS = [(2, ["919845000001", "Blüe sky\nx"]), (3, ["919845000002", "Kumar, Asha"])]
Found = tuple[Rows, list[tuple[int, str | None, str]], tuple[str, ...]]


@pytest.fixture
def page(tmp_path: Path) -> Path:
    return tmp_path / "export.xls"


def found(page: Path, text: str, **options: object) -> Found:
    """Rows, problems and notes of a page."""
    page.write_text(text, encoding="utf-8")
    with open_source(page, SourceOptions(**options)) as source:  # type: ignore[arg-type]
        rows, problems = rows_of(source)
        return rows, problems, source.notes


@pytest.mark.parametrize(
    ("head", "encoding"),
    [
        ("", "utf-8"),
        ("", "utf-8-sig"),
        ("", "utf-16"),
        ("", "utf-16-le"),
        ("\r\n\r\n  ", "utf-8"),
        ("<html><head><meta http-equiv='Content-Type' content='text/html; charset=windows-1252'></head>", "cp1252"),
        ("<!DOCTYPE html><html><meta charset=iso-8859-1>", "cp1252"),
        ("<html><meta charset=iso-8859-1>", "utf-8"),
        ('<?xml version="1.0" encoding="utf-8"?><!DOCTYPE html PUBLIC "x" "y"><html xmlns="z">', "utf-8"),
        ("<!-- made by us -->\n<html>", "utf-8"),
        ("Customers of 2026, all\n\n", "utf-8"),
    ],
)
def test_a_page_in_every_encoding(page: Path, head: str, encoding: str) -> None:
    """UTF-8 where all of it is; else the mark or the declaration decides."""
    page.write_bytes((head + TABLE.replace("&uuml;", "ü")).encode(encoding))
    assert read(page) == (ROWS, [])


def test_other_letters_by_declaration_and_by_option(page: Path) -> None:
    """A wrong declaration is refused, not guessed around; --encoding decides."""
    text = "<html>%s" + TABLE.replace("Bl&uuml;e", "Синий")
    page.write_bytes((text % "<meta charset='windows-1251'>").encode("cp1251"))
    assert read(page)[0][0] == (2, ["919845000001", "Синий sky\nx"])
    page.write_bytes((text % "<meta charset='utf-8'>").encode("cp1251"))
    with pytest.raises(SourceError, match="utf-8"):
        read(page)
    assert read(page, encoding="cp1251")[0][0] == (2, ["919845000001", "Синий sky\nx"])


def test_tags_that_nobody_closed(page: Path) -> None:
    """As browsers read them: a cell ends where the next begins."""
    text = "<TABLE><TR><TD>Mobile<TD>Colour<TR><TD>919845000001<TD><FONT color=red>Blue<TR><TD><SPAN>2<TD><B>Red"
    assert found(page, text)[:2] == ([(2, ["919845000001", "Blue"]), (3, ["2", "Red"])], [])


EXCEL = r"""<html xmlns:o="urn:schemas-microsoft-com:office:office" xmlns:x="urn:schemas-microsoft-com:office:excel">
<head><!--[if gte mso 9]><xml><x:ExcelWorkbook><x:ExcelWorksheets><x:ExcelWorksheet><x:Name>Customers</x:Name>
</x:ExcelWorksheet></x:ExcelWorksheets></x:ExcelWorkbook></xml><![endif]--><style><!--table
	{mso-displayed-decimal-separator:"\.";}
.text {mso-number-format:"\@";} td.day {mso-number-format:"Short Date";} .code {mso-number-format:0000000000;}
.iso, .other {mso-number-format:"yyyy\-mm\-dd";} .hid {display:none}
--></style></head><body><table x:str border=0><col width=64><col style='display:none' width=0><col span=4>
<tr><td>Mobile</td><td>Secret</td><td>Day</td><td>Code</td><td>Value</td><td>Text</td></tr>
<tr><td x:num="919845000001">9.198E+11</td><td>s</td><td class="xl1 day" x:num="46090">9/3/26</td>
<td class=code x:num="774487641">774</td><td x:err="#N/A">#N/A</td><td class=text>007</td></tr>
<tr style='mso-x:1;display:none'><td x:num>919845000002</td><td></td><td class=iso x:num="46090.5">x</td>
<td x:fmla="=A1"></td><td x:bool="TRUE">WAHR</td><td class=text x:num="12">012</td></tr>
<tr class=hid><td>919845000000</td><td></td><td></td><td></td><td></td><td></td></tr>
<![if supportMisalignedColumns]><tr height=0 style='display:none'><td width=64></td></tr><![endif]>
</table></body></html>"""


def test_the_pages_of_excel(page: Path) -> None:
    """Exact values by their number formats, typed text, errors; the sheet's name; hidden rows and columns."""
    rows, problems, notes = found(page, EXCEL, sheet="Customers")
    assert rows == [
        (2, ["919845000001", "s", "2026-03-09", "0774487641", "#N/A", "007"]),
        (3, ["919845000002", "", "2026-03-09 12:00:00", "", "true", "012"]),
        (4, ["919845000000", "", "", "", "", ""]),
    ]
    assert problems == [(2, "Value", "error_cell"), (3, "Code", "formula_without_value")]
    assert any("2 hidden" in note for note in notes)
    assert any("B 'Secret'" in note for note in notes)


def test_only_typed_text_shows_that_its_digits_are_complete(page: Path) -> None:
    """Digits of an unmarked cell may be a program's rounding; an error word may be typed text."""
    text = "<table><tr><th>Mobile<th>N<tr><td>919784000000<td>a<tr><td{}>919784000000<td{}>#REF!<tr><td>#REF!<td>c"
    mark = " style='mso-number-format:\"\\@\"'"
    assert found(page, text.format(mark, mark))[1] == [(2, "Mobile", "mobile_rounded"), (4, "Mobile", "error_cell")]


def test_cells_that_span(page: Path) -> None:
    """Rows with them are merged, the cells after them keep their columns, and titles above the header do not count."""
    text = (
        "<table><tr><td colspan=2>Title</td></tr><tr><th>Mobile<th>B<th>C<tr><td rowspan=2>1<td>a<td>1"
        "<tr><td>b<td>2<tr><td>3<td>c<td>3<tr><td>4<td colspan=2>d<tr><td>5<td>d<td>9"
        "<tbody><tr><td rowspan=0>6<td>e<td>1<tr><td>f<td>2<tbody><tr><td>7<td>g<td>4</table>"
    )
    rows, problems, _ = found(page, text)
    assert [cells for _, cells in rows] == [
        ["1", "a", "1"],
        ["", "b", "2"],
        ["3", "c", "3"],
        ["4", "d", ""],
        ["5", "d", "9"],
        ["6", "e", "1"],
        ["", "f", "2"],
        ["7", "g", "4"],
    ]
    assert problems == [(number, None, "merged_cells") for number in (3, 4, 6, 8, 9)]


def test_the_table_with_the_data(page: Path) -> None:
    """Titles, footers and frames for the layout are not sheets with data; two tables with data are a choice."""
    title, footer = "<table><tr><td>All</td></tr></table>", "<table><tr><td>printed 9 March</td></tr></table>"
    assert found(page, title + TABLE + footer)[0] == ROWS
    assert found(page, f"<html><table><tr><td>Menu</td></tr><tr><td>{TABLE}</td></tr></table></html>")[0] == ROWS
    hidden = f"<h2>Customers</h2>{TABLE}<h2>Old</h2><div style='display: none'>{TABLE}</div>"
    assert found(page, hidden)[0] == ROWS
    with pytest.raises(SourceError) as refused:
        found(page, f"<h2>North</h2>{TABLE}<table><caption>South</caption>{TABLE[16:]}")
    assert refused.value.sheets == ("North", "South")
    assert found(page, f"{TABLE}<p>{TABLE}", sheet="Table 2")[0] == ROWS


def test_what_a_page_does_not_display(page: Path) -> None:
    """Sort keys, scripts and options that were not chosen are not glued to the value; a note says so."""
    text = (
        "<table><tr><th>Mobile<th>Day</tr><tr><td>1</td><td><span style='display:none'>20260309</span>9/3/2026"
        "<script>x('a')</script></td></tr><tr><td>2</td><td><select><option>a<option selected>b</select></td></tr>"
        "<tr><td><table><tr><td>3</td></tr></table></td><td>c</td></tr></table>"
    )
    rows, problems, notes = found(page, text)
    assert ([cells for _, cells in rows], problems) == ([["1", "9/3/2026"], ["2", "b"], ["3", "c"]], [])
    assert any("does not display" in note for note in notes)


def test_pages_of_pandas(page: Path) -> None:
    """Cell for cell what `to_html` was given."""
    frame = pd.DataFrame({"Mobile": ["919845000001", "919845000002"], "Colour": ["a <b> & c", "é"], "n": [1.5, 2]})
    frame.to_html(page, index=False)
    assert read(page) == ([(2, ["919845000001", "a <b> & c", "1.5"]), (3, ["919845000002", "é", "2.0"])], [])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<html><body>Your session has expired.</body></html>", "sign in"),
        ("<script>location.href='/login'</script>", "sign in"),
        ("<!DOCTYPE html><form><table><tr><td>User<td><input><tr><td>Code<td><input type=password></table>", "sign-in"),
        ("<html><frameset><frame src='a_files/sheet001.htm'></frameset></html>", "frame"),
    ],
)
@pytest.mark.parametrize("name", ["export.xls", "export.csv"])
def test_pages_without_a_table(tmp_path: Path, name: str, text: str, words: str) -> None:
    """The message says what the page is: the export was not one."""
    with pytest.raises(SourceError, match=words):
        found(tmp_path / name, text)


@pytest.mark.parametrize("name", ["a.csv", "a.xls"])
@pytest.mark.parametrize(
    "text",
    [
        "<b>Mobile</b>,Colour\n1,<p>Blue</p>\n",
        "<Mobile>;<Colour>\n1;Blue\n<x>;<y>\n",
        "Mobile,Notes\n1,<table><tr><td>x</td></tr></table>\n",
        "<table><tr><td>N</td></tr></table>,Mobile\n<table><tr><td>N</td></tr></table>,1\n",
        "<div>Mobile</div>;Colour\n1;<div>b</div>\n",
        "<mobile>\n1\n",
    ],
)
def test_a_text_with_markup_stays_a_text(tmp_path: Path, name: str, text: str) -> None:
    """A CSV file may begin with `<` and contain HTML in its cells."""
    file = tmp_path / name
    file.write_text(text)
    with open_source(file) as source:
        assert source.kind == "text"
