"""The script of request-level faults: which requests it strikes, what they get, and whether the batch was applied."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from importer.sandbox import FAULTS, EmbeddedSandbox, OptionsError, SandboxOptions
from importer.sandbox.faults import parse_fault, parse_script
from tests.support.sandbox import POST, TILL, Client, body, customer, items_of, sandboxed

CUSTOMERS = [customer({"A": str(n)}, external_id=f"A{n}") for n in range(3)]


@pytest.mark.parametrize(
    ("line", "struck"),
    [("3:503", {3}), ("2-4:503", {2, 3, 4}), ("8-:503", {8, 9, 10}), ("*/4:503", {4, 8})],
)
def test_which_requests_get_a_fault(line: str, struck: set[int]) -> None:
    """One, a range, all from one on, each n-th."""
    fault = parse_fault(line)
    assert {number for number in range(1, 11) if fault.fits(number)} == struck


def test_settings_and_comments() -> None:
    """A value may hold colons; blank lines and comments are left out; `-after` is separated from the kind."""
    (first, second) = parse_script(
        ["# a comment", "", "4:429:retry-after=Wed, 21 Oct 2026 07:28:00 GMT", " 5:reset-after "]
    )
    assert first.settings == {"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}
    assert (first.kind, first.after, second.kind, second.after) == ("429", False, "reset", True)
    assert parse_fault("1:503:body-code=4001:retry-after=2").settings == {"body-code": "4001", "retry-after": "2"}


@pytest.mark.parametrize("line", ["503", "x:503", "3:", "3:nonsense", "3:200", "3:600", "3:503:retry", "-3:503"])
def test_invalid_lines_of_a_script_are_refused(line: str) -> None:
    """When the sandbox is created, with the right syntax."""
    with pytest.raises(OptionsError):
        parse_fault(line)


@contextlib.contextmanager
def _served(line: str) -> Iterator[tuple[EmbeddedSandbox, httpx.Client]]:
    """A sandbox behind a real socket with one fault, and a client of it."""
    with (
        EmbeddedSandbox(SandboxOptions(faults=(line,))) as sandbox,
        httpx.Client(base_url=sandbox.base_url, headers=TILL, trust_env=False) as http,
    ):
        yield sandbox, http


def _struck(line: str, **options: Any) -> tuple[httpx.Response, list[Any], httpx.Response]:
    """The answer under the fault, what had been accepted by then, and the answer to the same request sent again."""
    seen: list[Any] = []

    async def test(client: Client) -> None:
        seen.append(await client.post(*CUSTOMERS))
        seen.append(client.state.accepted)
        seen.append(await client.post(*CUSTOMERS))
        first, second = client.state.requests
        assert first.body_sha256 == second.body_sha256
        assert (first.fault != "", second.fault) == (True, "")
        assert first.http_status == seen[0].status_code

    sandboxed(test, faults=(line,), **options)
    return seen[0], seen[1], seen[2]


@pytest.mark.parametrize(
    ("kind", "status", "content_type", "applied"),
    [
        ("503", 503, "text/html", False),
        ("502-after", 502, "text/html", True),
        ("524", 524, "text/html", False),
        ("429:retry-after=2", 429, "application/json", False),
        ("401", 401, "application/json", False),
        ("403", 403, "application/json", False),
        ("400", 400, "application/json", False),
        ("500-after", 500, "application/json", True),
        ("413", 413, "text/html", False),
        ("302:location=https://example.com/login", 302, "text/html", False),
        ("503:body-code=4001", 503, "application/json", False),
        ("code-400", 200, "application/json", False),
        ("code-407:http=400", 400, "application/json", False),
        ("html", 200, "text/html; charset=utf-8", False),
        ("html-after", 200, "text/html; charset=utf-8", True),
        ("empty", 200, "application/json", False),
        ("text", 200, "text/plain", False),
        ("nested", 200, "application/json", False),
        ("slow:seconds=0", 200, "application/json", True),
        ("truncated", 200, "application/json", True),
        ("nan", 200, "application/json", True),
        ("duplicate-keys", 200, "application/json", True),
    ],
)
def test_faults_in_the_answer(kind: str, status: int, content_type: str, applied: bool) -> None:
    """Each kind comes as described, applied or not as its name says, once; then the request works."""
    struck, accepted, again = _struck(f"1:{kind}")
    assert (struck.status_code, struck.headers["content-type"]) == (status, content_type)
    assert struck.headers["x-cap-request-id"]
    assert len(accepted) == (3 if applied else 0)
    assert [item["item_status"]["success"] for item in items_of(again.json())] == ["true"] * 3
    if kind.startswith("429"):
        assert struck.headers["retry-after"] == "2"
    if kind.startswith("302"):
        assert struck.headers["location"] == "https://example.com/login"
    if kind.startswith(("code-", "503:body")):
        code = struck.json()["response"]["status"]["code"]
        assert code == {"code-400": 400, "code-407:http=400": 407, "503:body-code=4001": 4001}[kind]
        assert set(struck.json()["response"]) == {"status"}
    if kind == "truncated":
        with pytest.raises(json.JSONDecodeError):
            struck.json()
    if kind == "nan":
        assert b"NaN" in struck.content
    if kind == "duplicate-keys":
        assert struck.content.count(b'"success"') == 8


@pytest.mark.parametrize("shape", ["customer", "customers", "customers-array,booleans"])
@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("missing", ["A0", "A1"]),
        ("extra", ["A0", "foreign", "A1", "A2"]),
        ("repeated", ["A0", "A0", "A1"]),
        ("reordered", ["A2", "A1", "A0"]),
        ("blank", [None, None, None]),
    ],
)
def test_faults_in_the_list(kind: str, expected: list[str | None], shape: str) -> None:
    """The batch is applied and the list is wrong, in every shape."""
    struck, accepted, _ = _struck(f"1:{kind}", shape=shape)
    assert [item.get("external_id") for item in items_of(struck.json())] == expected
    assert len(accepted) == 3


def test_an_answer_without_a_list() -> None:
    """The status says success and nothing stands beside it."""
    struck, accepted, _ = _struck("1:no-items")
    assert set(struck.json()["response"]) == {"status"}
    assert len(accepted) == 3


def test_a_bomb_is_small_on_the_wire() -> None:
    """What unpacks to a mebibyte travels as a few kilobytes."""
    struck, _, _ = _struck("1:bomb:mib=1")
    assert int(struck.headers["content-length"]) < 4096
    assert len(struck.content) > 1 << 20


@pytest.mark.parametrize("kind", ["reset", "close", "reset-after", "close-after", "cut", "drip:seconds=0"])
def test_faults_of_the_connection(kind: str) -> None:
    """Over a real socket the connection ends where it is said to, applied or not, and the next request works."""
    with _served(f"1:{kind}") as (sandbox, http):
        if kind.startswith("drip"):
            assert len(items_of(http.post(POST, json=body(*CUSTOMERS)).json())) == 3
        else:
            with pytest.raises(httpx.ReadError if "reset" in kind else httpx.RemoteProtocolError):
                http.post(POST, json=body(*CUSTOMERS))
        assert len(sandbox.state.accepted) == (0 if kind in {"reset", "close"} else 3)
        assert http.post(POST, json=body(*CUSTOMERS)).status_code == 200


def test_a_broken_connection_in_process() -> None:
    """Without a socket to reset, the same error comes out of the transport."""

    async def test(client: Client) -> None:
        with pytest.raises(ConnectionResetError):
            await client.post(*CUSTOMERS)
        assert len(client.state.accepted) == 3

    sandboxed(test, faults=("1:reset-after",))


def test_a_request_that_hangs_is_never_applied() -> None:
    """No answer however long one waits, nothing stored, and the sandbox still stops at once."""
    with _served("1:hang") as (sandbox, http):
        with pytest.raises(httpx.ReadTimeout):
            http.post(POST, json=body(*CUSTOMERS), timeout=0.1)
        assert sandbox.state.accepted == []
        assert http.post(POST, json=body(*CUSTOMERS)).status_code == 200


def test_a_slow_request_is_applied_after_the_client_gave_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """What hung at the edge arrives late: a newer value written meanwhile is overwritten by the older."""
    written = threading.Event()

    async def run(base_url: str) -> None:
        async with httpx.AsyncClient(base_url=base_url, headers=TILL, trust_env=False) as http:
            with pytest.raises(httpx.ReadTimeout):
                await http.post(POST, json=body(customer({"A": "old"}, external_id="X")), timeout=0.1)
            await http.post(POST, json=body(customer({"A": "new"}, external_id="X")))

    async def slow(seconds: float) -> None:
        while not written.is_set():
            await sleep(0.001)

    sleep = asyncio.sleep
    monkeypatch.setattr("importer.sandbox.app.asyncio", SimpleNamespace(sleep=slow))
    with EmbeddedSandbox(SandboxOptions(faults=("1:slow:seconds=0.3",))) as sandbox:
        asyncio.run(run(sandbox.base_url))
        assert sandbox.state.preferences_of(external_id="X") == {"A": "new"}
        written.set()
        record = sandbox.state.requests[0]
        with httpx.Client(trust_env=False) as http:
            until = time.monotonic() + 100
            while not record.ended_at and time.monotonic() < until:
                http.get(sandbox.base_url)
        assert sandbox.state.preferences_of(external_id="X") == {"A": "old"}


def test_every_kind_is_described() -> None:
    """The table of kinds is complete: each can be written in a script."""
    for kind, (text, _) in FAULTS.items():
        assert text
        assert parse_fault(f"1:{kind.replace('NNN', '503')}").kind == kind.replace("NNN", "503")
