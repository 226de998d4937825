"""Exceptions of the network as a `Trouble`: what happened, whether the server may have got the request, what to do."""

from __future__ import annotations

import socket
import ssl
import zlib
from collections.abc import Sequence
from urllib.parse import urlsplit

import aiohttp
import httpx

from importer.capillary.codes import Next
from importer.capillary.paths import scheme_and_host
from importer.capillary.triage import CHECK_ADDRESS, Trouble

#: The last four are raised below httpx and not always wrapped in its exceptions.
_NETWORK = (
    *(httpx.HTTPError, httpx.InvalidURL, httpx.StreamError),
    *(aiohttp.ClientError, zlib.error, OSError, ValueError),
)
#: The resolver reports that the name does not exist; its other errors may be temporary.
_NO_SUCH_HOST = (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME))


def explain(error: Exception, base_url: str) -> Trouble | None:
    """What an exception of the network means for the request, in an administrator's words. None for any other."""
    if not isinstance(error, _NETWORK):
        return None
    host = urlsplit(base_url).hostname or base_url
    chain = _chain(error)
    for cause in chain:
        if isinstance(cause, ssl.SSLCertVerificationError) and not isinstance(cause, aiohttp.ClientError):
            message = f"the certificate of {host} is not trusted ({cause.verify_message})"
            advice = "If a proxy signs your traffic, name the file of its certificates in SSL_CERT_FILE."
            return Trouble(Next.SETTINGS, "certificate", message, doubt=False, advice=advice)
        if isinstance(cause, aiohttp.ClientProxyConnectionError) or (
            isinstance(cause, aiohttp.ClientConnectorDNSError) and cause.host != httpx.URL(base_url).raw_host.decode()
        ):
            return _proxy_unreachable(chain, base_url)
        if isinstance(cause, socket.gaierror):
            if cause.errno in _NO_SUCH_HOST:
                message = f"the host {host} does not exist"
                return Trouble(Next.SETTINGS, "dns", message, doubt=False, advice=CHECK_ADDRESS)
            return Trouble(Next.AGAIN, "dns", f"the name server does not answer for {host}", doubt=False)
    if isinstance(error, httpx.ProxyError):
        if any(isinstance(cause, aiohttp.ClientHttpProxyError) and cause.status >= 500 for cause in chain):
            return Trouble(Next.AGAIN, "proxy", f"the proxy cannot reach {host}", doubt=False)
        advice = "Check HTTPS_PROXY and NO_PROXY."
        return Trouble(Next.SETTINGS, "proxy", "the proxy refuses the connection", doubt=False, advice=advice)
    if isinstance(error, httpx.UnsupportedProtocol | httpx.InvalidURL | httpx.LocalProtocolError | ValueError):
        message = f"{host} is not an address that can be called"
        return Trouble(Next.SETTINGS, "address", message, doubt=False, advice=CHECK_ADDRESS)
    if any(isinstance(cause, ssl.SSLError) for cause in chain):
        message = f"cannot make a TLS connection to {host}"
        return Trouble(Next.AGAIN, "tls", message, doubt=False, advice=CHECK_ADDRESS)
    if _never_connected(error, chain):
        return Trouble(Next.AGAIN, "connect", f"cannot connect to {host}", doubt=False)
    if isinstance(error, httpx.DecodingError | zlib.error):
        return Trouble(Next.WARNING, "answer", "the answer could not be decompressed", doubt=True, foreign=True)
    # httpx-aiohttp also reports a connection that the server closed as a timeout.
    broke = any(
        isinstance(cause, aiohttp.ClientError | OSError) and not isinstance(cause, TimeoutError) for cause in chain
    )
    if isinstance(error, TimeoutError | httpx.TimeoutException) and not broke:
        return Trouble(Next.AGAIN, "timeout", f"{host} did not answer in time", doubt=True)
    return Trouble(Next.AGAIN, "connection", f"the connection to {host} broke", doubt=True)


def _proxy_unreachable(chain: Sequence[BaseException], base_url: str) -> Trouble:
    advice = f"Check {scheme_and_host(base_url)[0].upper()}_PROXY."
    if any(isinstance(cause, socket.gaierror) and cause.errno in _NO_SUCH_HOST for cause in chain):
        return Trouble(Next.SETTINGS, "proxy", "the proxy's host does not exist", doubt=False, advice=advice)
    return Trouble(Next.AGAIN, "proxy", "cannot connect to the proxy", doubt=False, advice=advice)


def _never_connected(error: Exception, chain: Sequence[BaseException]) -> bool:
    """Whether there was no connection that the request could have gone through: only then is it surely not applied.

    The transport raises `ConnectTimeout` also for a connection that broke after the request, so aiohttp's own
    exception counts where there is one.
    """
    causes = [cause for cause in chain if isinstance(cause, aiohttp.ClientError)]
    if causes:
        return any(isinstance(c, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError) for c in causes)
    return isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)


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
