"""A DataFrame of any types comes as the text a sheet of the same values would give."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from importer.errors import SourceError
from importer.normaliser.mapping import propose
from importer.reader.frame import FrameSource
from tests.support.reading import read


def test_every_type_as_text() -> None:
    """Integers that pandas made floats, missing values of all kinds, dates, booleans, categories."""
    frame = pd.DataFrame(
        {
            "mobile": [917744876415.0, np.nan, 7.5],
            "code": pd.array([7, None, 9], dtype="Int64"),
            "day": pd.to_datetime(["2026-03-09", None, "2026-03-09 14:30"], format="ISO8601"),
            "ok": [True, None, False],
            "brand": pd.Categorical(["nike", None, "NA"]),
            "time": [dt.time(14, 30), None, pd.Timedelta(hours=30)],
        }
    )
    rows, problems = read(frame)
    assert rows == [
        (2, ["917744876415", "7", "2026-03-09", "true", "nike", "14:30:00"]),
        (4, ["7.5", "9", "2026-03-09 14:30:00", "false", "NA", "30:00:00"]),
    ]
    assert not problems


def test_the_same_frame_has_the_same_hash() -> None:
    """A run knows its source again, and knows when it has changed."""
    one, other = pd.DataFrame({"mobile": ["1", "2"]}), pd.DataFrame({"mobile": ["1", "3"]})
    with FrameSource(one) as first, FrameSource(one.copy()) as again, FrameSource(other) as changed:
        assert first.sha256 == again.sha256 != changed.sha256
        assert first.kind == "frame"
        assert first.size > 0


def test_repeated_names_are_refused_where_they_are_used() -> None:
    """As in any other source."""
    with FrameSource(pd.DataFrame([[1, 2]], columns=["mobile", "Mobile"])) as source, pytest.raises(SourceError):
        propose(source.columns)


def test_a_frame_with_a_list_in_a_cell_is_refused() -> None:
    """A list has no text that a user would see."""
    frame = pd.DataFrame({"mobile": ["1"], "brand": [["nike", "puma"]]})
    with pytest.raises(SourceError, match="list"):
        FrameSource(frame)


def test_a_frame_without_rows_or_columns() -> None:
    """A frame without rows is empty; one without columns is an error."""
    assert read(pd.DataFrame({"mobile": []})) == ([], [])
    with pytest.raises(SourceError):
        FrameSource(pd.DataFrame())


def test_result_columns_and_control_characters() -> None:
    """The rules of the other sources hold."""
    frame = pd.DataFrame({"mobile": ["1", "2\x00"], "_status": ["failed", "failed"]})
    assert read(frame) == ([(2, ["1"]), (3, ["2\x00"])], [(3, "mobile", "control_character")])
    assert read(pd.DataFrame({"a": ["O\x92Neill"]}))[1] == [(2, "a", "control_character")]
