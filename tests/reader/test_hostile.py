"""Hostile files end as one message at little cost. Files that only look huge are read."""

from __future__ import annotations

import gzip
import io
import os
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import openpyxl
import pytest

from importer.errors import SourceError
from importer.reader import open_source
from tests.support.reading import read

HEAD = b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
TAIL = b"</sheetData></worksheet>"
HEADER = b'<row r="1"><c r="A1" t="inlineStr"><is><t>mobile</t></is></c></row>'


def _compressed(blocks: Iterator[bytes]) -> tuple[bytes, int, int]:
    """Deflated data with its true size and checksum, made without holding it. A repeated block is deflated once."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    parts, size, crc = [], 0, 0
    before, part = b"", b""
    for block in blocks:
        if block is not before:
            before, part = block, packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
        parts.append(part)
        size += len(block)
        crc = zlib.crc32(block, crc)
    return b"".join([*parts, packer.flush()]), size, crc


def _member(name: str, data: bytes, size: int, crc: int, at: int) -> tuple[bytes, bytes]:
    """A member as it lies in a zip, and its entry in the directory."""
    common = struct.pack("<HHHHHIIIHH", 20, 0, 8, 0, 0x21, crc, len(data), size, len(name), 0)
    local = b"PK\x03\x04" + common + name.encode() + data
    entry = b"PK\x01\x02\x14\x00" + common + struct.pack("<HHHII", 0, 0, 0, 0, at) + name.encode()
    return local, entry


def _workbook(path: Path, sheet: tuple[bytes, int, int], strings: bytes = b"") -> None:
    """A workbook with this (deflated) sheet."""
    stream = io.BytesIO()
    book = openpyxl.Workbook()
    book.save(stream)
    body, directory, count = b"", b"", 0
    with zipfile.ZipFile(stream) as old:
        members = {name: old.read(name) for name in old.namelist() if name != "xl/worksheets/sheet1.xml"}
    if strings:
        members["xl/sharedStrings.xml"] = strings
    packed = {name: _compressed(iter([data])) for name, data in members.items()}
    packed["xl/worksheets/sheet1.xml"] = sheet
    for name, (data, size, crc) in packed.items():
        local, entry = _member(name, data, size, crc, len(body))
        body += local
        directory += entry
        count += 1
    end = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, count, count, len(directory), len(body), 0)
    path.write_bytes(body + directory + end)


def _bomb(path: Path) -> None:
    block = b'<row><c t="inlineStr"><is><t>' + b"A" * (1 << 20)
    _workbook(path, _compressed(iter([HEAD, HEADER, *([block] * 512), TAIL])))


def _lying_bomb(path: Path) -> None:
    """The directory says 1,000 bytes, and has the checksum of them."""
    data, _, _ = _compressed(iter([HEAD, HEADER, *([b" " * (1 << 20)] * 300), TAIL]))
    start = (HEAD + HEADER + b" " * 1000)[:1000]
    _workbook(path, (data, 1000, zlib.crc32(start)))


def _strings_bomb(path: Path) -> None:
    laughs = "".join(f'<!ENTITY x{n} "{f"&x{n - 1};" * 10}">' for n in range(1, 12))
    strings = f'<!DOCTYPE sst [<!ENTITY x0 "ha">{laughs}]><sst xmlns="x"><si><t>&x11;</t></si></sst>'
    row = b'<row r="2"><c r="A2" t="s"><v>0</v></c></row>'
    _workbook(path, _compressed(iter([HEAD, HEADER, row, TAIL])), strings.encode())


def _many_members(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(60_000):
            archive.writestr(f"{number:060d}", b"")


def _lying_directory(path: Path) -> None:
    """Newer versions of zipfile refuse one that is larger than the file before they read it."""
    size = 3 << 20
    path.write_bytes(b"PK\x03\x04" + bytes(size) + struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 1, 1, size, 4, 0))


def _nameless_member(path: Path) -> None:
    """Its name begins with a NUL, where zipfile ends it."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x", "mobile,brand\n")
    path.write_bytes(path.read_bytes().replace(b"x", b"\0"))


def _gzip_bomb(path: Path) -> None:
    data, size, crc = _compressed(iter([b"mobile,brand\n", *([b"1,a\n" * (1 << 18)] * 256)]))
    path.write_bytes(b"\x1f\x8b\x08" + bytes(7) + data + struct.pack("<II", crc, size))


def _nuls(path: Path) -> None:
    with path.open("wb") as stream:
        stream.write(b"mobile,brand\n")
        stream.truncate(1 << 30)


def _deep(path: Path) -> None:
    _workbook(path, _compressed(iter([HEAD, HEADER, b'<row r="2"><c><v>1</v></c>', b"<c>" * 3_000_000])))


DECLARATION = '<?xml version="1.0"?>'
CELLS = '<Cell><Data ss:Type="String">Mobile</Data></Cell>'
XML = (
    f'{DECLARATION}<ss:Workbook xmlns:ss="urn:schemas-microsoft-com:office:spreadsheet">'
    f'<Worksheet ss:Name="a"><Table><Row>{CELLS}</Row>'
)
PAGE = "<table><tr><td>Mobile<td>Colour</tr>"


def _repeated(start: str, part: str, count: int, end: str = "") -> Callable[[Path], None]:
    """Write a file of many equal parts."""

    def make(path: Path) -> None:
        with path.open("w") as stream:
            stream.write(start)
            for _ in range(count // 1000):
                stream.write(part * 1000)
            stream.write(end)

    return make


def _laughing_xml(path: Path) -> None:
    laughs = "".join(f'<!ENTITY x{n} "{f"&x{n - 1};" * 10}">' for n in range(1, 12))
    row = '<Row><Cell><Data ss:Type="String">&x11;</Data></Cell></Row></Table></Worksheet></ss:Workbook>'
    path.write_text(f'<!DOCTYPE w [<!ENTITY x0 "ha">{laughs}]>{XML.replace(DECLARATION, "")}{row}')


#: Of pages and XML: what a file says at its end, whatever it costs to read that far.
MARKUP: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "a billion laughs in XML": ("a.xml", _laughing_xml, "entities"),
    "tables in tables": ("a.xls", _repeated(PAGE, "<tr><td><table>", 100_000), "nests tables"),
    "elements in elements": ("a.xls", _repeated(PAGE + "<tr><td>", "<div>", 200_000), "nests its elements"),
    "a row of very many cells": ("a.xls", _repeated(PAGE + "<tr>", "<td>1", 100_000), "row larger"),
    "very many tables": ("a.xls", _repeated("<html>", PAGE + "</table>", 2_000), "tables"),
    "style sheets without end": ("a.xls", _repeated("<html><style>", "mso-number-format:'\\", 500_000), "style sheets"),
    "a cell of megabytes": ("a.xls", _repeated(PAGE + "<tr><td>", "x" * 100, 40_000), "more text"),
    "cells in cells": (
        "a.xml",
        _repeated(XML + "<Row>", "<Cell>", 200_000),
        "larger than any valid",
    ),
    "very many empty rows": ("a.xls", _repeated(PAGE, "<tr></tr>", 1_100_000), "1,048,576 rows"),
    "very many empty rows in XML": (
        "a.xml",
        _repeated(XML, "<Row/>", 1_100_000),
        "1,048,576",
    ),
}


HOSTILE: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "a zip bomb": ("a.xlsx", _bomb, "attack"),
    "a zip bomb that lies": ("a.xlsx", _lying_bomb, "wrong size"),
    "a billion laughs": ("a.xlsx", _strings_bomb, "entities"),
    "a zip of very many files": ("a.zip", _many_members, "too many"),
    "a member without a name": ("a.zip", _nameless_member, "without a name"),
    "a directory larger than any": ("a.xlsx", _lying_directory, "too many"),
    "a gzip bomb": ("a.csv.gz", _gzip_bomb, "times its size"),
    "a gibibyte of NULs": ("a.csv", _nuls, "longer than"),
    "tags in tags": ("a.xlsx", _deep, "larger than any valid"),
}

WATCHED = """
import resource, sys
from importer.errors import SourceError
from importer.reader import open_source
def spent():
    used = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in used)
def cost(path):
    begin = spent()
    try:
        with open_source(path) as source:
            for block in source.blocks():
                pass
        said = "read"
    except SourceError as error:
        said = str(error)
    return spent() - begin, said
file, honest, most = sys.argv[1], sys.argv[2], float(sys.argv[3])
cost(honest)
own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
ratios = []
while len(ratios) < 5 and min(ratios, default=most) >= most:
    used, said = cost(file)
    ratios.append(used / cost(honest)[0])
print(said)
print(min(ratios))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - own) // 1024)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
"""
#: CPU time that a hostile file may cost, in readings of the honest file beside it. An honest workbook costs 0.14 s on a
#: machine whose Python counts to a million in 20 ms. A hostile text is given up after 64 MiB; the honest one has 8 MiB.
MOST = {".xlsx": 7.0, ".zip": 7.0, ".csv": 4.0, ".gz": 4.0}


@pytest.fixture(scope="session")
def honest(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """By suffix: an ordinary file, the measure of what a hostile one may cost."""
    folder = tmp_path_factory.mktemp("honest")
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet()
    for row in ("mobile", "brand"), *((919800000000 + number, "nike") for number in range(10_000)):
        sheet.append(row)
    book.save(folder / "a.xlsx")
    with gzip.open(folder / "a.csv.gz", "wb", compresslevel=9) as stream:
        stream.write(b"mobile,brand\n" + b"1,a\n" * (1 << 21))
    workbook, text = folder / "a.xlsx", folder / "a.csv.gz"
    return {".xlsx": workbook, ".zip": workbook, ".csv": text, ".gz": text}


def _watch(file: Path, honest: Path, most: float) -> tuple[str, float, int, int]:
    """The message for a file, its CPU time in readings of the honest file, MiB grown, and MiB of the child.

    Both are read in the same process, one after the other: a slow or busy machine is slow at both. Others can only make
    a reading dearer, so the cheapest of up to five counts.
    """
    words = [sys.executable, "-c", WATCHED, str(file), str(honest), str(most)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    said, ratio, grown, child = done.stdout.strip().splitlines()
    return said, float(ratio), int(grown), int(child)


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_cost_nothing(name: str, honest: dict[str, Path], tmp_path: Path) -> None:
    """One message at the cost of a small file, 100 MiB in the child, next to nothing in the main process."""
    file_name, make, words = HOSTILE[name]
    file = tmp_path / file_name
    make(file)
    most = MOST[file.suffix]
    said, ratio, grown, child = _watch(file, honest[file.suffix], most)
    assert words in said
    assert ratio < most
    assert grown < 40
    assert child < 100


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.parametrize("name", MARKUP)
def test_hostile_markup_is_refused(name: str, tmp_path: Path) -> None:
    """One message, before the first row."""
    file_name, make, words = MARKUP[name]
    make(tmp_path / file_name)
    with pytest.raises(SourceError, match=words):
        open_source(tmp_path / file_name)


@pytest.mark.process
def test_spans_beyond_every_sheet_cost_one_row(tmp_path: Path) -> None:
    """A thousand million columns or rows are merged cells, and stored as one cell."""
    file = tmp_path / "a.xls"
    spans = "<tr><td rowspan=1000000000>1<td colspan=1000000000>2</tr><tr><td>3<td>4</tr></table>"
    file.write_text(PAGE.replace("</tr>", "<td>Size</tr>") + spans)
    rows, problems = read(file)
    assert [number for number, _ in rows] == [2, 3]
    assert {(number, code) for number, _, code in problems} >= {(2, "merged_cells"), (3, "merged_cells")}


@pytest.mark.process
@pytest.mark.parametrize("name", ["a.xls", "a.xml"])
def test_no_other_file_is_read(name: str, tmp_path: Path) -> None:
    """External entities are refused, or stay the text that they are."""
    secret = tmp_path / "secret"
    secret.write_text("hidden words")
    body = f"{PAGE}<tr><td>1<td>&x;</tr></table>" if name == "a.xls" else f"{XML}<Row>{CELLS}</Row>"
    kind = "html" if name == "a.xls" else "w"
    (tmp_path / name).write_text(f'<!DOCTYPE {kind} [<!ENTITY x SYSTEM "{secret.as_uri()}">]>{body}')
    try:
        found = str(read(tmp_path / name))
    except SourceError as error:
        found = str(error)
    assert "hidden words" not in found


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.parametrize(
    ("count", "most"), [(1 << 18, 10.5), pytest.param(1 << 20, 42.0, marks=pytest.mark.exhaustive)]
)
def test_ghost_rows_cost_little(honest: dict[str, Path], tmp_path: Path, count: int, most: float) -> None:
    """A lying dimension and very many formatted empty rows: only the rows that hold something are read."""
    file = tmp_path / "a.xlsx"
    ghosts = (
        b"".join(
            b'<row r="%d" s="1" customFormat="1"><c r="A%d" s="0"/></row>' % (n, n) for n in range(first, first + 1024)
        )
        for first in range(4, count, 1024)
    )
    rows = b'<row r="2"><c r="A2"><v>1</v></c></row><row r="3"><c r="A3"><v>2</v></c></row>'
    lie = HEAD.replace(b"<sheetData>", b'<dimension ref="A1:XFD1048576"/><sheetData>')
    _workbook(file, _compressed(iter([lie, HEADER, rows, *ghosts, TAIL])))
    assert read(file) == ([(2, ["1"]), (3, ["2"])], [])
    _, ratio, grown, child = _watch(file, honest[".xlsx"], most)
    assert ratio < most
    assert grown < 40
    assert child < 100


def test_a_fifo_is_refused_at_once(tmp_path: Path) -> None:
    """Reading a pipe without a writer would never end."""
    fifo = tmp_path / "a.csv"
    os.mkfifo(fifo)
    with pytest.raises(SourceError, match="not a regular file"):
        open_source(fifo)
