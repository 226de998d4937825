"""Preference values: trimmed only; lists become a JSON array in a string, as the API expects.

Results are cached per column, because preferences repeat (Blue, Blue, puma …).
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from importer.model import FieldDefinition
from importer.normaliser.damage import formula_text, is_changed_range
from importer.normaliser.destroyed import destroyed
from importer.normaliser.mapping import ColumnUse
from importer.system.late import late

if TYPE_CHECKING:
    import regex

#: Distinct values cached per column, and the characters of all. They bound the memory for columns of free text.
_REMEMBERED, _CHARACTERS = 20_000, 1 << 24
#: For a value and the organisation's pattern: patterns with nested repetitions may take years.
_SECONDS = 0.2
_SEPARATORS = (";", "|", ",")
_CURLY = "“”„‟«»‘’‚‛"
_PLAIN = "\"'"
_PAIRED = frozenset("“”„‟«»")
#: As many quotes around an item are removed: each takes a look at the whole item.
_LAYERS = 8
_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
_DOUBLE = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_BOOLEANS = frozenset(("true", "false", "0", "1"))
#: The API's datatypes whose values have a form, with other names for them.
INTEGERS, NUMBERS, BOOLEANS = ("integer", "int", "long"), ("double", "float", "decimal"), ("boolean", "bool")

Pair = tuple[str, str]


class InvalidPreference(NamedTuple):
    """Why a value cannot be sent: the code, and what the field allows (never the value itself)."""

    code: str
    allowed: str = ""


class ValueReader(dict[str, "Pair | InvalidPreference | None"]):
    """Cell text → the pair to send, None for a blank cell, or an `InvalidPreference`. A cache: use it by lookup.

    Its owner calls `empty_full`."""

    def __init__(
        self, name: str, use: ColumnUse, definition: FieldDefinition | None = None, *, rejects_dates: bool = False
    ) -> None:
        super().__init__()
        self.name = name
        #: Cell text → the code of its repair.
        self.repaired: dict[str, str] = {}
        #: Of the cells that are known.
        self.characters = 0
        #: Whether a value was refused.
        self.refused = False
        self._rejects_dates = rejects_dates
        self._use = use
        self._definition = definition
        self._regex = _compiled(definition.regex) if definition and definition.regex else None

    def __missing__(self, text: str) -> Pair | InvalidPreference | None:
        self.characters += len(text)
        found = self[text] = self._read(text)
        self.refused = self.refused or found.__class__ is InvalidPreference
        return found

    def _read(self, text: str) -> Pair | InvalidPreference | None:
        value = text.strip()
        if (inner := formula_text(value)) is not None:
            value = inner
            self.repaired[text] = "formula_quotes_removed"
        if not value:
            return None
        if self._rejects_dates and is_changed_range(value):
            return InvalidPreference("preference_is_a_date")
        items = [value]
        if self._use.is_list:
            items, repaired = list_items(value, self._use.separator)
            if not items:
                return None
            if repaired:
                self.repaired[text] = "list_quotes_removed"
            value = json.dumps(items, ensure_ascii=False)
        if broken := next(filter(None, map(destroyed, items)), ""):
            return InvalidPreference(broken)
        if self._definition is not None:
            for item in items:
                refused = self._check(item, self._definition)
                if refused:
                    return refused
        return (self.name, value)

    def _check(self, item: str, definition: FieldDefinition) -> InvalidPreference | None:
        if definition.is_disabled:
            return InvalidPreference("preference_disabled")
        # Options decide, also where the datatype does not fit them, as with Yes and No of a Boolean.
        kind = "" if definition.options else definition.datatype.lower()
        if kind in INTEGERS and not _INTEGER.fullmatch(item):
            return InvalidPreference("preference_not_an_integer")
        if kind in NUMBERS and not _DOUBLE.fullmatch(item):
            return InvalidPreference("preference_not_a_number")
        if kind in BOOLEANS and item.casefold() not in _BOOLEANS:
            return InvalidPreference("preference_not_a_boolean")
        if definition.options and item not in definition.options:
            return InvalidPreference("preference_not_an_option", _shown(definition.options))
        if self._regex and not self._has_form(self._regex, item):
            return InvalidPreference("preference_not_of_the_form")
        return None

    def _has_form(self, form: regex.Pattern[str], item: str) -> bool:
        """Whether the organisation's pattern matches. One that takes too long is left to the server from then on."""
        try:
            return form.fullmatch(item, timeout=_SECONDS) is not None
        except TimeoutError:
            self._regex = None
            return True


def empty_full(readers: Sequence[ValueReader]) -> None:
    """Empty the caches of a sheet that hold too much. Call it between blocks: the rows of one need all its repairs."""
    for reader in readers:
        if len(reader) > _REMEMBERED or reader.characters > _CHARACTERS // len(readers):
            reader.clear()
            reader.repaired.clear()
            reader.characters = 0


def _compiled(pattern: str) -> regex.Pattern[str] | None:
    try:
        with warnings.catch_warnings():
            # Sets within sets mean something else in Java.
            warnings.simplefilter("error", FutureWarning)
            re.compile(pattern)
        compiled: regex.Pattern[str] = late("regex", "compile")(pattern)
    except (re.error, late("regex", "error"), ValueError, RecursionError, OverflowError, FutureWarning):
        # The patterns are in Java's syntax. The server checks those that Python cannot compile, or reads differently.
        return None
    return compiled


def _shown(options: Sequence[str]) -> str:
    shown = ", ".join(options[:8])
    return f"{shown} and {len(options) - 8} more" if len(options) > 8 else shown


def list_items(value: str, separator: str = "") -> tuple[list[str], bool]:
    """The items of a list cell, and whether curly quotes around them were removed."""
    if value.startswith("[") and value.endswith("]"):
        try:
            given = json.loads(value)
        except (ValueError, RecursionError):
            value = value[1:-1]
        else:
            if isinstance(given, list) and all(isinstance(item, str) for item in given):
                return [item.strip() for item in given if item.strip()], False
            value = value[1:-1]
    items, repaired = [], False
    for part in value.split(separator or separator_of(value) or "\0"):
        item = part.strip()
        for _ in range(_LAYERS):
            # Inner quotes belong to items that this separator does not separate: their quotes stay.
            if not _is_quoted(item) or not _PAIRED.isdisjoint(item[1:-1].strip(_CURLY + _PLAIN)):
                break
            repaired = repaired or item[0] in _CURLY or item[-1] in _CURLY
            item = item[1:-1].strip()
        if item:
            items.append(item)
    return items, repaired


def _is_quoted(item: str) -> bool:
    return len(item) >= 2 and item[0] in _CURLY + _PLAIN and item[-1] in _CURLY + _PLAIN


def separator_of(value: str) -> str:
    """The separator of the items in this cell, "" for one item."""
    return next((separator for separator in _SEPARATORS if separator in value), "\n" if "\n" in value else "")


def list_separator(value: str) -> str:
    """The separator of a cell that looks like a list (of short items if separated by commas), else ""."""
    separator = separator_of(value)
    if not separator:
        return ""
    items, _ = list_items(value, separator)
    if len(items) < 2 or (separator == "," and any(len(item.split()) > 3 or item[0].isdigit() for item in items)):
        return ""
    return separator
