"""Sources, outcomes and summaries for the tests of the reporter, and readers of its files."""

from __future__ import annotations

import csv
import datetime
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
import openpyxl
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.worksheet import Worksheet

from importer import reporter
from importer.capillary.codes import lookup
from importer.model import (
    Cause,
    CodeCount,
    Outcome,
    Problem,
    RateSummary,
    RequestCounts,
    RowCounts,
    RunSummary,
    SourceSummary,
    Status,
    Stretch,
    TargetSummary,
)
from importer.normaliser.mapping import ColumnUse, Mapping, propose
from importer.reader import SourceOptions, open_source
from importer.reader.header import read_header
from importer.reporter import WrittenReports
from importer.reporter.rows import ReportSource
from importer.reporter.timeline import Timeline
from importer.row_block import Cells, RowBlock


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
        self.file = Path(path)
        self.header_row = 1
        self.may_be_fixed = False
        self.header = read_header(path, 1, columns, [])
        numbers = list(row_numbers) if row_numbers is not None else list(range(2, len(rows) + 2))
        by_column = [[row[place] for row in rows] for place in range(len(columns))]
        self._block = RowBlock(Cells(by_column, self.columns, numbers), tuple(problems))

    def blocks(self, rows: int = 5000) -> Iterator[RowBlock]:
        count = len(self._block)
        for start in range(0, count, rows):
            yield self._block.only([start <= at < start + rows for at in range(count)])


def write_files(
    folder: Path, source: ReportSource, outcomes: Iterable[Outcome], columns: Mapping, **options: Any
) -> WrittenReports:
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


def read_xlsx(path: Path) -> list[list[Any]]:
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


AT = 1_795_399_200_123


def uploaded(path: Path, change: Callable[[Worksheet], None] = lambda sheet: None) -> Path:
    """A workbook with what people have in theirs: a title, formats, widths, formulas, a validation, a second sheet."""
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "Customers"
    sheet["A1"] = "Preferences of October"
    sheet["A1"].font = Font(size=18, bold=True, color="FF0000FF")
    sheet.append([])
    sheet.append(["Mobile", "E-mail", "Store Code", "Brand", "Points"])
    for n in range(6):
        sheet.append([919844000000 + n, f"a{n}@example.com", "S1", "Puma", None])
        sheet.cell(4 + n, 1).number_format = "0"
        sheet.cell(4 + n, 5).value = f"=A{4 + n}*2"
    sheet["D4"].fill = PatternFill("solid", start_color="FF00FF00")
    sheet["D5"].alignment = Alignment(horizontal="right")
    sheet.column_dimensions["B"].width = 33
    validation = DataValidation(type="list", formula1='"Puma,Nike"')
    validation.add("D4:D9")
    sheet.add_data_validation(validation)
    other = book.create_sheet("Rates")
    other["A1"], other["A2"], other["A3"] = datetime.date(2026, 3, 9), 0.5, "=A2*2"
    other["A2"].number_format = "0.0%"
    hidden = book.create_sheet("Notes")
    hidden.sheet_state = "hidden"
    change(sheet)
    book.save(path)
    return path


def report_on(folder: Path, path: Path, outcomes: list[Outcome]) -> WrittenReports:
    with open_source(path, SourceOptions(sheet="Customers")) as source:
        return write_files(folder, source, outcomes, propose(source.columns))


def outcomes(**status: Outcome) -> list[Outcome]:
    """All rows succeeded but those given as `r5=…`."""
    return [status.get(f"r{n}", Outcome(n, Status.SUCCEEDED, "1000", attempts=1, at=AT)) for n in range(4, 10)]


def failed_row(row: int, code: str, **more: object) -> Outcome:
    return Outcome(row, Status.FAILED, code, attempts=1, at=AT, **more)  # type: ignore[arg-type]


def failed_summary(**changes: object) -> RunSummary:
    entry = lookup("816")
    return summary(
        **{
            "exit_code": 3,
            "rows": RowCounts(read=120, succeeded=80, failed=21, rejected=17, unknown=2),
            "requests": RequestCounts(sent=9, retried=4, split=1, throttled=2),
            "codes": (CodeCount("816", entry.meaning, entry.advice, 21),),
            "causes": (Cause("21 rows failed: <b>customer</b> not found.", "Check & fix.", 21, (4, 9, 12)),),
            "repairs": {"spaces_removed": 31},
            "notes": ("The sheet “Notes” is hidden.",),
            "reports": {
                name: f"/r/run/{name}" for name in ("results.csv", "failed.xlsx", "summary.html", "summary.json")
            },
            **changes,
        }
    )


def timeline(seconds: int = 30) -> Timeline:
    found = Timeline()
    for second in range(seconds):
        status = Status.FAILED if second % 5 == 0 else Status.SUCCEEDED
        found.see([Stretch(Outcome(2, status, "816", attempts=1, at=AT + second * 1000), 100)])
    return found
