"""The mapping of columns to fields: proposed from the header names, or read from a mapping file (TOML).

A column is mapped to a field only by a known name. Similar names are only suggested in messages.
"""

from __future__ import annotations

import difflib
import json
import tomllib
import unicodedata
from collections.abc import Mapping as Dict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from importer.errors import SettingsError, SourceError
from importer.model import FIELDS, IDENTIFIERS
from importer.normaliser.synonyms import field_of, fold, near_field

#: The API's limit on the name of a preference.
LONGEST_NAME = 20
PREFERENCE, NAME, VALUE, IGNORED = "preference", "preference_name", "preference_value", "ignored"
#: What a column can be mapped to, in the order of the messages.
USES = (*FIELDS, PREFERENCE, NAME, VALUE, IGNORED)
_STORES = ("store.code", "store.id")
#: The command that writes a mapping, where the sheet is not known.
MAP_COMMAND = "importer map FILE"
_ON_PAGE = "Choose again what each column becomes."


class ColumnUse(msgspec.Struct, frozen=True):
    """The use of one column. `separator` separates the items of a list; "" means it is detected in each cell."""

    column: str
    field: str = ""
    preference: str = ""
    is_list: bool = False
    separator: str = ""


class Mapping(msgspec.Struct, frozen=True):
    """`constants`: (store.code, store.id or a preference's name, its value) for every row."""

    columns: tuple[ColumnUse, ...]
    constants: tuple[tuple[str, str], ...] = ()

    @property
    def is_long(self) -> bool:
        """Whether each row has one preference: its name in one column, its value in another."""
        return any(use.field == NAME for use in self.columns)

    @property
    def preferences(self) -> tuple[ColumnUse, ...]:
        """The columns that are mapped to a preference, in the sheet's order."""
        return tuple([use for use in self.columns if use.field == PREFERENCE])

    @property
    def ignored(self) -> tuple[str, ...]:
        return tuple([use.column for use in self.columns if use.field == IGNORED])

    def column_of(self, field: str) -> str | None:
        """The column that is mapped to this field, None without one."""
        return next((use.column for use in self.columns if use.field == field), None)


class ColumnSamples(msgspec.Struct, frozen=True):
    """A column's samples: a few values, and how many of its cells are lists with this `separator`."""

    samples: tuple[str, ...] = ()
    cells: int = 0
    list_like: int = 0
    separator: str = ""


def preference_name(column: str) -> str:
    """The preference for a column of this name: the name with normal spaces."""
    return " ".join(column.split())


def propose(columns: Sequence[str], *, sheet: str = "", command: str = MAP_COMMAND) -> Mapping:
    """A mapping by header names. Raises `SourceError` with all its faults at once, which names `sheet` and the
    `command` that writes a mapping for it."""
    mapping = sketch(columns)
    _raise(_mistakes(mapping, columns), sheet, command)
    return mapping


def sketch(columns: Sequence[str]) -> Mapping:
    """The same without checks: the start of `importer map`, whose file is where faults are fixed."""
    fields = [field_of(column) for column in columns]
    is_long = NAME in fields and VALUE in fields
    uses = []
    for column, field in zip(columns, fields, strict=True):
        if field in (NAME, VALUE) and not is_long:
            field = ""
        if field:
            uses.append(ColumnUse(column, field))
        elif is_long:
            # A long sheet names its preferences in the name column. Other columns are not sent.
            uses.append(ColumnUse(column, IGNORED))
        else:
            uses.append(ColumnUse(column, PREFERENCE, preference_name(column)))
    return Mapping(tuple(uses))


def misspelt(mapping: Mapping) -> tuple[tuple[str, str], ...]:
    """(column, field) of every column that is not mapped to a field but has nearly the name of an unmapped one."""
    found = []
    for use in mapping.columns:
        if use.field in (PREFERENCE, IGNORED):
            field = near_field(use.column)
            if field and mapping.column_of(field) is None:
                found.append((use.column, field))
    return tuple(found)


def fit(mapping: Mapping, columns: Sequence[str], *, sheet: str = "", command: str = MAP_COMMAND) -> Mapping:
    """A loaded mapping applied to a sheet's columns, in any order. Columns that it does not name are ignored.

    `sheet`, `command`: as in `propose`.
    """
    by_fold: dict[str, list[str]] = {}
    for column in columns:
        by_fold.setdefault(fold(column), []).append(column)
    present = set(columns)
    missing: list[str] = []
    several: list[str] = []
    found: dict[str, ColumnUse] = {}
    for use in mapping.columns:
        same = [use.column] if use.column in present else by_fold.get(fold(use.column), [])
        if len(same) == 1 and same[0] not in found:
            found[same[0]] = msgspec.structs.replace(use, column=same[0])
        elif same:
            several.append(f"“{use.column}” ({', '.join([f'“{name}”' for name in same])})")
        elif use.field != IGNORED:
            missing.append(f"“{use.column}”{_nearest(use.column, columns)}")
    faults = []
    if missing:
        faults.append(
            f"{_the_columns(missing)} of the mapping {_is(missing)} not in the sheet, which has {_named(columns)}."
        )
    if several:
        faults.append(f"The mapping's {', '.join(several)} fit{'s' if len(several) == 1 else ''} more than one column.")
    if faults:
        raise SourceError(
            _of_sheet(sheet, faults), "Correct the column names in the mapping file or in the sheet.", on_page=_ON_PAGE
        )
    fitted = Mapping(
        tuple([found.get(column, ColumnUse(column, IGNORED)) for column in columns]), constants=mapping.constants
    )
    _raise(_mistakes(fitted, columns), sheet, command)
    return fitted


# -- the mapping file -----------------------------------------------------------------------------------------------


def load(path: Path) -> Mapping:
    """Read a mapping file. Raises `SettingsError` with all its faults."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "not UTF-8 text"
        raise SettingsError(
            f"The mapping file {path} cannot be read: {why}.", "Check --mapping.", on_page=_ON_PAGE
        ) from error
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(
            f"The mapping file {path} is not valid TOML: {error}.", "Correct that line.", on_page=_ON_PAGE
        ) from error
    mapping, faults = _from_document(document)
    if not faults:
        faults = _mistakes(mapping, [use.column for use in mapping.columns])
    if faults:
        raise SettingsError(
            f"The mapping file {path} cannot be used. {' '.join(faults)}",
            "Correct it and run the command again.",
            on_page=_ON_PAGE,
        )
    return mapping


def _from_document(document: Dict[str, Any]) -> tuple[Mapping, list[str]]:
    faults = [
        f"`{key}` is not a table of a mapping file (columns, constants)." for key in document if key not in _TABLES
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
    return Mapping(tuple(uses), tuple([(name, str(value).strip()) for name, value in pairs])), faults


_TABLES = ("columns", "constants")
_KEYS = ("field", "preference", "is_list", "separator")


def _use_of(column: str, entry: object, faults: list[str]) -> ColumnUse | None:
    if isinstance(entry, str):
        entry = {"field": entry}
    if not isinstance(entry, dict):
        faults.append(f"“{column}” must be a field name or a table in braces.")
        return None
    before = len(faults)
    unknown = [key for key in entry if key not in _KEYS]
    if unknown:
        faults.append(f"“{column}” has unknown keys {_named(unknown)} (there are {_named(_KEYS)}).")
    for key, kind, word in (
        ("field", str, "a text"),
        ("preference", str, "a text"),
        ("separator", str, "a text"),
        ("is_list", bool, "true or false"),
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
    if entry.get("separator") and not is_list:
        faults.append(f"“{column}” has a separator but no `is_list = true`.")
    if field == PREFERENCE and not preference:
        preference = preference_name(column)
    return ColumnUse(column, field, preference, is_list, entry.get("separator", ""))


def to_toml(mapping: Mapping, samples: Dict[str, ColumnSamples] | None = None, *, source: str = "") -> str:
    """The mapping as a commented TOML file. `samples`: by column."""
    samples = samples or {}
    hints = dict(misspelt(mapping))
    lines = [
        f"# The mapping of {_one_line(source) or 'the sheet'}: which column is sent as which field.",
        "# Written by `importer map`. Edit it and pass it with --mapping.",
        "#",
        '# "Column" = "mobile"        also: email, external_id, user_id (one of the four is required),',
        "#                            store.code, store.id, ignored (not sent)",
        '# "Column" = { preference = "Name" }                     a preference (at most 20 characters)',
        '# "Column" = { preference = "Name", is_list = true, separator = ";" }',
        "#                            sends a cell `a; b` as a list of two values",
        '# "Column" = "preference_name" and "Column" = "preference_value": for sheets with one preference per row',
        "# Columns that are not listed here are ignored. The order of the columns does not matter.",
        "",
    ]
    faults = _mistakes(mapping, [use.column for use in mapping.columns])
    lines += [f"# Fix this before you use the mapping: {_one_line(fault, 1_000)}" for fault in faults]
    lines += ["", "[columns]"] if faults else ["[columns]"]
    for use in mapping.columns:
        sample = samples.get(use.column, ColumnSamples())
        key = _toml_text(use.column)
        if use.field == PREFERENCE and len(use.preference) > LONGEST_NAME:
            lines.append(f"# The next name has {len(use.preference)} characters; at most {LONGEST_NAME} are allowed.")
        if use.column in hints:
            lines.append(f"# The next column may be a misspelt `{hints[use.column]}`. If so, map it to that.")
        if use.field in (PREFERENCE, VALUE):
            if sample.samples:
                lines.append(f"# samples: {' | '.join([_one_line(value) for value in sample.samples])}")
            inner = [f"preference = {_toml_text(use.preference)}" if use.field == PREFERENCE else f'field = "{VALUE}"']
            if use.is_list:
                inner.append("is_list = true")
                inner += [f"separator = {_toml_text(use.separator)}"] if use.separator else []
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
    return "\n".join(lines) + "\n"


def _toml_text(text: str) -> str:
    """A TOML basic string: JSON's escapes, and DEL escaped too."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _one_line(sample: str, longest: int = 40) -> str:
    text = "".join([" " if unicodedata.category(character)[0] == "C" else character for character in sample])
    text = " ".join(text.split())
    return text if len(text) <= longest else text[: longest - 1] + "…"


# -- what can be wrong with a mapping -------------------------------------------------------------------------------


def _mistakes(mapping: Mapping, columns: Sequence[str]) -> list[str]:
    """Every reason why this mapping cannot be used, as sentences."""
    faults = []
    for field in (*FIELDS, NAME, VALUE):
        feeding = [use.column for use in mapping.columns if use.field == field]
        if len(feeding) > 1:
            faults.append(f"{_named(feeding)} are all mapped to “{field}”: keep one and ignore the others.")
        if feeding and any(name == field for name, _ in mapping.constants):
            faults.append(f"{_named(feeding)} and a constant are mapped to “{field}”: keep one.")
    constants = [name for name, _ in mapping.constants if name not in _STORES]
    wrong = [name for name in constants if name in IDENTIFIERS or name in (NAME, VALUE, IGNORED)]
    if wrong:
        faults.append(f"{_named(wrong)} cannot be the same for every row.")
    names: dict[str, list[str]] = {}
    for use in mapping.preferences:
        names.setdefault(_same_preference(use.preference), []).append(use.column)
    for name in constants:
        names.setdefault(_same_preference(name), []).append(f"{name} (constant)")
    faults += [
        f"{_named(feeding)} are all mapped to one preference: keep one and ignore the others."
        for feeding in names.values()
        if len(feeding) > 1
    ]
    too_long = [use.column for use in mapping.preferences if len(use.preference) > LONGEST_NAME]
    too_long += [name for name in constants if len(name) > LONGEST_NAME]
    if too_long:
        lengths = ", ".join([f"“{name}” ({len(preference_name(name))})" for name in too_long])
        faults.append(
            f"A preference's name has at most {LONGEST_NAME} characters; {lengths}"
            f" {'has' if len(too_long) == 1 else 'have'} more:"
            " rename it in the sheet, map it to a shorter name, or ignore it."
        )
    has_name, has_value = mapping.column_of(NAME), mapping.column_of(VALUE)
    if (has_name is None) != (has_value is None):
        given, lacking = (NAME, VALUE) if has_name is not None else (VALUE, NAME)
        faults.append(f"A column is mapped to “{given}” but none to “{lacking}”.")
    if has_name is not None and mapping.preferences:
        beside = _named([use.column for use in mapping.preferences])
        faults.append(
            f"A sheet has one preference per row or one column per preference: {beside} cannot be mapped"
            f" together with “{NAME}”."
        )
    if not any(use.field in IDENTIFIERS for use in mapping.columns):
        near = [(column, field) for column, field in misspelt(mapping) if field in IDENTIFIERS]
        hint = "".join([f" “{column}” may be a misspelt “{field}”." for column, field in near])
        faults.append(
            f"No column identifies the customer (mobile, e-mail, external id or user id);"
            f" the columns are {_named(columns)}.{hint}"
            " Rename one to Mobile, Email, External ID or User ID, or map one to such a field."
        )
    elif not mapping.preferences and has_name is None and not constants:
        faults.append(
            f"No column contains a preference; the columns are {_named(columns)}."
            " Add a column with the name of each preference to set."
        )
    return faults


def _same_preference(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold()


def _raise(faults: Sequence[str], sheet: str, command: str) -> None:
    if faults:
        raise SourceError(
            _of_sheet(sheet, faults),
            f"Run `{command} -o mapping.toml`, edit that file, and pass --mapping mapping.toml.",
            on_page="",
        )


def _of_sheet(sheet: str, faults: Sequence[str]) -> str:
    """The faults as one text that begins with the name of the sheet, where it is known."""
    return " ".join([f"{sheet}:", *faults] if sheet else faults)


def _named(names: Sequence[str]) -> str:
    quoted = [f"“{_one_line(name)}”" for name in names[:40]]
    if len(names) > len(quoted):
        return f"{', '.join(quoted)} and {len(names) - len(quoted)} more"
    if len(quoted) < 2:
        return "".join(quoted) or "none"
    return f"{', '.join(quoted[:-1])} and {quoted[-1]}"


def _the_columns(names: Sequence[str]) -> str:
    return f"The column{'' if len(names) == 1 else 's'} {', '.join(names)}"


def _is(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _nearest(name: str, columns: Sequence[str]) -> str:
    near = difflib.get_close_matches(name.casefold(), [column.casefold() for column in columns], 1, 0.75)
    found = next((column for column in columns if near and column.casefold() == near[0]), "")
    return f" (there is “{_one_line(found)}”)" if found else ""
