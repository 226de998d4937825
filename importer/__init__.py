"""Imports spreadsheets of customer preferences into Capillary's loyalty platform, with a result for every row.

For programs: `importer.run(source, **settings)` and `importer.check(source, **settings)`; see `importer.library`. They
are loaded when they are first asked for, so that the command line does not wait for what it does not use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from importer._version import __version__

if TYPE_CHECKING:
    from importer.errors import ImporterError
    from importer.library import check, run

__all__ = ["ImporterError", "__version__", "check", "run"]

_LAZY = {"ImporterError": "importer.errors", "check": "importer.library", "run": "importer.library"}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'importer' has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)
