"""Who may call the sandbox and how often: Basic as documented, OAuth tokens, an exact sliding window for each key."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.sandbox.access import Authenticator, RateWindow, basic_header
from importer.sandbox.options import SandboxOptions
from tests.support.sandbox import POST, TILL, Client, basic, body, customer, sandboxed


def test_the_worked_example_of_basic_credentials() -> None:
    """Till `till1` with the password `123`, as worked out in the notes on the API."""
    assert basic_header("till1", "123") == "Basic dGlsbDE6MjAyY2I5NjJhYzU5MDc1Yjk2NGIwNzE1MmQyMzRiNzA="


@pytest.mark.parametrize(
    "headers",
    [
        {},
        basic("sandbox-till", "wrong"),
        basic("another", "sandbox"),
        {"Authorization": "Basic c2FuZGJveC10aWxsOnNhbmRib3g="},
        {"Authorization": "Bearer x"},
        {"X-CAP-API-OAUTH-TOKEN": "never given"},
        {**TILL, "X-CAP-API-OAUTH-TOKEN": "never given"},
    ],
)
def test_wrong_credentials(headers: dict[str, str]) -> None:
    """401 in v1.1's own shape on every call, nothing stored. A password that is not hashed is wrong, too."""

    async def test(client: Client) -> None:
        client.http.headers.pop("Authorization")
        for answer in (
            await client.http.post(POST, json=body(customer(external_id="A")), headers=headers),
            await client.http.get("/v1.1/customer/preferences?format=json&mobile=1", headers=headers),
            await client.http.get("/v1.1/organization/customfields?format=json", headers=headers),
        ):
            assert answer.status_code == 401
            assert answer.json()["response"]["status"]["code"] == 401
            assert answer.json()["response"]["status"]["success"] == "false"
            assert answer.headers["x-cap-request-id"]
        assert client.state.accepted == []

    sandboxed(test)


def test_tokens() -> None:
    """A token is given for key and secret, lets calls pass, and ends; the next one is another."""

    async def test(client: Client) -> None:
        http = client.http
        http.headers.pop("Authorization")

        async def token(secret: str) -> httpx.Response:
            return await http.post("/v3/oauth/token/generate", json={"key": "k", "secret": secret})

        given = (await token("s")).json()
        assert given["errors"] is None
        assert given["data"]["ttlSeconds"] == 300
        headers = {
            "X-CAP-API-OAUTH-TOKEN": given["data"]["accessToken"],
            "X-CAP-API-ATTRIBUTION-ENTITY-TYPE": "TILL",
            "X-CAP-API-ATTRIBUTION-ENTITY-CODE": "till1",
        }
        assert (await client.post(customer(external_id="A"), headers=headers)).status_code == 200
        client.state.expire_tokens()
        assert (await client.post(customer(external_id="A"), headers=headers)).status_code == 401
        assert (await token("s")).json()["data"]["accessToken"] != given["data"]["accessToken"]
        refused = await token("wrong")
        assert refused.status_code == 401
        assert refused.json()["data"] is None
        assert refused.json()["errors"][0]["code"] == 401
        assert (await http.post("/v3/oauth/token/generate", content=b"{")).status_code == 400
        assert client.state.calls["token"] == 4

    sandboxed(test, client_key="k", client_secret="s")


def test_a_token_ends_to_the_second() -> None:
    """Good until its time to live is over, by the clock that only goes forward."""
    now = [100.0]
    access = Authenticator(SandboxOptions(token_ttl=1.5), clock=lambda: now[0])
    given = access.new_token("sandbox-key", "sandbox-secret")
    assert given is not None
    assert given[1] == 1.5
    headers: Any = {"x-cap-api-oauth-token": given[0]}
    now[0] = 101.4
    assert access.key_of(headers) == "sandbox-key"
    now[0] = 101.5
    assert access.key_of(headers) is None


@given(st.lists(st.floats(0, 0.4), max_size=80), st.integers(1, 7))
def test_the_window_is_exact(gaps: list[float], count: int) -> None:
    """No window of the length holds more than the limit, and nothing is refused that would have fitted."""
    now = 0.0
    window = RateWindow(f"{count}/second", clock=lambda: now)
    passed: list[float] = []
    for gap in gaps:
        now += gap
        inside = [at for at in passed if at > now - 1]
        wait = window.admit()
        assert (wait == 0) == (len(inside) < count)
        if wait:
            assert wait == pytest.approx(inside[0] + 1 - now)
        else:
            passed.append(now)


def test_too_many_requests() -> None:
    """Beyond the limit of its key HTTP 429; another key has its own."""

    async def test(client: Client) -> None:
        answers = [await client.post(customer(external_id="A")) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert answers[2].json()["response"]["status"]["code"] == 429
        assert "retry-after" not in answers[2].headers
        assert client.state.throttled == 1
        token = (
            await client.http.post("/v3/oauth/token/generate", json={"key": "sandbox-key", "secret": "sandbox-secret"})
        ).json()["data"]["accessToken"]
        client.http.headers.pop("Authorization")
        assert (await client.post(customer(external_id="A"), headers={"X-CAP-API-OAUTH-TOKEN": token})).is_success

    sandboxed(test, rate_limit="2/minute")


@pytest.mark.parametrize(("setting", "expected"), [("auto", "60"), ("3", "3"), ("-1", "-1"), ("soon", "soon")])
def test_the_wait_in_retry_after(setting: str, expected: str) -> None:
    """The seconds until a request is allowed again, or a value that a test chooses."""

    async def test(client: Client) -> None:
        first, second = [await client.post(customer(external_id="A")) for _ in range(2)]
        assert second.headers["retry-after"] == expected
        assert first.headers["ratelimit-limit"] == "1"
        assert first.headers["ratelimit-remaining"] == "0"
        assert first.headers["ratelimit-reset"] == "60"

    sandboxed(test, rate_limit="1/minute", retry_after=setting, rate_headers=True)


def test_a_wait_as_a_date() -> None:
    """A scripted fault may say when, as an HTTP date."""

    async def test(client: Client) -> None:
        answer = await client.post(customer(external_id="A"))
        assert answer.status_code == 429
        assert parsedate_to_datetime(answer.headers["retry-after"]).tzinfo is not None

    sandboxed(test, faults=("1:429:retry-after=date+5",))


def test_gzip_only_where_it_is_switched_on() -> None:
    """A packed body is refused with 415 unless the setting allows it."""
    import gzip

    import msgspec

    packed = gzip.compress(msgspec.json.encode(body(customer(external_id="A"))))
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    for allowed, code in ((False, 415), (True, 200)):

        async def test(client: Client, code: int = code) -> None:
            answer = await client.http.post(POST, content=packed, headers=headers)
            assert answer.json()["response"]["status"]["code"] == code
            broken = await client.http.post(POST, content=packed[:20], headers=headers)
            assert broken.json()["response"]["status"]["code"] in {415, 400}

        sandboxed(test, accept_gzip=allowed)
