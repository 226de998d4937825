"""Views of runs: their state, their row in the history, and their progress. Makes no decisions."""

from __future__ import annotations

from collections import Counter

import msgspec

from importer.capillary.codes import lookup
from importer.errors import ExitCode
from importer.journal import Run
from importer.system.clock import stamp
from importer.system.text import duration, sentence
from importer.web.journal_view import Counts, RunSnapshot, total
from importer.web.live_run import LiveRun
from importer.web.messages import RowsCounted
from importer.web.texts import Texts
from importer.web.views import CauseView, Part, moment, name_of, parts

#: The wish for a run of another process that was asked to stop.
ASKED = "asked"
_MOST_CAUSES = 6
#: Seconds of a pause or wait that are shown.
_SHOWN_PAUSE, _SHOWN_WAIT = 0.5, 2.0
#: Seconds without a result that are shown, in place of a speed.
_SHOWN_SILENCE = 15.0


def state_of(snapshot: RunSnapshot, live: LiveRun | None, wanted: str) -> str:
    """The run's state as a key of the table of texts."""
    if live is not None:
        if live.state != "reporting" and live.wish.wanted != "running":
            return "pausing" if live.wish.wanted == "paused" else "stopping"
        return _doing(live) if live.state in ("running", "ended") else live.state
    run = snapshot.run
    if run.finished and (run.exit_code is not None or not snapshot.held):
        return finished_state(run)
    if snapshot.held:
        return "stopping" if wanted == ASKED else "elsewhere"
    if run.exit_code is None:
        return "broken"
    return wanted if wanted in ("paused", "stopped") else "stopped"


def finished_state(run: Run) -> str:
    """The state of a run that cannot be resumed."""
    if run.exit_code is None:
        return "stopped"
    return "done" if run.exit_code == ExitCode.OK else "attention"


def _doing(live: LiveRun) -> str:
    """What a process that sends does at this moment."""
    if live.retrying.why:
        return "lost" if live.retrying.lost else "troubled"
    return "limited" if live.pause >= _SHOWN_PAUSE else "running"


#: States of a process that is sending.
_SENDING = ("running", "limited", "lost", "troubled")
#: States in which a run can be stopped.
STOPPABLE = ("waiting", "starting", *_SENDING, "elsewhere")
_IN_PROGRESS = (*STOPPABLE, "reporting", "pausing", "stopping")


def in_progress(state: str) -> bool:
    return state in _IN_PROGRESS


class RunRow(msgspec.Struct, frozen=True):
    """A run in the list of the first page."""

    id: str
    name: str
    state: str
    parts: list[Part]
    began: str
    began_iso: str
    by: str


def run_row(t: Texts, snapshot: RunSnapshot, live: LiveRun | None, wanted: str, owner: str, rows: int = 0) -> RunRow:
    """`rows`: rows that the check counted, 0 if it did not."""
    record = snapshot.run.record
    counts = live.counts if live is not None else snapshot.counts
    return RunRow(
        record.run_id,
        name_of(snapshot.run),
        state_of(snapshot, live, wanted),
        parts(t, counts, of=0 if snapshot.run.finished else rows),
        moment(record.started_at / 1000),
        stamp(record.started_at),
        owner,
    )


class LiveView(msgspec.Struct, frozen=True):
    """The part of a page that changes while a run is in progress. `waiting`: what it waits for, a sentence or ""."""

    state: str
    percent: int | None
    done: int
    total: int
    left: str
    rate: str
    next_request: str
    waiting: str
    parts: list[Part]
    causes: list[CauseView]
    notes: list[str]


def live_view(t: Texts, snapshot: RunSnapshot, live: LiveRun | None, rows: int, wanted: str = "") -> LiveView:
    """`rows`: rows that the check counted, 0 if it did not."""
    counts = live.counts if live is not None else snapshot.counts
    done = total(counts)
    counted = live.counted if live is not None else RowsCounted(0, {}, {})
    rows = counted.rows or rows
    whole = max(rows, done) if rows else 0
    rate = counted.speed
    state = state_of(snapshot, live, wanted)
    moves = state == "running" and (live is None or live.silence < _SHOWN_SILENCE)
    left = ""
    if whole and moves:
        left = t("run.left", time=duration(counted.left)) if counted.left is not None else t("run.left_unknown")
    return LiveView(
        state=state,
        percent=int(100 * done / whole) if whole else None,
        done=done,
        total=whole,
        left=left,
        rate=t("run.rate", rate=f"{rate * 60:,.0f}") if rate > 0 and moves else "",
        next_request=_next_request(t, state, live),
        waiting=_waiting(t, state, live),
        parts=parts(t, counts, of=whole, always=("succeeded", "failed", "rejected")),
        causes=_causes_so_far(live.counted.codes) if live is not None else [],
        notes=live.notes if live is not None else [],
    )


def _next_request(t: Texts, state: str, live: LiveRun | None) -> str:
    """When the next request leaves, where the rate makes it wait long."""
    waits = live is not None and state == "running" and live.wait >= _SHOWN_WAIT
    return t("run.next_request", seconds=f"{live.wait:.0f}") if live is not None and waits else ""


def _waiting(t: Texts, state: str, live: LiveRun | None) -> str:
    """What a run waits for, and how long."""
    if live is None:
        return t("run.stopping_elsewhere") if state == "stopping" else ""
    if state in ("pausing", "stopping"):
        by = t("run.asked_by", user=live.halted_by) if live.halted_by else ""
        return t(f"doing.{state}", by=by)
    if state in ("lost", "troubled"):
        next_try = t("run.next_try", seconds=f"{live.wait:.0f}") if live.wait >= _SHOWN_WAIT else t("run.tries")
        return f"{t(f'doing.{state}', why=live.retrying.why)} {next_try}"
    if state == "limited":
        return t("doing.limited", seconds=f"{max(live.pause, 1):.0f}", why=live.paused_why)
    if state == "running" and live.silence >= _SHOWN_SILENCE:
        return t("doing.silent", seconds=f"{live.silence:.0f}")
    return t("doing.waiting") if state == "waiting" else ""


def _causes_so_far(codes: Counts) -> list[CauseView]:
    """Codes with the same meaning and advice count as one cause."""
    rows: Counter[tuple[str, str]] = Counter()
    for code, count in codes.items():
        if code:
            entry = lookup(code)
            rows[(entry.meaning, entry.on_page)] += count
    return [CauseView(sentence(text), advice, count) for (text, advice), count in rows.most_common(_MOST_CAUSES)]


def wrong_rows(view: LiveView) -> int:
    return sum(part.count for part in view.parts if part.name in ("failed", "rejected", "unknown"))


def announcement(t: Texts, view: LiveView) -> tuple[str, str]:
    """What a screen reader says, and a word that changes where it is to be said: with the state and every tenth."""
    wrong = f"{wrong_rows(view):,}"
    if view.percent is None:
        words = t("run.announcement_open", state=t(f"state.{view.state}"), done=f"{view.done:,}", wrong=wrong)
        return f"{view.state} {len(str(view.done))}", words
    words = t("run.announcement", state=t(f"state.{view.state}"), percent=view.percent, wrong=wrong)
    # A pause for the rate comes and goes.
    state = "running" if view.state == "limited" else view.state
    return f"{state} {view.percent // 10}", words
