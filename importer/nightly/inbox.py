"""Which files of an inbox are complete, of which day a file is, and which file is expected. Pure."""

from __future__ import annotations

import datetime
import re
from collections.abc import Container, Iterable, Mapping
from collections.abc import Set as AbstractSet

import msgspec

from importer.nightly.location import Entry, is_visible
from importer.settings.options import Nightly
from importer.settings.values import DATE
from importer.system.clock import local_time


class Seen(msgspec.Struct, frozen=True):
    """Size and mark of a file, and since when they have been the same (milliseconds)."""

    size: int
    mark: str
    since: int


class Inbox(msgspec.Struct, frozen=True):
    """The files to take, in name order; those that are incomplete; and what to compare the next listing with."""

    complete: tuple[Entry, ...] = ()
    incomplete: tuple[str, ...] = ()
    seen: dict[str, Seen] = {}


def read_inbox(
    entries: Iterable[Entry], before: Mapping[str, Seen], claimed: AbstractSet[Entry], nightly: Nightly, now: int
) -> Inbox:
    """Sort the files of an inbox. `before`: `seen` of the last listing. `claimed`: files taken already, left out."""
    listed = {entry.name: entry for entry in entries}
    complete, incomplete, seen = [], [], {}
    for name, entry in sorted(listed.items()):
        if not is_wanted(name, nightly) or entry in claimed:
            continue
        seen[name] = _seen(entry, before.get(name), now)
        if nightly.marker:
            is_complete = name + nightly.marker in listed
        else:
            # By this machine's clock: the server's may be wrong, and the sender may set the file's time.
            is_complete = now - seen[name].since >= nightly.settle * 1000
        if is_complete:
            complete.append(entry)
        else:
            incomplete.append(name)
    return Inbox(tuple(complete), tuple(incomplete), seen)


def _seen(entry: Entry, before: Seen | None, now: int) -> Seen:
    same = before is not None and (before.size, before.mark) == (entry.size, entry.mark)
    # min: the clock may have been set back.
    return Seen(entry.size, entry.mark, min(before.since, now) if before is not None and same else now)


def is_wanted(name: str, nightly: Nightly) -> bool:
    """Whether a file of this name is taken: visible, not a marker, and matching the pattern."""
    is_marker = bool(nightly.marker) and name.endswith(nightly.marker)
    return is_visible(name) and not is_marker and day_in(name, nightly.pattern) is not None


# ---------------------------------------------------------------------------------------------------- days


def day_in(name: str, pattern: str) -> str | None:
    """The day in a file's name (ISO); "" for a pattern without a date; None when the name does not match."""
    form = DATE.search(pattern)
    before, after = (pattern[: form.start()], pattern[form.end() :]) if form else (pattern, "")
    middle = "(.+?)" if form else ""
    match = re.fullmatch(_as_regex(before) + middle + _as_regex(after), name)
    if match is None:
        return None
    if form is None:
        return ""
    written = form[1] or "%Y-%m-%d"
    try:
        day = datetime.datetime.strptime(match[1], written)
    except ValueError:
        return None
    return day.date().isoformat() if day.strftime(written) == match[1] else None


def _as_regex(pattern: str) -> str:
    return "".join({"*": ".*", "?": "."}.get(letter, re.escape(letter)) for letter in pattern)


def day_of(name: str, at: int, nightly: Nightly, time_zone: str) -> str:
    """The day that a file counts for: the one in its name, else the expected day at that moment."""
    return day_in(name, nightly.pattern) or expected_file(nightly, at, time_zone)[0]


def expected_file(nightly: Nightly, now: int, time_zone: str) -> tuple[str, str]:
    """(the day that the expected file counts for, its name)."""
    today = local_time(now, time_zone).date()
    form = DATE.search(nightly.pattern)
    if form is None:
        return today.isoformat(), nightly.pattern
    day = today - datetime.timedelta(days=1) if nightly.expect_date == "yesterday" else today
    written = day.strftime(form[1] or "%Y-%m-%d")
    return day.isoformat(), nightly.pattern[: form.start()] + written + nightly.pattern[form.end() :]


class MissingFile(msgspec.Struct, frozen=True):
    """The expected file, past its time. `is_incomplete`: it is in the inbox, but not complete."""

    day: str
    name: str
    is_incomplete: bool


def missing_file(
    nightly: Nightly,
    now: int,
    time_zone: str,
    *,
    arrived: Container[str],
    incomplete: Iterable[str] = (),
    left: Iterable[str] = (),
) -> MissingFile | None:
    """None: there is none. `arrived`: days with a file. `left`: complete files that wait for the next load."""
    if not nightly.expect_by or not is_past(nightly.expect_by, now, time_zone):
        return None
    day, name = expected_file(nightly, now, time_zone)

    def is_among(names: Iterable[str]) -> bool:
        return any(day_of(name, now, nightly, time_zone) == day for name in names)

    if day in arrived or is_among(left):
        return None
    return MissingFile(day, name, is_among(incomplete))


# ---------------------------------------------------------------------------------------------------- times of day


def is_past(clock_time: str, now: int, time_zone: str) -> bool:
    """Whether it is that time of day, or later."""
    return local_time(now, time_zone).strftime("%H:%M") >= clock_time


def in_window(nightly: Nightly, until: str, now: int, time_zone: str) -> bool:
    """Whether a run may begin now: between `not-before` and `until`."""
    if not nightly.not_before:
        return True
    clock_time = local_time(now, time_zone).strftime("%H:%M")
    end = until or "24:00"
    if nightly.not_before < end:
        return nightly.not_before <= clock_time < end
    return clock_time >= nightly.not_before or clock_time < end
