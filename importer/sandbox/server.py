"""The sandbox behind a real socket: in a thread of this process, or as a server that runs until it is stopped."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from importer.sandbox.app import create_app
from importer.sandbox.faults import TRANSPORT
from importer.sandbox.options import SandboxOptions
from importer.sandbox.state import SandboxState

#: Linger for no time: closing sends a reset instead of an orderly end.
_NO_LINGER = struct.pack("ii", 1, 0)


class EmbeddedSandbox:
    """The sandbox on a free port of this machine for as long as the block lasts.

    with EmbeddedSandbox(SandboxOptions(latency=(0.2,))) as sandbox:
        ... sandbox.base_url, sandbox.username, sandbox.password, sandbox.state ...
    """

    def __init__(self, options: SandboxOptions | None = None) -> None:
        self.options = options or SandboxOptions()
        self.username = self.options.username
        self.password = self.options.password
        self.client_key = self.options.client_key
        self.client_secret = self.options.client_secret
        self.app = create_app(self.options)
        self.state: SandboxState = self.app.state.sandbox
        self.base_url = ""
        self.port = 0
        self._defects: list[Exception] = []

    def __enter__(self) -> Self:
        listener = listen("127.0.0.1", 0)
        self.port = listener.getsockname()[1]
        self.base_url = f"http://127.0.0.1:{self.port}"
        started = threading.Event()
        self._server = _SandboxServer(self.app, started.set, self._defects)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [listener]}, name="sandbox", daemon=True
        )
        self._thread.start()
        if not started.wait(30):
            raise RuntimeError("the sandbox did not start within 30 seconds")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.stop()
        self._thread.join(10)
        self.state.close()
        if self._defects and error is None:
            raise RuntimeError("the sandbox itself failed while it answered") from self._defects[0]


def serve(
    options: SandboxOptions,
    host: str = "127.0.0.1",
    port: int = 8080,
    announce: Callable[[str], None] | None = None,
) -> None:
    """Serves until SIGINT or SIGTERM. `announce` is called with the base URL once calls are taken.

    OptionsError for a setting that cannot be understood, OSError where the address is not available.
    """
    app = create_app(options)
    listener = listen(host, port)
    name = f"[{host}]" if ":" in host else host
    base_url = f"http://{name}:{listener.getsockname()[1]}"
    server = _SandboxServer(app, lambda: announce(base_url) if announce is not None else None, [])
    try:
        with contextlib.suppress(KeyboardInterrupt):
            server.run(sockets=[listener])
    finally:
        app.state.sandbox.close()


class _SandboxServer(uvicorn.Server):
    """uvicorn without its log. It announces its start, and lends faults the connection that they break."""

    def __init__(self, app: Starlette, started: Callable[[], None], defects: list[Exception]) -> None:
        def lending_protocol(**settings: Any) -> Any:
            protocol: Any = AutoHTTPProtocol(**settings)
            protocol.app = _Lending(protocol.app, protocol, defects)
            return protocol

        http: Any = lending_protocol
        super().__init__(
            uvicorn.Config(
                app,
                loop="asyncio",
                http=http,
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="critical",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                backlog=2048,
                timeout_keep_alive=75,
                timeout_graceful_shutdown=3,
            )
        )
        self._announce = started
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        """Stop at once, from another thread. Requests in flight are scripted faults that never answer."""
        self.should_exit = self.force_exit = True
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._stopped.set)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets=sockets)
        self._announce()

    async def main_loop(self) -> None:
        """uvicorn's loop, which looks every 0.1 s whether a signal came. `stop` ends it at once."""
        ticks = asyncio.create_task(super().main_loop())
        stopped = asyncio.create_task(self._stopped.wait())
        await asyncio.wait({ticks, stopped}, return_when=asyncio.FIRST_COMPLETED)
        ticks.cancel()
        stopped.cancel()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """uvicorn's end, without its waits after `stop`."""
        if not self.force_exit:
            await super().shutdown(sockets=sockets)
            return
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        await asyncio.sleep(0)  # connections close in the next turn of the loop


class _Lending:
    """The application of one connection, which may end that connection. Its own defects are kept, not logged."""

    def __init__(self, app: ASGIApp, protocol: Any, defects: list[Exception]) -> None:
        self._app = app
        self._protocol = protocol
        self._defects = defects

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("extensions", {})[TRANSPORT] = self._end
        try:
            await self._app(scope, receive, send)
        except (ClientDisconnect, OSError):
            raise
        except Exception as error:
            self._defects.append(error)
            raise

    def _end(self, *, reset: bool) -> None:
        transport = self._protocol.transport
        if reset:
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            transport.abort()
        else:
            transport.close()


def listen(host: str, port: int) -> socket.socket:
    """A socket to serve HTTP on; port 0 finds a free one. Raises `OSError` where the address is not available."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sets TCP_NODELAY only on sockets that name their protocol; without it each answer waits 40 ms for an ACK.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    listener.set_inheritable(False)
    return listener
