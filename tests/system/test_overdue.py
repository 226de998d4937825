"""A process that does not end in time after a signal is ended, whatever its main thread waits for."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from importer.system.overdue import Overdue


@pytest.fixture(autouse=True)
def heard() -> Iterator[None]:
    """Both signals have a handler that does nothing."""
    numbers = (signal.SIGUSR1, signal.SIGUSR2)
    before = [signal.signal(number, lambda *_: None) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


def test_the_end_comes_once_the_time_is_over() -> None:
    ended = threading.Event()
    with Overdue((signal.SIGUSR1,), 0.01, lambda _: ended.set()):
        os.kill(os.getpid(), signal.SIGUSR1)
        assert ended.wait(250)


@pytest.mark.usefixtures("many_descriptors")
def test_the_end_comes_with_many_open_connections_too() -> None:
    """A second signal makes it sooner."""
    ended = threading.Event()
    with Overdue((signal.SIGUSR1,), 600.0, lambda _: ended.set()):
        os.kill(os.getpid(), signal.SIGUSR1)
        os.kill(os.getpid(), signal.SIGUSR1)
        assert ended.wait(250)


def test_who_ends_in_time_is_not_ended() -> None:
    """A second signal does not change that."""
    ended = threading.Event()
    with Overdue((signal.SIGUSR1,), 0.2, lambda _: ended.set()):
        os.kill(os.getpid(), signal.SIGUSR1)
        os.kill(os.getpid(), signal.SIGUSR1)
    assert not ended.wait(0.4)


def test_another_signal_does_not_count() -> None:
    ended = threading.Event()
    with Overdue((signal.SIGUSR1,), 0.0, lambda _: ended.set()):
        os.kill(os.getpid(), signal.SIGUSR2)
        assert not ended.wait(0.1)
        os.kill(os.getpid(), signal.SIGUSR1)
        assert ended.wait(250)


@pytest.mark.process
def test_the_first_process_of_a_container_ends_by_sigterm_while_it_starts() -> None:
    """The kernel drops a signal for which it has no handler: this one must exist before other modules are loaded."""
    unshare = shutil.which("unshare")
    program = (
        "import importer.cli, os, signal, time; assert os.getpid() == 1; os.kill(1, signal.SIGTERM); time.sleep(600)"
    )
    if unshare is None or subprocess.run([unshare, "-pf", "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs unshare and the right to make a PID namespace")
    done = subprocess.run([unshare, "-pf", "--kill-child", sys.executable, "-c", program], timeout=250, check=False)
    assert done.returncode == 130
