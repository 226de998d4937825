"""What the text of a phone cell says before the numbering plan is asked: several numbers, an extension, lost digits.

Digits are joined across separators only where they certainly are one number: `98450-12345/46` is two.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import pairwise

_BETWEEN = r"[\s().\-‐‑‒–—−/]"
#: What may stand between the digits of one number.
SEPARATORS = re.compile(_BETWEEN)
_DASHES = frozenset("-‐‑‒–—−")
_CHUNK = re.compile(rf"\d(?:{_BETWEEN}*\d)*", re.ASCII)
_LINE_BREAK = re.compile(r"(?<!\s)[^\S\n\r\v\f\x1c-\x1e\x85\u2028\u2029]*+[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]\s*+")
_CONNECTED = re.compile(r"(?<!\d)\d{6,}+[^\d,;/|&]*+[,;/|&]\D*+\d{6,}", re.ASCII)
#: Words between a number and further digits: an extension, or the end of a second number.
WORDS = re.compile(
    r"(?<![^\W\d_])(?:e?xt|extn|extension|x|int|interno|dw|durchwahl|poste|ramal|anexo|доб|dahili|toestel|wew|anknytning"
    r"|and|or|und|oder|et|ou|dan|atau|en|of|lub|ve|veya|или)(?![^\W\d_])|\s[yoeiи]\s",
    re.IGNORECASE,
)
#: A spreadsheet program keeps at least so many zeros where it lost digits.
_ROUNDED = "00000"
#: Numbers with fewer digits have no subscriber of their own.
_SHORTEST = 7
#: No number has more digits, the two zeros before a country code included.
_LONGEST = 17

#: Ends that may be digits of a second number.
DOUBTFUL_END = re.compile(r"\d{4}[ (]*-[ (-]*\d{1,2}\Z|\d{7}[ (]*-[ (-]*\d{1,4}\Z", re.ASCII)

#: (digits, whether they follow a plus) → None if they are not a whole number, else whether it is a mobile.
Whole = Callable[[str, bool], bool | None]


def one_line(text: str) -> str:
    """Line breaks in a cell separate numbers as a slash does."""
    return _LINE_BREAK.sub(" / ", text.strip())


def lost_digits(digits: str) -> bool:
    """Whether these are zeros in place of lost digits: by chance that is one number in 100,000."""
    return digits.endswith(_ROUNDED) and len(digits) >= _SHORTEST and bool(digits.strip("0"))


def holds_several(text: str, whole: Whole, *, international: bool) -> bool:
    """Whether the cell has more than one number, or further digits like an extension. `international`: numbers without
    a plus have their country code too."""
    if _CONNECTED.search(text):
        return True
    chunks = list(_CHUNK.finditer(text))
    counts = [sum(map(str.isdecimal, chunk[0])) for chunk in chunks]
    long = next((at for at, count in enumerate(counts) if count >= 6), None)
    if long is None:
        return False
    for before, after, count in zip(chunks[long:], chunks[long + 1 :], counts[long + 1 :], strict=False):
        between = text[before.end() : after.start()]
        if count >= 6 or WORDS.search(between) or not any(map(str.isalpha, between)):
            return True
    if len(chunks) > 1:
        return False
    digits, bracket = chunks[0][0], text.rstrip().endswith(")")
    plus = "+" in text or digits.startswith("00")
    for cut in _cuts(digits, plus, international and not plus):
        in_brackets = bracket and cut.last and "(" in cut.joiner and len(cut.left) >= _SHORTEST
        if in_brackets or _divides(cut, whole):
            return True
    return False


class _Cut:
    """A place where the digits of a cell may be divided."""

    def __init__(self, groups: list[str], joiners: list[str], at: int, plus: bool, codeless: bool) -> None:
        self.left, self.right = "".join(groups[:at]), "".join(groups[at:])
        self.joiner = joiners[at - 1]
        self.plus, self.codeless = plus, codeless
        self.first, self.before, self.last = groups[0], groups[at - 1], at == len(groups) - 1
        slashes = [place for place, joiner in enumerate(joiners, 1) if "/" in joiner]
        bounds = [0, *slashes, len(groups)]
        self.pieces = [len("".join(groups[begin:end])) for begin, end in pairwise(bounds)]
        #: Which of the pieces between slashes follows this one.
        self.piece = slashes.index(at) + 1 if at in slashes else 0


def _cuts(chunk: str, plus: bool, codeless: bool) -> Iterator[_Cut]:
    parts = re.split(r"(\D+)", chunk)
    groups, joiners = parts[::2], parts[1::2]
    for at in range(1, len(groups)):
        yield _Cut(groups, joiners, at, plus, codeless)


def _divides(cut: _Cut, whole: Whole) -> bool:
    """Whether two numbers meet here."""
    left, right = len(cut.left), len(cut.right)
    if left >= _SHORTEST and right >= _SHORTEST:
        alike = abs(left - right) <= 1
        if left + right > _LONGEST or (alike and cut.left[:3] == cut.right[:3]):
            return True
        valid = [whole(cut.left, cut.plus) is not None, whole(cut.right, False) is not None]
        if (alike and all(valid)) or (any(valid) and whole(cut.left + cut.right, cut.plus) is None):
            return True
    if cut.piece:
        return _slash_divides(cut, whole)
    return cut.last and bool(_DASHES.intersection(cut.joiner)) and _dash_divides(cut, whole)


def _slash_divides(cut: _Cut, whole: Whole) -> bool:
    """A slash follows an area code, or a whole number before another one, of which only the last digits may follow."""
    left, previous, follows = len(cut.left), cut.pieces[cut.piece - 1], cut.pieces[cut.piece]
    if left >= _SHORTEST and whole(cut.left, cut.plus) is not None:
        return True
    if len(cut.pieces) > 2 and cut.pieces[0] < _SHORTEST:
        # Slashes between all groups, as in 0475/12/34/56.
        return left >= _SHORTEST and follows <= 3 and previous - follows >= 2
    if follows <= 2:
        return left >= 5
    if follows == 3:
        return left >= _SHORTEST and len(cut.before) != 3
    return follows == 4 and left >= 10 and not cut.plus


def _dash_divides(cut: _Cut, whole: Whole) -> bool:
    """A dash before the last digits: `0812345678-9` is two numbers, `345-67-89` is the end of one."""
    before, follows = len(cut.before), len(cut.right)
    if not (follows <= 2 and before >= 4) and not (follows <= 4 and before >= _SHORTEST):
        return False
    # Without its country code the number is not known, and with the rest it may be one of another country.
    unknown = cut.codeless and len(cut.first) >= 4 and len(cut.left) >= 9
    return whole(cut.left, cut.plus) or (unknown and follows <= 2 and whole(cut.left, False) is None)
