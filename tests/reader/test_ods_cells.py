"""The cells of OpenDocument sheets: what the program displays counts by the rule of the other workbooks."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from tests.support.corpus import ODS_HEAD, ODS_TAIL
from tests.support.reading import read


@pytest.mark.parametrize(
    ("attributes", "shown", "text", "flag"),
    [
        ('value-type="float" office:value="42"', "C-00042", "C-00042", ""),
        ('value-type="float" office:value="123456781"', "0001 2345 6781", "0001 2345 6781", ""),
        ('value-type="float" office:value="411111111234"', "4111 1111 1234", "4111 1111 1234", ""),
        ('value-type="float" office:value="7744876415"', "917744876415", "917744876415", ""),
        ('value-type="float" office:value="4111111111111234"', "4,11111111111123E+15", "4111111111111234", ""),
        ('value-type="float" office:value="1234567"', "1 234 567,00", "1234567", ""),
        ('value-type="currency" office:value="1234"', "1.234,00 €", "1234", ""),
        ('value-type="currency" office:value="0"', "- €", "0", ""),
        ('value-type="float" office:value="9845012345"', "9,84,50,12,345", "9845012345", ""),
        ('value-type="float" office:value="1"', "Yes", "Yes", ""),
        ('value-type="float" office:value="1" table:formula="of:=TRUE()"', "WAHR", "true", ""),
        ('value-type="float" office:value="5"', "5 kg", "5", "number_format_unknown"),
        ('value-type="float" office:value="1234567"', "1.2M", "1234567", "number_format_unknown"),
        ('value-type="float" office:value="919784000000"', "+919784000000", "+919784000000", "mobile_rounded"),
        ('value-type="float" office:value="NaN"', "NaN", "NaN", "error_cell"),
        ('value-type="percentage" office:value="0.1255"', "12.55%", "12.55%", ""),
        ('value-type="percentage" office:value="0.1255"', "12,55 %", "12.55%", ""),
        ('value-type="percentage" office:value="-0.5"', "-50%", "-50%", ""),
        ('value-type="boolean" office:boolean-value="true"', "WAHR", "true", ""),
        ('value-type="date" office:date-value="1899-12-30T09:15:00"', "09:15", "09:15:00", ""),
        ('value-type="date" office:date-value="1994-04-13T14:30:27.999"', "14:30:28", "1994-04-13 14:30:28", ""),
        ('value-type="date" office:date-value="2026-10-12"', "12-Oct", "2026-10-12", "preference_is_a_date"),
        ('value-type="date" office:date-value="2026-10-12"', "12.10.", "2026-10-12", "preference_is_a_date"),
        ('value-type="date" office:date-value="2026-10-12"', "Oct 26", "2026-10-12", "preference_is_a_date"),
        ('value-type="date" office:date-value="2026-10-12"', "10月12日", "2026-10-12", "preference_is_a_date"),
        ('value-type="date" office:date-value="2026-10-12"', "12. Oktober 2026", "2026-10-12", ""),
        ('value-type="date" office:date-value="2026-10-12"', "令和8年10月12日", "2026-10-12", ""),
        ('value-type="date" office:date-value="2026-10-12T14:30:00"', "12/10/26 14:30", "2026-10-12 14:30:00", ""),
        ('value-type="time" office:time-value="PT14H29M59.9999996S"', "14:30", "14:30:00", ""),
        ('value-type="time" office:time-value="PT36H00M00S"', "36:00", "36:00:00", ""),
        ('value-type="time" office:time-value="PT1111382H23M59.999999665S"', "14:24", "14:24:00", ""),
    ],
)
def test_opendocument(attributes: str, shown: str, text: str, flag: str, tmp_path: Path) -> None:
    """The displayed text of an OpenDocument cell counts by the same rule."""
    head = '<table:table-cell office:value-type="string"><text:p>{}</text:p></table:table-cell>'
    names = "".join(head.format(name) for name in ("mobile", "a"))
    cell = f"<table:table-cell office:{attributes}><text:p>{shown}</text:p></table:table-cell>"
    rows = f"<table:table-row>{names}</table:table-row><table:table-row>{head.format('m1')}{cell}</table:table-row>"
    with zipfile.ZipFile(tmp_path / "a.ods", "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("content.xml", ODS_HEAD + rows + ODS_TAIL)
    assert read(tmp_path / "a.ods") == ([(2, ["m1", text])], [(2, "a", flag)] if flag else [])
