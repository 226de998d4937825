"""Guards cells that a spreadsheet program would run, and removes the guard again.

A CSV has no types: Excel runs a cell that begins with `=`, and also `+ - @`, tab or a line break. Programs may skip
white space and invisible characters before it, and take `＝` for `=`. Where the list separator is a semicolon, they
also divide a cell at its semicolons and line breaks, whatever quotes enclose it. Our CSV reports put an apostrophe
before such a cell or part of a cell, and our reader takes it off again from the reports it finds. What already looks
guarded gets one more, so that nothing of the user's own is ever taken off.
"""

from __future__ import annotations

import re

#: Begins a formula: also the wide and small forms of East Asian keyboards, and the minus sign.
_SIGNS = r"=+\-@＝＋－＠﹦﹢﹣﹫−"
#: Not shown, or skipped, before a formula: spaces, controls, formats, fillers, quotes. Without NUL.
_UNSEEN = (
    '\x01-\x08\x0b\x0c\x0e-\x20"\x7f-\xa0\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u1680'
    "\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u2028-\u202f\u205f-\u206f\u2800\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0"
    "\ufff0-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff"
)
#: Where a program may divide a cell.
_ENDS = ";\u061b\t\r\n"

#: In a formula that does more than arithmetic: a call, a reference, a command.
_CALLS = "|(!["

#: A part of a cell that would run, guarded or not.
_PART = re.compile(f"'*[\0{_UNSEEN}]*[{_SIGNS}]")
#: A cell that would run. At its start, a tab or a line break is enough.
_CELL = re.compile(f"'*(?:[\t\r\n]|[\0{_UNSEEN}\t\r\n]*[{_SIGNS}])")
#: A cell that continues a formula whose start is a number in the cell before it: `+91,0+cmd|'/c calc'!A0`.
_CONTINUED = rf"'*[\0{_UNSEEN}\d.]*+(?:(?<=[\d.])[eE][+-]?\d++)?[\0{_UNSEEN}%]*+[{_SIGNS}*/^&<>]"
#: A first part that completes such a formula, and a cell that leaves the rest of it to the next cell.
_REST = re.compile(rf"{_CONTINUED}[^{_ENDS}]*[|(!\[]")
_OPEN = re.compile(rf"{_CONTINUED}[^{_ENDS}']*+'[^{_ENDS}']*+(?:'[^{_ENDS}']*+'[^{_ENDS}']*+)*+\Z")
_END = re.compile(f"([{_ENDS}])")
#: A later part that may run: few cells have one, and dividing them all takes long.
_LATER = re.compile(f"[{_ENDS}]'*[\0{_UNSEEN}]*[{_SIGNS}]")
#: Phone numbers and plain numbers do no harm, and a guard would break them for other programs.
_NUMBER = re.compile(rf"[\0{_UNSEEN}\t\r\n]*+[+\-＋－]?[\d\s().-]*\d[\0{_UNSEEN}\t\r\n]*+")

#: A place that may need a guard, in cells that follow a NUL each.
_RISK = re.compile(f"\0'*[{_UNSEEN}]*[{_SIGNS}]")
_RISK_DIVIDED = re.compile(f"[\0{_ENDS}]'*[{_UNSEEN}]*[{_SIGNS}]")
_RISK_OPEN = re.compile("\0" + _CONTINUED.replace(r"\0", ""))
_BREAK = re.compile("\0'*[\t\r\n]")


def guard(cell: str) -> str:
    """The cell as it is written to a CSV report."""
    begins = _begins(cell)
    if _LATER.search(cell):
        first, *others = _END.split(cell)
        cell = "".join([first, *["'" + part if _runs(part) else part for part in others]])
    return "'" + cell if begins else cell


def unguard(cell: str) -> str:
    """The cell before `guard`. Text that `guard` never writes stays as it is."""
    if "'" not in cell:
        return cell
    if _LATER.search(cell):
        first, *others = _END.split(cell)
        cell = "".join([first, *[part[1:] if part[:1] == "'" and _runs(part[1:]) else part for part in others]])
    return cell[1:] if cell[:1] == "'" and _begins(cell[1:]) else cell


def may_need_guard(cells: str) -> bool:
    """Whether `guard` may change one of these cells, each preceded by NUL. A fast test of a whole column."""
    divided = any(end in cells for end in _ENDS)
    if divided and (any(call in cells for call in _CALLS) or _BREAK.search(cells)):
        return True
    if "'" in cells and _RISK_OPEN.search(cells):
        return True
    if cells.isascii() and not any(sign in cells for sign in "=+-@"):
        return False
    return (_RISK_DIVIDED if divided else _RISK).search(cells) is not None


def _begins(cell: str) -> bool:
    """Whether the cell would run from its start."""
    if _CELL.match(cell):
        return _NUMBER.fullmatch(cell) is None
    if _REST.match(cell) and _END.search(cell):
        return True
    return "'" in cell and _OPEN.match(cell) is not None


def _runs(part: str) -> bool:
    return _PART.match(part) is not None and _NUMBER.fullmatch(part) is None
