"""The parts of README.md that the program says itself: `python -m tests.docs.generate` writes them between their marks.

A part is opened by `<!-- generated: name -->` and closed by `<!-- /generated -->`; the tests compare.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import click

from importer.capillary.codes import ITEM_CODES, REQUEST_CODES, RUN_CODES, CodeEntry, Next, own_codes
from importer.cli.main import cli
from importer.errors import EXIT_MEANINGS, ExitCode
from importer.normaliser.damage import REPAIRS
from importer.sandbox import FAULTS, SHAPES, magic_markdown
from importer.settings.options import OPTIONS
from importer.telemetry.metrics import metrics_table

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
_PART = re.compile(r"(<!-- generated: ([a-z-]+) -->\n)(.*?)(<!-- /generated -->)", re.DOTALL)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def commands() -> str:
    rows = []
    for name, command in cli.commands.items():
        words = " ".join(
            param.make_metavar(click.Context(command)) for param in command.params if isinstance(param, click.Argument)
        )
        rows.append((f"`{f'{name} {words}'.strip()}`", (command.help or "").partition("\n\n")[0].replace("\n", " ")))
    return table(("command", "does"), rows)


def options() -> str:
    rows = [
        (
            f"`--{option.name}{f' {option.metavar}' if option.metavar else ''}`",
            option.shown,
            option.help,
            ", ".join(option.commands),
        )
        for option in OPTIONS
    ]
    return table(("option", "default", "", "taken by"), rows)


def exit_codes() -> str:
    return table(("code", "meaning"), [(str(code.value), EXIT_MEANINGS[code]) for code in ExitCode])


def repairs() -> str:
    return "".join(f"- {text}\n" for text in REPAIRS.values())


_HAPPENS = {
    Next.SUCCESS: "succeeded",
    Next.WARNING: "told",
    Next.ROW: "failed",
    Next.AGAIN: "tried again",
    Next.ALONE: "asked again alone",
    Next.HALVE: "smaller batches",
    Next.REFUSED: "the run stops (4)",
    Next.SETTINGS: "the run stops (2)",
    Next.RENEW: "a new token, else the run stops (4)",
    Next.SLOW: "pause, slower",
    Next.ITEMS: "the items decide",
}


def codes(entries: Iterable[CodeEntry]) -> str:
    """Codes of a customer: what happens with its row, and who can do something about it."""
    rows = [(f"`{e.code}`", e.meaning, _HAPPENS[e.klass], e.advice, e.who) for e in entries]
    return table(("code", "meaning", "what happens", "what to do", "who"), rows)


def request_codes() -> str:
    rows = [(f"`{e.code}`", e.meaning, _HAPPENS[e.klass], e.advice) for e in REQUEST_CODES.values()]
    return table(("code", "meaning", "what happens", "what to do"), rows)


def own_words(entries: Iterable[CodeEntry]) -> str:
    """Words of ours: the status of the row says what happened."""
    return table(("code", "meaning", "what to do"), [(f"`{e.code}`", e.meaning, e.advice) for e in entries])


def helps() -> str:
    """Each command's --help, as on a terminal of 80 columns."""
    parts = []
    for name, command in (("", cli), *cli.commands.items()):
        context = click.Context(command, info_name=f"importer {name}".strip(), terminal_width=80)
        context.help_option_names = ["-h", "--help"]
        parts.append(f"```text\n$ importer {f'{name} ' if name else ''}--help\n{command.get_help(context)}\n```\n")
    return "\n".join(parts)


def shapes() -> str:
    return table(("word", "the answer"), [(f"`{word}`", text) for word, text in SHAPES.items()])


def faults() -> str:
    return table(("kind", "the request"), [(f"`{kind}`", text) for kind, (text, _) in FAULTS.items()])


def messy() -> str:
    """What the second sample's run prints. Its id, its time and how many requests it took differ from run to run."""
    with tempfile.TemporaryDirectory() as place:
        shutil.copytree(ROOT / "samples", Path(place) / "samples")
        words = [sys.executable, "-m", "importer", "run", "samples/messy.xlsx", "--sandbox", "--rate", "1000/second"]
        done = subprocess.run(words, cwd=place, capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr
    text = re.sub(r"\d{8}-\d{4}-messy-[0-9a-f]{4}", "20261123-0200-messy-7f3a", done.stdout)
    text = re.sub(r"(7f3a, ).*requests.*", r"\g<1>4.4 s, 8 requests, 3 of them again", text)
    return f"```text\n{text}```\n"


PARTS: dict[str, Callable[[], str]] = {
    "messy": messy,
    "commands": commands,
    "options": options,
    "exit-codes": exit_codes,
    "repairs": repairs,
    "item-codes": lambda: codes(ITEM_CODES.values()),
    "request-codes": request_codes,
    "run-codes": lambda: own_words(RUN_CODES.values()),
    "own-codes": lambda: own_words(own_codes().values()),
    "magic": magic_markdown,
    "shapes": shapes,
    "faults": faults,
    "metrics": metrics_table,
    "help": helps,
}


def parts_of(text: str) -> dict[str, str]:
    """What stands between the marks, by name."""
    return {match[2]: match[3] for match in _PART.finditer(text)}


def main() -> None:
    text = README.read_text(encoding="utf-8")
    README.write_text(_PART.sub(lambda m: m[1] + PARTS[m[2]]() + m[4], text), encoding="utf-8")


if __name__ == "__main__":
    main()
