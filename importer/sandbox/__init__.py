"""A working sandbox for the API, to run and to test against. It shares no wire code with the importer."""

from importer.sandbox.app import create_app
from importer.sandbox.catalogue import MAGIC_TABLE, magic_markdown
from importer.sandbox.faults import FAULTS
from importer.sandbox.options import OptionsError, PreferenceField, SandboxOptions, load_customers, load_fields
from importer.sandbox.server import EmbeddedSandbox, serve
from importer.sandbox.shapes import DOCUMENTED_SHAPES, SHAPES
from importer.sandbox.state import RequestRecord, SandboxState

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
