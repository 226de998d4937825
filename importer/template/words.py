"""What a template says: the notes at its headers, the messages of its checks, and its instructions."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from importer.system.text import shortened
from importer.template import checks
from importer.template.columns import HEADERS, TemplateColumn, writable

TITLE = "How to fill in this workbook"
COLUMN_HEADS = ("Column", "Label", "Required", "What to enter", "Example")
LEFT_OUT_HEADS = ("Left out", "Why")
#: Options that the instructions repeat.
_SHOWN_OPTIONS = 8
#: Characters of an option in a text.
_LONGEST_OPTION = 60


class About(msgspec.Struct, frozen=True):
    """What a template was made for. `at`: milliseconds since 1970. `missing`: what it cannot know, "" for nothing."""

    country: str
    target: str
    at: int
    missing: str = ""


def instructions(columns: Sequence[TemplateColumn], about: About) -> tuple[str, ...]:
    country = f" --country {about.country}" if about.country else ""
    lines = [
        "Enter one customer per row in the sheet “Customers”. This sheet is not imported; its examples are never sent.",
        f"Every row needs at least one of {', '.join(HEADERS[:-1])} or {HEADERS[-1]}, and at least one preference.",
        "Do not change the names in the first row. You can move columns, and delete those that you do not need.",
        "An empty preference leaves the customer's value unchanged, unless you import with --blank clear.",
        "Paste with “Paste special → Values” (or “Unformatted text”): a normal paste also replaces the checks and the "
        "text format. Cells that do not fit become red.",
        "A cell holds one value. For several values in a cell, clear the check of the column (Data → Data validation), "
        "separate them with ; and mark the column as a list when you import it.",
        f"Save as .xlsx. Then upload the file to the page, or type: importer check FILE{country}",
    ]
    if any(column.is_mandatory for column in columns):
        lines.insert(2, "Columns with an orange header are mandatory in the organisation.")
    if about.missing:
        lines.insert(0, about.missing)
    return tuple(f"{number}.  {line}" for number, line in enumerate(lines, 1))


def note_of(column: TemplateColumn, about: About) -> str:
    """The note at a column's header."""
    lines = [label] if (label := _label(column)) else []
    if column.is_mandatory:
        lines.append("Required.")
    lines.append(entry_of(column, about))
    if column.example and not column.options:
        lines.append(f"Example: {column.example}")
    return "\n".join(lines)


def row_of(column: TemplateColumn, about: About) -> tuple[str, ...]:
    """The column's row in the instructions."""
    required = "one of these" if not column.preference else "yes" if column.is_mandatory else "no"
    return column.column, _label(column), required, entry_of(column, about), column.example


def _label(column: TemplateColumn) -> str:
    return column.label if column.label != column.column else ""


def entry_of(column: TemplateColumn, about: About) -> str:
    """What to enter in a column."""
    texts = {
        "mobile": _mobile(about.country),
        "email": "One e-mail address.",
        "id": _ids(column.becomes),
        "integer": "A whole number.",
        "number": "A number.",
        "date": "A date. It is sent as YYYY-MM-DD.",
        "moment": "A date with time. It is sent as YYYY-MM-DD hh:mm:ss.",
        "list": "One or more values, separated by ; (mark the column as a list when you import it). The "
        "workbook cannot check them.",
    }
    if column.options:
        count = len(column.options)
        shown = _named(column.options[:_SHOWN_OPTIONS])
        more = f" and {count - _SHOWN_OPTIONS:,} more" if count > _SHOWN_OPTIONS else ""
        text = f"One value of the drop-down list: {shown}{more}."
        text += "" if column.kind == "boolean" else " The list cannot check cells with several values."
    else:
        text = texts.get(column.kind, "Text.")
        if column.options_not_listed:
            text += f" The organisation has {column.options_not_listed:,} options for it: use its spelling."
    if column.options_left_out:
        text += f" {column.options_left_out:,} options cannot be imported and are not in the list."
    if column.pattern:
        text += f" It must match the pattern {column.pattern}"
    return text


def _named(options: Sequence[str]) -> str:
    """Options in a row, in quotes if one has a comma."""
    shown = [shortened(writable(option), _LONGEST_OPTION) for option in options]
    return ", ".join([f"“{option}”" for option in shown] if any("," in option for option in shown) else shown)


def error_of(column: TemplateColumn, about: About) -> tuple[str, str]:
    """Title (at most 32 characters) and message (at most 255) of the check of a column."""
    if column.options:
        return "Not in the list", "Choose a value from the drop-down list."
    message = {
        "mobile": _mobile(about.country),
        "email": "Enter one e-mail address without spaces, like asha@example.com.",
        "integer": "Enter a whole number of at most 15 digits.",
        "number": "Enter a number.",
        "date": "Enter a date.",
        "moment": "Enter a date, or a date with a time.",
    }.get(column.kind, "")
    return "This value does not fit", message[:255]


def _ids(field: str) -> str:
    if field == "user_id":
        return "The customer's user ID in Capillary. Leave it empty if you do not know it."
    return "The customer's ID in your own systems, like a membership number. Leading zeros are kept."


def _mobile(country: str) -> str:
    if not country:
        return "Digits only, with country code: 918123456789 or +918123456789."
    lengths, code, example = checks.lengths_of(country), checks.code_of(country), checks.example_mobile(country)
    digits = " or ".join(map(str, lengths)) if len(lengths) < 3 else f"{lengths[0]} to {lengths[-1]}"
    like = f", like {example}" if example else ""
    return (
        f"Digits only: {digits} digits{like}, or with the country code {code}. "
        "Write other numbers with + and their country code."
    )
