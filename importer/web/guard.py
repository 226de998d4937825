"""The guard before every page: who asks, from where, by which name; and what a browser may do with the answer."""

from __future__ import annotations

import hmac
import secrets
import sys
import traceback
from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from importer.web.options import WebOptions, is_loopback
from importer.web.receiving import Refused
from importer.web.storage import Storage
from importer.web.users import LOCAL, Role, User, Users

#: What needs no sign-in: the door itself and what it is painted with.
PUBLIC = ("/sign-in", "/static/")
_SAFE = ("GET", "HEAD")
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    # Not no-referrer: browsers would then send `Origin: null` with our own forms.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "x-frame-options": "DENY",
    "cache-control": "no-store",
}


class Visitor(msgspec.Struct, frozen=True):
    """Who asks. `user` None: nobody who has signed in. `token`: what the browser's cookie holds."""

    user: User | None
    token: str
    form_token: str
    address: str


class Guard:
    """Answers what must not reach the pages by itself; the others find a `Visitor` in their scope."""

    def __init__(
        self,
        app: ASGIApp,
        options: WebOptions,
        storage: Storage,
        users: Users | None,
        refuse: Callable[[Scope, int, str], ASGIApp],
    ) -> None:
        self._app = app
        self._options = options
        self._storage = storage
        self._users = users
        self._secret = storage.secret()
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        token = self._cookie(headers)
        fresh = not token
        token = token or secrets.token_urlsafe(32)
        address = (scope.get("client") or ("", 0))[0]
        scope["visitor"] = Visitor(None, token, self._form_token(token), address)
        guarded = _Headers(send, self._set_cookie(token) if fresh else "", self._secure)
        try:
            self._check_name(scope, headers)
            if scope["method"] not in _SAFE:
                self._check_origin(headers)
            user = self._who(headers, token if not fresh else "", address)
            scope["visitor"] = Visitor(user, token, self._form_token(token), address)
            if user is None and not scope["path"].startswith(PUBLIC):
                raise Refused(401, "refused.sign_in")
        except Refused as refusal:
            await self._refuse(scope, refusal.status, refusal.text)(scope, receive, guarded)
            return
        try:
            await self._app(scope, receive, guarded)
        except Exception as error:
            # As on the command line: the place is told, the values are not.
            where = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{Path(where.filename).name}, line {where.lineno}"
            sys.stderr.write(f"importer serve: an error of ours: {type(error).__name__} in {place}.\n")
            if not guarded.begun:
                await self._refuse(scope, 500, "refused.500")(scope, receive, guarded)

    # ------------------------------------------------------------------------------------------------ checks

    def _check_name(self, scope: Scope, headers: Headers) -> None:
        """A name that is not ours is a page of somebody else that points at us."""
        names = headers.getlist("host")
        if len(names) != 1 or not self._is_ours(host_of(names[0]), scope):
            raise Refused(400, "refused.host")

    def _is_ours(self, host: str, scope: Scope) -> bool:
        options = self._options
        if host in {name.lower() for name in options.names}:
            return True
        if is_loopback(host):
            return True
        return not is_loopback(options.host) and host in (options.host.lower(), (scope.get("server") or ("", 0))[0])

    def _check_origin(self, headers: Headers) -> None:
        """A browser tells where a form was filled in; programs that are no browsers tell nothing."""
        site = headers.get("sec-fetch-site", "same-origin")
        origin = headers.get("origin")
        if site not in ("same-origin", "none"):
            raise Refused(403, "refused.elsewhere")
        if origin is not None and urlsplit(origin).netloc.lower() != headers.get("host", "").lower():
            raise Refused(403, "refused.elsewhere")

    def _who(self, headers: Headers, token: str, address: str) -> User | None:
        options = self._options
        if options.proxy_header:
            if address not in options.proxy_addresses:
                raise Refused(403, "refused.proxy")
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

    # ------------------------------------------------------------------------------------------------ cookies

    @property
    def _secure(self) -> bool:
        return self._options.https or bool(self._options.tls_certificate)

    @property
    def _cookie_name(self) -> str:
        return "__Host-importer" if self._secure else "importer"

    def _cookie(self, headers: Headers) -> str:
        try:
            found = SimpleCookie(headers.get("cookie", "")).get(self._cookie_name)
        except CookieError:
            return ""
        return found.value if found is not None and 20 <= len(found.value) <= 100 else ""

    def _set_cookie(self, token: str) -> str:
        return f"{self._cookie_name}={token}; Path=/; HttpOnly; SameSite=Lax" + ("; Secure" if self._secure else "")

    def _form_token(self, token: str) -> str:
        return hmac.digest(self._secret, token.encode(), "sha256").hex()

    def new_cookie(self) -> tuple[str, str]:
        """A token that nobody has seen, and the header that gives it to the browser: at sign-in and sign-out."""
        token = secrets.token_urlsafe(32)
        return token, self._set_cookie(token)


class _Headers:
    """Sends the answer with our headers; a page that sets one of them itself knows why."""

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
    """The name in a Host header, without its port; "" for what is no name."""
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
    """A form that this page did not give to this browser is not taken. Raises `Refused`."""
    if not hmac.compare_digest(fields.get("token", "").encode(), visitor.form_token.encode()):
        raise Refused(403, "refused.token")
