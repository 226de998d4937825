"""Signing in and out."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from importer.web.addresses import place_of
from importer.web.guard import Cookies, check_form, visitor_of
from importer.web.pages.site import Site, get, post
from importer.web.receiving import SMALL_FORM, form
from importer.web.users import Tries, Users


class SignInPages:
    def __init__(self, site: Site, users: Users | None, cookies: Cookies) -> None:
        self._site = site
        self._users = users
        self._cookies = cookies
        self._tries_of_name = Tries(5, 300)  # from one address: others cannot lock a user out
        self._tries_of_address = Tries(30, 300)
        self._hashing = asyncio.Semaphore(2)

    def routes(self) -> list[Route]:
        return [
            get("/sign-in", self.show),
            post("/sign-in", self.sign_in),
            post("/sign-out", self.sign_out),
        ]

    async def show(self, request: Request) -> Response:
        return self._site.show(request, "sign_in", **_next(request.query_params.get("next", "/")))

    async def sign_in(self, request: Request) -> Response:
        visitor = visitor_of(request.scope)
        fields = await form(request, SMALL_FORM)
        check_form(visitor, fields)
        name, onward = fields.get("name", "").strip()[:64], _local(fields.get("next", "/"))
        if self._users is None or self._site.options.proxy_header:
            return RedirectResponse(onward, 303)
        place = place_of(visitor.address)
        keys = (f"{place} {name.lower()}", place)
        if not (self._tries_of_name.allowed(keys[0]) and self._tries_of_address.allowed(keys[1])):
            return self._refused(request, 429, "sign_in.often", name, onward)
        # Counted before the password is checked, so concurrent tries count too.
        self._tries_of_name.count(keys[0])
        self._tries_of_address.count(keys[1])
        async with self._hashing:
            user = await asyncio.to_thread(self._users.check, name, fields.get("password", "")[:500])
        if user is None:
            # An unknown name may be a password in the wrong field: it is not stored.
            known = name if self._users.find(name) else ""
            self._site.storage.audit(known, visitor.address, "sign_in_refused")
            return self._refused(request, 401, "sign_in.wrong", name, onward)
        self._tries_of_name.forget(keys[0])
        self._tries_of_address.take_back(keys[1])
        token, cookie = self._cookies.new()
        self._site.storage.begin_session(token, self._users.signed(user.name))
        self._site.storage.audit(user.name, visitor.address, "signed_in")
        return RedirectResponse(onward, 303, {"set-cookie": cookie})

    def _refused(self, request: Request, status: int, text: str, name: str, onward: str) -> Response:
        return self._site.show(request, "sign_in", status, fault=self._site.t(text), tried=name, **_next(onward))

    async def sign_out(self, request: Request) -> Response:
        visitor = visitor_of(request.scope)
        check_form(visitor, await form(request, SMALL_FORM))
        self._site.storage.end_session(visitor.token)
        self._site.audit(request, "signed_out")
        return RedirectResponse("/sign-in", 303, {"set-cookie": self._cookies.new()[1]})


def _next(onward: str) -> dict[str, Any]:
    return {"next": _local(onward)}


def _local(path: str) -> str:
    """A path of this server, and nothing that a browser takes for another host."""
    is_local = path.startswith("/") and not path.startswith("//") and "\\" not in path and path.isprintable()
    return path if is_local and len(path) < 500 else "/"
