"""A row that is sent again does not overwrite what a later row of the same sheet has set."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from importer.errors import ExitCode, SettingsError
from importer.journal import Change, Journal
from importer.journal.ledger import SentRows, rows_sent
from importer.model import SENT_LATER, Outcome, RunSummary, Status
from importer.normaliser.fixing import Edits
from importer.pipeline import resume, retry, run
from importer.runs.purge import purge
from importer.runs.report import nothing_to_retry
from importer.sandbox import EmbeddedSandbox
from importer.world import World
from tests.support.journals import Opener, batch, record
from tests.support.runs import results, settings, stopped_after, world

#: Fails once, twice.
ONCE, TWICE = "code-1012-x1", "code-1012-x2"
M = "919876543210"


class Sheet:
    """One sheet, imported and retried on one target."""

    def __init__(self, sandbox: EmbeddedSandbox, folder: Path) -> None:
        self.sandbox, self.folder = sandbox, folder
        self.path = folder / "rows.csv"

    def write(self, *rows: Sequence[str], header: str = "mobile,external_id,Colour") -> Sheet:
        with self.path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([header.split(","), *rows])
        return self

    def _world(self) -> World:
        return world(self.sandbox, self.folder)

    def run(self, in_world: World | None = None, **more: object) -> RunSummary:
        return run(str(self.path), self._settings(**more), in_world or self._world())

    def retry(self, before: RunSummary, in_world: World | None = None, **given: object) -> RunSummary:
        return retry(before.run_id, self._settings(), given, in_world or self._world())

    def rest(self, before: RunSummary, edits: Edits | None = None, **more: object) -> RunSummary:
        return run(str(self.path), self._settings(**more), self._world(), edits=edits, rest_of=before.run_id)

    def resume(self, before: RunSummary) -> RunSummary:
        return resume(before.run_id, self._settings(), {}, self._world())

    def _settings(self, **more: object):  # type: ignore[no-untyped-def]
        return settings(self.sandbox, self.folder / "reports", **more)

    def journal(self) -> Journal:
        return Journal.open(self.folder / "reports")

    def codes(self, done: RunSummary) -> list[str]:
        """The code of each row, "ok" for one that succeeded."""
        rows = results(self.folder / "reports", done.run_id)
        return ["ok" if row["_status"] == "succeeded" else row["_code"] for row in rows]

    def has(self, mobile: str = M) -> dict[str, str]:
        return self.sandbox.state.preferences_of(mobile=mobile)


@pytest.fixture
def sheet(tmp_path: Path) -> Iterator[Sheet]:
    with EmbeddedSandbox() as sandbox:
        yield Sheet(sandbox, tmp_path)


def fixed_by_rule(folder: Path, *rules: str) -> dict[str, Any]:
    """The settings with a mapping that has these rules."""
    path = folder / "m.toml"
    columns = 'mobile = "mobile"\nexternal_id = "external_id"\nColour = "preference"'
    path.write_text("\n".join(["[columns]", columns, *(f"[[rules]]\n{rule}" for rule in rules)]) + "\n")
    return {"mapping": str(path)}


@pytest.mark.parametrize("how", ["failed", "unknown", "rejected", "by a rule", "edited"])
def test_an_older_row_does_not_overwrite_a_later_one(sheet: Sheet, how: str) -> None:
    """Whatever kept it from being sent, or makes it be sent again, it is left out and counted, and sent on request."""
    mobile = f"Ph: {M}" if how == "by a rule" else "12" if how == "rejected" else M
    magic = {"failed": ONCE, "unknown": "yes-816"}.get(how, "C-1")
    sheet.write([mobile, magic, "old"], [M, "", "new"])
    plain = fixed_by_rule(sheet.folder) if how == "by a rule" else dict[str, Any]()
    first = sheet.run(**plain)
    if how in ("failed", "unknown"):
        second = sheet.retry(first)
    elif how == "by a rule":
        second = sheet.rest(first, **fixed_by_rule(sheet.folder, 'column = "mobile"\nstrip = ["Ph:"]'))
    else:
        second = sheet.rest(first, Edits({2: {"mobile": M} if how == "rejected" else {"Colour": "older"}}))
    assert sheet.codes(second) == [SENT_LATER, "not_chosen"]
    assert (second.rows.skipped, second.exit_code) == (2, ExitCode.OK)
    assert sum(note.startswith("1 row was left out: a later row of the sheet") for note in second.notes) == 1
    assert sheet.has()["Colour"] == "new"
    with sheet.journal() as journal:
        known = journal.run(second.run_id)
        assert known is not None
        assert nothing_to_retry(journal, known, overwrite_newer=False)
        assert not nothing_to_retry(journal, known, overwrite_newer=True)
    third = sheet.retry(second, overwrite_newer=True)
    assert sheet.codes(third)[1] == "not_chosen" and third.rows.skipped == 1
    # The server contradicts itself about the unknown one, and stores nothing.
    assert sheet.has()["Colour"] == {"edited": "older", "unknown": "new"}.get(how, "old")


@pytest.mark.parametrize(
    ("older", "later"),
    [
        (("red", ""), [("", "L")]),
        (("red", ""), [("red", "L")]),
        (("red", "L"), [("red", "L")]),
        (("red", ""), [("blue", ""), ("red", "L")]),
    ],
    ids=["other preferences", "the same value", "the same values", "the same value last"],
)
def test_a_row_that_overwrites_nothing_is_sent(
    sheet: Sheet, older: tuple[str, str], later: list[tuple[str, str]]
) -> None:
    """What counts is each preference, as the last later row set it."""
    header = "mobile,external_id,Colour,Size"
    sheet.write([M, ONCE, *older], *([M, "", *values] for values in later), header=header)
    second = sheet.retry(sheet.run())
    assert sheet.codes(second) == ["ok", *["not_chosen"] * len(later)]
    assert sheet.has() == {name: value for name, value in (("Colour", "red"), ("Size", "L")) if value}


def test_names_of_preferences_are_compared_as_the_server_does(sheet: Sheet) -> None:
    """A long sheet may name one preference in two ways; the server ignores case."""
    header = "mobile,external_id,preference name,preference value"
    sheet.write([M, ONCE, "colour", "old"], ["919876543211", "", "Size", "L"], [M, "", "Colour", "new"], header=header)
    assert sheet.codes(sheet.retry(sheet.run()))[0] == SENT_LATER


@pytest.mark.parametrize(("last", "code"), [("", "ok"), (TWICE, "ok"), ("C-1", SENT_LATER)])
def test_rows_that_are_sent_together_keep_their_order(sheet: Sheet, last: str, code: str) -> None:
    """Later rows that the retry sends too, and earlier rows that succeeded, hold up nothing."""
    rows = [[M, "", "a"], [M, ONCE, "b"], [M, "code-1012-x1+other", "c"]]
    sheet.write(*rows, *([[M, last, "d"]] if last else []), ["919876543211", "", "of another customer"])
    second = sheet.retry(sheet.run())
    assert sheet.codes(second)[:3] == ["not_chosen", code, code]
    assert sheet.has()["Colour"] == ("d" if code == SENT_LATER else "c")


def test_an_edited_row_is_sent_where_it_is_the_last_of_its_customer(sheet: Sheet) -> None:
    """It succeeded before, like the rows before it. An edit of both sends both, in their order."""
    sheet.write([M, "C-1", "a"], [M, "C-1", "b"])
    second = sheet.rest(sheet.run(), Edits({3: {"Colour": "c"}}))
    assert (sheet.codes(second), sheet.has()["Colour"]) == (["not_chosen", "ok"], "c")
    third = sheet.rest(second, Edits({2: {"Colour": "d"}, 3: {"Colour": "e"}}))
    assert (sheet.codes(third), sheet.has()["Colour"]) == (["ok", "ok"], "e")
    # What the later row says now counts, not what it said at first.
    fourth = sheet.rest(third, Edits({2: {"Colour": "b"}, 3: {"Colour": "e"}}))
    assert (sheet.codes(fourth), sheet.has()["Colour"]) == ([SENT_LATER, "not_chosen"], "e")
    fifth = sheet.rest(fourth, Edits({2: {"Colour": "e"}, 3: {"Colour": "e"}}))
    assert (sheet.codes(fifth), sheet.has()["Colour"]) == (["ok", "not_chosen"], "e")


def test_an_edited_row_that_is_left_out_itself_still_counts(sheet: Sheet) -> None:
    """What it set before it was edited stands, so an older row must not replace it. So does that of one that cannot be
    sent any more."""
    header = "mobile,external_id,Colour,Size"
    sheet.write(["12", "", "", "S"], [M, "", "a", "M"], [M, "", "b", ""], header=header)
    first = sheet.run()
    second = sheet.rest(first, Edits({2: {"mobile": M}, 3: {"Colour": "c"}}))
    assert sheet.codes(second) == [SENT_LATER, SENT_LATER, "not_chosen"]
    assert sheet.has() == {"Colour": "b", "Size": "M"}
    third = sheet.rest(second, Edits({2: {"mobile": M, "Size": "XS"}, 3: {"mobile": "12"}}))
    assert sheet.codes(third) == [SENT_LATER, "mobile_too_short", "not_chosen"]
    assert sheet.has() == {"Colour": "b", "Size": "M"}
    first = sheet.write(["12", "", "", "S"], [M, "", "", "L"], header=header).run()
    second = sheet.rest(first, Edits({2: {"mobile": M}, 3: {"mobile": "12"}}))
    assert (sheet.codes(second), sheet.has()["Size"]) == ([SENT_LATER, "mobile_too_short"], "L")


def test_every_run_of_the_rows_counts(sheet: Sheet) -> None:
    """The later row succeeded in a retry, or in another retry of the same run."""
    sheet.write([M, TWICE, "old"], [M, "code-1012-x1+later", "new"])
    first = sheet.run()
    second = sheet.retry(first)
    assert sheet.codes(second) == ["1012", "ok"]
    assert sheet.codes(sheet.retry(second)) == [SENT_LATER, "not_chosen"]
    assert sheet.has()["Colour"] == "new"
    sheet.write([M, TWICE.replace("x2", "x3"), "old"], ["12", "", "new"])
    first = sheet.run()
    sheet.rest(first, Edits({3: {"mobile": M}}))
    # In the first run the later row was rejected: its retry does not send it.
    assert sheet.codes(sheet.retry(first)) == [SENT_LATER, "not_chosen"]
    assert sheet.has()["Colour"] == "new"


def test_a_later_row_that_reads_otherwise_now_counts_as_a_whole(sheet: Sheet) -> None:
    """A rule changed it after it was sent: what it set then is not in the sheet any more."""
    header = "mobile,external_id,Colour,Size"
    sheet.write(["12", "", "", "S"], [M, "C-1", "red", ""], header=header)
    path = sheet.folder / "m.toml"
    columns = 'mobile = "mobile"\nexternal_id = "external_id"\nColour = "preference"\nSize = "preference"\n'
    path.write_text(f"[columns]\n{columns}")
    first = sheet.run(mapping=str(path))
    edits = Edits({2: {"mobile": M}})
    path.write_text(f'[columns]\n{columns}[[rules]]\ncolumn = "Colour"\nvalues = {{ red = "Red" }}\n')
    assert sheet.codes(sheet.rest(first, edits, mapping=str(path))) == [SENT_LATER, "not_chosen"]


def test_a_row_left_out_as_unchanged_counts_too(sheet: Sheet) -> None:
    """The server had its values already."""
    sheet.write([M, "", "new"]).run()
    sheet.write(["12", "", "old"], [M, "", "new"])
    first = sheet.run(only_changed=True)
    assert sheet.codes(first)[1] == "unchanged"
    assert sheet.codes(sheet.rest(first, Edits({2: {"mobile": M}}), only_changed=True))[0] == SENT_LATER
    assert sheet.has()["Colour"] == "new"


LONG = "mobile,external_id,preference name,preference value"


def test_rows_of_a_long_sheet_are_compared_by_preference(sheet: Sheet) -> None:
    """In a sheet sorted by preference, each customer has later rows: only those of the same preference count."""
    others = [f"9198765432{n:02}" for n in range(20, 30)]
    rows = [[mobile, "", name, f"{name} 1"] for name in ("Colour", "Size") for mobile in (M, *others)]
    rows[0][1] = ONCE
    second = sheet.retry(sheet.write(*rows, header=LONG).run())
    assert sheet.codes(second) == ["ok", *["not_chosen"] * 21]
    assert sheet.has() == {"Colour": "Colour 1", "Size": "Size 1"}
    rows[0][1] = "code-1012-x1+again"
    second = sheet.retry(sheet.write(*rows, [M, "", "Colour", "Colour 2"], header=LONG).run())
    assert sheet.codes(second) == [SENT_LATER, *["not_chosen"] * 22]
    assert sheet.has()["Colour"] == "Colour 2"


def test_a_customer_of_several_rows_is_as_old_as_its_first(sheet: Sheet) -> None:
    """It is sent as a whole. An edited customer does not count as later than itself."""
    two = "919876543211"
    rows = [[M, "", "Colour", "a"], [M, "", "Size", "S"], [two, "", "Colour", "a"], [two, "", "Size", "S"]]
    first = sheet.write(*rows, header=LONG).run()
    second = sheet.rest(first, Edits({3: {"preference value": "L"}}))
    assert sheet.codes(second) == ["not_chosen", "ok", "not_chosen", "not_chosen"]
    third = sheet.rest(second, Edits({2: {"preference value": "b"}, 3: {"preference value": "L"}}))
    assert sheet.codes(third) == ["ok", "not_chosen", "not_chosen", "not_chosen"]
    assert (sheet.has(), sheet.has(two)) == ({"Colour": "b", "Size": "L"}, {"Colour": "a", "Size": "S"})
    first = sheet.write(*rows, [M, "", "Size", "M"], [M, "", "Colour", "b"], header=LONG).run()
    second = sheet.rest(first, Edits({row: {"preference value": "x"} for row in (2, 3, 4)}))
    assert sheet.codes(second) == [SENT_LATER, SENT_LATER, "ok", *["not_chosen"] * 3]
    assert sheet.has() == {"Colour": "b", "Size": "M"}


def test_a_retry_that_was_stopped_leaves_them_out_after_its_resume(sheet: Sheet) -> None:
    """The rows before and after the stop alike."""
    mobiles = [f"91987654{n:04}" for n in range(80)]
    older = [[mobile, f"code-1012-x1+n{n}", "old"] for n, mobile in enumerate(mobiles)]
    sheet.write(*older, *([mobile, "", "new"] for mobile in mobiles[::2]))
    first = sheet.run()
    stopped = sheet.retry(first, stopped_after(30, sheet.sandbox, sheet.folder))
    assert stopped.exit_code == ExitCode.INTERRUPTED
    done = sheet.resume(stopped)
    assert sheet.codes(done) == [SENT_LATER, "ok"] * 40 + ["not_chosen"] * 40
    assert [sheet.has(mobile)["Colour"] for mobile in mobiles] == ["new", "old"] * 40


def test_a_request_in_doubt_is_not_repeated_over_a_later_row(sheet: Sheet) -> None:
    """A retry was killed with its request in flight, and later rows were sent by another retry meanwhile. What is left
    of the first one does not overwrite them."""
    mobiles = [f"9198765432{n:02}" for n in range(20, 60)]
    older = [[mobile, f"code-1012-x9+o{n}", "old"] for n, mobile in enumerate(mobiles)]
    first = sheet.write(*older, *(["12", f"code-1012-x1+l{n}", f"new {n}"] for n in range(40))).run()
    fixed = sheet.rest(first, Edits({row + 40: {"mobile": mobiles[row - 2]} for row in range(2, 42)}))
    assert fixed.rows.failed == 80
    stopped = sheet.retry(first, stopped_after(10, sheet.sandbox, sheet.folder))
    with sheet.journal() as journal:
        known = journal.run(stopped.run_id)
        assert known is not None
        decided = journal.decided(known.key)
        taken = {row for one in journal.open_batches(known.key) for rows in one.rows for row in rows}
        left = [row for row in range(2, 42) if not any(decided[row : row + 1]) and row not in taken]
        journal.write([Change(opened=((batch(90, *left[:4]), 1),))], known.key)
    assert sheet.retry(fixed).rows.succeeded == 40
    done = sheet.resume(stopped)
    codes = dict(enumerate(sheet.codes(done), start=2))
    assert [codes[row] for row in left] == [SENT_LATER] * len(left)
    assert done.rows.unknown == 4
    assert [sheet.has(mobile)["Colour"] for mobile in mobiles] == [f"new {n}" for n in range(40)]


def test_what_a_purged_run_of_the_rows_sent_is_not_guessed(sheet: Sheet) -> None:
    """Whether later rows succeeded is known only while the journal has them."""
    sheet.write([M, TWICE, "old"], [M, "", "new"], ["919876543211", "code-1012-x2+b", "x"])
    first = sheet.run()
    second = sheet.retry(first)
    assert sheet.codes(second) == [SENT_LATER, "not_chosen", "1012"]
    own = settings(sheet.sandbox, sheet.folder / "reports")
    purge(own, -60.0, world(sheet.sandbox, sheet.folder), lambda known: known.record.run_id == first.run_id)
    with pytest.raises(SettingsError, match="purged"):
        sheet.retry(second)
    with pytest.raises(SettingsError, match="purged"):
        sheet.rest(second, Edits({2: {"Colour": "older"}}))
    assert sheet.has()["Colour"] == "new"
    assert sheet.codes(sheet.retry(second, overwrite_newer=True))[2] == "ok"


def test_the_rows_of_what_was_sent(opener: Opener) -> None:
    """Exact where each customer has one row. Failed rows and those of other runs do not count."""

    def outcomes(first: int, rows: int, status: Status = Status.SUCCEEDED) -> list[Outcome]:
        return [Outcome(row, status, "200", at=1) for row in range(first, first + rows)]

    with opener() as journal:
        keys = [journal.create(record(f"20260101-0200-rows-000{n}"), "x").key for n in (1, 2)]
        changes = [
            Change(outcomes=outcomes(2, 3), sent={2: b"a", 3: b"b", 4: b"c"}),
            Change(outcomes=outcomes(8, 4), sent={8: b"d", 10: b"e"}),
            Change(outcomes=outcomes(20, 1, Status.FAILED), sent={20: b"f"}),
            Change(outcomes=outcomes(21, 1, Status.SKIPPED), sent={21: b"g"}),
            Change(outcomes=outcomes(22, 1, Status.REJECTED)),
        ]
        journal.write(changes, keys[0])
        journal.write([Change(outcomes=outcomes(2, 1), sent={2: b"z"})], keys[1])
    with opener() as journal:
        exact = [SentRows(b"a", 2, 2), SentRows(b"b", 3, 3), SentRows(b"c", 4, 4), SentRows(b"g", 21, 21)]
        assert sorted(rows_sent(journal, keys[0])) == sorted([*exact, SentRows(b"d", 8, 11), SentRows(b"e", 8, 11)])


# ---------------------------------------------------------------------------------------------------- any sheet

Values = dict[str, str]


class Model:
    """What the rows of a random sheet say, and what the last success of each set."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.cells: dict[int, dict[str, str]] = {}
        self.edits: dict[int, dict[str, str]] = {}
        self.set: dict[int, tuple[str, Values]] = {}
        people = chance.randint(1, 4)
        for row in range(2, 2 + chance.randint(4, 30)):
            mobile = f"91987654321{chance.randrange(people)}"
            failing = f"code-1012-x{chance.randint(1, 3)}+r{row}" if chance.random() < 0.35 else ""
            self.cells[row] = {
                "mobile": "12" if chance.random() < 0.15 else mobile,
                "external_id": failing,
                **{name: chance.choice(["", "a", "b", "c"]) for name in ("Colour", "Size")},
            }

    def now(self, row: int) -> dict[str, str]:
        return self.cells[row] | self.edits.get(row, {})

    def values(self, row: int) -> Values:
        return {name: value for name in ("Colour", "Size") if (value := self.now(row)[name])}

    def edit(self) -> Edits:
        """Some rows that were rejected are fixed, and some values are replaced."""
        for row, cells in self.cells.items():
            if cells["mobile"] == "12" and self.chance.random() < 0.6:
                self.edits.setdefault(row, {}).setdefault("mobile", f"91987654321{self.chance.randrange(3)}")
            name = self.chance.choice(["Colour", "Size"])
            if cells[name] and self.chance.random() < 0.15:
                self.edits.setdefault(row, {})[name] = self.chance.choice(["a", "b", "d"])
        return Edits({row: dict(cells) for row, cells in self.edits.items()})

    def learn(self, rows: Sequence[Mapping[str, str]]) -> None:
        for one in rows:
            row = int(one["_row"])
            if one["_status"] == "succeeded":
                self.set[row] = (self.now(row)["mobile"], self.values(row))

    def expected(self) -> dict[str, Values]:
        """The server's state after the rows that succeeded were sent one by one."""
        found: dict[str, Values] = {}
        for _, (mobile, values) in sorted(self.set.items()):
            found.setdefault(mobile, {}).update(values)
        return found

    def overwrites(self, row: int) -> bool:
        """Whether a later row has, or might have, set one of its preferences to another value."""
        for other, (mobile, values) in self.set.items():
            if other > row and mobile == self.now(row)["mobile"]:
                # Of one that was left out after it was edited the sheet does not say what it set.
                if (mobile, values) != (self.now(other)["mobile"], self.values(other)):
                    return True
                if any(values.get(name, value) != value for name, value in self.values(row).items()):
                    return True
        return False


@pytest.mark.parametrize("seed", range(16))
def test_after_any_retries_the_state_is_that_of_rows_sent_in_order(tmp_path: Path, seed: int) -> None:
    """Few customers, random failures, rejections and edits: at no time an older value stands where a later row of the
    customer has succeeded with another, and no row is left out that would overwrite nothing."""
    model = Model(random.Random(seed))
    with EmbeddedSandbox() as sandbox:
        sheet = Sheet(sandbox, tmp_path)
        sheet.write(*(list(cells.values()) for cells in model.cells.values()), header="mobile,external_id,Colour,Size")
        done = sheet.run()
        for step in range(5):
            rows = results(tmp_path / "reports", done.run_id)
            # Before this run is taken into account: its own rows keep their order.
            left_out = [int(row["_row"]) for row in rows if row["_code"] == SENT_LATER]
            assert all(model.overwrites(row) for row in left_out), step
            model.learn(rows)
            for mobile, values in model.expected().items():
                assert sheet.has(mobile) == values, (step, mobile)
            again = sheet.retry(done) if model.chance.random() < 0.5 else sheet.rest(done, model.edit())
            if again.run_id == done.run_id:
                break  # there was nothing to retry
            done = again
