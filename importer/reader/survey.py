"""One pass over a sheet before its first row is sent: what refuses the file, and what only the whole sheet shows.

It is cheap: whole columns are searched for what few cells have.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cache
from typing import Any

import msgspec

from importer.errors import SourceError
from importer.model import IDENTIFIERS
from importer.normaliser.damage import is_changed_range
from importer.normaliser.facts import QUOTES, SheetFacts, opening_quote, unquoted
from importer.normaliser.footers import is_footer
from importer.normaliser.mapping import NAME, VALUE, Mapping, named_in_cell
from importer.normaliser.synonyms import field_of, likeness
from importer.reader.header import form_of, shown_name
from importer.reader.source import Source
from importer.row_block import RowBlock
from importer.system.late import late
from importer.system.text import counted

#: Large blocks are fast, and no sender waits for the first one.
ROWS_AT_ONCE = 10_000
#: The last rows of a sheet, where totals and remarks of an export stand.
LAST_ROWS = 10
_REMEMBERED = 20_000
#: Characters of the longest column name, and of a range or a date with white space around it.
_LONGEST_NAME, _LONGEST_RANGE = 1_000, 100
#: Preferences of a long sheet whose values are remembered, and the values of all.
_NAMES, _VALUES = 1_000, 1_000_000
_RANGE = re.compile(r"\d{1,3}\s*[-–/]\s*\d{1,3}(?:\s*[^\W\d_]{1,8}\.?)?")
_DAY = re.compile(r"(?:0?[1-9]|[12]\d|3[01])/(?:0?[1-9]|1[0-2])|(?:0?[1-9]|1[0-2])/(?:0?[1-9]|[12]\d|3[01])")
_YEAR = re.compile(r"\d{1,2}/\d{1,2}/\d{4}")
_DIGIT = re.compile(r"\d")
_NONE: frozenset[str] = frozenset()
_DIGITS = frozenset(map(str, range(10)))
#: What explains a row that has the names of fields.
_NOT_DATA = frozenset(("header_again", "not_a_customer"))
#: Names of columns that are no ids, with which a second table may begin.
_HEADINGS = frozenset(
    map(
        likeness,
        (
            *("name", "customer name", "full name", "first name", "last name", "serial no", "s.no"),
            *("s no", "s.no.", "sr no", "sr.no", "sr.no.", "sr. no.", "sl no", "sl.no", "sl.no.", "sl. no."),
            *("नाम", "اسم", "الاسم", "ชื่อ", "nama", "nombre", "nombres", "vorname", "nachname", "nom", "prénom", "nome"),
        ),
    )
)


def survey(source: Source, mapping: Mapping, most: int = 0) -> Mapping:
    """The mapping with the facts of the sheet, of its first `most` rows if given. Raises `SourceError`."""
    found = Survey(source, mapping)
    seen = 0
    for block in surveyed(source, found):
        seen += len(block)
        if most and seen >= most:
            break
    return found.mapping()


def surveyed(source: Source, survey: Survey) -> Iterator[RowBlock]:
    """Yield the rows of the source, each block after its survey."""
    blocks = source.blocks(ROWS_AT_ONCE)
    following = next(blocks, None)
    while (block := following) is not None:
        survey.add(block)
        following = next(blocks, None)
        survey.ended = following is None
        yield block


class Survey:
    """Takes the blocks of a sheet in order; then `mapping` has its facts."""

    def __init__(self, source: Source, mapping: Mapping) -> None:
        self._mapping = mapping
        self._second_header = _SecondHeader(source, mapping)
        self._line_breaks = _LineBreaks(source, mapping) if source.has_line_breaks else None
        used = {use.column for use in mapping.columns} - set(mapping.ignored)
        self._quotes = {column: _Quotes() for column in source.columns if column in used}
        self._ranges = _Ranges(mapping)
        self._identifiers = _identifier_columns(mapping)
        self._tail: list[tuple[int, list[str], list[str]]] = []
        self._rows = 0
        #: The last block is the end of the sheet.
        self.ended = True

    def add(self, block: RowBlock) -> None:
        """Raises `SourceError` for what refuses the file."""
        self._rows += len(block)
        self._second_header.add(block)
        if self._line_breaks is not None:
            self._line_breaks.add(block)
        for column, cells in zip(block.cells.names, block.cells.columns, strict=True):
            quotes = self._quotes.get(column)
            if quotes is not None and quotes.possible:
                quotes.add(cells, block.cells.row_numbers)
        self._ranges.add(block)
        numbers = block.cells.row_numbers[-LAST_ROWS:]
        rows = zip(*[column[-LAST_ROWS:] for column in block.cells.columns], strict=True)
        keys = [block.column(column)[-LAST_ROWS:] for column in self._identifiers]
        tail = [
            (number, list(row), [cells[at] for cells in keys])
            for at, (number, row) in enumerate(zip(numbers, rows, strict=True))
        ]
        self._tail = [*self._tail, *tail][-LAST_ROWS:]

    def mapping(self) -> Mapping:
        """The mapping with the facts of the blocks."""
        footers = tuple(number for number, row, key in self._tail if self.ended and is_footer(row, key))
        quoted = {column: quotes for column, quotes in self._quotes.items() if quotes.opening}
        notes = [
            f"Some cells of “{column}” are in quotes, others are not; the quotes were kept."
            for column, quotes in quoted.items()
            if not quotes.encloses_all(footers)
        ]
        if self._line_breaks is not None and self._line_breaks.cells:
            cells = self._line_breaks.cells
            notes.append(
                f"{counted(cells, 'cell')} with line breaks {'was' if cells == 1 else 'were'} read as one value."
            )
        facts = SheetFacts(
            tuple(column for column, quotes in quoted.items() if quotes.encloses_all(footers)),
            self._ranges.mixed(),
            footers,
            tuple(notes),
            self._rows if self.ended else 0,
        )
        return msgspec.structs.replace(self._mapping, facts=facts)


def _identifier_columns(mapping: Mapping) -> list[str]:
    return [use.column for use in mapping.columns if use.field in IDENTIFIERS]


class _SecondHeader:
    """Finds the row that begins a second table: identifier cells hold names of fields."""

    def __init__(self, source: Source, mapping: Mapping) -> None:
        self._source = source
        self._columns = _identifier_columns(mapping)
        self._names = {likeness(name) for name in source.columns if name}
        self._own = {likeness(column) for column in self._columns}
        self._known: dict[str, bool] = {}

    def add(self, block: RowBlock) -> None:
        if not self._columns:
            return
        columns = [block.cells.columns[block.cells.names.index(column)] for column in self._columns]
        candidates = self._candidates(columns)
        if not candidates:
            return
        explained = {problem.row_number for problem in block.problems if problem.code in _NOT_DATA}
        for at in candidates:
            number = block.cells.row_numbers[at]
            keys = [cells[at] for cells in columns if cells[at].strip()]
            if number not in explained and all(map(self._may_head, keys)) and self._is_header(block, at):
                raise self._refusal(number)

    def _candidates(self, columns: Sequence[Sequence[str]]) -> list[int]:
        """The rows whose first filled identifier is like a name: a header has names in all of them."""
        found: list[int] = []
        open_rows: Iterable[int] = range(len(columns[0]))
        for cells in columns:
            odd = [at for at in open_rows if cells[at][-1:] not in _DIGITS and "@" not in cells[at]]
            found += [at for at in odd if cells[at].strip() and self._may_head(cells[at])]
            open_rows = [at for at in odd if not cells[at].strip()]
            if not open_rows:
                break
        return sorted(found)

    def _may_head(self, cell: str) -> bool:
        """Whether a cell in the identifier's column can be in a header."""
        if len(cell) > _LONGEST_NAME:
            return False
        known = self._known.get(cell)
        if known is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            name = shown_name(cell)
            like = likeness(name)
            known = self._known[cell] = (
                field_of(name) in IDENTIFIERS or like in _HEADINGS or (bool(like) and like in self._names)
            )
        return known

    def _is_header(self, block: RowBlock, at: int) -> bool:
        """Whether all cells of the row could be names, and one of them is that of an identifier."""
        cells = [column[at].strip() for column in block.cells.columns]
        filled = [cell for cell in cells if cell]
        if len(filled) < 2 or any("@" in cell or cell[:1] in _DIGITS for cell in filled):
            return False
        names = [shown_name(cell) for cell in filled]
        return any(field_of(name) in IDENTIFIERS or likeness(name) in self._own for name in names)

    def _refusal(self, number: int) -> SourceError:
        source = self._source
        below = number == source.header.row + 1
        return SourceError(
            f"{source.name}: row {number} contains column names again, but not those of the header (row "
            f"{source.header.row}): a second table begins there.",
            f"If row {number} is the header, pass --header-row {number}; otherwise delete it."
            if below
            else "Import each table as its own file or sheet.",
            on_page=f"If row {number} is the header, set it under “How the file is read”; otherwise delete it."
            if below
            else "Upload each table as its own file or sheet.",
            code="second_table",
        )


class _Quotes:
    """Whether every filled cell of a column is in the same quotes, but for rows that are not customers."""

    def __init__(self) -> None:
        self.opening = ""
        #: The rows whose cells are in no quotes, while few are.
        self.others: list[int] = []
        self.possible = True

    def add(self, cells: Sequence[str], row_numbers: Sequence[int]) -> None:
        for at, cell in enumerate(cells):
            if not cell or cell.isspace():
                continue
            quote = opening_quote(cell)
            if quote and self.opening in ("", quote):
                self.opening = quote
                continue
            self.others.append(row_numbers[at])
            if len(self.others) > LAST_ROWS or not self.opening:
                self.opening = self.opening or _first_quote(cells)
                self.possible = False
                return

    def encloses_all(self, footers: Collection[int]) -> bool:
        return bool(self.opening) and self.possible and set(self.others).issubset(footers)


def _first_quote(cells: Sequence[str]) -> str:
    """The quote of the first cell that is in quotes, "" if none is: for most columns, first characters show that."""
    if not any(first in QUOTES or first.isspace() for first in {cell[:1] for cell in cells}):
        return ""
    return next(filter(None, map(opening_quote, cells)), "")


class _Ranges:
    """Finds preferences that mix ranges such as 18-25 with dates, into which programs change ranges such as 10-12."""

    def __init__(self, mapping: Mapping) -> None:
        self._long = (mapping.column_of(NAME), mapping.column_of(VALUE))
        uses = mapping.preferences if not mapping.is_long else ()
        self._preferences = {use.column: use.preference for use in uses if not use.is_date}
        self._seen: dict[str, set[str]] = {}
        self._values = 0
        self._with_ranges: set[str] = set()
        self._with_dates: set[str] = set()
        #: 10/12, which may be a day, and 10/12/1990: together they are birthdays of which some have no year.
        self._with_days: set[str] = set()
        self._with_years: set[str] = set()

    def add(self, block: RowBlock) -> None:
        name_column, value_column = self._long
        if name_column is not None and value_column is not None:
            by_name: dict[str, set[str]] = {}
            for name, value in set(zip(block.column(name_column), block.column(value_column), strict=True)):
                by_name.setdefault(named_in_cell(name), set()).add(value)
            for name, values in by_name.items():
                self._add(name, values)
        for column, cells in zip(block.cells.names, block.cells.columns, strict=True):
            preference = self._preferences.get(column)
            # Most columns have no digit at all, or the values of the block before.
            if (
                preference is not None
                and _DIGIT.search("".join(cells))
                and not self._seen.get(preference, _NONE).issuperset(cells)
            ):
                self._add(preference, set(cells))
        # A rule that changes a part of a date leaves nothing that shows what a program did to the value.
        for cells_before in block.fixed.values():
            for column, text in cells_before.items():
                if column in self._preferences and is_changed_range(text.strip()) and not _RANGE.fullmatch(text):
                    self._add(self._preferences[column], {text})

    def _add(self, name: str, values: set[str]) -> None:
        if self._values > _VALUES or (name not in self._seen and len(self._seen) >= _NAMES):
            self._seen.clear()
            self._values = 0
        seen = self._seen.setdefault(name, set())
        new = values - seen
        for value in [value for value in new if len(value) > _LONGEST_RANGE]:
            new.remove(value)
        for value in new:
            text = unquoted(value).strip()
            if text[:1] in _DIGITS or text[-1:] in _DIGITS:
                if name not in self._with_ranges and _RANGE.fullmatch(text):
                    (self._with_days if _DAY.fullmatch(text) else self._with_ranges).add(name)
                elif name not in self._with_dates and is_changed_range(text):
                    (self._with_years if _YEAR.fullmatch(text) else self._with_dates).add(name)
        if len(seen) + len(new) > _REMEMBERED:
            seen.clear()
        self._values += len(new)
        seen |= new

    def mixed(self) -> tuple[str, ...]:
        ranges, dates = self._with_ranges | self._with_days, self._with_dates | self._with_years
        return tuple(
            sorted((ranges & dates) - (self._with_days & self._with_years - self._with_ranges - self._with_dates))
        )


class _LineBreaks:
    """Finds the quote that is not closed where its cell ends: the rows up to the next quote became one cell."""

    def __init__(self, source: Source, mapping: Mapping) -> None:
        self._source = source
        self._delimiter = source.settings["delimiter"]
        self._width = source.header.width
        self._least = 1 if source.may_be_short else min(source.header.least, self._width)
        places = dict(zip(source.columns, source.header.places, strict=True))
        self._identifiers = {places[use.column]: use for use in mapping.columns if use.field in IDENTIFIERS}
        self.cells = 0

    def add(self, block: RowBlock) -> None:
        for place, column in zip(self._source.header.places, block.cells.columns, strict=True):
            text = "".join(column)
            if "\n" not in text and "\r" not in text:
                continue
            for at, cell in enumerate(column):
                lines = cell.strip().splitlines()
                if len(lines) > 1:
                    self.cells += 1
                    if self._hides_a_row(lines, place, block, at):
                        raise self._refusal(block.cells.row_numbers[at])

    def _hides_a_row(self, lines: Sequence[str], place: int, block: RowBlock, at: int) -> bool:
        """Whether a line of the cell in column `place` has a valid identifier where the sheet has them."""
        parts = [next(csv.reader([line], delimiter=self._delimiter), []) for line in lines]
        # The first line begins in the cell's own column, the others begin a row; the last one ends before the next.
        whole = [self._is_whole(len(cells)) for cells in parts]
        whole[0] = self._is_whole(place + len(parts[0]))
        whole[-1] = self._is_whole(len(parts[-1]) + self._width - place - 1)
        row_is_spaced = any(column[at][:1].isspace() for column in block.cells.columns)
        for position, cells in enumerate(parts):
            if (
                len(cells) < min(2, self._width)
                or len(cells) > self._width
                or (_is_spaced(cells) and not row_is_spaced)
            ):
                # Text has spaces after its commas; a program that writes rows puts none there, or puts them everywhere.
                continue
            first = 0 if position else place
            for own, use in self._identifiers.items():
                if (first < own or position) and first <= own < first + len(cells):
                    like = block.column(use.column)[at].strip()
                    is_whole, words = whole[position], all(whole) and not any(map(_is_spaced, parts))
                    if _is_identifier(use.field, cells[own - first].strip(), like, is_whole=is_whole, words=words):
                        return True
        return False

    def _is_whole(self, cells: int) -> bool:
        """Whether a row can have so many cells."""
        return self._least <= cells <= self._width

    def _refusal(self, number: int) -> SourceError:
        opened, closed = self._source.lines_of(number)
        return SourceError(
            f"{self._source.name}: a quote is opened in line {opened:,} and closed in line {closed:,}, and the lines "
            "between them are rows.",
            'Close or remove the quote in both lines, or double quotes inside a cell ("").',
            code="hidden_rows",
        )


def _is_spaced(cells: Sequence[str]) -> bool:
    return any(cell[:1].isspace() for cell in cells[1:])


def _is_identifier(field: str, text: str, like: str, *, is_whole: bool, words: bool) -> bool:
    """Whether the text is valid in a column of this field. An id, which can be any text, must look like another one and
    stand in a whole row; `words`: also without digits."""
    if field == "email":
        return "@" in text and bool(late("importer.normaliser.emails", "read_email")(text).text)
    if field == "mobile":
        if not any(map(str.isdigit, text)):
            return False
        result = _phones().read(text)
        # Without the country's rules, a number of as many digits as another one is valid too.
        return bool(result.text) or (result.code == "mobile_without_country" and _digits(text) == _digits(like))
    return is_whole and (words or any(map(str.isdigit, text))) and text != "" and form_of(text) == form_of(like)


@cache
def _phones() -> Any:
    """Reads numbers with their country code. Its library is slow to load, and few sheets need it here."""
    return late("importer.normaliser.phones", "PhoneReader")()


def _digits(text: str) -> int:
    return sum(map(str.isdigit, text))
