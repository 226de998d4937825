"""The CPU that commands take to start, in imports of click and pandas: `python -m tests.benchmarks.startup`.

Each figure is the median of several child processes (user and system time), all of them with compiled bytecode.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from importer.sandbox import EmbeddedSandbox

CLICK, PANDAS = ("-c", "import click"), ("-c", "import pandas")
#: What is measured, in multiples of what, and the most that is allowed.
MEASURED = (
    (("-m", "importer", "--help"), CLICK, 4.0),
    (("-m", "importer", "--version"), CLICK, 4.0),
    (("-m", "importer", "runs"), CLICK, 8.0),
    (("-m", "importer", "codes"), CLICK, 8.0),
    (("-m", "importer", "run", "ten.csv", "--sandbox", "--quiet"), PANDAS, 1.7),
    (("-m", "importer", "run", "ten.csv", "--quiet"), PANDAS, 1.7),  # to the server of main()
)
REPEATS = 9


def cpu_of(words: Sequence[str], folder: Path, sandbox: EmbeddedSandbox) -> float:
    """Seconds of CPU of one child process and its children."""
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    if "--sandbox" not in words:
        environ |= {"IMPORTER_BASE_URL": sandbox.base_url}
        environ |= {"IMPORTER_USERNAME": sandbox.username, "IMPORTER_PASSWORD": sandbox.password}
    root = str(Path(__file__).parents[2])
    with subprocess.Popen(
        [sys.executable, *words],
        cwd=folder,
        env=environ | {"PYTHONPATH": root},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as child:
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0, words
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    with tempfile.TemporaryDirectory() as place, EmbeddedSandbox() as sandbox:
        folder = Path(place)
        rows = "".join(f"A{number},Blue\n" for number in range(10))
        (folder / "ten.csv").write_text(f"External id,Colour\n{rows}", encoding="utf-8")
        print(f"{'command':<44} {'CPU':>8} {'ratio':>7} {'allowed':>8}")
        for words, base, allowed in MEASURED:
            for each in (words, base):
                cpu_of(each, folder, sandbox)  # compiles what is not compiled yet
            # In turns, so that both meet the same machine.
            pairs = [(cpu_of(words, folder, sandbox), cpu_of(base, folder, sandbox)) for _ in range(REPEATS)]
            taken, unit = (statistics.median(column) for column in zip(*pairs, strict=True))
            name = " ".join(words).removeprefix("-m ")
            print(f"{name:<44} {taken:7.3f}s {taken / unit:7.2f} {allowed:8.1f}")


if __name__ == "__main__":
    main()
