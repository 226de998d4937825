"""The rows that need a decision, the edits with their history, and the judge, without a page."""

from __future__ import annotations

import csv
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from importer.model import LEFT_OUT
from importer.normaliser.fixing import Edits
from importer.normaliser.mapping import ColumnUse, Mapping
from importer.normaliser.rules import Rule
from importer.settings.options import Settings
from importer.web.fixing import edits as edit_store
from importer.web.fixing import problem_rows
from importer.web.fixing.edits import EditStore, edits_in
from importer.web.fixing.judge import Judge
from importer.web.fixing.problem_rows import OPEN, OUT, READY, Group, ProblemRows
from importer.web.fixing.ruling import ruling_of, with_ruling
from importer.web.messages import WorkerTask
from importer.web.worker import checked
from importer.world import World

ROWS = [
    ("+919876543210", "a@example.com", "Blue"),
    ("+919876543211", "x@", "Blue"),
    ("12", "y@", "Blue"),
    ("Ph: +919876543213", "", "Blue"),
    ("", "", "Blue"),
    ("1.23457E+11", "", "Blue"),
]
MAPPING = """
[columns]
Mobile = "mobile"
Email = "email"
Colour = "preference"

[[rules]]
column = "Mobile"
strip = ["Ph:"]
"""


def check(folder: Path, *, rules: str = "") -> None:
    """The check of the page, as its worker does it."""
    source = folder / "rows.csv"
    with source.open("w", newline="") as file:
        csv.writer(file).writerows([("Mobile", "Email", "Colour"), *ROWS])
    (folder / "mapping.toml").write_text(MAPPING + rules)
    settings = Settings(sandbox=True, mapping=str(folder / "mapping.toml"))
    result = checked(WorkerTask("check", settings, path=str(source), folder=str(folder)), World({}))
    assert result.findings is not None, result.fault


@pytest.fixture
def rows(tmp_path: Path) -> Iterator[ProblemRows]:
    check(tmp_path)
    with closing(ProblemRows(tmp_path)) as found:
        yield found


def test_a_check_keeps_the_rows_with_problems(rows: ProblemRows, tmp_path: Path) -> None:
    """Each with its cells as the file has them, in groups by column and code. No other user can read them."""
    assert rows.states() == (4, 0, 0)
    assert rows.groups() == [
        Group("Email", "email_invalid", 2),
        Group("", "no_identifier", 1),
        Group("Mobile", "mobile_cut_by_excel", 1),
        Group("Mobile", "mobile_too_short", 1),
    ]
    assert rows.page(10) == [3, 4, 6, 7] and rows.page(2, 3) == [4, 6]
    assert rows.page(10, column="Email", code="email_invalid") == [3, 4]
    assert rows.page(10, column="Mobile") == [4, 7] and rows.page(10, code="no_identifier") == [6]
    assert rows.stored([4])[4].cells == ("12", "y@", "Blue")
    assert stat.S_IMODE((tmp_path / problem_rows.FILE).stat().st_mode) == 0o600
    assert not (tmp_path / f"{problem_rows.FILE}.new").exists()


def test_an_edited_row_is_judged_at_once(rows: ProblemRows) -> None:
    """By the normaliser of the run; the groups and the totals follow."""
    judge = Judge(rows.judged_as())
    (row,) = judge.rows(rows.stored([4]), Edits({4: {"Mobile": "+919876543212"}}))
    assert (row.state, [one.code for one in row.problems]) == (OPEN, ["email_invalid"])
    (row,) = judge.rows(rows.stored([4]), Edits({4: {"Mobile": "+919876543212", "Email": ""}}))
    assert row.state == READY and row.customer is not None and row.customer.mobile == "919876543212"
    assert row.fixed == {"Mobile": "12", "Email": "y@"}
    rows.settle(4, row.state, row.problems)
    assert rows.states() == (3, 1, 0)
    assert {(group.column, group.code): group.rows for group in rows.groups()} == {
        ("Email", "email_invalid"): 1,
        ("", "no_identifier"): 1,
        ("Mobile", "mobile_cut_by_excel"): 1,
    }
    (row,) = judge.rows(rows.stored([4]), Edits(left_out=frozenset({4})))
    assert (row.state, [one.code for one in row.problems]) == (OUT, [LEFT_OUT])


def test_the_next_check_knows_the_edits(tmp_path: Path) -> None:
    """Edited and left-out rows stay in reach, and what the file has is what an edit is taken back to."""
    check(tmp_path)
    with closing(EditStore(tmp_path)) as store:
        store.change([(4, "Mobile", "+919876543212"), (4, "Email", ""), (7, "Mobile", "+919876543214")])
        store.change([(6, "", "")])
    check(tmp_path, rules='\n[[rules]]\ncolumn = "Email"\nleave_out = ["email_invalid"]\n')
    with closing(ProblemRows(tmp_path)) as rows:
        assert rows.states() == (0, 2, 2)
        judge = Judge(rows.judged_as())
        assert [row.state for row in judge.rows(rows.stored([3, 4, 6, 7]), Edits())] == [OUT, OUT, OPEN, OPEN]
        assert rows.stored([7])[7].cells[0] == "1.23457E+11"


# -- the history ----------------------------------------------------------------------------------------------------


def test_a_step_is_undone_and_done_again_as_a_whole(tmp_path: Path) -> None:
    with closing(EditStore(tmp_path)) as store:
        assert store.can() == (False, False) and store.undo() is store.redo() is None
        assert store.change([(2, "a", "x"), (3, "a", "y")]) == {2, 3}
        assert store.change([(3, "", "")]) == {3}
        assert store.change([(2, "a", "x")]) == set()  # no change, no step
        for rows in ({3}, {2, 3}):
            undone = store.undo()
            assert undone is not None and undone.rows == rows
        assert store.edits() == Edits()
        redone = store.redo()
        assert redone is not None and redone.rows == {2, 3} and store.can() == (True, True)
        assert store.change([(2, "a", None)]) == {2}
        assert store.can() == (True, False) and store.edits() == Edits({3: {"a": "y"}})
    assert edits_in(tmp_path) == Edits({3: {"a": "y"}})
    assert stat.S_IMODE((tmp_path / edit_store.FILE).stat().st_mode) == 0o600


@given(
    st.lists(
        st.one_of(
            st.lists(
                st.tuples(st.integers(2, 4), st.sampled_from("ab"), st.sampled_from(["x", "y", None])), max_size=3
            ),
            st.sampled_from(["undo", "redo"]),
        ),
        max_size=12,
    )
)
def test_any_history_is_that_of_a_list_of_states(
    tmp_path_factory: pytest.TempPathFactory, steps: list[list[tuple[int, str, str | None]] | str]
) -> None:
    """Against the plainest history: all states in a list, and a place in it."""
    states: list[dict[tuple[int, str], str]] = [{}]
    at = 0
    with closing(EditStore(tmp_path_factory.mktemp("edits"))) as store:
        for step in steps:
            if step == "undo":
                store.undo()
                at = max(at - 1, 0)
            elif step == "redo":
                store.redo()
                at = min(at + 1, len(states) - 1)
            else:
                assert not isinstance(step, str)
                once = {(row, column): text for row, column, text in step}
                store.change([(row, column, text) for (row, column), text in once.items()])
                state = {**states[at], **{key: text for key, text in once.items() if text is not None}}
                state = {key: text for key, text in state.items() if once.get(key, "") is not None}
                if state != states[at]:
                    states[at + 1 :] = [state]
                    at += 1
            found = {(row, name): text for row, cells in store.edits().cells.items() for name, text in cells.items()}
            assert found == states[at]
            assert store.can() == (at > 0, at < len(states) - 1)


_RULES = [Rule("Mobile", first=True), Rule("Email", omit=True), Rule("Colour", empty=("-",))]


@given(st.data())
def test_rules_are_undone_in_any_mapping(data: st.DataObject) -> None:
    """In the mapping that they made, exactly; in one that was changed since, only what the step changed."""
    some = st.lists(st.sampled_from(_RULES), unique_by=str).map(tuple)
    lists = st.sampled_from([None, "", ";"])
    uses = (ColumnUse("Mobile", "mobile"), ColumnUse("Email", "email"), ColumnUse("Colour", "preference", "Colour"))

    def drawn() -> Mapping:
        separator = data.draw(lists)
        made = replace(uses[2], is_list=separator is not None, separator=separator or "")
        return Mapping((*uses[:2], made), rules=data.draw(some))

    before, after, now = drawn(), drawn(), drawn()
    step = ruling_of(before), ruling_of(after)
    assert with_ruling(before, *step) == after and with_ruling(after, *step[::-1]) == before
    found = with_ruling(now, *step)
    added, gone = set(map(str, after.rules)) - set(map(str, before.rules)), set(map(str, before.rules))
    gone -= set(map(str, after.rules))
    expected = (set(map(str, now.rules)) - gone) | added
    assert set(map(str, found.rules)) == expected and len(found.rules) == len(expected)
    ignored = replace(now, columns=(uses[0], replace(uses[1], field="ignored"), replace(uses[2], field="ignored")))
    again = with_ruling(ignored, *step)
    assert not again.columns[2].is_list and (_RULES[1] in again.rules) <= (_RULES[1] in now.rules)


def test_no_query_of_a_page_reads_all_rows(rows: ProblemRows) -> None:
    """Each finds its rows by an index in their order, whatever the number of rows."""
    asked: list[str] = []
    rows._db.set_trace_callback(asked.append)
    rows.page(50, 4)
    rows.page(50, 4, state=READY)
    rows.page(50, 4, column="Email", code="email_invalid")
    rows.page(50, 4, column="Email")
    rows.page(50, 4, code="email_invalid")
    rows.stored([3, 4])
    rows.problems([3, 4])
    rows.settle(4, READY, ())
    rows._db.set_trace_callback(None)
    asked = [query for query in asked if query.split()[0] in ("SELECT", "UPDATE", "DELETE")]
    assert len(asked) > 8
    for query in asked:
        plan = [line[3] for line in rows._db.execute(f"EXPLAIN QUERY PLAN {query}")]
        assert not [step for step in plan if step.startswith("SCAN") or "ORDER BY" in step], (query, plan)
