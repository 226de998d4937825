"""Mobile numbers: the fast reading agrees with the library, damage is fixed or refused, nothing is guessed."""

from __future__ import annotations

import random

import phonenumbers
import pytest
from phonenumbers import PhoneNumberType

from importer.errors import SettingsError
from importer.normaliser import countries
from importer.normaliser.damage import CellResult
from importer.normaliser.phones import (
    PhoneReader,
    full_pattern,
    national_pattern,
    own_code_pattern,
    parse,
    trunk_pattern,
    trunk_prefix,
)

COUNTRIES: tuple[str, ...] = ("IN", "TH", "ID", "AE", "SA", "US", "CA", "GB", "DE", "IT")
COUNTRIES += ("FR", "ES", "MX", "BR", "CN", "RU", "KZ", "ZA", "CI", "SG")


def _numbers(country: str, count: int, rnd: random.Random) -> list[str]:
    """National parts: mostly the shape of real ones, some too short, too long or of any digits."""
    kinds = (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE)
    examples = [phonenumbers.example_number_for_type(country, kind) for kind in kinds]
    shapes = [phonenumbers.national_significant_number(example) for example in examples if example is not None]
    made = []
    for _ in range(count):
        shape = rnd.choice(shapes)
        kept = rnd.choice((0, 1, 1, 2, 2, 3, 4))
        length = len(shape) + rnd.choice((0, 0, 0, 0, 0, 0, 0, 0, -1, 1))
        made.append(shape[:kept] + "".join(rnd.choices("0123456789", k=max(0, length - kept))))
    return made


@pytest.mark.slow
@pytest.mark.parametrize("count", [1_000, pytest.param(5_000, marks=pytest.mark.exhaustive)])
@pytest.mark.parametrize("country", COUNTRIES)
def test_a_column_is_read_as_each_of_its_cells_alone(country: str, count: int) -> None:
    """The fast reading of a column agrees with the library: numbers of 20 countries, written in eight ways."""
    rnd = random.Random(f"seed {country}")
    code = str(phonenumbers.country_code_for_region(country))
    trunk = trunk_prefix(code) or "0"
    part = count // 8
    columns = {
        "international": (None, [code + number for number in _numbers(country, part, rnd)]),
        "national": (country, _numbers(country, part, rnd)),
        "trunk prefix": (country, [trunk + number for number in _numbers(country, part, rnd)]),
        "own code": (country, [code + number for number in _numbers(country, part, rnd)]),
        "plus": (None, ["+" + code + number for number in _numbers(country, part, rnd)]),
        "plus with a country": (country, ["+" + code + number for number in _numbers(country, part, rnd)]),
        "separated": (country, [f"{number[:3]}-{number[3:6]} {number[6:]}" for number in _numbers(country, part, rnd)]),
        "plus, separated": (None, [f"+{code} ({number[:2]}) {number[2:]}" for number in _numbers(country, part, rnd)]),
    }
    for way, (region, values) in columns.items():
        slow = PhoneReader(region)
        fast = PhoneReader(region).read_column(values)
        for value, found in zip(values, fast, strict=True):
            assert (found if isinstance(found, CellResult) else CellResult(found)) == slow.read(value), (way, value)


@pytest.mark.parametrize("country", COUNTRIES)
def test_a_pattern_accepts_only_what_the_library_accepts(country: str) -> None:
    """No pattern of the fast way is wider than the library, whichever way a column settles on."""
    rnd = random.Random(f"patterns {country}")
    code = str(phonenumbers.country_code_for_region(country))
    full, own = full_pattern(code), own_code_pattern(code)
    national, trunk = national_pattern(code), trunk_pattern(code)
    for number in _numbers(country, 500, rnd):
        if full(code + number):
            assert (parse(code + number) or ("",))[0] == code + number
        if national(number):
            assert PhoneReader(country).read(number) == CellResult(code + number)
        if trunk(trunk_prefix(code) + number):
            assert PhoneReader(country).read(trunk_prefix(code) + number) == CellResult(code + number)
        if own(code + number):
            assert PhoneReader(country).read(code + number) == CellResult(code + number)


@pytest.mark.parametrize("country", COUNTRIES)
def test_most_valid_numbers_need_no_parsing(country: str) -> None:
    """Nine of ten valid mobile numbers are recognised by a pattern."""
    rnd = random.Random(f"share {country}")
    code = str(phonenumbers.country_code_for_region(country))
    whole = [code + number for number in _numbers(country, 2_000, rnd) if (parse(code + number) or ("", False))[1]]
    taken = [value for value in whole if full_pattern(code)(value)]
    assert len(whole) > 200
    if country not in ("BR", "CN"):  # their carrier prefixes look like numbers, so the library is asked more often
        assert len(taken) > 0.9 * len(whole)
    assert taken


@pytest.mark.parametrize(
    ("country", "value", "sent", "repairs"),
    [
        (None, "917744876415", "917744876415", ()),
        ("IN", "917744876415", "917744876415", ()),
        ("IN", "7744876415", "917744876415", ()),
        ("in", "07744876415", "917744876415", ()),
        ("IN", "+917744876415", "917744876415", ()),
        (None, "00917744876415", "917744876415", ()),
        ("IN", "9177448764", "919177448764", ()),  # begins with the country code, yet is a whole national number
        ("IN", "+6591234567", "6591234567", ()),
        ("UK", "07400123456", "447400123456", ()),
        ("TH", "0812345678", "66812345678", ()),
        ("TH", "812345678", "66812345678", ()),
        ("RU", "89123456789", "79123456789", ()),
        ("US", "14155552671", "14155552671", ()),
        ("AE", "501234567", "971501234567", ()),
        ("DE", "4915112345678", "4915112345678", ()),  # a whole landline number too, but the column holds mobiles
        ("BR", "5511961234567", "5511961234567", ()),
        ("IN", " 7744876415 ", "917744876415", ()),
        ("IN", "7744876415.0", "917744876415", ("point_zero_removed",)),
        (None, "917744876415.00", "917744876415", ("point_zero_removed",)),
        ("IN", "9.177448764E+9", "919177448764", ("scientific_notation_expanded",)),
        (None, "9.17744876415E+11", "917744876415", ("scientific_notation_expanded",)),
        (None, "+91 77448-76415", "917744876415", ("separators_removed",)),
        (None, "(91) 77448 76415", "917744876415", ("separators_removed",)),
        (None, "+91 (0) 77448 76415", "917744876415", ("separators_removed",)),
        (None, "91.77448.76415", "917744876415", ("separators_removed",)),
        (None, "917,744,876,415", "917744876415", ("separators_removed",)),
        (None, "'917744876415", "917744876415", ("apostrophe_removed",)),
        (None, '="917744876415"', "917744876415", ("formula_quotes_removed",)),
        (None, "\u200e917744876415", "917744876415", ("invisible_characters_removed",)),
        (None, "91\u00a07744876415", "917744876415", ("unusual_spaces_removed", "separators_removed")),
        (None, "９１７７４４８７６４１５", "917744876415", ("digits_rewritten",)),
        (None, "＋९१७७४४८७६४१५", "917744876415", ("digits_rewritten",)),
        ("CI", "707123456", "2250707123456", ("leading_zero_restored",)),  # the national number begins with a zero
        ("IN", "tel:+917744876415", "917744876415", ("tel_removed",)),
        ("IN", "TEL: 7744876415", "917744876415", ("tel_removed",)),
        ("IN", "callto:+917744876415", "917744876415", ("tel_removed",)),
        (None, "++917744876415", "917744876415", ("second_plus_removed",)),
        (None, "+ +91 77448 76415", "917744876415", ("second_plus_removed", "separators_removed")),
        (None, "9710501234567", "971501234567", ("trunk_prefix_removed",)),
        ("AE", "9710501234567", "971501234567", ("trunk_prefix_removed",)),
        (None, "+971 050 123 4567", "971501234567", ("separators_removed", "trunk_prefix_removed")),
        (None, "+44 (0)7400 123456", "447400123456", ("separators_removed",)),
        (None, "9.198123456780E+11", "919812345678", ("scientific_notation_expanded",)),
        (None, "9,198123456780e+11", "919812345678", ("scientific_notation_expanded",)),
        (None, "9.19812345678000E+11", "919812345678", ("scientific_notation_expanded",)),
        (None, "9.19812345670E+11", "919812345670", ("scientific_notation_expanded",)),
        (None, "9.19812345678E11", "919812345678", ("scientific_notation_expanded",)),
        ("IN", "", "", ()),
        ("IN", "  \u00a0 ", "", ()),
    ],
)
def test_what_is_sent(country: str | None, value: str, sent: str, repairs: tuple[str, ...]) -> None:
    """Every way of writing a whole number gives its digits with the country code and the repairs."""
    assert PhoneReader(country).read(value) == CellResult(sent, repairs)


@pytest.mark.parametrize(
    ("country", "value", "code"),
    [
        (None, "7744876415", "mobile_without_country"),
        (None, "07744876415", "mobile_without_country"),
        (None, "123", "mobile_too_short"),
        ("IN", "774487641", "mobile_too_short"),
        ("IN", "+91774487641", "mobile_too_short"),
        (None, "+9177448764156789", "mobile_too_long"),
        ("IN", "0000000000", "mobile_invalid"),
        ("IN", "9.17745E+11", "mobile_cut_by_excel"),
        ("IN", "9.2E+11", "mobile_cut_by_excel"),
        ("IN", "9,17745E+11", "mobile_cut_by_excel"),
        ("IN", "2026-03-09", "mobile_is_a_date"),
        ("IN", "2026-03-09 14:30:00", "mobile_is_a_date"),
        ("IN", "09/03/2026", "mobile_is_a_date"),
        ("IN", "9-3-2026", "mobile_is_a_date"),
        ("IN", "9-Mar-26", "mobile_is_a_date"),
        ("IN", "Mar-26", "mobile_is_a_date"),
        ("IN", "7744876415, 7744876416", "mobile_several"),
        ("IN", "7744876415/7744876416", "mobile_several"),
        ("IN", "7744876415 or 7744876416", "mobile_several"),
        ("IN", "not known", "mobile_invalid"),
        ("IN", "77448764I5", "mobile_invalid"),
        ("IN", "tel:", "mobile_invalid"),
        ("IN", "+", "mobile_invalid"),
        ("IN", "7744876415.25", "mobile_invalid"),
        ("IN", "-7744876415", "mobile_invalid"),
        ("IN", "-7744876415.0", "mobile_invalid"),
        ("IN", "77448764155", "mobile_too_long"),
        ("IN", "77012345678", "mobile_of_another_country"),  # a digit too many looks like Kazakhstan
        ("IN", "12345678901234567890.0", "mobile_too_long"),
        (None, "7.744876415", "mobile_invalid"),
        ("IN", "9.19784E+11", "mobile_cut_by_excel"),
        ("IN", "9.19784E11", "mobile_cut_by_excel"),
        ("IN", "9.19784000000E+11", "mobile_rounded"),
        ("IN", "9.198123456785E+11", "mobile_cut_by_excel"),  # not a whole number
    ],
)
def test_what_is_refused(country: str | None, value: str, code: str) -> None:
    """Destroyed or doubtful numbers are refused with their reason, never completed."""
    assert PhoneReader(country).read(value) == CellResult(code=code)


ROUNDED = [
    (None, "919784000000"),
    (None, "00919784000000"),
    (None, "919784000000.0"),
    (None, "919,784,000,000"),
    (None, "919 784 000 000"),
    (None, "91-97840-00000"),
    (None, "９１９７８４００００００"),
    (None, "919784000000\u00a0"),
    (None, "tel:919784000000"),
    ("IN", "919784000000"),
    ("IN", "9784000000"),
    ("IN", "09784000000"),
    ("IN", "97840 00000"),
    (None, "9784000000"),  # a country code would not make it right
    ("ID", "0812300000"),
]


@pytest.mark.parametrize(("country", "value"), ROUNDED)
def test_a_rounded_number_is_refused(country: str | None, value: str) -> None:
    """Five zeros at the end stand for lost digits, in every notation; alone and in a column."""
    rounded = CellResult(code="mobile_rounded")
    assert PhoneReader(country).read(value) == rounded
    assert PhoneReader(country).read_column([value, value]) == [rounded, rounded]
    ordinary = ["919784000001", "919784000002", "+919784000003", "9784000004", "09784000005"]
    for way in ordinary:
        assert PhoneReader(country).read_column([way] * 3 + [value])[-1] == rounded


@pytest.mark.parametrize(
    ("country", "value"),
    [
        (None, "+919784000000"),
        ("IN", "+91 97840 00000"),
        ("IN", "(+91) 97840-00000"),
        ("IN", "'919784000000"),
        ("IN", "’9784000000"),
        (None, '="919784000000"'),
        ("IN", "tel:+919784000000"),
    ],
)
def test_a_number_that_a_person_typed_may_end_in_zeros(country: str | None, value: str) -> None:
    """A plus, an apostrophe or a formula shows it; so does a text cell of a workbook."""
    assert PhoneReader(country).read(value).text == "919784000000"
    read = PhoneReader(country).read_column(["+919784000001", value, value])[1]
    assert (read if isinstance(read, str) else read.text) == "919784000000"


@pytest.mark.parametrize(("country", "value"), ROUNDED)
def test_digits_that_were_typed_as_text_are_not_rounded(country: str | None, value: str) -> None:
    """In a text cell of a workbook they are read as any other number."""
    reader = PhoneReader(country)
    assert reader.read(value, True).code != "mobile_rounded"
    assert "mobile_rounded" not in [getattr(found, "code", "") for found in reader.read_column([value], True)]
    assert reader.read_column([value]) == [CellResult(code="mobile_rounded")]  # the same reader, another source


@pytest.mark.parametrize(
    ("country", "value"),
    [
        (None, "5215512345678"),
        (None, "+52 1 55 1234 5678"),
        ("MX", "5215512345678"),
        ("MX", "044 55 1234 5678"),
        (None, "22507123456"),
        ("CI", "07123456"),
        ("CI", "+22507123456"),
        (None, "22997123456"),
        ("BJ", "97123456"),
        (None, "549111512345678"),
        (None, "+54 9 11 15 1234-5678"),
        (None, "551187654321"),
        ("BR", "(11) 8765-4321"),
        ("BR", "011 8765-4321"),
        ("VN", "01621234567"),
        (None, "23777123456"),
        (None, "2307123456"),
    ],
)
def test_a_number_from_before_a_change_of_the_plan(country: str | None, value: str) -> None:
    """It is refused with a code of its own, and never rewritten."""
    assert PhoneReader(country).read(value) == CellResult(code="mobile_old_format")


@pytest.mark.slow
def test_an_ambiguous_number_is_refused() -> None:
    """Where the numbering plan knows the digits as a mobile both with and without the code, the plus must decide."""
    ambiguous = []
    for country in COUNTRIES:
        code = str(phonenumbers.country_code_for_region(country))
        rnd = random.Random(f"ambiguous {country}")
        for number in _numbers(country, 300, rnd):
            national, own = parse(code + code + number), parse(code + number)
            verdict = PhoneReader(country).read(code + number)
            if national and own and national[0] != own[0]:
                if national[1] == own[1]:
                    ambiguous.append(country)
                    assert verdict.code == "mobile_ambiguous"
                else:
                    assert verdict.text == (national if national[1] else own)[0]
    assert ambiguous  # else this test proves nothing


@pytest.mark.slow
def test_a_sheet_of_many_countries() -> None:
    """Numbers written unlike most of their column are read as they would be alone."""
    rnd = random.Random("mixed")
    values = []
    for country in COUNTRIES:
        code = str(phonenumbers.country_code_for_region(country))
        for number in _numbers(country, 40, rnd):
            values += [code + number, number, "0" + number]
    for region in (None, "IN", "ID", "US"):
        slow = PhoneReader(region)
        for value, found in zip(values, PhoneReader(region).read_column(values), strict=True):
            assert (found if isinstance(found, CellResult) else CellResult(found)) == slow.read(value), (region, value)


def test_an_unknown_country_is_refused() -> None:
    """The message says what to write."""
    with pytest.raises(SettingsError, match="two letters"):
        PhoneReader("INDIA")


def test_the_table_of_countries_is_that_of_the_numbering_plans() -> None:
    """The table saves loading the library to check an option; both must agree."""
    assert set(phonenumbers.SUPPORTED_REGIONS) == countries.COUNTRIES
    assert countries.is_country("uk")
