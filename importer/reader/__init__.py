"""Reads any source as blocks of text cells that show what the sheet shows.

The exports are loaded on first use: the child process that parses workbooks imports this package too, but needs
neither of them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importer.reader.opening import open_source
    from importer.reader.source import Source, SourceOptions

__all__ = ["Source", "SourceOptions", "open_source"]

_HOMES = {
    "Source": "importer.reader.source",
    "SourceOptions": "importer.reader.source",
    "open_source": "importer.reader.opening",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
