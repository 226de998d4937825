"""The findings of `check` as text, wrapped for a terminal."""

from __future__ import annotations

import datetime
import unicodedata
from collections.abc import Callable, Sequence
from functools import partial

from importer.checker.findings import ColumnFinding, Findings
from importer.normaliser.mapping import IGNORED, NAME, PREFERENCE, VALUE
from importer.normaliser.mapping_file import rule_lines
from importer.system.clock import zone_of
from importer.system.text import columns_of_text, counted, duration, wrapped

#: Wraps a text; its first indent and that of the other lines may follow.
Wrap = Callable[..., str]
_MOST_PROBLEMS, _MOST_REPAIRS, _MOST_NOTES, _MOST_NAMES = 20, 12, 10, 20
_MOST_RULES = 6


def findings_text(findings: Findings, *, zone: datetime.tzinfo | None = None, width: int = 80) -> str:
    """Return the findings as text of so many columns. `zone`: of the expected end; None: this machine's."""
    wrap = partial(_wrap, width)
    parts = [
        _head(findings, zone, wrap),
        *[part(findings, wrap) for part in (_columns, _problems, _rules, _repairs, _more)],
    ]
    return "\n\n".join([part for part in parts if part]) + "\n"


def _head(findings: Findings, zone: datetime.tzinfo | None, wrap: Wrap) -> str:
    name = findings.source + (f", sheet {findings.sheet}" if findings.sheet else "")
    if not findings.rows:
        return wrap(f"{name}: no rows.")
    lines = [wrap(f"{name}: {counted(findings.rows, 'row')}.")]
    if findings.refused:
        lines.append(wrap(findings.refused))
    elif findings.records:
        ready = f"{counted(findings.sendable_rows, 'row')} can be sent"
        if findings.customers != findings.sendable_rows:
            ready += f" ({counted(findings.customers, 'customer')})"
        ends = datetime.datetime.fromisoformat(findings.ends_at).astimezone(zone)
        ready += (
            f" in {counted(findings.requests, 'request')}. At {findings.rate} this takes {_at_least(findings.seconds)};"
            f" started now, it would end at {ends:%H:%M on %d %b} ({zone_of(ends)})."
        )
        lines.append(wrap(ready))
    if findings.rejected_rows:
        lines.append(wrap(f"{counted(findings.rejected_rows, 'row')} would be rejected."))
    if findings.changed_cells:
        lines.append(wrap(f"{counted(findings.changed_cells, 'cell')} changed by rules of the mapping."))
    if findings.left_out_rows:
        lines.append(wrap(f"{counted(findings.left_out_rows, 'row')} would be left out by rules."))
    if findings.refused or not findings.records:
        lines.append("Nothing can be sent.")
    return "\n".join(lines)


def _columns(findings: Findings, wrap: Wrap) -> str:
    width = max([min(columns_of_text(column.column), 26) for column in findings.columns] or [0])
    lines = ["Columns:"]
    for column in findings.columns:
        lead = f"  {_fit(column.column, width)}  "
        lines.append(wrap(_becomes(column), lead, " " * (width + 4)))
        lines += [wrap(remark, " " * (width + 4)) for remark in _remarks(column, findings.blank)]
    for name in findings.preferences[:_MOST_NAMES]:
        lines.append(wrap(f"preference “{name.preference}”: {counted(name.rows, 'row')}", "  "))
    if len(findings.preferences) > _MOST_NAMES:
        lines.append(f"  and {counted(len(findings.preferences) - _MOST_NAMES, 'more preference')}")
    return "\n".join(lines)


def _becomes(column: ColumnFinding) -> str:
    samples = ", e.g. " + " | ".join([_short(sample, 24) for sample in column.samples]) if column.samples else ""
    if column.becomes == PREFERENCE:
        name = "preference" if column.preference == column.column else f"preference “{column.preference}”"
        return name + (" (a list)" if column.is_list else "") + samples
    words = {IGNORED: "not sent", NAME: "name of the preference", VALUE: "value of the preference"}
    return words.get(column.becomes, column.becomes) + (samples if column.becomes == VALUE else "")


def _remarks(column: ColumnFinding, blank: str) -> list[str]:
    remarks = []
    if column.blank:
        what = "not sent" if blank == "skip" else "the preference is cleared"
        remarks.append(f"{counted(column.blank, 'empty cell')}: {what}")
    if column.list_like and not column.is_list:
        remarks.append(
            f"{counted(column.list_like, 'cell looks like a list', 'cells look like lists')} (separated by "
            f"{_separator(column.separator)}) but would be sent as one text: mark the column as a list in the mapping"
        )
    if column.looks_like:
        taken = "not sent" if column.becomes == IGNORED else "sent as a preference"
        remarks.append(f"looks like a misspelt “{column.looks_like}”, but is {taken}")
    return remarks


def _problems(findings: Findings, wrap: Wrap) -> str:
    if not findings.problems:
        return ""
    lines = ["Problems:"]
    for problem in findings.problems[:_MOST_PROBLEMS]:
        where = f"“{problem.column}”: " if problem.column else ""
        lines.append(wrap(f"{where}{problem.meaning} ({_rows(problem.rows, problem.example_rows)})", "  "))
        if problem.advice:
            lines.append(wrap(problem.advice, "    → ", "      "))
    if len(findings.problems) > _MOST_PROBLEMS:
        lines.append(f"  and {counted(len(findings.problems) - _MOST_PROBLEMS, 'more kind')} of problem")
    return "\n".join(lines)


def _rules(findings: Findings, wrap: Wrap) -> str:
    if not findings.proposals:
        return ""
    lines = [wrap("Rules that would fix cells. Add those that are right to the mapping file (importer manual fixing):")]
    for proposal in findings.proposals[:_MOST_RULES]:
        noun = "row" if proposal.rule.omit else "cell"
        one = proposal.examples[0]
        becomes = f"“{_short(one.before, 22)}” → " + (f"“{_short(one.after, 22)}”" if one.after else "empty")
        first, *more = rule_lines(proposal.rule)
        lines.append(f"  {first}  # {counted(proposal.cells, noun)}, row {one.row}: {becomes}")
        lines += [f"  {line}" for line in more]
    return "\n".join(lines)


def _repairs(findings: Findings, wrap: Wrap) -> str:
    if not findings.repairs:
        return ""
    lines = ["Fixed automatically (the original value is unambiguous):"]
    for repair in findings.repairs[:_MOST_REPAIRS]:
        cells = _rows(repair.cells, repair.example_rows, "cell")
        lines.append(wrap(f"“{repair.column}”: {repair.meaning} ({cells})", "  "))
    if len(findings.repairs) > _MOST_REPAIRS:
        lines.append(f"  and {counted(len(findings.repairs) - _MOST_REPAIRS, 'more kind')} of fix")
    return "\n".join(lines)


def _more(findings: Findings, wrap: Wrap) -> str:
    lines = []
    repeats = findings.repeats
    if repeats.customers:
        examples = "; ".join(["rows " + ", ".join(map(str, rows)) for rows in repeats.example_rows])
        lines.append(
            wrap(
                f"{counted(repeats.customers, 'customer')} {'occurs' if repeats.customers == 1 else 'occur'} more than"
                f" once ({counted(repeats.records, 'row')} in total: {examples}). Their rows are sent in the order of"
                f" the sheet, so the last value wins.",
                "- ",
                "  ",
            )
        )
    if len(findings.mobiles_by_country) > 1:
        countries = ", ".join([f"{name} {count:,}" for name, count in list(findings.mobiles_by_country.items())[:8]])
        lines.append(wrap(f"Mobiles by country: {countries}.", "- ", "  "))
    lines += [wrap(field.message, "- ", "  ") for field in findings.fields]
    lines += [wrap(note, "- ", "  ") for note in findings.notes[:_MOST_NOTES]]
    return "\n".join(lines)


def _at_least(seconds: float) -> str:
    return f"{duration(seconds)} or more" if seconds >= 1 else "a moment"


def _rows(count: int, examples: Sequence[int], noun: str = "row") -> str:
    named = ", ".join(map(str, examples))
    more = " …" if count > len(examples) else ""
    lead = "" if noun == "row" else "row " if len(examples) == 1 else "rows "
    return f"{counted(count, noun)}: {lead}{named}{more}"


def _separator(separator: str) -> str:
    return {"\n": "new lines", "": "different signs"}.get(separator, f"“{separator}”")


def _wrap(width: int, text: str, lead: str = "", follow: str | None = None) -> str:
    indent = " " * columns_of_text(lead) if follow is None else follow
    return "\n".join(wrapped(_plain(text), width, lead, indent, cut=True))


def _fit(text: str, width: int) -> str:
    """Return the text at exactly this width: truncated with an ellipsis, or padded."""
    text = _plain(text)
    if columns_of_text(text) > width:
        while columns_of_text(text) > width - 1:
            text = text[:-1]
        text += "…"
    return text + " " * (width - columns_of_text(text))


def _short(text: str, longest: int) -> str:
    text = _plain(text)
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _plain(text: str) -> str:
    """Return the text as one line without control characters."""
    return " ".join("".join([" " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c for c in text]).split())
