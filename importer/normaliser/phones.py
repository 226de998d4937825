"""Mobile numbers: digits with their country code and no plus, proven by the numbering plan, never guessed.

How a number without a plus is read:
- without `--country` every number must carry its country code, so it is read as an international number;
- with `--country` it is read as a number of that country, with or without its country code. Where both readings are
  whole numbers, the one that is a mobile number wins (the column holds mobiles); where that does not decide, the
  number is refused, not guessed. A number that is none of that country is refused even when another country's plan
  would fit: a mistyped digit looks just like that. Such numbers need their plus.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

import phonenumbers
from phonenumbers import PhoneMetadata, PhoneNumberDesc, PhoneNumberType, ValidationResult

from importer.normaliser.countries import known_country
from importer.normaliser.damage import Verdict, clean, is_date, whole_number

_SEPARATORS = re.compile(r"[\s().\-‐‑‒–—−/]")
_GROUPED = re.compile(r"\d{1,3}(?:,\d{2,3})+", re.ASCII)
_SEVERAL = re.compile(r"\d{6,}\D*[,;/|&]\D*\d{6,}|\d{6,}\s+(?:or|and)\s+\+?\d{6,}", re.ASCII | re.IGNORECASE)
_DIGITS = re.compile(r"\d+", re.ASCII)
#: Digits parted the way most people part them; rarer ways are left to the long way.
_SEPARATED = re.compile(r"\+?\d[\d ()-]*\d", re.ASCII)
_NO_SEPARATORS = {ord(character): None for character in " ()-"}
#: How long a number without its country code can be; others are wrong in another way.
_SHORTEST_NATIONAL, _LONGEST_NATIONAL = 7, 11
_MOBILE_TYPES = (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE)


class _Way(NamedTuple):
    """How most numbers of a column are written: what to put before them, and how many digits to drop there first."""

    code: str
    matches: Callable[[str], object]
    dropped: int = 0


class PhoneReader:
    """Reads the cells of a mobile column for one `--country` (None: every number carries its country code)."""

    def __init__(self, country: str | None = None) -> None:
        self.country = known_country(country) if country else None
        self._code = ""
        self._ordinary: Callable[[str], object] | None = None
        self._remembered = lru_cache(maxsize=16_384)(self._read_odd)
        if self.country is None:
            return
        self._code = str(phonenumbers.country_code_for_region(self.country))

    def read_column(self, values: Sequence[str]) -> list[str | Verdict]:
        """The number where the plain way suffices, else the verdict. Blank cells give ""."""
        if self._ordinary is None:
            self._settle(values)
        ordinary = self._ordinary or _never
        code = self._national_code
        slow = self._remembered
        dropped = self._dropped
        if dropped:
            return [code + value[dropped:] if ordinary(value) else (slow(value) if value else "") for value in values]
        if code:
            return [code + value if ordinary(value) else (slow(value) if value else "") for value in values]
        return [value if ordinary(value) else (slow(value) if value else "") for value in values]

    def read(self, value: str) -> Verdict:
        """One cell, the long way: by the library alone."""
        return self._read(value)

    # -- the fast way -------------------------------------------------------------------------------------------

    _national_code = ""
    _dropped = 0

    def _settle(self, values: Sequence[str]) -> None:
        """Finds which way most numbers of this column are written, from its first cells."""
        sample = [value for value in values if _DIGITS.fullmatch(value.removeprefix("+"))][:200]
        if not sample:
            return
        with_plus = {calling_code(value[1:]) for value in sample if value[0] == "+"} - {""}
        ways = [_Way("", plus_pattern(code), 1) for code in sorted(with_plus)]
        if self.country is None:
            codes = {calling_code(value) for value in sample} - {""}
            ways += [_Way("", full_pattern(code)) for code in sorted(codes)]
        else:
            ways += [
                _Way(self._code, national_pattern(self._code)),
                _Way(self._code, trunk_pattern(self._code), len(trunk_prefix(self._code))),
                _Way("", own_code_pattern(self._code)),
            ]
        hits = [sum(1 for value in sample if way.matches(value)) for way in ways]
        if any(hits):
            best = ways[hits.index(max(hits))]
            self._national_code, self._dropped, self._ordinary = best.code, best.dropped, best.matches

    def _read_odd(self, value: str) -> Verdict:
        """A cell that is written unlike most of its column: often as others are, in sheets of several countries."""
        plus = value[:1] == "+"
        digits, repairs = value[plus:], tuple[str, ...]()
        if not _DIGITS.fullmatch(digits) and _SEPARATED.fullmatch(value) and not is_date(value):
            digits, repairs = digits.translate(_NO_SEPARATORS), ("separators_removed",)
        if _DIGITS.fullmatch(digits) and (found := self._ordinary_number(digits, plus)):
            return Verdict(found, repairs)
        return self._read(value)

    def _ordinary_number(self, digits: str, plus: bool) -> str:
        """The number that these digits are, "" where only the library can tell."""
        code = self._code
        if plus or not code:
            code = calling_code(digits)
            return digits if code and full_pattern(code)(digits) else ""
        if national_pattern(code)(digits):
            return code + digits
        if trunk_pattern(code)(digits):
            return code + digits[len(trunk_prefix(code)) :]
        return digits if own_code_pattern(code)(digits) else ""

    # -- the long way -------------------------------------------------------------------------------------------

    def _read(self, value: str) -> Verdict:
        made = clean(value)
        text, repairs = made.text, made.repairs
        if not text:
            return Verdict("", repairs)
        if is_date(text):
            return Verdict(code="mobile_is_a_date")
        if text[:4].lower() == "tel:":
            text = text[4:].strip()
        number = whole_number(text)
        if number.code:
            return Verdict(code="mobile_cut_by_excel" if number.code == "cut" else "mobile_too_long")
        if number.text:
            text, repairs = number.text, repairs + number.repairs
        if _SEVERAL.search(text):
            return Verdict(code="mobile_several")
        if text[:1] in ("-", "−"):
            return Verdict(code="mobile_invalid")
        plus = text.startswith("+")
        digits = text[1:] if plus else text
        if not _DIGITS.fullmatch(digits):
            if _GROUPED.fullmatch(digits):
                digits = digits.replace(",", "")
            elif digits.count(".") != 1:
                digits = _SEPARATORS.sub("", digits)
                plus = plus or digits.startswith("+")
                digits = digits.removeprefix("+")
            if not _DIGITS.fullmatch(digits):
                return Verdict(code="mobile_invalid")
            repairs = (*repairs, "separators_removed")
        if not plus and digits.startswith("00"):
            plus, digits = True, digits[2:]
        verdict = self._international(digits) if plus or self.country is None else self._of_country(digits)
        if not verdict.code:
            return Verdict(verdict.text, repairs + verdict.repairs)
        if not plus and self.country is None and _SHORTEST_NATIONAL <= len(digits) <= _LONGEST_NATIONAL:
            return Verdict(code="mobile_without_country")
        return verdict

    def _international(self, digits: str) -> Verdict:
        number = parse(digits)
        return Verdict(number[0]) if number else Verdict(code=_why(digits))

    def _of_country(self, digits: str) -> Verdict:
        national = parse(self._code + digits)
        own = parse(digits) if digits.startswith(self._code) else None
        if national and own and national[0] != own[0]:
            if national[1] == own[1]:
                return Verdict(code="mobile_ambiguous")
            return Verdict(national[0] if national[1] else own[0])
        found = national or own
        if found:
            return Verdict(found[0])
        restored = parse(f"{self._code}0{digits}")
        # Only where the zero belongs to the number: elsewhere it is a trunk prefix, and the number is no longer for it.
        if restored and restored[1] and restored[0] == f"{self._code}0{digits}":
            return Verdict(restored[0], ("leading_zero_restored",))
        if parse(digits):
            return Verdict(code="mobile_of_another_country")
        return Verdict(code=_why(digits if digits.startswith(self._code) else self._code + digits))


def _never(_value: str) -> None:
    return None


def parse(digits: str) -> tuple[str, bool] | None:
    """An international number without its plus → (its digits, whether it is a mobile number); None if it is none."""
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


def calling_code(digits: str) -> str:
    """The country code that an international number begins with, "" if none."""
    for length in (1, 2, 3):
        code = digits[:length]
        if code.isdecimal() and int(code) in phonenumbers.COUNTRY_CODE_TO_REGION_CODE and code[0] != "0":
            return code
    return ""


@lru_cache(maxsize=256)
def full_pattern(code: str) -> Callable[[str], object]:
    """Matches ordinary numbers with this country code in front. What it takes, `parse` takes unchanged."""
    return re.compile(f"{code}{_ordinary(code)}", re.ASCII).fullmatch


@lru_cache(maxsize=256)
def plus_pattern(code: str) -> Callable[[str], object]:
    """The same behind a plus."""
    return re.compile(rf"\+{code}{_ordinary(code)}", re.ASCII).fullmatch


@lru_cache(maxsize=256)
def national_pattern(code: str) -> Callable[[str], object]:
    """The same for numbers without their country code that cannot be read as if they had it."""
    _, prefix, general = _outline(code)
    read_with_code = f"(?!{code}(?:{prefix}|{general}))" if prefix else f"(?!{code}{general})"
    return re.compile(f"{read_with_code}{_ordinary(code)}", re.ASCII).fullmatch


def trunk_prefix(code: str) -> str:
    """What is dialled before national numbers, where the country's plan knows just one such prefix; else ""."""
    _, prefix, _ = _outline(code)
    return prefix if prefix.isdecimal() else ""


@lru_cache(maxsize=256)
def trunk_pattern(code: str) -> Callable[[str], object]:
    """The same for national numbers behind their trunk prefix."""
    prefix = trunk_prefix(code)
    return re.compile(f"{prefix}{_ordinary(code)}" if prefix else r"(?!)", re.ASCII).fullmatch


@lru_cache(maxsize=256)
def own_code_pattern(code: str) -> Callable[[str], object]:
    """The same for numbers with their country code that cannot be read as national ones."""
    _, prefix, general = _outline(code)
    read_without_code = f"(?!{prefix}|{general})" if prefix else f"(?!{general})"
    return re.compile(f"{read_without_code}{code}{_ordinary(code)}", re.ASCII).fullmatch


def _outline(code: str) -> tuple[list[PhoneMetadata], str, str]:
    """The regions of a country code, the prefix dropped in parsing, and a pattern that takes every whole number."""
    regions = _regions(code)
    general = "|".join([pattern for region in regions if (pattern := _general(region))]) or r"\d*"
    prefix = regions[0].national_prefix_for_parsing if regions else None
    return regions, prefix or "", rf"(?:{general})\Z"


def _kind(desc: PhoneNumberDesc) -> str:
    """The numbers of one kind (mobile, landline): length and form."""
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
    """The national part of mobile and landline numbers, as the library itself decides it, as one pattern."""
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
            # The library asks no further region once leading digits fit.
            pattern = f"(?:(?={metadata.leading_digits})(?:{own})|(?!{metadata.leading_digits})(?:{pattern}))"
        else:
            pattern = f"(?:{own}|{pattern})" if pattern != never else own
    # What could lose a prefix in parsing is left to the long way.
    return f"(?!{prefix})(?:{pattern})" if prefix else f"(?:{pattern})"
