"""What each row of an annotated workbook gets: its result cells, highlights and comments."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from importer.model import Outcome, Status, Stretch
from importer.reader.sheet_xml import UnreadableWorkbook
from importer.reporter.annotated_job import AnnotatedJob, AnnotatedRows
from importer.reporter.annotated_rows import NO_CELLS, Added, Cells, number_cell, text_cell
from importer.reporter.annotated_styles import Styles
from importer.reporter.comment_parts import MARK, Comments
from importer.reporter.marks import COLOURS, comment_of, problem_columns
from importer.reporter.rows import result_cells

#: The result columns that differ between requests.
_SENT = ("_attempts", "_request_id", "_at")


class Look(msgspec.Struct, frozen=True, gc=False):
    """What the rows of one outcome share. `marks`: the highlighted columns of a row without empty cells."""

    cells: Cells
    colour: str
    comment: str
    marks: tuple[int, ...]


class Results:
    """Gives what the rows get, in the order of the sheet. `columns`: result column → position, in their order."""

    def __init__(
        self,
        job: AnnotatedJob,
        blocks: Iterator[AnnotatedRows],
        styles: Styles,
        columns: dict[str, int],
        comments: Comments | None,
    ) -> None:
        self._job, self._blocks, self._styles, self._columns, self._comments = job, blocks, styles, columns, comments
        self._known: dict[int, Added] = {}
        #: The last one that rows shared.
        self._usual = Added(NO_CELLS)
        #: Where a row is commented whose problem is in no cell.
        self._no_cell = (columns["_status"],)
        self._text = styles.as_text
        self._cell = lru_cache(maxsize=1024)(text_cell)
        self._look = lru_cache(maxsize=2000)(self._make_look)
        self._sent = lru_cache(maxsize=2000)(self._make_sent)
        #: What the header gets, and the last row with a result.
        self.header: Added | None = None
        self.last = job.header_row

    def __call__(self, number: int) -> Added | None:
        """What a row gets; None where it has no result. Rows are asked for once each, in order."""
        if number == self._job.header_row:
            return self.header
        while number > self.last:
            if self._known:
                raise _missing_rows()
            block = next(self._blocks, None)
            if block is None:
                return None
            for stretch in block.stretches:
                self._see(stretch, block)
        return self._known.pop(number, None)

    def finish(self) -> None:
        """Check that every row was found. Raises `UnreadableWorkbook`."""
        if self._known or next(self._blocks, None) is not None:
            raise _missing_rows()

    def _see(self, stretch: Stretch, block: AnnotatedRows) -> None:
        outcome = stretch.outcome
        numbers = stretch.numbers
        self.last = numbers[-1]
        look = self._look(
            outcome.status, outcome.code, outcome.message, outcome.advice, outcome.columns, outcome.warnings
        )
        sent = self._sent(outcome.attempts, outcome.request_id, outcome.at)
        if not look.colour and not block.beside:
            self._known.update(dict.fromkeys(numbers, Added(look.cells, sent)))
            return
        comments = self._comments
        usual = self._usual
        if usual.first is not look.cells or usual.second is not sent:
            usual = self._usual = Added(look.cells, sent, NO_CELLS, look.marks, look.colour)
        for number in numbers:
            marks, beside = look.marks, NO_CELLS
            if number in block.blank:
                marks = self._places(problem_columns(outcome, self._job.uses, block.blank[number]))
            if number in block.beside:
                beside = self._beside(block.beside[number])
            is_usual = marks is look.marks and beside is NO_CELLS
            self._known[number] = usual if is_usual else Added(look.cells, sent, beside, marks, look.colour)
            if comments is not None and look.colour:
                for column in marks or self._no_cell:
                    comments.add(number - 1, column, look.comment)

    def _places(self, names: Sequence[str]) -> tuple[int, ...]:
        places = self._job.places
        return tuple(places[name] for name in names if name in places)

    def _make_look(self, *parts: Any) -> Look:
        """What rows of one outcome share, whenever they were sent."""
        status, code, message, advice, columns, warnings = parts
        outcome = Outcome(0, status, code, message, advice, columns, warnings)
        is_marked = status is not Status.SUCCEEDED or bool(warnings)
        colour = (COLOURS[status] or "") if is_marked else ""
        marks = self._places(problem_columns(outcome, self._job.uses, ())) if colour else ()
        return Look(self._cells(outcome, _SENT, colour), colour, MARK + comment_of(outcome) if colour else "", marks)

    def _make_sent(self, attempts: int, request_id: str, at: int) -> Cells:
        outcome = Outcome(0, Status.SUCCEEDED, attempts=attempts, request_id=request_id, at=at)
        return self._cells(outcome, tuple(set(self._columns) - set(_SENT)), "")

    def _cells(self, outcome: Outcome, without: Collection[str], colour: str) -> Cells:
        """The result cells. In the columns of an earlier report an empty one is written too."""
        cells = {}
        for (name, column), text in zip(self._columns.items(), result_cells(outcome, self._job.sheet), strict=True):
            if name in without:
                continue
            if name == "_row":
                cells[column] = number_cell(column, self._text)
            elif text or self._job.earlier:
                style = self._styles.filled(self._text, colour) if colour and name == "_status" else self._text
                cells[column] = self._cell(column, text, style)
        return Cells.of(cells)

    def _beside(self, words: Sequence[str]) -> Cells:
        first = max(self._columns.values()) + 1
        return Cells.of({at: self._cell(at, word, self._text) for at, word in enumerate(words, first)})


def _missing_rows() -> UnreadableWorkbook:
    return UnreadableWorkbook("lacks rows that have a result")
