"""The server: one process per reports folder, uvicorn around the application, a clean stop on a signal."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import msgspec
import uvicorn
from starlette.applications import Starlette

from importer.errors import Busy, SettingsError
from importer.runs.locks import Lock
from importer.sandbox.server import listen
from importer.web.app import create_app
from importer.web.connections import Connection
from importer.web.options import WebOptions, is_loopback


def serve(options: WebOptions, announce: Callable[[str], None]) -> None:
    """Serves until SIGINT or SIGTERM. Runs in progress stop cleanly; the next server resumes them.

    Calls `announce` with the address once the server accepts requests. Raises `SettingsError`, or `Busy` where another
    server uses the same reports folder.
    """
    reports = str(Path(options.settings.reports_dir).resolve())
    settings = msgspec.structs.replace(options.settings, reports_dir=reports)
    options = msgspec.structs.replace(options, settings=settings)
    with _only_one(options):
        app = create_app(options)
        try:
            listener = listen(options.host, options.port)
        except OSError as error:
            address = f"{options.host}:{options.port}"
            raise SettingsError(
                f"Cannot listen on {address} ({error.strerror}).", "Choose another --host or --port."
            ) from None
        host = f"[{options.host}]" if ":" in options.host else options.host
        scheme = "https" if options.tls_certificate else "http"
        address = f"{scheme}://{host}:{listener.getsockname()[1]}"
        if not is_loopback(options.host) and not (options.tls_certificate or options.https):
            announce("Warning: passwords and customer data are sent unencrypted. Use --tls-certificate.")
        server = _PageServer(app, options, lambda: announce(f"The page is at {address} (press Ctrl-C to stop)."))
        with contextlib.suppress(KeyboardInterrupt):
            server.run(sockets=[listener])


@contextlib.contextmanager
def _only_one(options: WebOptions) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(Lock(options.folder, "serve"))
        except Busy as error:
            raise Busy(
                f"{error.holder or 'Another process'} already serves the page for this reports folder.",
                "Stop it first, or use another --reports-dir.",
                holder=error.holder,
            ) from None
        yield


class _PageServer(uvicorn.Server):
    """uvicorn without its log. It closes open event streams when it stops, so they do not delay the end."""

    def __init__(self, app: Starlette, options: WebOptions, started: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                loop="asyncio",
                http=Connection,
                ws="none",
                lifespan="on",
                log_config=None,
                log_level="critical",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                backlog=256,
                limit_concurrency=1000,
                timeout_keep_alive=30,
                timeout_graceful_shutdown=3,
                ssl_certfile=options.tls_certificate or None,
                ssl_keyfile=options.tls_key or None,
            )
        )
        self._runs = app.state.runs
        self._announce = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started:
            self._announce()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._runs.closing.set()
        super().handle_exit(sig, frame)
