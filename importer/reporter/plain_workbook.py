"""A workbook with the cells of a sheet as text, each in its row: for sources whose own parts cannot be copied."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import quoteattr

from importer.reader.header import column_letters
from importer.reporter.packed_part import PackedPart
from importer.reporter.row_xml import column_xml
from importer.reporter.rows import ReportSource
from importer.reporter.xml_text import CELL_CHARACTERS, MAIN, RELATIONSHIPS, SHEET_COLUMNS

#: Rows of a sheet.
_ROWS = 1_048_576

_RELATIONS = (
    '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    '<Relationship Id="rId1" Type="{}" Target="{}"/>{}</Relationships>'
)
_CONTENT = "application/vnd.openxmlformats-officedocument.spreadsheetml."
_STYLES = (
    f'<styleSheet xmlns="{MAIN}"><fonts count="1"><font><sz val="11"/><name val="Calibri"/></font></fonts>'
    '<fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill>'
    '</fills><borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>'
    '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>'
    '<cellXfs count="2"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>'
    '<xf numFmtId="49" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/></cellXfs></styleSheet>'
)
#: Of a text, in `_STYLES`.
_TEXT = 1


class PlainWorkbook:
    """Takes the rows in their order, then writes the workbook."""

    def __init__(self, scratch: Path, source: ReportSource, more: Sequence[str] = ()) -> None:
        """`more`: names of columns after those of the source."""
        names = [*source.columns, *more]
        self.sheet = re.sub(r"[\\*?:/\[\]]", " ", source.sheet)[:31] or "Sheet"
        self._sheet = PackedPart(scratch / "sheet")
        self._width = len(names)
        self._fits = self._width <= SHEET_COLUMNS
        self._sheet.write(
            f'<worksheet xmlns="{MAIN}"><sheetViews><sheetView workbookViewId="0"/></sheetViews>'
            f'<cols><col min="1" max="{self._width}" width="16" style="{_TEXT}" customWidth="1"/></cols><sheetData>'
        )
        self.add([source.header_row], [[name] for name in names])

    def add(self, row_numbers: Sequence[int], columns: Sequence[Sequence[str]]) -> None:
        if not self._fits:
            return
        if row_numbers[-1] > _ROWS or max(len(cell) for cells in columns for cell in cells) > CELL_CHARACTERS:
            self._fits = False
            return
        numbers = list(map(str, row_numbers))
        written = [column_xml(column_letters(place), str(_TEXT), cells, numbers) for place, cells in enumerate(columns)]
        rows = zip(row_numbers, map("".join, zip(*written, strict=True)), strict=True)
        self._sheet.write("".join([f'<row r="{row}">{cells}</row>' for row, cells in rows]))

    def finish(self, path: Path) -> bool:
        """Write the workbook; False where a sheet cannot hold it."""
        self._sheet.write("</sheetData></worksheet>")
        self._sheet.finish()
        if not self._fits:
            return False
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in self._parts().items():
                archive.writestr(name, content)
            self._sheet.copy_to(archive, "xl/worksheets/sheet1.xml")
        return True

    def _parts(self) -> dict[str, str]:
        types = {"workbook": "sheet.main", "worksheets/sheet1": "worksheet", "styles": "styles"}
        overrides = "".join(
            f'<Override PartName="/xl/{name}.xml" ContentType="{_CONTENT}{kind}+xml"/>' for name, kind in types.items()
        )
        styles = f'<Relationship Id="rId2" Type="{RELATIONSHIPS}/styles" Target="styles.xml"/>'
        return {
            "[Content_Types].xml": (
                '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
                '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
                f'<Default Extension="xml" ContentType="application/xml"/>{overrides}</Types>'
            ),
            "_rels/.rels": _RELATIONS.format(f"{RELATIONSHIPS}/officeDocument", "xl/workbook.xml", ""),
            "xl/workbook.xml": (
                f'<workbook xmlns="{MAIN}" xmlns:r="{RELATIONSHIPS}"><sheets>'
                f'<sheet name={quoteattr(self.sheet)} sheetId="1" r:id="rId1"/></sheets></workbook>'
            ),
            "xl/_rels/workbook.xml.rels": _RELATIONS.format(
                f"{RELATIONSHIPS}/worksheet", "worksheets/sheet1.xml", styles
            ),
            "xl/styles.xml": _STYLES,
        }
