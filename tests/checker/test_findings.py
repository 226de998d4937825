"""The findings of `check`: exact counts with examples, in 80 columns, as JSON, without cells in messages."""

from __future__ import annotations

import datetime
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from importer.checker.check import check
from importer.checker.findings import (
    PROBLEM_COLUMNS,
    Findings,
    Gatherer,
    NameFinding,
    for_terminals,
    problem_row,
)
from importer.checker.requests import RequestCounter
from importer.checker.text import findings_text
from importer.errors import ExitCode, SourceError
from importer.model import FieldDefinition, Problem, Rate
from importer.normaliser.mapping import propose
from importer.normaliser.normaliser import Normaliser
from importer.normaliser.organisation import FieldFinding, compare_fields
from importer.settings.options import Settings
from importer.system.text import columns_of_text, duration
from importer.world import World
from tests.support.normalising import block_of

COLUMNS = ("Mobile", "Email", "Moblie 1", "Brand", "Remark")
A, B = "917744876415", "919876543210"
NOON = datetime.datetime(2026, 11, 23, 12, 0, tzinfo=datetime.UTC)


def _findings(
    rows: Sequence[tuple[str, ...]],
    columns: tuple[str, ...] = COLUMNS,
    *,
    fields: list[FieldDefinition] | None = None,
    batch_size: int = 2,
    size: int = 3,
) -> Findings:
    mapping = propose(columns)
    normaliser, gatherer = Normaliser(mapping), Gatherer(mapping, RequestCounter(batch_size, 8, 0))
    for at in range(0, len(rows), size):
        block = block_of(columns, rows[at : at + size], first=2 + at)
        gatherer.add(block, normaliser(block))
    gatherer.add(None, normaliser.finish())
    return gatherer.findings(
        source="customers.csv",
        has_rows=bool(rows),
        rate=Rate(1, 60.0, "1/minute"),
        now=NOON,
        fields=fields,
        notes=("encoding cp1252",),
    )


ROWS = [
    (A, "", "x", "puma; nike", "a"),
    (f"{B}.0", "", "", "puma; lotto", ""),
    ("12", "", "", "Puma", "b"),
    ("13", "bad", "", "Puma", "c"),
    (A, "a@b.com", "", "nike", "d"),
    ("", "A@b.com", "", "nike", "d"),
    ("6591234567", "", "", "Lotto", "d"),
]


def test_counts_and_examples() -> None:
    """Rows, problems by code and column, repairs, repeats, requests and the time they take."""
    found = _findings(ROWS)
    assert (found.rows, found.sendable_rows, found.rejected_rows, found.records) == (7, 5, 2, 5)
    assert found.exit_code == ExitCode.ROWS
    assert [(problem.code, problem.column, problem.rows, problem.example_rows) for problem in found.problems] == [
        ("mobile_too_short", "Mobile", 2, (4, 5)),
        ("email_invalid", "Email", 1, (5,)),
    ]
    assert [(repair.code, repair.column, repair.cells, repair.example_rows) for repair in found.repairs] == [
        ("point_zero_removed", "Mobile", 1, (3,))
    ]
    assert (found.repeats.customers, found.repeats.records, found.repeats.example_rows) == (1, 3, ((2, 6, 7),))
    assert (found.requests, found.seconds, found.ends_at) == (3, 120.0, "2026-11-23T12:02:00Z")
    assert found.mobiles_by_country == {"IN +91": 3, "SG +65": 1}
    assert found.notes == ("encoding cp1252",)


def test_columns() -> None:
    """The field, samples, empty cells of rows that are sent, list-like cells, misspelt names."""
    by_name = {column.column: column for column in _findings(ROWS).columns}
    assert by_name["Mobile"].becomes == "mobile" and by_name["Mobile"].samples == ()
    brand = by_name["Brand"]
    assert (brand.becomes, brand.preference) == ("preference", "Brand")
    assert brand.samples == ("puma; nike", "puma; lotto", "Puma")
    assert (brand.list_like, brand.separator, brand.blank) == (2, ";", 0)
    assert by_name["Remark"].blank == 1


def test_a_misspelt_header_is_reported() -> None:
    """It is sent as a preference, and the findings say so."""
    found = _findings([("a@b.com", "x")], ("Email", "Moblie No"))
    assert found.columns[1].looks_like == "mobile"
    assert "looks like a misspelt “mobile”, but is sent as a preference" in findings_text(found)


def test_the_customer_with_the_most_rows_sets_a_minimum_of_requests() -> None:
    """Records of one customer never share a request."""
    assert _findings([(A, "", "x", "y", "z")] * 5, batch_size=100).requests == 5


def test_exit_codes() -> None:
    """As of a run: 0 when all can be sent, 3 when some or all cannot, 8 where there is no row."""
    good, bad = (A, "", "", "x", ""), ("", "", "", "x", "")
    assert _findings([good]).exit_code == ExitCode.OK
    assert _findings([good, bad]).exit_code == ExitCode.ROWS
    assert _findings([bad]).exit_code == ExitCode.ROWS
    assert _findings([]).exit_code == ExitCode.SOURCE
    assert "no rows" in findings_text(_findings([])) and "Nothing can be sent" in findings_text(_findings([bad]))


def test_a_long_sheet() -> None:
    """The preferences that its rows name, with how often."""
    rows = [(A, "Brand", "x"), (A, "Color", "y"), (B, "Brand", "z")]
    found = _findings(rows, ("Mobile", "Preference", "Value"))
    assert found.preferences == (NameFinding("Brand", 2), NameFinding("Color", 1))
    assert "preference “Brand”: 2 rows" in findings_text(found)


def test_the_organisations_fields() -> None:
    """Unknown names with the nearest real one, disabled ones, mandatory ones that no column sets."""
    fields = [
        FieldDefinition("Favorite Brand"),
        FieldDefinition("Color", is_disabled=True),
        FieldDefinition("Size", is_mandatory=True),
        FieldDefinition("City"),
    ]
    assert compare_fields(["Favourite Brand", "Color", "city", "Zodiac", "Zodiac"], fields) == (
        FieldFinding(
            "Favourite Brand",
            "unknown",
            "The organisation has no preference “Favourite Brand”. Did you mean “Favorite Brand”?",
            "Favorite Brand",
        ),
        FieldFinding(
            "Color",
            "disabled",
            "The preference “Color” is disabled in the organisation: the server would refuse its values.",
        ),
        FieldFinding("city", "unknown", "The organisation has no preference “city”. Did you mean “City”?", "City"),
        FieldFinding("Zodiac", "unknown", "The organisation has no preference “Zodiac”."),
        FieldFinding(
            "Size", "mandatory", "No column sets the preference “Size”, which is mandatory in the organisation."
        ),
    )
    assert "no preference “Remark”" in findings_text(_findings(ROWS, fields=fields))


def test_several_cells_are_in_rows() -> None:
    """Plurals are right: `2 cells: rows 2, 3`."""
    rows = [(f"{A}.0", "", "x", "", ""), (f"{B}.0", "", "x", "", "")]
    assert "(2 cells: rows 2, 3)" in " ".join(findings_text(_findings(rows)).split())


def test_the_text() -> None:
    """The sentences that people act on."""
    text = findings_text(_findings(ROWS), zone=datetime.UTC)
    for part in (
        "customers.csv: 7 rows.",
        "5 rows can be sent (3 customers) in 3 requests. At 1/minute this takes 2 min or more",
        "12:02 on 23 Nov (UTC)",
        "2 rows would be rejected",
        "1 empty cell: not sent",
        "2 cells look like lists (separated by “;”)",
        "“Mobile”: the mobile has too few digits (2 rows: 4, 5)",
        "(1 cell: row 3)",
        "1 customer occurs more than once (3 rows in total: rows 2, 6, 7)",
        "IN +91 3, SG +65 1",
        "- encoding cp1252",
    ):
        assert part in " ".join(text.split()), part


def test_json_and_csv() -> None:
    """One JSON document, and CSV rows in which no program runs a cell."""
    document = msgspec.json.decode(msgspec.json.encode(_findings(ROWS)))
    assert document["rows"] == 7 and document["problems"][0]["code"] == "mobile_too_short"
    made = Normaliser(propose(COLUMNS))(block_of(COLUMNS, ROWS))
    row = dict(zip(PROBLEM_COLUMNS, problem_row(made.problems[0]), strict=True))
    assert (row["row"], row["column"], row["code"], row["value"]) == ("4", "Mobile", "mobile_too_short", "12")
    runs = Problem(9, "=cmd", "=1+1", "code", "message", "advice")
    assert problem_row(runs) == ("9", "'=cmd", "'=1+1", "code", "message", "advice")


def test_durations() -> None:
    """Read at a current_pace."""
    assert [duration(seconds) for seconds in (0, 89, 120, 5_300, 10_020)] == [
        "0 s",
        "89 s",
        "2 min",
        "88 min",
        "2 h 47 min",
    ]


_CELLS = st.text(max_size=12)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(_CELLS, _CELLS, _CELLS), max_size=8),
    st.lists(st.text(min_size=1, max_size=20), min_size=1, max_size=1),
    st.sampled_from((60, 80, 100)),
)
def test_the_text_fits_any_sheet(rows: list[tuple[str, str, str]], names: list[str], width: int) -> None:
    """At most the columns of the terminal and no control characters, whatever cells and headers contain."""
    columns = ("Mobile", "Brand", *names)
    if len({name.casefold() for name in columns}) < 3:
        return
    try:
        found = _findings(rows, columns)
    except SourceError:  # a name that is an identifier's, or too like another
        return
    text = findings_text(found, width=width)
    assert not [character for character in text if unicodedata.category(character) == "Cc" and character != "\n"]
    for line in text.split("\n"):
        assert columns_of_text(line) <= width


def test_proposed_rules_can_be_pasted_into_a_mapping_file(tmp_path: Path) -> None:
    """They are printed as a mapping file has them, with what they fix. Of identifiers, the form is shown."""
    source = tmp_path / "rows.csv"
    source.write_text("Mobile,Colour,Size\nPh: +919876543210,Blue,M\nPh: +919876543211,n/a,M\n")
    found = for_terminals(check(str(source), Settings(), World({})))
    text = findings_text(found)
    assert "“Ph: +999999999999” → “+999999999999”" in text and len(found.proposals) == 2
    lines = text.split("\n")
    start = next(at for at, line in enumerate(lines) if line.startswith("  [[rules]]"))
    pasted = "\n".join(line for line in lines[start:] if line.startswith("  "))
    mapping = tmp_path / "m.toml"
    mapping.write_text('[columns]\nMobile = "mobile"\nColour = "preference"\nSize = "preference"\n' + pasted)
    fixed = check(str(source), Settings(mapping=str(mapping)), World({}))
    assert (found.rejected_rows, fixed.rejected_rows, fixed.proposals) == (2, 0, ())
