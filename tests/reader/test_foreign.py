"""Files of other kinds are named as what they are, with the way out; good texts that look like them are read."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from importer.cli.shared import expanded
from importer.errors import SourceError
from importer.reader import open_source
from importer.reader.foreign import foreign_name

DBF = (
    bytes([3, 126, 3, 9]) + (2).to_bytes(4, "little") + (65).to_bytes(2, "little") + (21).to_bytes(2, "little")
    + bytes(20) + b"MOBILE\0\0\0\0\0C" + bytes(4) + b"\x14" + bytes(15) + b"\r" + b" 919845000001        "
)  # fmt: skip
SYLK = b'ID;PCALCOOO32\r\nF;P0;DG0G10;M1000\r\nB;Y3;X2;D0 0 2 1\r\nC;X1;Y1;K"Mobile"\r\nC;Y2;X1;K919845000001\r\nE\r\n'
LOCK = b"\x04Asha".ljust(55) + b"\x04\0A\0s\0h\0a\0".ljust(110, b" ")


def ole(*streams: str) -> bytes:
    """Enough of an OLE container: its mark, and names as its directory has them."""
    return b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(1024) + b"".join(name.encode("utf-16-le") for name in streams)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.slk", SYLK, "SYLK"),
        ("a.csv", b"ID;PWXL;N;E\nP;PGeneral\nC;Y1;X1;K5\nE\n", "SYLK"),
        ("a.dif", b'TABLE\r\n0,1\r\n"EXCEL"\r\nVECTORS\r\n0,2\r\n""\r\n', "DIF"),
        ("a.dbf", DBF, "dBase"),
        ("a.wk1", bytes.fromhex("00000200060406000800") + bytes(30), "Lotus"),
        ("a.123", bytes.fromhex("00001a00031004000000") + bytes(30), "Lotus"),
        ("a.wb2", bytes.fromhex("00000200021000000000") + bytes(30), "Quattro"),
        ("a.qpw", ole("Root Entry", "NativeContent_MAIN"), "Quattro"),
        ("a.doc", ole("Root Entry", "WordDocument"), "Word"),
        ("a.xls", ole("Root Entry", "PowerPoint Document"), "presentation"),
        ("a.pdf", b"%PDF-1.7\n", "PDF"),
        ("a.parquet", b"PAR1" + bytes(30), "Parquet"),
        ("a.db", b"SQLite format 3\0" + bytes(30), "SQLite"),
        ("a.mdb", b"\x00\x01\x00\x00Standard Jet DB\0", "Access"),
        ("a.json", b'[\n  {"mobile": "919845000001"}]', "JSON"),
        ("a.csv", b'{"mobile": 1}\n{"mobile": 2}\n', "JSON"),
        ("a.xml", b'<?xml version="1.0"?><customers><c/></customers>', "<customers>"),
        ("a.csv", b"<customers>\n <c>1</c>\n</customers>\n", "<customers>"),
        ("a.xml", b'<?xml version="1.0"?><w:wordDocument xmlns:w="x"><w:body/></w:wordDocument>', "Word"),
        ("a.vcf", b"BEGIN:VCARD\r\nVERSION:3.0\r\n", "vCard"),
        ("~$a.xlsx", LOCK, "a.xlsx open"),
        (".~lock.a.ods#", b",asha,host,09.03.2026 10:00,file:///home/asha;", "a.ods open"),
    ],
)
def test_what_a_file_is(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    """The name of the file, what it is, and what to do."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError) as refused:
        open_source(tmp_path / name)
    assert words in refused.value.message
    assert refused.value.advice


@pytest.mark.parametrize(
    ("members", "words"),
    [
        (["word/document.xml", "[Content_Types].xml"], "Word"),
        (["Index/Document.iwa", "Data/a.jpg"], "Numbers"),
        (["mimetype", "content.xml"], "OpenDocument text"),
    ],
)
def test_what_a_zipped_document_is(tmp_path: Path, members: list[str], words: str) -> None:
    """Documents are zip files like workbooks."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for member in members:
            archive.writestr(member, "application/vnd.oasis.opendocument.text")
    with pytest.raises(SourceError, match=words):
        open_source(tmp_path / "a.zip")


def test_a_page_in_an_archive_must_be_unpacked(tmp_path: Path) -> None:
    """It is read from the file itself only."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.xls", "<table><tr><td>Mobile</td></tr></table>")
    with pytest.raises(SourceError, match="contains a web page"):
        open_source(tmp_path / "a.zip")


@pytest.mark.parametrize(
    "text",
    [
        "ID;Phone;Name\nC;919845000001;x\nP;919845000002;y\n",
        "ID;P\nC;X\nE;5\n",
        "ID;Points\nB;7\n",
        "{Mobile},[Colour]\n1,Blue\n",
        "[Mobile];Colour\n1;Blue\n",
        "TABLE\n0.1\n",
        "0\t\t\n1\t2\t3\n",
        "BEGIN:VCARD;Mobile\nx;1\n",
        "ORC\nx\n",
    ],
)
def test_texts_that_look_alike(tmp_path: Path, text: str) -> None:
    """A CSV file stays one, whatever its first column is called."""
    assert foreign_name(text.encode()) is None
    file = tmp_path / "a.csv"
    file.write_text(text)
    with open_source(file) as source:
        assert source.kind == "text"


def test_patterns_skip_lock_files(tmp_path: Path) -> None:
    """An open workbook does not stop the others; the lock file itself is reported where it is named."""
    for name in ("a.xlsx", "b.xlsx", "~$a.xlsx", ".~lock.b.xlsx#"):
        (tmp_path / name).write_bytes(b"x")
    assert expanded([str(tmp_path / "*.xlsx")]) == [str(tmp_path / "a.xlsx"), str(tmp_path / "b.xlsx")]
    assert expanded([str(tmp_path / ".*"), str(tmp_path / "*")]) == [
        str(tmp_path / ".*"),
        str(tmp_path / "a.xlsx"),
        str(tmp_path / "b.xlsx"),
    ]
    assert expanded([str(tmp_path / "~$a.xlsx")]) == [str(tmp_path / "~$a.xlsx")]


def test_a_file_keeps_the_place_where_it_is_named_first(tmp_path: Path) -> None:
    """`run first.csv *.csv` imports first.csv before the others."""
    a, b, c = (str(tmp_path / name) for name in ("a.csv", "b.csv", "c.csv"))
    for path in (a, b, c):
        Path(path).write_bytes(b"x")
    assert expanded([b, str(tmp_path / "*.csv"), a]) == [b, a, c]
