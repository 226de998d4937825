"""The rate over real time and real sockets: never more than the limit in any window, nearly all of it used.

Ten seconds each; the minutes that the promise speaks of are in `tests/benchmarks/sending.py rate`.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path

import msgspec
import pytest

from importer.pacer import Pacer
from importer.pipeline import run
from importer.sandbox import EmbeddedSandbox, SandboxOptions
from importer.settings import Settings, read_rate
from importer.world import World
from tests.sending.test_pacer import most_in_a_window
from tests.sending.test_stopping import sheet


def settings(base_url: str, folder: Path, rate: str, seconds: float) -> Settings:
    return Settings(
        base_url=base_url,
        rate=read_rate(rate),
        batch_size=1,
        max_duration=seconds,
        reports_dir=str(folder / "reports"),
    )


def environ(folder: Path) -> dict[str, str]:
    return {
        "IMPORTER_USERNAME": "sandbox-till",
        "IMPORTER_PASSWORD": "sandbox",
        "HOME": str(folder),
        "XDG_STATE_HOME": str(folder),
    }


@pytest.mark.parametrize("processes", [1, 2])
def test_ten_seconds_at_600_a_minute_use_it_and_provoke_no_429(tmp_path: Path, processes: int) -> None:
    """The server allows 10 requests a second and 200 ms pass before an answer: 98 requests in 10 s, and not one 429.

    Two runs that share a key share the rate, too.
    """
    with EmbeddedSandbox(SandboxOptions(latency=(0.2,), rate_limit="600/minute")) as sandbox:
        runs = []
        for number in range(processes):
            folder = tmp_path / str(number)
            folder.mkdir()
            one = settings(sandbox.base_url, folder, "600/minute", 9.0 + processes)
            source = str(sheet(folder, 400))
            runs.append(threading.Thread(target=run, args=(source, one, World(environ(tmp_path)))))
        for thread in runs:
            thread.start()
        for thread in runs:
            thread.join()
        arrived = [record.at for record in sandbox.state.requests]
        assert sandbox.state.throttled == 0
    begin = arrived[0] + 1.0
    inside = [at for at in arrived if begin <= at < begin + 8.0]
    assert len(inside) >= 0.98 * 80 - 1
    # On the way to the server a request may be late, and the next one is not: a busy machine moves one or two.
    assert most_in_a_window(inside, 1.0) <= 12


def test_seconds_at_50_a_second_never_exceed_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also on a busy machine, where this process and the server wake late: the limit comes before the use of it. What
    we write to the wire holds it to the letter; between there and the server's clock lies its own lateness."""
    written: list[float] = []
    count = Pacer.written

    def note(pacer: Pacer) -> None:
        written.append(time.monotonic())
        count(pacer)

    monkeypatch.setattr(Pacer, "written", note)
    with EmbeddedSandbox(SandboxOptions(latency=(0.2,), rate_limit="50/second")) as sandbox:
        one = settings(sandbox.base_url, tmp_path, "50/second", 6.0)
        run(str(sheet(tmp_path, 500)), msgspec.structs.replace(one, concurrency=24), World(environ(tmp_path)))
        arrived = [record.at for record in sandbox.state.requests]
    assert most_in_a_window(written, 1.0) <= 50
    assert most_in_a_window(arrived, 1.0) <= 51
    assert sandbox.state.throttled <= 1
    assert len(arrived) >= 150
