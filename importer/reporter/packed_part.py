"""Parts of a workbook as they are packed: compressed while they are written, and added to a zip file as they are."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

#: The fastest: rows are so alike that the best would save little.
_LEVEL = 1
_BLOCK = 1 << 20
#: The same content gives the same bytes. XlsxWriter gives this time to the other parts.
_TIME = (1980, 1, 1, 0, 0, 0)


class PackedPart:
    """Takes the text of a part, piece by piece; then `copy_to` puts it into a zip file as it is."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("wb")
        self._packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
        self._check = self._size = 0

    def write(self, text: str) -> None:
        self.write_bytes(text.encode())

    def write_bytes(self, content: bytes) -> None:
        self._check = zlib.crc32(content, self._check)
        self._size += len(content)
        self._file.write(self._packer.compress(content))

    def finish(self) -> None:
        if not self._file.closed:
            self._file.write(self._packer.flush())
            self._file.close()

    def discard(self) -> None:
        self._file.close()

    def copy_to(self, archive: ZipFile, name: str) -> None:
        """Add the part, which `zipfile` would compress a second time."""
        self.finish()
        info = ZipInfo(name, _TIME)
        info.compress_type, info.CRC, info.file_size = ZIP_DEFLATED, self._check, self._size
        info.compress_size = self._path.stat().st_size
        info.external_attr = 0o600 << 16
        with self._path.open("rb") as packed:
            add_packed(archive, info, iter(lambda: packed.read(_BLOCK), b""))


def add_packed(archive: ZipFile, info: ZipInfo, blocks: Iterable[bytes]) -> None:
    """Add a part whose bytes are packed already. `info` has their size and check."""
    assert archive.fp is not None
    archive.fp.seek(archive.start_dir)
    info.header_offset = archive.fp.tell()
    archive.fp.write(info.FileHeader())
    archive.fp.writelines(blocks)
    archive.filelist.append(info)
    archive.NameToInfo[info.filename] = info
    archive.start_dir = archive.fp.tell()
    archive._didModify = True  # type: ignore[attr-defined]
