"""The reports by row: one pass over the source writes results and failed rows, counts outcomes and finds causes."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Mapping as Map
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from importer.capillary.codes import lookup
from importer.model import BY_NEWER, OMITTED, OVERTAKEN, Cause, CodeCount, RowCounts, Status, Stretch
from importer.normaliser.mapping import Mapping
from importer.reporter.causes import WRONG, CauseFinder
from importer.reporter.csv_table import CsvTable
from importer.reporter.rows import ReportBlock, ReportSource, blocks, header_of
from importer.reporter.timeline import Timeline
from importer.system.files import Aside, disk_errors, private_folder
from importer.system.garbage import collection_paused
from importer.system.late import late
from importer.system.text import counted

if TYPE_CHECKING:
    from importer.reporter.annotated import Annotations
    from importer.reporter.workbook_table import WorkbookTable

#: Open rows go into the failed file, which can be fixed and imported as it is.
OPEN = frozenset({Status.FAILED, Status.REJECTED, Status.UNKNOWN, Status.UNPROCESSED})


class WrittenReports(msgspec.Struct, frozen=True):
    """What the pass over the source found, and the files (name → path)."""

    counts: RowCounts
    codes: tuple[CodeCount, ...]
    causes: tuple[Cause, ...]
    reports: Map[str, str]
    notes: tuple[str, ...] = ()
    #: When rows were answered, for the chart of summary.html.
    timeline: Timeline | None = None


def write_files(
    folder: Path,
    source: ReportSource,
    outcomes: Iterable[Stretch],
    mapping: Mapping,
    *,
    show_identifiers: bool = False,
) -> WrittenReports:
    """Write `results.csv` and, for open rows, `failed.csv` or `failed.xlsx`, and `annotated.xlsx`. Bounded memory."""
    private_folder(folder)
    finder = CauseFinder(source.columns, mapping, show_identifiers=show_identifiers)
    statuses: Counter[Status] = Counter()
    codes: Counter[str] = Counter()
    omitted = changed = 0
    overtaken: Counter[str] = Counter()
    with disk_errors(folder), _collected_by_blocks() as collect_now:
        results, failed = _Results(folder, source), _Failed(folder, source, mapping)
        annotations = _annotations(folder, source, mapping)
        try:
            for block in blocks(source, outcomes):
                failed.add(block, results.add(block))
                if annotations is not None:
                    annotations.see(block)
                changed += block.changed
                finder.see(block)
                collect_now()
                for stretch in block.stretches:
                    statuses[stretch.outcome.status] += stretch.rows
                    if stretch.outcome.status in WRONG:
                        codes[stretch.outcome.code] += stretch.rows
                    elif stretch.outcome.code in BY_NEWER:
                        overtaken[stretch.outcome.code] += stretch.rows
                    if any(warning.endswith(OMITTED) for warning in stretch.outcome.warnings):
                        omitted += stretch.rows
            causes = finder.causes()
            reports = {
                **results.publish(),
                **failed.publish(finder.timeline.latest, causes),
                **(annotations.publish() if annotations is not None else {}),
            }
        finally:
            results.discard()
            failed.discard()
            if annotations is not None:
                annotations.discard()
    notes = failed.notes
    if annotations is not None and annotations.note and failed.any:
        notes = (*notes, annotations.note)
    if changed:
        cells = counted(changed, "cell was", "cells were")
        notes = (f"{cells} changed by rules or edits: see _fixed in results.csv.", *notes)
    if omitted:
        rows = f"{counted(omitted, 'row was', 'rows were')} sent without an identifier that is not valid"
        notes = (f"{rows}: see _warnings in results.csv.", *notes)
    for code, count in overtaken.items():
        newer = "a newer run" if code == OVERTAKEN else "a later row of the sheet"
        rows = counted(count, "row was", "rows were")
        notes = (f"{rows} left out: {newer} has set other values for the same customer.", *notes)
    return WrittenReports(_counts(statuses), _code_counts(codes), causes, reports, notes, finder.timeline)


@contextmanager
def _collected_by_blocks() -> Iterator[Callable[[], None]]:
    """Pause garbage collection: searching a million outcomes without cycles took 40 % of the time.

    The youngest generation is still collected every 20 blocks, because a caller's DataFrame may create cycles.
    """
    blocks_seen = 0

    def collect_now() -> None:
        nonlocal blocks_seen
        blocks_seen += 1
        if blocks_seen % 20 == 0:
            gc.collect(0)

    with collection_paused():
        yield collect_now


class _Results:
    """Every row, in the source's order."""

    def __init__(self, folder: Path, source: ReportSource) -> None:
        self._aside = Aside(folder, "results.csv")
        self._table = CsvTable(self._aside.path, header_of(source), source.sheet, may_be_fixed=source.may_be_fixed)

    def add(self, block: ReportBlock) -> list[str]:
        return self._table.add(block.cells, block.stretches, block.fixed)

    def publish(self) -> dict[str, str]:
        self._table.close()
        self._aside.publish()
        return {"results.csv": str(self._aside.target)}

    def discard(self) -> None:
        self._table.close()
        self._aside.discard()


class _Failed:
    """The open rows: a workbook for a workbook, otherwise CSV; also CSV for rows that a sheet cannot hold.

    A row with more cells than columns keeps them at its end: until it is fixed it must be rejected again, never sent
    truncated or shifted.
    """

    def __init__(self, folder: Path, source: ReportSource, mapping: Mapping) -> None:
        self._folder, self._source, self._mapping = folder, source, mapping
        self._header = header_of(source)
        self._csv: CsvTable | None = None
        self._book: WorkbookTable | None = None
        self._asides: dict[str, Aside] = {}
        self.notes: tuple[str, ...] = ()

    def add(self, block: ReportBlock, lines: list[str]) -> None:
        positions = [at for at, outcome in block.other.items() if outcome.status in OPEN]
        if not positions:
            return
        table = self._csv or self._begin()
        for at in positions:
            table.add_line(lines[at], block.overflow.get(at, ()))
        if self._book is not None:
            overflow = block.overflow
            self._book.add(
                [[column[at] for at in positions] for column in block.cells],
                [block.other[at] for at in positions],
                {new: overflow[at] for new, at in enumerate(positions) if at in overflow},
                [block.fixed.get(at, "") for at in positions] if self._source.may_be_fixed else (),
            )

    @property
    def any(self) -> bool:
        return self._csv is not None

    def publish(self, at: int, causes: Sequence[Cause]) -> dict[str, str]:
        names: list[str] = []
        if self._csv is not None:
            self._csv.close()
            names.append("failed.csv")
        if self._book is not None:
            self._book.close(at, causes)
            names = ["failed.xlsx", *names] if self._book.left_out else ["failed.xlsx"]
            if self._book.left_out:
                rows = counted(self._book.left_out, "row")
                self.notes = (f"failed.xlsx is without {rows} that a sheet cannot hold; failed.csv has every row.",)
            if self._book.note:
                self.notes = (*self.notes, self._book.note)
        for name in ("failed.csv", "failed.xlsx"):
            if name in names:
                self._asides[name].publish()
            else:  # it may be left from an earlier report of this run
                (self._folder / name).unlink(missing_ok=True)
        return {name: str(self._folder / name) for name in names}

    def discard(self) -> None:
        if self._csv is not None:
            self._csv.close()
        if self._book is not None:
            self._book.discard()
        for aside in self._asides.values():
            aside.discard()

    def _begin(self) -> CsvTable:
        aside = self._asides["failed.csv"] = Aside(self._folder, "failed.csv")
        self._csv = CsvTable(aside.path, self._header, self._source.sheet)
        if self._source.kind == "workbook":
            table: type[WorkbookTable] = late("importer.reporter.workbook_table", "WorkbookTable")
            if len(self._header) <= table.most_columns:
                aside = self._asides["failed.xlsx"] = Aside(self._folder, "failed.xlsx")
                uses = self._mapping.columns
                results = self._header[len(self._source.columns) :]
                self._book = table(aside.path, self._source.columns, results, uses, self._source.sheet, aside.scratch)
        return self._csv


def _annotations(folder: Path, source: ReportSource, mapping: Mapping) -> Annotations | None:
    """Return None where the source is not a workbook."""
    if source.kind != "workbook":
        return None
    make: type[Annotations] = late("importer.reporter.annotated", "Annotations")
    return make(folder, source, mapping)


def _counts(statuses: Map[Status, int]) -> RowCounts:
    return RowCounts(read=sum(statuses.values()), **{status.value: statuses[status] for status in Status})


def _code_counts(codes: Counter[str]) -> tuple[CodeCount, ...]:
    """Return the codes, most frequent first. Ties are sorted by code, so a run always gives the same report."""
    ordered = sorted(codes.items(), key=lambda item: (-item[1], item[0]))
    entries = [(lookup(code), rows) for code, rows in ordered]
    return tuple(CodeCount(entry.code, entry.meaning, entry.advice, rows) for entry, rows in entries)
