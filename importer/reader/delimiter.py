"""Find the delimiter of a text: the character that gives most records the same number of cells."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from itertools import islice

DELIMITERS = (",", ";", "\t", "|")
#: Records that are enough for detection.
_DETECTED_IN = 100


def records_of(lines: Sequence[str], delimiter: str) -> list[list[str]]:
    """The first records, parsed leniently: only for detection."""
    found: list[list[str]] = []
    with suppress(csv.Error):
        for record in islice(csv.reader(lines, delimiter=delimiter), _DETECTED_IN):
            found.append(record)  # noqa: PERF402 - a fault must not lose the records before it
    return found


def find_delimiter(lines: Sequence[str]) -> str:
    """The delimiter; a comma for a sheet of one column."""
    best, best_score = ",", (0.0, 0)
    for delimiter in DELIMITERS:
        counts = Counter(len(record) for record in records_of(lines, delimiter) if any(cell.strip() for cell in record))
        several = {width: many for width, many in counts.items() if width > 1}
        if not several:
            continue
        width, many = max(several.items(), key=lambda found: (found[1], found[0]))
        # Most agreeing records win, then the wider table: titles above the header and ragged rows must not decide.
        score = (round(many / sum(counts.values()), 1), width)
        if score > best_score:
            best, best_score = delimiter, score
    return best
