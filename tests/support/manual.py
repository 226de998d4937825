"""The example files of the manual, for the tests that load them."""

from __future__ import annotations

import re
from pathlib import Path

MANUAL = Path(__file__).parents[2] / "importer" / "manual"


def example(name: str) -> str:
    """The code block below the marker of a file name."""
    text = "".join((MANUAL / topic).read_text(encoding="utf-8") for topic in ("schedulers.md", "nightly.md"))
    match = re.search(rf"<!-- file: {re.escape(name)} -->\n```\w*\n(.*?)```\n", text, re.DOTALL)
    assert match is not None, name
    return match[1]
