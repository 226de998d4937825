"""Traits: what the cells of one column can share, and the statistics that decide whether a group of rows stands out.

A trait is read from the cell as the sheet has it. A cell that a trait cannot be read from with certainty, like a date
among mobiles, has none: no sentence counts it. Everything is counted in bounded memory, and no row is left out. Pure.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from itertools import repeat

import msgspec

from importer.normaliser.damage import is_date
from importer.normaliser.mapping import Mapping
from importer.system.text import counted, harmless, percent

#: Fewer rows than these prove nothing.
FEWEST = 5
#: A trait counts when so much of the group has it …
MOST_OF = 0.8
#: … and at most so much of the rows that succeeded.
_FEW_OF = 0.25
#: Two causes may share one code. A trait of so much of the group counts then, if hardly any row that succeeded has it.
_PART_OF, _HARDLY_ANY_OF = 0.2, 0.02
#: The largest probability of a coincidence.
CHANCE = 1e-6
#: A column with more different values than these has no pattern.
_MOST_VALUES = 5000
_PREFIX = 4
_LONGEST_SHOWN = 60

#: The trait of a blank cell, and of a cell that a trait cannot be read from.
EMPTY, UNCLEAR = "", "?"

#: Digits with the signs that people write between those of one number.
_NUMBER = re.compile(r"\+?[\d\s().-]+")
_NO_DIGIT = re.compile(r"\D+")
_DOMAIN = re.compile(r"[\w-]+(?:\.[\w-]+)+")
_GOOD = "of the rows that succeeded"


#: How a cell is counted. `Trait.tidy` gives the trait.
Key = str | int


def _as_it_is(cells: Sequence[str]) -> Sequence[str]:
    return cells


class Finding(msgspec.Struct, frozen=True):
    """A statement about a group, and advice that is added to that of its code."""

    text: str
    advice: str = ""


class Tally:
    """How many of the rows of a group have each trait of a column, and the first row that has it."""

    def __init__(self) -> None:
        self.counts: Counter[Key] = Counter()
        self.first: dict[Key, int] = {}


class _Tidied(msgspec.Struct):
    """A tally by trait."""

    counts: Counter[str]
    first: dict[str, int]


class Trait(ABC):
    """A property of the cells of one column that can be counted.

    `read`: cells → what the traits of the column are read from. `sent_only`: it explains nothing about rows that were
    rejected.
    """

    sent_only = False

    def __init__(self, position: int, column: str, read: Callable[[Sequence[str]], Sequence[str]]) -> None:
        self.position, self.column, self.read = position, column, read
        self.open = True
        self._good: Counter[Key] = Counter()

    def keys(self, texts: Sequence[str]) -> Sequence[Key]:
        """Return how each cell is counted, from the texts that `read` gave."""
        return texts

    def tidy(self, key: Key) -> str:
        """Return the trait of a key. Of a million cells there are few different keys: all that is slow is done here."""
        return str(key)

    @cached_property
    def good(self) -> Counter[str]:
        """Traits of the rows that succeeded, once all are counted."""
        return self._tidied(self._good)

    def count_good(self, keys: Sequence[Key], others: Sequence[Key]) -> None:
        """Count all rows of a block, less those that did not succeed."""
        self._count(keys, self._good)
        self._good.subtract(others)

    def count_wrong(self, keys: Sequence[Key], row_numbers: Iterable[int], into: Tally) -> None:
        known = len(into.counts)
        self._count(keys, into.counts)
        if len(into.counts) > known:
            for key, row_number in zip(keys, row_numbers, strict=True):
                into.first.setdefault(key, row_number)

    def state(self, tally: Tally, rows: int, good: int, part: bool = False) -> Finding | None:
        """Return the sentence that the tally of `rows` wrong rows proves beside `good` rows that succeeded, None
        where it proves none. `part`: of a part of the group."""
        wrong = _Tidied(self._tidied(tally.counts), {})
        for counted_as, row in tally.first.items():
            wrong.first.setdefault(self.tidy(counted_as), row)
        key, count = _most_common(wrong.counts)
        if key != EMPTY:
            return self._state(wrong, rows, good, part)
        if not stands_out(count, rows, self.good[key], good, part):
            return None
        return Finding(f"{some_of(count, rows)} an empty cell in “{self.column}”, {unlike(self.good[key], good)}.")

    def _count(self, keys: Sequence[Key], into: Counter[Key]) -> None:
        into.update(keys)
        if len(into) > _MOST_VALUES:
            self.open = False
            into.clear()

    def _tidied(self, counts: Counter[Key]) -> Counter[str]:
        tidied: Counter[str] = Counter()
        for key, count in counts.items():
            tidied[self.tidy(key)] += count
        return tidied

    @abstractmethod
    def _state(self, wrong: _Tidied, rows: int, good: int, part: bool) -> Finding | None:
        """Return the sentence where most cells are filled."""


class _Length(Trait):
    """The number of digits in the cell."""

    _words = ""

    def _state(self, wrong: _Tidied, rows: int, good: int, part: bool) -> Finding | None:
        lengths, good_lengths = _lengths(wrong.counts), _lengths(self.good)
        length, count = max(lengths.items(), key=_rank)
        if not stands_out(count, rows, good_lengths[length], good, part):
            return None
        text = f"{some_of(count, rows)} {self._words}{counted(int(length), 'digit')} in “{self.column}”"
        filled = good - self.good[EMPTY]
        usual, usual_count = max(good_lengths.items(), key=_rank, default=("", 0))
        if usual == length or usual_count < max(FEWEST, MOST_OF * filled):
            return Finding(f"{text}, {unlike(good_lengths[length], good)}.")
        text += f", while {percent(usual_count, filled)} of the filled cells {_GOOD} have {usual}."
        return Finding(text, self._advice(wrong, length, usual))

    def _advice(self, wrong: _Tidied, length: str, usual: str) -> str:  # noqa: ARG002
        return ""


class MobileLength(_Length):
    """The number of digits of a mobile."""

    def __init__(self, position: int, column: str) -> None:
        super().__init__(position, column, _digits)

    def keys(self, texts: Sequence[str]) -> Sequence[Key]:
        return list(map(len, texts))

    def tidy(self, key: Key) -> str:
        """One digit is not a number, and an unclear cell has one character."""
        return EMPTY if key == 0 else UNCLEAR if key == 1 else str(key)


class MobilePrefix(Trait):
    """The first digits of a mobile."""

    def __init__(self, position: int, column: str) -> None:
        super().__init__(position, column, _digits)

    def keys(self, texts: Sequence[str]) -> Sequence[Key]:
        return [digits[:_PREFIX] for digits in texts]

    def _state(self, wrong: _Tidied, rows: int, good: int, part: bool) -> Finding | None:
        found: tuple[str, int] | None = None
        for length in range(1, _PREFIX + 1):
            heads: Counter[str] = Counter()
            for prefix, number in wrong.counts.items():
                if len(prefix) >= length and prefix != UNCLEAR:
                    heads[prefix[:length]] += number
            prefix, number = max(heads.items(), key=_rank, default=("", 0))
            if stands_out(number, rows, self._same(prefix), good, part) and (not found or number >= found[1]):
                found = prefix, number
        if found is None:
            return None
        prefix, number = found
        text = f"{some_of(number, rows)} a number in “{self.column}” that begins with {prefix}"
        return Finding(f"{text}, {unlike(self._same(prefix), good)}.")

    def _same(self, prefix: str) -> int:
        return sum(count for other, count in self.good.items() if other.startswith(prefix))


class IdLength(_Length):
    """The length of an id of digits, and whether it begins with 0: a spreadsheet program that reads it as a number
    drops its leading zeros."""

    _words, _zero = "an id with ", "0:"

    def __init__(self, position: int, column: str) -> None:
        super().__init__(position, column, _as_it_is)

    def keys(self, texts: Sequence[str]) -> Sequence[Key]:
        zero = self._zero
        return [
            ((f"{zero}{len(text)}" if text[0] == "0" else len(text)) if text.isdecimal() else text.strip() and UNCLEAR)
            for text in texts
        ]

    def _advice(self, wrong: _Tidied, length: str, usual: str) -> str:
        zeros_lost = self.good[f"{self._zero}{usual}"] and not wrong.counts[f"{self._zero}{length}"]
        if int(length) > int(usual) or not zeros_lost:
            return ""
        return (
            f"The ids in “{self.column}” may have lost leading zeros, as happens when a spreadsheet program reads a "
            "column as numbers: compare some with their origin."
        )


class SameValue(Trait):
    """The value of the cell: a store, a preference. Shown only if `shown`."""

    def __init__(
        self,
        position: int,
        column: str,
        shown: bool,
        words: str = "the same value",
        read: Callable[[Sequence[str]], Sequence[str]] = _as_it_is,
    ) -> None:
        super().__init__(position, column, read)
        self._shown, self._words = shown, words

    def tidy(self, key: Key) -> str:
        return str(key).strip()

    def _state(self, wrong: _Tidied, rows: int, good: int, part: bool) -> Finding | None:
        key, count = _most_common(wrong.counts)
        if not stands_out(count, rows, self.good[key], good, part):
            return None
        value = harmless(key)
        value = f"{value[:_LONGEST_SHOWN]}…" if len(value) > _LONGEST_SHOWN else value
        which = f" ({value})" if self._shown else f", like row {wrong.first[key]}"
        return Finding(
            f"{some_of(count, rows)} {self._words} in “{self.column}”{which}, {unlike(self.good[key], good)}."
        )


class SameDomain(SameValue):
    """The domain of an e-mail."""

    sent_only = True

    def __init__(self, position: int, column: str, shown: bool) -> None:
        super().__init__(position, column, shown, "an e-mail of the same domain", _after_the_at)

    def tidy(self, key: Key) -> str:
        tidy = str(key).strip().lower()
        return tidy if tidy == key == EMPTY or _DOMAIN.fullmatch(tidy) else UNCLEAR


def traits_of(columns: Sequence[str], mapping: Mapping, *, shown: bool) -> list[Trait]:
    """Return the traits of the mapped columns, in the order in which they are tried. `shown`: values may be shown."""
    positions = {column: position for position, column in enumerate(columns)}
    found: dict[str, list[Trait]] = {"mobile": [], "email": [], "store": [], "preference": [], "id": []}
    for use in mapping.columns:
        position = positions.get(use.column)
        if position is None:
            continue
        if use.field == "mobile":
            found["mobile"] += [MobileLength(position, use.column), MobilePrefix(position, use.column)]
        elif use.field == "email":
            found["email"].append(SameDomain(position, use.column, shown))
        elif use.field in ("external_id", "user_id"):
            found["id"].append(IdLength(position, use.column))
        elif use.field in ("store.code", "store.id"):
            found["store"].append(SameValue(position, use.column, shown, "the same store"))
        elif use.field.startswith("preference"):
            found["preference"].append(SameValue(position, use.column, shown))
    return [trait for traits in found.values() for trait in traits]


def _digits(cells: Sequence[str]) -> Sequence[str]:
    # Most cells are digits after an optional plus: these C functions take a third of the time of an expression.
    bare = list(map(str.lstrip, cells, repeat("+")))
    if "".join(bare).isdecimal() and bare.count("") == cells.count(""):
        return bare
    return [_digits_of(cell) for cell in cells]


def _digits_of(cell: str) -> str:
    text = cell.strip()
    bare = text.lstrip("+")
    if bare.isdecimal():
        return bare
    if not text:
        return EMPTY
    # One point is that of a decimal number, like 919844000000.0.
    if not _NUMBER.fullmatch(text) or text.count(".") == 1 or is_date(text):
        return UNCLEAR
    return _NO_DIGIT.sub("", text) or UNCLEAR


def _after_the_at(cells: Sequence[str]) -> Sequence[str]:
    return [cell.partition("@")[2] or (cell.strip() and UNCLEAR) for cell in cells]


def _lengths(counts: Counter[str]) -> Counter[str]:
    """Counts of ids by length."""
    lengths: Counter[str] = Counter()
    for key, count in counts.items():
        if key not in (EMPTY, UNCLEAR):
            lengths[key.rpartition(":")[2]] += count
    return lengths


def _most_common(counts: Counter[str]) -> tuple[str, int]:
    return max(((key, count) for key, count in counts.items() if key != UNCLEAR), key=_rank, default=(EMPTY, 0))


def _rank(item: tuple[str, int]) -> tuple[int, str]:
    """The most frequent first. Ties are decided by the key, so that a run always gives the same report."""
    return item[1], item[0]


def stands_out(count: int, rows: int, same: int, good: int, part: bool) -> bool:
    """Whether a trait of `count` of `rows` wrong rows and `same` of the `good` ones is more than a coincidence."""
    most, few, fewest = (_PART_OF, _HARDLY_ANY_OF, 2 * FEWEST) if part else (MOST_OF, _FEW_OF, FEWEST)
    if count < fewest or count < most * rows or good < FEWEST:
        return False
    usual = (same + 1) / (good + 2)
    return usual <= few and log_chance(count, rows, usual) <= math.log(CHANCE)


def log_chance(count: int, rows: int, rate: float) -> float:
    """Return Chernoff's bound on the logarithm of the probability of `count` or more of `rows` at this rate."""
    share = count / rows
    if share <= rate:
        return 0.0
    divergence = share * math.log(share / rate)
    if share < 1:
        divergence += (1 - share) * math.log((1 - share) / (1 - rate))
    return -rows * divergence


def some_of(count: int, rows: int, verb: str = "have") -> str:
    return f"All of them {verb}" if count == rows else f"{count:,} of them {verb}"


def unlike(same: int, good: int) -> str:
    return f"while {percent(same, good) if same else 'none'} {_GOOD} do"
