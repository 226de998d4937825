"""Single nights: what is taken and what is left, what stops a night, who is told, and how much nightly costs itself."""

from __future__ import annotations

import datetime
import errno
import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

import importer.nightly.night
from importer.errors import Busy, ExitCode, JournalError
from importer.model import RunSummary
from importer.nightly.claims import Claim, Desk, day_in, expected_day, in_window
from importer.nightly.locations import Entry, Folder, Place, seen
from importer.nightly.night import NightReport
from importer.sandbox import EmbeddedSandbox, SandboxOptions
from importer.sandbox.faults import parse_script
from importer.settings.options import Nightly
from importer.telemetry.log import open_log
from importer.world import Stopper
from tests.support.fault_server import closed_port
from tests.support.nightly import Clock, House, Mailbox, mobiles, receiver, sheet
from tests.support.small_disk import make_room, mounted

NIGHT = datetime.date(2026, 11, 24)
NEXT = NIGHT + datetime.timedelta(days=1)


def test_nightly_itself_costs_little(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """100 small files in one process: under 0.3 s of work a file beside what their runs take."""
    for number in range(100):
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

    inner = importer.nightly.night.run  # type: ignore[attr-defined]
    monkeypatch.setattr(importer.nightly.night, "run", run)
    began = time.process_time()
    found = house.look(NIGHT)
    own = time.process_time() - began - in_runs
    assert [file.name for file in found.files] == [f"{number:03}.csv" for number in range(100)]
    assert found.exit_code == 0
    assert own / 100 < 0.3
    assert len(house.files("inbox/done")) == 100


def test_what_is_not_to_be_seen_is_left_alone(house: House) -> None:
    """Names of files that are being written, names that do not fit, folders, links, pipes."""
    house.settings["pattern"] = "customers-{date}.csv"
    for name in ("customers-2026-11-23.csv.part", "customers-2026-11-23.csv.tmp", ".customers-2026-11-23.csv", "a.csv"):
        (house.inbox / name).write_text(sheet(0))
    (house.inbox / "customers-2026-13-45.csv").write_text(sheet(0))
    (house.inbox / "customers-2026-11-21.csv").mkdir()
    (house.inbox / "customers-2026-11-22.csv").symlink_to(house.inbox / "a.csv")
    os.mkfifo(house.inbox / "customers-2026-11-20.csv")
    found = house.look(NIGHT)
    assert (found.exit_code, found.files, found.waiting) == (0, (), ())


def test_one_nightly_at_a_time_for_a_profile(house: House) -> None:
    """The second ends with 11 and names the first; nothing of it is looked at."""
    (house.inbox / "a.csv").write_text(sheet(0))
    house.clock.set(NIGHT, "02:00")
    first, second = house.night(), house.night()
    ended: list[Exception] = []

    def meanwhile() -> None:
        try:
            second.once()
        except Busy as error:
            ended.append(error)

    house.clock.meanwhile = meanwhile
    assert first.once().exit_code == 0
    assert f"Process {os.getpid()}" in str(ended[0])
    assert "brand-a" in str(ended[0])


def test_a_night_without_time_begins_nothing(house: House) -> None:
    """Between `until` and `not-before` files wait; past `until` the rest of a night waits, and that is 10."""
    house.settings |= {"not-before": "01:00", "until": "06:00", "settle": "0s"}
    (house.inbox / "a.csv").write_text(sheet(0))
    found = house.look(NIGHT, "13:00")
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
    night = house.night()
    night._world.wall = slow.wall
    found = night.once()
    assert (found.exit_code, found.waiting) == (ExitCode.TIME, ("b.csv",))
    assert [file.name for file in found.files] == ["a.csv"]


def test_a_file_that_grows_while_it_is_taken_waits(house: House, sandbox: EmbeddedSandbox) -> None:
    """It had seemed settled: a sender that had paused. Half of it is not imported."""
    (house.inbox / "a.csv").write_text(sheet(0, rows=10))
    night = house.night()
    house.clock.set(NIGHT, "02:00")
    inner = Desk.take

    class Growing(Desk):
        def take(self, place: Place, entry: Entry, marker: str, at: int) -> Claim | None:
            (house.inbox / "a.csv").write_text(sheet(0))
            return inner(self, place, entry, marker, at)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(importer.nightly.night, "Desk", Growing)
        found = night.once()
    assert (found.exit_code, found.files, found.waiting) == (0, (), ("a.csv",))
    assert [file.what for file in house.look(NIGHT, "02:10").files] == ["imported"]
    assert len(mobiles(sandbox)) == 30


def test_a_name_that_is_gone_by_the_time_it_is_looked_at(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its sender gave it another while the folder was listed: that is no trouble."""
    (house.inbox / "a.csv").write_text(sheet(0))
    (house.inbox / "b.csv").write_text(sheet(100))
    look = Folder.look

    def late(self: Folder, name: str) -> Entry | None:
        if name == "b.csv":
            (self.path / name).rename(self.path / "c.csv.part")
        return look(self, name)

    monkeypatch.setattr(Folder, "look", late)
    assert [entry.name for entry in Folder(house.inbox).list()] == ["a.csv"]


def test_a_marker_does_not_stay_behind(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A death between the two moves must not leave a word that says of tomorrow's half file that it is complete."""
    house.settings["marker"] = ".ok"
    for name in ("a.csv", "a.csv.ok"):
        (house.inbox / name).write_text(sheet(0))
    moves: list[str] = []
    move = Folder.move

    class Death(BaseException):
        pass

    def dies(self: Folder, name: str, to: Place) -> str:
        if moves:
            raise Death
        moves.append(name)
        return move(self, name, to)

    with monkeypatch.context() as patch:
        patch.setattr(Folder, "move", dies)
        with pytest.raises(Death):
            house.look(NIGHT)
    assert house.files("inbox") == ["a.csv"]
    assert [file.what for file in house.look(NIGHT, "02:10").files] == ["delivered"]
    assert (house.files("inbox"), house.files("inbox/done")) == ([], ["a.csv", "a.csv.ok"])


def test_a_move_that_died_in_the_middle_is_finished(house: House) -> None:
    """The file had its new name and still the old one: it gets no second copy."""
    inbox, done = Folder(house.inbox), Folder(house.inbox / "done")
    (house.inbox / "a.csv").write_text(sheet(0))
    done.path.mkdir()
    os.link(house.inbox / "a.csv", done.path / "a.csv")
    assert inbox.move("a.csv", done) == "a.csv"
    assert (house.files("inbox"), house.files("inbox/done")) == ([], ["a.csv"])


def test_a_move_to_another_disk(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no link can be made it is a copy, whole before the file goes; what stands there stays."""
    inbox, done = Folder(house.inbox), Folder(house.inbox / "done")
    done.path.mkdir()
    (done.path / "a.csv").write_text("of another night")
    (house.inbox / "a.csv").write_text(sheet(0))

    def link(*_: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", link)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space left on device")))
        with pytest.raises(JournalError):
            inbox.move("a.csv", done)
    assert (house.files("inbox"), [entry.name for entry in done.list() if seen(entry.name)]) == (["a.csv"], ["a.csv"])
    assert inbox.move("a.csv", done) == "a.2.csv"
    assert house.files("inbox") == []
    assert (done.path / "a.2.csv").read_text() == sheet(0)
    assert (done.path / "a.csv").read_text() == "of another night"


def test_no_name_of_a_file_is_one_of_ours(house: House) -> None:
    """A claim's own notes lie beside its copy."""
    for name in ("claim.json", "why.txt", "memory.json", "room"):
        (house.inbox / name).write_text(sheet(0) if name == "claim.json" else "\0")
    whats = {file.name: file.what for file in house.look(NIGHT).files}
    assert whats == {
        "claim.json": "imported",
        "memory.json": "unreadable",
        "room": "unreadable",
        "why.txt": "unreadable",
    }
    assert house.files("inbox/failed") == sorted(
        name for kind in ("memory.json", "room", "why.txt") for name in (kind, f"{kind}.why.txt")
    )
    assert (house.inbox / "failed" / "why.txt").read_text() == "\0"


def test_what_another_profile_or_organisation_imported_is_not_repeated(house: House, sandbox: EmbeddedSandbox) -> None:
    """The same content feeds other fields there; a run by hand counts."""
    (house.inbox / "a.csv").write_text(sheet(0))
    night = house.night()
    other = msgspec.structs.replace(night._settings, profile="brand-b")
    importer.nightly.night.run(str(house.inbox / "a.csv"), other, night._world)  # type: ignore[attr-defined]
    assert [file.what for file in house.look(NIGHT).files] == ["imported"]
    by_hand = msgspec.structs.replace(night._settings, profile="")
    (house.folder / "b.csv").write_text(sheet(100))
    importer.nightly.night.run(str(house.folder / "b.csv"), by_hand, night._world)  # type: ignore[attr-defined]
    (house.inbox / "b.csv").write_text(sheet(100))
    assert [file.what for file in house.look(NIGHT).files] == ["repeated"]


def test_a_file_whose_load_was_killed_is_not_missing(house: House) -> None:
    """It had come in time; that nobody lived to remember it is no second alarm."""
    house.settings |= {"pattern": "customers-{date}.csv", "expect-by": "04:00"}
    (house.inbox / "customers-2026-11-23.csv").write_text(sheet(0))
    night = house.night()
    house.clock.set(NIGHT, "02:00")

    class Death(BaseException):
        pass

    def dies(*_: object) -> None:
        raise Death

    night._run = dies  # type: ignore[method-assign,assignment]
    with pytest.raises(Death):
        night.once()
    found = house.look(NIGHT, "04:10")
    assert (found.exit_code, found.missing, [file.what for file in found.files]) == (0, "", ["imported"])


def test_the_same_content_again_when_told(house: House, sandbox: EmbeddedSandbox) -> None:
    """`repeat = "import"`."""
    for name in ("a.csv", "b.csv"):
        (house.inbox / name).write_text(sheet(0))
    house.settings["repeat"] = "import"
    assert [file.what for file in house.look(NIGHT).files] == ["imported", "imported"]
    assert len(mobiles(sandbox)) == 60


def test_a_death_between_the_run_and_its_delivery(house: House, sandbox: EmbeddedSandbox) -> None:
    """The run is not repeated; reports, move and notices are made up for."""
    (house.inbox / "a.csv").write_text(sheet(0))
    house.settings["outbox"] = str(house.folder / "outbox")
    night = house.night()
    house.clock.set(NIGHT, "02:00")

    class Death(BaseException):
        pass

    def dies(*_: object) -> None:
        raise Death

    night._deliver = dies  # type: ignore[method-assign,assignment]
    with pytest.raises(Death):
        night.once()
    assert house.files("inbox") == ["a.csv"]
    found = house.look(NIGHT, "02:10")
    assert [(file.what, file.moved_to) for file in found.files] == [("delivered", "done/a.csv")]
    assert len(mobiles(sandbox)) == 30
    assert len(list((house.folder / "outbox").glob("*/summary.json"))) == 1


def test_an_outbox_that_is_away_is_made_up_for(house: House) -> None:
    """5 while it is; the file stays until its reports are delivered, and is not imported again."""
    (house.inbox / "a.csv").write_text(sheet(0))
    outbox = house.folder / "outbox"
    house.settings["outbox"] = str(outbox)
    found = house.look(NIGHT, breaks=lambda: outbox.write_text("in the way"))
    assert (found.exit_code, found.state, house.files("inbox")) == (ExitCode.TROUBLE, "critical", ["a.csv"])
    outbox.unlink()
    found = house.look(NIGHT, "02:10")
    assert [(file.what, file.moved_to) for file in found.files] == [("delivered", "done/a.csv")]
    assert found.state == "well"


def test_a_file_that_is_replaced_while_its_run_is_open(house: House, sandbox: EmbeddedSandbox) -> None:
    """Both are imported, the older first; the newer is not moved away in the older's place."""
    (house.inbox / "a.csv").write_text(sheet(0))
    sandbox.state.faults = parse_script(["1-:503"])
    house.settings |= {"until": "06:00"}
    assert house.look(NIGHT, "05:58:59.7").exit_code == ExitCode.TIME
    sandbox.state.faults = ()
    (house.inbox / "a.csv").write_text(sheet(100))
    found = house.look(NEXT)
    assert [(file.what, file.moved_to) for file in found.files] == [("resumed", ""), ("imported", "done/a.csv")]
    assert (house.inbox / "done" / "a.csv").read_text() == sheet(100)
    assert len(set(mobiles(sandbox))) == 60


def test_a_run_that_too_many_errors_stopped_waits_for_a_person(tmp_path: Path) -> None:
    """It does not go on by itself, start after start; once it was resumed it is delivered."""
    with EmbeddedSandbox(SandboxOptions(customers=frozenset({"nobody"}))) as nobody:
        house = House(tmp_path, nobody.base_url, **{"max-errors": "5", "concurrency": 1})
        (house.inbox / "a.csv").write_text(sheet(0))
        found = house.look(NIGHT)
        assert [(file.what, file.exit_code) for file in found.files] == [("stopped", ExitCode.TOO_MANY_ERRORS)]
        sent = len(nobody.state.requests)
        (house.inbox / "b.csv").write_text(sheet(0, bad=30))
        found = house.look(NIGHT, "02:10")
        assert [(file.what, file.exit_code) for file in found.files] == [
            ("held", ExitCode.TOO_MANY_ERRORS),
            ("imported", ExitCode.ROWS),
        ]
        assert (found.exit_code, len(nobody.state.requests)) == (ExitCode.TOO_MANY_ERRORS, sent)
        night = house.night()
        importer.nightly.night.resume(None, night._settings, {"max_errors": None}, night._world)  # type: ignore[attr-defined]
        found = house.look(NIGHT, "02:20")
        assert [(file.what, file.moved_to) for file in found.files] == [("delivered", "done/a.csv")]


def test_a_held_file_can_be_replaced(tmp_path: Path) -> None:
    """Its run is given up, its reports stay, and the other file is imported."""
    with EmbeddedSandbox(SandboxOptions(customers=frozenset({"nobody"}))) as nobody:
        house = House(tmp_path, nobody.base_url, **{"max-errors": "5", "concurrency": 1})
        (house.inbox / "a.csv").write_text(sheet(0))
        (stopped,) = house.look(NIGHT).files
        (house.inbox / "a.csv").write_text(sheet(0, bad=30))
        found = house.look(NIGHT, "02:10")
        assert [(file.what, file.moved_to) for file in found.files] == [("given up", ""), ("imported", "done/a.csv")]
        assert (tmp_path / "reports" / stopped.run_id / "source" / "a.csv").read_text() == sheet(0)
        assert house.look(NIGHT, "02:20").files == ()


def test_reports_can_be_made_again_after_the_move(house: House) -> None:
    """A copy of the file stays with its run; after `retention` both go, and `done` stays."""
    house.settings["retention"] = "30d"
    (house.inbox / "a.csv").write_text(sheet(0, bad=1))
    (result,) = house.look(NIGHT).files
    night = house.night()
    again = importer.nightly.night.report(result.run_id, night._settings, night._world)  # type: ignore[attr-defined]
    assert again.rows.rejected == 1
    folder = house.folder / "reports" / result.run_id
    assert (folder / "source").stat().st_mode & 0o777 == 0o700
    assert (folder / "source" / "a.csv").stat().st_mode & 0o777 == 0o600
    # The end of a run is written by the real clock's side of the world that was passed in.
    house.look(NIGHT + datetime.timedelta(days=29))
    assert folder.exists()
    house.look(NIGHT + datetime.timedelta(days=31))
    assert not folder.exists()
    assert house.files("inbox/done") == ["a.csv"]


def test_watching_looks_again_until_it_is_stopped(house: House, sandbox: EmbeddedSandbox) -> None:
    """Each minute; a file is complete once a later look finds it unchanged; the worst code is the end's."""
    stopper = Stopper()
    looks = 0
    (house.inbox / "a.csv").write_text(sheet(0))

    def meanwhile() -> None:
        nonlocal looks
        looks += 1
        if looks == 2:
            (house.inbox / "b.csv").write_bytes(b"\x00\x01" * 50)
        if looks == 5:
            stopper.ask()

    house.clock.set(NIGHT, "02:00")
    house.clock.meanwhile = meanwhile
    shown: list[NightReport] = []
    assert house.night(stopper=stopper).watch(shown.append) == ExitCode.SOURCE
    assert [(file.name, file.what) for found in shown for file in found.files] == [
        ("a.csv", "imported"),
        ("b.csv", "unreadable"),
    ]
    assert len(mobiles(sandbox)) == 30


def test_watching_says_what_is_missing_once(house: House) -> None:
    """Not each minute of the day; what is missing the next day is told again."""
    stopper = Stopper()
    looks = 0
    house.settings |= {"pattern": "customers-{date}.csv", "expect-by": "04:00"}
    (house.inbox / "customers-2026-11-20.csv.part").write_text(sheet(0))

    def meanwhile() -> None:
        nonlocal looks
        looks += 1
        if looks == 20:
            house.clock.set(NEXT, "04:01")
        if looks == 40:
            stopper.ask()

    house.clock.set(NIGHT, "03:55")
    house.clock.meanwhile = meanwhile
    shown: list[NightReport] = []
    log = open_log(stream=None, form="json", file=str(house.folder / "nightly.log"), wall=house.clock.wall)
    night = house.night(log, stopper)
    with Mailbox() as mailbox:
        night._nightly = msgspec.structs.replace(night._nightly, notices=(mailbox.address,))
        assert night.watch(shown.append) == ExitCode.SOURCE
    assert [found.missing for found in shown] == ["", "customers-2026-11-23.csv", "customers-2026-11-24.csv"]
    events = [json.loads(line)["event"] for line in (house.folder / "nightly.log").read_text().splitlines()]
    assert events.count("file is missing") == 2
    assert len(events) < 10
    # The state is the same on the second day, and was told.
    assert len(mailbox.mails) == 1


def test_a_stop_while_waiting_wakes_at_once(house: House) -> None:
    """No minute is waited out."""
    stopper = Stopper()
    house.settings["settle"] = "10m"
    (house.inbox / "a.csv").write_text(sheet(0))
    night = house.night(stopper=stopper)
    waits: list[bool] = []

    def sleep(seconds: float) -> None:
        threading.Thread(target=stopper.ask).start()
        waits.append(night._woken.wait(seconds))

    night._sleep = sleep
    found = night.once()
    assert waits == [True], "woken, and not at the end of its time"
    assert (found.exit_code, found.state, found.waiting) == (ExitCode.INTERRUPTED, "well", ("a.csv",))


# ---------------------------------------------------------------------------------------------------- notices


def test_a_notice_that_cannot_be_sent_is_told_and_sent_later(house: House) -> None:
    """It changes no outcome; the next look tries again while nobody took it; keys of addresses are never told."""
    (house.inbox / "a.csv").write_bytes(b"\x00\x01" * 50)
    with closed_port() as port:
        house.settings["notices"] = [f"json://127.0.0.1:{port}/topsecretkey"]
        found = house.look(NIGHT)
    assert (found.exit_code, found.told) == (ExitCode.SOURCE, 0)
    assert any("could not be sent" in note for note in found.notes)
    assert not any("topsecret" in note for note in found.notes)
    assert "topsecret" not in (house.folder / "nightly.log").read_text()
    with receiver() as (address, posted):
        house.settings["notices"] = [f"json://{address}/hook"]
        house.look(NIGHT, "02:10")
        house.look(NIGHT, "02:20")
    assert len(posted) == 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with mounted(tmp_path / "small", "400k") as place:
        yield place


def test_a_full_disk_is_told_once(house: House, sandbox: EmbeddedSandbox, small_disk: Path) -> None:
    """It cannot be remembered where everything is kept, were it not for the room that was kept; and that it is well
    again is told too."""
    house.settings["reports-dir"] = str(small_disk / "reports")
    # The journal alone must fill the disk, even where all of eight batches under way share each of its commits.
    house.settings["batch-size"] = 2
    (house.inbox / "a.csv").write_text(sheet(0, rows=3000))
    with Mailbox() as mailbox:
        house.settings["notices"] = [mailbox.address]
        for clock_time in ("02:00", "02:10", "02:20"):
            assert house.look(NIGHT, clock_time).exit_code == ExitCode.JOURNAL
        assert [str(mail["Subject"]) for mail in mailbox.mails] == ["importer brand-a: went wrong"]
        make_room(small_disk)
        assert house.look(NIGHT, "02:30").exit_code == 0
        assert [str(mail["Subject"]) for mail in mailbox.mails][1:] == ["importer brand-a: is well again"]
    assert len(set(mobiles(sandbox))) == 3000
    assert house.files("inbox/done") == ["a.csv"]


def test_reports_that_cannot_be_kept_anywhere_are_told(house: House, sandbox: EmbeddedSandbox) -> None:
    """A disk that went read-only, a folder that is none: not even the lock can be taken. Nothing is sent but the
    notice."""
    (house.inbox / "a.csv").write_text(sheet(0))
    with Mailbox() as mailbox:
        house.settings["notices"] = [mailbox.address]
        watching = house.night()
        found = house.look(NIGHT, breaks=lambda: (house.folder / "reports").write_text("in the way"))
        assert found.exit_code == ExitCode.JOURNAL
        assert len(set(found.notes)) == len(found.notes)
        assert [str(mail["Subject"]) for mail in mailbox.mails] == ["importer brand-a: went wrong"]
        shown: list[NightReport] = []
        assert watching.watch(shown.append) == ExitCode.JOURNAL
        assert len(shown) == 1
    assert mobiles(sandbox) == []


def test_a_notice_tells_the_causes(house: House) -> None:
    """The file, its headline, why its rows were not imported, and where the reports are; no number of a customer."""
    with Mailbox() as mailbox:
        house.settings["notices"] = [mailbox.address]
        (house.inbox / "a.csv").write_text(sheet(0, bad=10))
        found = house.look(NIGHT)
    assert (found.exit_code, found.state, found.told) == (ExitCode.ROWS, "critical", 1)
    (mail,) = mailbox.mails
    text = mail.get_content()
    assert mail["Subject"] == "importer brand-a: went wrong"
    assert "a.csv: Finished: 20 of 30 rows succeeded, 10 need attention." in text
    assert "too short" in text or "short" in text
    assert str(house.folder / "reports") in text
    assert "90000000" not in text


def test_shares_decide_the_state(house: House) -> None:
    """Below the warning a bad row is no news; 3 stays 3."""
    house.settings |= {"warning": "5%", "critical": "50%"}
    for bad, state in ((1, "well"), (2, "warning"), (15, "critical")):
        (house.inbox / f"{bad}.csv").write_text(sheet(bad * 100, bad=bad))
        found = house.look(NIGHT)
        assert (found.exit_code, found.state) == (ExitCode.ROWS, state)


# ---------------------------------------------------------------------------------------------------- pure parts


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
    """As it would be written, or the name does not fit."""
    assert day_in(name, pattern) == day


def test_which_file_is_expected() -> None:
    """By the clocks of the profile's zone: in Kolkata it is the next day already."""
    clock = Clock()
    clock.set(NIGHT, "01:00")  # 19:30 UTC of the day before
    nightly = Nightly(pattern="c-{date:%d%m%Y}.csv")
    assert expected_day(nightly, clock.wall(), "Asia/Kolkata") == ("2026-11-23", "c-23112026.csv")
    assert expected_day(nightly, clock.wall(), "UTC") == ("2026-11-22", "c-22112026.csv")
    assert expected_day(Nightly(expect_date="today"), clock.wall(), "Asia/Kolkata") == ("2026-11-24", "*")


@pytest.mark.parametrize(
    ("not_before", "until", "now", "open_now"),
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
def test_the_window(not_before: str, until: str, now: str, open_now: bool) -> None:
    """From `not-before` to `until`, over midnight too."""
    clock = Clock()
    clock.set(NIGHT, now)
    assert in_window(Nightly(not_before=not_before), until, clock.wall(), "Asia/Kolkata") is open_now


def test_a_memory_that_was_damaged_costs_no_file(house: House, tmp_path: Path) -> None:
    """7 is told, the files are taken by the next look."""
    (house.inbox / "a.csv").write_text(sheet(0))
    desk = Desk(house.folder / "reports", "brand-a")
    (desk.folder / "memory.json").write_text("{")
    assert house.look(NIGHT).exit_code == ExitCode.JOURNAL
    found = house.look(NIGHT, "02:10")
    assert [file.what for file in found.files] == ["imported"]
