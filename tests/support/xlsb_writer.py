"""A small writer of binary workbooks (.xlsb): only Excel itself writes them otherwise."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def _record(kind: int, data: bytes = b"") -> bytes:
    head = bytes([kind]) if kind < 128 else bytes([(kind & 0x7F) | 0x80, kind >> 7])
    length = len(data)
    size = bytearray()
    while True:
        size.append((length & 0x7F) | (0x80 if length > 0x7F else 0))
        length >>= 7
        if not length:
            return head + bytes(size) + data


def _text(text: str) -> bytes:
    data = text.encode("utf-16-le")
    return struct.pack("<I", len(data) // 2) + data


def _relations(*parts: tuple[str, str, str]) -> str:
    listed = "".join(f'<Relationship Id="{key}" Type="{OFFICE}/{kind}" Target="{to}"/>' for key, kind, to in parts)
    return f'<?xml version="1.0"?><Relationships xmlns="{PACKAGE}">{listed}</Relationships>'


def write_xlsb(
    path: Path,
    rows: dict[int, list[object]],
    *,
    formats: tuple[str, ...] = (),
    styled: dict[tuple[int, int], int] | None = None,
    merged: tuple[tuple[int, int, int, int], ...] = (),
    hidden_second: bool = False,
    hidden: tuple[int, int] = (-1, -1),
) -> None:
    """Rows by number; a value `#…` is an error, a bytes value an inline text, an int in a short form where it fits.
    `hidden`: the number of a row, and the position of a column."""
    texts: list[str] = []
    width = max((len(cells) for cells in rows.values()), default=1)
    sheet = _record(129) + _record(148, struct.pack("<IIII", 0, max(rows) - 1, 0, width - 1))
    if hidden[1] >= 0:
        sheet += _record(390) + _record(60, struct.pack("<IIIIH", hidden[1], hidden[1], 2340, 0, 1)) + _record(391)
    sheet += _record(145)
    for number, cells in rows.items():
        sheet += _record(0, struct.pack("<IIHHBI", number - 1, 0, 300, 0x1000 * (number == hidden[0]), 0, 0))
        for place, value in enumerate(cells):
            head = struct.pack("<II", place, (styled or {}).get((number, place), 0))
            if value is None:
                sheet += _record(1, head)
            elif value is True or value is False:
                sheet += _record(4, head + bytes([value]))
            elif isinstance(value, int) and abs(value) < 1 << 28:
                sheet += _record(2, head + struct.pack("<i", value << 2 | 2))
            elif isinstance(value, int | float):
                sheet += _record(5, head + struct.pack("<d", value))
            elif isinstance(value, bytes):
                sheet += _record(6, head + _text(value.decode()))
            elif str(value).startswith("#"):
                sheet += _record(3, head + bytes([42]))
            else:
                texts.append(str(value))
                sheet += _record(7, head + struct.pack("<I", len(texts) - 1))
    sheet += _record(146)
    for top, bottom, left, right in merged:
        sheet += _record(176, struct.pack("<IIII", top - 1, bottom - 1, left, right))
    sheet += _record(130)
    book = _record(131) + _record(153, struct.pack("<II", 0, 0) + _text("")) + _record(143)
    book += _record(156, struct.pack("<II", 0, 1) + _text("rId1") + _text("Data"))
    if hidden_second:
        book += _record(156, struct.pack("<II", 1, 2) + _text("rId4") + _text("Secret"))
    book += _record(144) + _record(132)
    styles = _record(278) + _record(615, struct.pack("<I", len(formats)))
    for at, code in enumerate(formats):
        styles += _record(44, struct.pack("<H", 164 + at) + _text(code))
    styles += _record(616) + _record(617, struct.pack("<I", len(formats) + 1))
    for number in (0, *range(164, 164 + len(formats))):
        styles += _record(47, struct.pack("<HHHHHHI", 0, number, 0, 0, 0, 0, 0))
    styles += _record(618) + _record(279)
    strings = _record(159, struct.pack("<II", len(texts), len(texts)))
    strings += b"".join(_record(19, b"\0" + _text(text)) for text in texts) + _record(160)
    types = '<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>'
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", types)
        archive.writestr("_rels/.rels", _relations(("rId1", "officeDocument", "xl/workbook.bin")))
        parts = [("rId1", "worksheet", "worksheets/sheet1.bin"), ("rId2", "sharedStrings", "sharedStrings.bin")]
        parts += [("rId3", "styles", "styles.bin"), ("rId4", "worksheet", "worksheets/sheet1.bin")]
        archive.writestr("xl/_rels/workbook.bin.rels", _relations(*parts))
        archive.writestr("xl/workbook.bin", book)
        archive.writestr("xl/worksheets/sheet1.bin", sheet)
        archive.writestr("xl/sharedStrings.bin", strings)
        archive.writestr("xl/styles.bin", styles)
