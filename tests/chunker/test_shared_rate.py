"""Slots shared by the processes of a machine: one rate for all, fair to each, and never in the way when they fail."""

from __future__ import annotations

import json
import math
import os
import sqlite3
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from importer.chunker.pacer import MemoryStore, Pacer, PaceState
from importer.chunker.shared_rate import SharedStore, current_pace, shared_slots, state_folder
from importer.settings.values import read_rate
from tests.support.sending import most_in_a_window

PROCESS = """
import json, sys, time
from pathlib import Path
from importer.chunker.pacer import Pacer
from importer.settings.values import read_rate
from importer.chunker.shared_rate import SharedStore
read_at = 0.0
def clock():
    global read_at
    read_at = time.monotonic()
    return read_at
pacer = Pacer(read_rate(sys.argv[2]), 1, clock, lambda: 0.0, SharedStore(Path(sys.argv[1]), "key"))
print("ready", flush=True)
begin = float(input())
end = begin + float(sys.argv[3])
time.sleep(max(begin - time.monotonic(), 0))
left = []
while (leave := pacer.slot()) < end:
    time.sleep(max(leave - time.monotonic(), 0))
    pacer.departed()
    # The moment that the pacer took it for: who is put to sleep right after it must not seem to have left later.
    left.append((leave, read_at))
print(json.dumps(left))
"""


Left = list[tuple[float, float]]


def two_processes(folder: Path, rate: str, seconds: float) -> list[Left]:
    """(when it might leave, when it left) of the requests of two real processes that share a key and never have
    enough."""
    arguments = [sys.executable, "-c", PROCESS, str(folder / "rates.db"), rate, str(seconds)]
    processes = [
        subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    for process in processes:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    begin = time.monotonic() + 0.1
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(f"{begin}\n")
        process.stdin.flush()
    return [json.loads(process.communicate(timeout=250)[0]) for process in processes]


@pytest.mark.process
def test_two_processes_share_the_rate_and_neither_starves(tmp_path: Path) -> None:
    """2,400 a minute between two: never more, and each gets its half. All of it is used as well, if the machine lets
    them: a timer that wakes late loses its slot, and so a busy machine gets another try, and many more."""
    tries = []
    for _ in range(20):
        one, two = two_processes(tmp_path, "2400/minute", 2.0)
        both = sorted(one + two)
        # Of a second's share; a rate of a minute makes up for what was late within a second.
        late = max(left - leave for leave, left in both)
        assert most_in_a_window(sorted(left for _, left in both), 1.0) <= 42 + math.ceil(40 * late)
        used, fair = len(both) >= 0.95 * 80, min(len(one), len(two)) >= 0.35 * len(both)
        tries.append((len(one), len(two)))
        if used and fair:
            return
    raise AssertionError(tries)


@pytest.mark.process
def test_two_processes_together_never_exceed_the_rate_of_a_second(tmp_path: Path) -> None:
    """Also on a busy machine, where timers wake late: what was late is lost, not made up."""
    one, two = two_processes(tmp_path, "100/second", 2.0)
    assert most_in_a_window(sorted(left for _, left in one + two), 1.0) <= 100


def test_keys_do_not_share(tmp_path: Path) -> None:
    for key in ("one", "two"):
        store = SharedStore(tmp_path / "rates.db", key)
        assert store.update(lambda state: PaceState(slot=state.slot + 1.0)).slot == 1.0


def test_the_state_is_kept_between_processes_of_one_boot_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The monotonic clock starts again with the machine: an old slot would stop a run for days."""
    SharedStore(tmp_path / "rates.db", "key").update(lambda _: PaceState(slot=1e9))
    assert SharedStore(tmp_path / "rates.db", "key").update(lambda state: state).slot == 1e9
    monkeypatch.setattr("importer.chunker.shared_rate._boot", lambda: "another")
    assert SharedStore(tmp_path / "rates.db", "key").update(lambda state: state) == PaceState()


def test_a_store_that_fails_leaves_this_process_its_own_rate(tmp_path: Path) -> None:
    """A full disk must not stop a run, nor let it go faster."""
    store = SharedStore(tmp_path / "rates.db", "key")
    pacer = Pacer(read_rate("1/second"), 1, lambda: 100.0, lambda: 0.0, store)
    assert pacer.slot() == 100.0
    store._connection.execute("DROP TABLE slots")
    assert pacer.slot() > 100.9
    assert pacer.slot() > 101.9


def test_an_error_of_the_change_itself_is_not_swallowed(tmp_path: Path) -> None:
    store = SharedStore(tmp_path / "rates.db", "key")

    def wrong(_: PaceState) -> PaceState:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.update(wrong)
    assert store.update(lambda state: state) == PaceState()


def test_the_file_is_private(tmp_path: Path) -> None:
    store = shared_slots({"XDG_STATE_HOME": str(tmp_path)}, "key with a name in it")
    assert isinstance(store, SharedStore)
    path = tmp_path / "capillary-importer" / "rates.db"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    store.update(lambda _: PaceState(slot=1.0))
    ((key,),) = sqlite3.connect(path).execute("SELECT key FROM slots").fetchall()
    assert "name" not in key


def test_without_a_writable_folder_each_process_has_its_own_rate(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert isinstance(shared_slots({"XDG_STATE_HOME": str(tmp_path / "file")}, "key"), MemoryStore)


def test_the_folder_of_state() -> None:
    assert state_folder({"HOME": "/home/a"}) == Path("/home/a/.local/state/capillary-importer")
    assert state_folder({"HOME": "/home/a", "XDG_STATE_HOME": "/s"}) == Path("/s/capillary-importer")


def test_a_user_without_a_home_shares_the_rate_by_a_folder_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a container the system may not know the user, and no variable names a home. A folder that another user made
    in its place is not used."""
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    tmp_path.chmod(0o1777)
    assert current_pace({}, "key") is None
    shared_slots({}, "key").update(lambda _: PaceState(slot=7.0))
    assert shared_slots({}, "key").update(lambda state: state).slot == 7.0
    assert current_pace({}, "key") == PaceState(slot=7.0)
    assert state_folder({}).parent == tmp_path
    monkeypatch.setattr(os, "getuid", lambda: 54_321)
    state_folder({}).mkdir()
    assert isinstance(shared_slots({}, "key"), MemoryStore)
