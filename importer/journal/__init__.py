"""The durable record of runs, batches, attempts and outcomes.

The exports are fetched on first use: a module that needs only the records does not load SQLAlchemy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importer.journal.changes import Change
    from importer.journal.databases import file_system_of
    from importer.journal.journal import Journal
    from importer.journal.records import Attempt, Run, RunProgress, RunRecord
    from importer.journal.schema import SCHEMA_VERSION
    from importer.journal.scribe import Scribe

__all__ = [
    "SCHEMA_VERSION",
    "Attempt",
    "Change",
    "Journal",
    "Run",
    "RunProgress",
    "RunRecord",
    "Scribe",
    "file_system_of",
]

_HOMES = {
    "SCHEMA_VERSION": "importer.journal.schema",
    "Attempt": "importer.journal.records",
    "Change": "importer.journal.changes",
    "Journal": "importer.journal.journal",
    "Run": "importer.journal.records",
    "RunProgress": "importer.journal.records",
    "RunRecord": "importer.journal.records",
    "Scribe": "importer.journal.scribe",
    "file_system_of": "importer.journal.databases",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
