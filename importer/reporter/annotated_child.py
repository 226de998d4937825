"""`annotated.xlsx`, written in a child process: a hostile workbook can only end this process.

The parts of the workbook are copied as they are packed. Changed are the XML of the sheet, which streams, its formats
and comments, and the lists that name parts. So nothing of a workbook is lost that a program could show, and a million
rows need no more memory than a thousand.
"""

from __future__ import annotations

import errno
import gc
import gzip
import os
import posixpath
import re
import signal
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO
from xml.sax.saxutils import unescape

import msgspec

from importer.model import RESULT_COLUMNS
from importer.reader.sheet_xml import UncommonXml, UnreadableWorkbook, xml_refused
from importer.reader.sizes import MOST_COLUMNS
from importer.reader.xlsx import XlsxWorkbook
from importer.reader.zip_safety import UnsafeZip
from importer.reporter.annotated_frame import Head, Tail, attributes_of, drawn, with_filter
from importer.reporter.annotated_job import DAMAGED, IN_FAILED, TOO_LARGE, AnnotatedAnswer, AnnotatedJob, kept_rows
from importer.reporter.annotated_package import Package, path_of
from importer.reporter.annotated_results import Results
from importer.reporter.annotated_rows import Added, Cells, Extent, Pieces, Rows, extent, letters_of, text_cell
from importer.reporter.annotated_styles import Styles
from importer.reporter.comment_parts import Comments, highest_block, without_comments
from importer.reporter.common_xml import common_xml
from importer.reporter.packed_part import PackedPart
from importer.reporter.xml_text import SHEET_COLUMNS
from importer.system.process import end_with_parent, limit_resources

#: Seconds of one processor, and bytes of a file that it writes.
_SECONDS, _BYTES = 600, 1 << 31
_BLOCK = 1 << 20

_CELLS_ONLY = "annotated.xlsx has the cells of the sheet without formatting: only .xlsx workbooks keep theirs."
_NO_COMMENTS = (
    "annotated.xlsx has no new comments, because the form of the workbook's own comments is unknown; "
    "the columns _message and _advice cover every row."
)
_THREADS = "annotated.xlsx adds no comment to a cell with a threaded comment; see the columns _message and _advice."
#: A disk that fails ends the run, as with any other report.
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS)

_WIDTHS = {"_message": 44, "_advice": 60, "_warnings": 14, "_request_id": 18, "_at": 26}
_VML = "application/vnd.openxmlformats-officedocument.vmlDrawing"
_COMMENTS = "application/vnd.openxmlformats-officedocument.spreadsheetml.comments+xml"
_STYLES = "application/vnd.openxmlformats-officedocument.spreadsheetml.styles+xml"


class _Copy:
    """The annotated copy of a workbook."""

    def __init__(self, job: AnnotatedJob, stream: BinaryIO, rows: BinaryIO) -> None:
        self._job, self._rows = job, rows
        self._scratch = Path(job.scratch)
        self._book = XlsxWorkbook(stream)
        self._sheet = next(sheet for sheet in self._book.sheets if sheet.name == job.sheet)
        self._path = path_of(self._sheet.member)
        self._package = Package(stream, self._book.parts, self._scratch)
        self._notes = [_CELLS_ONLY] if job.is_copied else []

    def write(self) -> AnnotatedAnswer:
        """Write the copy. Raises `UnreadableWorkbook`."""
        job, package = self._job, self._package
        blocks, size = self._surveyed()
        tail = Tail(size.tail)
        columns = self._columns(size.filled | tail.merged(job.header_row) | self._drawn())
        styles_path = self._book.path_of("styles")
        styles = Styles(package.text(styles_path))
        pieces = Pieces(blocks())
        head = Head(pieces.head)
        comments = self._comments(tail, head.widths)
        results = Results(job, kept_rows(self._rows), styles, columns, comments)
        bold = styles.bold(size.style)
        new = {name: column for name, column in columns.items() if name not in job.earlier}
        results.header = Added(Cells.of({column: text_cell(column, name, bold) for name, column in new.items()}))
        is_free = not job.earlier and size.written < min(columns.values())
        rows = Rows(styles, results, is_free=is_free, style_of=head.style_of)
        head.freeze(job.header_row)
        head.widen({column: _WIDTHS.get(name, 12) for name, column in new.items()})
        sheet = PackedPart(self._scratch / "sheet.xml")
        sheet.write_bytes(head.made() + b"<sheetData>")
        for piece in pieces.rows():
            sheet.write_bytes(rows.changed(piece))
        results.finish()
        area = tail.filter(job.header_row, results.last, max(columns.values()))
        if area:
            book = package.text(self._book.path)
            package.replace(self._book.path, with_filter(book, job.sheet, self._place(book), area))
        if comments is not None:
            self._keep(comments, tail)
        sheet.write_bytes(tail.made())
        package.put(self._path, sheet)
        package.replace(styles_path or self._new_part("styles", "styles.xml", _STYLES, self._book.path), styles.made())
        package.save(Path(job.target))
        lost = " and ".join(package.lost)
        if lost:
            self._notes.append(f"annotated.xlsx does not contain the workbook's {lost}: keep your own copy.")
        return AnnotatedAnswer(True, " ".join(self._notes))

    def _place(self, book: str) -> int:
        """The position of the sheet in the workbook, from 0."""
        tags = re.findall(r"<sheet [^<>]*>", book)
        names = [unescape(attributes_of(tag).get("name", ""), {"&quot;": chr(34)}) for tag in tags]
        return names.index(self._job.sheet)

    def _surveyed(self) -> tuple[Callable[[], Iterator[bytes]], Extent]:
        """The XML of the sheet, as often as needed, and what the sheet uses. In the common form, where it is not."""
        member, last = self._sheet.member, max([*self._job.places.values(), *self._job.earlier.values()])
        cell = b"%b%d" % (letters_of(last), self._job.header_row)

        def plain() -> Iterator[bytes]:
            return self._book.parts.blocks(member)

        try:
            return plain, extent(plain(), last, cell)
        except UncommonXml:
            kept = self._scratch / "common.xml"
            with gzip.open(kept, "wb", 1) as file:
                for block in common_xml(plain()):
                    file.write(block)

        def common() -> Iterator[bytes]:
            with gzip.open(kept, "rb") as file:
                while block := file.read(_BLOCK):
                    yield block

        try:
            return common, extent(common(), last, cell)
        except UncommonXml:
            raise UnreadableWorkbook("has a sheet of an unknown form") from None

    def _drawn(self) -> set[int]:
        """The columns under charts and pictures."""
        found: set[int] = set()
        for kind, path in self._book.parts.related(self._path).values():
            # A damaged drawing is copied as it is.
            if kind == "drawing":
                with suppress(UnreadableWorkbook, ValueError):
                    found |= drawn(self._book.parts.xml(path), self._job.header_row)
        return found

    def _columns(self, used: Collection[int]) -> dict[str, int]:
        """The positions of the result columns: those of an earlier report, else right of the table and all used
        columns. Raises `UnreadableWorkbook`."""
        earlier = self._job.earlier
        new = [name for name in RESULT_COLUMNS if name not in earlier]
        last = max([*self._job.places.values(), *earlier.values()])
        first = _room(sorted(column for column in used if column >= last), len(new))
        return {name: earlier[name] if name in earlier else first + new.index(name) for name in RESULT_COLUMNS}

    def _comments(self, tail: Tail, widths: list[int]) -> Comments | None:
        """The comments of the sheet; None, with a note, where none can be added."""
        package, related = self._package, self._book.parts.related(self._path)
        self._texts = next((path for kind, path in related.values() if kind == "comments"), "")
        self._boxes = related.get(tail.drawing, ("", ""))[1]
        drawings = [package.content(member) for member in package.members if member.filename.lower().endswith(".vml")]
        member = self._book.parts.find(self._boxes) if self._boxes else None
        try:
            return Comments(
                self._scratch,
                widths,
                package.text(self._texts),
                package.content(member) if member else b"",
                taken=max(map(highest_block, drawings), default=0),
                namespace=package.main,
            )
        except ValueError:
            self._notes.append(_NO_COMMENTS)
            return None

    def _keep(self, comments: Comments, tail: Tail) -> None:
        """Put the comments into the workbook."""
        if not comments.count and not self._texts:
            return
        comments.finish()
        if comments.left_out:
            self._notes.append(without_comments("annotated.xlsx"))
        if comments.threads:
            self._notes.append(_THREADS)
        package = self._package
        texts = self._texts or self._new_part("comments", "commentsOfReport{}.xml", _COMMENTS, self._path)
        package.put(texts, comments.comments)
        boxes = self._boxes
        if not boxes:
            boxes = package.free(posixpath.join(posixpath.dirname(self._book.path), "drawings/boxesOfReport{}.vml"))
            package.declare(boxes, _VML)
            tail.draw(package.relate(self._path, "vmlDrawing", boxes), package.namespace)
        package.put(boxes, comments.boxes)

    def _new_part(self, kind: str, name: str, content_type: str, of: str) -> str:
        """The path of a new part, which another one refers to."""
        path = self._package.free(posixpath.join(posixpath.dirname(self._book.path), name))
        self._package.declare(path, content_type)
        self._package.relate(of, kind, path)
        return path


def _room(used: Sequence[int], columns: int) -> int:
    """The first of so many free columns right of the used ones. The reader ignores a cell far to the right, so where
    there is no room behind such a cell, it is before it. Raises `UnreadableWorkbook`."""
    first = used[-1] + 1
    if first + columns > MOST_COLUMNS:
        first = next((at + 1 for at, end in pairwise(used) if end - at > columns), first)
    if first + columns > SHEET_COLUMNS:
        raise UnreadableWorkbook("has no room for the result columns")
    return first


def answer(job: AnnotatedJob, rows: BinaryIO) -> AnnotatedAnswer:
    """Write the copy, whatever the workbook contains."""
    try:
        with Path(job.path).open("rb") as stream, xml_refused("a part of it is not XML"):
            return _Copy(job, stream, rows).write()
    except MemoryError:
        return AnnotatedAnswer(False, TOO_LARGE)
    except OSError as error:
        if error.errno == errno.EFBIG:
            return AnnotatedAnswer(False, TOO_LARGE)
        return AnnotatedAnswer(False, DAMAGED, error.errno if error.errno in _DISK else 0)
    except (UnreadableWorkbook, UnsafeZip) as error:
        return AnnotatedAnswer(False, f"There is no annotated.xlsx, because the workbook {error}; {IN_FAILED}")
    except Exception:  # the other reports must still be written
        return AnnotatedAnswer(False, DAMAGED)


def main() -> None:
    """Read the job from standard input, answer on standard output. Arguments: a lifeline, the file of the results, and
    the bytes of memory."""
    # Ctrl-C goes to the whole group; the parent decides what it ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Few objects live long: searching them for garbage only costs time.
    gc.disable()
    lifeline, rows, memory = map(int, sys.argv[1:])
    end_with_parent(lifeline)
    job = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=AnnotatedJob)
    limit_resources(memory, _SECONDS, _BYTES)
    with os.fdopen(rows, "rb") as file:
        sys.stdout.buffer.write(msgspec.msgpack.encode(answer(job, file)))


if __name__ == "__main__":
    main()
