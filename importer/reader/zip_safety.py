"""Zip files are measured before and while they are unpacked: sizes, ratios, the directory itself."""

from __future__ import annotations

import copy
import os
import zipfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO

#: The largest directory of members; an honest workbook has some dozens.
_DIRECTORY = 1 << 22
#: All members together. The largest honest sheet (1,048,576 rows) is a tenth of it.
_TOTAL = 6 << 30
#: Members that unpack to more than this must stay in proportion; sheets of formatted empty rows reach 60.
_FREE = 1 << 25
_RATIO = 150


class UnsafeZip(Exception):
    """What is wrong, to follow the file's name."""


def checked_members(stream: BinaryIO) -> list[zipfile.ZipInfo]:
    """The members as the directory tells them, or UnsafeZip."""
    _check_directory(stream)
    stream.seek(0)
    try:
        with zipfile.ZipFile(stream) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, EOFError, OverflowError, RuntimeError) as error:
        raise UnsafeZip("is cut off or damaged (zip)") from error
    total = 0
    for member in members:
        total += member.file_size
        if member.file_size > _FREE and member.file_size > _RATIO * max(member.compress_size, 1):
            raise UnsafeZip("unpacks to far more than its size, as only an attack does; it was not read")
    if total > _TOTAL:
        raise UnsafeZip("unpacks to more than any sheet can hold; it was not read")
    return members


def _check_directory(stream: BinaryIO) -> None:
    """The size of the directory, before anything allocates by it."""
    end = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, end - (1 << 16) - 22))
    tail = stream.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < 22:
        raise UnsafeZip("is cut off or damaged (zip)")
    size = int.from_bytes(tail[at + 12 : at + 16], "little")
    if size == 0xFFFFFFFF:
        locator = tail.rfind(b"PK\x06\x06")
        size = int.from_bytes(tail[locator + 40 : locator + 48], "little") if locator >= 0 else size
    if size > _DIRECTORY:
        raise UnsafeZip("lists far too many files; it was not read")


def blocks(archive: zipfile.ZipFile, member: zipfile.ZipInfo, size: int = 1 << 20) -> Iterator[bytes]:
    """The member unpacked block by block; UnsafeZip as soon as it is larger than the directory says.

    zipfile itself stops silently at the size the directory tells, other programs go on: so it is told no size.
    """
    unlimited = copy.copy(member)
    unlimited.file_size = 1 << 62
    count = 0
    try:
        with archive.open(unlimited) as stream:
            while block := stream.read(size):
                count += len(block)
                if count > member.file_size:
                    break
                yield block
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError) as error:
        raise UnsafeZip("is cut off or damaged (zip)") from error
    if count != member.file_size:
        raise UnsafeZip("lies about the size of what it holds; it was not read")
