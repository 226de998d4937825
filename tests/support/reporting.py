"""A source in memory and a few ways to read the reports back, for the tests of the reporter."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
import openpyxl
import pandas as pd

from importer import reporter
from importer.model import (
    Outcome,
    Problem,
    RateSummary,
    RequestCounts,
    RowCounts,
    RunSummary,
    SourceSummary,
    Stretch,
    TargetSummary,
)
from importer.normaliser.mapping import ColumnUse, Mapping
from importer.reporter import Written
from importer.reporter.rows import Rows
from importer.row_block import RowBlock


class Sheet:
    """What a reader would give for a table of these columns and rows; the header is row 1."""

    def __init__(
        self,
        columns: Sequence[str],
        rows: Sequence[Sequence[str]],
        kind: Literal["text", "workbook", "frame"] = "text",
        sheet: str = "",
        row_numbers: Sequence[int] | None = None,
        problems: Sequence[Problem] = (),
        path: str = "customers.csv",
    ) -> None:
        self.path, self.kind, self.sheet, self.columns = path, kind, sheet, tuple(columns)
        self.header_row = 1
        numbers = list(row_numbers) if row_numbers is not None else list(range(2, len(rows) + 2))
        self._frame = pd.DataFrame([list(row) for row in rows], columns=list(columns), index=numbers, dtype=str)
        self._problems = tuple(problems)

    def blocks(self, rows: int = 5000) -> Iterator[RowBlock]:
        for start in range(0, len(self._frame), rows):
            frame = self._frame.iloc[start : start + rows]
            numbers = set(frame.index.tolist())
            yield RowBlock(frame, tuple(problem for problem in self._problems if problem.row_number in numbers))


def write_files(folder: Path, source: Rows, outcomes: Iterable[Outcome], columns: Mapping, **options: Any) -> Written:
    """The reports of outcomes that stand one by one: neighbours that share theirs go in together, as a journal's do."""
    return reporter.write_files(folder, source, stretches(outcomes), columns, **options)


def stretches(outcomes: Iterable[Outcome]) -> Iterator[Stretch]:
    waiting: Stretch | None = None
    for outcome in outcomes:
        if waiting is not None and outcome == msgspec.structs.replace(
            waiting.outcome, row_number=waiting.outcome.row_number + waiting.rows
        ):
            waiting = Stretch(waiting.outcome, waiting.rows + 1)
            continue
        if waiting is not None:
            yield waiting
        waiting = Stretch(outcome)
    if waiting is not None:
        yield waiting


def mapping(**fields: str) -> Mapping:
    """`mapping(Mobile="mobile", Brand="preference")`; underscores in names stand for spaces."""
    uses = []
    for name, field in fields.items():
        column = name.replace("_", " ")
        uses.append(ColumnUse(column, field, column if field == "preference" else ""))
    return Mapping(tuple(uses))


def read_csv(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


def read_xlsx(path: Path) -> list[list[str]]:
    book = openpyxl.load_workbook(path)
    try:
        return [
            ["" if cell is None else cell for cell in row] for row in book.worksheets[0].iter_rows(values_only=True)
        ]
    finally:
        book.close()


def by_row(table: list[list[str]]) -> dict[int, dict[str, str]]:
    header, *rows = table
    return {int(row[header.index("_row")]): dict(zip(header, row, strict=False)) for row in rows}


def summary(**changes: object) -> RunSummary:
    """A summary of a small finished run, with changes."""
    usual: dict[str, object] = {
        "run_id": "20261123-0200-customers-7f3a",
        "source": SourceSummary("/data/customers.xlsx", "0" * 64, ("Customers",)),
        "target": TargetSummary("https://eu.api.capillarytech.com"),
        "started_at": "2026-11-23T02:00:00.000Z",
        "finished_at": "2026-11-23T02:00:31.000Z",
        "exit_code": 0,
        "rows": RowCounts(read=500, succeeded=500),
        "requests": RequestCounts(sent=5),
        "codes": (),
        "causes": (),
        "rate": RateSummary("100/minute", 9.7),
        "duration_seconds": 31.0,
        "reports": {},
    }
    return RunSummary(**{**usual, **changes})  # type: ignore[arg-type]
