"""Flat OpenDocument spreadsheets (.fods): the content of an .ods as one XML file."""

from __future__ import annotations

from typing import BinaryIO

from importer.reader.ods import OdsWorkbook
from importer.reader.spreadsheetml import WithoutSpace
from importer.reader.xlsx import Readable


class FodsWorkbook(OdsWorkbook):
    """An open spreadsheet, read as an .ods."""

    def _open(self, stream: BinaryIO) -> None:
        self._stream = stream

    def _content(self) -> Readable:
        return WithoutSpace(self._stream)
