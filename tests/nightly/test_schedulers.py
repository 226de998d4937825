"""The examples for schedulers, each read by its scheduler's own parser where one is available."""

from __future__ import annotations

import datetime
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import types
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from importer.cli.main import load_command
from importer.nightly.profile import check_profile
from importer.settings.loading import load
from importer.settings.schema import FILE, schema
from tests.support.manual import MANUAL, example

NIGHTLY = (MANUAL / "nightly.md").read_text(encoding="utf-8")


def understood(words: list[str]) -> None:
    """The command line accepts these words."""
    assert words[0].endswith("importer") and words[1] == "nightly"
    load_command("nightly").make_context("nightly", words[2:], help_option_names=["-h", "--help"])


def test_the_line_of_cron() -> None:
    """Five fields that cron accepts, then an importer command."""
    fields = example("crontab").split(maxsplit=5)
    for field, most in zip(fields[:5], (59, 23, 31, 12, 7), strict=True):
        assert re.fullmatch(r"\*(/\d+)?|\d+(-\d+)?", field)
        assert all(int(number) <= most for number in re.findall(r"\d+", field))
    assert "%" not in fields[5]  # for cron the end of the line
    words = shlex.split(fields[5])
    understood(words[next(i for i, word in enumerate(words) if word.endswith("/importer") and i > 2) :])


@pytest.mark.process
def test_the_units_of_systemd(tmp_path: Path) -> None:
    """`systemd-analyze verify` finds no problem."""
    service, timer = example("importer-nightly@.service"), example("importer-nightly@.timer")
    command = re.search(r"(?m)^ExecStart=(.*)$", service)
    assert command is not None
    understood(command[1].replace("%i", "brand-a").split())
    assert "OnCalendar=*-*-* 01..06:00/10:00" in timer
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    # It checks that the program exists.
    (tmp_path / "importer-nightly@.service").write_text(
        service.replace("/opt/importer/bin/importer", str(Path(sys.executable)))
    )
    (tmp_path / "importer-nightly@.timer").write_text(timer)
    done = subprocess.run(
        [analyze, "verify", "importer-nightly@brand-a.service", "importer-nightly@brand-a.timer"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={"SYSTEMD_UNIT_PATH": f"{tmp_path}:", "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
    )
    ours = [line for line in done.stderr.splitlines() if "importer" in line]
    assert (done.returncode, ours) == (0, []), done.stderr
    calendar = subprocess.run(
        [analyze, "calendar", "*-*-* 01..06:00/10:00"], capture_output=True, text=True, check=False
    )
    assert calendar.returncode == 0, calendar.stderr


@pytest.mark.process
def test_the_cron_job_of_kubernetes(tmp_path: Path) -> None:
    """Its shell turns 3 and 11 into success and passes on other codes. A code that no retry fixes fails at once."""
    job = yaml.safe_load(example("cronjob.yaml"))
    assert (job["apiVersion"], job["kind"]) == ("batch/v1", "CronJob")
    spec = job["spec"]["jobTemplate"]["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    assert container["command"] == ["sh", "-c"]
    (script,) = container["args"]
    (command,) = (line.removesuffix(" &") for line in script.splitlines() if line.endswith(" &"))
    understood(shlex.split(command))
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in spec["template"]["spec"]["volumes"]}
    assert spec["template"]["spec"]["restartPolicy"] == "Never"  # podFailurePolicy requires it
    fatal = spec["podFailurePolicy"]["rules"][0]["onExitCodes"]["values"]
    for code in (0, 1, 3, 5, 10, 11, 130):
        (tmp_path / "importer").write_text(f"#!/bin/sh\nexit {code}\n")
        (tmp_path / "importer").chmod(0o755)
        done = subprocess.run(["/bin/sh", "-c", script], env={"PATH": str(tmp_path)}, check=False)
        assert done.returncode == (0 if code in (0, 3, 11) else code)
        assert (done.returncode in fatal) == (code == 1)
    # When the pod is stopped, the shell passes the signal to the importer and ends with its exit code.
    (tmp_path / "importer").write_text(
        "#!/bin/sh\ntrap 'exit 130' TERM\necho begun\nwhile :; do /bin/sleep 0.01; done\n"
    )
    shell = subprocess.Popen(["/bin/sh", "-c", script], env={"PATH": str(tmp_path)}, stdout=subprocess.PIPE)
    assert shell.stdout is not None
    assert shell.stdout.readline() == b"begun\n"
    shell.terminate()
    assert shell.wait(250) == 130


def test_the_task_of_airflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit codes become success, retry or failure. Airflow needs 200 packages, so the names of Airflow 3 that the
    example uses are replaced."""

    class AirflowException(Exception):
        pass

    class AirflowFailException(AirflowException):
        pass

    tasks: dict[str, Any] = {}

    def task(**_: Any) -> Any:
        return lambda function: tasks.setdefault(function.__name__, function)

    def dag(**settings: Any) -> Any:
        assert settings["max_active_runs"] == 1
        return lambda _: lambda: None

    for name, content in (
        ("airflow", {}),
        ("airflow.sdk", {"dag": dag, "task": task}),
        (
            "airflow.sdk.exceptions",
            {"AirflowException": AirflowException, "AirflowFailException": AirflowFailException},
        ),
    ):
        module = types.ModuleType(name)
        module.__dict__.update(content)
        monkeypatch.setitem(sys.modules, name, module)
    found: dict[str, Any] = {}
    exec(compile(example("importer_nightly.py"), "importer_nightly.py", "exec"), found)
    understood(found["COMMAND"])
    ended = 0
    monkeypatch.setattr(
        found["subprocess"], "run", lambda command, check: subprocess.CompletedProcess(command, returncode=ended)
    )
    for ended, expected in (
        *((code, None) for code in (0, 3, 11)),
        *((code, AirflowException) for code in (5, 10, 130, -9)),
        *((code, AirflowFailException) for code in (1, 2, 4, 6, 7, 8, 9)),
    ):
        if expected is None:
            assert tasks["nightly"]() == ended
            continue
        with pytest.raises(AirflowException) as error:
            tasks["nightly"]()
        assert type(error.value) is expected, ended


def test_the_profile_of_the_manual(tmp_path: Path) -> None:
    """A valid file of settings, except for files and folders that this machine does not have."""
    match = re.search(r"```toml\n(\[profiles\.brand-a\]\n.*?)```", NIGHTLY, re.DOTALL)
    assert match is not None
    file = tmp_path / "importer.toml"
    file.write_text(match[1])
    settings = load({"profile": "brand-a"}, {}, file)
    assert settings.nightly.expect_by == "04:00"
    _, mistakes = check_profile({"profile": "brand-a"}, {"IMPORTER_ONCALL": "json://127.0.0.1/x"}, file)
    assert all("there is no" in mistake or "brand-a.toml" in mistake for mistake in mistakes), mistakes
    jsonschema.validate(tomllib.loads(match[1]), schema())
    assert FILE.name == "importer.schema.json"
    assert datetime.time.fromisoformat(settings.until)
