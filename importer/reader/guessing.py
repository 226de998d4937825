"""The encoding of a text that is not Unicode, judged by its cells with characters beyond ASCII."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from importer.reader.cell_text import LOST
from importer.reader.letters import cost

#: Encodings that programs write when they do not write Unicode, with how much less likely each is than the first
#: (as a cost). Of encodings that give the same text, the one listed first is named.
_CANDIDATES: dict[str, float] = {
    "cp1252": 0,
    "cp1250": 2.5,
    **dict.fromkeys(("cp1251", "cp1253", "cp1254", "cp1255", "cp1256"), 3.0),
    **dict.fromkeys(("cp874", "cp932", "gb18030", "big5", "cp949"), 3.0),
    **dict.fromkeys(("cp1257", "cp1258", "cp850", "cp437", "mac_roman", "iso8859-15", "iso8859-2"), 4.0),
    **dict.fromkeys(("koi8-r", "koi8-u", "cp866", "iso8859-5", "mac_cyrillic", "iso8859-7"), 4.0),
    **dict.fromkeys(("cp852", "cp857", "cp737", "cp720", "cp862", "cp775", "iso8859-6", "iso8859-8", "euc_jp"), 5.0),
}
_OF_CP1250 = frozenset("ŠšŽž")
#: How much less likely the next reading must be before the first is taken. The costs of East Asian text are coarse.
_CLEAR, _CLEAR_FIRST, _CLEAR_EAST_ASIAN = 6.0, 4.1, 10.0
_EAST_ASIAN = ("cp932", "gb18030", "big5", "cp949", "euc_jp")
#: The highest mean cost of a character in text. Few may cost more together, like rare names.
_TEXT, _RARE = 8.5, 20.0
#: Cells judged first; readings that are this much less likely then are not judged further.
_FIRST, _BEHIND = 20, 60.0
#: Characters of a cell that are judged.
_JUDGED_LENGTH = 400
#: Readings that a refusal shows.
_SHOWN = 5
_SHOWN_LENGTH = 24


class Reading(NamedTuple):
    """The cells in one encoding."""

    encoding: str
    cells: tuple[str, ...]
    cost: float


def readings(cells: Sequence[bytes]) -> list[Reading]:
    """The texts that the cells can be, the most likely first."""
    found: dict[tuple[str, ...], str] = {}
    for encoding in _CANDIDATES:
        try:
            texts = tuple([cell.decode(encoding)[:_JUDGED_LENGTH] for cell in cells])
        except UnicodeDecodeError:
            continue
        found.setdefault(texts, encoding)
    first = [
        Reading(encoding, texts, _prior(encoding, texts) + sum(map(cost, texts[:_FIRST])))
        for texts, encoding in found.items()
    ]
    least = min([reading.cost for reading in first], default=0)
    judged = [
        reading._replace(cost=reading.cost + sum(map(cost, reading.cells[_FIRST:])))
        for reading in first
        if reading.cost <= least + _BEHIND
    ]
    return sorted(judged, key=lambda reading: reading.cost)


def _prior(encoding: str, cells: Sequence[str]) -> float:
    """The cost of an encoding. Texts with these letters are usually of the languages of the second."""
    if encoding == "cp1252" and any(not _OF_CP1250.isdisjoint(cell) for cell in cells):
        encoding = "cp1250"
    return _CANDIDATES[encoding]


def is_clear(found: Sequence[Reading]) -> bool:
    """Whether the first of the readings is text, and much more likely than the next."""
    best = found[0]
    characters = sum(character > "\x7f" for cell in best.cells for character in cell)
    if best.cost > _TEXT * characters + _RARE:
        return False
    needed = _CLEAR_FIRST if not _CANDIDATES[best.encoding] else _CLEAR
    if best.encoding in _EAST_ASIAN:
        needed = _CLEAR_EAST_ASIAN
    return len(found) == 1 or found[1].cost - best.cost >= needed


def shown(found: Sequence[Reading]) -> list[tuple[str, str]]:
    """(encoding, cell) of the most likely readings: the first cell in which the first two differ."""
    at = 0
    if len(found) > 1:
        at = next(at for at, cell in enumerate(found[0].cells) if cell != found[1].cells[at])
    unique: dict[str, str] = {}
    for reading in found:
        unique.setdefault(_short(reading.cells[at]), reading.encoding)
    return [(encoding, cell) for cell, encoding in unique.items()][:_SHOWN]


def _short(cell: str) -> str:
    """The part of a cell around its first character beyond ASCII."""
    cell = " ".join("".join([c if c.isprintable() or c.isspace() else LOST for c in cell]).split())
    at = next((at for at, character in enumerate(cell) if character > "\x7f"), 0)
    start = max(0, min(at - _SHOWN_LENGTH // 2, len(cell) - _SHOWN_LENGTH))
    part = cell[start : start + _SHOWN_LENGTH]
    return f"{'…' if start else ''}{part}{'…' if start + _SHOWN_LENGTH < len(cell) else ''}"


#: What separates cells, in every encoding. A vertical bar can be half of a character.
_BETWEEN_CELLS = re.compile(rb'[,;\t"]')


def odd_cells(line: bytes) -> list[bytes]:
    """The cells of a line with bytes beyond ASCII."""
    return [cell.strip() for cell in _BETWEEN_CELLS.split(line) if not cell.isascii()]
