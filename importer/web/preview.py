"""The first rows of a file as read, with what each cell becomes by the mapping on the columns page."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from importer.model import IDENTIFIERS, Customer, FieldDefinition, Problem
from importer.normaliser.facts import SheetFacts
from importer.normaliser.fixing import Fixing
from importer.normaliser.footers import is_footer
from importer.normaliser.mapping import IGNORED, NAME, PREFERENCE, VALUE, ColumnUse, Mapping, mistakes_of
from importer.normaliser.normaliser import Normaliser
from importer.normaliser.organisation import spelled, unknown_in, without
from importer.reader.survey import LAST_ROWS
from importer.row_block import Cells, RowBlock
from importer.runs.stages import normaliser_of
from importer.settings.options import Settings
from importer.system.text import sentence, shortened
from importer.web.column_views import kind_of
from importer.web.messages import Inspection
from importer.web.texts import Texts

#: Columns that are shown, and characters of a cell.
_MOST_COLUMNS, _LONGEST = 200, 160


class PreviewColumn(msgspec.Struct, frozen=True):
    """`kind`: field, preference, value or ignored; `open`: nothing is sent until a person chooses."""

    name: str
    becomes: str
    kind: str
    open: bool = False


class PreviewCell(msgspec.Struct, frozen=True):
    """A cell as read. `sent`: what is sent instead, where it differs. `fault`: why it cannot be sent."""

    text: str
    sent: str = ""
    fault: str = ""


class PreviewRow(msgspec.Struct, frozen=True):
    """`sent`: None where it was not judged, or is left out by a rule. `why`: what is wrong with the row as a whole."""

    number: int
    cells: tuple[PreviewCell, ...]
    sent: bool | None = None
    why: tuple[str, ...] = ()


class Preview(msgspec.Struct, frozen=True):
    """`words`: the rows that would be sent and rejected, as a sentence. `more`: columns that are not shown."""

    columns: tuple[PreviewColumn, ...]
    rows: tuple[PreviewRow, ...]
    words: str
    more: int = 0


def preview(t: Texts, inspection: Inspection, mapping: Mapping, settings: Settings) -> Preview:
    """What an import with this mapping and these settings would do with the first rows."""
    first, fields = inspection.first, inspection.fields or ()
    names = inspection.column_names
    mapping, unknown = _for_an_import(mapping, fields, settings)
    faults = mistakes_of(mapping, names)
    columns = tuple([_column(t, use, unknown) for use in mapping.columns[:_MOST_COLUMNS]])
    more = max(0, len(names) - _MOST_COLUMNS)
    cells = list(zip(*first.columns, strict=True)) if first.columns else []
    if faults or unknown:
        plain = [
            PreviewRow(number, tuple([PreviewCell(shortened(cell, _LONGEST)) for cell in row[:_MOST_COLUMNS]]))
            for number, row in zip(first.rows, cells, strict=True)
        ]
        return Preview(columns, tuple(plain), t("preview.open"), more)
    mapping = msgspec.structs.replace(mapping, facts=_facts(inspection, mapping))
    normaliser = normaliser_of(mapping, settings, fields or None)
    block = RowBlock(Cells(first.columns, names, first.rows), first.problems, typed=first.typed)
    if fixing := Fixing(mapping, country=settings.country or None):
        block = fixing(block)
    rows = [_row(t, normaliser, block, at, mapping.columns, row) for at, row in enumerate(cells)]
    sent = sum(1 for row in rows if row.sent)
    rejected = sum(1 for row in rows if row.sent is False)
    words = t("preview.words", sent=f"{sent:,}", rejected=f"{rejected:,}")
    return Preview(columns, tuple(rows), words if rows else t("preview.none"), more)


def _for_an_import(
    mapping: Mapping, fields: Sequence[FieldDefinition], settings: Settings
) -> tuple[Mapping, frozenset[str]]:
    """The mapping as a run would use it, and the preferences that a person must decide about first."""
    if not fields or settings.unknown_columns == "send":
        return mapping, frozenset()
    mapping = spelled(mapping, fields)
    if mapping.is_long:
        mapping = msgspec.structs.replace(mapping, names=tuple([field.name for field in fields]))
    unknown = frozenset([finding.preference for finding in unknown_in(mapping, fields)])
    if settings.unknown_columns == "ignore":
        return without(mapping, unknown), frozenset()
    return mapping, unknown


def _facts(inspection: Inspection, mapping: Mapping) -> SheetFacts:
    """The facts of the sheet by the mapping as it is now. Rows at the end that are no customers are known only where
    all rows are here."""
    first = inspection.first
    names = {use.column: use.preference for use in mapping.preferences}
    ranges = first.facts.ranges if mapping.is_long else [names[name] for name in first.facts.ranges if name in names]
    footers: list[int] = []
    if inspection.whole and inspection.rows == len(first.rows):
        keys = [at for at, use in enumerate(mapping.columns) if use.field in IDENTIFIERS]
        rows = list(zip(first.rows, zip(*first.columns, strict=True), strict=True))[-LAST_ROWS:]
        footers = [number for number, row in rows if is_footer(row, [row[at] for at in keys])]
    return msgspec.structs.replace(first.facts, ranges=tuple(ranges), footers=tuple(footers))


def _column(t: Texts, use: ColumnUse, unknown: frozenset[str]) -> PreviewColumn:
    if use.field == PREFERENCE:
        key = "preview.unknown" if use.preference in unknown else "preview.preference"
        return PreviewColumn(use.column, t(key, name=use.preference), PREFERENCE, use.preference in unknown)
    return PreviewColumn(use.column, t(f"use.{use.field}"), kind_of(use.field))


def _row(
    t: Texts, normaliser: Normaliser, block: RowBlock, at: int, uses: Sequence[ColumnUse], cells: Sequence[str]
) -> PreviewRow:
    """One row, judged alone: then every customer and every problem is its own."""
    found = normaliser(block.only([place == at for place in range(len(block))]))
    customers = [*found.customers, *normaliser.finish().customers]
    customer = customers[0] if customers else None
    problems = [*found.problems, *found.left_out, *(customer.omitted if customer is not None else ())]
    faults = {problem.column: reason_of(problem) for problem in reversed(problems) if problem.column is not None}
    shown = []
    for use, cell in list(zip(uses, cells, strict=True))[:_MOST_COLUMNS]:
        fault = faults.get(use.column, "")
        sent = None if customer is None else _sent(customer, use)
        changed = shortened(sent, _LONGEST) if sent is not None and not _is_same(use, cell, sent) else ""
        if sent == "" and use.field in (PREFERENCE, VALUE):
            changed = t("preview.cleared")
        elif customer is not None and sent is None and use.field != IGNORED and cell.strip() and not fault:
            changed = t("preview.left_out")
        shown.append(PreviewCell(shortened(cell, _LONGEST), changed, fault))
    why = tuple([reason_of(problem) for problem in problems if problem.column is None])
    if found.left_out:
        return PreviewRow(block.cells.row_numbers[at], tuple(shown), None, (t("preview.by_rule"), *why))
    return PreviewRow(block.cells.row_numbers[at], tuple(shown), customer is not None, why)


def _sent(customer: Customer, use: ColumnUse) -> str | None:
    """What is sent of a column, None for nothing."""
    if use.field in IDENTIFIERS:
        text: str = getattr(customer, use.field)
        return text or None
    if use.field in ("store.code", "store.id"):
        return (getattr(customer.store, use.field.removeprefix("store.")) or None) if customer.store else None
    if use.field == PREFERENCE:
        return dict(customer.custom_fields).get(use.preference)
    if use.field in (NAME, VALUE) and customer.custom_fields:
        # The row's own preference comes before the constants.
        return customer.custom_fields[0][use.field == VALUE]
    return None


def _is_same(use: ColumnUse, cell: str, sent: str) -> bool:
    """Whether a cell is sent as it is. A mobile is always sent without its plus."""
    return sent == (cell.removeprefix("+") if use.field == "mobile" else cell)


def reason_of(problem: Problem) -> str:
    """What is wrong, with what the cell has or the column allows."""
    text = problem.message.removeprefix(f"“{problem.column}”: ")
    return sentence(text)
