"""The workbook inside an OLE container, the file format of Excel 5 to 2003."""

from __future__ import annotations

import io
from typing import BinaryIO

import olefile

from importer.reader.sheet_xml import UnreadableWorkbook

_NAMES = ("Workbook", "Book")


def workbook_stream(stream: BinaryIO) -> bytes:
    """The records of the workbook: of the container's stream, in any case, or the whole file of Excel 4 and older.

    xlrd refuses containers where two streams claim one sector, and names in capitals. Excel reads both.
    """
    contents = stream.read()
    if not contents.startswith(olefile.MAGIC):
        return contents
    try:
        with olefile.OleFileIO(io.BytesIO(contents)) as container:
            name = next((name for name in _NAMES if container.exists(name)), None)
            if name is None:
                raise UnreadableWorkbook("contains no workbook")
            with container.openstream(name) as opened:
                return bytes(opened.read())
    except OSError as error:
        raise UnreadableWorkbook("is damaged and cannot be parsed") from error
