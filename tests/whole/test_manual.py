"""`importer manual`: lists its topics, shows each, and names the nearest to a topic that does not exist."""

from __future__ import annotations

from importlib.resources import files

import pytest

from importer.cli.manual import summary_of
from importer.system.manual import TOPICS
from tests.support.terminal import Terminal

FOLDER = files("importer") / "manual"
PAGES = {
    path.name.removesuffix(".md"): path.read_text("utf-8")
    for path in (FOLDER.iterdir() if FOLDER.is_dir() else ())
    if path.name.endswith(".md")
}


def test_every_topic_is_listed_with_its_first_sentence(terminal: Terminal) -> None:
    """One line per page, in reading order."""
    ended = terminal.type("manual")
    assert ended.code == 0
    lines = [line for line in ended.out.splitlines() if line]
    assert sorted(TOPICS) == sorted(PAGES)
    assert [line.split()[0] for line in lines[:-1]] == list(TOPICS)
    for name, line in zip(TOPICS, lines, strict=False):
        assert line.endswith(summary_of(PAGES[name]))


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_topic_is_shown_without_its_marks(terminal: Terminal, name: str) -> None:
    """Without a pager where stdout is not a terminal. The name may have any case, and its ending."""
    shown = [line for line in PAGES[name].splitlines() if not line.startswith("<!--")]
    assert terminal.type("manual", name).out.splitlines() == shown
    assert terminal.type("manual", f"{name.upper()}.md").code == 0


def test_a_topic_that_does_not_exist_ends_with_2(terminal: Terminal) -> None:
    """And names the nearest one."""
    for name in PAGES:
        ended = terminal.type("manual", f"{name}x")
        assert (ended.code, name in ended.err) == (2, True)
    assert terminal.type("manual", "qqqq").code == 2


def test_the_summary_of_a_page_is_the_sentence_below_its_heading() -> None:
    assert summary_of("\n\n# Sheets\n\nWhich files.\n\nMore.\n") == "Which files."
    assert summary_of("text\n") == "text"
    assert summary_of("") == ""
