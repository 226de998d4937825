"""Columns and fixed files: a form means the same as a mapping file, and only open rows are sent again."""

from __future__ import annotations

import io
import re
import tomllib
from html import unescape

import openpyxl
import pytest

from importer.normaliser.mapping import ColumnUse, Mapping
from importer.settings.options import Settings
from importer.web.forms import mapping_from, reading_from, settings_for
from importer.web.messages import InspectedColumn, Inspection
from importer.web.storage import ReadingChoices, Upload
from tests.support.page import SAMPLES, Server, Visitor, ended, form_of, import_file, prepare, start

LOOK = Inspection(columns=tuple(InspectedColumn(name, (), 0, 0, 0, "") for name in ("Phone", "Brands", "Remarks")))


def test_a_form_means_the_same_as_a_mapping_file() -> None:
    """A form sets fields, names, lists and constants like a mapping file; an unknown field is ignored."""
    fields = {
        "field-0": "mobile",
        "field-1": "preference",
        "preference-1": "  Favourite   brand ",
        "list-1": "1",
        "separator-1": "semicolon",
        "field-2": "nonsense",
        "store": " S1 ",
    }
    uses = (
        ColumnUse("Phone", "mobile"),
        ColumnUse("Brands", "preference", "Favourite brand", True, ";"),
        ColumnUse("Remarks", "ignored"),
    )
    assert mapping_from(fields, LOOK) == Mapping(uses, (("store.code", "S1"),))


def test_a_setting_is_read_as_the_command_line_reads_it() -> None:
    """A setting of a form is parsed like the option, with the same messages."""
    reading, faults = reading_from({"country": "in", "header_row": "x"}, ("country", "header_row"), ReadingChoices())
    assert reading.country == "IN"
    assert len(faults) == 1 and "whole number" in faults[0]


def test_only_a_fixed_file_is_resubmitted() -> None:
    """Of a fixed file only the open rows are sent; of any other file all."""
    plain = Upload("1", "", "a.csv", "/x/a.csv", 1, 0.0)
    fixed = Upload("1", "", "a.csv", "/x/a.csv", 1, 0.0, fixes="20261124-0000-a-0000")
    assert not settings_for(plain, Settings()).resubmit
    assert settings_for(fixed, Settings()).resubmit


@pytest.mark.process
def test_a_fixed_file_of_several_sheets_needs_no_sheet_name(visitor: Visitor) -> None:
    """An annotated workbook, failed.xlsx and a CSV with a status column are checked at once: the run already names the
    sheet. A file without a status column is refused in the page's words."""
    book = openpyxl.Workbook()
    for sheet, name in ((book.worksheets[0], "Jan"), (book.create_sheet(), "Feb")):
        sheet.title = name
        for row in (("External ID", "Brand"), ("code-1012", name), (f"A-{name}", name)):
            sheet.append(row)
    buffer = io.BytesIO()
    book.save(buffer)
    address = visitor.upload("a.xlsx", buffer.getvalue()).url.path
    visitor.settled(address)
    visitor.post(f"{address}/reading", {"sheet": "Feb"})
    visitor.post(f"{address}/mapping", form_of(visitor.settled(address).text))
    visitor.settled(f"{address}/check")
    run = start(visitor, address)
    ended(visitor, run)
    for name in ("annotated.xlsx", "failed.xlsx"):
        marked = visitor.get(f"{run}/files/{name}").content
        visitor.get(run)
        page = visitor.upload(name, marked, f"{run}/fixed")
        page = visitor.settled(page.url.path)
        assert "1 row is ready" in page.text, name
    visitor.get(run)
    page = visitor.upload("m.csv", b"External ID,Brand,_status\nA-9,Puma,failed\n", f"{run}/fixed")
    assert "1 row is ready" in visitor.settled(page.url.path).text
    visitor.get(run)
    page = visitor.upload("m.csv", b"External ID,Brand\nA-9,Puma\n", f"{run}/fixed")
    text = visitor.settled(page.url.path).text
    assert "which says which rows are still open" in text and "--" not in re.sub(r"<[^>]*>", "", text)


@pytest.mark.process
def test_the_check_counts_customers_and_a_csv_report_names_its_file(visitor: Visitor) -> None:
    """The check counts each customer once; the report of a CSV names the CSV file to fix, not a workbook."""
    sheet = "External ID,Brand\ncode-1012,Puma\n" + "A-1,Puma\nA-2,Nike\nA-1,Bata\nA-1,Levi's\n"
    address = prepare(visitor, "a.csv", sheet.encode())
    assert "the rows of 3 customers" in visitor.settled(f"{address}/check").text
    page = unescape(ended(visitor, start(visitor, address)).text)
    assert "Fix the cells in the file “Only the rows to fix”" in page
    assert "workbook" not in page


@pytest.mark.process
def test_a_fixed_annotated_workbook_sends_only_open_rows(server: Server, visitor: Visitor) -> None:
    """Of an annotated workbook, which has every row, only rows that needed attention are sent again, with the mapping
    of the run."""
    run = import_file(visitor, "messy.xlsx", (SAMPLES / "messy.xlsx").read_bytes())
    ended(visitor, run)
    book = openpyxl.load_workbook(io.BytesIO(visitor.get(f"{run}/files/annotated.xlsx").content))
    sheet = book["Customers"]
    header = next(row for row in sheet.iter_rows() if row[0].value == "Mobile No.")
    place = {cell.value: cell.column - 1 for cell in header}
    for row in sheet.iter_rows(min_row=header[0].row + 1):
        if row[place["_status"]].value == "rejected" and row[place["_code"]].value == "mobile_without_country":
            row[place["Mobile No."]].value = f"9198765{row[0].row:05}"
    buffer = io.BytesIO()
    book.save(buffer)
    visitor.get(run)
    page = visitor.upload("fixed.xlsx", buffer.getvalue(), f"{run}/fixed")
    address = page.url.path
    assert address.endswith("/check")
    page = visitor.settled(address)
    # 8 fixed and 14 refused by the server and 1 unknown are ready; 14 still have their problem.
    assert "23 rows are ready" in page.text and "of 37 in fixed.xlsx" in page.text
    folder = server.reports / ".web" / address.strip("/").removesuffix("/check")
    mapping = tomllib.loads((folder / "mapping.toml").read_text(encoding="utf-8"))
    assert mapping["columns"]["Mobile No."] == "mobile"
    assert "preference-4" in form_of(visitor.settled(address.removesuffix("/check")).text)
