"""An older run that is resumed or retried does not overwrite what a newer one sent, and the ledger knows the order."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

from importer.errors import ExitCode, SettingsError
from importer.journal import Change, Journal
from importer.model import OVERTAKEN, Outcome, RunSummary, Status
from importer.pipeline import resume, retry, run
from importer.runs.purge import purge
from importer.runs.verify import verify
from importer.sandbox import EmbeddedSandbox
from importer.world import World
from tests.support.journals import batch, record
from tests.support.runs import Listener, results, settings, statuses, stopped_after, world

ROWS = 160


class Days:
    """Imports of one target, a sheet each day."""

    def __init__(self, sandbox: EmbeddedSandbox, folder: Path) -> None:
        self.sandbox, self.folder = sandbox, folder

    def sheet(
        self, day: str, value: str, column: str = "Colour", first: int = 1, magic: int = 0, times: int = 1
    ) -> Path:
        path = self.folder / f"{day}.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["mobile", "external_id", column])
            for n in range(first, first + ROWS):
                writer.writerow([f"918181000{n:03}", f"code-1012-x{times}" if n == magic else f"C{n}", value])
        return path

    def constant(self, preference: str, value: str) -> Path:
        path = self.folder / "mapping.toml"
        columns = 'mobile = "mobile"\nexternal_id = "external_id"\nOther = "preference"'
        path.write_text(f'[columns]\n{columns}\n[constants]\n{preference} = "{value}"\n')
        return path

    def long(self, day: str, preference: str, value: str) -> Path:
        path = self.folder / f"{day}.csv"
        rows = "".join(f"918181000{n:03},C{n},{preference},{value}\n" for n in range(1, ROWS + 1))
        path.write_text(f"mobile,external_id,preference name,preference value\n{rows}")
        return path

    def run(self, source: Path, in_world: World | None = None, **more: object) -> RunSummary:
        return run(str(source), self.settings(**more), in_world or world(self.sandbox, self.folder))

    def stopped(self, source: Path) -> RunSummary:
        found = self.run(source, stopped_after(15, self.sandbox, self.folder))
        assert found.exit_code == ExitCode.INTERRUPTED and found.rows.unprocessed
        return found

    def resumed(self, run_id: str, **given: object) -> RunSummary:
        return resume(run_id, self.settings(), given, world(self.sandbox, self.folder))

    def settings(self, **more: object):  # type: ignore[no-untyped-def]
        return settings(self.sandbox, self.folder / "reports", **more)

    def codes(self, done: RunSummary) -> Counter[tuple[str, str]]:
        return Counter((row["_status"], row["_code"]) for row in results(self.folder / "reports", done.run_id))

    def values(self, column: str = "Colour") -> Counter[str | None]:
        state = self.sandbox.state
        return Counter(state.preferences_of(mobile=f"918181000{n:03}").get(column) for n in range(1, ROWS + 1))


@pytest.fixture
def days(tmp_path: Path):  # type: ignore[no-untyped-def]
    with EmbeddedSandbox() as sandbox:
        yield Days(sandbox, tmp_path)


def test_an_older_run_leaves_out_what_a_newer_one_has_sent_otherwise(days: Days) -> None:
    """Monday's run stops, Tuesday's sends other values, Monday's is resumed: Tuesday's values stay, and the rows are
    counted."""
    monday = days.stopped(days.sheet("monday", "v1"))
    days.run(days.sheet("tuesday", "v2"))
    done = days.resumed(monday.run_id)
    open_rows = monday.rows.unprocessed
    assert days.codes(done)[("skipped", OVERTAKEN)] == open_rows == done.rows.skipped
    assert done.exit_code == ExitCode.OK and any(note.startswith(f"{open_rows} rows") for note in done.notes)
    assert days.values() == Counter(v2=ROWS)
    # Wednesday's sheet is what the server has.
    assert statuses(days.run(days.sheet("wednesday", "v2"), only_changed=True)) == Counter(skipped=ROWS)


def test_overwritten_on_request_is_not_unchanged_afterwards(days: Days) -> None:
    """What counts is the time at which a customer was sent something, not the age of the run."""
    monday = days.stopped(days.sheet("monday", "v1"))
    days.run(days.sheet("tuesday", "v2"))
    done = days.resumed(monday.run_id, overwrite_newer=True)
    assert (done.rows.skipped, done.rows.succeeded) == (0, ROWS)
    assert days.values()["v1"] == monday.rows.unprocessed
    days.run(days.sheet("wednesday", "v2"), only_changed=True)
    assert days.values() == Counter(v2=ROWS)


def test_a_retry_leaves_them_out_too_and_sends_them_on_request(days: Days) -> None:
    """The row failed on Monday; on Tuesday its customer was sent another value."""
    monday = days.run(days.sheet("monday", "v1", magic=7))
    assert statuses(monday) == Counter(succeeded=ROWS - 1, failed=1)
    days.run(days.sheet("tuesday", "v2"))
    again = retry(monday.run_id, days.settings(), {}, world(days.sandbox, days.folder))
    assert days.codes(again)[("skipped", OVERTAKEN)] == 1
    assert days.values() == Counter(v2=ROWS)
    forced = retry(again.run_id, days.settings(), {"overwrite_newer": True}, world(days.sandbox, days.folder))
    assert statuses(forced)[("succeeded")] == 1
    assert days.values() == Counter(v2=ROWS - 1, v1=1)


def test_a_retry_does_not_inherit_the_consent_to_overwrite(days: Days) -> None:
    """It was given before the newest run began."""
    monday = days.run(days.sheet("monday", "v1", magic=7, times=2))
    first = retry(monday.run_id, days.settings(), {"overwrite_newer": True}, world(days.sandbox, days.folder))
    assert statuses(first)["failed"] == 1
    days.run(days.sheet("tuesday", "v2"))
    second = retry(first.run_id, days.settings(), {}, world(days.sandbox, days.folder))
    assert days.codes(second)[("skipped", OVERTAKEN)] == 1
    assert days.values() == Counter(v2=ROWS)


@pytest.mark.parametrize(
    ("value", "column", "first"),
    [("v1", "Colour", 1), ("v2", "Size", 1), ("v2", "Colour", 500)],
    ids=["the same values", "another preference", "other customers"],
)
def test_rows_that_overwrite_nothing_are_sent(days: Days, value: str, column: str, first: int) -> None:
    monday = days.stopped(days.sheet("monday", "v1"))
    days.run(days.sheet("tuesday", value, column, first))
    done = days.resumed(monday.run_id)
    assert (done.rows.skipped, done.rows.succeeded) == (0, ROWS)
    assert days.values() == Counter(v1=ROWS)


def test_a_value_for_every_row_and_one_named_in_a_cell_count_too(days: Days) -> None:
    """The newer sheet does not have the preference as a column."""
    monday = days.stopped(days.sheet("monday", "v1"))
    days.run(days.sheet("tuesday", "x", "Other"), mapping=str(days.constant("Colour", "v2")))
    assert days.resumed(monday.run_id).rows.skipped == monday.rows.unprocessed
    wednesday = days.stopped(days.sheet("wednesday", "v3"))
    days.run(days.long("thursday", "Colour", "v4"))
    assert days.resumed(wednesday.run_id).rows.skipped == wednesday.rows.unprocessed
    assert days.values() == Counter(v4=ROWS)


def test_an_older_retry_is_not_newer(days: Days) -> None:
    """A retry began with the run whose rows it sends: it does not hold up the run after that."""
    first = days.run(days.sheet("monday", "v1", magic=ROWS))
    tuesday = days.stopped(days.sheet("tuesday", "v2"))
    again = retry(first.run_id, days.settings(), {}, world(days.sandbox, days.folder))
    assert statuses(again)["succeeded"] == 1
    done = days.resumed(tuesday.run_id)
    assert (done.rows.skipped, done.rows.succeeded) == (0, ROWS)
    assert days.values() == Counter(v2=ROWS)


def test_a_request_in_doubt_is_not_repeated_over_newer_values(days: Days) -> None:
    """Its process was killed: whether its rows were applied stays unknown, and the others of the request are sent."""
    source = days.sheet("monday", "v1")
    monday = days.stopped(source)
    with Journal.open(days.folder / "reports") as journal:
        found = journal.run(monday.run_id)
        assert found is not None
        taken = {row for one in journal.open_batches(found.key) for rows in one.rows for row in rows}
        decided = journal.decided(found.key)
        left = [row for row in range(2, ROWS + 2) if not any(decided[row : row + 1]) and row not in taken]
        doubtful, others = left[:6], left[6:]
        journal.write([Change(opened=((batch(90, *doubtful), 1),))], found.key)
    tuesday = days.sheet("tuesday", "v2")
    lines = tuesday.read_text().splitlines(keepends=True)
    # Tuesday's sheet has only some of the customers of the request.
    tuesday.write_text("".join([lines[0], *(lines[row - 1] for row in doubtful[:4])]))
    days.run(tuesday)
    done = days.resumed(monday.run_id)
    assert days.codes(done)[("unknown", OVERTAKEN)] == 4
    assert done.rows.succeeded == ROWS - 4 and others
    assert days.values() == Counter(v1=ROWS - 4, v2=4)


def test_a_run_without_requests_is_verified_by_what_it_says_of_the_server(days: Days) -> None:
    """All of its rows were unchanged: they are asked for all the same."""
    days.run(days.sheet("monday", "v1"))
    tuesday = days.run(days.sheet("tuesday", "v1"), only_changed=True)
    assert statuses(tuesday) == Counter(skipped=ROWS)
    own = days.settings()
    found = verify(tuesday.run_id, own, {}, world(days.sandbox, days.folder))
    assert (found.customers, found.exit_code) == (ROWS, ExitCode.OK)
    days.run(days.sheet("other", "v9"), reports_dir=str(days.folder / "elsewhere"))
    assert verify(tuesday.run_id, own, {}, world(days.sandbox, days.folder)).exit_code == ExitCode.ROWS


def test_nothing_is_unchanged_while_a_request_has_no_answer(days: Days) -> None:
    """The run was killed and not resumed: when its request was applied is not known."""
    days.run(days.sheet("monday", "v1"))
    with Journal.open(days.folder / "reports") as journal:
        killed = record("killed", base_url=days.sandbox.base_url, key_name=days.sandbox.username)
        key = journal.create(killed, "some work").key
        journal.write([Change(opened=((batch(1, 2, 3), 0),))], key)
    for _ in range(2):
        assert statuses(days.run(days.sheet("tuesday", "v1"), only_changed=True)) == Counter(succeeded=ROWS)
    with Journal.open(days.folder / "reports") as journal:
        journal.write([Change(outcomes=[Outcome(2, Status.UNKNOWN), Outcome(3, Status.UNKNOWN)], settled=(1,))], key)
    assert statuses(days.run(days.sheet("tuesday", "v1"), only_changed=True)) == Counter(skipped=ROWS)


def test_what_is_older_than_purged_rows_does_not_count(days: Days) -> None:
    """The purged run may have been the last to send these customers something."""
    days.run(days.sheet("monday", "v1"))
    tuesday = days.run(days.sheet("tuesday", "v2"))
    purge(days.settings(), -60.0, world(days.sandbox, days.folder), lambda run: run.record.run_id == tuesday.run_id)
    assert statuses(days.run(days.sheet("wednesday", "v1"), only_changed=True)) == Counter(succeeded=ROWS)


def test_what_a_purged_newer_run_sent_is_not_guessed(days: Days) -> None:
    """Which values are newer is known only while the journal has the rows of the newer run."""
    monday = days.stopped(days.sheet("monday", "v1"))
    tuesday = days.run(days.sheet("tuesday", "v2"))
    purge(days.settings(), -60.0, world(days.sandbox, days.folder), lambda run: run.record.run_id == tuesday.run_id)
    with pytest.raises(SettingsError):
        days.resumed(monday.run_id)
    assert days.values() == Counter(v2=ROWS)
    assert days.resumed(monday.run_id, overwrite_newer=True).rows.succeeded == ROWS


def test_what_the_server_refused_is_not_newer(days: Days) -> None:
    """The same sheet was imported twice, and its row failed twice: the first run can be retried."""
    sheet = days.sheet("monday", "v1", magic=7)
    sheet.write_text(sheet.read_text().replace("code-1012-x1", "code-1012-x2"))
    first = days.run(sheet)
    days.run(sheet)
    assert statuses(retry(first.run_id, days.settings(), {}, world(days.sandbox, days.folder)))["succeeded"] == 1


def test_a_clock_that_was_set_back_makes_nothing_unchanged(days: Days) -> None:
    """Where the times of two runs contradict their order, only what both say counts."""
    days.run(days.sheet("monday", "v1"))
    back = world(days.sandbox, days.folder, observer=Listener(), wall=lambda: 1_000)
    days.run(days.sheet("tuesday", "v2"), back)
    assert statuses(days.run(days.sheet("wednesday", "v1"), only_changed=True)) == Counter(succeeded=ROWS)
    assert days.values() == Counter(v1=ROWS)


def test_what_a_purged_newer_run_left_out_as_unchanged_is_not_guessed(days: Days) -> None:
    """Tuesday's run sent nothing, because the server had its values; after the purge, which ones is not known."""
    last = ROWS - 4
    days.run(days.sheet("sunday", "v2", first=last))
    monday = days.stopped(days.sheet("monday", "v1"))
    tuesday = days.run(days.sheet("tuesday", "v2", first=last), only_changed=True)
    assert statuses(tuesday) == Counter(skipped=ROWS)
    purge(days.settings(), -60.0, world(days.sandbox, days.folder), lambda run: run.record.run_id == tuesday.run_id)
    with pytest.raises(SettingsError, match="purged"):
        days.resumed(monday.run_id)


def test_what_a_newer_run_left_out_as_unchanged_is_not_overwritten(days: Days) -> None:
    """Tuesday's sheet has the values that the server has; Monday's, resumed later, must not set them back."""
    days.run(days.sheet("sunday", "v2"))
    monday = days.stopped(days.sheet("monday", "v1"))
    days.run(days.sheet("tuesday", "v2"), only_changed=True)
    done = days.resumed(monday.run_id)
    assert days.codes(done)[("skipped", OVERTAKEN)] == monday.rows.unprocessed
    assert days.values() == Counter(v2=ROWS)


def test_what_was_left_out_as_unchanged_is_not_what_was_sent_last(days: Days) -> None:
    """Monday's run sends its values after Tuesday's sheet was compared."""
    last = ROWS - 4
    for first in (1, last):
        days.run(days.sheet(f"sunday-{first}", "v2", first=first))
    monday = days.stopped(days.sheet("monday", "v1"))
    tuesday = days.run(days.sheet("tuesday", "v2", first=last), only_changed=True)
    assert statuses(tuesday) == Counter(skipped=ROWS)
    days.resumed(monday.run_id, overwrite_newer=True)
    assert days.values() == Counter(v1=ROWS)
    days.run(days.sheet("wednesday", "v2", first=last), only_changed=True)
    assert days.values() == Counter(v1=last - 1, v2=5)
