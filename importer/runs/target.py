"""The target of a run: the API, or the sandbox started for this run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

import msgspec

from importer.capillary.client import Transport, in_process
from importer.capillary.credentials import Basic, Credentials, from_environment
from importer.capillary.proxies import proxies_of
from importer.capillary.unencrypted import refuse_unencrypted
from importer.errors import SettingsError
from importer.journal.records import SANDBOX, organisation_of
from importer.settings.options import Settings
from importer.system.late import late
from importer.world import World


class Target(msgspec.Struct, frozen=True):
    """A server and credentials. `name`: how the journal names it. `transport`: used instead of the network."""

    base_url: str
    name: str
    credentials: Credentials
    transport: Transport | None = None

    @property
    def organisation(self) -> tuple[str, str]:
        """As `RunRecord.organisation`."""
        return organisation_of(self.name, self.credentials.name)

    @property
    def rate_key(self) -> str:
        return rate_key(self.base_url, self.credentials.name)


def rate_key(base_url: str, name: str) -> str:
    """Return what the rate belongs to: server and user."""
    return f"{base_url} {name}"


def organisation_in(settings: Settings, environ: Mapping[str, str]) -> tuple[str, str]:
    """Return the organisation that these settings send to, as `RunRecord.organisation`. Raises `SettingsError`."""
    if settings.sandbox:
        return organisation_of(SANDBOX, "")
    return organisation_of(settings.base_url, from_environment(environ, settings.credentials).name)


def no_target() -> SettingsError:
    return SettingsError(
        "No target is given.",
        "Add --base-url https://… (or --cluster NAME) to send to the API, or --sandbox to try it out.",
        on_page="Ask the administrator of this page to set the address of the API.",
    )


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
        create_app: Callable[[], Any] = late("importer.sandbox.app", "create_app")
        app = create_app()
        with closing(app.state.sandbox) as sandbox:
            user = Basic(sandbox.options.username, sandbox.options.password)
            yield Target("http://sandbox", SANDBOX, user, in_process(app))
    elif settings.base_url:
        if not settings.insecure and world.transport is None:
            refuse_unencrypted(settings.base_url, proxies_of(world.environ))
        credentials = from_environment(world.environ, settings.credentials)
        yield Target(settings.base_url, settings.base_url, credentials, world.transport)
    else:
        raise no_target()
