"""Loads a module when its work is really done: what most commands never use must not slow their start."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def late(module: str, name: str) -> Any:
    """The attribute `name` of `module`. Import it under `TYPE_CHECKING` too, and give the result its type."""
    return getattr(import_module(module), name)
