"""The settings of sending: what a rate, a duration and a limit of errors may look like, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.errors import SettingsError
from importer.model import MaxErrors, Rate
from importer.settings.loading import load
from importer.settings.values import read_duration, read_errors, read_rate


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("100/minute", Rate(100, 60, "100/minute")),
        ("50/second", Rate(50, 1, "50/second")),
        ("5000/hour", Rate(5000, 3600, "5000/hour")),
        (" 100 / Minutes ", Rate(100, 60, "100/minute")),
        ("2.5/s", Rate(2.5, 1, "2.5/second")),
        ("100/min", Rate(100, 60, "100/minute")),
        ("1000000/second", Rate(1_000_000, 1, "1000000/second")),
    ],
)
def test_a_rate(text: str, rate: Rate) -> None:
    assert read_rate(text) == rate


@pytest.mark.parametrize(
    "text",
    ["100", "0/minute", "0.0/s", "-1/minute", "100/ms", "100/hs", "100/day", "/minute", "", "1e3/s", "٣/s", "nan/s"],
)
def test_no_rate(text: str) -> None:
    with pytest.raises(ValueError, match="such as 100/minute"):
        read_rate(text)


@given(st.text(max_size=12))
def test_no_text_breaks_a_reader(text: str) -> None:
    """An invalid value is refused with a ValueError, never with another exception."""
    for read in (read_rate, read_duration, read_errors):
        try:
            found = read(text)
        except ValueError:
            continue
        assert found


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("2h", 7200), ("90m", 5400), ("1h30m", 5400), ("45s", 45), ("45", 45), ("1d", 86400), ("0.5h", 1800)],
)
def test_a_duration(text: str, seconds: float) -> None:
    assert read_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "0s", "1x", "h", "-5", "1h 30m"])
def test_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        read_duration(text)


def test_a_number_of_errors_and_a_share() -> None:
    assert read_errors("50") == MaxErrors(rows=50)
    assert read_errors("5%") == MaxErrors(share=0.05)
    for text in ("0", "0%", "101%", "1.5", "-1", "x"):
        with pytest.raises(ValueError, match="such as"):
            read_errors(text)
    assert not MaxErrors(rows=3).reached(2, 2)
    assert MaxErrors(rows=3).reached(3, 3)
    assert not MaxErrors(share=0.5).reached(50, 99), "a share means little of a few rows"
    assert MaxErrors(share=0.5).reached(50, 100)
    assert not MaxErrors(share=0.5).reached(49, 100)
    assert MaxErrors(share=0.5).reached(20, 20, 40), "of all rows that there are, a share is sure at once"
    assert not MaxErrors(share=0.5).reached(19, 39, 40)
    assert not MaxErrors(share=0.5).reached(0, 0, 0)


def test_a_burst_that_eats_the_rate_is_refused() -> None:
    """What may leave at once is taken off the rate: with a burst of all of it nothing would be left."""
    with pytest.raises(SettingsError, match="burst"):
        load({"burst": "100", "rate": "100/minute"}, {})
    assert load({"burst": "50", "rate": "100/minute"}, {}).burst == 50
    assert load({"rate": "1/hour"}, {}).burst == 1
