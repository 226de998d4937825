"""The JSON of requests, strict, and of answers, tolerant of every documented shape. Pure.

Requests contain strings only and omit what is not set. Answers that cannot be trusted as a whole (truncated, NaN, a
repeated key, nested too deeply) raise `UnreadableAnswer`: no row succeeds by such an answer.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import accumulate
from typing import Any, NoReturn

import msgspec

from importer.model import Customer, ItemStatus, RequestStatus
from importer.system.text import harmless

#: Longer texts of the server are cut. Real messages are far shorter.
LONGEST_TEXT = 2000
#: The same for codes, for headers that are kept, and for the warnings of one row together.
LONGEST_CODE, LONGEST_HEADER, LONGEST_WARNINGS = 64, 200, 8000

HEAD, TAIL = b'{"root":{"customer":[', b"]}}"
CONTENT_TYPE = "application/json"


class UnreadableAnswer(ValueError):
    """The answer is not JSON in the documented format. The message says what it resembles, never what it contains."""


# ---------------------------------------------------------------------------------------------------- the request


class _Field(msgspec.Struct, gc=False):
    name: str
    value: str


class _Fields(msgspec.Struct, gc=False):
    field: list[_Field]


class _Store(msgspec.Struct, omit_defaults=True, gc=False):
    code: str = ""
    id: str = ""


class _Customer(msgspec.Struct, omit_defaults=True, gc=False):
    mobile: str = ""
    email: str = ""
    external_id: str = ""
    user_id: str = ""
    store: _Store | None = None
    custom_fields: _Fields | None = None


_encode = msgspec.json.Encoder().encode


def encode_customer(customer: Customer) -> bytes:
    """One entry of `root.customer`. The same record always gives the same bytes, so a batch can be sent again."""
    store = customer.store
    fields = customer.custom_fields
    return _encode(
        _Customer(
            customer.mobile,
            customer.email,
            customer.external_id,
            customer.user_id,
            _Store(store.code, store.id) if store is not None and (store.code or store.id) else None,
            _Fields([_Field(name, value) for name, value in fields]) if fields else None,
        )
    )


def encode_body(entries: Iterable[bytes]) -> bytes:
    """The request's body from the entries of its customers."""
    return HEAD + b",".join(entries) + TAIL


# ---------------------------------------------------------------------------------------------------- the answer

_Scalar = bool | str | int | float | None


class _ItemStatus(msgspec.Struct, gc=False):
    success: _Scalar | msgspec.UnsetType = msgspec.UNSET
    code: _Scalar | msgspec.UnsetType = msgspec.UNSET
    message: Any = None
    warnings: Any = None


class _EchoedStore(msgspec.Struct, gc=False):
    code: Any = msgspec.UNSET


class _Item(msgspec.Struct, gc=False):
    mobile: _Scalar | msgspec.UnsetType = msgspec.UNSET
    email: _Scalar | msgspec.UnsetType = msgspec.UNSET
    external_id: _Scalar | msgspec.UnsetType = msgspec.UNSET
    user_id: _Scalar | msgspec.UnsetType = msgspec.UNSET
    store: _EchoedStore | None = None
    item_status: _ItemStatus | msgspec.UnsetType | None = msgspec.UNSET


class _Status(msgspec.Struct):
    success: _Scalar | msgspec.UnsetType = msgspec.UNSET
    code: _Scalar | msgspec.UnsetType = msgspec.UNSET
    message: Any = None


class _Customers(msgspec.Struct):
    customer: list[_Item] | _Item | None = None


class _Response(msgspec.Struct):
    status: _Status | None = None
    customer: list[_Item] | _Item | None = None
    customers: _Customers | None = None


class _Answer(msgspec.Struct):
    response: _Response


_decode = msgspec.json.Decoder(_Answer).decode


def read_success(value: object) -> bool | None:
    """True for `true` or "true", False for `false` or "false", None for anything else, `1` included.

    The documentation shows only these. Anything else is asked again, never guessed.
    """
    if value is True or value is False:
        return value
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.strip().lower())
    return None


def read_code(value: object) -> str:
    """A code as text, whether it came as `200`, `"200"` or `200.0`."""
    if value is None or value is msgspec.UNSET or isinstance(value, bool):
        return ""
    if isinstance(value, float):
        value = str(int(value)) if value.is_integer() else str(value)
    text = _clean(str(value)).strip()
    head, dot, tail = text.partition(".")
    return (head if dot and head.isdigit() and not tail.strip("0") else text)[:LONGEST_CODE]


def read_text(value: object) -> str:
    """A text to be shown: in one line, without control characters, cut to `LONGEST_TEXT`."""
    return _clean(exact_text(value))


def exact_text(value: object) -> str:
    """A text to be compared with what was sent: as it came, but for what databases cannot hold."""
    if value is None or value is msgspec.UNSET:
        return ""
    if isinstance(value, str):
        return _storable(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return read_code(value)
    return _storable(json.dumps(value))


def read_header(value: str) -> str:
    """A header that is kept, for example the request's id."""
    return _clean(value[:LONGEST_HEADER])


def _clean(text: str) -> str:
    return harmless(_storable(text))


def _storable(text: str) -> str:
    """The text without lone surrogates and NUL, cut to `LONGEST_TEXT`."""
    if text.isascii() and "\0" not in text:
        return text[:LONGEST_TEXT]
    return text[:LONGEST_TEXT].encode("utf-8", "replace").decode().replace("\0", "")


def read_warnings(value: object) -> tuple[str, ...]:
    """The warnings in `{}`, `{"warning": []}`, `{"warning": ["1017"]}` or any other nesting of them."""
    if not value:
        return ()
    if isinstance(value, dict):
        if "warning" in value:
            return read_warnings(value["warning"])
        if "code" in value or "message" in value:
            return (" ".join(filter(None, (read_code(value.get("code")), read_text(value.get("message"))))),)
        return tuple(text for inner in value.values() for text in read_warnings(inner))
    if isinstance(value, list):
        return tuple(text for inner in value for text in read_warnings(inner))
    return (read_text(value),)


def _few(warnings: tuple[str, ...]) -> tuple[str, ...]:
    """The first warnings that a cell can hold together."""
    lengths = accumulate(len(warning) + 2 for warning in warnings)
    return tuple([warning for warning, length in zip(warnings, lengths, strict=True) if length <= LONGEST_WARNINGS])


class Answer(msgspec.Struct, frozen=True):
    """The body of an answer: the request's status and, where it lists customers, the item_status of each."""

    status: RequestStatus
    items: tuple[ItemStatus, ...] | None


def decode_answer(body: bytes) -> Answer:
    """The answer's body, in any documented shape. Raises `UnreadableAnswer`.

    msgspec's typed decoder reads the usual answer in a tenth of the json module's time, but silently takes the last
    of two equal keys. Its result counts only where each deciding name occurs in the body exactly as often as in the
    decoded objects. Every other body goes through the json module, which can refuse a repeated key.
    """
    try:
        try:
            parsed = _decode(body)
        except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError):
            return _decode_slowly(body)
        response = parsed.response
        items = _items_of(response)
        if not _each_once(body, response, items or []):
            return _decode_slowly(body)
        return Answer(_status_of(response.status), None if items is None else tuple(map(_item_of, items)))
    except RecursionError:
        raise UnreadableAnswer("it is nested too deeply") from None


def _each_once(body: bytes, response: _Response, items: list[_Item]) -> bool:
    """Whether no deciding name is repeated in one object: it would occur in the body more often than in the objects.

    A name inside a text is escaped and not counted. A body with escaped letters is not trusted."""
    unset = msgspec.UNSET
    mobiles = emails = external_ids = user_ids = statuses = successes = codes = 0
    for item in items:
        mobiles += item.mobile is not unset
        emails += item.email is not unset
        external_ids += item.external_id is not unset
        user_ids += item.user_id is not unset
        store, status = item.store, item.item_status
        if store is not None and store.code is not unset:
            codes += 1
        if status is not unset:
            statuses += 1
            if status is not None:
                successes += status.success is not unset
                codes += status.code is not unset
    if response.status is not None:
        successes += response.status.success is not unset
        codes += response.status.code is not unset
    count = body.count
    return (
        count(b'"item_status"') == statuses
        and count(b'"success"') == successes
        and count(b'"code"') == codes
        and count(b'"customer"') <= 1
        and count(b'"response"') == 1
        and count(b'"mobile"') == mobiles
        and count(b'"email"') == emails
        and count(b'"external_id"') == external_ids
        and count(b'"user_id"') == user_ids
        and b"\\u00" not in body
    )


def _items_of(response: _Response) -> list[_Item] | None:
    found = response.customer
    if found is None and response.customers is not None:
        found = response.customers.customer
    if isinstance(found, _Item):
        return [found]
    return found


def _status_of(status: _Status | None) -> RequestStatus:
    if status is None:
        return RequestStatus()
    return RequestStatus(read_success(status.success), read_code(status.code), read_text(status.message))


_NO_STATUS = _ItemStatus()


def _identifier(value: object) -> str:
    """An echoed identifier. It is only compared, never stored, so its text is not cleaned."""
    return value if type(value) is str else exact_text(value)


def _item_of(item: _Item) -> ItemStatus:
    status = item.item_status or _NO_STATUS
    return ItemStatus(
        _identifier(item.mobile),
        _identifier(item.email),
        _identifier(item.external_id),
        _identifier(item.user_id),
        read_success(status.success),
        read_code(status.code),
        read_text(status.message),
        _few(read_warnings(status.warnings)) if status.warnings else (),
    )


def _decode_slowly(body: bytes) -> Answer:
    document = load_json(body)
    response = document.get("response") if isinstance(document, dict) else None
    if not isinstance(response, dict):
        raise UnreadableAnswer("it is JSON, but not in this API's format")
    status = response.get("status")
    status = status if isinstance(status, dict) else {}
    found = response.get("customer")
    customers = response.get("customers")
    if isinstance(customers, dict) and customers.get("customer") is not None:
        if found is not None:
            raise UnreadableAnswer("it lists customers twice")
        found = customers["customer"]
    if isinstance(found, dict):
        found = [found]
    return Answer(
        RequestStatus(
            read_success(status.get("success")), read_code(status.get("code")), read_text(status.get("message"))
        ),
        tuple(map(_item_of_dict, found)) if isinstance(found, list) else None,
    )


def _item_of_dict(item: object) -> ItemStatus:
    entry = item if isinstance(item, dict) else {}
    status = entry.get("item_status")
    status = status if isinstance(status, dict) else {}
    return ItemStatus(
        mobile=exact_text(entry.get("mobile")),
        email=exact_text(entry.get("email")),
        external_id=exact_text(entry.get("external_id")),
        user_id=exact_text(entry.get("user_id")),
        success=read_success(status.get("success")),
        code=read_code(status.get("code")),
        message=read_text(status.get("message")),
        warnings=_few(read_warnings(status.get("warnings"))),
    )


def load_json(body: bytes) -> object:
    """JSON without repeated keys, NaN or excessive depth. Raises `UnreadableAnswer`."""
    try:
        return json.loads(body, object_pairs_hook=_unique, parse_constant=_no_constant)
    except RecursionError:
        raise UnreadableAnswer("it is nested too deeply") from None
    except UnreadableAnswer:
        raise
    except ValueError:
        raise UnreadableAnswer(_looks_like(body)) from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise UnreadableAnswer("it repeats a key in one object")
    return found


def _no_constant(name: str) -> NoReturn:
    raise UnreadableAnswer(f"it contains {name}, which is not JSON")


def _looks_like(body: bytes) -> str:
    start = body.lstrip()[:200].lower()
    if not start:
        return "it is empty"
    if start.startswith((b"<!doctype", b"<html", b"<head", b"<body")):
        return "it is a web page"
    if start.startswith(b"<"):
        return "it is XML"
    return "it is not complete JSON"
