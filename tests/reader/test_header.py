"""The header and the delimiter: found where they are, and a customer is never taken for a name or lost above it."""

from __future__ import annotations

from pathlib import Path

import pytest

from importer.errors import SourceError
from importer.normaliser.mapping import IGNORED, ColumnUse, Mapping, fit, propose
from importer.reader import SourceOptions, open_source
from importer.runs.record import choose_mapping
from importer.settings.options import Settings

A, B = "919845000001", "919845000002"
ROWS = f"{A},Blue,M\n{B},Red,S\n"


def written(folder: Path, text: str) -> Path:
    file = folder / "a.csv"
    file.write_text(text, encoding="utf-8")
    return file


ABOVE = {
    "a narrow table": f"Mobile,Colour,\n{A},Blue,\n,,\n",
    "a name alone": "E-mail\n",
    "a customer": f"+{A},Pink\n",
    "an address": "Contact,ops@example.com\n",
    "a number like those below": "719845000009,Pink\n",
}


@pytest.mark.parametrize("name", ABOVE)
def test_a_customer_above_the_header_refuses_the_file(name: str, tmp_path: Path) -> None:
    """Rows above the header are not read: customers among them would be lost. --header-row decides."""
    file = written(tmp_path, f"{ABOVE[name]}Mobile,Colour,Size\n{ROWS}")
    with pytest.raises(SourceError) as caught:
        open_source(file)
    assert "--header-row" in caught.value.advice
    row = ABOVE[name].count("\n") + 1
    with open_source(file, SourceOptions(header_row=row)) as source:
        assert source.columns == ("Mobile", "Colour", "Size")


TITLES = [
    "Customers, November",
    "Export 2026-11-01",
    "Ask ops@example.com for help",
    "Run,2026-11-01 02:00",
    "42 rows",
    "Contact:,ops@example.com",
]


@pytest.mark.parametrize("title", TITLES)
def test_a_title_is_passed_over(title: str, tmp_path: Path) -> None:
    """Sentences, dates and counts above the header are no customers."""
    with open_source(written(tmp_path, f"{title}\n\nMobile,Colour,Size\n{ROWS}")) as source:
        assert source.header_row == 3


DATA = {
    "mobiles": f"{A},Blue\n{B},Red\n",
    "e-mails": "a@example.com,Blue\nb@example.com,Red\n",
    "ids": "C-1,Blue\nC-2,Red\nC-17,Red\n",
    "dates": "10023,2024-01-31\n10024,2024-02-28\n",
    "ids of several kinds": "A1,Blue\nB2,Red\nC17,Red\nB3,Red\n",
    "unquoted commas": "".join(["Customer ID,Address\n", *[f"C-{n},{n} MG Road, Pune\n" for n in range(40)]]),
}


@pytest.mark.parametrize("name", DATA)
def test_a_customer_as_header_refuses_the_file(name: str, tmp_path: Path) -> None:
    """The first customer of a sheet without header, or one with an unquoted delimiter, is no row of names."""
    with pytest.raises(SourceError, match="looks like data"):
        open_source(written(tmp_path, DATA[name]))


HEADERS = [
    f"Mobile,2024,2025\n{A},3,4\n{B},3,4\n",
    "Customer ID,Q1,Q2\nC-1,3,4\nC-2,3,4\n",
    "Kundennr,2024,Stufe 2\nK1,3,x\nK2,4,y\n",
    "Kunde,Segment\nAnn,A1\nBob,B2\n",
    "Kunde,2024-01-01,01.02.2024\nAnn,3,4\nBob,3,4\n",
    "Kunde,Frage1\nAnn,Antwort1\nBob,Antwort3\n",
    "KUNDE10,LSAD10\n7,C2\n8,C2\n9,S2\n10,C2\n",
]


@pytest.mark.parametrize("text", HEADERS)
def test_names_with_digits_are_names(text: str, tmp_path: Path) -> None:
    """Years and quarters are columns, and so are names in a language that is not known here."""
    with open_source(written(tmp_path, text)) as source:
        assert source.header_row == 1


def test_of_two_header_rows_the_one_with_the_names_is_suggested(tmp_path: Path) -> None:
    """Headings of groups above the names are as wide as the table."""
    file = written(tmp_path, f"Contact,Contact,Prefs,Prefs\nMobile,Email,Colour,Size\n{A},a@example.com,Blue,M\n")
    with open_source(file) as source, pytest.raises(SourceError) as caught:
        choose_mapping(source, Settings())
    assert "--header-row 2" in caught.value.advice
    with open_source(file, SourceOptions(header_row=2)) as source:
        assert choose_mapping(source, Settings()).column_of("mobile") == "Mobile"


DELIMITERS = {
    "decimal commas": (";", ["Mobile", "Spend"], "3,5"),
    "names with a comma": (";", ["Mobile", "Name"], "Kumar, Asha"),
    "lists": (",", ["Mobile", "Brands"], "a;b;c"),
    "lists in a tab file": ("\t", ["External ID", "Brands"], "puma, nike, adidas"),
    "pipes": ("|", ["Mobile", "Brands"], "a,b;c"),
    "tabs in values": (",", ["Mobile", "Note"], "a\tb\tc"),
    "names that are not known": (";", ["Kundennr", "Betrag"], "3,5"),
    "a comma in a name": (";", ["Mobile", "Spend, EUR"], "3,5"),
}


@pytest.mark.parametrize("rows", [1, 3, 40, 300])
@pytest.mark.parametrize("name", DELIMITERS)
def test_the_delimiter_of_the_header_decides(name: str, rows: int, tmp_path: Path) -> None:
    """However many delimiters of another kind the values have, in every row."""
    delimiter, header, value = DELIMITERS[name]
    lines = [delimiter.join(header), *[f"{int(A) + n}{delimiter}{value}" for n in range(rows)]]
    with open_source(written(tmp_path, "\n".join(lines) + "\n")) as source:
        assert source.columns == tuple(header)
        assert [cell for block in source.blocks() for cell in block.column(header[1])] == [value] * rows


@pytest.mark.parametrize("delimiter", ["^", "~", ":"])
def test_a_delimiter_that_is_not_looked_for_is_named(delimiter: str, tmp_path: Path) -> None:
    """The header shows it, and the message says how to pass it."""
    file = written(tmp_path, f"Mobile{delimiter}Colour\n{A}{delimiter}Blue\n")
    with open_source(file) as source, pytest.raises(SourceError) as caught:
        choose_mapping(source, Settings())
    assert f"--delimiter '{delimiter}'" in caught.value.advice
    with open_source(file, SourceOptions(delimiter=delimiter)) as source:
        assert source.columns == ("Mobile", "Colour")


def test_a_title_with_a_comma_does_not_decide(tmp_path: Path) -> None:
    """It is not the header."""
    with open_source(written(tmp_path, f"Report, Nov 2026\nKunde;Farbe\n{A};Blau\n{B};Rot\n")) as source:
        assert source.settings["delimiter"] == ";"


def test_what_only_a_title_contains_is_no_delimiter(tmp_path: Path) -> None:
    """The names are not found below it where most rows fill only the first column."""
    rows = "".join(f"{n};;;\n" for n in range(30))
    with open_source(written(tmp_path, f"Report, Delhi, Agra\nKunde;2024;2025;2026\n1;2;3;4\n{rows}")) as source:
        assert source.settings["delimiter"] == ";"


# ------------------------------------------------------------------------------------------------------- column names

NAMES = {
    "\ufeff\ufeffColour": "Colour",
    "Colour\u200b": "Colour",
    "\u202aColour\u202c": "Colour",
    "اللون\u200f": "اللون",
    "Co\u00adlour": "Colour",
    "Colour\u200c": "Colour",
    "'Colour'": "Colour",
    "“Colour”": "Colour",
    "رنگ\u200cها": "رنگ\u200cها",
    "क्\u200dष": "क्\u200dष",
}


@pytest.mark.parametrize("name", NAMES)
def test_what_nobody_sees_is_not_part_of_a_name(name: str, tmp_path: Path) -> None:
    """Such a name would be another preference. Joiners inside Persian and Indic words are spelling."""
    with open_source(written(tmp_path, f"Mobile,{name}\n{A},Blue\n")) as source:
        assert source.columns == ("Mobile", NAMES[name])
        assert any("removed" in note for note in source.notes) == (name != NAMES[name])


def test_names_that_occur_twice_or_are_missing_matter_where_they_are_used(tmp_path: Path) -> None:
    """Many exports have such columns beside the ones that are needed."""
    with open_source(written(tmp_path, f"Mobile,x,,Colour,x,X\n{A},1,2,Blue,3,4\n")) as source:
        used = Mapping((ColumnUse("Mobile", "mobile"), ColumnUse("Colour", "preference", "Colour")))
        mapping = fit(used, source.columns)
        assert mapping.ignored == ("x", "", "x", "X")
        with pytest.raises(SourceError, match="x"):
            propose(source.columns)
        twice = Mapping((*used.columns, ColumnUse("x", "preference", "x")))
        with pytest.raises(SourceError, match="more than one column"):
            fit(twice, source.columns)
        ignored = Mapping((*used.columns, ColumnUse("x", IGNORED), ColumnUse("x", IGNORED), ColumnUse("", IGNORED)))
        assert fit(ignored, source.columns) == mapping
        assert any("C" in note for note in source.notes)


def test_a_column_of_the_user_that_begins_with_an_underscore_gets_a_note(tmp_path: Path) -> None:
    """Names of result columns begin so: it is not read."""
    with open_source(written(tmp_path, f"Mobile,_segment,Colour\n{A},x,Blue\n")) as source:
        assert source.columns == ("Mobile", "Colour")
        assert "_segment" in " ".join(source.notes)


def test_a_nameless_column_is_not_sent(tmp_path: Path) -> None:
    """An index that a program wrote has no name."""
    with open_source(written(tmp_path, f",Mobile,Colour\n0,{A},Blue\n1,{B},Red\n")) as source:
        assert propose(source.columns).columns[0] == ColumnUse("", IGNORED)
        assert all(not block.problems for block in source.blocks())


# --------------------------------------------------------------------------------------------------------- short rows


@pytest.mark.parametrize(("option", "codes"), [("reject", ["short_row"]), ("empty", [])])
def test_short_rows_are_rejected_or_completed(option: str, codes: list[str], tmp_path: Path) -> None:
    """Outlook omits empty cells at the end of a row; in other files a short row lacks a quote."""
    file = written(tmp_path, f"Mobile,Colour,Size\n{A},Blue\n{B},Red,M\n")
    with open_source(file, SourceOptions(short_rows=option)) as source:  # type: ignore[arg-type]
        (block,) = source.blocks()
    assert [problem.code for problem in block.problems] == codes
    assert block.column("Size") == ["", "M"]


def test_rows_with_too_many_cells_are_never_cut(tmp_path: Path) -> None:
    """The option is about missing cells."""
    file = written(tmp_path, f"Mobile,Colour,Size\n{A},Blue,M,x\n{B},Red,M\n")
    with open_source(file, SourceOptions(short_rows="empty")) as source:
        (block,) = source.blocks()
    assert [problem.code for problem in block.problems] == ["ragged_row"]
