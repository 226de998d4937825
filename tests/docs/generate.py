"""The parts of README and manual that the program itself prints: `python -m tests.docs.generate` writes them.

A part begins with `<!-- generated: name -->` and ends with `<!-- /generated -->`. The tests compare them.
"""

from __future__ import annotations

import ast
import functools
import os
import re
import runpy
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import click

from importer.capillary.codes import ITEM_CODES, REQUEST_CODES, RUN_CODES, CodeEntry, Next, own_codes
from importer.cli.main import cli
from importer.errors import EXIT_MEANINGS, REFUSALS, ExitCode
from importer.normaliser.damage import REPAIRS
from importer.sandbox import FAULTS, SHAPES, magic_markdown
from importer.settings.options import OPTIONS, Option
from importer.system.manual import TOPICS
from importer.telemetry.metrics import metrics_table
from tests.architecture.test_imports import FLOORS

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
MANUAL = ROOT / "importer" / "manual"
FILES = (README, *(MANUAL / f"{topic}.md" for topic in TOPICS))
_PART = re.compile(r"(<!-- generated: ([a-z-]+) -->\n)(.*?)(<!-- /generated -->)", re.DOTALL)
_RUN_ID = re.compile(r"\d{8}-\d{4}-(\w+)-[0-9a-f]{4}")


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; a pipe in a cell is escaped."""
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def all_commands() -> Iterator[tuple[str, click.Command]]:
    """Every command by name, in the order of the command line's help."""
    context = click.Context(cli)
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None, name
        yield name, command


def commands() -> str:
    rows = []
    for name, command in all_commands():
        context = click.Context(command)
        words = " ".join(p.make_metavar(context) for p in command.params if isinstance(p, click.Argument))
        first = re.sub(r"\s+", " ", (command.help or "").strip().partition("\n\n")[0])
        rows.append((f"`{f'{name} {words}'.strip()}`", first))
    return table(("command", "does"), rows)


def declares(param: click.Parameter, option: Option) -> bool:
    """Whether a command's parameter is made from this setting of the table."""
    return isinstance(param, click.Option) and f"--{option.name}" in param.opts and option.help in (param.help or "")


def options() -> str:
    rows = []
    for option in OPTIONS:
        takers = [name for name, command in all_commands() if any(declares(p, option) for p in command.params)]
        declared = f"--{option.name}{f' {option.metavar}' if option.metavar else ''}"
        rows.append((f"`{declared}`", option.shown, option.help, ", ".join(takers)))
    return table(("option", "default", "meaning", "commands"), rows)


def own_options() -> str:
    """Options that are not settings: each is declared at its command."""
    found: dict[tuple[str, str], list[str]] = {}
    for name, command in all_commands():
        context = click.Context(command, info_name=name)
        for param in command.params:
            record = param.get_help_record(context) if isinstance(param, click.Option) else None
            if record is not None and not any(declares(param, option) for option in OPTIONS):
                found.setdefault((record[0], re.sub(r"\s+", " ", record[1])), []).append(name)
    rows = [(f"`{declared}`", text, ", ".join(names)) for (declared, text), names in found.items()]
    return table(("option", "meaning", "commands"), rows)


def exit_codes() -> str:
    return table(("code", "meaning"), [(str(code.value), EXIT_MEANINGS[code]) for code in ExitCode])


def repairs() -> str:
    return "".join(f"- {text}\n" for text in REPAIRS.values())


def rejections() -> str:
    """The importer's reasons for a row; those of the four kinds of ids are the same."""
    alike = ("user_id_", "store_code_", "store_id_")
    meanings = [entry.meaning for code, entry in own_codes().items() if not code.startswith(alike)]
    return "".join(f"- {text.replace('the external id', 'an ID or a store')}\n" for text in dict.fromkeys(meanings))


def refusals() -> str:
    return "".join(f"- {text}\n" for text in REFUSALS.values())


_HAPPENS = {
    Next.SUCCESS: "succeeded",
    Next.WARNING: "succeeded, with a warning",
    Next.ROW: "failed",
    Next.AGAIN: "sent again",
    Next.ALONE: "sent again alone",
    Next.HALVE: "smaller batches",
    Next.REFUSED: "the run stops (4)",
    Next.SETTINGS: "the run stops (2)",
    Next.RENEW: "a new token, else the run stops (4)",
    Next.SLOW: "pause, then slower",
    Next.ITEMS: "the items decide",
}


def codes(entries: Iterable[CodeEntry]) -> str:
    """Codes of a customer: what happens to the row, and who can act."""
    rows = [(f"`{e.code}`", e.meaning, _HAPPENS[e.klass], e.advice, e.who) for e in entries]
    return table(("code", "meaning", "result", "what to do", "who"), rows)


def request_codes() -> str:
    rows = [(f"`{e.code}`", e.meaning, _HAPPENS[e.klass], e.advice) for e in REQUEST_CODES.values()]
    return table(("code", "meaning", "result", "what to do"), rows)


def own_words(entries: Iterable[CodeEntry]) -> str:
    """The importer's codes: the status of the row already gives the result."""
    return table(("code", "meaning", "what to do"), [(f"`{e.code}`", e.meaning, e.advice) for e in entries])


def shapes() -> str:
    return table(("word", "answer"), [(f"`{word}`", text) for word, text in SHAPES.items()])


def faults() -> str:
    return table(("kind", "request"), [(f"`{kind}`", text) for kind, (text, _) in FAULTS.items()])


@functools.cache
def printed(sample: str, exit_code: int) -> str:
    """The summary of a sample's run. Run ID, time and number of requests differ from run to run: they are replaced."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(ROOT / "samples", Path(folder) / "samples")
        words = [sys.executable, "-m", "importer", "run", f"samples/{sample}", "--sandbox"]
        environ = {**os.environ, "IMPORTER_RATE": "1000/second"}
        done = subprocess.run(words, cwd=folder, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == exit_code, done.stderr
    lines = _RUN_ID.sub(r"20261123-0200-\1-7f3a", done.stdout).splitlines(keepends=True)
    for number, line in enumerate(lines):
        if line.startswith("  run "):
            line = re.sub(r"7f3a, [\d.]+ s", "7f3a, 4.4 s", line)
            line = re.sub(r"\d+ requests?", "8 requests", line)
            lines[number] = re.sub(
                r"(requests\D+)\d+( retry\b)?", lambda m: m[1] + ("3 retries" if m[2] else "3"), line
            )
    return f"```text\n{''.join(lines)}```\n"


def settings_file() -> str:
    """The sample settings file, as its script writes it."""
    text: str = runpy.run_path(str(ROOT / "samples" / "make_samples.py"))["settings_file"]()
    return f"```toml\n{text}```\n"


def summary_of(topic: str) -> str:
    """The sentence below a topic's title."""
    return (MANUAL / f"{topic}.md").read_text(encoding="utf-8").split("\n\n")[1].replace("\n", " ")


def topics() -> str:
    return "".join(f"- [{topic}](importer/manual/{topic}.md): {summary_of(topic)}\n" for topic in TOPICS)


def packages() -> str:
    """Packages and modules from the top down, with the first line of their docstrings."""
    rows = []
    for name in FLOORS:
        path = ROOT / "importer" / name
        file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
        rows.append((f"`{name}`", text.partition("\n\n")[0].replace("\n", " ")))
    return table(("package", "content"), rows)


PARTS: dict[str, Callable[[], str]] = {
    "first": lambda: printed("customers.xlsx", 0),
    "messy": lambda: printed("messy.xlsx", 3),
    "topics": topics,
    "commands": commands,
    "options": options,
    "own-options": own_options,
    "exit-codes": exit_codes,
    "settings-file": settings_file,
    "repairs": repairs,
    "rejections": rejections,
    "refusals": refusals,
    "item-codes": lambda: codes(ITEM_CODES.values()),
    "request-codes": request_codes,
    "run-codes": lambda: own_words(RUN_CODES.values()),
    "own-codes": lambda: own_words(own_codes().values()),
    "magic": magic_markdown,
    "shapes": shapes,
    "faults": faults,
    "metrics": metrics_table,
    "packages": packages,
}


def parts_of(text: str) -> dict[str, str]:
    """The generated parts of a file, by name."""
    return {match[2]: match[3] for match in _PART.finditer(text)}


def without_parts(text: str) -> str:
    """What people wrote."""
    return _PART.sub("", text)


def main() -> None:
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        path.write_text(_PART.sub(lambda m: m[1] + PARTS[m[2]]() + m[4], text), encoding="utf-8")


if __name__ == "__main__":
    main()
