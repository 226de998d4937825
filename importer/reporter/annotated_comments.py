"""The comments of a sheet with ours among them: its people's own comments, their boxes and other controls stay."""

from __future__ import annotations

import re
from pathlib import Path

from importer.reader.header import column_letters
from importer.reader.sheet_xml import column_place
from importer.reporter.annotated_frame import attributes_of
from importer.reporter.comment_parts import box_xml, comment_xml, right_edge
from importer.reporter.packed_part import PackedPart
from importer.reporter.xml_text import xml_text

#: Begins the part of a comment that a report wrote.
MARK = "importer: "
_PLAIN = (
    '<comments xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><authors/><commentList/></comments>'
)
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
_AUTHORS = re.compile(r"<authors(?:/>|>(.*?)</authors>)", re.DOTALL)
_COMMENT = re.compile(r"<comment (?:[^<>]*?)(?:/>|>.*?</comment>)", re.DOTALL)
_LIST = re.compile(r"<commentList(?:/>|>.*?</commentList>)", re.DOTALL)
_WORDS = re.compile(r"<t(?: [^<>]*?)?>([^<]*)</t>")
_PHONETIC = re.compile(r"<rPh[ >].*?</rPh>", re.DOTALL)
_TEXT = re.compile(r"<text(?: [^<>]*?)?(?:/>|>(.*?)</text>)", re.DOTALL)
_SHAPE = re.compile(r"<(\w{1,9}):shape\s(?:(?!<\w{1,9}:shape\s).)*?</\1:shape>", re.DOTALL)
_ROW, _COLUMN = re.compile(r"<\w{1,9}:Row>\s*(\d+)\s*<"), re.compile(r"<\w{1,9}:Column>\s*(\d+)\s*<")
_IDS = re.compile(rb"<\w{1,9}:idmap[^<>]*?data=[\"']([\d,\s]+)[\"']")
_FIRST_BLOCK = 1024
_TOGETHER = 2000
#: Comments of a thread are shown from another part.
_THREAD = "tc="


class Comments:
    """`comments` and `boxes`: the parts that the sheet has, the first in the common form; empty where there is none.
    `taken`: the highest block of box numbers in the workbook. Raises `ValueError` for boxes that cannot be added to."""

    def __init__(self, scratch: Path, comments: str, boxes: bytes, *, taken: int, most: int, widths: list[int]) -> None:
        self.comments, self.boxes = PackedPart(scratch / "comments"), PackedPart(scratch / "boxes")
        #: Cells whose comment is a thread, which none of ours can join.
        self.threads = 0
        self.count = 0
        self._widths = widths
        self._edges: dict[int, tuple[int, int]] = {}
        self._number = (taken + 1) * _FIRST_BLOCK - _FIRST_BLOCK - 1
        self._waiting: tuple[list[str], list[str]] = ([], [])
        comments = comments or _PLAIN
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
        blocks = ",".join(str(taken + 1 + at) for at in range(1 + most // _FIRST_BLOCK))
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
        """The comments of people, by cell: the author and the text's XML. Ours of an earlier report are left out."""
        found = {}
        for comment in _COMMENT.findall(listed):
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
        """`row` and `column` count from 0. Our text stands below the people's own."""
        comments, boxes = self._waiting
        self.count += 1
        known = self._known.get(f"{column_letters(column)}{row + 1}") if self._known else None
        if known is not None:
            self._join(row, column, known, text)
            return
        edge = self._edges.get(column)
        if edge is None:
            edge = self._edges[column] = right_edge(column, self._widths)
        comments.append(comment_xml(row, column, text, self._author))
        self._number += 1
        boxes.append(box_xml(row, column, text, self._number, edge))
        if len(comments) >= _TOGETHER:
            self._flush()

    def _join(self, row: int, column: int, known: tuple[int, str], text: str) -> None:
        author, own = known
        if not own.startswith("<text>"):
            self.threads += 1
            return
        ours = f'<r><t xml:space="preserve">{xml_text(f"{chr(10)}{chr(10)}{text}")}</t></r>'
        inside = own.removeprefix("<text>").removesuffix("</text>")
        if not inside.startswith("<r"):
            inside = f"<r>{inside}</r>" if inside else ""
        self._known[f"{column_letters(column)}{row + 1}"] = (author, f"<text>{inside}{ours}</text>")

    def finish(self) -> None:
        self._flush()
        for reference, (author, text) in self._known.items():
            whole = f'<comment ref="{reference}" authorId="{author}">{text}</comment>'
            self.comments.write(whole if text.startswith("<text>") else text)
        self.comments.write(self._end)
        self.boxes.write("</xml>")

    def _flush(self) -> None:
        comments, boxes = self._waiting
        self.comments.write("".join(comments))
        self.boxes.write("".join(boxes))
        self._waiting = ([], [])


_IDS_TEXT = re.compile(r"(<\w{1,9}:idmap[^<>]*?data=[\"'][\d,\s]+)([\"'])")


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
