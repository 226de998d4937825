"""Processes: which one a number means, for the machine gives the number of a dead process to another one."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path


def birth_of(pid: int) -> str:
    """When a process of this machine began, in a form that only equals itself; "" where that cannot be had."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        # The name, in parentheses, may hold anything; of what follows it, the twentieth field is the start.
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return f"{fields[19]} {boot}"
    except (OSError, IndexError):
        return _birth_told(pid) if not Path("/proc/self/stat").exists() else ""


def _birth_told(pid: int) -> str:
    """Where there is no /proc: macOS and the BSDs."""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        told = subprocess.run(
            ["/bin/ps", "-o", "lstart=", "-p", str(pid)],
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
            env={"LC_ALL": "C", "TZ": "UTC"},
        )
        return " ".join(told.stdout.split())
    return ""


def stop(pid: int, birth: str) -> bool:
    """Asks a process to stop well, if it is still the one that was born then and ours to ask."""
    if pid <= 1 or not birth or birth_of(pid) != birth:
        return False
    try:
        os.kill(pid, signal.SIGTERM)
    except OSError:
        return False
    return True
