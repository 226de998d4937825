"""The first process creates the shared table of slots, also when several start at once."""

from __future__ import annotations

import threading
from pathlib import Path

from importer.chunker.pacer import PaceState
from importer.chunker.shared_rate import SharedStore, shared_slots


def test_processes_that_start_at_once_share_one_table(tmp_path: Path) -> None:
    """Every process waits for the new file while another one has it locked. With its own rate, it would exceed the
    rate."""
    for turn in range(15):
        environ = {"XDG_STATE_HOME": str(tmp_path / str(turn))}
        gate = threading.Barrier(6)
        stores: list[object] = []

        def come(
            environ: dict[str, str] = environ, gate: threading.Barrier = gate, into: list[object] = stores
        ) -> None:
            gate.wait()
            store = shared_slots(environ, "key")
            store.update(lambda state: PaceState(slot=state.slot + 1))
            into.append(store)

        threads = [threading.Thread(target=come) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert all(isinstance(store, SharedStore) for store in stores)
        assert shared_slots(environ, "key").update(lambda state: state).slot == 6
