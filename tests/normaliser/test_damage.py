"""Excel's damage: unambiguous values are fixed, destroyed ones are refused, all others stay as they are."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.normaliser.codes import OWN_CODES
from importer.normaliser.damage import REPAIRS, CellResult, clean, identifier, whole_number


@pytest.mark.parametrize(
    ("value", "sent", "repairs"),
    [
        ("A-17", "A-17", ()),
        ("  A 17 ", "A 17", ()),
        ("00123", "00123", ()),
        ("0", "0", ()),
        ("5E10", "5E10", ()),  # an id like this; programs write the sign of the exponent
        ("123456789012345", "123456789012345", ()),
        ("1234567890123456", "1234567890123456", ()),
        ("1234567890123451", "1234567890123451", ()),
        ("12345678901234510", "12345678901234510", ()),
        ("12345678901234567890", "12345678901234567890", ()),
        ("MAR-26", "MAR-26", ()),  # in capitals it is an id's prefix
        ("A17.0", "A17.0", ()),
        ("17.0", "17", ("point_zero_removed",)),
        ("17,00", "17", ("point_zero_removed",)),
        ("1.2345E+4", "12345", ("scientific_notation_expanded",)),
        ("12.345E+3", "12345", ("scientific_notation_expanded",)),
        ("1.234500E+4", "12345", ("scientific_notation_expanded",)),
        ("1,23450e+5", "123450", ("scientific_notation_expanded",)),
        ("'00123", "00123", ("apostrophe_removed",)),
        ("'Mar-26", "Mar-26", ("apostrophe_removed",)),
        ("'tis", "'tis", ()),
        ("’00123", "00123", ("apostrophe_removed",)),
        ('="00123"', "00123", ("formula_quotes_removed",)),
        ("'1234567890123456000", "1234567890123456000", ("apostrophe_removed",)),  # typed as text: nothing rounded it
        ("A\u00a017\u00a0", "A 17", ("unusual_spaces_removed",)),
        ("\ufeffA\u200b17", "A17", ("invisible_characters_removed",)),
        ("Ａ１７", "Ａ17", ("digits_rewritten",)),
        ("\u00a0", "", ()),
        ("é17", "é17", ()),
        ("x" * 250, "x" * 250, ()),
    ],
)
def test_an_identifier_that_is_whole(value: str, sent: str, repairs: tuple[str, ...]) -> None:
    """Sent as text, with its repairs."""
    assert identifier(value, 250) == CellResult(sent, repairs)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("1234567890123450", "rounded"),
        ("1234567890123456000", "rounded"),
        ("1234567890123456800", "rounded"),
        ("12345678901234567.0", "rounded"),
        ("1.23457E+15", "in_scientific_notation"),
        ("1,23457E+15", "in_scientific_notation"),
        ("1E+15", "in_scientific_notation"),
        ("1.2345678901234567e+16", "in_scientific_notation"),  # beyond what such a number holds exactly
        ("1.23E+1", "in_scientific_notation"),
        ("2026-03-09", "is_a_date"),
        ("2026-03-09 14:30:00", "is_a_date"),
        ("09/03/2026", "is_a_date"),
        ("9-Mar", "is_a_date"),
        ("Mar-26", "is_a_date"),
        ("x" * 251, "too_long"),
    ],
)
def test_an_identifier_that_is_destroyed(value: str, code: str) -> None:
    """InvalidPreference: another customer's id must not be met by chance."""
    assert identifier(value, 250) == CellResult(code=code)


def test_every_code_has_advice() -> None:
    """Each code that a field can get is in the catalogue, with advice."""
    for field in ("external_id", "user_id", "store_code", "store_id"):
        for code in ("rounded", "in_scientific_notation", "is_a_date", "too_long"):
            meaning, advice, who = OWN_CODES[f"{field}_{code}"]
            assert meaning and advice.endswith(".") and who
    assert all(REPAIRS.values())


@given(st.text(alphabet=string.ascii_letters + string.punctuation + " ", max_size=30))
def test_plain_text_without_digits_loses_only_white_space(text: str) -> None:
    """Cleaning takes nothing from a plain id but the space around it."""
    if not text.lstrip().startswith("="):
        assert clean(text) == CellResult(text.strip())


@given(st.integers(min_value=0, max_value=10**15 - 1))
def test_numbers_that_a_program_holds_exactly_come_back_whole(number: int) -> None:
    """`12.0` and `1.2E+1` give 12 again, for every number of at most 15 digits."""
    text = str(number)
    assert whole_number(f"{text}.0").text == text
    mantissa = f"{text[0]}.{text[1:]}" if len(text) > 1 else text
    assert whole_number(f"{mantissa}E+{len(text) - 1}").text == text


@given(st.integers(min_value=10**6, max_value=10**15 - 1), st.integers(min_value=1, max_value=5))
def test_a_number_cut_in_scientific_notation_is_never_completed(number: int, lost: int) -> None:
    """Digits that are not written are not invented, zeros included."""
    text = str(number)
    assert whole_number(f"{text[0]}.{text[1:-lost]}E+{len(text) - 1}") == CellResult(code="cut")


@given(st.text(max_size=40))
def test_any_text_gets_a_result(text: str) -> None:
    """No text breaks the detector, and cleaning twice gives what cleaning once gave."""
    verdict = identifier(text, 250)
    assert not (verdict.code and verdict.text)
    once = clean(text).text
    if not {"apostrophe_removed", "formula_quotes_removed"} & set(clean(text).repairs):
        assert clean(once).text == once
