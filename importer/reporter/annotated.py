"""`annotated.xlsx`: the source workbook with problem cells highlighted and commented, and the result columns appended.

A child process with bounded memory and time writes it. A workbook that needs more comes as `failed.xlsx` only.
"""

from __future__ import annotations

import os
import re
import subprocess
import zipfile
from pathlib import Path

import msgspec

from importer.model import RESULT_COLUMNS, Outcome
from importer.normaliser.mapping import Mapping
from importer.reporter.annotated_job import MOST_COMMENTS, TOO_LARGE, AnnotatedAnswer, AnnotatedJob
from importer.reporter.rows import ReportBlock, ReportSource
from importer.system.process import WITHOUT_SECRETS, child_command, child_environ, lifeline

#: Rows times columns, including the result columns.
MOST_CELLS = 350_000
#: Bytes of XML in all sheets together, because openpyxl loads every sheet.
MOST_XML = 16 * 1024 * 1024
#: Bytes that the loaded workbook may need, as estimated from its tags.
MOST_MEMORY = 384 * 1024 * 1024
#: Bytes of address space of the child, and seconds of a wall clock. The largest workbook takes 10.
ADDRESS_SPACE, LONGEST = 1 << 30, 300.0

_PARTS = re.compile(r"xl/(worksheets/[^/]+|sharedStrings)\.xml", re.IGNORECASE)


class Annotations:
    """Collects the outcomes of a workbook that is small enough; `write` then writes its annotated copy."""

    def __init__(self, source: ReportSource, mapping: Mapping) -> None:
        self._source, self._mapping = source, mapping
        self._outcomes: list[Outcome] = []
        self._blank: dict[int, frozenset[str]] = {}
        self.note = ""
        self._cells: dict[int, list[str]] | None = None
        self._beside: dict[int, list[str]] = {}
        self._wanted = True
        size = _size(source.file)
        if size is None:
            self._cells = {}
        elif size > MOST_XML:
            self._wanted, self.note = False, TOO_LARGE

    def see(self, block: ReportBlock) -> None:
        if not self._wanted:
            return
        width = len(self._source.columns) + len(RESULT_COLUMNS)
        if (len(self._outcomes) + len(block.row_numbers)) * width > MOST_CELLS:
            self._wanted, self._outcomes, self._cells = False, [], None
            self.note = TOO_LARGE
            return
        if self._cells is not None:
            self._cells.update(zip(block.row_numbers, map(list, zip(*block.cells, strict=True)), strict=True))
            for position, words in block.overflow.items():
                self._beside[block.row_numbers[position]] = words
        for stretch in block.stretches:
            self._outcomes += stretch.outcomes()
        for position in block.other:
            empty = [name for name, cells in zip(self._source.columns, block.cells, strict=True) if not cells[position]]
            self._blank[block.row_numbers[position]] = frozenset(empty)

    def write(self, path: Path) -> bool:
        """Return whether there is an annotated workbook; if not, `note` may say why."""
        if not self._wanted:
            return False
        job = AnnotatedJob(
            path=str(self._source.file.resolve()),
            target=str(path.resolve()),
            sheet=self._source.sheet,
            header_row=self._source.header_row,
            columns=self._source.columns,
            uses=self._mapping.columns,
            outcomes=self._outcomes,
            blank=self._blank,
            cells=self._cells,
            beside=self._beside,
            most_memory=MOST_MEMORY,
            address_space=ADDRESS_SPACE,
            most_comments=MOST_COMMENTS,
        )
        answer = _answer(job)
        if answer.errno:
            raise OSError(answer.errno, os.strerror(answer.errno), str(path))
        self.note = answer.note
        return answer.written


def _answer(job: AnnotatedJob) -> AnnotatedAnswer:
    """The answer of the child; a child that was ended by its limits needed too much."""
    environ = child_environ(os.environ, WITHOUT_SECRETS)
    try:
        with lifeline() as end:
            done = subprocess.run(
                [*child_command("importer.reporter.annotated_child"), str(end)],
                input=msgspec.msgpack.encode(job),
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                # Threads of a library for numbers would take the address space.
                env={**environ, "OPENBLAS_NUM_THREADS": "1"},
                pass_fds=(end,),
                timeout=LONGEST,
                check=False,
            )
        return msgspec.msgpack.decode(done.stdout, type=AnnotatedAnswer)
    except (subprocess.TimeoutExpired, msgspec.DecodeError):
        return AnnotatedAnswer(False, TOO_LARGE)


def _size(path: Path) -> int | None:
    """Return the bytes of XML in an .xlsx workbook, None for any other kind. Judged by content, not by name."""
    try:
        with zipfile.ZipFile(path) as archive:
            if "xl/workbook.xml" not in archive.namelist():
                return None
            return sum(part.file_size for part in archive.infolist() if _PARTS.fullmatch(part.filename))
    except (OSError, zipfile.BadZipFile):
        return None
