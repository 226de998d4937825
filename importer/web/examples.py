"""Cells of the example rows of a report: those that were a problem, else those that identify the customer."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path

import msgspec

from importer.system.formula_guard import unguard
from importer.system.text import shortened

#: Rows of the results in which examples are looked for, and characters of a cell that are shown.
_MOST_ROWS, _LONGEST = 300_000, 80


class Cell(msgspec.Struct, frozen=True):
    column: str
    value: str


class ExampleRow(msgspec.Struct, frozen=True):
    """`cells`: () where the results do not have the row."""

    row: int
    cells: tuple[Cell, ...] = ()


def example_cells(
    results: Path,
    columns: Mapping[int, tuple[str, ...]],
    identifiers: Sequence[str],
    shown: Callable[[str], str],
) -> dict[int, tuple[Cell, ...]]:
    """Cells of these rows, by row number. `columns`: the problem columns of each. `shown`: a cell as it is shown.

    Reads `results.csv`, which a purge deletes.
    """
    found: dict[int, tuple[Cell, ...]] = {}
    try:
        with results.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.reader(file)
            header = next(lines, [])
            places = {name: place for place, name in reversed(list(enumerate(header)))}
            at = places.get("_row", len(header))
            for line in islice(lines, _MOST_ROWS):
                row = int(line[at]) if len(line) > at and line[at].isdecimal() else 0
                if row not in columns or row in found:
                    continue
                cells = {name: unguard(line[places[name]]) for name in columns[row] or identifiers if name in places}
                # A problem cell may be empty; of the identifiers, those that the row has, if it has any.
                kept = {name: value for name, value in cells.items() if value.strip() or columns[row]} or cells
                found[row] = tuple(Cell(name, shown(shortened(value, _LONGEST))) for name, value in kept.items())
                if len(found) == len(columns):
                    break
    except (OSError, csv.Error, UnicodeDecodeError):
        return found
    return found
