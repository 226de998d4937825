"""Sheets that are not Unicode: the encoding is clear, or the refusal shows what a cell can be. Never a wrong text."""

from __future__ import annotations

import io
import random
from pathlib import Path

import pytest

from importer.errors import SourceError
from importer.reader import SourceOptions, open_source
from importer.reader.encoding import find_encoding
from importer.reader.guessing import is_clear, odd_cells, readings, shown
from importer.reader.sizes import LONGEST_ROW

WORDS = {
    "german": "Müller Jürgen Köln Straße Größe Schäfer Übermut weiß Österreich Käthe grün Nürnberg",
    "french": "Besançon Nîmes Orléans Hélène français Côte été forêt Gaël Chloé Évreux",
    "spanish": "Peña Málaga León Núñez Andrés Cádiz Íñigo Ávila mañana Martín Zúñiga",
    "portuguese": "João coração Conceição São Gonçalves Antônio maçã Vitória Luís Paraná",
    "nordic": "Bjørn Ångström Sjöberg Århus Mølholm Hämäläinen Malmö grønn Håkon Örebro",
    "polish": "Łódź Kraków Świątek Gdańsk źdźbło Wrocław Żywiec Wójcik niebieski część",
    "czech": "Žižka Dvořák Plzeň čeština říjen Jiří Ondřej Novák Růžena Šárka",
    "hungarian": "Győr Erzsébet Nagykőrös Szűcs hétfő Tímea Pécs Körös Ernő",
    "turkish": "Şişli Çiğdem Iğdır İzmir Müge Doğan Yıldız Üsküdar Işık Gülşen",
    "baltic": "Rīga Šiauliai Jūrmala Ķekava Žemaitė Pärnu Daugavpilī Kęstutis Rūta",
    "russian": "Москва Анна синий красный размер магазин обувь Екатеринбург Сергей Пётр",
    "ukrainian": "Київ Львів Олексій синій червоний розмір взуття Юлія Харків",
    "greek": "Αθήνα Γιώργος μπλε κόκκινο Θεσσαλονίκη Ελένη μέγεθος παπούτσια Κρήτη",
    "hebrew": "חיפה ירושלים כחול אדום מידה נעליים שלמה אשדוד רחובות",
    "arabic": "الرياض جدة محمد أزرق أحمر القاهرة متجر الحجم قميص فاطمة",
    "thai": "กรุงเทพ เชียงใหม่ สีแดง รองเท้า ขนาด สมชาย ร้านค้า ภูเก็ต",
    "japanese": "東京 大阪市 サイズ 赤い 株式会社 靴を買う 青いシャツ 田中 横浜市",
    "chinese": "北京 上海市 红色 鞋子 商店 蓝色衬衫 广州市 品牌 王小明 公司",
    "taiwanese": "臺北 高雄市 紅色 商店 藍色襯衫 公司 王小明 喜歡的顏色",
    "korean": "서울 부산광역시 빨강 신발 가게 크기 김민수 파란색 회사",
}
ENCODINGS = {
    "german": "cp1252 cp850 cp437 mac_roman",
    "french": "cp1252 cp850 cp437 mac_roman",
    "spanish": "cp1252 cp850 mac_roman",
    "portuguese": "cp1252 cp850 mac_roman",
    "nordic": "cp1252 cp850 mac_roman",
    "polish": "cp1250 iso8859-2 cp852",
    "czech": "cp1250 iso8859-2 cp852",
    "hungarian": "cp1250 iso8859-2 cp852",
    "turkish": "cp1254 cp857",
    "baltic": "cp1257",
    "russian": "cp1251 koi8-r cp866 mac_cyrillic iso8859-5",
    "ukrainian": "cp1251",
    "greek": "cp1253 iso8859-7 cp737",
    "hebrew": "cp1255",
    "arabic": "cp1256 iso8859-6",
    "thai": "cp874",
    "japanese": "cp932",
    "chinese": "gb18030",
    "taiwanese": "big5",
    "korean": "cp949",
}
PAIRS = [(language, encoding) for language, names in ENCODINGS.items() for encoding in names.split()]


def samples(language: str, encoding: str, count: int, tries: int) -> list[list[bytes]]:
    """Cells of a language with bytes beyond ASCII, some in capitals: `tries` times `count`."""
    chance = random.Random(f"{language} {encoding} {count}")
    made = []
    for _ in range(tries):
        cells: list[bytes] = []
        while len(cells) < count:
            word = " ".join(chance.sample(WORDS[language].split(), 1 + (count > 1 and chance.random() < 0.3)))
            cell = (word.upper() if chance.random() < 0.1 else word).encode(encoding, "ignore")
            if not cell.isascii():
                cells.append(cell)
        made.append(list(dict.fromkeys(cells)))
    return made


@pytest.mark.parametrize(("language", "encoding"), PAIRS)
@pytest.mark.parametrize("count", [1, 3, 30])
def test_cells_are_read_right_or_refused(language: str, encoding: str, count: int) -> None:
    """A clear reading is the right one, however few the cells. The right one is among those that a refusal shows."""
    clear = 0
    for cells in samples(language, encoding, count, 6 if count < 30 else 2):
        right = tuple([cell.decode(encoding) for cell in cells])
        found = readings(cells)
        if is_clear(found):
            clear += 1
            assert found[0].cells == right
        else:
            assert right in [reading.cells for reading in found[:5]]
            assert 2 <= len(shown(found)) <= 5
    if count == 30 and encoding.startswith("cp125"):
        assert clear


@pytest.mark.parametrize(
    "cell",
    [
        "Müller",
        "€ 5",
        "naïve",
        "It’s",
        "Don’t stop",
        "Men’s",
        "Kids’ wear",
        "São Paulo",
        "MÜNCHEN",
        "José",
        "Straße",
        "Bjørn",
        "Ångström",
        "Citroën",
        "Nestlé®",
        "O’Neill",
        "L’Oréal",
        "“Blue”",
        "A – B",
        "£5",
        "5 °C",
        "½",
        "12\xa0000",
        "m²",
        "JOÃO",
        "coração",
        "Ñandú",
        "Nº 5",
        "¿Qué?",
        "Reykjavík",
        "MüLLER",
        "Curaçao",
        "Côte d’Ivoire",
        "É",
        "Ø",
    ],
)
def test_one_western_cell_is_clear(cell: str, tmp_path: Path) -> None:
    """A sheet of Excel in a Western language is read with a single letter beyond ASCII. The note quotes the cell."""
    file = tmp_path / "a.csv"
    file.write_bytes(f"id,city\nC-1,Oslo\nC-2,{cell}\n".encode("cp1252"))
    with open_source(file) as source:
        assert [found for block in source.blocks() for found in block.column("city")] == ["Oslo", cell]
        assert any(f"“{cell}”".replace("\xa0", " ") in note and "line 3" in note for note in source.notes)


@pytest.mark.parametrize(("cell", "encoding"), [("שלום", "cp1255"), ("Nîmes", "cp850"), ("北京", "gb18030")])
def test_what_nothing_decides_is_refused_with_its_readings(cell: str, encoding: str, tmp_path: Path) -> None:
    """The refusal shows how the cell reads in each encoding. The encoding named with the right text opens the file."""
    file = tmp_path / "a.csv"
    file.write_bytes(f"id,city\nC-1,{cell}\n".encode(encoding))
    with pytest.raises(SourceError) as refused:
        open_source(file)
    assert f"{encoding} (“{cell}”)" in refused.value.message
    assert "--encoding" in refused.value.advice and "--encoding" not in refused.value.on_page
    with open_source(file, SourceOptions(encoding=encoding)) as source:
        assert [found for block in source.blocks() for found in block.column("city")] == [cell]


def test_few_cells_far_into_a_sheet_decide(tmp_path: Path) -> None:
    """Cells beyond ASCII are looked for in the whole text, and each is judged once, however often it is repeated."""
    file = tmp_path / "a.csv"
    rows = ["C-1,Riyadh"] * 60_000 + ["C-2,الرياض"] * 3
    file.write_bytes("\r\n".join(["id,city", *rows]).encode("cp1256"))
    with open_source(file) as source:
        assert source.settings["encoding"] == "cp1256"
        assert any("“الرياض”" in note and "line 60,002" in note for note in source.notes)


def test_bytes_that_are_not_text_are_refused(tmp_path: Path) -> None:
    """No reading of random bytes is taken for text."""
    file = tmp_path / "a.csv"
    chance = random.Random(1)
    words = [bytes(chance.choices(range(0x80, 0x100), k=8)) for _ in range(20)]
    file.write_bytes(b"id,city\n1," + b"\n1,".join(words))
    with pytest.raises(SourceError):
        open_source(file)


def test_cells_are_cut_where_every_encoding_has_a_delimiter() -> None:
    """A vertical bar is the second half of some characters, so it does not end a cell here."""
    assert odd_cells(b'1;"\xe9t\xe9",\x83|\x95\tx') == [b"\xe9t\xe9", b"\x83|\x95"]


class _Stream(io.RawIOBase):
    """40 MiB that are not UTF-8 and have no line end; it counts what is read."""

    taken = 0

    def __init__(self) -> None:
        self._left = 40 << 20

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        count = min(size, self._left)
        self._left -= count
        _Stream.taken += count
        return b"\xe9 " * (count // 2)


def test_a_text_without_line_ends_is_not_kept_while_its_encoding_is_judged() -> None:
    """Its first characters are enough, before it is refused as not a table."""
    with pytest.raises(SourceError):
        find_encoding("a", _Stream, None)  # type: ignore[arg-type]
    assert _Stream.taken < 4 * LONGEST_ROW


@pytest.mark.parametrize(
    ("cell", "encoding"),
    [("SÆBY", "cp850"), ("TÆT", "cp850"), ("DÆMON", "cp850"), ("Hjördís", "mac_roman"), ("país", "mac_roman")],
)
def test_an_apostrophe_does_not_hide_a_letter(cell: str, encoding: str) -> None:
    """Their bytes are an apostrophe in cp1252, where English words have it and these do not."""
    found = readings([cell.encode(encoding)])
    assert not is_clear(found) or found[0].cells == (cell,)
