"""Entries of an inbox that cannot be taken, opened or removed: each costs only itself."""

from __future__ import annotations

import datetime
import errno
import os
import threading
from pathlib import Path
from typing import Any

import pytest

import importer.nightly.one_file
import importer.pipeline
from importer.errors import ExitCode, JournalError
from importer.nightly.claims import ProfileFolder
from importer.nightly.local import LocalFolder
from importer.nightly.location import Entry, LocationDenied, LocationUnreachable, hidden_name
from importer.nightly.names import fault_of, free_names, joined, shown, storable
from importer.nightly.state import LoadReport
from importer.sandbox import EmbeddedSandbox
from importer.world import Stopper
from tests.support.nightly import House, Mailbox, mobiles, sheet

DAY = datetime.date(2026, 11, 24)


def put(house: House, name: bytes, first: int = 0) -> None:
    path = os.path.join(os.fsencode(house.inbox), name)
    with open(path, "w") as file:
        file.write(sheet(first))


@pytest.mark.parametrize(
    ("name", "as_name"),
    [
        (b"caf\xe9.csv", "caf_.csv"),
        (b"a\nb.csv", "a_b.csv"),
        (b"a\x1b[2Jb.csv", "a_[2Jb.csv"),
        (b"\xff\xfe.csv", "__.csv"),
        ("a\u2028b.csv".encode(), "a_b.csv"),
    ],
)
def test_a_file_whose_name_is_not_text_is_set_aside(
    house: House, sandbox: EmbeddedSandbox, name: bytes, as_name: str
) -> None:
    """With its reason, once; the other files are imported, and one notice is sent."""
    put(house, name, 100)
    put(house, b"zzz.csv")
    with Mailbox() as mailbox:
        house.settings["notices"] = [mailbox.address]
        found = house.look(DAY)
        assert {(file.what, file.moved_to) for file in found.files} == {
            ("unreadable", f"failed/{as_name}"),
            ("imported", "done/zzz.csv"),
        }
        assert found.exit_code == ExitCode.SOURCE
        assert house.look(DAY, "02:10").files == ()
        assert len(mailbox.mails) == 1
    assert house.files("inbox/failed") == sorted([as_name, f"{as_name}.why.txt"])
    assert len(mobiles(sandbox)) == 30


@pytest.mark.parametrize("name", ["😀 x.csv", "-rf.csv", "a[1].csv", "a b'\"c.csv", "مرحبا.csv", "a\u200db\u00a0c.csv"])
def test_unusual_names_are_imported(house: House, name: str) -> None:
    put(house, name.encode())
    assert [(file.what, file.moved_to) for file in house.look(DAY).files] == [("imported", f"done/{name}")]


def test_names_that_are_too_long_for_a_suffix(house: House) -> None:
    """The reason, and a second file of that name in done, have a shorter name."""
    name = "n" * 251 + ".csv"
    put(house, name.encode())
    (house.inbox / "done").mkdir()
    (house.inbox / "done" / name).write_text("older")
    (imported,) = house.look(DAY).files
    assert (imported.what, len(imported.moved_to)) == ("imported", len("done/") + 255)
    assert (house.inbox / name).write_text("") == 0
    (unreadable,) = house.look(DAY, "02:10").files
    assert (unreadable.what, unreadable.moved_to) == ("unreadable", f"failed/{name}")
    assert sorted(map(len, house.files("inbox/failed"))) == [255, 255]


def test_names() -> None:
    """What is shown and stored of a name that is not text; how names are cut."""
    odd = os.fsdecode(b"caf\xe9\n.csv")
    assert (shown(odd), storable(odd)) == ("caf\\xe9\\n.csv", "caf__.csv")
    assert fault_of(odd) and fault_of("x" * 256) and not fault_of("naïve café.csv")
    assert joined("é" * 200, ".csv") == "é" * 125 + ".csv"
    names = free_names("x" * 255)
    assert [next(names), next(names)] == ["x" * 255, "x" * 253 + ".2"]


def refuse(patch: pytest.MonkeyPatch, name: str, error: Exception) -> None:
    """Make the file unreadable: tests may run as root, who reads everything."""
    fetch = LocalFolder.fetch

    def refused(self: LocalFolder, given: str, to: Path) -> None:
        if given == name:
            raise error
        fetch(self, given, to)

    patch.setattr(LocalFolder, "fetch", refused)


def test_a_file_of_another_user_is_set_aside(
    house: House, sandbox: EmbeddedSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(house, b"mine.csv", 100)
    put(house, b"zzz.csv")
    refuse(monkeypatch, "mine.csv", LocationDenied("Cannot use inbox (Permission denied)."))
    found = house.look(DAY)
    assert [(file.what, file.moved_to) for file in found.files] == [
        ("unreadable", "failed/mine.csv"),
        ("imported", "done/zzz.csv"),
    ]
    assert "Permission denied" in (house.inbox / "failed" / "mine.csv.why.txt").read_text()
    assert house.look(DAY, "02:10").files == ()


def test_a_file_that_cannot_be_read_now_stays(
    house: House, sandbox: EmbeddedSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is reported, `--watch` shows it once, and it is imported as soon as it can be read."""
    put(house, b"a.csv", 100)
    put(house, b"zzz.csv")
    stopper, loads, shown_reports = Stopper(), 0, list[LoadReport]()
    house.settings["settle"] = "0s"

    def meanwhile() -> None:
        nonlocal loads
        loads += 1
        if loads == 4:
            stopper.ask()

    house.clock.set(DAY, "02:00")
    house.clock.meanwhile = meanwhile
    with monkeypatch.context() as patch:
        refuse(patch, "a.csv", LocationUnreachable("The object is archived."))
        assert house.nightly(stopper=stopper).watch(shown_reports.append) == ExitCode.SOURCE
    assert [[(file.name, file.what) for file in found.files] for found in shown_reports] == [
        [("a.csv", "left"), ("zzz.csv", "imported")]
    ]
    house.clock.meanwhile = None
    assert [file.what for file in house.look().files] == ["imported"]


def test_a_file_that_can_be_neither_read_nor_moved_stays(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    put(house, b"caf\xe9.csv")
    put(house, b"zzz.csv", 100)

    def refused(self: LocalFolder, name: str, to: Any, as_name: str = "") -> str:
        if name != "zzz.csv":
            raise LocationDenied("Cannot use inbox (Permission denied).")
        return move(self, name, to, as_name)

    move = LocalFolder.move
    monkeypatch.setattr(LocalFolder, "move", refused)
    found = house.look(DAY)
    assert [file.what for file in found.files] == ["left", "imported"]
    assert "Permission denied" in found.files[0].message


def test_an_inbox_that_cannot_be_listed_any_more_is_the_problem(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file is blamed, and none is set aside."""
    put(house, b"a.csv")
    gone = LocationUnreachable("The server does not answer.")
    refuse(monkeypatch, "a.csv", gone)
    entries = LocalFolder.list

    def lists(self: LocalFolder) -> list[Entry]:
        if threading.current_thread().name == "gone":
            raise gone
        return entries(self)

    take = ProfileFolder.take

    def taking(*given: Any) -> Any:
        threading.current_thread().name = "gone"
        return take(*given)

    monkeypatch.setattr(LocalFolder, "list", lists)
    monkeypatch.setattr(ProfileFolder, "take", taking)
    name = threading.current_thread().name
    try:
        found = house.look(DAY)
    finally:
        threading.current_thread().name = name
    assert (found.exit_code, found.files, house.files("inbox")) == (ExitCode.TEMPORARY, (), ["a.csv"])


@pytest.mark.parametrize("how", ["size", "copy"])
def test_a_file_for_which_the_disk_has_no_room_stays(house: House, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    """The smaller ones are imported."""
    put(house, b"big.csv", 100)
    put(house, b"zzz.csv")
    if how == "size":
        with (house.inbox / "big.csv").open("r+b") as file:
            file.truncate(1 << 50)
    else:
        refuse(monkeypatch, "big.csv", JournalError("Cannot write (No space left on device)."))
    found = house.look(DAY)
    assert [(file.what, file.exit_code) for file in found.files] == [("left", ExitCode.JOURNAL), ("imported", 0)]


@pytest.mark.parametrize(
    ("error", "what", "files"),
    [
        (IndexError(), "unreadable", []),
        (UnicodeEncodeError("utf-8", "\udce9", 0, 1, "no"), "unreadable", []),
        # The machine or the installation failed: the file is not to blame.
        (OSError(errno.EMFILE, "Too many open files"), "stopped", ["a.csv"]),
        (ModuleNotFoundError(), "stopped", ["a.csv"]),
    ],
)
def test_an_internal_error_while_a_file_is_opened(
    house: House, monkeypatch: pytest.MonkeyPatch, error: Exception, what: str, files: list[str]
) -> None:
    """It belongs to that file: the others are imported."""
    put(house, b"a.csv", 100)
    put(house, b"zzz.csv")

    def breaks(path: str, *more: Any) -> Any:
        if path.endswith("a.csv"):
            raise error
        return importer.pipeline.run(path, *more)

    monkeypatch.setattr(importer.nightly.one_file, "run", breaks)
    found = house.look(DAY)
    assert [file.what for file in found.files] == [what, "imported"]
    assert type(error).__name__ in found.files[0].message
    assert house.files("inbox") == files


def test_an_internal_error_while_a_file_is_delivered(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are imported, and the next load delivers it."""
    put(house, b"a.csv", 100)
    put(house, b"zzz.csv")
    move = LocalFolder.move

    def breaks(self: LocalFolder, name: str, to: Any, as_name: str = "") -> str:
        if name == "a.csv":
            raise IndexError
        return move(self, name, to, as_name)

    with monkeypatch.context() as patch:
        patch.setattr(LocalFolder, "move", breaks)
        found = house.look(DAY)
    assert (found.exit_code, [file.what for file in found.files]) == (ExitCode.INTERNAL, ["imported", "imported"])
    assert [file.what for file in house.look(DAY, "02:10").files] == ["delivered"]


# ---------------------------------------------------------------------------------------------------- not removed


@pytest.mark.parametrize("link", [False, True])
@pytest.mark.parametrize("marker", ["", ".ok"])
def test_a_file_that_cannot_be_removed_is_imported_once(
    house: House, sandbox: EmbeddedSandbox, monkeypatch: pytest.MonkeyPatch, marker: str, link: bool
) -> None:
    """It is reported once and copied to done once. A new file of that name is imported."""
    house.settings |= {"repeat": "import", "marker": marker} if marker else {"repeat": "import"}
    put(house, b"a.csv")
    if marker:
        put(house, b"a.csv.ok")
    unlink = Path.unlink

    def kept(self: Path, missing_ok: bool = False) -> None:
        if self.parent == house.inbox:
            raise PermissionError(errno.EACCES, "Permission denied")
        unlink(self, missing_ok)

    def not_yours(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "unlink", kept)
    if not link:
        monkeypatch.setattr(os, "link", not_yours)
        monkeypatch.setattr(Path, "rename", not_yours)
    with Mailbox() as mailbox:
        house.settings["notices"] = [mailbox.address]
        found = house.look(DAY)
        assert (found.exit_code, found.state, found.reasons) == (0, "warning", ("kept",))
        for clock_time in ("02:10", "02:20"):
            assert house.look(DAY, clock_time).files == ()
        assert len(mailbox.mails) == 1
    assert len(house.files("inbox/done")) == 1
    assert len(mobiles(sandbox)) == 30
    put(house, b"a.csv", 100)
    os.utime(house.inbox / "a.csv", (1, 1))
    assert [file.what for file in house.look(DAY, "02:30").files] == ["imported"]
    assert len(mobiles(sandbox)) == 60


def test_a_read_only_inbox_that_holds_done_and_failed(
    house: House, sandbox: EmbeddedSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A read-only share: each file is processed and reported once."""
    put(house, b"a.csv")
    put(house, b"empty.csv")
    (house.inbox / "empty.csv").write_text("")
    mkdir = Path.mkdir

    def read_only(self: Path, *given: Any, **named: Any) -> None:
        if house.inbox in self.parents:
            raise OSError(errno.EROFS, "Read-only file system")
        mkdir(self, *given, **named)

    monkeypatch.setattr(Path, "mkdir", read_only)
    found = house.look(DAY)
    assert [(file.what, file.moved_to) for file in found.files] == [("imported", ""), ("unreadable", "")]
    assert house.look(DAY, "02:10").files == ()
    assert len(mobiles(sandbox)) == 30


# ---------------------------------------------------------------------------------------------------- links and pipes


def test_links_and_pipes_are_reported(house: House) -> None:
    """A warning, once, as long as they are there; never followed. Links to folders are like folders."""
    put(house, b"zzz.csv")
    (house.inbox / "link.csv").symlink_to(house.folder / "importer.toml")
    (house.inbox / "lost.csv").symlink_to(house.folder / "nowhere")
    (house.inbox / "archive").symlink_to(house.folder)
    os.mkfifo(house.inbox / "pipe.csv")
    with Mailbox() as mailbox:
        house.settings["notices"] = [mailbox.address]
        found = house.look(DAY)
        assert (found.exit_code, found.state, found.reasons) == (0, "warning", ("odd",))
        assert [note.split()[0] for note in found.notes] == ["link.csv", "lost.csv", "pipe.csv"]
        assert house.look(DAY, "02:10").notes == found.notes
        for name in ("link.csv", "lost.csv", "pipe.csv"):
            (house.inbox / name).unlink()
        assert house.look(DAY, "02:20").notes == ()
        assert len(mailbox.mails) == 2
    assert house.files("inbox/done") == ["zzz.csv"]


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_what_takes_the_place_of_a_file_during_the_copy(
    house: House, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """A link or a pipe is not followed and not waited for. The other files are imported."""
    put(house, b"a.csv")
    put(house, b"zzz.csv", 100)
    secret = house.folder / "secret"
    secret.write_text(sheet(200))
    take = ProfileFolder.take

    def swapped(self: ProfileFolder, inbox: Any, entry: Entry, *more: Any) -> Any:
        if entry.name == "a.csv":
            (house.inbox / "a.csv").unlink()
            if kind == "link":
                (house.inbox / "a.csv").symlink_to(secret)
            else:
                os.mkfifo(house.inbox / "a.csv")
        return take(self, inbox, entry, *more)

    monkeypatch.setattr(ProfileFolder, "take", swapped)
    found = house.look(DAY)
    assert ([file.name for file in found.files], found.waiting) == (["zzz.csv"], ("a.csv",))


def test_no_link_is_followed_by_a_folder(tmp_path: Path) -> None:
    """Reading, writing under the hidden or the final name, folders of a report, and copying to another disk."""
    inbox, out = LocalFolder(tmp_path / "in"), LocalFolder(tmp_path / "out")
    inbox.path.mkdir()
    out.path.mkdir()
    secret = tmp_path / "secret"
    secret.write_text("secret")
    (inbox.path / "a.csv").symlink_to(secret)
    with pytest.raises(LocationUnreachable):
        inbox.fetch("a.csv", tmp_path / "taken")
    assert not (tmp_path / "taken").exists()
    assert (found := inbox.entry("a.csv")) is not None and found.kind == "link"
    source = tmp_path / "report"
    source.write_text("report")
    (out.path / ".results.csv.part").symlink_to(secret)
    (out.path / "results.csv").symlink_to(secret)
    out.put(source, "results.csv")
    assert (secret.read_text(), (out.path / "results.csv").is_symlink()) == ("secret", False)
    (out.path / "run").symlink_to(tmp_path)
    with pytest.raises(LocationUnreachable):
        out.put(source, "run/secret")
    (tmp_path / "copy").symlink_to(secret)
    (inbox.path / "b.csv").write_text("b")
    inbox.fetch("b.csv", tmp_path / "copy")
    assert (secret.read_text(), (tmp_path / "copy").read_text()) == ("secret", "b")


def test_another_users_file_that_cannot_be_linked_is_renamed(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Linux forbids links to files of others. No file is overwritten."""

    def not_yours(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", not_yours)
    inbox, done = LocalFolder(house.inbox), LocalFolder(house.inbox / "done")
    done.path.mkdir()
    (done.path / "a.csv").write_text("older")
    put(house, b"a.csv")
    number = (house.inbox / "a.csv").stat().st_ino
    assert inbox.move("a.csv", done) == "a.2.csv"
    assert ((done.path / "a.2.csv").stat().st_ino, (done.path / "a.csv").read_text()) == (number, "older")
    assert house.files("inbox") == []


def test_only_a_regular_file_is_read(tmp_path: Path) -> None:
    """A pipe without a writer reads as an empty file."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(LocationUnreachable):
        LocalFolder(tmp_path).fetch("pipe", tmp_path / "taken")
    assert not (tmp_path / "taken").exists()


def test_hidden_names_are_random() -> None:
    """No other process can put a link where a file will be written."""
    assert len({hidden_name() for _ in range(100)}) == 100
