"""A month of nightly loads with every kind of failure: notices, files, and every row set exactly once."""

from __future__ import annotations

import datetime
import resource
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from importer.errors import ExitCode
from importer.sandbox import EmbeddedSandbox
from importer.sandbox.faults import parse_script
from tests.support.nightly import House, Mailbox, mobiles, receiver, sheet, until
from tests.support.runs import rows_written

FIRST = datetime.date(2026, 11, 1)
DAYS = 30


class Month:
    """The loads, and the notices and files expected by now."""

    def __init__(self, house: House, sandbox: EmbeddedSandbox) -> None:
        self.house = house
        self.sandbox = sandbox
        self.notices: list[str] = []
        self.expected: set[str] = set()
        self.done: list[str] = []
        self.failed: list[str] = []
        self.waiting: list[str] = []

    def name(self, day: datetime.date) -> str:
        """A file holds the day before."""
        return f"customers-{day - datetime.timedelta(days=1)}.csv"

    def drop(self, day: datetime.date, bad: int = 0) -> Path:
        """Put the file of the day into the inbox, complete."""
        first = day.toordinal() * 100
        path = self.house.inbox / self.name(day)
        path.write_text(sheet(first, bad=bad))
        self.expected |= {str(9_000_000_000 + first + n) for n in range(30 - bad)}
        return path

    def look(self, day: datetime.date, at: str, code: int, state: str, *whats: str, notice: str = "") -> None:
        found = self.house.look(day, at)
        facts = (found.exit_code, found.state, *(file.what for file in found.files))
        assert facts == (code, state, *whats), (day, at, found)
        if notice:
            self.notices.append(f"importer brand-a: {notice}")

    def settled(self) -> None:
        """Each file is where it should be."""
        assert self.house.files("inbox") == sorted(self.waiting)
        assert self.house.files("inbox/done") == sorted(self.done)
        assert self.house.files("inbox/failed") == sorted(self.failed)

    # ------------------------------------------------------------------------------------------------ the days

    def usual(self, day: datetime.date) -> None:
        self.drop(day)
        self.look(day, "02:00", 0, "ok", "imported")
        self.done.append(self.name(day))

    def missing(self, day: datetime.date) -> None:
        """No file arrives: one notice after 04:00. The next day's file ends the state."""
        self.look(day, "02:00", 0, "ok")
        self.look(day, "04:10", ExitCode.SOURCE, "critical", notice="nightly load failed")
        self.look(day, "05:00", ExitCode.SOURCE, "critical")

    def after_problem(self, day: datetime.date) -> None:
        self.drop(day)
        self.look(day, "02:00", 0, "ok", "imported", notice="nightly load is OK again")
        self.done.append(self.name(day))

    def half_written(self, day: datetime.date) -> None:
        """A growing file is not taken until it stops growing."""
        path = self.drop(day)
        whole = path.read_text()
        path.write_text(whole[:200])
        self.house.clock.meanwhile = lambda: path.write_text(whole)
        self.look(day, "02:00", 0, "ok")
        self.house.clock.meanwhile = None
        assert self.house.files("inbox") == [path.name]
        self.look(day, "02:10", 0, "ok", "imported")
        self.done.append(path.name)

    def repeated(self, day: datetime.date) -> None:
        """Yesterday's content under today's name: moved, not sent."""
        before = len(self.sandbox.state.requests)
        yesterday = self.house.inbox / "done" / self.name(day - datetime.timedelta(days=1))
        (self.house.inbox / self.name(day)).write_bytes(yesterday.read_bytes())
        self.look(day, "02:00", 0, "ok", "repeated")
        assert len(self.sandbox.state.requests) == before
        self.done.append(self.name(day))

    def outage(self, day: datetime.date) -> None:
        """The server is down until the window closes at 06:00. The next load resumes the run before its new file."""
        self.drop(day)
        self.sandbox.state.faults = parse_script(["1-:503"])
        self.look(day, "05:58:59.3", ExitCode.TIME, "critical", "stopped", notice="nightly load failed")
        self.sandbox.state.faults = ()
        self.waiting.append(self.name(day))

    def after_outage(self, day: datetime.date) -> None:
        self.drop(day)
        self.look(day, "02:00", 0, "ok", "resumed", "imported", notice="nightly load is OK again")
        self.done += [*self.waiting, self.name(day)]
        self.waiting.clear()

    def killed(self, day: datetime.date) -> None:
        """kill -9 during a request: no notice, because no process is left to send it."""
        self.drop(day)
        sent = len(self.sandbox.state.requests)
        self.sandbox.state.faults = parse_script([f"{sent + 2}:hang"])
        process = self.house.start(day, "02:00")
        until(lambda: len(self.sandbox.state.requests) == sent + 2)
        # Until the first answer is in the journal, a resumed run would send its rows again.
        until(lambda: rows_written(self.house.folder / "reports") == 10)
        process.send_signal(signal.SIGKILL)
        process.wait(250)
        self.sandbox.state.faults = ()
        self.waiting.append(self.name(day))

    def after_kill(self, day: datetime.date) -> None:
        self.drop(day)
        self.look(day, "02:00", 0, "ok", "resumed", "imported")
        self.done += [*self.waiting, self.name(day)]
        self.waiting.clear()

    def bad_credential(self, day: datetime.date) -> None:
        """The server refuses the credentials. Two loads, one notice."""
        self.drop(day)
        self.house.environ["IMPORTER_PASSWORD"] = "forgotten"
        before = len(self.sandbox.state.accepted)
        self.look(day, "02:00", ExitCode.REFUSED, "critical", "stopped", notice="nightly load failed")
        # The state is the same: no second notice.
        self.look(day, "03:00", ExitCode.REFUSED, "critical", "stopped")
        assert len(self.sandbox.state.accepted) == before
        self.house.environ["IMPORTER_PASSWORD"] = "sandbox"
        self.waiting.append(self.name(day))

    def full_disk(self, day: datetime.date) -> None:
        """No room for the copy: nothing is sent, and the file stays."""
        path = self.drop(day)
        path.write_text(path.read_text() + "\n" * 20_000)
        before = len(self.sandbox.state.requests)
        with no_file_larger_than(16_384):
            self.look(day, "02:00", ExitCode.JOURNAL, "critical", "left", notice="nightly load failed")
        assert len(self.sandbox.state.requests) == before
        self.waiting.append(path.name)

    def after_full_disk(self, day: datetime.date) -> None:
        self.drop(day)
        self.look(day, "02:00", 0, "ok", "imported", "imported", notice="nightly load is OK again")
        self.done += [*self.waiting, self.name(day)]
        self.waiting.clear()

    def unreadable(self, day: datetime.date) -> None:
        path = self.house.inbox / self.name(day)
        path.write_bytes(b"\x00\x01\x02" * 500)
        self.look(day, "02:00", ExitCode.SOURCE, "critical", "unreadable", notice="nightly load failed")
        self.failed += [path.name, f"{path.name}.why.txt"]

    def some_bad_rows(self, day: datetime.date) -> None:
        """One row in 30 is above `warning` and below `critical`."""
        self.drop(day, bad=1)
        self.look(day, "02:00", ExitCode.ROWS, "warning", "imported", notice="some rows were not imported")
        self.done.append(self.name(day))

    def sent_again(self, day: datetime.date) -> None:
        """A corrected file of yesterday under its old name, and today's: no file in done is overwritten."""
        corrected = self.house.inbox / self.name(day - datetime.timedelta(days=1))
        first = day.toordinal() * 100 + 50
        corrected.write_text(sheet(first))
        self.expected |= {str(9_000_000_000 + first + n) for n in range(30)}
        self.drop(day)
        self.look(day, "02:00", 0, "ok", "imported", "imported", notice="nightly load is OK again")
        self.done += [corrected.name.replace(".csv", ".2.csv"), self.name(day)]


@pytest.mark.slow
def test_a_month_of_loads(tmp_path: Path, sandbox: EmbeddedSandbox) -> None:
    """After each load the state, the notices and the exit code are as expected. No row is lost or imported twice."""
    with Mailbox() as mailbox, receiver() as (address, posted):
        house = House(
            tmp_path,
            sandbox.base_url,
            **{
                "pattern": "customers-{date}.csv",
                "expect-by": "04:00",
                "until": "06:00",
                "concurrency": 1,
                "outbox": str(tmp_path / "outbox"),
                "notices": ["${IMPORTER_ONCALL_MAIL}", f"json://{address}/hook"],
            },
        )
        house.environ["IMPORTER_ONCALL_MAIL"] = mailbox.address
        month = Month(house, sandbox)
        special = {
            4: month.missing,
            5: month.after_problem,
            7: month.half_written,
            9: month.repeated,
            11: month.outage,
            12: month.after_outage,
            14: month.killed,
            15: month.after_kill,
            17: month.bad_credential,
            18: month.after_outage,
            20: month.full_disk,
            21: month.after_full_disk,
            23: month.unreadable,
            24: month.after_problem,
            26: month.some_bad_rows,
            27: month.sent_again,
        }
        for number in range(1, DAYS + 1):
            day = FIRST + datetime.timedelta(days=number)
            special.get(number, month.usual)(day)
            month.settled()
            assert [str(mail["Subject"]) for mail in mailbox.mails] == month.notices, day
            assert len(posted) == len(month.notices)
        counts = Counter(number[-10:] for number in mobiles(sandbox))
        assert set(counts) == month.expected
        assert set(counts.values()) == {1}
        texts = [mail.get_content() for mail in mailbox.mails] + [body.decode() for _, body in posted]
        assert not any(number in text for number in month.expected for text in texts)
    outbox = sorted(path.name for path in (tmp_path / "outbox").iterdir())
    assert len(outbox) == len(month.done) - 1  # all but the repeated one
    assert all((tmp_path / "outbox" / run / "summary.json").is_file() for run in outbox)
    log = (tmp_path / "nightly.log").read_text()
    assert not any(number in log for number in month.expected)


# ---------------------------------------------------------------------------------------------------- the disk


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """The kernel refuses to let a file grow larger, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
