"""The rows of a source as plain lists, for tests."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from importer.reader import Source, SourceOptions, open_source
from importer.reader.frame import FrameSource
from importer.row_block import RowBlock

Rows = list[tuple[int, list[str]]]


def table_of(block: RowBlock) -> list[list[str]]:
    """The cells of a block, row by row."""
    return [list(cells) for cells in zip(*block.cells.columns, strict=True)]


def rows_of(source: Source, size: int = 5000) -> tuple[Rows, list[tuple[int, str | None, str]]]:
    """All rows and problems of a source."""
    rows: Rows = []
    problems: list[tuple[int, str | None, str]] = []
    for block in source.blocks(size):
        assert 0 < len(block) <= size
        assert tuple(block.cells.names) == source.columns
        found = list(zip(block.row_numbers, table_of(block), strict=True))
        assert {type(cell) for _, cells in found for cell in cells} <= {str}
        assert {problem.row_number for problem in block.problems} <= {number for number, _ in found}
        rows += found
        problems += [(problem.row_number, problem.column, problem.code) for problem in block.problems]
    return rows, problems


def source_of(where: Path | pd.DataFrame, options: SourceOptions | None = None) -> Source:
    """A file or a data frame as a source."""
    return FrameSource(where) if isinstance(where, pd.DataFrame) else open_source(where, options or SourceOptions())


def read(where: Path | pd.DataFrame, **options: object) -> tuple[Rows, list[tuple[int, str | None, str]]]:
    """Open, read all, close."""
    with source_of(where, SourceOptions(**options)) as source:  # type: ignore[arg-type]
        return rows_of(source)
