"""A typed cell as the text that a spreadsheet program shows. The child that parses workbooks loads this module too."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal

#: Control characters that no cell may contain. Tab and line breaks are data.
CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

#: The character that programs put in place of a lost letter.
LOST = "\ufffd"

#: Spreadsheet programs show 15 digits. Doubles beyond this cannot keep all of theirs.
_EXACT = 10**15


class Flagged(str):
    """The text of a cell with the code of its problem, which may matter for some fields only."""

    __slots__ = ("code",)
    code: str

    def __new__(cls, text: str, code: str) -> Flagged:
        made = super().__new__(cls, text)
        made.code = code
        return made


def whole_letters(text: str) -> str:
    """The text with the halves of a letter joined (`\\ud83d`, `\\ude00` are one emoji). A single half is lost."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def number_text(value: float) -> str:
    """At most 15 significant digits, integers without `.0`, no exponent where digits suffice."""
    if value != value or value in (float("inf"), float("-inf")):
        return ""
    if value.is_integer() and -_EXACT < value < _EXACT:
        return str(int(value))
    text = format(value, ".15g")
    if "e" in text and 1e-9 < abs(value) < 1e21:
        return format(Decimal(text), "f")
    return text.replace("e+", "E+").replace("e-", "E-")


def date_text(value: dt.date) -> str:
    """`2026-03-09`; with a time only when it has one: `2026-03-09 14:30:00`."""
    if isinstance(value, dt.datetime):
        if value.microsecond:
            # Times are fractions of a day in doubles: 14:30 may be stored as 14:29:59.999997.
            value = (value + dt.timedelta(microseconds=500_000)).replace(microsecond=0)
        if value.time() == dt.time(0):
            return value.strftime("%Y-%m-%d") if value.year >= 1000 else value.date().isoformat()
        return value.replace(tzinfo=None).isoformat(sep=" ")
    return value.isoformat()


def duration_text(value: dt.timedelta) -> str:
    """Hours beyond a day as spreadsheets show them: `30:00:00`."""
    seconds = round(value.total_seconds())
    sign, seconds = ("-", -seconds) if seconds < 0 else ("", seconds)
    return f"{sign}{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def time_text(value: dt.time) -> str:
    """`14:30:00`."""
    seconds = round(value.hour * 3600 + value.minute * 60 + value.second + value.microsecond / 1e6)
    return duration_text(dt.timedelta(seconds=min(seconds, 86399)))


def cell_text(value: object) -> str:
    """The text of any value that a parser returns."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value) if -_EXACT < value < _EXACT else number_text(float(value))
    if isinstance(value, float):
        return number_text(value)
    if isinstance(value, dt.date):
        return date_text(value)
    if isinstance(value, dt.time):
        return time_text(value)
    if isinstance(value, dt.timedelta):
        return duration_text(value)
    return str(value)
