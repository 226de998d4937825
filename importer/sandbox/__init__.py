"""A working sandbox for the API, to run and to test against. It shares no wire code with the importer."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from importer.sandbox.app import create_app
from importer.sandbox.catalogue import MAGIC_TABLE, magic_markdown
from importer.sandbox.faults import FAULTS
from importer.sandbox.options import OptionsError, PreferenceField, SandboxOptions, load_customers, load_fields
from importer.sandbox.shapes import DOCUMENTED_SHAPES, SHAPES
from importer.sandbox.state import RequestRecord, SandboxState

if TYPE_CHECKING:
    from importer.sandbox.server import EmbeddedSandbox, serve

__all__ = [
    "DOCUMENTED_SHAPES",
    "FAULTS",
    "MAGIC_TABLE",
    "SHAPES",
    "EmbeddedSandbox",
    "OptionsError",
    "PreferenceField",
    "RequestRecord",
    "SandboxOptions",
    "SandboxState",
    "create_app",
    "load_customers",
    "load_fields",
    "magic_markdown",
    "serve",
]


def __getattr__(name: str) -> Any:
    """Loads the server, and with it uvicorn, only where a socket is wanted: a run calls the application directly."""
    if name in ("EmbeddedSandbox", "serve"):
        return getattr(import_module("importer.sandbox.server"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
