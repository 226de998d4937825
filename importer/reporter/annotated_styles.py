"""The formats of an annotated workbook: those that it has, and copies of them with another fill."""

from __future__ import annotations

import re

from importer.reporter.marks import PROBLEM, WARNING
from importer.reporter.xml_text import MAIN, element

#: Of a workbook without formats.
_PLAIN = (
    f'<styleSheet xmlns="{MAIN}"><fonts count="1"><font><sz val="11"/><name val="Calibri"/></font></fonts>'
    '<fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill>'
    '</fills><borders count="1"><border/></borders><cellStyleXfs count="1"><xf/></cellStyleXfs>'
    '<cellXfs count="1"><xf/></cellXfs></styleSheet>'
)
_FORMAT, _FONT, _FILL = element("xf"), element("font"), element("fill")
_NO_FILL = "0"
#: Excel refuses a workbook with more than 65,490 formats.
_MANY_FORMATS = 64_000


class Styles:
    """`text`: the part in the common form; empty where there is none. Formats are added as they are asked for."""

    def __init__(self, text: str) -> None:
        text = text or _PLAIN
        self._lists = {
            name: _List(text, name, item) for name, item in (("fonts", _FONT), ("fills", _FILL), ("cellXfs", _FORMAT))
        }
        if not all(found.items for found in self._lists.values()):
            text = _PLAIN
            self._lists = {name: _List(text, name, found.pattern) for name, found in self._lists.items()}
        self._text = text
        self._formats = self._lists["cellXfs"]
        self._earlier = self._filled_earlier()
        self._known: dict[tuple[int, str], int] = {}

    @property
    def has_earlier(self) -> bool:
        """Whether there are formats of an earlier report."""
        return bool(self._earlier)

    def filled(self, style: int, colour: str) -> int:
        """The same format with this fill. In a workbook with very many formats it shows the same value, but plainly."""
        if (style, colour) not in self._known:
            fill = self._lists["fills"].index(
                f'<fill><patternFill patternType="solid"><fgColor rgb="FF{colour}"/><bgColor rgb="FF{colour}"/>'
                "</patternFill></fill>"
            )
            if len(self._formats.items) < _MANY_FORMATS:
                self._known[style, colour] = self._like(style, fillId=str(fill), applyFill="1")
            else:
                number = _attribute(self._of(style), "numFmtId") or "0"
                self._known[style, colour] = self._formats.index(
                    f'<xf numFmtId="{number}" fontId="0" fillId="{fill}" borderId="0" xfId="0" applyNumberFormat="1" '
                    'applyFill="1"/>'
                )
        return self._known[style, colour]

    def cleaned(self, style: int) -> int:
        """The same format without the fill of an earlier report."""
        if style not in self._earlier:
            return style
        if (style, "") not in self._known:
            self._known[style, ""] = self._like(style, fillId=_NO_FILL)
        return self._known[style, ""]

    def bold(self, style: int) -> int:
        """The same format in bold."""
        fonts = self._lists["fonts"]
        number = int(_attribute(self._of(style), "fontId") or 0)
        font = fonts.items[number] if number < len(fonts.items) else fonts.items[0]
        if not re.search("<b[ />]", font):
            font = "<font><b/></font>" if font == "<font/>" else font.replace(">", "><b/>", 1)
            return self._like(style, fontId=str(fonts.index(font)), applyFont="1")
        return style

    @property
    def as_text(self) -> int:
        """The format of a text."""
        return self._formats.index(
            '<xf numFmtId="49" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/>'
        )

    def made(self) -> str:
        """The part with all formats."""
        text = self._text
        for found in sorted(self._lists.values(), key=lambda found: -found.begin):
            text = text[: found.begin] + found.made() + text[found.end :]
        return text

    def _of(self, style: int) -> str:
        return self._formats.items[style if style < self._formats.own else 0]

    def _like(self, style: int, **changed: str) -> int:
        tag, end, rest = self._of(style).partition(">")
        closing = "/" if tag.endswith("/") else ""
        tag = tag.removesuffix("/")
        for name, value in changed.items():
            tag = re.sub(rf' {name}="[^"]*"', "", tag) + f' {name}="{value}"'
        return self._formats.index(tag + closing + end + rest)

    def _filled_earlier(self) -> frozenset[int]:
        fills = {str(at) for at, fill in enumerate(self._lists["fills"].items) if PROBLEM in fill or WARNING in fill}
        return frozenset(
            at for at, item in enumerate(self._formats.items) if fills and _attribute(item, "fillId") in fills
        )


class _List:
    """The items of a list in the part, and those that are added."""

    def __init__(self, text: str, name: str, pattern: re.Pattern[str]) -> None:
        self.pattern, self._name = pattern, name
        found = re.search(rf"<{name}(?: [^<>]*)?>(.*?)</{name}>", text, re.DOTALL)
        self.begin, self.end = found.span() if found else (0, 0)
        self.items: list[str] = [item[0] for item in pattern.finditer(found[1])] if found else []
        #: The items that the workbook had.
        self.own = len(self.items)
        self._places: dict[str, int] | None = None

    def index(self, item: str) -> int:
        """The position of the item, which is added where it is new."""
        if self._places is None:
            self._places = {known: at for at, known in reversed(list(enumerate(self.items)))}
        if item not in self._places:
            self._places[item] = len(self.items)
            self.items.append(item)
        return self._places[item]

    def made(self) -> str:
        return f'<{self._name} count="{len(self.items)}">{"".join(self.items)}</{self._name}>'


def _attribute(item: str, name: str) -> str:
    found = re.search(rf' {name}="([^"]*)"', item.partition(">")[0])
    return found[1] if found else ""
