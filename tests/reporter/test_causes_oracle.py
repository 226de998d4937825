"""Every pattern that a cause states is counted again by hand, over all rows: of sheets with damage of many kinds."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from importer.capillary.codes import lookup
from importer.model import Cause, Outcome, Problem, Status
from importer.normaliser.normaliser import Normaliser
from importer.sender.feed import rejections
from importer.system.text import percent
from tests.support.reporting import Sheet, mapping, write_files

COLUMNS = ("Mobile", "Email Address", "Ext ID", "Store", "Colour")
MOBILE, EMAIL, ID, STORE, COLOUR = range(5)
MAPPING = mapping(Mobile="mobile", Email_Address="email", Ext_ID="external_id", Store="store.code", Colour="preference")
AT = 1_795_399_200_000
DOMAINS = ("example.com", "example.org", "mail.example.net", "example.in")

Row = list[str]
Damage = Callable[[random.Random, str], str]

#: Position of a column → what can be wrong with its cells.
DAMAGE: dict[int, list[Damage]] = {
    MOBILE: [
        lambda chance, cell: "9.19796E+11",
        lambda chance, cell: f"9.1979{chance.randrange(10**6)}E+11",
        lambda chance, cell: chance.choice(
            ("12/03/2026", "3/3/26", "2026-03-12", "12-03-2026", "3-Mar-26", "1.2.2026")
        ),
        lambda chance, cell: cell[:-1],
        lambda chance, cell: cell[: chance.randrange(4, 12)],
        lambda chance, cell: cell[2:],
        lambda chance, cell: f"{cell}0",
        lambda chance, cell: f"{cell[:5]} {cell[5:]}",
        lambda chance, cell: f"+{cell[:2]}-{cell[2:7]}-{cell[7:]}",
        lambda chance, cell: f"{cell}.0",
        lambda chance, cell: f"{cell} / {chance.randrange(10**9, 10**10)}",
        lambda chance, cell: f"{cell[:6]}000000",
        lambda chance, cell: f"97150{chance.randrange(10**7):07}",
        lambda chance, cell: chance.choice(("", " ", "n/a", "-", "+", "unknown", "#N/A")),
        lambda chance, cell: f"'{cell}",
        lambda chance, cell: f"{cell} ext {chance.randrange(100)}",
    ],
    EMAIL: [
        lambda chance, cell: cell.partition("@")[0] + "@",
        lambda chance, cell: "@" + cell.partition("@")[2],
        lambda chance, cell: cell.replace("@", ""),
        lambda chance, cell: cell.replace("@", "@@"),
        lambda chance, cell: cell.partition("@")[0] + "@gmail",
        lambda chance, cell: cell.replace(".", ".."),
        lambda chance, cell: cell.replace(".", ","),
        lambda chance, cell: f"us er{cell}",
        lambda chance, cell: f"{cell}.",
        lambda chance, cell: f"{cell}, other@example.org",
        lambda chance, cell: (
            cell.partition("@")[0] + chance.choice(("@gmial.example", "@Gmial.example", "@GMIAL.EXAMPLE "))
        ),
        lambda chance, cell: chance.choice(("", " ", "n/a", "?")),
    ],
    ID: [
        lambda chance, cell: cell.lstrip("0"),
        lambda chance, cell: cell[1:],
        lambda chance, cell: f"{cell}1",
        lambda chance, cell: "1.23457E+11",
        lambda chance, cell: "",
        lambda chance, cell: f"X-{cell}",
        lambda chance, cell: "3/9/2026",
    ],
    STORE: [lambda chance, cell: "BLR-01", lambda chance, cell: "", lambda chance, cell: "#REF!"],
    COLOUR: [
        lambda chance, cell: "blu",
        lambda chance, cell: chance.choice((" blu", "blu ")),
        lambda chance, cell: "",
        lambda chance, cell: "#N/A",
    ],
}


class Story:
    """A random sheet, the outcomes of its rows, and what the causes say of them."""

    def __init__(self, folder: Path, seed: int) -> None:
        chance = random.Random(seed)
        count = chance.choice((60, 150, 400))
        self.rows = [self._ordinary(chance, n) for n in range(count)]
        hits = [self._damage(chance) for _ in range(chance.randrange(1, 4))]
        # A blank row here and there: it has a number, but is not read.
        numbers = (
            list(range(2, count + 2)) if chance.random() < 0.7 else sorted(chance.sample(range(2, count * 2), count))
        )
        self.outcomes: dict[int, Outcome] = {}
        self.column: dict[int, str] = {}
        country = chance.choice((None, None, "IN"))
        normaliser = Normaliser(
            MAPPING, country=country, invalid_identifiers=chance.choice(("reject", "reject", "omit"))
        )
        (block,) = Sheet(COLUMNS, self.rows, row_numbers=numbers).blocks()
        problems = self._of_the_reader(chance, numbers) + normaliser(block).problems
        problems.sort(key=lambda problem: problem.row_number)
        for outcome in rejections(problems, 0):
            self.outcomes[outcome.row_number] = outcome
            first = [problem for problem in problems if problem.row_number == outcome.row_number]
            dates = [problem for problem in first if problem.code == "preference_is_a_date"]
            self.column[outcome.row_number] = (dates or first)[0].column or ""
        refuses = chance.random() < 0.8
        code, share = chance.choice(("816", "1004", "1002", "500", "", "424242")), chance.choice((0, 0, 0.05, 0.3))
        status = Status.UNKNOWN if code == "500" else Status.FAILED
        pace = chance.choice((1000, 9000))
        for at, number in enumerate(numbers):
            moment = AT + at // 10 * pace
            if number in self.outcomes:
                continue
            hit = refuses and any(at in rows for rows in hits)
            if hit or chance.random() < share:
                self.outcomes[number] = Outcome(number, status, code, attempts=1, at=moment)
            else:
                self.outcomes[number] = Outcome(number, Status.SUCCEEDED, "1000", attempts=1, at=moment)
        self.cells = dict(zip(numbers, self.rows, strict=True))
        source = Sheet(COLUMNS, self.rows, row_numbers=numbers)
        self.causes = write_files(folder, source, [self.outcomes[n] for n in numbers], MAPPING).causes
        self.good = [self.cells[n] for n in numbers if self.outcomes[n].status is Status.SUCCEEDED]

    @staticmethod
    def _ordinary(chance: random.Random, n: int) -> Row:
        mobile = "" if chance.random() < 0.1 else f"91{chance.choice('6789')}{chance.randrange(10**9):09}"
        email = "" if mobile and chance.random() < 0.1 else f"user{n}@{chance.choice(DOMAINS)}"
        member = f"{chance.randrange(10**7):08}" if chance.random() < 0.8 else ""
        return [mobile, email, member, f"S{chance.randrange(9)}", chance.choice(("Red", "Blue", "Green", "White", ""))]

    def _damage(self, chance: random.Random) -> set[int]:
        """Damage a block of rows, or some over the sheet, in one column or two; return their positions."""
        count, share = len(self.rows), chance.choice((0.02, 0.1, 0.3))
        first = chance.randrange(count)
        if chance.random() < 0.3:
            hit = set(range(first, min(count, first + round(share * count))))
        else:
            hit = {n for n in range(count) if chance.random() < share}
        for column in chance.sample(range(5), chance.choice((1, 1, 1, 2))):
            kinds = chance.sample(DAMAGE[column], chance.choice((1, 1, 2)))
            for n in sorted(hit):
                self.rows[n][column] = chance.choice(kinds)(chance, self.rows[n][column])
        return hit

    @staticmethod
    def _of_the_reader(chance: random.Random, numbers: Sequence[int]) -> list[Problem]:
        """Rows that the reader found too short: a problem of the whole row, before those of its cells."""
        if chance.random() < 0.7:
            return []
        entry = lookup("nameless_cell")
        return [
            Problem(number, None, "", "nameless_cell", entry.meaning, entry.advice)
            for number in numbers
            if chance.random() < 0.2
        ]

    # -- the rows counted by hand ------------------------------------------------------------------------------

    def of(self, cause: Cause) -> tuple[list[int], str]:
        """The row numbers of a cause, and what its text says after the code."""
        found = re.match(
            r"([\d,]+) rows? \((.*?)\) (failed|was rejected|were rejected|is unknown|are unknown)"
            r"(?: because of “(.*?)”)?: (?:.*?\(code (\w+)\)|no code)",
            cause.text,
        )
        assert found, cause.text
        count, share, verb, column, code = found.groups()
        status = Status(verb.split()[-1])
        rows = [
            number
            for number, outcome in self.outcomes.items()
            if (outcome.status, outcome.code) == (status, code or "")
            and (status is not Status.REJECTED or self.column[number] == (column or ""))
        ]
        assert int(count.replace(",", "")) == len(rows) == cause.rows, cause.text
        assert share == percent(len(rows), len(self.rows))
        assert ("was" in verb or "is " in verb) <= (len(rows) == 1) and (" rows " in cause.text) == (len(rows) > 1)
        assert set(cause.example_rows) <= set(rows) and len(cause.example_rows) == min(3, len(rows))
        return sorted(rows), cause.text[found.end() :]

    def check(self, cause: Cause) -> list[str]:
        """Check each statement of a cause; return the kinds of statements."""
        numbers, rest = self.of(cause)
        rows = [self.cells[number] for number in numbers]
        faults, _, rest = rest.removeprefix(":").partition(".") if rest[0] == ":" else ("", "", rest.removeprefix("."))
        kinds = [self.fault(fault.strip(), rows) for fault in faults.split(";") if fault]
        while rest := rest.strip():
            for pattern, check in STATEMENTS:
                if found := re.match(rf"(All|[\d,]+) of them {pattern}(?:\.|(?=\Z))", rest):
                    count = len(rows) if found[1] == "All" else int(found[1].replace(",", ""))
                    assert count < len(rows) or found[1] == "All", cause.text
                    try:
                        holds = check(self, numbers, *found.groups()[1:])
                    except AssertionError as wrong:
                        raise AssertionError(f"{cause.text}\n{wrong}") from wrong
                    assert holds == count, f"{cause.text}\ncounted: {holds}"
                    assert holds >= max(5, len(rows) / 5), f"too few to help: {cause.text}"
                    kinds.append(check.__name__)
                    rest = rest[found.end() :]
                    break
            else:
                raise AssertionError(f"a statement that nothing checks: {rest!r} in {cause.text}")
        if "leading zeros" in cause.advice:
            length = int(re.search(r"an id with (\d+) digit", cause.text)[1])  # type: ignore[index]
            ids = [row[ID] for row in rows if row[ID].isdecimal() and len(row[ID]) == length]
            assert ids and not any(member.startswith("0") for member in ids)
            assert any(member.startswith("0") and len(member) > length for member in (row[ID] for row in self.good))
            kinds.append("zeros")
        return kinds

    def fault(self, text: str, rows: list[Row]) -> str:
        counted = re.fullmatch(r"(.*) \((\d+) rows?\)", text)
        what, count = (counted[1], int(counted[2])) if counted else (text, len(rows))
        for pattern, holds in FAULTS:
            if found := re.fullmatch(pattern, what):
                true = sum(holds(row[EMAIL].strip(), *found.groups()) for row in rows)
                assert true >= count, (text, [row[EMAIL] for row in rows])
                return "fault"
        raise AssertionError(f"a fault that nothing checks: {what!r}")

    def unlike(self, words: str, holds: Callable[[Row], bool]) -> None:
        """What is said of the rows that succeeded."""
        same = sum(map(holds, self.good))
        assert words == (percent(same, len(self.good)) if same else "none"), (words, same, len(self.good))


FAULTS: list[tuple[str, Callable[..., bool]]] = [
    ("it has no @", lambda cell: "@" not in cell),
    (r"it has (\d+) @", lambda cell, count: cell.count("@") == int(count)),
    ("the part after the @ is missing", lambda cell: cell.endswith("@")),
    ("the part before the @ is missing", lambda cell: cell.startswith("@")),
    ("the domain has no dot", lambda cell: "." not in cell.rpartition("@")[2]),
    ("it has two dots in a row", lambda cell: ".." in cell),
    ("its (?:name|domain) ends with a dot", lambda cell: cell.endswith(".") or ".@" in cell),
    ("its (?:name|domain) begins with a dot", lambda cell: cell.startswith(".") or "@." in cell),
    ("it has a space", lambda cell: " " in cell),
    ("“(.)”.*", lambda cell, character: character in cell),
]


def digits(cell: str) -> str:
    """The digits of a cell that is one number as it stands, "" of any other."""
    cell = cell.strip()
    numbers = re.fullmatch(r"\+?[\d\s().-]+", cell) and not re.fullmatch(r"\d+\.\d+", cell)
    dates = re.fullmatch(r"\d{1,4}[.-]\d{1,2}[.-]\d{1,4}", cell)
    return "".join(character for character in cell if character.isdigit()) if numbers and not dates else ""


def length_of(position: int) -> Callable[[str, Row], bool]:
    def holds(length: str, row: Row) -> bool:
        if position == ID:
            return row[ID].isdecimal() and len(row[ID]) == int(length)
        return len(digits(row[position])) == int(length)

    return holds


def lengths(story: Story, numbers: list[int], length: str, column: str, share: str, usual: str, same: str) -> int:
    position = COLUMNS.index(column)
    holds = length_of(position)
    if usual:
        filled = [row for row in story.good if row[position].strip()]
        assert share == percent(sum(holds(usual, row) for row in filled), len(filled)), share
        assert usual != length
    else:
        story.unlike(same, lambda row: holds(length, row))
    return sum(holds(length, story.cells[number]) for number in numbers)


def ids(*arguments: object) -> int:
    return lengths(*arguments)  # type: ignore[arg-type]


def prefixes(story: Story, numbers: list[int], column: str, prefix: str, same: str) -> int:
    assert column == "Mobile"
    story.unlike(same, lambda row: digits(row[MOBILE]).startswith(prefix))
    return sum(digits(story.cells[number][MOBILE]).startswith(prefix) for number in numbers)


def empty(story: Story, numbers: list[int], column: str, same: str) -> int:
    position = COLUMNS.index(column)
    story.unlike(same, lambda row: not row[position].strip())
    return sum(not story.cells[number][position].strip() for number in numbers)


def values(story: Story, numbers: list[int], column: str, row: str, same: str) -> int:
    position = COLUMNS.index(column)
    assert int(row) in numbers and position in (STORE, COLOUR)
    value = story.cells[int(row)][position].strip()
    assert value
    story.unlike(same, lambda cells: cells[position].strip() == value)
    return sum(story.cells[number][position].strip() == value for number in numbers)


def domains(story: Story, numbers: list[int], column: str, row: str, same: str) -> int:
    def domain(cells: Row) -> str:
        cell = cells[EMAIL].strip().lower()
        return cell.partition("@")[2] if cell.count("@") == 1 else ""

    assert int(row) in numbers and column == "Email Address"
    value = domain(story.cells[int(row)])
    assert "." in value
    story.unlike(same, lambda cells: domain(cells) == value)
    return sum(domain(story.cells[number]) == value for number in numbers)


def places(story: Story, numbers: list[int], first: str, last: str, block: str) -> int:
    within = range(int(first), int(last) + 1)
    count = sum(number in within for number in numbers)
    if block == "one unbroken block":
        assert count == len(within)
    else:
        assert block == f"{sum(number in within for number in story.cells)} rows in total"
    return count


def times(story: Story, numbers: list[int], _verb: str, first: str, last: str, other: str) -> int:
    def within(outcome: Outcome) -> bool:
        moment = datetime.fromtimestamp(outcome.at / 1000, UTC).strftime("%H:%M:%S")
        return bool(outcome.attempts) and first <= moment < last

    count = sum(within(story.outcomes[number]) for number in numbers)
    assert int(other) == sum(map(within, story.outcomes.values())) - count
    return count


_DO = r", while (none|[\w.]+(?: [\d.]+)? %) of the rows that succeeded do"
_USUAL = rf"(?:, while ([\w. ]+ %) of the filled cells of the rows that succeeded have (\d+)|{_DO})"
STATEMENTS: list[tuple[str, Callable[..., int]]] = [
    (rf"have (\d+) digits? in “(.*?)”{_USUAL}", lengths),
    (rf"have an id with (\d+) digits? in “(.*?)”{_USUAL}", ids),
    (rf"have a number in “(.*?)” that begins with (\d+){_DO}", prefixes),
    (rf"have an empty cell in “(.*?)”{_DO}", empty),
    (rf"have the same (?:value|store) in “(.*?)”, like row (\d+){_DO}", values),
    (rf"have an e-mail of the same domain in “(.*?)”, like row (\d+){_DO}", domains),
    (r"are in rows ([\d,]+) to ([\d,]+) of the sheet \((.*?)\)", places),
    (r"(were last tried|were answered) between (\S+) and (\S+) UTC; (\d+) other rows? .* in that time", times),
]  # fmt: skip


def checked(folder: Path, seeds: range) -> set[str]:
    kinds: set[str] = set()
    for seed in seeds:
        story = Story(folder, seed)
        assert sum(cause.rows for cause in story.causes) == len(story.rows) - len(story.good)
        for cause in story.causes:
            kinds.update(story.check(cause))
    return kinds


@pytest.mark.parametrize("seed", range(10))
def test_what_the_causes_state_is_true_of_the_rows(tmp_path: Path, seed: int) -> None:
    """In a sheet with random damage, no statement differs from a count by hand."""
    checked(tmp_path, range(seed, seed + 1))


@pytest.mark.slow
def test_each_kind_of_statement_is_made_and_true(tmp_path: Path) -> None:
    """The same for more sheets, of which each kind of statement is made."""
    assert checked(tmp_path, range(10, 150)) == {"fault", "zeros", *(check.__name__ for _, check in STATEMENTS)}


@pytest.mark.exhaustive
@pytest.mark.slow
def test_what_the_causes_state_is_true_of_many_more_sheets(tmp_path: Path) -> None:
    """The same for a thousand sheets."""
    checked(tmp_path, range(1000, 2000))
