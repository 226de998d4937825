"""Masks for identifiers, values and the server's messages, before they go to logs and people."""

from __future__ import annotations

import re
from collections.abc import Iterable

from importer.model import IDENTIFIERS, Customer, Store

#: Numbers and addresses in a message of the server that may identify a person.
_ADDRESS = re.compile(r"(?<![^\s@<>\"'(),;:])[^\s@<>\"'(),;:]++@[^\s@<>\"'(),;:]+")
_NUMBER = re.compile(r"\+?\d[\d\s().-]{4,}\d")
#: The same in log lines and notices, where file names and times must stay readable.
_EMAIL = re.compile(r"(?<![\w.+%-])[\w.+%-]++@[\w-]++(?:\.[\w-]++)+")
_DIGITS = re.compile(r"(?<![\w.-])\+?\d(?:[ -]?\d){8,14}(?![\w-])")
#: Shorter texts are too common to be looked for in a message.
_SHORTEST = 3


def masked(value: str) -> str:
    """Enough to recognise what one knows, not enough to learn it: first and last character, the rest starred."""
    if len(value) <= 3:
        return "*" * len(value)
    return f"{value[0]}{'*' * min(len(value) - 2, 8)}{value[-1]}"


def masked_mobile(value: str) -> str:
    """`91******6415`: country and last digits, as a support desk asks for them."""
    digits = re.sub(r"\D", "", value)
    return f"{digits[:2]}{'*' * (len(digits) - 6)}{digits[-4:]}" if len(digits) >= 10 else "*" * len(digits)


def mask(text: str) -> str:
    """The text with identifiers masked: `91******6415`, `a***@example.com`."""
    text = _EMAIL.sub(lambda found: f"{found[0][0]}***@{found[0].partition('@')[2]}", text)
    return _DIGITS.sub(lambda found: masked_mobile(found[0]), text)


def masked_value(value: str) -> str:
    """The form of a text without its words: letters, digits, others, as many as there were."""
    return "".join(
        character
        if character.isspace()
        else "9"
        if character.isdigit()
        else "x"
        if character.isalpha()
        else "."
        if character.isascii()
        else "?"
        for character in value
    )


def masked_customer(customer: Customer) -> Customer:
    """The record as it was sent, identifiers and values masked; the names of its preferences stay."""
    store = customer.store
    return Customer(
        customer.row_number,
        masked_mobile(customer.mobile),
        masked(customer.email),
        masked(customer.external_id),
        masked(customer.user_id),
        Store(masked(store.code), masked(store.id)) if store is not None else None,
        tuple((name, masked_value(value)) for name, value in customer.custom_fields),
        customer.also_rows,
    )


class Scrubber:
    """Removes from the server's messages what they repeat of these customers, and what looks like an identifier.

    `only_known`: keep what only looks like an identifier, for example a limit of six digits.
    """

    def __init__(self, customers: Iterable[Customer], *, only_known: bool = False) -> None:
        texts: set[str] = set()
        for customer in customers:
            texts.update(getattr(customer, kind) for kind in IDENTIFIERS)
            texts.update(value for _, value in customer.custom_fields)
            if customer.store is not None:
                texts.update((customer.store.code, customer.store.id))
        self._known = sorted((text for text in texts if len(text) >= _SHORTEST), key=lambda text: (-len(text), text))
        self._only_known = only_known

    def __call__(self, text: str) -> str:
        folded = text.casefold()
        found = [known for known in self._known if known.casefold() in folded]
        if found:  # an expression is made only then: most messages repeat nothing, and there is one for each row
            text = re.sub("|".join(map(re.escape, found)), "***", text, flags=re.IGNORECASE)
        return text if self._only_known else _NUMBER.sub("***", _ADDRESS.sub("***", text))
