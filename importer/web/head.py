"""The first rows of a sheet, kept while it is inspected."""

from __future__ import annotations

import msgspec

from importer.errors import SourceError
from importer.normaliser.facts import SheetFacts
from importer.normaliser.mapping import PREFERENCE, ColumnUse, Mapping
from importer.reader import Source
from importer.reader.survey import Survey
from importer.row_block import RowBlock
from importer.web.messages import FirstRows

#: Rows that are shown, and the most characters of their cells.
ROWS_SHOWN, _CHARACTERS = 20, 1_000_000


class Head:
    """Takes the blocks of a source in order; then `rows` has the first rows, and the facts of the sheet."""

    def __init__(self, source: Source, mapping: Mapping) -> None:
        self._mapping = mapping
        # Any column may become a preference. No identifier is certain yet, so that nothing refuses the file.
        every = Mapping(tuple([ColumnUse(column, PREFERENCE, column) for column in source.columns]))
        self._survey: Survey | None = Survey(source, mapping if mapping.is_long else every)
        self._first = FirstRows()

    def add(self, block: RowBlock) -> None:
        if not self._first.rows:
            self._first = _first_of(block)
        if self._survey is not None:
            try:
                self._survey.add(block)
            except SourceError:
                self._survey = None  # the check refuses the file, with the reason

    def rows(self) -> FirstRows:
        facts = self._survey.mapping().facts if self._survey is not None else SheetFacts()
        return msgspec.structs.replace(self._first, facts=msgspec.structs.replace(facts, footers=(), notes=()))


def _first_of(block: RowBlock) -> FirstRows:
    rows, characters = 0, 0
    for row in zip(*block.cells.columns, strict=True):
        characters += sum(map(len, row))
        if rows == ROWS_SHOWN or (rows and characters > _CHARACTERS):
            break
        rows += 1
    head = block.only([at < rows for at in range(len(block))])
    columns = tuple([tuple(column) for column in head.cells.columns])
    return FirstRows(tuple(head.row_numbers), columns, head.problems, head.typed)
