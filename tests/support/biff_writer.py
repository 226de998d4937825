"""Workbooks as Excel 2 to 95 wrote them: records of bytes, in a file of their own or in an OLE container."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence

from xlwt.CompoundDoc import XlsDoc

_BOF = {2: (0x0009, 4), 3: (0x0209, 6), 4: (0x0409, 6), 5: (0x0809, 8)}
_EOF = struct.pack("<HH", 0x0A, 0)

Cell = bytes | float


def record(kind: int, data: bytes) -> bytes:
    return struct.pack("<HH", kind, len(data)) + data


def begin(version: int, kind: int = 0x10) -> bytes:
    """The first record of a workbook's globals (5) or of a sheet (0x10)."""
    code, size = _BOF[version]
    return record(code, struct.pack("<HH", version << 8 if version == 5 else version, kind).ljust(size, b"\0"))


def cells(rows: Sequence[Sequence[Cell]], version: int = 5, style: int = 0) -> bytes:
    """The cells of a sheet: texts as bytes, and numbers."""
    made = b""
    for row, line in enumerate(rows):
        for column, cell in enumerate(line):
            where = struct.pack("<HH", row, column) + (b"\0\0\0" if version == 2 else struct.pack("<H", style))
            if isinstance(cell, bytes):
                size = struct.pack("<B" if version == 2 else "<H", len(cell))
                made += record(0x0004 if version == 2 else 0x0204, where + size + cell)
            else:
                made += record(0x0003 if version == 2 else 0x0203, where + struct.pack("<d", cell))
    return made


def old_sheet(rows: Sequence[Sequence[Cell]], version: int, codepage: int | None = None) -> bytes:
    """A whole file of Excel 2, 3 or 4: one sheet without a container."""
    pages = b"" if codepage is None else record(0x42, struct.pack("<H", codepage))
    return begin(version) + pages + cells(rows, version) + _EOF


def excel_95(rows: Sequence[Sequence[Cell]], charset: int = 0, codepage: int | None = None, more: bytes = b"") -> bytes:
    """The records of a workbook of Excel 5 or 95, whose cells have a font of this character set."""
    font = record(0x31, struct.pack("<HHHHHBBBBB", 200, 0, 8, 400, 0, 0, 0, charset, 0, 4) + b"Sans")
    style = record(0xE0, struct.pack("<HH", 0, 0).ljust(16, b"\0"))
    pages = b"" if codepage is None else record(0x42, struct.pack("<H", codepage))
    before = begin(5, 5) + more + pages + font * 5 + style
    sheet = struct.pack("<IBB", len(before) + 4 + 7 + 5 + 4, 0, 0) + b"\x05Sheet"
    return before + record(0x85, sheet) + _EOF + begin(5) + cells(rows) + _EOF


def in_container(stream: bytes, name: str = "Book") -> bytes:
    """An OLE container with the workbook in a stream of this name."""
    out = io.BytesIO()
    XlsDoc().save(out, stream)
    entry = "Workbook".encode("utf-16-le").ljust(64, b"\0") + struct.pack("<H", 18)
    changed = name.encode("utf-16-le").ljust(64, b"\0") + struct.pack("<H", 2 * len(name) + 2)
    whole = out.getvalue()
    assert whole.count(entry) == 1
    return whole.replace(entry, changed)
