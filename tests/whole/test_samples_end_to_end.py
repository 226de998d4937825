"""The main job on each sample: the report that stands beside it, and the server's memory equal to the sheet."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from importer.sandbox import EmbeddedSandbox
from tests.support.terminal import EXPECTED, SAMPLES, Terminal, table, workbook_rows
from tests.whole.make_expected import PARTS, SAMPLE_ENDS

pytestmark = pytest.mark.slow

IDENTIFIERS = {"Mobile No.": "mobile", "E-mail ID": "email", "Customer ID": "external_id"}
WIDE = ("Favourite brand", "Favourite colour", "Shirt size", "Newsletter")


@pytest.mark.parametrize("sample", list(SAMPLE_ENDS))
def test_a_sample_ends_with_its_expected_reports(terminal: Terminal, sample: str) -> None:
    """Every row's outcome, the failed rows and the summary are those of tests/whole/expected, word for word."""
    ended = terminal.type("run", SAMPLES / sample, "--sandbox")
    assert ended.code == SAMPLE_ENDS[sample], ended.err
    folder = terminal.run_folder()
    for name, made in PARTS.items():
        expected = EXPECTED / f"{sample}.{name}"
        assert made(folder) == (expected.read_text(encoding="utf-8") if expected.exists() else ""), name


@pytest.mark.parametrize("sample", list(SAMPLE_ENDS))
def test_rows_read_are_the_sum_of_the_outcomes(terminal: Terminal, sample: str) -> None:
    """Promise 1: and results.csv holds each row of the source once, in its order, on its own number."""
    terminal.type("run", SAMPLES / sample, "--sandbox")
    folder = terminal.run_folder()
    rows = json.loads((folder / "summary.json").read_bytes())["rows"]
    read = rows.pop("read")
    assert read == sum(rows.values())
    numbers = [int(row["_row"]) for row in table(folder / "results.csv")]
    assert len(numbers) == read
    assert numbers == sorted(set(numbers))


def sheet_of(name: str) -> list[dict[str, str]]:
    """A sample as openpyxl or csv reads it, without any code of the importer's. Numbers as their format shows them."""
    if name.endswith(".csv"):
        with (SAMPLES / name).open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    page = openpyxl.load_workbook(SAMPLES / name)["Customers"]
    header, *rows = page.iter_rows()
    names = [str(cell.value) for cell in header]
    return [{n: shown(cell.value, cell.number_format) for n, cell in zip(names, row, strict=True)} for row in rows]


def shown(value: object, number_format: str) -> str:
    if isinstance(value, int) and number_format == "000000":
        return f"{value:06}"
    return "" if value is None else str(value)


def sent(row: dict[str, str]) -> dict[str, str]:
    """The identifiers of a row as they must be sent: mobiles as digits."""
    found = {kind: row[column] for column, kind in IDENTIFIERS.items() if row.get(column)}
    if "mobile" in found:
        found["mobile"] = re.sub(r"\D", "", found["mobile"])
    return found


def wide(row: dict[str, str]) -> dict[str, str]:
    return {name: row[name] for name in WIDE if row[name]}


def customers_of(rows: list[dict[str, str]]) -> Iterator[tuple[dict[str, str], dict[str, str]]]:
    """A long sheet's customers: rows that follow each other with the same identifiers."""
    last: dict[str, str] = {}
    fields: dict[str, str] = {}
    for row in rows:
        if sent(row) != last and fields:
            yield last, fields
            fields = {}
        last = sent(row)
        fields[row["Preference"]] = row["Value"]
    yield last, fields


def test_the_long_sheet_is_stored_as_its_customers(terminal: Terminal, sandbox: EmbeddedSandbox) -> None:
    """One preference a row: each customer was sent once, with all that its rows say."""
    terminal.credentials(sandbox)
    assert terminal.type("run", SAMPLES / "long.csv", "--base-url", sandbox.base_url).code == 0
    expected = list(customers_of(sheet_of("long.csv")))
    assert sorted(map(repr, sandbox.state.accepted)) == sorted(map(repr, expected))


@pytest.mark.parametrize("sample", ["customers.xlsx", "customers.csv"])
def test_the_server_holds_what_the_sheet_says_row_by_row(
    terminal: Terminal, sandbox: EmbeddedSandbox, sample: str
) -> None:
    """Each row was accepted as it stands in the sheet; one who comes again has the later row's word."""
    terminal.credentials(sandbox)
    assert terminal.type("run", SAMPLES / sample, "--base-url", sandbox.base_url).code == 0
    rows = sheet_of(sample)
    accepted = sorted((sorted(names.items()), sorted(fields.items())) for names, fields in sandbox.state.accepted)
    assert accepted == sorted((sorted(sent(row).items()), sorted(wide(row).items())) for row in rows)
    last: dict[tuple[tuple[str, str], ...], dict[str, str]] = {}
    for row in rows:
        last.setdefault(tuple(sent(row).items()), {}).update(wide(row))
    for identifiers, fields in last.items():
        kind, value = identifiers[0]
        assert sandbox.state.preferences_of(**{kind: value}) == fields, identifiers  # type: ignore[arg-type]
    assert len(last) < len(rows)
    assert sandbox.state.overlaps == sandbox.state.repeats == 0


def test_rows_that_the_server_took_are_stored_and_the_others_are_not(
    terminal: Terminal, sandbox: EmbeddedSandbox
) -> None:
    """Promise 2 on the messy sample: `succeeded` is exactly what the server holds as the sheet says."""
    terminal.credentials(sandbox)
    assert terminal.type("run", SAMPLES / "messy.xlsx", "--base-url", sandbox.base_url).code == 3
    for row in table(terminal.run_folder() / "results.csv"):
        names = sent(row)
        stored = {}
        if names and not row["_code"].startswith(("mobile", "email")):
            kind, value = next(iter(names.items()))
            stored = sandbox.state.preferences_of(**{kind: value})  # type: ignore[arg-type]
        if row["_status"] == "succeeded":
            assert stored == wide(row), row["_row"]
        elif row["_code"] == "1035":
            assert stored == dict(list(wide(row).items())[:1]), "1035 stores the first preference only"
        else:
            assert stored == {}, row["_row"]


def test_each_way_to_fail_stands_on_its_own_row(terminal: Terminal) -> None:
    """816, 999999 and a row that we reject: the row's own number, with code, message and advice."""
    terminal.type("run", SAMPLES / "messy.xlsx", "--sandbox")
    page = openpyxl.load_workbook(SAMPLES / "messy.xlsx")["Customers"]
    rows = table(terminal.run_folder() / "results.csv")
    found: dict[Any, Any] = {}
    for row in rows:
        cells = [cell.value for cell in page[int(row["_row"])]]
        assert row["E-mail ID"] == (cells[1] or ""), "the row stands on its own number"
        found.setdefault(row["_code"], row)
    for code, status, cell in (
        ("816", "failed", "@sandbox.test"),
        ("999999", "failed", "code-999999"),
        ("email_invalid", "rejected", ""),
    ):
        row = found[code]
        assert row["_status"] == status
        assert cell in row["E-mail ID"] + row["Customer ID"]
        assert row["_message"]
        assert row["_advice"]
    assert found["999999"]["_attempts"] == "3", "asked again alone, twice"


def test_the_failed_workbook_with_fixed_cells_succeeds(terminal: Terminal) -> None:
    """Promise 7: failed.xlsx holds the open rows only; with its cells fixed, all of them succeed."""
    terminal.type("run", SAMPLES / "messy.xlsx", "--sandbox")
    failed = terminal.run_folder() / "failed.xlsx"
    before = workbook_rows(failed)
    assert len(before) == 37
    book = openpyxl.load_workbook(failed)
    page = book.worksheets[0]
    columns = {str(cell.value): cell.column for cell in page[1] if cell.value is not None}
    for place in range(2, page.max_row + 1):
        for column in range(len(columns) + 1, page.max_column + 1):
            page.cell(place, column).value = None  # "fill in … and clear this cell"
        page.cell(place, columns["Mobile No."]).value = None
        page.cell(place, columns["Customer ID"]).value = None
        page.cell(place, columns["E-mail ID"]).value = f"fixed{place}@example.com"
        page.cell(place, columns["Favourite brand"]).value = "Puma"
    book.save(terminal.folder / "fixed.xlsx")
    ended = terminal.type("run", "fixed.xlsx", "--sandbox", "--json")
    assert ended.code == 0, ended.out
    assert ended.json["rows"]["succeeded"] == len(before)


def test_the_failed_rows_unedited_end_as_they_ended(terminal: Terminal) -> None:
    """Uploading failed.xlsx as it is, is safe: the same rows, the same outcomes, nothing of our columns sent."""
    terminal.type("run", SAMPLES / "messy.xlsx", "--sandbox")
    first = {row["_row"]: row for row in table(terminal.run_folder() / "results.csv") if row["_status"] != "succeeded"}
    failed = terminal.run_folder() / "failed.xlsx"
    ended = terminal.type("run", failed, "--sandbox", "--json")
    again = table(Path(ended.json["reports"]["results.csv"]))
    assert [row["_status"] for row in again] == [row["_status"] for row in first.values()]
    assert ended.json["rows"]["succeeded"] == 0


def test_the_summary_says_what_to_do(terminal: Terminal) -> None:
    """80 columns at most; what happened, why, and what to type next."""
    ended = terminal.type("run", SAMPLES / "messy.xlsx", "--sandbox")
    assert max(len(line) for line in ended.out.splitlines() if not line.startswith("    importer ")) <= 80
    for words in ("83 of 120 rows succeeded", "customer not found", "code 816", "importer run ", "importer retry "):
        assert words in ended.out, words
