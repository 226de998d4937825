"""Customers that occur more than once in a sheet, counted exactly in memory that does not grow with it.

Identifiers are remembered as 64-bit hashes in a temporary file without a name, and looked at a part at a time.
"""

from __future__ import annotations

import os
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from typing import IO

import msgspec
import numpy as np
from numpy.typing import NDArray

from importer.model import Customer

_ENTRY = np.dtype([("hash", "<i8"), ("order", "<u4"), ("row", "<u4")])
#: Entries looked at at once.
_PART = 200_000
_BLOCK = 65_536
_NAMED = 1_000
_EXAMPLES = 3
_EXAMPLE_ROWS = 5


class Repeats(msgspec.Struct, frozen=True):
    """Records that share an identifier, in chains too, are one customer. `most`: the records of the busiest one."""

    customers: int = 0
    records: int = 0
    most: int = 0
    example_rows: tuple[tuple[int, ...], ...] = ()


class RepeatCounter:
    """Fed with the customers in the sheet's order; `count` at the end, then `close`."""

    def __init__(self) -> None:
        self._file: IO[bytes] | None = None
        self._waiting: list[bytes] = []
        self._entries = 0
        self._records = 0

    def add(self, customers: Sequence[Customer]) -> None:
        count = len(customers)
        order = np.arange(self._records, self._records + count, dtype="<u4")
        self._records += count
        rows = np.fromiter([customer.row_number for customer in customers], dtype="<u4", count=count)
        for kind, values in (
            (1, [customer.mobile for customer in customers]),
            (2, [customer.email for customer in customers]),
            (3, [customer.external_id for customer in customers]),
            (4, [customer.user_id for customer in customers]),
        ):
            if kind == 2:
                values = "\n".join(values).lower().split("\n") if count else []
            if not any(values):
                continue
            entries = np.empty(count, dtype=_ENTRY)
            # One text is another customer as mobile than as external id.
            entries["hash"] = np.fromiter(map(hash, values), dtype="<i8", count=count) ^ np.int64(kind << 40)
            entries["order"], entries["row"] = order, rows
            if "" in values:
                entries = entries[np.fromiter(map(bool, values), dtype=bool, count=count)]
            self._waiting.append(entries.tobytes())
            self._entries += len(entries)
        if self._file is not None or self._entries > _PART:
            self._spill()

    def _spill(self) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="importer-")  # noqa: SIM115 (lives as long as the counter)
            weakref.finalize(self, self._file.close)
        self._file.seek(0, os.SEEK_END)
        self._file.writelines(self._waiting)
        self._waiting.clear()

    def count(self) -> Repeats:
        parts = max(1, -(-self._entries // _PART))
        groups = _Groups(self._records)
        for part in range(parts):
            entries = self._part(part, parts)
            entries = entries[np.argsort(entries["hash"], kind="stable")]
            hashes = entries["hash"]
            same = np.flatnonzero(hashes[1:] == hashes[:-1])
            earlier, later = entries[same], entries[same + 1]
            groups.join(earlier["order"].tolist(), later["order"].tolist())
            groups.name(np.concatenate([earlier, later]))
        return groups.repeats()

    def close(self) -> None:
        """Gives back what is remembered."""
        self._waiting.clear()
        if self._file is not None:
            self._file.close()

    def _blocks(self) -> Iterator[bytes]:
        if self._file is None:
            yield from self._waiting
            return
        self._file.seek(0)
        while block := self._file.read(_BLOCK * _ENTRY.itemsize):
            yield block

    def _part(self, part: int, parts: int) -> NDArray[np.void]:
        chosen = []
        for block in self._blocks():
            entries = np.frombuffer(block, dtype=_ENTRY)
            chosen.append(entries[entries["hash"] % parts == part] if parts > 1 else entries)
        return np.concatenate(chosen) if chosen else np.empty(0, dtype=_ENTRY)


class _Groups:
    """Union-find over the records that share an identifier. Costs nothing as long as none do."""

    def __init__(self, records: int) -> None:
        self._records = records
        self._parent: NDArray[np.uint32] | None = None
        self._rows: dict[int, int] = {}

    def join(self, ones: list[int], others: list[int]) -> None:
        if ones and self._parent is None:
            self._parent = np.arange(self._records, dtype="<u4")
        for one, other in zip(ones, others, strict=True):
            first, second = self._root(one), self._root(other)
            if first != second:
                low, high = min(first, second), max(first, second)
                self._parent[high] = low  # type: ignore[index]

    def name(self, entries: NDArray[np.void]) -> None:
        """Keeps the row numbers of the first records, for examples."""
        few = entries[np.argsort(entries["order"], kind="stable")][:_NAMED]
        for order, row in zip(few["order"].tolist(), few["row"].tolist(), strict=True):
            self._rows[order] = row
        if len(self._rows) > 4 * _NAMED:
            self._rows = dict(sorted(self._rows.items())[:_NAMED])

    def _root(self, at: int) -> int:
        parent = self._parent
        assert parent is not None
        while (above := int(parent[at])) != at:
            parent[at] = parent[above]
            at = above
        return at

    def repeats(self) -> Repeats:
        if self._parent is None:
            return Repeats()
        parent = self._parent
        while True:
            above = parent[parent]
            if np.array_equal(above, parent):
                break
            parent = self._parent = above
        sizes = np.bincount(parent, minlength=1)
        repeated = np.flatnonzero(sizes > 1)
        members: dict[int, list[int]] = {}
        for order in sorted(self._rows):
            members.setdefault(int(parent[order]), []).append(self._rows[order])
        examples = [tuple(rows[:_EXAMPLE_ROWS]) for rows in members.values() if len(rows) > 1][:_EXAMPLES]
        return Repeats(
            customers=len(repeated),
            records=int(sizes[repeated].sum()),
            most=int(sizes.max()),
            example_rows=tuple(examples),
        )
