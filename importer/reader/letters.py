"""How plausible a text is: the cost of its characters beyond ASCII, from the letter pairs of languages.

A cost is a negative logarithm: a cost higher by 5 is about 150 times less likely. `letter_pairs.txt` has the costs of a
language's letter pairs, or of its letters where its alphabet is not Latin; `tests/reader/make_letters.py` writes it.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from importlib.resources import files

#: The cost of a pair that a language does not have, and of what text does not have at all.
_UNSEEN = 10.0
_NEVER = 16.0
_IMPOSSIBLE = 1e6
#: A letter is in two pairs, which are not independent of each other.
_OF_A_PAIR = 0.7
#: Characters that may stand on one side of a letter, and those of texts without letters around them.
_AFTER = "®™©°ª²³¹º”»’…€"
_BEFORE = "“„«‘‚¿¡•"
_OPENING, _CLOSING = "“„«‘‚", re.compile("[”“»’‘]")
_ALONE = "–—•·°“”‘’«»„®™©±×§№º"
_APOSTROPHES = "’´`‘"
#: O’Neill, L’Oréal, Dell’Aqua, Levi’s, don’t.
_ELIDED = re.compile(r"(?:^|.*[^\w])(?:o|d|l|m|n|s|t|j|c|qu|un|gl|dell|all|dall|nell|sull|sant|mc)", re.DOTALL)
_ELIDED_BEFORE = re.compile(r"[aeiouyhàâéèêëîïôœæ]|[A-Z]")
_SHORT_END = re.compile(r"(?:s|t|ll|re|ve|m|d|n)(?!\w)", re.IGNORECASE)
#: Of all characters beyond ASCII, English sheets have this one most often: Men’s, don’t, kids’ wear.
_ENGLISH_APOSTROPHE = 4.5
_ENGLISH = re.compile(r"(?:.*[\s(/-])?[b-df-hj-np-tv-z]*[aeiouy][a-z]*", re.DOTALL | re.ASCII | re.IGNORECASE)
_PLURAL = re.compile(r"(?:.*[^\w])?[A-Za-z]{3,}s", re.DOTALL)
_MIXED_EAST_ASIAN = re.compile(
    "[\uac00-\ud7a3][\u3041-\u30ff\u4e00-\u9fff]|[\u3041-\u30ff\u4e00-\u9fff][\uac00-\ud7a3]"
)
_EAST_ASIAN = frozenset(("HIRAGANA", "KATAKANA", "CJK", "HANGUL", "FULLWIDTH", "HALFWIDTH", "IDEOGRAPHIC"))
#: Han characters by encoding: the lead bytes of those in daily use.
_DAILY_HAN = (("gb2312", 0xB0, 0xD7), ("shift_jis", 0x88, 0x97), ("big5", 0xA4, 0xC6))


def cost(text: str) -> float:
    """The cost of a cell, in the language in which it is lowest. ASCII costs nothing."""
    text = f" {unicodedata.normalize('NFC', text)} "
    total = 10.0 * len(_MIXED_EAST_ASIAN.findall(text))
    pairs: list[str] = []
    for at, character in enumerate(text):
        if character < "\x80":
            continue
        category = unicodedata.category(character)
        if category in ("Cc", "Co", "Cn", "Cs"):
            return _IMPOSSIBLE
        if category[0] in "LM" and character not in "ºª":
            total += _letter_cost(text, at, pairs)
        else:
            total += _symbol_cost(text, at)
    if pairs:
        total += min(
            [sum([costs.get(pair, _UNSEEN) for pair in pairs]) for costs in _languages()[0]]
        ) * _OF_A_PAIR  # fmt: skip
        total += 8 * sum(
            character > "\u02ff" and character.isalpha() and _script(character) != "LATIN" for character in text
        )
    return total


def _letter_cost(text: str, at: int, pairs: list[str]) -> float:
    """The cost of a letter without that of the `pairs` it is in, which are added to them."""
    before, character, after = tuple(text[at - 1 : at + 2])
    script = _script(character)
    if script == "EA":
        beside = [_script(other) for other in (before, after) if other.isalpha()]
        return _east_asian_cost(character) + 8 * (len(beside) - beside.count("EA")) + 5 * ("EA" not in beside)
    alone = not before.isalpha() and not (after.isalpha() or unicodedata.combining(after))
    total = 12.0 * sum(other.isalpha() and _script(other) not in (script, "EA") for other in (before, after))
    if script == "LATIN":
        pairs += [_folded(before) + character.lower()[0], character.lower()[0] + _folded(after)]
    else:
        total += 5 * alone
        total += min([costs.get(character.lower(), _UNSEEN) for costs in _languages()[1]])
        if unicodedata.category(character)[0] == "M" and not (before.isalpha() or unicodedata.combining(before)):
            total += 8
    total += 5 * (before.isdigit() or after.isdigit())
    if character.isupper() and before.islower():
        total += 4
    elif character.islower() and character not in "ßı" and (after.isupper() or _is_upper(text[at - 2 : at])):
        total += 3
    return total


def _symbol_cost(text: str, at: int) -> float:
    before, character, after = tuple(text[at - 1 : at + 2])
    inside = before.isalpha() and after.isalpha()
    if unicodedata.east_asian_width(character) in "WF":
        return 9
    if character == "\xa0":
        return 10 if inside else 5
    if character in _APOSTROPHES and inside:
        english = _ENGLISH.fullmatch(text[:at])
        capitals = before.isupper() and text[at + 1 : at + 3].strip().isupper()
        # DÆMON and LÆS have the same bytes in the encoding of DOS.
        elided = not (capitals and not english) and _ELIDED.fullmatch(text[:at].lower()) and _ELIDED_BEFORE.match(after)
        usual = elided or (_SHORT_END.match(text, at + 1) and not (capitals and not english))
        if character == "’" and usual and english and before.lower() not in "aiou":
            return _ENGLISH_APOSTROPHE
        foreign = 0 if text[:at].rpartition(" ")[2].isascii() else 5
        return (7 if character == "’" else 8.5) + (0 if usual else 8) + foreign
    if character == "·" and before in "lL" and after in "lL":
        return 3
    if character == "°" and after in "CF" and not before.isalpha():
        return 3.5
    if character in "º°ª" and (before in "NnM" or before.isdigit()) and not after.isalpha():
        return 3.5
    if inside or (character in "²³¹" and text[max(at - 3, 0) : at].isalpha()):
        return _NEVER
    if before.isalpha():
        if character == "…":
            return 5
        if character == "’" and _PLURAL.fullmatch(text[:at]):
            return _ENGLISH_APOSTROPHE
        return 7 if character in _AFTER else _NEVER
    if after.isalpha():
        if character in _OPENING and not _CLOSING.search(text, at):
            return 12
        return 6 if character in _BEFORE else _NEVER
    if character in "½¼¾":
        return 3
    if character in _ALONE or (
        unicodedata.category(character) == "Sc" and (text[at - 2 : at + 3]).strip(" -+") != character
    ):
        return 3.5
    return 8 if unicodedata.category(character)[0] == "P" else 13


def _is_upper(part: str) -> bool:
    return part.isalpha() and part.isupper()


def _folded(character: str) -> str:
    return character.lower()[0] if character.isalpha() else " "


@cache
def _script(character: str) -> str:
    word = unicodedata.name(character, "?").split(" ")[0].split("-")[0]
    return "EA" if word in _EAST_ASIAN else word


@cache
def _east_asian_cost(character: str) -> float:
    """By the standards of the countries, which list the characters of daily use first."""
    if character in (frequent := _languages()[2]):
        return frequent[character]
    if "\u3041" <= character <= "\u30ff":
        return 4.5
    if "\uac00" <= character <= "\ud7a3":
        return 8 if _lead_byte(character, "euc_kr") else 13
    if "\u4e00" <= character <= "\u9fff":
        return min(
            [
                8.5 if lowest <= lead <= highest else 11
                for encoding, lowest, highest in _DAILY_HAN
                if (lead := _lead_byte(character, encoding))
            ],
            default=13.0,
        )
    if "\uff61" <= character <= "\uff9f":
        return 9
    return 8 if unicodedata.east_asian_width(character) in "WFA" else _NEVER


def _lead_byte(character: str, encoding: str) -> int:
    try:
        made = character.encode(encoding)
    except UnicodeEncodeError:
        return 0
    return made[0] if len(made) == 2 else 0


@cache
def _languages() -> tuple[list[dict[str, float]], list[dict[str, float]], dict[str, float]]:
    """The costs of pairs by language, of letters by language of another script, and of East Asian characters."""
    latin: list[dict[str, float]] = []
    others: list[dict[str, float]] = []
    frequent: dict[str, float] = {}
    lines = files("importer.reader").joinpath("letter_pairs.txt").read_text(encoding="utf-8").splitlines()
    for line in lines:
        kind, _language, *classes = line.split("\t")
        costs = {
            item: float(group[0])
            for group in classes
            for item in (group[1:].split("|") if kind == "pairs" else group[1:])
        }
        if kind == "characters":
            frequent |= {item: min(known, frequent.get(item, known)) for item, known in costs.items()}
        else:
            (latin if kind == "pairs" else others).append(costs)
    return latin, others, frequent
