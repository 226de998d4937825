"""Wording: numbers in sentences, so that one row is a row and a hundredth is never called none. Pure."""

from __future__ import annotations


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
