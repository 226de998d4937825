"""Figures: what Prometheus's own parser reads, what the manual's alert rules make of it, what OpenTelemetry gets."""

from __future__ import annotations

import datetime
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from prometheus_client.parser import text_string_to_metric_families

from importer.cli.main import main
from importer.sandbox import EmbeddedSandbox
from importer.sandbox.faults import parse_script
from importer.telemetry.metrics import METRICS, Figures, exposition, load_figures, write_figures
from tests.support.manual import example
from tests.support.nightly import House, receiver, sheet
from tests.support.runs import SkippingClock

NIGHT = datetime.date(2026, 11, 24)


def scraped(path: Path) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    """Samples by name and labels, as the official parser reads them."""
    found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for family in text_string_to_metric_families(path.read_text()):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    return found


def value(path: Path, name: str, **labels: str) -> float:
    return scraped(path)[name][tuple(sorted({"profile": "brand-a", **labels}.items()))]


@pytest.fixture
def prom(house: House) -> Path:
    path = house.folder / "importer.prom"
    house.settings |= {"metrics-file": str(path), "expect-by": "01:00", "pattern": "customers-{date}.csv"}
    return path


def test_the_metrics_file_after_two_loads(house: House, prom: Path) -> None:
    """Counters add up over loads, gauges describe the latest one. All users may read the file."""
    (house.inbox / "customers-2026-11-23.csv").write_text(sheet(0))
    house.look(NIGHT)
    (house.inbox / "customers-2026-11-24.csv").write_text(sheet(100, bad=6))
    house.look(NIGHT + datetime.timedelta(days=1))
    assert value(prom, "importer_rows_total", status="succeeded") == 54
    assert value(prom, "importer_rows_total", status="rejected") == 6
    assert value(prom, "importer_last_run_rows", status="succeeded") == 24
    assert value(prom, "importer_runs_total", exit_code="0") == 1
    assert value(prom, "importer_runs_total", exit_code="3") == 1
    assert value(prom, "importer_requests_total", result="first") == 6
    assert value(prom, "importer_nightly_state") == 2
    assert value(prom, "importer_nightly_exit_code") == 3
    last = value(prom, "importer_last_run_timestamp_seconds")
    assert last - value(prom, "importer_last_success_timestamp_seconds") == pytest.approx(86400, abs=60)
    assert prom.stat().st_mode & 0o777 == 0o644


def test_names_follow_the_conventions() -> None:
    """Counters end with _total, nothing else does; base units; every family has its help and its type once."""
    for metric in METRICS:
        assert re.fullmatch(r"importer_[a-z_]+", metric.name)
        assert (metric.kind == "counter") == metric.name.endswith("_total")
        assert not re.search(r"_(ms|milliseconds|minutes|percent)\b", metric.name)
        assert metric.help.endswith(".")
    assert len({metric.name for metric in METRICS}) == len(METRICS)


def test_any_name_of_a_profile_comes_back(tmp_path: Path) -> None:
    """Quotes, backslashes and line ends are written as the format wants them, and read again as they were."""
    path = tmp_path / "x.prom"
    name = 'a "b" \\n\\ \n c'
    figures = Figures(name)
    figures.add("importer_runs_total", 3, exit_code="0")
    write_figures(path, figures)
    again = load_figures(path, name)
    again.add("importer_runs_total", 1, exit_code="0")
    write_figures(path, again)
    assert scraped(path)["importer_runs_total"] == {(("exit_code", "0"), ("profile", name)): 4.0}
    path.write_bytes(b"\xff\x00 what is this")
    assert load_figures(path, name).samples == {}


def test_a_run_by_hand_has_figures_too(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """`run --metrics-file` writes the same file."""
    for variable, text in house.environ.items():
        monkeypatch.setenv(variable, text)
    monkeypatch.chdir(house.folder)
    (house.folder / "a.csv").write_text(sheet(0))
    words = ["run", "a.csv", "--config", str(house.toml), "--profile", "brand-a", "--metrics-file", "a.prom", "--quiet"]
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 0
    assert value(house.folder / "a.prom", "importer_rows_total", status="succeeded") == 30


# ---------------------------------------------------------------------------------------------------- alerts


def firing(prom: Path, at: float) -> set[str]:
    """The alerts of the manual that fire on a scrape: their expressions are of one form."""
    found = set()
    samples = scraped(prom)
    for rule in yaml.safe_load(example("alerts.yaml"))["groups"][0]["rules"]:
        form = re.fullmatch(r"(time\(\) - )?(\w+) (==|>) (\d+)", rule["expr"])
        assert form is not None, rule["expr"]
        for sample in samples.get(form[2], {}).values():
            left = at - sample if form[1] else sample
            if left == float(form[4]) if form[3] == "==" else left > float(form[4]):
                found.add(rule["alert"])
    return found


def test_the_alerts_fire_after_a_load_that_failed(house: House, prom: Path) -> None:
    """Not after a successful one. The last alert fires when no load starts any more."""
    (house.inbox / "customers-2026-11-23.csv").write_text(sheet(0))
    house.look(NIGHT)
    now = house.clock.wall() / 1000
    assert firing(prom, now) == set()
    assert firing(prom, now + 27 * 3600) == {"ImporterNotSeen"}
    house.look(NIGHT + datetime.timedelta(days=1))
    now = house.clock.wall() / 1000
    assert firing(prom, now) == {"ImporterNightlyFailed", "ImporterFileMissing"}


@pytest.mark.process
@pytest.mark.parametrize("alert", ["ImporterNightlyFailed", "ImporterFileMissing", "ImporterNotSeen"])
def test_the_alerts_fire_in_prometheus(house: House, prom: Path, alert: str) -> None:
    """The same rules and a real metrics file, judged by Prometheus's own tool. None fires after a successful load."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed")
    (house.inbox / "customers-2026-11-23.csv").write_text(sheet(0))
    house.look(NIGHT)
    _check_with_promtool(promtool, house, prom, alert, False)
    if alert != "ImporterNotSeen":
        house.look(NIGHT + datetime.timedelta(days=1))
    _check_with_promtool(promtool, house, prom, alert, True)


#: What the rules say of the profile.
SUMMARIES = {
    "ImporterNightlyFailed": "The nightly load of brand-a failed; its log and reports have the reason.",
    "ImporterFileMissing": "The file of brand-a is missing.",
    "ImporterNotSeen": "The nightly load of brand-a has not run for 26 hours.",
}


def _check_with_promtool(promtool: str, house: House, prom: Path, alert: str, fires: bool) -> None:
    folder = house.folder
    (folder / "alerts.yaml").write_text(example("alerts.yaml"))
    subprocess.run([promtool, "check", "rules", "alerts.yaml"], cwd=folder, check=True)
    subprocess.run([promtool, "check", "metrics"], stdin=prom.open("rb"), check=True)
    series = [
        {"series": line.rpartition(" ")[0], "values": f"{line.rpartition(' ')[2]}x2880"}
        for line in prom.read_text().splitlines()
        if not line.startswith("#")
    ]
    # promtool's clock begins at nothing: what was last seen stands as far before its 48 hours as it does before ours.
    hours = 27 if alert == "ImporterNotSeen" and fires else 1
    seen = "importer_nightly_timestamp_seconds{"
    for one in series:
        if one["series"].startswith(seen):
            one["values"] = f"{(48 - hours) * 3600}x2880"
    test = {
        "rule_files": ["alerts.yaml"],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": series,
                "alert_rule_test": [
                    {
                        "eval_time": "48h",
                        "alertname": alert,
                        "exp_alerts": [
                            {
                                "exp_labels": {"profile": "brand-a", "severity": "critical"},
                                "exp_annotations": {"summary": SUMMARIES[alert]},
                            }
                        ]
                        if fires
                        else [],
                    }
                ],
            }
        ],
    }
    (folder / "test.yaml").write_text(yaml.safe_dump(test))
    done = subprocess.run([promtool, "test", "rules", "test.yaml"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_pauses_are_counted(house: House, prom: Path, sandbox: EmbeddedSandbox) -> None:
    """What the server asked us to wait, in seconds; requests it answered 429 are counted as throttled."""
    clock = SkippingClock()
    house.world = {"clock": clock, "sleep": clock.sleep}
    sandbox.state.faults = parse_script(["1:429:retry-after=1"])
    (house.inbox / "customers-2026-11-23.csv").write_text(sheet(0, rows=5))
    house.look(NIGHT)
    assert value(prom, "importer_pause_seconds_total") >= 1
    assert value(prom, "importer_requests_total", result="throttled") == 1


# ---------------------------------------------------------------------------------------------------- OpenTelemetry


def test_open_telemetry_gets_the_same_figures(house: House, prom: Path) -> None:
    """By its protocol, over HTTP, with counters as counters."""
    with receiver() as (address, posted):
        house.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://{address}"
        (house.inbox / "customers-2026-11-23.csv").write_text(sheet(0))
        found = house.look(NIGHT)
    assert found.notes == ()
    (path, body) = posted[0]
    assert path == "/v1/metrics"
    request = ExportMetricsServiceRequest()
    request.ParseFromString(body)
    metrics = {metric.name: metric for metric in request.resource_metrics[0].scope_metrics[0].metrics}
    rows = {
        point.attributes[1].value.string_value: point.as_double for point in metrics["importer_rows"].sum.data_points
    }
    assert rows["succeeded"] == 30
    assert metrics["importer_rows"].sum.is_monotonic
    assert metrics["importer_nightly_state"].gauge.data_points[0].as_double == 0


def test_a_receiver_that_fails_changes_no_outcome(house: House, prom: Path) -> None:
    """The failure is a note."""
    with receiver(400) as (address, _):
        house.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://{address}"
        (house.inbox / "customers-2026-11-23.csv").write_text(sheet(0))
        found = house.look(NIGHT)
    assert found.exit_code == 0
    assert any("OpenTelemetry" in note for note in found.notes)


def test_a_metrics_file_that_cannot_be_written_changes_no_outcome(house: House, prom: Path) -> None:
    """Likewise."""
    (house.inbox / "customers-2026-11-23.csv").write_text(sheet(0))
    prom.mkdir()
    found = house.look(NIGHT)
    assert (found.exit_code, found.state) == (0, "ok")
    assert any("--metrics-file" in note for note in found.notes)
    assert exposition(Figures("")) == ""
