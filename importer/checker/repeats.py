"""Customers that occur more than once in a sheet, counted exactly in bounded memory.

Identifiers are stored as 64-bit hashes, in an unnamed temporary file once there are many, and compared by bucket.
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
#: Entries in memory before they are written to the file.
_WAITING = 65_536
_BUCKETS = 64
_EXAMPLES = 3
_EXAMPLE_ROWS = 5

Entries = NDArray[np.void]


class Repeats(msgspec.Struct, frozen=True):
    """Records that share identifiers, also indirectly, are one customer. `most`: the most records of one customer."""

    customers: int = 0
    records: int = 0
    most: int = 0
    example_rows: tuple[tuple[int, ...], ...] = ()


class RepeatCounter:
    """`add` the customers in the order of the sheet, then `count`, then `close`."""

    def __init__(self) -> None:
        self._records = 0
        self._waiting: list[Entries] = []
        self._file: IO[bytes] | None = None
        #: By bucket, the offsets and counts of its entries in the file.
        self._places: list[list[tuple[int, int]]] = [[] for _ in range(_BUCKETS)]

    def add(self, customers: Sequence[Customer]) -> None:
        count = len(customers)
        order = np.arange(self._records, self._records + count, dtype="<u4")
        self._records += count
        rows = np.fromiter([customer.row_number for customer in customers], dtype="<u4", count=count)
        for kind, values in (
            (1, [customer.mobile for customer in customers]),
            (2, [customer.email.lower() for customer in customers]),
            (3, [customer.external_id for customer in customers]),
            (4, [customer.user_id for customer in customers]),
        ):
            if not any(values):
                continue
            entries = np.empty(count, dtype=_ENTRY)
            # The same text as a mobile and as an external id is not the same customer.
            entries["hash"] = np.fromiter(map(hash, values), dtype="<i8", count=count) ^ np.int64(kind << 40)
            entries["order"], entries["row"] = order, rows
            if "" in values:
                entries = entries[np.fromiter(map(bool, values), dtype=bool, count=count)]
            self._waiting.append(entries)
        if sum(map(len, self._waiting)) >= _WAITING:
            self._put_away()

    def count(self) -> Repeats:
        found = [_same(bucket) for bucket in self._read_buckets()]
        earlier = np.concatenate([pair[0] for pair in found])
        later = np.concatenate([pair[1] for pair in found])
        return _grouped(earlier, later) if len(earlier) else Repeats()

    def close(self) -> None:
        """Free the memory and the file."""
        self._waiting.clear()
        if self._file is not None:
            self._file.close()

    def _put_away(self) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="importer-")  # noqa: SIM115 (lives as long as the counter)
            weakref.finalize(self, self._file.close)
        entries = np.concatenate(self._waiting)
        self._waiting.clear()
        buckets = entries["hash"] % _BUCKETS
        entries = entries[np.argsort(buckets, kind="stable")]
        at = self._file.seek(0, os.SEEK_END)
        for bucket, count in enumerate(np.bincount(buckets, minlength=_BUCKETS).tolist()):
            if count:
                self._places[bucket].append((at, count))
                at += count * _ENTRY.itemsize
        self._file.write(entries.tobytes())

    def _read_buckets(self) -> Iterator[Entries]:
        if self._file is None:
            yield _joined(self._waiting)
            return
        if self._waiting:
            self._put_away()
        for places in self._places:
            parts = []
            for at, count in places:
                self._file.seek(at)
                parts.append(np.frombuffer(self._file.read(count * _ENTRY.itemsize), dtype=_ENTRY))
            yield _joined(parts)


def _joined(parts: Sequence[Entries]) -> Entries:
    return np.concatenate(parts) if parts else np.empty(0, dtype=_ENTRY)


def _same(entries: Entries) -> tuple[Entries, Entries]:
    """Return pairs of neighbouring entries of one identifier, in the order of the sheet."""
    entries = entries[np.argsort(entries["hash"], kind="stable")]
    at = np.flatnonzero(entries["hash"][1:] == entries["hash"][:-1])
    return entries[at], entries[at + 1]


def _grouped(earlier: Entries, later: Entries) -> Repeats:
    """Join pairs to customers. Memory grows with the repeated records, not with the sheet."""
    orders, first = np.unique(np.concatenate([earlier["order"], later["order"]]), return_index=True)
    rows = np.concatenate([earlier["row"], later["row"]])[first]
    parent = list(range(len(orders)))

    def root(at: int) -> int:
        while parent[at] != at:
            parent[at] = at = parent[parent[at]]
        return at

    ones, others = np.searchsorted(orders, earlier["order"]), np.searchsorted(orders, later["order"])
    for one, other in zip(ones.tolist(), others.tolist(), strict=True):
        low, high = sorted((root(one), root(other)))
        parent[high] = low
    groups = np.fromiter(map(root, range(len(parent))), dtype="<i8", count=len(parent))
    sizes = np.bincount(groups)
    examples = [rows[groups == group][:_EXAMPLE_ROWS] for group in np.unique(groups)[:_EXAMPLES]]
    return Repeats(
        customers=int(np.count_nonzero(sizes)),
        records=len(orders),
        most=int(sizes.max()),
        example_rows=tuple([tuple(example.tolist()) for example in examples]),
    )
