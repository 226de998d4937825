"""Wording: numbers in sentences, so that one row is a row and a hundredth is never called none. Pure."""

from __future__ import annotations

import shlex


def counted(count: int, one: str, many: str = "") -> str:
    """`1 row`, `2 rows`, `0 rows`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def long(seconds: float) -> str:
    """`30 seconds`, `1 minute`, `5 minutes`."""
    return counted(round(seconds), "second") if seconds < 60 else counted(round(seconds / 60), "minute")


def percent(part: int, whole: int) -> str:
    """A share, never rounded up to all or down to none."""
    if part == whole:
        return "100 %"
    share = 100 * part / whole
    if share < 0.1:
        return "under 0.1 %" if part else "0 %"
    if share > 99.9:
        return "over 99.9 %"
    return f"{round(share, 1):g} %"


def typed_place(reports_dir: str, database: str = "") -> str:
    """The options that a command needs to find the runs of this folder and journal, as one types them after it."""
    place = "" if reports_dir in ("", "reports") else f" --reports-dir {shlex.quote(reports_dir)}"
    return place + (f" --database {shlex.quote(database)}" if database else "")


#: What moves a terminal's cursor, colours it or types for people: all control characters but line end and tab.
_CONTROLS = dict.fromkeys((*range(9), *range(11, 32), *range(127, 160)), "�")


def visible(text: str) -> str:
    """For a terminal: a name from a sheet or a word of a server may hold anything."""
    return text.translate(_CONTROLS)
