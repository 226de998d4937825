"""Root causes: which rows went wrong together, and what they share that the rows that succeeded do not.

Counted in one pass and in bounded memory. A sentence is made only where the counts prove it: most of the group has the
trait, few of the rows that succeeded do, and chance would not do that once in a million. No cell stands in a sentence
but masked, for the sentences go to consoles, logs and mails.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from operator import itemgetter

import msgspec
from msgspec import UNSET

from importer.capillary.codes import CodeEntry, Next, lookup
from importer.masking import masked
from importer.model import Cause, Status
from importer.normaliser.mapping import Mapping
from importer.reporter.rows import ReportBlock
from importer.reporter.timeline import Timeline
from importer.system.text import counted, percent

#: Fewer rows than these prove nothing.
_FEWEST = 5
#: A trait is told when so much of the group has it …
_MOST_OF = 0.8
#: … and at most so much of the rows that succeeded, or of all rows for a stretch or a time.
_FEW_OF = 0.25
#: Where no trait is that common, two causes may lie under one code: then a trait of so much of the group is told, if
#: hardly any row that succeeded has it.
_PART_OF, _HARDLY_ANY_OF = 0.2, 0.02
#: Chance must be less likely than this to have done it.
_CHANCE = 1e-6
#: A column with more different values than these is no pattern; more groups than these are not told apart.
_MOST_VALUES, _MOST_GROUPS = 5000, 200
#: A stretch of rows may have so many other rows between two of its own.
_GAP = 3
_EXAMPLES = 3
#: So many rows that succeeded are all looked at; beyond, one in `_THINNED` is, and the sentences give the number.
_LOOKED_AT, _THINNED = 100_000, 10
#: The group of the codes beyond the most that are told apart.
_REST = ("further codes", "")
_PREFIX = 4

_NO_DIGIT = re.compile(r"\D+")

_WHO = {
    "sheet owner": "the owner of the sheet",
    "store master data": "whoever keeps the stores' master data",
    "API team": "the API team",
}

WRONG = frozenset({Status.FAILED, Status.REJECTED, Status.UNKNOWN})

_VERBS = {Status.FAILED: "failed", Status.REJECTED: "were rejected", Status.UNKNOWN: "are unknown"}


class _Found(msgspec.Struct, frozen=True):
    """A statement about a group, and advice that is better than the code's own; `if_sent` where the rows were sent;
    `on_page`: the advice as the page words it, where it differs."""

    text: str
    advice: str = ""
    if_sent: str = ""
    on_page: str = ""
    #: Of a part of the group: the others are advised by their code.
    part: bool = False

    def for_rows(self, sent: bool, others: str, on_page: bool = False) -> str:
        advice = (sent and self.if_sent) or (on_page and self.on_page) or self.advice
        return f"{advice} For the others: {others}" if advice and self.part else advice


class _Trait(ABC):
    """Something about the cells of one column that can be counted."""

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
    def state(self, wrong: Counter[str], rows: int, good: int, part: bool = False) -> _Found | None:
        """The sentence that these counts prove, None where they prove none. `part`: of a part of the group."""


class _Length(_Trait):
    """How many digits a mobile has. `country` was given for numbers without a code, so their lack is no advice."""

    def __init__(self, position: int, column: str, country: str | None) -> None:
        super().__init__(position, column, lambda cells: [str(len(digits)) for digits in _digits(cells)])
        self._country = country

    def state(self, wrong: Counter[str], rows: int, good: int, part: bool = False) -> _Found | None:
        length, count = wrong.most_common(1)[0]
        if not _stands_out(count, rows, self.good[length], good, part):
            return None
        if length == "0":
            return _Found(f"{_of(count, rows)} no digits in “{self.column}”, {_unlike(self.good[length], good)}.")
        text = f"{_of(count, rows)} a mobile with {counted(int(length), 'digit')} in “{self.column}”"
        mobiles = good - self.good["0"]
        usual, usual_count = max(
            ((key, count) for key, count in self.good.items() if key != "0"), key=lambda item: item[1], default=("0", 0)
        )
        if usual_count < max(_FEWEST, _MOST_OF * mobiles):
            return _Found(f"{text}, {_unlike(self.good[length], good)}.")
        text += f", where {percent(usual_count, mobiles)} of the mobiles that succeeded have {usual}."
        missing = int(usual) - int(length)
        on_page = ""
        if missing == 1:
            advice = (
                f"One digit is missing in “{self.column}”, as happens when Excel takes it for a number. "
                "Export the column as text, or add the digit, and upload the failed rows again."
            )
        elif missing > 1 and self._country:
            advice = f"{missing} digits are missing in “{self.column}”. Add them and upload the failed rows again."
        elif missing > 1:
            advice = (
                f"{missing} digits are missing in “{self.column}”. If it is the country code, run again with "
                "--country; else add them and upload the failed rows again."
            )
            on_page = (
                f"{missing} digits are missing in “{self.column}”. If it is the country code, upload the file again "
                "and name the country; else add them and upload the failed rows again."
            )
        else:
            advice = f"Take the digits too many ({-missing}) off the numbers in “{self.column}” and upload them again."
        return _Found(text, advice, self._if_sent(missing), on_page)

    def _if_sent(self, missing: int) -> str:
        """What was sent is a whole number of some country, so its length alone proves no digit lost."""
        seems = "lack a digit, as happens when Excel takes them for numbers," if missing == 1 else ""
        seems = seems or (f"lack {missing} digits" if missing > 1 else f"have {counted(-missing, 'digit')} too many")
        return (
            f"The numbers in “{self.column}” may {seems} or be of another country or kind. "
            "Compare some with what you know of these customers, correct them and upload the failed rows again."
        )


class _IdLength(_Trait):
    """How long an id is: the zeros at its beginning are lost where a spreadsheet program takes it for a number."""

    def __init__(self, position: int, column: str) -> None:
        super().__init__(position, column, lambda cells: [str(len(cell.strip())) for cell in cells])

    def state(self, wrong: Counter[str], rows: int, good: int, part: bool = False) -> _Found | None:
        length, count = wrong.most_common(1)[0]
        if not _stands_out(count, rows, self.good[length], good, part):
            return None
        if length == "0":
            return _Found(f"{_of(count, rows)} nothing in “{self.column}”, {_unlike(self.good[length], good)}.")
        text = f"{_of(count, rows)} an id with {counted(int(length), 'character')} in “{self.column}”"
        usual, usual_count = self.good.most_common(1)[0]
        if usual == "0" or usual_count < _MOST_OF * good:
            return _Found(f"{text}, {_unlike(self.good[length], good)}.")
        text += f", where {percent(usual_count, good)} of the rows that succeeded have {usual}."
        if int(length) > int(usual):
            return _Found(text)
        advice = (
            f"The ids in “{self.column}” may have lost zeros at their beginning, as happens when Excel takes them for "
            "numbers. Export the column as text, or correct the ids, and upload the failed rows again."
        )
        return _Found(text, advice)


class _Prefix(_Trait):
    """The first digits of a mobile."""

    def __init__(self, position: int, column: str) -> None:
        super().__init__(position, column, lambda cells: [digits[:_PREFIX] for digits in _digits(cells)])

    def state(self, wrong: Counter[str], rows: int, good: int, part: bool = False) -> _Found | None:
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
        return _Found(
            f"{_of(count, rows)} a number in “{self.column}” that begins with {prefix}, {_unlike(same, good)}.",
        )


class _Value(_Trait):
    """What the cell says: a store, the value of a preference, the domain of an e-mail."""

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

    def state(self, wrong: Counter[str], rows: int, good: int, part: bool = False) -> _Found | None:
        value, count = wrong.most_common(1)[0]
        same = self.good[value]
        if not _stands_out(count, rows, same, good, part):
            return None
        if not value:
            return _Found(f"{_of(count, rows)} nothing in “{self.column}”, {_unlike(same, good)}.")
        return _Found(f"{_of(count, rows)} {self._words} “{self.column}” ({self._mask(value)}), {_unlike(same, good)}.")


class _Stretch:
    """Rows that stand together, with few others between them: the longest such run of a group."""

    def __init__(self) -> None:
        self.best = (0, 0, 0, 0)
        self._count = self._first = self._last = self._first_row = self._last_row = 0

    def see(self, ordinal: int, row_number: int) -> None:
        if not self._count or ordinal - self._last > _GAP + 1:
            self._keep()
            self._count, self._first, self._first_row = 0, ordinal, row_number
        self._count += 1
        self._last, self._last_row = ordinal, row_number

    def state(self, rows: int, read: int) -> _Found | None:
        self._keep()
        count, length, first, last = self.best
        if count < 2 * _FEWEST or count < _MOST_OF * rows or count < _MOST_OF * length or length > read / 2:
            return None
        if _log_chance(count, length, rows / read) + math.log(read) > math.log(_CHANCE):
            return None
        beside = "one block without another row between" if count == length else f"{length:,} rows in all"
        return _Found(
            f"{_of(count, rows, 'stand')} in rows {first:,} to {last:,} of the sheet ({beside}).",
        )

    def _keep(self) -> None:
        if self._count > self.best[0]:
            self.best = (self._count, self._last - self._first + 1, self._first_row, self._last_row)


class _Group:
    """The rows with one code, and one guilty column where it is known."""

    def __init__(self, traits: int) -> None:
        self.rows = 0
        self.statuses: Counter[Status] = Counter()
        self.examples: list[int] = []
        self.counts: list[Counter[str]] = [Counter() for _ in range(traits)]
        self.stretch = _Stretch()


class CauseFinder:
    """Sees every block of a run once, then tells the causes, the most rows first."""

    def __init__(
        self, columns: Sequence[str], mapping: Mapping, *, country: str | None = None, show_identifiers: bool = False
    ) -> None:
        self._traits = _traits(columns, mapping, country, str if show_identifiers else masked)
        self._groups: dict[tuple[str, str], _Group] = {}
        self._read = 0
        self._looked_at = 0
        self._thinned = False
        self.timeline = Timeline()

    def see(self, block: ReportBlock) -> None:
        wrong: dict[tuple[str, str], list[int]] = {}
        for n, outcome in block.other.items():
            if outcome.status in WRONG:
                key = self._key(outcome.code, outcome.columns[0] if outcome.columns else "")
                wrong.setdefault(key, []).append(n)
        good = self._good_positions(block)
        for number, trait in enumerate(self._traits):
            if not trait.open:
                continue
            cells = block.cells[trait.position]
            trait.count(trait.keys(_picked(cells, good)), trait.good)
            for key, positions in wrong.items():
                trait.count(trait.keys(_picked(cells, positions)), self._groups[key].counts[number])
        for key, positions in wrong.items():
            group = self._groups[key]
            group.rows += len(positions)
            group.statuses.update(block.other[n].status for n in positions)
            group.examples += [block.row_numbers[n] for n in positions[: _EXAMPLES - len(group.examples)]]
            for n in positions:
                group.stretch.see(self._read + n, block.row_numbers[n])
        self._read += len(block.row_numbers)
        self._looked_at += len(good)
        self.timeline.see(block.stretches)

    def _good_positions(self, block: ReportBlock) -> Sequence[int]:
        """The rows that succeeded, as far as they are looked at: all, or a part."""
        step = 1 if self._looked_at < _LOOKED_AT else _THINNED
        self._thinned = self._thinned or step > 1
        positions = range(0, len(block.row_numbers), step)
        return [n for n in positions if n not in block.other] if block.other else positions

    def causes(self) -> tuple[Cause, ...]:
        ordered = sorted(self._groups.items(), key=lambda item: (-item[1].rows, item[0]))
        return tuple(self._cause(code, column, group) for (code, column), group in ordered)

    def _key(self, code: str, column: str) -> tuple[str, str]:
        key = (code, column)
        if key not in self._groups:
            if len(self._groups) >= _MOST_GROUPS:
                key = _REST
            self._groups.setdefault(key, _Group(len(self._traits)))
        return key

    def _cause(self, code: str, column: str, group: _Group) -> Cause:
        entry = lookup(code)
        found = self._found(code, group)
        what = " and ".join(_VERBS[status] for status in _VERBS if group.statuses[status])
        if group.rows == 1:
            what = what.replace("were", "was").replace("are", "is")
        where = f" for “{column}”" if column else ""
        rows = f"{counted(group.rows, 'row')} ({percent(group.rows, self._read)})"
        meaning = "many different reasons" if (code, column) == _REST else entry.meaning
        text = f"{rows} {what}{where}: {meaning} (code {code})."
        sent = not group.statuses[Status.REJECTED] or code == "mobile_of_another_country"
        advice = next(filter(None, (s.for_rows(sent, entry.advice) for s in found)), entry.advice)
        on_page = next(filter(None, (s.for_rows(sent, entry.on_page, True) for s in found)), entry.on_page)
        text = " ".join([text, *(statement.text for statement in found)])
        if self._thinned:
            looked_at = f"{self._looked_at:,} rows that succeeded"
            text = text.replace("the rows that succeeded", looked_at)
            text = text.replace("the mobiles that succeeded", f"the mobiles in {looked_at}")
        return Cause(
            text,
            " ".join(part for part in (advice, _who(entry, group)) if part),
            group.rows,
            tuple(group.examples),
            UNSET if on_page == advice else " ".join(part for part in (on_page, _who(entry, group)) if part),
        )

    def _traits_of(self, group: _Group, part: bool = False) -> list[_Found]:
        """What is proven of the group, at most one statement of a column."""
        found: dict[int, _Found] = {}
        if group.rows >= _FEWEST and self._looked_at >= _FEWEST:
            for trait, counts in zip(self._traits, group.counts, strict=True):
                if trait.open and counts and trait.position not in found:
                    statement = trait.state(counts, group.rows, self._looked_at, part)
                    if statement is not None:
                        found[trait.position] = statement
        return list(found.values())

    def _found(self, code: str, group: _Group) -> list[_Found]:
        """The first trait that is proven, or two of parts of the group, and where or when the rows stand together."""
        found = self._traits_of(group)[:1]
        if not found:
            found = self._traits_of(group, part=True)[:2]
            found = [msgspec.structs.replace(statement, part=True) for statement in found]
        when = _window(self.timeline, code, group) if not group.statuses[Status.REJECTED] else None
        where = group.stretch.state(group.rows, self._read)
        # Rows are sent in their order, so a stretch is a time as well. What the server lacks passes with time.
        passing = lookup(code).klass in (Next.AGAIN, Next.ALONE) or bool(group.statuses[Status.UNKNOWN])
        together = (when or where) if passing else (where or when)
        return [*found, *([together] if together else [])]


def _traits(columns: Sequence[str], mapping: Mapping, country: str | None, mask: Callable[[str], str]) -> list[_Trait]:
    """In the order in which they are tried."""
    positions = {column: position for position, column in enumerate(columns)}
    found: dict[str, list[_Trait]] = {"mobile": [], "email": [], "store": [], "preference": [], "id": []}
    for use in mapping.columns:
        position = positions.get(use.column)
        if position is None:
            continue
        if use.field == "mobile":
            found["mobile"] += [_Length(position, use.column, country), _Prefix(position, use.column)]
        elif use.field == "email":
            found["email"].append(_Value(position, use.column, mask, "an e-mail of the same domain in", _domains))
        elif use.field in ("external_id", "user_id"):
            found["id"].append(_IdLength(position, use.column))
        elif use.field in ("store.code", "store.id"):
            found["store"].append(_Value(position, use.column, mask, "the same store in"))
        elif use.field.startswith("preference"):
            found["preference"].append(_Value(position, use.column, mask))
    return [trait for traits in found.values() for trait in traits]


def _picked(cells: Sequence[str], positions: Sequence[int]) -> Sequence[str]:
    if len(positions) == len(cells):
        return cells
    return itemgetter(*positions)(cells) if len(positions) > 1 else [cells[n] for n in positions]


def _digits(cells: Sequence[str]) -> list[str]:
    # Without a leading plus, most cells are digits alone: that is seen several times faster than an expression does.
    bare = [cell.removeprefix("+") for cell in cells]
    return [cell if cell.isdecimal() else _NO_DIGIT.sub("", cell) for cell in bare]


def _domains(cells: Sequence[str]) -> list[str]:
    return [cell.rpartition("@")[2].strip().lower() if "@" in cell else "" for cell in cells]


def _window(timeline: Timeline, code: str, group: _Group) -> _Found | None:
    """The time in which most of the group's rows were answered, if little else was."""
    window, rows = timeline.window(code), group.rows
    if window is None or window.all != rows:
        return None
    count, answered = window.count, window.answered
    if count < 2 * _FEWEST or count < _MOST_OF * rows or count < _MOST_OF * answered:
        return None
    if answered > timeline.answered / 2:
        return None
    if _log_chance(count, answered, rows / timeline.answered) + math.log(timeline.answered) > math.log(_CHANCE):
        return None
    first, last = (datetime.fromtimestamp(at / 1000, UTC).strftime("%H:%M:%S") for at in (window.first, window.last))
    verb = "were last tried" if group.statuses[Status.UNKNOWN] else "were answered"
    return _Found(
        f"{_of(count, rows, verb)} between {first} and {last} UTC, "
        f"a time in which {counted(answered - count, 'other row was', 'other rows were')} answered."
    )


def _stands_out(count: int, rows: int, same: int, good: int, part: bool) -> bool:
    """Whether a trait that `count` of `rows` wrong ones and `same` of `good` ones have is more than chance."""
    most, few, fewest = (_PART_OF, _HARDLY_ANY_OF, 2 * _FEWEST) if part else (_MOST_OF, _FEW_OF, _FEWEST)
    if count < fewest or count < most * rows or good < _FEWEST:
        return False
    usual = (same + 1) / (good + 2)
    return usual <= few and _log_chance(count, rows, usual) <= math.log(_CHANCE)


def _log_chance(count: int, rows: int, rate: float) -> float:
    """Chernoff's bound on the logarithm of the probability of `count` or more of `rows` at this rate."""
    share = count / rows
    if share <= rate:
        return 0.0
    divergence = share * math.log(share / rate)
    if share < 1:
        divergence += (1 - share) * math.log((1 - share) / (1 - rate))
    return -rows * divergence


def _of(count: int, rows: int, verb: str = "have") -> str:
    return f"All of them {verb}" if count == rows else f"{count:,} of them {verb}"


def _unlike(same: int, good: int) -> str:
    if not same:
        return "which none of the rows that succeeded has"
    return f"which {percent(same, good)} of the rows that succeeded have"


def _who(entry: CodeEntry, group: _Group) -> str:
    again = entry.klass in (Next.AGAIN, Next.ALONE) or group.statuses[Status.UNKNOWN] == group.rows
    helps = "a plain retry can help" if again else "a plain retry will not help"
    return f"For {_WHO.get(entry.who, entry.who)}; {helps}." if entry.who else f"{helps[0].upper()}{helps[1:]}."
