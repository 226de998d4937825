"""XML in one common form, so that it can be changed by its text.

UTF-8, double quotes, no prefix of the root's own namespace, no comments, no CDATA, and in a sheet a position on every
row and cell. A stream in, a stream out: the parser keeps no tree. What a document type could declare is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from xml.parsers import expat
from xml.sax.saxutils import escape

from importer.reader.header import column_letters
from importer.reader.sheet_xml import UnreadableWorkbook, column_place

_QUOTED = {'"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}
_KEPT = {"\r": "&#13;"}


def common_xml(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the document in the common form. Raises `UnreadableWorkbook`."""
    writer = _Writer()
    try:
        for block in blocks:
            writer.parser.Parse(block, False)
            yield writer.taken()
        writer.parser.Parse(b"", True)
        yield writer.taken()
    except (expat.ExpatError, ValueError, LookupError):
        raise UnreadableWorkbook("is damaged: a part of it is not XML") from None


class _Writer:
    """Writes what the parser finds."""

    def __init__(self) -> None:
        self._out: list[str] = []
        self._depth = self._foreign = 0
        self._prefix = ""
        self._is_open = False
        self._row = self._column = 0
        #: The `</row>` that is written when another row follows, not a part of the same one.
        self._row_end = False
        parser = self.parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.ordered_attributes = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.StartDoctypeDeclHandler = self._refuse

    def taken(self) -> bytes:
        text = "".join(self._out)
        self._out.clear()
        return text.encode()

    def _refuse(self, *_: object) -> None:
        raise UnreadableWorkbook("declares XML entities, like an attack; it was not read")

    def _start(self, tag: str, listed: list[str]) -> None:
        self._depth += 1
        attributes = dict(zip(listed[::2], listed[1::2], strict=True))
        if self._depth == 1:
            self._begin(tag, attributes)
        elif self._foreign or "xmlns" in attributes:
            # Its prefixes are kept: they are declared at the root.
            self._foreign += 1
        name = self._name(tag)
        if name == "row":
            written = attributes.pop("r", "")
            number = int(written) if written.isdecimal() else self._row + 1
            if self._row_end and number == self._row:
                self._row_end = False
                return
            self._row, self._column = number, 0
            attributes = {"r": str(number), **attributes}
        elif name == "c" and self._row:
            attributes = {"r": self._place(attributes.pop("r", "")), **attributes}
        self._close()
        words = [f' {key}="{escape(value, _QUOTED)}"' for key, value in attributes.items()]
        self._out.append(f"<{name}{''.join(words)}")
        self._is_open = True

    def _begin(self, tag: str, attributes: dict[str, str]) -> None:
        prefix, colon, _ = tag.rpartition(":")
        if colon:
            if "xmlns" in attributes:
                raise UnreadableWorkbook("mixes namespaces")
            self._prefix = prefix + colon
            attributes["xmlns"] = attributes.get(f"xmlns:{prefix}", "")

    def _name(self, tag: str) -> str:
        return tag.removeprefix(self._prefix) if self._prefix and not self._foreign else tag

    def _place(self, reference: str) -> str:
        letters = reference.rstrip("0123456789")
        self._column = column_place(letters) + 1 if letters.isalpha() and letters.isascii() else self._column + 1
        return f"{column_letters(self._column - 1)}{self._row}"

    def _end(self, tag: str) -> None:
        name = self._name(tag)
        self._depth -= 1
        self._foreign = max(0, self._foreign - 1)
        if name == "row":
            if self._is_open:
                self._out.append(">")
                self._is_open = False
            self._row_end = True
        elif self._is_open:
            self._out.append("/>")
            self._is_open = False
        else:
            self._close()
            self._out.append(f"</{name}>")

    def _text(self, text: str) -> None:
        if self._row_end:
            return
        self._close()
        self._out.append(escape(text, _KEPT))

    def _close(self) -> None:
        if self._is_open:
            self._out.append(">")
            self._is_open = False
        if self._row_end:
            self._out.append("</row>")
            self._row_end = False
