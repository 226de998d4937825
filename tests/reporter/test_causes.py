"""Root causes: every pattern is found where it is, and none is claimed where there is none."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from importer.capillary.codes import lookup
from importer.masking import masked
from importer.model import Cause, Outcome, Problem, Status, Stretch
from importer.normaliser.mapping import Mapping
from importer.normaliser.normaliser import Normaliser
from importer.reporter import console_text, log_line, write_summary
from importer.reporter.timeline import Timeline
from importer.sender.feed import rejections
from tests.support.reporting import Sheet, mapping, summary, write_files

COLUMNS = ("Mobile", "E-mail", "Store Code", "Brand", "Size")
MAPPING = mapping(
    Mobile="mobile", **{"E-mail": "email"}, Store_Code="store.code", Brand="preference", Size="preference"
)
MOBILE, EMAIL, STORE, BRAND, SIZE = range(5)
AT = 1_795_399_200_000
ROWS = 600

Change = Callable[[int, list[str]], bool]


def story(tmp_path: Path, change: Change, code: str = "816", seed: int = 1, **how: object) -> tuple[Cause, ...]:
    """A sheet of ordinary rows; `change` may alter a row and says whether it fails."""
    chance = random.Random(seed)
    rows, outcomes = [], []
    for n in range(ROWS):
        row = [
            f"91{chance.choice('6789')}{chance.randrange(10**9):09}",
            f"someone{n}@{chance.choice(('example.com', 'example.org', 'example.net', 'example.edu', 'example.in'))}",
            chance.choice(("S1", "S2", "S3", "S4", "S5", "S6", "S7", "S8")),
            chance.choice(("Puma", "Nike", "Bata", "Adidas", "Levi's", "Uniqlo", "")),
            chance.choice(("S", "M", "L", "XL", "XXL")),
        ]
        fails = change(n, row)
        rows.append(row)
        at = AT + n // 10 * 1000
        status = how.get("status", Status.FAILED) if fails else Status.SUCCEEDED
        columns = how.get("columns", ()) if fails else ()
        outcomes.append(
            Outcome(n + 2, status, code if fails else "1000", columns=columns, attempts=1, at=at)  # type: ignore[arg-type]
        )
    written = write_files(tmp_path, Sheet(COLUMNS, rows), outcomes, MAPPING)
    assert sum(cause.rows for cause in written.causes) == written.counts.failed + written.counts.rejected + (
        written.counts.unknown
    )
    return written.causes


def scattered(n: int) -> bool:
    """About one row in twelve, spread over the sheet without a rhythm that any column shares."""
    return n * 7919 % 601 < 50


def short(n: int, row: list[str]) -> bool:
    if scattered(n):
        row[MOBILE] = row[MOBILE][:-1]
    return scattered(n)


def without_code(n: int, row: list[str]) -> bool:
    if scattered(n):
        row[MOBILE] = row[MOBILE][2:]
    return scattered(n)


def too_long(n: int, row: list[str]) -> bool:
    if scattered(n):
        row[MOBILE] += "0"
    return scattered(n)


def no_mobile(n: int, row: list[str]) -> bool:
    if scattered(n):
        row[MOBILE] = ""
    return scattered(n)


def abroad(n: int, row: list[str]) -> bool:
    if scattered(n):
        row[MOBILE] = "9715" + row[MOBILE][4:]
    return scattered(n)


def domain(n: int, row: list[str]) -> bool:
    if scattered(n):
        row[EMAIL] = f"x{n}@Gmial.example"
    return scattered(n)


def store(n: int, row: list[str]) -> bool:
    if scattered(n):
        row[STORE] = "BLR-01"
    return scattered(n)


def value(n: int, row: list[str]) -> bool:
    if scattered(n):
        row[BRAND] = "Secretbrand"
    return scattered(n)


def no_store(n: int, row: list[str]) -> bool:
    if scattered(n):
        row[STORE] = ""
    return scattered(n)


def stretch(n: int, row: list[str]) -> bool:
    return 200 <= n < 260


def broken_stretch(n: int, row: list[str]) -> bool:
    return 200 <= n < 260 and n % 10 != 3


def mostly_short(n: int, row: list[str]) -> bool:
    if scattered(n) and n % 9:
        row[MOBILE] = row[MOBILE][:-1]
    return scattered(n)


STORIES: list[tuple[Change, str, str, str]] = [
    (short, "816", "All of them have 11 digits in “Mobile”, while 100 % of the filled", "missing or extra digit"),
    (without_code, "1042", "All of them have 10 digits in “Mobile”, while 100 %", "Check the row's mobile"),
    (too_long, "1042", "All of them have 13 digits in “Mobile”, while 100 %", "Check the row's mobile"),
    (no_mobile, "1015", "All of them have an empty cell in “Mobile”, while none of the rows that succeeded do.", ""),
    (abroad, "1006", "All of them have a number in “Mobile” that begins with 9715, while none", "country"),
    (domain, "1002", "All of them have an e-mail of the same domain in “E-mail”, like row 2, while none", ""),
    (store, "1004", "All of them have the same store in “Store Code”, like row 2, while", "maintains the store data"),
    (value, "1035", "All of them have the same value in “Brand”, like row 2, while none", ""),
    (no_store, "1004", "All of them have an empty cell in “Store Code”, while none", ""),
    (stretch, "816", "All of them are in rows 202 to 261 of the sheet (one unbroken block).", ""),
    (broken_stretch, "816", "All of them are in rows 202 to 261 of the sheet (60 rows in total).", ""),
    (mostly_short, "816", " of them have 11 digits in “Mobile”", "missing or extra digit"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "code", "text", "advice"), STORIES, ids=[entry[0].__name__ for entry in STORIES])
def test_the_cause_of_a_failing_sheet_is_found(
    tmp_path: Path, change: Change, code: str, text: str, advice: str
) -> None:
    """Twelve sheets with a known cause: the sentence names it, and the advice fits."""
    (cause,) = story(tmp_path, change, code)
    assert text in cause.text
    assert advice in cause.advice
    assert f"(code {code})" in cause.text
    assert len(cause.example_rows) == 3
    for secret in ("Secretbrand", "Gmial", "gmial", "BLR-01"):
        assert secret not in cause.text + cause.advice


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        ("9.19796E+11", "mobile_cut_by_excel"),
        ("12/03/2026", "mobile_is_a_date"),
        ("12-03-2026", "mobile_is_a_date"),
        ("919844012345.0", "1042"),
        ("919844012345 / 919844054321", "mobile_several"),
        ("n/a", "1015"),
    ],
)
def test_a_cell_that_is_not_a_plain_number_has_no_length(tmp_path: Path, cell: str, code: str) -> None:
    """Its digits are not those of a mobile, and it is not empty: the cause says what the code says."""

    def damaged(n: int, row: list[str]) -> bool:
        if scattered(n):
            row[MOBILE] = cell
        return scattered(n)

    status = Status.FAILED if code.isdecimal() else Status.REJECTED
    columns = ("Mobile",) if status is Status.REJECTED else ()
    (cause,) = story(tmp_path, damaged, code, status=status, columns=columns)
    assert cause.text.endswith(f"(code {code}).")
    assert cause.advice == lookup(code).advice


def test_an_address_that_lacks_its_domain_is_not_empty(tmp_path: Path) -> None:
    """The fault that the check found is given once, with its rows where it is not that of all."""
    rows = [[f"user{n}@" if n % 4 == 1 else f"user{n}@example.com", "Puma"] for n in range(ROWS)]
    rows[5][0] = "user5"
    uses = mapping(Email_Address="email", Brand="preference")
    rejected = {outcome.row_number: outcome for outcome in rejections(problems_of(uses, rows), 0)}
    outcomes = [rejected.get(n + 2, Outcome(n + 2, Status.SUCCEEDED, "1000", attempts=1, at=AT)) for n in range(ROWS)]
    (cause,) = write_files(tmp_path, Sheet(("Email Address", "Brand"), rows), outcomes, uses).causes
    assert cause.text == (
        "150 rows (25 %) were rejected because of “Email Address”: not a valid e-mail address (code email_invalid): "
        "the part after the @ is missing (149 rows); it has no @ (1 row)."
    )


def test_a_rejected_row_is_explained_by_its_problem_cell(tmp_path: Path) -> None:
    """What its other cells share is a coincidence, and the domain of an address that is not valid explains nothing."""

    def damaged(n: int, row: list[str]) -> bool:
        if scattered(n):
            row[EMAIL], row[STORE] = f"us er{n}@gmial.example", "BLR-01"
        return scattered(n)

    (cause,) = story(tmp_path, damaged, "email_unsupported_character", status=Status.REJECTED, columns=("E-mail",))
    assert cause.text.endswith("(code email_unsupported_character).")


def test_a_row_that_is_rejected_as_a_whole_names_no_column(tmp_path: Path) -> None:
    """The columns of its further problems are not the reason."""
    message = f"{lookup('short_row').meaning}; “Mobile”: {lookup('mobile_invalid').meaning}"
    outcomes = [Outcome(2, Status.REJECTED, "short_row", message, columns=("Mobile",))]
    (cause,) = write_files(tmp_path, Sheet(COLUMNS, [("1", "", "", "", "")]), outcomes, MAPPING).causes
    assert "“Mobile”" not in cause.text


def test_rows_of_one_code_with_another_outcome_are_another_cause(tmp_path: Path) -> None:
    """A row that is unknown did not fail."""
    outcomes = [
        Outcome(n, Status.FAILED if n < 4 else Status.UNKNOWN, "999999", attempts=1, at=AT) for n in range(2, 5)
    ]
    causes = write_files(tmp_path, Sheet(COLUMNS, [("1", "", "", "", "")] * 3), outcomes, MAPPING).causes
    assert [(cause.rows, cause.text.split(") ")[1].split(":")[0]) for cause in causes] == [
        (2, "failed"),
        (1, "is unknown"),
    ]


def problems_of(uses: Mapping, rows: list[list[str]]) -> list[Problem]:
    (block,) = Sheet([use.column for use in uses.columns], rows).blocks()
    return Normaliser(uses)(block).problems


def test_blank_rows_make_a_block_of_rows_broken(tmp_path: Path) -> None:
    """They have numbers in the sheet, though they are not read."""
    numbers = [n + 2 if n < 230 else n + 4 for n in range(ROWS)]
    outcomes = [
        Outcome(number, Status.FAILED if 200 <= n < 260 else Status.SUCCEEDED, "816", attempts=1, at=AT)
        for n, number in enumerate(numbers)
    ]
    sheet = Sheet(("Store Code",), [[f"S{n % 7}"] for n in range(ROWS)], row_numbers=numbers)
    (cause,) = write_files(tmp_path, sheet, outcomes, mapping(Store_Code="store.code")).causes
    assert "All of them are in rows 202 to 263 of the sheet (60 rows in total)." in cause.text


def test_ids_that_lost_their_zeros_are_found_by_their_length(tmp_path: Path) -> None:
    """Excel drops leading zeros, and the server does not know what is left of the id."""
    rows = [[f"{n * 7919 % 10**7:08}", "Puma" if n % 3 else "Nike"] for n in range(ROWS)]
    for n in filter(scattered, range(ROWS)):
        rows[n][0] = rows[n][0].lstrip("0")
    outcomes = [
        Outcome(n + 2, Status.FAILED if scattered(n) else Status.SUCCEEDED, "816", attempts=1, at=AT)
        for n in range(ROWS)
    ]
    uses = mapping(Member_No="external_id", Brand="preference")
    (cause,) = write_files(tmp_path, Sheet(("Member No", "Brand"), rows), outcomes, uses).causes
    assert " of them have an id with 7 digits in “Member No”, while 100 % of the filled cells" in cause.text
    assert "lost leading zeros" in cause.advice


def test_an_outage_is_found_by_its_time(tmp_path: Path) -> None:
    """Rows without an answer between two moments, and none elsewhere."""
    (cause,) = story(tmp_path, stretch, "no_answer", status=Status.UNKNOWN)
    assert "All of them were last tried between 02:00:20 and 02:00:26 UTC" in cause.text
    assert "0 other rows" in cause.text


def test_two_causes_under_one_code_are_both_found(tmp_path: Path) -> None:
    """Neither explains most of the rows. Each has its count, and the second an example."""

    def mixed(n: int, row: list[str]) -> bool:
        return store(n, row) if n % 2 else short(n, row)

    (cause,) = story(tmp_path, mixed)
    assert re.search(r"\d\d of them have 11 digits in “Mobile”", cause.text)
    found = re.search(r"(\d\d) of them have the same store in “Store Code”, like row (\d+), while none", cause.text)
    assert found is not None
    assert scattered(int(found[2]) - 2) and int(found[2]) % 2
    assert cause.advice == lookup("816").advice


@pytest.mark.parametrize("seed", range(12))
def test_nothing_is_claimed_that_the_data_do_not_prove(tmp_path: Path, seed: int) -> None:
    """Sheets whose rows fail for no visible reason: only the count and the code."""
    chance = random.Random(1000 + seed)
    share = (0.01, 0.02, 0.05, 0.1, 0.3, 0.6)[seed % 6]
    causes = story(tmp_path, lambda n, row: chance.random() < share, seed=seed)
    for cause in causes:
        assert cause.text.endswith("(code 816)."), cause.text


def test_no_comparison_without_rows_that_succeeded(tmp_path: Path) -> None:
    """When all rows fail there is nothing to compare them with."""
    (cause,) = story(tmp_path, lambda n, row: True)
    assert cause.text == "600 rows (100 %) failed: customer not found (code 816)."


def test_a_trait_that_successful_rows_share_is_not_a_cause(tmp_path: Path) -> None:
    """A store that most rows have, failing or not, explains nothing."""

    def common(n: int, row: list[str]) -> bool:
        row[STORE] = "S1"
        return scattered(n)

    (cause,) = story(tmp_path, common)
    assert cause.text.endswith("(code 816).")


def test_codes_and_problem_columns_are_separate_groups(tmp_path: Path) -> None:
    """The largest group is first, and each names its problem column."""
    outcomes = [
        Outcome(2, Status.REJECTED, "no_identifier", columns=("Mobile", "E-mail")),
        Outcome(3, Status.FAILED, "816", attempts=1, at=AT),
        Outcome(4, Status.FAILED, "816", attempts=1, at=AT),
    ]
    source = Sheet(COLUMNS, [("1", "", "", "", "")] * 3)
    first, second = write_files(tmp_path, source, outcomes, MAPPING).causes
    assert first.text.startswith("2 rows (66.7 %) failed: customer not found (code 816).")
    assert second.text.startswith("1 row (33.3 %) was rejected because of “Mobile”: ")
    assert second.text.endswith(" (code no_identifier).")
    assert (second.rows, second.example_rows) == (1, (2,))


def test_identifiers_are_shown_in_full_only_on_request(tmp_path: Path) -> None:
    """They are masked by default."""
    rows = [(f"91984400{n:04}", "", "S9" if n < 9 else f"S{n}", "", "") for n in range(100)]
    outcomes = [
        Outcome(n + 2, Status.FAILED if n < 9 else Status.SUCCEEDED, "1004" if n < 9 else "1000") for n in range(100)
    ]
    source = Sheet(COLUMNS, [(*row[:2], "BLR-007" if n < 9 else row[2], *row[3:]) for n, row in enumerate(rows)])
    hidden = write_files(tmp_path, source, outcomes, MAPPING).causes[0].text
    shown = write_files(tmp_path, source, outcomes, MAPPING, show_identifiers=True).causes[0].text
    assert "BLR-007" not in hidden
    assert "BLR-007" in shown


def test_memory_stays_bounded_when_every_value_and_code_is_different(tmp_path: Path) -> None:
    """A million different values or codes are not kept: the group has no pattern."""
    count = 12_000
    rows = [(f"91{n:010}", f"a@d{n}.example", f"S{n}", f"b{n}", "") for n in range(count)]
    outcomes = [Outcome(n + 2, Status.FAILED, str(n) if n % 2 else "816", attempts=1, at=AT) for n in range(count)]
    causes = write_files(tmp_path, Sheet(COLUMNS, rows), outcomes, MAPPING).causes
    assert len(causes) <= 201
    assert (causes[-1].rows, causes[-1].example_rows) == (count // 2 - 199, ())
    assert sum(cause.rows for cause in causes) == count


def test_no_cell_shows_in_console_or_summary(tmp_path: Path) -> None:
    """Canaries in every column and in the server's messages: only the reports by row contain them."""
    statuses = [Status.FAILED, Status.REJECTED, Status.UNKNOWN, Status.UNPROCESSED, Status.SUCCEEDED]
    rows, outcomes = [], []
    for n in range(100):
        status = statuses[n % 5]
        wrong = n % 5 < 3
        rows.append(
            [f"91984{n:05}77", f"canary{n}@canary-{status}.example", f"CANARY-{status}", f"canary {status}", "M"]
        )
        code = ("1004", "email_invalid", "no_answer", "not_reached", "1000")[n % 5]
        message = f"canary {n} is wrong" if wrong else ""
        outcomes.append(Outcome(n + 2, status, code, message, warnings=("canary warning",), attempts=1, at=AT + n))
    written = write_files(tmp_path, Sheet(COLUMNS, rows), outcomes, MAPPING)
    assert any("the same store" in cause.text or "same domain" in cause.text for cause in written.causes)
    found = summary(
        exit_code=3, rows=written.counts, codes=written.codes, causes=written.causes, reports=written.reports
    )
    write_summary(tmp_path, found, written.timeline)
    shown = [console_text(found), log_line(found)]
    shown += [(tmp_path / name).read_text() for name in ("summary.html", "summary.json")]
    for text in shown:
        assert "canary" not in text.replace(str(tmp_path), "").lower()
        assert "91984" not in text
    assert "canary" in (tmp_path / "results.csv").read_text()


@given(st.text())
def test_a_mask_never_shows_a_value(value: str) -> None:
    """At most its first and last character."""
    hidden = masked(value)
    assert len(value) < 2 or hidden != value or set(value) <= {"*"}
    assert len(hidden.replace("*", "")) <= 2 or "*" in value


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=300))
def test_a_timeline_keeps_every_row_however_long_the_run(seconds: list[int]) -> None:
    """Slices grow wider, their counts stay whole."""
    timeline = Timeline()
    ordered = sorted(seconds)
    for n in range(0, len(ordered), 50):
        timeline.see(Stretch(Outcome(2, Status.SUCCEEDED, attempts=1, at=at * 1000)) for at in ordered[n : n + 50])
    slices = timeline.slices(40)
    assert len(slices) <= 40
    assert sum(part.succeeded for part in slices) == len(seconds) == timeline.answered
