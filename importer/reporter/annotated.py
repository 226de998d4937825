"""`annotated.xlsx`: the source workbook with problem cells highlighted and commented, and the result columns appended.

The results are kept in a file while the source is read; then a child process with bounded memory and time copies the
parts of the workbook and changes those of the sheet. Of other workbooks (.xls, .xlsb, .ods, encrypted) the cells of the
sheet are copied as text and highlighted.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import msgspec

from importer.normaliser.mapping import Mapping
from importer.reader.zip_kind import workbook_kind
from importer.reader.zip_safety import UnsafeZip, checked_members
from importer.reporter.annotated_job import (
    DAMAGED,
    TOO_LARGE,
    AnnotatedAnswer,
    AnnotatedJob,
    AnnotatedRows,
    keep_rows,
)
from importer.reporter.marks import COLOURS
from importer.reporter.plain_workbook import PlainWorkbook
from importer.reporter.rows import ReportBlock, ReportSource
from importer.system.files import Aside
from importer.system.process import WITHOUT_SECRETS, child_command, child_environ, lifeline

#: Bytes of address space of the child, and seconds of a wall clock. A million rows take a minute.
ADDRESS_SPACE, LONGEST = 1 << 30, 900.0


class Annotations:
    """Collects the results of a workbook; `publish` then writes its annotated copy."""

    def __init__(self, folder: Path, source: ReportSource, mapping: Mapping) -> None:
        self._source, self._mapping = source, mapping
        self._aside = Aside(folder, "annotated.xlsx")
        self._rows = (self._aside.scratch / "rows").open("w+b")
        self._copy = None if _is_xlsx(source.file) else PlainWorkbook(self._aside.scratch, source)
        self.note = ""

    def see(self, block: ReportBlock) -> None:
        if self._copy is not None:
            self._copy.add(block.row_numbers, block.cells)
        blank = {
            block.row_numbers[position]: [
                name for name, cells in zip(self._source.columns, block.cells, strict=True) if not cells[position]
            ]
            for position, outcome in block.other.items()
            if not outcome.columns and COLOURS[outcome.status]
        }
        beside = {block.row_numbers[position]: words for position, words in block.overflow.items()}
        keep_rows(self._rows, AnnotatedRows(block.stretches, blank, beside if self._copy is not None else {}))

    def publish(self) -> dict[str, str]:
        """Write the copy, where there can be one; if not, `note` may say why."""
        answer = self._answer()
        if answer.errno:
            raise OSError(answer.errno, os.strerror(answer.errno), str(self._aside.target))
        self.note = answer.note
        if not answer.written:
            self._aside.target.unlink(missing_ok=True)
            return {}
        self._aside.publish()
        return {"annotated.xlsx": str(self._aside.target)}

    def discard(self) -> None:
        self._rows.close()
        self._aside.discard()

    def _answer(self) -> AnnotatedAnswer:
        source, scratch = self._source, self._aside.scratch.resolve()
        places = dict(zip(source.columns, source.header.places, strict=True))
        earlier, path = dict(source.header.results), source.file.resolve()
        if self._copy is not None:
            if not self._copy.finish(scratch / "copy.xlsx"):
                return AnnotatedAnswer(False, DAMAGED)
            places, earlier, path = {name: at for at, name in enumerate(source.columns)}, {}, scratch / "copy.xlsx"
        self._rows.seek(0)
        return _answer(
            AnnotatedJob(
                path=str(path),
                target=str(self._aside.path.resolve()),
                scratch=str(scratch),
                sheet=source.sheet if self._copy is None else self._copy.sheet,
                header_row=source.header_row,
                places=places,
                earlier=earlier,
                uses=self._mapping.columns,
                is_copied=self._copy is not None,
            ),
            self._rows.fileno(),
        )


def _answer(job: AnnotatedJob, rows: int) -> AnnotatedAnswer:
    """The answer of the child; a child that was ended by its limits needed too much."""
    environ = child_environ(os.environ, WITHOUT_SECRETS)
    try:
        with lifeline() as end:
            done = subprocess.run(
                [*child_command("importer.reporter.annotated_child"), str(end), str(rows), str(ADDRESS_SPACE)],
                input=msgspec.msgpack.encode(job),
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environ,
                pass_fds=(end, rows),
                timeout=LONGEST,
                check=False,
            )
    except subprocess.TimeoutExpired:
        return AnnotatedAnswer(False, TOO_LARGE)
    try:
        return msgspec.msgpack.decode(done.stdout, type=AnnotatedAnswer)
    except msgspec.DecodeError:
        return AnnotatedAnswer(False, TOO_LARGE if done.returncode < 0 else DAMAGED)


def _is_xlsx(path: Path) -> bool:
    """Whether the workbook's own parts can be copied. Judged by content, not by name."""
    try:
        with path.open("rb") as stream:
            return workbook_kind(stream, checked_members(stream)) == "xlsx"
    except (OSError, UnsafeZip):
        return False
