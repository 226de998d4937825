"""The grid of problem rows on the page: edits are judged at once, kept in steps, and taken by check and run."""

from __future__ import annotations

import csv
import io
import itertools
import re
import tomllib
from collections.abc import Sequence
from html import unescape
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from importer.normaliser.fixing import Edits
from importer.system.formula_guard import unguard
from importer.web.fixing.edited_rows import LONGEST_CELL, EditedUploads
from importer.web.fixing.edits import EditStore
from importer.web.fixing.grid import ROWS, Query, page
from importer.web.fixing.judge import JudgedRow
from importer.web.pages.fix import query_of
from tests.support.page import Server, Visitor, WarmServer, ended, form_of, prepare, start

pytestmark = pytest.mark.process
SHEET = (
    ("Mobile", "Email", "Colour"),
    ("+919876543210", "a@example.com", "Blue"),
    ("+919876543211", "x@", "Blue"),
    ("12", "b@example.com", "Blue"),
    ("", "", "Blue"),
    ("+919876543212", "two\nlines@example.com, c@example.com", "Blue"),
)


def sheet(rows: Any = SHEET) -> bytes:
    made = io.StringIO()
    csv.writer(made).writerows(rows)
    return made.getvalue().encode()


@pytest.fixture
def address(visitor: Visitor) -> str:
    return prepare(visitor, "rows.csv", sheet())


@pytest.fixture
def address_for_rules(visitor: Visitor) -> str:
    """The same with one more column, so that its rules are not remembered for the files of other tests."""
    name = f"Remark {next(_numbers)}"
    return prepare(visitor, "rows.csv", sheet([(*row, "x" if at else name) for at, row in enumerate(SHEET)]))


_numbers = itertools.count()


def change(visitor: Visitor, address: str, **fields: str) -> Any:
    """A change as the script sends it."""
    named = {name.replace("_", "-"): text for name, text in fields.items()}
    for state in ("", "?state=ready", "?state=out"):
        visitor.get(f"{address}/fix{state}")
    return post(visitor, address, named, headers={"accept": "application/json"})


def post(visitor: Visitor, address: str, fields: dict[str, str], **more: Any) -> Any:
    return visitor.post(f"{address}/fix/cells", fields, **more)


def inputs(html: str) -> dict[str, str]:
    """The cells that can be edited."""
    found = {name: unescape(text) for name, text in re.findall(r'<input id="(c-[\d-]+)"[^>]*? value="([^"]*)"', html)}
    areas = re.findall(r'<textarea id="(c-[\d-]+)"[^>]*>\n([^<]*)</textarea>', html)
    return {**found, **{name: unescape(text) for name, text in areas}}


def results(visitor: Visitor, run: str) -> dict[int, dict[str, str]]:
    text = visitor.get(f"{run}/files/results.csv").content.decode("utf-8-sig")
    return {int(line["_row"]): line for line in csv.DictReader(io.StringIO(text))}


def test_only_what_needs_a_decision_can_be_edited(visitor: Visitor, address: str) -> None:
    """Problem cells are fields with their reason; where the row as a whole is at fault, its identifiers are."""
    html = visitor.get(f"{address}/fix").text
    assert inputs(html) == {
        "c-3-1": "x@",
        "c-4-0": "12",
        "c-5-0": "",
        "c-5-1": "",
        "c-6-1": "two\nlines@example.com, c@example.com",
    }
    assert all(f'id="w-{name[2:]}"' in html for name in inputs(html))
    filtered = visitor.get(f"{address}/fix", params={"column": "Mobile", "code": "mobile_too_short"}).text
    assert set(inputs(filtered)) == {"c-4-0"}
    assert inputs(visitor.get(f"{address}/fix?after=4").text).keys() == {"c-5-0", "c-5-1", "c-6-1"}


def test_a_change_is_judged_at_once(visitor: Visitor, address: str) -> None:
    """The answer has the row as it is judged now, the counts, and what a screen reader says; undo and redo too."""
    found = change(visitor, address, c_3_1="d@example.com").json()
    assert 'data-state="ready"' in found["rows"]["3"] and found["undo"] and not found["redo"]
    assert "d@example.com" in found["rows"]["3"] and "Row 3" in found["said"]
    assert re.findall(r'class="count">(\d+)', found["bar"]) == ["3", "1", "0"]
    found = change(visitor, address, c_4_0="123").json()
    assert 'data-state="open"' in found["rows"]["4"]
    assert change(visitor, address, step="undo").json()["rows"].keys() == {"4"}
    assert 'data-state="open"' in change(visitor, address, step="undo").json()["rows"]["3"]
    found = change(visitor, address, step="redo").json()
    assert 'data-state="ready"' in found["rows"]["3"] and found["undo"] and found["redo"]
    # What the file has takes the edit back.
    found = change(visitor, address, c_3_1="x@").json()
    assert 'data-state="open"' in found["rows"]["3"] and "In the file" not in found["rows"]["3"]


def shown_before(html: str) -> dict[str, str]:
    """What a form without scripts says of the cells that its page shows."""
    return {"before": unescape(re.findall(r'name="before" value="([^"]*)"', html)[0])}


def test_a_form_without_scripts_takes_back_nothing_of_another_tab(visitor: Visitor, address: str) -> None:
    """It has all cells of its page: only those that were changed in it are edits."""
    html = visitor.get(f"{address}/fix").text
    given, before = inputs(html), shown_before(html)
    change(visitor, address, c_3_1="tab@example.com")
    post(visitor, address, {**given, **before, "c-4-0": "+919876543219"})
    ready = inputs(visitor.get(f"{address}/fix?state=ready").text)
    assert ready == {"c-3-1": "tab@example.com", "c-4-0": "+919876543219"}
    post(visitor, address, {**given, **before, "use": "all"})
    ready = inputs(visitor.get(f"{address}/fix?state=ready").text)
    assert ready == {"c-3-1": "tab@example.com", "c-4-0": "+919876543219", "c-6-1": "lines@example.com"}
    for broken in ("", "nonsense", "[]", '{"c-3-1": 1}'):
        assert post(visitor, address, {"before": broken, "c-3-1": "x@"}).status_code == 200


def mapping_of(visitor: Visitor, address: str) -> dict[str, Any]:
    visitor.settled(f"{address}/fix")
    return tomllib.loads(visitor.get(f"{address}/mapping.toml").text)


def states(visitor: Visitor, address: str) -> list[str]:
    """How many rows are to fix, ready and left out, as the grid shows it."""
    return re.findall(r'class="count">(\d+)', visitor.settled(f"{address}/fix").text.partition("</nav>")[2])[:3]


@pytest.mark.slow
def test_edits_and_rules_have_one_history(visitor: Visitor) -> None:
    """Undone in the order in which the person acted, whatever page that was on: with the script, and as a form. The
    counts are those of a check by the rules as they are then."""
    rows = [*SHEET, ("+919876543214", "g@example.com", "n/a; Red")]
    address = prepare(visitor, "history.csv", sheet([(*row, "x" if at else "History") for at, row in enumerate(rows)]))
    seen = [(states(visitor, address), mapping_of(visitor, address))]

    def acted() -> None:
        seen.append((states(visitor, address), mapping_of(visitor, address)))

    change(visitor, address, c_3_1="d@example.com")
    acted()
    rule = {"add": "leave_out", "column": "Mobile", "texts": "mobile_too_short", "back": "fix"}
    visitor.post(f"{address}/rules", rule)
    acted()
    change(visitor, address, out="5")
    acted()
    offer = '{"is_list": "Colour", "separator": ";"}'
    visitor.post(f"{address}/rules", {"apply": offer})
    acted()
    visitor.settled(f"{address}/rules")
    visitor.post(f"{address}/rules", {"add": "own", "kind": "empty", "column": "Colour", "texts": "n/a"})
    acted()
    assert [state for state, _ in seen] == [["4", "0", "0"], ["3", "1", "0"], ["2", "1", "1"]] + [["1", "1", "2"]] * 3
    assert seen[4][1]["columns"]["Colour"]["is_list"] and len(seen[5][1]["rules"]) == 2
    for state in reversed(seen[:-1]):
        answer = post(visitor, address, {"step": "undo"})
        assert answer.url.path.endswith("/fix")
        assert (states(visitor, address), mapping_of(visitor, address)) == state
    html = visitor.get(f"{address}/fix").text
    assert re.search(r'id="undo" disabled', html) and not re.search(r'id="redo" disabled', html)
    for state in seen[1:]:
        before = mapping_of(visitor, address)
        found = change(visitor, address, step="redo").json()
        assert ("moved" in found) == (state[1] != before)
        assert (states(visitor, address), mapping_of(visitor, address)) == state
    assert visitor.settled(f"{address}/check").text.count("3 rows are ready") == 1


@pytest.mark.slow
def test_the_history_outlives_the_server(tmp_path: Path) -> None:
    """Killed after a rule was applied and a row was edited: both are undone by the next server."""
    server = WarmServer(tmp_path, "--sandbox").start()
    try:
        visitor = Visitor.at(server.url)
        address = prepare(visitor, "rows.csv", sheet())
        visitor.settled(f"{address}/fix")
        rule = {"add": "leave_out", "column": "Mobile", "texts": "mobile_too_short", "back": "fix"}
        visitor.post(f"{address}/rules", rule)
        visitor.settled(f"{address}/fix")
        change(visitor, address, c_3_1="d@example.com")
        server.kill()
        server.start()
        visitor = Visitor.at(server.url)
        assert states(visitor, address) == ["2", "1", "1"]
        found = [(post(visitor, address, {"step": "undo"}), states(visitor, address))[1] for _ in range(2)]
        assert found == [["3", "0", "1"], ["4", "0", "0"]]
        post(visitor, address, {"step": "redo"})
        assert states(visitor, address) == ["3", "0", "1"]
    finally:
        server.stop()


def test_rules_that_changed_since_are_passed_over(visitor: Visitor, address_for_rules: str) -> None:
    """One undo takes back the last act that still shows; rules that are gone with the columns do not come back."""
    address = address_for_rules
    change(visitor, address, c_3_1="d@example.com")
    visitor.settled(f"{address}/rules")
    visitor.post(f"{address}/rules", {"add": "omit", "column": "Email"})
    visitor.settled(f"{address}/fix")
    visitor.post(f"{address}/proposal", {"as": "names"})
    asked = visitor.post(f"{address}/fix/cells", {"step": "undo"})
    assert asked.url.path == address  # no columns: nothing is undone
    visitor.post(f"{address}/mapping", form_of(visitor.settled(address).text))
    assert "rules" not in mapping_of(visitor, address)
    assert set(change(visitor, address, step="undo").json()["rows"]) == {"3"}


def test_undo_is_offered_where_no_row_is_left(visitor: Visitor, address_for_rules: str) -> None:
    """Also on the page of rules, which it leads back to."""
    address = address_for_rules
    for column, code in (("Email", "email_invalid"), ("Mobile", "mobile_too_short"), ("Email", "email_several")):
        visitor.settled(f"{address}/fix")
        visitor.post(f"{address}/rules", {"add": "leave_out", "column": column, "texts": code, "back": "fix"})
    visitor.settled(f"{address}/fix")
    visitor.post(f"{address}/rules", {"add": "leave_out", "column": "", "texts": "no_identifier", "back": "fix"})
    html = visitor.settled(f"{address}/fix").text
    assert not inputs(html) and re.search(r'value="undo" id="undo">', html)
    assert re.search(r'value="undo" id="undo">', visitor.get(f"{address}/rules").text)
    answer = visitor.post(f"{address}/fix/cells", {"step": "undo", "back": "rules"})
    assert answer.url.path == f"{address}/rules"
    assert inputs(visitor.settled(f"{address}/fix").text).keys() == {"c-5-0", "c-5-1"}


def test_a_proposed_value_is_one_button(visitor: Visitor, address: str) -> None:
    html = visitor.get(f"{address}/fix").text
    assert re.findall(r'data-for="([^"]+)" data-text="([^"]*)"', html) == [("c-6-1", "lines@example.com")]
    assert 'data-state="ready"' in change(visitor, address, use="6-1").json()["rows"]["6"]
    assert change(visitor, address, use="4-0").json()["rows"].keys() == set()


def test_all_proposed_values_of_a_page_are_one_step(visitor: Visitor) -> None:
    """With the script and as a form. What was typed into a cell instead is kept."""
    cells = [*[("", f"u{at} at example.com") for at in range(4)], ("12", ""), ("", "nonsense@")]
    address = prepare(visitor, "proposed.csv", sheet([SHEET[0], *[(*row, "Blue") for row in cells]]))
    html = visitor.get(f"{address}/fix").text
    given, before = inputs(html), shown_before(html)
    assert 'id="use-all">' in visitor.get(f"{address}/fix").text
    post(visitor, address, {**given, **before, "c-3-1": "typed@example.com", "use": "all"})
    assert inputs(visitor.get(f"{address}/fix").text) == {"c-6-0": "12", "c-7-1": "nonsense@"}
    assert 'id="use-all" disabled' in visitor.get(f"{address}/fix").text
    ready = inputs(visitor.get(f"{address}/fix?state=ready").text)
    assert ready == {**{f"c-{at + 2}-1": f"u{at}@example.com" for at in range(4)}, "c-3-1": "typed@example.com"}
    assert set(change(visitor, address, step="undo").json()["rows"]) == {"2", "3", "4", "5"}
    found = change(visitor, address, rows="2,3,4,5,6,7", use="all").json()
    assert [at for at, row in found["rows"].items() if 'data-state="ready"' in row] == ["2", "3", "4", "5"]


def test_a_reason_says_what_is_wrong_with_the_cell(visitor: Visitor, address: str) -> None:
    """What the cell has, or the column allows, and not only the kind of the problem."""
    assert "after the @ is missing" in visitor.get(f"{address}/fix").text


def test_fixed_rows_are_imported_as_fixed(visitor: Visitor, address: str) -> None:
    """Edits and rows that are left out reach the check, the run and its report; the upload stays as it came."""
    change(visitor, address, c_3_1="d@example.com")
    change(visitor, address, c_4_0="+919876543219", out="5")
    assert "c-6-1" in inputs(visitor.get(f"{address}/fix").text)
    assert "4 rows are ready" not in visitor.get(f"{address}/check").text
    change(visitor, address, use="6-1")
    assert "4 rows are ready" in visitor.settled(f"{address}/check").text  # checked again, as it was edited since
    run = start(visitor, address)
    ended(visitor, run)
    found = results(visitor, run)
    assert [found[row]["_status"] for row in range(2, 7)] == ["succeeded"] * 3 + ["skipped", "succeeded"]
    assert found[3]["Email"] == "x@" or found[3]["_fixed"]
    assert [row for row, line in found.items() if line["_fixed"]] == [3, 4, 6]


def test_only_the_fixed_rows_are_imported_after_a_run(visitor: Visitor, address: str) -> None:
    """The report leads to the grid; a second click or an old page starts nothing."""
    first = start(visitor, address)
    assert f'href="{address}/fix"' in ended(visitor, first).text
    change(visitor, address, c_3_1="d@example.com")
    page = visitor.settled(f"{address}/check").text
    (rest,) = re.findall(r'name="rest" value="([^"]+)"', page)
    asked = {"after": rest, "rest": rest}
    second = start(visitor, address, **asked)
    ended(visitor, second)
    assert second != first
    found = results(visitor, second)
    assert [found[row]["_status"] for row in range(2, 7)] == ["skipped", "succeeded"] + ["rejected"] * 3
    assert found[2]["_code"] == "not_chosen"
    assert visitor.post(f"{address}/start", asked).url.path == second
    assert f'href="{address}/fix"' not in visitor.get(first).text


def test_rows_that_the_api_refused_are_in_the_grid_after_the_run(visitor: Visitor) -> None:
    """With what it said, until they are changed; then only they are imported."""
    made = "Customer ID,Colour\nC-1,Blue\ncode-1012,Blue\nC-3,Blue\n"
    address = prepare(visitor, "refused.csv", made.encode())
    first = start(visitor, address)
    assert f'href="{address}/fix"' in ended(visitor, first).text
    html = visitor.settled(f"{address}/fix").text
    assert inputs(html) == {"c-3-0": "code-1012"} and "1012" in query_groups(html)
    found = change(visitor, address, c_3_0="C-2").json()
    assert 'data-state="ready"' in found["rows"]["3"]
    found = change(visitor, address, step="undo").json()
    assert 'data-state="open"' in found["rows"]["3"]
    change(visitor, address, step="redo")
    assert 'data-state="open"' not in visitor.settled(f"{address}/fix").text
    (rest,) = re.findall(r'name="rest" value="([^"]+)"', visitor.settled(f"{address}/check").text)
    second = start(visitor, address, after=rest, rest=rest)
    ended(visitor, second)
    statuses = [results(visitor, second)[row]["_status"] for row in (2, 3, 4)]
    assert statuses == ["skipped", "succeeded", "skipped"]


def query_groups(html: str) -> set[str]:
    """The codes that rows can be filtered by."""
    return set(re.findall(r"[?&;]code=([\w-]+)", html))


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_the_sheet_is_downloaded_with_the_fixes(kind: str, visitor: Visitor) -> None:
    """Rules and edits applied, rows that are left out gone, all cells text; again after the next edit."""
    rows = (*SHEET, ("=1+2", "e@example.com", "Blue"))
    content = sheet(rows)
    if kind == "xlsx":
        book = openpyxl.Workbook()
        for row in rows:
            book.worksheets[0].append([f"'{cell}" if cell.startswith("=") else cell for cell in row])
        made = io.BytesIO()
        book.save(made)
        content = made.getvalue()
    address = prepare(visitor, f"rows.{kind}", content)
    asked = {"add": "own", "kind": "values", "column": "Colour", "texts": "Blue = Navy"}
    visitor.settled(f"{address}/rules")
    visitor.post(f"{address}/rules", asked)
    visitor.settled(f"{address}/rules")
    change(visitor, address, c_3_1="d@example.com", out="4")

    def copied() -> list[list[str]]:
        visitor.settled(f"{address}/fixed")
        found = visitor.get(f"{address}/fixed/file")
        assert f"rows-fixed.{kind}" in found.headers["content-disposition"]
        if kind == "csv":
            return list(csv.reader(io.StringIO(found.content.decode("utf-8-sig"))))
        cells = openpyxl.load_workbook(io.BytesIO(found.content)).worksheets[0]
        return [[str(cell or "") for cell in row] for row in cells.iter_rows(values_only=True) if any(row)]

    table = copied()
    assert [row[1] for row in table] == ["Email", "a@example.com", "d@example.com", "", SHEET[5][1], "e@example.com"]
    assert {row[2] for row in table[1:]} == {"Navy"} and table[5][0] in ("'=1+2", "=1+2")
    change(visitor, address, step="undo")
    assert len(copied()) == 7


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_the_sheet_with_the_fixes_comes_back_as_it_was_fixed(kind: str, visitor: Visitor) -> None:
    """Its guards come off, and the rules that are remembered for its columns do not change a fixed cell again."""
    texts = ("=1+2", "@home", "+1 more", "-5,5", "a;=1", "'@x", "typed")
    rows = [("Mobile", "Code", "Remark"), *[(f"+9198765432{at}", "1", text) for at, text in enumerate(texts, 10)]]
    content = sheet(rows)
    if kind == "xlsx":
        book = openpyxl.Workbook()
        for number, row in enumerate(rows, 1):
            for place, text in enumerate(row, 1):
                cell = book.worksheets[0].cell(number, place, text)
                cell.data_type = "s"
        made = io.BytesIO()
        book.save(made)
        content = made.getvalue()
    first = prepare(visitor, f"again.{kind}", content)
    visitor.settled(f"{first}/rules")
    visitor.post(f"{first}/rules", {"add": "own", "kind": "values", "column": "Code", "texts": "1 = 2\n2 = 3"})
    visitor.settled(f"{first}/rules")
    visitor.settled(f"{first}/fixed")
    copy = visitor.get(f"{first}/fixed/file").content
    address = prepare(visitor, f"again-fixed.{kind}", copy)
    assert "values" in visitor.get(f"{address}/mapping.toml").text
    run = start(visitor, address)
    ended(visitor, run)
    found = results(visitor, run).values()
    assert [line["_status"] for line in found] == ["succeeded"] * len(texts)
    assert {line["Code"] for line in found} == {"2"}
    assert [unguard(line["Remark"]) for line in found] == list(texts)


def test_without_scripts_the_grid_is_a_form(visitor: Visitor, address: str, server: Server) -> None:
    """All fields of the page come back with each button: those that are as they were are no edits."""
    html = visitor.get(f"{address}/fix").text
    given = inputs(html)
    given["c-6-1"] = given["c-6-1"].replace("\n", "\r\n")  # as browsers send it
    answer = post(visitor, address, {**given, "c-3-1": "d@example.com", "out": "4"})
    assert answer.url.path.endswith("/fix") and 'id="undo"' in answer.text
    store = EditStore(server.reports / ".web" / address.strip("/") / ".page")
    assert store.edits() == Edits({3: {"Email": "d@example.com"}}, frozenset({4}))
    store.close()
    assert inputs(answer.text).keys() == {"c-5-0", "c-5-1", "c-6-1"}
    out = visitor.get(f"{address}/fix?state=out").text
    assert 'data-row="4"' in out and inputs(visitor.get(f"{address}/fix?state=ready").text) == {
        "c-3-1": "d@example.com"
    }
    post(visitor, address, {"in": "4"})
    assert "c-4-0" in inputs(visitor.get(f"{address}/fix").text)


def test_what_a_form_may_change_is_bounded(visitor: Visitor, address: str, server: Server) -> None:
    """Cells of the rows and columns of the sheet, no longer than a spreadsheet program takes, with the form's token."""
    assert change(visitor, address, c_3_1="x" * (LONGEST_CELL + 1)).status_code == 413
    assert change(visitor, address, **{f"c_{row}_1": "x" for row in range(2, 3 + ROWS)}).status_code == 413
    assert change(visitor, address, c_3_9="x", c_999_0="x", out="998").json()["rows"].keys() <= {"3"}
    folder = server.reports / ".web" / address.strip("/") / ".page"
    store = EditStore(folder)
    assert not store.edits()
    store.close()
    visitor.token = "another"
    assert visitor.post(f"{address}/fix/cells", {"c-3-1": "d@example.com"}).status_code == 403


def test_edits_end_with_the_way_in_which_a_file_is_read(visitor: Visitor, server: Server) -> None:
    """They are of rows and columns that another sheet, header or delimiter does not have."""
    address = prepare(visitor, "twice.csv", sheet([SHEET[0], *SHEET]))
    folder = server.reports / ".web" / address.strip("/") / ".page"

    def edits() -> Edits:
        store = EditStore(folder)
        try:
            return store.edits()
        finally:
            store.close()

    change(visitor, address, c_4_1="d@example.com")
    visitor.post(f"{address}/reading", {})
    assert edits()
    visitor.post(f"{address}/mapping", form_of(visitor.settled(address).text))
    visitor.settled(f"{address}/check")
    visitor.post(f"{address}/reading", {"header_row": "2"})
    assert not edits()


def test_the_rest_is_of_the_sheet_that_was_imported(visitor: Visitor) -> None:
    """The fixed rows are offered only while the file is read as the run read it: same sheet, header row, columns."""
    book = openpyxl.Workbook()
    for name, first in (("Jan", ()), ("Feb", ("Mobile", "E-mail", "Shade"))):
        made = book.create_sheet(name)
        for row in (*([first] if first else []), *SHEET):
            made.append(row)
    del book["Sheet"]
    file = io.BytesIO()
    book.save(file)
    address = visitor.upload("rest.xlsx", file.getvalue()).url.path

    def check(sheet: str, header_row: str = "1") -> list[str]:
        visitor.settled(address)
        visitor.post(f"{address}/reading", {"sheet": sheet, "header_row": header_row})
        visitor.post(f"{address}/mapping", form_of(visitor.settled(address).text))
        return re.findall(r'name="rest" value="([^"]+)"', visitor.settled(f"{address}/check").text)

    assert check("Feb", "2") == []
    run = start(visitor, address)
    ended(visitor, run)
    assert check("Feb", "2") == [run.rpartition("/")[2]]
    assert check("Feb", "1") == [] and check("Jan") == []


def test_an_old_form_changes_no_row_or_rule_of_another_sheet(visitor: Visitor, server: Server) -> None:
    """A page that was opened before the file was read in another way is refused, and says so."""
    book = openpyxl.Workbook()
    for name in ("Jan", "Feb"):
        made = book.create_sheet(name)
        for row in SHEET:
            made.append(row)
    del book["Sheet"]
    file = io.BytesIO()
    book.save(file)
    address = visitor.upload("two.xlsx", file.getvalue()).url.path
    readings = []
    for name in ("Jan", "Feb"):
        visitor.settled(address)
        visitor.post(f"{address}/reading", {"sheet": name})
        visitor.post(f"{address}/mapping", form_of(visitor.settled(address).text))
        visitor.settled(f"{address}/check")
        visitor.settled(f"{address}/fix")
        readings.append(visitor.reading)
    forms = {
        "fix/cells": {"c-3-1": "d@example.com"},
        "rules": {"add": "leave_out", "column": "Email", "texts": "email_invalid"},
    }
    for path, fields in forms.items():
        for old in (readings[0], ""):
            refused = visitor.post(f"{address}/{path}", {**fields, "reading": old})
            assert refused.status_code == 409 and 'role="alert"' in refused.text
    assert inputs(visitor.get(f"{address}/fix").text)["c-3-1"] == "x@"
    assert post(visitor, address, forms["fix/cells"]).status_code == 200
    assert "c-3-1" not in inputs(visitor.get(f"{address}/fix").text)


def test_nothing_is_changed_during_an_import(tmp_path: Path) -> None:
    """The run took the edits as they were when it began."""
    with WarmServer(tmp_path, "--sandbox", "--batch-size", "1", "--rate", "1/hour") as server:
        visitor = Visitor.at(server.url)
        address = prepare(visitor, "rows.csv", sheet((*SHEET, ("+919876543215", "", "Red"))))
        start(visitor, address)
        html = visitor.get(f"{address}/fix").text
        assert not inputs(html) and 'id="undo"' not in html
        assert visitor.post(f"{address}/fix/cells", {"c-3-1": "d@example.com"}).status_code == 409
        asked = {"add": "own", "kind": "find", "column": "Email", "find": "x"}
        assert visitor.post(f"{address}/rules", asked).status_code == 409


def test_a_page_reads_only_its_own_rows(visitor: Visitor, server: Server, tmp_path: Path) -> None:
    """By keyset: each of the pages of a long list judges its own rows and no others."""
    rows = [SHEET[0], *[("12", f"{number}@example.com", "Blue") for number in range(3 * ROWS + 1)]]
    address = prepare(visitor, "long.csv", sheet(rows))
    folder = server.reports / ".web" / address.strip("/") / ".page"
    after, seen, lengths = 0, list[int](), list[int]()
    with EditedUploads().open(folder) as edited:
        judged = edited.judged

        def counted(numbers: Sequence[int]) -> list[JudgedRow]:
            lengths.append(len(numbers))
            return judged(numbers)

        edited.judged = counted  # type: ignore[method-assign]
        while True:
            grid = page(edited, Query("Mobile", "mobile_too_short", after=after))
            seen += [row.number for row in grid.rows]
            after = grid.after
            if not after:
                break
    assert seen == list(range(2, 3 * ROWS + 3)) and max(lengths) == ROWS
    assert query_of({"after": "9" * 30}).after == 0
