"""How commands end: exit codes, one sentence that says what to do, and what each stream shows."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import stat
import sys
from pathlib import Path

import pytest

from importer.errors import internal_error
from importer.sandbox import EmbeddedSandbox, SandboxOptions
from tests.support.terminal import SAMPLES, Ended, Terminal, table, write_csv

HEADER = ("Mobile", "Favourite colour")
GOOD = ("919774487641", "Blue")


def sentence(ended: Ended) -> str:
    """What was said of an error: one line, and nothing on stdout."""
    assert ended.out == ""
    assert ended.err.count("\n") == 1, ended.err
    assert ended.err.startswith("importer: ")
    return ended.err


def test_a_file_that_does_not_exist_ends_with_8(terminal: Terminal) -> None:
    """One sentence that names the file and says what to do."""
    ended = terminal.type("run", "nowhere.xlsx", "--sandbox")
    assert ended.code == 8
    assert "nowhere.xlsx" in sentence(ended)


@pytest.mark.parametrize("command", ["run", "check"])
def test_an_error_of_the_mapping_names_the_file_and_the_command_that_maps_it(terminal: Terminal, command: str) -> None:
    """The command is pasted: it needs the file's own name, and what the run needed to open it."""
    write_csv(terminal.folder / "my sheet.csv", ("Name\tPlace",), ("A\tB",))
    ended = terminal.type(command, "my sheet.csv", "--delimiter", "tab", "--sandbox")
    assert ended.code == 8
    assert "my sheet.csv: No column identifies the customer" in sentence(ended)
    (pasted,) = re.findall("`importer ([^`]*)`", ended.err)
    assert terminal.type(*shlex.split(pasted)).code == 0
    assert '"Place"' in (terminal.folder / "mapping.toml").read_text("utf-8")


@pytest.mark.process
def test_an_error_of_the_mapping_of_a_piped_sheet_names_standard_input(terminal: Terminal) -> None:
    """Its copy has a name that the user does not know."""
    ended = terminal.start("check", "-", "--sandbox", stdin=b"Name,Place\nA,B\n")
    assert ended.code == 8
    assert "standard input: No column" in sentence(ended) and "`importer map - " in ended.err


@pytest.mark.parametrize("option", ["--log-file", "--metrics-file"])
def test_a_log_or_metrics_path_that_is_the_source_is_refused(terminal: Terminal, option: str) -> None:
    """A log would be appended to the sheet, metrics would replace it."""
    path = write_csv(terminal.folder / "a.csv", HEADER, GOOD)
    before = path.read_bytes()
    ended = terminal.type("run", "a.csv", "--sandbox", option, "./a.csv")
    assert (ended.code, path.read_bytes()) == (2, before)
    assert "is the source itself" in sentence(ended)


def test_a_row_that_is_unknown_after_a_stop_has_time_and_request_id(terminal: Terminal) -> None:
    """The vendor's support asks for the request id."""
    write_csv(terminal.folder / "a.csv", HEADER, GOOD)
    terminal.skip_waits()
    with EmbeddedSandbox(SandboxOptions(faults=("1-:503-after",))) as sandbox:
        terminal.credentials(sandbox)
        ended = terminal.type("run", "a.csv", "--base-url", sandbox.base_url, "--max-outage", "1s")
    assert ended.code == 5
    (row,) = table(terminal.run_folder() / "results.csv")
    assert (row["_status"], row["_code"]) == ("unknown", "no_answer")
    assert row["_request_id"]
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT[\d:]{8}\.\d{3}Z", row["_at"])


def test_control_characters_in_names_do_not_reach_the_terminal(terminal: Terminal) -> None:
    """The name of a column or file could colour the screen, move the cursor or rename the window."""
    name = "a\x1b]0;b\x07\x9b1m\u202e.csv"
    write_csv(terminal.folder / name, ("Mobile", "Favourite colour of all\x1b[31m"), GOOD)
    ended = terminal.type("run", name, "--sandbox")
    assert (ended.code, "\x1b" in ended.err, "�[31m" in sentence(ended)) == (8, False, True)
    write_csv(terminal.folder / name, HEADER, GOOD)
    log = ("--log-format", "plain", "--restart")
    for words in (("run", name, "--sandbox"), ("run", name, "--sandbox", *log), ("check", name), ("map", name)):
        ended = terminal.type(*words)
        assert ended.code == 0
        assert "]0;b" in ended.out
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", ended.out + ended.err)
    write_csv(terminal.folder / name, (*HEADER, "Remarks\x9b1m\x1b[1m"), (*GOOD, "a\x1b[31m\x9b1m"))
    ended = terminal.type("map", name)
    assert (ended.code, "Remarks" in ended.out) == (0, True)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", ended.out + ended.err)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no file can have such a name")
def test_a_file_name_that_is_not_valid_text_ends_with_8(terminal: Terminal) -> None:
    """For example café.csv of Windows, unpacked elsewhere: this was an internal error. A folder for reports with such a
    name ends with 2."""
    name = os.fsdecode(b"caf\xe9.csv")
    write_csv(terminal.folder / name, HEADER, GOOD)
    ended = terminal.type("run", name, "--sandbox")
    assert ended.code == 8
    assert "Rename it." in sentence(ended)
    write_csv(terminal.folder / "a.csv", HEADER, GOOD)
    assert terminal.type("run", "a.csv", "--sandbox", "--reports-dir", os.fsdecode(b"r\xe9")).code == 2


@pytest.mark.parametrize("content", ["", "\n\n", "Mobile,Colour\n"])
def test_an_empty_file_ends_with_8(terminal: Terminal, content: str) -> None:
    """No bytes, no rows, or nothing but blank lines: nothing was sent, and it is said."""
    (terminal.folder / "empty.csv").write_text(content)
    ended = terminal.type("run", "empty.csv", "--sandbox")
    assert ended.code == 8, ended
    assert "empty.csv" in sentence(ended)


def test_a_sheet_without_an_identifier_ends_with_8(terminal: Terminal) -> None:
    """The sentence says which columns would do."""
    write_csv(terminal.folder / "people.csv", ("Name", "Colour"), ("Asha", "Blue"))
    ended = terminal.type("run", "people.csv", "--sandbox")
    assert ended.code == 8
    assert "mobile" in sentence(ended).lower()


def test_a_wrong_password_ends_with_4_and_fails_no_row(terminal: Terminal, sandbox: EmbeddedSandbox) -> None:
    """At most two requests; every row is unprocessed, and the run can be resumed with the right password."""
    terminal.setenv(IMPORTER_USERNAME=sandbox.username, IMPORTER_PASSWORD="wrong")
    ended = terminal.type("run", SAMPLES / "customers.csv", "--base-url", sandbox.base_url, "--json")
    assert ended.code == 4
    assert ended.json["rows"]["unprocessed"] == ended.json["rows"]["read"] == 500
    assert ended.json["rows"]["failed"] == 0
    assert sandbox.state.calls["POST customer/preferences"] <= 2
    assert "importer resume" in " ".join(ended.json["notes"])
    terminal.credentials(sandbox)
    ended = terminal.type("resume", "--json")
    assert ended.code == 0, ended.err
    assert ended.json["rows"]["succeeded"] == 500


def test_without_a_target_the_message_names_the_options(terminal: Terminal) -> None:
    """Neither --base-url nor --sandbox: 2."""
    ended = terminal.type("run", SAMPLES / "customers.csv")
    assert ended.code == 2
    assert "--base-url" in sentence(ended)
    assert "--sandbox" in ended.err


def test_without_credentials_the_message_names_the_variables(terminal: Terminal, sandbox: EmbeddedSandbox) -> None:
    """2, and nothing is sent."""
    ended = terminal.type("run", SAMPLES / "customers.csv", "--base-url", sandbox.base_url)
    assert ended.code == 2
    assert "IMPORTER_USERNAME" in sentence(ended)
    assert sandbox.state.calls.total() == 0


@pytest.mark.parametrize("words", [("--no-such-option",), ("--rate", "fast"), ("--batch-size", "0")])
def test_a_mistyped_option_ends_with_2(terminal: Terminal, words: tuple[str, ...]) -> None:
    """Usage: nothing was sent, and the option is named."""
    ended = terminal.type("run", SAMPLES / "customers.csv", "--sandbox", *words)
    assert ended.code == 2
    assert words[0] in ended.err


def test_an_unfinished_run_is_not_started_again(terminal: Terminal, sandbox: EmbeddedSandbox) -> None:
    """11 with the command to resume it; --restart starts a new run."""
    write_csv(terminal.folder / "a.csv", HEADER, GOOD)
    terminal.setenv(IMPORTER_USERNAME=sandbox.username, IMPORTER_PASSWORD="wrong")
    target = ("--base-url", sandbox.base_url)
    assert terminal.type("run", "a.csv", *target).code == 4
    terminal.credentials(sandbox)
    ended = terminal.type("run", "a.csv", *target)
    assert ended.code == 11
    assert "importer resume" in sentence(ended)
    assert terminal.type("run", "a.csv", *target, "--restart").code == 0


def test_a_changed_source_is_not_resumed(terminal: Terminal, sandbox: EmbeddedSandbox) -> None:
    """9, by content and not by date; nothing is sent."""
    path = write_csv(terminal.folder / "a.csv", HEADER, GOOD)
    terminal.setenv(IMPORTER_USERNAME=sandbox.username, IMPORTER_PASSWORD="wrong")
    terminal.type("run", "a.csv", "--base-url", sandbox.base_url)
    calls = sandbox.state.calls.total()
    text = path.read_bytes()
    path.write_bytes(text.replace(b"Blue", b"Bluf"))
    assert terminal.type("resume").code == 9
    assert sandbox.state.calls.total() == calls
    path.write_bytes(text)
    os.utime(path, (0, 0))
    terminal.credentials(sandbox)
    assert terminal.type("resume").code == 0


def test_resume_of_a_finished_run_says_so(terminal: Terminal) -> None:
    """0, whether it is named or the last one; where there is no run at all, 2 and where to look."""
    assert terminal.type("resume").code == 2
    write_csv(terminal.folder / "a.csv", HEADER, GOOD)
    assert terminal.type("run", "a.csv", "--sandbox").code == 0
    assert terminal.type("resume", terminal.run_folder().name, "--json").code == 0
    ended = terminal.type("resume")
    assert ended.code == 0
    assert "is already finished" in ended.err


@pytest.mark.process
def test_json_is_one_document_and_messages_go_to_stderr(terminal: Terminal) -> None:
    """A program reads stdout: one JSON document, equal to summary.json."""
    ended = terminal.start("run", str(SAMPLES / "messy.xlsx"), "--sandbox", "--json")
    assert ended.code == 3
    assert ended.json == json.loads((terminal.run_folder() / "summary.json").read_bytes())
    for command in (("runs",), ("report",), ("codes",), ("check", str(SAMPLES / "messy.xlsx"))):
        shown = terminal.type(*command, "--json")
        assert isinstance(shown.json, list | dict), command
        assert shown.err == "", command


@pytest.mark.parametrize(
    ("words", "wrong", "advice"),
    [
        (("--fault", "3"), "'3' is not a valid fault", "3:503"),
        (("--fault", "3:nope"), "no kind nope", "`importer sandbox --list`"),
        (("--rate-limit", "many"), "'many' is not a valid rate limit", "100/minute"),
        (("--shape", "round"), "no shape 'round'", "`importer sandbox --list`"),
        (("--shape", "booleans,strings"), "exclude each other", "Choose one"),
    ],
)
def test_an_option_of_the_sandbox_that_is_not_valid_ends_with_2(
    terminal: Terminal, words: tuple[str, str], wrong: str, advice: str
) -> None:
    """What is wrong, then what to do."""
    ended = terminal.type("sandbox", "--port", "0", *words)
    assert ended.code == 2
    text = sentence(ended)
    assert wrong in text and advice in text.partition(wrong)[2]


def test_an_internal_error_says_where_it_happened_and_not_what_it_says() -> None:
    """The text of an exception may hold a cell."""
    with pytest.raises(ValueError) as caught:
        int("919774487641 Asha")
    error = internal_error(caught.value)
    assert error.message == f"Internal error: ValueError in {Path(__file__).name}, line {caught.tb.tb_lineno}."
    assert error.__cause__ is caught.value and error.exit_code == 1
    assert internal_error(KeyError("Asha")).message == "Internal error: KeyError."


def test_the_codes_are_a_table_of_80_columns(terminal: Terminal) -> None:
    """Meanings and advice are two columns; a long code has its own line and does not push them."""
    shown = terminal.type("codes").out.splitlines()
    assert max(map(len, shown)) <= 80
    (row,) = (line for line in shown if line.startswith("  1004 "))
    (code,) = (number for number, line in enumerate(shown) if line == "  mobile_without_country")
    head = next(line for line in shown if line.startswith("  code"))
    at, beside = head.index("meaning"), head.index("what to do")
    assert row[at:].startswith("unknown store") and row[beside:].startswith("Correct the store code")
    assert shown[code + 1][at:].startswith("the mobile has no country") and shown[code + 1][:at].isspace()
    assert shown[code + 1][beside:].startswith("Add the country code")


@pytest.mark.process
def test_quiet_says_nothing(terminal: Terminal) -> None:
    """The exit code and the reports are all there is."""
    ended = terminal.start("run", str(SAMPLES / "messy.xlsx"), "--sandbox", "--quiet")
    assert (ended.code, ended.out, ended.err) == (3, "", "")
    assert (terminal.run_folder() / "summary.json").exists()


def test_each_source_is_a_run_and_the_worst_code_counts(terminal: Terminal) -> None:
    """Names, a pattern that the program expands, and a file that does not exist: the others are still run."""
    write_csv(terminal.folder / "a1.csv", HEADER, GOOD)
    write_csv(terminal.folder / "a2.csv", HEADER, GOOD, ("12", "Blue"))
    write_csv(terminal.folder / "b.csv", HEADER, GOOD)
    ended = terminal.type("run", "a*.csv", "b.csv", "--sandbox")
    assert ended.code == 3
    assert [re.sub(r"^\d+-\d+-|-\w+$", "", path.name) for path in terminal.runs()] == ["a1", "a2", "b"]
    ended = terminal.type("run", "b.csv", "nowhere.csv", "a*.csv", "--sandbox")
    assert ended.code == 8
    assert len(terminal.runs()) == 6
    assert terminal.type("check", "a*.csv", "b.csv").code == 3
    assert terminal.type("check", "z*.csv").code == 8


@pytest.mark.process
def test_standard_input_is_a_source(terminal: Terminal, sandbox: EmbeddedSandbox) -> None:
    """`-`: spooled for its owner alone, and resumed after a stop as any file."""
    terminal.credentials(sandbox)
    rows = b"Mobile,Favourite colour\n919774487641,Blue\n"
    done = terminal.start("run", "-", "--base-url", sandbox.base_url, "--json", stdin=rows, IMPORTER_PASSWORD="wrong")
    assert done.code == 4, done.err
    (spool,) = (terminal.folder / "reports" / ".spool").iterdir()
    assert stat.S_IMODE(spool.stat().st_mode) == 0o600
    assert terminal.type("resume").code == 0
    assert sandbox.state.preferences_of(mobile="919774487641") == {"Favourite colour": "Blue"}


def test_an_interrupted_run_says_how_to_resume_it(terminal: Terminal) -> None:
    """--max-duration ends a run cleanly: 10, its reports written, and resumed it finishes."""
    rows = [(f"9197744{number or 99_999:05}", "Blue") for number in range(40)]
    write_csv(terminal.folder / "a.csv", HEADER, *rows)
    with EmbeddedSandbox() as sandbox:
        terminal.credentials(sandbox)
        terminal.clock_by_requests(sandbox, 10.0)
        words = ("--base-url", sandbox.base_url, "--batch-size", "1", "--concurrency", "1", "--json")
        ended = terminal.type("run", "a.csv", *words, "--max-duration", "150s")
        assert ended.code == 10
        assert 0 < ended.json["rows"]["unprocessed"] < 40
        assert any("importer resume" in note for note in ended.json["notes"])
        ended = terminal.type("resume", "--json", "--max-duration", "1h")
        assert ended.code == 0
        assert len(sandbox.state.accepted) == 40


@pytest.mark.slow
def test_repairs_are_counted_once_in_a_run_that_was_stopped_often(terminal: Terminal) -> None:
    """Rows that are read again are not counted again: the summary equals that of an uninterrupted run."""
    whole = terminal.type("run", SAMPLES / "customers.csv", "--sandbox", "--json").json["repairs"]
    with EmbeddedSandbox() as sandbox:
        terminal.credentials(sandbox)
        terminal.clock_by_requests(sandbox, 10.0)
        words = ("--base-url", sandbox.base_url, "--batch-size", "10", "--concurrency", "1", "--json")
        assert terminal.type("run", SAMPLES / "customers.csv", *words, "--max-duration", "100s").code == 10
        assert terminal.type("resume", "--max-duration", "100s").code == 10
        ended = terminal.type("resume", "--json", "--max-duration", "1h")
    assert (ended.code, ended.json["repairs"]) == (0, whole)


def test_files_are_private_to_their_owner(terminal: Terminal) -> None:
    """0600 and 0700 under any umask, whatever is written: reports, journal, locks, problems."""
    terminal.type("run", SAMPLES / "messy.xlsx", "--sandbox")
    terminal.type("check", SAMPLES / "messy.xlsx", "--output", "problems.csv")
    terminal.type("map", SAMPLES / "messy.xlsx", "--output", "mapping.toml")
    written = [*(terminal.folder / "reports").rglob("*"), terminal.folder / "reports"]
    assert len(written) > 5
    for path in (*written, terminal.folder / "problems.csv", terminal.folder / "mapping.toml"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


CANARIES = ("canary-9f3e", "917744876415", "canary.person@canary-domain.example", "canary-till", "canary-secret")


def test_personal_data_stays_in_the_results(terminal: Terminal) -> None:
    """Planted in rows that succeed, fail, are refused and unknown: no cell of theirs is printed or in summary.json."""
    write_csv(
        terminal.folder / "a.csv",
        ("Mobile", "Email", "Customer ID", "Favourite colour"),
        ("917744876415", "", "", "canary-9f3e"),
        ("", "canary.person@canary-domain.example", "", "canary-9f3e"),
        ("", "code-816+canary-9f3e@sandbox.test", "", "Blue"),
        ("", "canary-9f3e.canary-domain.example", "", "Blue"),
        ("canary-9f3e", "", "", "Blue"),
        ("", "", "yes-816", "canary-9f3e"),
        ("", "", "code-999999+canary-9f3e", "Blue"),
    )
    shown = [
        terminal.type("run", "a.csv", "--sandbox"),
        terminal.type("run", "a.csv", "--sandbox", "--json"),
        terminal.type("report"),
        terminal.type("runs"),
        terminal.type("runs", "--json"),
    ]
    assert [ended.code for ended in shown] == [3, 3, 0, 0, 0]
    texts = [text for ended in shown for text in (ended.out, ended.err)]
    for folder in terminal.runs():
        texts += [
            (folder / name).read_text("utf-8") for name in ("summary.json", "summary.html") if (folder / name).exists()
        ]
        assert "canary-9f3e" in (folder / "results.csv").read_text("utf-8")
    texts.append((terminal.folder / "reports" / "journal.db").read_bytes().decode("latin-1"))
    for canary in CANARIES:
        for text in texts:
            assert canary not in text, text[max(0, text.find(canary) - 200) :][:300]


@pytest.mark.parametrize("how", ["plain", "file", "command"])
def test_secrets_are_never_shown(terminal: Terminal, sandbox: EmbeddedSandbox, how: str) -> None:
    """A refused password from the environment, a file or a command: in no message, report or journal."""
    secret = "canary-secret-password"
    path = terminal.folder / "secret.txt"
    path.write_text(secret + "\n")
    name, value = {
        "plain": ("IMPORTER_PASSWORD", secret),
        "file": ("IMPORTER_PASSWORD_FILE", str(path)),
        "command": ("IMPORTER_PASSWORD_COMMAND", f"cat '{path}'"),
    }[how]
    terminal.setenv(IMPORTER_USERNAME="till1", **{name: value})
    write_csv(terminal.folder / "a.csv", HEADER, GOOD)
    ended = terminal.type("run", "a.csv", "--base-url", sandbox.base_url)
    assert ended.code == 4
    terminal.type("check", "a.csv", "--online", "--base-url", sandbox.base_url)
    listed = terminal.type("runs", "--json")
    assert secret not in ended.out + ended.err + listed.out
    for file in (terminal.folder / "reports").rglob("*"):
        if file.is_file():
            assert secret.encode() not in file.read_bytes(), file


def test_secrets_from_files_and_commands_are_accepted(terminal: Terminal, sandbox: EmbeddedSandbox) -> None:
    """…_FILE and …_COMMAND, for both kinds of credentials."""
    (terminal.folder / "secret").write_text(sandbox.client_secret + "\n")
    terminal.setenv(IMPORTER_CLIENT_KEY=sandbox.client_key, IMPORTER_CLIENT_SECRET_COMMAND="cat secret")
    write_csv(terminal.folder / "a.csv", HEADER, GOOD)
    assert terminal.type("run", "a.csv", "--base-url", sandbox.base_url).code == 0
    assert sandbox.state.calls["token"] == 1


def test_no_command_takes_a_secret(terminal: Terminal) -> None:
    """Another user could read it in the list of processes."""
    for command in ("run", "check", "resume", "retry", "report", "map", "runs", "sandbox"):
        text = terminal.type(command, "--help").out
        assert not re.search(r"--\S*(password|secret|token|user(name)?|client-key)\b", text), command


@pytest.mark.slow
def test_runs_report_and_retry_follow_a_run(terminal: Terminal) -> None:
    """What a run left can be listed, reported again, and tried again for the open rows alone."""
    terminal.type("run", SAMPLES / "messy.xlsx", "--sandbox")
    folder = terminal.run_folder()
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix == ".csv"}
    listed = terminal.type("runs")
    head, line = (re.split(r"  +", line)[:2] for line in listed.out.splitlines())
    assert head == ["run", "state"] and line == [folder.name, "with failures"]
    for path in folder.iterdir():
        path.unlink()
    assert terminal.type("report", folder.name).code == 0
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix == ".csv"} == before
    ended = terminal.type("retry", folder.name, "--json")
    assert ended.code == 3
    rows = ended.json["rows"]
    assert (rows["read"], rows["skipped"]) == (120, 83 + 22)


@pytest.mark.parametrize(("other", "code"), [(("12", "Red"), 3), (("919774487642", "Red"), 0)])
def test_a_retry_of_a_run_without_open_rows_has_nothing_to_do(
    terminal: Terminal, other: tuple[str, str], code: int
) -> None:
    """Rejected rows need a fixed file: a retry does not send them. It begins no run, and repeats the exit code."""
    write_csv(terminal.folder / "a.csv", HEADER, GOOD, other)
    assert terminal.type("run", "a.csv", "--sandbox").code == code
    name = terminal.run_folder().name
    ended = terminal.type("retry", name)
    assert (ended.code, ended.out) == (code, f"Nothing to do: run {name} has no rows to retry.\n")
    assert "no rows to retry" not in ended.err, "said once"
    ended = terminal.type("retry", name, "--json")
    assert (ended.code, ended.json["run_id"], ended.json["exit_code"]) == (code, name, code)
    assert len(terminal.type("runs", "--json").json) == 1


def test_a_retry_of_a_run_that_wrong_settings_stopped_sends_its_rows(terminal: Terminal) -> None:
    """It is finished, and no row has an outcome: all of them are open."""
    write_csv(terminal.folder / "a.csv", HEADER, GOOD)
    with EmbeddedSandbox(SandboxOptions(faults=("1:302",))) as sandbox:
        terminal.credentials(sandbox)
        assert terminal.type("run", "a.csv", "--base-url", sandbox.base_url).code == 2
        ended = terminal.type("retry", terminal.run_folder().name, "--json")
    assert (ended.code, ended.json["rows"]["succeeded"]) == (0, 1)


@pytest.mark.parametrize("command", ["resume", "retry"])
def test_a_finished_run_repeats_its_exit_code_without_its_reports(terminal: Terminal, command: str) -> None:
    """They are written again. Where the source is gone too, the exit code is still that of the run."""
    write_csv(terminal.folder / "a.csv", HEADER, GOOD, ("12", "Red"))
    assert terminal.type("run", "a.csv", "--sandbox").code == 3
    folder = terminal.run_folder()
    shutil.rmtree(folder)
    ended = terminal.type(command, folder.name, "--json")
    assert (ended.code, ended.json["rows"]["rejected"]) == (3, 1)
    assert table(folder / "results.csv")[1]["_status"] == "rejected"
    shutil.rmtree(folder)
    (terminal.folder / "a.csv").unlink()
    ended = terminal.type(command, folder.name, "--json")
    assert ended.code == 3 and folder.name in ended.err


@pytest.mark.process
def test_a_command_starts_quickly_from_a_name_it_does_not_know(terminal: Terminal) -> None:
    """`python -m importer` and `importer` are one; an unknown command is usage."""
    assert terminal.start("nonsense").code == 2
    assert terminal.start("--version").out.startswith("importer")
    assert Path("reports").exists() is False


# ---------------------------------------------------------------------------------------------------- as from outside


@pytest.mark.parametrize("command", ["run", "check"])
def test_several_sources_are_one_document(terminal: Terminal, command: str) -> None:
    """--json prints one document whatever is given: of several sources a list, also of those that a pattern found."""
    for name in ("a.csv", "b.csv"):
        write_csv(terminal.folder / name, HEADER, GOOD)
    assert len(terminal.type(command, "a.csv", "b.csv", "--sandbox", "--json").json) == 2
    assert len(terminal.type(command, "*.csv", "--sandbox", "--json").json) == 2
    assert isinstance(terminal.type(command, "a.csv", "--sandbox", "--json").json, dict)


@pytest.mark.parametrize("command", ["run", "check"])
def test_a_bad_file_of_a_pattern_ends_only_itself(terminal: Terminal, command: str) -> None:
    """Found by a pattern or named: the others are run, and the code is the worst."""
    (terminal.folder / "a.csv").write_bytes(b"")
    write_csv(terminal.folder / "b.csv", HEADER, GOOD)
    ended = terminal.type(command, "*.csv", "--sandbox", "--json")
    assert (ended.code, len(ended.json)) == (8, 1)
    assert "a.csv is empty" in ended.err


@pytest.mark.parametrize(
    "address",
    [
        "https://till:hush@api.example.com",
        "https://api.example.com?x=1",
        "https://api.example.com#x",
        "https://api.example.com:99999",
        "https://[::1",
        "https://api.exa mple.com",
    ],
)
def test_an_invalid_base_url_is_refused(terminal: Terminal, address: str) -> None:
    """2, before there is a run. A password in it stood in the journal and every report; it is not repeated."""
    write_csv(terminal.folder / "a.csv", HEADER, GOOD)
    ended = terminal.type("run", "a.csv", "--base-url", address)
    assert ended.code == 2
    assert "hush" not in ended.err
    assert not (terminal.folder / "reports").exists()


def test_an_unknown_country_starts_no_run(terminal: Terminal) -> None:
    """A run with the wrong country would block the next one, which has the right country."""
    write_csv(terminal.folder / "a.csv", HEADER, GOOD)
    assert terminal.type("run", "a.csv", "--sandbox", "--country", "ZZ").code == 2
    assert terminal.type("run", "a.csv", "--sandbox", "--country", "IN").code == 0


@pytest.mark.parametrize("database", ["nonsense", "mysql://u:hush@127.0.0.1:9/x"])
def test_an_unsupported_database_is_a_settings_error(terminal: Terminal, database: str) -> None:
    """2, and the password is not repeated."""
    write_csv(terminal.folder / "a.csv", HEADER, GOOD)
    ended = terminal.type("run", "a.csv", "--sandbox", "--database", database)
    assert ended.code == 2
    assert "hush" not in ended.err
    assert "--database" in sentence(ended)


@pytest.mark.parametrize("half", [("--attribution-type", "TILL"), ("--attribution-code", "t9")])
def test_an_incomplete_attribution_is_refused(terminal: Terminal, half: tuple[str, str]) -> None:
    """It was ignored without a message, or sent with an empty code."""
    write_csv(terminal.folder / "a.csv", HEADER, GOOD)
    ended = terminal.type("run", "a.csv", "--sandbox", *half)
    assert ended.code == 2
    assert "--attribution-" in sentence(ended)
    assert not (terminal.folder / "reports").exists()


@pytest.mark.parametrize("option", [("--encoding", "klingon"), ("--encoding", "base64"), ("--delimiter", '"')])
def test_an_invalid_option_value_is_a_usage_error(terminal: Terminal, option: tuple[str, str]) -> None:
    """2, not 8: the source is not at fault."""
    write_csv(terminal.folder / "a.csv", HEADER, GOOD)
    ended = terminal.type("run", "a.csv", "--sandbox", *option)
    assert ended.code == 2
    assert option[0] in sentence(ended)


def test_settings_with_a_byte_order_mark_are_read(terminal: Terminal) -> None:
    """Editors of Windows write it. It was reported as an invalid statement."""
    write_csv(terminal.folder / "a.csv", HEADER, GOOD)
    (terminal.folder / "importer.toml").write_text("\ufeffsandbox = true\n", encoding="utf-8")
    assert terminal.type("run", "a.csv").code == 0


def test_an_attribution_that_no_header_can_carry_is_refused(terminal: Terminal) -> None:
    write_csv(terminal.folder / "a.csv", HEADER, GOOD)
    assert terminal.type("run", "a.csv", "--sandbox", "--attribution-code", "मुंबई").code == 2


def test_a_folder_is_named(terminal: Terminal) -> None:
    assert ". is a directory" in terminal.type("run", ".", "--sandbox").err
