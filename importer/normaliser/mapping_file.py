"""The mapping file (TOML): read with every mistake in it, written with samples as comments."""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Mapping as Dict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from importer.errors import SettingsError
from importer.normaliser.mapping import (
    LONGEST_NAME,
    ON_PAGE,
    PREFERENCE,
    USES,
    VALUE,
    ColumnSamples,
    ColumnUse,
    Mapping,
    missing_columns,
    misspelt,
    mistakes_of,
    named,
    one_line,
    preference_name,
)
from importer.normaliser.rules import Rule, rule_of, to_entry
from importer.system.text import escaped


def load(path: Path, columns: Sequence[str] | None = None) -> Mapping:
    """Read a mapping file. Raises `SettingsError` with all its faults; for a sheet with these `columns` also which of
    the mapping's columns it does not have."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "not UTF-8 text"
        raise SettingsError(
            f"The mapping file {path} cannot be read: {why}.", "Check --mapping.", on_page=ON_PAGE
        ) from error
    return parse(text, f"The mapping file {path}", columns)


def parse(text: str, what: str, columns: Sequence[str] | None = None) -> Mapping:
    """Read the content of a mapping file, which messages call `what`. Otherwise as `load`."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{what} is not valid TOML: {error}.", "Correct that line.", on_page=ON_PAGE) from error
    mapping, faults = _from_document(document)
    if not faults:
        faults = mistakes_of(mapping, [use.column for use in mapping.columns])
    if faults:
        faults += missing_columns(mapping, columns) if columns is not None else []
        raise SettingsError(
            f"{what} cannot be used. {' '.join(faults)}",
            "Correct it and run the command again.",
            on_page=ON_PAGE,
        )
    return mapping


def _from_document(document: Dict[str, Any]) -> tuple[Mapping, list[str]]:
    faults = [
        f"`{key}` is not a table of a mapping file ({', '.join(_TABLES)})." for key in document if key not in _TABLES
    ]
    columns, constants = document.get("columns", {}), document.get("constants", {})
    if not isinstance(columns, dict) or not columns:
        faults.append("The table [columns] is missing.")
        columns = {}
    if not isinstance(constants, dict):
        faults.append("`constants` must be a table.")
        constants = {}
    uses = []
    for column, entry in columns.items():
        use = _use_of(column, entry, faults)
        if use:
            uses.append(use)
    pairs = []
    for name, value in constants.items():
        if isinstance(value, dict):  # store.code without quotes is a table to TOML
            for inner, item in value.items():
                pairs.append((f"{name}.{inner}", item))
        else:
            pairs.append((name, value))
    for name, value in pairs:
        if not isinstance(value, str) or not value.strip():
            faults.append(f"The constant “{name}” must be a quoted text that is not empty.")
    rules = document.get("rules", [])
    if not isinstance(rules, list):
        faults.append("`rules` must be tables: begin each with [[rules]].")
        rules = []
    read = [rule_of(entry, number, faults) for number, entry in enumerate(rules, 1)]
    constants = tuple([(name, str(value).strip()) for name, value in pairs])
    return Mapping(tuple(uses), constants, rules=tuple([rule for rule in read if rule is not None])), faults


_TABLES = ("columns", "constants", "rules")
_KEYS = ("field", "preference", "is_list", "separator", "is_date")


def _use_of(column: str, entry: object, faults: list[str]) -> ColumnUse | None:
    if isinstance(entry, str):
        entry = {"field": entry}
    if not isinstance(entry, dict):
        faults.append(f"“{column}” must be a field name or a table in braces.")
        return None
    before = len(faults)
    unknown = [key for key in entry if key not in _KEYS]
    if unknown:
        faults.append(f"“{column}” has unknown keys {named(unknown)} (there are {named(_KEYS)}).")
    for key, kind, word in (
        ("field", str, "a text"),
        ("preference", str, "a text"),
        ("separator", str, "a text"),
        ("is_list", bool, "true or false"),
        ("is_date", bool, "true or false"),
    ):
        if key in entry and not isinstance(entry[key], kind):
            faults.append(f"`{key}` of “{column}” must be {word}.")
    if len(faults) > before:
        return None
    preference = preference_name(entry.get("preference", ""))
    field = entry.get("field", PREFERENCE if preference else "")
    if field not in USES:
        near = difflib.get_close_matches(str(field), USES, 1)
        faults.append(
            f"“{column}” is mapped to `{field}`, which is not one of {', '.join(USES)}"
            + (f" (did you mean `{near[0]}`?)." if near else ".")
        )
        return None
    if preference and field != PREFERENCE:
        faults.append(f"“{column}” cannot be `{field}` and a preference at once.")
    is_list = entry.get("is_list", False)
    if (is_list or entry.get("separator")) and field not in (PREFERENCE, VALUE):
        faults.append(f"“{column}” is not a preference, so it cannot be a list.")
    is_date = entry.get("is_date", False)
    if is_date and (is_list or field not in (PREFERENCE, VALUE)):
        faults.append(f"“{column}” is {'a list' if is_list else 'not a preference'}, so it cannot hold dates.")
    if entry.get("separator") and not is_list:
        faults.append(f"“{column}” has a separator but no `is_list = true`.")
    if field == PREFERENCE and not preference:
        preference = preference_name(column)
    return ColumnUse(column, field, preference, is_list, entry.get("separator", ""), is_date)


def to_toml(mapping: Mapping, samples: Dict[str, ColumnSamples] | None = None, *, source: str = "") -> str:
    """The mapping as a commented TOML file. `samples`: by column."""
    samples = samples or {}
    hints = dict(misspelt(mapping))
    lines = [
        f"# The mapping of {one_line(source) or 'the sheet'}: which column is sent as which field.",
        "# Written by `importer map`. Edit it and pass it with --mapping.",
        "#",
        '# "Column" = "mobile"        also: email, external_id, user_id (one of the four is required),',
        "#                            store.code, store.id, ignored (not sent)",
        '# "Column" = { preference = "Name" }                     a preference (at most 20 characters)',
        '# "Column" = { preference = "Name", is_list = true, separator = ";" }',
        "#                            sends a cell `a; b` as a list of two values",
        '# "Column" = { preference = "Name", is_date = true }      holds dates, also those without a year',
        '# "Column" = "preference_name" and "Column" = "preference_value": for sheets with one preference per row',
        "# Columns that are not listed here are ignored. The order of the columns does not matter.",
        "",
    ]
    faults = mistakes_of(mapping, [use.column for use in mapping.columns])
    lines += [f"# Fix this before you use the mapping: {one_line(fault, 1_000)}" for fault in faults]
    lines += ["", "[columns]"] if faults else ["[columns]"]
    names = [use.column for use in mapping.columns]
    for use in mapping.columns:
        if not use.column or names.count(use.column) > 1:
            lines.append(
                f"# {'A column without a name' if not use.column else _toml_text(use.column)} cannot be mapped."
            )
            continue
        sample = samples.get(use.column, ColumnSamples())
        key = _toml_text(use.column)
        if use.field == PREFERENCE and len(use.preference) > LONGEST_NAME:
            lines.append(f"# The next name has {len(use.preference)} characters; at most {LONGEST_NAME} are allowed.")
        if use.column in hints:
            lines.append(f"# The next column may be a misspelt `{hints[use.column]}`. If so, map it to that.")
        if use.field in (PREFERENCE, VALUE):
            if sample.samples:
                lines.append(f"# samples: {' | '.join([one_line(value) for value in sample.samples])}")
            inner = [f"preference = {_toml_text(use.preference)}" if use.field == PREFERENCE else f'field = "{VALUE}"']
            if use.is_list:
                inner.append("is_list = true")
                inner += [f"separator = {_toml_text(use.separator)}"] if use.separator else []
            elif use.is_date:
                inner.append("is_date = true")
            elif sample.list_like:
                marked = [*inner, "is_list = true"]
                marked += [f"separator = {_toml_text(sample.separator)}"] if sample.separator else []
                lines.append(
                    f"# {sample.list_like} of {sample.cells} cells look like lists. If they are, use this line instead:"
                )
                lines.append(f"# {key} = {{ {', '.join(marked)} }}")
            lines.append(f"{key} = {{ {', '.join(inner)} }}")
        else:
            lines.append(f"{key} = {_toml_text(use.field)}")
    lines += ["", "# Constants for every row: the store, or a preference by its name."]
    lines += ["[constants]"] if mapping.constants else ["# [constants]", '# "store.code" = "S1"']
    lines += [f"{_toml_text(name)} = {_toml_text(value)}" for name, value in mapping.constants]
    lines += ["", *_RULES_HELP]
    for rule in mapping.rules:
        lines += ["", *rule_lines(rule)]
    return "\n".join(lines) + "\n"


_RULES_HELP = (
    "# Rules change the cells of a column before they are read, in this order. Each is for one column and has one of:",
    '#   empty = ["n/a", "-"]            cells that are read as empty',
    "#   first = true                    take the first of several e-mail addresses, mobile numbers or items",
    '#   strip = ["Ph:", "Tel."]         remove these texts from the beginning of a cell',
    '#   values = { Y = "Yes" }          a cell, or an item of a list → the value instead',
    '#   find = "St." / replace = "St"   replace a text within cells',
    '#   country = "IN"                  the country of mobile numbers without a country code',
    "#   omit = true                     send a row without this identifier if it is not valid and another one is",
    '#   leave_out = ["mobile_rounded"]  leave out rows with such a problem, by its code',
)


def rule_lines(rule: Rule) -> list[str]:
    """A rule as a mapping file has it."""
    return ["[[rules]]", *[f"{key} = {_toml_value(value)}" for key, value in to_entry(rule).items()]]


def _toml_value(value: object) -> str:
    """A rule's value: a text, true, a list of texts or a table of texts."""
    if isinstance(value, dict):
        pairs = [f"{_toml_text(name)} = {_toml_text(text)}" for name, text in value.items()]
        return f"{{ {', '.join(pairs)} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml_text, value))}]"
    return _toml_text(value) if isinstance(value, str) else "true"


def _toml_text(text: str) -> str:
    """A TOML basic string: JSON's escapes, and the other control characters escaped too."""
    return escaped(json.dumps(text, ensure_ascii=False))
