"""README.md says what the program says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from importer.cli.main import cli
from importer.model import RESULT_COLUMNS, Status
from importer.normaliser.mapping import load
from importer.settings.options import OPTIONS
from tests.docs.generate import PARTS, README, ROOT, parts_of

TEXT = README.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", list(PARTS))
def test_a_generated_part_is_what_the_program_says(name: str) -> None:
    """Tables, help texts and the shown run; `python -m tests.docs.generate` writes them anew."""
    assert parts_of(TEXT)[name] == PARTS[name]()


def test_every_part_has_its_place() -> None:
    """No mark without its part, no part without its mark."""
    assert sorted(parts_of(TEXT)) == sorted(PARTS)
    assert TEXT.count("<!-- generated:") == TEXT.count("<!-- /generated -->") == len(PARTS)


def test_the_two_commands_stand_on_top_each_on_one_line() -> None:
    """Complete, to be copied; `.ci/run` takes them from here."""
    for name in ("first", "tests"):
        block = re.search(rf"<!-- command: {name} -->\n```sh\n(.*?)\n```\n", TEXT, re.DOTALL)
        assert block is not None
        assert "\n" not in block[1]
        assert TEXT[: block.start()].count("\n") < 30
    assert f"command_of {'first'}" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_words_that_people_look_up_are_explained() -> None:
    """Result columns, outcomes, commands, and every variable that is read."""
    for word in (*RESULT_COLUMNS, *(status.value for status in Status)):
        assert f"`{word}`" in TEXT, word
    for name in cli.commands:
        assert f"`{name}" in TEXT, name
    for variable in ("USERNAME", "PASSWORD", "CLIENT_KEY", "CLIENT_SECRET", "SOURCE_PASSWORD"):
        assert f"IMPORTER_{variable}" in TEXT, variable


def test_every_option_it_names_exists() -> None:
    """Nothing is promised that was renamed or never built."""
    known = {f"--{option.name}" for option in OPTIONS}
    known |= {
        name
        for command in cli.commands.values()
        for param in command.params
        for name in (*param.opts, *param.secondary_opts)
    }
    known |= {"--help", "--version"}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", TEXT)) <= known


def test_every_file_and_place_it_links_to_is_there() -> None:
    """Links within the page and into the tree."""
    headings = {
        re.sub(r"[^\w -]", "", line.lstrip("# ").lower()).replace(" ", "-")
        for line in TEXT.splitlines()
        if line.startswith("#")
    }
    for target in re.findall(r"\]\(([^)]+)\)", TEXT):
        if target.startswith("#"):
            assert target[1:] in headings, target
        else:
            assert (ROOT / target).exists(), target
    for name in re.findall(r"samples/[\w.]+", TEXT):
        assert (ROOT / name).exists(), name


def test_the_mapping_it_shows_is_a_mapping(tmp_path: Path) -> None:
    """What is printed can be copied."""
    from_page = re.search(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    assert from_page is not None
    (tmp_path / "mapping.toml").write_text(re.sub(r"(?m)^ {3}", "", from_page[1]), encoding="utf-8")
    found = load(tmp_path / "mapping.toml")
    assert [use.field for use in found.columns] == ["mobile", "preference", "preference"]
    assert found.constants == (("store.code", "BLR-014"),)
