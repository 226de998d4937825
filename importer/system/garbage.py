"""Garbage collection: paused where many objects without cycles are made, rarer while a run sends."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

#: New objects before the youngest generation is collected, and the factors for the older two. A full collection stops
#: the loop for 30 ms, which is a slot and a half at 50 requests a second.
COLLECT_AT = (5_000, 50, 100)


@contextmanager
def collection_paused() -> Iterator[None]:
    """No collection until the end of the block. Nested blocks may overlap."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@contextmanager
def fewer_collections() -> Iterator[None]:
    """Collects less often, and never what existed before (mostly modules)."""
    before = gc.get_threshold()
    if before == COLLECT_AT:
        # Another run of this process has set it, and restores it.
        yield
        return
    gc.set_threshold(*COLLECT_AT)
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
