"""A nightly load is killed at every system call in turn; the next one completes it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

import pytest

from tests.support.crashes import AT_ONCE, BATCH, CALLS, CONCURRENCY, EXHAUSTIVE, Case, Point, Zygotes

pytestmark = [pytest.mark.process, pytest.mark.slow]


class NightlyCase(Case):
    """An inbox with the sheet and its marker, an outbox, and the command that a scheduler starts again and again."""

    def __enter__(self) -> Self:
        super().__enter__()
        for folder in ("inbox", "outbox"):
            (self.folder / folder).mkdir()
        (self.folder / "rows.csv").rename(self.folder / "inbox" / "rows.csv")
        self.content = (self.folder / "inbox" / "rows.csv").read_bytes()
        (self.folder / "inbox" / "rows.csv.ok").touch()
        self.run_words = ["nightly", "--inbox", "inbox", "--outbox", "outbox", "--marker", ".ok", "--quiet"]
        self.run_words += ["--base-url", self.sandbox.base_url]
        self.run_words += ["--batch-size", str(BATCH), "--concurrency", str(CONCURRENCY)]
        return self

    def resume(self) -> tuple[int, str]:
        """What the scheduler does next."""
        return self._zygote.run(self, self.run_words)

    def violations(self) -> list[str]:
        wrong = super().violations()
        left = sorted(path.name for path in (self.folder / "inbox").iterdir())
        if left != ["done"]:
            return [*wrong, f"the inbox holds {left}"]
        done = {path.name: path.read_bytes() for path in (self.folder / "inbox" / "done").iterdir()}
        if done != {"rows.csv": self.content, "rows.csv.ok": b""}:
            wrong.append(f"done holds {sorted(done)}")
        (run,) = (self.folder / "reports").glob("2*")
        there = sorted(path.name for path in (self.folder / "outbox" / run.name).glob("[!.]*"))
        if there != ["failed.csv", "results.csv", "summary.html", "summary.json"]:
            wrong.append(f"the outbox holds {there}")
        claims = (self.folder / "reports" / ".nightly" / "default").glob("[!.]*")
        if names := [path.name for path in claims if path.is_dir()]:
            wrong.append(f"claims are left: {names}")
        if (run / "source" / "rows.csv").read_bytes() != self.content:
            wrong.append("the copy of the file is not with its run")
        code, out = self._zygote.run(self, ["report", "--quiet"])
        if code != 0:
            wrong.append(f"report ended with {code}: {out}")
        return wrong


@pytest.mark.parametrize("step", [pytest.param(97, id="some points"), EXHAUSTIVE])
def test_a_nightly_load_killed_at_any_point_is_resumed_by_the_next_to_the_right_end(
    zygotes: Zygotes, tmp_path: Path, capsys: pytest.CaptureFixture[str], step: int
) -> None:
    """One run, one outcome a row, reports delivered, the file and its marker moved once, nothing left behind."""
    zygote = zygotes.get()
    with NightlyCase(tmp_path / "count", zygote) as case:
        counts = case.count("main")
        assert case.violations() == []
    zygotes.put(zygote)
    every = [Point("main", call, number) for call in CALLS for number in range(1, counts[call] + 1)]
    points = every[::step]
    with capsys.disabled():
        print(f"\n{len(points)} of {len(every)} points of a nightly load")

    def one(number: int, point: Point) -> list[str]:
        zygote = zygotes.get()
        try:
            with NightlyCase(tmp_path / str(number), zygote) as case:
                code, out = case.strike(point)
                wrong = case.broken_reports()
                if code not in (-9, 3):
                    wrong.append(f"ended with {code} when it was to be killed: {out}")
                code, out = case.resume()
                # A kill after everything was delivered leaves nothing to do.
                if code not in (3, 0):
                    wrong.append(f"the next load ended with {code}: {out}")
                return wrong + case.violations()
        finally:
            zygotes.put(zygote)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = pool.map(one, range(len(points)), points)
    assert {str(point): wrong for point, wrong in zip(points, found, strict=True) if wrong} == {}
