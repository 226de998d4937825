"""Damage that spreadsheet programs do to identifiers: what can be repaired with certainty, and what is lost.

Pure. A value is repaired only where its text shows the original unambiguously.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

from importer.normaliser.placeholders import is_placeholder


class CellResult(NamedTuple):
    """A cell as read: `text` to send (empty for a blank cell) with the `repairs` made, or the `code` of its problem."""

    text: str = ""
    repairs: tuple[str, ...] = ()
    code: str = ""

    @property
    def typed_as_text(self) -> bool:
        """Whether an apostrophe or ="…" shows that a person typed the digits as text: no program rounded them."""
        return "apostrophe_removed" in self.repairs or "formula_quotes_removed" in self.repairs


class DetailedCode(str):
    """A code with what the row's message adds to its meaning. It never holds more than a character of the cell."""

    __slots__ = ("detail",)

    def __new__(cls, code: str, detail: str) -> DetailedCode:
        made = super().__new__(cls, code)
        made.detail = detail
        return made

    detail: str


#: Control characters that no cell may contain. Tab and line breaks are data. Those above DEL are what remains of marks
#: like ’ and – that were read in another encoding.
CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")

#: A cell with a placeholder.
EMPTIED = CellResult("", ("placeholder_emptied",))

#: Code of a `Repair` → its description.
REPAIRS: dict[str, str] = {
    "apostrophe_removed": "apostrophe before a number removed",
    "formula_quotes_removed": 'formula ="…" around a value removed',
    "invisible_characters_removed": "invisible characters removed",
    "unusual_spaces_removed": "non-breaking and other unusual spaces removed",
    "digits_rewritten": "full-width or other scripts' digits changed to 0-9",
    "point_zero_removed": ".0 at the end of a number removed",
    "scientific_notation_expanded": "scientific notation expanded (no digits were lost)",
    "separators_removed": "spaces, dashes, dots or brackets in a number removed",
    "leading_zero_restored": "leading zero restored by the numbering plan",
    "trunk_prefix_removed": "dialling prefix after the country code, like the 0 in 971 050, removed",
    "tel_removed": "link prefix tel: removed",
    "second_plus_removed": "second + before a number removed",
    "mailto_removed": "link prefix mailto: removed",
    "quotes_removed": "quotes around every cell of a column removed",
    "email_brackets_removed": "angle brackets around an e-mail address, or its repetition as a link, removed",
    "placeholder_emptied": "placeholder like NULL, N/A or - in an identifier or store read as an empty cell",
    "list_quotes_removed": "curly quotes around the items of a list removed",
}

#: Digits that a spreadsheet program's numbers keep. Further digits become zeros.
EXACT_DIGITS = 15
_WRITTEN_DIGITS = 17

#: Cells without a match need no cleaning.
_ODD = re.compile(r"[^!-~ ]|^['`=]")
_SPACES = re.compile(r"\s")
#: A text cell as some programs export it.
_FORMULA = re.compile(r'="((?:[^"]|"")*)"')
_POINT_ZERO = re.compile(r"([+-]?\d+)[.,]0+", re.ASCII)
# Excel, LibreOffice and Python write the exponent's sign, which distinguishes their numbers from an ID like 5E10.
_SCIENTIFIC = re.compile(r"(\d{1,3})(?:[.,](\d+))?[eE]\+(\d{1,3})", re.ASCII)
_MONTHS = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
_CLOCK = r"(?:[ T]\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?)?"
_CERTAIN_DATE = re.compile(
    rf"(?:\d{{4}}-\d{{2}}-\d{{2}}{_CLOCK}|\d{{1,2}}/\d{{1,2}}/\d{{4}}{_CLOCK}"
    rf"|\d{{1,2}}-(?:{_MONTHS})(?:-\d{{2,4}})?|(?:{_MONTHS})-\d{{2,4}})",
    re.ASCII,
)
_LIKELY_DATE = re.compile(
    rf"(?:\d{{1,2}}[/.-]\d{{1,2}}[/.-](?:\d{{4}}|\d{{2}})|\d{{4}}/\d{{1,2}}/\d{{1,2}}){_CLOCK}", re.ASCII
)

#: The short names of months in spreadsheet programs, which write the day or the year beside them.
_SHORT_MONTHS = (
    *("jan feb mar apr may jun jul aug sep sept oct nov dec", "jän mär mrz mai okt dez", "janv févr mars avr juin"),
    *("juil août déc", "ene abr ago dic", "fev abr out set", "gen mag giu lug ott", "mrt mei", "agu agt des"),
    *("sty lut kwi maj cze lip sie wrz paź lis gru", "oca şub nis haz tem ağu eyl eki kas ara", "янв фев мар апр"),
    *("май мая июн июл авг сен окт ноя дек", "ม.ค ก.พ มี.ค เม.ย พ.ค มิ.ย ก.ค ส.ค ก.ย ต.ค พ.ย ธ.ค"),
    *("يناير فبراير مارس أبريل مايو يونيو يوليو أغسطس سبتمبر أكتوبر نوفمبر ديسمبر", "जन फ़र फर मार्च अप्रै अप्रैल मई जून"),
    *("जुल जुला अग अगस्त सित सितं अक्टू अक्तू नव नवं दिस दिसं", "kor"),
)
_MONTH = "|".join([re.escape(month) for months in _SHORT_MONTHS for month in months.split()])
_MONTH_DATE = re.compile(
    rf"\d{{1,2}}\.?[-/. ](?:{_MONTH})\.?(?:[-/. ]\d{{2,4}})?|(?:{_MONTH})\.?[-/. ]\d{{2,4}}", re.IGNORECASE
)


def formula_text(text: str) -> str | None:
    """The text in a cell `="…"`, None for any other cell."""
    formula = _FORMULA.fullmatch(text) if text[:2] == '="' else None
    return None if formula is None else formula[1].replace('""', '"').strip()


def clean(text: str) -> CellResult:
    """Repair white space, invisible characters, other scripts' digits, and an apostrophe or `="…"` around a number."""
    text = text.strip()
    if not _ODD.search(text):
        return CellResult(text)
    repairs: list[str] = []
    made = "".join([character for character in text if unicodedata.category(character) != "Cf"])
    if made != text:
        repairs.append("invisible_characters_removed")
        text = made
    made = _SPACES.sub(" ", text).strip()
    if made != text:
        if any(character in text for character in _UNUSUAL_SPACES):
            repairs.append("unusual_spaces_removed")
        text = made
    if not text.isascii():
        made = "".join([_ascii_digit(character) for character in text])
        if made != text:
            repairs.append("digits_rewritten")
            text = made
    if (inner := formula_text(text)) is not None:
        text = inner
        repairs.append("formula_quotes_removed")
    if text[:1] in _APOSTROPHES and _is_number_or_date(text[1:]):
        text = text[1:]
        repairs.append("apostrophe_removed")
    return CellResult(text, tuple(repairs))


_APOSTROPHES = ("'", "’", "‘", "`")
_UNUSUAL_SPACES = "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"


def _is_number_or_date(text: str) -> bool:
    """Whether an apostrophe before the text was typed to keep it as text."""
    if text[:1] == "+":
        return any(character.isdecimal() for character in text)
    return text[:1].isdecimal() or is_certain_date(text)


def _ascii_digit(character: str) -> str:
    if character == "＋":
        return "+"
    value = unicodedata.decimal(character, None)
    return character if value is None else str(value)


def whole_number(text: str) -> CellResult:
    """The digits of a number as a program wrote it, where none is lost.

    Code `cut`: digits lost to scientific notation. Code `rounded`: more digits than a program keeps. An empty result:
    the text is not such a number.
    """
    point = _POINT_ZERO.fullmatch(text)
    if point:
        digits = point.group(1)
        if len(digits.lstrip("+-")) > EXACT_DIGITS:
            return CellResult(code="rounded")
        return CellResult(digits, ("point_zero_removed",))
    scientific = _SCIENTIFIC.fullmatch(text)
    if scientific:
        whole, fraction, exponent = scientific.group(1), scientific.group(2) or "", int(scientific.group(3))
        rest = fraction[exponent:].strip("0")
        if len(fraction) < exponent or rest or len(whole) + exponent > EXACT_DIGITS:
            return CellResult(code="cut")
        return CellResult(whole + fraction[:exponent], ("scientific_notation_expanded",))
    return CellResult()


def is_rounded(text: str) -> bool:
    """Whether a number has more digits than a program keeps, and zeros in place of the lost ones.

    Spreadsheet programs keep 15 digits. JavaScript writes up to 17 before the zeros; there two or more zeros at the
    end count as rounded.
    """
    if len(text) <= EXACT_DIGITS or not (text.isascii() and text.isdecimal()):
        return False
    kept = len(text.rstrip("0"))
    return kept <= EXACT_DIGITS or kept <= min(_WRITTEN_DIGITS, len(text) - 2)


def is_certain_date(text: str) -> bool:
    """A form that only dates have, and that programs give to IDs like `3-9` or `MAR-26`."""
    return _CERTAIN_DATE.fullmatch(text) is not None


def is_date(text: str) -> bool:
    """Any form of a date. Sufficient where the value should be a phone number."""
    return is_certain_date(text) or _LIKELY_DATE.fullmatch(text) is not None


def is_changed_range(text: str) -> bool:
    """Whether a program can have made this date of a range like 10-12: in any language of its months."""
    return is_date(text) or _MONTH_DATE.fullmatch(text) is not None


def identifier(text: str, longest: int) -> CellResult:
    """An external id, user id or store with its damage repaired. Codes are without the field's name."""
    made = clean(text)
    value, repairs = made.text, made.repairs
    if not value:
        return CellResult("", repairs)
    if is_placeholder(value):
        return EMPTIED
    if not made.typed_as_text:
        number = whole_number(value)
        if number.code:
            return CellResult(code="rounded" if number.code == "rounded" else "in_scientific_notation")
        if number.text:
            value, repairs = number.text, repairs + number.repairs
        if is_rounded(value):
            return CellResult(code="rounded")
        if is_certain_date(value):
            return CellResult(code="is_a_date")
    if len(value) > longest:
        return CellResult(code="too_long")
    return CellResult(value, repairs)
