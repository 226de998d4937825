"""The world: what is not pure, passed in; and the target, the API or a stand-in for it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress

import httpx
import msgspec

from importer.client import served_here
from importer.credentials import Basic, Credentials, from_environment
from importer.errors import SettingsError
from importer.progress import Silent
from importer.sandbox import EmbeddedSandbox
from importer.settings import Settings


class World(msgspec.Struct):
    """What is not pure, passed in: the environment, clocks, chance, the network, who watches, who may stop it."""

    environ: Mapping[str, str]
    observer: Silent = msgspec.field(default_factory=Silent)
    clock: Callable[[], float] = time.monotonic
    wall: Callable[[], int] = lambda: time.time_ns() // 1_000_000
    jitter: Callable[[], float] = random.random
    transport: httpx.AsyncBaseTransport | None = None
    #: The wall time by which whoever calls wants to be through: one moment for all runs of a night.
    closes: int | None = None
    stopper: Stopper = msgspec.field(default_factory=lambda: Stopper())


class Stopper:
    """How a face asks a run to stop; safe to call from a signal handler or another thread."""

    def __init__(self) -> None:
        self.asked = False
        self._tell: Callable[[], object] | None = None

    def ask(self) -> bool:
        """Returns whether somebody is there to stop well."""
        self.asked = True
        if self._tell is None:
            return False
        # A closed loop: the sending is over, and the reports are being written.
        with suppress(RuntimeError):
            self._tell()
        return True

    def listen(self, tell: Callable[[], object]) -> None:
        self._tell = tell


class Target(msgspec.Struct, frozen=True):
    """Where the customers go and as whom. `name` stands for it in the journal: the sandbox's port changes."""

    base_url: str
    name: str
    credentials: Credentials

    @property
    def rate_key(self) -> str:
        """What the rate belongs to: whoever asks the same server as the same user shares it."""
        return f"{self.base_url} {self.credentials.name}"


@contextmanager
def target_of(settings: Settings, world: World) -> Iterator[Target]:
    """The API that the settings name, or a stand-in that lives as long as the run. Raises `SettingsError`."""
    if bool(settings.attribution_type) != bool(settings.attribution_code):
        missing = "--attribution-code" if settings.attribution_type else "--attribution-type"
        raise SettingsError(f"{missing} is not given, and the other means nothing alone.", "Give both, or neither.")
    if settings.sandbox:
        with EmbeddedSandbox() as sandbox, served_here(sandbox.base_url):
            yield Target(sandbox.base_url, "sandbox", Basic(sandbox.username, sandbox.password))
    elif settings.base_url:
        yield Target(settings.base_url, settings.base_url, from_environment(world.environ, settings.credentials))
    else:
        raise SettingsError(
            "No target is given.",
            "Add --base-url https://… (or --cluster NAME) to send to the API, or --sandbox to try it without.",
        )
