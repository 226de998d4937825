"""Bodies on the wire: the request compressed, the answer decompressed up to a cap."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator

import httpx

#: Bytes of a decoded answer. 298 KiB of gzip can be 300 MiB.
MAX_ANSWER = 16 * 1024 * 1024


def compressed(body: bytes) -> bytes:
    """The body as gzip."""
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    return packer.compress(body) + packer.flush()


async def bounded(response: httpx.Response) -> bytes:
    """The decoded body. Raises `httpx.DecodingError` beyond `MAX_ANSWER`; no more than that is kept in memory."""
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding in ("", "identity"):
        return await _joined(response.aiter_raw())
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise httpx.DecodingError(f"unexpected content encoding: {encoding}")
    unpacker = zlib.decompressobj(47 if encoding != "deflate" else 15)
    return await _joined(_unpacked(unpacker, response.aiter_raw()))


async def _joined(parts: AsyncIterator[bytes]) -> bytes:
    content = bytearray()
    async for part in parts:
        content += part
        if len(content) > MAX_ANSWER:
            raise httpx.DecodingError("the answer is larger than 16 MiB")
    return bytes(content)


async def _unpacked(unpacker: zlib._Decompress, parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for part in parts:
        unpacked = None
        while part or unpacked:
            # After the bound the rest may be inside the decompressor: it comes out without further input.
            unpacked = unpacker.decompress(part, 1 << 20)
            yield unpacked
            part = unpacker.unconsumed_tail
    if not unpacker.eof:
        raise httpx.DecodingError("the compressed answer is cut off")
