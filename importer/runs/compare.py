"""Comparison of two runs: which failed rows of the earlier run the later one fixed, and which rows fail newly.

Runs of the same source are compared by row number. A fixed and imported failed file is another source: its rows are
matched by their identifiers as sent, by the `_row` and `_at` that a report wrote beside them, or by their cells. Only
the failed rows of the earlier run are kept in memory, as hashes.
"""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from collections.abc import Mapping as Map
from heapq import merge
from itertools import groupby
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd

from importer.capillary.codes import lookup
from importer.journal import Journal, Run
from importer.model import IDENTIFIERS, Outcome, Status
from importer.normaliser.mapping import Mapping
from importer.normaliser.normaliser import Normaliser
from importer.reader import Source
from importer.reporter.rows import stamp_of
from importer.row_block import Cells, RowBlock
from importer.runs.record import find, mapping_of
from importer.runs.sources import source_of
from importer.settings.options import Settings
from importer.system.clock import stamp
from importer.world import World

#: Rows that need attention. Unprocessed rows are open too, but did not fail.
_WRONG = frozenset({Status.FAILED, Status.REJECTED, Status.UNKNOWN})
_EXAMPLES = 10
_ROWS_AT_ONCE = 5000
#: A customer needs at least one field; only its identifiers matter here.
_ANYTHING = (("any", "any"),)
#: What rows are matched by, each with its own hash key of 16 characters: a mobile never equals an external id.
_ORIGIN, _CELLS = "origin", "cells"
_KEYS = {kind: f"{kind:<16}" for kind in (*IDENTIFIERS, _ORIGIN, _CELLS)}


class RowGroup(msgspec.Struct, frozen=True):
    """Row count, first row numbers, and counts by code of the later run (of the earlier one for fixed rows)."""

    rows: int
    example_rows: tuple[int, ...]
    codes: dict[str, int]


class ComparedRun(msgspec.Struct, frozen=True):
    """One of the two compared runs."""

    run_id: str
    source: str
    started_at: str


class Comparison(msgspec.Struct, frozen=True):
    """`by`: `row` or `identifiers`. Row numbers are the earlier run's, except those of `newly_failing`.

    `not_tried`: failed rows that the later run skipped, did not reach or does not contain.
    """

    earlier: ComparedRun
    later: ComparedRun
    by: str
    fixed: RowGroup
    still_failing: RowGroup
    newly_failing: RowGroup
    not_tried: RowGroup


class _Count:
    def __init__(self) -> None:
        self._rows = 0
        self._examples: list[int] = []
        self._codes: Counter[str] = Counter()

    def add(self, row: int, code: str) -> None:
        self._rows += 1
        self._codes[code] += 1
        if len(self._examples) < _EXAMPLES:
            self._examples.append(row)

    def rows(self) -> RowGroup:
        codes = sorted(self._codes.items(), key=lambda item: (-item[1], item[0]))
        return RowGroup(self._rows, tuple(self._examples), dict(codes))


class _Counts:
    def __init__(self) -> None:
        self.fixed, self.still, self.newly, self.not_tried = _Count(), _Count(), _Count(), _Count()

    def comparison(self, earlier: Run, later: Run, by: str) -> Comparison:
        return Comparison(
            _compared_run(earlier),
            _compared_run(later),
            by,
            self.fixed.rows(),
            self.still.rows(),
            self.newly.rows(),
            self.not_tried.rows(),
        )


def _compared_run(run: Run) -> ComparedRun:
    return ComparedRun(run.record.run_id, run.record.source, stamp(run.record.started_at))


def compare(one: str | None, other: str, settings: Settings, world: World) -> Comparison:
    """Compares two runs of a journal: rows that the later one fixed, rows that still fail, rows that fail newly."""
    where = Path(settings.reports_dir), settings.database or None
    with Journal.open(*where) as journal:
        earlier, later = in_order(find(journal, one), find(journal, other))
        if same_rows(earlier, later):
            with Journal.open(*where) as second:  # a connection reads one thing at a time
                return by_row(earlier, journal.outcomes(earlier.key), later, second.outcomes(later.key))
        with (
            source_of(journal, earlier, world, where[0]) as source,
            source_of(journal, later, world, where[0]) as later_source,
        ):
            return by_identifiers(journal, earlier, source, later, later_source)


def in_order(one: Run, other: Run) -> tuple[Run, Run]:
    """Return the earlier and the later of two runs."""
    return (one, other) if (one.record.started_at, one.key) <= (other.record.started_at, other.key) else (other, one)


def same_rows(earlier: Run, later: Run) -> bool:
    """Whether both runs read the same sheet of the same content."""
    mine, theirs = earlier.record, later.record
    same = mine.source_sha256 == theirs.source_sha256 and mine.sheet == theirs.sheet
    return same and mine.parser.get("header_row") == theirs.parser.get("header_row")


def by_row(
    earlier: Run, outcomes_before: Iterator[Outcome], later: Run, outcomes_after: Iterator[Outcome]
) -> Comparison:
    """Compare outcomes by row number, without keeping either run in memory."""
    counts = _Counts()
    tagged = merge(
        ((outcome.row_number, 0, outcome) for outcome in outcomes_before),
        ((outcome.row_number, 1, outcome) for outcome in outcomes_after),
        key=lambda item: item[:2],
    )
    for row, found in groupby(tagged, key=lambda item: item[0]):
        outcomes: list[Outcome | None] = [None, None]
        for _, run, outcome in found:
            outcomes[run] = outcome
        before, after = outcomes
        failed = before is not None and before.status in _WRONG
        if after is not None and after.status in _WRONG:
            (counts.still if failed else counts.newly).add(row, after.code)
        elif before is not None and failed:
            is_fixed = after is not None and after.status is Status.SUCCEEDED
            (counts.fixed if is_fixed else counts.not_tried).add(row, before.code)
    return counts.comparison(earlier, later, "row")


def by_identifiers(journal: Journal, earlier: Run, source: Source, later: Run, later_source: Source) -> Comparison:
    """Compare rows of different sheets by customer."""
    counts = _Counts()
    rows, codes, names, row_hashes = _failed(journal, earlier, source)
    hashes = np.unique(row_hashes["hash"])
    succeeded, failed = np.zeros(len(hashes), bool), np.zeros(len(hashes), bool)
    for block, outcomes in _paired(later_source, journal.outcomes(later.key)):
        good = {n for n, outcome in enumerate(outcomes) if outcome is not None and outcome.status is Status.SUCCEEDED}
        wrong = {n for n, outcome in enumerate(outcomes) if outcome is not None and outcome.status in _WRONG}
        if not good and not wrong:
            continue
        known: set[int] = set()
        for positions, found in _hashes(block, later):
            places, there = _places(hashes, found)
            for positions_of, marks in ((good, succeeded), (wrong, failed)):
                those = np.isin(positions, list(positions_of)) & there
                marks[places[those]] = True
            known.update(positions[there].tolist())
        for n in sorted(wrong - known):
            outcome = outcomes[n]
            assert outcome is not None
            counts.newly.add(outcome.row_number, outcome.code)
    good_rows, wrong_rows = (np.zeros(len(rows), bool) for _ in range(2))
    if len(hashes):
        at = np.searchsorted(hashes, row_hashes["hash"])
        np.logical_or.at(good_rows, row_hashes["row"], succeeded[at])
        np.logical_or.at(wrong_rows, row_hashes["row"], failed[at])
    for n, row in enumerate(rows):
        count = counts.still if wrong_rows[n] else counts.fixed if good_rows[n] else counts.not_tried
        count.add(int(row), names[codes[n]])
    return counts.comparison(earlier, later, "identifiers")


_PAIR = np.dtype([("hash", "u8"), ("row", "i4")])


def _failed(journal: Journal, run: Run, source: Source) -> tuple[np.ndarray, np.ndarray, list[str], np.ndarray]:
    """Return the run's failed rows: numbers, codes (indexes into a list of names), and (hash, index of the row)."""
    rows: list[np.ndarray] = []
    codes: list[np.ndarray] = []
    pairs: list[np.ndarray] = []
    names: dict[str, int] = {}
    count = 0
    for block, outcomes in _paired(source, journal.outcomes(run.key)):
        wrong = [(n, o) for n, o in enumerate(outcomes) if o is not None and o.status in _WRONG]
        if not wrong:
            continue
        rows.append(np.array([outcome.row_number for _, outcome in wrong], dtype="i8"))
        codes.append(np.array([names.setdefault(outcome.code, len(names)) for _, outcome in wrong], dtype="i4"))
        only = block.only([o is not None and o.status in _WRONG for o in outcomes])
        origins = {o.row_number: f"{o.row_number} {stamp_of(o.at)}" for _, o in wrong}
        for positions, found in _hashes(msgspec.structs.replace(only, origins=origins), run):
            pair = np.empty(len(found), _PAIR)
            pair["hash"], pair["row"] = found, positions + count
            pairs.append(pair)
        count += len(wrong)
    return _joined(rows, "i8"), _joined(codes, "i4"), list(names), _joined(pairs, _PAIR)


def _joined(parts: Sequence[np.ndarray], dtype: str | np.dtype) -> np.ndarray:
    return np.concatenate(parts) if parts else np.empty(0, dtype)


def _places(hashes: np.ndarray, found: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the position of each hash among the sorted hashes, and whether it is there."""
    if not len(hashes):
        return np.zeros(len(found), "i8"), np.zeros(len(found), bool)
    places = np.minimum(np.searchsorted(hashes, found), len(hashes) - 1)
    return places, hashes[places] == found


def _hashes(block: RowBlock, run: Run) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield, for each kind of match, the positions of the rows that have it and their hashes.

    Each identifier counts alone: a row that was rejected because of its e-mail still matches by its mobile.
    """
    settings = run.record.settings
    positions = {row: n for n, row in enumerate(block.row_numbers)}
    for use in mapping_of(run).columns:
        if use.field not in IDENTIFIERS or use.column not in block.cells.names:
            continue
        normaliser = Normaliser(Mapping((use,), _ANYTHING), country=settings.country or None)
        customers = normaliser(_one_column(block, use.column)).customers
        values = {customer.row_number: dict(customer.identifiers).get(use.field, "") for customer in customers}
        yield from _hashed(values, positions, use.field)
    yield from _hashed(block.origins, positions, _ORIGIN)
    names = sorted(use.column for use in mapping_of(run).columns if use.column in block.cells.names)
    rows = zip(*[block.column(name) for name in names], strict=True)
    texts = ("\x1f".join([*names, *cells]) for cells in rows)
    yield from _hashed(dict(zip(block.row_numbers, texts, strict=True)), positions, _CELLS)


def _one_column(block: RowBlock, name: str) -> RowBlock:
    return RowBlock(Cells([block.column(name)], [name], block.row_numbers))


def _hashed(values: Map[int, str], positions: Map[int, int], kind: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    if values:
        texts = np.array([*values.values(), ""], dtype=object)[:-1]  # or numpy makes it an array of characters
        found = pd.util.hash_array(texts, hash_key=_KEYS[kind], categorize=False)
        yield np.array([positions[row] for row in values]), found


def _paired(source: Source, outcomes: Iterator[Outcome]) -> Iterator[tuple[RowBlock, list[Outcome | None]]]:
    """Yield the source's blocks, with the outcome of each row or None."""
    coming = next(outcomes, None)
    for block in source.blocks(_ROWS_AT_ONCE):
        found: list[Outcome | None] = []
        for row in block.row_numbers:
            while coming is not None and coming.row_number < row:
                coming = next(outcomes, None)
            found.append(coming if coming is not None and coming.row_number == row else None)
        yield block, found


def comparison_text(comparison: Comparison) -> str:
    """Return the comparison for a terminal of 80 columns."""
    lines = [
        f"earlier  {comparison.earlier.run_id}  {comparison.earlier.started_at}",
        f"later    {comparison.later.run_id}  {comparison.later.started_at}",
        "compared by " + ("row number" if comparison.by == "row" else "customer"),
        "",
    ]
    parts = (
        ("fixed", comparison.fixed, "failed before, succeeded now"),
        ("still failing", comparison.still_failing, "failed before and now"),
        ("newly failing", comparison.newly_failing, "failed now, not before"),
        ("not tried again", comparison.not_tried, "failed before, not sent now"),
    )
    for name, found, words in parts:
        lines.append(f"{found.rows:>10,}  {name:<16} {words}")
        for code, rows in list(found.codes.items())[:_EXAMPLES]:
            lines.append(_example(f"{rows:,} × {code or 'no code'}: {lookup(code).meaning}"))
        if found.rows:
            more = " …" if found.rows > len(found.example_rows) else ""
            noun = "row" if found.rows == 1 else "rows"
            lines.append(_example(f"{noun} {', '.join(map(str, found.example_rows))}{more}"))
    return "\n".join(lines) + "\n"


def _example(text: str) -> str:
    """Return a line below a count; one that is too long ends with an ellipsis after a whole word."""
    return " " * 12 + textwrap.shorten(text, 68, placeholder=" …")
