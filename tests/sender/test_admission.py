"""When a request may leave."""

from __future__ import annotations

import asyncio
import time
from functools import partial

import pytest

from importer.capillary.client import Client, ClientOptions
from importer.capillary.credentials import OAuth
from importer.capillary.triage import RequestFailed
from importer.capillary.wire import encode_body, encode_customer
from importer.chunker.pacer import Pacer
from importer.errors import Busy
from importer.model import Customer, Rate, Reply
from importer.observer import Observer
from importer.sandbox import EmbeddedSandbox
from importer.sandbox.options import DEFAULT_KEY, DEFAULT_SECRET
from importer.sender.admission import Admission
from importer.sender.retry import BackOff, Breaker
from importer.world import Proof


def admission_with(proof: Proof) -> Admission:
    """One that lets a request out at once."""
    return Admission(
        Pacer(Rate(1000, 1.0), 1000, time.monotonic, lambda: 0.0, None),
        Breaker(time.monotonic, 60.0),
        BackOff(lambda: 0.0),
        concurrency=1,
        clock=time.monotonic,
        wall=lambda: 0,
        observer=Observer(),
        sleep=asyncio.sleep,
        proofs=(proof,),
    )


def test_no_request_leaves_without_its_proofs() -> None:
    """Each is asked before every request; where one fails, nothing is sent."""
    proofs: list[int] = []

    class Held:
        async def prove(self) -> None:
            proofs.append(len(proofs))
            if len(proofs) > 2:
                raise Busy("taken")

        def is_certain(self) -> bool:
            return True

    async def ask() -> int:
        asked = 0
        admission = admission_with(Held())

        async def question(written: object) -> str:
            nonlocal asked
            asked += 1
            return "answered"

        for _ in range(2):
            await admission.ask(question)
        with pytest.raises(Busy):
            await admission.ask(question)
        return asked

    assert asyncio.run(ask()) == 2


def test_a_batch_that_waited_for_its_token_is_not_sent_without_the_lease() -> None:
    """The process was suspended between the proof and the request, and another one has taken over."""
    certain = iter([False, True])

    class Held:
        async def prove(self) -> None:
            pass

        def is_certain(self) -> bool:
            return next(certain)

    async def ask(sandbox: EmbeddedSandbox) -> None:
        admission = admission_with(Held())
        body = encode_body([encode_customer(Customer(2, mobile="919876543210", custom_fields=(("Colour", "red"),)))])
        credentials = OAuth(DEFAULT_KEY, DEFAULT_SECRET)
        async with Client(ClientOptions(sandbox.base_url), credentials, time.monotonic) as client:
            asked = await admission.ask(partial(client.set_preferences, body))
            assert isinstance(asked.reply, RequestFailed) and not asked.reply.trouble.doubt
            assert not sandbox.state.requests
            assert isinstance((await admission.ask(partial(client.set_preferences, body))).reply, Reply)

    with EmbeddedSandbox() as sandbox:
        asyncio.run(ask(sandbox))
