"""How the API is asked: client, pace and admission of a target, and the session that a run's questions share."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import closing
from types import TracebackType
from typing import Any, Self, TypeVar

from importer.capillary.client import Client, ClientOptions
from importer.capillary.proxies import proxies_of
from importer.chunker.pacer import MemoryStore, Pacer, SlotStore
from importer.chunker.shared_rate import shared_slots
from importer.runs.target import Target
from importer.sender.admission import Admission
from importer.sender.retry import BackOff, Breaker
from importer.settings.options import Settings
from importer.world import World

_Result = TypeVar("_Result")


def _client_options_of(target: Target, settings: Settings, world: World) -> ClientOptions:
    return ClientOptions(
        target.base_url,
        connections=settings.concurrency,
        gzip=settings.gzip,
        attribution_type=settings.attribution_type,
        attribution_code=settings.attribution_code,
        certificates=world.environ.get("SSL_CERT_FILE", ""),
        proxies=proxies_of(world.environ),
    )


def _slots_of(target: Target, world: World) -> SlotStore:
    """The slots of the key, which processes of this machine share. A target with its own transport has no other
    user."""
    return MemoryStore() if target.transport is not None else shared_slots(world.environ, target.rate_key)


def _name_target(target: Target, settings: Settings, world: World) -> None:
    """Before the first request: report where it goes, with whose credentials, and which settings file says so."""
    if not settings.sandbox:
        world.observer.of_target(target.base_url, target.credentials.name, settings.settings_file)


class Session:
    """One event loop, one client with its token, and one pace: for the question before a run and for its sending, for
    `verify`, and for the online check."""

    def __init__(self, target: Target, settings: Settings, world: World) -> None:
        self.client = Client(
            _client_options_of(target, settings, world), target.credentials, world.clock, target.transport
        )
        self._target: Target | None = target
        self._slots = _slots_of(target, world)
        self._pacer = Pacer(settings.rate, settings.burst, world.clock, world.jitter, self._slots)
        self._settings = settings
        self._world = world
        self._runner: asyncio.Runner | None = asyncio.Runner()

    def admission(self, world: World | None = None) -> Admission:
        """A new one for each kind of request: that one kind is accepted says nothing about another. `world`: that of a
        run which began after the session."""
        settings, world = self._settings, world or self._world
        return Admission(
            self._pacer,
            Breaker(world.clock, settings.max_outage),
            BackOff(world.jitter),
            concurrency=settings.concurrency,
            clock=world.clock,
            wall=world.wall,
            observer=world.observer,
            sleep=world.sleep,
            proofs=world.proofs,
        )

    def run(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        assert self._runner is not None  # not closed
        if self._target is not None:
            _name_target(self._target, self._settings, self._world)
            self._target = None
        return self._runner.run(work)

    def close(self) -> None:
        """Ends what is left in the event loop. Nothing can be asked any more."""
        runner, self._runner = self._runner, None
        if runner is not None:
            with closing(self._slots), runner:
                runner.run(self.client.close())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
