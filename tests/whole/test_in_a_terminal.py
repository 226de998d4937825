"""The program in a real terminal: what a person sees who watches a run, stops it and resumes it."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import shlex
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from importer.cli import sending
from importer.cli.sending import Sending
from importer.errors import ExitCode
from importer.sandbox import EmbeddedSandbox, SandboxOptions
from importer.sender.engine import GRACE
from importer.settings.options import Settings
from importer.system.overdue import LATEST

#: Seconds that no machine is too slow for. A run that waits for the hanging server's answers takes longer.
HANGS = 100


class Typed:
    """A command in a terminal of so many columns. `keys` types, `until` reads until a text is shown."""

    def __init__(self, folder: Path, columns: int, *words: str) -> None:
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("IMPORTER_", "COLUMNS"))}
        secrets = {"IMPORTER_USERNAME": "sandbox-till", "IMPORTER_PASSWORD": "sandbox"}
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                "import os, fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
                "import importer.cli.main as m; m.main()",
                *words,
            ],
            cwd=folder,
            env={
                **environ,
                **secrets,
                "XDG_STATE_HOME": str(folder / "state"),
                "PYTHONPATH": str(Path(__file__).parents[2]),
            },
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self._screen = ours
        self.shown = ""

    def keys(self, text: str) -> None:
        os.write(self._screen, text.encode())

    def until(self, word: str, seconds: float = HANGS) -> None:
        end = time.monotonic() + seconds
        while word not in self.shown and time.monotonic() < end and self._read(0.1):
            pass
        assert word in self.shown, self.shown

    def end(self, seconds: float) -> int:
        end = time.monotonic() + seconds
        while time.monotonic() < end and self._read(0.1):
            pass
        return self._process.wait(max(end - time.monotonic(), 1))

    def _read(self, seconds: float) -> bool:
        if not select.select([self._screen], [], [], seconds)[0]:
            return True
        try:
            read = os.read(self._screen, 65536)
        except OSError:
            return False  # the terminal of a program that has ended
        self.shown += read.decode()
        return bool(read)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._screen)


@pytest.fixture
def hanging() -> Iterator[EmbeddedSandbox]:
    """It answers two requests and no further one."""
    with EmbeddedSandbox(SandboxOptions(faults=("3-:hang",))) as sandbox:
        yield sandbox


def started(folder: Path, sandbox: EmbeddedSandbox) -> Typed:
    rows = "".join(f"+91700{row:07},Blue\n" for row in range(1, 901))
    (folder / "sheet.csv").write_text("mobile,Favorite Color\n" + rows)
    words = ("run", "sheet.csv", "--base-url", sandbox.base_url, "--reports-dir", "my reports", "--rate", "20/second")
    typed = Typed(folder, 80, *words)
    end = time.monotonic() + HANGS
    while len(sandbox.state.requests) < 4 and time.monotonic() < end:
        typed._read(0.05)
    return typed


@pytest.mark.process
@pytest.mark.slow
def test_ctrl_c_says_what_it_waits_for_and_ends_in_time(tmp_path: Path, hanging: EmbeddedSandbox) -> None:
    """The server has stalled: how many requests, how long; then reports, and a command that resumes as pasted."""
    typed = started(tmp_path, hanging)
    typed.until(" of 900 rows")
    typed.keys("\x03")
    typed.until("in-flight request")
    assert re.search(rf"up to {GRACE:.0f} s for [1-8] in-flight requests?", typed.shown)
    assert typed.end(HANGS) == ExitCode.INTERRUPTED
    assert list((tmp_path / "my reports").glob("2*/summary.json"))
    (command,) = set(re.findall(r"importer (resume \S+ --reports-dir 'my reports')", typed.shown))
    typed.close()
    hanging.state.faults = ()
    again = Typed(tmp_path, 80, *shlex.split(command))
    assert again.end(HANGS) == ExitCode.OK, again.shown
    again.close()


@pytest.mark.process
@pytest.mark.slow
def test_a_second_ctrl_c_ends_at_once_and_says_how_to_resume(tmp_path: Path, hanging: EmbeddedSandbox) -> None:
    typed = started(tmp_path, hanging)
    typed.keys("\x03")
    typed.until("in-flight request")
    typed.keys("\x03")
    assert typed.end(HANGS) == ExitCode.INTERRUPTED
    # The first one alone would wait for the requests, then write reports.
    assert not list((tmp_path / "my reports").glob("2*/summary.json"))
    run_id = re.search(r"`importer resume (\S+) --reports-dir 'my reports'`", typed.shown.replace("\r\n", " "))
    assert run_id, typed.shown
    typed.close()


@pytest.mark.parametrize("reporting", [False, True])
def test_what_a_stop_waits_for(capfd: pytest.CaptureFixture[str], reporting: bool) -> None:
    """Requests while they are in flight, afterwards the reports: each with its time."""
    with Sending(quiet=True, settings=Settings()) as world:
        world.stopper.listen(lambda: None, "20261129-0200-a-0000", lambda: 3)
        if reporting:
            world.stopper.sent()
        signal.raise_signal(signal.SIGINT)
    said = capfd.readouterr().err
    assert (f"{LATEST:.0f} s" if reporting else f"{GRACE:.0f} s for 3 in-flight requests") in said
    assert world.stopper.asked


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_whatever_hangs_a_signal_ends_the_program_and_says_how_to_resume(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    """Reports of a large workbook may take longer than a person waits: the commands that write them and resume."""
    ended = threading.Event()
    monkeypatch.setattr(sending, "LATEST", 0.05)
    monkeypatch.setattr(os, "_exit", lambda _: ended.set())
    with Sending(quiet=True, settings=Settings(reports_dir="my reports")) as world:
        world.stopper.listen(lambda: None, "20261129-0200-a-0000", lambda: 3)
        world.stopper.sent()
        signal.raise_signal(number)
        assert ended.wait(HANGS)
    said = capfd.readouterr().err
    for verb in ("report", "resume"):
        assert f"`importer {verb} 20261129-0200-a-0000 --reports-dir 'my reports'`" in said
