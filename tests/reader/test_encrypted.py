"""Workbooks that are encrypted, by every program's choice of hash and key length."""

from __future__ import annotations

import hashlib
import io
import os
import struct
from base64 import b64encode
from pathlib import Path

import pytest
import xlwt
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from msoffcrypto.method.container.ecma376_encrypted import ECMA376Encrypted
from msoffcrypto.method.rc4 import DocumentRC4

from importer.errors import SourceError
from importer.reader import SourceOptions, open_source
from tests.support.biff_writer import in_container
from tests.support.raw_xlsx import parts_of, text_cell, write_parts
from tests.support.reading import Rows, read

ROWS = f'<row r="1">{text_cell("A1", "mobile")}</row><row r="2">{text_cell("A2", "919800000001")}</row>'
EXPECTED: tuple[Rows, list[object]] = ([(2, ["919800000001"])], [])
_URI = "http://schemas.microsoft.com/office/2006"
_BLOCKS = ("fea7d2763b4b9e79", "d7aa0f6d3061344e", "146e0be7abacd0d6")


def _encrypt(data: bytes, key: bytes, iv: bytes) -> bytes:
    encryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    return encryptor.update(data.ljust(-(-len(data) // 16) * 16, b"\0")) + encryptor.finalize()


def _agile(workbook: bytes, password: str, hash_name: str, bits: int, data_hash: str | None = None) -> bytes:
    """A workbook encrypted as [MS-OFFCRYPTO] 2.3.4.10 says. `data_hash`: of the workbook, where it differs."""
    size, data_hash = bits // 8, data_hash or hash_name

    def digest(data: bytes, name: str = hash_name) -> bytes:
        return hashlib.new(name.replace("-", ""), data).digest()

    def padded(data: bytes, length: int) -> bytes:
        return data[:length].ljust(length, b"\x36")

    salt, data_salt, secret, verifier = os.urandom(16), os.urandom(16), os.urandom(size), os.urandom(16)
    derived = digest(salt + password.encode("utf-16-le"))
    for number in range(1000):
        derived = digest(struct.pack("<I", number) + derived)
    keys = [padded(digest(derived + bytes.fromhex(block)), size) for block in _BLOCKS]
    values = [
        b64encode(_encrypt(value, key, salt)).decode()
        for value, key in zip((verifier, digest(verifier), secret), keys, strict=True)
    ]

    def described(name: str, salt: bytes) -> str:
        return (
            f'saltSize="16" blockSize="16" keyBits="{bits}" hashSize="{len(digest(b"", name))}" cipherAlgorithm="AES" '
            f'cipherChaining="ChainingModeCBC" hashAlgorithm="{name}" saltValue="{b64encode(salt).decode()}"'
        )

    info = (
        f'<encryption xmlns="{_URI}/encryption" xmlns:p="{_URI}/keyEncryptor/password">'
        f"<keyData {described(data_hash, data_salt)}/><keyEncryptors><keyEncryptor>"
        f'<p:encryptedKey spinCount="1000" {described(hash_name, salt)} encryptedVerifierHashInput="{values[0]}" '
        f'encryptedVerifierHashValue="{values[1]}" encryptedKeyValue="{values[2]}"/></keyEncryptor></keyEncryptors>'
        "</encryption>"
    )
    package = struct.pack("<Q", len(workbook)) + b"".join(
        _encrypt(workbook[at : at + 4096], secret, digest(data_salt + struct.pack("<I", number), data_hash)[:16])
        for number, at in enumerate(range(0, len(workbook), 4096))
    )
    out = io.BytesIO()
    ECMA376Encrypted(package, struct.pack("<HHI", 4, 4, 0x40) + info.encode()).write_to(out)
    return out.getvalue()


def _plain(path: Path) -> bytes:
    parts: dict[str, str | bytes] = {**parts_of(ROWS), "docProps/big.bin": os.urandom(9000)}
    return write_parts(path / "plain.xlsx", parts).read_bytes()


@pytest.mark.parametrize("bits", [128, 192, 256])
@pytest.mark.parametrize("hash_name", ["SHA1", "SHA-1", "MD5", "SHA256", "SHA384", "SHA512"])
def test_every_hash_and_key_length_opens(hash_name: str, bits: int, tmp_path: Path) -> None:
    """With the right password only: a wrong one is named as such."""
    file = tmp_path / "a.xlsx"
    file.write_bytes(_agile(_plain(tmp_path), "sésame", hash_name, bits))
    assert read(file, password="sésame") == EXPECTED
    for password in ("sesame", None):
        with pytest.raises(SourceError) as caught:
            open_source(file, SourceOptions(password=password))
        assert caught.value.locked
        assert ("does not open it" in caught.value.message) == (password is not None)


def test_the_workbook_may_have_another_hash_than_the_password(tmp_path: Path) -> None:
    """Both are named in the file."""
    file = tmp_path / "a.xlsx"
    file.write_bytes(_agile(_plain(tmp_path), "sesame", "SHA512", 256, "SHA1"))
    assert read(file, password="sesame") == EXPECTED


@pytest.mark.parametrize("password", [None, "of another file"])
def test_excels_own_password_is_not_asked_for(password: str | None, tmp_path: Path) -> None:
    """Excel encrypts protected sheets with it, and opens them without a question."""
    file = tmp_path / "a.xlsx"
    file.write_bytes(_agile(_plain(tmp_path), "VelvetSweatshop", "SHA512", 256))
    assert read(file, password=password) == EXPECTED


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"AES"', b'"RC2"'),
        (b'"SHA1"', b'"WHIR"'),
        (b"ModeCBC", b"ModeCFB"),
        (b'"1000"', b'"9e99"'),
        (b"<key", b"<kez"),
    ],
)
def test_an_unsupported_cipher_asks_for_no_password(old: bytes, new: bytes, tmp_path: Path) -> None:
    """No password would open it."""
    content = _agile(_plain(tmp_path), "sesame", "SHA1", 128)
    assert old in content
    file = tmp_path / "a.xlsx"
    file.write_bytes(content.replace(old, new))
    with pytest.raises(SourceError) as caught:
        open_source(file, SourceOptions(password="sesame"))
    assert not caught.value.locked


def _rc4(stream: bytes, password: str) -> bytes:
    """The records of an old workbook, encrypted as Excel 97 does ([MS-XLS] 2.2.10)."""
    salt, verifier, at = os.urandom(16), os.urandom(16), 0
    # A stream of zeros encrypts to the key stream.
    keys = DocumentRC4.decrypt(password, salt, io.BytesIO(bytes(len(stream) + 58)), blocksize=1024).read()

    def mixed(data: bytes, begin: int) -> bytes:
        return bytes(one ^ other for one, other in zip(data, keys[begin:], strict=False))

    proof = mixed(verifier + hashlib.md5(verifier).digest(), 0)
    made = b""
    while at < len(stream):
        kind, size = struct.unpack_from("<HH", stream, at)
        data = stream[at + 4 : at + 4 + size]
        at += 4 + size
        plain = size if kind in (0x809, 0xE1) else 0
        if kind == 0x85:
            # The position of the sheet is readable, and moves by the record that is added.
            data, plain = struct.pack("<I", struct.unpack_from("<I", data)[0] + 58) + data[4:], 4
        made += struct.pack("<HH", kind, size) + data[:plain] + mixed(data[plain:], len(made) + 4 + plain)
        if len(made) == 4 + size and kind == 0x809:
            made += struct.pack("<HHHHH", 0x2F, 54, 1, 1, 1) + salt + proof
    # xlwt fills the stream with zeros, which must be whole records: the last record ends at a multiple of four.
    return made + struct.pack("<HH", 0, -len(made) % 4) + bytes(-len(made) % 4)


@pytest.mark.parametrize("password", ["VelvetSweatshop", "sesame"])
def test_an_old_workbook_opens_with_its_password(password: str, tmp_path: Path) -> None:
    """Excel's own one is not asked for."""
    book = xlwt.Workbook()
    sheet = book.add_sheet("Customers")
    for at, text in enumerate(("mobile", "919800000001")):
        sheet.write(at, 0, text)
    file = tmp_path / "a.xls"
    file.write_bytes(in_container(_rc4(book.get_biff_data(), password), "Workbook"))
    assert read(file, password=password) == EXPECTED
    if password == "VelvetSweatshop":
        assert read(file) == EXPECTED
    for given in (None, "wrong") if password == "sesame" else ():
        with pytest.raises(SourceError) as caught:
            open_source(file, SourceOptions(password=given))
        assert caught.value.locked
