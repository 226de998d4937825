"""What a workbook needs in memory once openpyxl has loaded it, estimated from the tags of its parts."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from zipfile import ZipFile

from importer.reader.zip_safety import blocks

#: The parts that openpyxl loads. Links to other workbooks and the order of calculation are not kept.
_LOADED = re.compile(r"xl/(?!calcChain|externalLinks/|ctrlProps/|activeX/).*\.(xml|vml|rels)", re.IGNORECASE)
_PICTURE = re.compile(r"xl/media/.+", re.IGNORECASE)
_TAG = re.compile(rb"<(?:\w{1,40}:)?(\w{1,40})")
_MERGED = re.compile(rb"<(?:\w{1,40}:)?mergeCell\s[^<>]{0,200}?ref\s{0,9}=\s{0,9}[\"']([^\"'<>]{1,40})[\"']")
_CORNER = re.compile(r"\$?([A-Z]{0,3})\$?(\d{0,7})", re.IGNORECASE)
_LAST_ROW, _LAST_COLUMN = 1_048_576, 16_384

#: Bytes per tag, and what people call it. Each cell of a merged range becomes an object too.
_COSTS = {
    **dict.fromkeys((b"c",), (500, "cells")),
    **dict.fromkeys((b"v", b"t", b"f", b"is", b"si", b"r", b"rPr", b"sz", b"rFont"), (60, "cells")),
    **dict.fromkeys((b"color", b"family", b"scheme", b"b", b"i", b"u", b"rPh", b"phoneticPr"), (60, "cells")),
    **dict.fromkeys((b"row",), (1_200, "rows")),
    **dict.fromkeys((b"col",), (2_500, "column widths")),
    **dict.fromkeys((b"xf", b"font", b"fill", b"border", b"dxf", b"numFmt", b"cellStyle"), (4_000, "formats")),
    **dict.fromkeys((b"comment",), (20_000, "comments")),
    **dict.fromkeys((b"shape",), (2_000, "comments")),
    **dict.fromkeys((b"twoCellAnchor", b"oneCellAnchor", b"absoluteAnchor"), (30_000, "drawings")),
    **dict.fromkeys((b"dataValidation",), (10_000, "data validations")),
    **dict.fromkeys((b"conditionalFormatting", b"cfRule"), (5_000, "conditional formats")),
    **dict.fromkeys((b"definedName",), (3_000, "defined names")),
    **dict.fromkeys((b"hyperlink", b"Relationship"), (3_000, "links")),
    **dict.fromkeys((b"tableColumn",), (3_000, "tables")),
    **dict.fromkeys((b"sheet",), (100_000, "sheets")),
}
_OTHER = (1_000, "elements")
_MERGED_CELL = 400


def too_much(path: Path, most: int) -> str:
    """What a workbook has too many of to be loaded in `most` bytes, in words; "" if it fits. Raises `UnsafeZip`."""
    needs: Counter[str] = Counter()
    with ZipFile(path) as archive:
        for member in archive.infolist():
            if _PICTURE.fullmatch(member.filename):
                # It is kept packed, and unpacked while it is saved.
                needs["pictures"] += 2 * member.file_size + 100_000
            elif _LOADED.fullmatch(member.filename):
                needs["elements"] += 5_000 + member.file_size
                if needs.total() <= most:
                    _add(b"".join(blocks(archive, member)), needs)
            if needs.total() > most:
                return needs.most_common(1)[0][0]
    return ""


def _add(part: bytes, needs: Counter[str]) -> None:
    """Add what the tags of a part need."""
    if b"\0" in part:  # UTF-16
        part = part.replace(b"\0", b"")
    tags = Counter(found[1] for found in _TAG.finditer(part))
    for tag, count in tags.items():
        cost, words = _COSTS.get(tag, _OTHER)
        needs[words] += cost * count
    areas = [_area(found[1].decode("ascii", "replace")) for found in _MERGED.finditer(part)]
    # One that is written in another way, for example with `&#58;`, may be a whole sheet.
    unknown = tags[b"mergeCell"] - len(areas)
    needs["merged cells"] += _MERGED_CELL * (sum(areas) + unknown * _LAST_ROW * _LAST_COLUMN)


def _area(range_: str) -> int:
    """The cells of `A1:C5`, also of `A:C` and `1:5`; of a whole sheet where it cannot be read."""
    first, _, last = range_.partition(":")
    start, end = _CORNER.fullmatch(first.strip()), _CORNER.fullmatch((last or first).strip())
    if start is None or end is None:
        return _LAST_ROW * _LAST_COLUMN
    columns = (_column(end[1]) or _LAST_COLUMN) - (_column(start[1]) or 1) + 1
    rows = int(end[2] or _LAST_ROW) - int(start[2] or 1) + 1
    return abs(columns) * abs(rows)


def _column(letters: str) -> int:
    number = 0
    for letter in letters.upper():
        number = number * 26 + ord(letter) - 64
    return number
