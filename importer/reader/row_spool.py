"""The rows of a workbook that was read once, to read them again without parsing."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import IO

import msgspec

from importer.reader.workbook_messages import SheetRows

#: Bytes kept in memory, and on the disk.
_IN_MEMORY, _MOST = 1 << 22, 1 << 30


class RowSpool:
    """The encoded rows, in memory or in a file without a name, which ends with the process. `complete`: to the last."""

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - closed with the source
        self._size = 0
        self.complete = False

    def add(self, block: bytes) -> None:
        """Keep the rows of a message. A full disk or very long rows give up: then the sheet is parsed again."""
        if self._file.closed:
            return
        self._size += 4 + len(block)
        try:
            if self._size > _MOST:
                raise OSError
            self._file.write(len(block).to_bytes(4, "little") + block)
        except OSError:
            self.close()

    def rows(self) -> Iterator[SheetRows]:
        """Yield the rows from the first one. Several readings may alternate."""
        decoder = msgspec.msgpack.Decoder(SheetRows)
        at = 0
        while at < self._size:
            self._file.seek(at)
            length = int.from_bytes(self._file.read(4), "little")
            block = self._file.read(length)
            at += 4 + length
            yield decoder.decode(block)

    @property
    def is_whole(self) -> bool:
        """Whether all rows of the sheet can be read from it."""
        return self.complete and not self._file.closed

    def close(self) -> None:
        self._file.close()
