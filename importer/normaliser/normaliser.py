"""Turns text cells into customers for the API, or into every problem of a row at once. Pure, by column.

Every row of a block ends in exactly one of two: in a customer's `row_numbers`, or in one or more problems.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import compress, repeat
from typing import Literal

import msgspec

from importer.model import IDENTIFIERS, LEFT_OUT, Customer, FieldDefinition, Problem, Repair, Store
from importer.normaliser.block_result import BlockResult
from importer.normaliser.codes import OWN_CODES
from importer.normaliser.countries import known_country
from importer.normaliser.damage import CellResult, identifier
from importer.normaliser.destroyed import destroyed
from importer.normaliser.facts import unquoted
from importer.normaliser.mapping import (
    IGNORED,
    LONGEST_NAME,
    NAME,
    PREFERENCE,
    VALUE,
    ColumnUse,
    Mapping,
    is_store,
    named_in_cell,
)
from importer.normaliser.open_customer import OpenCustomer
from importer.normaliser.organisation import Names
from importer.normaliser.preferences import InvalidPreference, Pair, ValueReader, empty_full
from importer.normaliser.remembering import remembered
from importer.normaliser.stores import LONGEST_TEXT, StoreReader
from importer.row_block import RowBlock
from importer.system.late import late

_REMEMBERED = 20_000
#: Modules that are loaded only where a column is mapped to the identifier: their libraries are slow to load.
_READERS = {"mobile": "importer.normaliser.phones", "email": "importer.normaliser.emails"}
#: IDs that need no further check: up to 15 digits, or a letter first and neither a date's form nor a placeholder.
_ORDINARY_ID = re.compile(
    r"\d{1,15}|(?![A-Z][a-z]{2}-\d|[NUKnuk](?i:ull|one|il|an|ndefined|[./][ad]\.?)\Z)[A-Za-z][A-Za-z0-9_./#-]{0,249}",
    re.ASCII,
)
#: Reads a column of identifiers. The second argument: its digits were typed as text.
ColumnReader = Callable[[Sequence[str], bool], "list[str | CellResult]"]
#: A placeholder like NULL repeats.
_remembered_identifier = remembered(4_096)(identifier)

#: Problems of a cell that matter for some fields only: in others its text is sent as it is, or judged as text.
CONCERNS: dict[str, tuple[str, ...]] = {
    "mobile_rounded": ("mobile",),
    "preference_is_a_date": (PREFERENCE, VALUE),
    "number_format_unknown": (*IDENTIFIERS, "store.code", "store.id"),
}


class Normalised(msgspec.Struct, frozen=True):
    """`blanks`: per column, the empty preference cells of the rows that became customers."""

    customers: list[Customer]
    problems: list[Problem]
    repairs: list[Repair]
    blanks: dict[str, int]
    #: The problems of the rows that are left out because of them.
    left_out: list[Problem] = []


class Normaliser:
    """Call it with each block of a source in order, then `finish` once for the last customer of a long sheet."""

    def __init__(
        self,
        mapping: Mapping,
        *,
        country: str | None = None,
        blank: Literal["skip", "clear"] = "skip",
        fields: Sequence[FieldDefinition] | None = None,
        invalid_identifiers: Literal["reject", "omit"] = "reject",
    ) -> None:
        self._mapping = mapping
        self._omits = frozenset(
            [use.column for use in mapping.columns if use.field in IDENTIFIERS]
            if invalid_identifiers == "omit"
            else [rule.column for rule in mapping.rules if rule.omit]
        )
        #: (column, code) of problems whose rows are left out.
        self._leaves_out = {("", LEFT_OUT)}.union(
            [(rule.column, code) for rule in mapping.rules for code in rule.leave_out]
        )
        self._clears = blank == "clear"
        self._definitions = {field.name: field for field in fields or ()}
        self._folded = {field.name.casefold(): field for field in fields or ()}
        country = mapping.country or country
        self._identifiers = [
            (kind, column, column_reader(kind, country))
            for kind in IDENTIFIERS
            if (column := mapping.column_of(kind)) is not None
        ]
        self._quoted = frozenset(mapping.facts.quotes)
        self._last_rows = frozenset(mapping.facts.footers)
        self._uses = {use.column: use for use in mapping.columns if use.field != IGNORED}
        self._readers = [self._reader(use.preference, use) for use in mapping.preferences]
        self._stores = StoreReader(mapping)
        self._constants: tuple[Pair, ...] = tuple([pair for pair in mapping.constants if not is_store(pair[0])])
        self._names = Names(mapping.names) if mapping.names else None
        self._long_readers: dict[str, ValueReader] = {}
        self._open: OpenCustomer | None = None

    def __call__(self, block: RowBlock) -> Normalised:
        empty_full([*self._readers, *self._long_readers.values()])
        rows = BlockResult(block.row_numbers, omits=self._omits)
        columns = {column: block.column(column) for column in self._uses}
        self._remove_quotes(rows, columns)
        self._take_problems(_with_footers(block, self._last_rows), rows, columns)
        identifiers = self._read_identifiers(rows, columns, typed=block.typed)
        stores = self._stores.read(rows, columns)
        make = self._long if self._mapping.is_long else self._wide
        return make(rows, columns, identifiers, stores)

    def known_by(self, block: RowBlock) -> list[Customer]:
        """The identifiers of rows that are not sent, which show which rows are one customer. Empty where no row can
        have two identifiers."""
        if len(self._identifiers) < 2:
            return []
        rows = BlockResult(block.row_numbers)
        columns = {column: block.column(column) for _, column, _ in self._identifiers}
        self._remove_quotes(rows, columns)
        self._take_problems([problem for problem in block.problems if problem.column in columns], rows, columns)
        found = self._read_identifiers(rows, columns, typed=block.typed)
        return list(map(Customer, rows.rows, *[found.get(kind, repeat("")) for kind in IDENTIFIERS]))

    def repairs_of(self, block: RowBlock) -> list[Repair]:
        """The repairs of rows that were sent before."""
        waiting, self._open = self._open, None
        try:
            return self(block).repairs
        finally:
            self._open = waiting

    def finish(self) -> Normalised:
        """The last customer of a long sheet. Call it after the last block."""
        customers = [self._open.customer(self._constants)] if self._open else []
        self._open = None
        return Normalised(customers, [], [], {})

    # -- cells --------------------------------------------------------------------------------------------------

    def _reader(self, name: str, use: ColumnUse) -> ValueReader:
        definition = self._definitions.get(name) or self._folded.get(name.casefold())
        rejects_dates = name in self._mapping.facts.ranges and not use.is_date
        return ValueReader(name, use, definition, rejects_dates=rejects_dates)

    def _remove_quotes(self, rows: BlockResult, columns: dict[str, list[str]]) -> None:
        for column in self._quoted & columns.keys():
            before = columns[column]
            columns[column] = after = list(map(unquoted, before))
            for at, (cell, text) in enumerate(zip(before, after, strict=True)):
                if cell != text:
                    rows.repair(at, column, "quotes_removed", cell, text)

    def _concerns(self, problem: Problem) -> bool:
        """Whether the problem of a cell matters for what its column is mapped to."""
        use = self._uses.get(problem.column or "")
        if use is None or (use.is_date and problem.code == "preference_is_a_date"):
            return False
        return use.field in CONCERNS.get(problem.code, (use.field,))

    def _take_problems(self, problems: Iterable[Problem], rows: BlockResult, columns: dict[str, list[str]]) -> None:
        """Add the reader's problems: unusable rows, and unusable cells of mapped columns."""
        if not problems:
            return
        positions = {row: at for at, row in enumerate(rows.rows)}
        for problem in problems:
            at = positions.get(problem.row_number)
            if problem.column is not None and (at is None or not self._concerns(problem)):
                continue
            if at is None:
                # A row that is not in the block still needs its outcome.
                rows.unplaced.append(problem)
                continue
            if problem.column is None:
                rows.unusable.add(at)
                rows.problems.setdefault(at, []).append(problem)
                continue
            field = self._uses[problem.column].field
            rows.add(at, problem, identifier=field in IDENTIFIERS, cell=columns[problem.column][at])
            columns[problem.column][at] = ""
            if field in (PREFERENCE, NAME, VALUE):
                rows.preference_faults.add(at)
        for at in rows.unusable:
            rows.problems[at] = [problem for problem in rows.problems[at] if problem.column is None]

    def _read_identifiers(
        self, rows: BlockResult, columns: dict[str, list[str]], *, typed: bool
    ) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for kind, column, read in self._identifiers:
            values = columns[column]
            prefix = "" if kind in _READERS else f"{kind}_"
            found[kind] = rows.settle(column, values, read(values, typed), prefix, identifier=True)
        rows.decide_omitted(found.values())
        self._find_unidentified(rows, found)
        return found

    def _find_unidentified(self, rows: BlockResult, found: dict[str, list[str]]) -> None:
        blank: set[int] | None = None
        for values in found.values():
            if "" not in values:
                return
            here = {at for at, value in enumerate(values) if not value}
            blank = here if blank is None else blank & here
        for at in sorted((blank or set()) - rows.identifier_faults):
            rows.reject(at, None, "", "no_identifier")

    def _normalised(self, customers: list[Customer], rows: BlockResult, blanks: dict[str, int]) -> Normalised:
        left_out: list[Problem] = []
        problems, repairs = rows.in_order()
        chosen = {
            problem.row_number for problem in problems if (problem.column or "", problem.code) in self._leaves_out
        }
        if chosen:
            left_out = [problem for problem in problems if problem.row_number in chosen]
            problems = [problem for problem in problems if problem.row_number not in chosen]
        return Normalised(customers, problems, repairs, blanks, left_out)

    # -- wide sheets --------------------------------------------------------------------------------------------

    def _wide(
        self,
        rows: BlockResult,
        columns: dict[str, list[str]],
        identifiers: dict[str, list[str]],
        stores: Sequence[Store | None],
    ) -> Normalised:
        count = len(rows.rows)
        pairs: list[list[Pair | None]] = []
        blank_at: dict[str, set[int]] = {}
        for use, reader in zip(self._mapping.preferences, self._readers, strict=True):
            cells = self._read_values(rows, use.column, columns[use.column], reader)
            if None in cells:
                blank_at[use.column] = {at for at, cell in enumerate(cells) if cell is None}
                if self._clears:
                    cells = [cell or (reader.name, "") for cell in cells]
            pairs.append(cells)
        fields: list[tuple[Pair, ...]] = list(zip(*pairs, strict=True)) if pairs else [()] * count
        if blank_at and not self._clears:
            fields = [cells if all(cells) else tuple([cell for cell in cells if cell]) for cells in fields]
        if self._constants:
            fields = [cells + self._constants for cells in fields]
        elif not self._clears and len(blank_at) == len(pairs):
            empty = set.intersection(*blank_at.values()) if blank_at else set(range(count))
            for at in sorted(empty - rows.preference_faults):
                rows.reject(at, None, "", "nothing_to_set")
        made: Iterable[Customer] = map(
            Customer, rows.rows, *[identifiers.get(kind, repeat("")) for kind in IDENTIFIERS], stores, fields
        )
        if rows.problems:
            # Rejected rows are few: making their customers and dropping them is cheap.
            made = compress(made, [at not in rows.problems for at in range(count)])
        counted = {column: len(at - rows.problems.keys()) for column, at in blank_at.items()}
        blanks = {column: cells for column, cells in counted.items() if cells}
        customers = list(made)
        if rows.omitted:
            omitted = {rows.rows[at]: tuple(problems) for at, problems in rows.omitted.items()}
            customers = [
                msgspec.structs.replace(customer, omitted=omitted.get(customer.row_number, ()))
                for customer in customers
            ]
        return self._normalised(customers, rows, blanks)

    def _read_values(self, rows: BlockResult, column: str, values: list[str], reader: ValueReader) -> list[Pair | None]:
        cells = [reader[value] for value in values]
        if reader.refused:
            for at in [at for at, cell in enumerate(cells) if cell.__class__ is InvalidPreference]:
                self._refuse(rows, at, column, values[at], cells[at])
                cells[at] = None
                rows.preference_faults.add(at)
        if reader.repaired:
            for at in [at for at, value in enumerate(values) if value in reader.repaired]:
                cell = cells[at]
                if cell is not None:
                    rows.repair(at, column, reader.repaired[values[at]], values[at], cell[1])
        return cells

    def _refuse(self, rows: BlockResult, at: int, column: str, value: str, cell: object) -> None:
        if isinstance(cell, InvalidPreference):
            rows.reject(at, column, value, cell.code, cell.allowed)

    # -- long sheets --------------------------------------------------------------------------------------------

    def _long(
        self,
        rows: BlockResult,
        columns: dict[str, list[str]],
        identifiers: dict[str, list[str]],
        stores: Sequence[Store | None],
    ) -> Normalised:
        name_column, value_column = self._mapping.column_of(NAME), self._mapping.column_of(VALUE)
        assert name_column is not None and value_column is not None  # what `is_long` means
        customers: list[Customer] = []
        blanks = 0
        names, values = columns[name_column], columns[value_column]
        keys = zip(*[identifiers.get(kind, repeat("")) for kind in IDENTIFIERS], stores)  # noqa: B905 (`repeat` is endless)
        for at, (key, name_cell, value) in enumerate(zip(keys, names, values, strict=True)):
            pair = self._long_pair(rows, at, (name_column, name_cell), (value_column, value))
            if pair is None or at in rows.problems:
                continue
            blanks += not pair[1]
            waiting = self._open
            omitted = tuple(rows.omitted.get(at, ()))
            if waiting is None or not waiting.goes_on(key, omitted) or not waiting.takes(pair):
                if waiting is not None:
                    customers.append(waiting.customer(self._constants))
                waiting = self._open = OpenCustomer(key, omitted)
            waiting.add(rows.rows[at], pair)
        return self._normalised(customers, rows, {value_column: blanks} if blanks else {})

    def _long_pair(
        self, rows: BlockResult, at: int, name_cell: tuple[str, str], value_cell: tuple[str, str]
    ) -> Pair | None:
        (name_column, written), (value_column, value) = name_cell, value_cell
        name = named_in_cell(written)
        if not name or len(name) > LONGEST_NAME:
            if at not in rows.preference_faults:
                if name:
                    rows.reject(at, name_column, written, "preference_name_too_long")
                else:
                    missing = "preference_name_missing" if value.strip() else "nothing_to_set"
                    rows.reject(at, name_column if value.strip() else None, "", missing)
            return None
        if self._names is not None:
            known = self._names.spelling_of(name)
            if known is None:
                near = self._names.nearest(name)
                rows.reject(at, name_column, written, "preference_unknown", f"nearest: “{near}”" if near else "")
                return None
            name = known
        reader = self._long_readers.get(name)
        if reader is None:
            if broken := destroyed(name):
                rows.reject(at, name_column, written, broken)
                return None
            if len(self._long_readers) >= 1_000:
                self._long_readers.clear()
            reader = self._long_readers[name] = self._reader(name, self._uses[value_column])
        cell = reader[value]
        if isinstance(cell, InvalidPreference):
            self._refuse(rows, at, value_column, value, cell)
            return None
        if cell is not None:
            if value in reader.repaired:
                rows.repair(at, value_column, reader.repaired[value], value, cell[1])
            return cell
        if at in rows.preference_faults:
            return None
        if self._clears:
            return (name, "")
        rows.reject(at, value_column, value, "nothing_to_set")
        return None


def _with_footers(block: RowBlock, footers: frozenset[int]) -> Sequence[Problem]:
    """The reader's problems; rows at the sheet's end that are not customers have this one only."""
    found = footers.intersection(block.cells.row_numbers)
    if not found:
        return block.problems
    meaning, advice, _who = OWN_CODES["not_a_customer"]
    return [
        *[Problem(number, None, "", "not_a_customer", meaning, advice) for number in sorted(found)],
        *[problem for problem in block.problems if problem.row_number not in found],
    ]


def column_reader(kind: str, country: str | None) -> ColumnReader:
    region = known_country(country) if country else None
    if kind not in _READERS:
        return read_texts
    read: ColumnReader = late(_READERS[kind], "column_reader")(region)
    return read


def read_texts(values: Sequence[str], _typed: bool = False) -> list[str | CellResult]:
    """A column of external or user ids: the text where it needs no change, else a `CellResult`."""
    ordinary = _ORDINARY_ID.fullmatch
    slow = _remembered_identifier
    return [value if ordinary(value) else (slow(value, LONGEST_TEXT) if value else "") for value in values]
