"""Traits: what the cells of one column can share, and the statistics that decide whether a group of rows stands out.

Everything is counted in bounded memory. Pure.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence

import msgspec

from importer.normaliser.mapping import Mapping
from importer.system.text import counted, percent

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
_NO_DIGIT = re.compile(r"\D+")


class Sample(msgspec.Struct, frozen=True):
    """The rows that succeeded, as far as they were counted. `words`: how a sentence calls them."""

    rows: int
    words: str = "the rows that succeeded"


class Finding(msgspec.Struct, frozen=True):
    """A statement about a group, with advice that is better than the code's own.

    `if_sent`: the advice where the rows were sent. `on_page`: the advice for the web page, where it differs. `part`:
    the statement is about a part of the group; the code's advice is for the other rows.
    """

    text: str
    advice: str = ""
    if_sent: str = ""
    on_page: str = ""
    part: bool = False

    def for_rows(self, sent: bool, others: str, on_page: bool = False) -> str:
        advice = (sent and self.if_sent) or (on_page and self.on_page) or self.advice
        return f"{advice} For the other rows: {others}" if advice and self.part else advice


class Trait(ABC):
    """A property of the cells of one column that can be counted."""

    def __init__(self, position: int, column: str, keys: Callable[[Sequence[str]], Sequence[str]]) -> None:
        self.position, self.column, self.keys = position, column, keys
        self.good: Counter[str] = Counter()
        self.open = True

    def count(self, keys: Sequence[str], into: Counter[str]) -> None:
        into.update(keys)
        if len(into) > _MOST_VALUES:
            self.open = False
            into.clear()

    @abstractmethod
    def state(self, wrong: Counter[str], rows: int, good: Sample, part: bool = False) -> Finding | None:
        """Return the sentence that these counts prove, None where they prove none. `part`: of a part of the group."""

    def _unlike(self, key: str, good: Sample) -> str:
        return unlike(self.good[key], good)


class MobileLength(Trait):
    """The number of digits of a mobile. With `country`, numbers may lack their country code."""

    def __init__(self, position: int, column: str, country: str | None) -> None:
        super().__init__(position, column, lambda cells: [str(len(digits)) for digits in _digits(cells)])
        self._country = country

    def state(self, wrong: Counter[str], rows: int, good: Sample, part: bool = False) -> Finding | None:
        length, count = wrong.most_common(1)[0]
        if not _stands_out(count, rows, self.good[length], good, part):
            return None
        if length == "0":
            return Finding(f"{some_of(count, rows)} no digits in “{self.column}”, {self._unlike(length, good)}.")
        text = f"{some_of(count, rows)} a mobile with {counted(int(length), 'digit')} in “{self.column}”"
        mobiles = good.rows - self.good["0"]
        usual, usual_count = max(
            ((key, count) for key, count in self.good.items() if key != "0"), key=lambda item: item[1], default=("0", 0)
        )
        if usual_count < max(FEWEST, MOST_OF * mobiles):
            return Finding(f"{text}, {self._unlike(length, good)}.")
        text += f", while {percent(usual_count, mobiles)} of the mobiles in {good.words} have {usual}."
        missing = int(usual) - int(length)
        return Finding(text, *self._advice(missing))

    def _advice(self, missing: int) -> tuple[str, str, str]:
        """Return advice for rows that were not sent, for rows that were sent, and for the web page."""
        on_page = ""
        if missing == 1:
            advice = (
                f"One digit is missing in “{self.column}”, as happens when Excel reads a column as numbers. "
                "Export the column as text, or add the digit, and import the failed rows again."
            )
        elif missing > 1 and self._country:
            advice = f"{missing} digits are missing in “{self.column}”. Add them and import the failed rows again."
        elif missing > 1:
            lacks = f"{missing} digits are missing in “{self.column}”. If they are the country code,"
            advice = f"{lacks} import the failed rows again with --country, otherwise add them first."
            on_page = f"{lacks} upload the failed rows again and choose the country, otherwise add them first."
        else:
            extra = counted(-missing, "extra digit")
            advice = f"Remove {extra} from the numbers in “{self.column}” and import the failed rows again."
        return advice, self._if_sent(missing), on_page

    def _if_sent(self, missing: int) -> str:
        """A number that was sent is valid in some country: its length alone does not prove that a digit was lost."""
        if missing == 1:
            seems = "lack a digit, as happens when Excel reads a column as numbers,"
        else:
            seems = f"lack {missing} digits" if missing > 1 else f"have {counted(-missing, 'extra digit')}"
        return (
            f"The numbers in “{self.column}” may {seems} or belong to another country or kind of line. "
            "Compare some with your customer data, correct them and import the failed rows again."
        )


class IdLength(Trait):
    """The length of an id: a spreadsheet program that reads it as a number drops its leading zeros."""

    def __init__(self, position: int, column: str) -> None:
        super().__init__(position, column, lambda cells: [str(len(cell.strip())) for cell in cells])

    def state(self, wrong: Counter[str], rows: int, good: Sample, part: bool = False) -> Finding | None:
        length, count = wrong.most_common(1)[0]
        if not _stands_out(count, rows, self.good[length], good, part):
            return None
        if length == "0":
            return Finding(f"{some_of(count, rows)} no value in “{self.column}”, {self._unlike(length, good)}.")
        text = f"{some_of(count, rows)} an id with {counted(int(length), 'character')} in “{self.column}”"
        usual, usual_count = self.good.most_common(1)[0]
        if usual == "0" or usual_count < MOST_OF * good.rows:
            return Finding(f"{text}, {self._unlike(length, good)}.")
        text += f", while {percent(usual_count, good.rows)} of {good.words} have {usual}."
        if int(length) > int(usual):
            return Finding(text)
        advice = (
            f"The ids in “{self.column}” may have lost leading zeros, as happens when Excel reads a column as numbers. "
            "Export the column as text, or correct the ids, and import the failed rows again."
        )
        return Finding(text, advice)


class MobilePrefix(Trait):
    """The first digits of a mobile."""

    def __init__(self, position: int, column: str) -> None:
        super().__init__(position, column, lambda cells: [digits[:_PREFIX] for digits in _digits(cells)])

    def state(self, wrong: Counter[str], rows: int, good: Sample, part: bool = False) -> Finding | None:
        found: tuple[str, int] | None = None
        for length in range(1, _PREFIX + 1):
            heads: Counter[str] = Counter()
            for prefix, count in wrong.items():
                heads[prefix[:length]] += count
            prefix, count = heads.most_common(1)[0]
            same = sum(n for other, n in self.good.items() if other[:length] == prefix)
            stands_out = len(prefix) == length and _stands_out(count, rows, same, good, part)
            if stands_out and (not found or count >= found[1]):
                found = prefix, count
        if found is None:
            return None
        prefix, count = found
        same = sum(n for other, n in self.good.items() if other.startswith(prefix))
        return Finding(
            f"{some_of(count, rows)} a number in “{self.column}” that begins with {prefix}, {unlike(same, good)}."
        )


class CellValue(Trait):
    """The value of the cell: a store, a preference, the domain of an e-mail."""

    def __init__(
        self,
        position: int,
        column: str,
        mask: Callable[[str], str],
        words: str = "the same value in",
        keys: Callable[[Sequence[str]], Sequence[str]] = lambda cells: cells,
    ) -> None:
        super().__init__(position, column, keys)
        self._mask, self._words = mask, words

    def state(self, wrong: Counter[str], rows: int, good: Sample, part: bool = False) -> Finding | None:
        value, count = wrong.most_common(1)[0]
        if not _stands_out(count, rows, self.good[value], good, part):
            return None
        what = f"{self._words} “{self.column}” ({self._mask(value)})" if value else f"no value in “{self.column}”"
        return Finding(f"{some_of(count, rows)} {what}, {self._unlike(value, good)}.")


def traits_of(columns: Sequence[str], mapping: Mapping, country: str | None, mask: Callable[[str], str]) -> list[Trait]:
    """Return the traits of the mapped columns, in the order in which they are tried."""
    positions = {column: position for position, column in enumerate(columns)}
    found: dict[str, list[Trait]] = {"mobile": [], "email": [], "store": [], "preference": [], "id": []}
    for use in mapping.columns:
        position = positions.get(use.column)
        if position is None:
            continue
        if use.field == "mobile":
            found["mobile"] += [MobileLength(position, use.column, country), MobilePrefix(position, use.column)]
        elif use.field == "email":
            found["email"].append(CellValue(position, use.column, mask, "an e-mail of the same domain in", _domains))
        elif use.field in ("external_id", "user_id"):
            found["id"].append(IdLength(position, use.column))
        elif use.field in ("store.code", "store.id"):
            found["store"].append(CellValue(position, use.column, mask, "the same store in"))
        elif use.field.startswith("preference"):
            found["preference"].append(CellValue(position, use.column, mask))
    return [trait for traits in found.values() for trait in traits]


def _digits(cells: Sequence[str]) -> list[str]:
    # Most cells are digits after an optional plus: `isdecimal` is several times faster than the expression.
    bare = [cell.removeprefix("+") for cell in cells]
    return [cell if cell.isdecimal() else _NO_DIGIT.sub("", cell) for cell in bare]


def _domains(cells: Sequence[str]) -> list[str]:
    return [cell.rpartition("@")[2].strip().lower() if "@" in cell else "" for cell in cells]


def _stands_out(count: int, rows: int, same: int, good: Sample, part: bool) -> bool:
    """Whether a trait of `count` of `rows` wrong rows and `same` of the `good` ones is more than a coincidence."""
    most, few, fewest = (_PART_OF, _HARDLY_ANY_OF, 2 * FEWEST) if part else (MOST_OF, _FEW_OF, FEWEST)
    if count < fewest or count < most * rows or good.rows < FEWEST:
        return False
    usual = (same + 1) / (good.rows + 2)
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


def unlike(same: int, good: Sample) -> str:
    return f"while {percent(same, good.rows) if same else 'none'} of {good.words} do"
