"""E-mail addresses as the API takes them: trimmed, the domain in lower case, the syntax checked without DNS."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from importer.normaliser.damage import Verdict, clean
from importer.system.late import late

#: The API's limit.
LONGEST = 255

# Ordinary addresses: what fits here needs no more looking at. A test holds that the slow way agrees with it.
_ORDINARY = re.compile(
    r"[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*@(?:[a-z0-9]+(?:-[a-z0-9]+)*\.)+[a-z]{2,}",
    re.ASCII,
)
#: Up to this length no part of an ordinary address can be too long by itself.
_ORDINARY_LENGTH = 64
_ALLOWED = re.compile(r"[A-Za-z0-9_+.@-]*", re.ASCII)
_SEVERAL = re.compile(r"@.*[,;/\s].*@", re.DOTALL)


def read_emails(values: Sequence[str]) -> list[str | Verdict]:
    """A column: the address where it needs nothing but its own text, else the verdict. Blank cells give ""."""
    ordinary = _ORDINARY.fullmatch
    return [
        value if len(value) <= _ORDINARY_LENGTH and ordinary(value) else (_read(value) if value else "")
        for value in values
    ]


def _read(value: str) -> Verdict:
    # Whole sheets are written in capitals: not odd enough for the long way.
    name, at, domain = value.strip().partition("@")
    text = f"{name}{at}{domain.lower()}"
    return Verdict(text) if len(text) <= _ORDINARY_LENGTH and _ORDINARY.fullmatch(text) else read_email(value)


@lru_cache(maxsize=16_384)
def read_email(value: str) -> Verdict:
    """One cell, the long way."""
    made = clean(value)
    text, repairs = made.text, made.repairs
    if not text:
        return Verdict("", repairs)
    if text[:7].lower() == "mailto:":
        text, repairs = text[7:], (*repairs, "mailto_removed")
    if len(text) > LONGEST:
        return Verdict(code="email_too_long")
    if _SEVERAL.search(text):
        return Verdict(code="email_several")
    local, at, domain = text.rpartition("@")
    text = f"{local}{at}{domain.lower()}"
    if not _ALLOWED.fullmatch(text):
        return Verdict(code="email_unsupported_character")
    if "." not in domain or not _syntax_holds(text):
        return Verdict(code="email_invalid")
    return Verdict(text, repairs)


def _syntax_holds(text: str) -> bool:
    validate_email = late("email_validator", "validate_email")
    try:
        # Addresses of test domains are allowed on purpose: whether a domain exists is for the server to judge.
        validate_email(text, check_deliverability=False, globally_deliverable=False, test_environment=True)
    except late("email_validator", "EmailNotValidError"):
        return False
    return True
