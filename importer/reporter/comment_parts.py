"""The two parts of a workbook that hold the comments of a sheet: their texts, and the boxes that show them.

A program that opens the workbook needs both. They are written as streams, like the sheet. What people wrote, their
boxes and other controls are kept.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from importer.reader.header import column_letters
from importer.reader.sheet_xml import column_place
from importer.reporter.annotated_frame import attributes_of
from importer.reporter.packed_part import PackedPart
from importer.reporter.xml_text import MAIN, element, xml_text

#: Comments of a sheet, and how many more may be the first ones with their text. LibreOffice 7.4 draws each box at
#: opening, at a cost that grows with its row: boxes in 20,000 rows take it a minute, in 200,000 rows more than an hour.
MOST_COMMENTS, MOST_FIRST = 20_000, 100

#: Begins the part of a comment that a report wrote.
MARK = "importer: "
_PLAIN = '<comments xmlns="{}"><authors/><commentList/></comments>'
_DECLARED = (
    ' xmlns:v="urn:schemas-microsoft-com:vml"',
    ' xmlns:o="urn:schemas-microsoft-com:office:office"',
    ' xmlns:x="urn:schemas-microsoft-com:office:excel"',
)
_ROOT = re.compile(r"<xml(?:\s[^<>]*)?>")
_LAYOUT = '<o:shapelayout v:ext="edit"><o:idmap v:ext="edit" data="{}"/></o:shapelayout>'
_TYPE = (
    '<v:shapetype id="_x0000_t202" coordsize="21600,21600" o:spt="202" path="m,l,21600r21600,l21600,xe">'
    '<v:stroke joinstyle="miter"/><v:path gradientshapeok="t" o:connecttype="rect"/></v:shapetype>'
)
_AUTHORS, _COMMENT, _LIST = element("authors"), element("comment"), element("commentList")
_WORDS = re.compile(r"<t(?: [^<>]*?)?>([^<]*)</t>")
_PHONETIC, _TEXT = element("rPh"), element("text")
_READING = re.compile(r"<(?:rPh|phoneticPr)[\s/>]")
_SHAPE = re.compile(r"<(\w{1,9}):shape\s(?:(?!<\w{1,9}:shape\s).)*?</\1:shape>", re.DOTALL)
_ROW, _COLUMN = re.compile(r"<\w{1,9}:Row>\s*(\d+)\s*<"), re.compile(r"<\w{1,9}:Column>\s*(\d+)\s*<")
_IDS = re.compile(rb"<\w{1,9}:idmap[^<>]*?data=[\"']([\d,\s]+)[\"']")
_IDS_TEXT = re.compile(r"(<\w{1,9}:idmap[^<>]*?data=[\"'][\d,\s]+)([\"'])")
#: Numbers of a block.
_BLOCK = 1024
#: Comments that are compressed at once.
_TOGETHER = 2000
#: Comments of a thread are shown from another part.
_THREAD = "tc="

#: Pixels: of a box, of a column and a row as programs make them, and of a line of text.
_BOX_WIDTH, _COLUMN_WIDTH, _ROW_HEIGHT, _LINE_HEIGHT = 320, 64, 20, 18
#: Characters of a line in a box.
_LINE = 44
_GAP = 12


class Comments:
    """The comments of a sheet, to be copied into its workbook when they are finished.

    `comments` and `boxes`: the parts that the sheet has, the first in the common form; empty where there is none.
    `taken`: the highest block of box numbers in the workbook. `widths`: of the columns, in pixels, as far as they are
    known. Raises `ValueError` for boxes that cannot be added to.
    """

    def __init__(
        self,
        scratch: Path,
        widths: Sequence[int],
        comments: str = "",
        boxes: bytes = b"",
        *,
        taken: int = 0,
        namespace: str = MAIN,
    ) -> None:
        self.comments, self.boxes = PackedPart(scratch / "comments"), PackedPart(scratch / "boxes")
        #: Problem cells without a comment of the report, because they have a threaded one.
        self.threads = 0
        #: Boxes that were added, and cells without a comment because there are enough.
        self.count = self.left_out = 0
        self._seen: set[str] = set()
        self._widths = widths
        self._edges: dict[int, tuple[int, int]] = {}
        self._number = (taken + 1) * _BLOCK
        self._waiting: tuple[list[str], list[str]] = ([], [])
        comments = comments or _PLAIN.format(namespace)
        authors = _AUTHORS.search(comments)
        found = _LIST.search(comments)
        if authors is None or found is None:
            raise ValueError("there is no list of comments")
        names = re.findall(r"<author(?:/>|>([^<]*)</author>)", authors[1] or "")
        dropped: set[tuple[int, int]] = set()
        self._known = self._own(found[0], names, dropped)
        if "importer" not in names:
            names.append("importer")
        self._author = names.index("importer")
        listed = "".join(f"<author>{name}</author>" for name in names)
        self._end = "</commentList>" + comments[found.end() :]
        self.comments.write(comments[: authors.start()] + f"<authors>{listed}</authors><commentList>")
        most = MOST_COMMENTS + MOST_FIRST
        blocks = ",".join(str(taken + 1 + at) for at in range(1 + most // _BLOCK))
        self._begin_boxes(boxes, blocks, dropped)

    def _begin_boxes(self, boxes: bytes, blocks: str, dropped: set[tuple[int, int]]) -> None:
        if not boxes:
            self.boxes.write(f"<xml{''.join(_DECLARED)}>" + _LAYOUT.format(blocks) + _TYPE)
            return
        text = boxes.decode("utf-8-sig")
        end = text.rfind("</xml>")
        root = _ROOT.search(text[:end]) if end >= 0 else None
        if root is None:
            raise ValueError("the drawing is of another form")
        missing = [declared for declared in _DECLARED if declared.partition("=")[0] not in root[0]]
        text = "".join((text[: root.end() - 1], *missing, text[root.end() - 1 : end]))
        if dropped:
            text = _SHAPE.sub(lambda shape: "" if _cell_of(shape[0]) in dropped else shape[0], text)
        if "_x0000_t202" not in text:
            text += _TYPE
        self.boxes.write(_IDS_TEXT.sub(lambda ids: f"{ids[1]},{blocks}{ids[2]}", text, count=1))

    def _own(self, listed: str, names: list[str], dropped: set[tuple[int, int]]) -> dict[str, tuple[int, str]]:
        """The comments of people, by cell: the author and the text's XML, without that of an earlier report."""
        found = {}
        for comment in [match[0] for match in _COMMENT.finditer(listed)]:
            tag = attributes_of(comment)
            reference, author = tag.get("ref", "").replace("$", "").upper(), int(tag.get("authorId", 0))
            text = _TEXT.search(comment)
            inside = (text[1] or "") if text else ""
            words = "".join(_WORDS.findall(_PHONETIC.sub("", inside)))
            if MARK in words:
                own = words.partition(MARK)[0].strip()
                if not own:
                    dropped.add(_position(reference))
                    continue
                inside = f'<t xml:space="preserve">{own}</t>'
            if author < len(names) and names[author].startswith(_THREAD):
                inside = ""
                comment_text = comment
            else:
                comment_text = f"<text>{inside}</text>"
            found[reference] = (author, comment_text)
        return found

    def add(self, row: int, column: int, text: str) -> None:
        """`row` and `column` count from 0. In a cell that people have commented, the text follows theirs."""
        known = self._known.get(f"{column_letters(column)}{row + 1}") if self._known else None
        if known is not None:
            self._join(row, column, known, text)
            return
        if not self._has_room(text):
            self.left_out += 1
            return
        edge = self._edges.get(column)
        if edge is None:
            edge = self._edges[column] = right_edge(column, self._widths)
        comments, boxes = self._waiting
        self.count += 1
        comments.append(_comment_xml(row, column, text, self._author))
        boxes.append(_box_xml(row, column, text, self._number + self.count, edge))
        if len(comments) >= _TOGETHER:
            self._flush()

    def _has_room(self, text: str) -> bool:
        """Whether the sheet takes one more comment. Some more are taken if they are the first ones with their text."""
        if self.count >= MOST_COMMENTS and (text in self._seen or self.count >= MOST_COMMENTS + MOST_FIRST):
            return False
        self._seen.add(text)
        return True

    def _join(self, row: int, column: int, known: tuple[int, str], text: str) -> None:
        author, own = known
        if not own.startswith("<text>"):
            self.threads += 1
            return
        added = f'<r><t xml:space="preserve">{xml_text(f"{chr(10)}{chr(10)}{text}")}</t></r>'
        inside = own.removeprefix("<text>").removesuffix("</text>")
        # How East Asian words are read comes after all words.
        end = found.start() if (found := _READING.search(inside)) else len(inside)
        words = inside[:end] if inside.startswith("<r>") or not end else f"<r>{inside[:end]}</r>"
        self._known[f"{column_letters(column)}{row + 1}"] = (author, f"<text>{words}{added}{inside[end:]}</text>")

    def finish(self) -> None:
        self._flush()
        for reference, (author, text) in self._known.items():
            whole = f'<comment ref="{reference}" authorId="{author}">{text}</comment>'
            self.comments.write(whole if text.startswith("<text>") else text)
        self.comments.write(self._end)
        self.boxes.write("</xml>")
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


def highest_block(boxes: bytes) -> int:
    """The highest block of numbers that a drawing has for its boxes."""
    found = [int(number) for ids in _IDS.findall(boxes) for number in ids.split(b",") if number.strip().isdigit()]
    return max(found, default=0)


def _position(reference: str) -> tuple[int, int]:
    found = re.fullmatch(r"([A-Z]{1,3})(\d+)", reference)
    return (int(found[2]) - 1, column_place(found[1])) if found else (-1, -1)


def _cell_of(shape: str) -> tuple[int, int]:
    row, column = _ROW.search(shape), _COLUMN.search(shape)
    return (int(row[1]), int(column[1])) if row and column else (-1, -1)


def _comment_xml(row: int, column: int, text: str, author: int) -> str:
    """One comment's text. `author`: its position in the part's list."""
    place, words = f"{column_letters(column)}{row + 1}", xml_text(text)
    return f'<comment ref="{place}" authorId="{author}"><text><t xml:space="preserve">{words}</t></text></comment>'


def _box_xml(row: int, column: int, text: str, number: int, right: tuple[int, int]) -> str:
    """The box of one comment. `number`: no other box of the part has it. `right`: where it ends, as a column and the
    pixels in it."""
    first = max(row - 1, 0)
    rows, rest = divmod(_height(text), _ROW_HEIGHT)
    return (
        f'<v:shape id="_x0000_s{number}" type="#_x0000_t202" style="position:absolute;visibility:hidden" '
        'fillcolor="#ffffe1" o:insetmode="auto"><v:shadow on="t" color="black" obscured="t"/>'
        '<v:path o:connecttype="none"/><v:textbox/>'
        '<x:ClientData ObjectType="Note"><x:MoveWithCells/><x:SizeWithCells/>'
        f"<x:Anchor>{column + 1}, {_GAP}, {first}, 4, {right[0]}, {right[1]}, {first + rows}, {rest}</x:Anchor>"
        f"<x:AutoFill>False</x:AutoFill><x:Row>{row}</x:Row><x:Column>{column}</x:Column></x:ClientData></v:shape>"
    )


def without_comments(report: str) -> str:
    """A note for a report with fewer comments than problem cells."""
    return (
        f"{report} has comments on {MOST_COMMENTS:,} problem cells only, because LibreOffice cannot open many more: "
        "all are highlighted, and _message and _advice are in every row."
    )


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
