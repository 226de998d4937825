"""The body of a request: read within a limit, unpacked, and decoded to customers."""

from __future__ import annotations

import zlib

import msgspec
from starlette.requests import ClientDisconnect
from starlette.types import Receive

from importer.sandbox.judge import CustomerSent, decode_body

#: A gzip body may unpack to this much.
_UNPACKED = 64 << 20


async def read_body(receive: Receive, most: int | None) -> bytes | None:
    """The body, or None when it is longer than may be."""
    parts = []
    length = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        part = message.get("body", b"")
        length += len(part)
        if most is None or length <= most:
            parts.append(part)
        if not message.get("more_body", False):
            break
    return b"".join(parts) if most is None or length <= most else None


def unpacked(body: bytes) -> bytes:
    try:
        return zlib.decompressobj(wbits=31).decompress(body, _UNPACKED)
    except zlib.error:
        return b""


def customers_in(body: bytes | None) -> list[CustomerSent] | None:
    """The customers of a body, or None if anything in it is not as documented (a value that is no string, say)."""
    try:
        return decode_body(body or b"").root.customer
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
