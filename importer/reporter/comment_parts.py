"""The two parts of a workbook that hold the comments of a sheet: their texts, and the boxes that show them.

A program that opens the workbook needs both. They are written as streams, beside the sheet: 200,000 comments take less
than a second and no memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from importer.reader.header import column_letters
from importer.reporter.packed_part import PackedPart
from importer.reporter.xml_text import xml_text

_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
COMMENTS_HEAD = (
    f'{_HEAD}<comments xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
    "<authors><author>importer</author></authors><commentList>"
)
COMMENTS_TAIL = "</commentList></comments>"
BOXES_HEAD = (
    '<xml xmlns:v="urn:schemas-microsoft-com:vml" xmlns:o="urn:schemas-microsoft-com:office:office" '
    'xmlns:x="urn:schemas-microsoft-com:office:excel">'
    '<o:shapelayout v:ext="edit"><o:idmap v:ext="edit" data="1"/></o:shapelayout>'
    '<v:shapetype id="_x0000_t202" coordsize="21600,21600" o:spt="202" path="m,l,21600r21600,l21600,xe">'
    '<v:stroke joinstyle="miter"/><v:path gradientshapeok="t" o:connecttype="rect"/></v:shapetype>'
)
BOXES_TAIL = "</xml>"

#: Pixels: of a box, of a column and a row as programs make them, and of a line of text.
_BOX_WIDTH, _COLUMN_WIDTH, _ROW_HEIGHT, _LINE_HEIGHT = 320, 64, 20, 18
#: Characters of a line in a box.
_LINE = 44
_GAP = 12
#: So many are given to the compressor at once, and so many texts are remembered.
_TOGETHER, _CACHED = 2000, 1000


class _Shared(NamedTuple):
    """What the comments with one text in one column share: the XML around their numbers, and the rows of the box."""

    comment: tuple[str, str]
    box: tuple[str, str, str, str, str]
    rows: int


def _shared(column: int, text: str, right: tuple[int, int]) -> _Shared:
    rows, rest = divmod(_height(text), _ROW_HEIGHT)
    return _Shared(
        (
            f'<comment ref="{column_letters(column)}',
            f'" authorId="0"><text><t xml:space="preserve">{xml_text(text)}</t></text></comment>',
        ),
        (
            '<v:shape id="_x0000_s',
            '" type="#_x0000_t202" style="position:absolute;visibility:hidden" fillcolor="#ffffe1" '
            'o:insetmode="auto"><v:shadow on="t" color="black" obscured="t"/><v:path o:connecttype="none"/>'
            '<v:textbox/><x:ClientData ObjectType="Note"><x:MoveWithCells/><x:SizeWithCells/>'
            f"<x:Anchor>{column + 1}, {_GAP}, ",
            f", 4, {right[0]}, {right[1]}, ",
            f", {rest}</x:Anchor><x:AutoFill>False</x:AutoFill><x:Row>",
            f"</x:Row><x:Column>{column}</x:Column></x:ClientData></v:shape>",
        ),
        rows,
    )


def comment_xml(row: int, column: int, text: str, author: int = 0) -> str:
    """One comment's text. `row` and `column` count from 0; `author`: its position in the part's list."""
    start, rest = _shared(column, text, (0, 0)).comment
    return f"{start}{row + 1}{rest}".replace('authorId="0"', f'authorId="{author}"', 1)


def box_xml(row: int, column: int, text: str, number: int, right: tuple[int, int]) -> str:
    """The box of one comment. `number`: no other box of the part has it. `right`: where it ends, as a column and the
    pixels in it."""
    shared, first = _shared(column, text, right), max(row - 1, 0)
    name, top, bottom, place, end = shared.box
    return f"{name}{1025 + number}{top}{first}{bottom}{first + shared.rows}{place}{row}{end}"


def right_edge(column: int, widths: Sequence[int]) -> tuple[int, int]:
    """Where the box of a comment on this column ends. `widths`: pixels of the columns, as far as they are known."""
    place, left = column + 1, _GAP + _BOX_WIDTH
    while left >= (width := widths[place] if place < len(widths) else _COLUMN_WIDTH):
        left -= width
        place += 1
    return place, left


def _height(text: str) -> int:
    """Pixels of the box, for the text's lines."""
    lines = sum(1 + len(line) // _LINE for line in text.splitlines())
    return (lines + 1) * _LINE_HEIGHT


class CommentParts:
    """Takes the comments of a sheet. Then `comments` and `boxes` can be copied into its workbook."""

    def __init__(self, scratch: Path, widths: Sequence[int] = ()) -> None:
        self._widths = widths
        self._shared: dict[tuple[int, str], _Shared] = {}
        self._waiting: tuple[list[str], list[str]] = ([], [])
        self.count = 0
        self.comments, self.boxes = PackedPart(scratch / "comments"), PackedPart(scratch / "boxes")
        self.comments.write(COMMENTS_HEAD)
        self.boxes.write(BOXES_HEAD)

    def add(self, row: int, column: int, text: str) -> None:
        """`row` and `column` count from 0. A cell has one comment."""
        shared = self._shared.get((column, text))
        if shared is None:
            if len(self._shared) >= _CACHED:
                self._shared.clear()
            shared = self._shared[column, text] = _shared(column, text, right_edge(column, self._widths))
        comments, boxes = self._waiting
        (start, rest), (name, top, bottom, place, end) = shared.comment, shared.box
        first = row - 1 if row else 0
        comments.append(f"{start}{row + 1}{rest}")
        boxes.append(f"{name}{1025 + self.count}{top}{first}{bottom}{first + shared.rows}{place}{row}{end}")
        self.count += 1
        if len(comments) >= _TOGETHER:
            self._flush()

    def finish(self) -> None:
        self._flush()
        self.comments.write(COMMENTS_TAIL)
        self.boxes.write(BOXES_TAIL)
        self.comments.finish()
        self.boxes.finish()

    def discard(self) -> None:
        self.comments.discard()
        self.boxes.discard()

    def _flush(self) -> None:
        comments, boxes = self._waiting
        self.comments.write("".join(comments))
        self.boxes.write("".join(boxes))
        self._waiting = ([], [])
