"""Workbooks (.xlsx) written part by part, for what no spreadsheet program of today writes."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"


def relationships(**targets: str) -> str:
    """The relationships of a part: last word of the type → target."""
    listed = "".join(
        f'<Relationship Id="{kind}" Type="{OFFICE}/{kind}" Target="{target}"/>' for kind, target in targets.items()
    )
    return f'<Relationships xmlns="{PACKAGE}/relationships">{listed}</Relationships>'


def text_cell(reference: str, text: str) -> str:
    return f'<c r="{reference}" t="inlineStr"><is><t>{text}</t></is></c>'


def sheet_xml(rows: str, prefix: str = "") -> str:
    """A sheet with these rows. `prefix`: of all tags."""
    sheet = f'<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData></worksheet>'
    if not prefix:
        return sheet
    sheet = sheet.replace("</", "\0").replace("<", f"<{prefix}:").replace("\0", f"</{prefix}:")
    return sheet.replace("xmlns=", f"xmlns:{prefix}=")


def parts_of(rows: str, strings: tuple[str, ...] = (), prefix: str = "") -> dict[str, str]:
    """The parts of a workbook with one sheet, as programs name them."""
    shared = "".join(f"<si><t>{text}</t></si>" for text in strings)
    return {
        "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types"><Default Extension="xml" '
        'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/></Types>',
        "_rels/.rels": relationships(officeDocument="xl/workbook.xml"),
        "xl/_rels/workbook.xml.rels": relationships(
            worksheet="worksheets/sheet1.xml", sharedStrings="sharedStrings.xml"
        ),
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets>'
        '<sheet name="Customers" sheetId="1" r:id="worksheet"/></sheets></workbook>',
        "xl/sharedStrings.xml": f'<sst xmlns="{MAIN}">{shared}</sst>',
        "xl/worksheets/sheet1.xml": sheet_xml(rows, prefix),
    }


def write_parts(path: Path, parts: Mapping[str, str | bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path
