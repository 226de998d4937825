"""Root causes: which rows failed together, and what they share that the rows that succeeded do not.

Counted in one pass and in bounded memory. A sentence is made only where the counts prove it (see `traits`). Cells are
masked in it, because the sentences go to consoles, logs and mails.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
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
from importer.reporter.traits import CHANCE, FEWEST, MOST_OF, Finding, Sample, log_chance, some_of, traits_of
from importer.system.text import counted, percent

#: Groups beyond these are counted as one.
_MOST_GROUPS = 200
#: The group of the codes beyond.
_REST = ("further codes", "")
#: Neighbouring rows of a group may have so many other rows between two of them.
_GAP = 3
_EXAMPLES = 3
#: So many rows that succeeded are all counted; beyond, one in `_THINNED` is, and the sentences give the number.
_COUNTED, _THINNED = 100_000, 10

_WHO = {
    "sheet owner": "the owner of the sheet",
    "store master data": "the team that maintains the store data",
    "API team": "the API team",
}

WRONG = frozenset({Status.FAILED, Status.REJECTED, Status.UNKNOWN})

#: Status → what happened to one row, and to several.
_VERBS = {
    Status.FAILED: ("failed", "failed"),
    Status.REJECTED: ("was rejected", "were rejected"),
    Status.UNKNOWN: ("is unknown", "are unknown"),
}


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
        block = "one unbroken block" if count == length else f"{length:,} rows in total"
        return Finding(f"{some_of(count, rows, 'are')} in rows {first:,} to {last:,} of the sheet ({block}).")

    def _keep(self) -> None:
        if self._count > self.best[0]:
            self.best = (self._count, self._last - self._first + 1, self._first_row, self._last_row)


class _Group:
    """The rows with one code and, where it is known, one problem column."""

    def __init__(self, traits: int) -> None:
        self.rows = 0
        self.statuses: Counter[Status] = Counter()
        self.examples: list[int] = []
        self.counts: list[Counter[str]] = [Counter() for _ in range(traits)]
        self.neighbours = _Neighbours()


class CauseFinder:
    """Given every block of a run once, returns the causes, the most rows first."""

    def __init__(
        self, columns: Sequence[str], mapping: Mapping, *, country: str | None = None, show_identifiers: bool = False
    ) -> None:
        self._traits = traits_of(columns, mapping, country, str if show_identifiers else masked)
        self._groups: dict[tuple[str, str], _Group] = {}
        self._read = 0
        self._counted = 0
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
                group.neighbours.see(self._read + n, block.row_numbers[n])
        self._read += len(block.row_numbers)
        self._counted += len(good)
        self.timeline.see(block.stretches)

    def _good_positions(self, block: ReportBlock) -> Sequence[int]:
        """Return the positions of the rows that succeeded and are counted: all, or a part."""
        step = 1 if self._counted < _COUNTED else _THINNED
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
        what = " and ".join(_VERBS[status][group.rows > 1] for status in _VERBS if group.statuses[status])
        where = f" because of “{column}”" if column else ""
        rows = f"{counted(group.rows, 'row')} ({percent(group.rows, self._read)})"
        meaning = "many different reasons" if (code, column) == _REST else entry.meaning
        text = f"{rows} {what}{where}: {meaning} (code {code})."
        sent = not group.statuses[Status.REJECTED] or code == "mobile_of_another_country"
        advice = next(filter(None, (s.for_rows(sent, entry.advice) for s in found)), entry.advice)
        on_page = next(filter(None, (s.for_rows(sent, entry.on_page, True) for s in found)), entry.on_page)
        return Cause(
            " ".join([text, *(statement.text for statement in found)]),
            " ".join(part for part in (advice, _who(entry, group)) if part),
            group.rows,
            tuple(group.examples),
            UNSET if on_page == advice else " ".join(part for part in (on_page, _who(entry, group)) if part),
        )

    def _traits_of(self, group: _Group, part: bool = False) -> list[Finding]:
        """Return what the counts prove of the group, at most one statement per column."""
        found: dict[int, Finding] = {}
        words = f"{self._counted:,} sampled rows that succeeded"
        good = Sample(self._counted, words) if self._thinned else Sample(self._counted)
        if group.rows >= FEWEST and self._counted >= FEWEST:
            for trait, counts in zip(self._traits, group.counts, strict=True):
                if trait.open and counts and trait.position not in found:
                    statement = trait.state(counts, group.rows, good, part)
                    if statement is not None:
                        found[trait.position] = statement
        return list(found.values())

    def _found(self, code: str, group: _Group) -> list[Finding]:
        """Return the first proven trait, or two of parts of the group, and where or when its rows cluster."""
        found = self._traits_of(group)[:1]
        if not found:
            found = self._traits_of(group, part=True)[:2]
            found = [msgspec.structs.replace(statement, part=True) for statement in found]
        when = _window(self.timeline, code, group) if not group.statuses[Status.REJECTED] else None
        where = group.neighbours.state(group.rows, self._read)
        # Rows are sent in the order of the sheet, so a block of rows is also a time span.
        temporary = lookup(code).klass in (Next.AGAIN, Next.ALONE) or bool(group.statuses[Status.UNKNOWN])
        together = (when or where) if temporary else (where or when)
        return [*found, *([together] if together else [])]


def _picked(cells: Sequence[str], positions: Sequence[int]) -> Sequence[str]:
    if len(positions) == len(cells):
        return cells
    return itemgetter(*positions)(cells) if len(positions) > 1 else [cells[n] for n in positions]


def _window(timeline: Timeline, code: str, group: _Group) -> Finding | None:
    """Return the time in which most rows of the group were answered, if few other rows were."""
    window, rows = timeline.window(code), group.rows
    if window is None or window.all != rows:
        return None
    count, answered = window.count, window.answered
    if count < 2 * FEWEST or count < MOST_OF * rows or count < MOST_OF * answered:
        return None
    if answered > timeline.answered / 2:
        return None
    if log_chance(count, answered, rows / timeline.answered) + math.log(timeline.answered) > math.log(CHANCE):
        return None
    first, last = (datetime.fromtimestamp(at / 1000, UTC).strftime("%H:%M:%S") for at in (window.first, window.last))
    verb = "were last tried" if group.statuses[Status.UNKNOWN] else "were answered"
    return Finding(
        f"{some_of(count, rows, verb)} between {first} and {last} UTC; "
        f"{counted(answered - count, 'other row was', 'other rows were')} answered in that time."
    )


def _who(entry: CodeEntry, group: _Group) -> str:
    retry = entry.klass in (Next.AGAIN, Next.ALONE) or group.statuses[Status.UNKNOWN] == group.rows
    helps = f"retrying unchanged {'can' if retry else 'will not'} help."
    return f"For {_WHO.get(entry.who, entry.who)}; {helps}" if entry.who else helps.capitalize()
