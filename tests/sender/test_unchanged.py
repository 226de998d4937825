"""`--only-changed`: what was last sent the same is left out, and the server still ends as if all rows had been sent."""

from __future__ import annotations

import csv
import random
import sqlite3
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from importer.journal import SCHEMA_VERSION, Change, Journal
from importer.journal.ledger import sent_by
from importer.model import Customer, RunSummary, Store
from importer.pipeline import resume, run
from importer.sandbox import EmbeddedSandbox
from importer.sender.fingerprints import Fingerprints, hash_texts
from importer.sender.siphash import siphash
from importer.sender.unchanged import Hasher, sent_before
from tests.support.journals import batch, record
from tests.support.runs import Listener, results, settings, sheet, statuses, stopped_after, world

Row = tuple[str, str, str]


def write(path: Path, rows: Sequence[Row]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("mobile", "email", "Colour"), *rows])
    return path


def rows_of(count: int) -> list[Row]:
    return [(f"91818100{n or 9_999:04}", f"c{n}@example.com", f"colour {n}") for n in range(count)]


class Shop:
    """A target and a place for reports, into which sheets are imported one after the other."""

    def __init__(self, sandbox: EmbeddedSandbox, folder: Path) -> None:
        self.sandbox, self.folder = sandbox, folder
        self._count = 0

    def imported(self, rows: Sequence[Row], *, only_changed: bool = True) -> RunSummary:
        self._count += 1
        path = write(self.folder / f"rows-{self._count}.csv", rows)
        own = settings(self.sandbox, self.folder / "reports", only_changed=only_changed)
        return run(str(path), own, world(self.sandbox, self.folder))

    def colour(self, mobile: str) -> str | None:
        return self.sandbox.state.preferences_of(mobile=mobile).get("Colour")


def test_unchanged_rows_are_skipped_and_counted(tmp_path: Path) -> None:
    """A first run stores the fingerprints, whether or not it asked for it; the second one sends only what differs."""
    with EmbeddedSandbox() as sandbox:
        shop = Shop(sandbox, tmp_path)
        rows = rows_of(40)
        shop.imported(rows, only_changed=False)
        again = shop.imported(rows)
        assert (again.exit_code, statuses(again)) == (0, Counter(skipped=40))
        assert {row["_code"] for row in results(tmp_path / "reports", again.run_id)} == {"unchanged"}
        rows[3] = (*rows[3][:2], "another colour")
        assert statuses(shop.imported(rows)) == Counter(succeeded=1, skipped=39)
        # Back to what it was: the last success counts, not any success.
        assert statuses(shop.imported(rows_of(40))) == Counter(succeeded=1, skipped=39)
        assert shop.colour(rows[3][0]) == "colour 3"


def test_the_order_of_a_customers_rows_is_kept(tmp_path: Path) -> None:
    """A, then B: B is what was sent last. In the next run A is sent, so that B must be sent again after it."""
    with EmbeddedSandbox() as sandbox:
        shop = Shop(sandbox, tmp_path)
        rows = [("918181000001", "", "red"), ("918181000002", "", "green"), ("918181000001", "", "blue")]
        shop.imported(rows)
        assert statuses(shop.imported(rows)) == Counter(succeeded=2, skipped=1)
        assert shop.colour("918181000001") == "blue"


def test_every_identifier_of_a_customer_must_have_been_sent_the_same(tmp_path: Path) -> None:
    """A row that named the customer by one of them only counts as well."""
    with EmbeddedSandbox() as sandbox:
        shop = Shop(sandbox, tmp_path)
        both = ("918181000001", "one@example.com", "red")
        shop.imported([both])
        shop.imported([("", "ONE@example.com", "blue")])
        assert statuses(shop.imported([both])) == Counter(succeeded=1)
        assert shop.colour("918181000001") == "red"


@pytest.mark.parametrize("name", ["code-1012-x1", "warn-1017", "omit"])
def test_rows_without_a_plain_success_are_sent_again(tmp_path: Path, name: str) -> None:
    """A failure, a warning, a missing reply: it is not known what the server holds."""
    with EmbeddedSandbox() as sandbox:
        shop = Shop(sandbox, tmp_path)
        row = ("918181000001", f"{name}@sandbox.test", "red")
        shop.imported([row], only_changed=False)
        sent = len(sandbox.state.requests)
        shop.imported([row])
        assert len(sandbox.state.requests) > sent


def test_another_target_has_its_own_fingerprints(tmp_path: Path) -> None:
    with EmbeddedSandbox() as one, EmbeddedSandbox() as other:
        assert statuses(Shop(one, tmp_path).imported(rows_of(20))) == Counter(succeeded=20)
        assert statuses(Shop(other, tmp_path).imported(rows_of(20))) == Counter(succeeded=20)


def test_another_organisation_of_the_same_server_has_its_own_fingerprints(tmp_path: Path) -> None:
    """What one brand was sent says nothing about the customers of another."""
    with EmbeddedSandbox() as sandbox:
        shop = Shop(sandbox, tmp_path)
        shop.imported(rows_of(20))
        with Journal.open(tmp_path / "reports") as journal:
            [sent] = journal.runs()
            other = msgspec.structs.replace(sent.record, key_name="other-brand")
            [ours] = sent_before(journal, msgspec.structs.replace(sent, key=0))
            [theirs] = sent_before(journal, msgspec.structs.replace(sent, key=0, record=other))
            assert (len(list(ours)), len(list(theirs))) == (20, 0)


def test_a_resumed_run_skips_the_same_rows(tmp_path: Path) -> None:
    with EmbeddedSandbox() as sandbox:
        shop = Shop(sandbox, tmp_path)
        rows = rows_of(200)
        shop.imported(rows[::2], only_changed=False)
        path = write(tmp_path / "all.csv", rows)
        own = settings(sandbox, tmp_path / "reports", only_changed=True)
        half = run(str(path), own, stopped_after(35, sandbox, tmp_path))
        assert half.exit_code == 130
        whole = resume(None, settings(sandbox, tmp_path / "reports"), {}, world(sandbox, tmp_path))
        assert (whole.run_id, statuses(whole)) == (half.run_id, Counter(succeeded=100, skipped=100))


def test_an_abandoned_run_makes_its_customers_unknown(tmp_path: Path) -> None:
    """Its batches without an answer may have been applied: everything before it is sent again."""
    with EmbeddedSandbox() as sandbox:
        shop = Shop(sandbox, tmp_path)
        shop.imported(rows_of(20))
        with Journal.open(tmp_path / "reports") as journal:
            given_up = journal.create(
                record("given-up", base_url=sandbox.base_url, key_name=sandbox.username), "some work"
            )
            journal.write([Change(opened=((batch(1, 2, 3), 0),))], given_up.key)
            journal.abandon(given_up.key)
        assert statuses(shop.imported(rows_of(20))) == Counter(succeeded=20)
        assert statuses(shop.imported(rows_of(20))) == Counter(skipped=20)


def test_a_repeated_import_names_the_option_that_skips_unchanged_rows(tmp_path: Path) -> None:
    with EmbeddedSandbox() as sandbox:
        source = sheet(tmp_path / "rows.csv", 20)
        own = settings(sandbox, tmp_path / "reports", only_changed=True)
        run(str(source), own, world(sandbox, tmp_path))
        watched = world(sandbox, tmp_path)
        assert statuses(run(str(source), own, watched)) == Counter(skipped=20)
        assert isinstance(watched.observer, Listener)
        assert "already imported" in watched.observer.said[0]


def test_hashes_are_keyed_and_hold_everything_that_is_sent() -> None:
    """Not a byte of a customer stands in the journal, and no field can change unseen."""
    one = Customer(2, mobile="918181000001", email="a@example.com", custom_fields=(("Colour", "red"),))
    other_row = Customer(9, mobile="918181000001", email="a@example.com", custom_fields=(("Colour", "red"),))
    hasher = Hasher(b"k" * 16)
    (entry,) = hasher([one])
    assert hasher([other_row, one]) == [entry, entry]
    assert Hasher(b"l" * 16)([one]) != [entry]
    known = Fingerprints([entry])
    changed = (
        Customer(2, mobile="918181000001", email="a@example.com", custom_fields=(("Colour", "blue"),)),
        Customer(
            2, mobile="918181000001", email="a@example.com", store=Store("S1"), custom_fields=(("Colour", "red"),)
        ),
        Customer(2, mobile="918181000001", email="b@example.com", custom_fields=(("Colour", "red"),)),
        Customer(2, mobile="918181000002"),
    )
    assert known.knows(hasher([one, *changed])) == [True, False, False, False, False]
    assert Fingerprints([]).knows([entry]) == [False]
    assert known.knows([]) == []


def one_entry_each_row(old: sqlite3.Connection) -> None:
    """Makes the outcomes of a journal what they were before version 3."""
    columns = [name for _, name, *_ in old.execute("PRAGMA table_info(outcomes)") if name not in ("row_number", "rows")]
    entries = old.execute(f"SELECT row_number, rows, {', '.join(columns)} FROM outcomes").fetchall()
    old.execute("DELETE FROM outcomes")
    old.execute("ALTER TABLE outcomes DROP COLUMN rows")
    for first, rows, *values in entries:
        sent = msgspec.msgpack.decode(values[-1]) if columns[-1] == "sent" else []
        for at in range(rows):
            if sent:
                values[-1] = sent[at]
            marks = ", ".join("?" * (len(columns) + 1))
            old.execute(
                f"INSERT INTO outcomes (row_number, {', '.join(columns)}) VALUES ({marks})", (first + at, *values)
            )


def test_a_journal_of_the_second_version_is_brought_up_to_date(tmp_path: Path) -> None:
    """Its outcomes, an entry for each row, say the same as before, and its customers are known."""
    with EmbeddedSandbox() as sandbox:
        shop = Shop(sandbox, tmp_path)
        run_id = shop.imported(rows_of(20)).run_id
        with Journal.open(tmp_path / "reports") as journal:
            run = journal.run(run_id)
            assert run is not None
            outcomes, sent = list(journal.outcomes(run.key)), list(sent_by(journal, [run.key]))
        with sqlite3.connect(tmp_path / "reports" / "journal.db") as old:
            one_entry_each_row(old)
            old.execute("ALTER TABLE runs DROP COLUMN edits")
            old.execute("UPDATE meta SET schema_version = 2")
            assert old.execute("SELECT count(*) FROM outcomes").fetchone() == (20,)
        old.close()
        with Journal.open(tmp_path / "reports") as journal:
            assert journal._version() == SCHEMA_VERSION
            assert (list(journal.outcomes(run.key)), list(sent_by(journal, [run.key]))) == (outcomes, sent)
            assert len(list(journal.stretches(run.key))) == 2
            assert journal.decided(run.key).count(1) == sum(journal.counts(run.key).values()) == 20
        assert statuses(shop.imported([*rows_of(20), *rows_of(21)[20:]])) == Counter(skipped=20, succeeded=1)


def test_a_journal_of_the_first_version_is_brought_up_to_date(tmp_path: Path) -> None:
    """Its runs and outcomes stay; its customers are unknown, and so are sent."""
    with EmbeddedSandbox() as sandbox:
        shop = Shop(sandbox, tmp_path)
        shop.imported(rows_of(20))
        with sqlite3.connect(tmp_path / "reports" / "journal.db") as old:
            old.execute("ALTER TABLE outcomes DROP COLUMN sent")
            one_entry_each_row(old)
            old.execute("ALTER TABLE meta DROP COLUMN ledger_key")
            old.execute("ALTER TABLE runs DROP COLUMN edits")
            old.execute("UPDATE meta SET schema_version = 1")
        old.close()
        assert statuses(shop.imported(rows_of(20))) == Counter(succeeded=20)
        assert statuses(shop.imported(rows_of(20))) == Counter(skipped=20)
        with Journal.open(tmp_path / "reports") as journal:
            assert len(journal.runs()) == 3
            assert journal._version() == SCHEMA_VERSION


def test_a_few_texts_are_hashed_as_many_are() -> None:
    """The journal holds hashes of both; runs of a few rows do not load pandas."""
    key, chance = b"0123456789abcdef", random.Random(1)
    texts: list[bytes | str] = ["", "a", "é", *(chance.randbytes(chance.randrange(300)) for _ in range(300))]
    one_by_one = [siphash(key, text.encode() if isinstance(text, str) else text) for text in texts]
    assert hash_texts(key, texts) == b"".join(one_by_one)
