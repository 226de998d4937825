"""Detect the type of a file by its content, and open texts inside archives. Refuses harmful files."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import re
import stat
import zipfile
import zlib
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import cast

import msgspec

from importer.errors import SourceError
from importer.reader.encoding import Opener
from importer.reader.foreign import advice_for, foreign_name, lock_of, markup_kind, ole_name, zip_name
from importer.reader.zip_kind import workbook_kind
from importer.reader.zip_safety import UnsafeZip, checked_members

#: The types of content, as notes name them.
DESCRIPTIONS = {
    "text": "text",
    "xlsx": "an Excel workbook (.xlsx)",
    "xlsb": "a binary Excel workbook (.xlsb)",
    "xls": "an old Excel workbook (.xls)",
    "ods": "an OpenDocument spreadsheet (.ods)",
    "html": "a web page (HTML)",
    "spreadsheetml": "an XML spreadsheet of Excel 2003",
    "fods": "a flat OpenDocument spreadsheet (.fods)",
    "encrypted": "a password-protected workbook",
}
_NAMES = {
    ".csv": ("text",),
    ".tsv": ("text",),
    ".txt": ("text",),
    ".xlsx": ("xlsx", "encrypted"),
    ".xlsm": ("xlsx", "encrypted"),
    ".xlsb": ("xlsb", "encrypted"),
    ".xls": ("xls", "encrypted"),
    ".ods": ("ods", "encrypted"),
    ".fods": ("fods",),
    ".htm": ("html",),
    ".html": ("html",),
    ".xml": ("spreadsheetml", "fods"),
}
#: Names that say nothing about the content.
_MARKUP = (".xml", ".htm", ".html")
#: The first bytes of workbooks without an OLE container, as Excel 2 to 4 wrote them.
_OLD_WORKBOOKS = (b"\x09\x08", b"\x09\x04", b"\x09\x02", b"\x09\x00")
#: The directory entries of streams in OLE containers: 64 bytes with the name, its length in bytes, the type.
_OLE_STREAMS = {
    name: re.compile(
        b"(?is)" + name.encode("utf-16-le") + rb"\0\0.{%d}" % (62 - 2 * len(name)) + bytes([2 * len(name) + 2, 0, 2])
    )
    for name in ("EncryptedPackage", "Workbook", "Book")
}
#: Bytes below a space that no text has. Tab, line ends, Ctrl-Z and Escape occur in some.
_CONTROLS = bytes(sorted({*range(0x01, 0x20), 0x7F} - {0x09, 0x0A, 0x0B, 0x0C, 0x0D, 0x1A, 0x1B}))
#: Names read to find the one that a missing file may mean.
_MOST_NAMES = 10_000
_START, _END = 1 << 16, 1 << 12
_UNPACKED_RATIO = 200
_UNPACKED_FREE = 1 << 26


class Content(msgspec.Struct, frozen=True):
    """The type of a file and, for a text, how to open it."""

    kind: str
    opener: Opener | None = None
    note: str = ""


def digest(path: Path) -> tuple[str, int]:
    """SHA-256 and size of the file on disk."""
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256")
        return found.hexdigest(), stream.tell()


def check_file(path: Path) -> None:
    """Raise `SourceError` for what is not a regular file with content, without opening it."""
    name = path.name
    if any("\ud800" <= letter <= "\udfff" for letter in str(path)):
        # Neither the journal nor a report can store it.
        shown = os.fsencode(path).decode("utf-8", "replace")
        raise SourceError(
            f"{shown}: the name of the file or its folder is not UTF-8.", "Rename it.", code="not_readable"
        )
    try:
        status = path.stat()
    except FileNotFoundError:
        near = _nearest(path)
        raise SourceError(
            f"{path} does not exist{f'; the nearest name in its folder is {near!r}' if near else ''}.",
            "Check the name and the folder.",
            code="not_readable",
        ) from None
    except (OSError, ValueError) as error:
        raise SourceError(
            f"{name} cannot be opened: {_reason(error)}.", "Check the name and its permissions.", code="not_readable"
        ) from None
    if stat.S_ISDIR(status.st_mode):
        raise SourceError(
            f"{name or path} is a directory.",
            "Pass a file in it, or several with a pattern like 'folder/*.csv'.",
            code="not_readable",
        )
    if not stat.S_ISREG(status.st_mode):
        raise SourceError(
            f"{name} is not a regular file (a pipe or a device).",
            "Save it to a file first, or pipe it in with '-'.",
            code="not_readable",
        )
    if not status.st_size:
        raise SourceError(
            f"{name} is empty (0 bytes).", "Export the sheet again: the export or transfer failed.", code="not_readable"
        )


def detect(path: Path, password: str | None) -> Content:
    """The type of a checked file by its first bytes. Raises `SourceError`."""
    name = path.name
    try:
        with path.open("rb") as stream:
            start = stream.read(_START)
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, size - _END))
            end = stream.read(_END)
    except OSError as error:
        raise SourceError(
            f"{name} cannot be read: {_reason(error)}.", "Check its permissions and the disk.", code="not_readable"
        ) from None
    if (locked := lock_of(name, start, size)) is not None:
        raise SourceError(
            f"{name} is a lock file: it only shows that a program has {locked or 'a workbook'} open.",
            "Close it there, and import the workbook itself.",
            code="other_kind",
        )
    if start.startswith(b"\x1f\x8b"):
        _check_gzip(name, path)
        opener = cast(Opener, lambda: _BoundedGzip(name, path))
        with opener() as unpacked:
            inside = unpacked.read(4096)
        _check_inside(name, inside)
        if inside.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"\x1f\x8b")):
            raise SourceError(
                f"{name} contains a workbook or another archive.", "Unpack it and import its content.", code="archive"
            )
        return Content("text", opener)
    if start.startswith((b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")):
        return _judge_zip(path, password)
    if start.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        kind = _old_office_kind(path)
        if kind is None:
            document = ole_name(path)
            raise SourceError(f"{name} is {document}.", advice_for(document), code="other_kind")
        return Content(kind, note=_naming(name, kind))
    suffix = path.suffix.lower()
    markup, what = markup_kind(start, end, suffix)
    if markup is not None:
        return Content(markup, note=_naming(name, markup))
    promises = suffix in ("", *_NAMES) and suffix not in _MARKUP
    lead = f"is named {path.suffix or 'without an extension'} but is" if promises else "is"
    _refuse_foreign(name, what or foreign_name(start), lead)
    if start[:2] in _OLD_WORKBOOKS and start[2:4] in (b"\4\0", b"\6\0", b"\x08\0", b"\x10\0"):
        return Content("xls", note=_naming(name, "xls"))
    if "text" not in _NAMES.get(suffix, ("text",)) and _is_binary(path, start):
        raise SourceError(
            f"{name} is not a workbook: its content is damaged or of another kind.",
            "Export or transfer the sheet again.",
            code="other_kind",
        )
    return Content("text", lambda: path.open("rb"), note=_naming(name, "text"))


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error)).lower()


def _nearest(path: Path) -> str | None:
    """The name in the folder of a missing file that is most like its own."""
    if any(sign in path.name for sign in "*?["):
        return None
    try:
        with os.scandir(path.parent) as entries:
            names = {entry.name.casefold(): entry.name for entry in islice(entries, _MOST_NAMES) if entry.is_file()}
    except (OSError, ValueError):
        return None
    return next((names[like] for like in get_close_matches(path.name.casefold(), names, 1, 0.7)), None)


def _is_binary(path: Path, start: bytes) -> bool:
    """Whether it is not text in any encoding: a zip file without its beginning, random bytes, or zeros."""
    if b"PK\x03\x04" in start:
        return True
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - (1 << 16)))
        if b"PK\x05\x06" in stream.read():
            return True
    # Every second byte of a text in UTF-16 is NUL, or any other byte.
    bytes_of_text = b"" if start.startswith((b"\xff\xfe", b"\xfe\xff")) else start.replace(b"\0", b"")
    controls = len(bytes_of_text) - len(bytes_of_text.translate(None, _CONTROLS))
    return (controls > 1 and controls * 50 > len(bytes_of_text)) or not start.strip(b"\0")


def _naming(name: str, kind: str) -> str:
    """A note for a file whose extension does not match its content."""
    ending = Path(name).suffix.lower()
    if kind in _NAMES.get(ending, (kind,)):
        return ""
    return f"The file is named {ending} but is {DESCRIPTIONS[kind]}; it was read as such."


def _refuse_foreign(name: str, what: str | None, lead: str) -> None:
    if what is not None:
        raise SourceError(f"{name} {lead} {what}.", advice_for(what), code="other_kind")


def _check_inside(name: str, start: bytes) -> None:
    """Refuse what an archive contains unless it is text."""
    kind, what = markup_kind(start, start, "")
    if kind:
        raise SourceError(
            f"{name} contains {DESCRIPTIONS[kind]}.", "Unpack it and import its content.", code="other_kind"
        )
    _refuse_foreign(name, what or foreign_name(start), "unpacked it is")


class _BoundedGzip(io.BufferedReader):
    """A gzip stream that stops at a decompression bomb: output beyond a multiple of the file's size is an error."""

    def __init__(self, name: str, path: Path) -> None:
        self._name = name
        self._limit = max(_UNPACKED_FREE, path.stat().st_size * _UNPACKED_RATIO)
        super().__init__(cast(io.RawIOBase, gzip.GzipFile(path, "rb")), 1 << 18)
        self._count = 0

    def read(self, size: int | None = -1, /) -> bytes:
        return self._counted(lambda: super(_BoundedGzip, self).read(size))

    def read1(self, size: int = -1, /) -> bytes:
        return self._counted(lambda: super(_BoundedGzip, self).read1(size))

    def _counted(self, read: object) -> bytes:
        try:
            block = cast("bytes", read())  # type: ignore[operator]
        except (EOFError, OSError, zlib.error):
            raise SourceError(
                f"{self._name} is cut off or damaged (gzip).", "Create or transfer the file again.", code="damaged"
            ) from None
        self._count += len(block)
        if self._count > self._limit:
            raise SourceError(
                f"{self._name} unpacks to more than {_UNPACKED_RATIO} times its size; it was not read.",
                "Unpack it yourself and import its content.",
                code="damaged",
            )
        return block


def _check_gzip(name: str, path: Path) -> None:
    with _BoundedGzip(name, path) as stream:
        if not stream.read(1):
            raise SourceError(f"{name} contains an empty file.", "Export the sheet again.", code="not_readable")


def _judge_zip(path: Path, password: str | None) -> Content:
    name = path.name
    try:
        with path.open("rb") as stream:
            members = checked_members(stream)
            kind = workbook_kind(stream, members)
    except UnsafeZip as error:
        raise SourceError(
            f"{name} {error}.", "Save the sheet again in a spreadsheet program and import that.", code="damaged"
        ) from None
    names = {member.filename for member in members}
    _refuse_foreign(name, zip_name(names, _mimetype(path) if "mimetype" in names else b""), "is")
    if kind:
        return Content(kind, note=_naming(name, kind))
    files = [
        member
        for member in members
        if not member.is_dir()
        and not member.filename.startswith("__MACOSX/")
        and not Path(member.filename).name.startswith(".")
    ]
    if len(files) != 1:
        listed = ", ".join(sorted(Path(member.filename).name for member in files)[:5])
        raise SourceError(
            f"{name} contains {len(files)} files{f' ({listed} …)' if listed else ''}; it must contain one sheet.",
            "Unpack it and import the sheets one by one.",
            code="archive",
        )
    member = files[0]
    secret = password.encode() if password else None
    if member.flag_bits & 1 and secret is None:
        raise SourceError(
            f"{name} is password protected.",
            "Set IMPORTER_SOURCE_PASSWORD, or unpack it and import its content.",
            on_page="Type its password here, or unpack it and upload what is inside.",
            locked=True,
            code="password",
        )
    opener = cast(Opener, lambda: _Member(name, path, member, secret))
    with opener() as unpacked:
        inside = unpacked.read(4096)
    if not inside:
        raise SourceError(f"{name} contains an empty file.", "Export the sheet again.", code="not_readable")
    if inside.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"\x1f\x8b")):
        raise SourceError(
            f"{name} contains a workbook or another archive.", "Unpack it and import its content.", code="archive"
        )
    _check_inside(name, inside)
    return Content("text", opener)


def _mimetype(path: Path) -> bytes:
    """What an OpenDocument file says that it is, from the start of its first member."""
    with path.open("rb") as stream:
        return stream.read(256)


class _Member(io.BufferedReader):
    """The only text in a zip file. Closing it closes the archive."""

    def __init__(self, name: str, path: Path, member: zipfile.ZipInfo, secret: bytes | None) -> None:
        self._name = name
        self._archive = zipfile.ZipFile(path)
        try:
            stream = self._archive.open(member, pwd=secret)
        except (RuntimeError, zipfile.BadZipFile, OSError) as error:
            self._archive.close()
            if member.flag_bits & 1:
                raise SourceError(
                    f"{name}: the password does not open it.",
                    "Check IMPORTER_SOURCE_PASSWORD.",
                    locked=True,
                    on_page="Type it again, or unpack it and upload what is inside.",
                    code="password",
                ) from None
            raise self._damaged(error) from None
        super().__init__(cast(io.RawIOBase, stream), 1 << 18)

    def _damaged(self, _: Exception) -> SourceError:
        return SourceError(
            f"{self._name} is cut off or damaged (zip).", "Create or transfer the file again.", code="damaged"
        )

    def read(self, size: int | None = -1, /) -> bytes:
        try:
            return super().read(size)
        except (EOFError, OSError, zlib.error, zipfile.BadZipFile) as error:
            raise self._damaged(error) from None

    def read1(self, size: int = -1, /) -> bytes:
        try:
            return super().read1(size)
        except (EOFError, OSError, zlib.error, zipfile.BadZipFile) as error:
            raise self._damaged(error) from None

    def close(self) -> None:
        super().close()
        self._archive.close()


def _old_office_kind(path: Path) -> str | None:
    """The type of an OLE container, by the names of its streams in any case (UTF-16 in its directory)."""
    found: str | None = None
    with path.open("rb") as stream:
        before = b""
        while block := stream.read(1 << 20):
            data = before + block
            for name, entry in _OLE_STREAMS.items():
                if entry.search(data):
                    if name == "EncryptedPackage":
                        return "encrypted"
                    found = "xls"
            before = data[-128:]
    return found
