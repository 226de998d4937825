"""The answers of the other calls: the organisation's fields, a customer's preferences, and the OAuth token. Pure."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, cast

from importer.capillary.wire import UnreadableAnswer, decode_answer, exact_text, load_json, read_text
from importer.model import FieldDefinition


class NoToken(UnreadableAnswer):
    """The answer to the token request is JSON but contains no token."""


#: Seconds that a token lives when the answer does not say, and the longest life that is accepted.
USUAL_LIFE, LONGEST_LIFE = 300.0, 86_400.0


@contextlib.contextmanager
def _of_sane_depth() -> Iterator[None]:
    """The JSON parser accepts documents that are too deep to walk."""
    try:
        yield
    except RecursionError:
        raise UnreadableAnswer("it is nested too deeply") from None


@_of_sane_depth()
def decode_fields(body: bytes) -> tuple[FieldDefinition, ...]:
    """The organisation's preferences, from `GET organization/customfields`. Raises `UnreadableAnswer`."""
    field = _dig(load_json(body), ("response", "organization", "custom_fields", "field"))
    entries = [field] if isinstance(field, dict) else field if isinstance(field, list) else []
    return tuple(
        FieldDefinition(
            name=read_text(entry.get("name")),
            label=read_text(entry.get("label")),
            datatype=(read_text(entry.get("datatype")) or "string").lower(),
            regex=exact_text(entry.get("regex")),
            options=_options(entry.get("options")),
            is_mandatory=_truth(entry.get("is_mandatory")),
            is_disabled=_truth(entry.get("is_disabled")),
        )
        for entry in entries
        if isinstance(entry, dict) and entry.get("name")
    )


def _truth(value: object) -> bool:
    return read_text(value).strip().lower() in ("true", "1", "yes")


def _options(value: object, *, is_item: bool = False) -> tuple[str, ...]:
    """The options in a text, a list or an object. `is_item`: it is one option, and its commas belong to it."""
    if isinstance(value, dict):
        value = list(value.values()) if len(value) > 1 else next(iter(value.values()), None)
        return _options(value, is_item=is_item)
    if isinstance(value, list):
        return tuple(text for inner in value for text in _options(inner, is_item=True))
    if isinstance(value, str):
        # Without lone surrogates, which no report can hold.
        text = value.encode("utf-8", "replace").decode().strip()
        if text.startswith("["):
            try:
                return _options(load_json(text.encode("utf-8", "replace")))
            except UnreadableAnswer:
                return (read_text(text),)
        parts = [text] if is_item else text.split(",")
        return tuple(read_text(part).strip() for part in parts if part.strip())
    return () if value is None else (read_text(value),)


@_of_sane_depth()
def decode_preferences(body: bytes) -> dict[str, str] | None:
    """A customer's preferences by `GET customer/preferences`, None for an unknown one. Raises `UnreadableAnswer`."""
    answer = decode_answer(body)
    if not answer.items or answer.items[0].success is False:
        return None
    customer = _dig(load_json(body), ("response", "customers", "customer")) or _dig(
        load_json(body), ("response", "customer")
    )
    if isinstance(customer, list):
        customer = customer[0]
    field = _dig(customer, ("custom_fields", "field"))
    entries: Sequence[Any] = [field] if isinstance(field, dict) else field if isinstance(field, list) else []
    return {read_text(e.get("name")): exact_text(e.get("value")) for e in entries if isinstance(e, dict)}


def decode_token(body: bytes) -> tuple[str, float]:
    """(token, seconds it lives) from `POST v3/oauth/token/generate`. Raises `UnreadableAnswer`."""
    data = _dig(load_json(body), ("data",))
    token = data.get("accessToken") if isinstance(data, dict) else None
    if not isinstance(token, str) or not (token.isascii() and token.isprintable() and token.strip()):
        raise NoToken("the answer has no accessToken")
    lives = cast("dict[str, Any]", data).get("ttlSeconds")
    if not isinstance(lives, int | float) or isinstance(lives, bool) or not 0 < lives <= LONGEST_LIFE:
        lives = USUAL_LIFE
    return token.strip(), float(lives)


def refuses_tokens(body: bytes) -> bool:
    """Whether the body of an error is in the format of the token call, or of another call of the API."""
    try:
        document = load_json(body)
    except UnreadableAnswer:
        return False
    return isinstance(document, dict) and not document.keys().isdisjoint(("data", "errors", "response"))


def _dig(document: object, path: Sequence[str]) -> Any:
    for name in path:
        if not isinstance(document, dict):
            return None
        document = document.get(name)
    return document
