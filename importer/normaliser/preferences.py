"""Preference values: only the white space around them is lost; lists become the API's JSON array as a string.

What is decided once for a value is remembered per column, since preferences repeat (Blue, Blue, puma …).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import NamedTuple

from importer.model import FieldDefinition
from importer.normaliser.mapping import ColumnUse

#: Distinct values remembered per column. Columns of free text have more, and must not fill the memory.
_REMEMBERED = 20_000
_SEPARATORS = (";", "|", ",")
_CURLY = "“”„‟«»‘’‚‛"
_PLAIN = "\"'"
_PAIRED = frozenset("“”„‟«»")
_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
_DOUBLE = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_BOOLEANS = frozenset(("true", "false", "0", "1"))

Pair = tuple[str, str]


class Refused(NamedTuple):
    """Why a value cannot be sent: our code, and what the field allows (never the value itself)."""

    code: str
    allowed: str = ""


class ValueReader(dict[str, "Pair | Refused | None"]):
    """Cell text → the pair that is sent, None for a blank cell, or why not. Looking up is the fast way."""

    def __init__(self, name: str, use: ColumnUse, definition: FieldDefinition | None = None) -> None:
        super().__init__()
        self.name = name
        #: Cell texts whose list had curly quotes taken off.
        self.mended: set[str] = set()
        #: Whether a value can be refused at all.
        self.judges = definition is not None
        self._use = use
        self._definition = definition
        self._regex = _compiled(definition.regex) if definition else None

    def __missing__(self, text: str) -> Pair | Refused | None:
        if len(self) >= _REMEMBERED:
            self.clear()
            self.mended.clear()
        found = self[text] = self._read(text)
        return found

    def _read(self, text: str) -> Pair | Refused | None:
        value = text.strip()
        if not value:
            return None
        items = [value]
        if self._use.is_list:
            items, mended = list_items(value, self._use.separator)
            if not items:
                return None
            if mended:
                self.mended.add(text)
            value = json.dumps(items, ensure_ascii=False)
        if self._definition is not None:
            for item in items:
                refused = self._judge(item, self._definition)
                if refused:
                    return refused
        return (self.name, value)

    def _judge(self, item: str, definition: FieldDefinition) -> Refused | None:
        if definition.is_disabled:
            return Refused("preference_disabled")
        kind = definition.datatype.lower()
        if kind in ("integer", "int", "long") and not _INTEGER.fullmatch(item):
            return Refused("preference_not_an_integer")
        if kind in ("double", "float", "decimal") and not _DOUBLE.fullmatch(item):
            return Refused("preference_not_a_number")
        if kind in ("boolean", "bool") and item.casefold() not in _BOOLEANS:
            return Refused("preference_not_a_boolean")
        if definition.options and item not in definition.options:
            return Refused("preference_not_an_option", _shown(definition.options))
        if self._regex and not self._regex.fullmatch(item):
            return Refused("preference_not_of_the_form")
        return None


def _compiled(pattern: str) -> re.Pattern[str] | None:
    try:
        return re.compile(pattern) if pattern else None
    except re.error:
        # The organisation's patterns are Java's: what Python cannot read is left to the server.
        return None


def _shown(options: Sequence[str]) -> str:
    shown = ", ".join(options[:8])
    return f"{shown} and {len(options) - 8} more" if len(options) > 8 else shown


def list_items(value: str, separator: str = "") -> tuple[list[str], bool]:
    """The items of a list cell and whether curly quotes around them were taken off."""
    if value.startswith("[") and value.endswith("]"):
        try:
            given = json.loads(value)
        except (ValueError, RecursionError):
            value = value[1:-1]
        else:
            if isinstance(given, list) and all(isinstance(item, str) for item in given):
                return [item.strip() for item in given if item.strip()], False
            value = value[1:-1]
    items, mended = [], False
    for part in value.split(separator or separator_of(value) or "\0"):
        item = part.strip()
        # Quotes within belong to items that this separator does not part: what is around them stays.
        while _is_quoted(item) and _PAIRED.isdisjoint(item[1:-1].strip(_CURLY + _PLAIN)):
            mended = mended or item[0] in _CURLY or item[-1] in _CURLY
            item = item[1:-1].strip()
        if item:
            items.append(item)
    return items, mended


def _is_quoted(item: str) -> bool:
    return len(item) >= 2 and item[0] in _CURLY + _PLAIN and item[-1] in _CURLY + _PLAIN


def separator_of(value: str) -> str:
    """What parts the items of this cell, "" if it holds one item."""
    return next((separator for separator in _SEPARATORS if separator in value), "\n" if "\n" in value else "")


def list_separator(value: str) -> str:
    """The separator, where a cell looks like a list: two items or more, short ones if commas part them."""
    separator = separator_of(value)
    if not separator:
        return ""
    items, _ = list_items(value, separator)
    if len(items) < 2 or (separator == "," and any(len(item.split()) > 3 or item[0].isdigit() for item in items)):
        return ""
    return separator
