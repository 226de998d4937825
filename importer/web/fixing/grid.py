"""The grid as the page shows it: rows with their cells, what is wrong, what is proposed, and what would be sent."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from importer.capillary.codes import lookup
from importer.model import IDENTIFIERS, LEFT_OUT, Customer, Problem
from importer.normaliser.fixing import Edits
from importer.normaliser.mapping import PREFERENCE, VALUE
from importer.system.text import sentence, shortened
from importer.web.fixing.edited_rows import EditedRows, shown
from importer.web.fixing.judge import JudgedRow
from importer.web.fixing.problem_rows import OPEN, OUT, READY
from importer.web.preview import reason_of

#: Rows of a page, and the characters of a cell that is only shown.
ROWS, _LONGEST = 50, 200
STATES = {"open": OPEN, "ready": READY, "out": OUT}
_WORDS = {state: word for word, state in STATES.items()}


class Query(msgspec.Struct, frozen=True):
    """Which rows are shown: those with a problem of this column or code, else those in this state."""

    column: str | None = None
    code: str | None = None
    state: str = "open"
    after: int = 0

    @property
    def filtered(self) -> bool:
        return self.column is not None or self.code is not None


class GroupView(msgspec.Struct, frozen=True):
    """The rows with one problem in one column. `omittable`: they may be sent without this identifier."""

    column: str
    code: str
    meaning: str
    advice: str
    rows: int
    current: bool
    omittable: bool


class CellView(msgspec.Struct, frozen=True):
    """`before`: what the file has, where it differs. `reasons`: (meaning, advice)."""

    place: int
    column: str
    text: str
    editable: bool = False
    before: str | None = None
    reasons: tuple[tuple[str, str], ...] = ()
    proposed: str | None = None

    @property
    def several_lines(self) -> bool:
        return "\n" in self.text

    @property
    def short(self) -> str:
        return shortened(self.text, _LONGEST)


class RowView(msgspec.Struct, frozen=True):
    """`reasons`: of the row as a whole. `sends`: (name, value). `by_person`: a person left it out, not a rule."""

    number: int
    state: str
    cells: tuple[CellView, ...]
    reasons: tuple[tuple[str, str], ...] = ()
    sends: tuple[tuple[str, str], ...] = ()
    by_person: bool = False

    @property
    def first_reason(self) -> str:
        every = [*self.reasons, *[reason for cell in self.cells for reason in cell.reasons]]
        return every[0][0] if every else ""


class GridView(msgspec.Struct, frozen=True):
    columns: tuple[tuple[int, str], ...]
    rows: tuple[RowView, ...]
    #: The `after` of the next page, 0 without one.
    after: int

    @property
    def proposes(self) -> bool:
        """Whether a value is proposed for one of its cells."""
        return any(cell.proposed is not None for row in self.rows for cell in row.cells)


class Totals(msgspec.Struct, frozen=True):
    open: int
    ready: int
    out: int
    can_undo: bool
    can_redo: bool
    groups: tuple[GroupView, ...]


def totals(edited: EditedRows, query: Query) -> Totals:
    identifiers = [use.column for use in edited.known.judged.mapping.columns if use.field in IDENTIFIERS]
    groups = tuple(
        [
            GroupView(
                group.column,
                group.code,
                sentence(lookup(group.code).meaning),
                lookup(group.code).on_page,
                group.rows,
                (group.column, group.code) == (query.column, query.code),
                group.column in identifiers and len(identifiers) > 1,
            )
            for group in edited.rows.groups()
        ]
    )
    return Totals(*edited.rows.states(), *edited.edits.can(), groups)


def page(edited: EditedRows, query: Query) -> GridView:
    numbers = edited.rows.page(
        ROWS + 1, query.after, column=query.column, code=query.code, state=STATES.get(query.state, OPEN)
    )
    found = rows_of(edited, numbers[:ROWS])
    # What needs a decision stands first, whatever its place in the sheet.
    wrong = {cell.place for row in found for cell in row.cells if cell.editable}
    order = sorted(edited.known.places, key=lambda place: (place not in wrong, place))
    columns = edited.known.judged.columns
    return GridView(
        tuple([(place, columns[place]) for place in order]),
        tuple([in_order(row, order) for row in found]),
        numbers[ROWS - 1] if len(numbers) > ROWS else 0,
    )


def in_order(row: RowView, places: Sequence[int]) -> RowView:
    cells = {cell.place: cell for cell in row.cells}
    return msgspec.structs.replace(row, cells=tuple([cells[place] for place in places if place in cells]))


def rows_of(edited: EditedRows, numbers: Sequence[int]) -> list[RowView]:
    edits = edited.edits.of_rows(numbers)
    return [_row(edited, row, edits) for row in edited.judged(numbers)]


def _row(edited: EditedRows, row: JudgedRow, edits: Edits) -> RowView:
    known = edited.known
    problems: dict[str, list[Problem]] = {}
    for problem in row.problems:
        problems.setdefault(problem.column or "", []).append(problem)
    typed = edits.cells.get(row.row, {})
    whole = [problem for problem in problems.get("", ()) if problem.code != LEFT_OUT]
    editable = {*problems, *typed, *_columns_of(edited, whole)}
    cells = []
    for place in known.places:
        column = known.judged.columns[place]
        own = problems.get(column, ())
        cells.append(
            CellView(
                place,
                column,
                shown(row.cells[place]),
                column in editable,
                row.fixed.get(column),
                _reasons(own),
                known.proposals.of(own[0]) if own else None,
            )
        )
    return RowView(
        row.row,
        _WORDS[row.state],
        tuple(cells),
        _reasons(whole),
        _sends(row.customer) if row.customer is not None else (),
        row.row in edits.left_out,
    )


def _columns_of(edited: EditedRows, problems: Collection[Problem]) -> list[str]:
    """Where a problem of the row as a whole is fixed: in its identifiers, or in its preferences."""
    if not problems:
        return []
    fields = (PREFERENCE, VALUE) if any(one.code == "nothing_to_set" for one in problems) else IDENTIFIERS
    return [use.column for use in edited.known.judged.mapping.columns if use.field in fields]


def _reasons(problems: Collection[Problem]) -> tuple[tuple[str, str], ...]:
    found = [(reason_of(one), lookup(one.code).on_page) for one in problems]
    return tuple(dict.fromkeys(found))


def _sends(customer: Customer) -> tuple[tuple[str, str], ...]:
    store = [(name, value) for name in ("code", "id") if (value := getattr(customer.store, name, ""))]
    return (
        *[(name, value) for name in IDENTIFIERS if (value := getattr(customer, name))],
        *[(f"store.{name}", value) for name, value in store],
        *customer.custom_fields,
    )
