"""For all tests: no network beyond this machine, no settings of the user, no dependence on chance or on load."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from pytest_socket import socket_allow_hosts

pytest_plugins = ("tests.support.fixtures", "tests.support.journals")

_LOOPBACK = ("127.0.0.1", "::1")

# The same examples every time: an unrelated change must not make a test fail. The profile `default` tries others.
settings.register_profile(
    "steady", derandomize=True, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("steady")


#: A folder in memory, and the room that it must have, bytes.
_MEMORY, _ROOM = Path("/dev/shm"), 2 << 30


def pytest_configure() -> None:
    if _has_room(_MEMORY):
        # Temporary folders: a journal is synced often, and a busy disk takes its time for that.
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_MEMORY))
    for name in [name for name in os.environ if name.startswith("IMPORTER_")]:
        del os.environ[name]


def _has_room(folder: Path) -> bool:
    """Whether tests may use the folder: a container often gives it 64 MB, or lets no program start there."""
    if not os.access(folder, os.W_OK):
        return False
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize >= _ROOM and not found.f_flag & os.ST_NOEXEC


@pytest.fixture(autouse=True, scope="session")
def _names_stay_here() -> Iterator[None]:
    """Resolve only the names of this machine: a name server is network too."""
    ask = socket.getaddrinfo

    def only_here(host: Any, *rest: Any, **named: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name in (None, "", "localhost", socket.gethostname(), *_LOOPBACK):
            return ask(host, *rest, **named)
        try:
            return ask(host, *rest, **named | {"flags": socket.AI_NUMERICHOST})
        except (socket.gaierror, TypeError):
            raise socket.gaierror(socket.EAI_NONAME, f"tests do not resolve names: {name}") from None

    patch = pytest.MonkeyPatch()
    patch.setattr(socket, "getaddrinfo", only_here)
    yield
    patch.undo()


def pytest_runtest_setup(item: pytest.Item) -> None:
    socket_allow_hosts(list(_LOOPBACK), allow_unix_socket=True)
