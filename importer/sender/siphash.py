"""SipHash-2-4 in plain Python: for a few texts it costs less than loading pandas, which hashes whole columns."""

from __future__ import annotations

#: Bytes of a hash, which the journal stores per row. A changed row is taken for unchanged once in 2**48 cases; if two
#: identifiers share a hash, a customer is only sent again.
HASH_BYTES = 6

_ALL = (1 << 64) - 1


def siphash(key: bytes, text: bytes) -> bytes:
    """The first `HASH_BYTES` of the hash, little-endian. `key`: 16 bytes."""
    k0, k1 = int.from_bytes(key[:8], "little"), int.from_bytes(key[8:], "little")
    state = (k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D, k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573)
    padded = text + bytes(7 - len(text) % 8) + bytes((len(text) & 0xFF,))
    for at in range(0, len(padded), 8):
        word = int.from_bytes(padded[at : at + 8], "little")
        v0, v1, v2, v3 = state
        v0, v1, v2, v3 = _round(*_round(v0, v1, v2, v3 ^ word))
        state = (v0 ^ word, v1, v2, v3)
    v0, v1, v2, v3 = state
    v2 ^= 0xFF
    for _ in range(4):
        v0, v1, v2, v3 = _round(v0, v1, v2, v3)
    found = v0 ^ v1 ^ v2 ^ v3
    # As pandas spreads its hashes: the journals hold both.
    found = (found ^ found >> 30) * 0xBF58476D1CE4E5B9 & _ALL
    found = (found ^ found >> 27) * 0x94D049BB133111EB & _ALL
    return (found ^ found >> 31).to_bytes(8, "little")[:HASH_BYTES]


def _round(v0: int, v1: int, v2: int, v3: int) -> tuple[int, int, int, int]:
    v0 = (v0 + v1) & _ALL
    v1 = _turned(v1, 13) ^ v0
    v0 = _turned(v0, 32)
    v2 = (v2 + v3) & _ALL
    v3 = _turned(v3, 16) ^ v2
    v0 = (v0 + v3) & _ALL
    v3 = _turned(v3, 21) ^ v0
    v2 = (v2 + v1) & _ALL
    v1 = _turned(v1, 17) ^ v2
    v2 = _turned(v2, 32)
    return v0, v1, v2, v3


def _turned(word: int, bits: int) -> int:
    return (word << bits | word >> (64 - bits)) & _ALL
