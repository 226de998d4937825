"""The formulas by which a spreadsheet program checks mobiles, e-mail addresses and the spelling of options.

They are coarser than the importer's own check, and take every mobile of the country that it takes as it is; a landline
or a number of another country with `+` and its country code. A formula has at most 255 characters.
"""

from __future__ import annotations

from collections.abc import Iterable

import phonenumbers
from phonenumbers import PhoneMetadata, PhoneNumberType

from importer.normaliser.countries import known_country

#: The most characters of a formula in a validation.
LONGEST_FORMULA = 255
#: Digits of an international number.
_SHORTEST, _LONGEST = 7, 15


def lengths_of(country: str) -> tuple[int, ...]:
    """The lengths of the country's mobiles, without country code and dialling prefix."""
    plan = _plan(country)
    mobile = plan.mobile.possible_length if plan.mobile is not None else ()
    general = plan.general_desc.possible_length if plan.general_desc is not None else ()
    return tuple(sorted({length for length in mobile if length > 0} or set(general)))


def _plan(country: str) -> PhoneMetadata:
    plan = PhoneMetadata.metadata_for_region(known_country(country))
    assert plan is not None  # a test compares the countries with the plans
    return plan


def code_of(country: str) -> str:
    """The calling code: `91`."""
    return str(phonenumbers.country_code_for_region(known_country(country)))


def example_mobile(country: str) -> str:
    """A mobile as people of the country type it; with its country code without a country."""
    number = phonenumbers.example_number_for_type(known_country(country or "IN"), PhoneNumberType.MOBILE)
    if number is None:  # a country without mobiles
        return ""
    national: str = phonenumbers.national_significant_number(number)
    return national if country else f"{number.country_code}{national}"


def mobile_formula(cell: str, country: str) -> str:
    """True for digits in a length of the country, also with its code or dialling prefix, and for `+` and digits."""
    plus = f'(LEFT({cell})="+")'
    digits = f"SUMPRODUCT(--ISNUMBER(-MID({cell},ROW($1:$17)+{plus},1)))=LEN({cell})-{plus}"
    if not country:
        return f"=AND({digits},LEN({cell})>{_SHORTEST - 1},LEN({cell})<{_LONGEST + 4})"
    lengths, code = lengths_of(country), code_of(country)
    abroad = f"AND({plus},LEN({cell})>{_SHORTEST})"
    starts = dict.fromkeys(("", code, _plan(country).national_prefix or ""))
    sized = [_sizes(cell, start, [length + len(start) for length in lengths]) for start in starts]
    formula = f"=AND({digits},OR({abroad},{','.join(sized)}))"
    if len(formula) <= LONGEST_FORMULA:
        return formula
    longest = max(lengths) + max(map(len, starts))
    return f"=AND({digits},OR({abroad},AND(LEN({cell})>={min(lengths)},LEN({cell})<={longest})))"


def _sizes(cell: str, start: str, lengths: Iterable[int]) -> str:
    """A condition that is true for texts of these lengths with this start."""
    ranges: list[list[int]] = []
    for length in lengths:
        if ranges and ranges[-1][1] == length - 1:
            ranges[-1][1] = length
        else:
            ranges.append([length, length])
    begun = f'LEFT({cell},{len(start)})="{start}",' if start else ""
    terms = [
        f"AND({begun}LEN({cell})>={first},LEN({cell})<={last})" if first < last else f"AND({begun}LEN({cell})={first})"
        for first, last in ranges
    ]
    return ",".join(terms)


def email_formula(cell: str) -> str:
    """True for one address without spaces: a name, one @, and a domain with a dot."""
    return (
        f'=AND(LEN({cell})<256,LEN({cell})-LEN(SUBSTITUTE({cell},"@",""))=1,ISNUMBER(SEARCH("?@?*.?",{cell})),'
        f'ISERROR(FIND(" ",{cell})),ISERROR(FIND(",",{cell})),ISERROR(FIND(";",{cell})))'
    )


def spelled_formula(cell: str, options: str) -> str:
    """True for a cell that is spelled as one of the options in a range: a list's own check ignores case."""
    return f"=SUMPRODUCT(--EXACT({cell},{options}))>0"


def wrong(formula: str, cell: str) -> str:
    """The formula for what must be marked: a cell that is filled and does not fit."""
    return f"=AND(LEN({cell})>0,NOT({formula.removeprefix('=')}))"
