"""The client: one body, one answer or one typed failure. The only package that imports httpx, which aiohttp carries.

No redirects (a POST became a GET and was reported as a success). A deadline over the whole attempt, because a read
timeout restarts with every byte. A cap on the decoded answer. Tokens are renewed before they expire.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Self

import httpx
import msgspec

from importer._version import __version__
from importer.capillary.bodies import bounded, compressed
from importer.capillary.codes import Next
from importer.capillary.credentials import Basic, Credentials, OAuth
from importer.capillary.lookups import NoToken, decode_fields, decode_preferences, decode_token, refuses_tokens
from importer.capillary.paths import CUSTOM_FIELDS, PREFERENCES, TOKEN, scheme_and_host
from importer.capillary.retry_after import asked_to_wait
from importer.capillary.triage import RequestFailed, Trouble, about_one_row, by_a_proxy, foreign_message, triage
from importer.capillary.wire import (
    CONTENT_TYPE,
    Answer,
    UnreadableAnswer,
    decode_answer,
    read_header,
)
from importer.errors import SettingsError
from importer.model import FieldDefinition, Reply
from importer.system.late import late

#: The network, or what is called instead of it.
Transport = httpx.AsyncBaseTransport
_Explain = Callable[[Exception, str], Trouble | None]

DEADLINE = 120.0
#: A token is renewed after this share of its life.
RENEW_AT = 0.8


class ClientOptions(msgspec.Struct, frozen=True):
    """Address and limits. `connections` bounds the pool; `gzip` compresses requests (undocumented, so off).

    `certificates`: a file of trusted certificates; empty: the system's. `proxies`: scheme → address, and `no`.
    """

    base_url: str
    connections: int = 8
    deadline: float = DEADLINE
    gzip: bool = False
    attribution_type: str = ""
    attribution_code: str = ""
    certificates: str = ""
    proxies: Mapping[str, str] = {}


class Client:
    """Use as an async context manager. `transport`: used instead of the network, by a run's sandbox and by tests."""

    def __init__(
        self,
        options: ClientOptions,
        credentials: Credentials,
        clock: Callable[[], float],
        transport: Transport | None = None,
    ) -> None:
        scheme, host = scheme_and_host(options.base_url)
        if scheme not in ("http", "https") or not host:
            raise SettingsError(
                f"{options.base_url!r} is not a valid address of the API.",
                "Set --base-url to an address like https://eu.api.capillarytech.com.",
                on_page="Ask the administrator of this page to check the address of the API.",
            )
        self._options = options
        self._base = options.base_url.rstrip("/")
        self._credentials = credentials
        #: The names of the variables that hold the credentials.
        self.variables = credentials.variables
        self._clock = clock
        #: The Date of the newest answer.
        self.server_date = ""
        self._token = ""
        self._renew_at = 0.0
        self._renewing = asyncio.Lock()
        #: A 401 caused a renewal, and no answer since has accepted the new token.
        self._renewed_in_vain = False
        #: The API has accepted a request.
        self._answered = False
        limits = httpx.Limits(
            max_connections=options.connections, max_keepalive_connections=options.connections, keepalive_expiry=30
        )
        #: Whether the transport reports when a request is written.
        self._reports_written = transport is None
        # Loaded with the network: when sockets run out, no module can be loaded any more.
        self._explain: _Explain | None = _late_explain() if transport is None else None
        self._http = httpx.AsyncClient(
            timeout=httpx.Timeout(options.deadline, connect=15.0, pool=None),
            follow_redirects=False,
            transport=transport or _network(options, limits),
            headers={
                "User-Agent": f"capillary-importer/{__version__}",
                "Accept": CONTENT_TYPE,
                "Accept-Encoding": "gzip",
            },
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    # ------------------------------------------------------------------------------------------------ the calls

    async def set_preferences(
        self, body: bytes, written: Callable[[], None] = lambda: None, *, one_row: bool = False
    ) -> Reply:
        """Send one batch. `written` is called when it goes over the wire, which is later than this call where a token
        or a connection comes first; where it raises `OSError`, the batch is not sent. `one_row`: the batch cannot be
        halved. Raises `RequestFailed`."""
        has_left = False

        def leaves() -> None:
            nonlocal has_left
            written()
            has_left = True

        try:
            return await self._set_preferences(body, leaves, one_row)
        except RequestFailed as error:
            if not has_left:
                error.trouble = msgspec.structs.replace(error.trouble, doubt=False)
            raise

    async def _set_preferences(self, body: bytes, written: Callable[[], None], one_row: bool) -> Reply:
        headers = {"Content-Type": CONTENT_TYPE}
        if self._options.gzip:
            body = compressed(body)
            headers["Content-Encoding"] = "gzip"
        began = self._clock()
        headers |= await self._authorisation()
        response, content = await self._exchange("POST", PREFERENCES + "?format=json", headers, body, written)
        request_id = read_header(response.headers.get("X-CAP-REQUEST-ID", ""))
        try:
            answer, unreadable = decode_answer(content), ""
        except UnreadableAnswer as error:
            answer, unreadable = None, str(error)
        wait = asked_to_wait(response.headers, response.status_code)
        trouble = triage(response.status_code, answer, unreadable)
        if trouble is None and answer is not None:
            self._renewed_in_vain = False
            self._answered = True
            return Reply(response.status_code, answer.status, answer.items, request_id, wait, self._clock() - began)
        assert trouble is not None
        raise self._failed(about_one_row(trouble) if one_row else trouble, response, wait)

    async def fields(self, written: Callable[[], None] = lambda: None) -> tuple[FieldDefinition, ...]:
        """The preferences that the organisation has defined. Raises `RequestFailed`."""
        response, content = await self._get(CUSTOM_FIELDS + "?format=json&scope=customer_preferences", written)
        try:
            found = decode_fields(content)
        except UnreadableAnswer as error:
            wait = asked_to_wait(response.headers, response.status_code)
            raise self._failed(self._trouble(response, content, str(error)), response, wait) from None
        if response.status_code >= 400 or not found:
            trouble = triage(response.status_code, _answer_or_none(content), "no list of fields")
            if trouble is not None and trouble.next is not Next.WARNING:
                raise self._failed(trouble, response, asked_to_wait(response.headers, response.status_code))
        return found

    async def preferences(
        self, identifier: str, value: str, written: Callable[[], None] = lambda: None
    ) -> dict[str, str] | None:
        """A customer's preferences on the server, None for an unknown customer. Raises `RequestFailed`."""
        name = "id" if identifier == "user_id" else identifier
        query = str(httpx.QueryParams({name: value, "format": "json"}))
        response, content = await self._get(f"{PREFERENCES}?{query}", written)
        try:
            if response.status_code < 300:
                return decode_preferences(content)
            answer = _answer_or_none(content)
            if answer is not None and answer.items and answer.items[0].success is False:
                return None
        except UnreadableAnswer as error:
            wait = asked_to_wait(response.headers, response.status_code)
            raise self._failed(self._trouble(response, content, str(error)), response, wait) from None
        raise self._failed(
            self._trouble(response, content, "no customer"),
            response,
            asked_to_wait(response.headers, response.status_code),
        )

    # ------------------------------------------------------------------------------------------------ one attempt

    async def _get(self, path: str, written: Callable[[], None] = lambda: None) -> tuple[httpx.Response, bytes]:
        return await self._exchange("GET", path, await self._authorisation(), b"", written)

    async def _exchange(
        self, method: str, path: str, headers: dict[str, str], body: bytes, written: Callable[[], None] = lambda: None
    ) -> tuple[httpx.Response, bytes]:
        try:
            if not self._reports_written:
                written()
            request = self._http.build_request(
                method, self._base + path, headers=headers, content=body or None, extensions={"written": written}
            )
            async with asyncio.timeout(self._options.deadline):
                response = await self._http.send(request, stream=True)
                self.server_date = read_header(response.headers.get("Date", ""))
                try:
                    return response, await bounded(response)
                finally:
                    await response.aclose()
        except Exception as error:
            explain = self._explain or _late_explain()
            trouble = explain(error, self._base)
            if trouble is None:
                raise
            raise RequestFailed(trouble) from error

    def _trouble(self, response: httpx.Response, content: bytes, why: str) -> Trouble:
        found = triage(response.status_code, _answer_or_none(content), why)
        return found or Trouble(Next.WARNING, str(response.status_code), why, doubt=False)

    def _failed(self, trouble: Trouble, response: httpx.Response, wait: float | None) -> RequestFailed:
        if trouble.next is Next.RENEW:
            trouble = self._refused(trouble, response)
        if 300 <= response.status_code < 400:
            where = read_header(scheme_and_host(response.headers.get("Location", ""))[1]) or "another path"
            trouble = msgspec.structs.replace(trouble, message=f"the server redirects to {where}, so it is not the API")
        if response.status_code == 403 and by_a_proxy(response.headers):
            host = scheme_and_host(self._base)[1]
            advice = f"Allow {host} in the proxy, or add it to NO_PROXY."
            message = "a proxy refuses the request (403)"
            trouble = Trouble(Next.FOREIGN, "proxy", message, doubt=False, foreign=True, advice=advice)
        elif trouble.foreign and trouble.next is Next.REFUSED and self._answered:
            # The credentials were accepted before.
            trouble = msgspec.structs.replace(trouble, next=Next.FOREIGN)
        if trouble.next is Next.FOREIGN and response.status_code == 400 and self._base.startswith("http:"):
            advice = "Check --base-url: the server may expect https://."
            trouble = msgspec.structs.replace(trouble, advice=advice)
        request_id = read_header(response.headers.get("X-CAP-REQUEST-ID", ""))
        return RequestFailed(trouble, wait, request_id, response.status_code)

    # ------------------------------------------------------------------------------------------------ credentials

    async def _authorisation(self) -> dict[str, str]:
        if isinstance(self._credentials, Basic):
            return {"Authorization": self._credentials.header}
        async with self._renewing:
            if self._clock() >= self._renew_at:
                self._token, self._renewed_in_vain = "", False
            if not self._token:
                await self._renew(self._credentials)
        headers = {"X-CAP-API-OAUTH-TOKEN": self._token}
        if self._options.attribution_type:
            headers["X-CAP-API-ATTRIBUTION-ENTITY-TYPE"] = self._options.attribution_type
            headers["X-CAP-API-ATTRIBUTION-ENTITY-CODE"] = self._options.attribution_code
        return headers

    async def _renew(self, credentials: OAuth) -> None:
        body = msgspec.json.encode({"key": credentials.key, "secret": credentials.secret})
        asked = self._clock()
        response, content = await self._exchange("POST", TOKEN, {"Content-Type": CONTENT_TYPE}, body)
        if response.status_code >= 300:
            foreign = bool(content.strip()) and not refuses_tokens(content)
            klass, message = triage_token(response.status_code, foreign=foreign), "the server returned no token"
            if klass is Next.FOREIGN:
                message = foreign_message(response.status_code, "it answers the request for a token")
            trouble = Trouble(klass, str(response.status_code), message, doubt=False, foreign=foreign)
            raise self._failed(trouble, response, asked_to_wait(response.headers, response.status_code))
        try:
            self._token, lives = decode_token(content)
        except NoToken as error:
            message = f"the server returned no token ({error})"
            raise RequestFailed(Trouble(Next.REFUSED, "token", message, doubt=False)) from None
        except UnreadableAnswer as error:
            message = f"the answer to the token request could not be read: {error}"
            raise self._failed(Trouble(Next.WARNING, "token", message, False, foreign=True), response, None) from None
        self._renew_at = asked + lives * RENEW_AT

    def _refused(self, trouble: Trouble, response: httpx.Response) -> Trouble:
        """A 401 is final with Basic. With OAuth the token is renewed once, and a second 401 is final."""
        if isinstance(self._credentials, Basic):
            return msgspec.structs.replace(trouble, next=Next.REFUSED)
        if response.request.headers.get("X-CAP-API-OAUTH-TOKEN", "") == self._token:
            if self._renewed_in_vain:
                return msgspec.structs.replace(trouble, next=Next.REFUSED)
            self._renewed_in_vain = True
            self._token = ""
        return trouble


def triage_token(http_status: int, *, foreign: bool = False) -> Next:
    """What happens next when the server returned no token. `foreign`: the body is not the API's."""
    if http_status in (401, 403) or (http_status == 400 and not foreign):
        return Next.REFUSED
    if http_status == 429:
        return Next.SLOW
    if http_status >= 500 or http_status in (408, 425):
        return Next.AGAIN
    return Next.FOREIGN if foreign and http_status >= 400 else Next.SETTINGS


def _answer_or_none(content: bytes) -> Answer | None:
    try:
        return decode_answer(content)
    except UnreadableAnswer:
        return None


def _late_explain() -> _Explain:
    explain: _Explain = late("importer.capillary.network_errors", "explain")
    return explain


def _network(options: ClientOptions, limits: httpx.Limits) -> Transport:
    network: Callable[..., Transport] = late("importer.capillary.transport", "network")
    return network(options.base_url, options.certificates, options.proxies, limits)


def in_process(app: Callable[..., Awaitable[None]]) -> Transport:
    """Calls an ASGI application of this process instead of the network."""
    return httpx.ASGITransport(app)
