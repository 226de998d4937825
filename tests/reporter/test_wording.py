"""Sentences with a number in them are right for none, one and many."""

from __future__ import annotations

import re

import pytest

from importer.model import Cause, CodeCount, Outcome, RequestCounts, RowCounts, Status, Stretch
from importer.reporter import console_text, log_line
from importer.reporter.page import page
from importer.reporter.timeline import Timeline
from importer.runs.verify import Verified, verified_text
from importer.system.text import counted, long, percent
from tests.support.reporting import summary

#: A count of one beside a plural, or another beside a singular.
_PLURAL = "rows|cells|customers|requests|digits|records|slices|minutes|seconds|runs|are|were|need|have|hold|do|look"
_ONE = re.compile(rf"(?<![\d,.:])(?<! of )1 (?:{_PLURAL})\b")
_MANY = re.compile(r"(?<![\d.:])(?:0|[2-9]|\d[\d,]*[02-9]) (?:row|cell|customer|request|slice|is|was|needs|holds)\b")


def right(text: str) -> None:
    text = " ".join(re.sub(r"<[^>]*>", " | ", text).split())
    for wrong in (_ONE, _MANY):
        assert not (found := wrong.search(text)), text[max(0, found.start() - 80) : found.end() + 40]


@pytest.mark.parametrize("count", [0, 1, 2])
@pytest.mark.parametrize("status", [status.value for status in Status])
@pytest.mark.parametrize("exit_code", [0, 3, 5, 130])
def test_a_summary_of_few_rows(count: int, status: str, exit_code: int) -> None:
    """On the console, on the page and in a log, for every outcome."""
    code = CodeCount("816", "customer not found", "Look again.", count)
    cause = Cause(f"{counted(count, 'row')} failed.", "Look again.", count, tuple(range(2, 2 + count)))
    found = summary(
        exit_code=exit_code,
        rows=RowCounts(read=count, **{status: count}),
        requests=RequestCounts(count, count, count, count),
        codes=(code,) if count else (),
        causes=(cause,) if count else (),
        repairs={"separators_removed": count} if count else {},
    )
    when = Timeline()
    for second in range(3):
        when.see([Stretch(Outcome(2, Status(status), attempts=1, at=1_795_399_200_000 + second * 1000), max(count, 1))])
        for _ in range(count):
            when.trouble(1_795_399_200_000 + second * 1000)
    for text in (console_text(found), console_text(summary(rows=found.rows, causes=())), page(found, when)):
        right(text)
    assert f"read={count}" in log_line(found)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_look_at_the_server(count: int) -> None:
    right(verified_text(Verified("run", 3, count, count // 2, (), "")))


def test_numbers_in_words() -> None:
    """One is one; hardly any is not none, and nearly all is not all."""
    assert [counted(count, "row") for count in (0, 1, 2, 1000)] == ["0 rows", "1 row", "2 rows", "1,000 rows"]
    assert counted(1, "row was", "rows were") == "1 row was"
    assert [long(seconds) for seconds in (1, 59, 60, 300)] == ["1 second", "59 seconds", "1 minute", "5 minutes"]
    shares = [percent(part, 100_000) for part in (0, 1, 100, 2_560, 99_999, 100_000)]
    assert shares == ["0 %", "under 0.1 %", "0.1 %", "2.6 %", "over 99.9 %", "100 %"]
