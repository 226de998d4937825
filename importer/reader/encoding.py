"""Find the encoding of a text and decode all of it strictly: no replacement characters, no silent guesses."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from importer.errors import SourceError
from importer.normaliser.damage import CONTROLS
from importer.reader.cell_text import LOST
from importer.reader.guessing import is_clear, odd_cells, readings, shown
from importer.reader.sizes import LONGEST_ROW
from importer.system.encodings import text_encoding

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

Opener = Callable[[], BinaryIO]

BLOCK = 1 << 18

_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
#: Different cells, and lines, that are enough to judge an encoding.
_CELLS, _LINES = 300, 20_000
_NOT_CONTROL = bytes(sorted(set(range(256)) - set(range(0x20)) - {0x7F} | {0x09, 0x0A, 0x0D}))
_WIDE = ("utf-16", "utf-32", "utf_16", "utf_32")
#: Ctrl-Z ends a text of DOS. Programs fill the rest of its last block with NUL or Ctrl-Z.
_END, _LONGEST_END = re.compile(r"\x1a[\x1a\x00\r\n]*\Z"), 4096
_C1_IN_UTF8 = re.compile(rb"\xc2[\x80-\x9f]")
_BREAK = re.compile(rb"\r\n|\n|\r")


class TextFindings(msgspec.Struct, frozen=True):
    """What one pass over all bytes of a text found."""

    encoding: str
    size: int
    has_quotes: bool
    has_controls: bool
    has_lost_letters: bool
    #: An upper bound: too high where a text mixes line ends.
    longest_line: int
    #: A CR without LF in a text whose lines end with LF: it belongs to its cell.
    has_stray_returns: bool = False
    #: Bytes of a Ctrl-Z of DOS, and what follows it, at the end. They are not counted in `size`.
    after_end: int = 0
    note: str = ""


class Undecodable(Exception):
    """A byte does not fit the encoding."""

    def __init__(self, encoding: str, at: int, line: int, sample: bytes, beyond_ascii: int) -> None:
        super().__init__(f"byte {at:,} (line {line:,}) is not {encoding}")
        self.encoding = encoding
        self.at = at
        self.line = line
        self.sample = sample
        self.beyond_ascii = beyond_ascii


def _scan(name: str, opener: Opener, encoding: str) -> TextFindings:
    """Decode the whole text once, strictly, and keep nothing."""
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    wide = encoding.startswith(_WIDE)
    size = lines = since_break = longest = beyond_ascii = 0
    ends = _Ends()
    has_quotes = has_controls = has_lost = False
    with opener() as stream:
        while True:
            block = stream.read(BLOCK)
            pending = len(decoder.getstate()[0])
            try:
                text = decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                at = size - pending + error.start
                seen = error.object[: error.start]
                line = lines + (seen.count(b"\n") or seen.count(b"\r")) + 1
                sample = error.object + stream.read(BLOCK)
                raise Undecodable(encoding, at + 1, line, sample, beyond_ascii) from None
            except UnicodeError:
                raise Undecodable(encoding, size + 1, lines + 1, block, beyond_ascii) from None
            if not block:
                break
            size += len(block)
            has_controls = has_controls or _has_controls(block, text, encoding)
            if not wide:
                beyond_ascii += len(block) - len(text)
            ends.add(text)
            has_lost = has_lost or LOST in text
            has_quotes = has_quotes or '"' in text
            lengths = list(map(len, text.split("\n" if "\n" in text else "\r")))
            lines += len(lengths) - 1
            lengths[0] += since_break
            since_break = lengths[-1]
            longest = max(longest, max(lengths))
            if since_break > LONGEST_ROW:
                raise SourceError(
                    f"{name}: line {lines + 1:,} is longer than {LONGEST_ROW:,} characters, so this is not a table.",
                    "Export the sheet again as CSV (UTF-8) or as a workbook.",
                    code="other_kind",
                )
    width = 4 if "32" in encoding else 2 if wide else 1
    return TextFindings(
        encoding,
        size,
        has_quotes,
        has_controls,
        has_lost,
        longest,
        has_stray_returns=ends.has_breaks and ends.lone_returns > 0 and _breaks_records(opener, encoding),
        after_end=ends.after_end * width,
    )


def _has_controls(block: bytes, text: str, encoding: str) -> bool:
    """Whether a block has control characters: by its bytes, where that is faster."""
    if encoding.startswith(_WIDE):
        return CONTROLS.search(text) is not None
    if block.translate(None, _NOT_CONTROL):
        return True
    if block.isascii():
        return False
    if encoding.startswith("utf-8"):
        # The first character may begin in the block before.
        return _C1_IN_UTF8.search(block) is not None or CONTROLS.match(text) is not None
    return CONTROLS.search(text) is not None


class _Ends:
    """How lines end, and the text."""

    def __init__(self) -> None:
        self.has_breaks = False
        self.lone_returns = 0
        self._last = ""

    def add(self, text: str) -> None:
        self.has_breaks = self.has_breaks or "\n" in text
        if "\r" in text:
            self.lone_returns += text.count("\r") - text.count("\r\n")
        if self._last[-1:] == "\r" and text[:1] == "\n":
            self.lone_returns -= 1
        self._last = (self._last + text if len(text) < _LONGEST_END else text)[-_LONGEST_END:]

    @property
    def after_end(self) -> int:
        """Characters from a Ctrl-Z of DOS to the end."""
        end = _END.search(self._last)
        return len(end.group()) if end else 0


def _breaks_records(opener: Opener, encoding: str) -> bool:
    """Whether an LF separates two records. A text whose lines end with CR can have one in quotes, or as its last."""
    inside = ended = False
    with io.TextIOWrapper(opener(), encoding=encoding, newline="") as text:
        while block := text.read(BLOCK):
            for at, part in enumerate(block.split('"')):
                inside = inside != (at > 0)
                if ended and (at or part.strip()):
                    return True
                if not inside and "\n" in part:
                    ended = True
                    if part.partition("\n")[2].strip():
                        return True
    return False


def _wide_without_bom(start: bytes) -> str | None:
    """The byte order of UTF-16 without a byte order mark: every second byte of Western text is NUL."""
    even, odd = start[0::2], start[1::2]
    if len(odd) < 4:
        return None
    if odd.count(0) > 0.6 * len(odd) and even.count(0) < 0.1 * len(even):
        return "utf-16-le"
    if even.count(0) > 0.6 * len(even) and odd.count(0) < 0.1 * len(odd):
        return "utf-16-be"
    return None


def _refusal(name: str, error: Undecodable, what: str) -> SourceError:
    return SourceError(
        f"{name}: byte {error.at:,} (line {error.line:,}) cannot be read as {what}.",
        "Save the sheet as 'CSV UTF-8', or pass its encoding (like --encoding cp1252).",
        on_page="Save the sheet as 'CSV UTF-8', or set its encoding under “How the file is read”.",
        code="encoding",
    )


def _detect(name: str, opener: Opener, error: Undecodable) -> TextFindings:
    damaged = error.sample.decode("utf-8", "replace")
    bad = damaged.count("\ufffd")
    good = sum(character > "\x7f" for character in damaged) - bad
    if error.beyond_ascii > 0 or good > bad:
        # Most of it is UTF-8: the file is damaged, and another encoding would only hide the damage.
        raise _refusal(name, error, "UTF-8, the encoding of the rest")
    line, cells = _odd_cells(opener)
    found = readings(cells)
    while found and is_clear(found):
        encoding = found[0].encoding
        try:
            findings = _scan(name, opener, encoding)
        except Undecodable:
            del found[0]
            continue
        note = (
            f"The text is not UTF-8; it was read as {encoding}, like “{shown(found[:1])[0][1]}” in line {line:,}. "
            "Check letters with accents, and set the encoding if they are wrong."
        )
        return msgspec.structs.replace(findings, note=note)
    candidates = shown(found)
    if len(candidates) < 2:
        raise _refusal(name, error, "UTF-8 or another known encoding")
    listed = ", ".join([f"{encoding} (“{cell}”)" for encoding, cell in candidates])
    raise SourceError(
        f"{name} is not UTF-8, and its encoding is not certain. A cell reads differently in {listed}.",
        f"Pass the one in which it is right (like --encoding {candidates[0][0]}), or save the sheet as 'CSV UTF-8'.",
        on_page="Set the one in which it is right under “How the file is read”, or save the sheet as 'CSV UTF-8'.",
        code="encoding",
    )


def _odd_cells(opener: Opener) -> tuple[int, list[bytes]]:
    """The line of the first cell with bytes beyond ASCII, and the first different ones of these cells."""
    cells: dict[bytes, None] = {}
    first = lines = judged = 0
    rest = b""
    with opener() as stream:
        while len(cells) < _CELLS and judged < _LINES and len(rest) <= LONGEST_ROW and (block := stream.read(BLOCK)):
            if block.endswith(b"\r"):
                block += stream.read(1)
            *whole, rest = _BREAK.split(rest + block)
            for number, line in enumerate(whole, lines + 1):
                if not line.isascii():
                    first = first or number
                    judged += 1
                    cells.update(dict.fromkeys(odd_cells(line)))
            lines += len(whole)
    if not rest.isascii():
        first = first or lines + 1
        cells.update(dict.fromkeys(odd_cells(rest)))
    return first, list(cells)[:_CELLS]


def find_encoding(name: str, opener: Opener, given: str | None) -> TextFindings:
    """The encoding of the text, found by decoding all of it. `given`: the encoding that the user specified."""
    found = _found(name, opener, given)
    if found.after_end:
        size = found.size - found.after_end
        opener = before_end(opener, size)
        text = _scan(name, opener, found.encoding)
        found = msgspec.structs.replace(text, after_end=found.after_end, note=found.note)
    if found.has_stray_returns and found.has_quotes and not _breaks_outside_quotes(opener, found.encoding):
        # Excel for Mac ends rows with CR, and lines of a cell with LF.
        found = msgspec.structs.replace(found, has_stray_returns=False)
    return found


def _breaks_outside_quotes(opener: Opener, encoding: str) -> bool:
    """Whether an LF ends a row of the text."""
    quotes = 0
    with io.TextIOWrapper(opener(), encoding=encoding, newline="\n") as lines:
        for line in lines:
            quotes += line.count('"')
            if line[-1:] == "\n" and quotes % 2 == 0:
                return True
    return False


def before_end(opener: Opener, size: int) -> Opener:
    """The same text up to a byte."""
    return lambda: io.BufferedReader(_Beginning(opener(), size))


class _Beginning(io.RawIOBase):
    """The first bytes of a stream."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream = stream
        self._left = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        block = self._stream.read(min(len(memoryview(buffer)), self._left))
        memoryview(buffer)[: len(block)] = block
        self._left -= len(block)
        return len(block)

    def close(self) -> None:
        self._stream.close()
        super().close()


def _found(name: str, opener: Opener, given: str | None) -> TextFindings:
    with opener() as stream:
        start = stream.read(4096)
    marked = next((encoding for bom, encoding in _BOMS if start.startswith(bom)), None)
    if given is not None:
        encoding = text_encoding(given)
        if encoding is None:
            raise SourceError(
                f"{given!r} is not a known encoding.", "Use a name like utf-8, cp1252 or utf-16.", code="encoding"
            )
        if marked and encoding.replace("-sig", "") in ("utf-8", "utf-16", "utf-32"):
            encoding = marked
        elif encoding in ("utf-16", "utf-32"):
            # Python expects a byte order mark for these names. Without one, use the byte order of Windows.
            encoding = _wide_without_bom(start) or f"{encoding}-le"
        try:
            return _scan(name, opener, encoding)
        except Undecodable as error:
            raise _refusal(name, error, given) from None
    try:
        if marked:
            return _scan(name, opener, marked)
        wide = _wide_without_bom(start)
        if wide:
            found = _scan(name, opener, wide)
            return msgspec.structs.replace(found, note=f"The text has no byte order mark; it was read as {wide}.")
    except Undecodable as error:
        raise _refusal(name, error, marked or "UTF-16") from None
    try:
        return _scan(name, opener, "utf-8")
    except Undecodable as error:
        return _detect(name, opener, error)
