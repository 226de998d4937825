"""What a sheet holds at most, and its rows in portions of bounded size.

A file of kilobytes can stand for gigabytes of text: a text used by every cell, a row or a column that repeats, a number
format of many digits. Every format's rows pass through `portions`, so its reader needs no other limits for them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator

from importer.reader.sheet_xml import UnreadableWorkbook
from importer.reader.sizes import LONGEST_CELL, LONGEST_ROW, MOST_ROWS, cost_of
from importer.reader.workbook_messages import SheetRows

#: The cost of the rows of one message.
_PORTION = 1 << 21
#: Characters and cells of a sheet for each byte of its file, and those of any file. Sheets of long texts that repeat
#: reach 50.
_RATIO, _FREE = 200, 1 << 26


def portions(batches: Iterable[SheetRows], size: int) -> Iterator[SheetRows]:
    """The same rows in batches of bounded cost, with each problem once. `size`: bytes of the file.

    Raises `UnreadableWorkbook` for more than a sheet can hold.
    """
    left = max(_FREE, _RATIO * size)
    for batch in batches:
        if not batch.numbers:
            continue
        if batch.numbers[-1] > MOST_ROWS:
            raise UnreadableWorkbook(f"has more than {MOST_ROWS:,} rows, the most of a sheet; split it")
        characters = 0
        for column in batch.columns:
            found = sum(map(len, column))
            if found > LONGEST_CELL and max(map(len, column)) > LONGEST_CELL:
                raise UnreadableWorkbook("has a cell with more text than any sheet can hold; it was not read")
            characters += found
        cells = len(batch.numbers) * len(batch.columns)
        left -= characters + cells
        if left < 0:
            raise UnreadableWorkbook("holds far more text than its size, like an attack; it was not read")
        problems = sorted(dict.fromkeys(batch.problems), key=_number) if batch.problems else batch.problems
        batch = SheetRows(batch.numbers, batch.columns, problems, cost_of(characters, cells))
        yield from _cut(batch) if batch.cost > _PORTION else (batch,)


def _cut(batch: SheetRows) -> Iterator[SheetRows]:
    """The rows of a batch in several, each of at most the cost of a portion or of one row."""
    width = len(batch.columns)
    begin = cost = 0
    for at, row in enumerate(zip(*batch.columns, strict=True)):
        characters = sum(map(len, row))
        if characters > LONGEST_ROW:
            raise UnreadableWorkbook("has a row larger than any valid one; it was not read")
        own = cost_of(characters, width)
        if at > begin and cost + own > _PORTION:
            yield _part(batch, begin, at, cost)
            begin, cost = at, 0
        cost += own
    yield _part(batch, begin, len(batch.numbers), cost)


def _part(batch: SheetRows, begin: int, end: int, cost: int) -> SheetRows:
    numbers = batch.numbers[begin:end]
    first = bisect_left(batch.problems, numbers[0], key=_number)
    last = bisect_left(batch.problems, numbers[-1] + 1, key=_number)
    return SheetRows(numbers, [column[begin:end] for column in batch.columns], batch.problems[first:last], cost)


def _number(problem: tuple[int, int, str]) -> int:
    """The number of a problem's row."""
    return problem[0]
