"""What a person may have meant by a cell that is not one of the options of a preference. Pure.

A cell that names several values is never taken for one of them: the others would be lost.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from functools import lru_cache

from importer.normaliser.mapping import ColumnUse
from importer.normaliser.preferences import list_items, separator_of

_YES = frozenset(
    (
        *("y", "yes", "true", "t", "1", "x", "on", "j", "ja", "s", "sim", "si", "sí", "oui", "haan", "han", "ya"),
        *("evet", "da", "да", "हाँ", "हां", "ใช่", "نعم", "是", "はい", "예"),
    )
)
_NO = frozenset(
    (
        *("n", "no", "false", "f", "0", "off", "nein", "não", "nao", "non", "nahi", "nahin", "tidak"),
        *("hayır", "нет", "नहीं", "ไม่", "ไม่ใช่", "لا", "否", "いいえ", "아니요"),
    )
)
#: What people write between the values of one cell.
_BETWEEN = re.compile(r"[;,|/&+\r\n]")
_NO_LETTER = re.compile(r"[\W_]+")


def option_meant(text: str, options: Sequence[str]) -> str:
    """The option that is meant by one value, "" where none is near, or where the text names several values."""
    word = _folded(text)
    by_name = {_folded(option): option for option in options}
    if word in by_name:
        return by_name[word]
    near = _nearest(word, by_name)
    if not near or _letters(near) == _letters(text):
        return near
    named = {found[0] for found in _names(tuple(by_name)).finditer(word)}
    return "" if len(named) > 1 or len(_parts(text)) > len(_parts(near)) else near


def values_meant(text: str, use: ColumnUse, options: Sequence[str]) -> dict[str, str]:
    """What to replace in a cell, as `values` of a rule: the cell, or items of a list."""
    if not use.is_list:
        return _found({text.strip(): option_meant(text, options)})
    items, _ = list_items(text.strip(), use.separator)
    if len(items) == 1 and len(parts := _parts(items[0])) > 1:
        each = [option_meant(part, options) for part in parts]
        # Separated by another sign than the lists of the column.
        return {text.strip(): (use.separator or ";").join(each)} if all(each) else {}
    return _found({item: option_meant(item, options) for item in items if item not in options})


def cell_meant(text: str, use: ColumnUse, options: Sequence[str]) -> str:
    """The cell as it may have been meant, "" where that is not known."""
    found = values_meant(text, use, options)
    if text.strip() in found or not use.is_list:
        return found.get(text.strip(), "")
    items, _ = list_items(text.strip(), use.separator)
    return (use.separator or separator_of(text) or ";").join([found.get(item, item) for item in items])


def _found(values: dict[str, str]) -> dict[str, str]:
    return {text: meant for text, meant in values.items() if meant}


def _nearest(word: str, by_name: dict[str, str]) -> str:
    yes, no = [[option for name, option in by_name.items() if name in words] for words in (_YES, _NO)]
    if len(yes) == len(no) == 1 and word in _YES | _NO:
        return yes[0] if word in _YES else no[0]
    begins = [option for name, option in by_name.items() if name.startswith(word)] if len(word) > 2 else []
    if len(begins) == 1:
        return begins[0]
    close = difflib.get_close_matches(word, list(by_name), 1, 0.6)
    return by_name[close[0]] if close else ""


@lru_cache(maxsize=64)
def _names(names: tuple[str, ...]) -> re.Pattern[str]:
    """Finds the options that a text names as whole words; of “light blue”, not “blue” too."""
    longest_first = [re.escape(name) for name in sorted(filter(None, names), key=len, reverse=True)]
    return re.compile(rf"(?<!\w)(?:{'|'.join(longest_first) or '(?!)'})(?!\w)")


def _parts(text: str) -> list[str]:
    return [part for part in map(str.strip, _BETWEEN.split(text)) if part]


def _letters(text: str) -> str:
    return _NO_LETTER.sub("", _folded(text))


def _folded(text: str) -> str:
    return text.strip().casefold()
