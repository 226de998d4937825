"""Connections of a hostile client: slow, half-sent and many. Another visitor is served."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import httpx
import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from importer.sandbox.server import listen
from importer.web import connections
from importer.web.connections import Connection
from tests.support.page import until

HALF = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-"


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Reads the body, then answers."""
    assert scope["type"] == "http"
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body"})


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.3)
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 5)
    listener = listen("127.0.0.1", 0)
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            http=Connection,
            ws="none",
            lifespan="off",
            log_config=None,
            timeout_graceful_shutdown=1,
            limit_concurrency=20,
        )
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    until(lambda: server.started, bool)
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join()


def connected(port: int, sent: bytes) -> socket.socket:
    found = socket.create_connection(("127.0.0.1", port), timeout=30)
    found.sendall(sent)
    return found


@pytest.mark.parametrize("sent", [b"", HALF, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" + HALF])
def test_a_request_that_does_not_come_ends_its_connection(port: int, sent: bytes) -> None:
    """A connection without a whole head of a request is closed in time, also after an earlier request, and although a
    byte comes now and then."""
    with connected(port, sent) as slow:
        answer = b""
        for _ in range(4_000):
            try:
                slow.sendall(b"X" if sent else b"")
                slow.settimeout(0.05)
                if not (more := slow.recv(1000)):
                    break
                answer += more
            except TimeoutError:
                continue
            except OSError:
                break
        else:
            raise AssertionError("still open")
    assert answer.count(b"200 OK") == (1 if sent.startswith(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n") else 0)


def test_waiting_connections_keep_no_visitor_out(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many connections wait, also with a half-sent form to sign in, a visitor is served at once; a request that
    is being received is not given up for them."""
    monkeypatch.setattr(connections, "HEAD_SECONDS", 300.0)
    head = b"POST /uploads HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"
    upload = connected(port, head)
    assert upload.recv(1000).startswith(b"HTTP/1.1 100")
    upload.sendall(b"12")
    form = b"POST /sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\n12"
    waiting = [connected(port, sent) for sent in (b"", HALF, form) * 20]
    assert httpx.get(f"http://127.0.0.1:{port}/", timeout=30, trust_env=False).status_code == 200
    upload.sendall(b"34")
    assert upload.recv(1000).startswith(b"HTTP/1.1 200")
    for each in (upload, *waiting):
        each.close()
