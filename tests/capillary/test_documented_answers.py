"""The documented answers, played back through the client: what the API's pages show is what we make of it.

Recording is off; a request that differs in method, path, query or body finds no tape and fails.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest
import vcr
from vcr.errors import CannotOverwriteExistingCassetteException as NoTape

from importer.capillary.client import Client, ClientOptions
from importer.capillary.codes import Next
from importer.capillary.credentials import Basic, OAuth
from importer.capillary.triage import RequestFailed
from importer.capillary.wire import encode_body, encode_customer
from importer.model import Customer, Reply, Store
from importer.reconciler.reconcile import Ruling, Verdict, reconcile
from importer.sandbox import EmbeddedSandbox
from tests.capillary.make_cassettes import EXCHANGES, HOST, OTHERS, SCRUBBED, TAPES, UPDATED, tapes

_Result = TypeVar("_Result")

COLOR = (("Favorite Color", "Blue"),)
ASHA = Customer(2, mobile="7744876415", email="asha@example.com", store=Store(code="doc123", id="75152715"))
ASHA_BRAND = Customer(
    2,
    mobile="7744876415",
    email="asha@example.com",
    store=Store(code="doc123", id="75152715"),
    custom_fields=(("Favorite Brand", '["puma", "nike"]'),),
)
RAVI = Customer(3, email="ravi@example.com", custom_fields=COLOR)
MEERA = Customer(4, external_id="A-17", custom_fields=COLOR)
DEV = Customer(5, user_id="75152", custom_fields=COLOR)


def scrub_body(request: Any) -> Any:
    """Credentials are never recorded: neither headers nor the body that asks for a token. No body is an empty
    one."""
    request.body = request.body or b""
    if request.path.endswith("/token/generate"):
        request.body = f'{{"key": "{SCRUBBED}", "secret": "{SCRUBBED}"}}'
    return request


def player(record_mode: str = "none", folder: Path = TAPES, **more: Any) -> vcr.VCR:
    return vcr.VCR(
        cassette_library_dir=str(folder),
        record_mode=record_mode,
        match_on=["method", "path", "query", "body"],
        filter_headers=["authorization", "x-cap-api-oauth-token", "cookie", "user-agent"],
        before_record_request=scrub_body,
        path_transformer=vcr.VCR.ensure_suffix(".yaml"),
        **more,
    )


def play(name: str, work: Callable[[Client], Coroutine[Any, Any, _Result]], credentials: Any = None) -> _Result:
    async def through() -> _Result:
        async with Client(ClientOptions(HOST), credentials or Basic("till1", "123"), time.monotonic) as client:
            return await work(client)

    with player().use_cassette(name) as tape:
        found = asyncio.run(through())
        assert tape.all_played
        return found


def send(name: str, *customers: Customer) -> Reply:
    body = encode_body([encode_customer(customer) for customer in customers])
    return play(name, lambda client: client.set_preferences(body))


def rulings(name: str, *customers: Customer) -> list[Ruling]:
    reply = send(name, *customers)
    assert reply.items is not None
    assert reply.request_id == "documented-1"
    return reconcile(customers, reply.items)


SUCCEEDED = Ruling(Verdict.SUCCEEDED, "200", UPDATED)

ANSWERED: dict[str, tuple[tuple[Customer, ...], list[Ruling]]] = {
    "failing_example": ((ASHA,), [Ruling(Verdict.ALONE, "999999")]),
    "failing_example_under_http_500": ((ASHA,), [Ruling(Verdict.ALONE, "999999")]),
    "one_as_an_object": ((ASHA_BRAND,), [SUCCEEDED]),
    "success_1000_as_text": ((RAVI, MEERA), [Ruling(Verdict.SUCCEEDED, "1000", UPDATED)] * 2),
    "some_failed": ((RAVI, MEERA, DEV), [SUCCEEDED, Ruling(Verdict.FAILED, "816", "Customer not found"), SUCCEEDED]),
    "warning_beside_success": ((RAVI,), [Ruling(Verdict.SUCCEEDED, "200", UPDATED, ("1017",))]),
    "no_warning_as_a_list": ((RAVI,), [SUCCEEDED]),
    "empty_item": ((RAVI, MEERA), [SUCCEEDED, Ruling(Verdict.UNATTRIBUTED)]),
}
REFUSED: dict[str, tuple[tuple[Customer, ...], Next, str]] = {
    "refused_whole": ((RAVI, MEERA), Next.HALVE, "400"),
    "refused_whole_under_http_400": ((RAVI, MEERA), Next.HALVE, "400"),
    "all_failed_without_items": ((RAVI,), Next.ALONE, "500"),
    "batch_limit": ((RAVI, MEERA), Next.HALVE, "1060"),
    "wrong_credentials": ((RAVI,), Next.REFUSED, "401"),
    "access_denied": ((RAVI,), Next.REFUSED, "403"),
    "search_engine_busy": ((RAVI,), Next.AGAIN, "461"),
    "authorisation_unavailable": ((RAVI,), Next.AGAIN, "4001"),
}


def test_every_tape_is_played_and_says_what_the_documentation_says() -> None:
    """No tape lies unused; what is kept is what the script writes."""
    assert {**ANSWERED, **REFUSED}.keys() == EXCHANGES.keys()
    kept = {path.stem: path.read_text(encoding="utf-8") for path in TAPES.glob("*.yaml")}
    assert kept == tapes()


@pytest.mark.parametrize("name", list(ANSWERED))
def test_an_answer_with_items_decides_each_customer(name: str) -> None:
    """Whatever the shape, each customer gets its own item's word, and the request's code decides nothing."""
    customers, expected = ANSWERED[name]
    assert rulings(name, *customers) == expected


@pytest.mark.parametrize("name", list(REFUSED))
def test_an_answer_without_items_says_what_happens_next(name: str) -> None:
    """A request refused whole decides no row; the code says whether to halve, to try again or to stop."""
    customers, happens, code = REFUSED[name]
    with pytest.raises(RequestFailed) as failed:
        send(name, *customers)
    assert failed.value.trouble.next is happens
    assert failed.value.trouble.code == code
    assert failed.value.request_id == "documented-1"


@pytest.mark.parametrize("name", ["fields_as_a_list", "fields_as_an_object"])
def test_the_organisations_fields_are_read(name: str) -> None:
    """One field is an object, several are a list; flags are words."""
    found = play(name, lambda client: client.fields())
    assert found[0].name == "Favorite Color"
    assert (found[0].datatype, found[0].options, found[0].is_mandatory) == ("string", ("Blue", "Red"), False)
    assert [field.is_disabled for field in found] == [False, True][: len(found)]


def test_preferences_are_read_back() -> None:
    """By the identifier that was sent; an object where there is one customer."""
    found = play("reading_back", lambda client: client.preferences("mobile", "917744876415"))
    assert found == {"Favorite Color": "Blue"}


def test_a_token_is_asked_for_first() -> None:
    """OAuth: key and secret for a token, then the call."""
    body = encode_body([encode_customer(RAVI)])
    reply = play("with_a_token", lambda client: client.set_preferences(body), OAuth("key", "secret"))
    assert reply.items is not None
    assert reply.items[0].success is True
    assert set(OTHERS) == {"fields_as_a_list", "fields_as_an_object", "reading_back", "with_a_token"}


def test_a_request_with_another_body_matches_no_recording() -> None:
    """The body is compared as well: a client that sends something else is found out."""
    with pytest.raises((NoTape, RequestFailed)):
        send("refused_whole", RAVI)


def test_what_is_recorded_is_scrubbed(tmp_path: Path) -> None:
    """Recording is a deliberate act; even then no password, key, secret or token comes onto the tape."""
    body = encode_body([encode_customer(RAVI)])

    async def through(url: str, credentials: Basic | OAuth) -> None:
        async with Client(ClientOptions(url), credentials, time.monotonic) as client:
            await client.set_preferences(body)

    def scrub_token(response: Any) -> Any:
        if b"accessToken" in response["body"]["string"]:
            response["body"]["string"] = b'{"data": {"accessToken": "SCRUBBED", "ttlSeconds": 300}}'
        return response

    with EmbeddedSandbox() as sandbox:
        for name, credentials in (
            ("basic", Basic(sandbox.username, sandbox.password)),
            ("oauth", OAuth(sandbox.client_key, sandbox.client_secret)),
        ):
            recorder = player("once", tmp_path, before_record_response=scrub_token)
            with recorder.use_cassette(name):
                asyncio.run(through(sandbox.base_url, credentials))
    for name in ("basic", "oauth"):
        text = (tmp_path / f"{name}.yaml").read_text(encoding="utf-8").lower()
        assert "ravi@example.com" in text
        for secret in ("authorization", "basic ", "oauth-token", sandbox.client_secret, sandbox.client_key):
            assert secret.lower() not in text, secret
