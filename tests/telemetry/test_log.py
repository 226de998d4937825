"""Logs: one line per event with its run and without mobiles. Other programs may rotate them."""

from __future__ import annotations

import datetime
import io
import json
import os
import unicodedata
from contextlib import closing, suppress
from pathlib import Path

import pytest

from importer.cli.main import main
from importer.errors import SettingsError
from importer.masking import mask
from importer.telemetry.log_lines import open_log
from tests.support.nightly import House, sheet

NIGHT = datetime.date(2026, 11, 24)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("mobile 919177446415 failed", "mobile 91******6415 failed"),
        ("+91 91774 46415, then", "91******6415, then"),
        ("asha.iyer@example.com", "a***@example.com"),
        ("row 12 of 1,000,000 at 2026-11-24T02:00:00Z", "row 12 of 1,000,000 at 2026-11-24T02:00:00Z"),
        ("importer resume 20261124-0200-customers-2026-11-23-7f3a", None),
        ("sha 0f83a91774464150", None),
        ("customers-2026-11-23.csv", None),
    ],
)
def test_identifiers_are_masked(text: str, masked: str | None) -> None:
    """As `91******6415`; dates, ids of runs and counts stay as they are."""
    assert mask(text) == (masked or text)


def test_plain_on_a_terminal_and_json_elsewhere() -> None:
    """By default."""
    for stream, form, is_json in (
        (Terminal(), "", False),
        (io.StringIO(), "", True),
        (Terminal(), "json", True),
        (io.StringIO(), "plain", False),
    ):
        log = open_log(stream=stream, form=form, file="", wall=lambda: 0).bind(run="r-1")
        log.warning("file ends", text="two words for 919177446415", rows=3)
        (line,) = stream.getvalue().splitlines()
        assert "919177446415" not in line
        if is_json:
            facts = json.loads(line)
            assert (facts["event"], facts["run"], facts["rows"], facts["level"]) == ("file ends", "r-1", 3, "warning")
            assert facts["at"] == "1970-01-01T00:00:00Z"
        else:
            assert line == '1970-01-01T00:00:00Z warning file ends run=r-1 text="two words for 91******6415" rows=3'


@pytest.mark.parametrize("form", ["plain", "json"])
def test_no_control_character_reaches_a_log(form: str) -> None:
    """The name of a file or column could type into the terminal that shows the log, or begin another line."""
    stream = io.StringIO()
    name = "a\x1b]0;b\x07\x9b1m\u202e\u2066\r\x85\u2028.csv\n1970-01-01T00:00:00Z error forged"
    log = open_log(stream=stream, form=form, file="", wall=lambda: 0)
    log.warning(f"file {name}", file=name, names=[name], counts={name: 1})
    (line,) = stream.getvalue().removesuffix("\n").split("\n")
    assert not [c for c in line if unicodedata.category(c) in ("Cc", "Zl", "Zp") or c in "\u202e\u2066"]
    assert "]0;b" in line


def test_a_log_that_was_moved_away_is_opened_again(tmp_path: Path) -> None:
    """As logrotate moves it. The file is private to its owner."""
    path = tmp_path / "nightly.log"
    with closing(open_log(stream=None, form="", file=str(path), wall=lambda: 0)) as log:
        log.info("one")
        path.rename(tmp_path / "nightly.log.1")
        log.info("two")
    log.info("three")
    assert json.loads((tmp_path / "nightly.log.1").read_text())["event"] == "one"
    assert json.loads(path.read_text())["event"] == "two"
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(SettingsError, match="--log-file"):
        open_log(stream=None, form="", file=str(tmp_path / "no" / "where"), wall=lambda: 0)


def test_a_log_whose_folder_is_gone_closes_the_file_of_no_one_else(tmp_path: Path) -> None:
    """The number of a closed descriptor is given to the next file that is opened, the journal for example."""
    folder = tmp_path / "logs"
    folder.mkdir()
    path = folder / "a.log"
    with closing(open_log(stream=None, form="", file=str(path), wall=lambda: 0)) as log:
        folder.rename(tmp_path / "old")
        log.info("lost")
        with open(tmp_path / "journal", "w") as other:
            log.info("lost, too")
            os.fstat(other.fileno())
        folder.mkdir()
        log.info("written")
    assert [json.loads(line)["event"] for line in path.read_text().splitlines()] == ["written"]


def test_a_command_closes_its_log(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that calls commands again and again keeps no descriptor of them."""
    for variable, text in house.environ.items():
        monkeypatch.setenv(variable, text)
    monkeypatch.chdir(house.folder)
    (house.folder / "a.csv").write_text(sheet(0))
    (house.inbox / "b.csv").write_text(sheet(0))
    house.settings["settle"] = "0s"
    given = ("--config", str(house.toml), "--profile", "brand-a", "--log-file", "a command.log", "--quiet")
    for words in (("run", "a.csv"), ("nightly",)):
        with pytest.raises(SystemExit) as ended:
            main([*words, *given])
        assert ended.value.code == 0
        assert not [one for one in open_files() if one.endswith("a command.log")]
        (house.folder / "a command.log").unlink()


def open_files() -> list[str]:
    """The paths of this process's descriptors."""
    found = []
    for number in os.listdir("/proc/self/fd"):
        with suppress(OSError):  # the listing's own descriptor is closed
            found.append(os.readlink(f"/proc/self/fd/{number}"))
    return found


def test_every_line_of_a_file_names_its_run(house: House) -> None:
    """And the profile; the lines are one JSON document each."""
    (house.inbox / "a.csv").write_text(sheet(0, bad=2))
    (result,) = house.look(NIGHT).files
    lines = [json.loads(line) for line in (house.folder / "nightly.log").read_text().splitlines()]
    events = {line["event"]: line for line in lines}
    for event in ("run begins", "sending ends", "run ends", "file ends"):
        assert events[event]["run"] == result.run_id
    assert events["run ends"]["succeeded"] == 28
    assert all(line["profile"] == "brand-a" for line in lines)


def test_a_run_by_hand_can_be_logged(
    house: House, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`run --log-format json` writes events instead of progress, also how a run could not begin."""
    for variable, text in house.environ.items():
        monkeypatch.setenv(variable, text)
    monkeypatch.chdir(house.folder)
    (house.folder / "a.csv").write_text(sheet(0))
    (house.folder / "b.csv").write_bytes(b"\x00\x01" * 50)
    for name, event, code in (("a.csv", "run ends", 0), ("b.csv", "run fails", 8)):
        words = ["run", name, "--config", str(house.toml), "--profile", "brand-a", "--log-format", "json", "--quiet"]
        with pytest.raises(SystemExit) as ended:
            main([*words, "--log-file", "run.log"])
        assert ended.value.code == code
        lines = capsys.readouterr().err.splitlines()
        assert event in [json.loads(line)["event"] for line in lines if line.startswith("{")]
        assert event in (house.folder / "run.log").read_text()
