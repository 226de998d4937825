"""Caches of what cells mean: they keep many short texts and no long ones, so their memory has a limit."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import ParamSpec, TypeVar, cast

P = ParamSpec("P")
R = TypeVar("R")

#: Characters of the longest text that is kept.
LONGEST_KEPT = 256


def remembered(texts: int) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a function, whose first argument is a text, remember its results for so many of the last texts."""

    def decorate(read: Callable[P, R]) -> Callable[P, R]:
        known = cast("Callable[P, R]", lru_cache(maxsize=texts)(read))

        @wraps(read)
        def read_or_remember(*cell: P.args, **options: P.kwargs) -> R:
            text = cell[0]
            assert isinstance(text, str)
            return (known if len(text) <= LONGEST_KEPT else read)(*cell, **options)

        return read_or_remember

    return decorate
