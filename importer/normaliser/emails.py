"""E-mail addresses for the API: trimmed, domain in lower case, syntax checked without DNS."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache

from importer.normaliser.damage import CellResult, clean
from importer.system.late import late

#: The API's limit.
LONGEST = 255

#: Ordinary addresses, which need no further check. A test compares it with `read_email`.
_ORDINARY = re.compile(
    r"[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*@(?:[a-z0-9]+(?:-[a-z0-9]+)*\.)+[a-z]{2,}",
    re.ASCII,
)
#: Up to this length no part of an ordinary address can be too long.
_ORDINARY_LENGTH = 64
_ALLOWED = re.compile(r"[A-Za-z0-9_+.@-]*", re.ASCII)
_SEVERAL = re.compile(r"@.*[,;/\s].*@", re.DOTALL)


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


@lru_cache(maxsize=16_384)
def read_email(value: str) -> CellResult:
    """One cell, by the library."""
    made = clean(value)
    text, repairs = made.text, made.repairs
    if not text:
        return CellResult("", repairs)
    if text[:7].lower() == "mailto:":
        text, repairs = text[7:], (*repairs, "mailto_removed")
    if len(text) > LONGEST:
        return CellResult(code="email_too_long")
    if _SEVERAL.search(text):
        return CellResult(code="email_several")
    local, at, domain = text.rpartition("@")
    text = f"{local}{at}{domain.lower()}"
    if not _ALLOWED.fullmatch(text):
        return CellResult(code="email_unsupported_character")
    if "." not in domain or not _syntax_holds(text):
        return CellResult(code="email_invalid")
    return CellResult(text, repairs)


def _syntax_holds(text: str) -> bool:
    validate_email = late("email_validator", "validate_email")
    try:
        # Test domains are allowed: the server decides whether a domain exists.
        validate_email(text, check_deliverability=False, globally_deliverable=False, test_environment=True)
    except late("email_validator", "EmailNotValidError"):
        return False
    return True
