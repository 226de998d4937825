"""Which workbook a zip file is, by the names of its parts and, where they are unusual, by its list of content types."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Sequence
from typing import BinaryIO

from importer.reader.zip_safety import UnsafeZip, blocks, part_name

_STARTED = 1 << 18
_XLSX = re.compile(
    rb"(?:spreadsheetml\.(?:sheet|template)|ms-excel\.(?:sheet|template|addin)\.macroenabled)\.main\+xml", re.IGNORECASE
)
_XLSB = re.compile(rb"ms-excel\.sheet\.binary\.macroenabled\.main", re.IGNORECASE)


def workbook_kind(stream: BinaryIO, members: Sequence[zipfile.ZipInfo]) -> str | None:
    """`xlsx`, `xlsb` or `ods`; None for anything else."""
    names = {part_name(member.filename): member for member in members}
    if "xl/workbook.bin" in names:
        return "xlsb"
    if "xl/workbook.xml" in names:
        return "xlsx"
    types = _start(stream, names.get("[content_types].xml"))
    if _XLSB.search(types):
        return "xlsb"
    if (
        _XLSX.search(types)
        or any(name.endswith("/xl/workbook.xml") for name in names)
        or ("[content_types].xml" in names and any(name.startswith("xl/") for name in names))
    ):
        return "xlsx"
    if "content.xml" in names and (
        "mimetype" in names
        or "meta-inf/manifest.xml" in names
        or b"document-content" in _start(stream, names["content.xml"])
    ):
        return "ods"
    return None


def _start(stream: BinaryIO, member: zipfile.ZipInfo | None) -> bytes:
    """The beginning of a member; empty where it cannot be read."""
    if member is None:
        return b""
    stream.seek(0)
    try:
        with zipfile.ZipFile(stream) as archive:
            return next(blocks(archive, member, _STARTED), b"")
    except (UnsafeZip, zipfile.BadZipFile):
        return b""
