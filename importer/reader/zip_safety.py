"""Check zip files before and while they are unpacked: sizes, ratios and the directory."""

from __future__ import annotations

import copy
import os
import posixpath
import zipfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO

#: Bytes of the largest directory. A workbook has a few dozen members.
_DIRECTORY = 1 << 22
#: Bytes of all members. The largest sheet (1,048,576 rows) takes a tenth of it.
_TOTAL = 6 << 30
#: Larger members must not exceed the ratio. Sheets of formatted empty rows reach 60.
_FREE = 1 << 25
_RATIO = 150


class UnsafeZip(Exception):
    """The zip file is damaged or an attack. The message follows the file's name."""


def checked_members(stream: BinaryIO) -> list[zipfile.ZipInfo]:
    """The members that the directory lists. Raises `UnsafeZip`."""
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
            raise UnsafeZip("unpacks to far more than its size, like an attack; it was not read")
    if total > _TOTAL:
        raise UnsafeZip("unpacks to more than any sheet can hold; it was not read")
    return members


def _check_directory(stream: BinaryIO) -> None:
    """Check the size of the directory before memory is allocated for it."""
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
        raise UnsafeZip("lists too many files; it was not read")


def part_name(name: str) -> str:
    """The name of a part in the form in which programs compare it: slashes, no case, from the root."""
    return posixpath.normpath("/" + name.replace("\\", "/")).lstrip("/").casefold()


def blocks(archive: zipfile.ZipFile, member: zipfile.ZipInfo, size: int = 1 << 20) -> Iterator[bytes]:
    """Yield the unpacked member in blocks. Raises `UnsafeZip` as soon as it exceeds the directory's size.

    zipfile would stop silently at that size where other programs continue, so it gets no size.
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
        raise UnsafeZip("declares a wrong size for its content; it was not read")
