"""Connections: one that sends no request within its time is closed, and never keeps another visitor out."""

from __future__ import annotations

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from importer.web.guard import SIGN_IN

#: Seconds for the head of a request, and for the rest of a body that was refused.
HEAD_SECONDS = 20.0
_REST_SECONDS = 60.0
#: With more connections than this, a new one takes the place of the oldest that is not being answered.
MOST_CONNECTIONS = 400


class Connection(H11Protocol):
    """uvicorn limits only the time between two requests."""

    _limit: asyncio.TimerHandle | None = None
    _opened = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._opened = self.loop.time()
        self._await_request()
        if len(self.connections) > MOST_CONNECTIONS:
            others = [other for other in self.connections if isinstance(other, Connection) and other.may_be_closed]
            min(others, key=lambda other: other._opened, default=self).transport.abort()

    @property
    def may_be_closed(self) -> bool:
        """Whether closing it loses nothing: no request is being answered, or one to sign in that is not complete."""
        if self.transport.is_closing():
            return False
        if self.cycle is None or self.cycle.response_complete:
            return True
        return self.conn.their_state is h11.SEND_BODY and self.scope["path"] == SIGN_IN

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is None or self.cycle.response_complete:
            self._await_request()
        else:
            self._request_came()

    def connection_lost(self, exc: Exception | None) -> None:
        self._request_came()
        super().connection_lost(exc)

    def _await_request(self) -> None:
        if self._limit is None:
            seconds = _REST_SECONDS if self.conn.their_state is h11.SEND_BODY else HEAD_SECONDS
            self._limit = self.loop.call_later(seconds, self.transport.abort)

    def _request_came(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None
