"""The findings of `check`, gathered block by block in bounded memory, as a record and as rows of a CSV."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec
import phonenumbers

from importer.capillary.codes import lookup
from importer.checker.repeats import RepeatCounter, Repeats
from importer.checker.requests import RequestCounter
from importer.errors import ExitCode
from importer.model import IDENTIFIERS, FieldDefinition, Problem, Rate
from importer.normaliser.damage import REPAIRS
from importer.normaliser.mapping import Mapping, misspelt
from importer.normaliser.normaliser import Normalised
from importer.normaliser.organisation import FieldFinding, compare_fields
from importer.normaliser.phones import calling_code
from importer.normaliser.proposals import Proposal, Proposer, form_of
from importer.normaliser.samples import Sampler
from importer.row_block import RowBlock
from importer.system.formula_guard import guard
from importer.system.text import counted

#: Rows named per problem or repair.
EXAMPLES = 5
#: The most preferences of a long sheet that are listed.
_MOST_NAMES = 200
PROBLEM_COLUMNS = ("row", "column", "value", "code", "message", "advice")


class ColumnFinding(msgspec.Struct, frozen=True):
    """`becomes`: the field, or `preference`. `blank`: empty cells of rows that would be sent."""

    column: str
    becomes: str
    preference: str = ""
    samples: tuple[str, ...] = ()
    blank: int = 0
    is_list: bool = False
    list_like: int = 0
    separator: str = ""
    #: The field whose name this column seems to misspell.
    looks_like: str = ""


class NameFinding(msgspec.Struct, frozen=True):
    """A preference that rows of a long sheet set."""

    preference: str
    rows: int


class ProblemCount(msgspec.Struct, frozen=True):
    code: str
    column: str
    meaning: str
    advice: str
    who: str
    rows: int
    example_rows: tuple[int, ...]


class RepairCount(msgspec.Struct, frozen=True):
    code: str
    column: str
    meaning: str
    cells: int
    example_rows: tuple[int, ...]


class Findings(msgspec.Struct, frozen=True):
    """The document that `check --json` prints. Stamps are UTC, ISO 8601."""

    source: str
    sheet: str
    exit_code: int
    rows: int
    sendable_rows: int
    rejected_rows: int
    #: Rows that a rule or a person leaves out.
    left_out_rows: int
    #: Cells that rules or edits change.
    changed_cells: int
    records: int
    requests: int
    rate: str
    seconds: float
    ends_at: str
    columns: tuple[ColumnFinding, ...]
    preferences: tuple[NameFinding, ...]
    problems: tuple[ProblemCount, ...]
    repairs: tuple[RepairCount, ...]
    repeats: Repeats
    mobiles_by_country: dict[str, int]
    blank: str
    fields: tuple[FieldFinding, ...] = ()
    notes: tuple[str, ...] = ()
    #: Why a run would refuse the source, with what to do; "": it would not.
    refused: str = ""
    #: Rules that would fix cells.
    proposals: tuple[Proposal, ...] = ()

    @property
    def customers(self) -> int:
        """The number of different customers: repeated ones count once."""
        return self.records - self.repeats.records + self.repeats.customers


def for_terminals(findings: Findings) -> Findings:
    """The findings without what may name a customer: of examples in identifiers, the form is left."""
    replace = msgspec.structs.replace
    identifiers = {column.column for column in findings.columns if column.becomes in IDENTIFIERS}
    shown = []
    for one in findings.proposals:
        if one.rule.column in identifiers:
            forms = [replace(e, before=form_of(e.before), after=form_of(e.after)) for e in one.examples]
            one = replace(one, examples=tuple(forms))
        shown += [] if one.personal else [one]
    return replace(findings, proposals=tuple(shown))


class Gatherer:
    """Gathers findings: `add` each block with its normalised rows (`finish` of the normaliser without a block), then
    `findings`."""

    def __init__(self, mapping: Mapping, requests: RequestCounter, *, blank: str = "skip") -> None:
        self._mapping = mapping
        self._requests = requests
        self._blank = blank
        self._sampler = Sampler(mapping)
        self._repeats = RepeatCounter()
        self._rows = self._rejected = self._left_out = self._records = self._changed = 0
        self._problems: dict[tuple[str, str], _Tally] = {}
        self._repairs: dict[tuple[str, str], _Tally] = {}
        self._omitted: dict[tuple[str, str], _Tally] = {}
        self._blanks: Counter[str] = Counter()
        self._names: Counter[str] = Counter()
        self._mobiles: Counter[str] = Counter()

    def add(self, block: RowBlock | None, normalised: Normalised, links: Sequence[list[int]] = ()) -> None:
        """`links`: as in `RequestCounter.add`."""
        customers = normalised.customers
        self._requests.add(customers, links)
        if block is not None:
            self._rows += len(block)
            self._changed += sum(map(len, block.fixed.values()))
            self._sampler.add(block)
        self._records += len(customers)
        self._repeats.add(customers)
        self._mobiles.update([customer.mobile[:7] for customer in customers if customer.mobile])
        if len(self._mobiles) > 20_000:
            self._mobiles = _by_code(self._mobiles)
        self._blanks.update(normalised.blanks)
        if self._mapping.is_long:
            self._names.update([name for customer in customers for name, _ in customer.custom_fields])
        self._left_out += len({problem.row_number for problem in normalised.left_out})
        rejected = set()
        for problem in normalised.problems:
            rejected.add(problem.row_number)
            key = (problem.code, problem.column or "")
            self._problems.setdefault(key, _Tally()).add(problem.row_number)
        self._rejected += len(rejected)
        for problem in [problem for customer in customers for problem in customer.omitted]:
            self._omitted.setdefault((problem.code, problem.column or ""), _Tally()).add(problem.row_number)
        for repair in normalised.repairs:
            self._repairs.setdefault((repair.code, repair.column), _Tally()).add(repair.row_number)

    def findings(
        self,
        *,
        source: str,
        sheet: str = "",
        has_rows: bool,
        rate: Rate,
        now: datetime.datetime,
        fields: Sequence[FieldDefinition] | None = None,
        notes: Iterable[str] = (),
        refused: str = "",
        proposer: Proposer | None = None,
    ) -> Findings:
        """Return the findings. `has_rows`: the source has any, chosen or not; `fields`: the organisation's, where they
        were fetched; `refused`: why a run would refuse the source."""
        repeats = self._repeats.count()
        self._repeats.close()
        requests = self._requests.count()
        seconds = max(0, requests - 1) * rate.unit / rate.count
        countries = _by_region(self._mobiles)
        ends = now.astimezone(datetime.UTC) + datetime.timedelta(seconds=seconds)
        return Findings(
            source=source,
            sheet=sheet,
            exit_code=ExitCode.SOURCE if refused or not has_rows else self._exit_code(),
            rows=self._rows,
            sendable_rows=self._rows - self._rejected - self._left_out,
            rejected_rows=self._rejected,
            left_out_rows=self._left_out,
            changed_cells=self._changed,
            records=self._records,
            requests=requests,
            rate=rate.word or f"{rate.count:g} in {rate.unit:g} s",
            seconds=round(seconds, 1),
            ends_at=ends.strftime("%Y-%m-%dT%H:%M:%SZ"),
            columns=self._columns(),
            preferences=tuple([NameFinding(*item) for item in self._names.most_common(_MOST_NAMES)]),
            problems=self._problem_counts(),
            repairs=self._repair_counts(),
            repeats=repeats,
            mobiles_by_country=countries,
            blank=self._blank,
            fields=() if fields is None else compare_fields(self._preference_names(), fields),
            notes=(*self._omissions(), *notes),
            refused=refused,
            proposals=() if proposer is None else proposer.proposals([name.split()[0] for name in countries]),
        )

    def _omissions(self) -> list[str]:
        """What is said of identifiers that are not valid, where rows are sent without them."""
        found = []
        for (code, column), tally in self._omitted.items():
            cells = counted(tally.count, "cell is", "cells are")
            rows = ", ".join(map(str, tally.rows)) + (" …" if tally.count > len(tally.rows) else "")
            found.append(f"“{column}”: {cells} omitted (row {rows}): {lookup(code).meaning}.")
        return found

    def _exit_code(self) -> int:
        return ExitCode.ROWS if self._rejected else ExitCode.OK

    def _preference_names(self) -> list[str]:
        return [*self._mapping.preference_names, *self._names]

    def _columns(self) -> tuple[ColumnFinding, ...]:
        samples, hints = self._sampler.by_column(), dict(misspelt(self._mapping))
        found = []
        for use in self._mapping.columns:
            look = samples.get(use.column)
            found.append(
                ColumnFinding(
                    column=use.column,
                    becomes=use.field,
                    preference=use.preference,
                    samples=look.samples if look else (),
                    blank=self._blanks[use.column],
                    is_list=use.is_list,
                    list_like=look.list_like if look else 0,
                    separator=look.separator if look else "",
                    looks_like=hints.get(use.column, ""),
                )
            )
        return tuple(found)

    def _problem_counts(self) -> tuple[ProblemCount, ...]:
        counts = []
        for (code, column), tally in self._problems.items():
            entry = lookup(code)
            counts.append(
                ProblemCount(code, column, entry.meaning, entry.advice, entry.who, tally.count, tuple(tally.rows))
            )
        return tuple(sorted(counts, key=lambda count: (-count.rows, count.code, count.column)))

    def _repair_counts(self) -> tuple[RepairCount, ...]:
        counts = [
            RepairCount(code, column, REPAIRS.get(code, code), tally.count, tuple(tally.rows))
            for (code, column), tally in self._repairs.items()
        ]
        return tuple(sorted(counts, key=lambda count: (-count.cells, count.code, count.column)))


class _Tally:
    __slots__ = ("count", "rows")

    def __init__(self) -> None:
        self.count = 0
        self.rows: list[int] = []

    def add(self, row: int) -> None:
        self.count += 1
        if len(self.rows) < EXAMPLES:
            self.rows.append(row)


def _by_code(prefixes: Counter[str]) -> Counter[str]:
    """Count mobile prefixes by country code, which keeps the counter small."""
    codes: Counter[str] = Counter()
    for prefix, count in prefixes.items():
        codes[calling_code(prefix)] += count
    return codes


def _by_region(prefixes: Counter[str]) -> dict[str, int]:
    """Return mobiles by country, as `IN +91` → count. Countries with one code, like US and CA, count as one."""
    regions: Counter[str] = Counter()
    for code, count in _by_code(prefixes).items():
        names = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(int(code), ()) if code else ()
        regions[f"{names[0] if names else 'other'} +{code}"] += count
    return dict(regions.most_common())


def problem_row(problem: Problem) -> tuple[str, ...]:
    """Return a row of `check --output`, in the order of `PROBLEM_COLUMNS`. It contains the cell's value."""
    texts = (problem.column or "", problem.value, problem.code, problem.message, problem.advice)
    return (str(problem.row_number), *map(guard, texts))
