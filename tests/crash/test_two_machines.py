"""kill -9 at random moments of two machines that load one inbox, with a database behind a proxy."""

from __future__ import annotations

import random
import subprocess
import time
from collections import defaultdict
from pathlib import Path

import pytest

from importer.errors import ExitCode
from importer.sandbox import EmbeddedSandbox, SandboxOptions
from tests.support.journals import Relay
from tests.support.runs import Program, results, sheet

pytestmark = [pytest.mark.process, pytest.mark.slow]

ROWS = 300


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.exhaustive)])
def test_two_machines_load_one_inbox_and_no_value_goes_back(database: str, tmp_path: Path, kills: int) -> None:
    """However often each was killed, and although the proxy ends every idle connection: every row has its outcome,
    and a customer's rows reached the server in their order."""
    chance = random.Random(14)
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    with EmbeddedSandbox(SandboxOptions(latency=(0.02,))) as sandbox, Relay(database, idle=0.3) as proxy:
        state = sandbox.state
        sheet(inbox / "rows.csv", ROWS, shared=True)
        words = ["nightly", "--inbox", str(inbox), "--settle", "0s", "--quiet", "--base-url", sandbox.base_url]
        words += ["--batch-size", "10", "--database", proxy.address]
        machines = []
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            machines.append(Program(tmp_path / name, sandbox))
        running: list[subprocess.Popen[str] | None] = [machine.start(*words) for machine in machines]
        killed = 0
        until = time.monotonic() + 250
        while killed < kills and not (inbox / "done" / "rows.csv").exists():
            assert time.monotonic() < until
            wanted = len(state.requests) + chance.randrange(3)
            while len(state.requests) < wanted and any(one is not None and one.poll() is None for one in running):
                time.sleep(0.001)
            at = chance.randrange(2)
            one = running[at]
            assert one is not None
            killed += one.poll() is None
            one.kill()
            one.communicate()
            running[at] = machines[at].start(*words)
        for one in running:
            assert one is not None
            one.communicate(timeout=250)
        for machine in machines:
            # A busy machine may let a connection be ended in the midst of a transaction: that load ends with 7.
            ends = [0]
            while ends[-1] != 0 or len(ends) == 1:
                ends.append(machine.run(*words)[0])
                assert ends[-1] in (0, ExitCode.JOURNAL) and len(ends) < 20
        assert killed and proxy.ended
        (report,) = tmp_path.glob("*/reports/2*/results.csv")
        rows = results(report.parents[1], report.parent.name)
        assert [row["_status"] for row in rows] == ["succeeded"] * ROWS
        order = {row["Colour"]: int(row["_row"]) for row in rows}
        sent: dict[str, list[int]] = defaultdict(list)
        for customer, fields in state.accepted:
            sent[str(customer)].append(order[fields["Colour"]])
        assert all(numbers == sorted(numbers) for numbers in sent.values())
        # What was sent twice was in flight at a kill.
        assert sum(len(numbers) - len(set(numbers)) for numbers in sent.values()) <= killed * 8 * 10
