"""`purge` deletes everything of old runs except their counts."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from importer.errors import ExitCode, SettingsError
from importer.journal import Journal
from importer.pipeline import resume, retry, run
from importer.runs.listing import list_runs
from importer.runs.purge import Purged, purge, purged_text
from importer.sandbox import EmbeddedSandbox
from importer.world import World
from tests.support.runs import Program, half_a_run, settings, sheet, stopped_after, world

DAY = 86_400.0


def later(sandbox: EmbeddedSandbox, home: Path, days: float) -> World:
    return world(sandbox, home, wall=in_days(days))


def in_days(days: float) -> Callable[[], int]:
    return lambda: time.time_ns() // 1_000_000 + round(days * DAY * 1000)


def purged(
    sandbox: EmbeddedSandbox, folder: Path, days: float, older_than: float = 90.0, *, unfinished: bool = False
) -> Purged:
    where = later(sandbox, folder, days)
    return purge(settings(sandbox, folder / "reports"), older_than * DAY, where, unfinished=unfinished)


def test_old_runs_lose_reports_and_rows_and_keep_their_counts(tmp_path: Path) -> None:
    """Newer runs stay, and a second purge finds nothing."""
    with EmbeddedSandbox() as sandbox:
        own = settings(sandbox, tmp_path / "reports")
        source = sheet(tmp_path / "rows.csv", 30, magic={5: "code-1012"}, invalid=[7])
        old = run(str(source), own, world(sandbox, tmp_path))
        young = run(str(sheet(tmp_path / "more.csv", 10)), own, later(sandbox, tmp_path, 50))
        before = list_runs(own)
        found = purged(sandbox, tmp_path, 100)
        assert (found.runs, found.rows, found.left) == ((old.run_id,), 30, {})
        assert "30 rows" in purged_text(found)
        assert not (tmp_path / "reports" / old.run_id).exists()
        assert (tmp_path / "reports" / young.run_id / "results.csv").exists()
        assert list_runs(own) == before
        with Journal.open(tmp_path / "reports") as journal:
            known = journal.run(old.run_id)
            assert known is not None
            assert not list(journal.outcomes(known.key)) and not list(journal.attempts(known.key))
            assert known.progress.purged is not None and known.progress.purged.requests == old.requests
        assert purged(sandbox, tmp_path, 100).runs == ()
        with pytest.raises(SettingsError, match="purged"):
            retry(old.run_id, own, {}, world(sandbox, tmp_path))


def test_nothing_of_a_purged_row_is_left_in_the_journals_file(tmp_path: Path) -> None:
    """Not even in free pages: messages of the server may name people."""
    with EmbeddedSandbox() as sandbox:
        own = settings(sandbox, tmp_path / "reports")
        run(str(sheet(tmp_path / "rows.csv", 30, magic={5: "code-1012"})), own, world(sandbox, tmp_path))
        journal = tmp_path / "reports" / "journal.db"
        request = next(record.request_id for record in sandbox.state.requests).encode()
        assert request in journal.read_bytes()
        purged(sandbox, tmp_path, 100)
        assert request not in b"".join(path.read_bytes() for path in journal.parent.glob("journal.db*"))


def test_nothing_of_a_purged_row_is_left_while_another_process_has_the_journal_open(tmp_path: Path) -> None:
    """Like the page: SQLite keeps its log as long as it has a connection."""
    with EmbeddedSandbox() as sandbox:
        own = settings(sandbox, tmp_path / "reports")
        with Journal.open(tmp_path / "reports") as page:
            run(str(sheet(tmp_path / "rows.csv", 30, magic={5: "code-1012"})), own, world(sandbox, tmp_path))
            run(str(sheet(tmp_path / "more.csv", 10)), own, later(sandbox, tmp_path, 50))
            assert len(page.runs()) == 2
            journal = tmp_path / "reports" / "journal.db"
            requests = [record.request_id.encode() for record in sandbox.state.requests][:3]
            kept = b"".join(path.read_bytes() for path in journal.parent.glob("journal.db*"))
            assert all(request in kept for request in requests)
            assert purged(sandbox, tmp_path, 100).left == {}
            kept = b"".join(path.read_bytes() for path in journal.parent.glob("journal.db*"))
            assert not any(request in kept for request in requests)
            assert len(page.runs()) == 2


def test_an_old_unfinished_run_is_kept_and_named(tmp_path: Path) -> None:
    with EmbeddedSandbox() as sandbox:
        half = half_a_run(sandbox, tmp_path)
        found = purged(sandbox, tmp_path, 100)
        assert (found.runs, list(found.left)) == ((), [half.run_id])
        assert half.run_id in purged_text(found)
        own = settings(sandbox, tmp_path / "reports")
        assert resume(None, own, {}, world(sandbox, tmp_path)).exit_code == ExitCode.OK
        assert purged(sandbox, tmp_path, 200).runs == (half.run_id,)


def test_an_unfinished_run_is_purged_on_request_and_cannot_be_resumed(tmp_path: Path) -> None:
    with EmbeddedSandbox() as sandbox:
        half = half_a_run(sandbox, tmp_path)
        assert purged(sandbox, tmp_path, 100, unfinished=True).runs == (half.run_id,)
        with pytest.raises(SettingsError):
            resume(None, settings(sandbox, tmp_path / "reports"), {}, world(sandbox, tmp_path))
        own = settings(sandbox, tmp_path / "reports")
        assert run(str(tmp_path / "rows.csv"), own, world(sandbox, tmp_path)).exit_code == ExitCode.OK


def test_a_run_that_an_unfinished_retry_needs_is_kept(tmp_path: Path) -> None:
    with EmbeddedSandbox() as sandbox:
        own = settings(sandbox, tmp_path / "reports")
        names = {row: f"code-1012-x1+{row}" for row in range(2, 150)}
        first = run(str(sheet(tmp_path / "rows.csv", 200, magic=names)), own, world(sandbox, tmp_path))
        again = stopped_after(60, sandbox, tmp_path, wall=in_days(60))
        half = retry(first.run_id, own, {}, again)
        assert half.exit_code == ExitCode.INTERRUPTED
        found = purged(sandbox, tmp_path, 100)
        assert (found.runs, list(found.left)) == ((), [first.run_id])
        assert resume(None, own, {}, world(sandbox, tmp_path)).exit_code == ExitCode.OK


def test_input_without_a_run_is_purged(tmp_path: Path) -> None:
    """Its process was killed while reading. A newer copy may still be in use."""
    with EmbeddedSandbox() as sandbox:
        own = settings(sandbox, tmp_path / "reports")
        run(str(sheet(tmp_path / "rows.csv", 5)), own, world(sandbox, tmp_path))
        spool = tmp_path / "reports" / ".spool"
        spool.mkdir(exist_ok=True)
        old, young = spool / ".stdin-1", spool / ".stdin-2"
        for path in (old, young):
            path.write_text("mobile\n918181000001\n")
        os.utime(old, (1, 1))
        purged(sandbox, tmp_path, 0)
        assert not old.exists()
        assert young.exists()


@pytest.mark.process
@pytest.mark.slow
def test_the_command(tmp_path: Path) -> None:
    """An invalid duration is a usage error."""
    with EmbeddedSandbox() as sandbox:
        program = Program(tmp_path, sandbox)
        sheet(tmp_path / "rows.csv", 20)
        assert program.run("run", "rows.csv", "--base-url", sandbox.base_url)[0] == 0
        assert program.run("purge", "--older-than", "soon")[0] == ExitCode.SETTINGS
        code, out, err = program.run("purge", "--older-than", "90d")
        assert (code, out) == (0, "Purged 0 runs with 0 rows. `importer runs` still shows their counts.\n"), err
        code, out, err = program.run("verify", "--json", "--sample", "3")
        assert (code, json.loads(out)["customers"]) == (0, 3), err
        code, out, err = program.run("purge", "--older-than", "0.001s", "--json")
        assert (code, json.loads(out)["rows"]) == (0, 20), err
