"""Two numbers, shorthand for them and extensions are never joined to one number; ways of writing one number are."""

from __future__ import annotations

import random

import phonenumbers
import pytest
from phonenumbers import PhoneNumberType

from importer.normaliser.damage import CellResult
from importer.normaliser.phones import PhoneReader

IN_ONE_CELL = [
    ("ID", "0812345678/9"),
    ("ID", "0812345678 / 9"),
    ("ID", "0812345678-9"),
    ("ID", "0812345678–79"),
    ("ID", "0812345678-679"),
    ("ID", "0812345678 (9)"),
    ("ID", "+62812345678/9"),
    ("ID", "0812-345-678/9"),
    ("ID", "0812345678\n9"),
    ("ID", "0812345678\\9"),
    ("ID", "0812345678,9"),
    ("ID", "0812345678／9"),
    ("ID", "0812345678 dan 9"),
    (None, "98450-12345/46"),
    (None, "98450/12345/46"),
    (None, "98450 12345/346"),
    (None, "98450-12345/2346"),
    (None, "98450-12345-46"),
    (None, "9845012345-46"),
    (None, "9845012345/46/47"),
    (None, "9845012345/46, 47"),
    ("IN", "98450-12345/46"),
    ("IN", "9845012345-46"),
    (None, "+91 98450 12345/46"),
    (None, "0091 98450 12345/46"),
    (None, "98450 12345 / 98450 12346"),
    (None, "+91 98450 12345 / +91 98450 12346"),
    (None, "9845012345 ::: 9845012346"),
    (None, "9845012345 9845012346"),
    ("IN", "9845012345 9845012346 9845012347"),
    ("IN", "98450 12345 98450 12346"),
    ("IN", "9845012345\n9845012346"),
    ("IN", "9845012345\r\n\r\n9845012346"),
    ("IN", "9845012345 & 46"),
    ("IN", "9845012345 & 9845012346"),
    ("IN", "9845012345;9845012346"),
    ("IN", "9845012345 | 9845012346"),
    ("IN", "9845012345 + 9845012346"),
    ("IN", "9845012345 und 9845012346"),
    ("IN", "9845012345 y 9845012346"),
    ("IN", "9845012345 atau 46"),
    ("IN", "9845012345 ou 9845012346"),
    ("IN", "9845012345 o 9845012346"),
    ("IN", "9845012345 и 9845012346"),
    ("IN", "9845012345、9845012346"),
    ("IN", "9845012345<br>9845012346"),
    ("IN", "9845012345 (home) 9845012346 (work)"),
    ("IN", "(home) 98450 12345 (work) 98450 12346"),
    ("IN", "9845012345 ext 12"),
    ("IN", "9845012345 Ext. 12"),
    ("IN", "9845012345ext12"),
    ("IN", "9845012345 x12"),
    ("IN", "9845012345x12"),
    ("IN", "9845012345 extension 12"),
    ("IN", "9845012345 (ext. 12)"),
    ("IN", "9845012345 #12"),
    ("IN", "tel:+91-98450-12345;ext=12"),
    ("DE", "0151 23456789 Durchwahl 12"),
    ("FR", "06 12 34 56 78 poste 12"),
    ("BR", "11 98765-4321 ramal 12"),
    (None, "234 5678 / 234 5679"),
    ("SG", "91234567/81234567"),
    ("SG", "91234567 81234567"),
    ("AT", "0664 1234567-8"),
]

ONE_NUMBER = [
    ("DE", "0151/23456789", "4915123456789"),
    (None, "+49 151/23456789", "4915123456789"),
    (None, "0049 151/23456789", "4915123456789"),
    ("DE", "0172/1234567", "491721234567"),
    ("DE", "0172 / 123 45 67", "491721234567"),
    ("IN", "(022) 2345-6789", "912223456789"),
    ("IN", "98450/12345", "919845012345"),
    ("IN", "98450\n12345", "919845012345"),
    ("IN", "984-50-123-45", "919845012345"),
    ("IN", "+91 98450 12345", "919845012345"),
    ("FR", "06 12 34 56 78", "33612345678"),
    ("FR", "06/12/34/56/78", "33612345678"),
    ("FR", "06-12-34-56-78", "33612345678"),
    ("FR", "06.12.34.56.78", "33612345678"),
    ("BE", "0475/12.34.56", "32475123456"),
    ("BE", "0475/12/34/56", "32475123456"),
    ("RU", "8 (912) 345-67-89", "79123456789"),
    ("UA", "050-123-45-67", "380501234567"),
    ("AT", "0664 123 45 67", "436641234567"),
    ("AT", "0664/123 45 67", "436641234567"),
    ("AT", "0664/1234567", "436641234567"),
    ("CH", "079/123 45 67", "41791234567"),
    ("CZ", "+420 603 123/456", "420603123456"),
    ("ID", "0812-3456-789", "628123456789"),
    ("ID", "0812/3456/789", "628123456789"),
    ("ID", "0812 3456 7890", "6281234567890"),
    ("US", "1 (212) 555-1234", "12125551234"),
    ("US", "212/555-1234", "12125551234"),
    ("US", "212-555/1234", "12125551234"),
    ("DE", "030 12345-67", "49301234567"),
    ("IT", "348/1234567", "393481234567"),
    (None, "+44 20 (7123) 4567", "442071234567"),
]


@pytest.mark.parametrize(("country", "value"), IN_ONE_CELL)
def test_two_numbers_in_a_cell_are_never_one(country: str | None, value: str) -> None:
    """Neither written out, nor as shorthand for the last digits, nor with an extension; alone and in a column."""
    assert PhoneReader(country).read(value) == CellResult(code="mobile_several")
    assert PhoneReader(country).read_column([value, value]) == [CellResult(code="mobile_several")] * 2


@pytest.mark.parametrize(("country", "value", "sent"), ONE_NUMBER)
def test_one_number_in_any_grouping_stays_one(country: str | None, value: str, sent: str) -> None:
    """A slash after the area code, and the groups that people write in their countries."""
    assert PhoneReader(country).read(value) == CellResult(sent, ("separators_removed",))


@pytest.mark.slow
def test_a_slash_after_the_area_code_is_a_separator() -> None:
    """The example numbers of every country, with a slash after two to four digits, are still sent."""
    rnd = random.Random("slashes")
    for country in sorted(phonenumbers.SUPPORTED_REGIONS):
        for kind in (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE):
            example = phonenumbers.example_number_for_type(country, kind)
            if example is None:
                continue
            number = phonenumbers.national_significant_number(example)
            at = rnd.randrange(2, 5)
            if len(number) - at < 4:
                continue
            value = f"+{example.country_code} {number[:at]}/{number[at:]}"
            found = PhoneReader(None).read(value)
            assert found.text == f"{example.country_code}{number}", (country, value, found)
