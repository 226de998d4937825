"""A sheet's XML before and after its rows: the frozen header, widths, the filter and the drawing of comments."""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape

from importer.reader.header import column_letters
from importer.reader.sheet_xml import UnreadableWorkbook, column_place, local_name
from importer.reader.sizes import MOST_COLUMNS
from importer.reporter.common_xml import common_xml
from importer.reporter.xml_text import SHEET_COLUMNS, element

#: The children of a sheet in the order that programs demand.
_ORDER = (
    *("sheetPr", "dimension", "sheetViews", "sheetFormatPr", "cols", "sheetData", "sheetCalcPr", "sheetProtection"),
    *("protectedRanges", "scenarios", "autoFilter", "sortState", "dataConsolidate", "customSheetViews", "mergeCells"),
    *("phoneticPr", "conditionalFormatting", "dataValidations", "hyperlinks", "printOptions", "pageMargins"),
    *("pageSetup", "headerFooter", "rowBreaks", "colBreaks", "customProperties", "cellWatches", "ignoredErrors"),
    *("smartTags", "drawing", "legacyDrawing", "legacyDrawingHF", "drawingHF", "picture", "oleObjects", "controls"),
    *("webPublishItems", "tableParts", "extLst"),
)
#: The names of a workbook come after these children. It has at least one of them.
_BEFORE_NAMES = ("sheets", "functionGroups", "externalReferences")
_RANKS = {name: rank for rank, name in enumerate(_ORDER)} | {"mc:AlternateContent": _ORDER.index("oleObjects")}
_TAG = re.compile(r"<(/?)([^\s<>/]++)[^<>]*+>")
_ATTRIBUTE = re.compile(r' ([\w:.-]+)="([^"]*)"')
_MERGED = re.compile(r' ref="\$?([A-Z]{1,3})\$?\d+:\$?([A-Z]{1,3})\$?(\d+)"')
_FROZEN = ("frozen", "frozenSplit")
_VIEW = element("sheetView")
#: Units of a drawing in a pixel; pixels of a column and of a row as programs make them.
_UNITS, _COLUMN_WIDTH, _ROW_HEIGHT = 9525, 64, 20
#: Pixels of a character, and at the edges of a cell.
_CHARACTER, _EDGES = 7, 5


def attributes_of(tag: str) -> dict[str, str]:
    return dict(_ATTRIBUTE.findall(tag.partition(">")[0]))


class Head:
    """The XML before the rows."""

    def __init__(self, xml: bytes) -> None:
        # With a child, so that its root is not closed at once.
        text = b"".join(common_xml([xml, b"<sheetData/></worksheet>"])).decode()
        self._root, (*self._children, _) = _split(text)
        self._columns = [
            attributes_of(tag)
            for name, part in self._children
            if name == "cols"
            for tag in re.findall(r"<col [^<>]*>", part)
        ]

    def style_of(self, column: int) -> int:
        """The format of a column's new cells."""
        for found in self._columns:
            if int(found.get("min", 0)) <= column + 1 <= int(found.get("max", 0)):
                return int(found.get("style", 0))
        return 0

    @property
    def widths(self) -> list[int]:
        """Pixels of the first columns."""
        widths: list[int] = []
        for found in self._columns:
            last = min(int(found.get("max", 0)), 200)
            if "width" in found and last > len(widths):
                widths += [64] * (int(found.get("min", 1)) - 1 - len(widths))
                widths += [round(float(found["width"]) * _CHARACTER) + _EDGES] * (last - len(widths))
        return widths

    def freeze(self, header: int) -> None:
        """Keep the header in sight."""
        views = next((part for name, part in self._children if name == "sheetViews"), "")
        view = _VIEW.search(views)
        old = view[0] if view else '<sheetView workbookViewId="0"/>'
        pane = next(iter(re.findall(r"<pane [^<>]*>", old)), "")
        found = attributes_of(pane)
        split = f'xSplit="{found["xSplit"]}" ' if found.get("state") in _FROZEN and "xSplit" in found else ""
        first = found.get("topLeftCell", "A1").rstrip("0123456789") if split else "A"
        corner = "bottomRight" if split else "bottomLeft"
        made = (
            f'<pane {split}ySplit="{header}" topLeftCell="{first}{header + 1}" activePane="{corner}" state="frozen"/>'
            f'<selection pane="{corner}"/>'
        )
        tag, _, rest = old.partition(">")
        tag = re.sub(r' (?:topLeftCell|view)="[^"]*"', "", tag.removesuffix("/"))
        rest = re.sub(r"<(?:pane|selection)(?: [^<>]*)?/>", "", rest.removesuffix("</sheetView>"))
        new = f"{tag}>{made}{rest}</sheetView>"
        put(self._children, "sheetViews", views.replace(old, new, 1) if view else f"<sheetViews>{new}</sheetViews>")

    def widen(self, widths: Mapping[int, float]) -> None:
        """Give columns a width, and no format. Columns beside them keep theirs."""
        kept: list[dict[str, str]] = []
        for found in self._columns:
            begin, end = int(found.get("min", 1)), min(int(found.get("max", 1)), SHEET_COLUMNS)
            for column in sorted(widths):
                if begin <= column + 1 <= end:
                    if begin <= column:
                        kept.append({**found, "min": str(begin), "max": str(column)})
                    begin = column + 2
            if begin <= end:
                kept.append({**found, "min": str(begin), "max": str(end)})
        for column, width in widths.items():
            kept.append({"min": str(column + 1), "max": str(column + 1), "width": str(width), "customWidth": "1"})
        kept.sort(key=lambda found: int(found["min"]))
        tags = ["<col " + " ".join(f'{key}="{value}"' for key, value in found.items()) + "/>" for found in kept]
        put(self._children, "cols", f"<cols>{''.join(tags)}</cols>")

    def made(self) -> bytes:
        # The size of the sheet is optional, and no longer what it was.
        return (self._root + "".join(part for name, part in self._children if name != "dimension")).encode()


class Tail:
    """The XML after the rows."""

    def __init__(self, xml: bytes) -> None:
        text = b"".join(common_xml([b"<worksheet><sheetData>", xml])).decode()
        _, self._children = _split(text)
        self._children = self._children[1:]

    @property
    def drawing(self) -> str:
        """The relationship of the boxes of comments; empty where the sheet has none."""
        part = next((part for name, part in self._children if name == "legacyDrawing"), "")
        return next((value for name, value in attributes_of(part).items() if name.endswith(":id")), "")

    def merged(self, header: int) -> set[int]:
        """The columns of merged cells from the header downwards. Those of whole rows, like a footer, do not count."""
        part = next((part for name, part in self._children if name == "mergeCells"), "")
        found: set[int] = set()
        for first, last, row in _MERGED.findall(part):
            begin, end = column_place(first), column_place(last)
            if int(row) >= header and end < MOST_COLUMNS:
                found.update(range(begin, end + 1))
        return found

    def draw(self, relationship: str, namespace: str) -> None:
        put(self._children, "legacyDrawing", f'<legacyDrawing xmlns:r="{namespace}" r:id="{relationship}"/>')

    def filter(self, header: int, last_row: int, last_column: int) -> str:
        """Add a filter, for example by `_status`; one that the header has already covers the new columns too. Returns
        its range, empty where there is a table."""
        if any(name == "tableParts" for name, _ in self._children):
            return ""  # a table has its own filter; a second one makes the workbook unreadable
        old = next((part for name, part in self._children if name == "autoFilter"), "")
        first = re.match(rf"([A-Z]+){header}:", attributes_of(old).get("ref", ""))
        if first is None:
            old = '<autoFilter ref=""/>'
        area = f"{first[1] if first else 'A'}{header}:{column_letters(last_column)}{last_row}"
        put(self._children, "autoFilter", re.sub(r' ref="[^"]*"', f' ref="{area}"', old, count=1))
        return area

    def made(self) -> bytes:
        return ("</sheetData>" + "".join(part for _, part in self._children) + "</worksheet>").encode()


def drawn(drawing: Element, header: int) -> set[int]:
    """The columns under charts and pictures that reach below the header."""
    found: set[int] = set()
    for anchor in drawing.iter():
        numbers = {
            f"{local_name(corner.tag)} {local_name(part.tag)}": int((part.text or "").strip() or 0)
            for corner in anchor
            if local_name(corner.tag) in ("from", "to")
            for part in corner
        }
        if "from col" not in numbers:
            continue
        size = next((part for part in anchor if local_name(part.tag) == "ext"), anchor)
        width, height = int(size.get("cx", 0)) // _UNITS, int(size.get("cy", 0)) // _UNITS
        first, first_row = numbers["from col"], numbers.get("from row", 0)
        last = numbers.get("to col", first + width // _COLUMN_WIDTH)
        last_row = numbers.get("to row", first_row + height // _ROW_HEIGHT)
        if last_row >= header and last < MOST_COLUMNS:
            found.update(range(first, last + 1))
    return found


def with_filter(workbook: str, sheet: str, place: int, area: str) -> str:
    """The XML of a workbook with the name that LibreOffice needs to show a filter. `place`: of the sheet, from 0."""
    same = rf'(?=[^<>]*name="_xlnm\._FilterDatabase")(?=[^<>]*localSheetId="{place}")'
    root, children = _split(workbook)
    old = "".join(part for name, part in children if name == "definedNames")
    kept = re.findall(rf"<definedName (?!{same})[^<>]*>[^<]*</definedName>", old)
    fixed = re.sub(r"(?<![A-Z])([A-Z]++)(\d++)", r"$\1$\2", area)
    quoted = sheet.replace("'", "''")
    words = escape(f"'{quoted}'!{fixed}")
    kept.append(f'<definedName name="_xlnm._FilterDatabase" localSheetId="{place}" hidden="1">{words}</definedName>')
    children = [child for child in children if child[0] != "definedNames"]
    before = max(at for at, (name, _) in enumerate(children) if name in _BEFORE_NAMES)
    children.insert(before + 1, ("definedNames", f"<definedNames>{''.join(kept)}</definedNames>"))
    return root + "".join(part for _, part in children) + "</workbook>"


def put(children: list[tuple[str, str]], name: str, part: str) -> None:
    """Replace the child of this name, or insert it in the order of children."""
    for at, (other, _) in enumerate(children):
        if other == name:
            children[at] = name, part
            return
    rank = _RANKS[name]
    at = next((at for at, (other, _) in enumerate(children) if _RANKS.get(other, -1) > rank), len(children))
    children.insert(at, (name, part))


def _split(text: str) -> tuple[str, list[tuple[str, str]]]:
    """The root's tag, and its children: their names and XML."""
    depth, begin, root = 0, 0, ""
    children = []
    for tag in _TAG.finditer(text):
        if not depth:
            root = root or text[: tag.end()]
        elif depth == 1 and not tag[1]:
            begin = tag.start()
        is_empty = tag[0].endswith("/>")
        depth += -1 if tag[1] else 0 if is_empty else 1
        if depth == 1 and (tag[1] or is_empty):
            children.append((tag[2], text[begin : tag.end()]))
    if not root:
        raise UnreadableWorkbook("is damaged: its sheet is empty")
    return root, children
