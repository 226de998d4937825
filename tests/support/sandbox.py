"""Helpers for the tests of the sandbox: a client in the same process, and customers to send."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from importer.sandbox import SandboxOptions, SandboxState, create_app
from tests.support.sending import virtually

POST = "/v1.1/customer/preferences?format=json"


def basic(username: str, password: str) -> dict[str, str]:
    digest = hashlib.md5(password.encode()).hexdigest()
    return {"Authorization": "Basic " + base64.b64encode(f"{username}:{digest}".encode()).decode()}


TILL = basic("sandbox-till", "sandbox")


def customer(fields: dict[str, str] | None = None, **identifiers: Any) -> dict[str, Any]:
    """A customer as it is sent; `fields` {} leaves custom_fields out."""
    sent: dict[str, Any] = dict(identifiers)
    fields = {"Favorite Color": "Blue"} if fields is None else fields
    if fields:
        sent["custom_fields"] = {"field": [{"name": name, "value": value} for name, value in fields.items()]}
    return sent


def body(*customers: dict[str, Any]) -> dict[str, Any]:
    return {"root": {"customer": list(customers)}}


class Client:
    """What a test talks to: the app in-process, Basic credentials in place, its state beside it."""

    def __init__(self, http: httpx.AsyncClient, state: SandboxState) -> None:
        self.http = http
        self.state = state

    async def post(self, *customers: dict[str, Any], **more: Any) -> httpx.Response:
        return await self.http.post(POST, json=body(*customers), **more)

    async def items(self, *customers: dict[str, Any]) -> list[dict[str, Any]]:
        return items_of((await self.post(*customers)).json())

    async def code(self, sent: dict[str, Any]) -> int | None:
        """The item code of one customer, None when it succeeded."""
        (item,) = await self.items(sent)
        status = item["item_status"]
        return None if status["success"] == "true" else status["code"]

    async def get(self, **parameters: str) -> dict[str, Any]:
        answer = await self.http.get("/v1.1/customer/preferences", params={**parameters, "format": "json"})
        return answer.json()["response"]["customers"]["customer"]


def items_of(document: dict[str, Any]) -> list[dict[str, Any]]:
    response = document["response"]
    found = response["customer"] if "customer" in response else response["customers"]["customer"]
    return found if isinstance(found, list) else [found]


def sandboxed(test: Callable[[Client], Awaitable[None]], **options: Any) -> SandboxState:
    """Runs a test against a sandbox in this process, in virtual time; its state, for what is left to look at."""

    async def run() -> SandboxState:
        app = create_app(SandboxOptions(**options), asyncio.get_running_loop().time)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://sandbox.test", headers=TILL) as http:
            await test(Client(http, app.state.sandbox))
        return app.state.sandbox

    return virtually(run())
