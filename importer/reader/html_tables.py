"""The tables of a web page as rows of cells, from the events of a parser. Keeps only rows that were not taken yet."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import msgspec

from importer.reader.html_cells import Cell, Styles, is_hidden
from importer.reader.sheet_xml import UnreadableWorkbook
from importer.reader.sizes import MOST_COLUMNS, MOST_ROWS

_MOST_CELLS = 16_384
_MOST_TABLES = 1000
_MOST_NESTED = 20
#: Open elements. Pages that never close their tags have a few per row.
_MOST_OPEN = 100_000
_LONGEST_NAME = 60
_LARGEST_CSS = 1 << 23
_HEADINGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6"))
#: Elements that begin a new line in a cell.
_BLOCKS = frozenset(("p", "div", "li", "ul", "ol", "dt", "dd", "pre", "blockquote", "hr", "tr", *_HEADINGS))
#: Elements whose text is never displayed. Of a list to choose from, only the chosen option is text.
_NEVER_SHOWN = frozenset(("script", "style", "noscript", "template", "datalist", "title", "textarea", "comment"))
_SHEET_NAME = re.compile(r"<x:Name>([^<]+)</x:Name>", re.IGNORECASE)


class HtmlRow(msgspec.Struct):
    """A row of the table that is read."""

    number: int
    cells: dict[int, str]
    problems: list[tuple[int, str]]
    is_hidden: bool = False
    hidden_places: list[int] = []


class FoundTable(msgspec.Struct):
    """A table, as the first pass describes it."""

    name: str = ""
    is_visible: bool = True
    #: Rows with text outside of inner tables.
    filled: int = 0


class _OpenTable:
    """A table whose end has not been read."""

    def __init__(self, at: int, attributes: Mapping[str, str], is_visible: bool) -> None:
        self.at = at
        self.found = FoundTable(is_visible=is_visible)
        self.is_text = "x:str" in attributes
        self.number = 0
        #: First position of a cell that covers rows below → (last row, position after it).
        self.covered: dict[int, tuple[int, int]] = {}
        self.covered_until = 0
        self.hidden_columns: set[int] = set()
        self.columns = 0
        self.row: dict[int, Cell] | None = None
        self.row_is_hidden = False
        self.place = self.cells = 0
        self.is_merged = False
        self.too_wide = False
        self.cell: Cell | None = None

    def begin_row(self, is_hidden: bool) -> None:
        self.number += 1
        if self.number > MOST_ROWS:
            raise UnreadableWorkbook(f"has a table of more than {MOST_ROWS:,} rows, the most of a sheet; split it")
        self.row, self.row_is_hidden, self.place, self.too_wide = {}, is_hidden, 0, False
        self.is_merged = self.number <= self.covered_until
        self.cells = 0

    def begin_cell(self, cell: Cell) -> None:
        self.cells += 1
        if self.cells > _MOST_CELLS:
            raise UnreadableWorkbook("has a row larger than any valid one; it was not read")
        while self.covered.get(self.place, (0, 0))[0] >= self.number:
            self.place = self.covered[self.place][1]
        self.cell = cell
        if cell.columns > 1 or cell.rows > 1:
            self.is_merged = True
        if self.row is not None and self.place < MOST_COLUMNS:
            self.row[self.place] = cell
        if cell.rows > 1 and self.place < MOST_COLUMNS:
            last = self.number + cell.rows - 1
            self.covered[self.place] = last, self.place + cell.columns
            self.covered_until = max(self.covered_until, last)
        self.place += cell.columns

    def end_cell(self) -> None:
        if self.cell is not None and self.place > MOST_COLUMNS and self.cell.has_text():
            first = self.place - self.cell.columns
            self.too_wide = self.too_wide or first >= MOST_COLUMNS
        self.cell = None

    def end_part(self) -> None:
        """A cell reaches at most to the end of its part of the table."""
        self.covered.clear()
        self.covered_until = 0


class TableEvents:
    """A parser's target. `wanted`: the table whose rows are kept; None describes all tables."""

    def __init__(self, wanted: int | None = None) -> None:
        self._wanted = wanted
        self._styles = Styles()
        self._open: list[_OpenTable] = []
        self._depth = 0
        #: Open elements in one that is not displayed, and the tables among them.
        self._skipped = self._skipped_tables = 0
        self._hidden_at: int | None = None
        self._words: list[str] | None = None
        self._heading = ""
        self._sheet_name = ""
        self._css: list[str] | None = None
        self._css_size = 0
        self.rows: list[HtmlRow] = []
        self.tables: list[FoundTable] = []
        #: Columns of the wanted table that are not displayed.
        self.hidden_columns: set[int] = set()
        self.asks_password = self.has_frames = False
        #: Whether text was left out: not displayed, in a cell; or in a row, but in no cell.
        self.left_out_hidden = self.left_out_stray = False

    # ------------------------------------------------------------------------------- what the parser calls

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        self._depth += 1
        if self._depth > _MOST_OPEN:
            raise UnreadableWorkbook("nests its elements deeper than any valid page; it was not read")
        if self._skipped:
            if tag in ("td", "th", "tr") and not self._skipped_tables:
                # The hidden element was never closed.
                self._skipped = 0
            else:
                self._skipped += 1
                self._skipped_tables += tag == "table"
                return
        if tag in ("table", "tr", "td", "th"):
            self._end_words()
        if tag == "table":
            self._begin_table(attributes)
        elif tag == "tr":
            self._end_row()
            self._table().begin_row(is_hidden(attributes, self._styles))
        elif tag in ("td", "th"):
            self._begin_cell(attributes)
        elif tag in ("thead", "tbody", "tfoot", "caption", "colgroup") and self._open:
            self._end_row()
            self._open[-1].end_part()
            self._words = [] if tag == "caption" else self._words
        elif tag == "col" and self._open:
            self._column(attributes)
        elif tag == "input":
            self.asks_password = self.asks_password or attributes.get("type", "").lower() == "password"
        elif tag in ("frameset", "frame"):
            self.has_frames = True
        elif tag == "style":
            self._css = []
        else:
            self._inline(tag, attributes)

    def end(self, tag: str) -> None:
        self._depth -= 1
        if self._hidden_at is not None and self._depth < self._hidden_at:
            self._hidden_at = None
        if self._skipped:
            self._skipped -= 1
            self._skipped_tables -= tag == "table"
            return
        if tag == "style" and self._css is not None:
            self._styles.add("".join(self._css))
            self._css = None
        elif tag == "caption" or (tag in _HEADINGS and not self._open):
            self._end_words()
        elif not self._open:
            return
        elif tag == "table":
            self._end_table()
        elif tag in ("tr", "thead", "tbody", "tfoot"):
            self._end_row()
        elif tag in ("td", "th"):
            self._open[-1].end_cell()
        elif tag in _BLOCKS:
            self._new_line(always=False)

    def data(self, text: str) -> None:
        if self._css is not None:
            self._css_size += len(text)
            if self._css_size > _LARGEST_CSS:
                raise UnreadableWorkbook("has larger style sheets than any valid page; it was not read")
            self._css.append(text)
        elif self._skipped:
            self.left_out_hidden = self.left_out_hidden or (bool(self._open) and bool(text.strip()))
        elif self._words is not None:
            self._words.append(text)
        elif self._open:
            top = self._open[-1]
            if top.cell is not None:
                for table in self._open:
                    if table.cell is not None:
                        table.cell.add(text, is_own=table is top)
            elif top.row is not None and text.strip():
                self.left_out_stray = True

    def comment(self, text: str) -> None:
        if "<x:" in text:
            names = _SHEET_NAME.findall(text)
            self._sheet_name = names[0] if len(names) == 1 else ""
            self.has_frames = self.has_frames or "<x:WorksheetSource" in text

    def close(self) -> None:
        while self._open:
            self._end_table()

    # ------------------------------------------------------------------------------------------- the tables

    def _table(self) -> _OpenTable:
        """The innermost table. Rows outside of any table begin one."""
        if not self._open:
            self._begin_table({})
        return self._open[-1]

    def _begin_table(self, attributes: Mapping[str, str]) -> None:
        if len(self._open) >= _MOST_NESTED:
            raise UnreadableWorkbook("nests tables deeper than any valid page; it was not read")
        if len(self.tables) >= _MOST_TABLES:
            raise UnreadableWorkbook(f"has more than {_MOST_TABLES:,} tables; it was not read")
        is_visible = self._hidden_at is None and not is_hidden(attributes, self._styles)
        table = _OpenTable(len(self.tables), attributes, is_visible)
        table.found.name = self._heading or (self._sheet_name if not self.tables else "")
        self._heading = ""
        self._open.append(table)
        self.tables.append(table.found)

    def _end_table(self) -> None:
        self._end_row()
        table = self._open.pop()
        if table.at == self._wanted:
            self.hidden_columns |= table.hidden_columns

    def _begin_cell(self, attributes: Mapping[str, str]) -> None:
        table = self._table()
        table.end_cell()
        if table.row is None:
            table.begin_row(is_hidden=False)
        table.begin_cell(Cell(attributes, self._styles))
        for outer in self._open[:-1]:
            if outer.cell is not None:
                outer.cell.add(" ", is_own=False)

    def _column(self, attributes: Mapping[str, str]) -> None:
        table = self._open[-1]
        span = attributes.get("span", "1")
        count = min(int(span), MOST_COLUMNS) if span.isdecimal() and len(span) < 9 else 1
        if is_hidden(attributes, self._styles):
            table.hidden_columns |= set(range(table.columns, min(table.columns + count, MOST_COLUMNS)))
        table.columns = min(table.columns + count, MOST_COLUMNS)

    def _end_words(self) -> None:
        """End a caption, which names its table, or a heading, which names the next one."""
        if self._words is None:
            return
        words = " ".join("".join(self._words).split())[:_LONGEST_NAME].strip()
        self._words = None
        if self._open:
            self._open[-1].found.name = words
        else:
            self._heading = words

    def _end_row(self) -> None:
        """End the row of the innermost table, if any."""
        if not self._open:
            return
        table = self._open[-1]
        table.end_cell()
        if table.row is None:
            return
        table.found.filled += any(cell.has_own_text for cell in table.row.values())
        if table.at == self._wanted:
            self.rows.append(_row_of(table, table.row))
        table.row = None

    def _inline(self, tag: str, attributes: Mapping[str, str]) -> None:
        """An element in a cell, or outside of the tables."""
        if tag in _HEADINGS and not self._open:
            self._words = []
        hides = tag in _NEVER_SHOWN or (tag == "option" and "selected" not in attributes)
        if self._open and (hides or is_hidden(attributes, self._styles)):
            self._skipped = 1
        elif not self._open and self._hidden_at is None and is_hidden(attributes, self._styles):
            self._hidden_at = self._depth
        elif tag == "br":
            self._new_line(always=True)
        elif tag in _BLOCKS:
            self._new_line(always=False)

    def _new_line(self, *, always: bool) -> None:
        for table in self._open:
            if table.cell is not None:
                table.cell.new_line(always=always)


def _row_of(table: _OpenTable, row: dict[int, Cell]) -> HtmlRow:
    cells: dict[int, str] = {}
    made = HtmlRow(table.number, cells, [(-1, "merged_cells")] if table.is_merged else [])
    for place, cell in row.items():
        text, code = cell.value(table.is_text)
        if text:
            cells[place] = text
        if code:
            made.problems.append((place, code))
        if cell.is_hidden and text:
            table.hidden_columns.add(place)
    if table.too_wide:
        made.problems.append((-1, "nameless_cell"))
    if not cells and all(place < 0 for place, _ in made.problems) and not table.too_wide:
        made.problems = []
    made.is_hidden = table.row_is_hidden and bool(cells)
    return made


def named(tables: list[FoundTable]) -> Iterator[str]:
    """A different name for each table."""
    used: set[str] = set()
    for at, table in enumerate(tables, 1):
        name = first = table.name or f"Table {at}"
        count = 1
        while name in used:
            count += 1
            name = f"{first} ({count})"
        used.add(name)
        yield name
