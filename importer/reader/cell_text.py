"""A typed cell as the text that a spreadsheet program shows. The child that parses workbooks loads this module too."""

from __future__ import annotations

import datetime as dt
import math
import re
from decimal import Decimal

#: The character that programs put in place of a lost letter.
LOST = "\ufffd"

#: Up to here a double keeps every digit of a whole number.
_EXACT = 2**53

_ISO_DURATION = re.compile(r"(-?)P(?:(\d{1,7})D)?(T(?:(\d{1,8})H)?(?:(\d{1,9})M)?(?:(\d{1,9}(?:\.\d*)?)S)?)?", re.ASCII)
_ISO_DATE = re.compile(r"(?:(\d{4})-(\d\d)-(\d\d))?(?:(?:T|\b *)(\d\d):(\d\d)(?::(\d\d(?:\.\d*)?))?)?Z?", re.ASCII)
_DAYS_OF_TIMES = (dt.datetime(1899, 12, 30), dt.datetime(1899, 12, 31))


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
    """All digits of a whole number that a double keeps, else 15; no `.0`, no exponent where digits suffice."""
    if not math.isfinite(value):
        # A blank text would remove the preference's value, with --blank clear.
        return Flagged(str(value), "error_cell")
    if value.is_integer() and -_EXACT <= value <= _EXACT:
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


def moment_text(value: dt.datetime | dt.timedelta) -> str:
    """A date with or without a time, or a time."""
    return date_text(value) if isinstance(value, dt.datetime) else duration_text(value)


def iso_moment(text: str) -> dt.datetime | dt.timedelta | None:
    """A date, a time (`09:15:00`) or a duration (`PT9H15M`) of ISO 8601, to the second; None for another text.

    A time on the day before the first date of spreadsheets is a time alone.
    """
    duration = _ISO_DURATION.fullmatch(text.strip())
    if duration and (duration[2] or duration[3]):
        days, hours, minutes, seconds = (float(part or 0) for part in duration.group(2, 4, 5, 6))
        length = dt.timedelta(seconds=round(((days * 24 + hours) * 60 + minutes) * 60 + seconds))
        return -length if duration[1] else length
    match = _ISO_DATE.fullmatch(text.strip())
    if match is None or not (match[1] or match[4]):
        return None
    hours, minutes, seconds = (float(part or 0) for part in match.group(4, 5, 6))
    time = dt.timedelta(seconds=round((hours * 60 + minutes) * 60 + seconds))
    if match[1] is None:
        return time
    try:
        day = dt.datetime(int(match[1]), int(match[2]), int(match[3]))
        return time if match[4] and day in _DAYS_OF_TIMES else day + time
    except (ValueError, OverflowError):
        return None


def _decimal_text(value: Decimal) -> str:
    """As written, without an exponent where digits suffice. A whole number that a double cannot keep has no point."""
    if not value.is_finite():
        return Flagged(str(value), "error_cell")
    if abs(value) >= 10**15 and value == value.to_integral_value():
        value = value.to_integral_value()
    return format(value, "f") if -9 <= value.adjusted() <= 21 else str(value)


def cell_text(value: object) -> str:
    """The text of any value that a parser returns."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Decimal):
        return _decimal_text(value)
    if isinstance(value, float):
        return number_text(value)
    if isinstance(value, dt.date):
        return date_text(value)
    if isinstance(value, dt.time):
        return time_text(value)
    if isinstance(value, dt.timedelta):
        return duration_text(value)
    return str(value)
