"""Join the elements of a sheet that have one row number: some programs write an element per cell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import zip_longest

from importer.reader.sheet_xml import UnreadableWorkbook
from importer.reader.workbook_messages import SheetRows


def joined_rows(batches: Iterable[SheetRows]) -> Iterator[SheetRows]:
    """The same rows, in their order, where elements with one row number are one row."""
    held = SheetRows([], [])
    for batch in batches:
        if not batch.numbers:
            continue
        if held.numbers and held.numbers[-1] == batch.numbers[0]:
            held, batch = _moved(held, batch)
        if len(set(batch.numbers)) < len(batch.numbers):
            batch = _merged(batch)
        if held.numbers:
            yield held
        held = batch
    if held.numbers:
        yield held


def _moved(one: SheetRows, other: SheetRows) -> tuple[SheetRows, SheetRows]:
    """The same rows with the last one of the first batch in front of the second."""
    last = one.numbers[-1]
    columns = [
        [before[-1], *after]
        for before, after in zip_longest(one.columns, other.columns, fillvalue=[""] * max(1, len(other.numbers)))
    ]
    problems = [problem for problem in one.problems if problem[0] == last] + other.problems
    kept = [problem for problem in one.problems if problem[0] < last]
    return SheetRows(one.numbers[:-1], [column[:-1] for column in one.columns], kept), SheetRows(
        [last, *other.numbers], columns, problems
    )


def _merged(batch: SheetRows) -> SheetRows:
    places = {number: at for at, number in enumerate(dict.fromkeys(batch.numbers))}
    columns = []
    for column in batch.columns:
        cells = [""] * len(places)
        for number, cell in zip(batch.numbers, column, strict=True):
            if cell and cells[places[number]]:
                raise UnreadableWorkbook("is damaged: a cell occurs twice")
            if cell:
                cells[places[number]] = cell
        columns.append(cells)
    return SheetRows(list(places), columns, batch.problems)
