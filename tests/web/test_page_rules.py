"""Rules on the page: proposed, previewed, applied in their order, and the same as a mapping file."""

from __future__ import annotations

import csv
import io
import itertools
import re
import tomllib
import tracemalloc
from contextlib import closing
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from importer.normaliser.fixing import Edits
from importer.normaliser.mapping import ColumnUse, Mapping
from importer.normaliser.normaliser import Normaliser
from importer.normaliser.proposals import EXAMPLES
from importer.normaliser.rules import DOES, Rule
from importer.web.fixing.problem_rows import JudgedAs, ProblemRows, ProblemWriter
from importer.web.fixing.ruling import form_of, preview, rule_from
from tests.support.normalising import block_of
from tests.support.page import Visitor, prepare

pytestmark = pytest.mark.process
SHEET = (
    ("Mobile", "Email", "Colour", "Sizes"),
    ("Ph: +919876543210", "a@example.com", "n/a", "S; M"),
    ("Ph: +919876543211", "x@", "Blue", "S; M"),
    ("+919876543212", "y@", "Blue", "S; L"),
    ("+919876543213", "", "St. Blue", "S"),
)
RULES = (
    Rule("Mobile", empty=("n/a", "-")),
    Rule("Mobile", first=True),
    Rule("Mobile", strip=("Ph:",)),
    Rule("Colour", values={"Y": "Yes", "a=b": "c"}),
    Rule("Colour", find=" St.", replace=""),
    Rule("Mobile", country="IN"),
    Rule("Email", omit=True),
    Rule("", leave_out=("no_identifier",)),
)


def sheet(rows: Any = SHEET) -> bytes:
    made = io.StringIO()
    csv.writer(made).writerows(rows)
    return made.getvalue().encode()


_numbers = itertools.count()


@pytest.fixture
def address(visitor: Visitor) -> str:
    """A checked file. Its header is unique, so that a mapping of another test is not remembered for it."""
    name = f"Remark {next(_numbers)}"
    return prepare(visitor, "rows.csv", sheet([(*row, "x" if at else name) for at, row in enumerate(SHEET)]))


def rules_of(visitor: Visitor, address: str) -> list[dict[str, Any]]:
    visitor.settled(f"{address}/rules")
    return tomllib.loads(visitor.get(f"{address}/mapping.toml").text).get("rules", [])


def offers(html: str) -> dict[str, str]:
    return {name: unescape(key) for name, key in re.findall(r'name="(choose-\d+)" value="([^"]*)"', html)}


@pytest.mark.parametrize("rule", RULES, ids=[rule.does for rule in RULES])
def test_a_form_holds_every_rule(rule: Rule) -> None:
    """What a rule says fits the form and comes back as the same rule. Of `values`, the first equals sign divides."""
    fields = form_of(rule)
    assert rule_from(fields, fields["kind"]) == (rule if "a=b" not in rule.values else rule_from(fields, "values"))
    assert {one.does for one in RULES} == set(DOES)


def test_proposed_rules_are_applied_together(visitor: Visitor, address: str) -> None:
    """Those that a person chose, in one step and one check; the mapping to download has them."""
    html = visitor.settled(f"{address}/rules").text
    found = offers(html)
    assert "Ph: +919876543210" in html
    chosen = {name: key for name, key in found.items() if '"strip"' in key or '"empty"' in key or '"is_list"' in key}
    assert len(chosen) == 3
    visitor.post(f"{address}/rules", {"apply": "chosen", **chosen})
    assert rules_of(visitor, address) == [
        {"column": "Mobile", "strip": ["ph:"]},
        {"column": "Colour", "empty": ["n/a"]},
    ]
    columns = tomllib.loads(visitor.get(f"{address}/mapping.toml").text)["columns"]
    assert columns["Sizes"]["is_list"] is True
    assert "2 rows are ready" in visitor.settled(f"{address}/check").text
    assert not set(chosen.values()) & set(offers(visitor.get(f"{address}/rules").text).values())


def test_rules_are_remembered_with_the_columns(visitor: Visitor) -> None:
    """Next month's file with these columns has them from the beginning."""
    rows = [("Mobile", "Colour", "Rules"), ("Ph: +919876543210", "Blue", "x")]
    first = prepare(visitor, "october.csv", sheet(rows))
    visitor.settled(f"{first}/rules")
    visitor.post(f"{first}/rules", {"add": "own", "kind": "strip", "column": "Mobile", "texts": "Ph:"})
    visitor.settled(f"{first}/rules")
    second = prepare(visitor, "november.csv", sheet(rows))
    assert rules_of(visitor, second) == [{"column": "Mobile", "strip": ["Ph:"]}]


def test_a_rule_is_counted_before_it_is_applied(visitor: Visitor, address: str) -> None:
    """Over all cells of the column, also those of rows without a problem."""

    def preview(**fields: str) -> str:
        return visitor.post(f"{address}/rules", {"preview": "own", **fields}).text.partition('class="preview"')[2]

    visitor.settled(f"{address}/rules")
    found = preview(kind="values", column="Colour", texts="blue = Navy")
    assert "Changes 2 cells" in found and "<code>Navy</code>" in found
    assert "Changes 1 cell" in preview(kind="find", column="Colour", find="St. ", replace="")
    assert "Affects 2 rows" in preview(kind="leave_out", column="Email", code="email_invalid")
    assert "Affects 1 row" in preview(kind="omit", column="Email")  # the other row's mobile is not valid either
    assert "Changes 0 cells" in preview(kind="country", column="Mobile", country="IN")
    assert rules_of(visitor, address) == []


def test_rules_are_moved_and_removed(visitor: Visitor, address: str) -> None:
    """By the page that shows them: one that shows other rules changes nothing."""
    for text in ("a", "b", "c"):
        visitor.settled(f"{address}/rules")
        visitor.post(f"{address}/rules", {"add": "own", "kind": "find", "column": "Colour", "find": text})
    html = visitor.settled(f"{address}/rules").text
    (seen,) = re.findall(r'name="seen" value="(\w+)"', html)
    visitor.post(f"{address}/rules", {"seen": seen, "up": "2"})
    assert [rule["find"] for rule in rules_of(visitor, address)] == ["a", "c", "b"]
    visitor.post(f"{address}/rules", {"seen": seen, "remove": "0"})
    assert [rule["find"] for rule in rules_of(visitor, address)] == ["a", "c", "b"]
    (seen,) = re.findall(r'name="seen" value="(\w+)"', visitor.get(f"{address}/rules").text)
    visitor.post(f"{address}/rules", {"seen": seen, "remove": "0"})
    assert [rule["find"] for rule in rules_of(visitor, address)] == ["c", "b"]


def test_a_rule_that_cannot_be_used_is_refused(visitor: Visitor, address: str) -> None:
    """With the reason, and what was typed stays in the form."""
    visitor.settled(f"{address}/rules")
    for fields in (
        {"kind": "country", "column": "Email", "country": "IN"},
        {"kind": "omit", "column": "Colour"},
        {"kind": "strip", "column": "Mobile", "texts": "  "},
        {"kind": "nonsense", "column": "Mobile"},
        {"kind": "find", "column": "Nowhere", "find": "kept"},
    ):
        answer = visitor.post(f"{address}/rules", {"add": "own", **fields})
        assert answer.status_code == 422 and 'role="alert"' in answer.text, fields
    assert 'value="kept"' in answer.text
    assert visitor.post(f"{address}/rules", {"apply": "nonsense"}).status_code == 422
    assert rules_of(visitor, address) == []


def test_a_group_is_decided_as_a_whole(visitor: Visitor, address: str) -> None:
    """Beside each group of the grid: leave its rows out, or send them without the identifier, as a rule."""
    visitor.settled(f"{address}/fix")
    asked = {"back": "fix", "column": "Email", "texts": "email_invalid"}
    answer = visitor.post(f"{address}/rules", {**asked, "add": "omit"})
    assert answer.url.path.endswith("/fix")
    assert rules_of(visitor, address) == [{"column": "Email", "omit": True}]
    visitor.settled(f"{address}/fix")
    visitor.post(f"{address}/rules", {"back": "fix", "column": "", "texts": "no_identifier", "add": "leave_out"})
    assert rules_of(visitor, address)[1:] == [{"leave_out": ["no_identifier"]}]


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"kind": "values", "column": "Colour", "texts": "blu = Blue\nnavy Blue"}, "texts"),
        ({"kind": "values", "column": "Colour", "texts": "= Blue"}, "texts"),
        ({"kind": "strip", "column": "Mobile", "texts": " \n "}, "texts"),
        ({"kind": "empty", "column": "Mobile", "texts": "x" * 1_001}, "texts"),
        ({"kind": "find", "column": "Colour", "find": "", "replace": "kept"}, "find"),
        ({"kind": "find", "column": "", "find": "kept"}, "column"),
        ({"kind": "country", "column": "Mobile"}, "country"),
        ({"kind": "country", "column": "Email", "country": "IN"}, "column"),
        ({"kind": "omit", "column": "Colour"}, "column"),
        ({"kind": "leave_out", "column": "Email", "code": "nonsense"}, "code"),
        ({"kind": "leave_out", "column": "Email", "code": "no_identifier"}, "column"),
        ({"kind": "leave_out", "column": "", "code": "email_invalid"}, "column"),
        ({"kind": "nonsense", "column": "Email"}, "kind"),
    ],
)
def test_a_wrong_rule_is_shown_at_its_field(fields: dict[str, str], wrong: str, visitor: Visitor, address: str) -> None:
    """The field is marked, gets the focus and has the message beside it. What was typed is kept."""
    visitor.settled(f"{address}/rules")
    for button in ({"add": "own"}, {"preview": "own"}):
        answer = visitor.post(f"{address}/rules", {**fields, **button})
        form = answer.text.partition('id="rule"')[2]
        assert answer.status_code == 422 and answer.text.count('role="alert"') == 1 == form.count('role="alert"')
        (marked,) = re.findall(r"<[^>]*aria-invalid[^>]*>", form)
        assert f'name="{wrong}"' in marked and "data-focus" in marked
        assert re.search(r'aria-describedby="[^"]*rule-fault"', marked)
        assert form.partition("aria-invalid")[2].partition("</p>")[0].count('id="rule-fault"') == 1
        assert all(unescape(form).count(line) for line in fields.get("texts", "").splitlines())
        assert "kept" not in fields.values() or 'value="kept"' in form
    assert rules_of(visitor, address) == []


def test_a_preview_keeps_only_its_examples(tmp_path: Path) -> None:
    """What a rule makes of every other cell is counted and forgotten."""
    column = ColumnUse("Remark", "preference", "Remark")
    cells = [f"{number:05}" + "a" * 30 for number in range(2_000)]
    writer = ProblemWriter(tmp_path, Edits())
    block = block_of(["Remark"], [[cell] for cell in cells])
    writer.add(block, Normaliser(Mapping((column,)))(block))
    writer.close(JudgedAs(Mapping((column,)), None, "", "skip", "reject"))
    with closing(ProblemRows(tmp_path)) as rows:
        tracemalloc.start()
        found = preview(rows, Rule("Remark", find="a", replace="x" * 1_000))
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert found.count == len(cells) and [len(one.after) for one in found.examples] == [30_005] * EXAMPLES
    assert most < 5_000_000
