"""The journal: the durable record of runs, batches, attempts and outcomes."""

from importer.journal.changes import Change
from importer.journal.databases import file_system_of
from importer.journal.journal import Journal
from importer.journal.records import Attempt, Kept, OpenBatch, Run, RunProgress, RunRecord
from importer.journal.schema import SCHEMA_VERSION
from importer.journal.scribe import Scribe

__all__ = [
    "SCHEMA_VERSION",
    "Attempt",
    "Change",
    "Journal",
    "Kept",
    "OpenBatch",
    "Run",
    "RunProgress",
    "RunRecord",
    "Scribe",
    "file_system_of",
]
