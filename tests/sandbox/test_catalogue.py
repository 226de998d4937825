"""The sandbox's own table of codes against the importer's catalogue: two tables, one set of codes."""

from __future__ import annotations

from importer.capillary.codes import ITEM_CODES, REQUEST_CODES
from importer.sandbox import MAGIC_TABLE


def test_every_code_of_the_catalogue_has_its_magic_identifier() -> None:
    """A code that no identifier calls up could be explained wrongly and no test would see it."""
    words = {entry.external_id for entry in MAGIC_TABLE}
    assert {f"code-{code}" for code in ITEM_CODES} <= words
    # 200, 201 sum up the items: they come by themselves.
    assert {f"request-{code}" for code in REQUEST_CODES if code not in {"200", "201"}} <= words
