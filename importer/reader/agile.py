"""Agile encryption of workbooks ([MS-OFFCRYPTO] 2.3.4.10 to 2.3.4.15): AES with any key length and hash.

msoffcrypto compares the padded hash, keeps the padding of the key, and takes an unknown hash for SHA-1, so it opens
only workbooks with SHA-512 or SHA-256 and a key of 128 or 256 bits.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode
from collections.abc import Callable, Mapping
from struct import pack, unpack_from
from xml.etree.ElementTree import Element

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from defusedxml.ElementTree import fromstring

_KEY_ENCRYPTOR = "{http://schemas.microsoft.com/office/2006/keyEncryptor/password}encryptedKey"
_SEGMENT = 4096
#: The most rounds that the standard allows.
_MOST_ROUNDS = 10_000_000
_VERIFIER = bytes.fromhex("fea7d2763b4b9e79")
_VERIFIER_HASH = bytes.fromhex("d7aa0f6d3061344e")
_KEY = bytes.fromhex("146e0be7abacd0d6")

_Hash = Callable[[bytes], bytes]


class Unsupported(Exception):
    """A cipher that Excel does not write."""


class AgileInfo:
    """The description of an encrypted workbook: how to find its key, and how to decrypt it."""

    def __init__(self, described: bytes) -> None:
        root: Element = fromstring(described[8:], forbid_dtd=True)
        data = next((element for element in root if element.tag.endswith("keyData")), None)
        password = next(root.iter(_KEY_ENCRYPTOR), None)
        if data is None or password is None:
            raise Unsupported
        for element in (data, password):
            if (element.get("cipherAlgorithm"), element.get("cipherChaining")) != ("AES", "ChainingModeCBC"):
                raise Unsupported
        self._data, self._password = data.attrib, password.attrib

    def key(self, password: str) -> bytes | None:
        """The key of the workbook; None where the password is wrong."""
        made, digest = self._password, _hash_of(self._password)
        salt, rounds = b64decode(made["saltValue"]), int(made["spinCount"])
        if rounds > _MOST_ROUNDS:
            raise Unsupported
        derived = digest(salt + password.encode("utf-16-le", "surrogatepass"))
        for number in range(rounds):
            derived = digest(pack("<I", number) + derived)

        def opened(name: str, purpose: bytes) -> bytes:
            return _decrypted(b64decode(made[name]), _fit(digest(derived + purpose), _key_size(made)), _iv(salt, made))

        verifier = opened("encryptedVerifierHashInput", _VERIFIER)[: int(made["saltSize"])]
        expected = opened("encryptedVerifierHashValue", _VERIFIER_HASH)
        found = digest(verifier)
        if not hmac.compare_digest(found, expected[: len(found)]):
            return None
        return opened("encryptedKeyValue", _KEY)[: _key_size(self._data)]

    def decrypt(self, package: bytes, key: bytes) -> bytes:
        """The workbook."""
        salt, digest = b64decode(self._data["saltValue"]), _hash_of(self._data)
        parts = [
            _decrypted(package[at : at + _SEGMENT], key, _iv(digest(salt + pack("<I", number)), self._data))
            for number, at in enumerate(range(8, len(package), _SEGMENT))
        ]
        return b"".join(parts)[: unpack_from("<Q", package)[0]]


def _hash_of(attributes: Mapping[str, str]) -> _Hash:
    name = attributes["hashAlgorithm"].replace("-", "").lower()
    if name not in hashlib.algorithms_available:
        raise Unsupported
    return lambda data: hashlib.new(name, data, usedforsecurity=False).digest()


def _key_size(attributes: Mapping[str, str]) -> int:
    return int(attributes["keyBits"]) // 8


def _fit(data: bytes, size: int) -> bytes:
    """Cut to the size, or filled up as the standard says."""
    return data[:size].ljust(size, b"\x36")


def _iv(data: bytes, attributes: Mapping[str, str]) -> bytes:
    return _fit(data, int(attributes["blockSize"]))


def _decrypted(data: bytes, key: bytes, iv: bytes) -> bytes:
    decryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor()
    return decryptor.update(data[: len(data) // 16 * 16]) + decryptor.finalize()
