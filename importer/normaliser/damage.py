"""What spreadsheet programs do to identifiers: what can be undone with certainty, and what is destroyed.

Pure text in, `Verdict` out. Nothing here guesses: a value is mended only where its text still proves what it was.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple


class Verdict(NamedTuple):
    """`text` is what may be sent (empty for a blank cell); a `code` says instead why nothing may be sent."""

    text: str = ""
    repairs: tuple[str, ...] = ()
    code: str = ""


#: What was mended → how it is told. The keys are the codes of `Repair`.
REPAIRS: dict[str, str] = {
    "apostrophe_removed": "an apostrophe before a number taken off",
    "formula_quotes_removed": 'the formula ="…" around a number taken off',
    "invisible_characters_removed": "invisible characters taken out",
    "unusual_spaces_removed": "non-breaking and other unusual spaces taken out",
    "digits_rewritten": "full-width or other scripts' digits written as 0-9",
    "point_zero_removed": "the .0 of a number taken off",
    "scientific_notation_expanded": "a number in scientific notation written out, all its digits were there",
    "separators_removed": "spaces, dashes, dots or brackets taken out of a number",
    "leading_zero_restored": "a leading zero given back that the numbering plan proves",
    "mailto_removed": "the link prefix mailto: taken off",
    "list_quotes_removed": "curly quotes around the items of a list taken off",
}

#: The digits that a spreadsheet program's numbers can hold. What lies beyond has become zeros.
EXACT_DIGITS = 15
_WRITTEN_DIGITS = 17

#: What no plain cell has. Cells without it need no cleaning.
_ODD = re.compile(r"[^!-~ ]|^['`=]")
_SPACES = re.compile(r"\s")
_FORMULA = re.compile(r'="([^"]*)"')
_POINT_ZERO = re.compile(r"([+-]?\d+)[.,]0+", re.ASCII)
# Excel, LibreOffice and Python all write the sign of the exponent, which tells their numbers from an id such as 5E10.
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


def clean(text: str) -> Verdict:
    """White space, invisible characters, other scripts' digits, an apostrophe or `="…"` put around a number."""
    text = text.strip()
    if not _ODD.search(text):
        return Verdict(text)
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
    formula = _FORMULA.fullmatch(text)
    if formula:
        text = formula.group(1).strip()
        repairs.append("formula_quotes_removed")
    if text[:1] in _APOSTROPHES and _is_number_or_date(text[1:]):
        text = text[1:]
        repairs.append("apostrophe_removed")
    return Verdict(text, tuple(repairs))


_APOSTROPHES = ("'", "’", "‘", "`")
_UNUSUAL_SPACES = "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"


def _is_number_or_date(text: str) -> bool:
    """Where an apostrophe before it was the way to have a program keep it as text."""
    if text[:1] == "+":
        return any(character.isdecimal() for character in text)
    return text[:1].isdecimal() or is_certain_date(text)


def _ascii_digit(character: str) -> str:
    if character == "＋":
        return "+"
    value = unicodedata.decimal(character, None)
    return character if value is None else str(value)


def whole_number(text: str) -> Verdict:
    """A number as a program wrote it → its digits, where they are all there.

    Code `cut` for digits lost to scientific notation, `rounded` for more digits than such a program can hold; the
    empty verdict says that the text is no such number at all.
    """
    point = _POINT_ZERO.fullmatch(text)
    if point:
        digits = point.group(1)
        if len(digits.lstrip("+-")) > EXACT_DIGITS:
            return Verdict(code="rounded")
        return Verdict(digits, ("point_zero_removed",))
    scientific = _SCIENTIFIC.fullmatch(text)
    if scientific:
        whole, fraction, exponent = scientific.group(1), scientific.group(2) or "", int(scientific.group(3))
        if len(fraction) != exponent or len(whole) + exponent > EXACT_DIGITS:
            return Verdict(code="cut")
        return Verdict(whole + fraction, ("scientific_notation_expanded",))
    return Verdict()


def is_rounded(text: str) -> bool:
    """More digits than a program's number holds, and zeros where it has lost them.

    Spreadsheet programs keep 15 digits; JavaScript and its kin write up to 17 before the zeros begin, where two zeros
    or more at the end are taken as proof.
    """
    if len(text) <= EXACT_DIGITS or not (text.isascii() and text.isdecimal()):
        return False
    kept = len(text.rstrip("0"))
    return kept <= EXACT_DIGITS or kept <= min(_WRITTEN_DIGITS, len(text) - 2)


def is_certain_date(text: str) -> bool:
    """A form that only dates have, and that programs give to ids such as `3-9` or `MAR-26`."""
    return _CERTAIN_DATE.fullmatch(text) is not None


def is_date(text: str) -> bool:
    """Any form of a date: enough where the value should be a phone number."""
    return is_certain_date(text) or _LIKELY_DATE.fullmatch(text) is not None


def identifier(text: str, longest: int) -> Verdict:
    """An external id, user id or store: text as it came, cleaned of damage. Codes lack the field's name."""
    made = clean(text)
    value, repairs = made.text, made.repairs
    if not value:
        return Verdict("", repairs)
    # An apostrophe or ="…" is a person's word that the digits are text: no program rounded them.
    typed_as_text = "apostrophe_removed" in repairs or "formula_quotes_removed" in repairs
    if not typed_as_text:
        number = whole_number(value)
        if number.code:
            return Verdict(code="rounded" if number.code == "rounded" else "in_scientific_notation")
        if number.text:
            value, repairs = number.text, repairs + number.repairs
        if is_rounded(value):
            return Verdict(code="rounded")
        if is_certain_date(value):
            return Verdict(code="is_a_date")
    if len(value) > longest:
        return Verdict(code="too_long")
    return Verdict(value, repairs)
