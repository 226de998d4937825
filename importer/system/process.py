"""Processes: starts our own, ends them with us, and distinguishes a process from a later one with the same number."""

from __future__ import annotations

import contextlib
import fcntl
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from importer.system.streams import has_input

#: The environment variables of a child that reads untrusted files: it must not see secrets.
WITHOUT_SECRETS = (
    "PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TEMP", "TMP", "VIRTUAL_ENV", "PYTHONHOME",
    "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "USERPROFILE", "APPDATA",
)  # fmt: skip


def child_command(module: str) -> list[str]:
    """The command of a child process that runs a module of this package; its folder holds no modules for it."""
    return [sys.executable, "-P", "-m", module]


def child_environ(environ: Mapping[str, str], kept: Iterable[str] | None = None) -> dict[str, str]:
    """The environment of such a child: all of `environ`, or the variables in `kept` only.

    The child finds this package where it was found here, installed or not.
    """
    home = str(Path(__file__).resolve().parents[2])
    names = environ if kept is None else [name for name in kept if name in environ]
    path = os.pathsep.join(filter(None, (home, environ.get("PYTHONPATH", ""))))
    return {**{name: environ[name] for name in names}, "PYTHONPATH": path}


@contextlib.contextmanager
def lifeline() -> Iterator[int]:
    """The end of a pipe for a child, see `end_with_parent`; the other end is open in this process alone."""
    end, held = os.pipe()
    try:
        yield end
    finally:
        os.close(end)
        os.close(held)


def end_with_parent(lifeline: int) -> None:
    """End this process, whatever it does, when the other end of a pipe is closed: its parent keeps that end open.

    The system closes it for a parent that is killed. It then sends SIGIO, which ends a process that does not handle it.
    """
    if not hasattr(os, "O_ASYNC"):
        return
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
    if has_input(lifeline, 0):
        # It was closed before.
        os.kill(os.getpid(), signal.SIGKILL)


def limit_resources(memory: int, seconds: int, file_size: int | None = None) -> None:
    """Limit the address space and the CPU time of this process, and the bytes of the files that it writes."""
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if file_size is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, file_size))


def birth_of(pid: int) -> str:
    """When a process of this machine began, in a form that only equals itself; "" where that is unknown."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        # The name, in parentheses, may hold anything; of what follows it, the twentieth field is the start.
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return f"{fields[19]} {boot}"
    except (OSError, IndexError):
        return _birth_by_ps(pid) if not Path("/proc/self/stat").exists() else ""


def _birth_by_ps(pid: int) -> str:
    """For systems without /proc: macOS and the BSDs."""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        listed = subprocess.run(
            ["/bin/ps", "-o", "lstart=", "-p", str(pid)],
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
            env={"LC_ALL": "C", "TZ": "UTC"},
        )
        return " ".join(listed.stdout.split())
    return ""


def stop(pid: int, birth: str) -> bool:
    """Send SIGTERM to a process, if it is still the one with this birth and we may. Returns whether it was sent."""
    if pid <= 1 or not birth or birth_of(pid) != birth:
        return False
    try:
        os.kill(pid, signal.SIGTERM)
    except OSError:
        return False
    return True
