"""What the sandbox knows of the API's codes, and the identifiers that call each of them up.

The table is the sandbox's own on purpose: one shared with the program under test would share its mistakes too. Faults
come from the data and never from chance, as with the test numbers of card processors.
"""

from __future__ import annotations

import re

import msgspec

#: Item codes: what stands in `item_status.message`. All but the two first mean that nothing was stored.
ITEM_MESSAGES: dict[int, str] = {
    200: "Customer preferences updated successfully",
    1000: "Customer preferences updated successfully",
    400: "Input is invalid, no identifier was given",
    401: "Unauthorized",
    403: "Access denied",
    404: "Customer not found",
    409: "Duplicate or conflicting data",
    422: "Input is semantically wrong",
    461: "Search engine is busy, please try after some time",
    500: "Server error while handling the customer",
    521: "Multiple actions are in progress for this customer",
    618: "Customer is marked as fraud",
    816: "Customer not found",
    1001: "Mobile number is invalid",
    1002: "Email is invalid",
    1003: "External id is invalid",
    1004: "Store is not known",
    1006: "Mobile number validation failed",
    1011: "Customer not found for the given id",
    1012: "Customer not found for the given identifier",
    1013: "Customer is not enrolled in the loyalty program",
    1015: "No identifier was passed",
    1017: "Custom field is invalid",
    1018: "Unable to update custom field",
    1020: "Customer is not in the loyalty program",
    1030: "Unable to update customer preferences",
    1035: "Some customer preferences could not be updated",
    1042: "Mobile, email or external id is invalid",
    1044: "Permission denied",
    1047: "Primary identifier does not match the other identifiers",
    1060: "Batch limit exceeded",
    1104: "Identifier is invalid",
    1150: "Store id is invalid",
    8014: "Mobile number validation failed for the organization",
    8015: "Customer does not exist",
    8109: "Customer was deleted on a privacy request",
    9009: "Internal error, please try later",
    91009: "Account was merged, the surviving account was used",
    91020: "Till is invalid",
    91021: "Till is not active",
    999999: "",
}
#: Item codes that mean the customer was updated.
SUCCESSES = frozenset({200, 1000})
#: Item codes that are a remark beside a success and not a failure.
REMARKS = frozenset({91009})


class RequestCode(msgspec.Struct, frozen=True):
    """A code that answers the whole request: its message, and the HTTP status it travels under."""

    message: str
    http_status: int


#: Codes for a whole request without items. HTTP 200 with a code in the body is what was captured of v1.1; what a
#: gateway says comes as its own HTTP status with a page of HTML.
REQUEST_CODES: dict[int, RequestCode] = {
    400: RequestCode("Input is invalid, Please check request parameters or input xml/json", 200),
    401: RequestCode("Invalid username, password or token", 401),
    402: RequestCode("API version is not supported", 200),
    403: RequestCode("Access denied", 403),
    404: RequestCode("Resource not found", 404),
    405: RequestCode("Method is not allowed", 405),
    406: RequestCode("Operation is not supported", 200),
    407: RequestCode("Unknown error", 200),
    408: RequestCode("Network MAC id does not match", 200),
    413: RequestCode("Request Entity Too Large", 413),
    415: RequestCode("Content type is not supported", 415),
    429: RequestCode("Too many requests", 429),
    461: RequestCode("Search engine is busy, please try after some time", 200),
    500: RequestCode("All requests have failed due to errors", 200),
    502: RequestCode("Bad Gateway", 502),
    503: RequestCode("Service Unavailable", 503),
    504: RequestCode("Gateway Timeout", 504),
    520: RequestCode("Unknown Error", 520),
    521: RequestCode("Multiple actions are in progress for this customer", 200),
    522: RequestCode("Connection Timed Out", 522),
    524: RequestCode("A Timeout Occurred", 524),
    1060: RequestCode("Batch limit exceeded", 200),
    4001: RequestCode("Authorization service is not available", 503),
}
#: HTTP statuses that an edge or gateway answers with a page, not the API with its JSON.
PAGES = frozenset({413, 502, 503, 504, 520, 522, 524})

SUMMARIES = {
    200: ("true", "Operation successful"),
    201: ("true", "Some requests have failed due to errors"),
    500: ("false", "All requests have failed due to errors"),
}

#: E-mail addresses of this domain are magic when their local part is one of the words below.
MAGIC_DOMAIN = "@sandbox.test"
#: Mobiles 6000 CCCCC S: a five-digit code of the catalogue and any serial digit, with or without country code.
MAGIC_MOBILE = "6000"

_WORD = re.compile(r"(code|warn|yes|request)-([0-9]{1,6})(?:-x([0-9]{1,3}))?(?:\+[\w.-]+)?|(omit|empty)(?:\+[\w.-]+)?")
_STARTS = ("code-", "warn-", "yes-", "request-", "omit", "empty")


class Magic(msgspec.Struct, frozen=True):
    """What a magic identifier asks for. `times` 0: every time; else so many times, and then it succeeds."""

    word: str
    code: int
    times: int
    key: str


def magic_of(mobile: str, email: str, external_id: str, user_id: str) -> Magic | None:
    """The first magic identifier of a customer: e-mail, external id, mobile, user id. Called for each row: cheap."""
    if email.endswith(MAGIC_DOMAIN):
        found = _read(email[: -len(MAGIC_DOMAIN)], email)
        if found is not None:
            return found
    if external_id.startswith(_STARTS):
        found = _read(external_id, external_id)
        if found is not None:
            return found
    if mobile[-10:-6] == MAGIC_MOBILE:
        digits = mobile[-6:-1]
        code = 999999 if digits == "99999" else int(digits) if digits.isdecimal() else 0
        if code in ITEM_MESSAGES and code not in SUCCESSES:
            return Magic("warn" if code in REMARKS else "code", code, 0, mobile)
    if user_id.startswith(_STARTS):
        return _read(user_id, user_id)
    return None


def _read(text: str, key: str) -> Magic | None:
    found = _WORD.fullmatch(text)
    if found is None:
        return None
    if found[4]:
        return Magic(found[4], 0, 0, key)
    word, code = found[1], int(found[2])
    if word == "code" and code in REMARKS:
        word = "warn"
    return Magic(word, code, int(found[3] or 0), key)


class MagicEntry(msgspec.Struct, frozen=True):
    """A line of the table of magic identifiers. `mobile` is empty where no number calls the effect up."""

    email: str
    external_id: str
    mobile: str
    effect: str


def _entries() -> tuple[MagicEntry, ...]:
    table = []
    for code, message in sorted(ITEM_MESSAGES.items()):
        digits = "99999" if code == 999999 else f"{code:05}"
        if code in REMARKS:
            effect = f"succeeds with the warning {code} ({message})"
        elif code in SUCCESSES:
            effect = f"succeeds with the code {code}"
        elif code == 1035:
            effect = "the first preference is stored, the others are not; fails with 1035"
        else:
            effect = f"fails with {code}" + (f" ({message})" if message else " and an empty message")
        mobile = "" if code in SUCCESSES else f"91{MAGIC_MOBILE}{digits}0"
        table.append(MagicEntry(f"code-{code}{MAGIC_DOMAIN}", f"code-{code}", mobile, effect))
    more = [
        ("code-999999-x2", "fails twice with 999999 and then succeeds; any code and any number of times"),
        ("code-1012+asha", "as code-1012; what follows the plus makes further customers, with any magic word"),
        ("warn-1017", "succeeds with the warning 1017; any number will do"),
        ("yes-816", "contradicts itself: success with the code 816, and nothing is stored; any number will do"),
        ("omit", "is stored, but the answer has no item for it"),
        ("empty", "is stored, but its item in the answer is {}"),
    ]
    more += [
        (f"request-{code}", f"refuses the whole request: HTTP {entry.http_status}, code {code}, no items")
        for code, entry in sorted(REQUEST_CODES.items())
    ]
    more.append(("request-503-x2", "refuses the whole request twice; any request code and any number of times"))
    table += [MagicEntry(word + MAGIC_DOMAIN, word, "", effect) for word, effect in more]
    return tuple(table)


#: Every magic identifier and what it does, in the order of the manual's table.
MAGIC_TABLE: tuple[MagicEntry, ...] = _entries()


def magic_markdown() -> str:
    """The table of magic identifiers, for the manual."""
    lines = ["| e-mail | external id or user id | mobile | what happens |", "|---|---|---|---|"]
    lines += [
        f"| `{e.email}` | `{e.external_id}` | {f'`{e.mobile}`' if e.mobile else ''} | {e.effect} |" for e in MAGIC_TABLE
    ]
    return "\n".join(lines) + "\n"
