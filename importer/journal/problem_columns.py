"""The columns that were a problem in single rows of a run."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from importer.journal.entries import columns_of
from importer.journal.journal import Journal
from importer.journal.schema import OUTCOMES


def problem_columns(journal: Journal, key: int, rows: Iterable[int]) -> dict[int, tuple[str, ...]]:
    """Return the problem columns of these few rows, () where a row has none."""
    query = sa.select(OUTCOMES.c.more).where(OUTCOMES.c.run == key).order_by(OUTCOMES.c.row_number.desc()).limit(1)
    with journal.transaction() as connection:
        # A stretch of rows is stored with its first row.
        more = {row: connection.execute(query.where(OUTCOMES.c.row_number <= row)).scalar() for row in rows}
    return {row: columns_of(packed) for row, packed in more.items()}
