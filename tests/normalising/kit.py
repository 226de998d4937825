"""Small sheets for the normaliser's tests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from importer.model import Chunk, Problem
from importer.normaliser import Normalised, Normaliser


def chunk_of(
    columns: Sequence[str], rows: Sequence[Sequence[str]], first: int = 2, problems: Iterable[Problem] = ()
) -> Chunk:
    """A chunk whose rows are numbered from `first` on."""
    frame = pd.DataFrame(list(rows), columns=list(columns), index=range(first, first + len(rows)), dtype=object)
    return Chunk(frame, tuple(problems))


def normalise(normaliser: Normaliser, chunks: Iterable[Chunk]) -> Normalised:
    """Everything that the normaliser makes of a source."""
    customers, problems, repairs, blanks = [], [], [], {}
    for made in [*[normaliser(chunk) for chunk in chunks], normaliser.finish()]:
        customers += made.customers
        problems += made.problems
        repairs += made.repairs
        for column, cells in made.blanks.items():
            blanks[column] = blanks.get(column, 0) + cells
    return Normalised(customers, problems, repairs, blanks)
