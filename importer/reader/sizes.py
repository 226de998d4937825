"""The largest cell, row and sheet that are read, in any format."""

from __future__ import annotations

#: Rows of a sheet.
MOST_ROWS = 1_048_576
#: Cells further right are not part of a table. It bounds the cost of a stray cell.
MOST_COLUMNS = 2000
#: Cells of a text's row. A sheet of Excel has no more columns.
MOST_CELLS = 16_384
#: Characters of a cell. In a text it also stops an unclosed quote from taking in the rest of the file.
LONGEST_CELL = 1 << 17
#: Characters of a row.
LONGEST_ROW = 1 << 22
#: The cost of the rows that are in memory at a time.
MOST_COST = 1 << 24
#: What a cell costs in addition to its characters.
_CELL = 50


def cost_of(characters: int, cells: int) -> int:
    """About how many bytes of memory rows take."""
    return characters + _CELL * cells
