"""Every file of the corpus gives exactly the rows and problems expected, or one sentence that says why not."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from importer.errors import SourceError
from importer.reader import SourceOptions, open_source
from tests.support.corpus import CASES, Case
from tests.support.reading import rows_of


def test_the_corpus_is_large_enough() -> None:
    """At least 60 files, no two of one name."""
    assert len({case.name for case in CASES}) == len(CASES) >= 60


@pytest.mark.process
@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_each_file(case: Case, tmp_path: Path) -> None:
    """Rows, numbers, problems and notes are as expected, at the first reading and, in small blocks, at the second."""
    file = tmp_path / case.file
    case.make(file)
    options = SourceOptions(**case.options)  # type: ignore[arg-type]
    if case.error:
        with pytest.raises(SourceError) as caught, open_source(file, options) as source:
            rows_of(source)
        for words in case.error:
            assert words in str(caught.value)
        assert caught.value.advice
        assert "\n" not in str(caught.value)
        return
    with open_source(file, options) as source:
        assert source.columns == case.columns
        assert source.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
        assert source.size == file.stat().st_size
        rows, problems = rows_of(source)
        assert rows == case.rows
        assert tuple(problems) == case.problems
        assert rows_of(source, 1) == (rows, problems)
        for words in case.notes:
            assert any(words in note for note in source.notes), source.notes
        if not case.notes:
            assert source.notes == ()
