"""Which files of an inbox are complete, of which day a file is, and which file is expected. Pure."""

from __future__ import annotations

import datetime
import re
from collections.abc import Container, Iterable, Mapping
from collections.abc import Set as AbstractSet
from types import MappingProxyType

import msgspec

from importer.nightly.location import Entry
from importer.nightly.names import is_failed_report, is_visible, shown
from importer.settings.options import Nightly
from importer.settings.values import DATE
from importer.system.clock import local_time

#: Minutes.
_DAY = 24 * 60


class Seen(msgspec.Struct, frozen=True):
    """Size and mark of a file, and since when they have been the same (milliseconds)."""

    size: int
    mark: str
    since: int


class Inbox(msgspec.Struct, frozen=True):
    """The files to take, in name order; those that are incomplete; and what to compare the next listing with."""

    complete: tuple[Entry, ...] = ()
    #: Names as people see them.
    incomplete: tuple[str, ...] = ()
    seen: dict[str, Seen] = {}
    #: Files that were processed and could not be removed, and are still there.
    kept: dict[str, Seen] = {}
    #: Links, pipes and the like with the name of a wanted file.
    odd: tuple[Entry, ...] = ()


def read_inbox(
    entries: Iterable[Entry],
    before: Mapping[str, Seen],
    claimed: AbstractSet[Entry],
    nightly: Nightly,
    now: int,
    kept: Mapping[str, Seen] = MappingProxyType({}),
) -> Inbox:
    """Sort the files of an inbox. `before`: `seen` of the last listing. `claimed`: files taken already, left out.

    `kept`: files that were processed and could not be removed. They are left out until they change.
    """
    listed = {entry.name: entry for entry in entries}
    still = {entry.name: kept[entry.name] for entry in listed.values() if is_same(entry, kept.get(entry.name))}
    complete, incomplete, seen, odd = [], [], {}, []
    for name, entry in sorted(listed.items()):
        if not is_wanted(name, nightly) or entry in claimed or name in still:
            continue
        if entry.kind != "file":
            odd.append(entry)
            continue
        since = seen[shown(name)] = _seen(entry, before.get(shown(name)), now)
        if _has_marker(name, nightly, listed.keys() - still.keys()):
            is_complete = True
        elif _needs_marker(name, nightly, still):
            is_complete = False
        else:
            # By this machine's clock: the server's may be wrong, and the sender may set the file's time.
            is_complete = now - since.since >= nightly.settle * 1000
        if is_complete:
            complete.append(entry)
        else:
            incomplete.append(shown(name))
    return Inbox(tuple(complete), tuple(incomplete), seen, still, tuple(odd))


def _has_marker(name: str, nightly: Nightly, names: AbstractSet[str]) -> bool:
    return bool(nightly.marker) and name + nightly.marker in names


def _needs_marker(name: str, nightly: Nightly, kept: Mapping[str, Seen]) -> bool:
    """Whether only a marker says that the file is complete.

    No person adds a marker to a fixed report. A marker that could not be removed with an earlier file of that name says
    nothing about this one, and a store may show a new marker as the same.
    """
    return bool(nightly.marker) and not is_failed_report(name) and name + nightly.marker not in kept


def _seen(entry: Entry, before: Seen | None, now: int) -> Seen:
    # min: the clock may have been set back.
    return Seen(
        entry.size, entry.mark, min(before.since, now) if before is not None and is_same(entry, before) else now
    )


def is_same(entry: Entry, before: Seen | None) -> bool:
    return before is not None and (before.size, before.mark) == (entry.size, entry.mark)


def is_wanted(name: str, nightly: Nightly) -> bool:
    """Whether a file of this name is taken: visible, not a marker, and matching the pattern or a fixed report."""
    is_marker = bool(nightly.marker) and name.endswith(nightly.marker)
    return is_visible(name) and not is_marker and (is_failed_report(name) or day_in(name, nightly.pattern) is not None)


def why_odd(entry: Entry) -> str:
    """A sentence for people about an entry that is never opened."""
    what = "a symbolic link" if entry.kind == "link" else "not a regular file"
    return f"{shown(entry.name)} in the inbox is {what} and was not imported. Put the file itself there, or remove it."


# ---------------------------------------------------------------------------------------------------- days


def day_in(name: str, pattern: str) -> str | None:
    """The day in a file's name (ISO); "" for a pattern without a date; None when the name does not match."""
    form = DATE.search(pattern)
    before, after = (pattern[: form.start()], pattern[form.end() :]) if form else (pattern, "")
    middle = "(.+?)" if form else ""
    match = re.fullmatch(_as_regex(before) + middle + _as_regex(after), name, re.DOTALL)
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


def day_of(name: str, at: int, nightly: Nightly, until: str, time_zone: str) -> str:
    """The day that a file counts for: the one in its name, else the expected day at that moment."""
    return day_in(name, nightly.pattern) or expected_file(nightly, until, at, time_zone)[0]


def expected_file(nightly: Nightly, until: str, now: int, time_zone: str) -> tuple[str, str]:
    """(the day that the file which is expected now counts for, its name)."""
    today = deadline(nightly, until, now, time_zone).date()
    form = DATE.search(nightly.pattern)
    if form is None:
        return today.isoformat(), nightly.pattern
    day = today - datetime.timedelta(days=1) if nightly.expect_date == "yesterday" else today
    written = day.strftime(form[1] or "%Y-%m-%d")
    return day.isoformat(), nightly.pattern[: form.start()] + written + nightly.pattern[form.end() :]


def deadline(nightly: Nightly, until: str, now: int, time_zone: str) -> datetime.datetime:
    """When the expected file is due, by the clocks of the time zone; without `expect-by`, when the day ends.

    A day begins with the window, so a window across midnight is one day. It begins with the window's end where the file
    is due shortly before the window. Without a window it is the calendar day.
    """
    local = local_time(now, time_zone).replace(tzinfo=None)
    begins = _minutes(_begin_of_day(nightly, until))
    first = local.replace(hour=0, minute=0, second=0, microsecond=0) + datetime.timedelta(minutes=begins)
    if first > local:
        first -= datetime.timedelta(days=1)
    due = _minutes(nightly.expect_by) if nightly.expect_by else begins - 1
    return first + datetime.timedelta(minutes=(due - begins) % _DAY)


def _begin_of_day(nightly: Nightly, until: str) -> str:
    if not nightly.not_before:
        return "00:00"
    end = until or "24:00"
    begins = _minutes(nightly.not_before)
    length = (_minutes(end) - begins) % _DAY or _DAY
    due = (_minutes(nightly.expect_by or end) - begins) % _DAY
    return nightly.not_before if due <= length or due - length < _DAY - due else end


def _minutes(clock_time: str) -> int:
    hours, minutes = clock_time.split(":")
    return int(hours) * 60 + int(minutes)


def is_expected(name: str) -> bool:
    """Whether a file of this name can be the one that is expected: a fixed report is not."""
    return not is_failed_report(name)


class MissingFile(msgspec.Struct, frozen=True):
    """The expected file, past its time. `is_incomplete`: it is in the inbox, but not complete."""

    day: str
    name: str
    is_incomplete: bool


def missing_file(
    nightly: Nightly,
    until: str,
    now: int,
    time_zone: str,
    *,
    arrived: Container[str],
    incomplete: Iterable[str] = (),
    left: Iterable[str] = (),
) -> MissingFile | None:
    """None: there is none. `arrived`: days with a file. `left`: complete files that wait for the next load."""
    local = local_time(now, time_zone).replace(tzinfo=None)
    if not nightly.expect_by or local < deadline(nightly, until, now, time_zone):
        return None
    day, name = expected_file(nightly, until, now, time_zone)

    def is_among(names: Iterable[str]) -> bool:
        expected = (name for name in names if is_expected(name))
        return any(day_of(name, now, nightly, until, time_zone) == day for name in expected)

    if day in arrived or is_among(left):
        return None
    return MissingFile(day, name, is_among(incomplete))


# ---------------------------------------------------------------------------------------------------- times of day


def in_window(nightly: Nightly, until: str, now: int, time_zone: str) -> bool:
    """Whether a run may begin now: between `not-before` and `until`."""
    if not nightly.not_before:
        return True
    clock_time = local_time(now, time_zone).strftime("%H:%M")
    end = until or "24:00"
    if nightly.not_before < end:
        return nightly.not_before <= clock_time < end
    return clock_time >= nightly.not_before or clock_time < end
