"""`nightly` and `doctor` on the command line."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

import importer.nightly.doctor
from importer.chunker.shared_rate import shared_slots
from importer.cli.main import main
from importer.errors import ExitCode
from importer.nightly.doctor import DoctorCheck, examine, worst_of
from importer.sandbox import EmbeddedSandbox
from importer.world import World
from tests.support.fault_server import closed_port
from tests.support.nightly import House, receiver, sheet


class Typed:
    """Commands in this process, with the environment of the fixture."""

    def __init__(self, house: House, capsys: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch) -> None:
        self.house = house
        self._capsys = capsys
        for variable, text in house.environ.items():
            patch.setenv(variable, text)
        patch.chdir(house.folder)

    def __call__(self, *words: str) -> tuple[int, str, str]:
        assert self.house.toml.exists()
        before = os.umask(0o022)
        with pytest.raises(SystemExit) as ended:
            main([*words, "--profile", "brand-a"])
        os.umask(before)
        assert isinstance(ended.value.code, int)
        return (ended.value.code, *self._capsys.readouterr())


@pytest.fixture
def typed(house: House, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Typed:
    house.settings["settle"] = "0s"
    return Typed(house, capsys, monkeypatch)


def test_nightly_ends_with_the_worst_code(typed: Typed, house: House) -> None:
    """3 for one file and 8 for the other: 8. Both are on stdout, the log on stderr."""
    (house.inbox / "a.csv").write_text(sheet(0, bad=1))
    (house.inbox / "b.csv").write_bytes(b"\x00\x01" * 50)
    code, out, err = typed("nightly")
    assert code == ExitCode.SOURCE
    assert out.startswith("a.csv: Finished: 29 of 30 rows succeeded")
    assert "b.csv: " in out
    assert {"run ends", "load ends"} <= {json.loads(line)["event"] for line in err.splitlines()}


def test_nightly_for_programs(typed: Typed, house: House) -> None:
    """One JSON document on stdout. `--quiet` prints nothing else."""
    (house.inbox / "a.csv").write_text(sheet(0))
    code, out, err = typed("nightly", "--json", "--quiet")
    document: dict[str, Any] = json.loads(out)
    assert (code, err, document["files"][0]["moved_to"]) == (0, "", "done/a.csv")
    assert typed("nightly")[1] == "Nothing to do.\n"


def test_nightly_with_mistakes_in_its_profile_sends_nothing(typed: Typed, house: House) -> None:
    """Exit code 2, and all mistakes."""
    house.settings |= {"rate": "fast", "pattern": "{x}"}
    code, _, err = typed("nightly")
    assert code == ExitCode.SETTINGS
    assert "rate" in err and "pattern" in err
    del house.settings["rate"], house.settings["pattern"], house.settings["inbox"]
    code, _, err = typed("nightly")
    assert code == ExitCode.SETTINGS
    assert "no inbox" in err


def test_mistakes_in_a_profile_are_notified(typed: Typed, house: House) -> None:
    """The file was changed in the afternoon, and the load runs unattended. One notice, and one when the profile is
    valid again."""
    (house.inbox / "a.csv").write_text(sheet(0))
    with receiver() as (address, posted):
        house.settings |= {"notices": [f"json://{address}/hook"], "rate": "fast", "log-file": "/no/such/folder/x.log"}
        for _ in range(2):
            code, out, _ = typed("nightly")
            assert code == ExitCode.SETTINGS
            assert "line " in out and "rate" in out and "no folder" in out
        assert house.files("inbox") == ["a.csv"]
        house.settings |= {"rate": "100/second", "log-file": str(house.folder / "x.log")}
        assert typed("nightly")[0] == 0
        titles = [json.loads(body)["title"] for _, body in posted]
        assert titles == ["importer brand-a: nightly load failed", "importer brand-a: nightly load is OK again"]
        message = json.loads(posted[0][1])["message"]
        assert "rate" in message
        # The recipient does not know the working directory.
        where = message.partition("Reports: ")[2].strip()
        assert Path(where).is_absolute(), message


def test_the_doctor_when_all_is_ok(typed: Typed, house: House) -> None:
    """Exit code 0, each line OK; the same as JSON."""
    with receiver() as (address, _):
        (house.inbox / "a.csv").write_text(sheet(0))
        house.settings |= {"outbox": str(house.inbox / "outbox"), "notices": [f"json://{address}/x"]}
        (house.inbox / "outbox").mkdir()
        typed("nightly", "--quiet")
        code, out, _ = typed("doctor")
        assert code == 0
        lines = out.splitlines()
        assert all(line.startswith("OK ") for line in lines)
        assert "no other process of this machine" in lines[3], "the doctor's own question does not count"
        names = [line.split()[1] for line in lines]
        assert names == ["settings", "credentials", "clock", "rate", "disk", "journal", "inbox", "outbox", "notices"]
        code, out, _ = typed("doctor", "--json")
        assert (code, len(json.loads(out))) == (0, 9)


def doctor(house: House) -> dict[str, DoctorCheck]:
    world = World(house.environ, wall=lambda: time.time_ns() // 1_000_000)
    return {line.name: line for line in examine({"profile": "brand-a"}, house.toml, world)}


@pytest.mark.parametrize("address", ["json://127.0.0.1:{port}/key", "mailto://127.0.0.1:{port}?from=a@b.co&to=c@d.co"])
def test_the_doctor_finds_notices_that_cannot_work(house: House, address: str) -> None:
    """Their server accepts no connection. Nothing is sent, and no key is shown."""
    with closed_port() as port:
        house.settings["notices"] = [address.format(port=port)]
        checks = doctor(house)
    assert (checks["notices"].exit_code, "key" in checks["notices"].text) == (ExitCode.SETTINGS, False)
    with receiver() as (server, posted):
        house.settings["notices"] = ["${IMPORTER_ONCALL}"]
        for oncall, ok in ((f"json://{server}/key", True), (" ", False)):
            house.environ["IMPORTER_ONCALL"] = oncall
            checks = doctor(house)
            assert ("notices" in checks and checks["notices"].ok) is ok
    assert posted == []


def test_the_doctor_says_how_to_fix_it(house: House, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A line for each problem, and the worst exit code."""
    house.environ["IMPORTER_PASSWORD"] = "forgotten"
    house.settings |= {"outbox": str(tmp_path / "in-the-way"), "done": str(tmp_path / "not-yet")}
    (tmp_path / "in-the-way").touch()
    (house.folder / "reports").mkdir()
    (house.folder / "reports" / "journal.db").write_bytes(b"no database at all" * 100)
    monkeypatch.setattr(importer.nightly.doctor, "LEAST_FREE", 1 << 62)
    lines = doctor(house)
    expected = {
        "settings": 0,
        "credentials": ExitCode.REFUSED,
        "rate": 0,
        "disk": ExitCode.JOURNAL,
        "journal": ExitCode.JOURNAL,
        "inbox": 0,
        "done": 0,
        "outbox": ExitCode.TEMPORARY,
    }
    assert {name: line.exit_code for name, line in lines.items()} == expected
    assert "Make room" in lines["disk"].text
    assert "is created with its first file" in lines["done"].text
    assert worst_of(list(lines.values())) == ExitCode.JOURNAL


def test_the_doctor_finds_a_reports_folder_that_cannot_be_written(house: House) -> None:
    """There is a file in its place."""
    (house.folder / "reports").write_text("in the way")
    lines = doctor(house)
    assert (lines["disk"].exit_code, "cannot write to" in lines["disk"].text) == (ExitCode.JOURNAL, True)


def test_the_doctor_without_a_server(house: House) -> None:
    """A temporary problem: exit code 5."""
    with closed_port() as port:
        house.settings["base-url"] = f"http://127.0.0.1:{port}"
        assert doctor(house)["credentials"].exit_code == ExitCode.TEMPORARY


def test_the_doctor_compares_clocks(house: House) -> None:
    """With the Date header of the server, which has no fraction of a second."""
    for drift, ok in ((0, True), (-120_000, False), (120_000, False)):
        world = World(house.environ, wall=lambda drift=drift: time.time_ns() // 1_000_000 + drift)  # type: ignore[misc]
        lines = {line.name: line for line in examine({"profile": "brand-a"}, house.toml, world)}
        assert lines["clock"].ok is ok
        assert ok or ("ahead" if drift > 0 else "behind") in lines["clock"].text


def test_the_doctor_finds_who_shares_the_rate(house: House, sandbox: EmbeddedSandbox) -> None:
    """Another process of this machine that is sending with the same key."""
    assert "no other process" in doctor(house)["rate"].text
    store = shared_slots(house.environ, f"{sandbox.base_url} sandbox-till")
    later = time.monotonic() + 60
    store.update(lambda state: type(state)(slot=later, share=0.7))
    assert "reduced to 70%" in doctor(house)["rate"].text


def test_the_doctor_lists_the_mistakes_of_the_file(house: House) -> None:
    """With their lines. Checks that depend on the settings are not made."""
    house.settings["rate"] = "fast"
    lines = doctor(house)
    assert list(lines) == ["settings"]
    assert "line " in lines["settings"].text
