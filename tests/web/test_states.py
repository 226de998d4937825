"""States of a run: the page shows what the run really does, and times with their zone."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from importer.journal import Run
from importer.web.journal_view import RunSnapshot
from importer.web.live_run import LiveRun
from importer.web.messages import Message, Paused, Reporting, Retrying, RowsCounted, Waits
from importer.web.run_views import LiveView, announcement, in_progress, live_view, state_of
from importer.web.storage import Storage, Wish
from importer.web.supervisor import Supervisor
from importer.web.texts import Texts
from importer.web.views import clock, moment
from tests.support.browser import axe, context_of
from tests.support.page import Server, Visitor, WarmServer, import_file

T = Texts()


def live_after(*messages: Message, wanted: str = "running") -> LiveRun:
    live = LiveRun(Wish(1, "", "a.csv", {}, 0, "20261128-0200-a-0000", wanted=wanted))
    live.state = "running"
    for message in messages:
        live.receive(message)
    return live


def snapshot_of(live: LiveRun) -> RunSnapshot:
    run: Any = None  # a live run needs no journal
    return RunSnapshot(run, live.counts, True)


def seen(live: LiveRun, rows: int = 100) -> LiveView:
    return live_view(T, snapshot_of(live), live, rows)


@pytest.mark.parametrize(
    ("messages", "wanted", "state", "waits"),
    [
        ((), "running", "running", ""),
        ((Paused(30.0, "the server asked for a pause"),), "running", "limited", "30 s"),
        ((Paused(0.0, "the server asked for a pause"),), "running", "running", ""),
        ((Retrying("the connection broke", True),), "running", "lost", "the connection broke"),
        ((Retrying("the connection broke", True), Waits(30.0)), "running", "lost", "30 s"),
        ((Retrying("service unavailable", False),), "running", "troubled", "service unavailable"),
        ((Retrying("the connection broke", True), Retrying("", False)), "running", "running", ""),
        ((Paused(30.0, "the server asked for a pause"),), "paused", "pausing", "Pause"),
        ((Retrying("the connection broke", True),), "stopped", "stopping", "Stop"),
        ((Reporting(),), "paused", "reporting", ""),
    ],
)
def test_the_state_is_what_the_run_does(messages: tuple[Message, ...], wanted: str, state: str, waits: str) -> None:
    """With what it waits for and how long. A click is the reason where there was one."""
    live = live_after(*messages, wanted=wanted)
    view = seen(live)
    assert state_of(snapshot_of(live), live, "") == view.state == state
    assert in_progress(state) and T.has(f"state.{state}")
    assert waits in view.waiting and bool(waits) == bool(view.waiting)


def test_a_long_wait_for_the_rate_is_shown() -> None:
    """Only where the run sends: other states have their own reason to wait."""
    assert "42 s" in seen(live_after(Waits(42.0))).next_request
    for live in (live_after(Waits(1.0)), live_after(Waits(42.0), wanted="paused")):
        assert seen(live).next_request == ""


def test_a_run_without_an_answer_shows_no_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once no row had a result for a while, for how long. A wait for the rate does not count, nor do rows read."""
    now = 1_000.0
    monkeypatch.setattr("importer.web.live_run.time.monotonic", lambda: now)
    counted = RowsCounted(10, {"succeeded": 5}, {}, 100, 2.0, 50.0)
    live = live_after(counted)
    assert seen(live).rate and seen(live).left and not seen(live).waiting
    now += 40
    live.receive(counted)
    view = seen(live)
    assert (view.rate, view.left, view.state) == ("", "", "running") and "40 s" in view.waiting
    live.receive(Waits(30.0))
    now += 44
    assert seen(live).rate and not seen(live).waiting
    now += 10
    live.receive(RowsCounted(20, {"succeeded": 5}, {}, 100, 2.0, 50.0))
    assert seen(live).rate and not seen(live).waiting


def test_who_clicked_is_named() -> None:
    live = live_after(wanted="stopped")
    assert "asha" not in seen(live).waiting
    live.halted_by = "asha"
    assert "asha" in seen(live).waiting


def test_what_a_screen_reader_says() -> None:
    """It changes with the state and every tenth part, not with every row nor with each pause of the rate, and makes no
    statement about a total that is not known."""
    live = live_after(RowsCounted(11, {"succeeded": 11}, {}))
    step, words = announcement(T, seen(live))
    live.receive(RowsCounted(12, {"succeeded": 12}, {}))
    live.receive(Paused(30.0, "the server asked for a pause"))
    assert announcement(T, seen(live))[0] == step and "11 percent" in words
    live.receive(Retrying("the connection broke", True))
    assert announcement(T, seen(live))[0] != step
    assert "percent" not in announcement(T, seen(live, 0))[1]


@pytest.mark.parametrize(("zone", "shown"), [("Asia/Kolkata", "02:00 UTC+05:30"), ("UTC", "20:30 UTC")])
def test_times_carry_their_zone(monkeypatch: pytest.MonkeyPatch, zone: str, shown: str) -> None:
    """As an offset: names of zones have several meanings. A time of another day, where the server is, has its day."""
    monkeypatch.setenv("TZ", zone)
    monkeypatch.setattr(time, "time", lambda: 1795379400.0)
    time.tzset()
    try:
        assert moment(1795379400.0).endswith(shown)
        assert clock("2026-11-22T20:30:00Z") == shown
        assert clock("2026-11-22T18:00:00Z").startswith("18:00" if zone == "UTC" else "22 Nov")
        assert clock("2020-11-22T20:30:00Z").endswith(shown) and "2020" in clock("2020-11-22T20:30:00Z")
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_queued_run_stops_at_once(tmp_path: Path) -> None:
    """It does not wait for its turn, and keeps no slot."""

    async def scenario() -> None:
        supervisor = Supervisor(Storage(tmp_path), NoJournal(), 1)  # type: ignore[arg-type]
        async with supervisor._turns.one("asha"):
            live = supervisor.begin(Wish(0, "asha", "a.csv", {}, 0))
            await asyncio.sleep(0)
            assert live.state == "waiting"
            supervisor.stop(live, "stopped", "asha")
            await asyncio.wait_for(live.over.wait(), 60)
        assert live.wish.wanted == "stopped"
        assert not supervisor._turns._waiting and not supervisor._turns._taken.total()

    asyncio.run(scenario())


class NoJournal:
    async def run(self, _: str) -> Run | None:
        return None


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with WarmServer(
        tmp_path_factory.mktemp("slow"), "--sandbox", "--batch-size", "1", "--rate", "12/minute"
    ) as running:
        yield running


@pytest.mark.process
@pytest.mark.browser
def test_a_page_without_connection_shows_no_old_state(browser: Browser, slow: Server) -> None:
    """While the browser has no connection to the page, the page does not say that rows are being imported."""
    visitor = Visitor.at(slow.url)
    run = import_file(visitor, "slow.csv", b"Mobile,Brand\n" + b"".join(b"919876501%03d,Puma\n" % n for n in range(40)))
    context = context_of(browser)
    page = context.new_page()
    page.goto(slow.url + run)
    state = page.locator("#live .state")
    expect(state).to_have_text("importing")
    expect(page.locator("#live .facts")).to_contain_text("next request")
    assert slow.process is not None
    slow.process.send_signal(signal.SIGSTOP)
    expect(state).to_have_text("connection to this page lost, retrying")
    expect(page.get_by_role("alert")).to_contain_text("connection to the server is lost")
    assert axe(page) == []
    slow.process.send_signal(signal.SIGCONT)
    expect(state).to_have_text("importing")
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Stopped: ")
    context.close()
