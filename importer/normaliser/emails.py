"""E-mail addresses for the API: trimmed, domain in lower case, syntax checked without DNS."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence

from importer.normaliser.damage import EMPTIED, CellResult, DetailedCode, clean
from importer.normaliser.placeholders import is_placeholder
from importer.normaliser.remembering import remembered
from importer.system.late import late

#: The API's limit.
LONGEST = 255
#: An address and its link with a subject. In longer cells, the time of patterns grows with the square of the length.
_LONGEST_LINK = 1_000

#: Ordinary addresses, which need no further check. A test compares it with `read_email`.
_ORDINARY = re.compile(
    r"[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*@(?:[a-z0-9]+(?:-[a-z0-9]+)*\.)+[a-z]{2,}",
    re.ASCII,
)
#: Up to this length no part of an ordinary address can be too long.
_ORDINARY_LENGTH = 64
_ALLOWED = re.compile(r"[A-Za-z0-9_+.@-]*", re.ASCII)
_SEVERAL = re.compile(r"\A[^@]*+@[^,;/\s]*+[,;/\s][^@]*+@")

#: `a@b.com <mailto:a@b.com>` and the like: what stands before, and the address in brackets.
_LINK = re.compile(
    r"\[?([^<>\[\]()]*+)\]?\s*+[<\[(](?:mailto:)?([^<>\[\]()\s?]*)(?:\?[^<>\[\]()]*)?[>\])]", re.IGNORECASE
)
#: Words that are no value in an e-mail column, though they may be an id.
_NO_VALUE = frozenset({"na"})
#: Letters of other alphabets that look like those of an address.
_LOOKALIKES = dict(
    zip(
        "асеорхуіјѕԁһӏԛԝАВЕКМНОРСТХУαοενικρτυΑΒΕΖΗΙΚΜΝΟΡΤΥΧ",
        "aceopxyijsdhlqwABEKMHOPCTXYaoevikptuABEZHIKMNOPTYX",
        strict=True,
    )
)
_NAMES = {
    ",": "a comma",
    ";": "a semicolon",
    ":": "a colon",
    "'": "an apostrophe",
    '"': "a quotation mark",
    "/": "a slash",
}


def column_reader(_country: str | None) -> Callable[[Sequence[str], bool], list[str | CellResult]]:
    """The function that reads an e-mail column."""
    return read_emails


def read_emails(values: Sequence[str], _typed: bool = False) -> list[str | CellResult]:
    """A column: the address where it needs no change, else a `CellResult`. Blank cells give ""."""
    ordinary = _ORDINARY.fullmatch
    return [
        value if len(value) <= _ORDINARY_LENGTH and ordinary(value) else (_read(value) if value else "")
        for value in values
    ]


def _read(value: str) -> CellResult:
    # Some sheets are in capitals throughout: handle them without the slow check.
    name, at, domain = value.strip().partition("@")
    text = f"{name}{at}{domain.lower()}"
    return CellResult(text) if len(text) <= _ORDINARY_LENGTH and _ORDINARY.fullmatch(text) else read_email(value)


@remembered(16_384)
def read_email(value: str) -> CellResult:
    """One cell, by the library."""
    made = clean(value)
    text, repairs = made.text, made.repairs
    if not text:
        return CellResult("", repairs)
    if is_placeholder(text, also=_NO_VALUE):
        return EMPTIED
    if len(text) > _LONGEST_LINK:
        return CellResult(code="email_too_long")
    if alone := _without_link(text):
        text, repairs = alone, (*repairs, "email_brackets_removed")
    if text[:7].lower() == "mailto:":
        text, repairs = text[7:].partition("?")[0].strip(), (*repairs, "mailto_removed")
    if len(text) > LONGEST:
        return CellResult(code="email_too_long")
    if _SEVERAL.search(text):
        return CellResult(code="email_several")
    local, at, domain = text.rpartition("@")
    text = f"{local}{at}{domain.lower()}"
    if not _ALLOWED.fullmatch(text):
        return CellResult(code=DetailedCode("email_unsupported_character", _disallowed(text)))
    if "." not in domain or not _syntax_holds(text):
        detail = _fault(local, at, domain)
        return CellResult(code=DetailedCode("email_invalid", detail) if detail else "email_invalid")
    return CellResult(text, repairs)


def _without_link(text: str) -> str:
    """The address of a cell that has it in brackets, alone or after itself, as Outlook copies it; else ""."""
    link = _LINK.fullmatch(text)
    if link is None:
        return ""
    before, after = link[1].strip(" '\""), link[2]
    same = not before or before.lower() == after.lower()
    return after if same and "@" in after else ""


def _disallowed(text: str) -> str:
    """What the address has that is not allowed: the first such character, and what it is."""
    if "<" in text and text.rstrip().endswith(">"):
        return "there is a name before the address in <>: keep the address only"
    character = next(character for character in text if not _ALLOWED.fullmatch(character))
    if character == " ":
        return "it has a space"
    like = _LOOKALIKES.get(character)
    if like:
        return f"“{character}” is {unicodedata.name(character, 'another letter').lower()}, not the letter {like}"
    name = _NAMES.get(character) or unicodedata.name(character, "").lower()
    end = " at the end" if text.index(character) == len(text.rstrip()) - 1 else ""
    if not character.isprintable() or not name:
        return f"the character U+{ord(character):04X}"
    return f"“{character}”, {name}{end}" if name != character else f"“{character}”{end}"


def _fault(local: str, at: str, domain: str) -> str:
    """What an address lacks or has too much of, "" if it is neither."""
    if not at:
        return "it has no @"
    if "@" in local:
        return f"it has {local.count('@') + 1} @"
    if not local or not domain:
        return f"the part {'after' if local else 'before'} the @ is missing"
    if "." not in domain:
        return "the domain has no dot"
    if ".." in f"{local}@{domain}":
        return "it has two dots in a row"
    for name, text in (("name", local), ("domain", domain)):
        if text[0] == "." or text[-1] == ".":
            return f"its {name} {'begins' if text[0] == '.' else 'ends'} with a dot"
    return ""


def _syntax_holds(text: str) -> bool:
    validate_email = late("email_validator", "validate_email")
    try:
        # Test domains are allowed: the server decides whether a domain exists.
        validate_email(text, check_deliverability=False, globally_deliverable=False, test_environment=True)
    except late("email_validator", "EmailNotValidError"):
        return False
    return True
