"""Text as the XML of a workbook holds it. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

#: What XML cannot hold, or would change, and what a program would take for one of its own escapes.
_ODD = re.compile("[\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")


def xml_text(text: str) -> str:
    """The text between two tags. Characters that XML cannot hold are escaped as in Excel: `_x001B_`."""
    if "&" in text or "<" in text or ">" in text:
        text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _ODD.sub(_escaped, text)


def xml_texts(cells: Sequence[str]) -> Sequence[str]:
    """Return `xml_text` of every cell. The cells are searched at once: few have what must be escaped."""
    whole = "\n".join(cells)
    if "&" not in whole and "<" not in whole and ">" not in whole and not _ODD.search(whole):
        return cells
    return list(map(xml_text, cells))


def space_kept(whole: str) -> bool:
    """Whether a program would drop white space of the text if it is not told to keep it."""
    return whole != whole.strip() or "\n" in whole or "\t" in whole or "  " in whole


def _escaped(match: re.Match[str]) -> str:
    return f"_x{ord(match[0]):04X}_"
