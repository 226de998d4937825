"""The network below httpx: aiohttp with the system's certificates, the proxy for the host, and a trace of sending."""

from __future__ import annotations

import base64
import re
import ssl
from collections.abc import Callable, Mapping
from contextvars import ContextVar

import aiohttp
import httpx
import truststore
from httpx_aiohttp import AiohttpTransport

from importer.capillary.paths import scheme_and_host
from importer.capillary.proxies import proxy_for
from importer.errors import SettingsError

#: Bytes of one header of an answer, and the number of headers.
MAX_HEADER, MAX_HEADERS = 128 * 1024, 400

#: The callback of this task's request.
_WRITTEN: ContextVar[Callable[[], None]] = ContextVar("written")


def network(
    base_url: str, certificates: str, proxies: Mapping[str, str], limits: httpx.Limits
) -> httpx.AsyncBaseTransport:
    """The network to an address, through the proxy for its host. Raises `SettingsError`."""
    scheme, host = scheme_and_host(base_url)
    verify = tls_context(certificates) if scheme == "https" else False
    variable, address = proxy_for(scheme, host, proxies)
    return AiohttpNetwork(verify=verify, limits=limits, proxy=_proxy(variable, address) if address else None)


async def _call_written(*_: object) -> None:
    _WRITTEN.get()()


class AiohttpNetwork(AiohttpTransport):
    """httpx's transport over aiohttp. Calls the extension `written` of a request when it goes over the wire; accepts
    the long headers of gateways."""

    def get_client(self) -> aiohttp.ClientSession:
        trace = aiohttp.TraceConfig()
        trace.on_request_chunk_sent.append(_call_written)
        connector = aiohttp.TCPConnector(
            keepalive_timeout=self.limits.keepalive_expiry,
            ssl=self.ssl_context,
            limit=self.limits.max_connections or 0,
        )
        return aiohttp.ClientSession(
            connector=connector,
            trace_configs=[trace],
            # An answer that is refused for a long header makes every row of its batch unknown.
            max_line_size=MAX_HEADER,
            max_field_size=MAX_HEADER,
            max_headers=MAX_HEADERS,
            # httpx keeps the cookies.
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        _WRITTEN.set(request.extensions["written"])
        if self.proxy is not None and request.url.scheme == "http":
            # aiohttp sends the proxy's headers with CONNECT only; a request without a tunnel needs them itself.
            request.headers.update(self.proxy.headers)
        return await super().handle_async_request(request)


def _proxy(variable: str, address: str) -> httpx.Proxy:
    """Raises `SettingsError` without the address, which may hold a password."""
    try:
        proxy = httpx.Proxy(address if "://" in address else f"http://{address}")
        # httpx accepts hosts and ports that cannot be called.
        is_valid = (
            proxy.url.scheme in ("http", "https")
            and re.fullmatch(r"[\w.:-]+", proxy.url.host)
            and 0 < (proxy.url.port or 80) < 65536
        )
    except (httpx.InvalidURL, ValueError):
        is_valid = None
    if not is_valid:
        raise SettingsError(
            f"{variable} is not the address of an HTTP proxy.",
            "Write it as http://host:port (SOCKS is not supported), or add this host to NO_PROXY.",
            on_page="Ask the administrator of this page to check the proxy.",
        )
    if proxy.auth:
        # As a header in UTF-8: aiohttp would encode user and password in Latin-1.
        user_and_password = base64.b64encode(":".join(proxy.auth).encode()).decode("ascii")
        proxy.headers["Proxy-Authorization"] = f"Basic {user_and_password}"
        proxy.auth = None
    return proxy


def tls_context(certificates: str) -> ssl.SSLContext:
    """The certificates of that file, or the system's store if it is empty."""
    if certificates:
        try:
            return ssl.create_default_context(cafile=certificates)
        except (OSError, ssl.SSLError):
            raise SettingsError(
                f"SSL_CERT_FILE: {certificates} contains no certificates.",
                "Check the path.",
                on_page="Ask the administrator of this page to check the certificates.",
            ) from None
    return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
