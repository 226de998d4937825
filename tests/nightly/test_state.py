"""What follows from what a load found: its report, the state of the profile, the notice, the memory. Tables."""

from __future__ import annotations

import msgspec
import pytest

from importer.errors import ExitCode
from importer.nightly.inbox import Seen
from importer.nightly.state import (
    CRITICAL,
    OK,
    WARNING,
    FileResult,
    LoadReport,
    LoadState,
    Memory,
    Step,
    due_notice,
    held_back,
    in_state,
    notified,
    remembered,
    report_of,
    state_after,
    with_later,
    with_state,
)

BEFORE = LoadState(CRITICAL, ("disk",))


def file(code: int, share: float = 0.0) -> FileResult:
    return FileResult("a.csv", "imported", code, not_imported_share=share)


@pytest.mark.parametrize(
    ("steps", "after"),
    [
        # Nothing was found: the state stays.
        ([], BEFORE),
        ([Step(incomplete=("a.csv",))], BEFORE),
        ([Step(files=(file(ExitCode.INTERRUPTED),), exit_code=ExitCode.INTERRUPTED)], BEFORE),
        # A file that ended decides.
        ([Step(files=(file(ExitCode.OK),))], LoadState()),
        ([Step(files=(file(ExitCode.INTERRUPTED), file(ExitCode.OK)))], LoadState()),
        ([Step(files=(file(ExitCode.TOO_MANY_ERRORS),))], LoadState(CRITICAL, ("errors",))),
        ([Step(files=(file(ExitCode.SOURCE), file(ExitCode.CHANGED)))], LoadState(CRITICAL, ("changed", "unreadable"))),
        # Rows that were not imported: by their share of the file.
        ([Step(files=(file(ExitCode.ROWS, 0.009),))], LoadState()),
        ([Step(files=(file(ExitCode.ROWS, 0.01),))], LoadState(WARNING, ("rows",))),
        ([Step(files=(file(ExitCode.ROWS, 0.1),))], LoadState(CRITICAL, ("rows",))),
        ([Step(files=(file(ExitCode.ROWS, 0.1), file(ExitCode.ROWS, 0.02)))], LoadState(CRITICAL, ("rows",))),
        # Problems, a missing file and the end of the window are critical, with or without files.
        ([Step(ExitCode.TEMPORARY, reasons=("trouble",))], LoadState(CRITICAL, ("trouble",))),
        ([Step(ExitCode.SOURCE, missing="b.csv")], LoadState(CRITICAL, ("missing",))),
        ([Step(ExitCode.TIME)], LoadState(CRITICAL, ("time",))),
        (
            [Step(files=(file(ExitCode.ROWS, 0.02),)), Step(ExitCode.SOURCE, missing="b.csv")],
            LoadState(CRITICAL, ("missing", "rows")),
        ),
    ],
)
def test_the_state_after_a_load(steps: list[Step], after: LoadState) -> None:
    assert state_after(BEFORE, report_of("", steps), warning=0.01, critical=0.1) == after


@pytest.mark.parametrize(
    ("was", "now", "notice"),
    [
        (LoadState(), LoadState(), None),
        (BEFORE, BEFORE, None),
        (LoadState(), BEFORE, "failed"),
        (BEFORE, LoadState(CRITICAL, ("missing",)), "failed"),
        (BEFORE, LoadState(), "OK again"),
        (LoadState(), LoadState(WARNING, ("rows",)), "some rows"),
        (BEFORE, LoadState(WARNING, ("rows",)), "only some rows"),
        (LoadState(WARNING, ("rows",)), LoadState(), "OK again"),
        (LoadState(WARNING, ("rows",)), BEFORE, "failed"),
    ],
)
def test_the_notice_of_a_change(was: LoadState, now: LoadState, notice: str | None) -> None:
    """One for each change of level or reasons, none while the state stays."""
    assert due_notice(was, now) == notice


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({}, None),
        ({"stopping": True}, ExitCode.OK),
        ({"in_window": False}, ExitCode.OK),
        ({"closes": 1000}, ExitCode.TIME),
        ({"closes": 1001}, None),
        ({"closes": 1000, "stopping": True}, ExitCode.OK),
        *(
            ({"results": [file(code)]}, None)
            for code in (
                ExitCode.OK,
                ExitCode.ROWS,
                ExitCode.TOO_MANY_ERRORS,
                ExitCode.SOURCE,
                ExitCode.CHANGED,
                ExitCode.BUSY,
                ExitCode.INTERNAL,
            )
        ),
        *(
            ({"results": [file(code), file(ExitCode.OK)]}, ExitCode.OK)
            for code in (ExitCode.SETTINGS, ExitCode.REFUSED, ExitCode.TEMPORARY, ExitCode.JOURNAL)
        ),
        *(({"results": [file(code)]}, None) for code in (ExitCode.SOURCE, ExitCode.CHANGED, ExitCode.BUSY)),
        *(({"results": [file(code)]}, ExitCode.OK) for code in (ExitCode.TIME, ExitCode.INTERRUPTED)),
    ],
)
def test_whether_the_next_file_is_loaded(facts: dict[str, object], code: ExitCode | None) -> None:
    """None: it is. Else it waits for the next load, with that exit code."""
    usual: dict[str, object] = {"stopping": False, "in_window": True, "results": [], "closes": None, "now": 1000}
    assert held_back(**{**usual, **facts}) == code  # type: ignore[arg-type]


def test_the_steps_make_the_report() -> None:
    """The worst exit code; each note and reason once; incomplete files before those left."""
    one, two = file(ExitCode.OK), file(ExitCode.ROWS, 0.5)
    report = report_of(
        "brand-a",
        [
            Step(files=(one,), incomplete=("i.csv",)),
            Step(ExitCode.TIME, left=("l.csv",), notes=("x",)),
            Step(ExitCode.TEMPORARY, reasons=("trouble",), notes=("x", "y")),
            Step(ExitCode.ROWS, files=(two,), missing="m.csv", reasons=("trouble",), incomplete=("j.csv",)),
        ],
    )
    assert report == LoadReport(
        "brand-a",
        ExitCode.TEMPORARY,
        reasons=("trouble",),
        files=(one, two),
        waiting=("i.csv", "j.csv", "l.csv"),
        missing="m.csv",
        notes=("x", "y"),
    )
    report = with_state(report, LoadState(WARNING, ("rows",)))
    report = with_later(report, [Step(notified=2), Step(ExitCode.JOURNAL, reasons=("disk",), notes=("y", "z"))])
    assert (report.state, report.exit_code, report.notified) == ("warning", ExitCode.JOURNAL, 2)
    assert (report.reasons, report.notes) == (("rows", "disk"), ("x", "y", "z"))


def test_what_programs_read_of_a_report() -> None:
    """The keys of `nightly --json`."""
    keys = ["profile", "exit_code", "state", "reasons", "files", "waiting", "missing", "told", "notes"]
    assert list(msgspec.to_builtins(LoadReport("brand-a"))) == keys


def test_the_memory_after_steps() -> None:
    """A listing replaces the last one; a file that was taken is not in it; 60 days of arrivals are kept."""
    seen = {name: Seen(1, "m", 0) for name in ("a.csv", "b.csv")}
    memory = Memory(seen={"old.csv": Seen(1, "m", 0)}, arrived={f"2026-01-{day:02}": "x" for day in range(1, 31)})
    assert remembered(memory, [Step()]) == memory
    after = remembered(memory, [Step(seen=seen), Step(taken="a.csv"), Step(arrived=("2026-02-01", "a.csv"))])
    assert list(after.seen) == ["b.csv"]
    assert after.arrived["2026-02-01"] == "a.csv"
    many = [Step(arrived=(f"2026-03-{day:02}", "x")) for day in range(1, 32)]
    assert list(remembered(after, many).arrived)[:2] == ["2026-01-03", "2026-01-04"]
    assert len(remembered(after, many).arrived) == 60


def test_the_memory_of_an_earlier_version_is_read() -> None:
    """Else each profile would send its last notice again after an update."""
    text = b'{"seen": {}, "arrived": {}, "level": 2, "reasons": ["disk"], "told_level": 2, "told_reasons": ["disk"]}'
    memory = msgspec.json.decode(text, type=Memory)
    assert memory.state == memory.notified == BEFORE
    assert msgspec.json.decode(msgspec.json.encode(memory), type=Memory) == memory
    changed = in_state(memory, LoadState(OK, ()))
    assert (changed.state, changed.notified) == (LoadState(), BEFORE)
    assert notified(changed).notified == LoadState()
