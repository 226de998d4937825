"""A short run of `python -m tests.reader.fuzz`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.reader import fuzz


@pytest.mark.process
@pytest.mark.slow
def test_mutated_files_end_as_rows_or_a_message(tmp_path: Path) -> None:
    """The same inputs each time."""
    assert fuzz.run(1, tmp_path, inputs=100) == []
