"""Texts as tills and people export them: encodings, delimiters and headers are found, or asked for in one sentence."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from importer.errors import SourceError
from importer.reader import SourceOptions, open_source
from importer.reader.encoding import BLOCK
from importer.reader.header import find_header_row
from tests.support.reading import read

WORDS = {
    "cp1252": ["Müller", "Café", "Señor", "Ångström", "Größe", "naïve", "façade", "Übermut"],
    "cp1250": ["Žižka", "Łódź", "Dvořák", "čeština", "Kraków", "Świątek", "říjen", "źdźbło"],
    "cp1251": ["Москва", "привет", "размер", "синий", "красный", "любимый", "магазин", "обувь"],
    "cp1256": ["العربية", "أزرق", "أحمر", "متجر", "الحجم", "مفضل", "حذاء", "قميص"],
    "cp874": ["สีแดง", "รองเท้า", "เสื้อ", "ร้านค้า", "ชอบ", "ขนาด", "สีน้ำเงิน", "กระเป๋า"],
    "cp932": ["東京", "赤い", "靴を買う", "サイズ", "お店", "青いシャツ", "好きな色", "ブランド"],
    "gb18030": ["北京", "红色", "鞋子", "商店", "尺寸", "蓝色衬衫", "品牌", "喜欢的颜色"],
}


@pytest.mark.parametrize("encoding", WORDS)
def test_the_encoding_of_a_market_is_found_and_reported(encoding: str, tmp_path: Path) -> None:
    """A long sheet in the code page of its market is read as it was typed, and a note names the encoding."""
    words = [WORDS[encoding][number % 8] for number in range(80)]
    file = tmp_path / "till.csv"
    file.write_bytes(
        "\n".join(["mobile;brand", *(f"9177{n:08d};{word}" for n, word in enumerate(words))]).encode(encoding)
    )
    with open_source(file) as source:
        found = [cell for block in source.blocks() for cell in block.column("brand")]
        assert found == words
        assert any("not UTF-8" in note for note in source.notes)


def test_the_encoding_is_proven_to_the_last_byte(tmp_path: Path) -> None:
    """A broken byte after a megabyte of good text is named by byte and line before any row is read."""
    good = "mobile,brand\n" + "917744876415,पुमा\n" * 50_000
    file = tmp_path / "a.csv"
    file.write_bytes(good.encode() + b"1,\xe0\xa4\n")
    with pytest.raises(SourceError, match=rf"byte {len(good.encode()) + 3:,} \(line 50,002\)"):
        open_source(file)


@pytest.mark.slow
def test_a_letter_cut_by_a_block_is_whole(tmp_path: Path) -> None:
    """Letters of several bytes fall across the blocks that are read; nothing shows of it."""
    words = ["é" * (n % 7) + "x" for n in range(200_000)]
    file = tmp_path / "a.csv"
    file.write_text("mobile,brand\n" + "".join(f"1,{word}\n" for word in words), encoding="utf-8")
    rows, _ = read(file)
    assert [cells[1] for _, cells in rows] == words


def test_a_row_is_never_shifted(tmp_path: Path) -> None:
    """pandas makes an index of the first column when every row has a cell too many; here every row keeps its place."""
    file = tmp_path / "a.csv"
    file.write_text("mobile,brand\n" + "1,a, b\n" * 30 + "2,c\n")
    rows, problems = read(file)
    assert rows == [*((n, ["1", "a"]) for n in range(2, 32)), (32, ["2", "c"])]
    assert problems == [(n, None, "ragged_row") for n in range(2, 32)]


def test_what_overflows_is_kept_for_the_report(tmp_path: Path) -> None:
    """The cells that have no column stand in the problem's value, which only reports show."""
    file = tmp_path / "a.csv"
    file.write_text("mobile,brand\n1,a,b,c\n")
    with open_source(file) as source:
        (problem,) = next(source.blocks()).problems
    assert problem.value == "b,c"
    assert "b,c" not in problem.message + problem.advice


def test_the_unclosed_quote_is_found_before_the_first_row(tmp_path: Path) -> None:
    """Nothing may be sent of a file whose end cannot be read: opening it already refuses."""
    file = tmp_path / "a.csv"
    file.write_text("mobile,brand\n" + "1,a\n" * 20_000 + '2,"b\n' + "3,c\n" * 50)
    with pytest.raises(SourceError, match="line 20,002"):
        open_source(file)


def test_rows_may_each_be_long(tmp_path: Path) -> None:
    """The limit of a row is not one of several rows that are parsed together."""
    file = tmp_path / "a.csv"
    file.write_text("mobile,note\n" + "".join(f'91{row},"{"x" * 120_000}"\n' for row in range(100)), encoding="utf-8")
    with open_source(file) as source:
        assert sum(len(block) for block in source.blocks()) == 100


def test_chunks_have_the_size_that_is_asked_for(tmp_path: Path) -> None:
    """Whole blocks, then the rest."""
    file = tmp_path / "a.csv"
    file.write_text("mobile\n" + "1\n" * 25)
    with open_source(file) as source:
        assert [len(block) for block in source.blocks(10)] == [10, 10, 5]


def test_options_of_the_reader_are_settings_of_the_run(tmp_path: Path) -> None:
    """A run remembers how its source was read."""
    file = tmp_path / "a.csv"
    file.write_text("x;y\nmobile;brand\n1;a\n", encoding="cp1252")
    with open_source(file, SourceOptions(encoding="cp1252", delimiter=";", header_row=2)) as source:
        assert source.settings == {"encoding": "cp1252", "delimiter": ";", "header_row": "2"}


def test_a_password_never_shows() -> None:
    """Options are logged."""
    assert "sesame" not in repr(SourceOptions(password="open sesame"))


@pytest.mark.parametrize("delimiter", ["\\t", "tab", "\t"])
def test_a_tab_can_be_typed(delimiter: str, tmp_path: Path) -> None:
    """Shells make it hard to pass a tab."""
    file = tmp_path / "a.csv"
    file.write_text("mobile\tbrand, or so\n1\ta, b\n")
    assert read(file, delimiter=delimiter)[0] == [(2, ["1", "a, b"])]


def test_a_delimiter_of_two_characters_is_refused(tmp_path: Path) -> None:
    """And said so."""
    file = tmp_path / "a.csv"
    file.write_text("mobile||brand\n1||a\n")
    with pytest.raises(SourceError, match="one character"):
        open_source(file, SourceOptions(delimiter="||"))


HEADERS: list[tuple[str, str, int]] = [
    ("on top", "mobile,brand\n1234567,a\n", 1),
    ("below a title", "Customers\n\nmobile,brand\n1234567,a\n2345678,b\n", 3),
    ("below a title of two cells", "Export,2026-03-09,\nmobile,brand,size\n1234567,a,S\n", 2),
    ("below a legend", "Key:,S = small,M = medium\nmobile,brand,size,colour\n1234567,a,S,x\n1234568,b,,y\n", 2),
    ("with a column hardly used", "mobile,brand,remark\n1234567,a,\n1234568,b,\n1234569,c,x\n", 1),
    ("with a number for a name", "mobile,2026\n1234567,a\n", 1),
    ("words only", "name,brand\nAnn,puma\nBob,nike\n", 1),
    ("alone", "mobile,brand\n", 1),
    ("of one column", "mobile\n1234567\n", 1),
    ("missing", "1234567,a\n1234568,b\n", 1),
    ("followed by a row of words", "mobile,brand\n,nike\n1234567,a\n", 1),
]


@pytest.mark.parametrize(("text", "row"), [case[1:] for case in HEADERS], ids=[case[0] for case in HEADERS])
def test_the_header_is_found(text: str, row: int) -> None:
    """Titles are passed over, data never is."""
    records = list(csv.reader(io.StringIO(text)))
    found = find_header_row(list(enumerate(records, 1)))
    assert found is not None
    assert found + 1 == row


@pytest.mark.parametrize("cell", ["O\x92Neill", "5 \x96 6", "Caf\x85", "\x80 5"])
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-16"])
def test_what_remains_of_the_marks_of_windows_is_damage(cell: str, encoding: str, tmp_path: Path) -> None:
    """The control characters above DEL are ’ or – or € read as latin-1. The row is rejected; good rows are not."""
    file = tmp_path / "a.csv"
    file.write_bytes(f"mobile,name\n1,Zoë 10\xa0€\n2,{cell}\n3,Ünal\n".replace("€", "£").encode(encoding))
    _, problems = read(file, encoding=encoding)
    assert problems == [(3, "name", "control_character")]


def test_a_control_of_windows_is_found_at_the_border_of_a_block(tmp_path: Path) -> None:
    """Its two bytes in UTF-8 are read in two blocks."""
    start = "mobile,name\n" + "1,abcdef\n" * (BLOCK // 9 - 10)
    text = start + "1," + "x" * (BLOCK - len(start) - 3) + "\x92\n"
    file = tmp_path / "a.csv"
    file.write_bytes(text.encode())
    assert file.read_bytes()[BLOCK - 1 : BLOCK + 1] == b"\xc2\x92"
    _, problems = read(file)
    assert [code for _, _, code in problems] == ["control_character"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("quote", ["", '"'])
@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_a_stray_cr_belongs_to_its_cell(encoding: str, quote: str, end: str, tmp_path: Path) -> None:
    """In a text whose lines end with LF, a CR alone ends no row, in quotes or without, first, inside or last."""
    cells = ["Light\rBlue", "\rRed", "Green\r", "é"]
    lines = [
        "mobile,colour,size",
        *(f"{n},{quote}{cell}{quote},{n}\rM" for n, cell in enumerate(cells)),
        f"9,x,{quote}{quote}",
    ]
    file = tmp_path / "a.csv"
    file.write_bytes((end.join(lines) + end).encode(encoding))
    rows, problems = read(file, encoding=encoding)
    assert rows == [
        *[(n + 2, [str(n), cell, f"{n}\rM"]) for n, cell in enumerate(cells)],
        (6, ["9", "x", ""]),
    ]
    assert problems == []


def test_lines_of_old_macs_end_with_cr(tmp_path: Path) -> None:
    """A CR alone ends a row where no line ends with LF."""
    file = tmp_path / "a.csv"
    file.write_bytes(b"mobile,colour\r1,red\r2,blue\r")
    assert read(file)[0] == [(2, ["1", "red"]), (3, ["2", "blue"])]


def test_cells_of_old_macs_may_have_lines(tmp_path: Path) -> None:
    """Excel for Mac ends rows with CR and the lines of a cell with LF: only an LF outside quotes ends a row."""
    file = tmp_path / "a.csv"
    file.write_bytes(b'mobile,colour\r1,"red\nor pink"\r2,blue\r')
    assert read(file)[0] == [(2, ["1", "red\nor pink"]), (3, ["2", "blue"])]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\n \r\n", "\r\n\x1a"])
@pytest.mark.parametrize("colour", ["blue", '"blue"', '"light\nblue"', '"light\r\nblue"'])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_an_lf_at_the_end_or_in_quotes_ends_no_line_of_an_old_mac(
    end: str, colour: str, encoding: str, tmp_path: Path
) -> None:
    """Else the whole text would be its header, and all rows would be lost."""
    file = tmp_path / "a.csv"
    file.write_bytes(f"mobile,colour\r1,red\r2,{colour}\r3,red{end}".encode(encoding))
    rows, problems = read(file)
    assert rows == [(2, ["1", "red"]), (3, ["2", colour.strip('"')]), (4, ["3", "red"])]
    assert problems == []


@pytest.mark.parametrize("end", ["\x1a", "\x1a\r\n", "\r\n\x1a\x1a\x00\x00\x00", "\n\x1a" + "\x00" * 500])
@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-16", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("quote", ["", '"'])
def test_a_ctrl_z_at_the_end_is_not_data(end: str, encoding: str, quote: str, tmp_path: Path) -> None:
    """DOS ends a text with it. Anywhere else it is a control character."""
    file = tmp_path / "a.csv"
    text = f"mobile,colour\r\n1,{quote}Grün{quote}\r\n2,blue{end}"
    file.write_bytes(text.encode(encoding))
    assert read(file, encoding=encoding) == ([(2, ["1", "Grün"]), (3, ["2", "blue"])], [])
    file.write_bytes(text.replace("blue", "bl\x1aue").encode(encoding))
    assert read(file, encoding=encoding)[1] == [(3, "colour", "control_character")]
