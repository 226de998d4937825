"""Format a number as its number format does: as a date, a time, digits with leading zeros, or a plain number."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from functools import lru_cache

from importer.reader.cell_text import date_text, duration_text, number_text

#: From the text of a number in the file to the displayed text.
Shown = Callable[[str], str]

#: Built-in formats, known by number and not written into the file.
_DATE_IDS = {*range(14, 18), 22, *range(27, 32), 36, *range(50, 55), 57, 58}
_TIME_IDS = {18, 19, 20, 21, 32, 33, 34, 35, 45, 47, 55, 56}
_DURATION_ID = 46

_LITERAL = re.compile(r'"[^"]*"|\\.|_.|\*.')
_ELAPSED = re.compile(r"\[(h+|m+|s+)\]", re.IGNORECASE)
_BRACKETS = re.compile(r"\[[^\]]*\]")
_DIGIT_TOKEN = re.compile(r'"([^"]*)"|\\(.)|([0#])|([-+ ()/])')
_LAST_DAY = 2_958_466
_LAST_DAY_1904 = _LAST_DAY - 1462


def plain(text: str) -> str:
    """A number without a number format."""
    # Most numbers are whole and already in their displayed form: no float is needed.
    if text.isdigit() and text.isascii() and len(text) <= 15 and (text[0] != "0" or text == "0"):
        return text
    try:
        return number_text(float(text))
    except ValueError:
        return text


def kind_of(code: str) -> str:
    """`date`, `time`, `duration`, `digits` or `plain`, by the first section of the format's code."""
    section = _first_section(code)
    bare = _LITERAL.sub("", section)
    if _ELAPSED.search(bare):
        return "duration"
    bare = _BRACKETS.sub("", bare).lower()
    if bare.strip() in ("", "general", "@"):
        return "plain"
    without_half = bare.replace("am/pm", "").replace("a/p", "")
    if not re.search("[0#?]", re.sub(r"s\.0+", "s", without_half)):
        has_time = bool(re.search("[hs]", without_half)) or without_half != bare
        if re.search("[dyeg]", without_half) or ("m" in without_half and not has_time):
            return "date"
        if has_time:
            return "time"
    return "digits" if _template(section) else "plain"


def _first_section(code: str) -> str:
    quoted = False
    place = 0
    while place < len(code):
        character = code[place]
        if character == "\\" and not quoted:
            place += 1
        elif character == '"':
            quoted = not quoted
        elif character == ";" and not quoted:
            return code[:place]
        place += 1
    return code


def _template(section: str) -> list[tuple[bool, str]] | None:
    """The tokens of a format of zeros, `(is a digit, text)`; None for any other format or one without effect."""
    section = _BRACKETS.sub("", section)
    tokens: list[tuple[bool, str]] = []
    place = 0
    while place < len(section):
        match = _DIGIT_TOKEN.match(section, place)
        if match is None:
            return None
        quoted, escaped, digit, literal = match.groups()
        tokens.append((True, digit) if digit else (False, quoted or escaped or literal or ""))
        place = match.end()
    zeros = sum(is_digit and text == "0" for is_digit, text in tokens)
    literals = "".join(text for is_digit, text in tokens if not is_digit)
    if zeros < 2 and not any(character in "+-" for character in literals):
        return None
    if any(character.isalpha() for character in literals):
        return None
    return tokens if any(is_digit for is_digit, _ in tokens) else None


def _digits(code: str) -> Shown:
    tokens = _template(_first_section(code)) or []

    def shown(text: str) -> str:
        number = plain(text)
        if not (number.isascii() and number.isdigit()):
            return number
        left = number
        written: list[str] = []
        places = [at for at, (is_digit, _) in enumerate(tokens) if is_digit]
        for at in range(len(tokens) - 1, -1, -1):
            is_digit, literal = tokens[at]
            if not is_digit:
                written.append(literal)
            elif at == places[0]:
                written.append(left or ("0" if literal == "0" else ""))
            else:
                written.append(left[-1:] or ("0" if literal == "0" else ""))
                left = left[:-1]
        return "".join(reversed(written)).strip()

    return shown


def serial_date(value: float, is_1904: bool) -> dt.datetime | None:
    """The date of a serial number in the workbook's date system; None for 29 February 1900, which did not exist."""
    days, seconds = divmod(round(value * 86400), 86400)
    if is_1904:
        return dt.datetime(1904, 1, 1) + dt.timedelta(days=days, seconds=seconds)
    if days == 60:
        return None
    return dt.datetime(1899, 12, 31 if days < 60 else 30) + dt.timedelta(days=days, seconds=seconds)


def _date(is_1904: bool) -> Shown:
    @lru_cache(maxsize=4096)
    def shown(text: str) -> str:
        try:
            value = float(text)
        except ValueError:
            return text
        if not 0 <= value < (_LAST_DAY_1904 if is_1904 else _LAST_DAY):
            # A spreadsheet program shows ##### here: a number formatted as a date by mistake.
            return plain(text)
        if value < 1 and not is_1904:
            return duration_text(dt.timedelta(days=value)) if value else plain(text)
        moment = serial_date(value, is_1904)
        return "1900-02-29" if moment is None else date_text(moment)

    return shown


def _time(text: str) -> str:
    try:
        value = float(text)
    except ValueError:
        return text
    if not 0 <= value < _LAST_DAY:
        return plain(text)
    return duration_text(dt.timedelta(seconds=round(value % 1 * 86400) % 86400))


def _duration(text: str) -> str:
    try:
        value = float(text)
    except ValueError:
        return text
    return duration_text(dt.timedelta(days=value)) if abs(value) < _LAST_DAY else plain(text)


def shown_as(format_id: int, code: str | None, is_1904: bool) -> Shown:
    """The function that formats numbers of this format. `code`: the format's code in the file, if any."""
    if code is None:
        if format_id in _DATE_IDS:
            return _date(is_1904)
        if format_id in _TIME_IDS:
            return _time
        return _duration if format_id == _DURATION_ID else plain
    kind = kind_of(code)
    if kind == "date":
        return _date(is_1904)
    if kind == "digits":
        return _digits(code)
    return {"time": _time, "duration": _duration}.get(kind, plain)
