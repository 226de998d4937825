"""Numbers in sentences, with the right plural and rounding; text for terminals and shells. Pure."""

from __future__ import annotations

import os
import re
import shlex
import unicodedata


def counted(count: int, one: str, many: str = "") -> str:
    """`1 row`, `2 rows`, `0 rows`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def long(seconds: float) -> str:
    """`30 seconds`, `1 minute`, `5 minutes`."""
    return counted(round(seconds), "second") if seconds < 60 else counted(round(seconds / 60), "minute")


def duration(seconds: float) -> str:
    """Return `6 s`, `12 min` or `2 h 47 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


def percent(part: int, whole: int) -> str:
    """A share, never rounded to 100 % or to 0 %."""
    if part == whole:
        return "100 %"
    share = 100 * part / whole
    if share < 0.1:
        return "under 0.1 %" if part else "0 %"
    if share > 99.9:
        return "over 99.9 %"
    return f"{round(share, 1):g} %"


def sentence(text: str) -> str:
    """The text with a capital letter at its beginning."""
    return text[:1].upper() + text[1:]


def shortened(text: str, longest: int) -> str:
    """At most so many characters, with an ellipsis where some are missing."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def columns_of_text(text: str) -> int:
    """Return how many columns of a terminal the text takes."""
    if text.isascii():
        return len(text)
    return sum(
        0
        if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf")
        else 2
        if unicodedata.east_asian_width(character) in "WF"
        else 1
        for character in text
    )


#: What stays together: a command in backticks is pasted as a whole.
_WORDS = re.compile(r"(?:`[^`]*`|\S)+")


def wrapped(text: str, width: int, indent: str = "", following: str | None = None, *, cut: bool = False) -> list[str]:
    """Return the text as lines of at most so many columns. A command in backticks is never broken, nor is another long
    word, unless it may be `cut`. `following`: the indent of all lines but the first; None: the same."""
    lines, empty = [], True
    follow = indent if following is None else following
    line, used = indent, columns_of_text(indent)
    for word in _WORDS.findall(text):
        for piece in _pieces(word, width - columns_of_text(follow)) if cut else (word,):
            size = columns_of_text(piece)
            if not empty and used + 1 + size > width:
                lines.append(line)
                line, used, empty = follow, columns_of_text(follow), True
            line += piece if empty else f" {piece}"
            used += size if empty else size + 1
            empty = False
    return lines if empty else [*lines, line]


def folded(text: str, width: int) -> str:
    """Return the text with those lines wrapped that are longer than the width. The others stay as they are."""
    lines = []
    for line in text.split("\n"):
        indent = line[: len(line) - len(line.lstrip(" "))]
        lines += wrapped(line, width, indent) if columns_of_text(line) > width else [line]
    return "\n".join(lines)


def _pieces(word: str, room: int) -> list[str]:
    """The word, cut where it is too long for a line."""
    pieces = [""]
    for character in word:
        if columns_of_text(pieces[-1] + character) > room and "`" not in word:
            pieces.append("")
        pieces[-1] += character
    return pieces


#: What moves the cursor of a terminal, colours it, types, or reverses the order of letters: all control characters but
#: line end and tab, line and paragraph separators, and the characters that override the direction of text.
CONTROLS = frozenset((*range(9), *range(11, 32), *range(127, 160), *range(0x2028, 0x202F), *range(0x2066, 0x206A)))
_UNTYPED = re.compile("([" + "".join(map(re.escape, map(chr, sorted(CONTROLS)))) + "\ud800-\udfff]+)")
_ESCAPED = {character: f"\\u{character:04x}" for character in CONTROLS}
_REPLACED = dict.fromkeys(CONTROLS, "�")
_REMOVED = {**dict.fromkeys(CONTROLS), **dict.fromkeys(map(ord, "\t\n\v\f\r\x85\u2028\u2029"), " ")}
#: A terminal's sequences: colours and cursor (CSI), titles and clipboard (OSC and its like), the others.
_SEQUENCES = re.compile(
    "(?:\x1b\\[|\x9b)[0-?]*[ -/]*[@-~]?"
    "|(?:\x1b[]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\\\|\x9c)?"
    "|\x1b[ -/]*[0-~]?"
)


def shell(*words: str) -> str:
    """The words as one types them in a POSIX shell, also those with bytes or signs that a terminal cannot show."""
    return " ".join([_hidden_parts(word) or shlex.quote(word) for word in words])


def _hidden_parts(word: str) -> str:
    """The quoted word with control characters and bytes that are not UTF-8 as `printf` makes them; "" without such."""
    if not _UNTYPED.search(word):
        return ""
    parts = []
    for part in _UNTYPED.split(word):
        if _UNTYPED.fullmatch(part):
            code = "".join([f"\\{byte:03o}" for byte in os.fsencode(part)])
            parts.append(f"\"$(printf '{code}')\"")
        elif part:
            parts.append(shlex.quote(part))
    return "".join(parts)


def escaped(text: str) -> str:
    """JSON or TOML for a terminal: the same document, with control characters written as escapes."""
    return text if text.isascii() and text.isprintable() else text.translate(_ESCAPED)


def is_utf8(text: str) -> bool:
    """Whether the text can be written as UTF-8. Other bytes of the command line are surrogates in it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def visible(text: str) -> str:
    """The text for a terminal, each control character replaced: a name from a sheet may hold any."""
    return text if text.isascii() and text.isprintable() else text.translate(_REPLACED)


def harmless(text: str) -> str:
    """The text of a server in one line, without control characters and a terminal's sequences."""
    if text.isascii() and text.isprintable():
        return text
    return _SEQUENCES.sub("", text).translate(_REMOVED)
