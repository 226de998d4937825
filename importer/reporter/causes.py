"""Root causes: which rows failed together, and what they share that the rows that succeeded do not.

Counted in one pass and in bounded memory. A sentence is made only where the counts prove it (see `traits`), and it
never shows a cell unless asked to, because the sentences go to consoles, logs and mails.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from operator import itemgetter
from typing import NamedTuple

from msgspec import UNSET

from importer.capillary.codes import lookup
from importer.model import Cause, Outcome, Status
from importer.normaliser.mapping import Mapping
from importer.reporter.cause_words import advice_for, reason, retry_helps
from importer.reporter.rows import ReportBlock
from importer.reporter.timeline import Timeline
from importer.reporter.traits import CHANCE, FEWEST, MOST_OF, Finding, Key, Tally, Trait, log_chance, some_of, traits_of
from importer.system.text import counted, percent

#: Groups beyond these are counted as one.
_MOST_GROUPS = 200
#: Neighbouring rows of a group may have so many other rows between two of them.
_GAP = 3
_EXAMPLES = 3
#: Different faults within one code that are counted, and those that a sentence lists.
_MOST_FAULTS, _LISTED_FAULTS = 100, 3

WRONG = frozenset({Status.FAILED, Status.REJECTED, Status.UNKNOWN})

#: Status → what happened to one row, and to several.
_VERBS = {
    Status.FAILED: ("failed", "failed"),
    Status.REJECTED: ("was rejected", "were rejected"),
    Status.UNKNOWN: ("is unknown", "are unknown"),
}


#: The end of what a message adds to a meaning; the row's next problem may follow.
_FAULT_END = re.compile(r"\)(?=; |\Z)")


class _Neighbours:
    """The longest block of neighbouring rows of a group, with few other rows between them."""

    def __init__(self) -> None:
        self.best = (0, 0, 0, 0)
        self._count = self._first = self._last = self._first_row = self._last_row = 0

    def see(self, ordinal: int, row_number: int) -> None:
        if not self._count or ordinal - self._last > _GAP + 1:
            self._keep()
            self._count, self._first, self._first_row = 0, ordinal, row_number
        self._count += 1
        self._last, self._last_row = ordinal, row_number

    def state(self, rows: int, read: int) -> Finding | None:
        self._keep()
        count, length, first, last = self.best
        if count < 2 * FEWEST or count < MOST_OF * rows or count < MOST_OF * length or length > read / 2:
            return None
        if log_chance(count, length, rows / read) + math.log(read) > math.log(CHANCE):
            return None
        block = "one unbroken block" if count == last - first + 1 else f"{length:,} rows in total"
        return Finding(f"{some_of(count, rows, 'are')} in rows {first:,} to {last:,} of the sheet ({block}).")

    def _keep(self) -> None:
        if self._count > self.best[0]:
            self.best = (self._count, self._last - self._first + 1, self._first_row, self._last_row)


class _Key(NamedTuple):
    """What the rows of a group share: the outcome, the code and, where it is known, the problem column."""

    status: Status
    code: str
    column: str


class _Group:
    """The rows with one key."""

    def __init__(self, traits: int) -> None:
        self.rows = 0
        self.examples: list[int] = []
        self.tallies = [Tally() for _ in range(traits)]
        self.faults: Counter[str] = Counter()
        self.neighbours = _Neighbours()


class CauseFinder:
    """Given every block of a run once, returns the causes, the most rows first."""

    def __init__(self, columns: Sequence[str], mapping: Mapping, *, show_identifiers: bool = False) -> None:
        self._traits = traits_of(columns, mapping, shown=show_identifiers)
        self._groups: dict[_Key, _Group] = {}
        self._beyond: Counter[Status] = Counter()
        self._read = 0
        self._good = 0
        self.timeline = Timeline()

    def see(self, block: ReportBlock) -> None:
        wrong: dict[_Key, list[int]] = {}
        for n, outcome in block.other.items():
            if outcome.status in WRONG:
                wrong.setdefault(_key(outcome), []).append(n)
        groups: dict[_Group, list[int]] = {}
        for key, positions in wrong.items():
            group = self._group(key)
            if group is None:
                self._beyond[key.status] += len(positions)
                continue
            groups[group] = positions
            group.rows += len(positions)
            group.examples += [block.row_numbers[n] for n in positions[: _EXAMPLES - len(group.examples)]]
            for n in positions:
                group.neighbours.see(self._read + n, block.row_numbers[n])
                if len(group.faults) <= _MOST_FAULTS:
                    group.faults[_fault(block.other[n], key)] += 1
        self._count_traits(block, groups)
        self._read += len(block.row_numbers)
        self._good += len(block.row_numbers) - len(block.other)
        self.timeline.see(block.stretches)

    def _count_traits(self, block: ReportBlock, groups: dict[_Group, list[int]]) -> None:
        """Count the traits of every row of the groups, and of every row that succeeded."""
        other = list(block.other)
        any_good = len(other) < len(block.row_numbers)
        texts: dict[tuple[int, object], Sequence[str]] = {}
        for number, trait in enumerate(self._traits):
            if not trait.open or not (any_good or groups):
                continue
            place = (trait.position, trait.read)
            if place not in texts:
                texts[place] = trait.read(block.cells[trait.position])
            keys = trait.keys(texts[place])
            if any_good:
                trait.count_good(keys, _picked(keys, other))
            for group, positions in groups.items():
                rows = (block.row_numbers[n] for n in positions)
                trait.count_wrong(_picked(keys, positions), rows, group.tallies[number])

    def causes(self) -> tuple[Cause, ...]:
        ordered = sorted(self._groups.items(), key=lambda item: (-item[1].rows, item[0]))
        return (*(self._cause(key, group) for key, group in ordered), *self._causes_beyond())

    def _group(self, key: _Key) -> _Group | None:
        """Return the group of these rows, None where there are too many groups."""
        if key not in self._groups and len(self._groups) < _MOST_GROUPS:
            self._groups[key] = _Group(len(self._traits))
        return self._groups.get(key)

    def _cause(self, key: _Key, group: _Group) -> Cause:
        entry = lookup(key.code)
        where = f" because of “{key.column}”" if key.column else ""
        found = self._found(key, group)
        statements = [statement.text for statement in found]
        added = [statement.advice for statement in found]
        advice = advice_for(entry.advice, *added, who=entry.who)
        on_page = advice_for(entry.on_page, *added, who=entry.who)
        return Cause(
            " ".join(
                [f"{self._rows_words(key.status, group.rows)}{where}{reason(entry)}{_faults(group)}.", *statements]
            ),
            advice,
            group.rows,
            tuple(group.examples),
            UNSET if on_page == advice else on_page,
        )

    def _causes_beyond(self) -> list[Cause]:
        """Return the rows of further codes, as one cause for each outcome."""
        return [
            Cause(
                f"{self._rows_words(status, rows)} with many further codes.",
                f"Filter results.csv for “{status.value}” in _status: _message and _advice are about the row.",
                rows,
            )
            for status, rows in sorted(self._beyond.items())
        ]

    def _rows_words(self, status: Status, rows: int) -> str:
        return f"{counted(rows, 'row')} ({percent(rows, self._read)}) {_VERBS[status][rows > 1]}"

    def _found(self, key: _Key, group: _Group) -> list[Finding]:
        """Return what the cells of the group share, and where or when its rows cluster."""
        found = self._traits_of(key, group)[:1] or self._traits_of(key, group, part=True)[:2]
        when = _window(self.timeline, key, group.rows) if key.status is not Status.REJECTED else None
        where = group.neighbours.state(group.rows, self._read)
        # Rows are sent in the order of the sheet, so a block of rows is also a time span.
        together = (when or where) if retry_helps(key.code) else (where or when)
        return [*found, *([together] if together else [])]

    def _traits_of(self, key: _Key, group: _Group, part: bool = False) -> list[Finding]:
        """Return what the counts prove of the group, at most one statement per column."""
        found: dict[int, Finding] = {}
        if group.rows < FEWEST or self._good < FEWEST:
            return []
        for trait, tally in zip(self._traits, group.tallies, strict=True):
            if trait.open and trait.position not in found and _concerns(trait, key):
                statement = trait.state(tally, group.rows, self._good, part)
                if statement is not None:
                    found[trait.position] = statement
        return list(found.values())


def _concerns(trait: Trait, key: _Key) -> bool:
    """A row is rejected for what its problem cell holds: what other cells share is a coincidence."""
    return key.status is not Status.REJECTED or (trait.column == key.column and not trait.sent_only)


def _key(outcome: Outcome) -> _Key:
    column = outcome.columns[0] if outcome.columns else ""
    # The first problem of a row is its code's. One of the whole row has no column, but those after it may have.
    if outcome.status is Status.REJECTED and outcome.message and not outcome.message.startswith(f"“{column}”: "):
        column = ""
    return _Key(outcome.status, outcome.code, column)


def _fault(outcome: Outcome, key: _Key) -> str:
    """Return what the message of a rejected row adds to the meaning of its code, "" where it adds nothing."""
    if key.status is not Status.REJECTED or not key.column:
        return ""
    start = f"“{key.column}”: {lookup(key.code).meaning} ("
    if not outcome.message.startswith(start):
        return ""
    end = _FAULT_END.search(outcome.message, len(start))
    return outcome.message[len(start) : end.start()] if end else ""


def _faults(group: _Group) -> str:
    """Return what the messages of a group's rows add, each with its rows where it is not that of all."""
    faults = [(fault, rows) for fault, rows in group.faults.most_common(_LISTED_FAULTS) if fault]
    if not faults or len(group.faults) > _MOST_FAULTS:
        return ""
    if faults[0][1] == group.rows:
        return f": {faults[0][0]}"
    return ": " + "; ".join(f"{fault} ({counted(rows, 'row')})" for fault, rows in faults)


def _picked(cells: Sequence[Key], positions: Sequence[int]) -> Sequence[Key]:
    if len(positions) == len(cells):
        return cells
    return itemgetter(*positions)(cells) if len(positions) > 1 else [cells[n] for n in positions]


def _window(timeline: Timeline, key: _Key, rows: int) -> Finding | None:
    """Return the time in which most rows of the group were answered, if few other rows were."""
    window = timeline.window(key.code)
    if window is None or window.all != rows:
        return None
    count, answered = window.count, window.answered
    if count < 2 * FEWEST or count < MOST_OF * rows or count < MOST_OF * answered:
        return None
    if answered > timeline.answered / 2:
        return None
    if log_chance(count, answered, rows / timeline.answered) + math.log(timeline.answered) > math.log(CHANCE):
        return None
    moments = [datetime.fromtimestamp(at / 1000, UTC) for at in (window.first, window.last)]
    days = {moment.date() for moment in (*moments, datetime.fromtimestamp(timeline.latest / 1000, UTC))}
    first, last = (moment.strftime("%H:%M:%S" if len(days) == 1 else "%d %b, %H:%M:%S") for moment in moments)
    verb = "were last tried" if key.status is Status.UNKNOWN else "were answered"
    return Finding(
        f"{some_of(count, rows, verb)} between {first} and {last} UTC; "
        f"{counted(answered - count, 'other row was', 'other rows were')} answered in that time."
    )
