"""Which row of a sheet is its header, and whether the names in it can be trusted."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence

import msgspec

from importer.errors import SourceError
from importer.model import Status

#: How far down a header is looked for: titles, a logo, a legend.
SEARCHED_ROWS = 60

_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}")
_NUMBER = re.compile(r"[+-]?[\d\s.,()-]*\d[\d\s.,()%-]*(?:[eE][+-]?\d+)?")
#: Statuses of rows that are not open any more.
_CLOSED = frozenset({Status.SUCCEEDED.value, Status.SKIPPED.value})
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")


class Header(msgspec.Struct, frozen=True):
    """The header found: the columns that are read, and where they stand."""

    row: int
    #: Names as they came, without our own result columns and without nameless ones.
    columns: tuple[str, ...]
    #: The place of each of `columns` in a record.
    places: tuple[int, ...]
    #: Places without a name: they must stay empty.
    nameless: tuple[int, ...]
    #: Cells in the header's record; a row must have as many, but may lack nameless ones at its end.
    width: int
    least: int
    #: The sheet is one of our own reports.
    is_report: bool
    notes: tuple[str, ...] = ()
    #: The places of an earlier report's result columns, by name.
    results: Mapping[str, int] = {}

    @property
    def status(self) -> int | None:
        return self.results.get("_status")

    def origins(self, columns: Sequence[Sequence[str]], row_numbers: Sequence[int]) -> dict[int, str]:
        """`row time`, as an earlier report says, of each row that it says it of."""
        row_place, at_place = self.results.get("_row"), self.results.get("_at")
        if row_place is None or at_place is None or max(row_place, at_place) >= len(columns):
            return {}
        told = zip(row_numbers, columns[row_place], columns[at_place], strict=True)
        return {number: f"{row.strip()} {at.strip()}" for number, row, at in told if row and at}

    def closed(self, columns: Sequence[Sequence[str]], row_numbers: Sequence[int]) -> frozenset[int]:
        """The rows that an earlier report calls succeeded or skipped; `columns` are all of the sheet's, in place."""
        if self.status is None or self.status >= len(columns):
            return frozenset()
        cells = columns[self.status]
        return frozenset(row for row, cell in zip(row_numbers, cells, strict=True) if cell.strip().lower() in _CLOSED)


def _looks_like_data(cell: str) -> bool:
    text = cell.strip()
    if "@" in text or _NUMBER.fullmatch(text) or _DATE.search(text):
        return True
    return sum(character.isdigit() for character in text) >= 7 or len(text) > 120


def find_header_row(records: Sequence[tuple[int, Sequence[str]]]) -> int | None:
    """The position in `records` (row number, cells) of the header: below titles and blank lines, above the data.

    It is the first row that names every column which at least half of the rows below it fill, and that holds no
    numbers, dates or addresses itself. A row as full as the one found is never passed over as a title: if one stands
    above, it is taken instead, and what is wrong with it gets said.
    """
    filled = [
        (at, {place for place, cell in enumerate(cells) if cell.strip()}) for at, (_, cells) in enumerate(records)
    ]
    filled = [(at, places) for at, places in filled if places][:SEARCHED_ROWS]
    if not filled:
        return None
    for position, (at, places) in enumerate(filled):
        below = [other for _, other in filled[position + 1 : position + 31]]
        needed = {place for place in set().union(*below) if sum(place in other for other in below) * 2 >= len(below)}
        if needed <= places and not any(_looks_like_data(cell) for cell in records[at][1] if cell.strip()):
            for above, others in filled[:position]:
                if len(others) >= len(places):
                    return above
            return at
    widest = max(len(places) for _, places in filled)
    return next(at for at, places in filled if len(places) * 2 >= widest)


def likeness(name: str) -> str:
    """What two names share that a person would take for the same: no case, no white space, no invisible marks."""
    return "".join(_INVISIBLE.sub("", unicodedata.normalize("NFKC", name)).casefold().split())


def _letter(place: int) -> str:
    letters = ""
    place += 1
    while place:
        place, rest = divmod(place - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


def read_header(
    source: str, row: int, cells: Sequence[str], below: Sequence[Sequence[str]], *, skipped: int = 0, told: bool = False
) -> Header:
    """The header in `cells`, checked against the rows `below` it. Refuses names that cannot be told apart."""
    width = len(cells)
    while width and not cells[width - 1].strip() and not any(len(record) >= width for record in below):
        width -= 1
    names = {place: cell for place, cell in enumerate(cells) if likeness(cell)}
    nameless = [place for place in range(width) if place not in names]
    own = {place for place, name in names.items() if name.strip().startswith("_")}
    # In a report of ours, what a row has right of the result columns is that row's own trouble, to be told by row.
    ours = max(own, default=width)
    with_data = [
        place
        for place in nameless
        if place < ours and any(len(record) > place and record[place].strip() for record in below)
    ]
    if not names:
        raise SourceError(
            f"{source}: row {row} holds no column names.",
            "Put the names of the columns in one row, or name it with --header-row.",
            on_page="Put the names of the columns in one row, or name it under “How the file is read”.",
        )
    if with_data:
        raise SourceError(
            f"{source}: column{'s' if len(with_data) > 1 else ''} {', '.join(map(_letter, with_data))} in the header "
            f"(row {row}) {'have' if len(with_data) > 1 else 'has'} no name but holds data.",
            "Name every column in the header, or say with --header-row N which row the header is.",
            on_page="Name every column in the header, or name its row under “How the file is read”.",
        )
    seen: dict[str, list[str]] = {}
    for place, name in names.items():
        if place not in own:
            seen.setdefault(likeness(name), []).append(f"{name.strip()!r} (column {_letter(place)})")
    twins = [like for like in seen.values() if len(like) > 1]
    if twins:
        raise SourceError(
            f"{source}: these column names in row {row} cannot be told apart: "
            + "; ".join(" and ".join(like) for like in twins)
            + ".",
            "Rename or delete the columns that repeat, so that every name occurs once.",
        )
    places = tuple(place for place in names if place not in own)
    if not places:
        raise SourceError(f"{source}: row {row} names only result columns.", "Upload the sheet with its own columns.")
    results = {names[place].strip(): place for place in sorted(own, reverse=True)}
    notes = []
    if skipped and not told:
        notes.append(f"The header was found in row {row}; what stands above it is no data and was left out.")
    empty = [place for place in nameless if min(names) < place < max(names)]
    if empty:
        notes.append(f"Empty columns without a name were left out: {', '.join(map(_letter, empty))}.")
    return Header(
        row=row,
        columns=tuple(names[place] for place in places),
        places=places,
        nameless=tuple(nameless),
        width=width,
        least=max(names) + 1,
        is_report="_status" in results,
        notes=tuple(notes),
        results=results,
    )
