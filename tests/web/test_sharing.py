"""Runs that several users start at the same time share the rate of their API key."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import pytest

from importer.chunker.pacer import Pacer, PaceState
from importer.chunker.shared_rate import shared_slots
from importer.errors import Stop
from importer.model import Rate
from importer.runs.fields import organisation_fields
from importer.sandbox import EmbeddedSandbox, SandboxOptions
from importer.settings.options import Settings
from importer.web.users import add_user
from importer.world import World
from tests.support.page import Visitor, WarmServer, prepare, start, until

PASSWORD = "a long enough password"
#: Requests a second; given per minute, which leaves room for the jitter of a busy machine.
RATE = 30
PER_REQUEST = 5
#: More than are sent during the test.
ROWS = 4_000


def sheet(number: int) -> bytes:
    lines = [f"9198{number}{row or 9_999_999:07},value {row}" for row in range(ROWS)]
    return "\n".join(["Mobile,Favourite brand", *lines]).encode()


def accepted(sandbox: EmbeddedSandbox) -> list[str]:
    """For each accepted row, the sheet it came from."""
    return [identifiers["mobile"][4] for identifiers, _ in sandbox.state.accepted]


def most_too_soon(times: list[float]) -> float:
    """Seconds by which the worst stretch of requests was shorter than the rate allows."""
    return max(
        number / RATE - (last - first)
        for first_number, first in enumerate(times)
        for number, last in enumerate(times[first_number:])
    )


@pytest.mark.process
def test_runs_of_several_users_share_the_rate_of_their_key(tmp_path: Path) -> None:
    """Three runs of two users at once, and the page's own requests, together stay within the rate in every stretch;
    each run gets at least half of an even share."""
    for name in ("asha", "ravi"):
        add_user(tmp_path / "users", name, "uploader", PASSWORD)
    with EmbeddedSandbox(SandboxOptions(latency=(0.02,))) as sandbox:
        options = ("--base-url", sandbox.base_url, "--batch-size", str(PER_REQUEST), "--rate", f"{60 * RATE}/minute")
        environ = {
            "IMPORTER_USERNAME": sandbox.username,
            "IMPORTER_PASSWORD": sandbox.password,
            "IMPORTER_WEB_USERS_FILE": str(tmp_path / "users"),
        }
        with WarmServer(tmp_path, *options, **environ) as server:
            for number, name in enumerate(("asha", "ravi", "asha")):
                visitor = Visitor.at(server.url)
                visitor.sign_in(name, PASSWORD)
                start(visitor, prepare(visitor, f"rows{number}.csv", sheet(number)))
            before = len(until(lambda: accepted(sandbox), lambda sheets: len(set(sheets)) == 3))
            after = before + 4 * RATE * PER_REQUEST
            together = until(lambda: accepted(sandbox), lambda sheets: len(sheets) >= after)[before:after]
        times = [request.at for request in sandbox.state.requests]
    # A request that arrives late on a busy machine makes a stretch shorter. Runs that did not share the rate would be
    # three times as fast, and 2.7 seconds too soon.
    assert most_too_soon(times) <= 1.5
    # At least half of an even share each.
    shares = Counter(together)
    assert len(shares) == 3 and min(shares.values()) >= len(together) / 6, shares


def test_the_request_for_the_fields_takes_a_slot_or_gives_up(tmp_path: Path) -> None:
    """The page's request for the field list counts towards the shared rate. If the next slot is minutes away, it gives
    up with the reason."""
    with EmbeddedSandbox() as sandbox:
        environ = {"IMPORTER_USERNAME": sandbox.username, "IMPORTER_PASSWORD": sandbox.password}
        world = World({**environ, "XDG_STATE_HOME": str(tmp_path)})
        settings = Settings(base_url=sandbox.base_url, rate=Rate(2, 1.0, "2/second"))
        key = f"{sandbox.base_url} {sandbox.username}"
        before = time.monotonic()
        Pacer(settings.rate, 1, time.monotonic, lambda: 0.0, shared_slots(world.environ, key)).slot()
        organisation_fields(settings, world)
        assert time.monotonic() - before >= 0.45
        shared_slots(world.environ, key).update(lambda _: PaceState(not_before=time.monotonic() + 600))
        with pytest.raises(Stop, match=r"no request free for (600|5\d\d) s"):
            organisation_fields(settings, world)
        assert sandbox.state.calls == {"custom_fields": 1}
