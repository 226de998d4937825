"""The problem rows of one upload as a person edits them: the rows, the edits and the judge of both."""

from __future__ import annotations

import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec

from importer.normaliser.fixing import Edits
from importer.normaliser.mapping import IGNORED, Mapping
from importer.normaliser.proposed import CellProposals
from importer.web.fixing.edits import EditStore
from importer.web.fixing.judge import Judge, JudgedRow
from importer.web.fixing.problem_rows import FILE, OPEN, JudgedAs, ProblemRows
from importer.web.fixing.ruling import with_ruling

#: Judges that are kept between requests, and the characters of a cell that is typed.
_MOST_JUDGES, LONGEST_CELL = 8, 32_767


class Known:
    """What is the same for every request of one check: who judges, what is proposed, and the columns."""

    def __init__(self, content: bytes) -> None:
        self.judged = msgspec.msgpack.decode(content, type=JudgedAs)
        country = self.judged.country or None
        self.judge = Judge(self.judged)
        self.proposals = CellProposals(self.judged.mapping, self.judged.fields, country, self.judged.countries)
        #: The places of the columns that are sent.
        used = {use.column for use in self.judged.mapping.columns if use.field != IGNORED}
        self.places = tuple([place for place, column in enumerate(self.judged.columns) if column in used])


class EditedRows:
    """Used by one thread at a time."""

    def __init__(self, known: Known, rows: ProblemRows, edits: EditStore) -> None:
        self.known, self.rows, self.edits = known, rows, edits

    def judged(self, numbers: Sequence[int]) -> list[JudgedRow]:
        """These rows as they are edited now."""
        return self.known.judge.rows(self.rows.stored(numbers), self.edits.of_rows(numbers))

    def unedited(self, numbers: Sequence[int]) -> dict[int, tuple[str, ...]]:
        """The cells of these rows without what a person typed."""
        return {row.row: row.cells for row in self.known.judge.rows(self.rows.stored(numbers), Edits())}

    def change(self, texts: dict[tuple[int, int], str], out: dict[int, bool]) -> set[int]:
        """One step: what was typed, by (row, place of its column), and whether rows are left out. What a cell has
        without edits takes its edit back. Returns the rows that changed."""
        columns = self.known.judged.columns
        numbers = sorted({*[row for row, _ in texts], *out})
        before = self.unedited(numbers)
        values: list[tuple[int, str, str | None]] = [
            (row, columns[place], None if shown(text) == shown(before[row][place]) else text)
            for (row, place), text in texts.items()
            if row in before and place in self.known.places
        ]
        values += [(row, "", "" if left else None) for row, left in out.items() if row in before]
        return self._settled(self.edits.change(values))

    def step(self, word: str, mapping: Mapping) -> tuple[set[int], Mapping]:
        """Undo or redo one step. Returns the rows that changed, and the mapping with the rules as they are then. Steps
        whose rules were changed elsewhere since change nothing: they are passed over."""
        move = {"undo": self.edits.undo, "redo": self.edits.redo}[word]
        while (found := move()) is not None:
            if found.before is None or found.after is None:
                return self._settled(found.rows), mapping
            made = with_ruling(mapping, found.before, found.after)
            if made != mapping:
                return set(), made
        return set(), mapping

    def _settled(self, changed: Iterable[int]) -> set[int]:
        numbers = sorted(changed)
        for row in self.judged(numbers):
            self.rows.settle(row.row, row.state, row.problems if row.state == OPEN else ())
        return set(numbers)


def shown(text: str) -> str:
    """A cell as a browser gives it back, unchanged."""
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd")


class EditedUploads:
    """Opens the rows of an upload for one request. Keeps the judges of the uploads that are being fixed."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, tuple[bytes, Known]] = OrderedDict()
        self._lock = threading.Lock()

    @contextmanager
    def open(self, folder: Path) -> Iterator[EditedRows]:
        """Raises `sqlite3.Error` where there are no problem rows."""
        with closing(ProblemRows(folder)) as rows, closing(EditStore(folder)) as edits:
            yield EditedRows(self._known_of(folder, rows), rows, edits)

    def _known_of(self, folder: Path, rows: ProblemRows) -> Known:
        content, key = rows.judged_content(), str(folder)
        with self._lock:
            found = self._known.pop(key, None)
            if found is None or found[0] != content:
                found = (content, Known(content))
            self._known[key] = found
            while len(self._known) > _MOST_JUDGES:
                self._known.popitem(last=False)
        return found[1]


def is_stale(folder: Path) -> bool:
    """Whether edits were made since the last check, so that its counts are no longer right."""
    if not (folder / FILE).is_file():
        return False
    try:
        with closing(ProblemRows(folder)) as rows, closing(EditStore(folder)) as edits:
            return edits.edition != rows.judged_as().edition
    except sqlite3.Error:
        return True
