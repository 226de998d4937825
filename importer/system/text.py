"""Numbers in sentences, with the right plural and rounding; text for terminals and shells. Pure."""

from __future__ import annotations

import shlex


def counted(count: int, one: str, many: str = "") -> str:
    """`1 row`, `2 rows`, `0 rows`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def long(seconds: float) -> str:
    """`30 seconds`, `1 minute`, `5 minutes`."""
    return counted(round(seconds), "second") if seconds < 60 else counted(round(seconds / 60), "minute")


def percent(part: int, whole: int) -> str:
    """A share, never rounded to 100 % or to 0 %."""
    if part == whole:
        return "100 %"
    share = 100 * part / whole
    if share < 0.1:
        return "under 0.1 %" if part else "0 %"
    if share > 99.9:
        return "over 99.9 %"
    return f"{round(share, 1):g} %"


def typed_place(reports_dir: str, database: str = "") -> str:
    """The options, as typed after a command, that find the runs of this folder and journal."""
    place = "" if reports_dir in ("", "reports") else f" --reports-dir {shlex.quote(reports_dir)}"
    return place + (f" --database {shlex.quote(database)}" if database else "")


#: What moves the cursor of a terminal, colours it or types: all control characters but line end and tab.
_CONTROLS = dict.fromkeys((*range(9), *range(11, 32), *range(127, 160)), "�")


def is_utf8(text: str) -> bool:
    """Whether the text can be written as UTF-8. Other bytes of the command line are surrogates in it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def visible(text: str) -> str:
    """The text without control characters: a name from a sheet or a server's message may hold any."""
    return text.translate(_CONTROLS)
