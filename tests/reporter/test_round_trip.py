"""A failed file can be fixed and imported as it is; without a fix it fails in the same way."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from importer.model import Outcome, Problem, Status
from importer.normaliser.mapping import Mapping, propose
from importer.normaliser.normaliser import Normaliser
from importer.reader import open_source
from tests.support.reading import source_of, table_of
from tests.support.reporting import write_files

SAMPLES = Path(__file__).parents[2] / "samples"


def refused(path: Path) -> list[Problem]:
    """The first problem of each row that we reject, by row."""
    with open_source(path) as source:
        normaliser = Normaliser(propose(source.columns))
        done = [*(normaliser(block) for block in source.blocks()), normaliser.finish()]
        first: dict[int, Problem] = {}
        for part in done:
            for problem in part.problems:
                first.setdefault(problem.row_number, problem)
    return [first[number] for number in sorted(first)]


def report(path: Path, folder: Path, problems: list[Problem]) -> Path:
    """The failed file of a run in which these rows were rejected and the others succeeded."""
    rejected = {
        problem.row_number: Outcome(
            problem.row_number,
            Status.REJECTED,
            problem.code,
            problem.message,
            problem.advice,
            (problem.column,) if problem.column else (),
        )
        for problem in problems
    }
    with open_source(path) as source:
        numbers = [number for block in source.blocks() for number in block.row_numbers]
        outcomes = [rejected.get(number, Outcome(number, Status.SUCCEEDED, "1000")) for number in numbers]
        written = write_files(folder, source, outcomes, propose(source.columns))
    return Path(written.reports.get("failed.xlsx") or written.reports["failed.csv"])


def test_a_message_with_control_characters_leaves_its_row_importable(tmp_path: Path) -> None:
    """Only mapped columns are judged, and no control character of a server is written, also of earlier runs."""
    source = tmp_path / "a.csv"
    source.write_text("Mobile,Brand,Remarks\n919844000001,Puma,ok\n919844000002,Nike,ok\n", encoding="utf-8")
    message = "No\x1b[31m such\x9b1m\x00 \u202ecustomer\r\n"
    outcomes = [Outcome(n, Status.FAILED, "816", message, warnings=(message,), request_id=message) for n in (2, 3)]
    with open_source(source) as opened:
        written = write_files(tmp_path, opened, outcomes, propose(opened.columns))
    failed = Path(written.reports["failed.csv"])
    text = failed.read_text("utf-8-sig")
    assert text.replace("\n", "").isprintable()
    assert refused(failed) == []
    # As a person adds the words of the server elsewhere, or a report of an earlier version has them.
    failed.write_text(text.replace("No such customer", "No\x1b[31m such\x9b1m customer"), encoding="utf-8-sig")
    assert refused(failed) == []
    failed.write_text(text.replace("ok", "o\x1bk").replace("Nike", "Ni\x1bke"), encoding="utf-8-sig")
    with open_source(failed) as opened:
        columns = [column for column in propose(opened.columns).columns if column.column != "Remarks"]
        normaliser = Normaliser(Mapping(tuple(columns)))
        done = [*(normaliser(block) for block in opened.blocks()), normaliser.finish()]
    assert [(p.row_number, p.column, p.code) for d in done for p in d.problems] == [(3, "Brand", "control_character")]


RAGGED = "Mobile,Brand,Size\n919844000001,Puma,M\n919844000002,Pu,ma,M\n919844000003,Bata\n919844,Nike,S\n"


@pytest.mark.parametrize("name", ["messy.xlsx", "ragged.csv"])
def test_without_a_fix_every_row_is_refused_again_for_the_same_reason(tmp_path: Path, name: str) -> None:
    """No row is accepted only because a report could not show what was wrong with it."""
    path = SAMPLES / name
    if name == "ragged.csv":
        path = tmp_path / name
        path.write_text(RAGGED)
    before = refused(path)
    assert before
    after = refused(report(path, tmp_path / "run", before))
    # An error cannot be written as text, and no row of a report is short: a word beside the row stands for it.
    cells = {"error_cell": "nameless_cell", "short_row": "ragged_row"}
    assert Counter(cells.get(p.code, p.code) for p in after) == Counter(cells.get(p.code, p.code) for p in before)


CELLS = st.text(
    st.one_of(
        st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), st.sampled_from("=+-@'\"\t,;_x0041_\n<>&019 ")
    ),
    max_size=10,
)


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=6))
def test_failed_files_give_back_the_cells_of_any_source(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str]]
) -> None:
    """Formulas, leading zeros, quotes, newlines, emoji: for CSV and for workbooks, through our own reader."""
    folder = tmp_path_factory.mktemp("run")
    frame = pd.DataFrame([("91984", *row) for row in rows], columns=["Mobile", "a", "b", "c"], dtype=object)
    first = _cells(frame)
    csv = _report_of(frame, folder / "csv")
    assert _cells(csv) == first
    xlsx = folder / "source.xlsx"
    frame.to_excel(xlsx, index=False, engine="xlsxwriter", engine_kwargs={"options": {"strings_to_formulas": False}})
    first = _cells(xlsx)
    assert _cells(_report_of(xlsx, folder / "xlsx")) == first


def _cells(where: Path | pd.DataFrame) -> list[list[str]]:
    with source_of(where) as source:
        return [row for block in source.blocks() for row in table_of(block)]


def _report_of(where: Path | pd.DataFrame, folder: Path) -> Path:
    with source_of(where) as source:
        numbers = [number for block in source.blocks() for number in block.row_numbers]
        outcomes = [Outcome(number, Status.FAILED, "816", attempts=1, at=1) for number in numbers]
        written = write_files(folder, source, outcomes, propose(source.columns))
    return Path(written.reports.get("failed.xlsx") or written.reports["failed.csv"])
