"""What reading loads: libraries that are slow to load stay out until a file or a column needs them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SLOW = ["pandas", "numpy", "openpyxl", "xlrd", "msoffcrypto", "phonenumbers", "email_validator", "ftfy"]
READ = """
import json, sys
from importer.normaliser.mapping import propose
from importer.normaliser.normaliser import Normaliser
from importer.reader import open_source
with open_source(sys.argv[1]) as source:
    normaliser = Normaliser(propose(source.columns))
    rows = sum(len(normaliser(block).customers) for block in source.blocks())
print(json.dumps([rows, [name for name in json.loads(sys.argv[2]) if name in sys.modules]]))
"""


def loaded(file: Path) -> list[object]:
    command = [sys.executable, "-c", READ, str(file), json.dumps(SLOW)]
    found: list[object] = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return found


@pytest.mark.process
def test_a_csv_file_loads_only_what_its_columns_need(tmp_path: Path) -> None:
    """No table library, no workbook parser; numbering plans only for a mobile column."""
    file = tmp_path / "a.csv"
    file.write_text("External ID,Brand\nA-1,puma\n")
    assert loaded(file) == [1, []]
    file.write_text("Mobile,Brand\n917744876415,puma\n")
    assert loaded(file) == [1, ["phonenumbers"]]
    file.write_text("Email,Brand\nasha@example.com,puma\n")
    assert loaded(file) == [1, []]
