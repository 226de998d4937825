"""Templates: what is entered passes the check as it is, whatever the organisation has defined."""

from __future__ import annotations

import datetime as dt
import io
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.worksheet import Worksheet
from phonenumbers import PhoneMetadata

from importer.capillary.lookups import decode_fields
from importer.model import FieldDefinition
from importer.normaliser.countries import COUNTRIES, known_country
from importer.normaliser.mapping import ColumnUse, Mapping, mistakes_of, sketch
from importer.normaliser.organisation import spelled
from importer.normaliser.phones import PhoneReader
from importer.reader.header import read_header
from importer.sandbox import EmbeddedSandbox, SandboxOptions
from importer.sandbox.options import PreferenceField
from importer.template import checks
from importer.template.columns import HEADERS, TemplateColumn, preference_columns
from importer.template.words import About, entry_of, error_of
from importer.template.workbook import workbook_bytes
from tests.support.terminal import Ended, Terminal

SOFFICE = shutil.which("soffice")

#: Every datatype of the API, options that a spreadsheet program would change, patterns, and a date.
FIELDS = (
    PreferenceField(
        name="Favourite colour", label="Which one?", options=("Blue", 'Say "hi"', "=1+1", "Rosé", "00042", "3-9")
    ),
    PreferenceField(name="Size", datatype="Integer", is_mandatory=True),
    PreferenceField(name="Weight", datatype="Double"),
    PreferenceField(name="VIP", datatype="Boolean"),
    PreferenceField(name="Code", regex="[A-Z]{2}[0-9]{3}"),
    PreferenceField(name="Grade", datatype="Integer", options=("1", "2", "10")),
    PreferenceField(name="PIN", datatype="Integer", regex="0[0-9]+"),
    PreferenceField(name="Birthday", datatype="Date"),
    PreferenceField(name="City", options=tuple(f"City number {number}" for number in range(300))),
    PreferenceField(name="Old", is_disabled=True),
)
ROWS: tuple[dict[str, Any], ...] = (
    {
        "Mobile": "9774487641",
        "Favourite colour": "Blue",
        "Size": 5,
        "Weight": 1.5,
        "VIP": "true",
        "Grade": "10",
        "Code": "AB123",
        "PIN": "0042",
        "Birthday": dt.date(2026, 5, 31),
        "City": "City number 299",
    },
    {"Email": "asha.rao@example.com", "Favourite colour": "00042", "Size": 10_000_000, "Weight": 123456789012},
    {"External ID": "000123", "Favourite colour": "3-9", "Size": -7, "VIP": "false"},
    {"User ID": "75152715", "Favourite colour": "=1+1", "Size": 0, "Mobile": "+971501234567"},
    {"Mobile": 9774487642, "Favourite colour": 'Say "hi"', "Size": "12"},
)


class Shop:
    """An organisation, and a terminal of a person who works for it."""

    def __init__(self, terminal: Terminal, sandbox: EmbeddedSandbox) -> None:
        self.terminal, self.sandbox = terminal, sandbox
        terminal.credentials(sandbox)

    def template(self, *words: str) -> Ended:
        return self.terminal.type("template", "--base-url", self.sandbox.base_url, *words)

    def check(self, source: str | Path) -> Any:
        words = ("--online", "--country", "IN", "--base-url", self.sandbox.base_url, "--json")
        return self.terminal.type("check", source, *words).json


@pytest.fixture
def shop(terminal: Terminal) -> Any:
    with EmbeddedSandbox(SandboxOptions(fields=FIELDS)) as sandbox:
        yield Shop(terminal, sandbox)


def customers_of(path: str | Path = "template.xlsx") -> tuple[openpyxl.Workbook, Worksheet]:
    book = openpyxl.load_workbook(path)
    sheet = book["Customers"]
    assert isinstance(sheet, Worksheet)
    return book, sheet


def names_in(sheet: Worksheet) -> list[str]:
    return [str(cell.value) for cell in sheet[1]]


def fill(path: str, template: str = "template.xlsx") -> None:
    book, sheet = customers_of(template)
    names = names_in(sheet)
    for number, row in enumerate(ROWS, 2):
        for name, value in row.items():
            column = names.index(name) + 1
            cell = sheet.cell(number, column, value)
            if isinstance(value, str):
                cell.data_type = "s"
            # As a spreadsheet program does it; openpyxl leaves the format of the column to the reader.
            cell.number_format = sheet.column_dimensions[cell.column_letter].number_format
    book.save(path)


def validation_of(sheet: Worksheet, name: str) -> DataValidation:
    letter = sheet.cell(1, names_in(sheet).index(name) + 1).column_letter
    (found,) = [rule for rule in sheet.data_validations.dataValidation if str(rule.sqref).startswith(f"{letter}2:")]
    return found


def without_fault(findings: Any) -> None:
    assert (findings["exit_code"], findings["rows"], findings["sendable_rows"]) == (0, len(ROWS), len(ROWS))
    assert findings["sheet"] == "Customers"
    for name in ("problems", "repairs", "notes", "fields"):
        assert findings[name] == [], name
    for column in findings["columns"]:
        assert (column["looks_like"], column["list_like"]) == ("", 0)


def test_what_is_entered_passes_the_check(shop: Shop) -> None:
    """For every datatype: no problem, no repair, no note, no question about a column."""
    assert shop.template("--country", "IN").code == 0
    fill("filled.xlsx")
    findings = shop.check("filled.xlsx")
    without_fault(findings)
    becomes = {column["column"]: column["preference"] or column["becomes"] for column in findings["columns"]}
    identifiers = {"Mobile": "mobile", "Email": "email", "External ID": "external_id", "User ID": "user_id"}
    assert becomes == identifiers | {field.name: field.name for field in FIELDS if not field.is_disabled}


@pytest.mark.skipif(SOFFICE is None, reason="LibreOffice is not installed")
@pytest.mark.process
@pytest.mark.slow
@pytest.mark.parametrize("ending", ["xlsx", "ods", "xls"])
def test_what_is_entered_passes_the_check_after_another_program_saved_it(shop: Shop, ending: str) -> None:
    """LibreOffice keeps formats and sheets; the instructions are still not taken for data."""
    assert shop.template("--country", "IN").code == 0
    fill("filled.xlsx")
    profile = f"-env:UserInstallation={(Path.cwd() / 'profile').as_uri()}"
    command = [str(SOFFICE), "--headless", profile, "--convert-to", ending, "--outdir", "saved", "filled.xlsx"]
    subprocess.run(command, check=True, capture_output=True, timeout=250)
    without_fault(shop.check(f"saved/filled.{ending}"))


@pytest.mark.parametrize("name", ["for us.xlsx", "-ours.xlsx"])
def test_the_printed_check_works_as_pasted(shop: Shop, name: str) -> None:
    """It has the options that the template was made with."""
    made = shop.template("--country", "IN", "--output", name)
    words = made.err.partition("then: importer ")[2].strip()
    fill(name, name)
    assert shop.terminal.type(*shlex.split(words)).code == 0
    assert {"--online", "--country", "--base-url"} <= set(words.split())


def test_the_columns_are_text_and_lists(shop: Shop) -> None:
    """No program changes an identifier; options are chosen from a hidden sheet, whatever their length."""
    assert shop.template("--country", "IN").code == 0
    book, sheet = customers_of()
    names = names_in(sheet)
    assert names[:4] == list(HEADERS)
    formats = {
        name: sheet.column_dimensions[sheet.cell(1, at).column_letter].number_format for at, name in enumerate(names, 1)
    }
    typed = {"Size": "General", "Weight": "General", "Birthday": "yyyy-mm-dd"}
    assert formats == {name: typed.get(name, "@") for name in names}
    assert validation_of(sheet, "City").formula1 == "'Drop-down lists'!$D$2:$D$301"
    assert book["Drop-down lists"].sheet_state == "hidden"
    listed = [cell.value for cell in book["Drop-down lists"]["A"] if cell.value is not None]
    assert listed == [FIELDS[0].name, *FIELDS[0].options]
    assert validation_of(sheet, "VIP").type == "list"
    assert [validation_of(sheet, name).type for name in ("Size", "Weight", "Birthday")] == ["whole", "decimal", "date"]
    assert sheet.freeze_panes == "A2"
    notes = {name: str(sheet.cell(1, at).comment.text) for at, name in enumerate(names, 1)}
    assert notes["Favourite colour"].startswith("Which one?")
    assert "Required" in notes["Size"] and "Required" not in notes["Weight"]


def test_the_instructions_alone_are_refused(shop: Shop) -> None:
    """An example is never a customer, not even when its sheet is the only one or is asked for."""
    assert shop.template().code == 0
    assert shop.terminal.type("check", "template.xlsx", "--sheet", "How to fill in").code == 8
    book, _ = customers_of()
    del book["Customers"]
    book.save("notes.xlsx")
    assert shop.terminal.type("check", "notes.xlsx").code == 8
    assert shop.terminal.type("run", "notes.xlsx", "--sandbox").code == 8


def test_a_file_is_never_overwritten(shop: Shop) -> None:
    """A template that people have filled in is worth more than an empty one."""
    Path("template.xlsx").write_bytes(b"mine")
    assert shop.template().code == 2
    assert Path("template.xlsx").read_bytes() == b"mine"
    assert shop.template("--output", "nowhere/t.xlsx").code == 2


def test_without_a_field_list_the_named_columns_are_made(shop: Shop, terminal: Terminal) -> None:
    """Refused credentials end with 4, an outage with 5, no target with 2; names are enough for a plain template."""
    assert terminal.type("template").code == 2
    terminal.setenv(IMPORTER_PASSWORD="wrong")
    assert shop.template().code == 4
    assert shop.template("--preference", "Size").code == 4
    down = ("template", "--base-url", "http://127.0.0.1:1")
    assert terminal.type(*down).code == 5
    assert not Path("template.xlsx").exists()
    made = terminal.type(*down, "--preference", "Colour", "--preference", "Size", "--json")
    assert made.code == 0
    assert [column["column"] for column in made.json["columns"]] == [*HEADERS, "Colour", "Size"]
    assert made.json["missing"]
    assert made.json["missing"] in str(customers_of()[0]["How to fill in"]["A3"].value)
    assert terminal.type("template", "--preference", "Colour", "-o", "other.xlsx").code == 0


def test_an_organisation_without_preferences_gets_a_template(terminal: Terminal) -> None:
    """It says what to add."""
    made = terminal.type("template", "--sandbox", "--json")
    assert made.code == 0
    assert [column["column"] for column in made.json["columns"]] == list(HEADERS)
    assert made.json["missing"]
    made = terminal.type("template", "--sandbox", "--json", "--preference", "Colour", "-o", "named.xlsx")
    assert [column["preference"] for column in made.json["columns"]][4:] == ["Colour"]


def test_named_preferences_keep_their_lists(shop: Shop) -> None:
    """A template of two among many; a name that the organisation does not have is refused."""
    made = shop.template("--preference", "favourite COLOUR", "--preference", "Size", "--json")
    columns = made.json["columns"][4:]
    assert [column["column"] for column in columns] == ["Favourite colour", "Size"]
    assert columns[0]["options"] == list(FIELDS[0].options)
    refused = shop.template("--preference", "Favourite colur", "-o", "other.xlsx")
    assert refused.code == 2 and "Favourite colour" in refused.err


#: Names that a column cannot have, with what the reader would make of them.
STRANGE = (
    "Phone",
    "E-mail",
    "_status",
    "Store code",
    "\u200bSize",
    "“Size”",
    "A name of more than 20 letters",
    "???",
    "a\x07b",
)


def mapped(columns: tuple[TemplateColumn, ...], fields: tuple[FieldDefinition, ...]) -> dict[str, str]:
    """What the reader makes of the columns of a template."""
    header = (*HEADERS, *[column.column for column in columns])
    read = read_header("a.xlsx", 1, header, []).columns
    mapping = spelled(sketch(read), fields)
    assert not columns or mistakes_of(mapping, read) == []
    return {use.column: use.preference or use.field for use in mapping.columns}


@pytest.mark.parametrize("name", STRANGE)
def test_a_name_that_would_not_map_by_itself_is_left_out(name: str) -> None:
    """The instructions say why."""
    columns, left_out = preference_columns([FieldDefinition(name), FieldDefinition("Colour")])
    assert [column.column for column in columns] == ["Colour"]
    assert [gone.preference for gone in left_out] == [name] and left_out[0].why


@pytest.mark.parametrize(
    ("name", "can_be_mapped"), [("Phone", True), ("_status", True), ("#N/A", False), ("x" * 21, False)]
)
def test_a_name_that_is_left_out_can_be_mapped_where_it_is_said(name: str, can_be_mapped: bool) -> None:
    """The instructions do not advise a mapping that is refused."""
    _, (gone,) = preference_columns([FieldDefinition(name)])
    assert gone.why.endswith("; map a column of another name to it") == can_be_mapped
    uses = (ColumnUse("Mobile", "mobile"), ColumnUse("Column", "preference", name))
    assert (mistakes_of(Mapping(uses), ("Mobile", "Column")) == []) == can_be_mapped


@pytest.mark.parametrize("datatype", ["Boolean", "Integer", "String"])
def test_every_option_passes_the_check(terminal: Terminal, datatype: str) -> None:
    """Also one that does not fit the datatype, or has a comma."""
    options = ("Yes", "No", "1-2", "=1+1", "00042", "Red, dark")
    with EmbeddedSandbox(
        SandboxOptions(fields=(PreferenceField(name="Choice", datatype=datatype, options=options),))
    ) as sandbox:
        shop = Shop(terminal, sandbox)
        made = shop.template("--country", "IN", "--json").json
        assert made["columns"][4]["options"] == list(options)
        book, sheet = customers_of()
        for row, option in enumerate(options, 2):
            for column, value in ((1, f"97744876{row:02}"), (5, option)):
                cell = sheet.cell(row, column, value)
                cell.data_type, cell.number_format = "s", "@"
        book.save("filled.xlsx")
        findings = shop.check("filled.xlsx")
        assert (findings["exit_code"], findings["sendable_rows"]) == (0, len(options))
        assert findings["problems"] == findings["repairs"] == []
        sent = terminal.type("run", "filled.xlsx", "--country", "IN", "--base-url", sandbox.base_url, "--json").json
        assert sent["rows"]["succeeded"] == len(options)


def test_names_that_are_one_for_people_have_one_column() -> None:
    """A sheet with both would be refused. So would one of a name and a value, which is read row by row."""
    columns, left_out = preference_columns([FieldDefinition("Colour"), FieldDefinition("COLOUR")])
    assert ([c.column for c in columns], [gone.preference for gone in left_out]) == (["Colour"], ["COLOUR"])
    columns, _ = preference_columns([FieldDefinition("Field"), FieldDefinition("Value"), FieldDefinition("Size")])
    assert [c.column for c in columns] == ["Field", "Size"]


NAMES = st.one_of(
    st.sampled_from(
        (*STRANGE, "Field", "Value", "Preference", "Mobile", "User ID", "colour", "Colour", "Co  lour", "#N/A")
    ),
    st.text(max_size=22),
)


@given(st.lists(NAMES, max_size=8))
def test_every_column_maps_by_itself(names: list[str]) -> None:
    """Whatever the organisation calls its preferences: each column is its own preference, and every name is accounted
    for."""
    fields = tuple(FieldDefinition(name) for name in names)
    columns, left_out = preference_columns(fields)
    found = mapped(columns, fields)
    assert all(found[column.column] == column.preference for column in columns)
    assert sorted([*[c.preference for c in columns], *[gone.preference for gone in left_out]]) == sorted(names)
    content = workbook_bytes(columns, left_out, About("IN", "", 0))
    header = next(openpyxl.load_workbook(io.BytesIO(content))["Customers"].iter_rows(values_only=True), ())
    assert list(header) == [column.column for column in columns]


@given(st.lists(st.text(max_size=40), max_size=6), st.text(max_size=60))
def test_the_options_are_those_that_are_sent_as_they_are(options: list[str], label: str) -> None:
    """Options and labels are texts of others: none breaks the workbook, and none that would be changed is offered."""
    field = FieldDefinition("Colour", label=label, options=tuple(options))
    (column,), _ = preference_columns([field])
    assert set(column.options) <= set(options)
    assert len(column.options) + column.options_left_out == len(set(options))
    content = workbook_bytes((column,), (), About("", "", 0))
    listed = openpyxl.load_workbook(io.BytesIO(content))["Drop-down lists"]
    if column.options:
        assert [str(cell.value) for cell in listed["A"]][1:] == list(column.options)


def test_the_instructions_name_what_no_list_shows() -> None:
    """Options that are too many or too long for a list or a row, or that would run into each other."""
    many = FieldDefinition("City", options=tuple(f"City {number}" for number in range(40_000)))
    several = FieldDefinition("Hobbies", datatype="Multiple", options=("Golf", "Tennis"))
    (city, hobbies), _ = preference_columns([many, several])
    assert (city.options, city.options_not_listed) == ((), 40_000)
    assert (hobbies.options, hobbies.options_not_listed) == ((), 2)
    assert "40,000" in entry_of(city, About("", "", 0)) and "2 options" in entry_of(hobbies, About("", "", 0))
    comma = FieldDefinition("Size", options=("S, M", "L"))
    long = FieldDefinition(
        "Long", label="w " * 400, regex="x" * 5000, options=tuple("x" * 3000 + str(n) for n in range(9))
    )
    columns, _ = preference_columns([comma, long, FieldDefinition("Pattern", regex="[a-z]*" * 200)])
    assert "“S, M”, “L”" in entry_of(columns[0], About("", "", 0))
    assert len(entry_of(columns[1], About("", "", 0))) < 2_000
    content = workbook_bytes(columns, (), About("", "", 0))
    help_sheet = openpyxl.load_workbook(io.BytesIO(content))["How to fill in"]
    assert max(float(row.height or 0) for row in help_sheet.row_dimensions.values()) <= 409.5


def test_options_of_the_wire_are_listed() -> None:
    """As `organization/customfields` gives them."""
    field = b'{"name": "A", "options": {"option": ["x", "z"]}}'
    body = b'{"response": {"organization": {"custom_fields": {"field": ' + field + b"}}}}"
    (column,), _ = preference_columns(decode_fields(body))
    assert column.options == ("x", "z")


# ---------------------------------------------------------------------------------------------------- formulas


def numbers_of(country: str) -> list[str]:
    """A mobile of the country in every form that the check takes as it is."""
    number, code = checks.example_mobile(country), checks.code_of(country)
    plan = PhoneMetadata.metadata_for_region(known_country(country))
    assert plan is not None
    prefix = plan.national_prefix or ""
    forms = [number, f"{code}{number}", f"+{code}{number}", f"{prefix}{number}"] if number else []
    reader = PhoneReader(country)
    return [form for form in forms if (read := reader.read(form)).text and not read.code and not read.repairs]


def test_formulas_and_messages_fit_into_a_workbook() -> None:
    """Excel refuses a file with a longer one."""
    for country in ("", *COUNTRIES):
        assert len(checks.mobile_formula("XFD1048576", country)) <= checks.LONGEST_FORMULA or not country
        title, message = error_of(TemplateColumn("Mobile", "mobile", "mobile"), About(country, "", 0))
        assert len(title) <= 32 and len(message) <= 255


@pytest.mark.skipif(SOFFICE is None, reason="LibreOffice is not installed")
@pytest.mark.process
@pytest.mark.slow
def test_formulas_take_what_the_check_takes(tmp_path: Path) -> None:
    """For every country, evaluated by LibreOffice; what a program damaged is not taken."""
    book = openpyxl.Workbook()
    sheet = book.active
    assert isinstance(sheet, Worksheet)
    expected: list[bool] = []

    def add(text: str, formula: str, fits: bool) -> None:
        expected.append(fits)
        sheet.append([text, formula.replace("A2", f"A{len(expected)}")])

    for country in sorted(COUNTRIES):
        for number in numbers_of(country):
            add(number, checks.mobile_formula("A2", country), True)
    for wrong in (
        "9.19774E+11",
        "97744 87641",
        "977448764",
        "97744876411",
        "9774487641x",
        "31/05/2026",
        "98-7654321",
        "+",
    ):
        add(wrong, checks.mobile_formula("A2", "IN"), False)
    add("+971501234567", checks.mobile_formula("A2", "IN"), True)
    for number, fits in (("919774487641", True), ("+919774487641", True), ("1234", False), ("9,19774E+11", False)):
        add(number, checks.mobile_formula("A2", ""), fits)
    for address, fits in (
        *[(text, True) for text in ("a@b.co", "Asha.Rao+x@Example.COM", "o_k-1@sub.example.com")],
        *[(text, False) for text in ("asha", "a@b", "a b@c.de", "a@b.de,c@d.de", "a@@b.de", "@b.de", "a@b.de;")],
    ):
        add(address, checks.email_formula("A2"), fits)
    book.save(tmp_path / "f.xlsx")
    profile = f"-env:UserInstallation={(tmp_path / 'profile').as_uri()}"
    command = [
        str(SOFFICE),
        "--headless",
        profile,
        "--convert-to",
        "csv",
        "--outdir",
        str(tmp_path),
        str(tmp_path / "f.xlsx"),
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=250)
    lines = (tmp_path / "f.csv").read_text(encoding="utf-8").splitlines()
    wrong_lines = [line for line, fits in zip(lines, expected, strict=True) if line.endswith("TRUE") != fits]
    assert wrong_lines == []
    assert sum(expected) > 400
