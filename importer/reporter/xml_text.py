"""Text and text cells as the XML of a workbook holds them, and the limits of a sheet. Pure."""

from __future__ import annotations

import re

#: The namespace of sheets, formats and comments.
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
#: How the types of relationships begin.
RELATIONSHIPS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
#: Characters that a cell can hold, and columns of a sheet.
CELL_CHARACTERS, SHEET_COLUMNS = 32_767, 16_384

#: What XML cannot hold, or would change, and what a program would take for one of its own escapes.
_ODD = re.compile("[\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")

_LOST = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def element(name: str) -> re.Pattern[str]:
    """An element without elements of its own name; group 1 is what it contains. One that is not closed reaches to the
    end of the text, so that a search takes no longer than the text is long."""
    inner = rf"(?:[^<]++|<(?!/{name}>))*+"
    return re.compile(rf"<{name}(?=[\s/>])[^<>]*+>(?:(?<=/>)|(?<!/>)({inner})(?:</{name}>|\Z))")


def xml_text(text: str) -> str:
    """The text between two tags. Characters that XML cannot hold are escaped as in Excel: `_x001B_`."""
    if "&" in text or "<" in text or ">" in text:
        text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _ODD.sub(_escaped, text)


def needs_space(text: str) -> bool:
    """Whether a program drops white space of the text unless it must keep it."""
    return text != text.strip() or "\n" in text or "\t" in text or "  " in text


def cell_xml(reference: str, style: str, text: str) -> str:
    """One text cell."""
    space = ' xml:space="preserve"' if needs_space(text) else ""
    return f'<c r="{reference}" s="{style}" t="inlineStr"><is><t{space}>{xml_text(text)}</t></is></c>'


def _escaped(match: re.Match[str]) -> str:
    return f"_x{ord(match[0]):04X}_"


def whole_text(text: str) -> str:
    """The text, with � for what XML cannot hold."""
    return _LOST.sub("\ufffd", text)
