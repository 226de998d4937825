"""Garbage collection while a run sends."""

from __future__ import annotations

import gc
import time
from pathlib import Path

from importer.pipeline import run
from importer.sandbox import EmbeddedSandbox, SandboxOptions
from importer.system.garbage import COLLECT_AT, fewer_collections
from tests.support.runs import settings, sheet, world


def test_collections_are_rarer_within_and_as_before_afterwards() -> None:
    """Also where two runs of a process overlap: the inner one changes nothing."""
    before = gc.get_threshold()
    with fewer_collections():
        with fewer_collections():
            assert gc.get_threshold() == COLLECT_AT
        assert gc.get_threshold() == COLLECT_AT
        assert gc.get_freeze_count() > 0
    assert (gc.get_threshold(), gc.get_freeze_count()) == (before, 0)


def test_a_run_sends_with_fewer_collections(tmp_path: Path) -> None:
    seen: set[tuple[int, int, int]] = set()
    with EmbeddedSandbox(SandboxOptions()) as sandbox:

        def wall() -> int:
            seen.add(gc.get_threshold())
            return time.time_ns() // 1_000_000

        observed = world(sandbox, tmp_path, wall=wall)
        assert (
            run(str(sheet(tmp_path / "rows.csv", 20)), settings(sandbox, tmp_path / "reports"), observed).exit_code == 0
        )
    assert COLLECT_AT in seen
