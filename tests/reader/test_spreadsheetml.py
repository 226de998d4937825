"""XML spreadsheets of Excel 2003 and flat OpenDocument files."""

from __future__ import annotations

from pathlib import Path

import pytest

from importer.errors import SourceError
from importer.reader import SourceOptions, open_source
from tests.support.reading import read, rows_of

START = """<?xml version="1.0"?>
<?mso-application progid="Excel.Sheet"?>
<Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet" xmlns:ss="urn:schemas-microsoft-com:office:spreadsheet">
<Styles><Style ss:ID="Default"><NumberFormat/></Style><Style ss:ID="d"><NumberFormat ss:Format="Short Date"/></Style>
<Style ss:ID="z"><NumberFormat ss:Format="0000000000"/></Style><Style ss:ID="zz" ss:Parent="z"/>
<Style ss:ID="t"><NumberFormat ss:Format="h:mm;@"/></Style></Styles>"""
SHEET = (
    """<Worksheet ss:Name="Empty"><Table/></Worksheet><Worksheet ss:Name="Data"><Table>
<Column ss:Index="2" ss:Hidden="1" ss:Span="1"/><Column ss:StyleID="z"/><Row>"""
    + "".join(f'<Cell><Data ss:Type="String">{name}</Data></Cell>' for name in ("Mobile", "A", "B", "Z", "E"))
    + """</Row>
<Row><Cell><Data ss:Type="Number">919845000001</Data></Cell>
<Cell ss:StyleID="d"><Data ss:Type="DateTime">2026-03-09T00:00:00.000</Data></Cell>
<Cell ss:StyleID="t"><Data ss:Type="DateTime">1899-12-31T14:30:00.000</Data></Cell>
<Cell><Data ss:Type="Number">774487641</Data></Cell><Cell><Data ss:Type="Error">#N/A</Data></Cell></Row>
<Row ss:Index="5" ss:Hidden="1"><Cell ss:Index="2" ss:StyleID="zz"><Data ss:Type="Number">12</Data></Cell>
<Cell><ss:Data ss:Type="String" xmlns="http://www.w3.org/TR/REC-html40"><B>bo</B>ld</ss:Data><Comment><ss:Data>n</ss:Data>
</Comment></Cell><Cell ss:Formula="=A1"/><Cell><Data ss:Type="Boolean">1</Data></Cell></Row>
<Row ss:Span="2"><Cell ss:MergeDown="3"><Data ss:Type="String">m</Data></Cell>
<Cell ss:MergeAcross="1"><Data ss:Type="String">x</Data></Cell><Cell><Data ss:Type="String">y</Data></Cell></Row>
<Row><Cell ss:Index="2"><Data ss:Type="DateTime">2026-03-09T14:30:00.000</Data></Cell></Row>
<Row><Cell><Data ss:Type="String">00123</Data></Cell></Row></Table></Worksheet>"""
)
END = """<Worksheet ss:Name="Hidden"><Table><Row><Cell><Data ss:Type="String">x</Data></Cell></Row></Table>
<WorksheetOptions><Visible>SheetHidden</Visible></WorksheetOptions></Worksheet></Workbook>"""
ROWS = [
    (2, ["919845000001", "2026-03-09", "14:30:00", "0774487641", "#N/A"]),
    (5, ["", "0000000012", "bold", "", "true"]),
    (6, ["m", "x", "", "y", ""]),
    (9, ["", "2026-03-09 14:30:00", "", "", ""]),
    (10, ["00123", "", "", "", ""]),
]
PROBLEMS = [
    (2, "E", "error_cell"),
    (5, "Z", "formula_without_value"),
    (6, None, "merged_cells"),
    (9, None, "merged_cells"),
]


@pytest.mark.parametrize("name", ["a.xml", "a.xls", "a.csv"])
@pytest.mark.parametrize(("before", "encoding"), [("", "utf-8"), ("\r\n \n", "utf-8"), ("", "utf-16")])
def test_a_spreadsheet(tmp_path: Path, name: str, before: str, encoding: str) -> None:
    """Every type with its number format, from cell, row or column; positions, merged cells, and what is hidden."""
    file = tmp_path / name
    start = START.replace('"1.0"', f'"1.0" encoding="{encoding}"')
    file.write_bytes((before + start + SHEET + END).encode(encoding))
    with open_source(file) as source:
        assert rows_of(source) == (ROWS, PROBLEMS)
        assert any("1 hidden" in note for note in source.notes)
        assert any("B 'A', C 'B'" in note for note in source.notes)


def test_sheets_are_chosen_as_in_other_workbooks(tmp_path: Path) -> None:
    """Several with data are a choice; a hidden one is read where it is named; cut off is damaged."""
    file = tmp_path / "a.xml"
    file.write_text(START + SHEET + SHEET.replace('"Data"', '"Other"').replace('"Empty"', '"Empty 2"') + END)
    with pytest.raises(SourceError) as refused:
        read(file)
    assert refused.value.sheets == ("Data", "Other")
    assert read(file, sheet="Other") == (ROWS, PROBLEMS)
    file.write_text((START + SHEET + END)[:-30])
    with pytest.raises(SourceError, match="damaged"):
        read(file, sheet="Data")


FLAT = """<office:document xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" xmlns:table="t"
 xmlns:text="x" office:mimetype="application/vnd.oasis.opendocument.{kind}"><office:body><office:spreadsheet>
<table:table table:name="Data"><table:table-column/><table:table-column table:visibility="collapse"/>
<table:table-row><table:table-cell office:value-type="string"><text:p>Mobile</text:p></table:table-cell>
<table:table-cell office:value-type="string"><text:p>Colour</text:p></table:table-cell></table:table-row>
<table:table-row table:visibility="filter" table:number-rows-repeated="2"><table:table-cell office:value-type="float"
 office:value="919845000001"><text:p>919845000001</text:p></table:table-cell><table:table-cell
 office:value-type="string"><text:p>Blue</text:p></table:table-cell></table:table-row></table:table>
</office:spreadsheet></office:body></office:document>"""


@pytest.mark.parametrize("declaration", ["", '<?xml version="1.0" encoding="UTF-8"?>\n'])
def test_a_flat_opendocument_file(tmp_path: Path, declaration: str) -> None:
    """Read by the rules of .ods, with notes of filtered rows and hidden columns. A flat text document is named."""
    file = tmp_path / "a.fods"
    file.write_text(declaration + FLAT.format(kind="spreadsheet"))
    with open_source(file, SourceOptions(sheet="Data")) as source:
        assert rows_of(source) == ([(2, ["919845000001", "Blue"]), (3, ["919845000001", "Blue"])], [])
        assert any("2 hidden" in note for note in source.notes)
        assert any("B 'Colour'" in note for note in source.notes)
    file.write_text(declaration + FLAT.format(kind="text"))
    with pytest.raises(SourceError, match="OpenDocument text"):
        read(file)
