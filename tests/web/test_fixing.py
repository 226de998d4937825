"""Columns and fixed files: a form means the same as a mapping file, and only open rows are sent again."""

from __future__ import annotations

import datetime
import io
import re
import tomllib
from html import unescape

import openpyxl
import pytest

from importer.normaliser.codes import OWN_CODES
from importer.normaliser.mapping import ColumnUse, Mapping
from importer.settings.options import Settings
from importer.web.forms import mapping_from, reading_from, settings_for
from importer.web.messages import InspectedColumn, Inspection
from importer.web.storage import ReadingChoices, Upload
from tests.support.biff_writer import excel_95
from tests.support.page import SAMPLES, Server, Visitor, ended, form_of, import_file, prepare, start

LOOK = Inspection(columns=tuple(InspectedColumn(name, (), 0, 0, 0, "") for name in ("Phone", "Brands", "Remarks")))

TWO_ROWS = b"Contact details,Name,Likes\nMobile,Email,Colour\n919876543210,a@b.com,Blue\n"


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
    before = Mapping((), (("store.code", "S0"), ("Newsletter", "Yes")))
    assert mapping_from(fields, LOOK, before) == Mapping(uses, (("store.code", "S1"), ("Newsletter", "Yes")))


@pytest.mark.process
def test_columns_without_a_name_or_with_the_same_name_can_be_ignored(visitor: Visitor) -> None:
    """Each shows its own cells. Those without a name cannot be chosen, and those of one name only be ignored."""
    address = visitor.upload("twice.csv", b"Mobile,,Size,,Size,Colour\n919876543210,n1,s1,n2,s2,Blue\n").url.path
    page = visitor.settled(address).text
    fields = form_of(page)
    assert all(f"<code>{cell}</code>" in page for cell in ("n1", "s1", "n2", "s2"))
    assert {name for name in fields if name.startswith("field-")} == {"field-0", "field-2", "field-4", "field-5"}
    refused = visitor.post(f"{address}/mapping", fields)
    assert refused.status_code == 422 and "“Size”" in refused.text.partition('role="alert"')[2]
    ignored = {"field-2": "ignored", "field-4": "ignored", "field-1": "preference", "preference-1": "Size"}
    visitor.post(f"{address}/mapping", {**fields, **ignored})
    assert "1 row is ready" in visitor.settled(f"{address}/check").text
    assert visitor.get(address).status_code == 200


@pytest.mark.process
def test_a_header_in_the_second_row_is_suggested(visitor: Visitor) -> None:
    """Two rows of names: the page says which one has the customer's, and reads the file so when asked to."""
    address = visitor.upload("two.csv", TWO_ROWS).url.path
    page = visitor.settled(address).text
    assert "row 2" in page.partition('role="alert"')[2].partition("</div>")[0]
    visitor.post(f"{address}/reading", {"header_row": "2"})
    page = visitor.settled(address).text
    assert 'role="alert"' not in page
    visitor.post(f"{address}/mapping", form_of(page))
    assert "1 row is ready" in visitor.settled(f"{address}/check").text


@pytest.mark.process
@pytest.mark.parametrize("name", ["page.xls", "old.xls", "new.xlsx"])
def test_the_encoding_of_old_workbooks_can_be_set(name: str, visitor: Visitor) -> None:
    """Notes about a web page named .xls and a workbook of Excel 95 ask for the encoding where letters are wrong. A
    workbook in Unicode needs none."""
    word = "Привет"
    text = io.BytesIO()
    book = openpyxl.Workbook()
    assert book.active is not None
    for row in (["Mobile", "City"], ["919876543210", word]):
        book.active.append(row)
    book.save(text)
    rows = [[b"Mobile", b"City"], [b"919876543210", word.encode("cp1251")]]
    table = f"<table><tr><td>Mobile<td>City<tr><td>919876543210<td>{word}</table>".encode("cp1251")
    content = {"page.xls": table, "old.xls": excel_95(rows, charset=162), "new.xlsx": text.getvalue()}[name]
    address = visitor.upload(name, content).url.path
    page = visitor.settled(address).text
    assert ('name="encoding"' in page) == (name != "new.xlsx")
    visitor.post(f"{address}/reading", {"encoding": "cp1251"})
    page = visitor.settled(address).text
    assert word in page and 'name="delimiter"' not in page and 'name="short_rows"' not in page
    assert ('name="encoding" value="cp1251"' in page) == (name != "new.xlsx")


@pytest.mark.process
def test_a_column_can_be_marked_as_dates(visitor: Visitor) -> None:
    """Dates displayed without a year are rejected, with advice that the page can carry out: once the column is marked
    as dates they are sent, and the mark stays. A column of lists cannot hold dates."""
    book = openpyxl.Workbook()
    assert book.active is not None
    book.active.append(["Mobile", "Birthday"])
    book.active.append(["919876543210", datetime.date(2026, 3, 14)])
    book.active["B2"].number_format = "d-mmm"
    file = io.BytesIO()
    book.save(file)
    address = prepare(visitor, "birthdays.xlsx", file.getvalue())
    assert OWN_CODES["preference_is_a_date"][0][1:] in visitor.get(f"{address}/check").text
    fields = {**form_of(visitor.get(address).text), "date-1": "1"}
    refused = visitor.post(f"{address}/mapping", {**fields, "list-1": "1"})
    assert refused.status_code == 422 and "“Birthday”" in refused.text.partition('role="alert"')[2]
    visitor.post(f"{address}/mapping", fields)
    assert "1 row is ready" in visitor.settled(f"{address}/check").text
    assert re.search(r'name="date-1"[^>]* checked', visitor.get(address).text)
    report = ended(visitor, start(visitor, address))
    assert 'class="state state-done"' in report.text


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
    assert "says which rows are still open" in text and "--" not in re.sub(r"<[^>]*>", "", text)


@pytest.mark.process
def test_the_check_counts_customers_and_a_csv_report_names_its_file(visitor: Visitor) -> None:
    """The check counts each customer once; the report of a CSV names the CSV file to fix, not a workbook."""
    sheet = "External ID,Brand\ncode-1012,Puma\n" + "A-1,Puma\nA-2,Nike\nA-1,Bata\nA-1,Levi's\n"
    address = prepare(visitor, "a.csv", sheet.encode())
    assert "the rows of 3 customers" in visitor.settled(f"{address}/check").text
    page = unescape(ended(visitor, start(visitor, address)).text)
    assert "Fix the cells in the file “Only the rows to fix”" in page
    # The cause has the code and what to do: no table repeats it.
    assert (
        page.count("(code 1012)") == page.count("A plain retry will not help this row.") == page.count(">row 2<") == 1
    )
    assert "By code" not in page
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
    mapping = tomllib.loads((folder / ".page" / "mapping.toml").read_text(encoding="utf-8"))
    assert mapping["columns"]["Mobile No."] == "mobile"
    assert "preference-4" in form_of(visitor.settled(address.removesuffix("/check")).text)
