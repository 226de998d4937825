"""The target of a run: the API, or the sandbox started for this run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from importer.capillary.credentials import Basic, Credentials, from_environment
from importer.errors import SettingsError
from importer.sandbox import EmbeddedSandbox
from importer.settings.options import Settings
from importer.world import World


class Target(msgspec.Struct, frozen=True):
    """A server and credentials. `name`: how the journal names it, because the port of a sandbox changes."""

    base_url: str
    name: str
    credentials: Credentials
    #: Served by this process: no proxy can reach it.
    direct: bool = False

    @property
    def rate_key(self) -> str:
        return rate_key(self.base_url, self.credentials.name)


def rate_key(base_url: str, name: str) -> str:
    """Return what the rate belongs to: server and user."""
    return f"{base_url} {name}"


@contextmanager
def target_of(settings: Settings, world: World) -> Iterator[Target]:
    """Yield the API of the settings, or a sandbox for the time of the run. Raises `SettingsError`."""
    if bool(settings.attribution_type) != bool(settings.attribution_code):
        raise SettingsError(
            "The attribution needs both a type and a code.",
            "Give --attribution-type and --attribution-code together, or neither.",
            on_page="Ask the administrator of this page to set both, or neither.",
        )
    if settings.sandbox:
        with EmbeddedSandbox() as sandbox:
            yield Target(sandbox.base_url, "sandbox", Basic(sandbox.username, sandbox.password), direct=True)
    elif settings.base_url:
        yield Target(settings.base_url, settings.base_url, from_environment(world.environ, settings.credentials))
    else:
        raise SettingsError(
            "No target is given.",
            "Add --base-url https://… (or --cluster NAME) to send to the API, or --sandbox to try it out.",
            on_page="Ask the administrator of this page to set the address of the API.",
        )
