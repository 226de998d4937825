"""Text for terminals: wrapped at their width, with commands that can be pasted."""

from __future__ import annotations

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.cli.printing import print_note
from importer.system import streams
from importer.system.streams import for_stream, width_of
from importer.system.text import columns_of_text, folded, wrapped

_WORD = st.text("abc-.…é漢", min_size=1, max_size=20)
_COMMAND = st.lists(_WORD, min_size=1, max_size=12).map(lambda words: f"(`importer {' '.join(words)}`).")


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@given(st.lists(_WORD | _COMMAND, max_size=30), st.integers(20, 100))
def test_no_line_is_too_long_and_no_command_is_broken(words: list[str], width: int) -> None:
    """A line is longer than the width only where it holds one word or one command, which has a line for itself."""
    lines = wrapped(" ".join(words), width, "  • ", "    ")
    assert " ".join(line[4:] for line in lines) == " ".join(words)
    commands = [word for word in words if "`" in word]
    for line in lines:
        assert columns_of_text(line) <= width or line[4:] in words
    for command in commands:
        assert any(command in line for line in lines)


@given(st.lists(st.text("ab漢", min_size=1, max_size=200), max_size=5), st.integers(20, 100))
def test_cells_are_cut_where_they_are_longer_than_a_line(words: list[str], width: int) -> None:
    lines = wrapped(" ".join(words), width, "  ", cut=True)
    assert all(columns_of_text(line) <= width for line in lines)
    assert "".join(line[2:] for line in lines).replace(" ", "") == "".join(words)


def test_only_lines_that_are_too_long_are_wrapped() -> None:
    """Tables and indents stay as they are."""
    table = "name    rows\na.csv      1"
    assert folded(table, 60) == table
    lines = folded(f"{table}\n  - {'word ' * 30}", 60).split("\n")
    assert lines[:2] == table.split("\n")
    assert all(line.startswith("  ") and len(line) <= 60 for line in lines[2:])


@pytest.mark.parametrize(("columns", "width"), [(40, 60), (60, 60), (72, 72), (100, 100), (250, 100)])
def test_messages_have_the_width_of_the_terminal(columns: int, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """From 60 to 100 columns. A command stays whole, and a program gets the message in one line."""
    monkeypatch.setattr(streams, "columns_of", lambda _: columns)
    command = (
        "`importer resume 20261129-0200-customers-7f3a --reports-dir 'the reports of the whole year' --database x`"
    )
    text = "importer: " + "Some words about a run that cannot be resumed. " * 4 + command
    screen = Screen()
    assert width_of(screen) == width
    lines = for_stream(text, screen).split("\n")
    assert len(lines) > 1
    assert max(len(line) for line in lines if "`" not in line) <= width
    assert command in lines
    assert for_stream(text, io.StringIO()) == text
    monkeypatch.setattr("sys.stderr", screen)
    print_note(text)
    assert re.sub(r"\s+", " ", screen.getvalue()).strip() == text
    assert screen.getvalue().splitlines() == lines


def test_a_stream_that_is_not_a_terminal_has_eighty_columns() -> None:
    """A pipe, a file, a terminal that does not say."""
    assert width_of(io.StringIO()) == width_of(Screen()) == 80
