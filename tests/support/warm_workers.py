"""Worker processes of the page, forked from a template that has done the imports: the tests start about 180 of them.

The page starts a worker as usual, but its command is a small client. The client passes its streams, environment and
directory to the template and waits for the fork; if the client is killed, so is the fork. Everything else is as in
production: the task, the messages, the stop, its own session. `tests/web/test_restart.py` also kills a server whose
workers start as in production.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import importer.web.child
from importer.system.process import child_environ

#: The environment variable that passes the socket of the template to a server.
VARIABLE = "TESTS_WARM_WORKERS"
ROOT = Path(__file__).parents[2]
# With as few imports as possible: this is the only interpreter that starts for each worker.
_CLIENT = """
import os, socket, sys
with socket.socket(socket.AF_UNIX) as line:
    line.connect(sys.argv[1])
    given = b"\\0".join(b"%s=%s" % pair for pair in os.environb.items())
    socket.send_fds(line, [b"%d\\n%s\\n" % (len(given), os.getcwdb())], [0, 1, 2])
    line.sendall(given)
    for stream in (0, 1, 2):
        os.close(stream)
    line.recv(1)
"""


@functools.cache
def template() -> str:
    """The path of the template's socket. The template ends with this process."""
    folder = tempfile.mkdtemp(prefix="workers-")
    path = f"{folder}/socket"
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "tests.support.warm_workers", path],
        env={**os.environ, **_found_here(), "OPENBLAS_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdin is not None and process.stdout is not None
    assert process.stdout.read(1) == b"."

    def end() -> None:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.close()
        process.wait()
        process.stdout.close()
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(end)
    return path


def environ() -> dict[str, str]:
    """What a server needs for `serve`."""
    return {VARIABLE: template(), **_found_here()}


def _found_here() -> dict[str, str]:
    """Finds the package and its tests where they were found here."""
    return {"PYTHONPATH": os.pathsep.join((child_environ(os.environ)["PYTHONPATH"], str(ROOT)))}


def command_by(path: str) -> Callable[[str], list[str]]:
    """In place of `child_command`."""
    client = [sys.executable, "-I", "-S", "-c", _CLIENT, path]

    def command(module: str) -> list[str]:
        assert module == "importer.web.worker", module
        return client

    return command


def serve() -> None:
    """`importer` with these workers."""
    from importer.cli.main import main

    vars(importer.web.child)["child_command"] = command_by(os.environ.pop(VARIABLE))
    main()


# ------------------------------------------------------------------------------------------------------ the template


def _run_template(path: str) -> None:
    import importer.web.worker

    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(64)
    woken, wakes = socket.socketpair()
    woken.setblocking(False)
    wakes.setblocking(False)
    signal.set_wakeup_fd(wakes.fileno())
    signal.signal(signal.SIGCHLD, lambda *_: None)
    os.write(1, b".")
    with selectors.DefaultSelector() as selector:
        for source in (listener, woken, sys.stdin):
            selector.register(source, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is sys.stdin:
                    return
                if key.fileobj is listener:
                    line, _ = listener.accept()
                    if os.fork() == 0:
                        _become(line, importer.web.worker.main)
                    line.close()
                else:
                    woken.recv(4096)
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass


def _become(line: socket.socket, main: Callable[[], None]) -> None:
    """Turns a fork into the process that the client stands for."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        head, streams, _, _ = socket.recv_fds(line, 65536, 3)
        while head.count(b"\n") < 2:
            head += _received(line)
        length, folder, given = head.split(b"\n", 2)
        while len(given) < int(length):
            given += _received(line)
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        os.environb.clear()
        os.environb.update(dict(pair.split(b"=", 1) for pair in given.split(b"\0")))
        os.chdir(folder)
        threading.Thread(target=_die_with, args=(line,), daemon=True).start()
        main()
        code = 0
    finally:
        os._exit(code)


def _received(line: socket.socket) -> bytes:
    """Raises `EOFError` where the client was killed."""
    if not (found := line.recv(65536)):
        raise EOFError
    return found


def _die_with(line: socket.socket) -> None:
    line.recv(1)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    _run_template(sys.argv[1])
