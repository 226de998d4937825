"""A cell of a web page: its displayed text, or the exact value that spreadsheet programs write beside it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from importer.reader.cell_text import Flagged
from importer.reader.named_formats import shown_by
from importer.reader.sheet_xml import UnreadableWorkbook
from importer.reader.sizes import LONGEST_CELL, MOST_COLUMNS

#: Characters of a cell with those of its inner tables, which are not collected beyond `LONGEST_CELL`.
_LONGEST_READ = 1 << 21
_LONGEST_STYLE = 1 << 12
_TOO_LONG = "has a cell with more text than any sheet can hold; it was not read"
_MOST_ROWS = 65_534
#: A line break or tab of the page's text is a space. Programs write spaces that belong to a value as they are.
_BREAKS = re.compile(r"[\t\r\n\f]+")
_FORMAT = re.compile(r"mso-number-format\s*:\s*(\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|[^;\"']+)", re.IGNORECASE)
_ESCAPE = re.compile(r"\\([0-9a-fA-F]{4})|\\(.)", re.DOTALL)
_HIDES = re.compile(r"display\s*:\s*none|visibility\s*:\s*(?:collapse|hidden)", re.IGNORECASE)
_ERRORS = frozenset(("#NULL!", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#N/A"))
_ROUNDED = re.compile(r"[1-9][0-9]*00000")


class Styles:
    """The number formats and hidden classes of a page's style sheets."""

    def __init__(self) -> None:
        self._formats: dict[str, str] = {}
        self._hidden: set[str] = set()

    def add(self, css: str) -> None:
        """Read a style sheet: rules for classes, and for all cells (`td`)."""
        for part in css.split("}"):
            selectors, _, rule = part.partition("{")
            code, hides = _format_in(rule), _hides(rule)
            if code is None and not hides:
                continue
            for selector in selectors[:_LONGEST_STYLE].split(","):
                name = selector.strip().removeprefix("<!--").strip().lower()
                name = name if name == "td" else name.rpartition(".")[2] if re.fullmatch(r"\w*\.[\w-]+", name) else ""
                if name and code is not None:
                    self._formats[name] = code
                if name and name != "td" and hides:
                    self._hidden.add(name)

    def format_of(self, attributes: Mapping[str, str]) -> str:
        """The code of a cell's number format; empty for none."""
        own = _format_in(attributes["style"]) if "style" in attributes else None
        if own is not None:
            return own
        names = attributes.get("class", "").lower().split() if self._formats else ()
        return next((self._formats[name] for name in (*names, "td") if name in self._formats), "")

    def hides(self, names: str) -> bool:
        return bool(self._hidden) and not self._hidden.isdisjoint(names.lower().split())


def is_hidden(attributes: Mapping[str, str], styles: Styles) -> bool:
    """Whether an element is not displayed."""
    if not attributes:
        return False
    return "hidden" in attributes or _hides(attributes.get("style", "")) or styles.hides(attributes.get("class", ""))


def _hides(rule: str) -> bool:
    return bool(rule) and _HIDES.search(rule[:_LONGEST_STYLE]) is not None


@lru_cache(maxsize=4096)
def _format_in(rule: str) -> str | None:
    match = _FORMAT.search(rule[:_LONGEST_STYLE])
    if match is None:
        return None
    text = match[1].strip()
    if text[:1] in "\"'" and len(text) > 1:
        text = text[1:-1]
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)) if found[1] else found[2], text)


def _span(text: str | None, most: int, of_zero: int) -> int:
    text = (text or "1").strip()
    if not (text.isascii() and text.isdigit()):
        return 1
    return min(int(text[:9]) or of_zero, most)


class Cell:
    """A cell while it is read."""

    __slots__ = ("_attributes", "_lines", "_size", "_styles", "columns", "has_own_text", "rows")

    def __init__(self, attributes: Mapping[str, str], styles: Styles) -> None:
        self._attributes = attributes
        self._styles = styles
        self._lines: list[list[str]] = [[]]
        self._size = 0
        self.columns = _span(attributes.get("colspan"), MOST_COLUMNS, 1)
        self.rows = _span(attributes.get("rowspan"), _MOST_ROWS, _MOST_ROWS)
        #: Whether it has text that is not in an inner table.
        self.has_own_text = False

    def add(self, text: str, *, is_own: bool) -> None:
        self._size += len(text)
        if self._size <= LONGEST_CELL:
            self._lines[-1].append(text)
        elif is_own and self._size > _LONGEST_READ:
            raise UnreadableWorkbook(_TOO_LONG)
        if is_own and not self.has_own_text:
            self.has_own_text = bool(text.strip())

    def new_line(self, *, always: bool) -> None:
        """Begin a line. Without `always` only after text."""
        if always or any(map(str.strip, self._lines[-1])):
            self._lines.append([])

    def has_text(self) -> bool:
        return any(part.strip() for line in self._lines for part in line)

    @property
    def is_hidden(self) -> bool:
        return is_hidden(self._attributes, self._styles)

    def _shown(self) -> str:
        if self._size > LONGEST_CELL:
            raise UnreadableWorkbook(_TOO_LONG)
        lines = self._lines
        if len(lines) == 1:
            return _line("".join(lines[0]))
        return "\n".join(_line("".join(line)) for line in lines).strip("\n")

    def value(self, is_text: bool) -> tuple[str, str]:
        """The text of the cell, and the code of its problem. `is_text`: cells without a number are typed text."""
        shown = self._shown()
        attributes = self._attributes
        if not attributes:
            return _unmarked(shown, is_text)
        if "x:err" in attributes:
            return attributes["x:err"] or shown or "#ERROR", "error_cell"
        code = self._styles.format_of(attributes)
        exact = attributes.get("x:num") or attributes.get("sdval")
        if exact and shown.upper() in _ERRORS:
            return shown, "error_cell"
        if "x:bool" in attributes:
            return (attributes["x:bool"] or shown).lower(), ""
        if exact and code.strip() != "@":
            text = _exact(exact, code or attributes.get("sdnum", "").partition(";")[2].partition(";")[2], shown)
            if text is not None:
                return text, ""
        if not shown and "x:fmla" in attributes:
            return "", "formula_without_value"
        return _unmarked(shown, code.strip() == "@" or "x:str" in attributes or (is_text and "x:num" not in attributes))


def _line(text: str) -> str:
    """A line of a cell without the white space that only lays out the page's text."""
    if _BREAKS.search(text):
        parts = (part.strip(" ") for part in _BREAKS.split(text))
        text = " ".join(part for part in parts if part)
    return text.replace("\xa0", " ").strip(" ")


def _exact(value: str, code: str, shown: str) -> str | None:
    """The value as its number format shows it; None where it is not a number."""
    try:
        number = float(value)
    except ValueError:
        return None
    if number in (0, 1) and shown.isalpha() and code.upper() in ("", "BOOLEAN"):
        return "true" if number else "false"
    return _show(code)(value.strip())


#: One function for each format: it may keep results.
_show = lru_cache(maxsize=1024)(shown_by)


def _unmarked(shown: str, is_text: bool) -> tuple[str, str]:
    """The displayed text. Only text that was typed as such shows that its digits are complete."""
    if not is_text:
        if shown in _ERRORS:
            return shown, "error_cell"
        if _ROUNDED.fullmatch(shown):
            return Flagged(shown, "mobile_rounded"), ""
    return shown, ""
