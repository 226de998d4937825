"""Mobile numbers: digits with country code, without plus, checked against the numbering plan, never guessed.

How a number without a plus is read:
- Without `--country` every number must have its country code, so it is read as an international number.
- With `--country` it is read as a number of that country, with or without its country code. Where both readings are
  valid numbers, the mobile number wins, because the column contains mobiles. Where that does not decide, the number
  is rejected. A number that is not valid in that country is rejected even if it fits another country's plan: a typing
  error looks the same. Such numbers need their plus.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

import phonenumbers
from phonenumbers import PhoneMetadata, PhoneNumberDesc, PhoneNumberType, ValidationResult

from importer.normaliser.countries import known_country
from importer.normaliser.damage import EMPTIED, CellResult, clean, is_date, whole_number
from importer.normaliser.phone_text import DOUBTFUL_END, SEPARATORS, holds_several, lost_digits, one_line
from importer.normaliser.placeholders import is_placeholder
from importer.normaliser.remembering import remembered

_GROUPED = re.compile(r"\d{1,3}(?:,\d{2,3})+", re.ASCII)
#: As Java writes a number. Spreadsheet programs write the sign of the exponent too.
_WITHOUT_SIGN = re.compile(r"\A(\d{1,3}[.,]\d+[eE])(\d{1,3})\Z", re.ASCII)
_LINK = re.compile(r"(?:tel|callto):\s*", re.IGNORECASE)
_PLUSES = re.compile(r"\+[\s+]*\+")
_DIGITS = re.compile(r"\d+", re.ASCII)
#: Digits with common separators. Other separators are handled by `_read`.
_SEPARATED = re.compile(r"\+?\d[\d ()-]*\d", re.ASCII)
_NO_SEPARATORS = {ord(character): None for character in " ()-"}
#: Two numbers of the fewest digits together, and the fewest national digits of a number before a slash: `0049 151/…`.
_TWO_NUMBERS, _SHORTEST_WHOLE = 14, 6
#: Characters of a cell that can be a number.
_LONGEST_CELL = 500
#: Words that are no value in a mobile column, though they may be an id.
_NO_VALUE = frozenset({"na"})
#: Lengths of numbers without country code. Others have another problem.
_SHORTEST_NATIONAL, _LONGEST_NATIONAL = 7, 11
_MOBILE_TYPES = (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE)


class _Notation(NamedTuple):
    """How most numbers of a column are written: the code to add and the digits to drop before them."""

    code: str
    matches: Callable[[str], object]
    dropped: int = 0


def column_reader(country: str | None) -> Callable[[Sequence[str], bool], list[str | CellResult]]:
    """The function that reads a mobile column for this `--country`. Its second argument: the digits were typed as text,
    so no program rounded them."""
    return PhoneReader(country).read_column


class PhoneReader:
    """Reads the cells of a mobile column for one `--country` (None: every number has its country code)."""

    def __init__(self, country: str | None = None) -> None:
        self.country = known_country(country) if country else None
        self._code = ""
        self._ordinary: Callable[[str], object] | None = None
        self._remembered = remembered(16_384)(self._read_odd)
        if self.country is None:
            return
        self._code = str(phonenumbers.country_code_for_region(self.country))

    def read_column(self, values: Sequence[str], typed: bool = False) -> list[str | CellResult]:
        """The number where it needs no repair, else a `CellResult`. Blank cells give ""."""
        if self._ordinary is None:
            self._settle(values)
        ordinary = self._ordinary or _never
        code = self._national_code
        slow = self._remembered
        dropped = self._dropped
        if dropped:
            return [
                code + value[dropped:] if ordinary(value) else (slow(value, typed) if value else "") for value in values
            ]
        if code:
            return [code + value if ordinary(value) else (slow(value, typed) if value else "") for value in values]
        return [value if ordinary(value) else (slow(value, typed) if value else "") for value in values]

    def read(self, value: str, typed: bool = False) -> CellResult:
        """One cell, by the library alone."""
        return self._read(value, typed)

    # -- fast: patterns -------------------------------------------------------------------------------------------

    _national_code = ""
    _dropped = 0

    def _settle(self, values: Sequence[str]) -> None:
        """Find the notation of most numbers of this column, from its first cells."""
        sample = [value for value in values if _DIGITS.fullmatch(value.removeprefix("+"))][:200]
        if not sample:
            return
        with_plus = {calling_code(value[1:]) for value in sample if value[0] == "+"} - {""}
        ways = [_Notation("", plus_pattern(code), 1) for code in sorted(with_plus)]
        if self.country is None:
            codes = {calling_code(value) for value in sample} - {""}
            ways += [_Notation("", full_pattern(code)) for code in sorted(codes)]
        else:
            ways += [
                _Notation(self._code, national_pattern(self._code)),
                _Notation(self._code, trunk_pattern(self._code), len(trunk_prefix(self._code))),
                _Notation("", own_code_pattern(self._code)),
            ]
        hits = [sum(1 for value in sample if way.matches(value)) for way in ways]
        if any(hits):
            best = ways[hits.index(max(hits))]
            self._national_code, self._dropped, self._ordinary = best.code, best.dropped, best.matches

    def _read_odd(self, value: str, typed: bool) -> CellResult:
        """A cell in another notation than most of its column, as in sheets of several countries."""
        plus = value[:1] == "+"
        digits, repairs = value[plus:], tuple[str, ...]()
        if not _DIGITS.fullmatch(digits) and _SEPARATED.fullmatch(value) and not is_date(value):
            digits, repairs = digits.translate(_NO_SEPARATORS), ("separators_removed",)
            if len(digits) >= _TWO_NUMBERS or DOUBTFUL_END.search(value):
                return self._read(value, typed)
        if _DIGITS.fullmatch(digits) and (found := self._ordinary_number(digits, plus)):
            return CellResult(found, repairs)
        return self._read(value, typed)

    def _ordinary_number(self, digits: str, plus: bool) -> str:
        """The number of these digits, "" where only the library can decide."""
        code = self._code
        if plus or not code:
            code = calling_code(digits)
            return digits if code and full_pattern(code)(digits) else ""
        if national_pattern(code)(digits):
            return code + digits
        if trunk_pattern(code)(digits):
            return code + digits[len(trunk_prefix(code)) :]
        return digits if own_code_pattern(code)(digits) else ""

    # -- slow: the library -------------------------------------------------------------------------------------------

    def _read(self, value: str, typed: bool) -> CellResult:
        value = value.strip()
        if len(value) > _LONGEST_CELL:
            # Judged by its beginning: the time of patterns grows with the square of the length.
            several = holds_several(value[:_LONGEST_CELL], self._whole, international=self.country is None)
            return CellResult(code="mobile_several" if several else "mobile_invalid")
        made = clean(one_line(value))
        text, repairs = made.text, made.repairs
        if not text:
            return CellResult("", repairs)
        if is_placeholder(text, also=_NO_VALUE):
            return EMPTIED
        if is_date(text):
            return CellResult(code="mobile_is_a_date")
        for code, pattern, instead in (("tel_removed", _LINK, ""), ("second_plus_removed", _PLUSES, "+")):
            if begins := pattern.match(text):
                text, repairs = instead + text[begins.end() :], (*repairs, code)
        number = whole_number(_WITHOUT_SIGN.sub(r"\1+\2", text))
        if number.code:
            return CellResult(code="mobile_cut_by_excel" if number.code == "cut" else "mobile_too_long")
        if number.text:
            text, repairs = number.text, repairs + number.repairs
        if holds_several(text, self._whole, international=self.country is None):
            return CellResult(code="mobile_several")
        plus = text.startswith("+")
        digits = text[1:] if plus else text
        if not _DIGITS.fullmatch(digits):
            digits = _joined(digits)
            plus = plus or digits.startswith("+")
            digits = digits.removeprefix("+")
            if not _DIGITS.fullmatch(digits) or text[:1] in ("-", "−"):
                return CellResult(code="mobile_invalid")
            repairs = (*repairs, "separators_removed")
        if not (plus or typed or made.typed_as_text) and lost_digits(digits):
            return CellResult(code="mobile_rounded")
        found = self._number(digits, plus)
        if found.code:
            return found
        # The zero in +91 (0) 77448 is a usual way of writing.
        added = () if "(0)" in text else found.repairs
        return CellResult(found.text, repairs + added)

    def _number(self, digits: str, plus: bool) -> CellResult:
        """The number of these digits by the numbering plan."""
        if not plus and digits.startswith("00"):
            plus, digits = True, digits[2:]
        international = plus or self.country is None
        verdict = self._international(digits) if international else self._of_country(digits)
        if not verdict.code:
            return verdict
        code = calling_code(digits) if international else self._code
        if verdict.code != "mobile_of_another_country" and (
            (not international and _is_old_form(digits, code))
            or (digits.startswith(code) and _is_old_form(digits[len(code) :], code))
        ):
            return CellResult(code="mobile_old_format")
        if not plus and self.country is None and _SHORTEST_NATIONAL <= len(digits) <= _LONGEST_NATIONAL:
            return CellResult(code="mobile_without_country")
        return verdict

    def _whole(self, digits: str, plus: bool) -> bool | None:
        """Whether these digits are a mobile, None if they are not a whole number."""
        if digits.startswith("00"):
            plus, digits = True, digits[2:]
        if plus or self.country is None:
            found = parse(digits)
        else:
            found = parse(self._code + digits) or (parse(digits) if digits.startswith(self._code) else None)
        return found[1] if found and len(found[0]) >= _SHORTEST_WHOLE + len(calling_code(found[0])) else None

    def _international(self, digits: str) -> CellResult:
        number = parse(digits)
        return _as_written(number[0], digits) if number else CellResult(code=_why(digits))

    def _of_country(self, digits: str) -> CellResult:
        national = parse(self._code + digits)
        own = parse(digits) if digits.startswith(self._code) else None
        if national and own and national[0] != own[0]:
            if national[1] == own[1]:
                return CellResult(code="mobile_ambiguous")
            return CellResult(national[0]) if national[1] else _as_written(own[0], digits)
        if national:
            return CellResult(national[0])
        if own:
            return _as_written(own[0], digits)
        restored = parse(f"{self._code}0{digits}")
        # Only where the zero is part of the number: elsewhere it is a trunk prefix, which is not sent.
        if restored and restored[1] and restored[0] == f"{self._code}0{digits}":
            return CellResult(restored[0], ("leading_zero_restored",))
        if parse(digits):
            return CellResult(code="mobile_of_another_country")
        return CellResult(code=_why(digits if digits.startswith(self._code) else self._code + digits))


def _joined(digits: str) -> str:
    """The digits without separators, where they are one number."""
    if _GROUPED.fullmatch(digits):
        return digits.replace(",", "")
    return digits if digits.count(".") == 1 else SEPARATORS.sub("", digits)


def _as_written(number: str, digits: str) -> CellResult:
    return CellResult(number, () if number == digits else ("trunk_prefix_removed",))


def _never(_value: str) -> None:
    return None


def parse(digits: str) -> tuple[str, bool] | None:
    """(digits, whether it is a mobile) of an international number without its plus; None if it is not valid."""
    if len(digits) > 17:
        return None
    try:
        number = phonenumbers.parse(f"+{digits}")
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    text = f"{number.country_code}{phonenumbers.national_significant_number(number)}"
    return text, phonenumbers.number_type(number) in _MOBILE_TYPES


def _why(digits: str) -> str:
    if len(digits) < _SHORTEST_NATIONAL:
        return "mobile_too_short"
    try:
        number = phonenumbers.parse(f"+{digits}")
        reason = phonenumbers.is_possible_number_for_type_with_reason(number, PhoneNumberType.MOBILE)
    except phonenumbers.NumberParseException:
        return "mobile_invalid"
    if reason == ValidationResult.TOO_SHORT:
        return "mobile_too_short"
    if reason == ValidationResult.TOO_LONG:
        return "mobile_too_long"
    return "mobile_invalid"


#: Country code → how national numbers were written before the plan changed, and such a number as it is today.
_OLD_FORMS = {
    "52": (r"(?:1|04[45])(\d{10})", r"\1"),
    "54": (r"0?9?(\d{2,4})15(\d{6,8})", r"9\1\2"),
    "55": (r"0?(\d\d)([6-9]\d{7})", r"\g<1>9\2"),
    "84": (r"0?1(?:2\d|6[2-9]|8[68]|99)(\d{7})", r"32\1"),
    "225": (r"(\d{8})", r"07\1"),
    "229": (r"(\d{8})", r"01\1"),
    "230": (r"(\d{7})", r"5\1"),
    "237": (r"([2-9]\d{7})", r"6\1"),
}


def _is_old_form(national: str, code: str) -> bool:
    """Whether a national number would be valid if it were written as its country writes them today."""
    if code not in _OLD_FORMS:
        return False
    pattern, today = _OLD_FORMS[code]
    old = re.fullmatch(pattern, national, re.ASCII)
    return old is not None and parse(code + old.expand(today)) is not None


def calling_code(digits: str) -> str:
    """The country code of an international number, "" if it has none."""
    for length in (1, 2, 3):
        code = digits[:length]
        if code.isdecimal() and int(code) in phonenumbers.COUNTRY_CODE_TO_REGION_CODE and code[0] != "0":
            return code
    return ""


def code_of_country(country: str) -> str:
    """The calling code of a country, by its two letters."""
    return str(phonenumbers.country_code_for_region(known_country(country)))


@lru_cache(maxsize=256)
def full_pattern(code: str) -> Callable[[str], object]:
    """Matches ordinary numbers with this country code. `parse` returns what it matches unchanged."""
    return re.compile(f"{code}{_ordinary(code)}", re.ASCII).fullmatch


@lru_cache(maxsize=256)
def plus_pattern(code: str) -> Callable[[str], object]:
    """The same after a plus."""
    return re.compile(rf"\+{code}{_ordinary(code)}", re.ASCII).fullmatch


@lru_cache(maxsize=256)
def national_pattern(code: str) -> Callable[[str], object]:
    """The same for numbers without country code that cannot be read as numbers with it."""
    _, prefix, general = _outline(code)
    read_with_code = f"(?!{code}(?:{prefix}|{general}))" if prefix else f"(?!{code}{general})"
    return re.compile(f"{read_with_code}{_ordinary(code)}", re.ASCII).fullmatch


def trunk_prefix(code: str) -> str:
    """The digits dialled before national numbers where the plan has one such prefix, else ""."""
    _, prefix, _ = _outline(code)
    return prefix if prefix.isdecimal() else ""


@lru_cache(maxsize=256)
def trunk_pattern(code: str) -> Callable[[str], object]:
    """The same for national numbers after their trunk prefix."""
    prefix = trunk_prefix(code)
    return re.compile(f"{prefix}{_ordinary(code)}" if prefix else r"(?!)", re.ASCII).fullmatch


@lru_cache(maxsize=256)
def own_code_pattern(code: str) -> Callable[[str], object]:
    """The same for numbers with their country code that cannot be read as national ones."""
    _, prefix, general = _outline(code)
    read_without_code = f"(?!{prefix}|{general})" if prefix else f"(?!{general})"
    return re.compile(f"{read_without_code}{code}{_ordinary(code)}", re.ASCII).fullmatch


def _outline(code: str) -> tuple[list[PhoneMetadata], str, str]:
    """The regions of a country code, the prefix dropped in parsing, and a pattern of every complete number."""
    regions = _regions(code)
    general = "|".join([pattern for region in regions if (pattern := _general(region))]) or r"\d*"
    prefix = regions[0].national_prefix_for_parsing if regions else None
    return regions, prefix or "", rf"(?:{general})\Z"


def _kind(desc: PhoneNumberDesc) -> str:
    """A pattern of the numbers of one kind (mobile, landline): length and form."""
    if not desc.national_number_pattern:
        return ""
    lengths = "|".join([rf"\d{{{length}}}" for length in desc.possible_length])
    sized = rf"(?=(?:{lengths})\Z)" if lengths else ""
    return f"{sized}(?:{desc.national_number_pattern})"


def _general(metadata: PhoneMetadata) -> str:
    return (metadata.general_desc.national_number_pattern or "") if metadata.general_desc else ""


def _regions(code: str) -> list[PhoneMetadata]:
    names = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(int(code), ())
    found = [PhoneMetadata.metadata_for_region(name) for name in names if name != "001"]
    return [metadata for metadata in found if metadata is not None]


@lru_cache(maxsize=256)
def _ordinary(code: str) -> str:
    """One pattern for the national part of mobile and landline numbers that decides as the library does."""
    regions, prefix, _ = _outline(code)
    never = r"(?!)"
    if not regions:
        return never
    pattern = never
    for metadata in reversed(regions):
        general = _general(metadata)
        kinds = [_kind(desc) for desc in (metadata.mobile, metadata.fixed_line) if desc is not None]
        kinds = [kind for kind in dict.fromkeys(kinds) if kind]
        own = rf"(?=(?:{general})\Z)(?:{'|'.join(kinds)})\Z" if general and kinds else never
        if metadata.leading_digits:
            # The library checks no further region once leading digits match.
            pattern = f"(?:(?={metadata.leading_digits})(?:{own})|(?!{metadata.leading_digits})(?:{pattern}))"
        else:
            pattern = f"(?:{own}|{pattern})" if pattern != never else own
    # Numbers that could lose a prefix in parsing are left to the library.
    # So are those that end in five zeros: a program may have rounded them.
    return f"(?!{prefix})(?:{pattern})(?<!00000)" if prefix else f"(?:{pattern})(?<!00000)"
