"""The journal keeps what it stores, stays small, and reports what it cannot read."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa

from importer.errors import ExitCode, JournalError
from importer.journal import (
    SCHEMA_VERSION,
    Attempt,
    Change,
    Journal,
    Run,
    RunProgress,
    Scribe,
    databases,
    file_system_of,
)
from importer.journal.records import organisation_of, stored
from importer.journal.schema import STATUSES
from importer.journal.scribe import GAP, LONELY
from importer.model import Outcome, Status
from importer.settings.options import Settings
from tests.support.journals import Opener, batch, record


def attempt(number: int, batch_id: int) -> Attempt:
    return Attempt(number, batch_id, 1_700_000_000_000, 250, 100, 200, "200", f"6f1c2f0e-0000-4000-8000-{number:012}")


def succeed(journal: Journal, run: Run, batch_id: int, rows: Sequence[int]) -> None:
    outcomes = [Outcome(row, Status.SUCCEEDED, "200", attempts=1) for row in rows]
    opened = Change(opened=((batch(batch_id, *rows), 0),))
    # As a customer with a mobile and an e-mail leaves it as its fingerprint.
    sent = {row: row.to_bytes(6, "big") * 3 for row in rows}
    settled = Change(attempt=attempt(batch_id, batch_id), outcomes=outcomes, settled=(batch_id,), sent=sent)
    journal.write([opened, settled], run.key)


def test_what_was_written_is_read_back_by_the_next_process(opener: Opener) -> None:
    """Runs, open batches and outcomes survive, with request id and time of the attempt that decided."""
    with opener() as journal:
        run = journal.create(record(), "this work")
        journal.write([Change(opened=((batch(1, 2, 3), 0), (batch(2, 5), 1)))], run.key)
        outcomes = [
            Outcome(2, Status.SUCCEEDED, "200", attempts=1),
            Outcome(3, Status.FAILED, "1012", "customer not found", warnings=("1017",), attempts=1),
        ]
        journal.write([Change(attempt=attempt(1, 1), outcomes=outcomes, settled=(1,))], run.key)
        rejected = Outcome(4, Status.REJECTED, "mobile", "too short", "Add digits.", ("mobile",), at=7)
        journal.write([Change(outcomes=[rejected])], run.key)
    with opener() as journal:
        (run,) = journal.runs()
        assert run.record == record()
        two, three, four = journal.outcomes(run.key)
        assert (two.status, two.request_id, two.at) == (Status.SUCCEEDED, attempt(1, 1).request_id, 1_700_000_000_250)
        assert (three.code, three.message, three.warnings) == ("1012", "customer not found", ("1017",))
        assert four == rejected
        (waiting,) = journal.open_batches(run.key)
        assert (waiting.batch_id, waiting.rows, waiting.attempts, waiting.doubt) == (2, ((5,),), 1, True)
        assert (journal.last_batch_id(run.key), journal.last_attempt(run.key)) == (2, 1)
        assert bytes(journal.decided(run.key)) == b"\0\0\1\1\1"
        assert journal.counts(run.key) == {Status.SUCCEEDED: 1, Status.FAILED: 1, Status.REJECTED: 1}


def test_neighbours_that_share_their_outcome_are_read_together(opener: Opener) -> None:
    """A gap in the rows, another answer or another message ends a stretch; its length does not."""
    with opener() as journal:
        run = journal.create(record(), "this work")
        succeed(journal, run, 1, [2, 3, 5, 6, 9])
        succeed(journal, run, 2, [4, 7, 10, 11])
        journal.write([Change(outcomes=[Outcome(8, Status.REJECTED, "mobile", at=7)])], run.key)
        succeed(journal, run, 3, range(12, 6012))
        rows = [(stretch.outcome.request_id[-1:], *stretch.numbers) for stretch in journal.stretches(run.key)]
        assert rows[:8] == [("1", 2, 3), ("2", 4), ("1", 5, 6), ("2", 7), ("", 8), ("1", 9), ("2", 10, 11), rows[7]]
        assert [row for _, *numbers in rows for row in numbers] == list(range(2, 6012))
        assert len(rows) == 8
        assert [outcome.row_number for outcome in journal.outcomes(run.key)] == list(range(2, 6012))


def test_a_change_is_written_as_a_whole_or_not_at_all(opener: Opener) -> None:
    """A row cannot get a second outcome, and the rest of that change is not written either."""
    with opener() as journal:
        run = journal.create(record(), "this work")
        journal.write([Change(outcomes=[Outcome(2, Status.SUCCEEDED)])], run.key)
        with pytest.raises(JournalError):
            journal.write([Change(outcomes=[Outcome(3, Status.SUCCEEDED), Outcome(2, Status.FAILED)])], run.key)
        assert [outcome.row_number for outcome in journal.outcomes(run.key)] == [2]
        journal.write([Change(outcomes=[Outcome(row, Status.SUCCEEDED) for row in (9, 8, 7, 6)])], run.key)
        for rows in ((6,), (7,), (9,), (9, 10), (4, 5, 6), range(3, 12)):
            with pytest.raises(JournalError, match=r"second outcome|failed"):
                journal.write([Change(outcomes=[Outcome(row, Status.FAILED) for row in rows])], run.key)
        journal.write([Change(outcomes=[Outcome(row, Status.FAILED) for row in (5, 10, 3, 4)])], run.key)
        found = [(*stretch.numbers, stretch.outcome.status) for stretch in journal.stretches(run.key)]
        yes, no = Status.SUCCEEDED, Status.FAILED
        assert found == [(2, yes), (3, 4, 5, no), (6, 7, 8, 9, yes), (10, no)]


def test_entries_that_overlap_are_damage(opener: Opener) -> None:
    """The importer never writes it. If it is there, no report is made."""
    with opener() as journal:
        run = journal.create(record(), "this work")
        journal.write([Change(outcomes=[Outcome(row, Status.SUCCEEDED) for row in (2, 3, 4)])], run.key)
        with journal._connection.begin():
            journal._connection.execute(
                sa.text("INSERT INTO outcomes (run, row_number, status, attempts, rows) VALUES (:run, 4, 1, 1, 1)"),
                {"run": run.key},
            )
        with pytest.raises(JournalError, match="damaged"):
            list(journal.outcomes(run.key))


def test_the_newest_run_of_a_source_and_target_is_unfinished_until_it_is_finished_or_abandoned(opener: Opener) -> None:
    with opener() as journal:
        first = journal.create(record("a"), "this work")
        assert journal.unfinished("this work") == first
        assert journal.unfinished("other work") is None
        journal.abandon(first.key)
        assert journal.unfinished("this work") is None
        second = journal.create(record("b"), "this work")
        assert journal.imported_whole(("https://api", "till"), "ab" * 32) is None
        journal.finish(second.key, 5, 0, True, RunProgress(batch_size=3))
        assert journal.unfinished("this work") is None
        whole = journal.imported_whole(("https://api", "till"), "ab" * 32)
        assert whole is not None and (whole.record.run_id, whole.progress.batch_size) == ("b", 3)
        assert journal.imported_whole(("https://elsewhere", "till"), "ab" * 32) is None
        assert journal.imported_whole(("https://api", "other brand"), "ab" * 32) is None
        assert [run.record.run_id for run in journal.runs()] == ["b", "a"]


def test_the_sandbox_is_one_organisation_under_any_name() -> None:
    """Each run has its own sandbox. A server has an organisation for each name of credentials."""
    assert organisation_of("sandbox", "till") == organisation_of("sandbox", "")
    assert organisation_of("https://api", "till") != organisation_of("https://api", "other brand")


@pytest.mark.parametrize("part", [Settings(limit=7), Settings(skip_rows=7)])
def test_a_run_of_some_rows_does_not_count_as_an_import_of_the_file(opener: Opener, part: Settings) -> None:
    """The nightly load skips imported files: rows beyond --limit would never be imported."""
    with opener() as journal:
        run = journal.create(record(stored_settings=stored(part)), "this work")
        journal.finish(run.key, 5, 0, True, RunProgress())
        assert journal.imported_whole(("https://api", "till"), "ab" * 32) is None
        assert journal.imported(("https://api", "till"), "ab" * 32) == []


def test_settings_of_another_version_stop_only_the_commands_of_their_run(opener: Opener) -> None:
    """A newer version may have stored a value that this one does not know. The list of all runs still works."""
    newer = msgspec.Raw(msgspec.msgpack.encode({"log_format": "from-the-future"}))
    with opener() as journal:
        journal.create(record("a", stored_settings=newer, version="99"), "this work")
        journal.create(record("b"), "other work")
        found = {run.record.run_id: run.record for run in journal.runs()}
    assert found["b"].settings == Settings()
    with pytest.raises(JournalError) as raised:
        _ = found["a"].settings
    assert "99" in raised.value.message and raised.value.advice


def test_statuses_keep_their_numbers() -> None:
    """A journal of an older version reads the same."""
    assert [(number, status.value) for number, status in enumerate(STATUSES)] == [
        (0, "succeeded"),
        (1, "failed"),
        (2, "rejected"),
        (3, "skipped"),
        (4, "unprocessed"),
        (5, "unknown"),
    ]


def test_a_row_that_succeeded_takes_at_most_60_bytes(tmp_path: Path) -> None:
    with Journal.open(tmp_path) as journal:
        run = journal.create(record(), "this work")
        for number in range(1, 301):
            rows = range(number * 100, number * 100 + 100)
            succeed(journal, run, number, rows)
    assert (tmp_path / "journal.db").stat().st_size / 30_000 <= 60


def test_many_waiting_changes_are_one_commit_and_none_returns_before_it_is_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Changes that arrive during a commit share the next one."""
    commits: list[int] = []
    first, go_on = threading.Event(), threading.Event()
    write = Journal.write

    def slow(journal: Journal, changes: Sequence[Change], key: int) -> None:
        commits.append(len(changes))
        first.set()
        assert go_on.wait(100)
        write(journal, changes, key)

    monkeypatch.setattr(Journal, "write", slow)

    async def many(journal: Journal, key: int) -> None:
        scribe = Scribe(journal, key)
        opening = asyncio.create_task(scribe.write(Change(outcomes=[Outcome(1, Status.SKIPPED)])))
        await asyncio.to_thread(first.wait, 100)
        waiting = [
            asyncio.create_task(scribe.write(Change(outcomes=[Outcome(n, Status.SKIPPED)]))) for n in range(2, 42)
        ]
        await asyncio.sleep(0)
        assert not any(task.done() for task in (opening, *waiting))
        go_on.set()
        await asyncio.gather(opening, *waiting)
        await scribe.close()

    with Journal.open(tmp_path) as journal:
        run = journal.create(record(), "this work")
        asyncio.run(many(journal, run.key))
        assert commits == [1, 40]
        assert len(list(journal.outcomes(run.key))) == 41


def test_a_commit_waits_a_moment_for_others_only_where_others_come(tmp_path: Path) -> None:
    """A sync is expensive: changes within 3 ms share one. Single changes in a row do not wait."""
    pauses: list[float] = []
    rows = itertools.count(2)

    async def write(scribe: Scribe, many: int) -> None:
        changes = [Change(outcomes=[Outcome(next(rows), Status.SKIPPED)]) for _ in range(many)]
        await asyncio.gather(*map(scribe.write, changes))

    async def all_of_them(journal: Journal, key: int) -> None:
        scribe = Scribe(journal, key, pause=pauses.append)
        for _ in range(20):
            await write(scribe, 1)
        assert pauses == []
        while not pauses:
            # Whether the first commit takes one of these or all of them is chance; the second takes what is left.
            await write(scribe, 3)
        for _ in range(LONELY):
            await write(scribe, 1)
        pauses.clear()
        for _ in range(20):
            await write(scribe, 1)
        assert pauses == []
        while not pauses:
            await write(scribe, 3)
        await scribe.close()

    with Journal.open(tmp_path) as journal:
        run = journal.create(record(), "this work")
        asyncio.run(all_of_them(journal, run.key))
        assert len(list(journal.outcomes(run.key))) == next(rows) - 2
    assert set(pauses) == {GAP} and GAP <= 0.05


def test_a_journal_that_failed_once_writes_nothing_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed sync is not repeated: the kernel may have dropped the data."""
    calls: list[int] = []

    def broken(journal: Journal, changes: Sequence[Change], key: int) -> None:
        calls.append(len(changes))
        raise JournalError("The disk is full.")

    monkeypatch.setattr(Journal, "write", broken)

    async def twice(journal: Journal) -> None:
        scribe = Scribe(journal, 1)
        for _ in range(2):
            with pytest.raises(JournalError):
                await scribe.write(Change())
        await scribe.close()

    with Journal.open(tmp_path) as journal:
        asyncio.run(twice(journal))
    assert calls == [1]


def test_a_journal_of_another_version_is_refused(opener: Opener) -> None:
    with opener() as journal, journal._connection.begin():
        journal._connection.execute(sa.text(f"UPDATE meta SET schema_version = {SCHEMA_VERSION + 1}"))
    with pytest.raises(JournalError, match=f"version {SCHEMA_VERSION + 1}") as caught:
        opener()
    assert caught.value.exit_code is ExitCode.JOURNAL
    assert "--reports-dir" in caught.value.advice


def _long_journal(folder: Path) -> Path:
    with Journal.open(folder) as journal:
        run = journal.create(record(), "this work")
        for number in range(1, 21):
            succeed(journal, run, number, range(number * 100, number * 100 + 100))
    return folder / "journal.db"


@pytest.mark.parametrize("damage", ["no database", "cut off", "flipped", "a page of zeros"])
def test_a_damaged_journal_is_refused(tmp_path: Path, damage: str) -> None:
    """Neither read as valid nor an internal error."""
    path = _long_journal(tmp_path)
    content = bytearray(path.read_bytes())
    match damage:
        case "no database":
            content = bytearray(b"mobile,email\n" * 1000)
        case "cut off":
            del content[len(content) // 2 :]
        case "flipped":
            # The head of every page but the first: what kind of page it is.
            for page in range(4096, len(content), 4096):
                content[page] ^= 0xFF
        case _:
            content[8192:20480] = bytes(12288)
    path.write_bytes(content)
    with pytest.raises(JournalError, match="damaged") as caught:
        Journal.open(tmp_path)
    assert caught.value.exit_code is ExitCode.JOURNAL
    assert "--reports-dir" in caught.value.advice


def test_a_journal_on_a_network_file_system_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(databases, "file_system_of", lambda path: "nfs4")
    with pytest.raises(JournalError, match="network file system") as caught:
        Journal.open(tmp_path)
    assert "postgresql://" in caught.value.advice


def test_the_file_system_of_a_path_is_that_of_its_innermost_mount(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text("/dev/a / ext4 rw 0 0\nserver:/x /shared nfs4 rw 0 0\ntmp /shared/my\\040tmp tmpfs rw 0 0\n")
    monkeypatch.setattr(databases, "_MOUNTS", mounts)
    assert file_system_of(Path("/shared/reports/journal.db")) == "nfs4"
    assert file_system_of(Path("/shared/my tmp/journal.db")) == "tmpfs"
    assert file_system_of(Path("/sharedness/journal.db")) == "ext4"


def test_the_journal_is_private_to_its_owner(tmp_path: Path) -> None:
    """Under any umask: the file and SQLite's other files."""
    before = os.umask(0)
    try:
        with Journal.open(tmp_path / "reports") as journal:
            run = journal.create(record(), "this work")
            succeed(journal, run, 1, [2])
            modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "reports").iterdir()}
    finally:
        os.umask(before)
    assert modes and set(modes.values()) == {0o600}
    assert (tmp_path / "reports").stat().st_mode & 0o777 == 0o700


def test_every_commit_is_synced(tmp_path: Path) -> None:
    """WAL with synchronous=FULL: with NORMAL a power cut loses acknowledged commits."""
    with Journal.open(tmp_path) as journal:
        assert journal._connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert journal._connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2


def test_two_processes_that_begin_at_once_make_one_journal(tmp_path: Path) -> None:
    """Threads with their own connections act as processes: none fails or creates the tables twice."""
    failed: list[BaseException] = []

    def begin() -> None:
        try:
            Journal.open(tmp_path).close()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=begin) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    with sqlite3.connect(tmp_path / "journal.db") as connection:
        assert connection.execute("SELECT schema_version FROM meta").fetchall() == [(SCHEMA_VERSION,)]


def test_the_password_of_a_database_is_never_shown() -> None:
    with pytest.raises(JournalError) as caught:
        Journal.open(Path(), "postgresql://somebody:s3cret@127.0.0.1:1/none")
    assert "s3cret" not in f"{caught.value} {caught.value.__cause__}"
    assert "database runs" in caught.value.advice and "disk" not in caught.value.advice


DISAPPEARANCES: dict[str, Callable[[Path], object]] = {
    "deleted": lambda folder: (folder / "journal.db").unlink(),
    "its folder deleted": shutil.rmtree,
    "its folder moved": lambda folder: folder.rename(folder.with_name("elsewhere")),
    "replaced": lambda folder: os.replace(shutil.copy(folder / "journal.db", folder / "copy"), folder / "journal.db"),
    "its log deleted": lambda folder: (folder / "journal.db-wal").unlink(),
}


@pytest.mark.parametrize("how", list(DISAPPEARANCES))
def test_a_journal_that_disappears_takes_no_more_changes(tmp_path: Path, how: str) -> None:
    """What SQLite would still write to an open file without a name is lost: no request may be sent after that."""
    reports = tmp_path / "reports"
    with Journal.open(reports) as journal:
        run = journal.create(record(), "a")
        with Journal.open(reports) as other:
            assert other.run(run.record.run_id) is not None
        journal.write([Change(opened=((batch(1, 2), 0),))], run.key)
        DISAPPEARANCES[how](reports)
        with pytest.raises(JournalError) as caught:
            journal.write([Change(opened=((batch(2, 3), 0),))], run.key)
        assert caught.value.exit_code == ExitCode.JOURNAL
