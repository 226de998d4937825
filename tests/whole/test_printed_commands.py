"""Every command that a text prints works as pasted into a shell, and does it with the settings of the run.

An option is given as typed, by a profile, or by a named file. What is printed is taken apart by a real shell.
"""

from __future__ import annotations

import html
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
import openpyxl
import pytest

from importer.journal import Journal
from importer.sandbox import EmbeddedSandbox, SandboxOptions
from importer.settings.commands import command
from importer.settings.loading import load
from importer.settings.options import OPTIONS, Found, Settings
from importer.system.text import visible
from tests.support.terminal import Ended, Terminal, table, write_csv

HEADER = ("Mobile", "Email", "Colour")
#: The second row has no valid mobile and a valid e-mail, the third neither; the last has too few cells.
ROWS = (
    ("+919876543210", "a@example.com", "Blue"),
    ("12", "b@example.com", "Red"),
    ("12", "", "Green"),
    ("9876543211", "", "Caf\u00e9"),
    ("+919876543212", "e@example.com"),
)
#: Option → what is typed for it. Together with `NOT_TYPED` every option of `run`.
TYPED: dict[str, str] = {
    "insecure": "",
    "credentials": "BRAND_A",
    "mapping": "my map.toml",
    "sheet": "Two's",
    "encoding": "cp1252",
    "delimiter": ";",
    "header-row": "3",
    "country": "IN",
    "blank": "clear",
    "unknown-columns": "send",
    "invalid-identifiers": "omit",
    "short-rows": "empty",
    "batch-size": "3",
    "rate": "900/second",
    "burst": "2",
    "concurrency": "2",
    "max-errors": "50%",
    "max-outage": "90s",
    "canary": "1",
    "time-zone": "Asia/Kolkata",
    "max-duration": "2h",
    "only-changed": "",
    "gzip": "",
    "attribution-type": "TILL",
    "attribution-code": "till 7",
    "reports-dir": "my reports",
    "database": "sqlite:///other journal.db",
    "log-format": "plain",
    "log-file": "the log",
    "metrics-file": "m.prom",
    "show-identifiers": "",
}
#: The target, and what means one call or the rows of one file.
NOT_TYPED = {"base-url", "cluster", "sandbox", "profile", "until", "limit", "skip-rows", "restart", "resubmit"}
#: What a report is not read with.
OF_THE_FILE = {"sheet", "encoding", "delimiter", "header_row"}
PLACES = {"reports-dir", "database"}
_PRINTED = re.compile(r"(?:`|then: |<code>|^ {4})(importer [^`\n]+?)(?=`|</code>|$)", re.MULTILINE)


def commands_in(*texts: str) -> list[str]:
    return list(dict.fromkeys(html.unescape(found) for text in texts for found in _PRINTED.findall(text)))


def words_of(command: str) -> list[str]:
    """What the program gets when a POSIX shell runs the command."""
    script = f"importer() {{ printf '%s\\0' \"$@\"; }}\n{command}\n"
    done = subprocess.run(["sh", "-c", script], capture_output=True, check=True)
    return done.stdout.decode("utf-8", "surrogateescape").split("\0")[:-1]


class Desk:
    """A folder with sheets, and what was run in it."""

    def __init__(self, terminal: Terminal, sandbox: EmbeddedSandbox) -> None:
        self.terminal = terminal
        self.folder = terminal.folder
        self.sandbox = sandbox
        terminal.credentials(sandbox)
        terminal.setenv(BRAND_A_USERNAME=sandbox.username, BRAND_A_PASSWORD=sandbox.password)

    def source(self, option: str) -> str:
        """A sheet that the option is needed for."""
        if option == "sheet":
            book = openpyxl.Workbook()
            for name in ("One", "Two's"):
                sheet = book.create_sheet(name)
                for row in (HEADER, *ROWS[:4]):
                    sheet.append(row)
            book.remove(book.worksheets[0])
            book.save(self.folder / "a sheet.xlsx")
            return "a sheet.xlsx"
        path = self.folder / "it's a sheet.csv"
        above = [("Customers of",), ("today",)] if option == "header-row" else []
        write_csv(path, *above, HEADER, *ROWS)
        if option == "delimiter":
            path.write_text(path.read_text(encoding="utf-8").replace(",", ";"), encoding="utf-8")
        if option == "encoding":
            path.write_bytes(path.read_text(encoding="utf-8").encode("cp1252"))
        if option == "mapping":
            text = path.read_text(encoding="utf-8").replace("Mobile", "Ring").replace("Email", "Post")
            path.write_text(text, encoding="utf-8")
            (self.folder / "my map.toml").write_text(
                '[columns]\n"Ring" = "mobile"\n"Post" = "email"\n"Colour" = "preference"\n', encoding="utf-8"
            )
        return path.name

    def settings_of_newest(self, words: Mapping[str, str]) -> tuple[str, Settings]:
        reports, database = words.get("reports-dir", "reports"), words.get("database", "")
        with Journal.open(self.folder / reports, database or None) as journal:
            newest = journal.runs()[0]
            return newest.record.run_id, newest.record.settings

    def paste(self, command: str) -> Ended:
        assert command.startswith("importer ")
        return self.terminal.type(*words_of(command))


@pytest.fixture
def desk(terminal: Terminal) -> Iterator[Desk]:
    with EmbeddedSandbox(SandboxOptions(accept_gzip=True)) as sandbox:
        yield Desk(terminal, sandbox)


def given(desk: Desk, option: str, how: str) -> list[str]:
    """The words that give the option, and the target."""
    pairs = {"base-url": desk.sandbox.base_url, option: TYPED[option]}
    if option.startswith("attribution"):
        pairs |= {name: TYPED[name] for name in ("attribution-type", "attribution-code")}
    if how == "typed":
        return [word for name, value in pairs.items() for word in (f"--{name}", value) if word]
    lines = [f"{name} = {value!r}" if value else f"{name} = true" for name, value in pairs.items()]
    text = "\n".join(line.replace('"', "'").replace("'Two's'", '"Two\'s"') for line in lines)
    if how == "profile":
        (desk.folder / "importer.toml").write_text(f'[profiles."my shop"]\n{text}\n')
        return ["--profile", "my shop"]
    (desk.folder / "other settings.toml").write_text(text + "\n")
    return ["--config", "other settings.toml"]


def test_every_option_has_a_value_here() -> None:
    assert {option.name for option in OPTIONS if option.taken_by("run")} == TYPED.keys() | NOT_TYPED


def comparable(settings: Settings) -> dict[str, object]:
    """What says how rows are imported, and where to."""
    every = msgspec.structs.asdict(settings)
    for name in OF_THE_FILE | {"restart", "resubmit", "nightly", "settings_file", "found", "profile"}:
        del every[name]
    return every


def codes(folder: Path) -> list[str]:
    """Why rows did not succeed. A short row has a cell too many in a report, which says what it lacks."""
    rows = [row["_code"] for row in table(folder / "results.csv") if row["_status"] not in ("succeeded", "skipped")]
    return [code.replace("short_row", "ragged_row") for code in rows]


@pytest.mark.parametrize("how", ["typed", "profile", "file"])
@pytest.mark.parametrize("option", sorted(TYPED))
def test_reports_are_imported_with_the_settings_of_the_run(desk: Desk, option: str, how: str) -> None:
    """`failed.csv` and `annotated.xlsx`, as summary and page print it; each row that was not fixed fails again."""
    words = given(desk, option, how)
    first = desk.terminal.type("run", desk.source(option), *words)
    assert first.code == 3, first.err
    places = {option: TYPED[option]}
    run_id, settings = desk.settings_of_newest(places)
    folder = desk.folder / places.get("reports-dir", "reports") / run_id
    printed = commands_in(first.out, (folder / "summary.html").read_text(encoding="utf-8"))
    assert printed and all(f"{run_id}/" in command for command in printed)
    open_rows = codes(folder)
    for pasted in printed:
        again = desk.paste(pasted)
        assert again.code == 3, (pasted, again.err)
        newest, found = desk.settings_of_newest(places)
        assert newest != run_id
        assert comparable(found) == comparable(settings), pasted
        assert codes(folder.parent / newest) == open_rows, pasted


def test_a_report_that_is_written_again_in_another_folder(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its command names the mapping of the run from there."""
    assert desk.terminal.type("run", desk.source("mapping"), *given(desk, "mapping", "typed")).code == 3
    run_id, _ = desk.settings_of_newest({})
    (desk.folder / "other").mkdir()
    monkeypatch.chdir(desk.folder / "other")
    (pasted,) = commands_in(desk.terminal.type("report", run_id, "--reports-dir", "../reports").out)
    assert "'../my map.toml'" in pasted
    again = desk.paste(pasted)
    assert again.code == 3 and len(desk.terminal.runs()) == 2, again.err


@pytest.mark.parametrize("how", ["typed", "profile", "file"])
@pytest.mark.parametrize("option", sorted(PLACES))
def test_a_run_that_stopped_is_found_by_each_command(desk: Desk, option: str, how: str) -> None:
    """As the summary, the page, the list, a second start and a changed file name it; the new file begins a new run."""
    words, places = given(desk, option, how), {option: TYPED[option]}
    path = write_csv(desk.folder / "a b.csv", ("External id", "Colour"), ("code-816", "Red"), ("C1", ""), ("C2", ""))
    words += ["--blank", "clear", "--max-errors", "1", "--batch-size", "1", "--concurrency", "1"]
    stopped = desk.terminal.type("run", path.name, *words)
    assert stopped.code == 6
    run_id, settings = desk.settings_of_newest(places)
    page = (desk.folder / places.get("reports-dir", "reports") / run_id / "summary.html").read_text(encoding="utf-8")
    before = path.read_bytes()
    path.write_bytes(before + b"C3,\r\n")
    assert all("resume" in command or "failed.csv" in command for command in commands_in(stopped.out))
    changed = desk.paste(next(command for command in commands_in(stopped.out) if " resume " in command))
    assert changed.code == 9
    resume, again = commands_in(changed.err)
    busy = desk.terminal.type("run", path.name, *words)
    assert busy.code == 11
    location = words[:2] if how == "file" else [f"--{option}", TYPED[option]]
    listed = desk.terminal.type("runs", *location)
    every = [*commands_in(stopped.out, page, busy.err, listed.out), resume]
    assert {tuple(words_of(command)[:2]) for command in every if " run " not in command} == {("resume", run_id)}
    assert desk.paste(again).code == 6
    newest, found = desk.settings_of_newest(places)
    assert newest != run_id and comparable(found) == comparable(settings)
    path.write_bytes(before)


@pytest.mark.parametrize("how", ["typed", "profile", "file"])
@pytest.mark.parametrize("option", sorted(PLACES))
def test_each_command_that_resumes_a_run_does(desk: Desk, option: str, how: str) -> None:
    """The first ends it, the others repeat its exit code; what failed is sent again by the command for it."""
    words = given(desk, option, how)
    path = write_csv(
        desk.folder / "a b.csv", ("External id", "Colour"), ("code-816", "Red"), ("C1", "Blue"), ("C2", "Blue")
    )
    stopped = desk.terminal.type(
        "run", path.name, *words, "--max-errors", "1", "--batch-size", "1", "--concurrency", "1"
    )
    location = words[:2] if how == "file" else [f"--{option}", TYPED[option]]
    texts = (stopped.out, desk.terminal.type("run", path.name, *words).err, desk.terminal.type("runs", *location).out)
    for text in texts:
        command = next(command for command in commands_in(text) if " resume " in command)
        assert desk.paste(command).code == 3, command


@pytest.mark.parametrize("option", ["sheet", "encoding", "delimiter", "header-row", "short-rows", "reports-dir"])
def test_map_names_a_check_that_reads_the_file_as_it_did(desk: Desk, option: str) -> None:
    source = desk.source(option)
    mapped = desk.terminal.type("map", source, f"--{option}", TYPED[option], "-o", "its map.toml")
    (command,) = commands_in(mapped.err)
    check = desk.paste(command)
    assert check.code == 3 and "Red" in check.out, check.err


def test_resubmit_finds_its_sheet(desk: Desk) -> None:
    """Without --sheet too: of several sheets, the one with the results of the run. `check` reads the same rows."""
    desk.source("sheet")
    words = ("--base-url", desk.sandbox.base_url)
    assert desk.terminal.type("run", "a sheet.xlsx", "--sheet", "Two's", *words).code == 3
    run_id, _ = desk.settings_of_newest({})
    report = desk.folder / "reports" / run_id / "annotated.xlsx"
    assert "Two's" in desk.terminal.type("check", report).err
    assert desk.terminal.type("check", report, "--resubmit", "--json").json["sheet"] == "Two's"
    again = desk.terminal.type("run", report, "--resubmit", "--json", *words)
    assert (again.code, again.json["source"]["sheets"], again.json["rows"]["skipped"]) == (3, ["Two's"], 1)


@pytest.mark.parametrize(
    "name", ["a b.csv", "it's.csv", "-a.csv", '$(x) `y` "z".csv', "*.csv", "a\tb\x1b[31m.csv", "\udce9.csv"]
)
def test_any_name_survives_a_shell(name: str) -> None:
    """Also signs that a terminal acts on, which are not printed, and bytes that are not UTF-8."""
    made = command(Settings(country="IN", mapping=name, found=Found()), "check", name)
    assert visible(made) == made
    words = words_of(made)
    assert words[-1] == name or words[1] == name
    assert f"--mapping={name}" in words or words[words.index("--mapping") + 1] == name


def test_a_password_is_not_printed() -> None:
    """A URL in an option may hold one; the journal's own ways give it to the pasted command."""
    made = command(Settings(database="postgresql://importer:se@cret@host/db"), "resume", "R")
    assert made == "importer resume R --database postgresql://importer@host/db"


def test_what_the_next_command_finds_by_itself_is_not_repeated() -> None:
    """In `importer.toml` and the environment; a default is, where they say otherwise."""
    found = load({}, {"IMPORTER_COUNTRY": "IN", "IMPORTER_BLANK": "clear", "IMPORTER_BATCH_SIZE": "7"})
    assert command(found, "check", "a.csv") == "importer check a.csv"
    other = msgspec.structs.replace(found, blank="skip", batch_size=8)
    assert command(other, "check", "a.csv") == "importer check a.csv --blank skip --batch-size 8"
