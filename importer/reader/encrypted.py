"""Password-protected workbooks: opened in memory, never on disk."""

from __future__ import annotations

import io
from typing import BinaryIO

import msoffcrypto
import olefile
from msoffcrypto.exceptions import InvalidKeyError

from importer.reader.agile import AgileInfo
from importer.reader.sheet_xml import UnreadableWorkbook

#: Excel encrypts with it where it protects a workbook or a sheet without asking for a password to open.
_OF_EXCEL = "VelvetSweatshop"
_AGILE = b"\4\0\4\0"


class WrongPassword(Exception):
    """The password does not open the workbook."""


def is_encrypted(stream: BinaryIO) -> bool:
    """Whether an old workbook (.xls) needs a password."""
    stream.seek(0)
    try:
        return bool(msoffcrypto.OfficeFile(stream).is_encrypted())
    except Exception:
        return False
    finally:
        stream.seek(0)


def decrypted(stream: BinaryIO, password: str | None) -> BinaryIO:
    """The decrypted workbook. Excel's own password is tried too. Raises `WrongPassword`."""
    try:
        for word in (password, _OF_EXCEL):
            found = _opened(stream, word) if word else None
            if found is not None:
                found.seek(0)
                return found
    except Exception as error:
        raise UnreadableWorkbook(
            "is damaged, or protected by an unsupported kind of password", code="password"
        ) from error
    raise WrongPassword


def _opened(stream: BinaryIO, password: str) -> BinaryIO | None:
    """The decrypted workbook; None where the password is wrong."""
    stream.seek(0)
    container = olefile.OleFileIO(stream)
    if container.exists("EncryptionInfo"):
        described = container.openstream("EncryptionInfo").read()
        if described.startswith(_AGILE):
            info = AgileInfo(described)
            key = info.key(password)
            if key is None:
                return None
            return io.BytesIO(info.decrypt(container.openstream("EncryptedPackage").read(), key))
    opened = io.BytesIO()
    try:
        document = msoffcrypto.OfficeFile(stream)
        if "verify_password" in document.load_key.__code__.co_varnames:
            document.load_key(password=password, verify_password=True)
        else:
            document.load_key(password=password)
        document.decrypt(opened)
    except InvalidKeyError:
        return None
    return opened
