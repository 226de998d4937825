"""Password-protected workbooks: opened in memory, never on disk."""

from __future__ import annotations

import io
from typing import BinaryIO

import msoffcrypto
from msoffcrypto.exceptions import DecryptionError, InvalidKeyError

from importer.reader.sheet_xml import UnreadableWorkbook


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


def decrypted(stream: BinaryIO, password: str) -> BinaryIO:
    """The decrypted workbook."""
    opened = io.BytesIO()
    stream.seek(0)
    try:
        container = msoffcrypto.OfficeFile(stream)
        if "verify_password" in container.load_key.__code__.co_varnames:
            container.load_key(password=password, verify_password=True)
        else:
            container.load_key(password=password)
        container.decrypt(opened)
    except (InvalidKeyError, DecryptionError):
        raise WrongPassword from None
    except Exception as error:
        raise UnreadableWorkbook("is damaged, or protected by an unsupported kind of password") from error
    opened.seek(0)
    return opened
