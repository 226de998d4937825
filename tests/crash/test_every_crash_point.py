"""The importer is killed, or its disk fails, at every system call in turn that leaves the process or changes a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from importer.errors import ExitCode
from tests.support.crashes import AT_ONCE, CALLS, EXHAUSTIVE, Case, Point, Thread, Zygotes

pytestmark = [pytest.mark.process, pytest.mark.slow]

THREADS: tuple[Thread, ...] = ("main", "journal")


def points_of(zygotes: Zygotes, folder: Path, calls: tuple[str, ...]) -> list[Point]:
    """Every place of a whole run that makes one of these calls."""
    zygote = zygotes.get()
    try:
        found = []
        for thread in THREADS:
            with Case(folder / f"count-{thread}", zygote) as case:
                counts = case.count(thread)
            found += [Point(thread, call, n) for call in calls for n in range(1, counts[call] + 1)]
        return found
    finally:
        zygotes.put(zygote)


def tried(
    zygotes: Zygotes, folder: Path, points: list[Point], check: Callable[[Case, Point], list[str]]
) -> dict[str, list[str]]:
    """What went wrong, by point."""

    def one(number: int, point: Point) -> list[str]:
        zygote = zygotes.get()
        try:
            with Case(folder / str(number), zygote) as case:
                return check(case, point)
        finally:
            zygotes.put(zygote)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = pool.map(one, range(len(points)), points)
    return {str(point): wrong for point, wrong in zip(points, found, strict=True) if wrong}


def print_points(points: list[Point], whole: int, capsys: pytest.CaptureFixture[str]) -> None:
    by_call = Counter(f"{point.thread} {point.call}" for point in points)
    with capsys.disabled():
        print(f"\n{len(points)} of {whole} points: " + ", ".join(f"{n} {name}" for name, n in by_call.items()))


@pytest.mark.parametrize("step", [pytest.param(47, id="some points"), EXHAUSTIVE])
def test_a_run_killed_at_any_point_is_resumed_to_the_right_end(
    zygotes: Zygotes, tmp_path: Path, capsys: pytest.CaptureFixture[str], step: int
) -> None:
    """SIGKILL before each call; then resume: one outcome a row, `succeeded` exactly where the server accepted, reports
    whole or absent, batches sent twice no more than were in flight, and those with identical bytes."""

    def check(case: Case, point: Point) -> list[str]:
        code, _ = case.strike(point)
        wrong = case.broken_reports()
        if code not in (-9, 3):
            wrong.append(f"ended with {code} when it was to be killed")
        code, out = case.resume()
        # A kill after the run was written down as finished leaves nothing to resume.
        if code not in (3, 0):
            wrong.append(f"resume ended with {code}: {out}")
        return wrong + case.violations()

    every = points_of(zygotes, tmp_path, CALLS)
    points = every[::step]
    print_points(points, len(every), capsys)
    assert tried(zygotes, tmp_path, points, check) == {}


@pytest.mark.parametrize("step", [pytest.param(83, id="some points"), EXHAUSTIVE])
def test_a_disk_that_fails_at_any_point_ends_the_run_with_7_or_does_no_harm(
    zygotes: Zygotes, tmp_path: Path, capsys: pytest.CaptureFixture[str], step: int
) -> None:
    """EIO and ENOSPC on each write and sync, once: a clean end or 7, nothing acknowledged is lost, resumable."""

    def check(case: Case, point: Point) -> list[str]:
        code, out = case.strike(point)
        wrong = case.broken_reports()
        if code not in (ExitCode.JOURNAL, 3):
            wrong.append(f"ended with {code}: {out}")
        code, out = case.resume()
        if code not in (3, 0):
            wrong.append(f"resume ended with {code}: {out}")
        return wrong + case.violations()

    places = points_of(zygotes, tmp_path, ("write", "pwrite64", "fsync", "fdatasync"))
    every = [msgspec.structs.replace(place, action=f"error={error}") for place in places for error in ("ENOSPC", "EIO")]
    points = every[::step]
    print_points(points, len(every), capsys)
    assert tried(zygotes, tmp_path, points, check) == {}
