"""The samples: made by their script to the letter, readable, and ending as the README says they end."""

from __future__ import annotations

import re
import runpy
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pytest

from importer.errors import SettingsError
from importer.model import Customer, Problem
from importer.normaliser.mapping import propose
from importer.normaliser.normaliser import Normaliser
from importer.reader import open_source
from importer.settings.loading import load
from importer.settings.options import OPTIONS, Settings
from tests.support.reading import table_of

SAMPLES = Path(__file__).parents[2] / "samples"


@pytest.fixture(scope="module")
def make() -> Callable[[Path], None]:
    """The script's own function, as it is run by hand."""
    found: Callable[[Path], None] = runpy.run_path(str(SAMPLES / "make_samples.py"))["make"]
    return found


def normalised(name: str) -> tuple[list[Customer], list[Problem]]:
    source = open_source(SAMPLES / name)
    normaliser = Normaliser(propose(source.columns))
    done = [*(normaliser(block) for block in source.blocks()), normaliser.finish()]
    return [c for part in done for c in part.customers], [p for part in done for p in part.problems]


def cells(path: Path) -> dict[str, tuple[str, list[tuple[object, ...]]]]:
    book = openpyxl.load_workbook(path)
    return {page.title: (page.sheet_state, list(page.iter_rows(values_only=True))) for page in book.worksheets}


@pytest.mark.slow
def test_the_script_makes_the_samples_that_are_kept(make: Callable[[Path], None], tmp_path: Path) -> None:
    """Text to the byte; workbooks by every cell, for another version of zlib may pack the same workbook otherwise."""
    make(tmp_path)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == sorted(path.name for path in SAMPLES.iterdir() if path.suffix in (".csv", ".xlsx", ".toml"))
    for name in names:
        if name.endswith(".xlsx"):
            assert cells(tmp_path / name) == cells(SAMPLES / name), name
        else:
            assert (tmp_path / name).read_bytes() == (SAMPLES / name).read_bytes(), name


def test_the_script_makes_the_same_bytes_every_time(make: Callable[[Path], None], tmp_path: Path) -> None:
    """A fixed seed, and no clock in the workbooks."""
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        make(tmp_path / folder)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name


def test_the_workbook_and_the_csv_hold_the_same_rows() -> None:
    """What a reader makes of customers.xlsx and customers.csv is the same, cell by cell."""
    tables = []
    for name in ("customers.xlsx", "customers.csv"):
        source = open_source(SAMPLES / name)
        tables.append((source.columns, [row for block in source.blocks() for row in table_of(block)]))
    assert tables[0] == tables[1]


def test_every_row_of_the_customers_can_succeed() -> None:
    """The README's first command ends with 0: 500 rows, no problem, customers who come again."""
    customers, problems = normalised("customers.xlsx")
    assert len(customers) == 500
    assert problems == []
    seen = Counter(customer.identifiers for customer in customers)
    assert sum(count > 1 for count in seen.values()) >= 20
    book = openpyxl.load_workbook(SAMPLES / "customers.xlsx")
    assert [(page.title, page.sheet_state) for page in book.worksheets] == [
        ("Customers", "visible"),
        ("Notes", "hidden"),
    ]
    kinds = {type(row[0]).__name__ for row in book["Customers"].iter_rows(min_row=2, values_only=True)}
    assert kinds == {"int", "str", "NoneType"}


def test_a_third_of_the_messy_rows_is_bad_in_the_usual_ways() -> None:
    """22 rows that we reject, the rest for the server to judge."""
    customers, problems = normalised("messy.xlsx")
    assert len(customers) == 98
    assert Counter(problem.code for problem in problems) == {
        "mobile_without_country": 8,
        "mobile_cut_by_excel": 2,
        "email_invalid": 2,
        "email_unsupported_character": 1,
        "no_identifier": 4,
        "nothing_to_set": 3,
        "error_cell": 2,
    }
    magic = [c for c in customers if c.email.endswith("@sandbox.test") or "-" in c.external_id[:5]]
    assert len(magic) >= 15


def test_the_long_sheet_holds_one_preference_a_row() -> None:
    """201 rows make 60 customers, and no row is left over."""
    customers, problems = normalised("long.csv")
    assert (len(customers), problems) == (60, [])
    assert sorted(number for customer in customers for number in customer.row_numbers) == list(range(2, 203))


def test_the_settings_file_is_read_and_explains_every_setting(tmp_path: Path) -> None:
    """It does nothing as it stands but offer two profiles; each line, switched on, is a setting that is understood."""
    path = SAMPLES / "importer.toml"
    assert load({}, {}, path) == Settings()
    assert load({"profile": "production"}, {}, path).country == "IN"
    assert load({"profile": "trial"}, {}, path).sandbox
    text = path.read_text(encoding="utf-8")
    offered = re.findall(r"(?m)^#([a-z-]+) = (.*)$", text)
    for name, value in offered:
        (tmp_path / "importer.toml").write_text(f"{name} = {value}\n")
        assert load({}, {}, tmp_path / "importer.toml") != Settings(), name
    for option in OPTIONS:
        if option.name not in dict(offered):
            (tmp_path / "importer.toml").write_text(f'{option.name} = "true"\n')
            with pytest.raises(SettingsError, match="no setting"):
                load({}, {}, tmp_path / "importer.toml")
