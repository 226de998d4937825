"""Rows that hold only formulas without stored values are accounted, wherever they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from importer.errors import SourceError
from importer.reader import SourceOptions, open_source
from tests.support.raw_xlsx import parts_of, text_cell, write_parts
from tests.support.reading import read

HEADER = ("mobile", "Brand")
DATA = ("919800000001", "red")
FORMULAS = None


def _book(path: Path, rows: list[tuple[str, ...] | None], prefix: str = "") -> Path:
    """A workbook with these rows; None is a row of two formulas, as openpyxl writes them."""
    xml = ""
    for number, cells in enumerate(rows, 1):
        written = (
            "".join(f'<c r="{letter}{number}"><f>X{number}</f><v /></c>' for letter in "AB")
            if cells is None
            else "".join(text_cell(f"{letter}{number}", cell) for letter, cell in zip("AB", cells, strict=False))
        )
        xml += f'<row r="{number}">{written}</row>'
    return write_parts(path / "a.xlsx", parts_of(xml, prefix=prefix))


@pytest.mark.parametrize("prefix", ["", "x"])
@pytest.mark.parametrize(
    "below",
    [
        [FORMULAS, DATA],
        [DATA, FORMULAS, DATA],
        [DATA, FORMULAS],
        [FORMULAS, FORMULAS],
        [DATA, *[FORMULAS] * 3000, DATA, *[FORMULAS] * 3000],
    ],
    ids=["first", "between", "last", "all", "whole blocks"],
)
def test_rows_of_formulas_without_values_are_accounted(
    below: list[tuple[str, ...] | None], prefix: str, tmp_path: Path
) -> None:
    """Each is a row with a problem in each of its cells; the rows around it keep their numbers."""
    rows, problems = read(_book(tmp_path, [HEADER, *below], prefix))
    assert rows == [(number, list(cells or ("", ""))) for number, cells in enumerate(below, 2)]
    without = [number for number, cells in enumerate(below, 2) if cells is None]
    assert problems == [(row, column, "formula_without_value") for row in without for column in HEADER]


@pytest.mark.parametrize("prefix", ["", "x"])
@pytest.mark.parametrize(
    "rows",
    [[FORMULAS, FORMULAS], [FORMULAS], [FORMULAS, DATA, DATA], [FORMULAS, ("C-1", "red"), ("C-2", "red")]],
    ids=["whole sheet", "one row", "header", "header above ids"],
)
def test_a_header_of_formulas_without_values_is_refused(
    rows: list[tuple[str, ...] | None], prefix: str, tmp_path: Path
) -> None:
    """Without its names, the first customer would be taken for the header."""
    with pytest.raises(SourceError, match="not stored"):
        open_source(_book(tmp_path, rows, prefix))


def test_a_formula_in_the_title_is_no_header(tmp_path: Path) -> None:
    """A date above the table is ignored like any title."""
    xml = '<row r="1"><c r="A1"><f>TODAY()</f></c></row>' + "".join(
        f'<row r="{number}">{text_cell(f"A{number}", one)}{text_cell(f"B{number}", other)}</row>'
        for number, (one, other) in enumerate([HEADER, DATA], 3)
    )
    file = write_parts(tmp_path / "a.xlsx", parts_of(xml))
    assert read(file) == ([(4, list(DATA))], [])
    with open_source(file, SourceOptions(header_row=3)) as source:
        assert source.columns == HEADER
