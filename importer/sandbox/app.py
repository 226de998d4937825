"""The sandbox as an ASGI application: the four calls of the API that the importer uses, and their refusals.

Shares nothing with the importer's own wire code on purpose. Mounted in-process through httpx's ASGI transport, or
served by uvicorn (`server.py`).
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.datastructures import Headers, QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from importer.sandbox.catalogue import PAGES, REQUEST_CODES, Magic
from importer.sandbox.faults import Fault, SandboxAnswer, deliver, page, send_answer
from importer.sandbox.judge import CustomerSent, StoreSent
from importer.sandbox.options import PreferenceField, SandboxOptions
from importer.sandbox.request_body import customers_in, read_body, unpacked
from importer.sandbox.shapes import ItemResult
from importer.sandbox.state import Identifier, RequestRecord, SandboxState
from importer.sandbox.store import Account, Identifiers

_PARAMETERS: dict[str, Identifier] = {
    "mobile": "mobile",
    "email": "email",
    "external_id": "external_id",
    "id": "user_id",
}
#: All that may arrive: which of them a call takes it decides itself, to refuse the others in the API's words.
_METHODS = ["DELETE", "GET", "PATCH", "POST", "PUT"]
_FOUND = "Customer preferences retrieved successfully"


def create_app(options: SandboxOptions | None = None, clock: Callable[[], float] = time.monotonic) -> Starlette:
    """The application; `app.state.sandbox` is its `SandboxState`. OptionsError says what is wrong with a setting.

    `clock` is what rate limits, tokens and the log of requests go by; latencies are the event loop's.
    """
    state = SandboxState(options or SandboxOptions(), clock)
    app = Starlette(
        routes=[
            Route("/v1.1/customer/preferences", endpoint=_Preferences(state)),
            Route("/v1.1/organization/customfields", endpoint=_call(state, _custom_fields, "GET"), methods=_METHODS),
            Route("/v3/oauth/token/generate", endpoint=_call(state, _token, "POST"), methods=_METHODS),
        ],
        exception_handlers={HTTPException: _not_found(state)},
    )
    app.state.sandbox = state
    return app


Handler = Callable[[SandboxState, Headers, QueryParams, bytes], Awaitable[SandboxAnswer]]


def _refusal(state: SandboxState, code: int, headers: dict[str, str] | None = None) -> SandboxAnswer:
    """A whole request refused with a code: the API's JSON, or a gateway's page under its own status."""
    known = REQUEST_CODES.get(code)
    if code in PAGES:
        return page(code, headers or {})
    body = state.shaper.refusal(code, known.message if known else "")
    status = state.shaper.http_status(code, known.http_status if known else 200)
    return SandboxAnswer(status, msgspec.json.encode(body), str(code), headers=headers or {})


def _admit(state: SandboxState, headers: Headers) -> tuple[str, SandboxAnswer | None, dict[str, str]]:
    """The key of the call, the refusal if it may not pass, and headers for its answer."""
    key = state.access.key_of(headers)
    if key is None:
        return "", _refusal(state, 401), {}
    window = state.window_of(key)
    if window is None:
        return key, None, {}
    wait = window.admit()
    more = window.headers() if state.options.rate_headers else {}
    if not wait:
        return key, None, more
    state.throttled += 1
    after = state.options.retry_after
    if after:
        more["retry-after"] = str(math.ceil(wait)) if after == "auto" else after
    return key, _refusal(state, 429, more), more


class _Preferences:
    """POST and GET of customer/preferences."""

    def __init__(self, state: SandboxState) -> None:
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        state, headers = self._state, Headers(scope=scope)
        at = state.clock()
        method = scope["method"]
        state.calls[f"{method} customer/preferences"] += 1
        request_id = str(uuid.uuid4())
        if method == "POST":
            await self._post(at, request_id, headers, scope, receive, send)
            return
        if method == "GET":
            _, refusal, more = _admit(state, headers)
            answer = refusal or await self._get(QueryParams(scope["query_string"]))
            answer.headers = {**more, **answer.headers}
        else:
            answer = _refusal(state, 405)
        answer.headers = {**answer.headers, "x-cap-request-id": request_id}
        await send_answer(answer, send)

    async def _post(
        self, at: float, request_id: str, headers: Headers, scope: Scope, receive: Receive, send: Send
    ) -> None:
        state = self._state
        record = RequestRecord(len(state.requests) + 1, at, request_id)
        state.requests.append(record)
        fault = state.fault_of(record.number)
        state.in_flight += 1
        state.in_flight_most = max(state.in_flight_most, state.in_flight)
        try:
            body = await read_body(receive, state.options.max_bytes)
            if body is not None:
                record.body_sha256 = hashlib.sha256(body).hexdigest()
            if fault is None:
                answer = await self._answer(record, headers, scope, body)
            else:
                answer = await self._faulty(fault, record, headers, scope, body)
        finally:
            state.in_flight -= 1
            record.ended_at = state.clock()
        answer.headers = {**answer.headers, "x-cap-request-id": request_id}
        record.http_status, record.code = answer.http_status, answer.code
        if fault is None:
            await send_answer(answer, send)
            return
        record.http_status, record.code = 0, ""
        sent = await deliver(fault, answer, state.shaper, scope, receive, send)
        if sent is not None:
            record.http_status, record.code = sent.http_status, sent.code

    async def _faulty(
        self, fault: Fault, record: RequestRecord, headers: Headers, scope: Scope, body: bytes | None
    ) -> SandboxAnswer:
        """The sound answer under a fault that strikes after the batch was applied; else a blank one."""
        record.fault = fault.kind
        if fault.kind == "slow":
            await asyncio.sleep(fault.number("seconds", 5))
        if fault.after:
            return await self._answer(record, headers, scope, body)
        customers = customers_in(body)
        record.size = len(customers or ())
        return SandboxAnswer(200, b"")

    async def _answer(self, record: RequestRecord, headers: Headers, scope: Scope, body: bytes | None) -> SandboxAnswer:
        state, options = self._state, self._state.options
        _, refusal, more = _admit(state, headers)
        if refusal is not None:
            return refusal
        if body is None:
            return _refusal(state, 413, more)
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        packed = headers.get("content-encoding", "identity").lower()
        if kind != "application/json" or packed not in ({"identity", "gzip"} if options.accept_gzip else {"identity"}):
            return _refusal(state, 415, more)
        if QueryParams(scope["query_string"]).get("format") != "json":
            # Without it v1.1 speaks XML, which the importer does not parse.
            return _xml_refusal(more)
        customers = customers_in(unpacked(body) if packed == "gzip" else body)
        record.size = len(customers or ())
        if not customers:
            return _refusal(state, 400, more)
        if options.batch_limit is not None and len(customers) > options.batch_limit:
            return _refusal(state, 1060, more)
        magics = [state.judge.magic(customer) for customer in customers]
        code = state.judge.refusal(magics)
        if code is not None:
            return _refusal(state, code, more)
        answer = await self._apply(record, customers, magics)
        answer.headers = more
        return answer

    async def _apply(
        self, record: RequestRecord, customers: list[CustomerSent], magics: list[Magic | None]
    ) -> SandboxAnswer:
        """Takes the customers' locks, waits for the latency, stores, and releases them before it answers."""
        state = self._state
        keys = [state.judge.keys(customer) for customer in customers]
        flat = [key for some in keys for key in some]
        if len(set(flat)) != len(flat):
            state.repeats += 1
        found = state.store.find(flat)
        latency = state.next_latency()
        # Without an await no other request can interleave.
        held: list[str | int] = []
        blocked: set[int] = set()
        if latency or state.busy:
            held, blocked = self._lock(record, keys, found)
        try:
            if latency:
                version = state.store.version
                await asyncio.sleep(latency)
                if state.store.version != version:
                    found = state.store.find(flat)
            return self._store(record, customers, magics, keys, found, blocked)
        finally:
            for name in held:
                state.busy.pop(name, None)

    def _lock(
        self, record: RequestRecord, keys: list[list[str]], found: dict[str, int]
    ) -> tuple[list[str | int], set[int]]:
        """Marks each customer's identifiers and account as busy; the positions of those that another request holds."""
        state, number = self._state, record.number
        busy = state.busy
        held: list[str | int] = []
        blocked: set[int] = set()
        for position, some in enumerate(keys):
            names: list[str | int] = [*some, *{found[key] for key in some if key in found}]
            taken = [name for name in names if busy.get(name, number) != number]
            if taken:
                blocked.add(position)
                record.overlaps += 1
                if any(isinstance(name, str) for name in taken):
                    state.overlaps += 1
                else:
                    state.account_overlaps += 1
            else:
                held += names
                for name in names:
                    busy[name] = number
        return held, blocked

    def _store(
        self,
        record: RequestRecord,
        customers: list[CustomerSent],
        magics: list[Magic | None],
        keys: list[list[str]],
        found: dict[str, int],
        blocked: set[int],
    ) -> SandboxAnswer:
        state = self._state
        judge, shaper = state.judge, state.shaper
        refuse_conflicts = state.options.conflict == "1047"
        change = state.store.begin(found)
        items: list[dict[str, Any]] = []
        succeeded = 0
        for position, customer in enumerate(customers):
            silence = ""
            account: Account | None = None
            if position in blocked:
                verdict = judge.failure(521)
            else:
                judged = judge.judge(customer, magics[position])
                verdict, silence = judged.verdict, judged.silence
                if judged.stored is not None:
                    if refuse_conflicts and len(change.resolve(keys[position])) > 1:
                        verdict = judge.failure(1047)
                    else:
                        identifiers = _identifiers(customer)
                        account = change.put(keys[position], identifiers, judged.stored)
                        if customer.mobile:
                            account.mobile = judge.mobile(customer.mobile)
                        if verdict.success:
                            change.accepted.append((identifiers, judged.stored))
            succeeded += verdict.success
            if silence == "omit":
                continue
            items.append({} if silence else self._item(customer, account, verdict))
        state.store.commit(change, record.request_id, record.body_sha256, record.size)
        code, document = shaper.answer(items, len(customers), succeeded)
        return SandboxAnswer(shaper.http_status(code, 200), msgspec.json.encode(document), str(code))

    def _item(self, customer: CustomerSent, account: Account | None, verdict: ItemResult) -> dict[str, Any]:
        shaper = self._state.shaper
        mobile, email, external_id, user_id = customer.mobile, customer.email, customer.external_id, customer.user_id
        if shaper.country_mobile:
            mobile = self._state.judge.mobile(mobile)
        if shaper.lower_email:
            email = email.lower()
        if account is not None and shaper.echo_stored:
            mobile, email = mobile or account.mobile, email or account.email
            external_id, user_id = external_id or account.external_id, user_id or account.user_id
        fields = customer.custom_fields.field if customer.custom_fields is not None else ()
        return shaper.item(mobile, email, external_id, user_id, _store_echo(customer.store), fields, verdict)

    async def _get(self, query: QueryParams) -> SandboxAnswer:
        """One customer's preferences. A customer that exists but was never written has none."""
        state, shaper = self._state, self._state.shaper
        parameter = next((name for name in _PARAMETERS if query.get(name)), None)
        if query.get("format") != "json":
            return _xml_refusal({})
        if parameter is None:
            return _refusal(state, 400)
        latency = state.next_latency()
        if latency:
            await asyncio.sleep(latency)
        kind, value = _PARAMETERS[parameter], query[parameter]
        found = state.find(kind, value)
        sent = CustomerSent()
        setattr(sent, kind, value)
        named = Account(mobile=sent.mobile, email=sent.email, external_id=sent.external_id, user_id=sent.user_id)
        magic = state.judge.magic(sent)
        if found is not None:
            number, account = found
            verdict = ItemResult(True, shaper.success_code, _FOUND)
        elif magic is not None and magic.word == "code":
            number, account, verdict = 0, Account(), state.judge.failure(magic.code)
        elif state.judge.exists(sent.mobile, sent.email, sent.external_id, sent.user_id):
            number, account = 0, named
            verdict = ItemResult(True, shaper.success_code, _FOUND)
        else:
            number, account, verdict = 0, named, state.judge.failure(404)
        item: dict[str, Any] = {
            "user_id": account.user_id or (str(100_000 + number) if number else ""),
            "mobile": state.judge.mobile(account.mobile),
            "email": account.email,
            "external_id": account.external_id,
            "custom_fields": {"field": [{"name": name, "value": text} for name, text in account.fields.items()]},
            "item_status": shaper.item_status(verdict),
        }
        code = 200 if verdict.success else 500
        status = shaper.status(code, verdict.success, "Operation successful" if code == 200 else "Operation failed")
        body = {"response": {"status": status, "customers": {"customer": item}}}
        return SandboxAnswer(shaper.http_status(code, 200), msgspec.json.encode(body), str(code))


def _call(state: SandboxState, handler: Handler, method: str) -> Callable[[Request], Awaitable[Response]]:
    """A call without faults and locks as an endpoint: it gets what was sent and gives an answer."""

    async def endpoint(request: Request) -> Response:
        state.calls[handler.__name__.removeprefix("_")] += 1
        if request.method == method:
            answer = await handler(state, request.headers, request.query_params, await request.body())
        else:
            answer = _refusal(state, 405)
        headers = {**answer.headers, "x-cap-request-id": str(uuid.uuid4())}
        return Response(answer.body, answer.http_status, headers, answer.content_type)

    return endpoint


async def _custom_fields(state: SandboxState, headers: Headers, query: QueryParams, body: bytes) -> SandboxAnswer:  # noqa: ARG001 - one signature for all
    """The preferences that the organisation has defined: none where any name will do."""
    _, refusal, more = _admit(state, headers)
    if refusal is not None:
        return refusal
    if query.get("format") != "json":
        return _xml_refusal(more)
    defined = state.options.fields or ()
    scope = query.get("scope", "")
    entries = [_definition(field) for field in defined] if scope.lower() in {"", "customer_preferences"} else []
    status = state.shaper.status(200, True, "Custom fields retrieved successfully")
    organization = {"custom_fields": {"field": entries[0] if len(entries) == 1 else entries}}
    document = {"response": {"status": status, "organization": organization}}
    return SandboxAnswer(200, msgspec.json.encode(document), "200", headers=more)


def _definition(field: PreferenceField) -> dict[str, Any]:
    return {
        "name": field.name,
        "label": field.label or field.name,
        "type": "customer_preferences",
        "datatype": field.datatype,
        "default": field.default,
        "regex": field.regex,
        "options": list(field.options),
        "is_mandatory": str(field.is_mandatory).lower(),
        "is_disabled": str(field.is_disabled).lower(),
    }


class _KeyAndSecret(msgspec.Struct):
    key: str
    secret: str


async def _token(state: SandboxState, headers: Headers, query: QueryParams, body: bytes) -> SandboxAnswer:  # noqa: ARG001 - one signature for all
    try:
        sent = msgspec.json.decode(body, type=_KeyAndSecret)
    except (msgspec.DecodeError, RecursionError):
        return _token_refusal(400, "Invalid request")
    token = state.access.new_token(sent.key, sent.secret)
    if token is None:
        return _token_refusal(401, "Invalid client key or secret")
    document = {"data": {"accessToken": token[0], "ttlSeconds": token[1]}, "errors": None}
    return SandboxAnswer(200, msgspec.json.encode(document))


def _token_refusal(code: int, message: str) -> SandboxAnswer:
    document = {"data": None, "errors": [{"code": code, "message": message}]}
    return SandboxAnswer(code, msgspec.json.encode(document), str(code))


def _not_found(state: SandboxState) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def handler(request: Request, error: Exception) -> Response:
        code = error.status_code if isinstance(error, HTTPException) else 404
        state.calls[f"{request.method} elsewhere"] += 1
        answer = _refusal(state, code)
        headers = {"x-cap-request-id": str(uuid.uuid4())}
        return Response(answer.body, answer.http_status, headers, answer.content_type)

    return handler


def _xml_refusal(headers: dict[str, str]) -> SandboxAnswer:
    body = (
        b'<?xml version="1.0" encoding="UTF-8"?><response><status><success>false</success><code>400</code>'
        b"<message>Input is invalid, Please check request parameters or input xml/json</message></status></response>"
    )
    return SandboxAnswer(200, body, "400", "application/xml", headers)


def _identifiers(customer: CustomerSent) -> Identifiers:
    found: Identifiers = {}
    if customer.mobile:
        found["mobile"] = customer.mobile
    if customer.email:
        found["email"] = customer.email
    if customer.external_id:
        found["external_id"] = customer.external_id
    if customer.user_id:
        found["user_id"] = customer.user_id
    return found


def _store_echo(store: StoreSent | None) -> dict[str, str] | None:
    """A store comes back as found, even inside an item that failed."""
    if store is None:
        return None
    return {"status": "SUCCESS", "id": store.id, "code": store.code, "name": f"Store {store.code or store.id}"}
