"""The guard before every page: host name, origin, cookie and user; and what a browser may do with the answer."""

from __future__ import annotations

import hmac
import secrets
import sys
import time
import traceback
from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from importer.web.addresses import client_of, plain
from importer.web.options import WebOptions, is_loopback
from importer.web.refusals import RequestRefused
from importer.web.storage import Storage
from importer.web.users import LOCAL, Role, User, Users, UsersUnreadable

SIGN_IN, _STATIC = "/sign-in", "/static/"
#: What needs no sign-in: the form to sign in, and its styles.
PUBLIC = (SIGN_IN, _STATIC)
#: Seconds after which the log repeats why the users file cannot be read.
_REPEATED = 60.0
_SAFE = ("GET", "HEAD")
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    # Not no-referrer: browsers would then send `Origin: null` with forms of this page.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "x-frame-options": "DENY",
    "cache-control": "no-store",
}


class Visitor(msgspec.Struct, frozen=True):
    """A browser. `user` None: not signed in. `token`: the content of its cookie."""

    user: User | None
    token: str
    form_token: str
    address: str


class Cookies:
    """The cookie of a browser, and the form token that belongs to it."""

    def __init__(self, secret: bytes, *, secure: bool) -> None:
        self._secret = secret
        self.secure = secure
        self._name = "__Host-importer" if secure else "importer"

    def token_in(self, headers: Headers) -> str:
        """The token that the browser sent, "" where it sent none."""
        try:
            found = SimpleCookie(headers.get("cookie", "")).get(self._name)
        except CookieError:
            return ""
        return found.value if found is not None and 20 <= len(found.value) <= 100 else ""

    def header(self, token: str) -> str:
        return f"{self._name}={token}; Path=/; HttpOnly; SameSite=Lax" + ("; Secure" if self.secure else "")

    def form_token(self, token: str) -> str:
        return hmac.digest(self._secret, token.encode(), "sha256").hex()

    def new(self) -> tuple[str, str]:
        """A new token and the header that sets it: at sign-in and sign-out."""
        token = secrets.token_urlsafe(32)
        return token, self.header(token)


class Guard:
    """Refuses what must not reach the pages. Other requests find a `Visitor` in their scope."""

    def __init__(
        self,
        app: ASGIApp,
        options: WebOptions,
        storage: Storage,
        users: Users | None,
        cookies: Cookies,
        refuse: Callable[[Scope, int, str], ASGIApp],
    ) -> None:
        self._app = app
        self._options = options
        self._storage = storage
        self._users = users
        self._cookies = cookies
        self._refuse = refuse
        self._logged = ("", 0.0)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        token = self._cookies.token_in(headers)
        fresh = not token
        token = token or self._cookies.new()[0]
        form_token = self._cookies.form_token(token)
        peer = plain((scope.get("client") or ("", 0))[0])
        address = peer
        if self._options.trusts_forwarded:
            address = client_of(peer, headers.getlist("x-forwarded-for"), self._options.proxy_addresses)
        visitor = scope["visitor"] = Visitor(None, token, form_token, address)
        guarded = _Headers(send, self._cookies.header(token) if fresh else "", self._cookies.secure)
        try:
            self._check_name(scope, headers)
            if scope["method"] not in _SAFE:
                self._check_origin(headers)
            known = not fresh and not scope["path"].startswith(_STATIC)
            user = self._who(headers, token if known else "", peer)
            scope["visitor"] = msgspec.structs.replace(visitor, user=user)
            if user is None and not scope["path"].startswith(PUBLIC):
                raise RequestRefused(401, "refused.sign_in")
            await self._app(scope, receive, guarded)
        except ClientDisconnect:
            pass  # the browser is gone: no answer would arrive
        except Exception as error:
            refusal = self._refusal_for(error)
            if not guarded.begun:
                await self._refuse(scope, refusal.status, refusal.text)(scope, receive, guarded)

    def _refusal_for(self, error: Exception) -> RequestRefused:
        """The answer to an exception, with a line in the log where the administrator must act."""
        if isinstance(error, RequestRefused):
            return error
        if isinstance(error, UsersUnreadable):
            now = time.monotonic()
            if error.message != self._logged[0] or now > self._logged[1] + _REPEATED:
                self._logged = (error.message, now)
                sys.stderr.write(f"importer serve: {error.message} {error.advice}\n")
            return RequestRefused(503, "refused.users")
        # As on the command line: report the location, never the values.
        where = traceback.extract_tb(error.__traceback__)[-1]
        location = f"{Path(where.filename).name}, line {where.lineno}"
        sys.stderr.write(f"importer serve: internal error: {type(error).__name__} in {location}.\n")
        return RequestRefused(500, "refused.500")

    # ------------------------------------------------------------------------------------------------ checks

    def _check_name(self, scope: Scope, headers: Headers) -> None:
        """A foreign host name means a page of another site that points at this server (DNS rebinding)."""
        names = headers.getlist("host")
        if len(names) != 1 or not self._is_ours(host_of(names[0]), scope):
            raise RequestRefused(400, "refused.host")

    def _is_ours(self, host: str, scope: Scope) -> bool:
        options = self._options
        if host in {name.lower() for name in options.names}:
            return True
        if is_loopback(host):
            return True
        return not is_loopback(options.host) and host in (options.host.lower(), (scope.get("server") or ("", 0))[0])

    def _check_origin(self, headers: Headers) -> None:
        """A browser sends where a form was filled in; other programs send nothing."""
        site = headers.get("sec-fetch-site", "same-origin")
        origin = headers.get("origin")
        if site not in ("same-origin", "none"):
            raise RequestRefused(403, "refused.elsewhere")
        if origin is not None and urlsplit(origin).netloc.lower() != headers.get("host", "").lower():
            raise RequestRefused(403, "refused.elsewhere")

    def _who(self, headers: Headers, token: str, peer: str) -> User | None:
        options = self._options
        if options.proxy_header:
            if peer not in map(plain, options.proxy_addresses):
                raise RequestRefused(403, "refused.proxy")
            names = headers.getlist(options.proxy_header)
            if len(names) != 1 or not names[0].strip():
                return None
            name = names[0].strip()[:64]
            return (self._users.find(name) if self._users else None) or User(name, Role.UPLOADER)
        if self._users is not None:
            signed = self._storage.session_user(token) if token else ""
            name = signed.partition(":")[0]
            return self._users.find(name) if signed and signed == self._users.signed(name) else None
        return LOCAL


class _Headers:
    """Sends the answer with the security headers. A page may set one of them itself."""

    def __init__(self, send: Send, cookie: str, secure: bool) -> None:
        self._send, self._cookie, self._secure = send, cookie, secure
        self.begun = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun = True
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            if self._secure:
                headers.setdefault("strict-transport-security", "max-age=31536000")
            if self._cookie and "set-cookie" not in headers:
                headers.append("set-cookie", self._cookie)
        await self._send(message)


def host_of(header: str) -> str:
    """The name in a Host header, without its port; "" where it is not valid."""
    try:
        parts = urlsplit(f"//{header}")
        _ = parts.port
    except ValueError:
        return ""
    if "@" in header or parts.path or parts.query or parts.fragment:
        return ""
    return (parts.hostname or "").lower()


def visitor_of(scope: Scope) -> Visitor:
    found: Visitor = scope["visitor"]
    return found


def check_form(visitor: Visitor, fields: dict[str, str]) -> None:
    """Raises `RequestRefused` for a form that this page did not give to this browser."""
    if not hmac.compare_digest(fields.get("token", "").encode(), visitor.form_token.encode()):
        raise RequestRefused(403, "refused.token")
