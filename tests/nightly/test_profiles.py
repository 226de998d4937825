"""Profiles: every mistake at once with its line, no secrets, and the JSON Schema for editors."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from importer.cli.main import main
from importer.model import to_json
from importer.nightly.profile import check_profile
from importer.settings.loading import load
from importer.settings.options import Settings
from importer.settings.schema import FILE, schema
from tests.support.nightly import House

MISTAKES = """\
[profiles.night]
base-url = "eu.api.capillarytech.com"
rate = "100 a minute"
inbx = "inbox"
inbox = "nowhere"
time-zone = "Asia/Bangalore"
expect-by = "4 o'clock"
notices = ["mailto://importer:hunter2@mail.example.com"]
"""


def checked(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, list[str]]:
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    assert isinstance(ended.value.code, int)
    return ended.value.code, capsys.readouterr().out.splitlines()


def test_seven_mistakes_are_seven_messages_each_with_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`check --profile` lists them all with advice, and shows no secret. It ends with 2."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "importer.toml").write_text(MISTAKES)
    code, lines = checked(capsys, "check", "--profile", "night")
    assert code == 2
    assert len(lines) == 7
    words = {
        2: "https://",
        3: "100/minute",
        4: "Did you mean inbox?",
        5: "there is no folder nowhere",
        6: "Asia/Kolkata",
        7: "06:00",
        8: "${NAME}",
    }
    for number, word in words.items():
        (line,) = (line for line in lines if f"importer.toml, line {number}: " in line)
        assert word in line
    assert not any("hunter2" in line for line in lines)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('# a file\n\n[profiles.night]\nrate = "x"\n', 4),
        ('rate = "1/second"\n[profiles.other]\nrate = "1/second"\n[ profiles . "night" ] # mine\n  "rate"="x"\n', 5),
        ('notices = [\n  "a=b://c",\n]\nprofiles.night.rate = "x"\n', 4),
        ('[profiles]\nother = {rate = "1/second"}\nnight = {settle = "1m", rate = "x"}\n', 3),
        ('[profiles]\nnight.settle = "1m"\nnight.rate = "x"\n', 3),
    ],
)
def test_a_line_is_found_however_it_is_written(tmp_path: Path, text: str, line: int) -> None:
    """TOML has several ways to write the same."""
    (tmp_path / "importer.toml").write_text(text)
    _, mistakes = check_profile({"profile": "night"}, {}, tmp_path / "importer.toml")
    assert f"importer.toml, line {line}: rate = " in "\n".join(mistakes)


def test_what_is_missing_has_the_line_of_its_profile(tmp_path: Path) -> None:
    """A missing target has no line itself."""
    (tmp_path / "importer.toml").write_text('# mine\n[profiles.night]\ncountry = "IN"\n')
    _, mistakes = check_profile({"profile": "night"}, {}, tmp_path / "importer.toml")
    assert len(mistakes) == 1
    assert "importer.toml, line 2: [profiles.night]: there is no target" in mistakes[0]


@pytest.mark.parametrize(
    ("text", "mistakes"),
    [
        (
            '# mine\n[profile.night]\ncountry = "IN"\n',
            (
                "--profile night: {file} has no such profile (it has: none).",
                "{file}, line 2: there is no table profile. Write each profile as [profiles.NAME].",
            ),
        ),
        (
            '[profiles.night]\nsandbox = true\ninbox = "http://x/y"\noutbox = "out"\n',
            (
                "{file}, line 3: inbox = 'http://x/y' is not a folder, or an address that begins with file://, "
                "sftp://, s3://, gs://, abfs://. Without the line: none.",
            ),
        ),
    ],
)
def test_one_mistake_is_reported_once(tmp_path: Path, text: str, mistakes: tuple[str, ...]) -> None:
    """What is missing only because of it is not another mistake."""
    file = tmp_path / "importer.toml"
    file.write_text(text)
    _, found = check_profile({"profile": "night"}, {}, file)
    assert found == [mistake.format(file=file) for mistake in mistakes]


def test_mistakes_between_values_have_a_line(house: House) -> None:
    """Each value is valid by itself."""
    house.settings |= {
        "done": str(house.inbox),
        "warning": "20%",
        "critical": "10%",
        "not-before": "06:00",
        "until": "06:00",
        "metrics-file": "figures.txt",
        "log-file": "/no/such/folder/log",
        "mapping": "nowhere.toml",
        "notices": ["${IMPORTER_ONCALL}", "gibberish://x"],
        "key-file": "/no/such/key",
        "outbox": "s3://${IMPORTER_BUCKET}/x",
    }
    _, mistakes = check_profile({"profile": "brand-a"}, house.environ, house.toml)
    text = "\n".join(mistakes)
    for words in (
        "done is the inbox itself",
        "warning (20%) is above critical (10%)",
        "not-before equals until",
        "end with .prom",
        "no folder /no/such/folder",
        "nowhere.toml",
        "IMPORTER_ONCALL is not set",
        "address is not valid",
        "there is no file /no/such/key",
        "IMPORTER_BUCKET is not set",
    ):
        assert words in text, words
    assert all("line " in mistake for mistake in mistakes)


def test_a_profile_without_a_mistake(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0, and which command checks more."""
    code, lines = checked(capsys, "check", "--profile", "brand-a", "--config", str(house.toml))
    assert code == 0
    assert "doctor" in lines[0]


def test_check_with_nothing_to_check(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a source nor a profile: exit code 2."""
    monkeypatch.delenv("IMPORTER_PROFILE", raising=False)
    assert checked(capsys, "check")[0] == 2


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('inbox = "ftp://x/y"', "sftp://"),
        ('inbox = "sftp://u:hunter2@host/x"', "${NAME}"),
        ('pattern = "a-{day}.csv"', "customers-{date}.csv"),
        ('pattern = "a-{date}-{date}.csv"', "customers-{date}.csv"),
        ('pattern = "a-{date:%Q}.csv"', "%Y"),
        ('marker = "a/b"', ".ok"),
        ('credentials = "1x"', "BRAND_A"),
        ('warning = "200%"', "2%"),
        ('settle = "soon"', "2h"),
        ('notices = ["hunter2"]', "mailto://"),
        ('repeat = "always"', "skip, import"),
    ],
)
def test_an_invalid_value(tmp_path: Path, line: str, words: str) -> None:
    """Reported with what is valid, and without what may be secret."""
    (tmp_path / "importer.toml").write_text(line + "\n")
    _, mistakes = check_profile({}, {}, tmp_path / "importer.toml")
    (mistake,) = (mistake for mistake in mistakes if "line 1" in mistake)
    assert words in mistake
    assert "hunter2" not in mistake


def test_the_schema_in_the_package_is_the_tables() -> None:
    """`python -m importer.settings.schema` writes it."""
    assert FILE.read_bytes() == to_json(schema())


def test_the_schema_takes_what_the_program_takes() -> None:
    """The sample with every setting set, and a profile."""
    text = (Path(__file__).parents[2] / "samples" / "importer.toml").read_text(encoding="utf-8")
    document: dict[str, Any] = tomllib.loads(re.sub(r"(?m)^#(?=[a-z-]+ = )", "", text))
    jsonschema.validate(document, schema())
    assert len(document) > 40
    for wrong in ({"rate": 5}, {"batch-size": 0}, {"blank": "perhaps"}, {"colour": 1}, {"profiles": {"a": {"x": 1}}}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema())


def test_nightly_settings_are_not_part_of_a_run(house: House) -> None:
    """The journal keeps the settings of a run. An address may hold a key and is not among them."""
    house.settings |= {"notices": ["json://127.0.0.1/topsecretkey"]}
    (house.inbox / "a.csv").write_text("Mobile,Brand\n9000000001,x\n")
    house.look()
    assert all(b"topsecretkey" not in path.read_bytes() for path in house.folder.glob("reports/**/*") if path.is_file())


def test_settings_keep_their_defaults() -> None:
    """The settings of the nightly load do not change a run."""
    assert load({}, {}, None) == Settings()


def test_credentials_by_another_name(house: House) -> None:
    """`credentials = "BRAND_A"` reads BRAND_A_USERNAME and its file or command."""
    for name in ("IMPORTER_USERNAME", "IMPORTER_PASSWORD"):
        del house.environ[name]
    (house.folder / "password").write_text("sandbox\n")
    house.environ |= {"BRAND_A_USERNAME": "sandbox-till", "BRAND_A_PASSWORD_FILE": str(house.folder / "password")}
    house.settings["credentials"] = "BRAND_A"
    (house.inbox / "a.csv").write_text("Mobile,Brand\n9000000001,x\n")
    assert house.look().exit_code == 0


@pytest.mark.parametrize(
    ("field", "place", "words"),
    [
        ("inbox", "a.csv", "there is no folder a.csv"),
        ("inbox", "file://nowhere", "there is no folder nowhere"),
        ("inbox", "s3://", "begins with"),
        ("encoding", "klingon", "cp1252"),
        ("country", "ZZ", "two letters"),
        ("database", "mongodb://x", "postgresql://"),
    ],
)
def test_a_setting_that_would_fail_every_file_is_a_mistake(
    house: House, monkeypatch: pytest.MonkeyPatch, field: str, place: str, words: str
) -> None:
    """An unknown encoding would move each file to `failed`."""
    monkeypatch.chdir(house.folder)
    (house.folder / "a.csv").write_text("Mobile\n")
    house.settings[field] = place
    _, mistakes = check_profile({"profile": "brand-a"}, house.environ, house.toml)
    assert len(mistakes) == 1 and words in mistakes[0] and "line" in mistakes[0], mistakes
