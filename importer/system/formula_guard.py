"""Guards cells that a spreadsheet program would run, and removes the guard again.

A CSV has no types: Excel runs a cell that begins with `=`, and also `+ - @`, tab or CR. Our CSV reports put an
apostrophe before such a cell, and our reader takes it off again from the reports it finds. A cell that already looks
guarded gets one more, so that nothing of the user's own is ever taken off.
"""

from __future__ import annotations

import re

#: Text that needs a guard: it would run, or it already looks guarded.
_GUARDED = re.compile(r"'*[=+\-@\t\r]")
#: Phone numbers and plain numbers do no harm, and a guard would break them for other programs.
_NUMBER = re.compile(r"[+-]?[\d\s().-]*\d")


def guard(cell: str) -> str:
    """The cell as it is written to a CSV report."""
    if not _GUARDED.match(cell) or _NUMBER.fullmatch(cell):
        return cell
    return "'" + cell


def unguard(cell: str) -> str:
    """The cell before `guard`. Text that `guard` never writes stays as it is."""
    if cell[:1] != "'":
        return cell
    rest = cell[1:]
    return rest if guard(rest) == cell else cell
