"""`failed.xlsx`, made for fixing: problem cells highlighted and commented, result columns at the right and folded.

Every cell is text, so no program runs it, rounds it or drops its zeros. The XML of the rows is written column by column
and compressed at once: 200,000 rows of eight columns take about four times what the csv module takes to copy
them, and a few MiB.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from unicodedata import east_asian_width
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import msgspec

from importer.model import Cause, Outcome
from importer.normaliser.mapping import ColumnUse
from importer.reader.header import column_letters
from importer.reporter.comment_parts import Comments, without_comments
from importer.reporter.packed_part import PackedPart
from importer.reporter.row_xml import Looks, column_xml, row_start
from importer.reporter.rows import result_cells
from importer.reporter.workbook_frame import BESIDE, BOXES, COMMENTS, SHEET, Frame, Styles, lines_of
from importer.reporter.xml_text import CELL_CHARACTERS, SHEET_COLUMNS, cell_xml

#: Rows below the header that a sheet can hold.
SHEET_ROWS = 1_048_575

_WIDEST, _WIDEST_RESULT, _NARROWEST = 40, 50, 8
#: The first rows decide the widths of the columns.
_MEASURED_ROWS = 200
#: Pixels of a character.
_PIXELS = 7


class WorkbookTable:
    """Writes rows in constant memory. `left_out` counts those that a sheet cannot hold. `note`: for people, when it is
    closed."""

    #: Columns of the widest table.
    most_columns = SHEET_COLUMNS

    def __init__(
        self,
        path: Path,
        columns: Sequence[str],
        results: Sequence[str],
        uses: Sequence[ColumnUse],
        sheet: str,
        scratch: Path,
    ) -> None:
        self._path, self._sheet, self._scratch = path, sheet, scratch
        self._columns, self._results, self._uses = columns, results, uses
        self._message = len(columns) + list(results).index("_message")
        self._letters = [column_letters(place) for place in range(len(columns) + len(results))]
        self._waiting: list[_Rows] = []
        self._begun: _Begun | None = None
        #: The row of the source of each row.
        self._numbers = array("Q")
        self.left_out = 0
        self.note = ""

    def add(
        self,
        columns: Sequence[Sequence[str]],
        outcomes: Sequence[Outcome],
        extra: Mapping[int, Sequence[str]],
        fixed: Sequence[str] = (),
    ) -> None:
        """Add consecutive rows: their cells by column of the source; `extra`: position → further cells; `fixed`: the
        cells of the last result column, where there is `_fixed`."""
        rows = _Rows(columns, outcomes, extra, fixed)
        held = [at for at, fits in enumerate(self._fit(rows)) if fits]
        taken = len(self._numbers)
        held = held[: max(SHEET_ROWS - taken, 0)]
        self.left_out += len(rows.outcomes) - len(held)
        if len(held) < len(rows.outcomes):
            rows = rows.only(held)
        if not held:
            return
        self._numbers.extend(outcome.row_number for outcome in rows.outcomes)
        if self._begun is not None:
            self._write(self._begun, rows, taken)
            return
        self._waiting.append(rows)
        if len(self._numbers) >= _MEASURED_ROWS:
            self._begin()

    def close(self, at: int, causes: Sequence[Cause]) -> None:
        """Finish the file. `at` (milliseconds, UTC) is its creation time, so a run always gives the same bytes."""
        begun = self._begun or self._begin()
        comments = begun.comments
        comments.finish()
        listed = [(cause, *self._examples(cause)) for cause in causes]
        self.note = without_comments("failed.xlsx") if comments.left_out else ""
        end, parts = begun.frame.end(len(self._numbers) + 1, begun.looks.strings, listed, at, comments)
        begun.sheet.write(end)
        with ZipFile(self._path, "w", ZIP_DEFLATED) as archive:
            for name, content in parts.items():
                archive.writestr(ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content, ZIP_DEFLATED)
            begun.sheet.copy_to(archive, SHEET)
            if comments.count:
                comments.comments.copy_to(archive, COMMENTS)
                comments.boxes.copy_to(archive, BOXES)

    def discard(self) -> None:
        if self._begun is not None:
            self._begun.sheet.discard()
            self._begun.comments.discard()

    def _fit(self, rows: _Rows) -> Sequence[bool]:
        """Whether a sheet can hold each row."""
        fits = [True] * len(rows.outcomes)
        for column in rows.columns:
            if max(map(len, column)) > CELL_CHARACTERS // 2:
                fits = [fit and _fits(cell) for fit, cell in zip(fits, column, strict=True)]
        for at, outcome in enumerate(rows.outcomes):
            if len(outcome.message) + len(outcome.advice) > CELL_CHARACTERS // 2:
                fits[at] = fits[at] and all(map(_fits, result_cells(outcome, self._sheet)))
        if rows.fixed:
            fits = [fit and _fits(cell) for fit, cell in zip(fits, rows.fixed, strict=True)]
        for at, extra in rows.extra.items():
            fits[at] = fits[at] and all(map(_fits, extra)) and len(self._letters) + len(extra) <= SHEET_COLUMNS
        return fits

    def _begin(self) -> _Begun:
        """Write the header and the waiting rows: the widths must be known before the first row."""
        widths = self._widths()
        frame = Frame(self._sheet, self._columns, self._results, widths)
        start, styles = frame.start()
        begun = self._begun = _Begun(
            frame,
            PackedPart(self._scratch / "sheet"),
            Comments(self._scratch, [width * _PIXELS for width in widths]),
            Looks(self._columns, self._results, self._uses, self._sheet, styles, widths),
            styles,
        )
        heads = [*[styles.head] * len(self._columns), *[styles.result_head] * len(self._results)]
        names = zip(self._letters, heads, [*self._columns, *self._results], strict=True)
        cells = "".join(cell_xml(f"{letters}1", style, name) for letters, style, name in names)
        begun.sheet.write(f'{start}<row r="1">{cells}</row>')
        written = 0
        for rows in self._waiting:
            self._write(begun, rows, written)
            written += len(rows.outcomes)
        self._waiting = []
        return begun

    def _write(self, begun: _Begun, rows: _Rows, written: int) -> None:
        """Write the rows below those that are `written`."""
        numbers = list(map(str, range(written + 2, written + 2 + len(rows.outcomes))))
        text = begun.styles.text
        cells = [
            column_xml(letters, text, column, numbers)
            for letters, column in zip(self._letters, rows.columns, strict=False)
        ]
        lines = self._lines(begun, rows)
        tails, comment, plain = [], begun.comments.add, f' s="{text}"'
        for at, (outcome, number) in enumerate(zip(rows.outcomes, numbers, strict=True)):
            look = begun.looks.of(outcome)
            places = look.places(rows.columns, at) if look.style else ()
            for place in places:
                cell = cells[place][at] or f'<c r="{self._letters[place]}{number}"{plain}/>'
                cells[place][at] = cell.replace(plain, f' s="{look.style}"', 1)
                comment(written + 1 + at, place, look.comment)
            in_message = bool(look.style) and not places
            if in_message:
                comment(written + 1 + at, self._message, look.comment)
            tail = look.end(number, outcome.row_number, message=in_message)
            if rows.fixed and rows.fixed[at]:
                tail += cell_xml(f"{self._letters[-1]}{number}", begun.styles.folded, rows.fixed[at])
            tails.append((tail + self._beside(begun, rows.extra[at], number) if at in rows.extra else tail) + "</row>")
            lines[at] = max(lines[at], look.lines)
        starts = map(row_start, numbers, lines)
        begun.sheet.write("".join(chain.from_iterable(zip(starts, *cells, tails, strict=True))))

    def _lines(self, begun: _Begun, rows: _Rows) -> list[int]:
        """The lines of the longest cell of each row, of the source's cells and those beside the results."""
        lines = [1] * len(rows.outcomes)
        for column, width in zip(rows.columns, begun.frame.widths, strict=False):
            if max(map(len, column)) > width or "\n" in "".join(column):
                lines = [max(most, lines_of(cell, width)) for most, cell in zip(lines, column, strict=True)]
        for at, words in rows.extra.items():
            lines[at] = max(lines[at], *(lines_of(word, BESIDE) for word in words), 1)
        return lines

    def _beside(self, begun: _Begun, words: Sequence[str], number: str) -> str:
        """The cells right of the result columns, which make the row fail again until a person has cleared them."""
        end = len(self._letters)
        return "".join(
            cell_xml(f"{column_letters(place)}{number}", begun.styles.problem, word)
            for place, word in enumerate(words, end)
        )

    def _widths(self) -> list[int]:
        """Of the columns, in characters: the longest line of the header and the waiting rows, up to a limit."""
        widths = [_width([name]) + 3 for name in (*self._columns, *self._results)]
        for rows in self._waiting:
            results = zip(*[result_cells(outcome, self._sheet) for outcome in rows.outcomes], strict=True)
            for place, cells in enumerate(chain(rows.columns, results)):
                most = _WIDEST if place < len(self._columns) else _WIDEST_RESULT
                widths[place] = max(widths[place], min(_width(cells) + 2, most))
        return [min(max(width, _NARROWEST), _WIDEST_RESULT) for width in widths]

    def _examples(self, cause: Cause) -> tuple[str, int]:
        """The example rows of a cause in words, and where the first one is in this workbook; 0 if it is not."""
        found = []
        for number in cause.example_rows:
            at = bisect_left(self._numbers, number)
            if at < len(self._numbers) and self._numbers[at] == number:
                found.append(at + 2)
        source = ", ".join(f"{number:,}" for number in cause.example_rows)
        here = ", ".join(f"{number:,}" for number in found)
        words = f"{here} of this workbook ({source} of the source)" if found else f"{source} of the source"
        return words if cause.example_rows else "", found[0] if found else 0


class _Rows(msgspec.Struct):
    """Consecutive rows."""

    columns: Sequence[Sequence[str]]
    outcomes: Sequence[Outcome]
    extra: Mapping[int, Sequence[str]]
    fixed: Sequence[str]

    def only(self, positions: Sequence[int]) -> _Rows:
        return _Rows(
            [[column[at] for at in positions] for column in self.columns],
            [self.outcomes[at] for at in positions],
            {new: self.extra[at] for new, at in enumerate(positions) if at in self.extra},
            [self.fixed[at] for at in positions] if self.fixed else (),
        )


class _Begun(msgspec.Struct):
    """What a table needs once its first row is written."""

    frame: Frame
    sheet: PackedPart
    comments: Comments
    looks: Looks
    styles: Styles


def _width(cells: Sequence[str]) -> int:
    """The characters of the longest line. Letters of East Asia take two."""
    lines = {line for cell in cells for line in cell[:2000].splitlines()}
    return max((len(line) + sum(east_asian_width(c) in "WF" for c in line) for line in lines), default=0)


def _fits(cell: str) -> bool:
    """Whether a sheet can hold the cell. Excel counts UTF-16 units."""
    if len(cell) <= CELL_CHARACTERS // 2:
        return True
    return len(cell.encode("utf-16-le", "surrogatepass")) // 2 <= CELL_CHARACTERS
