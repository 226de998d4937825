"""What the cells of preference columns look like: sample values, and cells that seem to hold several values."""

from __future__ import annotations

from collections import Counter

from importer.normaliser.mapping import PREFERENCE, VALUE, ColumnLook, Mapping
from importer.normaliser.preferences import list_separator
from importer.row_block import RowBlock

_SAMPLES = 3
_REMEMBERED = 20_000


class Looks:
    """Fed with blocks; `looks` tells by column."""

    def __init__(self, mapping: Mapping) -> None:
        self._columns = {use.column: _Column() for use in mapping.columns if use.field in (PREFERENCE, VALUE)}

    def add(self, block: RowBlock) -> None:
        for name, column in self._columns.items():
            column.add(block.frame[name].tolist())

    def looks(self) -> dict[str, ColumnLook]:
        return {name: column.look() for name, column in self._columns.items()}


class _Column:
    def __init__(self) -> None:
        self._samples: dict[str, None] = {}
        self._cells = 0
        self._separators: Counter[str] = Counter()
        self._known = _Separators()

    def add(self, values: list[str]) -> None:
        if len(self._samples) < _SAMPLES:
            for value in values:
                if value.strip() and len(self._samples) < _SAMPLES:
                    self._samples[value.strip()] = None
        self._cells += len(values) - values.count("")
        # One look at the whole column spares most columns the look at each cell.
        text = "\0".join(values)
        if ";" in text or "," in text or "|" in text or "\n" in text:
            known = self._known
            self._separators.update([known[value] for value in values])

    def look(self) -> ColumnLook:
        del self._separators[""]
        separator, cells = next(iter(self._separators.most_common(1)), ("", 0))
        return ColumnLook(tuple(self._samples), self._cells, cells, separator)


class _Separators(dict[str, str]):
    def __missing__(self, text: str) -> str:
        if len(self) >= _REMEMBERED:
            self.clear()
        found = self[text] = list_separator(text.strip())
        return found
