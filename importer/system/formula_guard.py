"""The guard against cells that a spreadsheet program would run, and its exact inverse.

A CSV has no types: Excel runs a cell that begins with `=`, and also `+ - @`, tab or CR. Our CSV reports put an
apostrophe before such a cell, and our reader takes it off again from the reports it finds. A cell that already looks
guarded gets one more, so that nothing of the user's own is ever taken off.
"""

from __future__ import annotations

import re

#: What a guard protects: text that would run, or that already looks guarded.
_GUARDED = re.compile(r"'*[=+\-@\t\r]")
#: Phone numbers and plain numbers harm nobody, and a guard would spoil them for every other program.
_NUMBER = re.compile(r"[+-]?[\d\s().-]*\d")


def guard(cell: str) -> str:
    """The cell as it goes into a CSV report."""
    if not _GUARDED.match(cell) or _NUMBER.fullmatch(cell):
        return cell
    return "'" + cell


def unguard(cell: str) -> str:
    """The cell that `guard` made this one from. Text that `guard` never writes comes back as it is."""
    if cell[:1] != "'":
        return cell
    rest = cell[1:]
    return rest if guard(rest) == cell else cell
