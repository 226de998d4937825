"""Leases in a shared database: whoever cannot prove that it holds one sends nothing and writes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from importer.chunker.schedule import PREPARED
from importer.errors import Busy, ExitCode, JournalError
from importer.journal import Change, Journal
from importer.model import Outcome, Status
from importer.observer import Observer
from importer.pipeline import resume, run
from importer.runs import leases
from importer.runs.holders import holder_in, this_process
from importer.runs.leases import PROVEN, TTL, Lease
from importer.runs.locks import hold, is_held
from importer.sandbox import EmbeddedSandbox, SandboxOptions
from tests.support.journals import Relay, another_process, record
from tests.support.runs import settings, sheet, world

pytestmark = pytest.mark.process  # its server

ELSEWHERE = "elsewhere"


@pytest.fixture
def journal(database: str, tmp_path: Path) -> Iterator[Journal]:
    with Journal.open(tmp_path, database) as opened:
        yield opened


def do(database: str, statement: str) -> None:
    import psycopg

    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(statement)


def move_elsewhere(database: str) -> None:
    """As if another machine held the leases."""
    held = holder_in(this_process())
    assert held is not None
    other = msgspec.json.encode(msgspec.structs.replace(held, host=ELSEWHERE)).decode()
    do(database, f"UPDATE leases SET holder = '{other}' WHERE holder IS NOT NULL")


def take_away(database: str) -> None:
    """As if another process had taken the leases after their holder was silent."""
    do(database, "UPDATE leases SET fence = fence + 1, expires_at = clock_timestamp() + interval '1 hour'")


def expire(database: str) -> None:
    do(database, "UPDATE leases SET expires_at = clock_timestamp() - interval '1 second'")


class Clock:
    """The machine's clock, which the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> tuple[float, float]:
        return self.now, self.now


def test_a_lease_of_another_machine_is_free_only_after_its_time(journal: Journal, database: str) -> None:
    """Whether that machine lives cannot be seen: its lease is taken when it has not renewed it."""
    first, second = Lease(journal, "work"), Lease(journal, "work")
    with first:
        move_elsewhere(database)
        with pytest.raises(Busy) as caught, second:
            pass
        assert ELSEWHERE in caught.value.holder
        first.renew()
        with pytest.raises(Busy), second:
            pass
        expire(database)
        with second:
            with pytest.raises(Busy):
                first.renew()
            second.renew()
        assert first.holder() is None


def test_a_living_process_of_this_machine_keeps_its_lease(journal: Journal, database: str, tmp_path: Path) -> None:
    """Whatever the clock of the database says."""
    with another_process(tmp_path, database) as other:
        expire(database)
        assert is_held(journal, tmp_path, "work")
        with pytest.raises(Busy) as caught, Lease(journal, "work"):
            pass
        assert f"Process {other.pid}" in caught.value.holder


def test_no_proof_no_request(journal: Journal, database: str) -> None:
    """A holder that was suspended proves its lease before the next request, and the proof fails where another process
    has taken it."""
    clock = Clock()
    with Lease(journal, "work", clock) as lease:
        take_away(database)
        clock.now += PROVEN - 1
        asyncio.run(lease.prove())
        clock.now += 2
        for _ in range(2):
            with pytest.raises(Busy) as caught:
                asyncio.run(lease.prove())
            assert caught.value.exit_code == ExitCode.BUSY
    assert PROVEN < TTL


def test_a_clock_that_goes_back_proves_nothing(journal: Journal, database: str) -> None:
    clock = Clock()
    with Lease(journal, "work", clock) as lease:
        take_away(database)
        clock.now -= 1
        with pytest.raises(Busy):
            asyncio.run(lease.prove())


def test_the_commit_of_a_holder_that_was_replaced_is_refused(journal: Journal, database: str) -> None:
    """Nothing of it is written: its rows are those of the process that took over."""
    with hold(journal, Path(), "work"):
        key = journal.create(record(), "work").key
        journal.write([Change(outcomes=(Outcome(2, Status.SUCCEEDED),))], key)
        take_away(database)
        for write in (
            lambda: journal.write([Change(outcomes=(Outcome(3, Status.SUCCEEDED),))], key),
            lambda: journal.finish(key, 1, 0, True, journal.runs()[0].progress),
            lambda: journal.abandon(key),
            lambda: journal.create(record("another-run"), "work"),
        ):
            with pytest.raises(Busy):
                write()
    assert [outcome.row_number for outcome in journal.outcomes(key)] == [2]
    assert [(one.record.run_id, one.finished) for one in journal.runs()] == [(record().run_id, False)]


def test_a_run_whose_lease_is_taken_sends_nothing_more(database: str, tmp_path: Path) -> None:
    """It ends with 11, writes no report, and a later resume brings every row to its end."""
    with EmbeddedSandbox(SandboxOptions(latency=(0.02,))) as sandbox:
        source = sheet(tmp_path / "rows.csv", 200)
        own = settings(sandbox, tmp_path / "reports", database=database)
        seen: list[int] = []

        class Thief(Observer):
            def decided(self, outcomes: list[Outcome]) -> None:
                if not seen:
                    take_away(database)
                    seen.append(len(sandbox.state.requests))

        with pytest.raises(Busy) as caught:
            run(str(source), own, world(sandbox, tmp_path, observer=Thief()))
        assert caught.value.exit_code == ExitCode.BUSY
        # Those that were in the journal and on their way.
        assert len(sandbox.state.requests) <= seen[0] + own.concurrency + PREPARED < 20
        assert not list((tmp_path / "reports").glob("*/results.csv"))
        expire(database)
        done = resume(None, own, {}, world(sandbox, tmp_path))
        assert (done.exit_code, done.rows.succeeded) == (ExitCode.OK, 200)


def test_connections_that_are_ended_while_idle_cost_nothing(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy or an administrator ends every connection: the next transaction makes another one."""
    monkeypatch.setattr("importer.journal.connection._SILENCE", 0.0)
    with Journal.open(tmp_path, database) as journal, hold(journal, tmp_path, "work"):
        key = journal.create(record(), "work").key
        for row in range(2, 5):
            do(database, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
            journal.write([Change(outcomes=(Outcome(row, Status.SUCCEEDED),))], key)
            assert is_held(journal, tmp_path, "work")
        assert len(list(journal.outcomes(key))) == 3


def test_a_database_that_stalls_is_not_waited_for(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every statement has a limit, and afterwards nothing more is asked: the run can end."""
    monkeypatch.setattr("importer.journal.postgresql.BoundedConnection.longest", 0.3)
    with (
        Relay(database) as proxy,
        Journal.open(tmp_path, proxy.address) as journal,
        hold(journal, tmp_path, "work") as held,
    ):
        key = journal.create(record(), "work").key
        proxy.stalled = True
        with pytest.raises(JournalError):
            journal.write([Change(outcomes=(Outcome(2, Status.SUCCEEDED),))], key)
        assert isinstance(held, Lease)
        with pytest.raises(JournalError):
            held.renew()
        # The release would fail the test: the database does not answer.
        monkeypatch.setattr(leases, "_RELEASE", None)
    with Journal.open(tmp_path, database) as journal:
        assert not list(journal.outcomes(key))
