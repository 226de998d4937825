"""Workbooks whose parts other programs name or split in their own way."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from importer.errors import SourceError
from importer.reader import open_source
from tests.support.raw_xlsx import OFFICE, PACKAGE, parts_of, relationships, text_cell, write_parts
from tests.support.reading import Rows, read

ROWS = (
    '<row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c></row>'
    f'<row r="2"><c r="A2"><v>919800000001</v></c>{text_cell("B2", "red")}</row>'
)
EXPECTED: tuple[Rows, list[object]] = ([(2, ["919800000001", "red"])], [])

Parts = dict[str, str]


def _parts() -> Parts:
    return parts_of(ROWS, ("mobile", "Brand"))


def _renamed(change: Callable[[str], str]) -> Parts:
    return {change(name): content for name, content in _parts().items()}


def _related(**targets: str) -> Parts:
    """The workbook's relationships with other targets."""
    usual = {"worksheet": "worksheets/sheet1.xml", "sharedStrings": "sharedStrings.xml"}
    return _parts() | {"xl/_rels/workbook.xml.rels": relationships(**usual | targets)}


def _at_root() -> Parts:
    parts = _renamed(lambda name: name.removeprefix("xl/"))
    return parts | {"_rels/.rels": relationships(officeDocument="/workbook.xml")}


def _elsewhere() -> Parts:
    parts = _renamed(lambda name: name.replace("xl/", "data/").replace("workbook.xml", "book.xml"))
    return parts | {"_rels/.rels": relationships(officeDocument="data/book.xml")}


def _without_package_relations() -> Parts:
    parts = _renamed(lambda name: name.removeprefix("xl/"))
    del parts["_rels/.rels"]
    return parts


FORMS: dict[str, Callable[[], Parts]] = {
    "SharedStrings": lambda: _renamed(lambda name: name.replace("sharedStrings", "SharedStrings")),
    "capitals": lambda: _renamed(str.upper),
    "small letters": lambda: _renamed(str.lower),
    "backslashes": lambda: _renamed(lambda name: name.replace("/", "\\")),
    "leading slash": lambda: _renamed(lambda name: f"/{name}"),
    "leading dot": lambda: _renamed(lambda name: f"./{name}"),
    "absolute targets": lambda: _related(worksheet="/xl/worksheets/sheet1.xml", sharedStrings="/xl/sharedStrings.xml"),
    "targets from the root": lambda: _related(worksheet="xl/worksheets/sheet1.xml"),
    "targets with dots": lambda: _related(worksheet="../xl/./worksheets/sheet1.xml"),
    "targets with backslashes": lambda: _related(
        worksheet="worksheets\\sheet1.xml", sharedStrings="\\xl\\sharedStrings.xml"
    ),
    "targets in other case": lambda: _related(worksheet="Worksheets/Sheet1.XML", sharedStrings="SharedStrings.xml"),
    "percent-encoded targets": lambda: _related(worksheet="worksheets/sheet%31.xml"),
    "a missing target": lambda: _related(sharedStrings="strings.xml"),
    "parts at the root": _at_root,
    "another folder": _elsewhere,
    "no package relations": _without_package_relations,
}


@pytest.mark.parametrize("form", FORMS)
def test_parts_are_found_by_any_name(form: str, tmp_path: Path) -> None:
    """Excel opens these, so they are read."""
    assert read(write_parts(tmp_path / "a.xlsx", FORMS[form]())) == EXPECTED


def test_the_exact_name_comes_first(tmp_path: Path) -> None:
    """A second part whose name differs in case does not replace it."""
    other = _parts()["xl/sharedStrings.xml"].replace("mobile", "wrong")
    parts = {"xl/SharedStrings.xml": other} | _parts() | {"xl/SHAREDSTRINGS.xml": other}
    assert read(write_parts(tmp_path / "a.xlsx", parts)) == EXPECTED
    with open_source(tmp_path / "a.xlsx") as source:
        assert source.columns == ("mobile", "Brand")


def test_a_document_with_an_embedded_sheet_is_not_a_workbook(tmp_path: Path) -> None:
    """Its list of content types names spreadsheets too."""
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types"><Default Extension="xlsx" '
        'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"/></Types>',
        "word/document.xml": "<document/>",
        "word/embeddings/sheet.xlsx": "",
        "word/_rels/document.xml.rels": relationships(package="embeddings/sheet.xlsx"),
    }
    with pytest.raises(SourceError, match="a Word document"):
        open_source(write_parts(tmp_path / "a.xlsx", parts))


@pytest.mark.parametrize("lost", ["mimetype", "META-INF/manifest.xml", "both"])
def test_an_ods_is_known_by_its_content(lost: str, tmp_path: Path) -> None:
    """Some programs write no type, or no list of its files."""
    out = io.BytesIO()
    pd.DataFrame({"mobile": ["919800000001"], "Brand": ["red"]}).to_excel(out, index=False, engine="odf")  # type: ignore[arg-type]
    with zipfile.ZipFile(out) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    for name in ("mimetype", "META-INF/manifest.xml"):
        if lost in (name, "both"):
            parts.pop(name, None)
    assert read(write_parts(tmp_path / "a.ods", parts)) == EXPECTED


def _split(numbers: list[int], prefix: str) -> Parts:
    rows = "".join(
        f'<row r="{number}">{text_cell(f"{letter}{number}", cell)}</row>'
        for number in numbers
        for letter, cell in zip("ABC", (str(919800000000 + number), f"red {number}", "x"), strict=True)
    )
    header = f'<row r="1">{text_cell("A1", "mobile")}{text_cell("B1", "Brand")}{text_cell("C1", "More")}</row>'
    return parts_of(header + rows, prefix=prefix)


@pytest.mark.parametrize("prefix", ["", "x"])
def test_a_row_split_over_elements_is_one_row(prefix: str, tmp_path: Path) -> None:
    """Some programs write an element per cell, also where a block of the file ends within a row."""
    numbers = [*range(2, 4000), 5000]
    expected = [(number, [str(919800000000 + number), f"red {number}", "x"]) for number in numbers]
    assert read(write_parts(tmp_path / "a.xlsx", _split(numbers, prefix))) == (expected, [])


@pytest.mark.parametrize("second", ['<row r="2">{}</row>', '<row r="2" hidden="1">{}</row>'])
def test_a_cell_that_occurs_twice_is_refused(second: str, tmp_path: Path) -> None:
    """It is uncertain which of them is right."""
    rows = ROWS + second.format(text_cell("B2", "blue"))
    with pytest.raises(SourceError, match="twice"):
        read(write_parts(tmp_path / "a.xlsx", parts_of(rows, ("mobile", "Brand"))))


def test_a_hidden_row_in_pieces_is_counted_once(tmp_path: Path) -> None:
    """A note tells the number of rows, not of elements."""
    rows = ROWS + "".join(f'<row r="3" hidden="1">{text_cell(f"{letter}3", "5")}</row>' for letter in "AB")
    with open_source(write_parts(tmp_path / "a.xlsx", parts_of(rows, ("mobile", "Brand")))) as source:
        assert [len(block) for block in source.blocks()] == [2]
        assert any("1 hidden or filtered row;" in note for note in source.notes)


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("prefix", ["", "x"])
def test_an_emoji_in_two_escapes_is_one_letter(prefix: str, shared: bool, tmp_path: Path) -> None:
    """Half of one is a damaged cell of its row, wherever it is."""
    texts = ["a _xD83D__xDE00_ b", "_xd83d__xde00_", "_xD83D_", "_xDE00__xD83D_", "_xD83D_ _xDE00_", "_x005F_xD83D_"]
    cells = [
        f'<c r="B{number}" t="s"><v>{number}</v></c>' if shared else text_cell(f"B{number}", text)
        for number, text in enumerate(texts, 2)
    ]
    rows = f'<row r="1">{text_cell("A1", "mobile")}{text_cell("B1", "Brand")}</row>' + "".join(
        f'<row r="{number}"><c r="A{number}"><v>{number}</v></c>{cell}</row>' for number, cell in enumerate(cells, 2)
    )
    file = write_parts(tmp_path / "a.xlsx", parts_of(rows, ("", "", *texts), prefix))
    found, problems = read(file)
    assert [cells[1] for _, cells in found] == ["a 😀 b", "😀", "\ufffd", "\ufffd\ufffd", "\ufffd \ufffd", "_xD83D_"]
    assert problems == [(number, "Brand", "lost_letters") for number in (4, 5, 6)]


def test_office_is_the_namespace_of_relationships() -> None:
    """The helper writes what Excel writes."""
    assert f'Type="{OFFICE}/worksheet"' in relationships(worksheet="a")
