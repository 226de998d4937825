"""The text of an OpenDocument cell: its typed value, or what the program displays, by the rule of `number_formats`."""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Iterable, Iterator
from xml.etree.ElementTree import Element

from importer.reader.cell_text import Flagged, date_text, duration_text, iso_moment
from importer.reader.number_formats import has_word, is_money, plain, role_of, unknown
from importer.reader.sheet_xml import UnreadableWorkbook, local_name
from importer.reader.sizes import LONGEST_CELL

_CLOCK = re.compile(r"(?<!\d)\d++(?::\d++)+(?:[.,]\d++)?")
_SCIENTIFIC = re.compile(r"\d(?:[.,]\d*)?[eE][+-]?\d+")
#: Digits of a repetition. One with more is far beyond the end of any sheet.
_COUNTED = 9
#: LibreOffice shows this instead of a number that its format cannot hold.
_NOT_FORMATTED = "#FMT"
_NUMERAL = re.compile(r"(\D*)(\d(?:.*\d)?)(\D*)", re.DOTALL)


def attribute(element: Element, name: str) -> str:
    return next((value for key, value in element.attrib.items() if local_name(key) == name), "")


def count(element: Element, name: str) -> int:
    text = attribute(element, name)
    return int(text[:_COUNTED]) if text.isascii() and text.isdigit() else 1


def shown_text(cell: Element) -> str:
    """The paragraphs of a cell as text."""
    return _joined("\n", (_joined("", _inline(child)) for child in cell if local_name(child.tag) == "p"))


def _joined(between: str, parts: Iterable[str]) -> str:
    """The text of the parts. Raises `UnreadableWorkbook` before it is longer than any cell: spaces may repeat."""
    taken: list[str] = []
    size = 0
    for part in parts:
        size += len(part)
        if size > LONGEST_CELL:
            raise UnreadableWorkbook("has a cell with more text than any sheet can hold; it was not read")
        taken.append(part)
    return between.join(taken)


def _inline(element: Element) -> Iterator[str]:
    yield element.text or ""
    for child in element:
        tag = local_name(child.tag)
        if tag == "s":
            yield " " * min(count(child, "c"), LONGEST_CELL + 1)
        elif tag == "tab":
            yield "\t"
        elif tag == "line-break":
            yield "\n"
        elif tag != "annotation":
            yield from _inline(child)
        yield child.tail or ""


def text_of(cell: Element) -> tuple[str, str]:
    """The text of a cell, and the code of what is wrong with it."""
    shown = shown_text(cell)
    types = [value for key, value in cell.attrib.items() if local_name(key) == "value-type"]
    has_formula = bool(attribute(cell, "formula"))
    if "error" in types or (has_formula and shown.startswith(("#", "Err:"))):
        return shown or "#ERROR", "error_cell"
    if not types:
        has_value = any(local_name(child.tag) == "p" for child in cell)
        return shown, "formula_without_value" if has_formula and not has_value else ""
    kind = types[0]
    if kind in ("float", "percentage", "currency"):
        value = attribute(cell, "value")
        return (_number(value, shown.strip(), has_formula) if value else shown), ""
    if kind == "date":
        return _date(attribute(cell, "date-value"), shown), ""
    if kind == "time":
        return _time(attribute(cell, "time-value"), shown), ""
    if kind == "boolean":
        return attribute(cell, "boolean-value"), ""
    return shown or attribute(cell, "string-value"), ""


def _number(value: str, shown: str, has_formula: bool) -> str:
    number = plain(value)
    if not shown or shown == number or (isinstance(number, Flagged) and number.code == "error_cell"):
        return number
    shown = "".join(str(unicodedata.decimal(letter, letter)) for letter in shown)
    if has_formula and number in ("0", "1") and shown.isalpha() and shown == shown.upper():
        # LibreOffice stores a boolean as a number and displays it as a word in the user's language.
        return "true" if number == "1" else "false"
    numeral = _NUMERAL.fullmatch(shown)
    if numeral is None:
        return _words(number, shown)
    if "%" in shown:
        return _percentage(number, *numeral.groups())
    digits = number.removeprefix("-")
    if not digits.isdigit():
        around = numeral[1] + numeral[3]
        differs = "/" in shown or re.match(r"0\d", numeral[2]) or (has_word(around) and not is_money(around))
        return unknown(number) if differs and not _SCIENTIFIC.fullmatch(numeral[2]) else number
    role = _role(digits, *numeral.groups())
    if role != "code":
        return unknown(number) if role else number
    return Flagged(shown, number.code) if isinstance(number, Flagged) else shown


def _words(number: str, shown: str) -> str:
    if shown.startswith("#"):
        is_error = has_word(shown) and shown != _NOT_FORMATTED
        return Flagged(shown, "error_cell") if is_error else number
    return number if is_money(shown) or not shown.strip("-–—−. ()/") else shown


def _percentage(number: str, prefix: str, core: str, suffix: str) -> str:
    """The percentage with as many decimals as displayed, and a point whatever the language displays."""
    digits = re.sub(r"\D", "", core)
    for scaled in (abs(float(number)) * 100, abs(float(number))):
        for decimals in range(16):
            made = f"{float(format(scaled, '.15g')):,.{decimals}f}"
            if re.sub(r"\D", "", made) == digits:
                return prefix + (made if made == core else made.replace(",", "")) + "".join(suffix.split())
    return prefix + core + suffix


def _role(digits: str, prefix: str, core: str, suffix: str) -> str:
    """`code` where a whole number is sent as displayed, empty where as stored; else its display is another value."""
    between = re.sub(r"\d", "", core)
    visible = re.sub(r"\D", "", core)
    if visible == digits:
        groups = re.findall(r"\d+", core)
        # Thousands are groups of three; in India, of two with commas.
        if between and not between.strip(" .\u00a0\u202f") and any(len(group) != 3 for group in groups[1:]):
            return "code"
        return role_of(prefix.strip().removeprefix("-"), between, suffix)
    if _SCIENTIFIC.fullmatch(core):
        return ""
    if re.fullmatch(r"[.,]0+", core[-1 - len(visible) + len(digits) :]) and visible.startswith(digits):
        text = prefix + suffix
        return "unit" if has_word(text) and not is_money(text) else ""
    is_longer = visible.endswith(digits) or visible.startswith(digits)
    points = len(re.findall("[.,]", between))
    return "code" if is_longer and (not points or (points > 1 and visible.startswith("0"))) else "other"


def _date(value: str, shown: str) -> str:
    moment = iso_moment(value)
    if moment is None:
        return value.replace("T", " ").partition(".")[0].removesuffix(" 00:00:00")
    if isinstance(moment, dt.timedelta):
        return duration_text(moment)
    text = date_text(moment)
    return text if _is_full(moment, shown) else Flagged(text, "preference_is_a_date")


def _is_full(moment: dt.datetime, shown: str) -> bool:
    """Whether the displayed text has the year, the month and the day. Without a date in it, it shows a time."""
    rest = _CLOCK.sub("", shown)
    groups = [int(group) for group in re.findall(r"\d+", rest)]
    if not shown.strip() or (not groups and rest != shown):
        return True
    if len(groups) >= 3 or any(group >= 10_000 for group in groups):
        return True
    has_month = re.search(r"[^\W\d_]{2,}", rest) is not None
    years = {moment.year, moment.year % 100}
    return (
        has_month
        and len(groups) == 2
        and any(day == moment.day and (year in years or year > 31) for day, year in (groups, groups[::-1]))
    )


def _time(value: str, shown: str) -> str:
    """A time, or a duration where more than a day is displayed."""
    length = iso_moment(value)
    if not isinstance(length, dt.timedelta):
        return shown
    seconds = round(length.total_seconds())
    first = re.search(r"\d+", shown)
    if seconds >= 86400 and first and int(first[0]) not in (seconds // 3600, seconds // 60, seconds):
        length %= dt.timedelta(days=1)
    return duration_text(length)
