"""The reports as people use them: fixed and imported again, compared, bundled, written again."""

from __future__ import annotations

import json
import stat
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import openpyxl
import pytest
import xlsxwriter
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from importer.cli.main import main
from importer.runs.compare import ComparedRun, Comparison, RowGroup, comparison_text
from importer.sandbox import EmbeddedSandbox
from tests.support.terminal import Terminal, table, workbook_rows, write_csv

HEADER = ("External id", "Favourite colour", "Town")
#: What spreadsheet programs, parsers and terminals stumble over.
NASTY = (
    ("=1+1", "+919844012345"),
    ("@SUM(1)", "-1"),
    ("007", '5" pipe, "quoted"'),
    ("two\nlines", "tab\there"),
    ("👩‍👩‍👧 emoji", "שלום עולם"),
    ("'=1", " spaces "),
    ("&amp;", "<b>x</b>"),
)
CELL = st.text(
    st.one_of(
        st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), st.sampled_from("=+-@'\"\t,;_x0041_\n<>&019 ")
    ),
    max_size=8,
)


@pytest.fixture
def terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Terminal:
    return Terminal(tmp_path, capsys, monkeypatch)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[EmbeddedSandbox]:
    with EmbeddedSandbox() as running:
        yield running


def write_xlsx(path: Path, *rows: Sequence[str]) -> Path:
    """Every cell as typed text, whatever it looks like."""
    with xlsxwriter.Workbook(str(path)) as book:
        sheet = book.add_worksheet("Customers")
        for at, row in enumerate(rows):
            for place, cell in enumerate(row):
                sheet.write_string(at, place, cell) if cell else None
    return path


def cells_of(path: Path) -> list[tuple[str, ...]]:
    found = table(path) if path.suffix == ".csv" else workbook_rows(path)
    return [tuple(row[name] for name in HEADER) for row in found]


def sheet(path: Path, rows: Sequence[Sequence[str]]) -> Path:
    return (write_csv if path.suffix == ".csv" else write_xlsx)(path, HEADER, *rows)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_failed_rows_imported_without_a_fix_come_back_cell_by_cell(
    terminal: Terminal, sandbox: EmbeddedSandbox, kind: str
) -> None:
    """Any text, through the whole command line twice: formulas, zeros, quotes, newlines, emoji, right-to-left."""
    terminal.credentials(sandbox)
    number = iter(range(10**6))

    def failed_of(path: Path) -> Path:
        # Not terminal.type: its capture belongs to the test, not to one of its examples.
        words = ["run", str(path), "--base-url", sandbox.base_url, "--reports-dir", str(path.parent / "r"), "--quiet"]
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert ended.value.code == 3
        (folder,) = (entry for entry in (path.parent / "r").iterdir() if entry.is_dir() and entry.name[0] != ".")
        return folder / f"failed.{kind}"

    @settings(
        max_examples=4 if kind == "csv" else 2,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(st.lists(st.tuples(CELL, CELL), min_size=10, max_size=40))
    @example(list(NASTY))
    def holds(rows: list[tuple[str, str]]) -> None:
        place = terminal.folder / str(next(number))
        (place / "again").mkdir(parents=True)
        first = failed_of(sheet(place / f"a.{kind}", [(f"code-816+{n}", *row) for n, row in enumerate(rows)]))
        copy = place / "again" / f"a.{kind}"
        copy.write_bytes(first.read_bytes())
        second = failed_of(copy)
        assert cells_of(second) == cells_of(first)
        if kind == "xlsx":
            assert not [c for row in openpyxl.load_workbook(second).active for c in row if c.data_type == "f"]
        if list(rows) == list(NASTY) and kind == "xlsx":
            assert cells_of(first)[: len(rows)] == [(f"code-816+{n}", *row) for n, row in enumerate(rows)]

    holds()


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_failed_rows_succeed_once_they_are_fixed(terminal: Terminal, sandbox: EmbeddedSandbox, kind: str) -> None:
    """Only the wrong cells of the file are corrected."""
    terminal.credentials(sandbox)
    rows = [(f"code-816+{n}", *row) for n, row in enumerate(NASTY)]
    first = terminal.type("run", sheet(terminal.folder / f"a.{kind}", rows), "--base-url", sandbox.base_url, "--json")
    failed = Path(first.json["reports"][f"failed.{kind}"])
    if kind == "csv":
        failed.write_text(failed.read_text(encoding="utf-8").replace("code-816+", "fixed-csv-"), encoding="utf-8")
    else:
        book = openpyxl.load_workbook(failed)
        for row in book.active.iter_rows(min_row=2):
            row[0].value = str(row[0].value).replace("code-816+", "fixed-xlsx-")
        book.save(failed)
    ended = terminal.type("run", failed, "--base-url", sandbox.base_url, "--json")
    assert (ended.code, ended.json["rows"]["succeeded"]) == (0, len(rows))
    found = sandbox.state.preferences_of(external_id=f"fixed-{kind}-0")
    assert found == {"Favourite colour": "=1+1", "Town": "+919844012345"}


def test_the_corrected_copy_sends_only_what_is_still_open(terminal: Terminal, sandbox: EmbeddedSandbox) -> None:
    """annotated.xlsx with one fixed cell and --resubmit: one row is sent, the others are skipped."""
    terminal.credentials(sandbox)
    rows = [("E1", "Blue", "Pune"), ("code-816+e2", "Red", "Pune"), ("E3", "Blue", "Agra")]
    first = terminal.type("run", sheet(terminal.folder / "a.xlsx", rows), "--base-url", sandbox.base_url, "--json")
    annotated = Path(first.json["reports"]["annotated.xlsx"])
    book = openpyxl.load_workbook(annotated)
    book.active["A3"].value = "E2"
    book.save(annotated)
    before = len(sandbox.state.accepted)
    ended = terminal.type("run", annotated, "--base-url", sandbox.base_url, "--json", "--resubmit")
    assert ended.code == 0
    assert len(sandbox.state.accepted) == before + 1
    results = table(Path(ended.json["reports"]["results.csv"]))
    assert [(row["_status"], row["_code"]) for row in results] == [
        ("skipped", "already_succeeded"),
        ("succeeded", "200"),
        ("skipped", "already_succeeded"),
    ]


# ---------------------------------------------------------------------------------------------------- comparing


def test_a_retry_is_compared_row_by_row(terminal: Terminal, sandbox: EmbeddedSandbox) -> None:
    """Of the rows that failed: one is fixed by trying again, one fails still, one was rejected and not tried again."""
    terminal.credentials(sandbox)
    header = ("External id", "Mobile", "Colour")
    rows = [("A1", "", "Blue"), ("code-816-x1+cmp", "", "Red"), ("code-816+cmp", "", "Red"), ("", "12", "Red")]
    path = write_csv(terminal.folder / "a.csv", header, *rows)
    first = terminal.type("run", path, "--base-url", sandbox.base_url, "--json").json["run_id"]
    second = terminal.type("retry", first, "--json")
    compared = terminal.type("report", second.json["run_id"], "--against", first, "--json").json
    assert compared["by"] == "row"
    assert compared["fixed"] == {"rows": 1, "example_rows": [3], "codes": {"816": 1}}
    assert compared["still_failing"] == {"rows": 1, "example_rows": [4], "codes": {"816": 1}}
    assert compared["not_tried"] == {"rows": 1, "example_rows": [5], "codes": {"mobile_too_short": 1}}
    assert compared["newly_failing"]["rows"] == 0
    turned = terminal.type("report", first, "--against", second.json["run_id"], "--json").json
    assert turned == compared, "the earlier run is the one that began first, however they are named"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_fixed_rows_are_found_again_in_another_file(terminal: Terminal, sandbox: EmbeddedSandbox, kind: str) -> None:
    """By identifiers as sent; where the identifier itself was fixed, by the result columns of the report."""
    terminal.credentials(sandbox)
    header = ("Mobile", "External id", "Colour")
    rows = [
        ("98440123", "", "fixed mobile"),
        ("+91 98440-12346", "code-816+c1", "fixed id"),
        ("", "code-1012+c2", "not fixed"),
        ("12", "", "not fixed"),
        ("919844012348", "", "good"),
    ]
    source = terminal.folder / f"a.{kind}"
    (write_csv if kind == "csv" else write_xlsx)(source, header, *rows)
    first = terminal.type("run", source, "--base-url", sandbox.base_url, "--json").json
    assert first["rows"]["succeeded"] == 1
    fixed = {"98440123": "919844012345", "code-816+c1": ""}
    failed = Path(first["reports"][f"failed.{kind}"])
    found = table(failed) if kind == "csv" else workbook_rows(failed)
    lines = [[fixed.get(cell.lstrip("'"), cell) for cell in row.values()] for row in found]
    again = terminal.folder / f"b.{kind}"
    extra = ["919844012349", "code-816+new", "new"] + [""] * (len(lines[0]) - 3)
    (write_csv if kind == "csv" else write_xlsx)(again, list(found[0]), *lines, extra)
    second = terminal.type("run", again, "--base-url", sandbox.base_url, "--json").json
    ended = terminal.type("report", second["run_id"], "--against", first["run_id"], "--json")
    compared = ended.json
    assert compared["by"] == "identifiers"
    assert compared["fixed"] == {"rows": 2, "example_rows": [2, 3], "codes": {"816": 1, "mobile_without_country": 1}}
    assert compared["still_failing"]["example_rows"] == [4, 5]
    assert compared["newly_failing"] == {"rows": 1, "example_rows": [6], "codes": {"816": 1}}
    assert compared["not_tried"]["rows"] == 0
    text = terminal.type("report", second["run_id"], "--against", first["run_id"]).out
    assert "2  fixed" in text
    assert max(map(len, text.splitlines())) <= 80
    assert not [cell for cell in ("98440", "code-1012", "code-816") if cell in text + ended.out]


def test_a_comparison_cuts_a_long_line_after_a_whole_word() -> None:
    """Half a row number is another row."""
    run = ComparedRun("run", "a.csv", "2026-01-01T00:00:00Z")
    none = RowGroup(0, (), {})
    many = RowGroup(99, tuple(range(1_000_000, 1_000_010)), {"external_id_in_scientific_notation": 99})
    text = comparison_text(Comparison(run, run, "row", none, many, RowGroup(1, (7,), {"1004": 1}), none))
    meaning, rows = (line for line in text.splitlines() if line.endswith("…"))
    assert len(meaning) <= 80 and meaning.endswith("a spreadsheet program …")
    assert [int(word) for word in rows.removesuffix(", …").split("rows ")[1].split(", ")] == list(many.example_rows[:6])
    assert text.splitlines()[-2] == " " * 12 + "row 7"


# ---------------------------------------------------------------------------------------------------- safety


def test_the_bundle_shows_the_request_and_the_answer_of_each_code(terminal: Terminal, sandbox: EmbeddedSandbox) -> None:
    """Built again from the sheet: names and structure are there, identifiers and values are not."""
    terminal.credentials(sandbox)
    header = ("Mobile", "External id", "Store code", "Colour")
    rows = [("98765 46415", "", "BLR-014", "Blue 7!"), ("", "code-816+bundle", "", "Red")]
    path = write_csv(terminal.folder / "a.csv", header, *rows)
    words = ("--base-url", sandbox.base_url.replace("//", "//till:hush@"), "--country", "IN")
    first = terminal.type("run", path, "--base-url", sandbox.base_url, *words[2:], "--json")
    ended = terminal.type("report", "--bundle", "--json")
    path = Path(ended.json["reports"]["bundle.zip"])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with zipfile.ZipFile(path) as bundle:
        pair = json.loads(bundle.read("pairs/816-1.json"))
        about = json.loads(bundle.read("run.json"))
        timings = json.loads(bundle.read("timings.json"))
        (code,) = json.loads(bundle.read("codes.json"))
    asha, unknown = pair["request"]["body"]["root"]["customer"]
    assert asha["mobile"] == "91******6415"
    assert asha["store"] == {"code": "B*****4"}
    assert asha["custom_fields"] == {"field": [{"name": "Colour", "value": "xxxx 9."}]}
    assert "816+bundle" not in unknown["external_id"]
    assert [(item["row"], item["code"]) for item in pair["answer"]["items"]] == [(2, "200"), (3, "816")]
    results = table(Path(first.json["reports"]["results.csv"]))
    assert pair["answer"]["request_id"] == results[1]["_request_id"]
    assert code["pairs"] == ["pairs/816-1.json"]
    assert about["settings"]["country"] == "IN"
    assert "reports_dir" not in about["settings"]
    assert timings["requests"] == first.json["requests"]["sent"]
    before = path.read_bytes()
    assert terminal.type("report", "--bundle", "--quiet").code == 0
    assert path.read_bytes() == before


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_reports_are_written_again_byte_for_byte(terminal: Terminal, sandbox: EmbeddedSandbox, kind: str) -> None:
    """From journal and source alone; also those of a run that stopped, with the reason. Workbooks: but their stamps."""
    terminal.credentials(sandbox)
    rows = [(f"code-816+{n}" if n % 3 else f"R{n}", f"Blue {n}", "Pune") for n in range(40)]
    path = sheet(terminal.folder / f"a.{kind}", rows)
    words = ("--base-url", sandbox.base_url, "--batch-size", "4", "--concurrency", "1", "--max-errors", "8")
    first = terminal.type("run", path, *words, "--json")
    assert first.code == 6
    before = {name: parts(Path(place)) for name, place in first.json["reports"].items()}
    again = terminal.type("report", "--json")
    assert again.json == first.json
    assert {name: parts(Path(place)) for name, place in again.json["reports"].items()} == before


def parts(path: Path) -> dict[str, bytes]:
    """A file's content; of a workbook its parts, but for the one that holds when it was written."""
    if path.suffix != ".xlsx":
        return {"": path.read_bytes()}
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist() if name != "docProps/core.xml"}


def test_every_command_shows_identifiers_on_request_only(terminal: Terminal, sandbox: EmbeddedSandbox) -> None:
    """run, resume, retry and report mask them by default. The option of one command does not bind another."""
    terminal.credentials(sandbox)
    rows = [(f"E{n}", "Blue", f"a{n}@mail{n % 9}.test") for n in range(60)]
    rows[5:60:5] = [(f"code-816+i{n}", "Red", f"a{n}@gmial.test") for n in range(5, 60, 5)]
    path = write_csv(terminal.folder / "a.csv", ("External id", "Favourite colour", "Email"), *rows)
    small = ("--base-url", sandbox.base_url, "--batch-size", "12", "--concurrency", "1")
    show = "--show-identifiers"

    def printed(*words: str | Path) -> str:
        ended = terminal.type(*words, "--json")
        assert ended.code in (0, 3, 6), ended.err
        return " ".join(cause["text"] for cause in ended.json["causes"])

    assert "gmial.test" not in printed("run", path, *small, "--max-errors", "8")
    assert "(gmial.test)" in printed("resume", "--max-errors", "100", show)
    masked = printed("report")
    assert "like row 7" in masked and "gmial" not in masked
    assert "(gmial.test)" in printed("report", show)
    assert "(gmial.test)" in printed("run", path, *small, show)
    assert "11 rows" in printed("retry", terminal.runs()[-1].name, show)
