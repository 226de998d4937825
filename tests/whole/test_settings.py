"""Where a setting comes from, and what is said of one that cannot be understood."""

from __future__ import annotations

from pathlib import Path

import pytest

from importer.errors import SettingsError
from importer.settings import CLUSTERS, OPTIONS, Settings, load
from tests.whole.kit import SAMPLES, Terminal

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
}


def field_of(name: str) -> str:
    """`cluster` is another word for `base-url`."""
    return "base_url" if name == "cluster" else name.replace("-", "_")


def value_of(settings: Settings, name: str) -> object:
    return getattr(settings, field_of(name))


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
    assert {option.name for option in OPTIONS} - set(VALUES) - flags == {"blank", "profile", "output"}


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


def test_every_mistake_of_a_file_is_told_at_once_with_its_line(tmp_path: Path) -> None:
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
    told = str(error.value)
    for line, name in ((1, "rate"), (2, "batch-size"), (3, "colour"), (4, "restart"), (8, "until"), (10, "sandbox")):
        assert f"line {line}: " in told, told
        assert name in told
    assert "line 5: password is a secret" in told
    assert "hunter2" not in told


def test_mistakes_of_all_layers_are_told_together(tmp_path: Path) -> None:
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
def test_a_file_that_is_no_settings_file_is_told_where(tmp_path: Path, text: str, words: str) -> None:
    """2 and one sentence, whatever stands in it."""
    file = tmp_path / "importer.toml"
    file.write_text(text)
    with pytest.raises(SettingsError) as error:
        load({}, {}, file)
    assert words in str(error.value)


def test_a_profile_that_is_not_there_is_told_with_those_that_are() -> None:
    """And where no file is there at all, that is said."""
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
