"""The preferences of a sheet against those that the organisation has defined. Pure."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable, Sequence

import msgspec

from importer.model import FieldDefinition
from importer.normaliser.mapping import IGNORED, PREFERENCE, ColumnUse, Mapping, is_store, preference_name

_REMEMBERED = 1_000


class FieldFinding(msgspec.Struct, frozen=True):
    """A mismatch of the sheet with the organisation's fields: `unknown`, `disabled` or `mandatory`."""

    preference: str
    fault: str
    message: str
    nearest: str = ""


class Names:
    """The names of the organisation's preferences. `suggested`: (text, name) of what a person may have meant."""

    def __init__(self, names: Sequence[str], suggested: Iterable[tuple[str, str]] = ()) -> None:
        self._names = frozenset(names)
        folded: dict[str, set[str]] = {}
        for name in names:
            folded.setdefault(_fold(name), set()).add(name)
        self._folded = {text: min(found) for text, found in folded.items() if len(found) == 1}
        #: Name → the nearest one, cached because names repeat in the rows of a long sheet.
        self._nearest: dict[str, str] = {}
        self._suggested = {_fold(text): name for text, name in suggested} or {_fold(name): name for name in names}

    def spelling_of(self, name: str) -> str | None:
        """The organisation's spelling of a name: the name itself, else the only one that differs in case or width."""
        return name if name in self._names else self._folded.get(_fold(name))

    def nearest(self, name: str) -> str:
        """The preference that a person may have meant, "" where none is near."""
        if name not in self._nearest:
            if len(self._nearest) >= _REMEMBERED:
                self._nearest.clear()
            close = difflib.get_close_matches(_fold(name), list(self._suggested), 1, 0.7)
            self._nearest[name] = self._suggested[close[0]] if close else ""
        return self._nearest[name]

    def near(self, name: str, most: int = 5) -> tuple[str, ...]:
        """The preferences to choose from, nearest first."""
        close = difflib.get_close_matches(_fold(name), list(self._suggested), 2 * most, 0.6)
        return tuple(dict.fromkeys(self._suggested[text] for text in close))[:most]


def names_of(fields: Sequence[FieldDefinition]) -> Names:
    """All defined names. A disabled preference is not suggested; a label suggests its preference."""
    usable = [field for field in fields if not field.is_disabled]
    labels = [(field.label, field.name) for field in usable if field.label]
    return Names([field.name for field in fields], [*labels, *[(field.name, field.name) for field in usable]])


def compare_fields(names: Iterable[str], fields: Sequence[FieldDefinition]) -> tuple[FieldFinding, ...]:
    """Compare the preferences that a sheet sets with the organisation's; suggest the nearest name for unknown ones."""
    known = {field.name: field for field in fields}
    defined = names_of(fields)
    found = []
    given = list(dict.fromkeys(names))
    for name in given:
        field = known.get(name)
        if field is None:
            near = defined.nearest(name)
            message = f"The organisation has no preference “{name}”."
            message += f" Did you mean “{near}”?" if near else ""
            found.append(FieldFinding(name, "unknown", message, near))
        elif field.is_disabled:
            message = f"The preference “{name}” is disabled in the organisation: the server would refuse its values."
            found.append(FieldFinding(name, "disabled", message))
    for field in fields:
        if field.is_mandatory and not field.is_disabled and field.name not in given:
            message = f"No column sets the preference “{field.name}”, which is mandatory in the organisation."
            found.append(FieldFinding(field.name, "mandatory", message))
    return tuple(found)


def spelled(mapping: Mapping, fields: Sequence[FieldDefinition]) -> Mapping:
    """The mapping with the organisation's spelling of each name: whether the API compares case is not documented."""
    names = names_of(fields)
    columns = [
        msgspec.structs.replace(use, preference=names.spelling_of(use.preference) or use.preference)
        if use.field == PREFERENCE
        else use
        for use in mapping.columns
    ]
    constants = [
        (name if is_store(name) else names.spelling_of(preference_name(name)) or name, value)
        for name, value in mapping.constants
    ]
    ranges = tuple([names.spelling_of(name) or name for name in mapping.facts.ranges])
    facts = msgspec.structs.replace(mapping.facts, ranges=ranges)
    return msgspec.structs.replace(mapping, columns=tuple(columns), constants=tuple(constants), facts=facts)


def unknown_in(mapping: Mapping, fields: Sequence[FieldDefinition]) -> tuple[FieldFinding, ...]:
    """The preferences of the mapping's columns and constants that the organisation has not defined."""
    found = compare_fields(mapping.preference_names, fields)
    return tuple([finding for finding in found if finding.fault == "unknown"])


def without(mapping: Mapping, names: Iterable[str]) -> Mapping:
    """The mapping without these preferences: their columns are ignored."""
    left_out = frozenset(names)
    columns = [
        ColumnUse(use.column, IGNORED) if use.field == PREFERENCE and use.preference in left_out else use
        for use in mapping.columns
    ]
    constants = tuple([pair for pair in mapping.constants if is_store(pair[0]) or pair[0] not in left_out])
    return msgspec.structs.replace(mapping, columns=tuple(columns), constants=constants)


def _fold(text: str) -> str:
    return preference_name(unicodedata.normalize("NFKC", text)).casefold()
