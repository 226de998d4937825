"""The hashes of many customers, in numpy's arrays: loaded for `--only-changed` and for sources of many rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from pandas.util import hash_array

from importer.sender.siphash import HASH_BYTES


def hash_texts(key: bytes, texts: Sequence[bytes | str]) -> bytes:
    """The same as `siphash` for each text, one after the other."""
    column = np.array(texts, dtype=object)
    numbers = hash_array(column, hash_key=key.decode(), categorize=False).astype("<u8")
    return numbers.view(np.uint8).reshape(-1, 8)[:, :HASH_BYTES].tobytes()


class Fingerprints:
    """Knows what customers were last sent. `sent`: the fingerprints of all outcomes, oldest first. `rows`: the row of
    each, where that matters."""

    def __init__(self, sent: Iterable[bytes], rows: Sequence[int] = ()) -> None:
        numbers, starts, lengths = _apart(list(sent))
        is_name = np.ones(len(numbers), dtype=bool)
        is_name[starts] = False
        contents = np.repeat(numbers[starts], lengths)[is_name]
        # Of entries with one name the last one counts: it is found first in reverse order.
        self._names, at = np.unique(numbers[is_name][::-1], return_index=True)
        self._contents = contents[::-1][at]
        places = np.repeat(np.array(rows, dtype=np.int64), lengths)[is_name] if rows else np.zeros(0, np.int64)
        self._rows = places[::-1][at] if rows else places

    def __len__(self) -> int:
        return len(self._names)

    def knows(self, entries: Sequence[bytes]) -> list[bool]:
        """For each fingerprint: whether all its identifiers were last sent exactly this."""
        if not len(self._names) or not entries:
            return [False] * len(entries)
        found, same, starts = self._compared(entries)
        known = found & same
        # The first number of each is the content.
        known[starts] = True
        return [bool(one) for one in np.logical_and.reduceat(known, starts)]

    def shares(self, entries: Sequence[bytes]) -> list[bool]:
        """For each fingerprint: whether one of its identifiers is known."""
        if not len(self._names) or not entries:
            return [False] * len(entries)
        found, _, starts = self._compared(entries)
        found[starts] = False
        return [bool(one) for one in np.logical_or.reduceat(found, starts)]

    def differ(self, entries: Sequence[bytes], rows: Sequence[int] = ()) -> list[bool]:
        """For each fingerprint: whether one of its identifiers was last sent anything else; by a later row, where
        `rows` are those of the fingerprints."""
        if not len(self._names) or not entries:
            return [False] * len(entries)
        found, same, starts = self._compared(entries, rows)
        differs = found & ~same
        differs[starts] = False
        return [bool(one) for one in np.logical_or.reduceat(differs, starts)]

    def _compared(
        self, entries: Sequence[bytes], rows: Sequence[int] = ()
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """For each hash: whether it is known as an identifier (of a later row), and last with this content; where each
        entry begins."""
        numbers, starts, lengths = _apart(entries)
        places = np.minimum(np.searchsorted(self._names, numbers), len(self._names) - 1)
        same = self._contents[places] == np.repeat(numbers[starts], lengths)
        found = self._names[places] == numbers
        if rows:
            found &= self._rows[places] > np.repeat(np.array(rows, dtype=np.int64), lengths)
        return found, same, starts


def _apart(entries: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All hashes as numbers, where each entry begins among them, and how many it has."""
    hashes = np.frombuffer(b"".join(entries), dtype=np.uint8).reshape(-1, HASH_BYTES)
    numbers = np.zeros((len(hashes), 8), dtype=np.uint8)
    numbers[:, :HASH_BYTES] = hashes
    lengths = np.array([len(entry) // HASH_BYTES for entry in entries], dtype=np.int64)
    return numbers.view(np.uint64).ravel(), np.cumsum(lengths) - lengths, lengths
