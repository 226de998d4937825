"""Find the header row of a sheet and check its column names."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence

import msgspec

from importer.errors import SourceError
from importer.model import FIXED, IDENTIFIERS, RESULT_COLUMNS, Status
from importer.normaliser.mapping import one_line
from importer.normaliser.synonyms import field_of, likeness, visible
from importer.reader.sizes import MOST_CELLS
from importer.system.late import late

#: Rows searched for a header: titles, a logo or a legend may stand above it.
SEARCHED_ROWS = 60

_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}")
_NUMBER = re.compile(r"[+-]?[\s.,()-]*+\d[\d\s.,()%-]*+(?:[eE][+-]?\d+)?")
#: Statuses of rows that are done.
_CLOSED = frozenset({Status.SUCCEEDED.value, Status.SKIPPED.value})
_ADDRESS = re.compile(r"[^\s@,;<>]++@[^\s@,;<>][^\s@,;<>.]*+\.[^\s@,;<>]{2,}")
_PHONE = re.compile(r"[+(]?\d[\d\s().+/-]{6,}\d")
_TYPE = re.compile(
    r"(?:string|str|text|(?:n?var)?char2?|int(?:eger)?|bigint|smallint|number|numeric|decimal|float|double|real"
    r"|bool(?:ean)?|date(?:time)?|timestamp|time|phone|email|required|optional|mandatory)"
    r"\s*(?:[(\[][\w\s,]*[)\]])?\*?",
    re.IGNORECASE,
)
_WRAPPED = re.compile(r"""="([^"]+)"|"([^"]+)"|'([^']+)'|“([^“”]+)”|„([^„“”]+)[“”]|‘([^‘’]+)’|«([^«»]+)»""")


class Header(msgspec.Struct, frozen=True):
    """The header: the columns that are read and their positions."""

    row: int
    #: Names as they are shown, without result columns and empty nameless columns. A column with data but without a name
    #: is "", and a name may occur twice: neither can be mapped.
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
    #: Rows just below the header that name the types of the columns.
    type_rows: frozenset[int] = frozenset()
    #: A row just below that names identifiers where the header names none; 0 without one.
    better_row: int = 0
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

    def fixed(self, columns: Sequence[Sequence[str]], row_numbers: Sequence[int]) -> dict[int, dict[str, str]]:
        """Row → column → what its cell was before it was fixed, as an earlier report lists it."""
        place = self.results.get(FIXED)
        if place is None or place >= len(columns):
            return {}
        found = {}
        for number, cell in zip(row_numbers, columns[place], strict=True):
            if cell.strip():
                with contextlib.suppress(msgspec.DecodeError):
                    found[number] = msgspec.json.decode(cell, type=dict[str, str])
        return found

    def closed(self, columns: Sequence[Sequence[str]], row_numbers: Sequence[int]) -> frozenset[int]:
        """The rows that an earlier report lists as succeeded or skipped. `columns` are all columns of the sheet."""
        if self.status is None or self.status >= len(columns):
            return frozenset()
        cells = columns[self.status]
        return frozenset(row for row, cell in zip(row_numbers, cells, strict=True) if cell.strip().lower() in _CLOSED)

    def not_data(self, columns: Sequence[Sequence[str]], row_numbers: Sequence[int]) -> list[tuple[int, str]]:
        """(row number, code) of the rows that repeat the header or name the types of its columns."""
        found = [(number, "not_a_customer") for number in self.type_rows.intersection(row_numbers)]
        name, place = next((name, place) for name, place in zip(self.columns, self.places, strict=True) if name)
        name = name.strip()
        if place >= len(columns) or {name, name.upper(), name.lower(), name.title(), name.capitalize()}.isdisjoint(
            map(str.strip, columns[place])
        ):
            return found
        names = {place: likeness(name) for name, place in zip(self.columns, self.places, strict=True)}
        for at, cell in enumerate(columns[place]):
            if likeness(cell) == names[place] and all(
                likeness(shown_name(columns[other][at])) in ("", names[other])
                for other in names
                if other < len(columns)
            ):
                found.append((row_numbers[at], "header_again"))
        return found


def _looks_like_data(cell: str) -> bool:
    text = cell.strip()
    if len(text) > 120 or "@" in text or _NUMBER.fullmatch(text) or _DATE.search(text):
        return True
    return sum(character.isdigit() for character in text) >= 7


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


def shown_name(cell: str) -> str:
    """A column name without quotes around it and invisible characters."""
    made = visible(cell)
    wrapped = _WRAPPED.fullmatch(made.strip())
    return made if wrapped is None else next(filter(None, wrapped.groups()))


def column_letters(place: int) -> str:
    """The letters of a column: 0 is `A`."""
    letters = ""
    place += 1
    while place:
        place, rest = divmod(place - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


def header_of(
    source: str, rows: Sequence[tuple[int, Sequence[str]]], at: int, *, given: bool, wider: int = 0
) -> Header:
    """The header at position `at` of a sheet's first rows (number, cells), checked against the rows around it.

    `given`: the user named its row. `wider`: cells of the rows beyond it. Raises `SourceError`.
    """
    row, cells = rows[at][0], [*rows[at][1], *[""] * wider]
    above = [(number, record) for number, record in rows[:at] if any(map(str.strip, record))]
    below = [(number, record) for number, record in rows[at + 1 :] if any(map(str.strip, record))]
    if not given:
        _refuse_customer_as_header(source, row, cells, [record for _, record in below])
        _refuse_customers_above(source, (row, cells), above, [record for _, record in below])
    header = read_header(source, row, cells, [record for _, record in below], skipped=len(above), given=given)
    better = 0
    if not any(field_of(name) in IDENTIFIERS for name in header.columns):
        better = next((number for number, record in below[:5] if _names_identifiers(record)), 0)
    types = frozenset(number for number, record in below[:3] if _names_types(record))
    return msgspec.structs.replace(header, type_rows=types, better_row=better)


def _names_identifiers(record: Sequence[str]) -> bool:
    """Whether a row below could be the header: no data, and the name of an identifier."""
    filled = [cell for cell in record if cell.strip()]
    return any(field_of(cell) in IDENTIFIERS for cell in filled) and not any(map(_looks_like_data, filled))


def _names_types(record: Sequence[str]) -> bool:
    filled = [cell.strip() for cell in record if cell.strip()]
    return len(filled) > 1 and all(map(_TYPE.fullmatch, filled))


def _refuse_customers_above(
    source: str,
    header: tuple[int, Sequence[str]],
    above: Sequence[tuple[int, Sequence[str]]],
    below: Sequence[Sequence[str]],
) -> None:
    """Raise `SourceError` where rows above the header hold a table: they would be lost."""
    row, cells = header
    own = {place for place, cell in enumerate(cells) if field_of(shown_name(cell)) in IDENTIFIERS}
    for number, record in above:
        if _is_labelled(record):
            continue
        for place, cell in enumerate(map(str.strip, record)):
            if (
                field_of(shown_name(cell)) in IDENTIFIERS
                or _is_identifier(cell)
                or (place in own and _is_like_those(cell, place, record, below))
            ):
                raise SourceError(
                    f"{source}: the header seems to be row {row}, but row {number} above it contains {_shown(cell)}.",
                    f"Pass the row with the column names with --header-row. {_CLEAN_UP}",
                    on_page=f"Set the row with the column names under “How the file is read”. {_CLEAN_UP}",
                    code="customer_above_header",
                )


def _is_labelled(record: Sequence[str]) -> bool:
    """Whether a row is a label with its value, like `Contact:` and an address, as titles have them."""
    filled = [cell.strip() for cell in record if cell.strip()]
    return len(filled) == 2 and filled[0].endswith((":", "：")) and not filled[1].endswith((":", "："))


def _is_like_those(cell: str, place: int, record: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    """Whether a cell in an identifier's column has the form and length of every identifier below the header."""
    if sum(map(bool, map(str.strip, record))) < 2 or not any(map(str.isdigit, cell)):
        return False
    others = [other[place].strip() for other in below if place < len(other) and other[place].strip()]
    return len(others) > 1 and all(form_of(other) == form_of(cell) and len(other) == len(cell) for other in others)


def _is_identifier(cell: str) -> bool:
    """Whether a whole cell is an e-mail address or a phone number with its country code."""
    if _ADDRESS.fullmatch(cell):
        return True
    if not _PHONE.fullmatch(cell) or _DATE.fullmatch(cell):
        return False
    reader = late("importer.normaliser.phones", "PhoneReader")()
    return bool(reader.read(cell).text)


def _refuse_customer_as_header(source: str, row: int, cells: Sequence[str], below: Sequence[Sequence[str]]) -> None:
    """Raise `SourceError` for a header that is a customer: it would be lost, and no column would be found."""
    filled = [cell.strip() for cell in cells if cell.strip()]
    if any(field_of(shown_name(cell)) for cell in filled):
        return
    data = next((cell.strip() for place, cell in enumerate(cells) if _is_data(cell.strip(), place, below)), None)
    if data is None:
        data = next((cell.strip() for place, cell in enumerate(cells) if _like_all(cell, place, below)), None)
    if data is not None:
        which = "the first row" if row == 1 else f"row {row}, taken for the header,"
        raise SourceError(
            f"{source}: {which} looks like data ({_shown(data)}), not like column names.",
            f"Add a row with the column names, or pass its number with --header-row. {_CLEAN_UP}",
            on_page=f"Add a row with the column names, or set its number under “How the file is read”. {_CLEAN_UP}",
            code="header_is_data",
        )


def _is_data(cell: str, place: int, below: Sequence[Sequence[str]]) -> bool:
    """Whether a cell is an address or a number with many digits. A date can be a name, if dates are not below it."""
    if _DATE.fullmatch(cell):
        return any(_DATE.search(record[place]) for record in below if place < len(record))
    return bool(_ADDRESS.fullmatch(cell) or _PHONE.fullmatch(cell))


def _like_all(cell: str, place: int, below: Sequence[Sequence[str]]) -> bool:
    """Whether a cell of letters and digits has the form of all cells below it, like `C-1` above `C-2` and `C-17`.

    Where most of those have the same words, the cell must have them too: `Answer 1` above `Gold 2` is a name.
    """
    form = form_of(cell)
    others = [record[place] for record in below if place < len(record) and record[place].strip()]
    if form.strip("9") == "" or "9" not in form or len(others) < 2 or any(form_of(other) != form for other in others):
        return False
    words = set(map(_without_numbers, others))
    return _without_numbers(cell) in words or len(words) * 2 > len(others)


def form_of(cell: str) -> str:
    """The form of a text: `C-17` and `AB-3` have one, `a-9`."""
    return re.sub(r"[^\W\d_]+", "a", _without_numbers(cell))


def _without_numbers(cell: str) -> str:
    return re.sub(r"\d+", "9", cell.strip())


#: What else can help where the header is not found.
_CLEAN_UP = "If cells contain the delimiter, put them in quotes; delete rows that are not part of the table."


def _shown(cell: str) -> str:
    return f"“{one_line(cell)}”"


def read_header(
    source: str,
    row: int,
    cells: Sequence[str],
    below: Sequence[Sequence[str]],
    *,
    skipped: int = 0,
    given: bool = False,
) -> Header:
    """The header in `cells`, compared with the rows `below` it. Raises `SourceError` where there are no names."""
    width = len(cells)
    if width > MOST_CELLS:
        raise SourceError(
            f"{source}: row {row} has more than {MOST_CELLS:,} cells, the most of a sheet.",
            "Export only the columns that you need.",
            code="other_kind",
        )
    while width and not cells[width - 1].strip() and not any(len(record) >= width for record in below):
        width -= 1
    written = {place: cell for place, cell in enumerate(cells) if likeness(cell)}
    names = {place: shown_name(cell) for place, cell in written.items()}
    nameless = [place for place in range(width) if place not in names]
    own = {place for place, name in names.items() if name.strip().startswith("_")}
    # Right of a report's result columns, extra cells are a problem of their row and reported with it.
    ours = max(own, default=width)
    unread = [
        place
        for place in nameless
        if place < ours and any(len(record) > place and record[place].strip() for record in below)
    ]
    if not names:
        raise SourceError(
            f"{source}: row {row} contains no column names.",
            "Put the column names in one row, or pass its number with --header-row.",
            on_page="Put the column names in one row, or set its number under “How the file is read”.",
            code="no_header",
        )
    places = tuple(sorted([*unread, *(place for place in names if place not in own)]))
    if not set(names) - own:
        raise SourceError(
            f"{source}: row {row} contains only result columns.",
            "Import the sheet with its own columns.",
            code="no_header",
        )
    results = {names[place].strip(): place for place in sorted(own, reverse=True)}
    notes = []
    if skipped and not given:
        notes.append(f"The header was found in row {row}; rows above it were ignored.")
    changed = [_shown(name) for place, name in names.items() if name != written[place]]
    if changed:
        notes.append(f"Quotes or invisible characters in column names were removed: {', '.join(changed)}.")
    foreign = [names[place].strip() for place in sorted(own) if names[place].strip() not in (*RESULT_COLUMNS, "_fixed")]
    if foreign:
        notes.append(f"Columns whose name begins with _ were ignored: {', '.join(map(_shown, foreign))}.")
    empty = [place for place in nameless if min(names) < place < max(names) and place not in unread]
    if empty:
        notes.append(f"Empty columns without a name were ignored: {', '.join(map(column_letters, empty))}.")
    if unread:
        notes.append(f"Columns without a name were ignored: {', '.join(map(column_letters, unread))}.")
    return Header(
        row=row,
        columns=tuple(names.get(place, "") for place in places),
        places=places,
        nameless=tuple(place for place in nameless if place not in unread),
        width=width,
        least=max(names) + 1,
        is_report="_status" in results,
        notes=tuple(notes),
        results=results,
    )
