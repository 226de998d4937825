"""Rules for the cells of a column: what a person decided once for all of them. They are part of the mapping."""

from __future__ import annotations

import difflib
from typing import Any

import msgspec

from importer.model import FIELDS, IDENTIFIERS
from importer.normaliser.codes import OWN_CODES
from importer.normaliser.countries import is_country

#: What a rule does, by its key in a mapping file. A rule has one of them, in the order of the messages.
DOES = ("empty", "first", "strip", "values", "find", "country", "omit", "leave_out")
#: Rules that change the text of cells. The others change how rows are judged.
CHANGES = frozenset({"empty", "first", "strip", "values", "find"})
#: The most texts of one rule, and the characters of one.
MOST_TEXTS, LONGEST_TEXT = 1_000, 1_000

#: What each key must be, as messages say it.
_FORMS = {
    "column": "the name of one column, in quotes",
    "empty": 'a list of texts, like ["n/a", "-"]',
    "first": "true, without quotes",
    "strip": 'a list of texts, like ["Ph:"]',
    "values": 'a table of texts in quotes, like { blu = "Blue" }',
    "find": "a text in quotes that is not empty",
    "replace": "a text in quotes",
    "country": 'two letters in quotes, like "IN"',
    "omit": "true, without quotes",
    "leave_out": 'a list of codes, like ["mobile_rounded"]',
}
#: Codes of whole rows, which have no column. `nothing_to_set` may have one.
_OF_ROWS = frozenset(
    ("no_identifier", "ragged_row", "short_row", "header_again", "not_a_customer", "nameless_cell", "merged_cells")
)
#: How the codes of cells begin → the fields that have them. Other codes are those of rows, or of any cell.
_OF_FIELDS = {
    **{f"{field.replace('.', '_')}_": (field,) for field in FIELDS},
    "preference_": ("preference", "preference_name", "preference_value"),
}


class Rule(msgspec.Struct, frozen=True, omit_defaults=True):
    """One rule of a column. Exactly one of the fields after `column` is set, `find` with its `replace`.

    Texts are compared without case and outer spaces, except for `find`, which is taken as it is.
    """

    #: "" only with `leave_out`: the problems of a row as a whole.
    column: str = ""
    #: Cells that are read as empty.
    empty: tuple[str, ...] = ()
    #: Take the first of several e-mail addresses, mobile numbers or items.
    first: bool = False
    #: Remove these texts from the beginning of a cell.
    strip: tuple[str, ...] = ()
    #: Cell (in a list: item) → the value instead.
    values: dict[str, str] = {}
    find: str = ""
    replace: str = ""
    #: The region of mobile numbers without a country code, in place of `--country`.
    country: str = ""
    #: Send a row without this identifier where it is not valid and another one is.
    omit: bool = False
    #: Leave out rows with one of these problems (codes) in this column.
    leave_out: tuple[str, ...] = ()

    @property
    def does(self) -> str:
        """The key of what it does, "" for none."""
        return next((name for name in DOES if getattr(self, name)), "")


def rule_of(entry: object, number: int, faults: list[str]) -> Rule | None:
    """The rule of a mapping file's entry, or None with a sentence in `faults`. `number`: its place in the file."""
    if not isinstance(entry, dict):
        faults.append(f"Rule {number} must be a table: begin it with [[rules]].")
        return None
    unknown = [key for key in entry if key not in Rule.__struct_fields__]
    if unknown:
        keys = ", ".join(Rule.__struct_fields__)
        faults.append(f"Rule {number} has the unknown key “{unknown[0]}” (there are {keys}).")
        return None
    column = entry.get("column")
    name = f"Rule {number}" + (f" (“{column}”)" if column and isinstance(column, str) else "")
    wrong = [key for key, value in entry.items() if not _is_of_form(key, value)]
    if wrong:
        faults += [f"{name}: `{key}` must be {_FORMS[key]}." for key in wrong]
        return None
    rule = msgspec.convert(entry, Rule)
    found = mistake_of(rule)
    if found:
        faults.append(f"{name} {found}.")
        return None
    return rule


def _is_of_form(key: str, value: object) -> bool:
    """Whether a key of a rule has a value of its type, which is not empty where it says what the rule does."""
    try:
        rule = msgspec.convert({key: value}, Rule)
    except msgspec.ValidationError:
        return False
    return key not in DOES or bool(getattr(rule, key))


def mistake_of(rule: Rule) -> str:
    """Why a rule cannot be used, as the end of a sentence; "" if it can. Its column may be ignored or missing."""
    done = [name for name in DOES if getattr(rule, name)]
    if len(done) != 1:
        return f"must have one of {', '.join(DOES)}" if not done else f"has {' and '.join(done)}: make one rule of each"
    does = done[0]
    if rule.replace and does != "find":
        return "has “replace” without “find”"
    if not rule.column and does != "leave_out":
        return "has no “column”"
    listed = (*rule.empty, *rule.strip, *rule.leave_out)
    if max(len(listed), len(rule.values)) > MOST_TEXTS:
        return f"has more than {MOST_TEXTS:,} texts"
    texts = (*listed, *rule.values, *rule.values.values(), rule.find, rule.replace)
    if any(len(text) > LONGEST_TEXT for text in texts):
        return f"has a text of more than {LONGEST_TEXT:,} characters"
    if not all(text.strip() for text in (*listed, *rule.values)):
        return f"has an empty text in “{does}”: a rule changes no blank cells"
    if rule.country and not is_country(rule.country):
        return f"has the country “{rule.country}”: use the two letters of ISO 3166, like IN, TH or AE"
    if strange := [code for code in rule.leave_out if code not in OWN_CODES]:
        near = difflib.get_close_matches(strange[0], OWN_CODES, 1)
        return f"has the code “{strange[0]}”, which no check finds" + (f" (did you mean “{near[0]}”?)" if near else "")
    return ""


def misuse_of(rule: Rule, field: str) -> str:
    """Why a rule does not suit what its column is mapped to, as the end of a sentence; "" if it does."""
    if rule.country and field != "mobile":
        return f"has “country”, but “{rule.column}” is not mapped to mobile"
    if rule.omit and field not in IDENTIFIERS:
        return f"has “omit”, but “{rule.column}” is not an identifier"
    for code in rule.leave_out if field != "ignored" else ():
        if not rule.column and code not in _OF_ROWS and code != "nothing_to_set":
            return f"has “{code}”, a problem of a cell: name its column"
        if rule.column and code in _OF_ROWS:
            return f"has “{code}”, a problem of a whole row, not of a column"
        fields = next((fields for begin, fields in _OF_FIELDS.items() if code.startswith(begin)), (field,))
        if field not in fields:
            return f"has “{code}”, but “{rule.column}” is mapped to {field}"
    return ""


def to_entry(rule: Rule) -> dict[str, Any]:
    """The rule as the entry of a mapping file."""
    entry: dict[str, Any] = msgspec.to_builtins(rule)
    return {**entry, "replace": rule.replace} if rule.find else entry
