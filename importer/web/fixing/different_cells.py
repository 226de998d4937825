"""The different cells of each column, so that what a rule would change is counted without reading the sheet again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from importer.row_block import RowBlock

#: Different cells that are kept of a column and of all columns, and the characters of one.
_MOST, _MOST_OF_ALL, _LONGEST = 50_000, 200_000, 500


class DifferentCells:
    """Takes the blocks of a sheet with `add`."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[str]] = {}
        self._rows: dict[str, dict[str, int]] = {}
        self._kept = 0
        self._partial: dict[str, None] = {}

    @property
    def partial(self) -> tuple[str, ...]:
        """The columns with more different cells, or longer ones, than are kept."""
        return tuple(self._partial)

    def add(self, block: RowBlock) -> None:
        numbers = block.cells.row_numbers
        for name, cells in zip(block.cells.names, block.cells.columns, strict=True):
            counts = self._counts.setdefault(name, Counter())
            rows = self._rows.setdefault(name, {})
            found = Counter(cells)
            found.pop("", None)
            new = [text for text in found if text not in counts]
            if new and (len(counts) >= _MOST or self._kept >= _MOST_OF_ALL):
                self._partial[name] = None
            elif new:
                first = {text: numbers[at] for at, text in reversed(list(enumerate(cells)))}
                for text in new:
                    if len(counts) < _MOST and self._kept < _MOST_OF_ALL and len(text) <= _LONGEST:
                        counts[text] = 0
                        rows[text] = first[text]
                        self._kept += 1
                    else:
                        self._partial[name] = None
            for text, times in found.items():
                if text in counts:
                    counts[text] += times

    def found(self) -> Iterator[tuple[str, str, int, int]]:
        """(column, text, how many, the first row)."""
        for name, counts in self._counts.items():
            for text, times in counts.items():
                yield name, text, times, self._rows[name][text]
