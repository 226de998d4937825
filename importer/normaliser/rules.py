"""Rules for the cells of a column: what a person decided once for all of them. They are part of the mapping."""

from __future__ import annotations

from typing import Any

import msgspec

from importer.model import IDENTIFIERS
from importer.normaliser.codes import OWN_CODES
from importer.normaliser.countries import is_country

#: What a rule does, by its key in a mapping file. A rule has one of them, in the order of the messages.
DOES = ("empty", "first", "strip", "values", "find", "country", "omit", "leave_out")
#: Rules that change the text of cells. The others change how rows are judged.
CHANGES = frozenset({"empty", "first", "strip", "values", "find"})
#: The most texts of one rule, and the characters of one.
MOST_TEXTS, LONGEST_TEXT = 1_000, 1_000


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
    unknown = [key for key in entry if key not in Rule.__struct_fields__] if isinstance(entry, dict) else []
    if unknown:
        keys = ", ".join(Rule.__struct_fields__)
        faults.append(f"Rule {number} has the unknown key “{unknown[0]}” (there are {keys}).")
        return None
    try:
        rule = msgspec.convert(entry, Rule)
    except msgspec.ValidationError as error:
        faults.append(f"Rule {number} is not valid: {error}.")
        return None
    found = mistake_of(rule)
    if found:
        faults.append(f"Rule {number}{f' (“{rule.column}”)' if rule.column else ''} {found}.")
        return None
    return rule


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
    if not all(text.strip() for text in listed):
        return f"has an empty text in “{does}”"
    if rule.country and not is_country(rule.country):
        return f"has the country “{rule.country}”: use the two letters of ISO 3166, like IN, TH or AE"
    if strange := [code for code in rule.leave_out if code not in OWN_CODES]:
        return f"has the code “{strange[0]}”, which is not one of `importer codes`"
    return ""


def misuse_of(rule: Rule, field: str) -> str:
    """Why a rule does not suit what its column is mapped to, as the end of a sentence; "" if it does."""
    if rule.country and field != "mobile":
        return f"has “country”, but “{rule.column}” is not mapped to mobile"
    if rule.omit and field not in IDENTIFIERS:
        return f"has “omit”, but “{rule.column}” is not an identifier"
    return ""


def to_entry(rule: Rule) -> dict[str, Any]:
    """The rule as the entry of a mapping file."""
    entry: dict[str, Any] = msgspec.to_builtins(rule)
    return {**entry, "replace": rule.replace} if rule.find else entry
