"""Forms as a mapping and as settings, read like the options of the command line."""

from __future__ import annotations

from collections.abc import Mapping as Dict
from pathlib import Path

import msgspec

from importer.normaliser.mapping import NAME, PREFERENCE, USES, VALUE, ColumnUse, Mapping, preference_name
from importer.normaliser.rules import misuse_of
from importer.settings.options import OPTIONS, Settings
from importer.web.messages import Inspection
from importer.web.storage import ReadingChoices, Upload

#: Separators of list items, as the form names them.
SEPARATORS = {"": "", "semicolon": ";", "comma": ",", "pipe": "|", "newline": "\n"}
_READERS = {option.field: option.read for option in OPTIONS}
#: Settings of how a file is read.
HOW_READ = ("sheet", "header_row", "encoding", "delimiter", "short_rows")
#: Settings of what is sent, for all rows.
HOW_SENT = ("country", "blank", "unknown_columns", "invalid_identifiers")
#: Settings with a few words to choose from, which the page labels itself. The first is the usual one.
CHOICES = {
    "blank": ("skip", "clear"),
    "invalid_identifiers": ("reject", "omit"),
    "unknown_columns": ("refuse", "ignore", "send"),
    "short_rows": ("reject", "empty"),
}


def mapping_from(fields: Dict[str, str], inspection: Inspection, before: Mapping) -> Mapping:
    """The mapping in the form, not checked yet: `fit` does that. What the form does not hold stays as `before`."""
    uses = []
    for number, sight in enumerate(inspection.columns):
        field = fields.get(f"field-{number}", "ignored")
        field = field if field in USES and sight.column else "ignored"
        is_list = field in (PREFERENCE, VALUE) and f"list-{number}" in fields
        separator = SEPARATORS.get(fields.get(f"separator-{number}", ""), "") if is_list else ""
        name = ""
        if field == PREFERENCE:
            chosen = fields.get(f"nearest-{number}", "") or fields.get(f"preference-{number}", "")
            name = preference_name(chosen) or preference_name(sight.column)
        is_date = field in (PREFERENCE, VALUE) and f"date-{number}" in fields
        uses.append(ColumnUse(sight.column, field, name, is_list, separator, is_date))
    store = fields.get("store", "").strip()
    constants = [("store.code", store)] if store else []
    constants += [pair for pair in before.constants if pair[0] != "store.code"]
    becomes = {use.column: use.field for use in uses}
    # A rule that the new use of its column does not allow ends with the old one.
    rules = tuple([rule for rule in before.rules if not misuse_of(rule, becomes.get(rule.column, ""))])
    return msgspec.structs.replace(before, columns=tuple(uses), constants=tuple(constants), rules=rules)


def reading_from(
    fields: Dict[str, str], names: tuple[str, ...], before: ReadingChoices
) -> tuple[ReadingChoices, list[str]]:
    """These settings, and a sentence for each that is not valid."""
    values = {}
    faults = []
    for name in names:
        text = fields.get(name, "").strip()
        empty: str | int = 0 if name == "header_row" else ""
        try:
            values[name] = _READERS[name](text) if text else empty
        except ValueError as error:
            faults.append(f"“{text[:40]}” is not {error}.")
    return msgspec.structs.replace(before, **values), faults


def settings_for(upload: Upload, base: Settings, mapping: Path | None = None) -> Settings:
    """The server's settings with the choices for this file."""
    reading = upload.reading
    chosen = {name: chosen_word(reading, base, name) for name in CHOICES}
    return msgspec.structs.replace(
        base,
        mapping=str(mapping) if mapping is not None else "",
        sheet=reading.sheet,
        encoding=reading.encoding,
        delimiter=reading.delimiter,
        header_row=reading.header_row,
        country=reading.country,
        **chosen,
        # A marked workbook contains every row: send only the open ones.
        resubmit=bool(upload.fixes),
    )


def chosen_word(reading: ReadingChoices, base: Settings, name: str) -> str:
    """The word of `CHOICES` that counts for a file. That unknown columns are sent is never decided without a person."""
    word: str = getattr(reading, name) or getattr(base, name)
    return "refuse" if name == "unknown_columns" and word == "send" and not reading.unknown_columns else word


def separator_word(separator: str) -> str:
    return next((word for word, sign in SEPARATORS.items() if sign == separator), "")


__all__ = [
    "CHOICES",
    "HOW_READ",
    "HOW_SENT",
    "NAME",
    "PREFERENCE",
    "SEPARATORS",
    "chosen_word",
    "mapping_from",
    "reading_from",
    "separator_word",
    "settings_for",
]
