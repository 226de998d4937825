"""The text of a number by its number format: as the program displays it where the display matters, else as stored.

The display matters where it is more than the number in another dress:

- dates, times and durations;
- percentages, with the decimals of the format;
- words alone: `"Yes";"Yes";"No"`;
- whole numbers with visible leading zeros (`00000`), or with text, a digit, `+` or `-` in front of or between the
  digits (`"C-"0`, `"91"#`, `###-####`), or a suffix like `"-A"` or `"/26"`.

Every other number stays as stored: separators, decimals, currencies, units, brackets, fractions, scientific notation.
The text is flagged where an identifier needs more: `number_format_unknown` where the display differs from the stored
number by more than these, `preference_is_a_date` for a date without its year, month or day, `mobile_rounded` for a
number whose last digits are zeros, and `error_cell` for one that is not a number.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import partial

from importer.reader.built_in_formats import built_in
from importer.reader.cell_text import Flagged, date_text, duration_text, iso_moment, moment_text, number_text
from importer.reader.format_code import NumberLayout, Section, sections

#: From the text of a number in the file to the text of its cell.
Shown = Callable[[str], str]

_WRITTEN = re.compile(r"(-?)(\d+)(?:\.(\d*))?(?:[eE]\+?(\d{1,3}))?", re.ASCII)
_EXACT_DIGITS = 15
_LAST_DAY = 2_958_466
_LAST_DAY_1904 = _LAST_DAY - 1462
_REMEMBERED = 4096
#: Characters of a format's code. Excel allows 255.
_LONGEST_CODE = 1024

#: Words for money, beside its signs. Letters alone are more often part of an ID.
_MONEY = re.compile(
    "aed|ars|aud|bdt|bgn|bhd|brl|cad|chf|clp|cny|cop|czk|dkk|egp|eur|gbp|ghs|hkd|huf|idr|ils|inr|irr|jod|jpy|kes|krw|kwd|"
    "kzt|lbp|lkr|mad|mmk|mxn|myr|ngn|nok|npr|nzd|omr|pen|php|pkr|pln|qar|ron|rsd|rub|sar|sek|sgd|thb|tnd|try|twd|tzs|uah|"
    "ugx|usd|uzs|vnd|xaf|xof|zar|fr|sfr|ft|kr|kc|kč|lei|lv|dh|dhs|rm|rp|rs|sr|tl|zł|лв|руб|грн|тг|元|円|원",
    re.IGNORECASE,
)
#: A text around digits that makes them an ID, and text that only divides or encloses them.
_CODE_SUFFIX = re.compile(r"[-+/_#]|.*\d")
_SEPARATORS = re.compile(r"[\s()\[\],.'’]")


def plain(text: str) -> str:
    """A number without a number format: the digits as written, integers without `.0`."""
    # Most numbers are whole and already in their displayed form.
    if text.isdigit() and text.isascii() and text[0] != "0" and (text[-1] != "0" or text[-5:] != "00000"):
        return text
    return "0" if text == "0" else _number(text)


def plain_column(texts: Sequence[str]) -> list[str]:
    """Numbers without a number format, at once where all are in their displayed form. No text is empty."""
    digits, ends = "".join(texts), "\n".join(("", *texts, ""))
    if digits.isascii() and digits.isdigit() and "\n0" not in ends and "00000\n" not in ends:
        return list(texts)
    return list(map(plain, texts))


def double_text(value: float) -> str:
    """A double as a file of text would have it: 15 digits where it cannot keep every digit of a whole number."""
    return repr(value).removesuffix(".0") if abs(value) <= 2**53 else f"{value:.14E}"


def _number(text: str) -> str:
    number = _whole_digits(text)
    if not number:
        try:
            number = number_text(float(text))
        except ValueError:
            return text
        if isinstance(number, Flagged):
            return Flagged(text, number.code)
    if number.endswith("00000") and number.removeprefix("-").isdigit() and len(number.removeprefix("-")) >= 7:
        return Flagged(number, "mobile_rounded")
    return number


def _whole_digits(text: str) -> str:
    """The digits of a whole number, also of one in scientific notation, where the text has them all; else empty."""
    match = _WRITTEN.fullmatch(text)
    if match is None:
        return ""
    sign, whole, fraction, exponent = match[1], match[2], match[3] or "", int(match[4] or "0")
    if exponent > len(fraction) or fraction[exponent:].strip("0"):
        return ""
    digits = (whole + fraction[:exponent]).lstrip("0")
    return sign + digits if digits else "0"


class Moments:
    """Numbers as dates, times or durations; remembers its last texts."""

    def __init__(self, kind: str, is_1904: bool = False, is_partial: bool = False) -> None:
        self._kind = kind
        makers: dict[str, Callable[[float], str | None]] = {"time": _time, "duration": _duration}
        self._make = makers.get(kind, partial(_date, is_1904))
        self._is_partial = is_partial
        self._texts: dict[str, str] = {}

    def __call__(self, text: str) -> str:
        found = self._texts.get(text)
        if found is None:
            if len(self._texts) >= _REMEMBERED:
                self._texts.clear()
            found = self._texts[text] = self._text(text)
        return found

    def of(self, moment: dt.datetime | dt.timedelta) -> str:
        """The text of a moment that is not a number."""
        if self._kind == "time":
            day = dt.timedelta(days=1)
            since = moment if isinstance(moment, dt.timedelta) else moment - dt.datetime.combine(moment, dt.time())
            return duration_text(since % day)
        made = moment_text(moment)
        return Flagged(made, "preference_is_a_date") if self._is_partial and isinstance(moment, dt.datetime) else made

    def _text(self, text: str) -> str:
        try:
            made = self._make(float(text))
        except ValueError:
            return text
        # A spreadsheet program shows ##### for a number that is no date: it was formatted as one by mistake.
        if made is None:
            return plain(text)
        return Flagged(made, "preference_is_a_date") if self._is_partial and made[4:5] == "-" else made


def serial_date(value: float, is_1904: bool) -> dt.datetime | None:
    """The date of a serial number in the workbook's date system; None for 29 February 1900, which did not exist."""
    days, seconds = divmod(round(value * 86400), 86400)
    if is_1904:
        return dt.datetime(1904, 1, 1) + dt.timedelta(days=days, seconds=seconds)
    if days == 60:
        return None
    return dt.datetime(1899, 12, 31 if days < 60 else 30) + dt.timedelta(days=days, seconds=seconds)


def _date(is_1904: bool, value: float) -> str | None:
    if not 0 <= value < (_LAST_DAY_1904 if is_1904 else _LAST_DAY):
        return None
    if value < 1 and not is_1904:
        return duration_text(dt.timedelta(days=value)) if value else None
    moment = serial_date(value, is_1904)
    return "1900-02-29" if moment is None else date_text(moment)


def _time(value: float) -> str | None:
    if not 0 <= value < _LAST_DAY:
        return None
    return duration_text(dt.timedelta(seconds=round(value % 1 * 86400) % 86400))


def _duration(value: float) -> str | None:
    return duration_text(dt.timedelta(days=value)) if abs(value) < _LAST_DAY else None


class Stored:
    """Numbers as stored, flagged where an identifier would need the display."""

    def __init__(self, least: int = 0, *, is_always: bool = False, is_for_fractions: bool = False) -> None:
        self._least = least
        self._is_always = is_always
        self._is_for_fractions = is_for_fractions

    def __call__(self, text: str) -> str:
        number = plain(text)
        digits = number.removeprefix("-").partition(".")[0]
        if self._is_always or len(digits) < self._least or (self._is_for_fractions and "." in number):
            return unknown(number)
        return number


class Displayed:
    """Numbers as displayed. `only_whole`: others are as stored."""

    def __init__(self, layout: NumberLayout, *, is_signed: bool, only_whole: bool) -> None:
        self._layout = layout
        self._is_signed = is_signed
        self._only_whole = only_whole

    def __call__(self, text: str) -> str:
        number = plain(text)
        digits = number.removeprefix("-")
        is_exact = digits.isascii() and (digits if self._only_whole else digits.replace(".", "", 1)).isdigit()
        made = self._layout.shown(Decimal(digits)) if is_exact else None
        if made is None:
            return unknown(number)
        if self._is_signed and number[0] == "-" and re.search("[1-9]", made):
            made = "-" + made
        return Flagged(made, number.code) if isinstance(number, Flagged) else made


class Words:
    """The same words for every number."""

    def __init__(self, words: str, *, is_signed: bool) -> None:
        self._words = words
        self._is_signed = is_signed

    def __call__(self, text: str) -> str:
        number = plain(text)
        if isinstance(number, Flagged) and number.code == "error_cell":
            return number
        return "-" + self._words if self._is_signed and number[:1] == "-" else self._words


class Sections:
    """Numbers by the section of the code that applies to them."""

    def __init__(self, parts: list[tuple[Section, Shown]]) -> None:
        self._parts = parts
        self._is_by_sign = all(section.condition is None for section, _ in parts[:2])
        self._has_conditions = not all(section.condition is None for section, _ in parts)
        #: How dates and times are shown, if these sections show any.
        self.moments = next((show for _, show in parts if isinstance(show, Moments)), None)

    def __call__(self, text: str) -> str:
        try:
            value = float(text)
        except ValueError:
            return text
        if value != value:
            return plain(text)
        section, show = self._parts[self._at(value)]
        if value < 0 and self._has_conditions and not (section.is_for_negatives or isinstance(show, Moments)):
            # Programs differ in the sign that they show here.
            return plain(text) if show is plain else unknown(plain(text))
        return show(text)

    def _at(self, value: float) -> int:
        last = len(self._parts) - 1
        if self._is_by_sign:
            return 1 if value < 0 else 2 if value == 0 and last == 2 else 0
        first, second = self._parts[0][0], self._parts[1][0]
        if first.applies(value) or (first.condition is None and value > 0):
            return 0
        if second.applies(value) or (second.condition is None and (last == 1 or value < 0)):
            return 1
        return last


def unknown(number: str) -> str:
    """A number as stored whose display cannot be reproduced."""
    is_error = isinstance(number, Flagged) and number.code == "error_cell"
    return number if is_error else Flagged(number, "number_format_unknown")


def iso_shown(show: Shown) -> Shown:
    """The function that formats dates and times that are written as text (ISO 8601), for cells of this format."""
    moments = show.moments if isinstance(show, Sections) else show

    def shown(text: str) -> str:
        moment = iso_moment(text)
        if moment is None:
            return text.strip()
        return moments.of(moment) if isinstance(moments, Moments) else moment_text(moment)

    return shown


def shown_as(format_id: int, code: str | None, is_1904: bool, language: str = "") -> Shown:
    """The function that formats numbers of this format. `code`: the format's code in the file, if any."""
    code = built_in(format_id, language) if code is None else code
    if not code.strip():
        return plain
    if len(code) > _LONGEST_CODE:
        return Stored(is_always=True)
    found = sections(code)
    has_conditions = any(section.condition for section in found)
    made = [
        _section(section, is_1904, is_signed=not section.is_for_negatives if has_conditions else at != 1)
        for at, section in enumerate(found)
    ]
    if all(show is plain for show in made):
        return plain
    if has_conditions and len(made) == 1:
        found, made = [*found, Section(())], [*made, Stored(is_always=True)]
    return made[0] if len(made) == 1 else Sections(list(zip(found, made, strict=True)))


def _section(section: Section, is_1904: bool, *, is_signed: bool) -> Shown:
    if section.has("elapsed"):
        return Moments("duration")
    if section.has("moment", "half") and not section.has("digit", "general"):
        return _moments(section, is_1904)
    if not section.has("digit", "general"):
        return _without_digits(section, is_signed)
    layout = NumberLayout(section)
    if "%" in section.literal and not section.has("exponent", "numerals", "general"):
        return Displayed(layout, is_signed=is_signed, only_whole=False)
    if not (section.has("point", "comma", "exponent", "numerals") or layout.is_fraction):
        return _whole(section, layout, is_signed)
    around = layout.prefix + layout.between + layout.suffix
    differs = section.has("numerals", "percent") or layout.scales > 0 or (has_word(around) and not is_money(around))
    if layout.is_fraction:
        return Stored(is_always=differs or not layout.has_whole, is_for_fractions=True)
    if differs:
        return Stored(is_always=True)
    return plain if layout.least < 2 or section.has("exponent") else Stored(layout.least)


def _whole(section: Section, layout: NumberLayout, is_signed: bool) -> Shown:
    """A section for whole numbers without separators."""
    prefix, suffix = layout.prefix.strip(), layout.suffix.strip()
    if not is_signed or layout.is_optional:
        # The sign of a negative number, or the dash that accountants show for zero.
        prefix = prefix.strip("-–—")
    role = role_of(prefix, layout.between, suffix)
    if layout.least > 1 or (role == "code" and not section.has("currency")):
        return Displayed(layout, is_signed=is_signed, only_whole=True)
    return Stored(is_always=True) if has_word(prefix + layout.between + suffix) else plain


def role_of(prefix: str, between: str, suffix: str) -> str:
    """What the text around and between the digits of a whole number makes of it: `code`, `unit` or empty."""
    text = prefix + between + suffix
    is_code = bool(_SEPARATORS.sub("", prefix + between)) or _CODE_SUFFIX.match(suffix.strip()) is not None
    if is_code and not is_money(text):
        return "code"
    return "unit" if has_word(text) else ""


def has_word(text: str) -> bool:
    return any(character.isalnum() for character in text)


def is_money(text: str) -> bool:
    """Whether the text is a currency's sign or word."""
    if any(unicodedata.category(character) == "Sc" for character in text):
        return True
    words = re.findall(r"\w+", text)
    return bool(words) and all(map(_MONEY.fullmatch, words))


def _without_digits(section: Section, is_signed: bool) -> Shown:
    """A section that shows words, or nothing at all."""
    words = section.literal.strip()
    if section.has("text"):
        return Stored(is_always=True) if words else plain
    if not section.tokens or section.has("numerals"):
        return Stored(is_always=True)
    return Words(words, is_signed=is_signed) if words.strip("-–—−. ()/") else plain


def _moments(section: Section, is_1904: bool) -> Shown:
    """A section of a date or a time. A date is partial where its year, month or day is not displayed."""
    parts = [(token.kind, token.text.lower()) for token in section.tokens if token.kind in ("moment", "half")]
    letters = "".join(text[0] for kind, text in parts if kind == "moment")
    has_time = any(kind == "half" for kind, _ in parts) or bool(set(letters) & set("hs"))
    # An m beside hours or seconds means minutes.
    months = re.sub("hm|ms", "", letters)
    if not (set(letters) & set("ydegbra") or ("m" in letters and not has_time)):
        return Moments("time")
    has_year = bool(set(letters) & set("yebr"))
    has_day = any(text in ("d", "dd") for kind, text in parts if kind == "moment")
    return Moments("date", is_1904, not (has_year and has_day and "m" in months))
