"""Our own reasons for rejecting a row before it is sent: code → (meaning, advice, who can fix it).

Words instead of numbers, so that nobody mistakes them for the server's codes.
"""

from __future__ import annotations

#: Advice as the page words it, where it differs: an option has another name there.
ON_PAGE: dict[str, str] = {
    "nothing_to_set": "Fill in at least one preference of this row, or say that an empty cell removes the value.",
    "mobile_without_country": "Add the country code to the number, or name the country of numbers without one.",
}

#: code: (meaning, advice, who)
OWN_CODES: dict[str, tuple[str, str, str]] = {
    "no_identifier": (
        "the row names no customer",
        "Fill in at least one of mobile, e-mail, external id or user id and upload the failed rows again.",
        "sheet owner",
    ),
    "nothing_to_set": (
        "the row has no preference to set",
        "Fill in at least one preference of this row, or use --blank clear if empty cells mean 'remove it'.",
        "sheet owner",
    ),
    "ragged_row": (
        "the row has more or fewer cells than the header",
        "Check for a delimiter inside an unquoted value, or a quote that is missing, in this row.",
        "sheet owner",
    ),
    # -- normaliser
    "mobile_cut_by_excel": (
        "the mobile was turned into scientific notation and its last digits are gone",
        "Export the sheet again with the mobile column formatted as Text (or as a number with 0 decimals); the digits cannot be restored from this file.",
        "sheet owner",
    ),
    "mobile_is_a_date": (
        "the mobile was turned into a date",
        "Format the column as Text before the numbers are pasted or imported, export again and upload these rows again.",
        "sheet owner",
    ),
    "mobile_without_country": (
        "the mobile has no country code, or none that fits",
        "Add the country code to the number, or say with --country (such as --country IN) where numbers without one belong.",
        "sheet owner",
    ),
    "mobile_of_another_country": (
        "the mobile is no number of the country given, though it could be one of another country",
        "If it belongs to another country, write a + and the country code before it; if not, correct the digits.",
        "sheet owner",
    ),
    "mobile_ambiguous": (
        "the mobile is a whole number both with and without its country code",
        "Write a + and the country code before it.",
        "sheet owner",
    ),
    "mobile_several": (
        "the cell holds more than one mobile",
        "Keep one number in the cell.",
        "sheet owner",
    ),
    "mobile_too_short": (
        "the mobile has too few digits",
        "Look for digits lost (a leading digit, or the country code) and complete the number.",
        "sheet owner",
    ),
    "mobile_too_long": (
        "the mobile has too many digits",
        "Look for a digit too many, or two numbers in one cell, and correct the number.",
        "sheet owner",
    ),
    "mobile_invalid": (
        "the mobile is no number of any numbering plan",
        "Correct the number: digits with the country code.",
        "sheet owner",
    ),
    "email_invalid": (
        "the e-mail address is not well formed",
        "Correct the address: one name, an @, and a domain with a dot.",
        "sheet owner",
    ),
    "email_several": (
        "the cell holds more than one e-mail address",
        "Keep one address in the cell.",
        "sheet owner",
    ),
    "email_too_long": (
        "the e-mail address has more than 255 characters",
        "Correct the address.",
        "sheet owner",
    ),
    "email_unsupported_character": (
        "the e-mail address has characters that the API does not take",
        "Only letters a-z, digits and - _ + . @ can be sent: correct the address, or clear it and name the customer otherwise.",
        "sheet owner",
    ),
    "external_id_rounded": (
        "the external id has more than 15 digits and ends in zeros: it was rounded by a spreadsheet program",
        "Export the sheet again with this column formatted as Text. If the digits are right, put an apostrophe before them.",
        "sheet owner",
    ),
    "external_id_in_scientific_notation": (
        "the external id was turned into scientific notation and its last digits are gone",
        "Export the sheet again with this column formatted as Text; the digits cannot be restored from this file.",
        "sheet owner",
    ),
    "external_id_is_a_date": (
        "the external id was turned into a date",
        "Export the sheet again with this column formatted as Text. If it is right, put an apostrophe before it.",
        "sheet owner",
    ),
    "external_id_too_long": (
        "the external id has more than 250 characters",
        "Correct the external id.",
        "sheet owner",
    ),
    "user_id_rounded": (
        "the user id has more than 15 digits and ends in zeros: it was rounded by a spreadsheet program",
        "Export the sheet again with this column formatted as Text. If the digits are right, put an apostrophe before them.",
        "sheet owner",
    ),
    "user_id_in_scientific_notation": (
        "the user id was turned into scientific notation and its last digits are gone",
        "Export the sheet again with this column formatted as Text; the digits cannot be restored from this file.",
        "sheet owner",
    ),
    "user_id_is_a_date": (
        "the user id was turned into a date",
        "Export the sheet again with this column formatted as Text. If it is right, put an apostrophe before it.",
        "sheet owner",
    ),
    "user_id_too_long": (
        "the user id has more than 250 characters",
        "Correct the user id.",
        "sheet owner",
    ),
    "store_code_rounded": (
        "the store code has more than 15 digits and ends in zeros: it was rounded by a spreadsheet program",
        "Export the sheet again with this column formatted as Text. If the digits are right, put an apostrophe before them.",
        "sheet owner",
    ),
    "store_code_in_scientific_notation": (
        "the store code was turned into scientific notation and its last digits are gone",
        "Export the sheet again with this column formatted as Text; the digits cannot be restored from this file.",
        "sheet owner",
    ),
    "store_code_is_a_date": (
        "the store code was turned into a date",
        "Export the sheet again with this column formatted as Text. If it is right, put an apostrophe before it.",
        "sheet owner",
    ),
    "store_code_too_long": (
        "the store code has more than 250 characters",
        "Correct the store code.",
        "sheet owner",
    ),
    "store_id_rounded": (
        "the store id has more than 15 digits and ends in zeros: it was rounded by a spreadsheet program",
        "Export the sheet again with this column formatted as Text. If the digits are right, put an apostrophe before them.",
        "sheet owner",
    ),
    "store_id_in_scientific_notation": (
        "the store id was turned into scientific notation and its last digits are gone",
        "Export the sheet again with this column formatted as Text; the digits cannot be restored from this file.",
        "sheet owner",
    ),
    "store_id_is_a_date": (
        "the store id was turned into a date",
        "Export the sheet again with this column formatted as Text. If it is right, put an apostrophe before it.",
        "sheet owner",
    ),
    "store_id_too_long": (
        "the store id has more than 250 characters",
        "Correct the store id.",
        "sheet owner",
    ),
    "preference_name_missing": (
        "the row has a value but names no preference",
        "Fill in the name of the preference.",
        "sheet owner",
    ),
    "preference_name_too_long": (
        "the name of the preference has more than 20 characters",
        "Use the preference's name as the organisation has defined it.",
        "sheet owner",
    ),
    "preference_disabled": (
        "the preference is disabled in the organisation",
        "Map the column to ignored, or have the preference enabled.",
        "sheet owner",
    ),
    "preference_not_an_integer": (
        "the value is no whole number, as this preference needs",
        "Correct the value: digits only.",
        "sheet owner",
    ),
    "preference_not_a_number": (
        "the value is no number, as this preference needs",
        "Correct the value: digits, with a point before decimals.",
        "sheet owner",
    ),
    "preference_not_a_boolean": (
        "the value is neither true nor false, as this preference needs",
        "Write true or false.",
        "sheet owner",
    ),
    "preference_not_an_option": (
        "the value is none of the preference's options",
        "Use one of the options, written exactly so.",
        "sheet owner",
    ),
    "preference_not_of_the_form": (
        "the value does not have the form that the organisation has set for this preference",
        "Ask for the form of this preference and correct the value.",
        "sheet owner",
    ),
    "control_character": (
        "the row holds a NUL or another control character, as a broken export leaves behind",
        "Export the sheet again; if it stays, retype the cells of this row.",
        "sheet owner",
    ),
    "nameless_cell": (
        "the row has a cell in a column that has no name",
        "Name the column in the header, or clear the cell if it does not belong there.",
        "sheet owner",
    ),
    "merged_cells": (
        "the row has merged cells, so it cannot be told which of them the value belongs to",
        "Unmerge the cells and fill in every row.",
        "sheet owner",
    ),
    "lost_letters": (
        "the cell holds the mark � that another program put where it lost a letter",
        "Retype the value, or export the sheet again as CSV UTF-8 or as a workbook.",
        "sheet owner",
    ),
    "error_cell": (
        "the cell holds a spreadsheet error such as #N/A",
        "Correct the formula, or type the value.",
        "sheet owner",
    ),
    "formula_without_value": (
        "the cell holds a formula whose result was never saved",
        "Open the workbook in a spreadsheet program, save it again and upload that.",
        "sheet owner",
    ),
}
