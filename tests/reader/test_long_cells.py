"""The time for a long cell grows with its length, not with its square: hostile sheets cost no more than large ones."""

from __future__ import annotations

import time
from collections.abc import Callable
from inspect import unwrap

import pytest

from importer.normaliser.emails import read_email
from importer.normaliser.footers import is_footer
from importer.normaliser.phones import PhoneReader
from importer.reader.header import find_header_row

#: What reads the cell; a text to repeat in it, and its end.
LONG_CELLS: dict[str, tuple[Callable[[str], object], str, str]] = {
    "a total with spaces": (lambda cell: is_footer([f"Total {cell}"], []), " ", "x"),
    "a total with dots": (lambda cell: is_footer([f"Total: {cell}"], []), ". ", "!x"),
    "a total with lines": (lambda cell: is_footer([f"=== Total {cell}"], []), "= ", "x"),
    "a mobile of digits": (PhoneReader().read, "1", ""),
    "a mobile of spaces": (PhoneReader("IN").read, "1" + " " * 99, "x"),
    "a mobile of separators": (PhoneReader().read, "1234567;", "x"),
    "an address of spaces": (unwrap(read_email), " ", "x"),
    "a header of digits": (lambda cell: find_header_row([(1, [cell]), (2, ["C-1"])]), "1,.() ", "x"),
}


def _seconds(read: Callable[[str], object], cell: str) -> float:
    """The least time of some calls."""
    times = []
    for _ in range(5):
        began = time.perf_counter()
        read(cell)
        times.append(time.perf_counter() - began)
    return min(times)


@pytest.mark.parametrize("name", LONG_CELLS)
def test_the_time_for_a_long_cell_grows_with_its_length(name: str) -> None:
    """Eight times the length takes less than 32 times as long; with its square it would be 64 times."""
    read, part, end = LONG_CELLS[name]
    short, long = (part * (length // len(part)) + end for length in (500, 4_000))
    assert _seconds(read, long) < 32 * _seconds(read, short)
