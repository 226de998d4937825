"""Masks and timings: what the support bundle may say, and that what it says of time is right."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.journal import Attempt
from importer.masking import Scrubber, masked_customer, masked_mobile, masked_value
from importer.model import Customer, Store
from importer.reporter.timeline import Timeline
from importer.reporter.timings import Timings

SECRET = st.text(st.sampled_from("abcXYZ0189 @.+-'é"), min_size=3, max_size=12).filter(
    lambda text: text.strip() == text
)


@pytest.mark.parametrize(
    ("mobile", "shown"),
    [("919876546415", "91******6415"), ("9876546415", "98****6415"), ("12345", "*****"), ("", "")],
)
def test_a_mobile_shows_its_country_and_its_last_digits(mobile: str, shown: str) -> None:
    """As support desks ask for it; one too short for that shows nothing."""
    assert masked_mobile(mobile) == shown


def test_a_value_shows_its_form_only() -> None:
    """Length, spaces, and which characters are letters, digits or something else."""
    assert masked_value('Blue 42"é 😀') == "xxxx 99.x ?"


def test_a_record_keeps_its_shape() -> None:
    """Fields that were not sent stay empty; the names of preferences are not personal data."""
    customer = Customer(5, "919876546415", "", "C-1017", "", Store("BLR-014"), (("Colour", "Blue"), ("Size", "")))
    assert masked_customer(customer) == Customer(
        5, "91******6415", "", "C****7", "", Store("B*****4"), (("Colour", "xxxx"), ("Size", ""))
    )


@given(SECRET, SECRET, SECRET, SECRET)
def test_the_servers_words_keep_nothing_of_the_customer(email: str, external: str, store: str, value: str) -> None:
    """Whatever it repeats, in whatever case, beside whatever else."""
    customer = Customer(2, "919876546415", email, external, "", Store(store), (("Colour", value),))
    text = Scrubber([customer])(
        f"[{email.upper()}] not {external}: <{store}>={value.title()}, 98765 46415 / 919876546415"
    )
    left = text.replace("***", "").lower()
    for secret in (email, external, store, value, "9876546415", "46415"):
        assert secret.lower() not in left or secret.lower() in "[] not : <>=, / "


def attempt(number: int, elapsed: int, status: int = 200, code: str = "200") -> Attempt:
    return Attempt(number, number, 1000 * number, elapsed, 100, status, code, f"r-{number}")


def test_timings_name_the_slowest_and_count_the_rest() -> None:
    """Of a thousand answers: the slowest by their request ids, shares within a fifth of the truth."""
    timings = Timings(attempt(n, n) for n in range(1, 1001))
    assert [slow.request_id for slow in timings.slowest[:2]] == ["r-1000", "r-999"]
    assert 500 <= timings.share(0.5) <= 500 * 1.22
    assert timings.share(1) == 1000
    assert (
        timings.facts()["Slowest answer"] == "1.0 s, 1970-01-01T00:16:40Z, 100 customers, HTTP 200, request id r-1000"
    )
    assert Timings().facts() == {}


def test_requests_that_decided_no_row_are_counted_apart() -> None:
    """Pauses and outages: counted by kind with examples, and put on the chart where they happened."""
    timeline = Timeline()
    timings = Timings([attempt(1, 5), attempt(2, 5, 429, "429"), attempt(3, 5, 503, "503")], timeline.trouble)
    answers = {entry["code"]: entry for entry in timings.document()["answers"]}
    assert answers["200"]["examples"] == []
    assert [slow.request_id for slow in answers["429"]["examples"]] == ["r-2"]
    timeline.see([])
    timeline._add(1000, "", 7)
    assert [(part.at, part.succeeded, part.troubles) for part in timeline.slices(10)] == [
        (1000, 7, 0),
        (2000, 0, 1),
        (3000, 0, 1),
    ]
