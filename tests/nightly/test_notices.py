"""Notices: when one is sent, its recipients, and what it says."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from importer.errors import ExitCode
from importer.nightly.inbox import MissingFile
from importer.nightly.profile import check_profile
from importer.nightly.state import KEPT, ODD, REASONS, FileResult, LoadReport
from importer.nightly.text import NoticeFacts, load_text, missing_text, notice_body, notice_subject
from importer.sandbox import EmbeddedSandbox
from importer.telemetry.notices import send
from tests.support.fault_server import closed_port
from tests.support.nightly import House, Mailbox, mobiles, receiver, sheet
from tests.support.small_disk import make_room, mounted

DAY = datetime.date(2026, 11, 24)


def test_the_text_of_a_notice() -> None:
    """Each reason with what to do and whether it is retried, the files from the worst on, notes, what waits, where.

    Identifiers are masked.
    """
    files = (
        FileResult("a.csv", "imported", ExitCode.OK, "run-a", "done/a.csv", message="All 30 rows are done."),
        FileResult("b.csv", "unreadable", ExitCode.SOURCE, message="No rows.", causes=("919000000001: wrong",)),
    )
    found = LoadReport(
        "brand-a", files=files, reasons=("missing", "unreadable"), waiting=("c.csv",), notes=("A note.",)
    )
    facts = NoticeFacts("brand-a", "https://api.example.com", "/inbox", "/reports", "at 02:10")
    missing, wait, retry, *more = notice_body(found, facts).splitlines()
    assert (missing, retry) == ("The expected file is missing.", "  Retry: automatic, at 02:10.")
    assert wait.startswith("  What to do: ")
    unreadable, _, never, *more = more
    assert (unreadable, never) == ("A file could not be read.", "  Retry: none.")
    assert more == [
        "",
        "b.csv: No rows.",
        "  - 91******0001: wrong",
        "",
        "a.csv: All 30 rows are done.",
        "  Run: run-a",
        "  Moved to: done/a.csv",
        "",
        "A note.",
        "",
        "Still in the inbox: c.csv",
        "",
        "Profile: brand-a",
        "Target: https://api.example.com",
        "Inbox: /inbox",
        "Reports: /reports",
    ]
    assert notice_body(LoadReport("brand-a", files=files[:1]), facts).startswith("All rows were imported.")


def test_every_reason_is_explained() -> None:
    """By what happened, what to do, and whether the load retries."""
    reasons = {*REASONS.values(), "rows", "missing", ODD, KEPT}
    for reason in reasons:
        assert len(notice_body(LoadReport("", reasons=(reason,)), NoticeFacts()).splitlines()) >= 3


def test_a_notice_has_the_type_of_the_state(house: House) -> None:
    """Services show failure, warning and success differently. An idle load is OK, and changes no state."""
    house.settings |= {"warning": "5%", "critical": "50%"}
    with receiver() as (address, posted):
        house.settings["notices"] = [f"json://{address}/hook"]
        (house.inbox / "a.csv").write_text("")
        house.look(DAY)
        idle = house.look(DAY, "02:05")
        assert (idle.exit_code, idle.state, idle.reasons, len(posted)) == (0, "ok", (), 1)
        metrics = (house.folder / "reports" / ".nightly" / "brand-a.prom").read_text()
        assert 'importer_nightly_state{profile="brand-a"} 2' in metrics
        (house.inbox / "b.csv").write_text(sheet(0, bad=3))
        house.look(DAY, "02:10")
        (house.inbox / "c.csv").write_text(sheet(100))
        house.look(DAY, "02:20")
    assert [json.loads(body)["type"] for _, body in posted] == ["failure", "warning", "success"]


def test_a_notice_that_is_sent_late_gives_the_cause(house: House) -> None:
    """The load that sends it found nothing to do."""
    (house.inbox / "a.csv").write_text("")
    with closed_port() as port:
        house.settings["notices"] = [f"json://127.0.0.1:{port}/"]
        house.look(DAY)
    with receiver() as (address, posted):
        house.settings["notices"] = [f"json://{address}/hook"]
        assert house.look(DAY, "02:10").files == ()
    ((_, body),) = posted
    assert "a.csv" in json.loads(body)["message"]


def test_the_subject_of_a_notice() -> None:
    assert notice_subject("brand-a", "failed") == "importer brand-a: nightly load failed"
    assert notice_subject("", "OK again") == "importer: nightly load is OK again"


def test_the_text_on_the_command_line() -> None:
    """A line for each file, waiting file and note."""
    found = LoadReport(
        "", files=(FileResult("a.csv", "imported", 0, message="Done."),), waiting=("b.csv",), notes=("X.",)
    )
    assert load_text(found) == "a.csv: Done.\nStill in the inbox: b.csv\nX.\n"
    assert load_text(LoadReport("")) == "Nothing to do.\n"
    text = missing_text(MissingFile("2026-11-23", "c.csv", True), "04:00")
    assert text == "c.csv is in the inbox but not complete. It was expected by 04:00."


def test_a_notice_that_cannot_be_sent_is_sent_by_the_next_load(house: House) -> None:
    """It changes no outcome. It is sent again until an address accepts it. Keys in addresses are never shown."""
    (house.inbox / "a.csv").write_bytes(b"\x00\x01" * 50)
    with closed_port() as port:
        house.settings["notices"] = [f"json://127.0.0.1:{port}/topsecretkey"]
        found = house.look(DAY)
    assert (found.exit_code, found.notified) == (ExitCode.SOURCE, 0)
    assert any("Could not send a notice" in note for note in found.notes)
    assert not any("topsecret" in note for note in found.notes)
    assert "topsecret" not in (house.folder / "nightly.log").read_text()
    with receiver() as (address, posted):
        house.settings["notices"] = [f"json://{address}/hook"]
        house.look(DAY, "02:10")
        house.look(DAY, "02:20")
    assert len(posted) == 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with mounted(tmp_path / "small", "400k") as folder:
        yield folder


@pytest.mark.process
def test_a_full_disk_is_notified_once(house: House, sandbox: EmbeddedSandbox, small_disk: Path) -> None:
    """The reserved space lets the load remember its notice. Once there is room again, a second notice says so."""
    house.settings["reports-dir"] = str(small_disk / "reports")
    # Small batches: the journal alone must fill the disk, even when eight batches share each commit.
    house.settings["batch-size"] = 2
    (house.inbox / "a.csv").write_text(sheet(0, rows=3000))
    with Mailbox() as mailbox:
        house.settings["notices"] = [mailbox.address]
        for clock_time in ("02:00", "02:10", "02:20"):
            assert house.look(DAY, clock_time).exit_code == ExitCode.JOURNAL
        assert [str(mail["Subject"]) for mail in mailbox.mails] == ["importer brand-a: nightly load failed"]
        make_room(small_disk)
        assert house.look(DAY, "02:30").exit_code == 0
        assert [str(mail["Subject"]) for mail in mailbox.mails][1:] == ["importer brand-a: nightly load is OK again"]
    assert len(set(mobiles(sandbox))) == 3000
    assert house.files("inbox/done") == ["a.csv"]


def test_a_reports_folder_that_cannot_be_written(house: House, sandbox: EmbeddedSandbox) -> None:
    """A read-only disk, or a file in its place: not even the lock can be taken. Only the notice is sent."""
    (house.inbox / "a.csv").write_text(sheet(0))
    with Mailbox() as mailbox:
        house.settings["notices"] = [mailbox.address]
        watching = house.nightly()
        found = house.look(DAY, breaks=lambda: (house.folder / "reports").write_text("in the way"))
        assert found.exit_code == ExitCode.JOURNAL
        assert len(set(found.notes)) == len(found.notes)
        assert [str(mail["Subject"]) for mail in mailbox.mails] == ["importer brand-a: nightly load failed"]
        shown: list[LoadReport] = []
        assert watching.watch(shown.append) == ExitCode.JOURNAL
        assert len(shown) == 1
    assert mobiles(sandbox) == []


def test_a_notice_gives_the_causes(house: House) -> None:
    """The file, its headline, the causes of rows not imported, and where the reports are. No customer's number."""
    with Mailbox() as mailbox:
        house.settings["notices"] = [mailbox.address]
        (house.inbox / "a.csv").write_text(sheet(0, bad=10))
        found = house.look(DAY)
    assert (found.exit_code, found.state, found.notified) == (ExitCode.ROWS, "critical", 1)
    (mail,) = mailbox.mails
    text = mail.get_content()
    assert mail["Subject"] == "importer brand-a: nightly load failed"
    assert "a.csv: Finished: 20 of 30 rows succeeded, 10 need attention." in text
    assert "too short" in text or "short" in text
    assert str(house.folder / "reports") in text
    assert "90000000" not in text


def test_the_share_of_rows_decides_the_state(house: House) -> None:
    """Below `warning` the state is OK. The exit code stays 3."""
    house.settings |= {"warning": "5%", "critical": "50%"}
    for bad, state in ((1, "ok"), (2, "warning"), (15, "critical")):
        (house.inbox / f"{bad}.csv").write_text(sheet(bad * 100, bad=bad))
        found = house.look(DAY)
        assert (found.exit_code, found.state) == (ExitCode.ROWS, state)


@pytest.mark.parametrize(
    "address",
    [
        *(
            "json://user:${IMPORTER_X}@hook.example/x",
            "gotify://hook.example/abcdef",
            "json://hook.example/${IMPORTER_X}",
        ),
        *("${IMPORTER_HOOK}", "json://hook.example/?+Authorization=word", "mmost://192.0.2.7/abcdefghijk"),
    ],
)
def test_a_webhook_sends_no_secret_unencrypted_to_another_machine(house: House, address: str) -> None:
    """Found with the other mistakes of the settings, and refused when a notice is due. --insecure allows it."""
    environ = house.environ | {"IMPORTER_X": "word", "IMPORTER_HOOK": "form://user:word@hook.example"}
    house.settings["notices"] = [address]
    _, mistakes = check_profile({"profile": "brand-a"}, environ, house.toml)
    assert len(mistakes) == 1 and "--insecure" in mistakes[0] and "word" not in mistakes[0]
    sent = send([address], "subject", "body", environ)
    assert sent.accepted == 0
    assert len(sent.failures) == 1 and "--insecure" in sent.failures[0]
    house.settings["insecure"] = True
    assert check_profile({"profile": "brand-a"}, environ, house.toml)[1] == []


@pytest.mark.parametrize(
    "address",
    [
        *("json://hook.example/x", "jsons://user:${IMPORTER_X}@hook.example/x", "jsons://hook.example/${IMPORTER_X}"),
        *("json://user:${IMPORTER_X}@127.0.0.1:9/x", "json://[::1]:9/${IMPORTER_X}", "gotify://localhost/abcdef"),
        *(
            "slack://TokenAAAA/TokenBBBB/TokenCCCCCCCCCCCCCCCCCCC",
            "ntfy://topic",
            "tgram://123456789:abcdefg_hijklmnop/1",
        ),
        "mailto://mail.example.com?from=importer@example.com&to=data@example.com",
    ],
)
def test_a_notice_without_a_secret_or_with_encryption_is_sent(house: House, address: str) -> None:
    """Also one to this machine, and one to a service that has no other scheme."""
    house.settings["notices"] = [address]
    assert check_profile({"profile": "brand-a"}, house.environ | {"IMPORTER_X": "word"}, house.toml)[1] == []
