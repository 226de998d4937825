"""What people fixed in the cells of a run, as the journal keeps it until the run is purged."""

from __future__ import annotations

import msgspec
import sqlalchemy as sa

from importer.journal.journal import Journal
from importer.journal.records import Run
from importer.journal.schema import RUNS
from importer.normaliser.fixing import Edits


def edits_of(journal: Journal, run: Run) -> Edits | None:
    """Return the edits of a run, None without any."""
    with journal.transaction() as connection:
        packed = connection.execute(sa.select(RUNS.c.edits).where(RUNS.c.id == run.key)).scalar()
    return None if packed is None else msgspec.msgpack.decode(packed, type=Edits)
