"""Single loads: which files are taken, which are left, what stops a load, and what a load itself costs."""

from __future__ import annotations

import datetime
import json
import os
import threading
import time
from contextlib import closing, nullcontext
from typing import Any

import msgspec
import pytest

import importer.nightly.load
import importer.nightly.one_file
import importer.pipeline
from importer.errors import Busy, ExitCode
from importer.model import RunSummary
from importer.nightly.claims import Claim, ProfileFolder
from importer.nightly.location import Entry, Location
from importer.nightly.lock import Exclusive
from importer.nightly.state import LoadReport
from importer.sandbox import EmbeddedSandbox
from importer.telemetry.log_lines import open_log
from importer.world import Stopper
from tests.support.nightly import Clock, House, Mailbox, mobiles, sheet

DAY = datetime.date(2026, 11, 24)
NEXT = DAY + datetime.timedelta(days=1)


@pytest.mark.slow
def test_a_load_costs_less_than_its_runs(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """40 small files in one process: CPU time of the load without the runs, against that of the runs."""
    for number in range(40):
        (house.inbox / f"{number:03}.csv").write_text(sheet(number * 10, rows=3))
    house.settings |= {"outbox": str(house.folder / "outbox"), "settle": "0s"}
    in_runs = 0.0

    def run(*given: Any, **named: Any) -> RunSummary:
        nonlocal in_runs
        began = time.process_time()
        try:
            return inner(*given, **named)
        finally:
            in_runs += time.process_time() - began

    inner = importer.pipeline.run
    monkeypatch.setattr(importer.nightly.one_file, "run", run)
    began = time.process_time()
    found = house.look(DAY)
    own = time.process_time() - began - in_runs
    assert [file.name for file in found.files] == [f"{number:03}.csv" for number in range(40)]
    assert found.exit_code == 0
    assert own < in_runs
    assert len(house.files("inbox/done")) == 40


def test_files_that_are_not_taken(house: House) -> None:
    """Files being written, hidden ones, names that do not match; folders, links, pipes."""
    house.settings["pattern"] = "customers-{date}.csv"
    for name in ("customers-2026-11-23.csv.part", "customers-2026-11-23.csv.tmp", ".customers-2026-11-23.csv", "a.csv"):
        (house.inbox / name).write_text(sheet(0))
    (house.inbox / "customers-2026-13-45.csv").write_text(sheet(0))
    (house.inbox / "customers-2026-11-21.csv").mkdir()
    (house.inbox / "customers-2026-11-22.csv").symlink_to(house.inbox / "a.csv")
    os.mkfifo(house.inbox / "customers-2026-11-20.csv")
    found = house.look(DAY)
    assert (found.exit_code, found.files, found.waiting) == (0, (), ())


def test_one_load_of_a_profile_at_a_time(house: House) -> None:
    """The second ends with 11, names the first, and does nothing."""
    (house.inbox / "a.csv").write_text(sheet(0))
    house.clock.set(DAY, "02:00")
    first, second = house.nightly(), house.nightly()
    ended: list[Busy] = []

    def meanwhile() -> None:
        try:
            second.once()
        except Busy as error:
            ended.append(error)

    house.clock.meanwhile = meanwhile
    assert first.once().exit_code == 0
    assert ended[0].holder.startswith(f"Process {os.getpid()} on ")
    assert ended[0].holder in ended[0].message and "profile brand-a" in ended[0].message


def test_outside_the_window_no_file_is_loaded(house: House) -> None:
    """Between `until` and `not-before` files wait: 0. When `until` comes during a load, the other files wait: 10."""
    house.settings |= {"not-before": "01:00", "until": "06:00", "settle": "0s"}
    (house.inbox / "a.csv").write_text(sheet(0))
    found = house.look(DAY, "13:00")
    assert (found.exit_code, found.files, found.waiting) == (0, (), ("a.csv",))
    (house.inbox / "b.csv").write_text(sheet(100))
    house.settings["concurrency"] = 1
    house.clock.set(NEXT, "05:59")

    class Slow(Clock):
        calls = 0

        def wall(self) -> int:
            """The window closes when the first file's run has ended."""
            past = 120_000 if house.files("inbox/done") else 0
            return house.clock.wall() + past

    slow = Slow()
    found = house.nightly(wall=slow.wall).once()
    assert (found.exit_code, found.waiting) == (ExitCode.TIME, ("b.csv",))
    assert [file.name for file in found.files] == ["a.csv"]


def test_a_file_that_changes_during_the_copy_waits(house: House, sandbox: EmbeddedSandbox) -> None:
    """Its sender had paused, so it seemed complete. Half of the file is not imported."""
    (house.inbox / "a.csv").write_text(sheet(0, rows=10))
    load = house.nightly()
    house.clock.set(DAY, "02:00")
    inner = ProfileFolder.take

    class Growing(ProfileFolder):
        def take(self, inbox: Location, entry: Entry, marker: str, at: int) -> Claim | None:
            (house.inbox / "a.csv").write_text(sheet(0))
            return inner(self, inbox, entry, marker, at)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(importer.nightly.load, "ProfileFolder", Growing)
        found = load.once()
    assert (found.exit_code, found.files, found.waiting) == (0, (), ("a.csv",))
    assert [file.what for file in house.look(DAY, "02:10").files] == ["imported"]
    assert len(mobiles(sandbox)) == 30


def test_a_file_whose_load_was_killed_is_not_missing(house: House) -> None:
    """It arrived in time, although the killed process could not remember it."""
    house.settings |= {"pattern": "customers-{date}.csv", "expect-by": "04:00"}
    (house.inbox / "customers-2026-11-23.csv").write_text(sheet(0))
    load = house.nightly()
    house.clock.set(DAY, "02:00")

    class Death(BaseException):
        pass

    def dies(*_: object) -> None:
        raise Death

    load._files.load = dies  # type: ignore[method-assign,assignment]
    with pytest.raises(Death):
        load.once()
    found = house.look(DAY, "04:10")
    assert (found.exit_code, found.missing, [file.what for file in found.files]) == (0, "", ["imported"])


def test_watch_loads_until_it_is_stopped(house: House, sandbox: EmbeddedSandbox) -> None:
    """Once a minute. A file is complete once a later load finds it unchanged. The exit code is the worst one."""
    stopper = Stopper()
    loads = 0
    (house.inbox / "a.csv").write_text(sheet(0))

    def meanwhile() -> None:
        nonlocal loads
        loads += 1
        if loads == 2:
            (house.inbox / "b.csv").write_bytes(b"\x00\x01" * 50)
        if loads == 5:
            stopper.ask()

    house.clock.set(DAY, "02:00")
    house.clock.meanwhile = meanwhile
    shown: list[LoadReport] = []
    assert house.nightly(stopper=stopper).watch(shown.append) == ExitCode.SOURCE
    assert [(file.name, file.what) for found in shown for file in found.files] == [
        ("a.csv", "imported"),
        ("b.csv", "unreadable"),
    ]
    assert len(mobiles(sandbox)) == 30


def test_watch_ends_once_another_machine_has_taken_over(
    house: House, sandbox: EmbeddedSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lease ran out while it could not reach the database. It takes no file any more."""
    taken_over = False

    class Lost:
        async def prove(self) -> None:
            if taken_over:
                raise Busy("Another process is using it.", "Wait.")

        def is_certain(self) -> bool:
            return not taken_over

    def meanwhile() -> None:
        nonlocal taken_over
        taken_over = True
        (house.inbox / "b.csv").write_text(sheet(100))

    monkeypatch.setattr("importer.nightly.load.exclusive", lambda *_: nullcontext(Exclusive(None, (Lost(),))))
    (house.inbox / "a.csv").write_text(sheet(0))
    house.settings["settle"] = "0s"
    house.clock.set(DAY, "02:00")
    house.clock.meanwhile = meanwhile
    with pytest.raises(Busy):
        house.nightly().watch(lambda _: None)
    assert (len(mobiles(sandbox)), house.files("inbox")) == (30, ["b.csv"])


def test_watch_reports_a_missing_file_once(house: House) -> None:
    """Not once a minute. The next day's missing file is reported again."""
    stopper = Stopper()
    loads = 0
    house.settings |= {"pattern": "customers-{date}.csv", "expect-by": "04:00"}
    (house.inbox / "customers-2026-11-20.csv.part").write_text(sheet(0))

    def meanwhile() -> None:
        nonlocal loads
        loads += 1
        if loads == 20:
            house.clock.set(NEXT, "04:01")
        if loads == 40:
            stopper.ask()

    house.clock.set(DAY, "03:55")
    house.clock.meanwhile = meanwhile
    shown: list[LoadReport] = []
    log = open_log(stream=None, form="json", file=str(house.folder / "nightly.log"), wall=house.clock.wall)
    load = house.nightly(log, stopper)
    with closing(log), Mailbox() as mailbox:
        load._nightly = msgspec.structs.replace(load._nightly, notices=(mailbox.address,))
        assert load.watch(shown.append) == ExitCode.SOURCE
    assert [found.missing for found in shown] == ["", "customers-2026-11-23.csv", "customers-2026-11-24.csv"]
    events = [json.loads(line)["event"] for line in (house.folder / "nightly.log").read_text().splitlines()]
    assert events.count("file is missing") == 2
    assert len(events) < 10
    # On the second day the state is the same: no second notice.
    assert len(mailbox.mails) == 1


def test_a_stop_ends_a_wait_at_once(house: House) -> None:
    """SIGTERM while the load waits for new files to settle."""
    stopper = Stopper()
    house.settings["settle"] = "10m"
    (house.inbox / "a.csv").write_text(sheet(0))
    load = house.nightly(stopper=stopper)
    waits: list[bool] = []

    def sleep(seconds: float) -> None:
        threading.Thread(target=stopper.ask).start()
        waits.append(load._woken.wait(seconds))

    load._sleep = sleep
    found = load.once()
    assert waits == [True], "woken, not timed out"
    assert (found.exit_code, found.state, found.waiting) == (ExitCode.INTERRUPTED, "ok", ("a.csv",))


def test_reports_can_be_written_again_after_the_move(house: House) -> None:
    """A copy of the file stays with its run. After `retention` both are deleted; the file in `done` stays."""
    house.settings["retention"] = "30d"
    (house.inbox / "a.csv").write_text(sheet(0, bad=1))
    (result,) = house.look(DAY).files
    load = house.nightly()
    again = importer.pipeline.report(result.run_id, load._settings, load._world)
    assert again.rows.rejected == 1
    folder = house.folder / "reports" / result.run_id
    assert (folder / "source").stat().st_mode & 0o777 == 0o700
    assert (folder / "source" / "a.csv").stat().st_mode & 0o777 == 0o600
    house.look(DAY + datetime.timedelta(days=29))
    assert folder.exists()
    house.look(DAY + datetime.timedelta(days=31))
    assert not folder.exists()
    assert house.files("inbox/done") == ["a.csv"]
