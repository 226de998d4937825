"""Rules of a mapping file: read with every mistake, written back the same, and what each makes of cells."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.errors import SettingsError
from importer.model import LEFT_OUT, Problem
from importer.normaliser.codes import OWN_CODES
from importer.normaliser.facts import SheetFacts
from importer.normaliser.fixing import Edits, Fixing, step_of
from importer.normaliser.mapping import ColumnUse, Mapping, fit, propose
from importer.normaliser.mapping_file import load, to_toml
from importer.normaliser.normaliser import Normalised, Normaliser
from importer.normaliser.rules import Rule, to_entry
from importer.row_block import RowBlock
from tests.support.normalising import block_of

COLUMNS = ("Mobile", "Email", "Customer ID", "Colour")
A, B, C = "919876543210", "919876543211", "919876543212"

#: One rule of each kind, as a mapping file has it.
EVERY = """
[columns]
"Mobile" = "mobile"
"Email" = "email"
"Customer ID" = "external_id"
"Colour" = { preference = "Colour", is_list = true }

[[rules]]
column = "Mobile"
empty = ["n/a", "-"]

[[rules]]
column = "Mobile"
first = true

[[rules]]
column = "Mobile"
strip = ["Ph:", "tel:"]

[[rules]]
column = "Mobile"
country = "IN"

[[rules]]
column = "Email"
omit = true

[[rules]]
column = "Colour"
values = { blu = "Blue", "r\\"d" = "Red" }

[[rules]]
column = "Colour"
find = "St."
replace = ""

[[rules]]
leave_out = ["no_identifier"]
"""


def loaded(folder: Path, text: str) -> Mapping:
    (folder / "m.toml").write_text(text, encoding="utf-8")
    return load(folder / "m.toml")


def fixed(mapping: Mapping, *rows: tuple[str, ...], edits: Edits | None = None, **more: Any) -> RowBlock:
    return Fixing(mapping, edits)(block_of([use.column for use in mapping.columns], rows, **more))


def with_rules(*rules: Rule) -> Mapping:
    proposed = propose(COLUMNS)
    return Mapping(proposed.columns, rules=rules)


def normalised(mapping: Mapping, *rows: tuple[str, ...], edits: Edits | None = None, **more: Any) -> Normalised:
    return Normaliser(mapping)(fixed(mapping, *rows, edits=edits, **more))


# -- the file -------------------------------------------------------------------------------------------------------


def test_every_kind_of_rule_is_read_and_written_back(tmp_path: Path) -> None:
    """What `map` writes is what `run --mapping` reads."""
    mapping = loaded(tmp_path, EVERY)
    assert [rule.does for rule in mapping.rules] == [
        *("empty", "first", "strip", "country", "omit", "values", "find", "leave_out")
    ]
    assert mapping.rules[5].values == {"blu": "Blue", 'r"d': "Red"}
    assert loaded(tmp_path, to_toml(mapping)) == mapping


@given(
    st.builds(
        Rule, column=st.just("Colour"), values=st.dictionaries(st.text().filter(str.strip), st.text(), min_size=1)
    )
)
def test_any_text_survives_the_file(tmp_path_factory: pytest.TempPathFactory, rule: Rule) -> None:
    """Quotes, control characters, other scripts."""
    mapping = with_rules(rule)
    assert loaded(tmp_path_factory.getbasetemp(), to_toml(mapping)).rules == (rule,)


MISTAKES = {
    "no action": ('column = "Mobile"', "must have one of empty"),
    "two countries": (
        'column = "Mobile"\ncountry = "IN"\n[[rules]]\ncolumn = "Mobile"\ncountry = "SG"',
        "second country",
    ),
    "two actions": ('column = "Mobile"\nfirst = true\nempty = ["-"]', "empty and first"),
    "unknown key": ('column = "Mobile"\nfrist = true', "frist"),
    "wrong type": ('column = "Mobile"\nfirst = "yes"', "`first` must be true"),
    "text for a list": ('column = "Mobile"\nstrip = "Ph:"', '`strip` must be a list of texts, like ["Ph:"]'),
    "number in a list": ('column = "Mobile"\nempty = [0]', "`empty` must be"),
    "number in a table": ('column = "Colour"\nvalues = { a = 1 }', "`values` must be a table of texts in quotes"),
    "two columns": ('column = ["Mobile", "Email"]\nfirst = true', "`column` must be"),
    "empty list": ('column = "Mobile"\nempty = []', "`empty` must be"),
    "empty table": ('column = "Colour"\nvalues = {}', "`values` must be"),
    "not done": ('column = "Mobile"\nfirst = false', "`first` must be true"),
    "empty search": ('column = "Colour"\nfind = ""\nreplace = "x"', "`find` must be"),
    "value for blank cells": ('column = "Colour"\nvalues = { "" = "x" }', "blank cells"),
    "code of the API": ('column = "Mobile"\nleave_out = ["816"]', "“816”, which no check finds"),
    "code nearly": ('column = "Mobile"\nleave_out = ["mobile_short"]', "did you mean “mobile_too_short”"),
    "code of a cell": ('leave_out = ["mobile_too_short"]', "name its column"),
    "code of any cell": ('leave_out = ["control_character"]', "name its column"),
    "code of a row": ('column = "Mobile"\nleave_out = ["no_identifier"]', "not of a column"),
    "code of another field": ('column = "Email"\nleave_out = ["mobile_too_short"]', "mapped to email"),
    "code of no preference": ('column = "Colour"\nleave_out = ["email_invalid"]', "mapped to preference"),
    "no column": ("first = true", "column"),
    "strange column": ('column = "Mobil"\nfirst = true', "“Mobil”"),
    "country of no mobile": ('column = "Email"\ncountry = "IN"', "mobile"),
    "unknown country": ('column = "Mobile"\ncountry = "Narnia"', "Narnia"),
    "omit of no identifier": ('column = "Colour"\nomit = true', "identifier"),
    "empty text": ('column = "Mobile"\nstrip = [" "]', "empty text"),
    "replace alone": ('column = "Mobile"\nreplace = "x"', "must have one"),
    "not a code": ('column = "Mobile"\nleave_out = ["mobile_bad"]', "mobile_bad"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named(name: str, tmp_path: Path) -> None:
    """With the rule's number, before anything is read."""
    entry, word = MISTAKES[name]
    text = '[columns]\nMobile = "mobile"\nEmail = "email"\nColour = "preference"\n[[rules]]\n' + entry
    with pytest.raises(SettingsError, match=r"Rule [12]") as caught:
        loaded(tmp_path, text)
    assert word in caught.value.message


ROW_CODES = (
    "no_identifier",
    "ragged_row",
    "short_row",
    "header_again",
    "not_a_customer",
    "nameless_cell",
    "merged_cells",
)


def test_each_code_can_be_left_out_where_it_occurs(tmp_path: Path) -> None:
    """In a column of its field, or without one if a whole row has it; also where the column is ignored for now."""
    fields = ("mobile", "email", "external_id", "user_id", "store.code", "store.id", "preference", "ignored")
    columns = "[columns]\n" + "".join([f'"{field}" = "{field}"\n' for field in fields])
    for code in OWN_CODES:
        field = next((field for field in fields if code.startswith(field.replace(".", "_"))), "")
        of_any = {""} if code in ROW_CODES else {*fields, *([""] if code == "nothing_to_set" else [])}
        for column in {field, "ignored"} if field else of_any:
            entry = f'column = "{column}"\n' if column else ""
            mapping = loaded(tmp_path, f'{columns}\n[[rules]]\n{entry}leave_out = ["{code}"]')
            assert mapping.rules == (Rule(column, leave_out=(code,)),)


def test_rules_follow_their_column_to_the_name_that_the_sheet_has(tmp_path: Path) -> None:
    """A rule is for the same column as its mapping; one for an ignored column that is missing is left."""
    mapping = loaded(tmp_path, EVERY + '\n[[rules]]\ncolumn = "Gone"\nfirst = true\n[columns.Gone]\nfield = "ignored"')
    fitted = fit(mapping, ["COLOUR", "mobile ", "Email", "Customer  ID"])
    assert [rule.column for rule in fitted.rules] == [
        *["mobile "] * 4,
        *("Email", "COLOUR", "COLOUR", ""),
    ]


# -- what a rule makes of cells -------------------------------------------------------------------------------------

CELLS = {
    "empty": (Rule("Colour", empty=("n/a", "-")), {"N/A ": "", "-": "", "n/a b": "n/a b", "": "", "--": "--"}),
    "first colour": (Rule("Colour", first=True), {"Red; Blue": "Red", "Red": "Red", '["a", "b"]': "a"}),
    "first mobile": (
        Rule("Mobile", first=True),
        {
            "+91 98765 43210 / +91 98765 43211": "+91 98765 43210",
            "+919876543210,+919876543211": "+919876543210",
            "+49 151/23456789": "+49 151/23456789",
            "+91 98765-43210": "+91 98765-43210",
            "+919876543210 ext. 12": "+919876543210",
            "+91-98765-43210 x12": "+91-98765-43210",
            "+49 151 23456789 Durchwahl 5": "+49 151 23456789",
            "+49 151 23456789 und +49 170 1234567": "+49 151 23456789",
            "+55 11 98765-4321 ramal 12": "+55 11 98765-4321",
        },
    ),
    "first e-mail": (
        Rule("Email", first=True),
        {"a@b.com; c@d.com": "a@b.com", "a@b.com c@d.com": "a@b.com", "a@b.com": "a@b.com", "a, b": "a, b"},
    ),
    "first id": (
        Rule("Customer ID", first=True),
        {"C-1;C-2": "C-1", "C-1, C-2": "C-1", "C-1": "C-1", "4,71234E+15": "4,71234E+15", "123456,0": "123456,0"},
    ),
    "first number": (Rule("Colour", first=True), {"1,234.50": "1,234.50", "1,5": "1,5", "1.5E+12": "1.5E+12"}),
    "strip": (
        Rule("Mobile", strip=("Ph:", "Ph", "tel.")),
        {"Ph: 98": "98", "ph:ph:98": "98", "TEL. 98": "98", "98 Ph:": "98 Ph:", " 98": " 98"},
    ),
    "values": (
        Rule("Colour", values={"blu": "Blue", "Y": "Yes", "y": "Why"}),
        {"BLU": "Blue", "Y": "Yes", "y": "Why", "bluish": "bluish", "": ""},
    ),
    "find": (Rule("Colour", find=".", replace="·"), {"a.b.": "a·b·", "ab": "ab"}),
}


@pytest.mark.parametrize("name", CELLS)
def test_a_rule_changes_the_cells_it_is_for(name: str) -> None:
    """And no other, nor another column."""
    rule, cells = CELLS[name]
    mapping = with_rules(rule)
    for before, after in cells.items():
        row = dict.fromkeys(COLUMNS, before)
        block = fixed(mapping, tuple(row.values()))
        found = {column: block.column(column)[0] for column in COLUMNS}
        assert found == {**row, rule.column: after}, before
        assert block.fixed == ({2: {rule.column: before}} if before != after else {})


def test_rules_apply_in_their_order() -> None:
    """`Ph: n/a` is empty only where the prefix goes first."""
    strip, empty = Rule("Mobile", strip=("Ph:",)), Rule("Mobile", empty=("n/a",))
    row = ("Ph: n/a", "", "C-1", "Red")
    assert fixed(with_rules(strip, empty), row).column("Mobile") == [""]
    assert fixed(with_rules(empty, strip), row).column("Mobile") == ["n/a"]


def test_values_replace_the_items_of_a_list() -> None:
    """`blu; green` in a column of lists."""
    mapping = Mapping(
        (ColumnUse("Mobile", "mobile"), ColumnUse("Colour", "preference", "Colour", True)),
        rules=(Rule("Colour", values={"blu": "Blue"}),),
    )
    assert fixed(mapping, (A, "blu; green"), (A, "green")).column("Colour") == ["Blue;green", "green"]


def test_items_that_contain_the_separator_stay_one() -> None:
    """A list is read as the items that it had."""
    uses = (ColumnUse("Mobile", "mobile"), ColumnUse("Colour", "preference", "Colour", True))
    mapping = Mapping(uses, rules=(Rule("Colour", values={"x": "y", "z": ""}),))
    cells = ['["a;b", "c, d", "x"]', "a, b; z", "x; b"]
    made = normalised(mapping, *[(A, cell) for cell in cells])
    assert [dict(customer.custom_fields)["Colour"] for customer in made.customers] == [
        *('["a;b", "c, d", "y"]', '["a, b"]', '["y", "b"]')
    ]


@pytest.mark.parametrize("how", ["edit", "values", "find"])
def test_a_control_character_is_refused_wherever_it_comes_from(how: str) -> None:
    """What is typed, and what a rule makes, is looked at like what is read."""
    rules = {"values": Rule("Colour", values={"Red": "R\x01d"}), "find": Rule("Colour", find="e", replace="\x02")}
    mapping = with_rules(*[rule for name, rule in rules.items() if name == how])
    edits = Edits({2: {"Colour": "R\x00d"}}) if how == "edit" else None
    made = normalised(mapping, (A, "", "", "Red"), edits=edits)
    assert [problem.code for problem in made.problems] == ["control_character"] and not made.customers


def test_what_an_earlier_report_says_was_fixed_is_not_fixed_twice() -> None:
    """Imported again with the same mapping, `1` that became `10` does not become `100`."""
    mapping = with_rules(Rule("Colour", find="1", replace="10"))
    first = fixed(mapping, (A, "", "", "1"), (B, "", "", "2"))
    second = Fixing(mapping)(first)
    assert second.column("Colour") == first.column("Colour") == ["10", "2"]
    assert second.fixed == first.fixed == {2: {"Colour": "1"}}


def test_a_country_a_column_and_an_omitted_identifier() -> None:
    """Rules for one column do what --country and --invalid-identifiers do for the run."""
    mapping = with_rules(Rule("Mobile", country="IN"), Rule("Email", omit=True))
    made = normalised(mapping, ("98765 43210", "x@", "", "Red"), ("12", "a@b.com", "", "Red"), ("", "x@", "", "Red"))
    assert [(customer.row_number, customer.mobile, customer.email) for customer in made.customers] == [(2, A, "")]
    assert [(problem.row_number, problem.column) for problem in made.problems] == [(3, "Mobile"), (4, "Email")]
    assert made.customers[0].omitted[0].code == "email_invalid"


# -- rows that are left out -----------------------------------------------------------------------------------------


def test_rows_with_a_named_problem_are_left_out() -> None:
    """Whatever else is wrong with them; the problems say why. Others are rejected as before."""
    mapping = with_rules(Rule("Mobile", leave_out=("mobile_too_short",)), Rule(leave_out=("no_identifier",)))
    made = normalised(mapping, ("12", "x@", "", "Red"), ("", "", "", "Red"), ("", "x@", "", "Red"), (A, "", "", "Red"))
    assert [(problem.row_number, problem.code) for problem in made.left_out] == [
        *((2, "mobile_too_short"), (2, "email_invalid"), (3, "no_identifier"))
    ]
    assert [problem.row_number for problem in made.problems] == [4]
    assert [customer.row_number for customer in made.customers] == [5]


def test_a_row_that_a_person_left_out() -> None:
    """It needs no problem to be left out."""
    made = normalised(with_rules(), (A, "", "", "Red"), (B, "", "", "Red"), edits=Edits(left_out=frozenset({3})))
    assert [customer.row_number for customer in made.customers] == [2]
    assert [(problem.row_number, problem.code) for problem in made.left_out] == [(3, LEFT_OUT)]


# -- edits ----------------------------------------------------------------------------------------------------------


def test_an_edit_wins_over_rules() -> None:
    """The cell holds what was typed; the report says what the source has."""
    mapping = with_rules(Rule("Colour", values={"a": "b", "c": "d"}))
    block = fixed(mapping, (A, "", "", "a"), (B, "", "", "a"), edits=Edits({2: {"Colour": "c"}}))
    assert block.column("Colour") == ["c", "b"]
    assert block.fixed == {2: {"Colour": "a"}, 3: {"Colour": "a"}}


def test_an_edit_back_to_the_source_is_none() -> None:
    """It keeps rules away from the cell, and nothing was fixed."""
    mapping = with_rules(Rule("Colour", values={"a": "b"}))
    block = fixed(mapping, (A, "", "", "a"), edits=Edits({2: {"Colour": "a"}}))
    assert block.column("Colour") == ["a"] and block.fixed == {}


def test_an_edit_back_to_a_damaged_cell_leaves_it_damaged() -> None:
    """Although a rule had replaced it: what it is now is what the source has."""
    mapping = with_rules(Rule("Customer ID", values={"C-9": "C-1"}))
    found = (Problem(2, "Customer ID", "", "number_format_unknown", "m"),)
    rows = ((A, "", "C-9", "Red"), (B, "", "C-9", "Red"))
    made = normalised(mapping, *rows, problems=found, edits=Edits({2: {"Customer ID": "C-9"}}))
    assert [(problem.row_number, problem.code) for problem in made.problems] == [(2, "number_format_unknown")]


@pytest.mark.parametrize("how", ["edit", "empty", "values", "strip"])
def test_damage_of_a_cell_matters_until_a_person_replaces_all_of_it(how: str) -> None:
    """What only the reader saw, like a format that shows another text, holds for what a rule makes of the cell."""
    rules = {
        "empty": Rule("Customer ID", empty=("Ph:C-9",)),
        "values": Rule("Customer ID", values={"Ph:C-9": "C-1"}),
        "strip": Rule("Customer ID", strip=("Ph:",)),
        "edit": Rule("Mobile", empty=("-",)),
    }
    found = (Problem(2, "Customer ID", "", "number_format_unknown", "m"),)
    edits = Edits({2: {"Customer ID": "C-1"}}) if how == "edit" else None
    row = (A, "", "Ph:C-9", "Red")
    made = normalised(with_rules(rules[how]), row, problems=found, edits=edits)
    assert [problem.code for problem in made.problems] == (["number_format_unknown"] if how == "strip" else [])


#: What a program made of a value → the rules that leave nothing that shows it, and its code.
HIDDEN = {
    "digits lost": (
        "Customer ID",
        "4.71234E+15",
        (Rule("Customer ID", find="."),),
        "external_id_in_scientific_notation",
    ),
    "after a prefix": (
        "Customer ID",
        "No 4.71234E+15",
        (Rule("Customer ID", strip=("No",)), Rule("Customer ID", find=".")),
        "external_id_in_scientific_notation",
    ),
    "date": ("Customer ID", "2026-03-12", (Rule("Customer ID", find="-"),), "external_id_is_a_date"),
    "part of a date": ("Store", "2026-03-12", (Rule("Store", strip=("2026-",)),), "store_code_is_a_date"),
    "rounded": ("Mobile", "919876500000", (Rule("Mobile", find="9198", replace="+9198"),), "mobile_rounded"),
    "range": ("Size", "10-Mar", (Rule("Size", find="Mar", replace="3"),), "preference_is_a_date"),
}


@pytest.mark.parametrize("name", HIDDEN)
def test_a_rule_that_changes_a_part_of_a_damaged_value_does_not_make_it_right(name: str) -> None:
    """Also where a report of the first import is imported again; a whole value that a person wrote is right."""
    column, cell, rules, code = HIDDEN[name]
    kinds = {"Mobile": "mobile", "Customer ID": "external_id", "Email": "email", "Store": "store.code"}
    names = (*kinds, "Size")
    uses = tuple([ColumnUse(one, kinds.get(one, "preference"), "" if one in kinds else one) for one in names])
    mapping = Mapping(uses, facts=SheetFacts(ranges=("Size",)), rules=rules)
    row = {**dict.fromkeys(names, ""), "Email": "a@example.com", "Size": "1-2", column: cell}
    block = fixed(mapping, tuple(row.values()))
    again = Fixing(mapping)(msgspec.structs.replace(block, problems=(), raw=None))
    for read in (block, again):
        assert [problem.code for problem in Normaliser(mapping)(read).problems] == [code]
    assert [block.column(column), again.column(column)] != [[cell], [cell]]
    whole = msgspec.structs.replace(mapping, rules=(Rule(column, values={cell: "+919876543210"}), *rules))
    assert not normalised(whole, tuple(row.values())).problems
    corrected = Fixing(mapping, Edits({2: {column: "+919876543210"}}))(again)
    assert not Normaliser(mapping)(corrected).problems


def test_digits_that_were_typed_as_text_are_no_rounded_number() -> None:
    """A workbook says which are: a rule for a part of them is as good as for any text."""
    mapping = with_rules(Rule("Mobile", find="9198", replace="+9198"))
    block = block_of(COLUMNS, [("919876500000", "", "", "Red")])
    made = [Normaliser(mapping)(Fixing(mapping)(msgspec.structs.replace(block, typed=one))) for one in (True, False)]
    assert [len(one.problems) for one in made] == [0, 1]


@given(
    st.lists(st.tuples(*[st.sampled_from(["", "a", "Ph:1", "n/a", A, "x@y.com; z@y.com"])] * 4), max_size=6),
    st.dictionaries(st.integers(2, 9), st.dictionaries(st.sampled_from(COLUMNS), st.text(max_size=3), max_size=3)),
)
def test_the_source_can_be_told_from_the_block(rows: list[tuple[str, ...]], cells: dict[int, dict[str, str]]) -> None:
    """A fixed block with its `fixed` put back is the source's, in every cell."""
    mapping = with_rules(
        Rule("Mobile", strip=("Ph:",)),
        Rule("Email", first=True),
        Rule("Colour", empty=("n/a", "1")),
        Rule("Mobile", empty=("1",)),
    )
    block = fixed(mapping, *rows, edits=Edits(cells))
    back = {
        number: tuple(block.fixed.get(number, {}).get(column, block.column(column)[at]) for column in COLUMNS)
        for at, number in enumerate(block.row_numbers)
    }
    assert list(back.values()) == rows


def test_a_rule_as_an_entry() -> None:
    """`replace` with nothing is written: it is what the rule does."""
    assert to_entry(Rule("a", find="x")) == {"column": "a", "find": "x", "replace": ""}


@pytest.mark.parametrize(
    "rule",
    [Rule("Remark", find="a", replace="x" * 1_000), Rule("Remark", values={"a": "x" * 1_000})],
    ids=["find", "values"],
)
def test_a_rule_makes_no_cell_longer_than_a_spreadsheet_holds(rule: Rule) -> None:
    """It leaves such a cell as it is. A cell that was longer before may become shorter."""
    step = step_of(rule, ColumnUse("Remark", "preference", "Remark", True), None)
    cells = [";".join(["a"] * count) for count in (32, 33)]
    assert [step(cell)[0] == cell for cell in cells] == [False, True]
    fixing = Fixing(Mapping((ColumnUse("Remark", "preference", "Remark", True),), rules=(rule,)))
    block = block_of(["Remark"], [[cell] for cell in cells])
    assert fixing(block).cells.columns[0][1] == cells[1]
    shorter = step_of(Rule("Remark", find="b"), ColumnUse("Remark"), None)
    assert len(shorter("ab" * 40_000)[0]) == 40_000
