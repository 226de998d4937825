"""Receives forms, and files, which are streamed to the disk in bounded memory."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import secrets
import shutil
import unicodedata
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qsl

import msgspec
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from importer.web.refusals import RequestRefused
from importer.web.room import STEP, Grow
from importer.web.storage import OWN

#: It writes a line to the server's log for every form that is not valid.
logging.getLogger("python_multipart").setLevel(logging.CRITICAL + 1)

_LARGEST_FORM = 2 * 1024 * 1024
#: A form without a table of columns, for example the one to sign in.
SMALL_FORM = 16 * 1024
_MOST_FIELDS = 12_000
_LARGEST_FIELD = 10_000
_LONGEST_NAME = 100
#: Seconds for each such part of a form, and of a file: slower than any network that people use.
_FORM_SECONDS, _PART_SECONDS, _PART = 30.0, 60.0, 64 * 1024


class Received(msgspec.Struct, frozen=True):
    """A complete file. `name` is a safe file name; `path` is in its own folder, beside the folder `OWN`."""

    id: str
    name: str
    path: Path
    size: int
    fields: dict[str, str]


def safe_name(name: str) -> str:
    """The browser's name of a file, made safe: no path, no control characters, not hidden."""
    last = unicodedata.normalize("NFC", name.replace("\\", "/")).rsplit("/", 1)[-1]
    plain = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in last)
    # Many scripts write vowels as marks (M), which \w does not match.
    plain = "".join(c if unicodedata.category(c)[0] == "M" else re.sub(r"[^\w .()&+,@=~$-]", "_", c) for c in plain)
    plain = " ".join(plain.split()).lstrip(".").strip()
    if len(plain) > _LONGEST_NAME:
        stem, dot, suffix = plain.rpartition(".")
        plain = (
            stem[: _LONGEST_NAME - len(suffix) - 1] + dot + suffix
            if dot and len(suffix) < 10
            else plain[:_LONGEST_NAME]
        )
    while len(plain.encode()) > 200:
        plain = plain[1:]
    return plain.lstrip(" .") or "file"


async def _body(request: Request, seconds: float, part: int = 0) -> AsyncIterator[bytes]:
    """The body in pieces. It may take `seconds`, again for each `part` bytes. Raises `RequestRefused` where it is
    slower or breaks off."""
    now = asyncio.get_running_loop().time
    stream = request.stream()
    end, came = now() + seconds, 0
    while True:
        try:
            async with asyncio.timeout_at(end):
                piece = await anext(stream, None)
        except TimeoutError:
            raise RequestRefused(408, "refused.slow") from None
        except ClientDisconnect:
            raise RequestRefused(400, "refused.broken_off") from None
        if piece is None:
            return
        came += len(piece)
        if part and came >= part:
            end, came = now() + seconds, 0
        yield piece


def _declared(request: Request) -> int:
    """The declared length of the body; 0 where it has none."""
    declared = request.headers.get("content-length", "")
    return int(declared) if declared.isdecimal() and len(declared) < 20 else 0


async def form(request: Request, most: int = _LARGEST_FORM) -> dict[str, str]:
    """A form's fields; the last one of each name. Raises `RequestRefused`."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = bytearray()
    if _declared(request) > most:
        raise RequestRefused(413, "refused.form_large")
    async for part in _body(request, _FORM_SECONDS, _PART):
        body += part
        if len(body) > most:
            raise RequestRefused(413, "refused.form_large")
    if kind != "application/x-www-form-urlencoded":
        raise RequestRefused(415, "refused.form_kind")
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict"))
    except ValueError:
        raise RequestRefused(400, "refused.form_kind") from None


class _Parts:
    """Callbacks of the parser. Fields come before the files; a file goes to the disk, in its own folder."""

    def __init__(self, folder: Path, most: int, declared: int, admit: Admit, grow: Grow, most_files: int) -> None:
        self.fields: dict[str, str] = {}
        self.files: list[Received] = []
        self.folders: list[Path] = []
        self.file: int | None = None
        #: The final boundary came: without it the file may be cut.
        self.ended = False
        self._folder, self._most, self._admit, self._grow = folder, most, admit, grow
        self._declared, self._room_until = declared, 0
        self._most_files = most_files
        self._name, self._size, self._total = "", 0, 0
        self._headers: dict[bytes, bytes] = {}
        self._header = b""
        self._value = b""
        self._field = ""
        self._text = bytearray()
        self._is_file = False

    def on_part_begin(self) -> None:
        self._headers, self._header, self._value = {}, b"", b""
        self._field, self._is_file = "", False
        self._text = bytearray()

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]
        self._bounded(len(self._header))

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]
        self._bounded(len(self._value))

    def on_header_end(self) -> None:
        self._headers[self._header.lower()] = self._value
        self._header = self._value = b""

    def on_headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        self._field = options.get(b"name", b"").decode("utf-8", "replace")
        if b"filename" not in options:
            return
        self._is_file = True
        if len(self.folders) >= self._most_files:
            raise RequestRefused(400, "refused.one_file" if self._most_files == 1 else "refused.many")
        # The form's token comes before the file, so only valid forms reach the disk.
        self._admit(self.fields)
        self._name, self._size = safe_name(options[b"filename"].decode("utf-8", "replace")), 0
        own = self._folder / secrets.token_hex(8)
        self.folders.append(own)
        for folder in (own, own / OWN):
            folder.mkdir(mode=0o700)
        self.file = os.open(own / self._name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._is_file:
            self._size += end - start
            self._total += end - start
            if self._size > self._most:
                raise RequestRefused(413, "refused.large")
            if self._total > self._room_until:
                more = min(STEP, self._declared - self._total) if self._declared else STEP
                self._room_until = self._total + more
                self._grow(self._total, more)
            assert self.file is not None
            rest = memoryview(data)[start:end]
            while rest:  # a full disk takes a part first
                rest = rest[os.write(self.file, rest) :]
            return
        self._text += data[start:end]
        self._bounded(len(self._text))

    def on_part_end(self) -> None:
        if not self._is_file:
            if len(self.fields) >= 50:
                raise RequestRefused(400, "refused.form_kind")
            self.fields[self._field] = self._text.decode("utf-8", "replace")
            return
        assert self.file is not None
        own = self.folders[-1]
        # A browser sends an empty part where no file was chosen.
        if self._size or self._name != "file":
            self.files.append(Received(own.name, self._name, (own / self._name).resolve(), self._size, self.fields))
        else:
            shutil.rmtree(self.folders.pop())
        self.close()

    def close(self) -> None:
        if self.file is not None:
            os.close(self.file)
            self.file = None

    def on_end(self) -> None:
        self.ended = True

    def _bounded(self, length: int) -> None:
        if length > _LARGEST_FIELD:
            raise RequestRefused(413, "refused.form_large")


class Admit(Protocol):
    """Checks the fields before the file; raises `RequestRefused`."""

    def __call__(self, fields: dict[str, str]) -> None: ...


async def receive(
    request: Request, folder: Path, most: int, admit: Admit, grow: Grow, *, most_files: int = 1, most_bytes: int = 0
) -> list[Received]:
    """Streams the files of a form, each of at most `most` bytes and all of `most_bytes`, to new folders below
    `folder`. Raises `RequestRefused` and leaves nothing then."""
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary", b"")
    if kind != b"multipart/form-data" or not boundary or len(boundary) > 200:
        raise RequestRefused(415, "refused.form_kind")
    length = _declared(request)
    if length > max(most, most_bytes) + _LARGEST_FIELD * 10:
        raise RequestRefused(413, "refused.large" if most_files == 1 else "refused.quota")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    grow(0, length)
    parts = _Parts(folder, most, length, admit, grow, most_files)
    whole = False
    try:
        callbacks = {name: getattr(parts, name) for name in dir(parts) if name.startswith("on_")}
        parser = MultipartParser(boundary, callbacks)  # type: ignore[arg-type]
        async for piece in _body(request, _PART_SECONDS, _PART):
            parser.write(piece)
        if not parts.ended:
            raise RequestRefused(400, "refused.broken_off")
        if not parts.files:
            admit(parts.fields)
            raise RequestRefused(400, "refused.no_file")
        await asyncio.to_thread(_sync, [file.path for file in parts.files])
        whole = True
        return parts.files
    except MultipartParseError:
        raise RequestRefused(400, "refused.form_kind") from None
    except OSError:
        raise RequestRefused(507, "refused.disk") from None
    finally:
        parts.close()
        for own in () if whole else parts.folders:
            await asyncio.to_thread(shutil.rmtree, own, ignore_errors=True)


def _sync(paths: list[Path]) -> None:
    for path in paths:
        with path.open("rb") as file:
            os.fsync(file.fileno())
