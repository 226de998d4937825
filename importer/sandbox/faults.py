"""The scripted faults of whole requests: which request, what happens to it, and the doing of it.

A script is a list of lines such as `3:503`, `4:429:retry-after=2`, `5:reset-after`, `8-9:html`, `20-:hang`,
`*/20:502`. Requests are numbered from 1 as they arrive, POSTs of preferences only. The first line that fits counts.
"""

from __future__ import annotations

import asyncio
import gzip
import re
import time
from collections.abc import Iterable
from email.utils import formatdate
from functools import lru_cache
from typing import Any

import msgspec
from starlette.types import Receive, Scope, Send

from importer.sandbox.catalogue import PAGES, REQUEST_CODES
from importer.sandbox.options import OptionsError
from importer.sandbox.shapes import Shaper

#: Name of the ASGI extension by which the server lends a fault the connection. Absent in-process: see `_break`.
TRANSPORT = "importer.sandbox.transport"

#: Kind -> (what happens, whether the batch is applied first in any case). `-after` makes any other kind apply first.
FAULTS: dict[str, tuple[str, bool]] = {
    "NNN": ("HTTP status NNN (300 to 599); settings: retry-after, location, body-code", False),
    "code-NNN": ("a refusal of the whole request in the body, without items; setting: http", False),
    "html": ("HTTP 200 with a login page", False),
    "empty": ("HTTP 200 with an empty body", False),
    "text": ("HTTP 200 with JSON that is not an answer, as text/plain", False),
    "nested": ("HTTP 200 with a JSON array nested 200,000 deep", False),
    "bomb": ("HTTP 200 with a small gzip body that unpacks to 64 MiB; setting: mib", False),
    "reset": ("the connection is reset without an answer", False),
    "close": ("the connection is closed without an answer", False),
    "hang": ("no answer, ever", False),
    "slow": ("works, but takes 5 seconds more; setting: seconds", True),
    "drip": ("works, but the answer comes a byte every half second; setting: seconds", True),
    "truncated": ("the answer's JSON ends in the middle", True),
    "cut": ("the connection ends in the middle of the answer", True),
    "nan": ("the answer's codes are NaN, which is not JSON", True),
    "duplicate-keys": ("every success in the answer stands there twice, first as the opposite", True),
    "no-items": ("the answer has no list of customers", True),
    "missing": ("the last item is missing from the answer", True),
    "extra": ("a foreign item is added to the answer", True),
    "repeated": ("the first item comes twice, the last is missing", True),
    "reordered": ("the items come in reverse order", True),
    "blank": ("every item is {}", True),
}

_LINE = re.compile(r"(?:(\d+)(?:-(\d*))?|\*/(\d+)):([a-z0-9-]+)((?::[a-z-]+=.*)?)")
_SETTING = re.compile(r":(?=[a-z-]+=)")


class SandboxAnswer(msgspec.Struct):
    """An HTTP answer about to be sent. `code`: the code in its body, for the log."""

    http_status: int
    body: bytes
    code: str = ""
    content_type: str = "application/json"
    headers: dict[str, str] = {}


class Fault(msgspec.Struct, frozen=True):
    """One line of the script. `last` None: to the end; `every`: each n-th request instead of a stretch."""

    first: int
    last: int | None
    every: int
    kind: str
    after: bool
    settings: dict[str, str] = {}

    def fits(self, number: int) -> bool:
        if self.every:
            return number % self.every == 0
        return self.first <= number and (self.last is None or number <= self.last)

    def number(self, setting: str, default: float) -> float:
        return float(self.settings.get(setting, default))


def parse_fault(line: str) -> Fault:
    """`REQUESTS:KIND[-after][:setting=value]…`, where REQUESTS is `5`, `5-8`, `5-` (and on) or `*/20` (each 20th)."""
    found = _LINE.fullmatch(line.strip())
    if found is None:
        raise OptionsError(
            f"{line!r} is not a valid fault.",
            "Use REQUESTS:KIND, like 3:503, 4-6:429:retry-after=2 or */20:reset-after (`importer sandbox --list`).",
        )
    first, last, every, kind, rest = found.groups()
    after = kind.endswith("-after")
    kind = kind.removesuffix("-after")
    name = "NNN" if re.fullmatch("[345][0-9][0-9]", kind) else re.sub("-[0-9]+$", "-NNN", kind)
    if name not in FAULTS:
        raise OptionsError(
            f"{line!r} is not a valid fault: there is no kind {kind}.",
            "Choose a kind that `importer sandbox --list` lists.",
        )
    settings = dict(part.split("=", 1) for part in _SETTING.split(rest) if part)
    return Fault(
        first=int(first or 0),
        last=None if last == "" else int(last or first or 0),
        every=int(every or 0),
        kind=kind,
        after=after or FAULTS[name][1],
        settings=settings,
    )


def parse_script(lines: Iterable[str]) -> tuple[Fault, ...]:
    """A script; blank lines and comments (#) are skipped."""
    return tuple(parse_fault(line) for line in lines if line.strip() and not line.lstrip().startswith("#"))


async def send_answer(answer: SandboxAnswer, send: Send, length: int | None = None) -> None:
    headers = [
        (b"content-type", answer.content_type.encode()),
        (b"content-length", str(len(answer.body) if length is None else length).encode()),
        *((name.lower().encode(), value.encode()) for name, value in answer.headers.items()),
    ]
    await send({"type": "http.response.start", "status": answer.http_status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body, "more_body": length is not None})


async def deliver(
    fault: Fault, answer: SandboxAnswer, shaper: Shaper, scope: Scope, receive: Receive, send: Send
) -> SandboxAnswer | None:
    """Sends what the fault makes of the sound answer (which is blank when the batch was not applied)."""
    kind = fault.kind
    if kind in {"reset", "close"}:
        _break(scope, reset=kind == "reset")
        return None
    if kind == "hang":
        while (await receive())["type"] != "http.disconnect":
            pass
        return None
    if kind == "drip":
        await _drip(answer, fault.number("seconds", 0.5), send)
        return answer
    if kind == "cut":
        whole = len(answer.body)
        answer.body = answer.body[: whole // 2]
        await send_answer(answer, send, length=whole)
        _break(scope, reset=False)
        return answer
    changed = _changed(fault, answer, shaper)
    await send_answer(changed, send)
    return changed


def _changed(fault: Fault, answer: SandboxAnswer, shaper: Shaper) -> SandboxAnswer:
    kind, headers = fault.kind, answer.headers
    if kind.isdecimal():
        return _status(fault, int(kind), headers, shaper)
    if kind.startswith("code-"):
        code = int(kind[5:])
        known = REQUEST_CODES.get(code)
        body = shaper.refusal(code, known.message if known else "")
        return SandboxAnswer(int(fault.number("http", 200)), msgspec.json.encode(body), str(code), headers=headers)
    if kind == "html":
        page = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body><form>Sign in</form></body></html>"
        return SandboxAnswer(200, page, content_type="text/html; charset=utf-8", headers=headers)
    if kind == "empty":
        return SandboxAnswer(200, b"", headers=headers)
    if kind == "text":
        return SandboxAnswer(200, b'["OK"]', content_type="text/plain", headers=headers)
    if kind == "nested":
        return SandboxAnswer(200, b"[" * 200_000 + b"]" * 200_000, headers=headers)
    if kind == "bomb":
        packed = _bomb(int(fault.number("mib", 64)))
        return SandboxAnswer(200, packed, headers={**headers, "content-encoding": "gzip"})
    if kind == "truncated":
        answer.body = answer.body[: len(answer.body) * 2 // 3]
    elif kind == "nan":
        answer.body = re.sub(rb'"code":[^,}]+', b'"code":NaN', answer.body)
    elif kind == "duplicate-keys":
        answer.body = re.sub(rb'"success":("?)(true|false)', _twice, answer.body)
    elif kind != "slow":
        answer.body = _with_items_changed(kind, answer.body)
    return answer


def _status(fault: Fault, status: int, headers: dict[str, str], shaper: Shaper) -> SandboxAnswer:
    more = {}
    if "retry-after" in fault.settings:
        more["retry-after"] = _retry_after(fault.settings["retry-after"])
    if 300 <= status < 400:
        more["location"] = fault.settings.get("location", "/login")
    code = int(fault.settings.get("body-code", status))
    headers = {**headers, **more}
    if status < 400 or (status in PAGES and "body-code" not in fault.settings):
        return page(status, headers)
    known = REQUEST_CODES.get(code)
    body = shaper.refusal(code, known.message if known else "")
    return SandboxAnswer(status, msgspec.json.encode(body), str(code), headers=headers)


def page(status: int, headers: dict[str, str]) -> SandboxAnswer:
    """What a gateway says: HTML under its own status."""
    known = REQUEST_CODES.get(status)
    title = f"{status} {known.message if known else ''}".strip()
    text = f"<html><head><title>{title}</title></head><body><center><h1>{title}</h1></center></body></html>"
    return SandboxAnswer(status, text.encode(), content_type="text/html", headers=headers)


def _retry_after(text: str) -> str:
    """`date+5` is the HTTP date in five seconds; anything else is sent as it is."""
    if text.startswith("date"):
        return formatdate(time.time() + float(text[4:] or 0), usegmt=True)
    return text


def _twice(found: re.Match[bytes]) -> bytes:
    quote, word = found[1], found[2]
    other = b"false" if word == b"true" else b"true"
    return b'"success":' + quote + other + quote + b',"success":' + quote + word


def _with_items_changed(kind: str, body: bytes) -> bytes:
    document: dict[str, Any] = msgspec.json.decode(body)
    response = document["response"]
    at = response if "customer" in response else response.get("customers")
    if at is None:
        return body
    items = at["customer"] if isinstance(at["customer"], list) else [at["customer"]]
    if kind == "no-items":
        response.pop("customer", None)
        response.pop("customers", None)
        return msgspec.json.encode(document)
    if kind == "missing":
        items = items[:-1]
    elif kind == "extra":
        foreign = {"mobile": "910000000000", "email": "", "external_id": "foreign", "item_status": _STATUS_OK}
        items = [*items[:1], foreign, *items[1:]]
    elif kind == "repeated":
        items = [items[0], *items][: len(items)]
    elif kind == "reordered":
        items = items[::-1]
    else:
        items = [{} for _ in items]
    at["customer"] = items
    return msgspec.json.encode(document)


_STATUS_OK = {"success": "true", "code": 200, "message": "", "warnings": {}}


async def _drip(answer: SandboxAnswer, seconds: float, send: Send) -> None:
    body, answer.body = answer.body, b""
    await send_answer(answer, send, length=len(body))
    for at in range(len(body)):
        await asyncio.sleep(seconds)
        await send({"type": "http.response.body", "body": body[at : at + 1], "more_body": at + 1 < len(body)})
    answer.body = body


def _break(scope: Scope, *, reset: bool) -> None:
    """Ends the connection under the answer. In-process there is none to end, so the same error is raised instead."""
    transport = scope.get("extensions", {}).get(TRANSPORT)
    if transport is None:
        raise ConnectionResetError("the sandbox reset the connection")
    transport(reset=reset)


@lru_cache(maxsize=2)
def _bomb(mib: int) -> bytes:
    return gzip.compress(b" " * (mib << 20) + b"{}", compresslevel=6)
