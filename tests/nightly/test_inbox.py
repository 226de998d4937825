"""Which files are complete, of which day a file is, and which file is expected. Tables."""

from __future__ import annotations

import datetime

import pytest

from importer.nightly.inbox import (
    MissingFile,
    Seen,
    day_in,
    day_of,
    expected_file,
    in_window,
    is_wanted,
    missing_file,
    read_inbox,
)
from importer.nightly.location import Entry
from importer.settings.options import Nightly
from tests.support.nightly import Clock

DAY = datetime.date(2026, 11, 24)
ZONE = "Asia/Kolkata"


def at(clock_time: str) -> int:
    clock = Clock()
    clock.set(DAY, clock_time)
    return clock.wall()


@pytest.mark.parametrize(
    ("name", "pattern", "day"),
    [
        ("customers-2026-11-23.csv", "customers-{date}.csv", "2026-11-23"),
        ("x-20261123.xlsx", "*-{date:%Y%m%d}.xlsx", "2026-11-23"),
        ("x-2026113.xlsx", "*-{date:%Y%m%d}.xlsx", None),
        ("x-23.11.26-0140.csv", "x-{date:%d.%m.%y}-*.csv", "2026-11-23"),
        ("a.csv", "?.csv", ""),
        ("ab.csv", "?.csv", None),
        ("a.csv", "[a].csv", None),
    ],
)
def test_the_day_in_a_name(name: str, pattern: str, day: str | None) -> None:
    """Written as the pattern says, else the name does not match."""
    assert day_in(name, pattern) == day


def test_the_expected_file() -> None:
    """By the clocks of the profile's time zone: in Kolkata the next day has begun."""
    now = at("01:00")  # 19:30 UTC of the day before
    nightly = Nightly(pattern="c-{date:%d%m%Y}.csv")
    assert expected_file(nightly, "", now, ZONE) == ("2026-11-23", "c-23112026.csv")
    assert expected_file(nightly, "", now, "UTC") == ("2026-11-22", "c-22112026.csv")
    assert expected_file(Nightly(expect_date="today"), "", now, ZONE) == ("2026-11-24", "*")
    assert day_of("c-01112026.csv", now, nightly, "", ZONE) == "2026-11-01"
    assert day_of("any.csv", now, Nightly(), "", ZONE) == "2026-11-24"


@pytest.mark.parametrize(
    ("not_before", "until", "now", "is_open"),
    [
        ("", "06:00", "13:00", True),
        ("01:00", "06:00", "00:59", False),
        ("01:00", "06:00", "01:00", True),
        ("01:00", "06:00", "06:00", False),
        ("22:00", "06:00", "23:00", True),
        ("22:00", "06:00", "05:59", True),
        ("22:00", "06:00", "12:00", False),
        ("22:00", "", "23:59", True),
    ],
)
def test_the_window(not_before: str, until: str, now: str, is_open: bool) -> None:
    """From `not-before` to `until`, also past midnight."""
    assert in_window(Nightly(not_before=not_before), until, at(now), ZONE) is is_open


@pytest.mark.parametrize(
    ("before", "nightly", "is_complete", "since"),
    [
        # New, changed, unchanged for less than 60 s, for 60 s.
        (None, Nightly(), False, 100_000),
        (Seen(9, "m", 40_000), Nightly(), False, 100_000),
        (Seen(5, "other", 40_000), Nightly(), False, 100_000),
        (Seen(5, "m", 40_001), Nightly(), False, 40_001),
        (Seen(5, "m", 40_000), Nightly(), True, 40_000),
        # The clock was set back.
        (Seen(5, "m", 200_000), Nightly(), False, 100_000),
        # No time to settle.
        (None, Nightly(settle=0.0), True, 100_000),
        # A marker decides, whatever the time.
        (Seen(5, "m", 0), Nightly(marker=".end"), False, 0),
        (None, Nightly(marker=".ok"), True, 100_000),
    ],
)
def test_whether_a_file_is_complete(before: Seen | None, nightly: Nightly, is_complete: bool, since: int) -> None:
    entry = Entry("a.csv", 5, "m")
    others = [Entry(name, 1, "m") for name in ("a.csv.ok", ".hidden", "x.part")]
    found = read_inbox([*others, entry], {"a.csv": before} if before else {}, {others[0]}, nightly, 100_000)
    assert (found.complete, found.incomplete) == (((entry,), ()) if is_complete else ((), ("a.csv",)))
    assert found.seen == {"a.csv": Seen(5, "m", since)}


def test_a_claimed_file_is_not_taken_twice() -> None:
    """A file of the same name with other content is another file."""
    entry = Entry("a.csv", 5, "m")
    nightly = Nightly(settle=0.0)
    assert read_inbox([entry], {}, {entry}, nightly, 0).complete == ()
    assert read_inbox([entry], {}, {Entry("a.csv", 5, "older")}, nightly, 0).complete == (entry,)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("a-2026-11-23.csv", True),
        ("a-2026-13-45.csv", False),
        ("b.csv", False),
        (".a-2026-11-23.csv", False),
        ("~a-2026-11-23.csv", False),
        ("a-2026-11-23.csv.tmp", False),
        ("a-2026-11-23.csv.PART", False),
        ("a-2026-11-23.csv.ok", False),
    ],
)
def test_which_names_are_taken(name: str, wanted: bool) -> None:
    nightly = Nightly(pattern="a-{date}.csv*", marker=".ok")
    assert is_wanted(name, nightly) is wanted


@pytest.mark.parametrize(
    ("now", "arrived", "incomplete", "left", "missing"),
    [
        ("03:59", (), (), (), False),
        ("04:00", (), (), (), True),
        ("04:00", ("2026-11-22",), ("c-2026-11-22.csv",), ("c-2026-11-22.csv",), True),
        # It arrived, was loaded by an earlier load, or waits for the next one.
        ("04:00", ("2026-11-23",), (), (), False),
        ("04:00", (), (), ("c-2026-11-23.csv",), False),
    ],
)
def test_the_missing_file(
    now: str, arrived: tuple[str, ...], incomplete: tuple[str, ...], left: tuple[str, ...], missing: bool
) -> None:
    nightly = Nightly(pattern="c-{date}.csv", expect_by="04:00")
    found = missing_file(nightly, "", at(now), ZONE, arrived=arrived, incomplete=incomplete, left=left)
    assert found == (MissingFile("2026-11-23", "c-2026-11-23.csv", False) if missing else None)
    assert missing_file(Nightly(pattern="c-{date}.csv"), "", at(now), ZONE, arrived=arrived) is None


def moment(day: int, clock_time: str) -> int:
    clock = Clock()
    clock.set(datetime.date(2026, 11, day), clock_time)
    return clock.wall()


@pytest.mark.parametrize(
    ("window", "expect_by", "taken", "looks"),
    [
        # Across midnight: a file before midnight is the one that is due after it, and the alert outlives midnight.
        (("22:00", "06:00"), "04:00", (23, "23:30"), {(24, "00:30"): False, (24, "04:10"): False, (25, "04:10"): True}),
        (("22:00", "06:00"), "04:00", (24, "01:00"), {(24, "04:10"): False, (24, "21:59"): False, (25, "04:10"): True}),
        (("22:00", "06:00"), "23:30", (22, "23:00"), {(23, "21:00"): False, (23, "23:40"): True, (24, "00:10"): True}),
        (("22:00", "06:00"), "23:30", (22, "23:00"), {(23, "23:20"): False, (24, "05:50"): True}),
        (("22:00", "06:00"), "12:00", (23, "23:00"), {(24, "12:10"): False, (25, "11:50"): False, (25, "12:10"): True}),
        # Due after the window, beyond midnight.
        (("20:00", "23:59"), "00:30", (23, "21:00"), {(24, "00:40"): False, (25, "00:40"): True}),
        # Due shortly before the window that takes it.
        (("01:00", "06:00"), "00:30", (24, "01:00"), {(24, "01:10"): False, (25, "00:40"): True}),
        (("22:00", "06:00"), "21:30", (23, "22:00"), {(23, "22:10"): False, (24, "05:00"): False, (24, "21:40"): True}),
        # On one day.
        (("01:00", "06:00"), "04:00", (24, "02:00"), {(24, "04:10"): False, (25, "03:50"): False, (25, "04:10"): True}),
        (("", "06:00"), "04:00", (24, "02:00"), {(24, "04:10"): False, (25, "03:50"): False, (25, "04:10"): True}),
    ],
)
def test_the_night_of_a_file_without_a_date(
    window: tuple[str, str], expect_by: str, taken: tuple[int, str], looks: dict[tuple[int, str], bool]
) -> None:
    """A window across midnight is one day: the file that is taken in it is the one that is due in it."""
    not_before, until = window
    nightly = Nightly(pattern="c.csv", expect_by=expect_by, not_before=not_before)
    arrived = {day_of("c.csv", moment(*taken), nightly, until, ZONE)}
    found = {look: missing_file(nightly, until, moment(*look), ZONE, arrived=arrived) is not None for look in looks}
    assert found == looks


def test_the_night_of_a_file_with_a_date() -> None:
    """The day is counted from the day on which it is due."""
    nightly = Nightly(pattern="c-{date}.csv", expect_by="23:30", not_before="22:00", expect_date="today")
    for day, clock_time in ((23, "23:40"), (24, "00:10"), (24, "05:50")):
        found = missing_file(nightly, "06:00", moment(day, clock_time), ZONE, arrived=())
        assert found == MissingFile("2026-11-23", "c-2026-11-23.csv", False)
    yesterday = Nightly(pattern="c-{date}.csv", expect_by="04:00", not_before="22:00")
    assert expected_file(yesterday, "06:00", moment(23, "23:00"), ZONE) == ("2026-11-23", "c-2026-11-23.csv")


@pytest.mark.parametrize("name", ["failed.csv", "failed.xlsx", "failed (1).xlsx", "failed.2.csv", "Failed-3.CSV"])
def test_a_fixed_report_is_taken_whatever_the_pattern_says(name: str) -> None:
    """Without a marker, which no person adds. It is not the expected file."""
    nightly = Nightly(pattern="c-{date}.csv", marker=".ok", settle=0.0, expect_by="04:00")
    assert read_inbox([Entry(name, 5, "m")], {}, set(), nightly, 0).complete == (Entry(name, 5, "m"),)
    assert missing_file(nightly, "", at("05:00"), ZONE, arrived=(), left=[name]) is not None
    assert missing_file(Nightly(expect_by="04:00"), "", at("05:00"), ZONE, arrived=(), left=[name]) is not None
    assert not is_wanted(f"un{name}", nightly)


def test_a_marker_that_could_not_be_removed_says_nothing_about_the_next_file() -> None:
    """That file has to settle."""
    nightly = Nightly(marker=".ok")
    entries = [Entry("a.csv", 6, "new"), Entry("a.csv.ok", 0, "m")]
    kept = {"a.csv": Seen(5, "old", 0), "a.csv.ok": Seen(0, "m", 0)}
    found = read_inbox(entries, {}, set(), nightly, 0, kept)
    assert (found.incomplete, list(found.kept)) == (("a.csv",), ["a.csv.ok"])
    assert read_inbox(entries, found.seen, set(), nightly, 60_000, kept).complete == (entries[0],)


def test_an_incomplete_file_is_missing_too() -> None:
    nightly = Nightly(pattern="c-{date}.csv", expect_by="04:00")
    found = missing_file(nightly, "", at("04:00"), ZONE, arrived=(), incomplete=["c-2026-11-23.csv"])
    assert found == MissingFile("2026-11-23", "c-2026-11-23.csv", True)
