"""The XML of a workbook's rows: columns of text cells, and the ends of rows, which many rows share."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from importer.model import Outcome
from importer.normaliser.mapping import ColumnUse
from importer.reader.header import column_letters
from importer.reporter.marks import COLOURS, WARNING, comment_of, concerned
from importer.reporter.rows import result_cells
from importer.reporter.workbook_frame import Styles, lines_of, row_height
from importer.reporter.xml_text import cell_xml

#: Texts that are written once for all rows, and looks that are made once.
_SHARED, _CACHED = 10_000, 2_000
#: Where the row's number belongs in a shared end. No text holds it: it is escaped.
_HERE = "\0"
#: Where the number of the source's row belongs.
_ROW = "\1"


def column_xml(letters: str, style: str, column: Sequence[str], numbers: Sequence[str]) -> list[str]:
    """The cells of a column, "" for an empty one, in the rows `numbers`. Most columns need no escape, as one search
    shows."""
    text = "".join(column)
    if (
        not text.isprintable()
        or any(odd in text for odd in ("&", "<", ">", "_x", "  "))
        or list(map(str.strip, column)) != list(column)
    ):
        return [
            cell_xml(f"{letters}{number}", style, cell) if cell else ""
            for number, cell in zip(numbers, column, strict=True)
        ]
    start, middle, end = f'<c r="{letters}', f'" s="{style}" t="inlineStr"><is><t>', "</t></is></c>"
    return [f"{start}{number}{middle}{cell}{end}" if cell else "" for number, cell in zip(numbers, column, strict=True)]


def row_start(number: str, lines: int) -> str:
    """The tag of a row of so many lines."""
    return f'<row r="{number}">' if lines < 2 else f'<row r="{number}" ht="{row_height(lines)}">'


class Look(msgspec.Struct):
    """What the rows of one outcome share. `named`: the positions of the columns that it names; `about`: of those that
    its code is about; `style`: of the problem cells, "" for none; `ends`: the result cells, the second time with a
    highlighted `_message`, for rows whose problem is in no cell; `lines`: of the longest of them."""

    named: tuple[int, ...]
    about: tuple[int, ...]
    comment: str
    style: str
    ends: tuple[str, str]
    lines: int

    def end(self, number: str, row: int, *, message: bool) -> str:
        """The result cells of the source's `row` in row `number` of the workbook. `message`: highlighted."""
        return self.ends[message].replace(_HERE, number).replace(_ROW, str(row))

    def places(self, columns: Sequence[Sequence[str]], at: int) -> Sequence[int]:
        """The problem cells of the row at this position."""
        return self.named or [place for place in self.about if columns[place][at]]


class Looks:
    """Makes and keeps the looks of rows. `strings`: the texts that rows refer to by number."""

    def __init__(
        self,
        columns: Sequence[str],
        results: Sequence[str],
        uses: Sequence[ColumnUse],
        sheet: str,
        styles: Styles,
        widths: Sequence[int],
    ) -> None:
        self._places = {name: place for place, name in enumerate(columns)}
        self._results = {name: column_letters(place) for place, name in enumerate(results, len(columns))}
        self._uses, self._sheet, self._styles = uses, sheet, styles
        self._wrapped = [
            (place, widths[len(columns) + place])
            for place, name in enumerate(results)
            if styles.of_result(name) == styles.shown
        ]
        self._known: dict[tuple[object, ...], Look] = {}
        self.strings: dict[str, int] = {}

    def of(self, outcome: Outcome) -> Look:
        key = msgspec.structs.astuple(outcome)[1:]
        look = self._known.get(key)
        if look is None:
            if len(self._known) >= _CACHED:
                self._known.clear()
            look = self._known[key] = self._made(outcome)
        return look

    def _made(self, outcome: Outcome) -> Look:
        colour = COLOURS[outcome.status]
        style = {None: "", WARNING: self._styles.warning}.get(colour, self._styles.problem)
        named, about = (
            tuple(self._places[name] for name in dict.fromkeys(names) if name in self._places)
            for names in (outcome.columns, concerned(outcome, self._uses))
        )
        comment = comment_of(outcome) if style else ""
        cells = result_cells(outcome, self._sheet)
        lines = max((lines_of(cells[place], width) for place, width in self._wrapped), default=1)
        return Look(named, about, comment, style, (self._end(cells), self._end(cells, style)), lines)

    def _end(self, texts: Sequence[str], message: str = "") -> str:
        """The result cells; empty ones have the style of their column. `message`: the style of a highlighted
        `_message`."""
        cells = []
        for (name, letters), text in zip(self._results.items(), texts, strict=False):
            style = message if message and name == "_message" else self._styles.of_result(name)
            start = f'<c r="{letters}{_HERE}" s="{style}"'
            number = self._number(name, text)
            if number is not None:
                cells.append(f'{start} t="s"><v>{number}</v></c>')
            elif name == "_row":
                cells.append(f'{start} t="inlineStr"><is><t>{_ROW}</t></is></c>')
            elif text:
                cells.append(cell_xml(f"{letters}{_HERE}", style, text))
        return "".join(cells)

    def _number(self, name: str, text: str) -> int | None:
        """The number of a shared text, None for one that is written in its cell."""
        if not text or name == "_row" or (text not in self.strings and len(self.strings) >= _SHARED):
            return None
        # XlsxWriter takes the form `<r>…</r>` for markup, and writes any character.
        if text.startswith("<r>") or not text.isprintable():
            return None
        return self.strings.setdefault(text, len(self.strings))
