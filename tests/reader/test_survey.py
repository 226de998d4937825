"""The pass over a whole sheet: what refuses it, and what only all of its rows show."""

from __future__ import annotations

from pathlib import Path

import openpyxl
import pandas as pd
import pytest

from importer.errors import SourceError
from importer.normaliser.mapping import NAME, PREFERENCE, VALUE, ColumnUse, Mapping, propose
from importer.normaliser.normaliser import Normaliser
from importer.reader import Source, open_source
from importer.reader.frame import FrameSource
from importer.reader.survey import Survey, survey

A, B, C = "919845000001", "919845000002", "919845000003"

Found = tuple[dict[int, tuple[str, ...]], dict[int, str]]


def found_in(source: Source, mapping: Mapping | None = None) -> Found:
    """Row → identifier and values of each customer; row → code of each rejected row."""
    surveyed = survey(source, mapping or propose(source.columns))
    normaliser = Normaliser(surveyed)
    customers: dict[int, tuple[str, ...]] = {}
    codes: dict[int, str] = {}
    for made in [*map(normaliser, source.blocks()), normaliser.finish()]:
        for one in made.customers:
            who = one.mobile or one.email or one.external_id
            customers[one.row_number] = (who, *[value for _, value in one.custom_fields])
        for problem in made.problems:
            codes.setdefault(problem.row_number, problem.code)
    return customers, codes


def found(folder: Path, text: str, mapping: Mapping | None = None) -> Found:
    file = folder / "a.csv"
    file.write_text(text, encoding="utf-8")
    with open_source(file) as source:
        return found_in(source, mapping)


def refusal(folder: Path, text: str) -> SourceError:
    with pytest.raises(SourceError) as caught:
        found(folder, text)
    return caught.value


# ------------------------------------------------------------------------------------------------- rows inside a cell

SWALLOWED = {
    "last column": (f'Mobile,City,TV\n{A},Pune,"32\n{B},Delhi,43\n{C},Agra,65"\n', (2, 4)),
    "identifier behind the quote": (f'City,TV,Mobile\nPune,"3,{A}\nAgra,6",{B}\n', (2, 3)),
    "ids": ('Customer ID,City,Note\nC-1,Pune,"3\nC-2,Delhi,4\nC-3,Goa,5"\nC-4,x,y\n', (2, 4)),
    "e-mails": ('Email,City\na@x.com,"Pune\nb@x.com,Delhi\nc@x.com,Goa"\n', (2, 4)),
    "numbers without country code": ('Mobile,City\n9845000001,"Pune\n9845000002,Delhi\n9845000003,Goa"\n', (2, 4)),
    "semicolons": (f'Mobile;City\n{A};x\n{B};"Pune\n{C};Goa"\n', (3, 4)),
    "after a cell of several lines": (f'Mobile,City\n{A},"x\ny"\n{B},"Pune\n{C},Goa"\n', (4, 5)),
    "rows that lack cells": (f'Mobile,City,TV,Size\n{A},Pune,"3\n{B},Delhi\n{C},Goa,6",5\n', (2, 4)),
    "ids of letters": ('Customer ID,City,Note\nann,Goa,1\nbea,Pune,"3\ncleo,Delhi,4\ndan,Goa,5"\n', (3, 5)),
    "Windows line ends": (f'Mobile,City\r\n{A},"Pune\r\n{B},Goa"\r\n', (2, 3)),
}


@pytest.mark.parametrize("name", SWALLOWED)
def test_rows_that_a_stray_quote_hides_refuse_the_file(name: str, tmp_path: Path) -> None:
    """Two quotes that were never closed would make one cell of the rows between them, and they would be lost."""
    text, (opened, closed) = SWALLOWED[name]
    message = str(refusal(tmp_path, text))
    assert f"line {opened}" in message
    assert f"line {closed}" in message


SEVERAL_LINES = {
    "an address": f'Mobile,Address\n{A},"12 MG Road\nPune, 411001\nIndia"\n',
    "an address beside numeric ids": 'Customer ID,Address\n10023,"12 MG Road\nPune, 411001"\n',
    "a list of numbers beside numeric ids": 'Customer ID,Note\n77,"my numbers:\n68, 34, 17, 85"\n',
    "a sentence with an address": 'Email,Note\na@x.com,"write to\nb@x.com please"\n',
    "a number before a remark": f'Mobile,Name,Note\n{A},Asha,"call her at\n{B}, or\nlater"\n',
    "a line with more cells than a row": f'Mobile,Note,Age\n{A},"Called {A}, busy\n{B}, wrong number, 4",3\n',
    "a house like an id": 'Customer ID,Name,Address,Size\n1001,Ann,"Flat 5\n1204, Palm Court, Goa",M\n',
    "a signature": 'Email,Note,Age\na@x.com,"Regards\nb@x.com, Pune, India",3\n',
    "words beside ids of letters": 'Customer ID,Address,Age\nann,"Park, Pune\nGoa, India",3\n',
    "a number alone in its line": f'Mobile,Note\n{A},"call\n{B}"\n',
}


@pytest.mark.parametrize("name", SEVERAL_LINES)
def test_a_cell_of_several_lines_is_one_value(name: str, tmp_path: Path) -> None:
    """Addresses and remarks have line breaks; a note counts such cells."""
    file = tmp_path / "a.csv"
    file.write_text(SEVERAL_LINES[name])
    with open_source(file) as source:
        assert "1 cell with line breaks" in survey(source, propose(source.columns)).facts.notes[0]
        customers, codes = found_in(source)
    assert list(customers) == [2]
    assert codes == {}


# ------------------------------------------------------------------------------------------------------ second tables

SECOND = {
    "other preferences": (f"Mobile,Colour\n{A},Blue\nMobile,Size\n{B},M\n", 3),
    "another identifier": (f"Mobile,Colour\n{A},Blue\n\nEmail,City\na@b.com,Pune\n", 4),
    "another order": (f"Mobile,Email,Colour\n{A},,Blue\nEmail,Mobile,Colour\na@b.com,{B},x\n", 3),
    "another language": ("Customer ID,Colour\nC-1,Blue\nID de cliente,Talla\nC-2,M\n", 3),
    "far below": ("Customer ID,Colour\n" + "C-1,Blue\n" * 12_000 + "Customer ID,Size\nC-2,M\n", 12_002),
    "names first": (f"Customer ID,Colour,City\nC-1,Blue,Pune\nName,Mobile,Shop\nAsha,{A},Goa\n", 3),
    "numbers of rows first": ("Customer ID,Colour,City\nC-1,Blue,Pune\nS.No.,Name,Email\n1,Asha,a@b.com\n", 3),
    "fewer columns": (f"Mobile,Colour,City\n{A},Blue,Pune\nEmail,Size\na@b.com,M\n", 3),
    "more columns": ("Mobile,Colour\n" + f"{A},Blue\n" * 40 + "Email,Size,City\na@b.com,M,Goa\n", 42),
    "just below the header": (f"Mobile,Colour\nmobile_no,pref_colour\n{A},Blue\n", 2),
}


@pytest.mark.parametrize("name", SECOND)
def test_a_second_table_refuses_the_file(name: str, tmp_path: Path) -> None:
    """Its rows would be sent under the names of the first one."""
    text, row = SECOND[name]
    assert f"row {row} contains column names" in str(refusal(tmp_path, text))


def test_a_header_that_a_data_frame_repeats_is_rejected() -> None:
    """Frames are joined from files that each had one."""
    frame = pd.DataFrame(
        [["C-1", "Blue"], ["customer id", "COLOUR"], ["C-2", "Red"]], columns=["Customer ID", "Colour"]
    )
    with FrameSource(frame) as source:
        assert found_in(source) == ({2: ("C-1", "Blue"), 4: ("C-2", "Red")}, {3: "header_again"})


def test_a_second_table_in_a_workbook_and_a_data_frame(tmp_path: Path) -> None:
    """The rule is that of the rows, not of the format."""
    rows = [["Customer ID", "Colour"], ["C-1", "Blue"], ["Customer ID", "Size"], ["C-2", "M"]]
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)  # type: ignore[union-attr]
    book.save(tmp_path / "a.xlsx")
    with open_source(tmp_path / "a.xlsx") as workbook, pytest.raises(SourceError, match="row 3"):
        found_in(workbook)
    with FrameSource(pd.DataFrame(rows[1:], columns=rows[0])) as frame, pytest.raises(SourceError, match="row 3"):
        found_in(frame)


NAMES_IN_CELLS = {
    "a preference of channels": f"Mobile,Email,Channel\n{A},,Mobile\n,a@b.com,Email\n{B},,Phone\n",
    "a word in the e-mail column": f"Mobile,Email,Colour\n{A},phone,Blue\n",
    "a word like a name": f"Mobile,Customer ID,Channel\n{A},,Mobile\n,Name,Blue\n,date,Mobile\n",
    "a name in the row of a customer": f"Mobile,Customer ID,Colour\n{A},Email,Blue\n",
}


@pytest.mark.parametrize("name", NAMES_IN_CELLS)
def test_a_name_of_a_field_in_a_cell_is_no_second_table(name: str, tmp_path: Path) -> None:
    """A row with an identifier is a customer, whatever its other cells say."""
    customers, codes = found(tmp_path, NAMES_IN_CELLS[name])
    assert len(customers) + len(codes) == NAMES_IN_CELLS[name].count("\n") - 1


@pytest.mark.parametrize("again", ["Mobile,Colour", "MOBILE,COLOUR", " mobile , Colour", "Mobile,"])
def test_a_repeated_header_is_a_row_of_its_own_kind(again: str, tmp_path: Path) -> None:
    """Pages of an export repeat it: the row is rejected, the file is not."""
    customers, codes = found(tmp_path, f"Mobile,Colour\n{A},Blue\n{again}\n{B},Red\n")
    assert codes == {3: "header_again"}
    assert list(customers) == [2, 4]


@pytest.mark.parametrize("types", ["string,string,int", 'VARCHAR(20),"decimal(10,2)",date', "Text,Number,Boolean"])
def test_a_row_of_types_is_not_a_customer(types: str, tmp_path: Path) -> None:
    """Templates of other programs name the types below the header."""
    customers, codes = found(tmp_path, f"Customer ID,Colour,Size\n{types}\nC-1,Blue,M\n")
    assert codes == {2: "not_a_customer"}
    assert list(customers) == [3]


def test_a_word_that_names_a_type_is_a_value_elsewhere(tmp_path: Path) -> None:
    """Only just below the header, and only where every cell is such a word."""
    customers, codes = found(tmp_path, "Customer ID,Contact by\nC-1,text\nC-2,email\ntext,Phone call\n")
    assert (len(customers), codes) == (3, {})


# ------------------------------------------------------------------------------------------------------------- footers

FOOTERS = {
    "en": ("Customer ID,Spend", ["Total,3", "Generated on 2026-11-01 by ops,", "Page 1 of 1,"]),
    "en too": ("Customer ID,Spend", ["Grand Total:,3", "*** End of report ***,", "(25 rows affected),"]),
    "es": ("ID de cliente,Color", ["Total general,1", "Generado el 1/11/2026,", "Página 1 de 1,"]),
    "hi": ("ग्राहक आईडी,रंग", ["कुल योग,1", "पृष्ठ 1,"]),
    "ar": ("رقم العميل,اللون", ["المجموع,1", "صفحة 1 من 1,"]),
    "th": ("รหัสลูกค้า,สี", ["รวม,1", "หน้า 1/1,"]),
    "id": ("ID Pelanggan,Warna", ["Jumlah,1", "Halaman 1 dari 1,", "Dicetak pada 1/11/2026,"]),
    "short": ("Customer ID,Spend", ["Total", "Page 1 of 1"]),
    "counts": ("Customer ID,Spend", ["Total (3),", "Total Count,3", "No. of records: 3,", "Average,6", "Records: 3,"]),
    "remarks": ("Customer ID,Spend", ["Prepared by: Asha,", "Generated: 1/11/2026,", "Source: CRM,", "© 2026 ACME,"]),
    "ends": ("Customer ID,Spend", ["EOF,", "END OF FILE,", "1 of 1,", "Trailer,3"]),
    "de": ("Customer ID,Farbe", ["Zwischensumme,1", "Erstellt: 01.11.2026,", "Gesamtanzahl: 3,"]),
    "units": ("Customer ID,Spend", ["รวม 3 รายการ,", "Total Pelanggan: 3,", "إجمالي العملاء: 3,", "कुल ग्राहक: 3,"]),
}


@pytest.mark.parametrize("name", FOOTERS)
def test_totals_and_remarks_at_the_end_are_not_customers(name: str, tmp_path: Path) -> None:
    """In every language of the header names; without the rule each would be a customer with that id."""
    header, rows = FOOTERS[name]
    customers, codes = found(tmp_path, "\n".join([header, "C-1,x", "C-2,y", *rows]) + "\n")
    assert list(customers) == [2, 3]
    assert codes == dict.fromkeys(range(4, 4 + len(rows)), "not_a_customer")


CUSTOMERS = {
    "further up": ["Total,x", *[f"C-{n},y" for n in range(20)]],
    "ids that begin with such words": ["TOTAL-1,x", "PAGE-2,x", "Note7,x", "Count5,y", "Summer 12,y"],
    "ids with dots and slashes": ["page.turner,x", "stand.by,x", "note.book,y", "3/4,x", "1/2,y"],
}


@pytest.mark.parametrize("name", CUSTOMERS)
def test_customers_are_no_footers(name: str, tmp_path: Path) -> None:
    """The word alone, among the last rows."""
    rows = CUSTOMERS[name]
    customers, codes = found(tmp_path, "\n".join(["Customer ID,Spend", *rows]) + "\n")
    assert (len(customers), codes) == (len(rows), {})


def test_a_name_like_a_remark_beside_a_mobile_is_a_customer(tmp_path: Path) -> None:
    """Page is a family name; below a column of numbers, the number beside a total is their sum."""
    customers, codes = found(tmp_path, f"Name,Mobile,Colour\nPage Smith,{A},Blue\nTotal,1,\n")
    assert list(customers) == [2]
    assert codes == {3: "not_a_customer"}


# ------------------------------------------------------------------------------------------------ ranges and quotes

RANGES = {
    "a month's name": ["18-25", "10-Dec", "26-35"],
    "a full date": ["18-25", "2026-12-10", "26-35"],
    "fractions": ["1/2", "03-Apr", "3/4"],
    "a dash of typography": ["18–25", "10-Dec", "26–35"],
    "with a unit": ["18-25 years", "10-Dec", "26-35 years"],
    "a German month": ["18-25", "10-Dez", "26-35"],
    "a French month": ["18-25", "10-déc.", "26-35"],
    "a Thai month": ["18-25", "10-ธ.ค.", "26-35"],
    "a day's number last": ["0-3", "Dec-10", "4-6"],
}


@pytest.mark.parametrize("name", RANGES)
def test_a_date_among_ranges_is_damage(name: str, tmp_path: Path) -> None:
    """`10-12` was typed; a spreadsheet program made 10 December of it."""
    first, date, last = RANGES[name]
    customers, codes = found(tmp_path, f"Mobile,Age\n{A},{first}\n{B},{date}\n{C},{last}\n")
    assert customers == {2: (A, first), 4: (C, last)}
    assert codes == {3: "preference_is_a_date"}


def test_the_first_row_knows_of_the_last(tmp_path: Path) -> None:
    """The range that shows what the dates are may stand far below them."""
    rows = "".join(f"C-{n},10-Dec\n" for n in range(12_000))
    customers, codes = found(tmp_path, f"Customer ID,Age\n{rows}C-x,18-25\n")
    assert list(customers) == [12_002]
    assert set(codes.values()) == {"preference_is_a_date"}


@pytest.mark.parametrize(
    "values", [("2026-12-10", "10-Dec"), ("10-Dec", "blue"), ("18-25", "65+"), ("10/12", "10/12/1990")]
)
def test_dates_without_ranges_and_ranges_without_dates_are_sent(values: tuple[str, str], tmp_path: Path) -> None:
    """Only the mixture shows the damage."""
    customers, codes = found(tmp_path, f"Mobile,Visit\n{A},{values[0]}\n{B},{values[1]}\n")
    assert (customers, codes) == ({2: (A, values[0]), 3: (B, values[1])}, {})


def test_a_column_of_dates_may_hold_ranges_too(tmp_path: Path) -> None:
    """The mapping says so."""
    uses = (ColumnUse("Mobile", "mobile"), ColumnUse("Visit", PREFERENCE, "Visit", is_date=True))
    customers, _ = found(tmp_path, f"Mobile,Visit\n{A},10-12\n{B},10-Dec\n", Mapping(uses))
    assert customers == {2: (A, "10-12"), 3: (B, "10-Dec")}


def test_ranges_of_a_long_sheet_count_by_preference(tmp_path: Path) -> None:
    """Another preference's ranges say nothing about a date."""
    text = f"Mobile,Preference,Value\n{A},Age,18-25\n{A},Visit,10-Dec\n{B},Age,10-Dec\n"
    customers, codes = found(tmp_path, text)
    assert customers == {2: (A, "18-25", "10-Dec")}
    assert codes == {4: "preference_is_a_date"}


def test_a_preference_that_a_cell_names_is_what_people_see(tmp_path: Path) -> None:
    """Invisible characters and a wrapper would make another preference of it, as in the header."""
    file = tmp_path / "a.csv"
    file.write_text(f'Mobile,Preference,Value\n{A},\u200bColour\ufeff,x\n{B},"=""Colour""",y\n', encoding="utf-8")
    with open_source(file) as source:
        normaliser = Normaliser(survey(source, propose(source.columns)))
        made = [*normaliser(next(source.blocks())).customers, *normaliser.finish().customers]
    assert [one.custom_fields for one in made] == [(("Colour", "x"),), (("Colour", "y"),)]


QUOTED = {
    "single": "'Customer ID','Colour'\n'C-1','Blue'\n'C-2','Red'\n",
    "curly": "“Customer ID”,“Colour”\n“C-1”,“Blue”\n“C-2”,“Red”\n",
    "low": "„Customer ID“,„Colour“\n„C-1“,„Blue“\n„C-2“,„Red“\n",
    "guillemets": "Customer ID;Colour\n«C-1»;«Blue»\n«C-2»;«Red»\n",
    "after a space": 'Customer ID, "Colour"\nC-1, "Blue"\nC-2, "Red"\n',
    "with cells of quotes only": "Customer ID,Colour\n'C-1','Blue'\n'C-2',''\n",
    "with empty cells": "Customer ID,Colour\n'C-1','Blue'\n'C-2',\n",
}


@pytest.mark.parametrize("name", QUOTED)
def test_quotes_around_a_whole_column_are_removed(name: str, tmp_path: Path) -> None:
    """A program wrote them in a form that spreadsheets do not know; names and values are what is inside."""
    file = tmp_path / "a.csv"
    file.write_text(QUOTED[name], encoding="utf-8")
    with open_source(file) as source:
        assert source.columns == ("Customer ID", "Colour")
        mapping = survey(source, propose(source.columns))
        made = Normaliser(mapping)(next(source.blocks()))
    assert next((one.external_id, one.custom_fields[0][1]) for one in made.customers) == ("C-1", "Blue")
    assert {repair.code for repair in made.repairs} == {"quotes_removed"}


def test_quotes_around_some_cells_are_kept(tmp_path: Path) -> None:
    """They may belong to the value; a note says that they are there."""
    file = tmp_path / "a.csv"
    file.write_text("Customer ID,Colour\nC-1,'Blue'\nC-2,Red\nC-3,'Sky'\n")
    with open_source(file) as source:
        assert "“Colour”" in survey(source, propose(source.columns)).facts.notes[0]
        assert found_in(source)[0] == {2: ("C-1", "'Blue'"), 3: ("C-2", "Red"), 4: ("C-3", "'Sky'")}


def test_a_delimiter_inside_quotes_after_a_space_is_part_of_the_value(tmp_path: Path) -> None:
    """Where only such quotes give every row as many cells as the header, they are quotes."""
    customers, codes = found(tmp_path, 'Customer ID, "Brands"\nC-1, "puma, nike"\nC-2, "adidas, fila"\n')
    assert (customers, codes) == ({2: ("C-1", "puma, nike"), 3: ("C-2", "adidas, fila")}, {})


def test_the_names_of_a_long_sheet_that_are_remembered_are_bounded(tmp_path: Path) -> None:
    """Names without end do not fill the memory, and a range is still known when its preference comes back."""
    names = [f"Answer {n}" for n in range(12_000)]
    rows = [("C-1", "Age", "18-25"), *[("C-1", name, "1") for name in names], ("C-2", "Age", "10-Dec")]
    file = tmp_path / "a.csv"
    file.write_text("\n".join([",".join(row) for row in [("Customer ID", "Preference", "Value"), *rows]]) + "\n")
    uses = [ColumnUse("Customer ID", "external_id"), ColumnUse("Preference", NAME), ColumnUse("Value", VALUE)]
    with open_source(file) as source:
        surveyed = Survey(source, Mapping(tuple(uses)))
        for block in source.blocks():
            surveyed.add(block)
    assert surveyed.mapping().facts.ranges == ("Age",)
    assert len(surveyed._ranges._seen) <= 1_000
