"""The folder of a profile: claims and memory."""

from __future__ import annotations

import datetime
from pathlib import Path

from importer.errors import ExitCode
from importer.nightly.claims import ProfileFolder
from tests.support.nightly import House, sheet

DAY = datetime.date(2026, 11, 24)


def test_a_damaged_memory_costs_no_file(house: House, tmp_path: Path) -> None:
    """Exit code 7. The next load takes the files."""
    (house.inbox / "a.csv").write_text(sheet(0))
    folder = ProfileFolder(house.folder / "reports", "brand-a")
    (folder.folder / "memory.json").write_text("{")
    assert house.look(DAY).exit_code == ExitCode.JOURNAL
    found = house.look(DAY, "02:10")
    assert [file.what for file in found.files] == ["imported"]
