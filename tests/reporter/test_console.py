"""The summary as text: it fits a terminal, names the next steps and shows no secret."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from importer.capillary.codes import lookup
from importer.errors import ExitCode
from importer.model import Cause, CodeCount, RequestCounts, RowCounts, RunSummary
from importer.reporter import console_text, log_line
from importer.reporter.cause_words import reason
from importer.reporter.page import page
from tests.support.reporting import summary

FOLDER = "reports/20261123-0200-customers-7f3a"
REPORTS = {name: f"{FOLDER}/{name}" for name in ("results.csv", "summary.html", "failed.xlsx", "summary.json")}
SOME_WRONG = RowCounts(read=120, succeeded=80, failed=21, rejected=17, unknown=2)


def code(name: str, rows: int) -> CodeCount:
    entry = lookup(name)
    return CodeCount(name, entry.meaning, entry.advice, rows)


def failed() -> RunSummary:
    return summary(
        exit_code=3,
        rows=SOME_WRONG,
        requests=RequestCounts(sent=9, retried=4),
        codes=(code("816", 20), code("999999", 1), code("no_identifier", 17)),
        reports=REPORTS,
        repairs={"spaces_removed": 31},
        notes=("The sheet “Notes” is hidden and was ignored.",),
    )


def test_a_run_without_failures_fits_one_screen() -> None:
    """What happened, counts, and where the reports are. There are no next steps."""
    text = console_text(summary(reports=REPORTS))
    assert text.startswith("All 500 rows succeeded.\n")
    assert "500  succeeded" in text
    assert f"Reports in {FOLDER}" in text
    assert "Next" not in text
    assert "failed " not in text.replace("failed.xlsx", "")


def test_a_run_with_failures_says_what_failed_why_and_what_to_do() -> None:
    """Counts, meanings, advice, the file to fix and the command that imports it."""
    text = console_text(failed())
    assert text.startswith("Finished: 80 of 120 rows succeeded, 40 need attention.\n")
    for words in ("21  failed", "17  rejected", "2  unknown", "31 cells fixed automatically", "spaces removed (31)"):
        assert words in text
    assert "20 rows: customer not found (code 816)" in text
    assert "Check the identifier" in text
    assert f"    importer run {FOLDER}/failed.xlsx\n" in text
    assert "    importer retry 20261123-0200-customers-7f3a\n" in text
    assert "The sheet “Notes” is hidden" in text


def test_causes_take_the_place_of_bare_codes() -> None:
    """Where the data prove a cause, it is shown instead of the code."""
    cause = Cause("20 rows failed: customer not found. All of them have 11 digits.", "Add the digit.", 20, (17, 18))
    text = console_text(msgspec.structs.replace(failed(), causes=(cause,)))
    assert "All of them have 11 digits. Example rows: 17, 18." in " ".join(text.split())
    assert "→ Add the digit." in text
    assert "20 rows: customer not found" not in text


@pytest.mark.parametrize(
    ("codes", "words"),
    [
        ((("816", 20), ("no_identifier", 1)), "A plain retry will not help these rows."),
        ((("816", 1),), "A plain retry will not help this row."),
        (
            (("816", 20), ("500", 2), ("no_answer", 1)),
            "can help 3 of these rows (codes 500, no_answer), not the others.",
        ),
        ((("500", 2),), None),
        ((), None),
    ],
)
def test_it_says_once_whether_a_plain_retry_helps(codes: tuple[tuple[str, int], ...], words: str | None) -> None:
    """On the console and on the page: below the causes, not in each. Where it helps all rows, a next step says so."""
    causes = tuple(Cause(f"{rows} rows{reason(lookup(name))}.", "Fix it.", rows) for name, rows in codes)
    found = summary(
        exit_code=3,
        rows=RowCounts(read=100, succeeded=70, failed=30),
        codes=tuple(code(name, rows) for name, rows in codes),
        causes=causes,
    )
    for text in (console_text(found), page(found)):
        shown = " ".join(text.split())
        assert shown.count("plain retry") == (words is not None)
        assert words is None or words in shown


@pytest.mark.parametrize("stopped", [4, 5, 6, 7, 10, 130])
def test_a_resumable_stop_ends_with_the_command_that_resumes_it(stopped: int) -> None:
    """The reader does not need the manual to resume."""
    text = console_text(summary(exit_code=stopped, rows=RowCounts(read=500, succeeded=100, unprocessed=400)))
    assert re.match("(Stopped(:| at| by) |Interrupted)", text)
    assert text.endswith("    importer resume 20261123-0200-customers-7f3a\n")
    assert "400 rows remain." in " ".join(text.split())


def test_every_exit_code_has_its_sentence() -> None:
    """Every code of the contract has a sentence, and an unknown code does not crash."""
    for exit_code in [*ExitCode, 99]:
        assert console_text(summary(exit_code=int(exit_code)))
    assert "99" in console_text(summary(exit_code=99))


@pytest.mark.parametrize("width", [60, 80, 100])
def test_it_fits_the_terminal(width: int) -> None:
    """Long advice, long notes and large numbers wrap. Only a path or a command may be longer."""
    large = RowCounts(read=1_000_000, succeeded=900_000, failed=99_999, unknown=1)
    text = console_text(
        summary(
            exit_code=3,
            rows=large,
            codes=tuple(code(name, 12_345) for name in ("816", "1017", "1035", "1047", "8109", "422", "409")),
            notes=("A note " * 40,) * 12,
            reports=REPORTS,
            duration_seconds=7322.0,
            requests=RequestCounts(sent=10_000, retried=3),
        ),
        width=width,
    )
    longest = max(len(line) for line in text.splitlines() if not line.startswith("    importer "))
    assert width - 10 < longest <= width
    assert "… and 1 more in summary.html" in text
    assert "2 h 2 min, 10,000 requests (3 retries)" in " ".join(text.split())


def test_the_next_command_survives_a_path_with_blanks() -> None:
    """It works as pasted into a shell."""
    reports = {"failed.csv": "my reports/run 1/failed.csv"}
    assert "importer run 'my reports/run 1/failed.csv'" in console_text(
        summary(exit_code=3, rows=SOME_WRONG, reports=reports)
    )


def test_commands_are_made_by_who_knows_the_settings() -> None:
    """`typed` gets the verb, and the run or the report."""

    def typed(verb: str, word: str) -> str:
        return f"importer {verb} {Path(word).name} --country IN"

    stopped = summary(exit_code=7, rows=SOME_WRONG, reports={"failed.csv": "my reports/run/failed.csv"})
    text = console_text(stopped, typed)
    assert "    importer resume 20261123-0200-customers-7f3a --country IN\n" in text
    assert "    importer run failed.csv --country IN\n" in text


def test_rows_that_a_mistake_of_settings_left_open_are_sent_by_a_retry() -> None:
    """Exit code 2 cannot be resumed, for example after a redirect: the open rows need a retry."""
    rows = RowCounts(read=500, succeeded=100, unprocessed=400)
    assert console_text(summary(exit_code=2, rows=rows)).endswith("    importer retry 20261123-0200-customers-7f3a\n")


def test_a_finished_run_with_open_rows_is_not_reported_as_done() -> None:
    """`resume` of it ends with 0. The headline counts its 400 open rows."""
    rows = RowCounts(read=500, succeeded=100, failed=10, unprocessed=390)
    assert console_text(summary(rows=rows)).startswith("Finished: 100 of 500 rows succeeded, 400 need attention.")


def test_a_sheet_without_rows_and_a_run_that_skipped_all_say_so() -> None:
    """Neither looks like an import that worked."""
    assert console_text(summary(rows=RowCounts())).startswith("The sheet has no rows.")
    assert console_text(summary(rows=RowCounts(read=3, skipped=3))).startswith(
        "Nothing to send: all 3 rows were skipped."
    )


def test_one_line_for_logs() -> None:
    """key=value, one line, every count."""
    line = log_line(failed())
    assert "\n" not in line
    for part in ("run=20261123-0200-customers-7f3a", "exit=3", "read=120", "succeeded=80", "unknown=2", "requests=9"):
        assert part in line.split()


def _fields(record: RunSummary) -> dict[str, object]:
    return {name: getattr(record, name) for name in record.__struct_fields__}
