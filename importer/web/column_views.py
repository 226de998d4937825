"""What the columns page shows of a file, in words and figures. Makes no decisions."""

from __future__ import annotations

import datetime

import msgspec

from importer.model import IDENTIFIERS
from importer.normaliser.mapping import NAME, PREFERENCE, VALUE, Mapping, misspelt
from importer.normaliser.organisation import FieldFinding, compare_fields, names_of, spelled, unknown_in
from importer.web.forms import separator_word
from importer.web.messages import Inspection
from importer.web.remembered import Shown
from importer.web.texts import Texts

#: What a column can become, in groups.
USES = (
    ("customer", IDENTIFIERS),
    ("sets", (PREFERENCE, NAME, VALUE)),
    ("else", ("store.code", "store.id", "ignored")),
)


class Remark(msgspec.Struct, frozen=True):
    text: str
    warns: bool = False


class ColumnRow(msgspec.Struct, frozen=True):
    """A row of the mapping table."""

    column: str
    samples: tuple[str, ...]
    field: str
    kind: str
    preference: str
    is_list: bool
    is_date: bool
    separator: str
    remarks: list[Remark]
    #: Preferences of the organisation to choose from, where it does not know this one.
    nearest: tuple[str, ...] = ()


def column_rows(t: Texts, inspection: Inspection, mapping: Mapping) -> list[ColumnRow]:
    hints = dict(misspelt(mapping))
    wrong_names: dict[str, str] = {}
    near: dict[str, tuple[str, ...]] = {}
    if inspection.fields:
        names, defined = spelled(mapping, inspection.fields).preference_names, names_of(inspection.fields)
        for fault in compare_fields(names, inspection.fields):
            wrong_names[fault.preference] = field_words(t, fault)
            near[fault.preference] = defined.near(fault.preference) if fault.fault == "unknown" else ()
    found = []
    for column, use in zip(inspection.columns, mapping.columns, strict=True):
        remarks = []
        if use.column in hints:
            remarks.append(Remark(t("columns.looks_like", field=t(f"use.{hints[use.column]}")), True))
        if use.field == PREFERENCE and use.preference in wrong_names:
            remarks.append(Remark(wrong_names[use.preference], True))
        if column.list_like and not (use.is_list or use.is_date) and use.field in (PREFERENCE, VALUE):
            sign = t(f"sign.{column.separator}") if t.has(f"sign.{column.separator}") else column.separator
            remarks.append(Remark(t.n("columns.list_like", column.list_like, separator=sign), True))
        if column.filled and column.cells > column.filled:
            remarks.append(Remark(t.n("columns.blank", column.cells - column.filled)))
        found.append(
            ColumnRow(
                column.column,
                column.samples,
                use.field,
                kind_of(use.field),
                use.preference if use.preference != column.column else "",
                use.is_list,
                use.is_date,
                separator_word(use.separator),
                remarks,
                near.get(use.preference, ()) if use.field == PREFERENCE else (),
            )
        )
    return found


def remembered_words(t: Texts, shown: Shown) -> list[str]:
    """Which earlier file the columns are mapped as, and what of that the organisation no longer has; [] for none."""
    kept = shown.kept
    if kept is None or not shown.used:
        return []
    key = "columns.as_before" if kept.name else "columns.as_before_purged"
    gone = [field_words(t, finding) for finding in shown.gone]
    rules = [t.n("columns.rules", len(shown.mapping.rules))] if shown.mapping.rules else []
    other = [t("columns.new", names=", ".join(shown.new))] if shown.new else []
    other += [t("columns.lost", names=", ".join(shown.lost))] if shown.lost else []
    return [t(key, day=day(kept.at), name=kept.name), *other, *rules, *gone, *([t("columns.gone")] if gone else [])]


def unknown_words(t: Texts, inspection: Inspection, mapping: Mapping) -> list[str]:
    """The preferences of a mapping that the organisation has not defined, and what to choose; [] without any."""
    fields = inspection.fields or ()
    unknown = unknown_in(spelled(mapping, fields), fields) if fields else ()
    return [*[field_words(t, finding) for finding in unknown], t("field.choose")] if unknown else []


def field_words(t: Texts, found: FieldFinding) -> str:
    near = f" {t('field.near', name=found.nearest)}" if found.nearest else ""
    return t(f"field.{found.fault}", name=found.preference) + near


def kind_of(field: str) -> str:
    """The word of the page's styles for what a column becomes."""
    return {PREFERENCE: "preference", VALUE: "value", "ignored": "ignored"}.get(field, "field")


def facts(t: Texts, inspection: Inspection) -> list[str]:
    """Sheet, header row and number of rows."""
    found = [t("columns.sheet", sheet=inspection.sheet)] if inspection.sheet else []
    if inspection.columns:
        found.append(t("columns.header", row=inspection.header_row))
        found.append(t.n("columns.rows" if inspection.whole else "columns.rows_more", inspection.rows))
    return found


def sheet_choices(t: Texts, inspection: Inspection) -> list[tuple[str, str]]:
    """(name, what is in it) of each sheet to choose from."""
    found = []
    for sheet in inspection.seen:
        words = sheet.fault
        if sheet.columns:
            rows = t.n("columns.rows" if sheet.whole else "sheets.rows_least", sheet.rows)
            words = t("sheets.holds", rows=rows, names=", ".join(sheet.columns))
        found.append((sheet.name, words))
    return found


def fields_words(t: Texts, inspection: Inspection) -> str:
    if inspection.fields is None:
        return t("columns.fields_unknown", why=inspection.fields_fault)
    return t.n("columns.fields_checked", len(inspection.fields)) if inspection.fields else t("columns.fields_none")


def day(seconds: float) -> str:
    """The server's local date; the year where it is another one."""
    at, now = datetime.datetime.fromtimestamp(seconds).astimezone(), datetime.datetime.now().astimezone()
    return f"{at.day} {at:%B}" + ("" if at.year == now.year else f" {at.year}")
