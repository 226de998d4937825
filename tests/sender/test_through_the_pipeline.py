"""What settings, journal and an earlier process hand to the sending: it must arrive there."""

from __future__ import annotations

import csv
import datetime
import json
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from importer.checker.check import check
from importer.chunker.lanes import REMEMBERED
from importer.errors import ExitCode
from importer.journal import Journal, RunProgress
from importer.model import IDENTIFIERS, Customer
from importer.normaliser.mapping import propose
from importer.normaliser.normaliser import Normaliser
from importer.pipeline import resume, retry, run
from importer.row_block import Cells, RowBlock
from importer.sandbox import EmbeddedSandbox, SandboxOptions
from importer.sandbox.faults import parse_script
from importer.sender.feed import ROWS_AT_ONCE, Selection, SheetFeed
from importer.settings.options import Settings
from importer.system.clock import seconds_until
from importer.world import World
from tests.support.fault_server import closed_port
from tests.support.runs import Program, SkippingClock, settings, sheet, stopped_after, world, world_by_requests
from tests.support.sending import accounts, chained, one_by_one


def test_an_outage_longer_than_max_outage_ends_the_run_with_5(tmp_path: Path) -> None:
    """As long as the setting says, not as long as the default."""
    environ = {"IMPORTER_USERNAME": "u", "IMPORTER_PASSWORD": "p", "XDG_STATE_HOME": str(tmp_path)}
    clock = SkippingClock()
    began = clock()
    with closed_port() as port:
        asked = Settings(base_url=f"http://127.0.0.1:{port}", reports_dir=str(tmp_path / "reports"), max_outage=1.0)
        world = World(environ, clock=clock, sleep=clock.sleep, jitter=lambda: 0.0)
        summary = run(str(sheet(tmp_path / "rows.csv", 20)), asked, world)
    assert summary.exit_code == ExitCode.TEMPORARY
    assert (summary.rows.unprocessed, summary.requests.sent > 0) == (20, True)
    assert "has not answered for 1 second:" in " ".join(summary.notes)
    assert clock() - began < 100


@pytest.mark.slow
@pytest.mark.parametrize(
    ("limits", "codes"),
    [({"batch_limit": 3}, {"1060"}), ({"max_bytes": 1000}, {"413"})],
    ids=["1060", "413"],
)
def test_a_limit_that_was_learnt_holds_after_a_resume(tmp_path: Path, limits: dict[str, Any], codes: set[str]) -> None:
    """1060 and 413 are journalled: the process that resumes does not meet them again."""
    with EmbeddedSandbox(SandboxOptions(**limits)) as sandbox:
        reports = tmp_path / "reports"
        source = sheet(tmp_path / "rows.csv", 400)
        half = run(str(source), settings(sandbox, reports), stopped_after(40, sandbox, tmp_path))
        assert half.exit_code == ExitCode.INTERRUPTED
        learnt = refused(reports, codes)
        assert learnt >= 1
        whole = resume(None, settings(sandbox, reports), {}, world(sandbox, tmp_path))
        assert (whole.exit_code, whole.rows.succeeded) == (0, 400)
        assert refused(reports, codes) == learnt


def refused(reports: Path, codes: set[str]) -> int:
    with Journal.open(reports) as journal:
        (only,) = journal.runs()
        return sum(attempt.code in codes for attempt in journal.attempts(only.key))


# ---------------------------------------------------------------------------------------------------- links

LINKED = ["mobile", "email", "external_id", "Colour"]


def linked(path: Path, colour: str = "blue", name: str = "C", between: int = 20) -> Path:
    """B says that a mobile and an e-mail are one customer; A and C, who share nothing, are so for that alone. Others
    stand between, for the first request of a process goes alone."""
    rows = [
        ["919876500001", "Asha@Example.com", "", "B"],
        *[[f"91818{n or 9_999_999:07}", "", f"{name}{n}", colour] for n in range(between)],
        ["+91 98765 00001", "", f"{name}a", colour],
        ["", "asha@example.com", f"{name}c", colour],
    ]
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([LINKED, *rows])
    return path


def test_a_link_of_a_row_with_an_outcome_holds_after_a_resume(tmp_path: Path) -> None:
    """B has its outcome: A and C are one customer all the same, and never in flight together."""
    with EmbeddedSandbox(SandboxOptions(latency=(0.04,))) as sandbox:
        source = linked(tmp_path / "rows.csv")
        chosen = settings(sandbox, tmp_path / "reports", batch_size=1, concurrency=2)
        half = run(str(source), chosen, stopped_after(5, sandbox, tmp_path))
        assert half.rows.unprocessed > 4
        whole = resume(None, chosen, {"concurrency": 8}, world(sandbox, tmp_path))
        assert (whole.exit_code, whole.rows.succeeded) == (0, 23)
        assert (sandbox.state.overlaps, sandbox.state.account_overlaps) == (0, 0)


def test_a_link_of_a_row_that_retry_skips_holds(tmp_path: Path) -> None:
    with EmbeddedSandbox(SandboxOptions(latency=(0.04,))) as sandbox:
        source = linked(tmp_path / "rows.csv", name="code-1012-x1+", between=4)
        chosen = settings(sandbox, tmp_path / "reports", batch_size=1, concurrency=8)
        first = run(str(source), chosen, world(sandbox, tmp_path))
        assert (first.rows.succeeded, first.rows.failed) == (1, 6)
        again = retry(first.run_id, chosen, {}, world(sandbox, tmp_path))
        assert (again.rows.succeeded, again.rows.skipped) == (6, 1)
        assert (sandbox.state.overlaps, sandbox.state.account_overlaps) == (0, 0)


def test_a_link_of_an_unchanged_row_holds(tmp_path: Path) -> None:
    with EmbeddedSandbox(SandboxOptions(latency=(0.04,))) as sandbox:
        chosen = settings(sandbox, tmp_path / "reports", batch_size=1, concurrency=8)
        (tmp_path / "first").mkdir()
        before = linked(tmp_path / "first" / "rows.csv", between=4)
        before.write_text("\n".join(before.read_text().splitlines()[:-2]) + "\n")
        assert run(str(before), chosen, world(sandbox, tmp_path)).rows.succeeded == 5
        now = msgspec.structs.replace(chosen, only_changed=True)
        again = run(str(linked(tmp_path / "rows.csv", colour="red", between=4)), now, world(sandbox, tmp_path))
        assert (again.rows.succeeded, again.rows.skipped) == (6, 1)
        assert (sandbox.state.overlaps, sandbox.state.account_overlaps) == (0, 0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.exhaustive) for seed in (2, 3))])
def test_a_run_that_is_stopped_often_keeps_the_order_of_the_sheet(tmp_path: Path, seed: int) -> None:
    """A sheet of repeats and chains: no customer is in flight twice, and the server ends as if rows were sent one by
    one."""
    stopped_and_resumed(tmp_path, seed)


def stopped_and_resumed(folder: Path, seed: int) -> None:
    chance = random.Random(seed)
    found = chained(chance, rows=150, people=chance.choice([10, 40, 120]))
    fields = ["Color", "Field 0", "Field 1", "Field 2"]
    with (folder / "rows.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*IDENTIFIERS, *fields])
        for one in found:
            values = dict(one.custom_fields)
            writer.writerow([*(getattr(one, kind) for kind in IDENTIFIERS), *(values.get(name, "") for name in fields)])
    latency = tuple(round(chance.uniform(0, 0.03), 3) for _ in range(7))
    with EmbeddedSandbox(SandboxOptions(latency=latency)) as sandbox:
        chosen = settings(sandbox, folder / "reports", batch_size=chance.choice([1, 2, 7]), concurrency=8)
        ended = run(str(folder / "rows.csv"), chosen, stopped_after(chance.randint(1, 60), sandbox, folder))
        while ended.exit_code == ExitCode.INTERRUPTED:
            ended = resume(None, chosen, {}, stopped_after(chance.randint(1, 60), sandbox, folder))
        assert (ended.exit_code, ended.rows.succeeded) == (0, 150)
        assert (sandbox.state.overlaps, sandbox.state.account_overlaps, sandbox.state.repeats) == (0, 0, 0)
        assert accounts(sandbox.state) == one_by_one(found)


def test_rows_far_before_the_first_that_is_open_are_not_even_normalised() -> None:
    """Rows that the lanes would have forgotten are not read: a long run resumes at once."""
    decided = bytearray(b"\1" * (3 * REMEMBERED))
    its_row = REMEMBERED + 20_000
    decided[its_row] = 0
    read: list[int] = []

    class Watched(Normaliser):
        def known_by(self, block: RowBlock) -> list[Customer]:
            read.extend(block.row_numbers)
            return super().known_by(block)

    class Long:
        def blocks(self, rows: int) -> Iterator[RowBlock]:
            cells = {"mobile": "919876500001", "email": "asha@example.com", "Colour": "blue"}
            for start in range(2, its_row + 20_000, rows):
                columns = [[cell] * rows for cell in cells.values()]
                yield RowBlock(Cells(columns, list(cells), range(start, start + rows)))

    feed = SheetFeed(
        Long(),  # type: ignore[arg-type]
        Watched(propose(["mobile", "email", "Colour"])),
        Selection(decided=decided),
        lambda: 0,
        so_far=RunProgress(repaired_to=len(decided)),
    )
    assert [customer.row_number for portion in feed.portions() for customer in portion.customers] == [its_row]
    assert its_row - REMEMBERED - ROWS_AT_ONCE <= min(read) <= its_row - REMEMBERED
    assert max(read) < its_row + ROWS_AT_ONCE


# ---------------------------------------------------------------------------------------------------- repairs


@pytest.mark.process
def test_the_count_of_repairs_is_right_after_a_kill(tmp_path: Path) -> None:
    """Rows that were sent before `kill -9` were fixed too; each counts once, however often the run is resumed."""
    # What the processes to be killed are waiting for never comes.
    with EmbeddedSandbox(SandboxOptions(latency=(0.05,), faults=("6-:hang",))) as sandbox:
        rows = [[f"91 81800 {n:05}" if n % 2 else f"9181800{n or 99_999:05}", f"colour {n}"] for n in range(1000)]
        with (tmp_path / "rows.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([["mobile", "Colour"], *rows])
        program = Program(tmp_path, sandbox)
        words = ("--base-url", sandbox.base_url, "--batch-size", "10", "--concurrency", "2")
        process = program.start("run", "rows.csv", *words)
        program.kill_once(process, lambda: len(sandbox.state.requests) >= 6)
        sandbox.state.faults = parse_script(["14-:hang"])
        process = program.start("resume")
        program.kill_once(process, lambda: len(sandbox.state.requests) >= 14)
        sandbox.state.faults = ()
        code, out, err = program.run("resume", "--json", "--max-duration", "0.1s")
        assert code == ExitCode.TIME, err
        code, out, err = program.run("resume", "--json", "--max-duration", "1h")
        assert (code, json.loads(out)["rows"]["succeeded"]) == (0, 1000), err
        assert json.loads(out)["repairs"] == {"separators_removed": 500}


# ---------------------------------------------------------------------------------------------------- times

Zone = Callable[[str], None]


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Zone]:
    """Puts this machine into another time zone."""

    def move(name: str) -> None:
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield move
    monkeypatch.undo()
    time.tzset()


def moment(text: str) -> int:
    """Milliseconds of a moment in UTC."""
    return round(datetime.datetime.fromisoformat(text + "+00:00").timestamp() * 1000)


@pytest.mark.parametrize(
    ("place", "now", "until", "hours"),
    [
        ("UTC", "2026-11-24 22:00", "06:00", 8),
        ("UTC", "2026-11-24 05:00", "06:00", 1),
        ("UTC", "2026-11-24 07:00", "06:00", 23),
        ("UTC", "2026-11-24 06:00", "06:00", 24),
        ("Asia/Kolkata", "2026-11-24 22:00", "06:00", 2.5),
        ("Asia/Kolkata", "2026-11-24 01:00", "06:00", 23.5),
        ("Europe/Berlin", "2026-03-28 22:00", "06:00", 6),
        ("Europe/Berlin", "2026-10-24 21:00", "06:00", 8),
        ("America/New_York", "2026-12-31 23:59", "19:00", 1 / 60),
    ],
)
def test_until_is_the_next_time_that_the_local_clock_shows_it(
    zone: Zone, place: str, now: str, until: str, hours: float
) -> None:
    """In the machine's zone; what is past today means tomorrow; also when the clocks are changed before it."""
    zone(place)
    assert seconds_until(until, moment(now)) == pytest.approx(hours * 3600)


@pytest.mark.parametrize("place", ["UTC", "Asia/Kolkata"])
def test_until_stops_with_10_and_the_run_can_be_resumed(tmp_path: Path, zone: Zone, place: str) -> None:
    """In-flight requests complete and nothing new starts: no row is unknown. A time that is past means tomorrow."""
    zone(place)
    local = "06:00" if place == "UTC" else "11:30"
    now = moment("2026-11-24 05:55:00")
    with EmbeddedSandbox() as sandbox:
        reports = tmp_path / "reports"
        source = sheet(tmp_path / "rows.csv", 500)
        early = world_by_requests(sandbox, tmp_path, 60.0, wall=lambda: now)
        half = run(str(source), settings(sandbox, reports, until=local, concurrency=1), early)
        assert half.exit_code == ExitCode.TIME
        assert local in half.notes[0]
        assert half.rows.unknown == half.rows.failed == 0
        assert half.rows.succeeded == 10 * len(sandbox.state.requests)
        assert half.rows.succeeded + half.rows.unprocessed == 500
        assert all(Path(path).exists() for path in half.reports.values())
        late = world_by_requests(sandbox, tmp_path, 60.0, wall=lambda: now + 3_600_000)
        again = resume(None, settings(sandbox, reports), {"max_duration": 300.0}, late)
        # `--until` is a day away by now: the new option stops the run.
        assert (again.exit_code, "--max-duration" in again.notes[0]) == (ExitCode.TIME, True)
        assert again.rows.succeeded > half.rows.succeeded


def test_max_duration_counts_per_process_and_is_a_setting_of_the_run(tmp_path: Path) -> None:
    """The run keeps it: `resume` stops by it again. A new value may be longer."""
    with EmbeddedSandbox() as sandbox:
        reports = tmp_path / "reports"
        source = sheet(tmp_path / "rows.csv", 300)
        given = settings(sandbox, reports, max_duration=300.0, concurrency=1)
        succeeded = []
        for summary in (
            run(str(source), given, world_by_requests(sandbox, tmp_path, 60.0)),
            resume(None, settings(sandbox, reports), {}, world_by_requests(sandbox, tmp_path, 60.0)),
        ):
            assert (summary.exit_code, summary.rows.unknown) == (ExitCode.TIME, 0)
            succeeded.append(summary.rows.succeeded)
        assert 0 < succeeded[0] < succeeded[1] < 300
        longer = {"max_duration": 3600.0}
        again = resume(None, settings(sandbox, reports), longer, world_by_requests(sandbox, tmp_path, 60.0))
        assert again.exit_code == 0


# -------------------------------------------------------------------------------------------- omitted identifiers


def test_a_row_that_is_sent_without_an_identifier_says_so(tmp_path: Path) -> None:
    """The warning is on its row after a resume too, the value is in no request, and rows that share it are apart."""
    rows = [[f"9181810{n + 10:05}", "n/k" if n % 2 else "", f"colour {n}"] for n in range(20)]
    rows.append(["12", "n/k", "x"])
    source = tmp_path / "rows.csv"
    with source.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["mobile", "email", "Colour"], *rows])
    with EmbeddedSandbox(SandboxOptions(latency=(0.02,))) as sandbox:
        chosen = settings(sandbox, tmp_path / "reports", batch_size=2, concurrency=1, invalid_identifiers="omit")
        half = run(str(source), chosen, stopped_after(2, sandbox, tmp_path))
        assert half.rows.unprocessed
        whole = resume(None, settings(sandbox, tmp_path / "reports"), {}, world(sandbox, tmp_path))
        assert (whole.rows.succeeded, whole.rows.rejected) == (20, 1)
        assert any(note.startswith("10 rows") for note in whole.notes)
        assert not [identifiers for identifiers, _ in sandbox.state.accepted if identifiers.get("email")]
    with Path(whole.reports["results.csv"]).open(encoding="utf-8-sig", newline="") as file:
        results = list(csv.DictReader(file))
    warned = [row for row in results if row["_warnings"]]
    assert [row["mobile"] for row in warned] == [row[0] for row in rows[1::2][:10]]
    assert all("email" in row["_warnings"] and "@" in row["_advice"] for row in warned)
    assert results[-1]["_status"] == "rejected"


def test_check_counts_the_identifiers_that_a_run_would_omit(tmp_path: Path) -> None:
    """With the column and the reason; the rows can be sent."""
    source = tmp_path / "rows.csv"
    source.write_text("mobile,email,Colour\n918181000011,x,Red\n918181000012,y,Red\n12,z,Red\n")
    with EmbeddedSandbox() as sandbox:
        chosen = settings(sandbox, tmp_path / "reports", invalid_identifiers="omit")
        found = check(str(source), chosen, world(sandbox, tmp_path))
    assert (found.sendable_rows, found.rejected_rows) == (2, 1)
    assert any("email" in note and "2 cells" in note for note in found.notes)
