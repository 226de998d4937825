"""Find the header row of a sheet and check its column names."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence

import msgspec

from importer.errors import SourceError
from importer.model import Status

#: Rows searched for a header: titles, a logo or a legend may stand above it.
SEARCHED_ROWS = 60

_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}")
_NUMBER = re.compile(r"[+-]?[\d\s.,()-]*\d[\d\s.,()%-]*(?:[eE][+-]?\d+)?")
#: Statuses of rows that are done.
_CLOSED = frozenset({Status.SUCCEEDED.value, Status.SKIPPED.value})
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")


class Header(msgspec.Struct, frozen=True):
    """The header: the columns that are read and their positions."""

    row: int
    #: Names as they are in the sheet, without result columns and nameless columns.
    columns: tuple[str, ...]
    #: The position of each of `columns` in a record.
    places: tuple[int, ...]
    #: Positions without a name: their cells must be empty.
    nameless: tuple[int, ...]
    #: Cells in the header's record. A row must have as many, but may lack nameless ones at its end.
    width: int
    least: int
    #: The sheet is a report of the importer.
    is_report: bool
    notes: tuple[str, ...] = ()
    #: The positions of an earlier report's result columns, by name.
    results: Mapping[str, int] = {}

    @property
    def status(self) -> int | None:
        return self.results.get("_status")

    def origins(self, columns: Sequence[Sequence[str]], row_numbers: Sequence[int]) -> dict[int, str]:
        """Row → `row time` as an earlier report lists it, for rows that have both."""
        row_place, at_place = self.results.get("_row"), self.results.get("_at")
        if row_place is None or at_place is None or max(row_place, at_place) >= len(columns):
            return {}
        origins = zip(row_numbers, columns[row_place], columns[at_place], strict=True)
        return {number: f"{row.strip()} {at.strip()}" for number, row, at in origins if row and at}

    def closed(self, columns: Sequence[Sequence[str]], row_numbers: Sequence[int]) -> frozenset[int]:
        """The rows that an earlier report lists as succeeded or skipped. `columns` are all columns of the sheet."""
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

    It is the first row that has a name for every column that at least half of the rows below fill, and that contains
    no numbers, dates or addresses. A row above it with as many cells is not a title: it is taken instead, and its
    faults are reported.
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
    """A name without case, white space and invisible characters: equal for names that people cannot distinguish."""
    return "".join(_INVISIBLE.sub("", unicodedata.normalize("NFKC", name)).casefold().split())


def _letter(place: int) -> str:
    letters = ""
    place += 1
    while place:
        place, rest = divmod(place - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


def read_header(
    source: str,
    row: int,
    cells: Sequence[str],
    below: Sequence[Sequence[str]],
    *,
    skipped: int = 0,
    given: bool = False,
) -> Header:
    """The header in `cells`, checked against the rows `below` it. Raises `SourceError` for ambiguous names."""
    width = len(cells)
    while width and not cells[width - 1].strip() and not any(len(record) >= width for record in below):
        width -= 1
    names = {place: cell for place, cell in enumerate(cells) if likeness(cell)}
    nameless = [place for place in range(width) if place not in names]
    own = {place for place, name in names.items() if name.strip().startswith("_")}
    # Right of a report's result columns, extra cells are a problem of their row and reported with it.
    ours = max(own, default=width)
    with_data = [
        place
        for place in nameless
        if place < ours and any(len(record) > place and record[place].strip() for record in below)
    ]
    if not names:
        raise SourceError(
            f"{source}: row {row} contains no column names.",
            "Put the column names in one row, or pass its number with --header-row.",
            on_page="Put the column names in one row, or set its number under “How the file is read”.",
        )
    if with_data:
        raise _without_name(source, row, with_data)
    _refuse_twins(source, row, {place: name for place, name in names.items() if place not in own})
    places = tuple(place for place in names if place not in own)
    if not places:
        raise SourceError(
            f"{source}: row {row} contains only result columns.", "Import the sheet with its own columns."
        )
    results = {names[place].strip(): place for place in sorted(own, reverse=True)}
    notes = []
    if skipped and not given:
        notes.append(f"The header was found in row {row}; rows above it were ignored.")
    empty = [place for place in nameless if min(names) < place < max(names)]
    if empty:
        notes.append(f"Empty columns without a name were ignored: {', '.join(map(_letter, empty))}.")
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


def _without_name(source: str, row: int, places: Sequence[int]) -> SourceError:
    return SourceError(
        f"{source}: column{'s' if len(places) > 1 else ''} {', '.join(map(_letter, places))} in the header "
        f"(row {row}) {'have' if len(places) > 1 else 'has'} data but no name.",
        "Name every column in the header, or pass the header's row with --header-row N.",
        on_page="Name every column in the header, or set its row under “How the file is read”.",
    )


def _refuse_twins(source: str, row: int, names: Mapping[int, str]) -> None:
    """Raise `SourceError` for names that people cannot distinguish."""
    seen: dict[str, list[str]] = {}
    for place, name in names.items():
        seen.setdefault(likeness(name), []).append(f"{name.strip()!r} (column {_letter(place)})")
    twins = [like for like in seen.values() if len(like) > 1]
    if twins:
        raise SourceError(
            f"{source}: these column names in row {row} are the same: "
            + "; ".join(" and ".join(like) for like in twins)
            + ".",
            "Rename or delete the repeated columns.",
        )
