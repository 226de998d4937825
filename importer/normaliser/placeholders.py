"""Placeholders: what programs and people write into a cell that has no value."""

from __future__ import annotations

import re
import unicodedata

#: Words that are no id. An id like `NA` may be one.
_WORDS = frozenset(
    {
        *(
            "null",
            "none",
            "nil",
            "nan",
            "-nan",
            "undefined",
            "\\n",
            "\\\\n",
            "n/a",
            "n/a.",
            "n\\a",
            "n.a",
            "n.a.",
            "#n/a",
            "#na",
        ),
        # The same in other languages, and Excel's #N/A in them.
        *("n/d", "n.d.", "н/д", "k.a.", "#n/d", "#н/д", "#nv", "#yok"),
    }
)
#: Words that are no value in brackets, as pivot tables and database tools write them.
_IN_BRACKETS = _WORDS | {
    *(
        "na",
        "blank",
        "blanks",
        "empty",
        "missing",
        "not set",
        "no value",
        "unset",
        "leer",
        "vide",
        "en blanco",
        "vacío",
        "vacías",
        "vuoto",
        "vazio",
    ),
    *("em branco", "leeg", "tom", "tomt", "puste", "пусто", "boş", "kosong", "ว่าง", "空白", "空", "비어 있음", "فارغ"),
}
_BRACKETED = re.compile(r"\((.*)\)|\[(.*)\]|<(.*)>|\{(.*)\}")
#: Marks that stand for nothing. `?` and `#` are not among them: they are what is left of damaged text.
_MARKS = "-‐‑‒–—―−_.·/\\ ー'\"‘’“”`"
_QUOTES = "'\"‘’“”`"
_LONGEST = 16


def is_placeholder(text: str, *, also: frozenset[str] = frozenset()) -> bool:
    """Whether the text of an identifier or store stands for an empty cell. `also`: further words of this field."""
    if not text or len(text) > _LONGEST:
        return False
    if not text.strip(_MARKS):
        return True
    word = unicodedata.normalize("NFKC", text).casefold().replace(" / ", "/").strip(_QUOTES)
    if word.replace(". ", ".") in _WORDS or word in also:
        return True
    bracketed = _BRACKETED.fullmatch(word)
    return bracketed is not None and bracketed[bracketed.lastindex or 0].strip() in _IN_BRACKETS
