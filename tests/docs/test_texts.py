"""README and manual agree with the program, with each other, and with the rules of style."""

from __future__ import annotations

import ast
import importlib.util
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml

from importer.errors import REFUSALS
from importer.model import RESULT_COLUMNS, Status
from importer.normaliser.mapping_file import load
from importer.settings.options import FILE_OPTIONS, OPTIONS
from importer.system.manual import TOPICS
from tests.docs.generate import FILES, MANUAL, PARTS, README, ROOT, all_commands, parts_of, without_parts

TEXTS = {path: path.read_text(encoding="utf-8") for path in FILES}
#: For those who work on the program: not in a package.
GUIDES = (*sorted((ROOT / ".github").glob("*.md")), ROOT / ".changes" / "README.md")
FRAGMENTS = sorted((ROOT / ".changes" / "unreleased").iterdir())
ALL = "\n".join(TEXTS.values())
COMMANDS = dict(all_commands())

#: Words that the style guide replaced. Each is a regular expression of whole words.
OLD_WORDS = (
    *(
        "mend(s|ed|ing)?",
        "anew",
        "(go|goes|going|gone|went) on",
        "what (became|becomes) of",
        "tells?",
        "told",
        "guilty",
    ),
    *("stand-ins?", "the night", "of ours", "what flies", "may land", "at the door", "parted by", "(a|of) places?"),
    *("whom it may concern", "proves what", "trouble that passes", "passing trouble", "persons?", "and places"),
    *("(cannot|could not|can) be had", "to spare", "left out on request", "of its own", "besides", "such as those"),
    *("(?<!there )is no", "nobody", "whoever", "(is|are|each|went|ended) well"),
)
_OLD = re.compile(rf"\b({'|'.join(OLD_WORDS)})\b", re.IGNORECASE)


def code_in(text: str) -> Iterator[str]:
    """Command lines: inline code, and the lines of shell blocks."""
    for block in re.findall(r"```sh\n(.*?)```", re.sub(r"(?m)^ {3}", "", text), re.DOTALL):
        yield from block.splitlines()
    yield from re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))


def calls() -> Iterator[tuple[str, list[str]]]:
    """Every `importer COMMAND …` that the texts name: its command and the words after it."""
    for text in TEXTS.values():
        for line in code_in(text):
            match = re.search(r"(?:^|[\s/])importer ([a-z][a-z-]*)\b(.*)", line)
            if match:
                yield match[1], shlex.split(match[2].partition(" # ")[0].partition("  #")[0].partition("&&")[0])


def headings(text: str) -> set[str]:
    """The anchors of a file's headings, as code hosts make them."""
    lines = re.sub(r"```.*?```", "", text, flags=re.DOTALL).splitlines()
    return {re.sub(r"[^\w -]", "", line.lstrip("# ").lower()).replace(" ", "-") for line in lines if line[:1] == "#"}


@pytest.mark.process
@pytest.mark.parametrize(("name", "path"), [(name, path) for path in FILES for name in parts_of(TEXTS[path])])
def test_a_generated_part_is_what_the_program_prints(name: str, path: Path) -> None:
    """`python -m tests.docs.generate` writes tables and example output."""
    assert parts_of(TEXTS[path])[name] == PARTS[name]()


def test_every_part_is_shown_and_every_mark_is_closed() -> None:
    assert {name for text in TEXTS.values() for name in parts_of(text)} == set(PARTS)
    for text in TEXTS.values():
        assert text.count("<!-- generated:") == text.count("<!-- /generated -->") == len(parts_of(text))


def test_the_readme_is_short() -> None:
    assert len(TEXTS[README].splitlines()) <= 300


def test_the_two_commands_are_at_the_top_and_on_one_line() -> None:
    """Complete, to be copied; `.ci/run` takes them from here."""
    for name in ("first", "tests"):
        block = re.search(rf"<!-- command: {name} -->\n```sh\n(.*?)\n```\n", TEXTS[README], re.DOTALL)
        assert block is not None
        assert "\n" not in block[1]
        assert TEXTS[README][: block.start()].count("\n") < 30
    assert f"command_of {'first'}" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_the_manual_has_its_topics() -> None:
    """Each begins with a title and one paragraph that says what it is about; the README lists them."""
    assert sorted(path.stem for path in MANUAL.glob("*.md")) == sorted(TOPICS)
    for topic in TOPICS:
        title, summary, *_ = TEXTS[MANUAL / f"{topic}.md"].split("\n\n")
        assert re.fullmatch(r"# [A-Z][\w ]+", title), topic
        assert re.fullmatch(r"[A-Z][^.]+\.", summary), topic


def test_result_columns_outcomes_commands_and_variables_are_explained() -> None:
    for word in (*RESULT_COLUMNS, *(status.value for status in Status)):
        assert f"`{word}`" in ALL, word
    for name in COMMANDS:
        assert f"`{name}" in ALL, name
    for variable in ("USERNAME", "PASSWORD", "CLIENT_KEY", "CLIENT_SECRET", "SOURCE_PASSWORD"):
        assert f"IMPORTER_{variable}" in ALL, variable


def test_every_option_exists() -> None:
    known = {f"--{option.name}" for option in OPTIONS} | {"--help", "--version"}
    for command in COMMANDS.values():
        known |= {name for param in command.params for name in (*param.opts, *param.secondary_opts)}
    text = re.sub(r"\]\(#[^)]+\)", "", ALL)  # an anchor may begin with dashes
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)) <= known


def test_every_command_exists_and_takes_the_options_it_is_shown_with() -> None:
    for name, words in calls():
        assert name in COMMANDS, name
        taken = {option for p in COMMANDS[name].params for option in (*p.opts, *p.secondary_opts)}
        given = {word.partition("=")[0] for word in words if re.match("--[a-z]", word)}
        assert given <= taken | {"--help"}, (name, words)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_link_resolves(path: Path) -> None:
    """To a heading, or to a file. Topics link only to topics: on the page and in a package there is nothing else."""
    for target in re.findall(r"\]\(([^)]+)\)", without_parts(TEXTS[path]) + parts_of(TEXTS[path]).get("topics", "")):
        name, _, anchor = target.partition("#")
        file = path.parent / name if name else path
        assert file.is_file(), target
        assert path == README or file in TEXTS, target
        assert not anchor or anchor in headings(file.read_text(encoding="utf-8")), target
    for name in re.findall(r"(?<![\w/])(?:samples|tests|importer)/[\w./]+\w", without_parts(TEXTS[path])):
        assert (ROOT / name).exists(), name


def test_the_options_that_are_not_in_files_are_named() -> None:
    (line,) = re.findall(r"(?m)^Not in the file: (.*?)\. See", TEXTS[MANUAL / "options.md"])
    assert set(re.findall(r"`--([a-z-]+)`", line)) == {option.name for option in OPTIONS if option not in FILE_OPTIONS}


@pytest.mark.parametrize("path", (*FILES, *GUIDES, *FRAGMENTS), ids=lambda path: path.name)
def test_no_old_word_is_written(path: Path) -> None:
    found = [match[0] for match in _OLD.finditer(without_parts(path.read_text(encoding="utf-8")))]
    assert found == []


@pytest.mark.parametrize("name", list(PARTS))
def test_no_old_word_is_printed(name: str) -> None:
    """People read the generated parts, too: they show the program's own words."""
    found = [match[0] for text in TEXTS.values() for match in _OLD.finditer(parts_of(text).get(name, ""))]
    assert found == []


def test_the_mapping_is_valid(tmp_path: Path) -> None:
    """It can be copied."""
    block = re.search(r"```toml\n(.*?)```", TEXTS[MANUAL / "sheets.md"], re.DOTALL)
    assert block is not None
    (tmp_path / "mapping.toml").write_text(block[1], encoding="utf-8")
    found = load(tmp_path / "mapping.toml")
    assert [use.field for use in found.columns] == ["mobile", "preference", "preference", "preference"]
    assert found.constants == (("store.code", "BLR-014"),)


@pytest.mark.process
def test_the_command_for_the_schema_prints_a_file() -> None:
    (line,) = re.findall(r"(?m)^python3 (-c .*)$", TEXTS[MANUAL / "settings.md"])
    done = subprocess.run([sys.executable, *shlex.split(line)], capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()).is_file()


def test_the_guides_name_files_and_modules_that_exist() -> None:
    for path in GUIDES:
        text = path.read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)]+)\)", text):
            assert (path.parent / target).is_file(), target
        for name in re.findall(r"(?<![\w/.])(?:samples|tests|importer)/[\w./]*\w", text):
            assert (ROOT / name).exists(), name
        for name in re.findall(r"python -m (tests\.[\w.]*[a-z])\b(?!\.NAME)", text):
            assert importlib.util.find_spec(name), name


@pytest.mark.parametrize("path", FRAGMENTS, ids=lambda path: path.name)
def test_a_changelog_fragment_has_its_name_and_text(path: Path) -> None:
    assert re.fullmatch(r"\d+-[a-z0-9-]+\.(added|changed|fixed|removed|security)\.md", path.name)
    assert re.fullmatch(r"[A-Z].*\.\n", path.read_text(encoding="utf-8"), re.DOTALL)


def test_hooks_download_nothing() -> None:
    """They run the tools of the virtual environment."""
    repositories = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    assert [repository["repo"] for repository in repositories] == ["local"]
    assert all(hook["entry"].startswith(".venv/bin/") for hook in repositories[0]["hooks"])


def test_figures_come_from_benchmarks_of_the_tree() -> None:
    """Each row of the table names its benchmark, and each benchmark that a text names exists."""
    rows = re.search(r"<!-- benchmarks -->\n(.*?)<!-- /benchmarks -->", TEXTS[MANUAL / "performance.md"], re.DOTALL)
    assert rows is not None
    for row in rows[1].splitlines()[2:]:
        assert re.search(r"\| `python -m tests\.benchmarks\.\w+` \|$", row), row
    for name in re.findall(r"python -m (tests\.\w+\.\w+)", ALL):
        assert importlib.util.find_spec(name), name


def test_the_program_of_the_library_is_valid_python() -> None:
    block = re.search(r"```python\n(.*?)```", TEXTS[MANUAL / "library.md"], re.DOTALL)
    assert block is not None
    compile(block[1], "library.md", "exec")


def test_single_commands_show_their_own_options() -> None:
    """An option of one command that is not a setting is listed in the table of single commands."""
    shown = parts_of(TEXTS[MANUAL / "options.md"])
    for name, command in COMMANDS.items():
        for param in command.params:
            if isinstance(param, click.Option) and "--help" not in param.opts and not param.hidden:
                assert any(f"{param.opts[-1]}" in shown[part] for part in ("options", "own-options")), (name, param)


def test_every_refusal_of_a_file_is_in_the_manual() -> None:
    """The code of each `SourceError` is one of the table that the manual lists, and each of the table is used."""
    used = set()
    for path in (ROOT / "importer").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = getattr(node.func, "id", "") if isinstance(node, ast.Call) else ""
            if name in ("SourceError", "SheetRefused", "UnreadableWorkbook") and isinstance(node, ast.Call):
                codes = [keyword.value for keyword in node.keywords if keyword.arg == "code"]
                assert codes or name == "UnreadableWorkbook", f"{path.name}, line {node.lineno}"
                used |= {code.value for code in codes if isinstance(code, ast.Constant)}
    assert used == set(REFUSALS)
