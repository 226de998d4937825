"""Cells whose text is destroyed: errors of spreadsheet programs, lost letters, wrong encodings. Pure.

Nothing here is repaired: what the cell was is not certain.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Callable
from functools import cache, lru_cache
from itertools import pairwise

from importer.system.late import late

#: Errors of Excel, LibreOffice and Google Sheets in their languages, in capitals, without # and the mark at the end.
_MARKED = """
REF VALUE DIV/0 NAME NUM NULL SPILL CALC FIELD BLOCKED CONNECT UNKNOWN EXTERNAL PYTHON BUSY ERROR TIMEOUT
N/A NA BEZUG WERT ZAHL ÜBERLAUF KALK VALEUR NOM NOMBRE NUL EPARS PROPAGATION VALOR NULO DESBORDAMIENTO NOME
NÚM DESPEJAR DESPEJO DERRAME RIF VALORE NULLO ESPANSIONE VERW WAARDE NAAM GETAL LEEG DEEL/0 OVERLOOP
REFERENS VÄRDEFEL SAKNAS NAMN OGILTIGT SKÄRNING DIVISION/0 REFERENCE VÆRDI NAVN OVERLØB VERDI OVERFLYT
VIITTAUS ARVO PUUTTUU NIMI LUKU TYHJÄ JAKO/0 ADR ARG N/D NAZWA LICZBA ZERO DZIEL/0 ROZLANIE ODKAZ HODNOTA
NÁZEV ČÍSLO DĚLENÍ_NULOU PŘESAH NÁZOV NEPLATNÝ DELENIENULOU HIV ÉRTÉK NÉV SZÁM NULLA ZÉRÓOSZTÓ VALOARE NUME
BAŞV DEĞER AD SAYI BOŞ SAYI/0 TAŞMA ССЫЛКА ЗНАЧ ИМЯ ЧИСЛО ПУСТО ДЕЛ/0 ПЕРЕНОС ПОСИЛАННЯ ІМ'Я ΑΝΑΦ ΤΙΜΗ
ΟΝΟΜΑ ΑΡΙΘ ΚΕΝΟ ΔΙΑΙΡ/0
"""
_UNMARKED = """N/A N/D NV N/B I/T Н/Д Δ/Υ YOK SAKNAS PUUTTUU HIÁNYZIK NEDOSTUPNÝ NENÍ_K_DISPOZICI GETTING_DATA BUSY"""
_ERRORS, _ERRORS_WITHOUT_MARK = frozenset(_MARKED.split()), frozenset(_UNMARKED.split())
_LIBRE = re.compile(
    r"(?:err|fehler|erreur|error|errore|erro|fout|fel|feil|fejl|virhe|błąd|chyba|hiba|hata|ошибка) ?: ?5\d\d",
    re.IGNORECASE,
)
_NARROW = re.compile(r"[#\s]{3,}")
_ONLY_QUESTIONS = re.compile(r"[\s.,;:!'\"()/&+-]*\?[\s.,;:!'\"()/&+?-]*")
_LOST = "\ufffd"
#: Control characters that no text has: marks of Windows read in another encoding.
_C1 = re.compile("[\x80-\x9f]")
_TWO_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]{2}|[^\x00-\u2e7f]")
_WORD = re.compile(r"[^\W\d_]{2,}")
#: Encodings in which letters of another script look like letters, and those in which they look like symbols.
_AS_LETTERS = ("cp1251", "cp1253", "cp1255", "cp1256", "cp874")
_SINGLE_BYTE = (
    *(*_AS_LETTERS, "cp1252", "cp1250", "cp1254", "cp1257", "cp1258", "iso8859-2", "iso8859-15"),
    *("cp437", "cp850", "cp852", "cp857", "cp737", "cp866", "koi8-r", "mac_roman", "mac_cyrillic"),
)
_CYRILLIC = ("cp866", "koi8-r", "mac_cyrillic")
_EAST_ASIAN = ("gb18030", "cp932", "big5", "cp949")
_SCRIPTS = frozenset(("CYRILLIC", "GREEK", "HEBREW", "ARABIC", "THAI", "DEVANAGARI", "TAMIL", "CJK", "HANGUL"))
#: Marks that stand beside letters in good text.
_BESIDE_LETTERS = frozenset("…’‘”“„–—™®©€•°ªº²³¹·«»´")


def destroyed(text: str) -> str:
    """The code of what destroyed a cell's text: `error_cell`, `lost_letters` or `garbled_letters`; "" for good text."""
    if _C1.search(text):
        return "garbled_letters"
    text = text.strip()
    first = text[:1]
    if first == "#" and (_NARROW.fullmatch(text) or _is_error(text)):
        return "error_cell"
    if _LOST in text:
        return "lost_letters"
    if not text.isascii():
        return "garbled_letters" if is_garbled(text) else "error_cell" if _LIBRE.fullmatch(text) else ""
    if "?" in text and _ONLY_QUESTIONS.fullmatch(text):
        return "lost_letters"
    return "error_cell" if ":" in text and _LIBRE.fullmatch(text) else ""


def _is_error(text: str) -> bool:
    name = text[1:].lstrip("¡¿")
    if name[-1:] in ("!", "?"):
        return name[:-1].upper() in _ERRORS
    # Data services write why: #N/A Requesting Data...
    return name in _ERRORS_WITHOUT_MARK or name.upper() == "N/A" or name.startswith("N/A ")


def is_garbled(text: str) -> bool:
    """Whether the text is UTF-8 that was read in another encoding: MÃ¼nchen for München."""
    found = _TWO_BEYOND_ASCII.search(text)
    if found is None:
        return False
    is_bad, fix_encoding = _ftfy()
    if is_bad(text) and fix_encoding(text) != text:
        return True
    return any(_was(text, encoding) for encoding in _possible(found.group()))


@cache
def _ftfy() -> tuple[Callable[[str], bool], Callable[[str], str]]:
    return late("ftfy.badness", "is_bad"), late("ftfy", "fix_encoding")


@lru_cache(maxsize=1 << 16)
def _possible(pair: str) -> tuple[str, ...]:
    """The encodings in which these two characters begin UTF-8."""
    found = []
    for encoding in (*_SINGLE_BYTE, *_EAST_ASIAN):
        try:
            codecs.getincrementaldecoder("utf-8")("strict").decode(pair.encode(encoding))
        except UnicodeError:
            continue
        found.append(encoding)
    return tuple(found)


def _was(text: str, encoding: str) -> bool:
    """Whether all of the text is UTF-8 in this encoding, of letters, and does not look like text of its own."""
    try:
        before = text.encode(encoding).decode("utf-8")
    except UnicodeError:
        return False
    letters = [character for character in before if character > "\x7f" and character not in _BESIDE_LETTERS]
    if not all(unicodedata.category(character)[0] in "LM" for character in letters):
        return False
    scripts = {_script(character) for character in letters if character.isalpha()}
    latin = all(character < "\u0180" or "\u1e00" <= character < "\u1f00" for character in letters)
    if encoding in _EAST_ASIAN:
        if latin:
            return _IN_LATIN.search(text) is not None
        least = 2 if min(letters) > "\u07ff" else 4
        return len(letters) >= least and scripts <= _EAST_ASIAN_SCRIPTS | _SCRIPTS
    if not latin and scripts <= _SCRIPTS and len(letters) > 2 and encoding not in _CYRILLIC:
        return True
    if latin or scripts <= _SCRIPTS:
        return _is_odd(text) or (encoding in _AS_LETTERS and not latin and len(letters) > 1 and len(scripts) == 1)
    return False


#: Half of a letter, read as a Han character or syllable.
_IN_LATIN = re.compile("[A-Za-z][\u2e80-\ud7ff\uff61-\uff9f]{1,2}[a-z]")
_EAST_ASIAN_SCRIPTS = frozenset(("HIRAGANA", "KATAKANA", "CJK", "HANGUL"))


def _is_odd(text: str) -> bool:
    """Whether characters stand together that words do not have together."""
    if any(not word.isupper() and any(c > "\x7f" and c.isupper() for c in word[1:]) for word in _WORD.findall(text)):
        return True
    for before, character in pairwise(text):
        if before.isascii() and character.isascii():
            continue
        if _is_letter(before) and _is_letter(character):
            scripts = {_script(before), _script(character)}
            if len(scripts) > 1 and "COMBINING" not in scripts:
                return True
        elif (_is_letter(before) and _is_odd_symbol(character)) or (_is_letter(character) and _is_odd_symbol(before)):
            return True
    return False


def _is_letter(character: str) -> bool:
    return unicodedata.category(character)[0] in "LM" and character not in "ªº"


def _is_odd_symbol(character: str) -> bool:
    return character > "\x7f" and not character.isspace() and character not in _BESIDE_LETTERS


def _script(character: str) -> str:
    return unicodedata.name(character, "?").partition(" ")[0]
