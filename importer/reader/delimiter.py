"""Find the delimiter of a text: that of its header, else the one that gives most records the same number of cells."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from itertools import islice

from importer.normaliser.synonyms import field_of
from importer.reader.header import find_header_row, shown_name
from importer.reader.sizes import MOST_CELLS

DELIMITERS = (",", ";", "\t", "|")
#: Records that are enough for detection.
_DETECTED_IN = 100


def records_of(lines: Sequence[str], delimiter: str, *, spaced: bool = False) -> list[list[str]]:
    """The first records, parsed leniently: only for detection. `spaced`: quotes may follow a space."""
    found: list[list[str]] = []
    with suppress(csv.Error):
        for record in islice(csv.reader(lines, delimiter=delimiter, skipinitialspace=spaced), _DETECTED_IN):
            found.append(record[: MOST_CELLS + 1])  # noqa: PERF401 - a fault must not lose the records before it
    return found


def find_delimiter(lines: Sequence[str]) -> str:
    """The delimiter; a comma for a sheet of one column."""
    best, best_score = ",", (False, False, 0.0, 0)
    for delimiter in DELIMITERS:
        records = [record for record in records_of(lines, delimiter) if any(cell.strip() for cell in record)]
        counts = Counter(map(len, records))
        several = {width: many for width, many in counts.items() if width > 1}
        if not several:
            continue
        at = find_header_row(list(enumerate(records)))
        header = records[at] if at is not None else []
        named = len(header) > 1 and any(field_of(shown_name(cell)) for cell in header)
        width, many = max(several.items(), key=lambda found: (found[1], found[0]))
        share = round(many / sum(counts.values()), 1)
        # The header decides: values may have lists, decimal commas or names with a comma. Without known names in it,
        # most agreeing records win, then the wider table: titles above it and ragged rows must not decide.
        score = (named, len(header) > 1 and share > 0, share, width)
        if score > best_score:
            best, best_score = delimiter, score
    return best
