"""The layer between reader and normaliser: what people decided about cells, applied to the blocks of a source. Pure.

The source is never changed. Rules change the cells of a column in their order. A cell that was edited holds what was
typed, whatever the rules say. What the reader found wrong with a cell no longer matters where a person replaced it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from collections.abc import Mapping as Map
from typing import NamedTuple

import msgspec

from importer.model import IDENTIFIERS, LEFT_OUT, Problem
from importer.normaliser.codes import OWN_CODES
from importer.normaliser.damage import CONTROLS, CellResult, identifier, is_changed_range
from importer.normaliser.mapping import ColumnUse, Mapping, is_store
from importer.normaliser.normaliser import column_reader
from importer.normaliser.phone_text import WORDS
from importer.normaliser.preferences import list_items, separator_of
from importer.normaliser.remembering import LONGEST_KEPT
from importer.normaliser.rules import CHANGES, Rule
from importer.row_block import Cells, RowBlock
from importer.system.late import late

#: Characters of a cell that a rule makes longer.
LONGEST_MADE = 32_767
_REMEMBERED = 20_000
_BETWEEN_MOBILES = re.compile(rf"[/,;|&\r\n]|{WORDS.pattern}", re.IGNORECASE)
_BETWEEN_EMAILS = re.compile(r"[,;/|\s]+")
#: A comma between digits may be that of one number.
_BETWEEN_IDS = re.compile(r"[;|\r\n]|,(?!\d)|(?<!\d),")
#: How the codes of values end that a program changed for good.
DAMAGE = ("_rounded", "_in_scientific_notation", "_cut_by_excel", "_is_a_date")
_ONE_NUMBER = re.compile(r"[+-]?\d[\d.,'\s]*(?:[eE][+-]?\d+)?")


class Edits(msgspec.Struct, frozen=True):
    """What people decided about single cells and rows. `cells`: row → column → text."""

    cells: dict[int, dict[str, str]] = {}
    left_out: frozenset[int] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.cells or self.left_out)


class _Changed(NamedTuple):
    """A cell after the rules. `replaced`: a person wrote what it is now, so nothing is left of what it was. `damage`:
    the code of what a program had done to a text of which a rule changed a part."""

    text: str
    replaced: bool
    damage: str = ""


class Fixing:
    """Call it with each block of a source."""

    def __init__(self, mapping: Mapping, edits: Edits | None = None, *, country: str | None = None) -> None:
        edits = edits or Edits()
        rules: dict[str, list[Rule]] = {}
        for rule in mapping.rules:
            if rule.does in CHANGES:
                rules.setdefault(rule.column, []).append(rule)
        uses = {use.column: use for use in mapping.columns}
        self._columns = {
            column: _ColumnRules(found, uses[column], mapping, mapping.country or country)
            for column, found in rules.items()
            if column in uses
        }
        self._cells = edits.cells
        self._left_out = edits.left_out

    def __bool__(self) -> bool:
        """Whether it can change or leave out anything."""
        return bool(self._columns or self._cells or self._left_out)

    @property
    def changes_cells(self) -> bool:
        return bool(self._columns or self._cells)

    def __call__(self, block: RowBlock) -> RowBlock:
        fixed = {number: dict(cells) for number, cells in block.fixed.items()}
        replaced: set[tuple[int, str]] = set()
        damaged: dict[tuple[int, str], str] = {}
        numbers = block.cells.row_numbers
        columns = list(block.cells.columns)
        places = {name: place for place, name in enumerate(block.cells.names)}
        for column, rules in self._columns.items():
            if (place := places.get(column)) is None:
                continue
            cells = list(columns[place])
            rules.are_typed(block.typed)
            for at, (number, cell) in enumerate(zip(numbers, columns[place], strict=True)):
                # An earlier report says what was fixed already: `1` → `10` must not become `100`.
                before = block.fixed.get(number, {}).get(column) if block.fixed else None
                text, whole, damage = rules[cell if before is None else before]
                if damage and (before is None or text == cell):
                    damaged[number, column] = damage
                if text == cell or before is not None:
                    continue
                fixed.setdefault(number, {})[column] = cell
                cells[at] = text
                if whole:
                    replaced.add((number, column))
            columns[place] = cells
        self._edit(block, columns, places, fixed, replaced)
        left_out = sorted(self._left_out.intersection(numbers)) if self._left_out else []
        if columns == list(block.cells.columns) and not (left_out or damaged):
            return block
        problems = [problem for problem in block.problems if (problem.row_number, problem.column) not in replaced]
        problems += [Problem(number, None, "", LEFT_OUT, "left out on the page") for number in left_out]
        problems += _with_controls(block.cells, columns)
        problems += [
            _problem(number, column, "", code)
            for (number, column), code in damaged.items()
            if column not in self._cells.get(number, ())
        ]
        made = Cells(columns, block.cells.names, numbers)
        return msgspec.structs.replace(block, cells=made, problems=tuple(problems), fixed=fixed, raw=block)

    def _edit(
        self,
        block: RowBlock,
        columns: list[Sequence[str]],
        places: Map[str, int],
        fixed: dict[int, dict[str, str]],
        replaced: set[tuple[int, str]],
    ) -> None:
        """Put the edited cells in their places."""
        if not self._cells:
            return
        own: set[int] = set()
        for at, number in enumerate(block.cells.row_numbers):
            for column, text in self._cells.get(number, {}).items():
                if (place := places.get(column)) is None:
                    continue
                if place not in own:
                    columns[place] = list(columns[place])
                    own.add(place)
                cells = columns[place]
                assert isinstance(cells, list)
                fixed.setdefault(number, {}).setdefault(column, cells[at])
                if fixed[number][column] == text:  # edited back to what the source has, with what is wrong with it
                    del fixed[number][column]
                    replaced.discard((number, column))
                else:
                    replaced.add((number, column))
                cells[at] = text
            if number in fixed and not fixed[number]:
                del fixed[number]


def _with_controls(before: Cells, columns: Sequence[Sequence[str]]) -> list[Problem]:
    """What the reader would say of a changed cell with a control character."""
    return [
        _problem(number, name, text, "control_character")
        for name, old, new in zip(before.names, before.columns, columns, strict=True)
        if old is not new
        for number, cell, text in zip(before.row_numbers, old, new, strict=True)
        if text != cell and CONTROLS.search(text)
    ]


def _problem(number: int, column: str, text: str, code: str) -> Problem:
    meaning, advice, _ = OWN_CODES[code]
    return Problem(number, column, text, code, f"“{column}”: {meaning}", advice)


#: Cell → the cell after a rule, and whether a person wrote the whole of it.
_Step = Callable[[str], tuple[str, bool]]


class _ColumnRules(dict[str, _Changed]):
    """Cell → the cell after the rules of its column. A cache."""

    def __init__(self, rules: Sequence[Rule], use: ColumnUse, mapping: Mapping, country: str | None) -> None:
        super().__init__()
        self._steps = [step_of(rule, use, country) for rule in rules]
        self._damage_of = _damage_of(use, mapping, country)
        self._typed = False

    def are_typed(self, typed: bool) -> None:
        """Whether the digits of the cells that follow were typed as text."""
        if typed is not self._typed:
            self.clear()
            self._typed = typed

    def __missing__(self, cell: str) -> _Changed:
        found = _Changed(cell, False)
        for step in self._steps:
            text, whole = step(found.text)
            damage = found.damage
            if text != found.text:
                # With other characters in it, nothing would show any more what a program did to the value.
                damage = "" if whole or not text.strip() else damage or self._damage_of(found.text, self._typed)
            found = _Changed(text, found.replaced or whole, damage)
        if max(len(cell), len(found.text)) <= LONGEST_KEPT:
            if len(self) >= _REMEMBERED:
                self.clear()
            self[cell] = found
        return found


def _damage_of(use: ColumnUse, mapping: Mapping, country: str | None) -> Callable[[str, bool], str]:
    """Finds the code of the digits or the value that a cell lost to a program, "" for any other cell. The second
    argument: its digits were typed as text."""
    if use.field in IDENTIFIERS:
        read = column_reader(use.field, country)
        prefix = "" if use.field in ("mobile", "email") else f"{use.field}_"

        def damage(cell: str, typed: bool) -> str:
            (found,) = read([cell], typed)
            return _if_damage(prefix + found.code) if isinstance(found, CellResult) else ""

        return damage
    if is_store(use.field):
        return lambda cell, _: _if_damage(f"{use.field.replace('.', '_')}_{identifier(cell, len(cell)).code}")
    if use.preference in mapping.facts.ranges and not use.is_date:
        return lambda cell, _: "preference_is_a_date" if is_changed_range(cell.strip()) else ""
    return lambda _, __: ""


def _if_damage(code: str) -> str:
    return code if code.endswith(DAMAGE) else ""


def step_of(rule: Rule, use: ColumnUse, country: str | None) -> _Step:
    """What a rule makes of a cell: nothing that is longer than a cell of a spreadsheet program can be."""
    step = _unbounded(rule, use, country)

    def bounded(cell: str) -> tuple[str, bool]:
        found = step(cell)
        return found if len(found[0]) <= max(len(cell), LONGEST_MADE) else (cell, False)

    return bounded


def _unbounded(rule: Rule, use: ColumnUse, country: str | None) -> _Step:
    if rule.empty:
        emptied = frozenset(map(_folded, rule.empty))
        return lambda cell: ("", True) if cell and _folded(cell) in emptied else (cell, False)
    if rule.values:
        return _replacing(rule.values, use)
    if rule.strip:
        beginnings = tuple(sorted({text.strip().casefold() for text in rule.strip}, key=len, reverse=True))
        return lambda cell: (_stripped(cell, beginnings), False)
    if rule.first:
        first = _first_of(use, country)
        return lambda cell: (first(cell), False)
    return lambda cell: (cell.replace(rule.find, rule.replace), False)


def _folded(text: str) -> str:
    return text.strip().casefold()


def _replacing(values: Map[str, str], use: ColumnUse) -> _Step:
    exact = {text.strip(): value for text, value in values.items()}
    folded = {_folded(text): value for text, value in values.items()}

    def instead(text: str) -> str | None:
        return exact.get(text.strip(), folded.get(_folded(text)))

    def replace(cell: str) -> tuple[str, bool]:
        if not cell.strip():
            return cell, False
        found = instead(cell)
        if found is not None:
            return found, True
        if use.is_list:
            items, _ = list_items(cell.strip(), use.separator)
            made = [item if (value := instead(item)) is None else value for item in items]
            if made != items:
                return _joined([item for item in made if item.strip()], use.separator, separator_of(cell) or ";"), False
        return cell, False

    return replace


def _joined(items: Sequence[str], separator: str, likely: str) -> str:
    """The items as one cell, which is read as the same items. `likely`: the separator of the cell, where the column has
    none."""
    text = (separator or likely).join(items)
    return text if list_items(text, separator)[0] == list(items) else json.dumps(items, ensure_ascii=False)


def _stripped(cell: str, beginnings: Sequence[str]) -> str:
    text = cell.strip()
    while True:
        folded = text.casefold()
        # A letter whose case has another length would be cut in its middle.
        found = next((start for start in beginnings if folded.startswith(start) and len(folded) == len(text)), None)
        if found is None:
            return text if text != cell.strip() else cell
        text = text[len(found) :].strip()


def _first_of(use: ColumnUse, country: str | None) -> Callable[[str], str]:
    """Takes the first of several values. A cell that holds one value, as its column is read, stays as it is."""
    if use.field == "mobile":
        read: Callable[[str], CellResult] = late("importer.normaliser.phones", "PhoneReader")(country).read
        return lambda cell: _first(_BETWEEN_MOBILES, cell) if read(cell).code == "mobile_several" else cell
    if use.field == "email":
        read_email: Callable[[str], CellResult] = late("importer.normaliser.emails", "read_email")
        return lambda cell: _first(_BETWEEN_EMAILS, cell) if read_email(cell).code == "email_several" else cell
    if use.field in IDENTIFIERS or is_store(use.field):
        return lambda cell: _first(_BETWEEN_IDS, cell)

    def first_item(cell: str) -> str:
        if _ONE_NUMBER.fullmatch(cell.strip()):
            return cell
        items, _ = list_items(cell.strip(), use.separator)
        return items[0] if len(items) > 1 else cell

    return first_item


def _first(between: re.Pattern[str], cell: str) -> str:
    parts = [part.strip() for part in between.split(cell)]
    filled = [part for part in parts if part]
    return filled[0] if len(filled) > 1 else cell
