"""When a request may leave."""

from __future__ import annotations

import asyncio
import time

import pytest

from importer.chunker.pacer import Pacer
from importer.errors import Busy
from importer.model import Rate
from importer.observer import Observer
from importer.sender.admission import Admission
from importer.sender.retry import BackOff, Breaker


def test_no_request_leaves_without_its_proofs() -> None:
    """Each is asked before every request; where one fails, nothing is sent."""
    proofs: list[int] = []

    async def prove() -> None:
        proofs.append(len(proofs))
        if len(proofs) > 2:
            raise Busy("taken")

    async def ask() -> int:
        asked = 0
        admission = Admission(
            Pacer(Rate(1000, 1.0), 1000, time.monotonic, lambda: 0.0, None),
            Breaker(time.monotonic, 60.0),
            BackOff(lambda: 0.0),
            concurrency=1,
            clock=time.monotonic,
            wall=lambda: 0,
            observer=Observer(),
            sleep=asyncio.sleep,
            proofs=(prove,),
        )

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
