"""Names of files as their senders chose them: which can be taken, and how the others are shown and stored. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

#: Most bytes of a name in the file systems of Linux.
LONGEST = 255
#: Control characters, bytes that are not UTF-8, and the separators of lines and paragraphs.
_NOT_TEXT = frozenset({"Cc", "Cs", "Zl", "Zp"})
#: Names of hidden files, and of files that are still being written.
_IGNORED = re.compile(r"^[.~]|\.(tmp|part|partial|filepart|crdownload)\Z|~\Z", re.IGNORECASE)
#: `failed.csv` and `failed.xlsx` of a run, also as a browser or a person numbers copies.
_REPORT = re.compile(r"failed(?:[ ._-]?(?:\d+|\(\d+\)))?\.(?:csv|xlsx)", re.IGNORECASE)


def is_visible(name: str) -> bool:
    """Whether the nightly load takes files of this name: not hidden, not being written."""
    return _IGNORED.search(name) is None


def is_failed_report(name: str) -> bool:
    """Whether it is the name of the report with failed rows, which a person fixed and put into the inbox."""
    return _REPORT.fullmatch(name) is not None


def fault_of(name: str) -> str:
    """Why a file of this name cannot be taken, "" if it can."""
    if any(unicodedata.category(letter) == "Cs" for letter in name):
        return "Its name is not valid UTF-8."
    if not all(map(_is_text, name)):
        return "Its name contains a control character or a line break."
    if len(_encoded(name)) > LONGEST:
        return f"Its name is longer than {LONGEST} bytes."
    return ""


def shown(name: str) -> str:
    r"""The name for people, logs and JSON: what is not text is written as `\xe9` or `\n`."""
    return "".join(letter if _is_text(letter) else _escaped(letter) for letter in name)


def storable(name: str) -> str:
    """A name that every location can store: what is not text is replaced by `_`."""
    return joined("".join(letter if _is_text(letter) else "_" for letter in name), "")


def joined(stem: str, end: str) -> str:
    """The stem and the end of a name. The stem is cut where the name would be too long."""
    room = max(1, LONGEST - len(_encoded(end)))
    kept = _encoded(stem)[:room].decode("utf-8", "ignore")
    return stem + end if len(_encoded(stem)) <= room else kept + end


def free_names(name: str) -> Iterator[str]:
    """Yield `x.csv`, then `x.2.csv`, `x.3.csv` …"""
    yield name
    stem, dot, end = name.partition(".")
    if len(_encoded(end)) > LONGEST // 2:
        stem, dot, end = name, "", ""
    for number in range(2, 100_000):
        yield joined(stem, f".{number}{dot}{end}")


def _is_text(letter: str) -> bool:
    return unicodedata.category(letter) not in _NOT_TEXT


def _escaped(letter: str) -> str:
    byte = ord(letter) - 0xDC00
    return f"\\x{byte:02x}" if 0x80 <= byte <= 0xFF else letter.encode("unicode_escape").decode("ascii")


def _encoded(name: str) -> bytes:
    return name.encode("utf-8", "surrogatepass")
