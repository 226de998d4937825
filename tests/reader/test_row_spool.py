"""A workbook is parsed once: what its rows are read from later gives the same rows."""

from __future__ import annotations

from pathlib import Path

import pytest
import xlsxwriter

from importer.reader import SourceOptions, open_source, row_spool, workbook
from importer.reader.row_spool import RowSpool
from importer.reader.workbook_messages import SheetRequest
from tests.support.corpus import CASES, Case
from tests.support.reading import rows_of

WORKBOOKS = [case for case in CASES if case.file.endswith((".xlsx", ".ods", ".xls", ".xlsb")) and not case.error]


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the sources for which a child was started."""
    started: list[str] = []
    child = workbook._Child

    class Counted(child):  # type: ignore[misc, valid-type]
        def __init__(self, name: str, job: SheetRequest) -> None:
            started.append(name)
            super().__init__(name, job)

    monkeypatch.setattr(workbook, "_Child", Counted)
    return started


@pytest.mark.slow
@pytest.mark.parametrize("case", WORKBOOKS, ids=lambda case: case.name)
def test_rows_that_are_read_again_are_the_same(case: Case, tmp_path: Path, children: list[str]) -> None:
    """Rows, problems and notes, in blocks of another size too, from one child."""
    file = tmp_path / case.file
    case.make(file)
    with open_source(file, SourceOptions(**case.options)) as source:  # type: ignore[arg-type]
        first, notes = rows_of(source), source.notes
        assert rows_of(source) == rows_of(source, 1) == first
        assert source.notes == notes
        assert len(children) == (source.kind == "workbook")


def book(folder: Path, rows: int) -> Path:
    file = folder / "a.xlsx"
    made = xlsxwriter.Workbook(file)
    sheet = made.add_worksheet()
    for number in range(rows + 1):
        sheet.write_row(number, 0, ["mobile", "brand"] if number == 0 else [f"91{number}", "nike"])
    made.close()
    return file


def test_a_reading_that_stops_early_leaves_nothing_out(tmp_path: Path, children: list[str]) -> None:
    """What the first reading did not reach is parsed by the next."""
    with open_source(book(tmp_path, 3000)) as source:
        assert len(next(source.blocks(10))) == 10
        first = rows_of(source)
        assert len(first[0]) == 3000
        assert rows_of(source) == first
    assert len(children) == 2


def test_two_readings_may_alternate(tmp_path: Path) -> None:
    """Each has its own position."""
    with open_source(book(tmp_path, 3000)) as source:
        rows_of(source)
        one, other = source.blocks(1000), source.blocks(1000)
        numbers = [block.row_numbers for pair in zip(one, other, strict=True) for block in pair]
    assert numbers[0::2] == numbers[1::2]


def test_without_space_the_sheet_is_parsed_again(
    tmp_path: Path, children: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk stops no import of a workbook."""
    monkeypatch.setattr(row_spool, "_MOST", 1000)
    with open_source(book(tmp_path, 3000)) as source:
        first = rows_of(source)
        assert rows_of(source) == first
    assert len(children) == 2


def test_a_spool_that_is_not_complete_is_not_used() -> None:
    """Rows may follow."""
    spool = RowSpool()
    spool.add(b"x")
    assert not spool.is_whole
    spool.complete = True
    assert spool.is_whole
    spool.close()
    assert not spool.is_whole
