"""`check` predicts the requests of a run: as many as it makes where the server refuses none, in whatever time."""

from __future__ import annotations

import asyncio
import csv
import random
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest

from importer.checker.check import check
from importer.checker.requests import RequestCounter
from importer.chunker import schedule
from importer.model import Customer
from importer.pipeline import run
from importer.sandbox import EmbeddedSandbox
from tests.support.runs import settings, world
from tests.support.sending import Limits, ran


def customers(chance: random.Random) -> list[Customer]:
    """Rows of few people, who go by a mobile, an e-mail, an id or several of these."""
    people = chance.randint(1, 60)
    found = []
    for row in range(2, 2 + chance.randint(1, 250)):
        # A few people have most of the rows.
        person = int(people * chance.random() ** chance.choice((1, 3)))
        names = (f"9198{person:08d}", f"{person + chance.choice((0, 0, 0, 1))}@example.com", f"C{person}")
        kept = chance.sample(range(3), chance.randint(1, 3))
        mobile, email, external_id = (name if at in kept else "" for at, name in enumerate(names))
        found.append(Customer(row, mobile, email, external_id, custom_fields=(("Colour", "x"),)))
    return found


@pytest.mark.parametrize("seed", range(60))
def test_as_many_as_a_run_makes(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over rows with repeats, batch sizes and canaries, with answers that come in any order."""
    chance = random.Random(seed)
    monkeypatch.setattr(schedule, "MOST_INSIDE", chance.choice((40, 120, 30_000)))
    monkeypatch.setattr(schedule, "WINDOW", chance.choice((1, 3, 64)))
    found, size, canary = customers(chance), chance.choice((1, 3, 10, 100)), chance.choice((0, 0, 1, 7, 30))
    concurrency = chance.choice((1, 2, 8))
    counter = RequestCounter(size, concurrency, canary)
    for first in range(0, len(found), 100):
        counter.add(found[first : first + 100])
    expected = counter.count()
    for order in range(2):
        answers = random.Random(seed * 10 + order)

        async def late(_: httpx.Request, __: int, answers: random.Random = answers) -> None:
            await asyncio.sleep(answers.choice((0.0, 0.01, 0.2, 1.0, 5.0)))

        made = ran(
            found,
            batch_size=size,
            concurrency=concurrency,
            limits=Limits(canary=canary),
            answer=late,
            at_once=answers.choice((7, 50, 500)),
        )
        assert made.stop is None and made.requests == expected


def sheet(path: Path, chance: random.Random, rows: int, *, people: int) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["mobile", "email", "Colour", "_status"])
        for row in range(rows):
            person = chance.randrange(people)
            mobile = f"91987{person:07d}" if chance.random() < 0.8 else chance.choice(("", "", "12"))
            email = f"{person}@example.com" if chance.random() < 0.5 or not mobile else ""
            writer.writerow([mobile, email, f"colour {row}", chance.choice(("failed", "failed", "succeeded"))])


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"batch_size": 100, "concurrency": 8},
        {"limit": 90, "skip_rows": 20},
        {"resubmit": True},
        {"canary": 4, "batch_size": 7},
        {"invalid_identifiers": "omit"},
    ],
    ids=str,
)
@pytest.mark.parametrize("seed", range(3))
def test_of_a_sheet(tmp_path: Path, sandbox: EmbeddedSandbox, seed: int, more: dict[str, object]) -> None:
    """Through the files and the real sender, also where rows are rejected, skipped or not chosen."""
    chance = random.Random(seed)
    sheet(tmp_path / "a.csv", chance, 300, people=chance.choice((3, 40, 1000)))
    own, here = settings(sandbox, tmp_path / "reports", **more), world(sandbox, tmp_path)
    predicted = check(str(tmp_path / "a.csv"), own, here)
    made = run(str(tmp_path / "a.csv"), own, here)
    assert predicted.requests == made.requests.sent == len(sandbox.state.requests) > 0


def test_of_a_sheet_with_one_preference_per_row(tmp_path: Path, sandbox: EmbeddedSandbox) -> None:
    """Rows of a customer that stand together are one record; those that return are another."""
    lines: Sequence[str] = [f"91987000{n // 3 % 50:04d},Colour {n % 3},x" for n in range(500)]
    (tmp_path / "long.csv").write_text("\n".join(["mobile,Preference name,Preference value", *lines]) + "\n")
    own, here = settings(sandbox, tmp_path / "reports"), world(sandbox, tmp_path)
    predicted = check(str(tmp_path / "long.csv"), own, here)
    assert predicted.requests == run(str(tmp_path / "long.csv"), own, here).requests.sent > 1
