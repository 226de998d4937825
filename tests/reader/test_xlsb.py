"""Binary workbooks: the same cells as calamine reads, and what calamine does not report."""

from __future__ import annotations

from pathlib import Path

import pytest
import python_calamine
from hypothesis import given, settings
from hypothesis import strategies as st

from importer.reader import open_source
from importer.reader.cell_text import cell_text
from tests.support.reading import read
from tests.support.xlsb_writer import write_xlsb

FORMATS = ("0000000000", "dd/mm/yyyy hh:mm", "[h]:mm:ss")


def test_formats_errors_and_merged_cells(tmp_path: Path) -> None:
    """Leading zeros, dates, durations, booleans, errors and merged cells are reported. Hidden sheets are not read."""
    file = tmp_path / "a.xlsb"
    rows: dict[int, list[object]] = {
        1: ["mobile", "brand", "day", "ok"],
        2: [774487641, 0.1 + 0.2, 46090.0 + 14.5 / 24, True],
        4: [917744876415, "#N/A", 1.25, False],
        5: ["007", b"a\nb", None, None],
        6: [None, None, None, None],
        7: [-5, 1e-5, "x", None],
    }
    styled = {(2, 0): 1, (2, 2): 2, (4, 2): 3}
    write_xlsb(file, rows, formats=FORMATS, styled=styled, merged=((5, 7, 3, 3),), hidden_second=True)
    assert read(file) == (
        [
            (2, ["0774487641", "0.3", "2026-03-09 14:30:00", "true"]),
            (4, ["917744876415", "#N/A", "30:00:00", "false"]),
            (5, ["007", "a\nb", "", ""]),
            (7, ["-5", "0.00001", "x", ""]),
        ],
        [(4, "brand", "error_cell"), (5, None, "merged_cells"), (7, None, "merged_cells")],
    )
    with open_source(file) as source:
        assert source.sheet == "Data"


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.lists(
            st.one_of(
                st.none(),
                st.booleans(),
                st.integers(-(10**14), 10**14),
                st.floats(-1e15, 1e15).map(lambda number: float(format(number, ".15g"))),
                st.text(st.characters(min_codepoint=32, blacklist_categories=("Cs", "Cn", "Cc")), min_size=1).filter(
                    lambda text: bool(text.strip()) and not text.startswith("#")
                ),
            ),
            min_size=3,
            max_size=3,
        ),
        max_size=8,
    )
)
def test_calamine_reads_the_same(tmp_path_factory: object, rows: list[list[object]]) -> None:
    """Cell for cell."""
    file = tmp_path_factory.mktemp("xlsb") / "a.xlsb"  # type: ignore[attr-defined]
    write_xlsb(file, {1: ["mobile", "brand", "size"], **dict(enumerate(rows, 2))})
    sheet = python_calamine.CalamineWorkbook.from_path(str(file)).get_sheet_by_index(0)
    theirs = [(number, [cell_text(cell) for cell in row]) for number, row in enumerate(sheet.iter_rows(), 1)]
    ours, _ = read(file, header_row=1)
    assert ours == [row for row in theirs[1:] if any(map(str.strip, row[1]))]
