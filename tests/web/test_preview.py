"""The first rows as a grid: as read, and exactly what an import would do with them."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import Browser, expect

from importer.checker.check import check
from importer.model import FieldDefinition
from importer.normaliser.mapping import ColumnUse, Mapping
from importer.normaliser.mapping_file import to_toml
from importer.normaliser.rules import Rule
from importer.settings.options import Settings
from importer.web.messages import FirstRows, Inspection, WorkerTask
from importer.web.preview import Preview, preview
from importer.web.texts import Texts
from importer.web.worker import inspect
from importer.world import World
from tests.support.browser import Watcher, axe, context_of, wide_enough
from tests.support.page import Server, Visitor, form_of

T = Texts()
INDIA = Settings(sandbox=True, country="IN", unknown_columns="send")
SHEET = (
    "Mobile,Email,Colours,Note\n"
    "98765 43210,a@b.example,Blue; Red,x\n"
    "12,,Green,y\n"
    "9.19877E+11,c@d.example,Blue,\n"
    "9876543211,E@F.example ,Red,z\n"
    ",,Blue,w\n"
)
MAPPING = Mapping(
    (
        ColumnUse("Mobile", "mobile"),
        ColumnUse("Email", "email"),
        ColumnUse("Colours", "preference", "Shades", True, ";"),
        ColumnUse("Note", "ignored"),
    )
)


def seen(folder: Path, content: str) -> Inspection:
    path = folder / "rows.csv"
    path.write_text(content, encoding="utf-8")
    return inspect(WorkerTask("inspect", INDIA, path=str(path), folder=str(folder)), World({}))


def test_a_plus_is_not_a_change(tmp_path: Path) -> None:
    """A mobile is always sent without it. Another difference is shown, also of a number with a plus."""
    content = "Mobile,Colours\n+919876543210,+1\n+91 98765 43211,Blue\n00919876543212,Blue\n"
    found = preview(T, seen(tmp_path, content), Mapping((ColumnUse("Mobile", "mobile"), MAPPING.columns[2])), INDIA)
    assert [sent for _, sent, _ in cells(found, 0)] == ["", "919876543211", "919876543212"]


def cells(found: Preview, column: int) -> list[tuple[str, str, bool]]:
    return [(row.cells[column].text, row.cells[column].sent, bool(row.cells[column].fault)) for row in found.rows]


def test_cells_are_shown_as_read_and_as_sent(tmp_path: Path) -> None:
    """Each cell is shown as it is. What the normaliser changes has its new text, what it rejects the reason, and of a
    rejected row nothing is sent."""
    found = preview(T, seen(tmp_path, SHEET), MAPPING, INDIA)
    assert [row.number for row in found.rows] == [2, 3, 4, 5, 6]
    assert [row.sent for row in found.rows] == [True, False, False, True, False]
    mobiles = cells(found, 0)
    assert mobiles[0] == ("98765 43210", "919876543210", False)
    assert mobiles[1] == ("12", "", True) and mobiles[2] == ("9.19877E+11", "", True)
    assert cells(found, 1)[2] == ("c@d.example", "", False)
    assert cells(found, 1)[3][1] == "E@f.example"
    assert "Blue" in cells(found, 2)[0][1] and ";" not in cells(found, 2)[0][1]
    assert cells(found, 3) == [(text, "", False) for text in ("x", "y", "", "z", "w")]
    assert found.rows[4].why and not found.rows[0].why
    assert [(column.name, column.kind) for column in found.columns] == [
        ("Mobile", "field"),
        ("Email", "field"),
        ("Colours", "preference"),
        ("Note", "ignored"),
    ]


@pytest.mark.parametrize("settings", [INDIA, Settings(sandbox=True), msgspec.structs.replace(INDIA, blank="clear")])
@pytest.mark.parametrize(
    "content",
    [
        SHEET,
        "Mobile,Colours\n'9876543210','Blue'\n'9876543211','Red'\n",
        "Mobile,Colours\n9876543210,18-25\n9876543211,10-Dec\n9876543212,12/26/2026\n",
        "Mobile,Colours\n9876543210,Blue\nTotal,1\n",
        "Mobile,Colours\n9876543210,Blue\n9876543211\n",
        "Mobile,Email,Colours\n9876543210,nonsense,Blue\nnonsense,a@b.example,Red\n",
    ],
)
def test_the_grid_says_what_the_check_says(tmp_path: Path, content: str, settings: Settings) -> None:
    """The same rows are rejected, for the whole of a short sheet."""
    inspection = seen(tmp_path, content)
    uses = {use.column: use for use in MAPPING.columns}
    mapping = Mapping(tuple(uses[column.column] for column in inspection.columns))
    (tmp_path / "mapping.toml").write_text(to_toml(mapping), encoding="utf-8")
    for how in ("reject", "omit"):
        chosen = msgspec.structs.replace(settings, invalid_identifiers=how, mapping=str(tmp_path / "mapping.toml"))
        findings = check(str(tmp_path / "rows.csv"), chosen, World({}))
        found = preview(T, inspection, mapping, chosen)
        assert sum(1 for row in found.rows if row.sent is False) == findings.rejected_rows
        assert all(row.why or any(cell.fault for cell in row.cells) for row in found.rows if row.sent is False)


def test_rules_change_cells_and_leave_rows_out(tmp_path: Path) -> None:
    """The cell is shown as read, with what is sent after the rules; a row that a rule leaves out is not rejected."""
    rules = (
        Rule("Colours", values={"Green": "Lime"}),
        Rule("Mobile", leave_out=("mobile_rounded", "mobile_cut_by_excel")),
    )
    mapping = msgspec.structs.replace(MAPPING, rules=rules)
    content = "Mobile,Email,Colours,Note\n9876543210,,Green,\n9.19877E+11,c@d.example,Blue,\n"
    found = preview(T, seen(tmp_path, content), mapping, INDIA)
    assert [row.sent for row in found.rows] == [True, None] and found.rows[1].why
    assert found.rows[0].cells[2].text == "Green" and "Lime" in found.rows[0].cells[2].sent


def test_a_long_sheet(tmp_path: Path) -> None:
    """Each row shows its own preference, also where several rows become one customer."""
    content = "Mobile,Attribute,Value\n919876543210,colour,Blue\n919876543210,Size,L \n919876543210,Shape,x\n"
    inspection = msgspec.structs.replace(
        seen(tmp_path, content), fields=(FieldDefinition("Colour"), FieldDefinition("Size"))
    )
    found = preview(T, inspection, inspection.mapping, msgspec.structs.replace(INDIA, unknown_columns="refuse"))
    assert [row.sent for row in found.rows] == [True, True, False]
    assert cells(found, 1)[0] == ("colour", "Colour", False) and cells(found, 2)[1] == ("L ", "L", False)
    assert cells(found, 1)[2][2]


def test_nothing_is_judged_before_the_columns_have_their_use(tmp_path: Path) -> None:
    """Without an identifier, and with a column that the organisation does not know."""
    inspection = seen(tmp_path, SHEET)
    open_ = msgspec.structs.replace(MAPPING, columns=(ColumnUse("Mobile", "ignored"), *MAPPING.columns[2:]))
    open_ = msgspec.structs.replace(open_, columns=(*open_.columns, ColumnUse("Email", "ignored")))
    assert {row.sent for row in preview(T, inspection, open_, INDIA).rows} == {None}
    inspection = msgspec.structs.replace(inspection, fields=(FieldDefinition("Size"),))
    asking = msgspec.structs.replace(INDIA, unknown_columns="refuse")
    found = preview(T, inspection, MAPPING, asking)
    assert [column.open for column in found.columns] == [False, False, True, False]
    assert {row.sent for row in found.rows} == {None}
    ignoring = preview(T, inspection, MAPPING, msgspec.structs.replace(INDIA, unknown_columns="ignore"))
    assert ignoring.columns[2].kind == "ignored"


def test_twenty_rows_are_kept(tmp_path: Path) -> None:
    """Fewer where their cells are very long."""
    first = seen(tmp_path, "Mobile,Colours\n" + "919876543210,Blue\n" * 50).first
    assert first.rows == tuple(range(2, 22)) and [len(column) for column in first.columns] == [20, 20]
    long = "x" * 100_000
    assert len(seen(tmp_path, "Mobile,Colours\n" + f"919876543210,{long}\n" * 50).first.rows) == 9
    assert preview(T, msgspec.structs.replace(seen(tmp_path, SHEET), first=FirstRows()), MAPPING, INDIA).rows == ()


@pytest.mark.process
def test_without_scripts_a_button_shows_the_rows(visitor: Visitor) -> None:
    """The page comes back with the form as it was filled in and its rows, and nothing of it is kept."""
    address = visitor.upload("rows.csv", SHEET.encode()).url.path
    fields = form_of(visitor.settled(address).text)
    page = visitor.post(f"{address}/preview", {**fields, "country": "IN", "field-2": "ignored"})
    assert page.status_code == 200 and "919876543210" in page.text
    assert form_of(page.text)["field-2"] == "ignored" and form_of(page.text)["country"] == "IN"
    again = form_of(visitor.get(address).text)
    assert again["field-2"] == "preference" and again["country"] == ""
    assert visitor.post(f"{address}/preview", {**fields, "country": "India"}).status_code == 422


@pytest.mark.process
@pytest.mark.browser
def test_the_grid_follows_the_form(browser: Browser, server: Server, tmp_path: Path) -> None:
    """With the keyboard, on a phone, in the dark: a changed field shows at once, and the Enter key checks the rows."""
    (tmp_path / "rows.csv").write_text(SHEET, encoding="utf-8")
    context = context_of(browser, viewport={"width": 390, "height": 800}, color_scheme="dark")
    page = context.new_page()
    watcher = Watcher(page, server.url)
    page.goto(server.url)
    page.get_by_label("Spreadsheet").set_input_files(tmp_path / "rows.csv")
    grid, country = page.locator("#preview"), page.get_by_label("Country of mobiles without a country code")
    expect(grid).not_to_contain_text("919876543210")
    country.focus()
    page.keyboard.type("IN")
    expect(grid).to_contain_text("919876543210")
    expect(page.locator("#preview-words")).to_contain_text("Rejected: 3")
    assert axe(page) == [] and wide_enough(page)
    page.keyboard.press("Enter")
    page.wait_for_url("**/check")
    context.close()
    assert watcher.faults == []
