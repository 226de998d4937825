"""Metrics of runs and nightly loads, for Prometheus's textfile collector and OpenTelemetry (extra `otel`).

The file keeps the counters: it is read, changed and written whole. It holds no personal data and every user can read
it, because the collector is another user.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from importer._version import __version__
from importer.errors import ExitCode, SettingsError
from importer.model import RowCounts, RunSummary
from importer.settings.values import read_rate


class Metric(msgspec.Struct, frozen=True):
    """A family of samples. Every sample also has the label `profile` ("" without one)."""

    name: str
    kind: Literal["counter", "gauge"]
    help: str
    labels: tuple[str, ...] = ()


#: The file, the export and the manual are made from this table.
METRICS: tuple[Metric, ...] = (
    Metric("importer_runs_total", "counter", "Ended runs, by exit code; a resumed run ends more than once.", ("exit_code",)),
    Metric("importer_rows_total", "counter", "Rows of finished runs, by outcome.", ("status",)),
    Metric("importer_requests_total", "counter", "Requests of finished runs: first, retried, or throttled (answered 429).", ("result",)),
    Metric("importer_batches_split_total", "counter", "Batches of finished runs that were split."),
    Metric("importer_pause_seconds_total", "counter", "Seconds of pauses that the server asked for."),
    Metric("importer_last_run_rows", "gauge", "Rows of the last run, by outcome.", ("status",)),
    Metric("importer_last_run_duration_seconds", "gauge", "Seconds from the first start of the last run to its end."),
    Metric("importer_last_run_rate_used_ratio", "gauge", "Share of the configured rate that the last run achieved."),
    Metric("importer_last_run_exit_code", "gauge", "Exit code of the last run."),
    Metric("importer_last_run_timestamp_seconds", "gauge", "Time when the last run ended."),
    Metric("importer_last_success_timestamp_seconds", "gauge", "Time when a run last ended with every row succeeded or skipped."),
    Metric("importer_nightly_state", "gauge", "State after the last nightly load: 0 OK, 1 warning, 2 critical."),
    Metric("importer_nightly_exit_code", "gauge", "Exit code of the last nightly load."),
    Metric("importer_nightly_missing_file", "gauge", "1 while the expected file is overdue."),
    Metric("importer_nightly_waiting_files", "gauge", "Files left in the inbox: incomplete, or not reached in time."),
    Metric("importer_nightly_timestamp_seconds", "gauge", "Time when nightly last checked the inbox."),
    Metric("importer_notices_failed_total", "counter", "Notices that could not be sent."),
)  # fmt: skip

_METRICS = {metric.name: metric for metric in METRICS}
Key = tuple[str, tuple[tuple[str, str], ...]]


class Figures:
    """Samples by name and labels. Each that is set has the label `profile`."""

    def __init__(self, profile: str, samples: Mapping[Key, float] | None = None) -> None:
        self.profile = profile
        self.samples: dict[Key, float] = dict(samples or {})

    def set(self, name: str, value: float, **labels: str) -> None:
        self.samples[self._key(name, labels)] = float(value)

    def add(self, name: str, value: float, **labels: str) -> None:
        key = self._key(name, labels)
        self.samples[key] = self.samples.get(key, 0.0) + float(value)

    def _key(self, name: str, labels: Mapping[str, str]) -> Key:
        assert set(labels) == set(_METRICS[name].labels)
        return name, (("profile", self.profile), *sorted(labels.items()))

    def run_ended(self, summary: RunSummary, paused: float, at: int) -> None:
        """Add a run that ended, finished or stopped."""
        self.add("importer_runs_total", 1, exit_code=str(summary.exit_code))
        self.add("importer_pause_seconds_total", paused)
        for status in RowCounts.__struct_fields__:
            if status != "read":
                self.set("importer_last_run_rows", getattr(summary.rows, status), status=status)
        self.set("importer_last_run_duration_seconds", summary.duration_seconds)
        self.set(
            "importer_last_run_rate_used_ratio",
            round(summary.rate.achieved / read_rate(summary.rate.configured).count, 4),
        )
        self.set("importer_last_run_exit_code", summary.exit_code)
        self.set("importer_last_run_timestamp_seconds", at / 1000)
        if summary.exit_code == ExitCode.OK:
            self.set("importer_last_success_timestamp_seconds", at / 1000)
        if summary.exit_code in (ExitCode.OK, ExitCode.ROWS):
            self._add_finished(summary)

    def _add_finished(self, summary: RunSummary) -> None:
        for status in RowCounts.__struct_fields__:
            if status != "read":
                self.add("importer_rows_total", getattr(summary.rows, status), status=status)
        requests = summary.requests
        first = max(requests.sent - requests.retried - requests.throttled, 0)
        for result, count in (("first", first), ("retried", requests.retried), ("throttled", requests.throttled)):
            self.add("importer_requests_total", count, result=result)
        self.add("importer_batches_split_total", requests.split)


# ---------------------------------------------------------------------------------------------------- the file


_SAMPLE = re.compile(r"([a-z_]+)\{(.*)\} (\S+)")
_LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')


def load_figures(path: Path, profile: str) -> Figures:
    """The samples in the file; none if it is missing or foreign."""
    samples: dict[Key, float] = {}
    with contextlib.suppress(OSError, UnicodeDecodeError):
        for line in path.read_text(encoding="utf-8").splitlines():
            match = _SAMPLE.fullmatch(line)
            if match and match[1] in _METRICS:
                labels = tuple((name, _plain(value)) for name, value in _LABEL.findall(match[2]))
                with contextlib.suppress(ValueError):
                    samples[match[1], labels] = float(match[3])
    return Figures(profile, samples)


def exposition(figures: Figures) -> str:
    """The text format of Prometheus."""
    lines = []
    for metric in METRICS:
        found = [(labels, value) for (name, labels), value in figures.samples.items() if name == metric.name]
        if found:
            lines += [f"# HELP {metric.name} {metric.help}", f"# TYPE {metric.name} {metric.kind}"]
        for labels, value in sorted(found):
            inside = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels)
            lines.append(f"{metric.name}{{{inside}}} {value:.15g}")
    return "\n".join([*lines, ""])


def write_figures(path: Path, figures: Figures) -> None:
    """Write the file whole or not at all: the collector may read it at any time. Raises `SettingsError`."""
    try:
        file, aside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(file, "w", encoding="utf-8") as stream:
                stream.write(exposition(figures))
            Path(aside).chmod(0o644)
            Path(aside).replace(path)
        except BaseException:
            Path(aside).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise SettingsError(f"Cannot write --metrics-file {path} ({error.strerror}).", "Choose another file.") from None


def refuse_unwritable(path: str) -> None:
    """Check the path before a run begins. Raises `SettingsError`."""
    if path and (Path(path).is_dir() or not Path(path).parent.is_dir()):
        why = "Is a directory" if Path(path).is_dir() else "No such file or directory"
        raise SettingsError(f"Cannot write --metrics-file {path} ({why}).", "Choose another file.")


def record_run(path: str, profile: str, summary: RunSummary, paused: float, at: int, environ: Mapping[str, str]) -> str:
    """Record a run that ended: in the file, if there is one, and by OpenTelemetry. Returns the error, or ""."""
    figures = load_figures(Path(path), profile) if path else Figures(profile)
    figures.run_ended(summary, paused, at)
    wrong = export(figures, environ)
    if path:
        try:
            write_figures(Path(path), figures)
        except SettingsError as error:
            return f"{wrong} {error}".strip()
    return wrong


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _plain(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: "\n" if found[1] == "n" else found[1], text)


def metrics_table() -> str:
    """The table of the manual."""
    lines = ["| metric | kind | labels in addition to `profile` | meaning |", "|---|---|---|---|"]
    for metric in METRICS:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        lines.append(f"| `{metric.name}` | {metric.kind} | {labels} | {metric.help} |")
    return "\n".join(lines) + "\n"


# ---------------------------------------------------------------------------------------------------- OpenTelemetry


def export(figures: Figures, environ: Mapping[str, str]) -> str:
    """Send the samples to OTEL_EXPORTER_OTLP_ENDPOINT, if it is set. Returns the error, or ""."""
    endpoint = environ.get("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "")
    if not endpoint and environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        endpoint = environ["OTEL_EXPORTER_OTLP_ENDPOINT"].rstrip("/") + "/v1/metrics"
    if not endpoint:
        return ""
    try:
        # An extra, and slow to import.
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.metrics import CallbackOptions, Observation
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricExportResult
        from opentelemetry.sdk.resources import Resource
    except ImportError:
        return "OpenTelemetry needs an extra: pip install 'capillary-importer[otel]'"

    def observed(name: str) -> Any:
        def observe(_: CallbackOptions) -> Iterable[Observation]:
            for (found, labels), value in figures.samples.items():
                if found == name:
                    yield Observation(value, dict(labels))

        return observe

    reader = InMemoryMetricReader()
    service = Resource.create({"service.name": "capillary-importer", "service.version": __version__})
    provider = MeterProvider([reader], service, shutdown_on_exit=False)
    meter = provider.get_meter("importer", __version__)
    for metric in METRICS:
        create = meter.create_observable_counter if metric.kind == "counter" else meter.create_observable_gauge
        create(metric.name.removesuffix("_total"), [observed(metric.name)], description=metric.help)
    try:
        data = reader.get_metrics_data()
        exporter = OTLPMetricExporter(endpoint=endpoint, timeout=10)
        accepted = data is None or exporter.export(data, timeout_millis=10_000) is MetricExportResult.SUCCESS
        exporter.shutdown()
        provider.shutdown()
    except Exception as error:
        # Errors of the network; metrics that cannot be sent change no outcome.
        return f"OpenTelemetry could not send the metrics ({type(error).__name__})"
    return "" if accepted else "the receiver of OpenTelemetry did not accept the metrics"
