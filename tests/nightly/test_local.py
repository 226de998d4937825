"""Locations that are folders of this machine: listings and moves."""

from __future__ import annotations

import errno
import os

import pytest

from importer.errors import JournalError
from importer.nightly.local import LocalFolder
from importer.nightly.location import Entry
from importer.nightly.names import is_visible
from tests.support.nightly import House, sheet


def test_a_file_renamed_during_the_listing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its sender renames it: it is left out, and the listing succeeds."""
    (house.inbox / "a.csv").write_text(sheet(0))
    (house.inbox / "b.csv").write_text(sheet(100))
    entry = LocalFolder.entry

    def late(self: LocalFolder, name: str) -> Entry | None:
        if name == "b.csv":
            (self.path / name).rename(self.path / "c.csv.part")
        return entry(self, name)

    monkeypatch.setattr(LocalFolder, "entry", late)
    assert [entry.name for entry in LocalFolder(house.inbox).list()] == ["a.csv"]


def test_a_move_that_was_killed_is_completed(house: House) -> None:
    """The file has its new name and still its old one: there is no second copy."""
    inbox, done = LocalFolder(house.inbox), LocalFolder(house.inbox / "done")
    (house.inbox / "a.csv").write_text(sheet(0))
    done.path.mkdir()
    os.link(house.inbox / "a.csv", done.path / "a.csv")
    assert inbox.move("a.csv", done) == "a.csv"
    assert (house.files("inbox"), house.files("inbox/done")) == ([], ["a.csv"])


def test_a_move_to_another_disk(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a link is not possible, the file is copied, then removed. No file is overwritten."""
    inbox, done = LocalFolder(house.inbox), LocalFolder(house.inbox / "done")
    done.path.mkdir()
    (done.path / "a.csv").write_text("older")
    (house.inbox / "a.csv").write_text(sheet(0))

    def link(*_: object, **__: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", link)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space left on device")))
        with pytest.raises(JournalError):
            inbox.move("a.csv", done)
    assert (house.files("inbox"), [entry.name for entry in done.list() if is_visible(entry.name)]) == (
        ["a.csv"],
        ["a.csv"],
    )
    assert inbox.move("a.csv", done) == "a.2.csv"
    assert house.files("inbox") == []
    assert (done.path / "a.2.csv").read_text() == sheet(0)
    assert (done.path / "a.csv").read_text() == "older"
