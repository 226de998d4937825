"""The mapping of columns to fields: proposed from the header names, or read from a mapping file (TOML).

A column is mapped to a field only by a known name. Similar names are only suggested in messages.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Mapping as Dict
from collections.abc import Sequence

import msgspec

from importer.errors import SourceError
from importer.model import FIELDS, IDENTIFIERS
from importer.normaliser.damage import formula_text
from importer.normaliser.destroyed import destroyed
from importer.normaliser.facts import SheetFacts
from importer.normaliser.rules import Rule, misuse_of
from importer.normaliser.synonyms import field_of, fold, likeness, near_field, visible

#: The API's limit on the name of a preference.
LONGEST_NAME = 20
PREFERENCE, NAME, VALUE, IGNORED = "preference", "preference_name", "preference_value", "ignored"
#: What a column can be mapped to, in the order of the messages.
USES = (*FIELDS, PREFERENCE, NAME, VALUE, IGNORED)
_STORES = ("store.code", "store.id")
#: The command that writes a mapping, where the sheet is not known.
MAP_COMMAND = "importer map FILE"
ON_PAGE = "Choose again what each column becomes."


class ColumnUse(msgspec.Struct, frozen=True):
    """The use of one column. `separator` separates the items of a list; "" means it is detected in each cell."""

    column: str
    field: str = ""
    preference: str = ""
    is_list: bool = False
    separator: str = ""
    #: The column holds dates. Elsewhere a date without a year, or among ranges, is what a program made of other text.
    is_date: bool = False


class Mapping(msgspec.Struct, frozen=True):
    """`constants`: (store.code, store.id or a preference's name, its value) for every row. `facts`: of the sheet.
    `names`: the only preferences that the rows of a long sheet may name; empty: any."""

    columns: tuple[ColumnUse, ...]
    constants: tuple[tuple[str, str], ...] = ()
    facts: SheetFacts = SheetFacts()
    names: tuple[str, ...] = ()
    #: What is changed in the cells of a column before they are read, and which rows are left out, in order.
    rules: tuple[Rule, ...] = ()

    @property
    def country(self) -> str | None:
        """The country of the rule for mobile numbers without a country code, None without such a rule."""
        return next((rule.country for rule in self.rules if rule.country), None)

    @property
    def is_long(self) -> bool:
        """Whether each row has one preference: its name in one column, its value in another."""
        return any(use.field == NAME for use in self.columns)

    @property
    def preferences(self) -> tuple[ColumnUse, ...]:
        """The columns that are mapped to a preference, in the sheet's order."""
        return tuple([use for use in self.columns if use.field == PREFERENCE])

    @property
    def preference_names(self) -> tuple[str, ...]:
        """The preferences of columns and constants."""
        constants = [name for name, _ in self.constants if not is_store(name)]
        return (*[use.preference for use in self.preferences], *constants)

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


def is_store(name: str) -> bool:
    """Whether a constant of this name is the store, not a preference."""
    return name in _STORES


def preference_name(column: str) -> str:
    """The preference for a column of this name: the name with normal spaces."""
    return " ".join(column.split())


def named_in_cell(cell: str) -> str:
    """The preference that a cell of a long sheet names, without invisible characters and quotes of a program."""
    inner = formula_text(cell.strip())
    return preference_name(visible(cell if inner is None else inner))


def propose(columns: Sequence[str], *, sheet: str = "", command: str = MAP_COMMAND) -> Mapping:
    """A mapping by header names. Raises `SourceError` with all its faults at once, which names `sheet` and the
    `command` that writes a mapping for it."""
    mapping = sketch(columns)
    _raise(mistakes_of(mapping, columns), sheet, command)
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
        elif is_long or not column:
            # A long sheet names its preferences in the name column. Other columns are not sent, nor are nameless ones.
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
    found, faults = _found(mapping, columns)
    if faults:
        raise SourceError(
            _of_sheet(sheet, faults),
            "Correct the column names in the mapping file or in the sheet.",
            on_page=ON_PAGE,
            code="columns",
        )
    fitted = Mapping(
        tuple(
            [
                msgspec.structs.replace(found[column], column=column) if column in found else ColumnUse(column, IGNORED)
                for column in columns
            ]
        ),
        constants=mapping.constants,
        rules=_renamed(mapping.rules, {use.column: column for column, use in found.items()}),
    )
    _raise(mistakes_of(fitted, columns), sheet, command)
    return fitted


def _renamed(rules: Sequence[Rule], names: Dict[str, str]) -> tuple[Rule, ...]:
    """The rules of the columns that the sheet has, by its names. `names`: the mapping's name → the sheet's."""
    return tuple(
        [
            msgspec.structs.replace(rule, column=names[rule.column]) if rule.column else rule
            for rule in rules
            if not rule.column or rule.column in names
        ]
    )


def _found(mapping: Mapping, columns: Sequence[str]) -> tuple[dict[str, ColumnUse], list[str]]:
    """What the mapping says of each column of the sheet that it names, and why the others cannot be found."""
    by_fold: dict[str, list[str]] = {}
    for column in columns:
        by_fold.setdefault(fold(column), []).append(column)
    missing: list[str] = []
    several: dict[str, list[str]] = {}
    found: dict[str, ColumnUse] = {}
    for use in mapping.columns:
        same = [column for column in columns if column == use.column] or by_fold.get(fold(use.column), [])
        if len(same) == 1 and same[0] not in found:
            found[same[0]] = use
        elif use.field == IGNORED:
            continue  # what the mapping does not name is ignored, too
        elif same:
            several[use.column] = same
        else:
            missing.append(f"“{use.column}”{_nearest(use.column, columns)}")
    faults = []
    if missing:
        faults.append(
            f"{_the_columns(missing)} of the mapping {_is(missing)} not in the sheet, which has {named(columns)}."
        )
    repeated = [name for name, same in several.items() if set(same) == {name}]
    if repeated:
        faults.append(f"There is more than one column {named(repeated)}: ignore them all, or rename them in the sheet.")
    unclear = [
        f"“{name}” ({', '.join([f'“{other}”' for other in same])})"
        for name, same in several.items()
        if name not in repeated
    ]
    if unclear:
        faults.append(f"The mapping's {', '.join(unclear)} fit{'s' if len(unclear) == 1 else ''} more than one column.")
    return found, faults


def missing_columns(mapping: Mapping, columns: Sequence[str]) -> list[str]:
    """Sentences about the columns that a mapping names and the sheet does not have."""
    return _found(mapping, columns)[1]


# -- what can be wrong with a mapping -------------------------------------------------------------------------------


def mistakes_of(mapping: Mapping, columns: Sequence[str]) -> list[str]:
    """Every reason why this mapping cannot be used, as sentences."""
    faults = []
    for field in (*FIELDS, NAME, VALUE):
        feeding = [use.column for use in mapping.columns if use.field == field]
        if len(feeding) > 1:
            faults.append(f"{named(feeding)} are all mapped to “{field}”: keep one and ignore the others.")
        if feeding and any(name == field for name, _ in mapping.constants):
            faults.append(f"{named(feeding)} and a constant are mapped to “{field}”: keep one.")
    constants = [name for name, _ in mapping.constants if not is_store(name)]
    wrong = [name for name in constants if name in IDENTIFIERS or name in (NAME, VALUE, IGNORED)]
    if wrong:
        faults.append(f"{named(wrong)} cannot be the same for every row.")
    names: dict[str, list[str]] = {}
    for use in mapping.preferences:
        names.setdefault(likeness(use.preference), []).append(use.column)
    for name in constants:
        names.setdefault(likeness(name), []).append(f"{name} (constant)")
    faults += [
        f"{named(feeding)} are all mapped to one preference: keep one and ignore the others."
        for feeding in names.values()
        if len(feeding) > 1
    ]
    names_in_use = (*[use.preference for use in mapping.preferences], *constants)
    broken = [name for name in names_in_use if destroyed(name)]
    if broken:
        faults.append(
            f"{named(broken)} {_is(broken)} not a readable name: a program destroyed its letters."
            " Rename it in the sheet, map it to the preference's name, or ignore it."
        )
    too_long = [name for name in names_in_use if len(name) > LONGEST_NAME]
    if too_long:
        lengths = ", ".join([f"“{name}” ({len(name)})" for name in too_long])
        faults.append(
            f"A preference's name has at most {LONGEST_NAME} characters; {lengths}"
            f" {'has' if len(too_long) == 1 else 'have'} more:"
            " rename it in the sheet, map it to a shorter name, or ignore it."
        )
    faults += _rule_faults(mapping)
    has_name, has_value = mapping.column_of(NAME), mapping.column_of(VALUE)
    if (has_name is None) != (has_value is None):
        given, lacking = (NAME, VALUE) if has_name is not None else (VALUE, NAME)
        faults.append(f"A column is mapped to “{given}” but none to “{lacking}”.")
    if has_name is not None and mapping.preferences:
        beside = named([use.column for use in mapping.preferences])
        faults.append(
            f"A sheet has one preference per row or one column per preference: {beside} cannot be mapped"
            f" together with “{NAME}”."
        )
    if not any(use.field in IDENTIFIERS for use in mapping.columns):
        near = [(column, field) for column, field in misspelt(mapping) if field in IDENTIFIERS]
        hint = "".join([f" “{column}” may be a misspelt “{field}”." for column, field in near])
        faults.append(
            f"No column identifies the customer (mobile, e-mail, external id or user id);"
            f" the columns are {named(columns)}.{hint}"
            " Rename one to Mobile, Email, External ID or User ID, or map one to such a field."
        )
    elif not mapping.preferences and has_name is None and not constants:
        faults.append(
            f"No column contains a preference; the columns are {named(columns)}."
            " Add a column with the name of each preference to set."
        )
    return faults


def _rule_faults(mapping: Mapping) -> list[str]:
    """What is wrong with rules, which the mapping's columns show."""
    fields = {use.column: use.field for use in mapping.columns}
    faults = []
    for number, rule in enumerate(mapping.rules, 1):
        if rule.column and rule.column not in fields:
            faults.append(
                f"Rule {number} is for “{one_line(rule.column)}”, which the mapping does not name"
                f"{_nearest(rule.column, list(fields))}."
            )
        elif rule.country and any(one.country and one.column == rule.column for one in mapping.rules[: number - 1]):
            faults.append(f"Rule {number} is the second country of “{one_line(rule.column)}”: keep one.")
        elif misuse := misuse_of(rule, fields.get(rule.column, "")):
            faults.append(f"Rule {number} {misuse}.")
    return faults


def _raise(faults: Sequence[str], sheet: str, command: str) -> None:
    if faults:
        raise SourceError(
            _of_sheet(sheet, faults),
            f"Run `{command} -o mapping.toml`, edit that file, and pass --mapping mapping.toml.",
            on_page="",
            code="columns",
        )


def _of_sheet(sheet: str, faults: Sequence[str]) -> str:
    """The faults as one text that begins with the name of the sheet, where it is known."""
    return " ".join([f"{sheet}:", *faults] if sheet else faults)


def one_line(sample: str, longest: int = 40) -> str:
    text = "".join([" " if unicodedata.category(character)[0] == "C" else character for character in sample])
    text = " ".join(text.split())
    return text if len(text) <= longest else text[: longest - 1] + "…"


def named(names: Sequence[str]) -> str:
    names = [name for name in names if name]
    quoted = [f"“{one_line(name)}”" for name in names[:40]]
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
    return f" (there is “{one_line(found)}”)" if found else ""
