"""The client: one body, one answer or one typed failure. The only door to httpx, which aiohttp carries here.

No redirects (a POST became a GET and was reported as a success), a deadline over the whole attempt (a read timeout
starts anew with every byte), a cap on the decoded answer (298 KiB of gzip can be 300 MiB), tokens renewed ahead.
"""

from __future__ import annotations

import asyncio
import base64
import email.utils
import math
import os
import re
import socket
import ssl
import urllib.request
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import aiohttp
import httpx
import msgspec
import truststore
from httpx_aiohttp import AiohttpTransport

from importer._version import __version__
from importer.capillary.codes import Next
from importer.capillary.credentials import Basic, Credentials, OAuth
from importer.capillary.triage import RequestFailed, Trouble, by_a_proxy, triage
from importer.capillary.wire import (
    CONTENT_TYPE,
    Answer,
    NoToken,
    Unreadable,
    decode_answer,
    decode_fields,
    decode_preferences,
    decode_token,
)
from importer.errors import SettingsError
from importer.model import FieldDefinition, Reply

DEADLINE = 120.0
MAX_ANSWER = 16 * 1024 * 1024
#: Bytes of one header of an answer.
MAX_HEADER = 256 * 1024
#: A token is renewed when this share of its life is over.
RENEW_AT = 0.8

PREFERENCES = "/v1.1/customer/preferences"
CUSTOM_FIELDS = "/v1.1/organization/customfields"
TOKEN = "/v3/oauth/token/generate"  # noqa: S105 - a path


class ClientOptions(msgspec.Struct, frozen=True):
    """Where and as whom. `connections` bounds the pool; `gzip` compresses requests (undocumented, so off).

    `direct`: use no proxy, because this process serves the address itself.
    """

    base_url: str
    connections: int = 8
    deadline: float = DEADLINE
    gzip: bool = False
    attribution_type: str = ""
    attribution_code: str = ""
    direct: bool = False


class Client:
    """Use as an async context manager. `transport` stands in for the network in tests."""

    def __init__(
        self,
        options: ClientOptions,
        credentials: Credentials,
        clock: Callable[[], float],
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        scheme, host = _scheme_and_host(options.base_url)
        if scheme not in ("http", "https") or not host:
            raise SettingsError(
                f"{options.base_url!r} is not a valid address of the API.",
                "Set --base-url to an address like https://eu.api.capillarytech.com.",
                on_page="Ask the administrator of this page to check the address of the API.",
            )
        self._options = options
        self._base = options.base_url.rstrip("/")
        self._credentials = credentials
        self._clock = clock
        #: The Date of the newest answer.
        self.server_date = ""
        self._token = ""
        self._renew_at = 0.0
        self._renewing = asyncio.Lock()
        #: A 401 made us renew, and no answer has shown since that the new token is taken.
        self._renewed_in_vain = False
        limits = httpx.Limits(
            max_connections=options.connections, max_keepalive_connections=options.connections, keepalive_expiry=30
        )
        #: Whether the transport tells when a request is written.
        self._tells = transport is None
        self._http = httpx.AsyncClient(
            timeout=httpx.Timeout(options.deadline, connect=15.0, pool=None),
            follow_redirects=False,
            transport=transport or _transport(scheme, host, limits, options.direct),
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
        await self._http.aclose()

    # ------------------------------------------------------------------------------------------------ the calls

    async def set_preferences(self, body: bytes, written: Callable[[], None] = lambda: None) -> Reply:
        """One batch. `written` is called when it goes over the wire, which is long after this call where a connection
        must be made first. Raises `RequestFailed`."""
        headers = {"Content-Type": CONTENT_TYPE}
        if self._options.gzip:
            body = _gzip(body)
            headers["Content-Encoding"] = "gzip"
        began = self._clock()
        headers |= await self._authorisation()
        if not self._tells:
            written()
        with _told(written):
            response, content = await self._exchange("POST", PREFERENCES + "?format=json", headers, body)
        request_id = response.headers.get("X-CAP-REQUEST-ID", "")
        try:
            answer, unreadable = decode_answer(content), ""
        except Unreadable as error:
            answer, unreadable = None, str(error)
        wait = asked_to_wait(response.headers, response.status_code)
        trouble = triage(response.status_code, answer, unreadable)
        if trouble is None and answer is not None:
            self._renewed_in_vain = False
            return Reply(response.status_code, answer.status, answer.items, request_id, wait, self._clock() - began)
        assert trouble is not None
        raise self._failed(trouble, response, wait)

    async def fields(self) -> tuple[FieldDefinition, ...]:
        """The preferences that the organisation has defined. Raises `RequestFailed`."""
        response, content = await self._get(CUSTOM_FIELDS + "?format=json&scope=customer_preferences")
        try:
            found = decode_fields(content)
        except Unreadable as error:
            raise self._failed(self._trouble(response, content, str(error)), response, None) from None
        if response.status_code >= 400 or not found:
            trouble = triage(response.status_code, _answer_or_none(content), "no list of fields")
            if trouble is not None and trouble.next is not Next.WARNING:
                raise self._failed(trouble, response, asked_to_wait(response.headers, response.status_code))
        return found

    async def preferences(
        self, identifier: str, value: str, written: Callable[[], None] = lambda: None
    ) -> dict[str, str] | None:
        """What the server holds for a customer, None when it knows nobody by that. Raises `RequestFailed`."""
        name = "id" if identifier == "user_id" else identifier
        query = str(httpx.QueryParams({name: value, "format": "json"}))
        with _told(written):
            response, content = await self._get(f"{PREFERENCES}?{query}")
        try:
            if response.status_code < 300:
                return decode_preferences(content)
            answer = _answer_or_none(content)
            if answer is not None and answer.items and answer.items[0].success is False:
                return None
        except Unreadable as error:
            raise self._failed(self._trouble(response, content, str(error)), response, None) from None
        raise self._failed(
            self._trouble(response, content, "no customer"),
            response,
            asked_to_wait(response.headers, response.status_code),
        )

    # ------------------------------------------------------------------------------------------------ one attempt

    async def _get(self, path: str) -> tuple[httpx.Response, bytes]:
        return await self._exchange("GET", path, await self._authorisation(), b"")

    async def _exchange(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[httpx.Response, bytes]:
        try:
            request = self._http.build_request(method, self._base + path, headers=headers, content=body or None)
            async with asyncio.timeout(self._options.deadline):
                response = await self._http.send(request, stream=True)
                self.server_date = response.headers.get("Date", "")
                try:
                    return response, await _bounded(response)
                finally:
                    await response.aclose()
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, *_OF_OTHERS) as error:
            raise RequestFailed(explain(error, self._base)) from error

    def _trouble(self, response: httpx.Response, content: bytes, why: str) -> Trouble:
        found = triage(response.status_code, _answer_or_none(content), why)
        return found or Trouble(Next.WARNING, f"HTTP {response.status_code}", why, doubt=False)

    def _failed(self, trouble: Trouble, response: httpx.Response, wait: float | None) -> RequestFailed:
        if trouble.next is Next.RENEW:
            trouble = self._refused(trouble, response)
        if 300 <= response.status_code < 400:
            where = _scheme_and_host(response.headers.get("Location", ""))[1] or "another path"
            trouble = msgspec.structs.replace(
                trouble, message=f"the server redirects to {where}; it is not the API itself"
            )
        if response.status_code == 403 and by_a_proxy(response.headers):
            host = _scheme_and_host(self._base)[1]
            message = f"a proxy on the way refuses (403); have it permit {host}, or name that in NO_PROXY"
            trouble = Trouble(Next.SETTINGS, "proxy", message, doubt=False)
        request_id = response.headers.get("X-CAP-REQUEST-ID", "")
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
            klass = triage_token(response.status_code)
            trouble = Trouble(klass, str(response.status_code), "no token was given", doubt=False)
            raise self._failed(trouble, response, asked_to_wait(response.headers, response.status_code))
        try:
            self._token, lives = decode_token(content)
        except NoToken as error:
            message = f"no token was given ({error})"
            raise RequestFailed(Trouble(Next.REFUSED, "token", message, doubt=False)) from None
        except Unreadable as error:
            message = f"the answer to the call for a token could not be read: {error}"
            raise self._failed(Trouble(Next.WARNING, "token", message, False, foreign=True), response, None) from None
        self._renew_at = asked + lives * RENEW_AT

    def _refused(self, trouble: Trouble, response: httpx.Response) -> Trouble:
        """A 401: with Basic final; with OAuth one renewal for all, and final when the new token is refused too."""
        if isinstance(self._credentials, Basic):
            return msgspec.structs.replace(trouble, next=Next.REFUSED)
        if response.request.headers.get("X-CAP-API-OAUTH-TOKEN", "") == self._token:
            if self._renewed_in_vain:
                return msgspec.structs.replace(trouble, next=Next.REFUSED)
            self._renewed_in_vain = True
            self._token = ""
        return trouble


#: Who wants to know that the request of this task is written.
_WRITTEN: ContextVar[Callable[[], None]] = ContextVar("written")


@contextmanager
def _told(written: Callable[[], None]) -> Iterator[None]:
    token = _WRITTEN.set(written)
    try:
        yield
    finally:
        _WRITTEN.reset(token)


class _Transport(AiohttpTransport):
    """Tells when a request is written, by aiohttp's tracing, and takes the headings that gateways add to answers."""

    def get_client(self) -> aiohttp.ClientSession:
        trace = aiohttp.TraceConfig()
        trace.on_request_chunk_sent.append(_tell)
        connector = aiohttp.TCPConnector(
            keepalive_timeout=self.limits.keepalive_expiry,
            ssl=self.ssl_context,
            limit=self.limits.max_connections or 0,
        )
        return aiohttp.ClientSession(
            connector=connector,
            trace_configs=[trace],
            # A server must not be able to hide its answer behind a long header: every row of it would become unknown.
            max_line_size=MAX_HEADER,
            max_field_size=MAX_HEADER,
            max_headers=1000,
            # httpx keeps the cookies.
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self.proxy is not None and request.url.scheme == "http":
            # aiohttp gives the proxy's headers to CONNECT only: what goes without a tunnel carries them itself.
            request.headers.update(self.proxy.headers)
        return await super().handle_async_request(request)


async def _tell(*_: object) -> None:
    _WRITTEN.get(lambda: None)()


def _transport(scheme: str, host: str, limits: httpx.Limits, direct: bool) -> httpx.AsyncBaseTransport:
    """The network: through the proxy that the environment names for this host, if it does."""
    return _Transport(
        verify=tls_context(os.environ) if scheme == "https" else False,
        limits=limits,
        proxy=None if direct else _proxy(scheme, host),
    )


def _proxy(scheme: str, host: str) -> httpx.Proxy | None:
    """Raises `SettingsError` of what is no HTTP proxy, without the value: it may hold a password."""
    proxies = {} if urllib.request.proxy_bypass(host) else urllib.request.getproxies()
    variable = scheme if proxies.get(scheme) else "all"
    address = proxies.get(variable, "").strip()
    if not address:
        return None
    try:
        proxy = httpx.Proxy(address if "://" in address else f"http://{address}")
        # httpx takes more for a host and a port than can be called.
        well = (
            proxy.url.scheme in ("http", "https")
            and re.fullmatch(r"[\w.:-]+", proxy.url.host)
            and 0 < (proxy.url.port or 80) < 65536
        )
    except (httpx.InvalidURL, ValueError):
        well = None
    if not well:
        raise SettingsError(
            f"{variable.upper()}_PROXY names no HTTP proxy.",
            "Write it as http://host:port (SOCKS is not supported), or name this host in NO_PROXY.",
        )
    if proxy.auth:
        # As a header in UTF-8, which is what is sent: aiohttp would write them in Latin-1, and soon takes none.
        told = base64.b64encode(":".join(proxy.auth).encode()).decode("ascii")
        proxy.headers["Proxy-Authorization"] = f"Basic {told}"
        proxy.auth = None
    return proxy


#: What is raised below httpx and not always told in its words.
_OF_OTHERS = (aiohttp.ClientError, zlib.error, OSError, ValueError)


def _scheme_and_host(address: str) -> tuple[str, str]:
    try:
        parts = urlsplit(address)
        return parts.scheme, parts.hostname or ""
    except ValueError:
        return "", ""


def triage_token(http_status: int) -> Next:
    """What happens next when the call for a token brings none."""
    if http_status in (400, 401, 403):
        return Next.REFUSED
    if http_status == 429:
        return Next.SLOW
    return Next.AGAIN if http_status >= 500 or http_status == 408 else Next.SETTINGS


def _answer_or_none(content: bytes) -> Answer | None:
    try:
        return decode_answer(content)
    except Unreadable:
        return None


def tls_context(environ: Mapping[str, str]) -> ssl.SSLContext:
    """The system's certificate store, or the file that SSL_CERT_FILE names."""
    if file := environ.get("SSL_CERT_FILE"):
        try:
            return ssl.create_default_context(cafile=file)
        except (OSError, ssl.SSLError):
            raise SettingsError(f"SSL_CERT_FILE: {file} holds no certificates.", "Check the path.") from None
    return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _gzip(body: bytes) -> bytes:
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    return packer.compress(body) + packer.flush()


async def _bounded(response: httpx.Response) -> bytes:
    """The decoded body, never more than the cap in memory."""
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding in ("", "identity"):
        return await _joined(response.aiter_raw())
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise httpx.DecodingError(f"an encoding that was not asked for: {encoding}")
    unpacker = zlib.decompressobj(47 if encoding != "deflate" else 15)
    return await _joined(_unpacked(unpacker, response.aiter_raw()))


async def _joined(parts: AsyncIterator[bytes]) -> bytes:
    content = bytearray()
    async for part in parts:
        content += part
        if len(content) > MAX_ANSWER:
            raise httpx.DecodingError("the answer is larger than 16 MiB")
    return bytes(content)


async def _unpacked(unpacker: zlib._Decompress, parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for part in parts:
        unpacked = None
        while part or unpacked:
            # What is left when the bound was reached may all be inside: it comes out with no further input.
            unpacked = unpacker.decompress(part, 1 << 20)
            yield unpacked
            part = unpacker.unconsumed_tail
    if not unpacker.eof:
        raise httpx.DecodingError("the compressed answer is cut off")


# ---------------------------------------------------------------------------------------------------- explaining


_ADDRESS = "Check --base-url."


def explain(error: Exception, base_url: str) -> Trouble:
    """An exception of the network as a `Trouble`, in words an administrator can act on."""
    host = urlsplit(base_url).hostname or base_url
    chain = _chain(error)
    for cause in chain:
        if isinstance(cause, ssl.SSLCertVerificationError) and not isinstance(cause, aiohttp.ClientError):
            message = (
                f"the certificate of {host} is not trusted ({cause.verify_message}); if a proxy of yours signs "
                "traffic, name its certificates in SSL_CERT_FILE"
            )
            return Trouble(Next.SETTINGS, "certificate", message, doubt=False)
        if isinstance(cause, aiohttp.ClientProxyConnectionError) or (
            isinstance(cause, aiohttp.ClientConnectorDNSError) and cause.host != httpx.URL(base_url).raw_host.decode()
        ):
            return _proxy_away(chain, base_url)
        if isinstance(cause, socket.gaierror):
            if cause.errno in _NO_SUCH_HOST:
                return Trouble(Next.SETTINGS, "dns", f"there is no host {host}", doubt=False, advice=_ADDRESS)
            return Trouble(Next.AGAIN, "dns", f"the name server does not answer for {host}", doubt=False)
    if isinstance(error, httpx.ProxyError):
        if str(error).startswith("5"):
            return Trouble(Next.AGAIN, "proxy", f"the proxy cannot reach {host}", doubt=False)
        return Trouble(Next.SETTINGS, "proxy", "the proxy refuses; check HTTPS_PROXY and NO_PROXY", doubt=False)
    if isinstance(error, httpx.UnsupportedProtocol | httpx.InvalidURL | httpx.LocalProtocolError | ValueError):
        return Trouble(Next.SETTINGS, "address", f"{host} cannot be called", doubt=False, advice=_ADDRESS)
    if any(isinstance(cause, ssl.SSLError) for cause in chain):
        return Trouble(Next.AGAIN, "tls", f"no TLS connection to {host}", doubt=False, advice=_ADDRESS)
    if _never_connected(error, chain):
        return Trouble(Next.AGAIN, "connect", f"no connection to {host}", doubt=False)
    if isinstance(error, httpx.DecodingError | zlib.error):
        return Trouble(Next.WARNING, "answer", "the answer could not be unpacked", doubt=True, foreign=True)
    # httpx-aiohttp calls a connection that the server closed a timeout, too.
    broke = any(
        isinstance(cause, aiohttp.ClientError | OSError) and not isinstance(cause, TimeoutError) for cause in chain
    )
    if isinstance(error, TimeoutError | httpx.TimeoutException) and not broke:
        return Trouble(Next.AGAIN, "timeout", f"{host} did not answer in time", doubt=True)
    return Trouble(Next.AGAIN, "connection", f"the connection to {host} broke", doubt=True)


def _proxy_away(chain: Sequence[BaseException], base_url: str) -> Trouble:
    variable = f"{_scheme_and_host(base_url)[0].upper()}_PROXY"
    unknown = any(isinstance(cause, socket.gaierror) and cause.errno in _NO_SUCH_HOST for cause in chain)
    if unknown:
        return Trouble(Next.SETTINGS, "proxy", f"there is no host of the proxy's name; check {variable}", doubt=False)
    return Trouble(Next.AGAIN, "proxy", f"no connection to the proxy; check {variable} if it stays so", doubt=False)


def _never_connected(error: Exception, chain: Sequence[BaseException]) -> bool:
    """Whether there was no connection that the request could have gone through: only then is there surely no doubt.

    The transport says `ConnectTimeout` of a connection that broke after the request, too: aiohttp's own word counts.
    """
    words = [cause for cause in chain if isinstance(cause, aiohttp.ClientError)]
    if words:
        return any(isinstance(word, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError) for word in words)
    return isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)


#: The resolver's word that a name does not exist; every other word of it may pass.
_NO_SUCH_HOST = (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME))


def _chain(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    pending: list[BaseException | None] = [error]
    while pending:
        one = pending.pop()
        if one is None or one in found:
            continue
        found.append(one)
        pending += [one.__cause__, one.__context__]
        if isinstance(one, BaseExceptionGroup):
            pending += one.exceptions
    return found


def asked_to_wait(headers: Mapping[str, str], http_status: int) -> float | None:
    """Seconds that the server asks us to wait: Retry-After (seconds, or a date read against the answer's own Date), or
    the RateLimit headers once nothing is left. None when it does not say. Not yet clamped."""
    if value := headers.get("Retry-After", "").strip():
        try:
            seconds = float(value)
        except ValueError:
            return _until(value, headers.get("Date", ""))
        return None if math.isnan(seconds) else seconds
    for prefix in ("RateLimit", "X-RateLimit"):
        remaining = headers.get(f"{prefix}-Remaining", "").strip()
        reset = headers.get(f"{prefix}-Reset", "").strip()
        if reset and (http_status == 429 or remaining == "0"):
            try:
                seconds = float(reset)
            except ValueError:
                return None
            if math.isnan(seconds):
                return None
            # Some send the moment (Unix time) instead of the seconds until then.
            if seconds > 1_000_000_000:
                now = _stamp(headers.get("Date", ""))
                return None if now is None else max(seconds - now, 0.0)
            return seconds
    return None


def _until(date: str, now: str) -> float | None:
    then, present = _stamp(date), _stamp(now)
    return None if then is None or present is None else max(then - present, 0.0)


def _stamp(date: str) -> float | None:
    try:
        return email.utils.parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
