"""Samples of the preference columns: a few values of each, and how many cells look like lists."""

from __future__ import annotations

from collections import Counter

from importer.normaliser.facts import unquoted
from importer.normaliser.mapping import PREFERENCE, VALUE, ColumnSamples, Mapping
from importer.normaliser.preferences import list_separator
from importer.normaliser.remembering import LONGEST_KEPT
from importer.row_block import RowBlock

_SAMPLES = 3
#: The most lists, as a share, that may have another separator than the most frequent one. With more, none is proposed.
_MIXED = 0.05
_REMEMBERED = 20_000


class Sampler:
    """Takes the blocks of a sheet with `add`, returns the samples of its preference columns with `by_column`."""

    def __init__(self, mapping: Mapping) -> None:
        self._quoted = frozenset(mapping.facts.quotes)
        self._columns = {use.column: _SampledColumn() for use in mapping.columns if use.field in (PREFERENCE, VALUE)}

    def add(self, block: RowBlock) -> None:
        for name, column in self._columns.items():
            cells = block.column(name)
            column.add(list(map(unquoted, cells)) if name in self._quoted else cells)

    def by_column(self) -> dict[str, ColumnSamples]:
        return {name: column.samples() for name, column in self._columns.items()}


class _SampledColumn:
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
        # One search over the whole column is faster than one per cell, and most columns need no more.
        text = "\0".join(values)
        if ";" in text or "," in text or "|" in text or "\n" in text:
            known = self._known
            self._separators.update([known[value] for value in values])

    def samples(self) -> ColumnSamples:
        del self._separators[""]
        ranked = self._separators.most_common()
        separator, cells = ranked[0] if ranked else ("", 0)
        every = self._separators.total()
        # A few cells with another sign are texts. Where many have one, no single separator reads all lists.
        if every - cells > every * _MIXED:
            separator, cells = "", every
        return ColumnSamples(tuple(self._samples), self._cells, cells, separator)


class _Separators(dict[str, str]):
    def __missing__(self, text: str) -> str:
        found = list_separator(text.strip())
        if len(text) <= LONGEST_KEPT:
            if len(self) >= _REMEMBERED:
                self.clear()
            self[text] = found
        return found
