"""Two processes that fork themselves, so that two points are tried at a time."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.support.crashes import AT_ONCE, Zygote, Zygotes, cannot_trace


@pytest.fixture(scope="session")
def zygotes() -> Iterator[Zygotes]:
    if reason := cannot_trace():
        pytest.skip(reason)
    with ExitStack() as stack:
        pool: Zygotes = queue.SimpleQueue()
        for _ in range(AT_ONCE):
            pool.put(stack.enter_context(Zygote()))
        yield pool
