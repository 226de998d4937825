"""kill -9 at random moments of a larger run whose server also fails now and then."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import msgspec
import pytest

from importer.journal import Journal
from importer.model import RunSummary
from importer.sandbox import SandboxOptions
from tests.support.crashes import Case, Zygotes
from tests.support.runs import results, sheet, violations

pytestmark = [pytest.mark.process, pytest.mark.slow]

#: A server that fails now and then, before and after it has done its work.
FAULTS = ("*/23:503", "*/31:reset-after", "*/37:truncated", "*/41:429:retry-after=0", "*/43:missing")


def has_begun(case: Case) -> bool:
    """Whether there is a run to resume: the process may have been killed before it wrote one down."""
    reports = case.folder / "reports"
    if not (reports / "journal.db").exists():
        return False
    with Journal.open(reports) as journal:
        return bool(journal.runs())


@pytest.mark.parametrize(
    ("count", "batch_size", "kills"),
    [
        pytest.param(2_500, 25, 4, id="4 kills"),
        pytest.param(50_000, 100, 20, id="20 kills", marks=pytest.mark.exhaustive),
    ],
)
def test_killed_at_random_moments_every_row_has_the_outcome_that_the_server_gave_it(
    zygotes: Zygotes, tmp_path: Path, capsys: pytest.CaptureFixture[str], count: int, batch_size: int, kills: int
) -> None:
    """However often it was killed, and whatever the server did meanwhile."""
    chance = random.Random(20)
    invalid = [row for row in range(40, count, 401) if row % 10 not in (0, 9)]
    magic = {row: f"code-1012+{row}" for row in range(30, count, 97) if row % 10 not in (0, 9) and row not in invalid}
    zygote = zygotes.get()
    try:
        with Case(tmp_path / "case", zygote, SandboxOptions(faults=FAULTS)) as case:
            sheet(case.folder / "rows.csv", count, magic=magic, invalid=invalid, shared=True)
            state = case.sandbox.state
            words = [*case.run_words, "--batch-size", str(batch_size), "--concurrency", "4"]
            requests = count // batch_size
            killed, ended = 0, False
            for number in range(kills):
                zygote.start(case, words)
                # After so many more requests, and a moment more: in the midst of whatever it does then.
                wanted = len(state.requests) + chance.randrange(requests * 2 // kills)
                later = chance.random() * 0.03
                while len(state.requests) < wanted and not zygote.has_ended():
                    time.sleep(0.001)
                time.sleep(later)
                if not zygote.has_ended():
                    os.kill(zygote.pid, signal.SIGKILL)
                code, out = zygote.end(case)
                # It may have come to its end first, and a run that has is nothing to resume.
                assert code in (-signal.SIGKILL, 3) or (ended and code == 0), out
                ended = ended or code == 3
                killed += code == -signal.SIGKILL
                assert not case.broken_reports(rows=count), number
                if has_begun(case):
                    words = ["resume", "--quiet"]
            code, out = case.resume()
            assert code in (3, 0), out
            (folder,) = (case.folder / "reports").glob("2*")
            summary = msgspec.json.decode((folder / "summary.json").read_bytes(), type=RunSummary)
            assert (summary.rows.failed, summary.rows.rejected) == (len(magic), len(invalid))
            assert summary.rows.succeeded == count - len(magic) - len(invalid)
            rows = results(case.folder / "reports", folder.name)
            assert violations(state, rows, count, case.folder / "reports", faults=True) == []
            with capsys.disabled():
                print(f"\n{killed} kills in {count:,} rows, {len(state.requests):,} requests: every row is right")
    finally:
        zygotes.put(zygote)
