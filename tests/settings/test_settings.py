"""Where a setting comes from, and what is said of one that cannot be understood."""

from __future__ import annotations

from pathlib import Path

import pytest

from importer.errors import SettingsError
from importer.settings.loading import load
from importer.settings.options import OPTIONS, Nightly, Settings
from importer.settings.values import CLUSTERS
from tests.support.terminal import SAMPLES, Terminal, write_csv

#: Two values of each option that a file may hold, none of them the default, as typed.
VALUES = {
    "base-url": ("https://one.example", "https://two.example"),
    "cluster": ("eu", "us"),
    "mapping": ("a.toml", "b.toml"),
    "sheet": ("A", "B"),
    "encoding": ("cp1252", "utf-16"),
    "delimiter": (";", "|"),
    "header-row": ("2", "3"),
    "country": ("IN", "TH"),
    "batch-size": ("7", "8"),
    "rate": ("200/minute", "300/minute"),
    "burst": ("2", "3"),
    "concurrency": ("2", "3"),
    "max-errors": ("5", "6%"),
    "max-outage": ("1h", "2h"),
    "canary": ("1", "2"),
    "until": ("05:00", "06:00"),
    "max-duration": ("1h", "2h"),
    "limit": ("1", "2"),
    "skip-rows": ("1", "2"),
    "attribution-type": ("till", "store_code"),
    "attribution-code": ("A", "B"),
    "reports-dir": ("a", "b"),
    "database": ("sqlite:///a.db", "sqlite:///b.db"),
    "credentials": ("BRAND_A", "BRAND_B"),
    "time-zone": ("Asia/Kolkata", "Asia/Bangkok"),
    "log-format": ("plain", "json"),
    "log-file": ("a.log", "b.log"),
    "metrics-file": ("a.prom", "b.prom"),
    "inbox": ("a", "s3://b/c"),
    "done": ("a", "b"),
    "failed": ("a", "b"),
    "outbox": ("a", "b"),
    "key-file": ("a", "b"),
    "known-hosts": ("a", "b"),
    "pattern": ("a-{date}.csv", "b-*.csv"),
    "expect-by": ("03:00", "04:00"),
    "settle": ("1m30s", "0"),
    "marker": (".ok", ".done"),
    "not-before": ("00:30", "01:00"),
    "warning": ("2%", "3%"),
    "critical": ("20%", "30%"),
    "notices": ("json://a", "json://b"),
    "retention": ("30d", "90d"),
}


def field_of(name: str) -> str:
    """`cluster` is another word for `base-url`."""
    return "base_url" if name == "cluster" else name.replace("-", "_")


def value_of(settings: Settings, name: str) -> object:
    field = field_of(name)
    return getattr(settings.nightly if field in Nightly.__struct_fields__ else settings, field)


@pytest.mark.parametrize("name", list(VALUES))
def test_command_line_over_environment_over_file_over_default(tmp_path: Path, name: str) -> None:
    """Each layer is taken where no layer above it speaks; a profile is above the rest of its file."""
    field, (one, two) = name.replace("-", "_"), VALUES[name]
    variable = f"IMPORTER_{field.upper()}"
    expected_one = value_of(load({field: one}, {}, None), name)
    expected_two = value_of(load({field: two}, {}, None), name)
    assert len({str(expected_one), str(expected_two), str(value_of(Settings(), name))}) == 3
    file = tmp_path / "importer.toml"
    file.write_text(f'{name} = "{one}"\n\n[profiles.p]\n{name} = "{two}"\n')
    assert value_of(load({}, {}, file), name) == expected_one
    assert value_of(load({"profile": "p"}, {}, file), name) == expected_two
    assert value_of(load({}, {"IMPORTER_PROFILE": "p"}, file), name) == expected_two
    assert value_of(load({}, {variable: two}, file), name) == expected_two
    assert value_of(load({"profile": "p"}, {variable: one}, file), name) == expected_one
    assert value_of(load({field: one}, {variable: two}, file), name) == expected_one


def test_the_options_that_are_left_are_yes_or_no_or_mean_one_run() -> None:
    """Nothing of the table is forgotten above."""
    flags = {option.name for option in OPTIONS if option.flag}
    assert {option.name for option in OPTIONS} - set(VALUES) - flags == {
        *("blank", "unknown-columns", "invalid-identifiers", "short-rows", "profile", "output"),
        *("expect-date", "repeat"),
    }


def test_yes_and_no_can_be_taken_back(tmp_path: Path) -> None:
    """What a file switches on, the environment switches off."""
    file = tmp_path / "importer.toml"
    file.write_text("gzip = true\nsandbox = true\nblank = 'clear'\n")
    on = load({}, {}, file)
    assert (on.gzip, on.sandbox, on.blank) == (True, True, "clear")
    off = load({}, {"IMPORTER_GZIP": "no", "IMPORTER_SANDBOX": "0", "IMPORTER_BLANK": "skip"}, file)
    assert (off.gzip, off.sandbox, off.blank) == (False, False, "skip")


def test_a_target_replaces_the_one_below_it_however_it_was_said(tmp_path: Path) -> None:
    """--sandbox is safe to type beside a file that names the API; --base-url beside one that says sandbox."""
    file = tmp_path / "importer.toml"
    file.write_text('cluster = "eu"\n')
    tried = load({"sandbox": "true"}, {}, file)
    assert (tried.sandbox, tried.base_url) == (True, "")
    file.write_text("sandbox = true\n")
    real = load({"cluster": "us"}, {}, file)
    assert (real.sandbox, real.base_url) == (False, CLUSTERS["us"])


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({"sandbox": "true", "base_url": "https://eu.api.example"}, "--base-url and --sandbox"),
        ({"cluster": "eu", "base_url": "https://eu.api.example"}, "--base-url and --cluster"),
        ({"cluster": "eu", "sandbox": "true"}, "--cluster and --sandbox"),
    ],
)
def test_two_targets_on_the_command_line_are_refused(given: dict[str, str], names: str) -> None:
    """Rows must not be sent to a server that the user did not mean. No other mistake is listed."""
    with pytest.raises(SettingsError) as caught:
        load(given, {})
    assert caught.value.message == f"{names} are different targets. Choose one."
    assert load({"sandbox": "true"}, {"IMPORTER_BASE_URL": "https://eu.api.example"}).sandbox


def test_all_mistakes_of_a_settings_file_are_reported_with_their_lines(tmp_path: Path) -> None:
    """Seven mistakes, seven sentences; those of profiles that were not asked for too."""
    file = tmp_path / "importer.toml"
    file.write_text(
        'rate = "fast"\n'
        "batch-size = 0\n"
        'colour = "blue"\n'
        "restart = true\n"
        'password = "hunter2"\n'
        "\n"
        "[profiles.night]\n"
        'until = "25:00"\n'
        "# a remark\n"
        "sandbox = 'perhaps'\n"
    )
    with pytest.raises(SettingsError) as error:
        load({}, {}, file)
    message = str(error.value)
    for line, name in ((1, "rate"), (2, "batch-size"), (3, "colour"), (4, "restart"), (8, "until"), (10, "sandbox")):
        assert f"line {line}: " in message, message
        assert name in message
    assert "line 5: password is a secret" in message
    assert "hunter2" not in message


def test_mistakes_of_all_layers_are_reported_together(tmp_path: Path) -> None:
    """File, environment and command line, each by its own name."""
    file = tmp_path / "importer.toml"
    file.write_text('rate = "fast"\n')
    with pytest.raises(SettingsError) as error:
        load({"batch_size": "many"}, {"IMPORTER_UNTIL": "noon"}, file)
    for words in ("line 1: rate", "IMPORTER_UNTIL", "--batch-size"):
        assert words in str(error.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rate = \n", "line 1"),
        ("profiles = 3\n", "profiles"),
        ("[profiles]\nnight = 3\n", "night"),
        ("rate = ['100/minute']\n", "line 1"),
    ],
)
def test_an_invalid_settings_file_is_refused_with_its_path(tmp_path: Path, text: str, words: str) -> None:
    """2 and one sentence, whatever stands in it."""
    file = tmp_path / "importer.toml"
    file.write_text(text)
    with pytest.raises(SettingsError) as error:
        load({}, {}, file)
    assert words in str(error.value)


def test_an_unknown_profile_is_refused_with_the_known_names() -> None:
    """Without a file, the message says so."""
    with pytest.raises(SettingsError, match=r"production, trial"):
        load({"profile": "prodution"}, {}, SAMPLES / "importer.toml")


def test_the_file_of_the_folder_is_found_and_another_can_be_named(terminal: Terminal) -> None:
    """`importer.toml` of the current folder, or --config."""
    (terminal.folder / "importer.toml").write_text("sandbox = true\n")
    assert terminal.type("run", SAMPLES / "long.csv").code == 0
    (terminal.folder / "other.toml").write_text('sandbox = true\nreports-dir = "elsewhere"\n')
    assert terminal.type("run", SAMPLES / "long.csv", "--config", "other.toml").code == 0
    assert (terminal.folder / "elsewhere").is_dir()
    assert terminal.type("run", SAMPLES / "long.csv", "--config", "nowhere.toml").code == 2
    (terminal.folder / "importer.toml").unlink()
    assert terminal.type("run", SAMPLES / "long.csv", "--profile", "trial").code == 2


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--encoding", "klingon"), "utf-8, cp1252"),
        (("--encoding", "base64"), "utf-8, cp1252"),
        (("--encoding", "undefined"), "utf-8, cp1252"),
        (("--delimiter", '"'), "no quote"),
        (("--delimiter", "\n"), "no quote or line end"),
        (("--delimiter", ";;"), "one character"),
        (("--country", "ZZ"), "two letters"),
        (("--database", "mongodb://user:hunter2@host/x"), "postgresql://"),
        (("--database", "postgresql://user:hunter2@[::1/x"), "postgresql://"),
        (("--database", "postgresql://user:hunter2@host:port/x"), "postgresql://"),
        (("--reports-dir", "a.csv"), "is not a directory"),
        (("--reports-dir", "a.csv/x"), "is not a directory"),
        (("--reports-dir", "x" * 300), "is not a directory"),
        (("--metrics-file", "nowhere/a.prom"), "Cannot write --metrics-file nowhere/a.prom "),
        (("--metrics-file", "."), "Cannot write --metrics-file . "),
        (("--log-file", "nowhere/a.log"), "Cannot write --log-file nowhere/a.log "),
        (("--time-zone", "Mars/Base"), "Asia/Kolkata"),
        (("--until", "nonsense"), "06:00"),
        (("--rate", "0"), "100/minute"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, tuple) else "",
)
def test_a_value_that_can_never_work_ends_with_2_before_anything_is_done(
    terminal: Terminal, words: tuple[str, ...], expected: str
) -> None:
    """Not with the code of a bad sheet or a failed disk, not after the run; and it says what would do. No secret."""
    sheet = write_csv(terminal.folder / "a.csv", ("External id", "Colour"), ("A", "Blue"))
    before = sheet.read_bytes()
    ended = terminal.type("run", "a.csv", "--sandbox", *words)
    assert ended.code == 2, ended.err
    assert expected in ended.err
    assert "hunter2" not in ended.err
    assert (sheet.read_bytes(), list(terminal.folder.iterdir())) == (before, [sheet])


@pytest.mark.parametrize(
    "address",
    [
        *("postgresql://user:p@ss/w[rd@host:5432/name", "postgres://host/name", "postgresql:///name?host=/var/run"),
        *("postgresql+psycopg://u@[::1]:5432/name", "sqlite:///a/journal.db"),
    ],
)
def test_addresses_of_databases_that_are_taken(address: str) -> None:
    """Whatever stands in a password, and each form that the driver knows."""
    assert load({"database": address}, {}, None).database == address


def test_an_output_that_is_the_source_or_cannot_be_written_is_refused(terminal: Terminal) -> None:
    """The message names the option, and the sheet stays as it is."""
    sheet = write_csv(terminal.folder / "a.csv", ("External id", "Colour"), ("A", "Blue"))
    before = sheet.read_bytes()
    (terminal.folder / "b.csv").symlink_to(sheet)
    for words in (
        *(("check", "a.csv", "--output", name) for name in ("a.csv", "b.csv", "./a.csv", "nowhere/x.csv", ".")),
        *(("map", "a.csv", "--output", name) for name in ("a.csv", "nowhere/x.toml", ".", "")),
        *(("sandbox", "--port", "0", word, "nowhere") for word in ("--customers", "--fields")),
    ):
        ended = terminal.type(*words)
        assert (ended.code, sheet.read_bytes()) == (2, before), (words, ended.err)
        assert words[-2] in ended.err or "output" in ended.err, ended.err


@pytest.mark.parametrize(
    "words",
    [
        *(
            ("run", "a.csv", "--sandbox", f"--{name}", "x\udce9")
            for name in ("sheet", "log-file", "reports-dir", "config")
        ),
        *(("check", "a.csv", "--output", "\udce9.csv"), ("map", "a.csv", "-o", "\udce9.toml"), ("resume", "\udce9")),
        *(("report", "--against", "\udce9"), ("serve", "--sandbox", "--port", "0", "--name", "\udce9")),
    ],
    ids=lambda words: " ".join(words).encode("ascii", "replace").decode(),
)
def test_a_value_that_is_not_utf_8_ends_with_2(terminal: Terminal, words: tuple[str, ...]) -> None:
    """One sentence; nothing is written. Neither the journal nor a report can hold such a value."""
    sheet = write_csv(terminal.folder / "a.csv", ("External id", "Colour"), ("A", "Blue"))
    ended = terminal.type(*words)
    assert (ended.code, ended.out, ended.err.count("\n")) == (2, "", 1), ended.err
    assert "UTF-8" in ended.err
    assert list(terminal.folder.iterdir()) == [sheet]


@pytest.mark.parametrize("variable", ["IMPORTER_LOG_FILE", "IMPORTER_PASSWORD", "IMPORTER_WEB_NAMES", "BRAND_PASSWORD"])
def test_a_variable_that_is_not_utf_8_ends_with_2(terminal: Terminal, variable: str) -> None:
    write_csv(terminal.folder / "a.csv", ("External id", "Colour"), ("A", "Blue"))
    terminal.setenv(**{"IMPORTER_USERNAME": "u", "IMPORTER_PASSWORD": "p", "BRAND_USERNAME": "u", variable: "x\udce9"})
    prefix = "BRAND" if variable.startswith("BRAND") else "IMPORTER"
    ended = terminal.type("run", "a.csv", "--base-url", "http://127.0.0.1:9", "--credentials", prefix)
    assert (ended.code, ended.err.count("\n")) == (2, 1), ended.err
    assert variable in ended.err


def test_such_a_value_is_refused_by_the_library_too() -> None:
    with pytest.raises(SettingsError, match="UTF-8"):
        load({"log_file": "x\udce9"}, {}, None)
    with pytest.raises(SettingsError, match="UTF-8"):
        load({}, {"IMPORTER_LOG_FILE": "x\udce9"}, None)
