"""Rules as the page makes them: from a form, from a proposal, and what one would change, counted before it applies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Mapping as Dict
from typing import Any

import msgspec

from importer.checker.findings import Findings
from importer.model import IDENTIFIERS
from importer.normaliser.fixing import step_of
from importer.normaliser.mapping import NAME, PREFERENCE, VALUE, ColumnUse, Mapping
from importer.normaliser.proposals import EXAMPLES, CellExample, cell_judge
from importer.normaliser.rules import CHANGES, DOES, Rule, mistake_of, misuse_of
from importer.web.fixing.problem_rows import ProblemRows

#: Rows that are looked at for `omit`.
_MOST_ROWS = 20_000
#: The end of a sentence about a rule.
_UNKNOWN_COLUMN = "is for a column that the file does not have"


class Offer(msgspec.Struct, frozen=True):
    """A proposal of the check: a rule, or that the cells of `is_list` are lists. `key`: as a form gives it back."""

    key: str
    rule: Rule | None
    cells: int
    examples: tuple[CellExample, ...] = ()
    is_list: str = ""
    separator: str = ""


class Preview(msgspec.Struct, frozen=True):
    """What a rule would change. `whole`: every cell was counted. `unit`: `cells` or `rows`."""

    unit: str
    count: int
    examples: tuple[CellExample, ...]
    whole: bool = True


class Ruling(msgspec.Struct, frozen=True):
    """What the page of rules decides in a mapping: its rules, and which columns are lists, with their separator."""

    rules: tuple[Rule, ...]
    lists: dict[str, str]


def ruling_of(mapping: Mapping) -> Ruling:
    return Ruling(mapping.rules, {use.column: use.separator for use in mapping.columns if use.is_list})


def with_ruling(mapping: Mapping, before: Ruling, after: Ruling) -> Mapping:
    """The mapping once rules and lists have changed from one to the other. Other changes since then stay, and no rule
    is added that its columns no longer allow."""
    rules = list(after.rules)
    if mapping.rules != before.rules:
        rules = [rule for rule in mapping.rules if rule not in before.rules or rule in after.rules]
        rules += [rule for rule in after.rules if rule not in before.rules and rule not in rules]
    fields = {use.column: use.field for use in mapping.columns}
    rules = [rule for rule in rules if rule in mapping.rules or not misuse_of(rule, fields.get(rule.column, ""))]
    columns = {name for name in {*before.lists, *after.lists} if before.lists.get(name) != after.lists.get(name)}
    uses = [
        _listed(use, after.lists.get(use.column)) if use.column in columns and _may_be_list(use) else use
        for use in mapping.columns
    ]
    return msgspec.structs.replace(mapping, rules=tuple(rules), columns=tuple(uses))


def offers_of(found: Findings, mapping: Mapping) -> list[Offer]:
    """What the check proposes and the mapping does not have yet."""
    offers = [
        Offer(msgspec.json.encode(one.rule).decode(), one.rule, one.cells, one.examples)
        for one in found.proposals
        if one.rule not in mapping.rules
    ]
    uses = {use.column: use for use in mapping.columns}
    for column in found.columns:
        use = uses.get(column.column)
        if column.list_like and use is not None and not (use.is_list or use.is_date):
            key = msgspec.json.encode({"is_list": column.column, "separator": column.separator}).decode()
            offers.append(Offer(key, None, column.list_like, (), column.column, column.separator))
    return offers


def with_offers(mapping: Mapping, keys: Sequence[str]) -> tuple[Mapping, list[str]]:
    """The mapping with these offers, and for each that cannot be used why, as the end of a sentence."""
    faults = []
    for key in keys:
        try:
            content = msgspec.json.decode(key)
            if isinstance(content, dict) and "is_list" in content:
                mapping = _with_list(mapping, content)
                continue
            rule = msgspec.convert(content, Rule)
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            faults.append(str(error))
            continue
        mapping, fault = with_rule(mapping, rule)
        faults += [fault] if fault else []
    return mapping, faults


def _with_list(mapping: Mapping, content: Dict[str, Any]) -> Mapping:
    separator = str(content.get("separator", ""))
    uses = [
        _listed(use, separator) if use.column == content["is_list"] and _may_be_list(use) else use
        for use in mapping.columns
    ]
    return msgspec.structs.replace(mapping, columns=tuple(uses))


def _listed(use: ColumnUse, separator: str | None) -> ColumnUse:
    """The column with lists, None: without."""
    return msgspec.structs.replace(use, is_list=separator is not None, separator=separator or "")


def _may_be_list(use: ColumnUse) -> bool:
    return use.field in (PREFERENCE, VALUE) and not use.is_date


def with_rule(mapping: Mapping, rule: Rule) -> tuple[Mapping, str]:
    """The mapping with one more rule, and why it cannot be used as the end of a sentence, "" if it can."""
    if fault := mistake_of(rule):
        return mapping, fault
    if rule.column and all(use.column != rule.column for use in mapping.columns):
        return mapping, _UNKNOWN_COLUMN
    if rule in mapping.rules:
        return mapping, ""
    return msgspec.structs.replace(mapping, rules=(*mapping.rules, rule)), ""


def moved(mapping: Mapping, place: int, by: int) -> Mapping:
    """The mapping with one rule elsewhere in their order; with `by` 0 without it."""
    rules = list(mapping.rules)
    if not 0 <= place < len(rules):
        return mapping
    rule = rules.pop(place)
    if by:
        rules.insert(max(0, place + by), rule)
    return msgspec.structs.replace(mapping, rules=tuple(rules))


def fault_of(fields: Dict[str, str], mapping: Mapping) -> tuple[str, str, str]:
    """What is wrong with the form of a rule: the field, a word for it, and the text or the rest of a sentence that it
    is about. All are "" for a rule that can be used."""
    kind, column = fields.get("kind", ""), fields.get("column", "")
    lines = _lines(fields)
    if kind not in DOES:
        return "kind", "kind", ""
    if not column and kind != "leave_out":
        return "column", "column", ""
    use = next((use for use in mapping.columns if use.column == column), None)
    if column and use is None:
        return "column", "rule", _UNKNOWN_COLUMN
    if kind in ("empty", "strip", "values") and not lines:
        return "texts", "texts", ""
    if kind == "values" and (odd := next((line for line in lines if not line.partition("=")[0].strip()), "")):
        return "texts", "before", odd
    if kind == "values" and (odd := next((line for line in lines if "=" not in line), "")):
        return "texts", "sign", odd
    if kind == "find" and not fields.get("find"):
        return "find", "find", ""
    if kind == "country" and not fields.get("country"):
        return "country", "country", ""
    rule = rule_from(fields, kind)
    if fault := mistake_of(rule):
        field = {"empty": "texts", "strip": "texts", "values": "texts", "leave_out": "code"}.get(kind, kind)
        return field, "rule", fault
    fault = misuse_of(rule, use.field if use is not None else "")
    return ("column", "rule", fault) if fault else ("", "", "")


def _lines(fields: Dict[str, str]) -> list[str]:
    return [line.strip() for line in fields.get("texts", "").splitlines() if line.strip()]


def rule_from(fields: Dict[str, str], kind: str) -> Rule:
    """The rule of a form. `mistake_of` judges it."""
    lines = _lines(fields)
    entry: dict[str, Any] = {}
    if kind in ("empty", "strip", "leave_out"):
        entry = {kind: list(dict.fromkeys(lines))}
    elif kind == "values":
        pairs = [line.partition("=") for line in lines]
        entry = {kind: {before.strip(): after.strip() for before, sign, after in pairs if sign}}
    elif kind == "find":
        entry = {kind: fields.get("find", ""), "replace": fields.get("replace", "")}
    elif kind == "country":
        entry = {kind: fields.get("country", "").strip().upper()}
    elif kind in ("first", "omit"):
        entry = {kind: True}
    return msgspec.convert({"column": fields.get("column", ""), **entry}, Rule)


def form_of(rule: Rule) -> dict[str, str]:
    """A rule as the fields of the form."""
    does = rule.does
    texts = rule.values if does == "values" else getattr(rule, does, ())
    lines: list[str] = []
    if isinstance(texts, dict):
        lines = [f"{before} = {after}" for before, after in texts.items()]
    elif isinstance(texts, tuple):
        lines = list(texts)
    return {
        "kind": does or DOES[0],
        "column": rule.column,
        "texts": "\n".join(lines),
        "find": rule.find,
        "replace": rule.replace,
        "country": rule.country,
    }


def preview(rows: ProblemRows, rule: Rule) -> Preview:
    """What one more rule would change, by the cells and rows as the last check found them."""
    judged = rows.judged_as()
    if rule.does == "leave_out":
        found = list(rows.with_code(rule.column, rule.leave_out))
        return Preview("rows", len(found), _of_rows(rows, found, rule.column))
    use = next((use for use in judged.mapping.columns if use.column == rule.column), ColumnUse(rule.column))
    if rule.does == "omit":
        return _omitted(rows, rule, [use.column for use in judged.mapping.columns if use.field in IDENTIFIERS])
    country = next((one.country for one in judged.mapping.rules if one.country), judged.country or None)
    change = _change_of(rule, use, country)
    count, examples = 0, list[CellExample]()
    # One cell at a time: what a rule makes of all of them may be far more than there is memory.
    for text, cells, row in rows.cells(rule.column):
        if (made := change(text)) != text:
            count += cells
            if len(examples) < EXAMPLES:
                examples.append(CellExample(row, text, made))
    return Preview("cells", count, tuple(examples), rule.column not in judged.partial)


def _change_of(rule: Rule, use: ColumnUse, country: str | None) -> Callable[[str], str]:
    """What the rule makes of a cell; for `country`, the number that it makes valid."""
    if rule.does in CHANGES:
        step = step_of(rule, use, country)
        return lambda cell: step(cell)[0]
    now, then = cell_judge(use, country, None), cell_judge(use, rule.country, None)
    return lambda cell: (then([cell])[0] or cell) if now([cell])[0] is None else cell


def _omitted(rows: ProblemRows, rule: Rule, identifiers: Sequence[str]) -> Preview:
    """The rows whose only problem is in this column and that have another identifier."""
    judged = rows.judged_as()
    found = rows.with_only(rule.column, _MOST_ROWS)
    others = [place for place, name in enumerate(judged.columns) if name in identifiers and name != rule.column]
    kept = []
    for at in range(0, len(found), 500):
        stored = rows.stored(found[at : at + 500])
        kept += [number for number, row in stored.items() if any(row.cells[place].strip() for place in others)]
    return Preview("rows", len(kept), _of_rows(rows, kept, rule.column), len(found) < _MOST_ROWS)


def _of_rows(rows: ProblemRows, numbers: Sequence[int], column: str) -> tuple[CellExample, ...]:
    problems = rows.problems(numbers[:EXAMPLES])
    return tuple(
        [
            CellExample(row, next((one.value for one in problems.get(row, ()) if (one.column or "") == column), ""), "")
            for row in numbers[:EXAMPLES]
        ]
    )


def columns_for_rules(mapping: Mapping) -> list[str]:
    return [use.column for use in mapping.columns if use.field not in ("ignored", NAME)]
