"""The columns of a template, from the organisation's preferences: names that map by themselves, and what a cell takes.

The reader and the normaliser themselves decide: a name, an option or an example that they would not take as it is does
not come into the template.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from importer.errors import SettingsError, SourceError
from importer.model import IDENTIFIERS, FieldDefinition
from importer.normaliser.mapping import (
    LONGEST_NAME,
    NAME,
    PREFERENCE,
    VALUE,
    ColumnUse,
    Mapping,
    mistakes_of,
    preference_name,
    sketch,
)
from importer.normaliser.organisation import Names, names_of
from importer.normaliser.preferences import BOOLEANS, INTEGERS, NUMBERS, ValueReader
from importer.normaliser.synonyms import field_of, likeness
from importer.reader.header import read_header
from importer.reader.sizes import MOST_COLUMNS

Kind = Literal["text", "integer", "number", "boolean", "date", "moment", "list", "mobile", "email", "id"]

#: The headers of the identifiers, in the order of `IDENTIFIERS`.
HEADERS = ("Mobile", "Email", "External ID", "User ID")
#: Values that a spreadsheet program lists for a cell, and characters that a cell holds.
MOST_OPTIONS, LONGEST_TEXT = 32_766, 32_767
#: A cell gives back what is written, but for control characters, noncharacters, escapes and markup.
_NOT_WRITTEN = re.compile("[\x00-\x1f\x7f-\x9f\ufffe\uffff]|_x[0-9A-Fa-f]{4}_|^<r>.*</r>$", re.DOTALL)
#: Datatypes whose cells are numbers or dates. The API documents no datatype for dates.
_TYPED: dict[Kind, tuple[str, ...]] = {
    "integer": INTEGERS,
    "number": NUMBERS,
    "date": ("date",),
    "moment": ("datetime", "timestamp"),
}
_LISTS = re.compile(r"list|array|multi|check ?box", re.IGNORECASE)
_TRUTHS = ("true", "false")
#: Values to show as an example, the first that the preference takes.
_EXAMPLES: dict[Kind, tuple[str, ...]] = {
    "boolean": _TRUTHS,
    "integer": ("5", "12", "123"),
    "number": ("12.5", "3", "12.50"),
    "date": ("2026-05-31",),
    "moment": ("2026-05-31 18:30:00",),
    "text": ("Example", "example", "EXAMPLE", "E", "A1", "12", "5", "2026-05-31", "31/05/2026"),
}


class TemplateColumn(msgspec.Struct, frozen=True):
    """A column to fill in. `becomes`: the field, or `preference`, which is then called `preference`."""

    column: str
    becomes: str
    kind: Kind
    preference: str = ""
    label: str = ""
    is_mandatory: bool = False
    options: tuple[str, ...] = ()
    #: The pattern that the organisation has defined for the values.
    pattern: str = ""
    example: str = ""
    #: Options that the importer would not send as they are.
    options_left_out: int = 0
    #: Options that are not in a drop-down list, because cells hold several or there are too many.
    options_not_listed: int = 0

    @property
    def is_typed(self) -> bool:
        """Whether its cells are numbers or dates. All others are text, which no program changes."""
        return self.kind in ("integer", "number", "date", "moment")


class LeftOut(msgspec.Struct, frozen=True):
    """A preference without a column, and why."""

    preference: str
    why: str


def identifier_columns(mobile_example: str) -> tuple[TemplateColumn, ...]:
    kinds: tuple[Kind, ...] = ("mobile", "email", "id", "id")
    examples = (mobile_example, "asha@example.com", "C-1042", "75152715")
    return tuple(
        TemplateColumn(header, field, kind, example=example)
        for header, field, kind, example in zip(HEADERS, IDENTIFIERS, kinds, examples, strict=True)
    )


def chosen(fields: Sequence[FieldDefinition], names: Iterable[str]) -> tuple[FieldDefinition, ...]:
    """The fields of these names; all without names. Where the organisation defines none, the names alone. Raises
    `SettingsError` for a name that it does not have."""
    wanted = list(dict.fromkeys(map(preference_name, names)))
    if not wanted:
        return tuple(fields)
    if not fields:
        return tuple(FieldDefinition(name) for name in wanted)
    known, by_name = names_of(fields), {field.name: field for field in fields}
    found = []
    for name in wanted:
        spelled = known.spelling_of(name)
        if spelled is None:
            near = known.nearest(name)
            raise SettingsError(
                f"The organisation has no preference “{name}”.",
                f"Did you mean “{near}”?" if near else "Correct --preference.",
                on_page="",
            )
        found.append(by_name[spelled])
    return tuple(dict.fromkeys(found))


def preference_columns(fields: Sequence[FieldDefinition]) -> tuple[tuple[TemplateColumn, ...], tuple[LeftOut, ...]]:
    """A column for each preference that can have one, and the others."""
    names = Names([field.name for field in fields])
    made: list[TemplateColumn] = []
    left_out: list[LeftOut] = []
    taken: set[str] = set()
    for field in fields:
        why = "" if len(made) < MOST_COLUMNS - len(HEADERS) else "the sheet is full"
        why = why or _why_without_column(field, names, taken)
        if why:
            left_out.append(LeftOut(field.name, why))
            continue
        taken |= {likeness(field.name), f"field {field_of(field.name)}"}
        made.append(_column(field))
    return tuple(made), tuple(left_out)


def _why_without_column(field: FieldDefinition, names: Names, taken: set[str]) -> str:
    """Why a column with the name of this preference would not be imported as this preference, "" if it would."""
    name = field.name
    if field.is_disabled:
        return "disabled in the organisation"
    if _cannot_be_set(name):
        return f"no column can be mapped to this name: it is not readable, or has more than {LONGEST_NAME} characters"
    if likeness(name) in taken:
        return "another preference has the same name but for case and spaces"
    feeds = field_of(name)
    pair = {NAME: VALUE, VALUE: NAME}.get(feeds, "")
    if feeds and (not pair or f"field {pair}" in taken):
        return "a column with this name has another meaning; map a column of another name to it"
    if not holds(name) or not _maps(name, names):
        return "a column cannot have this name; map a column of another name to it"
    return ""


def _cannot_be_set(name: str) -> bool:
    """Whether a mapping with this preference is refused, whatever the column is called."""
    uses = (ColumnUse(HEADERS[0], IDENTIFIERS[0]), ColumnUse("Column", PREFERENCE, name))
    return bool(mistakes_of(Mapping(uses), (HEADERS[0], "Column")))


def _maps(name: str, names: Names) -> bool:
    """Whether the reader and the proposed mapping make this preference of a column with this name."""
    columns = (HEADERS[0], name)
    try:
        header = read_header("template", 1, columns, [])
    except SourceError:
        return False
    mapping = sketch(header.columns)
    if header.columns != columns or header.notes or mistakes_of(mapping, columns):
        return False
    use = mapping.columns[1]
    return use.field == PREFERENCE and names.spelling_of(use.preference) == name


def holds(text: str) -> bool:
    """Whether a cell of a workbook gives this text back."""
    return bool(text.strip()) and _NOT_WRITTEN.search(text) is None and len(text) <= LONGEST_TEXT // 2


def writable(text: str) -> str:
    """A text of the organisation for people to read, in a form that a cell holds."""
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())[:1000]
    return text if holds(text) or not text else text.replace("_x", "_ x").replace("<r>", "< r>")


def _column(field: FieldDefinition) -> TemplateColumn:
    takes = ValueReader(field.name, ColumnUse(field.name, PREFERENCE, field.name), field)
    options = _options(field)
    allowed = tuple(option for option in options if _as_it_is(takes, option))
    kind = _kind(field, takes)
    # Options that are unknown to the check are no reason to offer a part of them only.
    offered = allowed if kind != "list" and len(allowed) <= MOST_OPTIONS else ()
    examples = allowed or _EXAMPLES.get(kind, ()) or _EXAMPLES["text"]
    return TemplateColumn(
        column=field.name,
        becomes=PREFERENCE,
        kind=kind,
        preference=field.name,
        label=writable(field.label),
        is_mandatory=field.is_mandatory,
        options=offered,
        pattern=writable(field.regex),
        example=next((example for example in examples if _as_it_is(takes, example)), ""),
        options_left_out=len(options) - len(allowed),
        options_not_listed=len(allowed) - len(offered),
    )


def _options(field: FieldDefinition) -> tuple[str, ...]:
    return tuple(dict.fromkeys(field.options)) or (_TRUTHS if field.datatype.lower() in BOOLEANS else ())


def _kind(field: FieldDefinition, takes: ValueReader) -> Kind:
    """What its cells are. Numbers and dates with options or a pattern that they need not fit stay text."""
    datatype = field.datatype.lower()
    if datatype in BOOLEANS:
        return "boolean"
    if _LISTS.search(datatype):
        return "list"
    kind: Kind = next((kind for kind, datatypes in _TYPED.items() if datatype in datatypes), "text")
    if kind in ("integer", "number"):
        return "text" if field.options or field.regex else kind
    if kind in ("date", "moment"):
        return kind if not field.options and all(_as_it_is(takes, text) for text in _EXAMPLES[kind]) else "text"
    return kind


def _as_it_is(takes: ValueReader, text: str) -> bool:
    """Whether a cell with this text is sent with it, without a repair."""
    return holds(text) and takes[text] == (takes.name, text) and text not in takes.repaired
