"""The importer's own reasons for rejecting a row before it is sent: code → (meaning, advice, who can fix it).

Codes are words, because numbers could be mistaken for the server's codes.
"""

from __future__ import annotations

#: Advice as the page words it, where it differs: an option has another name there.
ON_PAGE: dict[str, str] = {
    "nothing_to_set": "Fill in at least one preference of this row, or say that an empty cell removes the value.",
    "mobile_without_country": "Add the country code to the number, or name the country of numbers without one. "
    "If the code is there, correct the digits.",
    "short_row": "Check this row for a missing quote. If the program omits empty cells at the end of a row, say so under "
    "“How the file is read”.",
    "preference_unknown": "Correct the name, or choose that unknown preferences are sent.",
    "preference_is_a_date": "Format the column as Text and type the value again. If the column holds dates, say so under "
    "“What each column becomes”.",
}

#: code: (meaning, advice, who)
OWN_CODES: dict[str, tuple[str, str, str]] = {
    "no_identifier": (
        "the row has no customer identifier",
        "Fill in a mobile, e-mail, external id or user id.",
        "sheet owner",
    ),
    "nothing_to_set": (
        "the row has no preference to set",
        "Fill in at least one preference, or use --blank clear to remove the values of empty cells.",
        "sheet owner",
    ),
    "ragged_row": (
        "the row has more cells than the header",
        "Check this row for a delimiter in an unquoted value or a missing quote.",
        "sheet owner",
    ),
    # -- normaliser
    "mobile_cut_by_excel": (
        "a spreadsheet program changed the mobile to scientific notation, and its last digits are lost",
        "Format the column as Text (or as a number with 0 decimals) in the original sheet and export it again. This file no longer has the digits.",
        "sheet owner",
    ),
    "mobile_rounded": (
        "the mobile ends in five or more zeros: a spreadsheet program rounded it, and its last digits are lost",
        "Export the numbers again from their origin as text. If the number is right, write a + and the country code before it.",
        "sheet owner",
    ),
    "mobile_is_a_date": (
        "a spreadsheet program changed the mobile to a date",
        "Format the column as Text before you paste or import the numbers, then export the sheet again.",
        "sheet owner",
    ),
    "mobile_without_country": (
        "the mobile has no country code, or a digit is missing or wrong",
        "Add the country code, or pass --country (like --country IN) for numbers without one. If the code is there, correct the digits.",
        "sheet owner",
    ),
    "mobile_of_another_country": (
        "not a valid phone number of the given country, but possibly of another one",
        "Write + and the country code before a number of another country; otherwise correct the digits.",
        "sheet owner",
    ),
    "mobile_ambiguous": (
        "the mobile is a valid number both with and without its country code",
        "Write + and the country code before it.",
        "sheet owner",
    ),
    "mobile_several": (
        "the cell contains more than one mobile, or an extension",
        "Keep one number in the cell, with all of its digits and without an extension.",
        "sheet owner",
    ),
    "mobile_too_short": (
        "the mobile has too few digits",
        "Add the missing digits, often a leading digit or the country code.",
        "sheet owner",
    ),
    "mobile_too_long": (
        "the mobile has too many digits",
        "Remove the extra digits, or keep one of two numbers in the cell.",
        "sheet owner",
    ),
    "mobile_old_format": (
        "the mobile is written as before its country changed the numbers, and is not valid any more",
        "Write it as today: Mexico without the 1 after 52, Argentina with 9 after 54 and without 15, Brazil with 9 after "
        "the area code, Ivory Coast and Benin with 10 digits.",
        "sheet owner",
    ),
    "mobile_invalid": (
        "not a valid phone number",
        "Correct the number: digits with the country code.",
        "sheet owner",
    ),
    "email_invalid": (
        "not a valid e-mail address",
        "Correct the address: a name, an @, and a domain with a dot.",
        "sheet owner",
    ),
    "email_several": (
        "the cell contains more than one e-mail address",
        "Keep one address in the cell.",
        "sheet owner",
    ),
    "email_too_long": (
        "the e-mail address has more than 255 characters",
        "Correct the address.",
        "sheet owner",
    ),
    "email_unsupported_character": (
        "the e-mail address has characters that the API does not accept",
        "Use only letters a-z, digits and - _ + . @, or clear it and identify the customer by mobile or ID.",
        "sheet owner",
    ),
    "external_id_rounded": (
        "the external id has more than 15 digits and ends in zeros: a spreadsheet program rounded it",
        "Format the column as Text and export the sheet again. If the digits are right, put an apostrophe before them.",
        "sheet owner",
    ),
    "external_id_in_scientific_notation": (
        "a spreadsheet program changed the external id to scientific notation, and its last digits are lost",
        "Format the column as Text in the original sheet and export it again. This file no longer has the digits.",
        "sheet owner",
    ),
    "external_id_is_a_date": (
        "a spreadsheet program changed the external id to a date",
        "Format the column as Text and export the sheet again. If the value is right, put an apostrophe before it.",
        "sheet owner",
    ),
    "external_id_too_long": (
        "the external id has more than 250 characters",
        "Correct the external id.",
        "sheet owner",
    ),
    "user_id_rounded": (
        "the user id has more than 15 digits and ends in zeros: a spreadsheet program rounded it",
        "Format the column as Text and export the sheet again. If the digits are right, put an apostrophe before them.",
        "sheet owner",
    ),
    "user_id_in_scientific_notation": (
        "a spreadsheet program changed the user id to scientific notation, and its last digits are lost",
        "Format the column as Text in the original sheet and export it again. This file no longer has the digits.",
        "sheet owner",
    ),
    "user_id_is_a_date": (
        "a spreadsheet program changed the user id to a date",
        "Format the column as Text and export the sheet again. If the value is right, put an apostrophe before it.",
        "sheet owner",
    ),
    "user_id_too_long": (
        "the user id has more than 250 characters",
        "Correct the user id.",
        "sheet owner",
    ),
    "store_code_rounded": (
        "the store code has more than 15 digits and ends in zeros: a spreadsheet program rounded it",
        "Format the column as Text and export the sheet again. If the digits are right, put an apostrophe before them.",
        "sheet owner",
    ),
    "store_code_in_scientific_notation": (
        "a spreadsheet program changed the store code to scientific notation, and its last digits are lost",
        "Format the column as Text in the original sheet and export it again. This file no longer has the digits.",
        "sheet owner",
    ),
    "store_code_is_a_date": (
        "a spreadsheet program changed the store code to a date",
        "Format the column as Text and export the sheet again. If the value is right, put an apostrophe before it.",
        "sheet owner",
    ),
    "store_code_too_long": (
        "the store code has more than 250 characters",
        "Correct the store code.",
        "sheet owner",
    ),
    "store_id_rounded": (
        "the store id has more than 15 digits and ends in zeros: a spreadsheet program rounded it",
        "Format the column as Text and export the sheet again. If the digits are right, put an apostrophe before them.",
        "sheet owner",
    ),
    "store_id_in_scientific_notation": (
        "a spreadsheet program changed the store id to scientific notation, and its last digits are lost",
        "Format the column as Text in the original sheet and export it again. This file no longer has the digits.",
        "sheet owner",
    ),
    "store_id_is_a_date": (
        "a spreadsheet program changed the store id to a date",
        "Format the column as Text and export the sheet again. If the value is right, put an apostrophe before it.",
        "sheet owner",
    ),
    "store_id_too_long": (
        "the store id has more than 250 characters",
        "Correct the store id.",
        "sheet owner",
    ),
    "preference_name_missing": (
        "the row has a value but no preference name",
        "Fill in the name of the preference.",
        "sheet owner",
    ),
    "preference_name_too_long": (
        "the preference name has more than 20 characters",
        "Use the name that the organisation has defined.",
        "sheet owner",
    ),
    "preference_unknown": (
        "the organisation has no preference of this name",
        "Correct the name, or pass --unknown-columns send to send it as it is.",
        "sheet owner",
    ),
    "preference_disabled": (
        "the organisation has disabled this preference",
        "Map the column to ignored, or have the preference enabled.",
        "sheet owner",
    ),
    "preference_not_an_integer": (
        "not a whole number, as this preference requires",
        "Use digits only.",
        "sheet owner",
    ),
    "preference_not_a_number": (
        "not a number, as this preference requires",
        "Use digits, with a point before decimals.",
        "sheet owner",
    ),
    "preference_not_a_boolean": (
        "neither true nor false, as this preference requires",
        "Write true or false.",
        "sheet owner",
    ),
    "preference_not_an_option": (
        "not one of the preference's options",
        "Use one of the options, spelled exactly as listed.",
        "sheet owner",
    ),
    "preference_not_of_the_form": (
        "the value does not match the format that the organisation has defined for this preference",
        "Ask the organisation for the format and correct the value.",
        "sheet owner",
    ),
    "preference_is_a_date": (
        "a spreadsheet program changed the value to a date, and what was typed is lost",
        "Format the column as Text and type the value again. If the column holds dates, map it with is_date = true.",
        "sheet owner",
    ),
    "number_format_unknown": (
        "the cell's number format displays text that cannot be reproduced exactly",
        "Format the column as Text and type the identifier as it should be sent.",
        "sheet owner",
    ),
    "header_again": (
        "the row repeats the header",
        "Delete the row.",
        "sheet owner",
    ),
    "not_a_customer": (
        "the row is a total, a remark of the export or a list of types, not a customer",
        "Delete the row.",
        "sheet owner",
    ),
    "short_row": (
        "the row has fewer cells than the header",
        "Check this row for a missing quote. If the program omits empty cells at the end of a row, use --short-rows empty.",
        "sheet owner",
    ),
    "control_character": (
        "the cell contains a NUL or another control character, usually from a broken export",
        "Export the sheet again. If the problem remains, retype the cell.",
        "sheet owner",
    ),
    "nameless_cell": (
        "the row has a value in a column without a name",
        "Name the column in the header, or clear the cell.",
        "sheet owner",
    ),
    "merged_cells": (
        "the row has merged cells, so the row of the value is ambiguous",
        "Unmerge the cells and fill in every row.",
        "sheet owner",
    ),
    "lost_letters": (
        "the cell contains � or only ? where a program lost letters",
        "Retype the value, or export the sheet again as CSV UTF-8 or as a workbook.",
        "sheet owner",
    ),
    "garbled_letters": (
        "the cell was saved in a wrong encoding, like MÃ¼nchen for München",
        "Export the sheet again from its origin as CSV UTF-8 or as a workbook, or retype the value.",
        "sheet owner",
    ),
    "error_cell": (
        "the cell contains a spreadsheet error like #N/A, or ### of a column that was too narrow",
        "Correct the formula or widen the column and export the sheet again, or type the value.",
        "sheet owner",
    ),
    "formula_without_value": (
        "the cell contains a formula without a saved result",
        "Open the workbook in a spreadsheet program, save it and import it again.",
        "sheet owner",
    ),
}
