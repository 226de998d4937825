"""Locks seen from outside: whether a process holds one, which one, and how it is asked to stop."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from importer.errors import Busy, JournalError
from importer.journal import Journal
from importer.runs.locks import Lock, hold, holder_here, is_held
from importer.system import process as processes
from tests.support.journals import another_process


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal.open(tmp_path, None) as opened:
        yield opened


@pytest.mark.process
def test_a_held_lock_is_seen_and_that_of_a_dead_process_is_not(journal: Journal, tmp_path: Path) -> None:
    """Also where the kernel has no list of locks, by trying the lock."""
    assert not is_held(journal, tmp_path, "work")
    with another_process(tmp_path) as other:
        assert is_held(journal, tmp_path, "work")
        assert not is_held(journal, tmp_path, "other work")
        other.kill()
        other.wait()
        assert not is_held(journal, tmp_path, "work")
    with hold(journal, tmp_path, "work"):
        assert is_held(journal, tmp_path, "work")
    assert not is_held(journal, tmp_path, "work")


def test_looking_at_a_lock_never_refuses_its_holder(journal: Journal, tmp_path: Path) -> None:
    """Another process looks all the time while the lock is taken repeatedly: it is never refused."""
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            is_held(journal, tmp_path, "work")

    looking = threading.Thread(target=look)
    looking.start()
    try:
        for _ in range(300):
            with Lock(tmp_path / ".locks", "work"):
                pass
    finally:
        over.set()
        looking.join()


@pytest.mark.process
def test_a_lock_that_is_held_is_still_refused(journal: Journal, tmp_path: Path) -> None:
    with another_process(tmp_path) as other, pytest.raises(Busy) as caught, hold(journal, tmp_path, "work"):
        pass
    assert caught.value.holder.startswith(f"Process {other.pid} on ")
    assert caught.value.holder in caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("content", ["", "Process 7 on host (since 2026-11-24 02:00:00)\n7 boot", '{"pid": "7"}'])
def test_a_lock_file_that_names_no_holder(journal: Journal, tmp_path: Path, content: str) -> None:
    """An older version wrote the holder as text: the lock is held by an unknown process."""
    lock = Lock(tmp_path / ".locks", "work")
    lock.path.parent.mkdir()
    lock.path.write_text(content)
    with lock.path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert holder_here(journal, tmp_path, "work") is None
        with pytest.raises(Busy) as caught, lock:
            pass
    assert (caught.value.holder, caught.value.message.partition(" is")[0]) == ("", "Another process")
    with lock:
        assert holder_here(journal, tmp_path, "work") is not None


def test_a_lock_whose_file_is_deleted_proves_nothing(tmp_path: Path) -> None:
    """Another process would lock another file of that name."""
    with Lock(tmp_path / ".locks", "work") as lock:
        asyncio.run(lock.prove())
        lock.path.unlink()
        with pytest.raises(JournalError):
            asyncio.run(lock.prove())
        assert not lock.is_certain()


@pytest.mark.process
def test_the_lock_in_the_database_is_seen_from_outside(database: str, tmp_path: Path) -> None:
    """On any machine, without taking the lock. That of a process which died on this machine is free at once."""
    with Journal.open(tmp_path, database) as journal:
        assert not is_held(journal, tmp_path, "work")
        with another_process(tmp_path, database) as other:
            assert is_held(journal, tmp_path, "work")
            assert not is_held(journal, tmp_path, "other work")
            holder = holder_here(journal, tmp_path, "work")
            assert holder is not None and holder.pid == other.pid
            with pytest.raises(Busy), hold(journal, tmp_path, "work"):
                pass
            other.kill()
            other.wait()
            assert not is_held(journal, tmp_path, "work")
            with hold(journal, tmp_path, "work"):
                pass


@pytest.mark.process
def test_the_holder_is_named_while_it_lives_and_asked_to_stop(journal: Journal, tmp_path: Path) -> None:
    """By process id and start time."""
    with another_process(tmp_path) as other:
        holder = holder_here(journal, tmp_path, "work")
        assert holder is not None and holder.pid == other.pid
        assert processes.stop(holder.pid, holder.birth)
        assert other.wait(250) == -signal.SIGTERM
    assert holder_here(journal, tmp_path, "work") is None
    assert not processes.stop(holder.pid, holder.birth)


@pytest.mark.process
def test_a_process_with_a_reused_id_is_not_stopped(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock names process id and start time. A process with another start time is not stopped, nor one of another
    machine."""
    asked: list[int] = []
    monkeypatch.setattr(os, "kill", lambda pid, _: asked.append(pid))
    with another_process(tmp_path) as other:
        holder = holder_here(journal, tmp_path, "work")
        assert holder is not None
        assert not processes.stop(other.pid, "1 another-boot")
        assert not processes.stop(other.pid, "")
        monkeypatch.setattr("importer.runs.holders.birth_of", lambda _: "1 another-boot")
        assert holder_here(journal, tmp_path, "work") is None
        monkeypatch.undo()
        monkeypatch.setattr("importer.runs.holders.socket.gethostname", lambda: "elsewhere")
        assert holder_here(journal, tmp_path, "work") is None
    assert asked == []


def test_a_process_of_another_user_is_not_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system refuses the signal, and no error is raised."""

    def refuse(_: int, __: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    assert not processes.stop(os.getpid(), processes.birth_of(os.getpid()))


def test_without_proc_the_start_time_comes_from_ps(monkeypatch: pytest.MonkeyPatch) -> None:
    """macOS and the BSDs. Without ps, the start time is unknown and no process is asked to stop."""
    printed = subprocess.CompletedProcess([], 0, "Tue Nov 24  09:00:00 2026\n", "")
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: (_ for _ in ()).throw(FileNotFoundError()))
    monkeypatch.setattr(Path, "exists", lambda _: False)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: printed)
    assert processes.birth_of(7) == "Tue Nov 24 09:00:00 2026"
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: (_ for _ in ()).throw(FileNotFoundError()))
    assert processes.birth_of(7) == ""
