"""A process that has loaded the importer and forks itself for each command: a start takes milliseconds.

Reads one JSON document a line: words, cwd, environ, output, gate ("main" or "journal"), fifo. The child waits at its
gate, with the number of the waiting thread in `fifo.tid`, until the fifo is opened. In this time strace is attached to
exactly that thread. Its system calls are counted from then on.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import sys
import threading
from pathlib import Path
from typing import Any

import certifi
import phonenumbers

import importer
from importer import journal
from importer.cli.main import main


def wait_at(gate: str) -> None:
    """Writes down which thread waits, then waits."""
    ready = Path(gate + ".tid")
    aside = Path(gate + ".tid.part")
    aside.write_text(str(threading.get_native_id()))
    aside.rename(ready)
    with open(gate, "rb") as fifo:
        fifo.read()


def child(order: dict[str, Any]) -> None:
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["environ"])
    out = os.open(order["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(out, 1)
    os.dup2(out, 2)
    if order["gate"] == "journal":
        work = journal.Scribe._work

        def gated(scribe: journal.Scribe) -> None:
            wait_at(order["fifo"])
            work(scribe)

        journal.Scribe._work = gated  # type: ignore[assignment]
    elif order["gate"] == "main":
        wait_at(order["fifo"])
    try:
        main(order["words"])
    except SystemExit as ended:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(ended.code if isinstance(ended.code, int) else 0)
    except BaseException as error:
        os.write(2, repr(error).encode())
    os._exit(99)


def load() -> None:
    """All that a command imports when it runs: no fork should have to."""
    for module in pkgutil.walk_packages(importer.__path__, "importer."):
        if not module.name.startswith("importer.web") and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    phonenumbers.parse("+918181000001")  # loads the numbering plan
    certifi.where()


def serve() -> None:
    load()
    gc.freeze()
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            child(order)
        print(pid, flush=True)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    serve()
