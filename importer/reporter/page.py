"""The summary as a self-contained HTML page, for screen and print."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from urllib.parse import quote

import jinja2
import msgspec

from importer.model import RunSummary
from importer.reporter.cause_words import codes_without_cause, retry_words
from importer.reporter.console import FILE_WORDS, STATUS_WORDS, examples, headline, next_steps, repairs_words, took
from importer.reporter.timeline import Slice, Timeline
from importer.system.text import counted, percent

#: Status → colour in the light and in the dark theme. They differ in lightness too, for colour-blind readers.
_COLOURS = {
    "succeeded": ("#2e7d4f", "#5fbf87"),
    "failed": ("#c0392b", "#ff8a7a"),
    "rejected": ("#e08a1e", "#f4b860"),
    "skipped": ("#9aa5b1", "#6f7b89"),
    "unprocessed": ("#c9d1da", "#4a5563"),
    "unknown": ("#7d4fb3", "#bd9bea"),
}
_BAR, _LEFT, _RIGHT, _TOP, _BOTTOM = 900, 0, 900, 2, 150
_MOST_SLICES = 120


class _StatusRow(msgspec.Struct):
    """One status: a segment of the bar and a row of the table."""

    name: str
    words: str
    count: int
    shown: str
    share: str
    light: str
    dark: str
    x: float
    width: float


class _Bar(msgspec.Struct):
    """One time slice, as it is drawn."""

    when: str
    succeeded: int
    wrong: int
    x: float
    width: float
    y: float
    height: float
    wrong_y: float
    wrong_height: float
    troubles: int
    middle: float


def page(
    summary: RunSummary,
    timeline: Timeline | None = None,
    facts: Mapping[str, str] | None = None,
    steps: Sequence[tuple[Sequence[str], str]] | None = None,
) -> str:
    """Return the HTML. `timeline`: for the chart. `facts`: name → value, further rows about the sending. `steps`: as of
    `next_steps`."""
    outcomes = _status_rows(summary)
    slices = timeline.slices(_MOST_SLICES) if timeline is not None else []
    slices = slices if len(slices) > 1 else []
    seconds = (slices[1].at - slices[0].at) // 1000 if slices else 0
    folder = [Path(path).parent for path in summary.reports.values()][:1]
    return _template().render(
        run=summary,
        headline=headline(summary),
        source_name=Path(summary.source.path).name,
        took=took(summary),
        outcomes=outcomes,
        bar_label=", ".join(f"{o.name} {o.shown} ({o.share})" for o in outcomes if o.count),
        repairs=repairs_words(summary),
        counted=counted,
        steps=[(_linked(words), command) for words, command in (next_steps(summary) if steps is None else steps)],
        when=_when(summary),
        slices=_bars(slices),
        slices_most=f"{max((s.succeeded + s.wrong for s in slices), default=0):,}",
        slice_words=f"{seconds:,} s" if seconds < 120 else f"{seconds / 60:,.1f} min",
        time_label=_time_label(slices),
        slices_troubles=sum(part.troubles for part in slices),
        achieved=f"{summary.rate.achieved:g}/{summary.rate.configured.partition('/')[2]}"
        if summary.rate.achieved
        else "too few requests to measure it",
        facts=facts or {},
        examples=examples,
        codes=codes_without_cause(summary),
        retry=retry_words(summary),
        files=[
            (name, quote(name), FILE_WORDS.get(name, ""))
            for name in sorted(summary.reports, key=lambda name: (*FILE_WORDS, name).index(name))
            if name != "summary.html" and folder
        ],
    )


def _linked(words: Sequence[str]) -> list[tuple[str, str]]:
    """Return (text, address): the names of files, in every second place, are links."""
    return [(text, quote(text) if number % 2 else "") for number, text in enumerate(words)]


def _when(summary: RunSummary) -> str:
    """Return `24 Nov 2026, 02:00:00 to 02:31:04 UTC`, with the second date where it differs."""
    began, ended = (datetime.fromisoformat(text) for text in (summary.started_at, summary.finished_at))
    day = "" if began.date() == ended.date() else f"{ended.day} {ended:%b %Y}, "
    return f"{began.day} {began:%b %Y, %H:%M:%S} to {day}{ended:%H:%M:%S} UTC"


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("importer.reporter", ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("summary.html.j2")


def _status_rows(summary: RunSummary) -> list[_StatusRow]:
    rows = summary.rows
    found: list[_StatusRow] = []
    x = 0.0
    for name, words in STATUS_WORDS.items():
        count = getattr(rows, name)
        # Even one row in a million must be visible.
        width = max(_BAR * count / rows.read, 3.0) if count else 0.0
        share = percent(count, rows.read) if rows.read else ""
        light, dark = _COLOURS[name]
        found.append(_StatusRow(name, words, count, f"{count:,}", share, light, dark, x, width))
        x += width
    scale = _BAR / x if x else 1.0
    for outcome in found:
        outcome.x, outcome.width = round(outcome.x * scale, 2), round(outcome.width * scale, 2)
    return found


def _bars(slices: Sequence[Slice]) -> list[_Bar]:
    if not slices:
        return []
    most = max(part.succeeded + part.wrong for part in slices) or 1
    step = (_RIGHT - _LEFT) / len(slices)
    height = (_BOTTOM - _TOP) / most
    bars = []
    for number, part in enumerate(slices):
        good, wrong = part.succeeded * height, part.wrong * height
        bars.append(
            _Bar(
                _clock(part.at),
                part.succeeded,
                part.wrong,
                round(_LEFT + number * step, 2),
                round(max(step * 0.9, 0.5), 2),
                round(_BOTTOM - good, 2),
                round(good, 2),
                round(_BOTTOM - good - wrong, 2),
                round(wrong, 2),
                part.troubles,
                round(_LEFT + (number + 0.45) * step, 2),
            )
        )
    return bars


def _time_label(slices: Sequence[Slice]) -> str:
    if not slices:
        return ""
    rows = sum(part.succeeded + part.wrong for part in slices)
    best = max(slices, key=lambda part: part.succeeded + part.wrong)
    troubles = sum(part.troubles for part in slices)
    empty = sum(not part.succeeded and not part.wrong for part in slices)
    text = (
        f"{counted(rows, 'row was', 'rows were')} answered between {_clock(slices[0].at)} and {_clock(slices[-1].at)} "
        f"UTC, most at {_clock(best.at)}; {empty:,} of {counted(len(slices), 'time slice')} had no answer"
    )
    return text + (f"; {counted(troubles, 'request')} without a result" if troubles else "")


def _clock(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%H:%M:%S")
