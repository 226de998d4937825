"""One file: imported, resumed, repeated, held, delivered, also when the process dies in between."""

from __future__ import annotations

import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import msgspec
import pytest

from importer.errors import ExitCode
from importer.journal import Journal, Run
from importer.model import Status
from importer.nightly.claims import ProfileFolder
from importer.nightly.local import LocalFolder
from importer.nightly.location import Location
from importer.nightly.one_file import action_for
from importer.pipeline import resume, run
from importer.sandbox import EmbeddedSandbox, SandboxOptions
from importer.sandbox.faults import parse_script
from importer.sandbox.options import PreferenceField
from tests.support.nightly import House, mobiles, sheet

DAY = datetime.date(2026, 11, 24)
NEXT = DAY + datetime.timedelta(days=1)


def known(*, finished: bool, exit_code: int | None, **record: object) -> Run:
    """A run of the journal of which a decision reads these fields."""
    return cast(Run, SimpleNamespace(finished=finished, exit_code=exit_code, record=SimpleNamespace(**record)))


@pytest.mark.parametrize(
    ("run", "action"),
    [
        (None, "import"),
        # The process was killed, or the run stopped and can be resumed.
        (known(finished=False, exit_code=None), "resume"),
        (known(finished=False, exit_code=ExitCode.TEMPORARY), "resume"),
        (known(finished=False, exit_code=ExitCode.TOO_MANY_ERRORS), "hold"),
        (known(finished=True, exit_code=ExitCode.OK), "deliver"),
        (known(finished=True, exit_code=ExitCode.ROWS), "deliver"),
        (known(finished=True, exit_code=ExitCode.SOURCE), "import"),
    ],
)
def test_what_is_done_with_a_claimed_file(run: Run | None, action: str) -> None:
    """By the newest run of it."""
    assert action_for(run) == action


def test_another_profiles_import_is_not_a_repeat(house: House, sandbox: EmbeddedSandbox) -> None:
    """The same content feeds other fields there. A run without a profile counts."""
    (house.inbox / "a.csv").write_text(sheet(0))
    load = house.nightly()
    other = msgspec.structs.replace(load._settings, profile="brand-b")
    run(str(house.inbox / "a.csv"), other, load._world)
    assert [file.what for file in house.look(DAY).files] == ["imported"]
    by_hand = msgspec.structs.replace(load._settings, profile="")
    (house.folder / "b.csv").write_text(sheet(100))
    run(str(house.folder / "b.csv"), by_hand, load._world)
    (house.inbox / "b.csv").write_text(sheet(100))
    assert [file.what for file in house.look(DAY).files] == ["repeated"]


def test_the_same_content_is_imported_again_on_request(house: House, sandbox: EmbeddedSandbox) -> None:
    """`repeat = "import"`."""
    for name in ("a.csv", "b.csv"):
        (house.inbox / name).write_text(sheet(0))
    house.settings["repeat"] = "import"
    assert [file.what for file in house.look(DAY).files] == ["imported", "imported"]
    assert len(mobiles(sandbox)) == 60


def taken_by_another_machine(house: House, name: str, at: int = 0) -> None:
    """The claim of a machine that was killed before its run began."""
    folder = ProfileFolder(house.folder / "reports", "brand-a")
    inbox = LocalFolder(house.inbox)
    entry = inbox.entry(name)
    assert entry is not None and folder.take(inbox, entry, "", at) is not None


def test_a_file_that_another_machine_has_imported_is_not_imported_again(house: House, sandbox: EmbeddedSandbox) -> None:
    """With `repeat = "import"` too: that means a file that comes again, not one that two machines took."""
    house.settings["repeat"] = "import"
    (house.inbox / "a.csv").write_text(sheet(0))
    (house.inbox / "b.csv").write_text(sheet(0))
    taken_by_another_machine(house, "a.csv")
    taken_by_another_machine(house, "a.csv", 1)
    assert [file.what for file in house.look(DAY).files] == ["imported", "repeated", "imported"]
    assert len(mobiles(sandbox)) == 60


def test_a_run_of_another_machine_is_continued_with_the_copy_of_this_one(
    house: House, sandbox: EmbeddedSandbox
) -> None:
    """Imported from its first row, the file would set back the values that the other machine has sent."""
    (house.inbox / "a.csv").write_text(sheet(0))
    sandbox.state.faults = parse_script(["2-:503"])
    house.settings |= {"until": "06:00"}
    assert house.look(DAY, "05:58:59.7").exit_code == ExitCode.TIME
    sandbox.state.faults = ()
    (claim,) = ProfileFolder(house.folder / "reports", "brand-a").claims()
    Path(claim.folder).rename(house.folder / "elsewhere")
    assert [file.what for file in house.look(NEXT).files] == ["resumed"]
    assert sorted(mobiles(sandbox)) == sorted({*mobiles(sandbox)})


def test_a_kill_between_run_and_delivery(house: House, sandbox: EmbeddedSandbox) -> None:
    """The next load does not import the file again; it delivers reports and file."""
    (house.inbox / "a.csv").write_text(sheet(0))
    house.settings["outbox"] = str(house.folder / "outbox")
    load = house.nightly()
    house.clock.set(DAY, "02:00")

    class Death(BaseException):
        pass

    def dies(*_: object) -> None:
        raise Death

    load._files.deliver = dies  # type: ignore[method-assign,assignment]
    with pytest.raises(Death):
        load.once()
    assert house.files("inbox") == ["a.csv"]
    found = house.look(DAY, "02:10")
    assert [(file.what, file.moved_to) for file in found.files] == [("delivered", "done/a.csv")]
    assert len(mobiles(sandbox)) == 30
    assert len(list((house.folder / "outbox").glob("*/summary.json"))) == 1


def test_an_unreachable_outbox(house: House) -> None:
    """Exit code 5. The file stays until its reports are delivered, and is not imported again."""
    (house.inbox / "a.csv").write_text(sheet(0))
    outbox = house.folder / "outbox"
    house.settings["outbox"] = str(outbox)
    found = house.look(DAY, breaks=lambda: outbox.write_text("in the way"))
    assert (found.exit_code, found.state, house.files("inbox")) == (ExitCode.TEMPORARY, "critical", ["a.csv"])
    outbox.unlink()
    found = house.look(DAY, "02:10")
    assert [(file.what, file.moved_to) for file in found.files] == [("delivered", "done/a.csv")]
    assert found.state == "ok"


def test_a_file_that_is_replaced_before_its_run_is_resumed(house: House, sandbox: EmbeddedSandbox) -> None:
    """Both are imported, the older first. The newer one is not moved in its place."""
    (house.inbox / "a.csv").write_text(sheet(0))
    sandbox.state.faults = parse_script(["1-:503"])
    house.settings |= {"until": "06:00"}
    assert house.look(DAY, "05:58:59.7").exit_code == ExitCode.TIME
    sandbox.state.faults = ()
    (house.inbox / "a.csv").write_text(sheet(100))
    found = house.look(NEXT)
    assert [(file.what, file.moved_to) for file in found.files] == [("resumed", ""), ("imported", "done/a.csv")]
    assert (house.inbox / "done" / "a.csv").read_text() == sheet(100)
    assert len(set(mobiles(sandbox))) == 60


def test_a_profile_with_other_credentials_imports_its_file_again(house: House, sandbox: EmbeddedSandbox) -> None:
    """They may be of another organisation, which got none of the rows. The file is not in the way for ever."""
    (house.inbox / "a.csv").write_text(sheet(0))
    sandbox.state.faults = parse_script(["2-:503"])
    house.settings |= {"until": "06:00"}
    assert house.look(DAY, "05:58:59.7").exit_code == ExitCode.TIME
    sandbox.state.faults = ()
    with Journal.open(house.folder / "reports") as journal:
        [stopped] = journal.runs()
        assert journal.counts(stopped.key)[Status.SUCCEEDED] == 10
        identity = journal.identity(stopped.key).replace("sandbox-till", "former-till")
        journal.rewrite(stopped, msgspec.structs.replace(stopped.record, key_name="former-till"), identity)
    found = house.look(NEXT)
    assert [(file.what, file.moved_to) for file in found.files] == [("imported", "done/a.csv")]
    assert len(set(mobiles(sandbox))) == 30
    with Journal.open(house.folder / "reports") as journal:
        assert [run.finished for run in journal.runs()] == [True, True]
        assert journal.counts(journal.runs()[0].key) == {Status.SUCCEEDED: 30}


def test_a_run_that_max_errors_stopped_is_not_resumed_automatically(tmp_path: Path) -> None:
    """It waits for a person. Once resumed by hand, it is delivered."""
    with EmbeddedSandbox(SandboxOptions(customers=frozenset({"strangers"}))) as strangers:
        house = House(tmp_path, strangers.base_url, **{"max-errors": "5", "concurrency": 1})
        (house.inbox / "a.csv").write_text(sheet(0))
        found = house.look(DAY)
        assert [(file.what, file.exit_code) for file in found.files] == [("stopped", ExitCode.TOO_MANY_ERRORS)]
        sent = len(strangers.state.requests)
        (house.inbox / "b.csv").write_text(sheet(0, bad=30))
        found = house.look(DAY, "02:10")
        assert [(file.what, file.exit_code) for file in found.files] == [
            ("held", ExitCode.TOO_MANY_ERRORS),
            ("imported", ExitCode.ROWS),
        ]
        assert (found.exit_code, len(strangers.state.requests)) == (ExitCode.TOO_MANY_ERRORS, sent)
        load = house.nightly()
        resume(None, load._settings, {"max_errors": None}, load._world)
        found = house.look(DAY, "02:20")
        assert [(file.what, file.moved_to) for file in found.files] == [("delivered", "done/a.csv")]


def test_a_file_with_unknown_columns_is_refused_or_sent_as_the_profile_says(tmp_path: Path) -> None:
    """Unattended, nothing is asked: the file goes to failed, with the names, and the others are imported."""
    known = (PreferenceField(name="Favourite brand"),)
    with EmbeddedSandbox(SandboxOptions(fields=known)) as brand:
        house = House(tmp_path, brand.base_url)
        odd = sheet(100).replace("Mobile,Favourite brand", "Mobile,Best brand")
        (house.inbox / "a.csv").write_text(odd)
        (house.inbox / "b.csv").write_text(sheet(0))
        found = house.look(DAY)
        assert [(file.what, file.exit_code, file.moved_to) for file in found.files] == [
            ("unreadable", ExitCode.SOURCE, "failed/a.csv"),
            ("imported", ExitCode.OK, "done/b.csv"),
        ]
        assert "“Best brand”" in found.files[0].message
        assert "“Best brand”" in (house.inbox / "failed" / "a.csv.why.txt").read_text()
        house.settings["unknown-columns"] = "send"
        (house.inbox / "c.csv").write_text(odd)
        assert [file.moved_to for file in house.look(NEXT).files] == ["done/c.csv"]


def test_a_held_file_can_be_replaced(tmp_path: Path) -> None:
    """Its run is closed, its reports stay, and the new file is imported."""
    with EmbeddedSandbox(SandboxOptions(customers=frozenset({"strangers"}))) as strangers:
        house = House(tmp_path, strangers.base_url, **{"max-errors": "5", "concurrency": 1})
        (house.inbox / "a.csv").write_text(sheet(0))
        (stopped,) = house.look(DAY).files
        (house.inbox / "a.csv").write_text(sheet(0, bad=30))
        found = house.look(DAY, "02:10")
        assert [(file.what, file.moved_to) for file in found.files] == [("given up", ""), ("imported", "done/a.csv")]
        assert (tmp_path / "reports" / stopped.run_id / "source" / "a.csv").read_text() == sheet(0)
        assert house.look(DAY, "02:20").files == ()


def test_the_marker_is_moved_before_its_file(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a kill between the two moves, no marker is left that would mark tomorrow's incomplete file."""
    house.settings["marker"] = ".ok"
    for name in ("a.csv", "a.csv.ok"):
        (house.inbox / name).write_text(sheet(0))
    moves: list[str] = []
    move = LocalFolder.move

    class Death(BaseException):
        pass

    def dies(self: LocalFolder, name: str, to: Location) -> str:
        if moves:
            raise Death
        moves.append(name)
        return move(self, name, to)

    with monkeypatch.context() as patch:
        patch.setattr(LocalFolder, "move", dies)
        with pytest.raises(Death):
            house.look(DAY)
    assert house.files("inbox") == ["a.csv"]
    assert [file.what for file in house.look(DAY, "02:10").files] == ["delivered"]
    assert (house.files("inbox"), house.files("inbox/done")) == ([], ["a.csv", "a.csv.ok"])


def test_files_named_like_the_importers_own(house: House) -> None:
    """A claim's note and a memory have such names."""
    for name in ("claim.json", "why.txt", "memory.json", "room"):
        (house.inbox / name).write_text(sheet(0) if name == "claim.json" else "\0")
    whats = {file.name: file.what for file in house.look(DAY).files}
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
