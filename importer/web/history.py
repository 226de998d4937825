"""The history of runs: search, filters and pages, worked out by the server. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

import msgspec

from importer.web.run_views import in_progress

#: Runs on one page.
PER_PAGE = 25
#: What the filter of results offers.
RESULTS = ("active", "done", "attention", "open")
_LONGEST = 200


class Wanted(msgspec.Struct, frozen=True):
    """What a visitor looks for. `since` and `until`: days, both included; None: no limit."""

    words: str = ""
    result: str = ""
    since: datetime.date | None = None
    until: datetime.date | None = None
    page: int = 1

    @property
    def filters(self) -> bool:
        return bool(self.words or self.result or self.since or self.until)

    def address(self, page: int) -> str:
        """The address of a page of the same search."""
        since, until = (day.isoformat() if day else "" for day in (self.since, self.until))
        fields = {"q": self.words, "result": self.result, "from": since, "to": until, "page": page if page > 1 else ""}
        query = urlencode({name: value for name, value in fields.items() if value})
        return f"/?{query}#runs" if query else "/#runs"


def wanted_from(query: Mapping[str, str]) -> Wanted:
    """What the address asks for. What is not valid is left out: an address may be typed."""
    result, page = query.get("result", ""), query.get("page", "")
    return Wanted(
        " ".join(query.get("q", "")[:_LONGEST].split()),
        result if result in RESULTS else "",
        _day(query.get("from", "")),
        _day(query.get("to", "")),
        max(int(page), 1) if page.isascii() and page.isdigit() and len(page) < 7 else 1,
    )


def _day(text: str) -> datetime.date | None:
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        return None


class Entry(msgspec.Struct, frozen=True):
    """A run as the search sees it. `at`: seconds since 1970."""

    name: str
    run_id: str
    owner: str
    state: str
    at: float


def matches(entry: Entry, wanted: Wanted) -> bool:
    """Each word is in the name of the file, the id of the run or the name of the user. Days are the server's."""
    if wanted.result and _result(entry.state) != wanted.result:
        return False
    if wanted.since or wanted.until:
        day = datetime.datetime.fromtimestamp(entry.at).astimezone().date()
        if (wanted.since and day < wanted.since) or (wanted.until and day > wanted.until):
            return False
    text = f"{entry.name}\n{entry.run_id}\n{entry.owner}".casefold()
    return all(word in text for word in wanted.words.casefold().split())


def _result(state: str) -> str:
    if in_progress(state):
        return "active"
    return state if state in ("done", "attention") else "open"


class Cut(msgspec.Struct, frozen=True):
    """One page of what was found: positions `first` to `last`, counted from 1."""

    page: int
    pages: int
    first: int
    last: int
    found: int


def cut(found: Sequence[object], wanted: Wanted) -> Cut:
    pages = max(-(-len(found) // PER_PAGE), 1)
    page = min(wanted.page, pages)
    first = (page - 1) * PER_PAGE
    return Cut(page, pages, first + 1, min(first + PER_PAGE, len(found)), len(found))
