"""Check zip files before and while they are unpacked: sizes, ratios and the directory."""

from __future__ import annotations

import copy
import os
import posixpath
import zipfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO, cast

#: Bytes of the largest directory, and the most members. A workbook has a few dozen.
_DIRECTORY = 1 << 21
_MOST_MEMBERS = 10_000
#: Bytes of all members. The largest sheet (1,048,576 rows) takes a tenth of it.
_TOTAL = 6 << 30
#: Larger members, and all together, must not exceed the ratio. Sheets of formatted empty rows reach 60, an .ods whose
#: columns repeat one value cell by cell reaches 170: a hundred thousand such rows are in the bytes without a ratio.
_FREE = 1 << 28
_RATIO = 150
#: How a `zlib.error` begins where the process is at its limit of memory.
_NO_MEMORY = "Error -4 "


class UnsafeZip(Exception):
    """The zip file is damaged or an attack. The message follows the file's name."""


def checked_members(stream: BinaryIO) -> list[zipfile.ZipInfo]:
    """The members that the directory lists. Raises `UnsafeZip`."""
    end = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    try:
        with zipfile.ZipFile(cast(BinaryIO, _Directory(stream))) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, EOFError, OverflowError, RuntimeError) as error:
        raise UnsafeZip("is cut off or damaged (zip)") from error
    if len(members) > _MOST_MEMBERS:
        raise UnsafeZip("lists too many files; it was not read")
    total = 0
    for member in members:
        if not member.filename:  # zipfile ends a name at a NUL
            raise UnsafeZip("contains a file without a name; it was not read")
        total += member.file_size
        if member.file_size > _FREE and member.file_size > _RATIO * max(member.compress_size, 1):
            raise UnsafeZip("unpacks to far more than its size, like an attack; it was not read")
    if total > _FREE and total > _RATIO * end:
        # Members may share their data, or be many small bombs.
        raise UnsafeZip("unpacks to far more than its size, like an attack; it was not read")
    if total > _TOTAL:
        raise UnsafeZip("unpacks to more than any sheet can hold; it was not read")
    return members


class _Directory:
    """A zip file of which zipfile reads the directory: it does so at once, and several records may state its size."""

    def __init__(self, stream: BinaryIO) -> None:
        self.seek, self.tell, self.seekable, self._read = stream.seek, stream.tell, stream.seekable, stream.read

    def read(self, size: int = -1) -> bytes:
        if size > _DIRECTORY:
            raise UnsafeZip("lists too many files; it was not read")
        return self._read(size)


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
        if str(error).startswith(_NO_MEMORY):
            raise MemoryError from None
        raise UnsafeZip("is cut off or damaged (zip)") from error
    if count != member.file_size:
        raise UnsafeZip("declares a wrong size for its content; it was not read")
