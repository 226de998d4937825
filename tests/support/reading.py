"""The rows of a source as plain lists."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from importer.reader import Source, SourceOptions, open_source

Rows = list[tuple[int, list[str]]]


def rows_of(source: Source, size: int = 5000) -> tuple[Rows, list[tuple[int, str | None, str]]]:
    """All rows and problems of a source."""
    rows: Rows = []
    problems: list[tuple[int, str | None, str]] = []
    for block in source.blocks(size):
        assert 0 < len(block.frame) <= size
        assert tuple(block.frame.columns) == source.columns
        assert {str(kind) for kind in block.frame.dtypes} <= {"object"}
        found = list(zip(map(int, block.frame.index), block.frame.to_numpy().tolist(), strict=True))
        assert {problem.row_number for problem in block.problems} <= {number for number, _ in found}
        rows += found
        problems += [(problem.row_number, problem.column, problem.code) for problem in block.problems]
    return rows, problems


def read(where: Path | pd.DataFrame, **options: object) -> tuple[Rows, list[tuple[int, str | None, str]]]:
    """Open, read all, close."""
    with open_source(where, SourceOptions(**options)) as source:  # type: ignore[arg-type]
        return rows_of(source)
