"""A server on raw sockets that breaks the rules of HTTP, TCP and TLS on purpose, one behaviour per request.

A behaviour gets the connection and the request body. It returns True to keep the connection open for the next request.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any, Self

Behaviour = Callable[[socket.socket, bytes], bool]
_NO_LINGER = struct.pack("ii", 1, 0)


def answer_to(body: bytes, success: str = "true") -> bytes:
    """What a sound server says to a batch."""
    sent = json.loads(body)["root"]["customer"]
    code = 200 if success == "true" else 1012
    items: list[dict[str, Any]] = [
        {**{k: v for k, v in one.items() if isinstance(v, str)}, "item_status": {"success": success, "code": code}}
        for one in sent
    ]
    return json.dumps({"response": {"status": {"success": success, "code": 200}, "customer": items}}).encode()


def response(body: bytes, status: str = "200 OK", headers: Sequence[str] = ()) -> bytes:
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def sound(connection: socket.socket, body: bytes) -> bool:
    connection.sendall(response(answer_to(body)))
    return True


def reset(connection: socket.socket, _: bytes) -> bool:
    """Read (and as it were applied) whole, then reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    return False


def close(_connection: socket.socket, _: bytes) -> bool:
    return False


def half_an_answer(connection: socket.socket, body: bytes) -> bool:
    whole = response(answer_to(body))
    connection.sendall(whole[: len(whole) * 2 // 3])
    return False


def drip(connection: socket.socket, body: bytes) -> bool:
    """A byte every tenth of a second: no read ever waits long, and the answer takes forever."""
    for byte in response(answer_to(body)):
        with contextlib.suppress(OSError):
            connection.sendall(bytes([byte]))
        time.sleep(0.1)
        if _STOP.is_set():
            break
    return False


def black_hole(connection: socket.socket, _: bytes) -> bool:
    connection.settimeout(20)
    with contextlib.suppress(OSError):
        connection.recv(1)
    return False


def saying(body: bytes, status: str = "200 OK", *headers: str) -> Behaviour:
    def behave(connection: socket.socket, _: bytes) -> bool:
        connection.sendall(response(body, status, headers))
        return True

    return behave


def bomb(mebibytes: int) -> Behaviour:
    """A small gzip body that unpacks to very much."""
    packed = gzip.compress(b" " * (mebibytes << 20) + b"{}", 9)
    return saying(packed, "200 OK", "Content-Encoding: gzip")


def packed(connection: socket.socket, body: bytes) -> bool:
    connection.sendall(response(gzip.compress(answer_to(body)), headers=["Content-Encoding: gzip"]))
    return True


def no_http(connection: socket.socket, _: bytes) -> bool:
    connection.sendall(b"220 mail.example.com ESMTP\r\n")
    return False


@contextlib.contextmanager
def closed_port() -> Iterator[int]:
    """A closed port: connections to it are refused, and it is not given to another process meanwhile."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield int(taken.getsockname()[1])


_STOP = threading.Event()


class FaultServer:
    """Behaves by the script, one entry a request; the last one for all that follow. `bodies`: what came, in order."""

    def __init__(self, *script: Behaviour, tls: ssl.SSLContext | None = None, greeting: bytes = b"") -> None:
        self._script = script
        self._tls = tls
        self._greeting = greeting
        self.bodies: list[bytes] = []
        self.heads: list[str] = []
        self.paths: list[str] = []
        self.arrived: list[float] = []
        self.connections = 0
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        _STOP.clear()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._listener.getsockname()[1]
        self.base_url = f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _STOP.set()
        # Closing alone does not wake a thread that waits in accept: it would live on, and keep the port open.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError):
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            connection.sendall(self._greeting)
            while True:
                head, body = _request(connection)
                if not head:
                    break
                with self._lock:
                    self.heads.append(head)
                    self.paths.append(head.split(" ", 2)[1])
                    self.bodies.append(body)
                    self.arrived.append(time.monotonic())
                    behave = self._script[min(len(self.bodies), len(self._script)) - 1]
                if not behave(connection, body):
                    break
        connection.close()


def _request(connection: socket.socket) -> tuple[str, bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65536)
        if not part:
            return "", b""
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")), 0
    )
    while len(body) < length:
        body += connection.recv(65536)
    return head.decode("latin-1"), body
